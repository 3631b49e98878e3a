//! How a corpus was recorded, and whether that tells its classes apart: a model can learn the
//! sample rate in place of the emotion.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::walk::extension;

/// From here on a condition is called a leak: one property tells the other.
const TELLS: f64 = 0.4;
/// Values, and classes of each, that a warning names.
const NAMED: usize = 4;

/// What is known of a recording without listening to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded<'r> {
    /// Where it lies; segments of one recording count once.
    pub path: &'r str,
    /// Its class.
    pub class: &'r str,
    /// Of the file, in Hz.
    pub sample_rate: u32,
    /// Of the file.
    pub channels: u16,
    /// Who speaks, where that is known.
    pub speaker: Option<&'r str>,
}

/// One property of the recordings against their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// In words (`sample rate`).
    pub name: String,
    /// Recordings by value and class; values ascending.
    pub counts: Vec<(String, BTreeMap<String, usize>)>,
    /// Cramér's V of value and class, 0 to 1.
    pub association: f64,
}

/// Name of the condition that is the speaker.
const SPEAKER: &str = "speaker";

/// The sample rate, the number of channels, the type of file and the speaker of recordings, each
/// against their classes.
pub fn conditions<'r>(recordings: impl Iterator<Item = Recorded<'r>>) -> Vec<Condition> {
    let once: BTreeSet<Recorded<'r>> = recordings.collect();
    let all = || once.iter();
    vec![
        Condition::of(
            "sample rate",
            all().map(|one| (one.sample_rate, one.class)),
            |rate| format!("{rate} Hz"),
        ),
        Condition::of(
            "number of channels",
            all().map(|one| (one.channels, one.class)),
            u16::to_string,
        ),
        Condition::of(
            "type of file",
            all().map(|one| (extension(one.path), one.class)),
            String::clone,
        ),
        Condition::of(
            SPEAKER,
            all().filter_map(|one| Some((one.speaker?, one.class))),
            |speaker| (*speaker).to_owned(),
        ),
    ]
}

impl Condition {
    /// Of the value and the class of each recording; `told` says what a value is called.
    pub fn of<'c, V: Ord>(
        name: &str,
        pairs: impl Iterator<Item = (V, &'c str)>,
        told: impl Fn(&V) -> String,
    ) -> Condition {
        let mut counts: BTreeMap<V, BTreeMap<String, usize>> = BTreeMap::new();
        for (value, class) in pairs {
            *counts
                .entry(value)
                .or_default()
                .entry(class.to_owned())
                .or_default() += 1;
        }
        let association = cramers_v(counts.values());
        Condition {
            name: name.to_owned(),
            counts: counts
                .into_iter()
                .map(|(value, by_class)| (told(&value), by_class))
                .collect(),
            association,
        }
    }

    /// Whether it is the speaker: protocols may keep these apart.
    pub fn is_speaker(&self) -> bool {
        self.name == SPEAKER
    }

    /// Whether a model that heard nothing else could tell classes apart by it.
    pub fn leaks(&self) -> bool {
        self.association >= TELLS
    }

    /// What the user has to know of one that leaks.
    pub fn warning(&self) -> String {
        let one = |(value, by_class): &(String, BTreeMap<String, usize>)| {
            let mut classes: Vec<(&String, &usize)> = by_class.iter().collect();
            classes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let most: Vec<String> = classes
                .iter()
                .take(NAMED)
                .map(|(class, n)| format!("{class} {n}"))
                .collect();
            format!(
                "{value}: {}{}",
                most.join(", "),
                if classes.len() > NAMED { ", …" } else { "" }
            )
        };
        let values: Vec<String> = self.counts.iter().take(NAMED).map(one).collect();
        let more = if self.counts.len() > NAMED {
            "; …"
        } else {
            ""
        };
        if self.is_speaker() {
            let single = self
                .counts
                .iter()
                .filter(|(_, by_class)| by_class.len() == 1)
                .count();
            return format!(
                "the speaker gives classes away (Cramér's V {:.2}, {single} of {} speakers have a single class): a model may learn voices in \
                 place of emotions, and each class is tested on few voices ({}{more})",
                self.association,
                self.counts.len(),
                values.join("; ")
            );
        }
        format!(
            "the {} gives classes away (Cramér's V {:.2}): a model may learn it in place of the emotion ({}{more})",
            self.name,
            self.association,
            values.join("; ")
        )
    }
}

