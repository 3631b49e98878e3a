//! The order of the stages; `plan` and `run` are the same walk, so that what runs is what was planned.

use super::evaluate::{self, SECTION};
use super::extract;
use super::ingest::{self, Corpus, Ingested};
use super::line::ExperimentLine;
use super::listing;
use super::options::{Options, Stage};
use super::publish::{self, Published};
use super::report;
use super::walk::{PlanLine, Step, Walk};
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::corpus::{SetAside, Utterance};
use crate::error::{Error, Kind, Result};
use crate::orchestrator::{Context, Event, Finished, Lock, Observer, Task, Why};
use crate::report::ExperimentSection;
use crate::table;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Errors of single experiments; the rest went on.
    pub failures: Vec<Error>,
    /// Where the report lies, where one was written.
    pub report: Option<std::path::PathBuf>,
    /// What came of each experiment.
    pub results: Vec<ExperimentLine>,
}

/// Says what [`run`] would do, without doing it.
///
/// # Errors
/// As [`run`], as far as they can be known beforehand.
pub fn plan(pipeline: &Pipeline, options: &Options, cancel: &Cancel, observer: &dyn Observer) -> Result<Vec<PlanLine>> {
    let walk = Walk::new(pipeline, options, cancel, observer, true)?;
    walk.run()?;
    Ok(walk.into_lines())
}

/// Runs a pipeline up to the chosen stage.
///
/// # Errors
/// Whatever stops all experiments: a missing corpus ([`Kind::Missing`], after a report that says so was written), unusable data, a file
/// system that refuses, an interruption. What fails for one experiment alone is in the outcome.
pub fn run(pipeline: &Pipeline, options: &Options, cancel: &Cancel, observer: &dyn Observer) -> Result<Outcome> {
    observer.observe(Event::PipelineStarted { pipeline: pipeline.name.clone() });
    let walk = Walk::new(pipeline, options, cancel, observer, false)?;
    let _lock = Lock::take(walk.store.root())?;
    walk.store.sweep()?;
    match walk.run() {
        Err(error) if error.kind() == Kind::Missing && options.until == Stage::Report => {
            let hint = error.hint_text().map(|h| format!(" ({h})")).unwrap_or_default();
            report::write_missing(pipeline, format!("{error}{hint}"), &options.reports_dir)?;
            Err(error)
        }
        other => other,
    }
}

