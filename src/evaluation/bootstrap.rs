//! How far accuracy and UAR would move with other speakers: percentile intervals of a bootstrap
//! that draws whole speakers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{rng, stats};

/// Draws of an interval: with so many, its ends move by a tenth of a point or less with other
/// draws.
pub const REPLICATES: usize = 20_000;
/// Units drawn for an interval at most, so that corpora of many speakers do not take minutes: they
/// have fewer draws, but this many at least.
const MOST_UNITS: usize = 40_000_000;
const FEWEST_REPLICATES: usize = 2000;
/// Share of the replicates between the ends of an interval.
pub const COVERED: f64 = 0.95;

/// The same draws for every experiment with as many units, so that intervals on the same speakers
/// move together.
const KEY: &[u8; 32] = b"bootstrap of accuracy and recall";

/// What is drawn with replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampled {
    /// Whole speakers, with all of their utterances: those of one speaker are correlated.
    Speakers,
    /// Single utterances, where there are fewer than two speakers. Too narrow for a new speaker.
    Utterances,
}

impl Resampled {
    /// For reports.
    pub fn describe(self) -> &'static str {
        match self {
            Resampled::Speakers => "speakers",
            Resampled::Utterances => "utterances",
        }
    }
}

/// Both ends, as shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// 95 % intervals of one set of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// What was drawn.
    pub resampled: Resampled,
    /// How many of them there are.
    pub units: usize,
    /// Whether one of them is no speaker, but all utterances together of which nobody knows who
    /// speaks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_unknown: bool,
    /// Draws.
    pub replicates: usize,
    /// Of the pooled accuracy, averaged over seeds.
    pub accuracy: Interval,
    /// Of the pooled UAR, averaged over seeds.
    pub uar: Interval,
}

impl Intervals {
    /// How many speakers or utterances were drawn from.
    pub fn known_units(&self) -> usize {
        self.units - usize::from(self.with_unknown)
    }

    /// The ends by the names that tables use, in their order.
    pub fn metrics(&self) -> [(&'static str, f64); 4] {
        [
            ("accuracy_ci_low", self.accuracy.low),
            ("accuracy_ci_high", self.accuracy.high),
            ("uar_ci_low", self.uar.low),
            ("uar_ci_high", self.uar.high),
        ]
    }
}

/// The predictions of one seed for the utterances of one class and unit.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Speaker, or utterance, from 0.
    pub unit: usize,
    /// Place of the seed, from 0.
    pub seed: usize,
    /// True class.
    pub truth: usize,
    /// Predictions.
    pub n: u64,
    /// Those that name the true class.
    pub right: u64,
}

/// Accuracy and UAR over the draws of `units` from `trials`; each replicate is scored for every
/// seed and averaged over the seeds. `None` where there are fewer than two units.
///
/// # Panics
/// When a class, seed or unit is out of its range: a defect of the caller, never of data.
pub fn intervals(
    trials: &[Trial],
    resampled: Resampled,
    units: usize,
    seeds: usize,
    classes: usize,
) -> Option<Intervals> {
    draw(
        trials,
        (resampled, units),
        seeds,
        classes,
        replicates(units),
    )
}

/// Intervals of one set of predictions, and of how much its UAR lies below that of another set on
/// the same draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedIntervals {
    /// What was drawn.
    pub resampled: Resampled,
    /// How many of them there are.
    pub units: usize,
    /// Of the UAR, averaged over seeds.
    pub uar: Interval,
    /// Of the UAR of the other set less this one.
    pub drop: Interval,
}

/// UAR over the draws of `units` from `trials`, and how much it lies below that of `before`, whose
/// trials are of the same units, seeds and classes. `None` where there are fewer than two units.
///
/// # Panics
/// As [`intervals`].
pub fn paired(
    before: &[Trial],
    trials: &[Trial],
    (resampled, units): (Resampled, usize),
    seeds: usize,
    classes: usize,
) -> Option<PairedIntervals> {
    if units < 2 || seeds == 0 || classes == 0 {
        return None;
    }
    let [before, after] = [before, trials].map(|trials| tally(trials, units, seeds, classes));
    let (mut uars, mut drops) = (Vec::new(), Vec::new());
    each_draw(resampled, units, replicates(units), |drawn| {
        let [(_, before), (_, after)] =
            [&before, &after].map(|counts| score(&sum(counts, drawn, seeds * classes), classes));
        uars.push(after);
        drops.push(before - after);
    });
    Some(PairedIntervals {
        resampled,
        units,
        uar: ends(uars),
        drop: ends(drops),
    })
}

