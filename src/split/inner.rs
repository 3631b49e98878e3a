//! Folds within a training part, to choose between settings without a look at anything else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::assign::Item;
use super::assign::stratified_folds;
use super::groups;
use super::part::{Part, Training, Validation};
use crate::error::{Error, Result};

/// Sets the draws apart from those of the folds around them.
const INNER: u64 = 0x696e_6e65_7200;

/// What stays together in a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// All utterances of a speaker.
    Speaker,
    /// Nothing: folds are random and stratified by class.
    Utterance,
}

impl Part<Training> {
    /// The inner fold of each row, from 0 to `folds - 1`. Changed copies are in the fold of their
    /// utterance, and so are rows that are [kept together](Part::keep_together).
    ///
    /// # Errors
    /// `Data` where there are fewer speakers or utterances than folds.
    pub fn inner_fold_numbers(&self, folds: usize, by: Grouping, seed: u64) -> Result<Vec<usize>> {
        let labels: Vec<String> = (0..self.n_classes())
            .map(|class| format!("{class:06}"))
            .collect();
        let utterances: Vec<usize> = (0..self.len()).filter(|&i| self.unit(i) == i).collect();
        let item = |&i: &usize| Item {
            id: &self.ids()[i],
            label: &labels[self.y()[i]],
            speaker: &self.speakers()[i],
            session: None,
            text: None,
            declared: None,
        };
        let items: Vec<Item> = utterances.iter().map(item).collect();
        if items.len() < folds {
            return Err(Error::data(format!(
                "{} training utterances cannot fill {folds} inner folds",
                items.len()
            ))
            .hint("set search.folds to fewer"));
        }
        let judged = match by {
            Grouping::Speaker => groups::balanced(&items, folds, seed ^ INNER).map_err(|e| {
                Error::data("the training part of this fold cannot be cut into inner folds")
                    .because(e)
                    .hint("set search.folds to fewer, or search.by = \"utterance\" where the protocol shares speakers")
            })?,
            Grouping::Utterance => stratified_folds(&items, folds, seed ^ INNER),
        };
        let mut numbers = vec![0; self.len()];
        for (fold, members) in judged.into_iter().enumerate() {
            members
                .into_iter()
                .for_each(|member| numbers[utterances[member]] = fold);
        }
        Ok((0..self.len()).map(|i| numbers[self.unit(i)]).collect())
    }

