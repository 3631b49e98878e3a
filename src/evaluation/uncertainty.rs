//! How sure a figure is: intervals, spreads over seeds and folds, calibration, and where the errors
//! lie.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::corpus::Source;
use crate::error::Result;
use crate::table::predictions::PredictionRow;
use crate::table::summary;

use super::bootstrap::Intervals;
use super::predictions::{Predictions, confidence};
use super::{Confusion, Scores, Spread, argmax, vote};

const METRICS: [&str; 3] = ["accuracy", "uar", "macro_f1"];

/// The pooled figures of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedFigures {
    /// Seed of the training runs.
    pub seed: u64,
    /// Over all folds.
    pub accuracy: f64,
    /// Over all folds.
    pub uar: f64,
    /// Over all folds.
    pub macro_f1: f64,
}

impl SeedFigures {
    /// The figures by the names that tables and reports use, in their order.
    pub fn metrics(&self) -> [(&'static str, f64); 3] {
        [
            ("accuracy", self.accuracy),
            ("uar", self.uar),
            ("macro_f1", self.macro_f1),
        ]
    }
}

/// The predictions of one value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `female`, `strong`, a speaker, …
    pub value: String,
    /// Distinct utterances.
    pub utterances: u64,
    /// Predictions of all seeds.
    pub predictions: u64,
    /// Over the predictions.
    pub accuracy: f64,
    /// Over the predictions: mean recall of the classes that occur among them.
    pub uar: f64,
    /// Classes that occur among them.
    pub classes: usize,
}

/// All values of one attribute, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// `speaker`, `sex`, `intensity`, `sentence` or `session`.
    pub attribute: String,
    /// As many as there are values.
    pub groups: Vec<Group>,
}

impl Group {
    /// The group of one value, by the scores of its predictions.
    pub(super) fn of(value: String, scores: &Scores) -> Group {
        Group {
            value,
            utterances: 0,
            predictions: scores.n,
            accuracy: scores.accuracy,
            uar: scores.uar,
            classes: 0,
        }
    }
}

/// What has to stand beside the figures of an experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Uncertainty {
    /// Of accuracy and UAR, averaged over seeds.
    pub intervals: Option<Intervals>,
    /// Of the seeds together, by mean probability.
    pub ensemble_intervals: Option<Intervals>,
    /// All folds of each seed, seeds ascending.
    pub by_seed: Vec<SeedFigures>,
    /// By metric: mean and sd over [`Uncertainty::by_seed`].
    pub over_seeds: BTreeMap<String, Spread>,
    /// By metric: mean and sd over folds, each the mean over its seeds.
    pub over_folds: BTreeMap<String, Spread>,
    /// Of the predictions of all seeds.
    pub calibration: Option<Calibration>,
    /// Of the seeds together, by mean probability.
    pub ensemble_calibration: Option<Calibration>,
    /// The seeds together, by majority vote.
    pub vote: Option<Scores>,
    /// By speaker, sex and so on, as far as the corpus names them.
    pub breakdowns: Vec<Breakdown>,
}

