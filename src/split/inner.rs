//! Folds within a training part, to choose between settings without a look at anything else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::assign::Item;
use super::groups;
use super::part::{Part, Training, Validation};
use super::stratified::stratified_folds;
use crate::error::{Error, Result};

/// Sets the draws apart from those of the folds around them.
const INNER: u64 = 0x696e_6e65_7200;

/// What stays together in a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// All utterances of a speaker.
    Speaker,
    /// Nothing: folds are random and stratified by class.
    Utterance,
}

impl Part<Training> {
    /// Cuts these rows into `folds` pairs of a part to fit on and a part to judge by; every row is judged once. Rows for whose ids `unit` gives
    /// the same are of one utterance and stay together.
    ///
    /// # Errors
    /// `Data` where there are fewer speakers or utterances than folds, or an inner fold would train on fewer than two classes.
    pub fn inner_folds(
        &self,
        folds: usize,
        by: Grouping,
        unit: impl Fn(&str) -> &str,
        seed: u64,
    ) -> Result<Vec<(Part<Training>, Part<Validation>)>> {
        let labels: Vec<String> = (0..self.n_classes()).map(|class| format!("{class:06}")).collect();
        let items: Vec<Item> = (0..self.len())
            .map(|i| Item { id: &self.ids()[i], label: &labels[self.y()[i]], speaker: &self.speakers()[i], session: None, declared: None })
            .collect();
        // The first row of each unit stands for it.
        let mut units: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        self.ids().iter().enumerate().for_each(|(i, id)| units.entry(unit(id)).or_default().push(i));
        let mut units: Vec<Vec<usize>> = units.into_values().collect();
        units.sort_unstable();
        if units.len() < folds {
            return Err(Error::data(format!("{} training utterances cannot fill {folds} inner folds", units.len()))
                .hint("set search.folds to fewer"));
        }
        let judged = match by {
            Grouping::Speaker => groups::balanced(&items, folds, seed ^ INNER).map_err(|e| {
                Error::data("the training part of this fold cannot be cut into inner folds")
                    .because(e)
                    .hint("set search.folds to fewer, or search.by = \"utterance\" where the protocol shares speakers")
            })?,
            Grouping::Utterance => {
                let whole: Vec<Item> = units.iter().map(|rows| items[rows[0]]).collect();
                let dealt = stratified_folds(&whole, folds, seed ^ INNER);
                dealt.into_iter().map(|fold| fold.into_iter().flat_map(|place| units[place].iter().copied()).collect()).collect()
            }
        };
        let mut pairs = Vec::with_capacity(folds);
        for mut rows in judged {
            rows.sort_unstable();
            let rest: Vec<usize> = (0..self.len()).filter(|i| rows.binary_search(i).is_err()).collect();
            let train: Part<Training> = self.rows(&rest);
            if train.y().iter().all(|class| train.y().first() == Some(class)) {
                return Err(Error::data("an inner fold of the search trains on a single class")
                    .hint("set search.folds to fewer, or use more of the corpus"));
            }
            pairs.push((train, self.rows(&rows)));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Dataset, Matrix, Parts, Role, Shape};
    use super::*;

    /// 40 rows of 8 speakers and 2 classes, of which the last speaker is tested.
    fn parts() -> Parts {
        let n = 40;
        let data = Dataset {
            ids: (0..n).map(|i| format!("u{i:02}")).collect(),
            labels: vec!["a".into(), "b".into()],
            x: Matrix::new(n, 1, (0..n).map(|i| i as f32).collect()),
            shape: Shape::vector(1),
            y: (0..n).map(|i| i % 2).collect(),
            speakers: (0..n).map(|i| format!("s{}", i / 5)).collect(),
        };
        let roles: Vec<_> = (0..n).map(|i| Some(if i / 5 == 7 { Role::Test } else { Role::Train })).collect();
        Parts::of(&data, &roles)
    }

    #[test]
    fn every_training_row_is_judged_once_and_nothing_else_is_seen() {
        let Parts { train, test, .. } = parts();
        for by in [Grouping::Speaker, Grouping::Utterance] {
            let folds = train.inner_folds(3, by, |id| id, 0).expect("cut");
            let mut judged: Vec<&String> = folds.iter().flat_map(|(_, judged)| judged.ids()).collect();
            judged.sort();
            assert_eq!(judged, train.ids().iter().collect::<Vec<_>>());
            for (fitted, judged) in &folds {
                assert_eq!(fitted.len() + judged.len(), train.len());
                let tested: BTreeSet<&String> = test.ids().iter().collect();
                assert!(fitted.ids().iter().chain(judged.ids()).all(|id| !tested.contains(id)));
                let of = |speakers: &[String]| -> BTreeSet<String> { speakers.iter().cloned().collect() };
                assert_eq!(of(fitted.speakers()).is_disjoint(&of(judged.speakers())), by == Grouping::Speaker);
                for (i, id) in judged.ids().iter().enumerate() {
                    assert_eq!(format!("u{:02}", judged.x().row(i)[0]), *id, "rows stay with their ids");
                }
            }
        }
    }

    #[test]
    fn rows_of_one_utterance_are_judged_together() {
        let train = parts().train;
        // u00 to u09 are of one utterance, u10 to u19 of the next.
        for (_, judged) in train.inner_folds(2, Grouping::Utterance, |id| &id[..2], 0).expect("cut") {
            let units: BTreeSet<&str> = judged.ids().iter().map(|id| &id[..2]).collect();
            let rows = train.ids().iter().filter(|id| units.contains(&id[..2])).count();
            assert_eq!(judged.len(), rows);
        }
        assert!(train.inner_folds(5, Grouping::Utterance, |id| &id[..2], 0).is_err(), "four utterances");
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let train = parts().train;
        let error = train.inner_folds(8, Grouping::Speaker, |id| id, 0).expect_err("seven speakers");
        assert!(error.to_string().contains("inner folds"), "{error}");
        assert!(train.inner_folds(36, Grouping::Utterance, |id| id, 0).is_err());
        assert_eq!(train.inner_folds(7, Grouping::Speaker, |id| id, 0).expect("cut").len(), 7);
    }
}