fn replicates(units: usize) -> usize {
    (MOST_UNITS / units.max(1)).clamp(FEWEST_REPLICATES, REPLICATES)
}

fn draw(
    trials: &[Trial],
    (resampled, units): (Resampled, usize),
    seeds: usize,
    classes: usize,
    replicates: usize,
) -> Option<Intervals> {
    if units < 2 || seeds == 0 || classes == 0 {
        return None;
    }
    let counts = tally(trials, units, seeds, classes);
    let (mut accuracies, mut uars) = (
        Vec::with_capacity(replicates),
        Vec::with_capacity(replicates),
    );
    each_draw(resampled, units, replicates, |drawn| {
        let (accuracy, uar) = score(&sum(&counts, drawn, seeds * classes), classes);
        accuracies.push(accuracy);
        uars.push(uar);
    });
    Some(Intervals {
        resampled,
        units,
        with_unknown: false,
        replicates,
        accuracy: ends(accuracies),
        uar: ends(uars),
    })
}

/// By unit: of each seed and class that it has, how many utterances there are and how many were
/// recognised.
type Counts = Vec<Vec<(usize, [u64; 2])>>;

fn tally(trials: &[Trial], units: usize, seeds: usize, classes: usize) -> Counts {
    let mut counts: Counts = vec![Vec::new(); units];
    for trial in trials {
        assert!(
            trial.seed < seeds && trial.truth < classes,
            "a trial of an unknown seed or class"
        );
        let (cell, unit) = (trial.seed * classes + trial.truth, &mut counts[trial.unit]);
        let place = unit
            .binary_search_by_key(&cell, |(cell, _)| *cell)
            .unwrap_or_else(|place| {
                unit.insert(place, (cell, [0; 2]));
                place
            });
        unit[place].1[0] += trial.n;
        unit[place].1[1] += trial.right;
    }
    counts
}

/// Hands on as many draws with replacement as there are replicates, each of as many units as there
/// are.
fn each_draw(
    resampled: Resampled,
    units: usize,
    replicates: usize,
    mut take: impl FnMut(&[usize]),
) {
    let mut random = ChaCha8Rng::from_seed(*KEY);
    random.set_stream(u64::from(resampled == Resampled::Utterances));
    let mut drawn = vec![0; units];
    for _ in 0..replicates {
        drawn.fill_with(|| rng::below(&mut random, units));
        take(&drawn);
    }
}

/// The counts of the units of a draw together.
fn sum(counts: &Counts, drawn: &[usize], cells: usize) -> Vec<[u64; 2]> {
    let mut together = vec![[0u64; 2]; cells];
    for unit in drawn {
        for (cell, [n, right]) in &counts[*unit] {
            together[*cell][0] += n;
            together[*cell][1] += right;
        }
    }
    together
}

/// Accuracy and UAR of each seed, averaged over the seeds that have utterances.
fn score(drawn: &[[u64; 2]], classes: usize) -> (f64, f64) {
    let (mut accuracy, mut uar, mut seeds) = (0.0, 0.0, 0.0);
    for seed in drawn.chunks(classes) {
        let (n, right) = seed
            .iter()
            .fold((0, 0), |(n, right), cell| (n + cell[0], right + cell[1]));
        if n == 0 {
            continue;
        }
        let recalls = seed
            .iter()
            .filter(|cell| cell[0] > 0)
            .map(|cell| cell[1] as f64 / cell[0] as f64);
        let (sum, occurring) = recalls.fold((0.0, 0.0), |(sum, occurring), recall| {
            (sum + recall, occurring + 1.0)
        });
        accuracy += right as f64 / n as f64;
        uar += sum / occurring;
        seeds += 1.0;
    }
    if seeds == 0.0 {
        (0.0, 0.0)
    } else {
        (accuracy / seeds, uar / seeds)
    }
}