/// Cramér's V of a table of counts, a row for each value of one property with the counts by value
/// of the other: 0 where they have nothing to do with each other, 1 where one tells the other. With
/// the correction of Bergsma (2013), which takes off what chance alone would give.
fn cramers_v<'t>(rows: impl Iterator<Item = &'t BTreeMap<String, usize>>) -> f64 {
    let rows: Vec<&BTreeMap<String, usize>> = rows.collect();
    let mut columns: BTreeMap<&str, f64> = BTreeMap::new();
    for (value, n) in rows.iter().flat_map(|row| row.iter()) {
        *columns.entry(value).or_default() += *n as f64;
    }
    let n: f64 = columns.values().sum();
    if rows.len() < 2 || columns.len() < 2 || n < 2.0 {
        return 0.0;
    }
    let mut squared = 0.0;
    for row in &rows {
        let of_row: f64 = row.values().map(|n| *n as f64).sum();
        for (value, of_column) in &columns {
            let expected = of_row * of_column / n;
            squared += (row.get(*value).map_or(0.0, |n| *n as f64) - expected).powi(2) / expected;
        }
    }
    let by_chance = (rows.len() as f64 - 1.0) * (columns.len() as f64 - 1.0) / (n - 1.0);
    let fewer = |k: usize| k as f64 - (k as f64 - 1.0).powi(2) / (n - 1.0);
    let least = fewer(rows.len()).min(fewer(columns.len())) - 1.0;
    if least <= 0.0 {
        0.0
    } else {
        ((squared / n - by_chance).max(0.0) / least).sqrt().min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(of: &[(u32, &str, usize)]) -> Condition {
        let pairs = of
            .iter()
            .flat_map(|(rate, class, n)| std::iter::repeat_n((*rate, *class), *n));
        Condition::of("sample rate", pairs, |rate| format!("{rate} Hz"))
    }

    #[test]
    fn a_rate_that_is_the_class_leaks_and_an_even_one_does_not() {
        let given_away = rates(&[(16_000, "anger", 40), (48_000, "joy", 40)]);
        assert!((given_away.association - 1.0).abs() < 1e-9 && given_away.leaks());
        assert!(
            given_away
                .warning()
                .contains("(16000 Hz: anger 40; 48000 Hz: joy 40)"),
            "{}",
            given_away.warning()
        );
        let even = rates(&[
            (16_000, "anger", 20),
            (16_000, "joy", 20),
            (48_000, "anger", 20),
            (48_000, "joy", 20),
        ]);
        assert_eq!((even.association, even.leaks()), (0.0, false));
        assert_eq!(
            rates(&[(16_000, "anger", 20), (16_000, "joy", 20)]).association,
            0.0
        );
        // Two of eight recordings of one class alone may be chance.
        assert!(
            !rates(&[
                (8_000, "anger", 2),
                (16_000, "anger", 6),
                (16_000, "joy", 8),
                (16_000, "sad", 8)
            ])
            .leaks()
        );
    }

    #[test]
    fn segments_of_one_recording_count_once() {
        let of = |path, channels, class| Recorded {
            path,
            class,
            sample_rate: 16_000,
            channels,
            speaker: Some(class),
        };
        let all = [
            of("a.wav", 1, "joy"),
            of("a.wav", 1, "joy"),
            of("b.flac", 2, "fear"),
        ];
        let found = conditions(all.into_iter());
        let counts = |i: usize| {
            found[i]
                .counts
                .iter()
                .map(|(value, by_class)| (value.as_str(), by_class.values().sum()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (counts(0), counts(1)),
            (vec![("16000 Hz", 2)], vec![("1", 1), ("2", 1)])
        );
        assert_eq!(counts(2), [("flac", 1), ("wav", 1usize)]);
    }

    #[test]
    fn the_correction_is_that_of_bergsma() {
        // By hand: chi squared is 18.7262 of 65, less 1/64, over (2 less 1/64) less 1.
        assert!(
            (rates(&[(1, "a", 10), (1, "b", 20), (2, "a", 30), (2, "b", 5)]).association
                - 0.526_113)
                .abs()
                < 1e-6
        );
    }
}
