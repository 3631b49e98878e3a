//! How much a model loses where its test recordings are changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bootstrap::PairedIntervals;
use super::pairs::holm;
use super::predictions::Predictions;
use super::significance::compare;
use crate::corpus::Source;
use crate::error::Result;
use crate::table::predictions::PredictionRow;

/// An experiment on its own test recordings under one condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Name of the condition.
    pub condition: String,
    /// For people.
    pub title: String,
    /// Why it was left out, where it was: no figure says anything then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The fold of one direction between corpora; `None` over all folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
    /// Predictions of all folds and seeds under the condition.
    pub n: u64,
    /// Predictions on recordings of which no features could be computed under the condition: left
    /// out of both.
    pub lost: u64,
    /// Of these predictions, as recorded; 0 to 1.
    pub accuracy_before: f64,
    /// Under the condition.
    pub accuracy: f64,
    /// UAR as recorded.
    pub uar_before: f64,
    /// UAR under the condition.
    pub uar: f64,
    /// 95 % intervals of the UAR and of its drop.
    pub intervals: Option<PairedIntervals>,
    /// Utterances that are recognised as recorded alone (the seeds taken together).
    pub only_before: u64,
    /// Those that are recognised under the condition alone.
    pub only_after: u64,
    /// Two-sided p value of McNemar's exact test on these.
    pub p: f64,
    /// The same after Holm's correction for all conditions of the experiment.
    pub p_holm: f64,
}

impl Robustness {
    /// A condition that could not be made.
    pub fn left_out(condition: &str, title: &str, why: String) -> Robustness {
        Robustness {
            condition: condition.to_owned(),
            title: title.to_owned(),
            left_out: Some(why),
            fold: None,
            n: 0,
            lost: 0,
            accuracy_before: 0.0,
            accuracy: 0.0,
            uar_before: 0.0,
            uar: 0.0,
            intervals: None,
            only_before: 0,
            only_after: 0,
            p: 1.0,
            p_holm: 1.0,
        }
    }

    /// Of the predictions on the recordings as they are, and under the condition. What only one of
    /// the two has, by utterance, fold and seed, is left out. `sources` are the utterances by id,
    /// and `whole` makes of predictions one for each independent utterance.
    pub fn of(
        (condition, title): (&str, &str),
        labels: &[String],
        before: &[PredictionRow],
        after: &[PredictionRow],
        sources: &BTreeMap<&str, &Source>,
        whole: impl Fn(&[PredictionRow]) -> Vec<PredictionRow>,
    ) -> Result<Robustness> {
        let common: BTreeSet<_> = keys(before).intersection(&keys(after)).copied().collect();
        let both = |rows: &[PredictionRow]| -> Vec<PredictionRow> {
            let rows = rows.iter().filter(|row| common.contains(&key(row)));
            rows.cloned().collect()
        };
        let (kept, changed) = (both(before), both(after));
        let [first, second] =
            [&kept, &changed].map(|rows| Predictions::join(labels, rows, sources));
        let (first, second) = (first?, second?);
        let ((accuracy_before, uar_before), (accuracy, uar)) =
            (first.mean_over_seeds()?, second.mean_over_seeds()?);
        let intervals = second.paired_intervals(&first)?;
        let n = changed.len() as u64;
        let test = compare((labels, whole(&kept)), (labels, whole(&changed)))?.mcnemar;
        Ok(Robustness {
            left_out: None,
            n,
            lost: before.len() as u64 - n,
            accuracy_before,
            accuracy,
            uar_before,
            uar,
            intervals,
            only_before: test.b,
            only_after: test.c,
            p: test.p,
            p_holm: test.p,
            ..Robustness::left_out(condition, title, String::new())
        })
    }

    /// How much UAR is lost, 0 to 1.
    pub fn drop(&self) -> f64 {
        self.uar_before - self.uar
    }
}

type Key<'r> = (&'r str, u32, u64);

fn key(row: &PredictionRow) -> Key<'_> {
    (&row.utterance_id, row.fold, row.seed)
}

fn keys(rows: &[PredictionRow]) -> BTreeSet<Key<'_>> {
    rows.iter().map(key).collect()
}