    /// Cuts these rows into `folds` pairs of a part to fit on and a part to judge by; every
    /// utterance is judged once, and its changed copies are fitted on wherever it is.
    ///
    /// # Errors
    /// `Data` where there are fewer speakers or utterances than folds, or an inner fold would train
    /// on fewer than two classes.
    pub fn inner_folds(
        &self,
        folds: usize,
        by: Grouping,
        seed: u64,
    ) -> Result<Vec<(Part<Training>, Part<Validation>)>> {
        let numbers = self.inner_fold_numbers(folds, by, seed)?;
        let mut pairs = Vec::with_capacity(folds);
        for fold in 0..folds {
            let (judged, rest): (Vec<usize>, Vec<usize>) =
                (0..self.len()).partition(|&i| numbers[i] == fold);
            let judged: Vec<usize> = judged.into_iter().filter(|&i| !self.is_copy(i)).collect();
            let train: Part<Training> = self.rows(&rest);
            if train
                .y()
                .iter()
                .all(|class| train.y().first() == Some(class))
            {
                return Err(
                    Error::data("an inner fold of the search trains on a single class")
                        .hint("set search.folds to fewer, or use more of the corpus"),
                );
            }
            pairs.push((train, self.rows(&judged)));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Dataset, Matrix, Parts, Role, Shape, Variants};
    use super::*;

    /// 40 rows of 8 speakers and 2 classes, of which the last speaker is tested.
    fn parts() -> Parts {
        let n = 40;
        let data = Dataset {
            ids: (0..n).map(|i| format!("u{i:02}")).collect(),
            labels: vec!["a".into(), "b".into()],
            x: Matrix::new(n, 1, (0..n).map(|i| i as f32).collect()).into(),
            shape: Shape::vector(1),
            y: (0..n).map(|i| i % 2).collect(),
            speakers: (0..n).map(|i| format!("s{}", i / 5)).collect(),
        };
        let roles: Vec<_> = (0..n)
            .map(|i| Some(if i / 5 == 7 { Role::Test } else { Role::Train }))
            .collect();
        Parts::of(&data, &roles)
    }

    #[test]
    fn every_training_row_is_judged_once_and_nothing_else_is_seen() {
        let Parts { train, test, .. } = parts();
        for by in [Grouping::Speaker, Grouping::Utterance] {
            let folds = train.inner_folds(3, by, 0).expect("cut");
            let mut judged: Vec<&String> =
                folds.iter().flat_map(|(_, judged)| judged.ids()).collect();
            judged.sort();
            assert_eq!(judged, train.ids().iter().collect::<Vec<_>>());
            for (fitted, judged) in &folds {
                assert_eq!(fitted.len() + judged.len(), train.len());
                let tested: BTreeSet<&String> = test.ids().iter().collect();
                assert!(
                    fitted
                        .ids()
                        .iter()
                        .chain(judged.ids())
                        .all(|id| !tested.contains(id))
                );
                let of = |speakers: &[String]| -> BTreeSet<String> {
                    speakers.iter().cloned().collect()
                };
                assert_eq!(
                    of(fitted.speakers()).is_disjoint(&of(judged.speakers())),
                    by == Grouping::Speaker
                );
                for (i, id) in judged.ids().iter().enumerate() {
                    assert_eq!(
                        format!("u{:02}", judged.x().row(i)[0]),
                        *id,
                        "rows stay with their ids"
                    );
                }
            }
        }
    }

    #[test]
    fn copies_stay_with_their_utterance_and_are_not_judged() {
        let Parts { train, .. } = parts();
        let mut variants = Variants::default();
        variants.add(
            "faster",
            train
                .ids()
                .iter()
                .skip(3)
                .map(|id| (id.clone(), vec![-1.0])),
        );
        let alone = train
            .inner_fold_numbers(3, Grouping::Utterance, 0)
            .expect("cut");
        let with_copies = train.clone().with_variants(&variants).expect("copies");
        let numbers = with_copies
            .inner_fold_numbers(3, Grouping::Utterance, 0)
            .expect("cut");
        assert_eq!(numbers[..35], alone, "copies change no fold");
        assert_eq!(
            (numbers[35..].to_vec(), numbers.len()),
            (alone[3..].to_vec(), 67)
        );
        for (fitted, judged) in with_copies
            .inner_folds(3, Grouping::Utterance, 0)
            .expect("cut")
        {
            assert!(judged.ids().iter().all(|id| !id.contains('#')));
            let copied = (0..fitted.len()).filter(|&i| fitted.is_copy(i));
            assert!(copied.clone().count() > 15);
            copied.for_each(|i| {
                assert_eq!(
                    fitted.ids()[i],
                    format!("{}#faster", fitted.ids()[fitted.unit(i)])
                )
            });
            assert!(
                fitted
                    .ids()
                    .iter()
                    .all(|id| !judged.ids().contains(&id.replace("#faster", "")))
            );
        }
    }

    #[test]
    fn rows_of_one_utterance_are_judged_together() {
        let mut variants = Variants::default();
        variants.add(
            "faster",
            parts()
                .train
                .ids()
                .iter()
                .skip(12)
                .map(|id| (id.clone(), vec![-1.0])),
        );
        // u00 to u09 are of one utterance, u10 to u19 of the next.
        let train = parts()
            .train
            .with_variants(&variants)
            .expect("copies")
            .keep_together(|id| &id[..2]);
        let folds = train.inner_folds(2, Grouping::Utterance, 0).expect("cut");
        let of = |part: &[String]| {
            part.iter()
                .map(|id| id[..2].to_owned())
                .collect::<BTreeSet<String>>()
        };
        for (fitted, judged) in &folds {
            assert!(of(judged.ids()).is_disjoint(&of(fitted.ids())) && of(judged.ids()).len() == 2);
            // What was kept together stays so within a part.
            assert_eq!(
                fitted
                    .inner_folds(2, Grouping::Utterance, 0)
                    .expect("two utterances")
                    .len(),
                2
            );
            assert!(fitted.inner_folds(3, Grouping::Utterance, 0).is_err());
        }
        assert_eq!(
            folds.iter().map(|(_, judged)| judged.len()).sum::<usize>(),
            35
        );
        assert!(
            train.inner_folds(5, Grouping::Utterance, 0).is_err(),
            "four utterances"
        );
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let train = parts().train;
        let error = train
            .inner_folds(8, Grouping::Speaker, 0)
            .expect_err("seven speakers");
        assert!(error.to_string().contains("inner folds"), "{error}");
        assert!(train.inner_folds(36, Grouping::Utterance, 0).is_err());
        assert_eq!(
            train
                .inner_folds(7, Grouping::Speaker, 0)
                .expect("cut")
                .len(),
            7
        );
    }
}
