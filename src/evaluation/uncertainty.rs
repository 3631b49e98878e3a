//! How sure a figure is: intervals, spreads over seeds and folds, calibration, and where the errors
//! lie.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bootstrap::{self, Intervals, Resampled, Trial};
use super::breakdown::{Breakdown, Known, breakdowns};
use super::calibration::Calibration;
use super::{Confusion, Scores, Spread, argmax, vote};
use crate::corpus::Source;
use crate::error::{Error, Result};
use crate::table::predictions::PredictionRow;
use crate::table::summary;

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
        let index = |label: &str| {
            labels
                .iter()
                .position(|l| l == label)
                .ok_or_else(|| Error::data(format!("a prediction names the unknown class {label}")))
        };
        let answers: Vec<(&PredictionRow, usize, usize)> = rows
            .iter()
            .map(|row| Ok((row, index(&row.truth)?, index(&row.predicted)?)))
            .collect::<Result<_>>()?;
        let source = |id: &str| {
            let lost = || {
                Error::data(format!(
                    "utterance `{id}` is predicted but not in the table of utterances"
                ))
            };
            sources.get(id).copied().ok_or_else(|| {
                lost().hint("the tables are of different corpora: run the pipeline again")
            })
        };
        let known = answers.iter().map(|&(row, truth, predicted)| {
            Ok(Known {
                source: source(&row.utterance_id)?,
                truth,
                predicted,
            })
        });
        let known: Vec<Known> = known.collect::<Result<_>>()?;
        let seeds: Vec<u64> = rows
            .iter()
            .map(|row| row.seed)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let (mut of_seeds, mut of_folds) = (BTreeMap::new(), BTreeMap::new());
        for &(row, truth, predicted) in &answers {
            of_seeds
                .entry(row.seed)
                .or_insert_with(|| Confusion::new(labels))
                .add(truth, predicted);
            of_folds
                .entry((row.fold, row.seed))
                .or_insert_with(|| Confusion::new(labels))
                .add(truth, predicted);
        }
        let figures = |(seed, confusion)| {
            let Scores {
                accuracy,
                uar,
                macro_f1,
                ..
            } = Scores::of_confusion(confusion);
            SeedFigures {
                seed,
                accuracy,
                uar,
                macro_f1,
            }
        };
        let by_seed: Vec<SeedFigures> = of_seeds.into_iter().map(figures).collect();
        let mut by_fold: BTreeMap<u32, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
        for ((fold, _), confusion) in of_folds {
            for (name, value) in Scores::of_confusion(confusion).metrics() {
                by_fold
                    .entry(fold)
                    .or_default()
                    .entry(name)
                    .or_default()
                    .push(value);
            }
        }
        let mut over_folds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, values) in by_fold.into_values().flatten() {
            over_folds
                .entry(name.to_owned())
                .or_default()
                .push(Spread::of(&values).mean);
        }
        let over =
            |of: fn(&SeedFigures) -> f64| Spread::of(&by_seed.iter().map(of).collect::<Vec<_>>());
        let over_seeds = [
            ("accuracy", over(|s| s.accuracy)),
            ("uar", over(|s| s.uar)),
            ("macro_f1", over(|s| s.macro_f1)),
        ]
        .map(|(name, s)| (name.to_owned(), s));
        let mut found = Uncertainty {
            intervals: intervals(labels.len(), &answers, &seeds, &known),
            over_seeds: over_seeds.into(),
            by_seed,
            over_folds: over_folds
                .into_iter()
                .map(|(name, values)| (name, Spread::of(&values)))
                .collect(),
            calibration: Calibration::of(
                rows.iter()
                    .map(|row| (highest(&row.probabilities), row.truth == row.predicted)),
            ),
            breakdowns: breakdowns(labels, &known),
            ..Uncertainty::default()
        };
        if seeds.len() > 1 {
            found.together(labels, rows, &index, &source)?;
        }
        Ok(found)
    }

    /// The seeds as one.
    fn together<'s>(
        &mut self,
        labels: &[String],
        rows: &[PredictionRow],
        index: &dyn Fn(&str) -> Result<usize>,
        source: &dyn Fn(&str) -> Result<&'s Source>,
    ) -> Result<()> {
        let ensemble = summary::ensemble(labels, rows)?;
        self.ensemble_calibration = Calibration::of(
            ensemble
                .iter()
                .map(|row| (highest(&row.probabilities), row.truth == row.predicted)),
        );
        let known = ensemble.iter().map(|row| {
            Ok(Known {
                source: source(&row.utterance_id)?,
                truth: index(&row.truth)?,
                predicted: index(&row.predicted)?,
            })
        });
        let known: Vec<Known> = known.collect::<Result<_>>()?;
        self.ensemble_intervals = by_speaker(labels.len(), &known, &vec![0; known.len()], 1);
        let mut groups: BTreeMap<(u32, &str), Vec<&PredictionRow>> = BTreeMap::new();
        rows.iter().for_each(|row| {
            groups
                .entry((row.fold, &row.utterance_id))
                .or_default()
                .push(row)
        });
        let (mut truth, mut voted) = (Vec::new(), Vec::new());
        for mut group in groups.into_values() {
            group.sort_by_key(|row| row.seed);
            let probabilities: Vec<&[f32]> = group
                .iter()
                .map(|row| row.probabilities.as_slice())
                .collect();
            voted.push(argmax(&vote::majority(&probabilities)));
            truth.push(index(&group[0].truth)?);
        }
        self.vote = Some(Scores::of(labels, &truth, &voted));
        Ok(())
    }
}

fn highest(probabilities: &[f32]) -> f64 {
    probabilities
        .get(argmax(probabilities))
        .map_or(f64::NAN, |&p| f64::from(p))
}

fn intervals(
    classes: usize,
    answers: &[(&PredictionRow, usize, usize)],
    seeds: &[u64],
    known: &[Known],
) -> Option<Intervals> {
    let places: Vec<usize> = answers
        .iter()
        .map(|(row, ..)| seeds.binary_search(&row.seed).unwrap_or(0))
        .collect();
    by_speaker(classes, known, &places, seeds.len())
}

/// `seeds` holds the place of the seed of each prediction.
fn by_speaker(
    classes: usize,
    known: &[Known],
    seeds: &[usize],
    n_seeds: usize,
) -> Option<Intervals> {
    let units = |name: fn(&Source) -> &str| -> BTreeMap<&str, usize> {
        let names: BTreeSet<&str> = known.iter().map(|k| name(k.source)).collect();
        names
            .into_iter()
            .enumerate()
            .map(|(i, name)| (name, i))
            .collect()
    };
    let mut name: fn(&Source) -> &str = |source| &source.speaker;
    let (mut resampled, mut found) = (Resampled::Speakers, units(name));
    if found.len() < 2 {
        name = |source| &source.id;
        (resampled, found) = (Resampled::Utterances, units(name));
    }
    let trial = |(k, &seed): (&Known, &usize)| {
        let unit = found.get(name(k.source)).copied().unwrap_or(0);
        Trial {
            unit,
            seed,
            truth: k.truth,
            right: k.truth == k.predicted,
        }
    };
    let trials: Vec<Trial> = known.iter().zip(seeds).map(trial).collect();
    bootstrap::intervals(&trials, resampled, found.len(), n_seeds, classes)
}

#[cfg(test)]
mod tests {
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
}
