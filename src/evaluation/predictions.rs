//! Predictions joined with what is known of the tested utterances: one polars frame, from which the
//! counts behind all figures are grouped.
//!
//! polars groups the rows. Ratios and means are made of the counts afterwards in a fixed order, so
//! that no figure depends on how it divides the work.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame};

use super::bootstrap::{self, Intervals, PairedIntervals, Resampled, Trial};
use super::{Breakdown, Confusion, Group, Scores, argmax};
use crate::corpus::{Source, UNKNOWN_SPEAKER};
use crate::error::{Error, Result};
use crate::table::predictions::PredictionRow;
use crate::table::summary::{Groups, count, defect, frame, seeds, text};

/// Group of the utterances of which the corpus does not say an attribute.
const NOT_SAID: &str = "not said";

/// Attributes by which figures are broken down, as columns of the frame.
const ATTRIBUTES: [&str; 5] = ["speaker", "sex", "intensity", "sentence", "session"];

/// Column of the utterance that a prediction belongs to: of windows, the one that they were cut
/// from.
const UTTERANCE: &str = "utterance";

/// The predictions of one experiment.
pub(super) struct Predictions<'a> {
    labels: &'a [String],
    frame: DataFrame,
}

impl<'a> Predictions<'a> {
    /// Joins predictions with the utterances by id.
    ///
    /// # Errors
    /// `Data` where a prediction names a class or an utterance that is not known.
    pub fn join(
        labels: &'a [String],
        rows: &[PredictionRow],
        sources: &BTreeMap<&str, &Source>,
    ) -> Result<Predictions<'a>> {
        let class = |label: &String| {
            let place = labels.iter().position(|l| l == label);
            place
                .map(|place| place as u32)
                .ok_or_else(|| Error::data(format!("a prediction names the unknown class {label}")))
        };
        let classes = |of: fn(&PredictionRow) -> &String| {
            rows.iter()
                .map(|row| class(of(row)))
                .collect::<Result<Vec<u32>>>()
        };
        let tested = |row: &PredictionRow| sources.get(&*row.utterance_id).copied();
        let Some(tested) = rows.iter().map(tested).collect::<Option<Vec<&Source>>>() else {
            let ids = rows.iter().map(|row| &*row.utterance_id);
            let id = ids.filter(|id| !sources.contains_key(id)).min();
            return Err(Error::data(format!(
                "utterance `{}` is predicted but not in the table of utterances",
                id.unwrap_or_default()
            ))
            .hint("the tables are of different corpora: run the pipeline again"));
        };
        let of = |name: &str, value: fn(&Source) -> Option<&str>| {
            let values: Vec<Option<&str>> = tested.iter().map(|source| value(source)).collect();
            Column::new(name.into(), values)
        };
        let columns = vec![
            Column::new(
                "fold".into(),
                rows.iter().map(|row| row.fold).collect::<Vec<_>>(),
            ),
            Column::new(
                "seed".into(),
                rows.iter().map(|row| row.seed).collect::<Vec<_>>(),
            ),
            Column::new("truth".into(), classes(|row| &row.truth)?),
            Column::new("predicted".into(), classes(|row| &row.predicted)?),
            of(UTTERANCE, |s| Some(&s.id)),
            of("speaker", |s| Some(&s.speaker)),
            of("sex", |s| s.sex.map(|sex| sex.as_str())),
            of("intensity", |s| s.intensity.as_deref()),
            of("sentence", |s| s.text_id.as_deref()),
            of("session", |s| s.session.as_deref()),
        ];
        Ok(Predictions {
            labels,
            frame: frame(rows.len(), columns)?,
        })
    }

    /// Counts of truth against prediction for each value of `keys`, which `read` takes from the
    /// frame of these.
    fn confusions<K: Ord>(
        &self,
        keys: &[&str],
        read: impl Fn(&DataFrame) -> Result<Vec<K>>,
    ) -> Result<BTreeMap<K, Confusion>> {
        let by = [keys, &["truth", "predicted"]].concat();
        let groups = Groups::of(&self.frame, &by)?;
        let cells = count(&groups.keys, "truth")?
            .into_iter()
            .zip(count(&groups.keys, "predicted")?)
            .zip(groups.sizes());
        let mut found = BTreeMap::new();
        for (key, ((truth, predicted), n)) in read(&groups.keys)?.into_iter().zip(cells) {
            let confusion: &mut Confusion = found
                .entry(key)
                .or_insert_with(|| Confusion::new(self.labels));
            confusion.counts[truth][predicted] += n as u64;
        }
        Ok(found)
    }

    /// All folds of each seed.
    pub fn by_seed(&self) -> Result<BTreeMap<u64, Scores>> {
        let found = self.confusions(&["seed"], |groups| seeds(groups, "seed"))?;
        Ok(found
            .into_iter()
            .map(|(seed, counts)| (seed, Scores::of_confusion(counts)))
            .collect())
    }

    /// Accuracy and UAR of all folds, averaged over the seeds.
    pub fn mean_over_seeds(&self) -> Result<(f64, f64)> {
        let by_seed: Vec<Scores> = self.by_seed()?.into_values().collect();
        let mean = |of: fn(&Scores) -> f64| {
            by_seed.iter().map(of).sum::<f64>() / by_seed.len().max(1) as f64
        };
        Ok((mean(|scores| scores.accuracy), mean(|scores| scores.uar)))
    }

    /// Each fold of each seed.
    pub fn by_fold_and_seed(&self) -> Result<BTreeMap<(usize, u64), Scores>> {
        let found = self.confusions(&["fold", "seed"], |groups| {
            Ok(count(groups, "fold")?
                .into_iter()
                .zip(seeds(groups, "seed")?)
                .collect())
        })?;
        Ok(found
            .into_iter()
            .map(|(key, counts)| (key, Scores::of_confusion(counts)))
            .collect())
    }

    /// How many different values a column has, nulls aside.
    fn distinct(&self, column: &str) -> Result<usize> {
        let column = self.frame.column(column).map_err(defect)?;
        let values = column.n_unique().map_err(defect)?;
        Ok(values - usize::from(column.null_count() > 0))
    }

    /// Breaks the predictions down by every attribute that the corpus names: one that has several
    /// values, and fewer than half as many as there are utterances.
    pub fn breakdowns(&self) -> Result<Vec<Breakdown>> {
        let utterances = self.distinct(UTTERANCE)?;
        let mut found = Vec::new();
        for attribute in ATTRIBUTES {
            if self.distinct(attribute)? == 0 {
                continue;
            }
            let of_utterances = Groups::of(&self.frame, &[attribute, UTTERANCE])?;
            let mut utterances_of: BTreeMap<String, usize> = BTreeMap::new();
            for value in said(&of_utterances.keys, attribute)? {
                *utterances_of.entry(value).or_default() += 1;
            }
            let groups = utterances_of.len();
            if groups < 2 || (attribute != "speaker" && groups * 2 > utterances) {
                continue;
            }
            let confusions = self.confusions(&[attribute], |keys| said(keys, attribute))?;
            let groups = confusions.into_iter().map(|(value, confusion)| Group {
                utterances: utterances_of.get(&value).copied().unwrap_or(0) as u64,
                classes: confusion.support().into_iter().filter(|&n| n > 0).count(),
                ..Group::of(value, &Scores::of_confusion(confusion))
            });
            found.push(Breakdown {
                attribute: attribute.to_owned(),
                groups: groups.collect(),
            });
        }
        Ok(found)
    }

    /// Intervals by speaker, or by utterance where there are fewer than two speakers.
    pub fn intervals(&self) -> Result<Option<Intervals>> {
        let trials = self.trials()?;
        let Trials { list, units, .. } = &trials;
        let (classes, with_unknown) = (self.labels.len(), trials.with_unknown);
        let found = bootstrap::intervals(list, trials.resampled, *units, trials.seeds, classes);
        Ok(found.map(|found| Intervals {
            with_unknown,
            ..found
        }))
    }

    /// The intervals of these predictions and of how much they lie below those of `before`, which
    /// are of the same utterances, folds and seeds.
    pub fn paired_intervals(&self, before: &Predictions) -> Result<Option<PairedIntervals>> {
        let (before, after) = (before.trials()?, self.trials()?);
        if (before.units, before.seeds) != (after.units, after.seeds) {
            return Err(Error::internal(
                "predictions of other speakers or seeds were to be compared",
            ));
        }
        let of = (after.resampled, after.units);
        let classes = self.labels.len();
        Ok(bootstrap::paired(
            &before.list,
            &after.list,
            of,
            after.seeds,
            classes,
        ))
    }

    fn trials(&self) -> Result<Trials> {
        let (resampled, unit) = match self.distinct("speaker")? {
            0 | 1 => (Resampled::Utterances, UTTERANCE),
            _ => (Resampled::Speakers, "speaker"),
        };
        let groups = Groups::of(&self.frame, &[unit, "seed", "truth"])?;
        let (truth, predicted) = (
            count(&self.frame, "truth")?,
            count(&self.frame, "predicted")?,
        );
        let right = groups.rows.iter().map(|rows| {
            let right = rows.iter().filter(|&&row| truth[row] == predicted[row]);
            right.count()
        });
        let (units, seeds) = (text(&groups.keys, unit)?, seeds(&groups.keys, "seed")?);
        let with_unknown = unit == "speaker" && units.iter().any(|one| one == UNKNOWN_SPEAKER);
        let (unit_of, units) = places(&units);
        let (seed_of, seeds) = places(&seeds);
        let counts = count(&groups.keys, "truth")?
            .into_iter()
            .zip(groups.sizes())
            .zip(right);
        let trials = counts.zip(unit_of.into_iter().zip(seed_of));
        let list = trials
            .map(|(((truth, n), right), (unit, seed))| Trial {
                unit,
                seed,
                truth,
                n: n as u64,
                right: right as u64,
            })
            .collect();
        Ok(Trials {
            list,
            resampled,
            units,
            with_unknown,
            seeds,
        })
    }
}

