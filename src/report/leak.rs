//! The same sound in training and test: worse than any shared speaker, so it is said before
//! everything else of an experiment.

use super::data::ExperimentSection;

/// Tested utterances whose sound was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak {
    /// Tested utterances, summed over folds, whose very samples were trained on.
    pub same: usize,
    /// Tested utterances of which another version was trained on.
    pub versions: usize,
    /// Tested utterances that overlap with what was trained on, in one recording.
    pub overlaps: usize,
}

/// What leaked; `None` where nothing did, or where it was not looked for.
pub fn of(experiment: &ExperimentSection) -> Option<Leak> {
    let count = |kind: &str| {
        experiment
            .leakage
            .iter()
            .filter(|line| line.kind == kind)
            .map(|line| line.shared_units as usize)
            .sum()
    };
    let leak = Leak {
        same: count("duplicates"),
        versions: count("near-duplicates"),
        overlaps: count("overlaps"),
    };
    (leak.same + leak.versions + leak.overlaps > 0).then_some(leak)
}

impl Leak {
    /// `21 tested utterances are the very same sound as one that is trained on`.
    pub fn describe(self) -> String {
        let some = |n: usize, what: &str| match n {
            0 => None,
            1 => Some(format!("1 tested utterance is {what} that is trained on")),
            n => Some(format!(
                "{n} tested utterances are {what} that is trained on"
            )),
        };
        let parts = [
            some(self.same, "the very same sound as one"),
            some(self.versions, "another version of a recording"),
            some(self.overlaps, "in overlap with one"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::table::leakage::LeakageRow;

    #[test]
    fn counts_of_all_folds_are_a_leak_and_zeros_are_none() {
        let mut one = fixture::recorded().experiments.remove(1);
        assert_eq!(of(&one), None);
        let line = |kind: &str, fold, shared_units| LeakageRow {
            fold,
            kind: kind.into(),
            test_units: 40,
            shared_units,
            ..LeakageRow::default()
        };
        one.leakage
            .extend([line("duplicates", 0, 0), line("near-duplicates", 0, 0)]);
        assert_eq!(of(&one), None);
        one.leakage.extend([
            line("duplicates", 1, 20),
            line("duplicates", 2, 1),
            line("near-duplicates", 1, 1),
            line("overlaps", 0, 2),
        ]);
        let leak = of(&one).unwrap();
        assert_eq!(
            leak,
            Leak {
                same: 21,
                versions: 1,
                overlaps: 2
            }
        );
        assert_eq!(
            leak.describe(),
            "21 tested utterances are the very same sound as one that is trained on; 1 tested utterance is another version of a recording that is trained on; 2 tested utterances are in overlap with one that is trained on"
        );
    }
}
