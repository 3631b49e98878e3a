//! Rows that know their role: what is fitted can only be fitted on [`Training`] rows, because
//! nothing else type-checks.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::matrix::{Matrix, RowView, Shape};
use crate::error::{Error, Result};

/// All utterances of an experiment, in table order (sorted by id).
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Utterance ids.
    pub ids: Vec<String>,
    /// Class names; `y` points into them.
    pub labels: Vec<String>,
    /// Features `[utterances, features]`.
    pub x: RowView,
    /// How a row of `x` is laid out.
    pub shape: Shape,
    /// Class of each utterance.
    pub y: Vec<usize>,
    /// Speaker of each utterance.
    pub speakers: Vec<String>,
}

/// Rows of changed copies of recordings, kind by kind. They are no data of their own: a training
/// part alone takes them, and only those of its own utterances.
#[derive(Debug, Clone, Default)]
pub struct Variants(Vec<(String, BTreeMap<String, Vec<f32>>)>);

impl Variants {
    /// Adds the rows of one kind, by the id of the utterance that each is a copy of; an utterance
    /// without one has none.
    pub fn add(&mut self, kind: &str, rows: impl IntoIterator<Item = (String, Vec<f32>)>) {
        self.0.push((kind.to_owned(), rows.into_iter().collect()));
    }

    /// Number of kinds.
    pub fn kinds(&self) -> usize {
        self.0.len()
    }
}

/// Marks rows that may be fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Training;
/// Marks rows that may end a training run or choose between settings.
#[derive(Debug, Clone, Copy)]
pub struct Validation;
/// Marks rows that may only be predicted. A scaler, say, can be fitted on rows of training and on
/// no other:
///
/// ```
/// use ser::split::{Part, Training};
/// use ser::transform::{Scaler, ScalerKind};
/// fn fit(rows: &Part<Training>) -> Scaler {
///     Scaler::fit(ScalerKind::Standard, rows)
/// }
/// ```
///
/// ```compile_fail,E0308
/// use ser::split::{Part, Testing};
/// use ser::transform::{Scaler, ScalerKind};
/// fn fit(rows: &Part<Testing>) -> Scaler {
///     Scaler::fit(ScalerKind::Standard, rows)
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Testing;

/// The rows of one role in one fold. Only [`Parts::of`] and [`Parts::with_variants`] make one, and
/// a training part those within itself.
#[derive(Debug, Clone)]
pub struct Part<R> {
    ids: Vec<String>,
    speakers: Vec<String>,
    x: RowView,
    shape: Shape,
    y: Vec<usize>,
    n_classes: usize,
    /// The row of the utterance that each row is, or is a copy of.
    origins: Vec<usize>,
    /// The first of the rows that each row is kept together with.
    units: Vec<usize>,
    role: PhantomData<R>,
}

impl<R> Part<R> {
    fn take(data: &Dataset, index: &[usize]) -> Self {
        Part {
            ids: index.iter().map(|&i| data.ids[i].clone()).collect(),
            speakers: index.iter().map(|&i| data.speakers[i].clone()).collect(),
            x: data.x.select(index),
            shape: data.shape,
            y: index.iter().map(|&i| data.y[i]).collect(),
            n_classes: data.labels.len(),
            origins: (0..index.len()).collect(),
            units: (0..index.len()).collect(),
            role: PhantomData,
        }
    }

    /// Utterance ids; of a changed copy, the utterance's with `#` and the kind of the change behind
    /// it.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Speaker of each row.
    pub fn speakers(&self) -> &[String] {
        &self.speakers
    }

    /// Features `[rows, features]`, which are shared with the table until they are rewritten.
    pub fn x(&self) -> &RowView {
        &self.x
    }

    /// How a row of features is laid out.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Class of each row.
    pub fn y(&self) -> &[usize] {
        &self.y
    }

