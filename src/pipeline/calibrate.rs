//! By which inner folds of its training part a model is calibrated.

use std::collections::BTreeSet;

use crate::config::Experiment;
use crate::corpus::UNKNOWN_SPEAKER;
use crate::error::Result;
use crate::model::CalibrationWords;
use crate::split::{Grouping, Part, Training};

/// Inner folds, as in LIBSVM.
const FOLDS: usize = 5;
/// The fewest speakers that are kept apart: a fold then trains on two.
const LEAST_SPEAKERS: usize = 3;
/// The fewest utterances of each class: one in each fold.
const LEAST_UTTERANCES: usize = FOLDS;
/// Draws of speakers to inner folds, until each class is left to fit on whichever fold is judged.
const DRAWS: u64 = 5;
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

/// Chooses inner folds that hold out whole speakers where the protocol keeps speakers apart and the
/// training part has enough of them, and stratified ones otherwise.
pub(super) fn choose(
    experiment: &Experiment,
    words: CalibrationWords,
    train: &Part<Training>,
    labels: &[String],
) -> Result<Calibration> {
    // Windows of one utterance are judged together, so that it is utterances that are counted.
    let mut counts = vec![0; train.n_classes()];
    (0..train.len())
        .filter(|&row| train.unit(row) == row)
        .for_each(|row| counts[train.y()[row]] += 1);
    let rarest = (0..counts.len())
        .filter(|&class| counts[class] > 0)
        .min_by_key(|&class| counts[class]);
    if let Some(class) = rarest.filter(|&class| counts[class] < LEAST_UTTERANCES) {
        let (label, n) = (labels.get(class).map_or("", String::as_str), counts[class]);
        return Ok(Calibration {
            folds: None,
            described: format!("none: {n} training utterances of {label}"),
            warning: Some(format!(
                "probabilities are not calibrated: {n} training utterances of {label} are too few for inner folds ({LEAST_UTTERANCES} are \
                 needed); {}",
                words.without
            )),
        });
    }
    let mut warning = None;
    if experiment.protocol.keeps_speakers_apart() {
        match speaker_folds(train)? {
            Ok((n, folds)) => {
                let described = format!(
                    "{}, by {n} inner folds that hold out whole speakers",
                    words.by
                );
                return Ok(Calibration {
                    folds: Some(folds),
                    described,
                    warning: None,
                });
            }
            Err(reason) => {
                warning = Some(format!(
                    "probabilities are calibrated on speakers that are trained on, since {reason}: of new speakers they are too high"
                ));
            }
        }
    }
    let folds = Some(train.inner_fold_numbers(FOLDS, Grouping::Utterance, SEED)?);
    Ok(Calibration {
        folds,
        described: format!("{}, by {FOLDS} stratified inner folds", words.by),
        warning,
    })
}

/// Number of folds and the fold of each row, with each speaker in one fold; or why there are none.
fn speaker_folds(
    train: &Part<Training>,
) -> Result<std::result::Result<(usize, Vec<usize>), &'static str>> {
    let speakers: BTreeSet<&String> = train.speakers().iter().collect();
    if speakers.iter().any(|speaker| *speaker == UNKNOWN_SPEAKER) {
        return Ok(Err("the training part has utterances of unknown speakers"));
    }
    if speakers.len() < LEAST_SPEAKERS {
        return Ok(Err("the training part has too few speakers to keep apart"));
    }
    let n = FOLDS.min(speakers.len());
    for draw in 0..DRAWS {
        let folds = train.inner_fold_numbers(n, Grouping::Speaker, SEED + draw)?;
        if (0..n).all(|fold| fits_all_classes(train, &folds, fold)) {
            return Ok(Ok((n, folds)));
        }
    }
    Ok(Err("too few speakers of the training part have each class"))
}