/// The values of an attribute, with a word for those that the corpus does not say.
fn said(frame: &DataFrame, attribute: &str) -> Result<Vec<String>> {
    let column = frame.column(attribute).and_then(|c| c.str());
    let values = column.map_err(defect)?.iter();
    Ok(values
        .map(|value| value.unwrap_or(NOT_SAID).to_owned())
        .collect())
}

/// Predictions as a bootstrap draws them.
struct Trials {
    list: Vec<Trial>,
    resampled: Resampled,
    units: usize,
    with_unknown: bool,
    seeds: usize,
}

/// The place of each value among the distinct values in ascending order, and how many these are.
fn places<T: Ord>(values: &[T]) -> (Vec<usize>, usize) {
    let mut distinct: Vec<&T> = values.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |value: &T| distinct.binary_search(&value).unwrap_or(0);
    (values.iter().map(place).collect(), distinct.len())
}

/// The highest probability of a prediction; not a number where it has none.
pub(super) fn confidence(row: &PredictionRow) -> f64 {
    let highest = row.probabilities.get(argmax(&row.probabilities));
    highest.map_or(f64::NAN, |&p| f64::from(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Sex;

    fn source(id: &str, speaker: &str, sex: Option<Sex>) -> Source {
        Source {
            speaker: speaker.into(),
            sex,
            text_id: Some(id.into()),
            ..Source::named(id, "")
        }
    }

    fn row(id: &str, seed: u64, truth: &str, predicted: &str) -> PredictionRow {
        PredictionRow {
            experiment: "e".into(),
            protocol: "p".into(),
            fold: 0,
            seed,
            utterance_id: id.into(),
            truth: truth.into(),
            predicted: predicted.into(),
            probabilities: vec![],
        }
    }

    fn breakdowns(labels: &[String], rows: &[PredictionRow], sources: &[Source]) -> Vec<Breakdown> {
        let sources = sources.iter().map(|s| (s.id.as_str(), s)).collect();
        Predictions::join(labels, rows, &sources)
            .unwrap()
            .breakdowns()
            .unwrap()
    }

    #[test]
    fn groups_are_scored_on_the_classes_that_they_have() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let sources = [
            source("1", "x", Some(Sex::Female)),
            source("2", "x", Some(Sex::Female)),
            source("3", "y", Some(Sex::Male)),
            source("4", "z", None),
        ];
        // Two seeds for the first utterance, of which one is wrong.
        let rows = [
            row("1", 0, "a", "a"),
            row("1", 1, "a", "b"),
            row("2", 0, "b", "b"),
            row("3", 0, "c", "c"),
            row("4", 0, "a", "c"),
        ];
        let found = breakdowns(&labels, &rows, &sources);
        // As many sentences as utterances say nothing; nobody names an intensity or a session.
        let names: Vec<&str> = found.iter().map(|b| b.attribute.as_str()).collect();
        assert_eq!(names, ["speaker"]);
        let x = &found[0].groups[0];
        assert_eq!(
            (x.value.as_str(), x.utterances, x.predictions, x.classes),
            ("x", 2, 3, 2)
        );
        assert!(
            (x.accuracy - 2.0 / 3.0).abs() < 1e-12 && (x.uar - 0.75).abs() < 1e-12,
            "{x:?}"
        );
        assert_eq!(
            (found[0].groups[1].accuracy, found[0].groups[2].accuracy),
            (1.0, 0.0)
        );
    }

    #[test]
    fn sexes_are_compared_and_utterances_without_one_are_a_group() {
        let labels = ["a".to_owned()];
        let sex = |i: usize| [Some(Sex::Female), Some(Sex::Male), None, Some(Sex::Male)][i % 4];
        let sources: Vec<Source> = (0..8)
            .map(|i| source(&i.to_string(), "x", sex(i)))
            .collect();
        let rows: Vec<PredictionRow> = (0..8).map(|i| row(&i.to_string(), 0, "a", "a")).collect();
        let found = breakdowns(&labels, &rows, &sources);
        assert_eq!(found.len(), 1, "one speaker is no comparison");
        let groups = found[0].groups.iter();
        let sizes: Vec<(&str, u64)> = groups.map(|g| (g.value.as_str(), g.utterances)).collect();
        assert_eq!(sizes, [("female", 2), ("male", 4), ("not said", 2)]);
    }
}