    /// Number of classes of the whole experiment.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// A copy of the rows in memory with features rewritten row by row (scaling and the like); the
    /// role stays.
    pub fn map_rows(mut self, mut rewrite: impl FnMut(&mut [f32])) -> Self {
        let mut x = self.x.gather();
        drop(self.x);
        for i in 0..x.rows() {
            rewrite(x.row_mut(i));
        }
        self.x = x.into();
        self
    }

    /// The same, row by row whenever they are read: slower for those who read them often, and
    /// without a copy.
    pub fn rewritten(mut self, rewrite: impl Fn(&mut [f32]) + Send + Sync + 'static) -> Self {
        self.x = self.x.rewritten(rewrite);
        self
    }
}

impl Part<Training> {
    /// The first of the rows that a row is kept together with: a row's own, unless it is a copy or
    /// [`Part::keep_together`] says otherwise.
    pub(crate) fn unit(&self, row: usize) -> usize {
        self.units[row]
    }

    /// Keeps rows together in inner folds for whose ids `unit` gives the same (of a changed copy,
    /// that of its utterance): windows that were cut from one utterance.
    pub fn keep_together(mut self, unit: impl Fn(&str) -> &str) -> Self {
        let units = {
            let mut first: BTreeMap<&str, usize> = BTreeMap::new();
            (0..self.ids.len())
                .map(|row| {
                    *first
                        .entry(unit(&self.ids[self.origins[row]]))
                        .or_insert(row)
                })
                .collect()
        };
        self.units = units;
        self
    }

    /// Whether a row is a changed copy of an utterance.
    pub fn is_copy(&self, row: usize) -> bool {
        self.origins[row] != row
    }

    /// Some of the training rows, ascending, to fit on or to choose by. A copy comes with its
    /// utterance.
    pub(super) fn rows<R>(&self, index: &[usize]) -> Part<R> {
        let place = |row: usize| index.binary_search(&row).unwrap_or_default();
        Part {
            ids: index.iter().map(|&i| self.ids[i].clone()).collect(),
            speakers: index.iter().map(|&i| self.speakers[i].clone()).collect(),
            x: self.x.select(index),
            shape: self.shape,
            y: index.iter().map(|&i| self.y[i]).collect(),
            n_classes: self.n_classes,
            origins: index.iter().map(|&i| place(self.origins[i])).collect(),
            units: {
                let mut first: BTreeMap<usize, usize> = BTreeMap::new();
                index
                    .iter()
                    .enumerate()
                    .map(|(row, &i)| *first.entry(self.units[i]).or_insert(row))
                    .collect()
            },
            role: PhantomData,
        }
    }
}

/// The three parts of one fold.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What is fitted on.
    pub train: Part<Training>,
    /// Out of the training folds, where the experiment asks for one.
    pub validation: Option<Part<Validation>>,
    /// What is reported.
    pub test: Part<Testing>,
}

/// What an utterance is for in one fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `train` in tables.
    Train,
    /// `validation` in tables.
    Validation,
    /// `test` in tables.
    Test,
}

impl Role {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Train => "train",
            Role::Validation => "validation",
            Role::Test => "test",
        }
    }

    /// The role that a table's word names.
    pub fn parse(word: &str) -> Option<Role> {
        [Role::Train, Role::Validation, Role::Test]
            .into_iter()
            .find(|r| r.as_str() == word)
    }
}

impl Part<Training> {
    /// With the copies of its own utterances behind them.
    pub fn with_variants(mut self, variants: &Variants) -> Result<Self> {
        self.append(variants)?;
        Ok(self)
    }

