//! What a plan says of stages that cannot be looked at before an ingest.

use std::collections::{BTreeMap, BTreeSet};

use super::augment;
use super::evaluate;
use super::explain;
use super::extract;
use super::ingest::Ingested;
use super::options::Stage;
use super::walk::{Later, Walk};
use super::windows::WINDOWS;
use crate::config::Experiment;
use crate::corpus::Sources;
use crate::error::Result;
use crate::features::FeatureSet;

impl<'a> Walk<'a> {
    /// Lines of a plan for all that follows an ingest which cannot be looked at in advance, or the
    /// windows of `whole`.
    pub(super) fn foretell_all(
        &self,
        chosen: &[&'a Experiment],
        later: &Later,
        with_ingest: bool,
        sources: Option<&Sources>,
        whole: Option<&Ingested>,
    ) -> Result<()> {
        let until = self.options.until;
        let mut last = later.clone();
        if with_ingest {
            last = self.later(
                "ingest",
                Some(&self.identity(Stage::Ingest, self.pipeline.corpus.key(), [])?),
                vec!["generate".into()],
                &last,
            );
        }
        if let Some(windows) = self
            .pipeline
            .corpus
            .windows
            .filter(|_| last.task != WINDOWS)
        {
            last = self.later(
                WINDOWS,
                Some(&self.windows_settings(windows)?),
                vec!["ingest".into()],
                &last,
            );
        }
        let mut extracted: BTreeMap<FeatureSet, Later> = BTreeMap::new();
        for set in self
            .pipeline
            .features
            .sets
            .iter()
            .filter(|_| until >= Stage::Features)
        {
            let settings = self.features_identity(*set, [])?;
            extracted.insert(
                *set,
                self.later(
                    &extract::id(*set),
                    Some(&settings),
                    vec![self.utterances().into()],
                    &last,
                ),
            );
        }
        if let Some(amounts) = self
            .pipeline
            .features
            .augment
            .filter(|_| until >= Stage::Features)
        {
            for set in self.augmenting(chosen) {
                self.later(
                    &augment::id(set),
                    Some(&self.augmented_identity(set, amounts, [])?),
                    vec![self.utterances().into()],
                    &last,
                );
            }
        }
        if let Some(first) = extracted.get(&self.pipeline.features.first()) {
            last = first.clone();
        }
        if let Some(whole) = whole.filter(|_| until >= Stage::Audit) {
            self.audit(whole)?;
        } else if until >= Stage::Audit {
            self.later(
                "audit",
                Some(&self.identity(Stage::Audit, serde_json::json!({}), [])?),
                vec!["ingest".into()],
                later,
            );
        }
        let (mut speakers, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        for source in sources.iter().flat_map(|sources| sources.iter()) {
            let source = source?;
            speakers.insert(source.speaker);
            sessions.extend(source.session);
        }
        let mut ends = Vec::new();
        for experiment in chosen.iter().filter(|_| until >= Stage::Split) {
            let id = format!("split/{}", experiment.name);
            let upstream = extracted.get(&experiment.inputs.set).unwrap_or(&last);
            let split = self.later(
                &id,
                Some(&self.identity(Stage::Split, experiment.split_key(), [])?),
                self.features(),
                upstream,
            );
            ends.push(id);
            if until >= Stage::Train {
                let folds: Vec<(u32, &str)> = (0..experiment
                    .protocol
                    .expected_folds(speakers.len(), sessions.len()))
                    .map(|index| (index, ""))
                    .collect();
                self.foretell(experiment, &folds, &split)?;
                ends.push(format!("evaluate/{}", experiment.name));
            }
        }
        let mut shown: Vec<String> = ends
            .iter()
            .filter(|id| id.starts_with("evaluate/"))
            .cloned()
            .collect();
        let wanted = |one: &&&Experiment| {
            until == Stage::Report
                && (one.explain || self.options.explain)
                && one.members().is_empty()
        };
        for experiment in chosen.iter().filter(wanted) {
            let (evaluated, id) = (evaluate::id(experiment), explain::id(experiment));
            let upstream = Later {
                task: evaluated.clone(),
                certain: last.certain,
            };
            self.later(
                &id,
                Some(&self.explain_settings(experiment)?),
                vec![evaluated.clone()],
                &upstream,
            );
            shown
                .iter_mut()
                .filter(|end| **end == evaluated)
                .for_each(|end| end.clone_from(&id));
        }
        if until > Stage::Features {
            self.later(
                "tables",
                None,
                ends.clone(),
                &Later {
                    certain: false,
                    ..last.clone()
                },
            );
        }
        if until == Stage::Report {
            self.later(
                "report",
                None,
                shown,
                &Later {
                    certain: false,
                    ..last.clone()
                },
            );
        }
        self.publish(&self.publication(), Some(&last))
    }
}