fn ends(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - COVERED) / 2.0;
    Interval {
        low: stats::quantile(&values, tail).unwrap_or_default(),
        high: stats::quantile(&values, 1.0 - tail).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    fn trial(unit: usize, seed: usize, truth: usize, right: bool) -> Trial {
        Trial {
            unit,
            seed,
            truth,
            n: 1,
            right: u64::from(right),
        }
    }

    #[test]
    fn two_speakers_of_whom_one_is_always_missed_leave_everything_open() {
        // Replicates are 0, 1/2 and 1 with shares of 1/4, 1/2 and 1/4: both percentiles lie in the
        // outer quarters.
        let trials: Vec<Trial> = (0..8)
            .map(|i| trial(i % 2, 0, (i / 2) % 2, i % 2 == 0))
            .collect();
        let found = intervals(&trials, Resampled::Speakers, 2, 1, 2).unwrap();
        assert_eq!(
            (found.accuracy, found.uar),
            (
                Interval {
                    low: 0.0,
                    high: 1.0
                },
                Interval {
                    low: 0.0,
                    high: 1.0
                }
            )
        );
        assert_eq!((found.units, found.replicates), (2, REPLICATES));
    }

    #[test]
    fn speakers_who_are_all_alike_leave_nothing_open() {
        // Each: class 0 three of four, class 1 one of two. Accuracy 4/6, UAR (3/4 + 1/2) / 2.
        let each = |unit| {
            [
                (0, true),
                (0, true),
                (0, true),
                (0, false),
                (1, true),
                (1, false),
            ]
            .map(|(c, right)| trial(unit, 0, c, right))
        };
        let trials: Vec<Trial> = (0..5).flat_map(each).collect();
        let found = intervals(&trials, Resampled::Speakers, 5, 1, 2).unwrap();
        for (interval, want) in [(found.accuracy, 4.0 / 6.0), (found.uar, 0.625)] {
            assert!(
                (interval.low - want).abs() < 1e-12 && (interval.high - want).abs() < 1e-12,
                "{interval:?} for {want}"
            );
        }
    }

    #[test]
    fn seeds_are_averaged_within_a_replicate() {
        // One seed is right where the other is wrong: whoever is drawn, their mean is a half.
        let trials: Vec<Trial> = (0..6)
            .flat_map(|unit| [trial(unit, 0, 0, unit < 3), trial(unit, 1, 0, unit >= 3)])
            .collect();
        let found = intervals(&trials, Resampled::Speakers, 6, 2, 1).unwrap();
        assert_eq!(
            found.accuracy,
            Interval {
                low: 0.5,
                high: 0.5
            }
        );
    }

    #[test]
    fn one_unit_has_no_interval() {
        assert_eq!(
            intervals(&[trial(0, 0, 0, true)], Resampled::Speakers, 1, 1, 1),
            None
        );
        assert_eq!(intervals(&[], Resampled::Utterances, 0, 0, 0), None);
    }

    /// Speakers differ (their accuracy is anywhere from 0.3 to 0.9, 0.6 in the mean); how often
    /// does an interval hold 0.6?
    #[test]
    fn intervals_by_speaker_hold_the_truth_about_as_often_as_they_say() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut fraction = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let (speakers, each, worlds) = (20, 20, 300);
        let (mut by_speaker, mut by_utterance) = (0, 0);
        for _ in 0..worlds {
            let mut trials = Vec::new();
            for speaker in 0..speakers {
                let skill = 0.3 + 0.6 * fraction();
                trials.extend((0..each).map(|_| trial(speaker, 0, 0, fraction() < skill)));
            }
            let holds = |interval: Interval| interval.low <= 0.6 && 0.6 <= interval.high;
            by_speaker += usize::from(holds(
                draw(&trials, (Resampled::Speakers, speakers), 1, 1, 1000)
                    .unwrap()
                    .accuracy,
            ));
            let single: Vec<Trial> = trials
                .iter()
                .enumerate()
                .map(|(unit, t)| Trial { unit, ..*t })
                .collect();
            by_utterance += usize::from(holds(
                draw(&single, (Resampled::Utterances, single.len()), 1, 1, 1000)
                    .unwrap()
                    .accuracy,
            ));
        }
        let (by_speaker, by_utterance) = (
            by_speaker as f64 / worlds as f64,
            by_utterance as f64 / worlds as f64,
        );
        assert!((0.89..=0.99).contains(&by_speaker), "{by_speaker}");
        assert!(by_utterance < 0.85, "{by_utterance}");
    }
}