    /// Appends the copies of the utterances that are in it by now, kind by kind.
    fn append(&mut self, variants: &Variants) -> Result<()> {
        let utterances = self.len();
        let mut copies: Vec<&[f32]> = Vec::new();
        for (kind, rows) in &variants.0 {
            for i in 0..utterances {
                let Some(row) = rows.get(&self.ids[i]) else {
                    continue;
                };
                if row.len() != self.x.cols() {
                    return Err(Error::internal(format!(
                        "a copy of `{}` has {} values, not {}",
                        self.ids[i],
                        row.len(),
                        self.x.cols()
                    )));
                }
                self.ids.push(format!("{}#{kind}", self.ids[i]));
                copies.push(row);
                self.y.push(self.y[i]);
                self.origins.push(i);
                self.units.push(self.units[i]);
                self.speakers.push(self.speakers[i].clone());
            }
        }
        if !copies.is_empty() {
            self.x = self.x.followed_by(&copies).into();
        }
        Ok(())
    }
}

impl Part<Testing> {
    /// The copies of its own utterances, kind by kind, to be predicted with them. An utterance
    /// without a copy of a kind is not in that part.
    pub fn copies(&self, variants: &Variants) -> Result<Vec<Part<Testing>>> {
        let of_kind = |(_, rows): &(String, BTreeMap<String, Vec<f32>>)| {
            let there: Vec<(usize, &Vec<f32>)> = self
                .ids
                .iter()
                .enumerate()
                .filter_map(|(i, id)| Some((i, rows.get(id)?)))
                .collect();
            if let Some((i, row)) = there.iter().find(|(_, row)| row.len() != self.x.cols()) {
                return Err(Error::internal(format!(
                    "a copy of `{}` has {} values, not {}",
                    self.ids[*i],
                    row.len(),
                    self.x.cols()
                )));
            }
            Ok(Part {
                ids: there.iter().map(|(i, _)| self.ids[*i].clone()).collect(),
                speakers: there
                    .iter()
                    .map(|(i, _)| self.speakers[*i].clone())
                    .collect(),
                x: Matrix::new(
                    there.len(),
                    self.x.cols(),
                    there
                        .iter()
                        .flat_map(|(_, row)| row.iter().copied())
                        .collect(),
                )
                .into(),
                shape: self.shape,
                y: there.iter().map(|(i, _)| self.y[*i]).collect(),
                n_classes: self.n_classes,
                origins: (0..there.len()).collect(),
                units: (0..there.len()).collect(),
                role: PhantomData,
            })
        };
        variants.0.iter().map(of_kind).collect()
    }
}

impl Parts {
    /// As [`Parts::of`], and behind the training rows the copies of those very utterances. No other
    /// part gets any, and there is no way to name an utterance whose copies should be there: the
    /// roles decide.
    pub fn with_variants(
        data: &Dataset,
        roles: &[Option<Role>],
        variants: &Variants,
    ) -> Result<Parts> {
        let mut parts = Parts::of(data, roles);
        parts.train.append(variants)?;
        Ok(parts)
    }