/// Whether what one fold is judged by was fitted on every class.
fn fits_all_classes(train: &Part<Training>, folds: &[usize], fold: usize) -> bool {
    let all: BTreeSet<usize> = train.y().iter().copied().collect();
    let fitted: BTreeSet<usize> = train
        .y()
        .iter()
        .zip(folds)
        .filter(|(_, other)| **other != fold)
        .map(|(class, _)| *class)
        .collect();
    fitted == all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::{Dataset, Matrix, Parts, Role, Shape};

    /// A training part of rows `(utterance, class, speaker)`; rows of one utterance are its
    /// windows.
    fn part(rows: &[(usize, usize, &str)]) -> Part<Training> {
        let data = Dataset {
            ids: rows
                .iter()
                .enumerate()
                .map(|(row, (utterance, ..))| format!("{utterance:03}/{row:03}"))
                .collect(),
            labels: vec!["anger".into(), "fear".into()],
            x: Matrix::new(
                rows.len(),
                1,
                (0..rows.len()).map(|row| row as f32).collect(),
            )
            .into(),
            shape: Shape::vector(1),
            y: rows.iter().map(|row| row.1).collect(),
            speakers: rows.iter().map(|row| row.2.to_owned()).collect(),
        };
        Parts::of(&data, &vec![Some(Role::Train); rows.len()])
            .train
            .keep_together(|id| &id[..3])
    }

    fn chosen(protocol: &str, rows: &[(usize, usize, &str)]) -> Calibration {
        let text = format!(
            "name = \"x\"\n[corpus]\nkind = \"ravdess\"\nroot = \"x\"\n[[experiment]]\nname = \"a\"\n\
             protocol = {{ kind = \"{protocol}\"{} }}\nmodel = {{ kind = \"svm\" }}\n",
            if protocol == "stratified-kfold" {
                ", folds = 2"
            } else {
                ""
            }
        );
        let pipeline = crate::config::parse(&text, "x.toml", &[], None).expect("a pipeline");
        let experiment = &pipeline.experiments[0];
        choose(
            experiment,
            experiment.model.calibration().expect("calibrated"),
            &part(rows),
            &["anger".to_owned(), "fear".to_owned()],
        )
        .expect("a calibration")
    }

    /// `n` utterances of each class by each of the speakers.
    fn rows<'a>(n: usize, speakers: &[&'a str]) -> Vec<(usize, usize, &'a str)> {
        let all = speakers
            .iter()
            .flat_map(|speaker| (0..2 * n).map(move |i| (i % 2, *speaker)));
        all.enumerate()
            .map(|(utterance, (class, speaker))| (utterance, class, speaker))
            .collect()
    }

    #[test]
    fn a_class_of_few_utterances_is_not_calibrated() {
        for n in [1, 4] {
            let found = chosen("stratified-kfold", &rows(n, &["a"]));
            assert!(
                found.folds.is_none()
                    && found.described == format!("none: {n} training utterances of anger"),
                "{found:?}"
            );
            assert!(found.warning.expect("a warning").contains("not calibrated"));
        }
        let found = chosen("stratified-kfold", &rows(5, &["a"]));
        assert!(
            found.described.ends_with("by 5 stratified inner folds") && found.warning.is_none(),
            "{found:?}"
        );
    }

    #[test]
    fn windows_of_one_utterance_count_once_and_stay_together() {
        // Twelve windows of each of eight utterances, which are four of each class.
        let windows = |utterances: usize| -> Vec<(usize, usize, &str)> {
            (0..12 * utterances)
                .map(|row| (row / 12, row / 12 % 2, ["a", "b", "c"][row / 12 % 3]))
                .collect()
        };
        for protocol in ["stratified-kfold", "leave-one-speaker-out"] {
            assert!(chosen(protocol, &windows(8)).folds.is_none(), "{protocol}");
            let folds = chosen(protocol, &windows(12))
                .folds
                .expect("six utterances of each class");
            assert!(
                folds
                    .chunks(12)
                    .all(|windows| windows.iter().all(|fold| *fold == windows[0])),
                "{protocol}"
            );
        }
    }

    #[test]
    fn unseen_speakers_are_judged_by_speakers_that_were_not_fitted_on() {
        let loso = |rows: &[(usize, usize, &str)]| chosen("leave-one-speaker-out", rows);
        let rows_of_three = rows(2, &["a", "b", "c"]);
        let found = loso(&rows_of_three);
        assert!(
            found
                .described
                .ends_with("by 3 inner folds that hold out whole speakers")
                && found.warning.is_none(),
            "{found:?}"
        );
        let folds = found.folds.expect("folds");
        assert_eq!(
            folds
                .chunks(4)
                .map(|rows| rows[0])
                .collect::<BTreeSet<usize>>()
                .len(),
            3
        );
        assert!(
            folds
                .chunks(4)
                .all(|rows| rows.iter().all(|fold| *fold == rows[0]))
        );
        // Speakers who are shared anyway need not be kept apart.
        assert!(
            chosen("stratified-kfold", &rows_of_three)
                .described
                .contains("stratified")
        );
        let reason = |found: Calibration| {
            assert!(found.described.contains("stratified") && found.folds.is_some());
            found.warning.expect("a warning")
        };
        assert!(reason(loso(&rows(3, &["a", "b"]))).contains("too few speakers to keep apart"));
        assert!(reason(loso(&rows(3, &["a", "b", UNKNOWN_SPEAKER]))).contains("unknown speakers"));
        let by_one: Vec<_> = rows(9, &["a", "b", "c"])
            .into_iter()
            .filter(|row| row.1 == 0 || row.2 == "b")
            .collect();
        assert!(
            reason(loso(&by_one)).contains("too few speakers of the training part have each class")
        );
        // Of six speakers in five folds, two who alone have a class may fall into one fold: another
        // draw parts them.
        let by_two: Vec<_> = rows(9, &["a", "b", "c", "d", "e", "f"])
            .into_iter()
            .filter(|row| row.1 == 0 || "af".contains(row.2))
            .collect();
        assert!(loso(&by_two).described.contains("whole speakers"));
    }
}
