//! An experiment on its way through the stages, and the labels that it goes by.

use std::sync::Arc;

use super::flow::Outcome;
use super::jobs::Data;
use super::plan::Decision;
use super::split::Folds;
use super::train;
use super::walk::{Later, Seen};
use super::windows::Unit;
use crate::config::Experiment;
use crate::corpus::Utterance;
use crate::error::Error;
use crate::orchestrator::{Finished, Why};

/// The utterances of a control, whose labels were dealt out anew.
pub(super) struct Shuffled {
    pub utterances: Vec<Utterance>,
    /// [`train::labels`] of them.
    labels: String,
}

impl Shuffled {
    /// Windows of one utterance keep one label. In a joined corpus, whose sessions are its corpora,
    /// labels stay within their corpus.
    pub(super) fn of(utterances: &[Utterance], unit: Unit, joined: bool, seed: u64) -> Self {
        let (whole, places) = unit.whole(utterances);
        let groups: Vec<Option<&str>> = whole
            .iter()
            .map(|u| u.source.session.as_deref().filter(|_| joined))
            .collect();
        let order = crate::split::shuffled(&groups, seed);
        let mut shuffled = utterances.to_vec();
        for (utterance, place) in shuffled.iter_mut().zip(places) {
            utterance
                .source
                .emotion
                .clone_from(&whole[order[place]].source.emotion);
        }
        let labels = train::labels(&shuffled);
        Shuffled {
            utterances: shuffled,
            labels,
        }
    }
}

/// An experiment on its way through the stages.
pub(super) struct Running<'a> {
    pub experiment: &'a Experiment,
    pub chosen: bool,
    /// In a plan: whether its split runs, and why.
    pub planned: Option<(Decision, Vec<Why>)>,
    pub shuffled: Option<Arc<Shuffled>>,
    pub split: Option<Finished>,
    pub folds: Option<Folds>,
    pub trained: Vec<Finished>,
    pub complete: bool,
    pub evaluated: Option<Finished>,
    /// In a plan it may be one that has to run first.
    pub explained: Option<Seen<Finished>>,
    pub failed: Option<String>,
    /// In a plan: the first of its tasks that has to run before more can be said.
    pub later: Option<Later>,
}

impl<'a> Running<'a> {
    pub(super) fn of(experiment: &'a Experiment) -> Self {
        Running {
            experiment,
            chosen: true,
            planned: None,
            shuffled: None,
            split: None,
            folds: None,
            trained: vec![],
            complete: true,
            evaluated: None,
            explained: None,
            failed: None,
            later: None,
        }
    }

    /// The utterances with the labels that this experiment goes by.
    pub(super) fn utterances<'t>(&'t self, data: &'t Data) -> &'t [Utterance] {
        self.shuffled
            .as_ref()
            .map_or(data.utterances, |shuffled| &shuffled.utterances)
    }

    pub(super) fn labels<'t>(&'t self, own: &'t str) -> &'t str {
        self.shuffled
            .as_ref()
            .map_or(own, |shuffled| &shuffled.labels)
    }

    /// Whether all of its folds are trained.
    pub fn complete(&self) -> bool {
        self.folds.is_some()
            && self.failed.is_none()
            && self.trained.len()
                == self.folds.as_ref().map_or(0, |f| f.folds.len())
                    * self.experiment.trained_seeds().len()
    }

    pub fn is_ensemble(&self) -> bool {
        !self.experiment.members().is_empty()
    }

    pub(super) fn fail(&mut self, error: Error, outcome: &mut Outcome) {
        self.complete = false;
        self.failed.get_or_insert_with(|| error.to_string());
        outcome.failures.push(error);
    }

    pub(super) fn failed(experiment: &'a Experiment, error: &Error) -> Self {
        let hint = error
            .hint_text()
            .map(|h| format!(" ({h})"))
            .unwrap_or_default();
        Running {
            failed: Some(format!("{error}{hint}")),
            complete: false,
            ..Running::of(experiment)
        }
    }
}
