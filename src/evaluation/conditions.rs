//! How a corpus was recorded, and whether that tells its classes apart: a model can learn the sample rate in place of the emotion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::corpus::{TELLS, cramers_v};

/// One property of the recordings against their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// In words (`sample rate`).
    pub name: String,
    /// Recordings by value and class; values ascending.
    pub counts: Vec<(String, BTreeMap<String, usize>)>,
    /// [`cramers_v`] of value and class.
    pub association: f64,
}

impl Condition {
    /// Of one pair a recording; `value` as a number that sorts, with `unit` behind it.
    pub fn of<'c>(name: &str, unit: &str, pairs: impl Iterator<Item = (u64, &'c str)>) -> Condition {
        let mut counts: BTreeMap<u64, BTreeMap<String, usize>> = BTreeMap::new();
        for (value, class) in pairs {
            *counts.entry(value).or_default().entry(class.to_owned()).or_default() += 1;
        }
        let association = cramers_v(counts.values());
        let named = |(value, by_class): (u64, _)| (format!("{value}{unit}"), by_class);
        Condition { name: name.to_owned(), counts: counts.into_iter().map(named).collect(), association }
    }

    /// Whether a model that heard nothing else could tell classes apart by it.
    pub fn leaks(&self) -> bool {
        self.association >= TELLS
    }

    /// What the user has to know of one that leaks.
    pub fn warning(&self) -> String {
        let rare = |(value, by_class): &(String, BTreeMap<String, usize>)| {
            let mut classes: Vec<(&String, &usize)> = by_class.iter().collect();
            classes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let most: Vec<String> = classes.iter().take(3).map(|(class, n)| format!("{class} {n}")).collect();
            format!("{value}: {}{}", most.join(", "), if classes.len() > 3 { ", …" } else { "" })
        };
        let values: Vec<String> = self.counts.iter().take(4).map(rare).collect();
        let more = if self.counts.len() > 4 { "; …" } else { "" };
        format!(
            "the {} gives classes away (Cramér's V {:.2}): a model may have learned it in place of the emotion ({}{more})",
            self.name,
            self.association,
            values.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(u64, &str, usize)]) -> Condition {
        Condition::of("sample rate", " Hz", pairs.iter().flat_map(|(value, class, n)| std::iter::repeat_n((*value, *class), *n)))
    }

    #[test]
    fn a_rate_that_is_the_class_leaks_and_an_even_one_does_not() {
        let given_away = of(&[(16_000, "anger", 40), (48_000, "joy", 40)]);
        assert!((given_away.association - 1.0).abs() < 1e-9 && given_away.leaks());
        assert!(given_away.warning().contains("(16000 Hz: anger 40; 48000 Hz: joy 40)"), "{}", given_away.warning());
        let even = of(&[(16_000, "anger", 20), (16_000, "joy", 20), (48_000, "anger", 20), (48_000, "joy", 20)]);
        assert_eq!((even.association, even.leaks()), (0.0, false));
        assert_eq!(of(&[(16_000, "anger", 20), (16_000, "joy", 20)]).association, 0.0);
    }
}