impl Uncertainty {
    /// Of all predictions of one experiment: one for each utterance, fold and seed. `sources` are
    /// the utterances by id.
    ///
    /// # Errors
    /// `Data` where a prediction names a class or an utterance that is not known; `Internal` where
    /// it has not one probability per label.
    pub fn of(
        labels: &[String],
        rows: &[PredictionRow],
        sources: &BTreeMap<&str, &Source>,
    ) -> Result<Uncertainty> {
        let all = Predictions::join(labels, rows, sources)?;
        let figures = |(seed, scores): (u64, Scores)| SeedFigures {
            seed,
            accuracy: scores.accuracy,
            uar: scores.uar,
            macro_f1: scores.macro_f1,
        };
        let by_seed: Vec<SeedFigures> = all.by_seed()?.into_iter().map(figures).collect();
        let mut by_fold: BTreeMap<(&str, usize), Vec<f64>> = BTreeMap::new();
        for ((fold, _), scores) in all.by_fold_and_seed()? {
            for (name, value) in scores.metrics() {
                by_fold.entry((name, fold)).or_default().push(value);
            }
        }
        let mut over_folds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for ((name, _), values) in by_fold {
            over_folds
                .entry(name.to_owned())
                .or_default()
                .push(Spread::of(&values).mean);
        }
        let mut over_seeds: BTreeMap<String, Vec<f64>> =
            METRICS.map(|name| (name.to_owned(), Vec::new())).into();
        for (name, value) in by_seed.iter().flat_map(SeedFigures::metrics) {
            over_seeds.entry(name.to_owned()).or_default().push(value);
        }
        let spreads = |values: BTreeMap<String, Vec<f64>>| -> BTreeMap<String, Spread> {
            values
                .into_iter()
                .map(|(name, values)| (name, Spread::of(&values)))
                .collect()
        };
        let mut found = Uncertainty {
            intervals: all.intervals()?,
            over_seeds: spreads(over_seeds),
            by_seed,
            over_folds: spreads(over_folds),
            calibration: calibration(rows),
            breakdowns: all.breakdowns()?,
            ..Uncertainty::default()
        };
        if found.by_seed.len() > 1 {
            let ensemble = summary::ensemble(labels, rows)?;
            found.ensemble_calibration = calibration(&ensemble);
            found.ensemble_intervals =
                Predictions::join(labels, &ensemble, sources)?.intervals()?;
            found.vote = Some(vote_of_seeds(labels, rows));
        }
        Ok(found)
    }
}

fn calibration(rows: &[PredictionRow]) -> Option<Calibration> {
    Calibration::of(rows.iter().map(|row| (confidence(row), row.is_correct())))
}

/// The scores of the majority vote of the seeds.
fn vote_of_seeds(labels: &[String], rows: &[PredictionRow]) -> Scores {
    let mut groups: BTreeMap<(u32, &str), Vec<&PredictionRow>> = BTreeMap::new();
    for row in rows {
        groups
            .entry((row.fold, &row.utterance_id))
            .or_default()
            .push(row);
    }
    let mut confusion = Confusion::new(labels);
    for mut group in groups.into_values() {
        group.sort_by_key(|row| row.seed);
        let probabilities: Vec<&[f32]> = group
            .iter()
            .map(|row| row.probabilities.as_slice())
            .collect();
        if let Some(truth) = labels.iter().position(|label| *label == group[0].truth) {
            confusion.add(truth, argmax(&vote::majority(&probabilities)));
        }
    }
    Scores::of_confusion(confusion)
}

/// Equal parts of [0, 1].
pub const BINS: usize = 15;

/// Predictions whose highest probability lies in one part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Predictions.
    pub n: u64,
    /// Mean of their highest probabilities; 0 where there are none.
    pub confidence: f64,
    /// Share of them that is right; 0 where there are none.
    pub accuracy: f64,
}

