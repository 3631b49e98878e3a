//! The tasks that open recordings: ingest, features and audit.

use super::audit;
use super::extract::{self, Extracted};
use super::ingest::{self, Contradiction, Corpus, Ingested};
use super::listing;
use super::options::Stage;
use super::probes::{self, Probes};
use super::rows::Logs;
use super::walk::{Mode, Seen, Walk};
use super::windows::WINDOWS;
use crate::corpus::Sources;
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::orchestrator::{Context, Finished, Identity, Task};

/// Recordings that a plan opens at most to look at what they hold now.
pub(super) const PREVIEWED: usize = 256;

impl Walk<'_> {
    pub(super) fn ingest(&self) -> Result<(Seen<Finished>, Sources)> {
        // What ended an earlier process decides on what is read.
        self.workers.suspects();
        // A plan leaves nothing behind in the project, not even for a moment.
        let (listing, sources) = listing::list(
            self.pipeline,
            (self.mode == Mode::Run).then(|| self.store.root()),
            self.cancel,
        )?;
        let corpus = Corpus {
            listing: &listing,
            sources: &sources,
            root: self.root(),
            subset: self.pipeline.corpus.subset.as_ref(),
            published: ingest::published(&self.pipeline.corpus.kind),
        };
        let recordings =
            listing::fingerprint(&listing, &sources, self.root(), &self.workers, self.cancel)?;
        let fingerprint = recordings.clone();
        let identity = self.identity(
            Stage::Ingest,
            self.pipeline.corpus.key(),
            [("recordings", recordings)],
        )?;
        // Features of windows are computed of these.
        let whole = self.pipeline.corpus.windows.is_none();
        let action = |context: &Context| {
            let root = self.store.root();
            let probes = if self.planning() {
                Probes::peek(root)
            } else {
                Probes::begin(root)?
            };
            let logs = self.logs_of_new_sounds(whole, true)?;
            let logs = ingest::ingest(&corpus, probes, &self.workers, logs, context)?;
            self.rows.put(logs);
            if !self.planning()
                && listing::fingerprint(
                    &listing,
                    &sources,
                    self.root(),
                    &self.workers,
                    self.cancel,
                )? != fingerprint
            {
                return Err(ingest::changed(self.root()));
            }
            Ok(())
        };
        let changes = || listing::changes(&sources, self.root(), self.store.root(), self.cancel);
        let which = |_: &str| {
            Some(
                changes()
                    .ok()?
                    .describe()
                    .unwrap_or_else(|| "labels or other metadata".to_owned()),
            )
        };
        let task = Task {
            which: Some(Box::new(which)),
            ..Task::new("ingest", identity, action)
        };
        let preview = || changes().is_ok_and(|changes| changes.to_open() <= PREVIEWED);
        let done = self.single(task, vec![], preview)?;
        Ok((done, sources))
    }

    /// The logs that new sounds are entered in as soon as they are decoded: those that a later stage
    /// of this run reads.
    pub(super) fn logs_of_new_sounds(&self, features: bool, sketches: bool) -> Result<Logs> {
        let mut logs = Logs::default();
        if self.mode == Mode::Run && self.options.until > Stage::Ingest && features {
            logs = self.rows.take_all(&self.pipeline.features)?;
        }
        if self.mode == Mode::Run && self.options.until >= Stage::Audit && sketches {
            logs.sketches = Some(self.rows.take_sketches()?);
        }
        Ok(logs)
    }

    pub(super) fn extract(&self, ingested: &Ingested) -> Result<Extracted> {
        let sets = &self.pipeline.features.sets;
        let identity = |set: FeatureSet| -> Result<Identity> {
            let mut identity =
                self.features_identity(set, [("utterances", ingested.summary.sounds.clone())])?;
            if !set.is_computed_in_blocks() {
                identity.inputs.extend(
                    ingested
                        .too_long(self.workers.budget())?
                        .map(|(name, hash)| (name.to_owned(), hash)),
                );
            }
            Ok(identity)
        };
        let is_due = |set: FeatureSet| {
            let task = Task::new(extract::id(set), identity(set)?, |_: &Context| Ok(()));
            Ok(self.finished(&task)?.is_none())
        };
        let one = |(i, set): (usize, &FeatureSet)| {
            let action = |context: &Context| {
                let mut later = Vec::new();
                for other in &sets[i + 1..] {
                    if is_due(*other)? {
                        later.push(*other);
                    }
                }
                let mut together = self.rows.take_sets(&later, &self.pipeline.features)?;
                // The audit compares whole utterances.
                if self.pipeline.corpus.windows.is_none() {
                    together.sketches = self.logs_of_new_sounds(false, true)?.sketches;
                }
                extract::extract(
                    *set,
                    together,
                    ingested,
                    self.root(),
                    &self.workers,
                    &self.rows,
                    context,
                )
            };
            let done = self.single(
                Task::new(extract::id(*set), identity(*set)?, action),
                vec![self.utterances().into()],
                || false,
            )?;
            Ok((*set, done))
        };
        let done = sets
            .iter()
            .enumerate()
            .map(one)
            .collect::<Result<_>>()
            .map(Extracted);
        self.workers.rest();
        self.rows.close();
        done
    }

    pub(super) fn features_identity<const N: usize>(
        &self,
        set: FeatureSet,
        inputs: [(&str, String); N],
    ) -> Result<Identity> {
        let identity = self.identity(Stage::Features, self.pipeline.features.of(set), inputs)?;
        Ok(Identity {
            code_version: set.code_version(),
            ..identity
        })
    }

    pub(super) fn audit(&self, ingested: &Ingested) -> Result<Seen<Finished>> {
        // Of ids, places and sounds, like features: a label makes no copy.
        let identity = self.identity(
            Stage::Audit,
            serde_json::json!({}),
            [("utterances", ingested.summary.sounds.clone())],
        )?;
        let action = |context: &Context| {
            audit::audit(ingested, self.root(), &self.rows, &self.workers, context)
        };
        self.single(
            Task::new("audit", identity, action),
            vec!["ingest".into()],
            || false,
        )
    }

    /// Where a recording does not sound as the ingest says, forgets the ingest and all that was
    /// noted of recordings: the next run opens them anew, and does not come to the same end.
    pub(super) fn distrust(&self, error: Error, ingests: &[&Ingested]) -> Error {
        if self.mode == Mode::Run && error.has_cause::<Contradiction>() {
            let folders = [
                self.store.root().to_owned(),
                self.store.root().join(WINDOWS),
            ];
            let forgotten = folders.iter().try_for_each(|folder| probes::forget(folder));
            let discarded = ingests
                .iter()
                .try_for_each(|ingested| self.store.discard(&ingested.finished));
            if let Err(other) = forgotten.and(discarded) {
                return other;
            }
        }
        error
    }
}
