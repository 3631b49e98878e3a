//! Whether the way in which recordings were made tells their emotion: a model may learn that instead of the voice.

use std::collections::{BTreeMap, BTreeSet};

use super::guess::Proposal;
use crate::corpus::walk::extension;
use crate::corpus::{TELLS, cramers_v};

/// How one recording was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// In Hz.
    pub sample_rate: u32,
    /// Of the file.
    pub channels: u16,
}

/// Counts by class, then by value.
type Table<'a> = BTreeMap<&'a str, BTreeMap<String, usize>>;

/// What tells classes by itself, a line each, of the recordings in `heard`.
pub fn giveaways(proposal: &Proposal, heard: &BTreeMap<String, Condition>) -> Vec<String> {
    let (mut rates, mut channels, mut types) = (Table::new(), Table::new(), Table::new());
    let mut seen = BTreeSet::new();
    for row in &proposal.rows {
        let class = proposal.class(row);
        let Some(condition) = heard.get(&row.path).filter(|_| seen.insert((&row.path, class))) else { continue };
        let channel = if condition.channels == 1 { "mono".to_owned() } else { format!("of {} channels", condition.channels) };
        let kind = format!("{} files", extension(&row.path));
        for (table, value) in [(&mut rates, format!("{} Hz", condition.sample_rate)), (&mut channels, channel), (&mut types, kind)] {
            *table.entry(class).or_default().entry(value).or_default() += 1;
        }
    }
    [rates, channels, types].iter().filter(|table| cramers_v(table.values()) >= TELLS).map(told).collect()
}

fn told(table: &Table<'_>) -> String {
    let mut groups: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for (class, values) in table {
        let n: usize = values.values().sum();
        let Some((value, most)) = values.iter().max_by_key(|(_, n)| **n) else { continue };
        groups.entry((value.clone(), *most == n)).or_default().push(format!("`{class}`"));
    }
    let groups: Vec<String> = groups
        .iter()
        .map(|((value, all), classes)| format!("{} {} are {value}", if *all { "all" } else { "most" }, classes.join(", ")))
        .collect();
    format!("{}: a model can tell them by that", groups.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::propose::{Choices, propose};

    /// What is said of 8 recordings of each class, whose rate is `rate(class, number)`.
    fn said(classes: &[&str], rate: impl Fn(usize, usize) -> u32) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let mut heard = BTreeMap::new();
        for (k, class) in classes.iter().enumerate() {
            std::fs::create_dir(dir.path().join(class)).unwrap();
            for i in 0..8 {
                let path = format!("{class}/{i}.wav");
                std::fs::write(dir.path().join(&path), "").unwrap();
                heard.insert(path, Condition { sample_rate: rate(k, i), channels: 1 });
            }
        }
        giveaways(&propose(dir.path(), Some("x"), &Choices::default()).unwrap(), &heard)
    }

    #[test]
    fn a_rate_that_tells_the_class_is_said() {
        let found = said(&["anger", "sadness"], |class, _| [16_000, 48_000][class]);
        assert_eq!(found, ["all `anger` are 16000 Hz, all `sadness` are 48000 Hz: a model can tell them by that"]);
        let found = said(&["anger", "joy", "sadness"], |class, i| if class == 1 || (class == 0 && i == 0) { 8_000 } else { 16_000 });
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("all `happiness` are 8000 Hz") && found[0].contains("most `anger` are 16000 Hz"), "{found:?}");
    }

    #[test]
    fn rates_of_speakers_or_of_chance_are_not() {
        assert!(said(&["anger", "sadness"], |_, i| [16_000, 48_000][i % 2]).is_empty());
        assert!(said(&["anger", "sadness"], |_, _| 16_000).is_empty());
        assert!(said(&["anger", "sadness", "joy"], |class, i| if class == 0 && i < 2 { 8_000 } else { 16_000 }).is_empty());
    }
}
