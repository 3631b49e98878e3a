//! What came of an experiment, on one line.

use std::fmt;

use serde::Serialize;

use crate::corpus::Attribute;
use crate::encoder::Heard;
use crate::evaluation::{Interval, RestrictedPool, Robustness, Scores, chance_and_majority};
use crate::report::leak::{self, Leak};
use crate::report::{ExperimentSection, pools};
use crate::split::TestSpeakers;
use crate::transform::BALANCED_SPEAKERS;

/// The figures of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentLine {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// The model in words.
    pub model: String,
    /// What may be said of the test speakers: `speaker_independent` is `yes`, `no` or `unknown`.
    #[serde(flatten)]
    pub speakers: TestSpeakers,
    /// Attributes of the corpus that were inferred from names and not confirmed.
    pub guessed: Vec<Attribute>,
    /// Whether unlabelled clips of test speakers were looked at, by itself or by a member.
    pub transductive: bool,
    /// Predictions of all folds and seeds.
    pub n: u64,
    /// WA over all of them, 0 to 1.
    pub accuracy: Option<f64>,
    /// UAR over all of them, 0 to 1.
    pub uar: Option<f64>,
    /// The 95 % interval of the UAR.
    pub uar_interval: Option<Interval>,
    /// UAR of guessing, 0 to 1.
    pub chance: Option<f64>,
    /// Macro F1 over all of them, 0 to 1.
    pub macro_f1: Option<f64>,
    /// WA of the probabilities averaged over seeds, where there are several.
    pub ensemble_accuracy: Option<f64>,
    /// UAR of these, 0 to 1.
    pub ensemble_uar: Option<f64>,
    /// What becomes of a transductive result where the clips of test speakers are of some classes
    /// alone; empty where it was not measured.
    pub restricted_pools: Vec<RestrictedPool>,
    /// Its figures on changed test recordings; empty where it was not tested on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub robustness: Vec<Robustness>,
    /// Which tested sounds were trained on, in words; `None` where none was.
    pub leak: Option<String>,
    /// What is known of its pretrained encoders and the corpus; empty where there are none.
    pub encoders: Vec<Heard>,
    /// Why there is no result, where there is none.
    pub failed: Option<String>,
    /// Whether it was left out, because an optional encoder is not there.
    pub left_out: bool,
}

impl ExperimentLine {
    pub(super) fn of(section: &ExperimentSection) -> ExperimentLine {
        ExperimentLine {
            experiment: section.name.clone(),
            protocol: section.protocol.clone(),
            model: section.model.clone(),
            speakers: section.speakers,
            guessed: section.guessed.clone(),
            transductive: section.transductive,
            n: section.pooled.as_ref().map_or(0, |s| s.n),
            accuracy: section.pooled.as_ref().map(|s| s.accuracy),
            uar: section.pooled.as_ref().map(|s| s.uar),
            uar_interval: section.uncertainty.intervals.map(|of| of.uar),
            chance: section.pooled.as_ref().and_then(chance),
            macro_f1: section.pooled.as_ref().map(|s| s.macro_f1),
            ensemble_accuracy: section.ensemble.as_ref().map(|s| s.accuracy),
            ensemble_uar: section.ensemble.as_ref().map(|s| s.uar),
            restricted_pools: section.restricted_pools.clone(),
            robustness: section.robustness.clone(),
            leak: leak::of(section).map(Leak::describe),
            encoders: section.encoders.clone(),
            failed: section.failed.clone(),
            left_out: section.left_out,
        }
    }

    /// What its figures presuppose, and what speaks against them.
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.transductive {
            let pools = pools::in_words(&self.restricted_pools);
            let pools = pools.map(|pools| format!(", UAR with restricted pools: {pools}"));
            let pools = pools.unwrap_or_default();
            caveats.push(format!("holds only if {BALANCED_SPEAKERS}{pools}"));
        }
        if let Some(worst) = Heard::worst(&self.encoders) {
            let leak = if worst.verdict.is_leak() {
                "a leak: "
            } else {
                ""
            };
            caveats.push(format!("{leak}{}", worst.badge()));
        }
        caveats.extend(self.leak.iter().map(|leak| format!("a leak: {leak}")));
        caveats
    }
}

impl fmt::Display for ExperimentLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(accuracy), Some(uar)) = (self.accuracy, self.uar) else {
            let why = self.failed.as_deref().unwrap_or("not finished");
            return match self.left_out {
                true => write!(f, "{}: {why}", self.experiment),
                false => write!(f, "{}: no result: {why}", self.experiment),
            };
        };
        write!(
            f,
            "{}: WA {:.1} %, UAR {:.1} %",
            self.experiment,
            accuracy * 100.0,
            uar * 100.0
        )?;
        if let Some(ensemble) = self.ensemble_accuracy {
            write!(f, ", seeds together WA {:.1} %", ensemble * 100.0)?;
        }
        let speakers = self.speakers.phrase();
        // Of an ensemble, the name of the model does not say it.
        let transductive = if self.transductive && !self.model.ends_with("transductive") {
            ", transductive"
        } else {
            ""
        };
        write!(
            f,
            " over {} predictions ({}, {speakers}, {}{transductive})",
            self.n, self.protocol, self.model
        )?;
        let caveats = self.caveats();
        caveats
            .iter()
            .try_for_each(|caveat| write!(f, "; {caveat}"))
    }
}

/// UAR of guessing among the classes that were tested.
fn chance(scores: &Scores) -> Option<f64> {
    let found = chance_and_majority(&scores.confusion.support());
    found.map(|baselines| baselines.chance)
}
