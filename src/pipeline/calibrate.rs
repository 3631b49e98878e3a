//! By which inner folds of its training part a support vector machine is calibrated.

use std::collections::BTreeSet;

use crate::config::Experiment;
use crate::corpus::UNKNOWN_SPEAKER;
use crate::error::Result;
use crate::split::{Grouping, Part, Training};

/// Inner folds, as in LIBSVM.
const FOLDS: usize = 5;
/// The fewest speakers that are kept apart: a fold then trains on two.
const LEAST_SPEAKERS: usize = 3;
/// The fewest utterances of each class: one in each fold.
const LEAST_UTTERANCES: usize = FOLDS;
/// The folds of a calibration are the same whatever the seed of the outer ones.
const SEED: u64 = 0;

/// The inner folds of a calibration.
#[derive(Debug, Default)]
pub(super) struct Calibration {
    /// The inner fold of each training row; `None` where the rows are too few.
    pub folds: Option<Vec<usize>>,
    /// How it is calibrated, for the card of the model.
    pub described: String,
    /// What has to be known of the probabilities.
    pub warning: Option<String>,
}

/// Chooses inner folds that hold out whole speakers where the protocol keeps speakers apart and the training part has enough of them, and stratified
/// ones otherwise.
pub(super) fn choose(experiment: &Experiment, train: &Part<Training>, labels: &[String]) -> Result<Calibration> {
    let utterances: Vec<usize> = (0..train.len()).filter(|&row| !train.is_copy(row)).collect();
    let mut counts = vec![0; train.n_classes()];
    utterances.iter().for_each(|&row| counts[train.y()[row]] += 1);
    let rarest = (0..counts.len()).filter(|&class| counts[class] > 0).min_by_key(|&class| counts[class]);
    if let Some(class) = rarest.filter(|&class| counts[class] < LEAST_UTTERANCES) {
        let (label, n) = (labels.get(class).map_or("", String::as_str), counts[class]);
        return Ok(Calibration {
            folds: None,
            described: format!("none: {n} training utterances of {label}"),
            warning: Some(format!(
                "probabilities are not calibrated: {n} training utterances of {label} are too few for inner folds ({LEAST_UTTERANCES} are \
                 needed); a softmax over the votes of the pairs of classes stands in their place, and only the order of its values means \
                 anything"
            )),
        });
    }
    if experiment.protocol.keeps_speakers_apart() {
        let speakers: BTreeSet<&String> = train.speakers().iter().collect();
        let known = speakers.iter().all(|speaker| *speaker != UNKNOWN_SPEAKER);
        if known && speakers.len() >= LEAST_SPEAKERS {
            let n = FOLDS.min(speakers.len());
            let folds = train.inner_fold_numbers(n, Grouping::Speaker, SEED)?;
            if (0..n).all(|fold| fits_all_classes(train, &folds, fold)) {
                let described = format!("a sigmoid for each pair of classes, by {n} inner folds that hold out whole speakers");
                return Ok(Calibration { folds: Some(folds), described, warning: None });
            }
        }
    }
    let warning = experiment.protocol.keeps_speakers_apart().then(|| {
        "probabilities are calibrated on speakers that are trained on, since the training part has too few speakers (or too few of one class) \
         to keep apart: of new speakers they are too high"
            .to_owned()
    });
    let folds = Some(train.inner_fold_numbers(FOLDS, Grouping::Utterance, SEED)?);
    Ok(Calibration { folds, described: format!("a sigmoid for each pair of classes, by {FOLDS} stratified inner folds"), warning })
}

/// Whether what one fold is judged by was fitted on every class.
fn fits_all_classes(train: &Part<Training>, folds: &[usize], fold: usize) -> bool {
    let all: BTreeSet<usize> = train.y().iter().copied().collect();
    let fitted: BTreeSet<usize> = train.y().iter().zip(folds).filter(|(_, other)| **other != fold).map(|(class, _)| *class).collect();
    fitted == all
}