/// Expected calibration error and the bins of a reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean distance of confidence and accuracy over the bins, each weighed by its predictions; 0
    /// to 1.
    pub ece: f64,
    /// Predictions in the bins.
    pub n: u64,
    /// Predictions without a finite highest probability, in no bin.
    pub left_out: u64,
    /// 15 parts of equal width, each without its lower and with its upper end.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Of predictions by their highest probability and whether they are right; `None` where no
    /// probability is finite.
    pub fn of(predictions: impl Iterator<Item = (f64, bool)>) -> Option<Calibration> {
        let mut sums = [(0u64, 0.0, 0u64); BINS];
        let mut left_out = 0;
        for (confidence, right) in predictions {
            if !confidence.is_finite() {
                left_out += 1;
                continue;
            }
            let confidence = confidence.clamp(0.0, 1.0);
            let place = ((confidence * BINS as f64).ceil() as usize)
                .saturating_sub(1)
                .min(BINS - 1);
            let bin = &mut sums[place];
            bin.0 += 1;
            bin.1 += confidence;
            bin.2 += u64::from(right);
        }
        let n: u64 = sums.iter().map(|bin| bin.0).sum();
        if n == 0 {
            return None;
        }
        let bins: Vec<Bin> = sums
            .iter()
            .map(|&(n, confidence, right)| match n {
                0 => Bin::default(),
                _ => Bin {
                    n,
                    confidence: confidence / n as f64,
                    accuracy: right as f64 / n as f64,
                },
            })
            .collect();
        let ece = bins
            .iter()
            .map(|bin| bin.n as f64 * (bin.confidence - bin.accuracy).abs())
            .sum::<f64>()
            / n as f64;
        Some(Calibration {
            ece,
            n,
            left_out,
            bins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Resampled;
    use super::*;

    fn source(id: &str, speaker: &str) -> Source {
        Source {
            speaker: speaker.into(),
            ..Source::named(id, "")
        }
    }

    fn row(id: &str, fold: u32, seed: u64, truth: usize, p: f32) -> PredictionRow {
        let label = |class: usize| ["a", "b"][class].to_owned();
        PredictionRow {
            experiment: "e".into(),
            protocol: "p".into(),
            fold,
            seed,
            utterance_id: id.into(),
            truth: label(truth),
            predicted: label(usize::from(p < 0.5)),
            probabilities: vec![p, 1.0 - p],
        }
    }

    #[test]
    fn seeds_folds_and_votes_are_summed_up_as_by_hand() {
        let labels = ["a", "b"].map(str::to_owned);
        let sources = [
            source("1", "x"),
            source("2", "x"),
            source("3", "y"),
            source("4", "y"),
        ];
        let sources: BTreeMap<&str, &Source> = sources.iter().map(|s| (s.id.as_str(), s)).collect();
        // Fold 0 holds 1 (a) and 2 (b), fold 1 holds 3 (a) and 4 (b). Right: seed 0 all but 2; seed
        // 1 all but 1 and 3; seed 2 all but 4.
        let rows = [
            [
                row("1", 0, 0, 0, 0.9),
                row("2", 0, 0, 1, 0.6),
                row("3", 1, 0, 0, 0.8),
                row("4", 1, 0, 1, 0.3),
            ],
            [
                row("1", 0, 1, 0, 0.4),
                row("2", 0, 1, 1, 0.2),
                row("3", 1, 1, 0, 0.1),
                row("4", 1, 1, 1, 0.4),
            ],
            [
                row("1", 0, 2, 0, 0.7),
                row("2", 0, 2, 1, 0.4),
                row("3", 1, 2, 0, 0.55),
                row("4", 1, 2, 1, 0.9),
            ],
        ]
        .concat();
        let found = Uncertainty::of(&labels, &rows, &sources).unwrap();
        assert_eq!(
            found
                .by_seed
                .iter()
                .map(|s| (s.seed, s.accuracy))
                .collect::<Vec<_>>(),
            [(0, 0.75), (1, 0.5), (2, 0.75)]
        );
        let Spread { mean, sd } = found.over_seeds["accuracy"];
        // Deviations 1/12, -1/6, 1/12: squares sum to 1/24, over two.
        assert!(
            (mean - 2.0 / 3.0).abs() < 1e-12 && (sd - (1.0f64 / 48.0).sqrt()).abs() < 1e-12,
            "{mean} {sd}"
        );
        // Fold 0: 1/2, 1/2, 1; fold 1: 1, 1/2, 1/2. Both 2/3.
        assert!(
            (found.over_folds["uar"].mean - 2.0 / 3.0).abs() < 1e-12
                && found.over_folds["uar"].sd < 1e-12
        );
        // Votes: all four right, two to one. Means: 3 is at 0.483 and so wrong, 4 at 0.533 and
        // wrong.
        assert_eq!(found.vote.as_ref().unwrap().accuracy, 1.0);
        let ensemble = found.ensemble_intervals.unwrap();
        // x is right in both, y in none.
        assert_eq!(
            (
                ensemble.accuracy.low,
                ensemble.accuracy.high,
                ensemble.resampled
            ),
            (0.0, 1.0, Resampled::Speakers)
        );
        assert_eq!(
            (found.intervals.unwrap().units, found.calibration.unwrap().n),
            (2, 12)
        );
        assert_eq!(found.ensemble_calibration.unwrap().n, 4);
    }

    #[test]
    fn one_speaker_leaves_utterances_to_draw_and_one_seed_nothing_to_bring_together() {
        let labels = ["a", "b"].map(str::to_owned);
        let sources = [source("1", "x"), source("2", "x"), source("3", "x")];
        let sources: BTreeMap<&str, &Source> = sources.iter().map(|s| (s.id.as_str(), s)).collect();
        let rows = [
            row("1", 0, 0, 0, 0.9),
            row("2", 0, 0, 1, 0.6),
            row("3", 0, 0, 1, 0.2),
        ];
        let found = Uncertainty::of(&labels, &rows, &sources).unwrap();
        let intervals = found.intervals.unwrap();
        assert_eq!(
            (intervals.resampled, intervals.units),
            (Resampled::Utterances, 3)
        );
        let speakers = ["x", "y", "unknown"];
        let pairs = ["1", "2", "3"].into_iter().zip(speakers);
        let named: Vec<Source> = pairs.map(|(id, speaker)| source(id, speaker)).collect();
        let named = named.iter().map(|s| (s.id.as_str(), s)).collect();
        let some = Uncertainty::of(&labels, &rows, &named).unwrap().intervals;
        let some = some.unwrap();
        assert_eq!(
            (some.units, some.known_units(), some.with_unknown),
            (3, 2, true)
        );
        assert!(
            found.vote.is_none()
                && found.ensemble_intervals.is_none()
                && found.ensemble_calibration.is_none()
        );
        assert!(Uncertainty::of(&labels, &[row("9", 0, 0, 0, 0.9)], &sources).is_err());
        assert_eq!(
            Uncertainty::of(&labels, &[], &sources).unwrap().intervals,
            None
        );
    }

    #[test]
    fn the_error_is_what_comes_out_by_hand() {
        // Bin 9 (0.6 to 0.667]: 0.62 and 0.66, one right; bin 13 (0.867 to 0.933]: 0.9, right; bin
        // 14: 1.0 and 0.95, one right.
        let given = [
            (0.62, true),
            (0.66, false),
            (0.9, true),
            (1.0, true),
            (0.95, false),
        ];
        let found = Calibration::of(given.into_iter()).unwrap();
        let want = (2.0 * (0.64f64 - 0.5) + (1.0 - 0.9) + 2.0 * (0.975 - 0.5)) / 5.0;
        assert!(
            (found.ece - want).abs() < 1e-12 && (want - 0.266).abs() < 1e-12,
            "{}",
            found.ece
        );
        let filled: Vec<(usize, u64)> = found
            .bins
            .iter()
            .enumerate()
            .filter(|(_, b)| b.n > 0)
            .map(|(i, b)| (i, b.n))
            .collect();
        assert_eq!(
            (filled, found.bins.len(), found.n),
            (vec![(9, 2), (13, 1), (14, 2)], BINS, 5)
        );
        assert_eq!(
            (found.bins[13].confidence, found.bins[13].accuracy),
            (0.9, 1.0)
        );
    }

    #[test]
    fn ends_belong_to_the_bin_below_and_nan_to_none() {
        let found =
            Calibration::of([(0.2, true), (f64::NAN, true), (0.0, false), (1.5, true)].into_iter())
                .unwrap();
        let places: Vec<usize> = (0..BINS).filter(|&i| found.bins[i].n > 0).collect();
        assert_eq!((places, found.left_out, found.n), (vec![0, 2, 14], 1, 3));
        assert_eq!(Calibration::of([(f64::NAN, true)].into_iter()), None);
    }

    #[test]
    fn a_model_that_is_as_sure_as_it_is_right_has_no_error() {
        let found = Calibration::of((0..10).map(|i| (0.7, i < 7))).unwrap();
        assert!(found.ece < 1e-12, "{}", found.ece);
    }
}