    /// The parts that `roles` (one per utterance of `data`; `None` takes no part in this fold)
    /// name.
    pub fn of(data: &Dataset, roles: &[Option<Role>]) -> Parts {
        let rows = |role| -> Vec<usize> {
            (0..roles.len())
                .filter(|&i| roles[i] == Some(role))
                .collect()
        };
        let validation = rows(Role::Validation);
        Parts {
            train: Part::take(data, &rows(Role::Train)),
            validation: (!validation.is_empty()).then(|| Part::take(data, &validation)),
            test: Part::take(data, &rows(Role::Test)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 4] = ["shift", "speed-up", "slow-down", "noise"];

    fn dataset(n: usize) -> Dataset {
        Dataset {
            ids: (0..n).map(|i| format!("u{i}")).collect(),
            labels: vec!["a".into(), "b".into()],
            x: Matrix::new(n, 2, (0..2 * n).map(|v| v as f32).collect()).into(),
            shape: Shape::vector(2),
            y: (0..n).map(|i| i % 2).collect(),
            speakers: vec!["s".into(); n],
        }
    }

    /// Copies of every utterance, each with a value that tells whose it is.
    fn copies(data: &Dataset) -> Variants {
        let mut variants = Variants::default();
        for (k, kind) in KINDS.iter().enumerate() {
            variants.add(
                kind,
                data.ids
                    .iter()
                    .enumerate()
                    .map(|(i, id)| (id.clone(), vec![1000.0 * (k + 1) as f32, i as f32])),
            );
        }
        variants
    }

    #[test]
    fn copies_of_training_utterances_alone_are_trained_on() {
        let data = dataset(30);
        for seed in 0..40usize {
            let role = |i: usize| {
                [
                    Some(Role::Train),
                    Some(Role::Test),
                    Some(Role::Validation),
                    None,
                ][(i * i * 7 + seed * (i + 3)) % 11 % 4]
            };
            let roles: Vec<Option<Role>> = (0..30).map(role).collect();
            let plain = Parts::of(&data, &roles);
            let parts = Parts::with_variants(&data, &roles, &copies(&data)).unwrap();
            assert_eq!(parts.train.len(), 5 * plain.train.len(), "425 become 2125");
            assert_eq!(parts.test.ids(), plain.test.ids());
            assert_eq!(
                parts.validation.as_ref().map(|p| p.ids().to_vec()),
                plain.validation.map(|p| p.ids().to_vec())
            );
            for (row, id) in parts.train.ids().iter().enumerate() {
                let (of, kind) = id
                    .split_once('#')
                    .map_or((id.as_str(), None), |(of, kind)| (of, Some(kind)));
                let i: usize = of[1..].parse().unwrap();
                assert_eq!(
                    (roles[i], parts.train.y()[row]),
                    (Some(Role::Train), data.y[i]),
                    "{id}"
                );
                let value = kind.map_or([2.0 * i as f32, 2.0 * i as f32 + 1.0], |kind| {
                    [
                        1000.0 * (1 + KINDS.iter().position(|k| *k == kind).unwrap()) as f32,
                        i as f32,
                    ]
                });
                assert_eq!(*parts.train.x().row(row), value, "{id}");
            }
        }
    }

    #[test]
    fn a_test_part_gets_copies_of_its_own_utterances() {
        let data = dataset(4);
        let roles = [Some(Role::Train), Some(Role::Test), None, Some(Role::Test)];
        let mut variants = copies(&data);
        variants.add(
            "other",
            [
                ("u3".to_owned(), vec![7.0, 8.0]),
                ("u0".to_owned(), vec![0.0; 2]),
            ],
        );
        let copies = Parts::of(&data, &roles).test.copies(&variants).unwrap();
        assert_eq!(copies.len(), 5);
        assert_eq!(
            (copies[1].ids(), copies[1].x().gather().values()),
            (
                ["u1", "u3"].map(str::to_owned).as_slice(),
                [2000.0, 1.0, 2000.0, 3.0].as_slice()
            )
        );
        assert_eq!(
            (copies[4].ids(), copies[4].x().gather().values()),
            (["u3".to_owned()].as_slice(), [7.0, 8.0].as_slice())
        );
        variants.add("wide", [("u1".to_owned(), vec![0.0; 3])]);
        assert!(Parts::of(&data, &roles).test.copies(&variants).is_err());
    }

    #[test]
    fn what_has_no_copy_goes_without_and_a_wrong_width_is_refused() {
        let data = dataset(3);
        let roles = [Some(Role::Train), Some(Role::Train), Some(Role::Test)];
        let mut variants = Variants::default();
        variants.add(
            "noise",
            [
                ("u1".to_owned(), vec![0.0; 2]),
                ("u2".to_owned(), vec![0.0; 2]),
                ("u9".to_owned(), vec![0.0; 2]),
            ],
        );
        let parts = Parts::with_variants(&data, &roles, &variants).unwrap();
        assert_eq!(parts.train.ids(), ["u0", "u1", "u1#noise"]);
        variants.add("shift", [("u0".to_owned(), vec![0.0; 3])]);
        assert!(Parts::with_variants(&data, &roles, &variants).is_err());
    }
}