/// Corrects the p values for as many tests as there are conditions.
pub fn correct(found: &mut [Robustness]) {
    let mut tested: Vec<&mut Robustness> = (found.iter_mut())
        .filter(|one| one.left_out.is_none())
        .collect();
    let corrected = holm(&tested.iter().map(|one| one.p).collect::<Vec<_>>());
    for (one, p) in tested.iter_mut().zip(corrected) {
        one.p_holm = p;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEAKERS: usize = 12;

    fn sources() -> Vec<Source> {
        let source = |i: usize| Source {
            speaker: format!("s{:02}", i / 4),
            ..Source::named(format!("u{i:02}"), "")
        };
        (0..SPEAKERS * 4).map(source).collect()
    }

    /// Two classes by turns; the first `right` of each speaker's four clips are recognised.
    fn rows(right: impl Fn(usize) -> usize) -> Vec<PredictionRow> {
        let row = |i: usize| {
            let (truth, is_right) = (i % 2, i % 4 < right(i / 4));
            let predicted = if is_right { truth } else { 1 - truth };
            let label = |class: usize| ["a", "b"][class].to_owned();
            let p = if predicted == 0 { 0.9 } else { 0.1 };
            PredictionRow {
                experiment: "e".into(),
                protocol: "p".into(),
                fold: 0,
                seed: 0,
                utterance_id: format!("u{i:02}"),
                truth: label(truth),
                predicted: label(predicted),
                probabilities: vec![p, 1.0 - p],
            }
        };
        (0..SPEAKERS * 4).map(row).collect()
    }

    fn of(before: &[PredictionRow], after: &[PredictionRow]) -> Robustness {
        let sources = sources();
        let sources = sources.iter().map(|s| (s.id.as_str(), s)).collect();
        let labels = ["a", "b"].map(str::to_owned);
        Robustness::of(("c", "C"), &labels, before, after, &sources, <[_]>::to_vec).unwrap()
    }

    #[test]
    fn a_drop_that_all_speakers_share_is_sure_though_the_figure_is_not() {
        // Speakers of whom all or half is recognised; all lose one clip of each class.
        let before = rows(|speaker| if speaker % 2 == 0 { 4 } else { 2 });
        let after = rows(|speaker| if speaker % 2 == 0 { 2 } else { 0 });
        let found = of(&before, &after);
        assert_eq!(
            (found.uar_before, found.uar, found.drop()),
            (0.75, 0.25, 0.5)
        );
        let intervals = found.intervals.unwrap();
        for end in [intervals.drop.low, intervals.drop.high] {
            assert!((end - 0.5).abs() < 1e-12, "{end}");
        }
        assert!(intervals.uar.low < 0.2 && intervals.uar.high > 0.3);
        assert_eq!(
            (found.only_before, found.only_after, found.lost),
            (24, 0, 0)
        );
        assert!((found.p - 2f64.powi(-23)).abs() < 1e-15, "{}", found.p);
    }

    #[test]
    fn nothing_changes_where_nothing_is_changed() {
        let rows = rows(|speaker| speaker % 5);
        let found = of(&rows, &rows);
        let intervals = found.intervals.unwrap();
        assert_eq!((found.drop(), found.p), (0.0, 1.0));
        assert_eq!((intervals.drop.low, intervals.drop.high), (0.0, 0.0));
    }

    #[test]
    fn what_has_no_prediction_is_left_out_of_both() {
        let before = rows(|speaker| if speaker == 0 { 0 } else { 4 });
        let found = of(&before, &before[4..]);
        assert_eq!((found.n, found.lost), (44, 4));
        assert_eq!((found.uar_before, found.uar), (1.0, 1.0));
    }

    #[test]
    fn conditions_are_corrected_together_without_those_left_out() {
        let with = |p: f64| Robustness {
            p,
            left_out: None,
            ..Robustness::left_out("c", "C", String::new())
        };
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02.
        let mut found = [0.01, 0.04, 0.03, 0.005].map(with).to_vec();
        found.insert(1, Robustness::left_out("d", "D", "no codec".into()));
        correct(&mut found);
        let got: Vec<f64> = found.iter().map(|one| one.p_holm).collect();
        for (got, want) in got.iter().zip([0.03, 1.0, 0.06, 0.06, 0.02]) {
            assert!((got - want).abs() < 1e-12, "{got} for {want}");
        }
    }
}