impl Walk<'_> {
    fn run(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        // Tables need no experiment.
        let chosen = if self.options.until > Stage::Features { self.pipeline.select(&self.options.experiments)? } else { vec![] };
        if self.planning && listing::must_generate(self.pipeline) {
            self.line("generate", vec![Why::NeverRan]);
            self.waits("ingest", Stage::Ingest);
            self.wait_for(Stage::Ingest);
            return Ok(outcome);
        }
        if !self.planning {
            listing::generate(self.pipeline, self.workers.pool(), self.cancel, self.observer)?;
        }
        let Some(ingested) = self.ingest()? else {
            self.wait_for(Stage::Ingest);
            return Ok(outcome);
        };
        let tables = self.options.data_dir.join("tables").join(&self.pipeline.name);
        if self.options.until == Stage::Ingest {
            if !self.planning {
                publish::base_tables(&tables, &ingested.finished, None)?;
            }
            return Ok(outcome);
        }
        let Some(extracted) = self.extract(&ingested)? else {
            self.wait_for(Stage::Features);
            return Ok(outcome);
        };
        let late: Vec<SetAside> = ingest::from_json(&extracted.path(extract::SET_ASIDE))?;
        if !self.planning {
            publish::base_tables(&tables, &ingested.finished, Some(&extracted))?;
            self.tell(&ingested, &late);
        }
        if self.options.until == Stage::Features {
            return Ok(outcome);
        }
        // From here on everything is in memory: a split looks at all utterances, and a training at all features.
        let utterances = usable(&ingested, &extracted)?;

        let experiments = self.experiments(&chosen, &utterances, &extracted, &mut outcome)?;
        let published: Vec<Published> = experiments
            .iter()
            .filter_map(|e| {
                let split = e.split.as_ref()?;
                Some(Published { name: &e.experiment.name, split, trained: &e.trained, evaluated: e.evaluated.as_ref() })
            })
            .collect();
        let sections: Vec<ExperimentSection> = experiments
            .iter()
            .filter_map(|e| match &e.evaluated {
                Some(done) => Some(ingest::from_json(&done.path(SECTION)).map(|mut section: ExperimentSection| {
                    section.title.clone_from(&e.experiment.title);
                    section
                })),
                None => e.failed.as_ref().map(|why| Ok(evaluate::failed_section(e.experiment, e.folds.as_ref(), why.clone()))),
            })
            .collect::<Result<_>>()?;
        if self.planning {
            if self.options.until == Stage::Report {
                self.line("report", self.first_stale().into_iter().collect());
            }
            return Ok(outcome);
        }
        publish::experiment_tables(&tables, &published)?;
        for experiment in &published {
            publish::models(&self.options.data_dir.join("models").join(&self.pipeline.name), experiment)?;
        }
        outcome.results = sections.iter().map(ExperimentLine::of).collect();
        if self.options.until == Stage::Report {
            let corpus = report::corpus_section(&ingested.listing, &utterances, late)?;
            report::write(&report::assemble(self.pipeline, Some(corpus), None, sections), &self.options.reports_dir)?;
            outcome.report = Some(self.options.reports_dir.join(&self.pipeline.name).join("index.html"));
        }
        Ok(outcome)
    }

    fn ingest(&self) -> Result<Option<Ingested>> {
        // A plan leaves nothing behind in the project, not even for a moment.
        let (listing, sources) = listing::list(self.pipeline, (!self.planning).then(|| self.store.root()))?;
        let corpus = Corpus { listing: &listing, sources: &sources, root: self.root() };
        let recordings = listing::fingerprint(&listing, &sources, self.root(), &self.workers)?;
        let identity = self.identity(Stage::Ingest, self.pipeline.corpus.parameters(), [("recordings", recordings)])?;
        // Where features are wanted anyway, each recording is decoded once for both stages.
        let rows = (self.options.until > Stage::Ingest).then_some(&self.rows);
        let action = |context: &Context| ingest::ingest(&corpus, self.store.root(), &self.workers, rows, context);
        let done = self.single(Stage::Ingest, Task { id: "ingest".into(), identity, action: Box::new(action) })?;
        done.map(Ingested::of).transpose()
    }

    fn extract(&self, ingested: &Ingested) -> Step {
        let sounds = ingested.summary.sounds.clone();
        let identity = self.identity(Stage::Features, &self.pipeline.features, [("utterances", sounds)])?;
        let action = |context: &Context| extract::extract(ingested, self.root(), &self.workers, &self.rows, context);
        let done = self.single(Stage::Features, Task { id: "features".into(), identity, action: Box::new(action) });
        self.workers.rest();
        self.rows.close();
        done
    }

    /// A few lines for people about what was found.
    fn tell(&self, ingested: &Ingested, late: &[SetAside]) {
        let (listing, summary) = (&ingested.listing, &ingested.summary);
        let minutes = summary.duration_s / 60.0;
        let usable = (summary.utterances as usize).saturating_sub(late.len());
        self.observer.note(format!("{}: {usable} utterances, {minutes:.1} minutes", listing.corpus));
        if let Some(expected) = listing.expected.as_ref().filter(|e| e.utterances != usable) {
            self.observer.note(format!("       {usable} of {} utterances ({})", expected.utterances, expected.source));
        }
        let mut reasons: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for one in listing.set_aside.iter().chain(late) {
            *reasons.entry(one.reason.describe()).or_default() += 1;
        }
        for (reason, count) in reasons {
            self.observer.note(format!("       set aside: {count} ({reason})"));
        }
        for one in listing.set_aside.iter().chain(late).filter(|s| s.reason == crate::corpus::Reason::BadAudio).take(5) {
            self.observer.warn(format!("{} is set aside: {}", one.path, one.detail));
        }
    }
}

/// The utterances that have features.
fn usable(ingested: &Ingested, extracted: &Finished) -> Result<Vec<Utterance>> {
    let (features, _) = table::features::read_parts(&extracted.folder)?;
    let usable: std::collections::BTreeSet<&str> = features.ids.iter().map(String::as_str).collect();
    let utterances = table::utterances::read_parts(&ingested.finished.folder)?;
    Ok(utterances.into_iter().filter(|u| usable.contains(u.source.id.as_str())).collect())
}
