//! The k nearest neighbours in the training part, as a baseline.

use std::cmp::Ordering;

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1, ArrayViewMut1, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet, ValidParams,
    fit_checked,
};
use crate::error::{Error, Result};
use crate::linalg::product::{Matrix as Values, multiply};
use crate::model::classifier::{check_width, finite, present};
use crate::model::weights::{Stored, Tensors};
use crate::split::{Matrix, Part, Training};

/// What a neighbour's vote counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KnnWeights {
    /// All the same.
    #[default]
    Uniform,
    /// 1 / distance; rows at distance 0 alone where there are any, as in scikit-learn.
    Distance,
}

/// How many neighbours vote, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KnnSettings {
    /// Neighbours that vote; all training utterances where there are fewer.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub k: usize,
    /// Every vote counts the same (`uniform`), or 1 / distance (`distance`).
    pub weights: KnnWeights,
}

impl Default for KnnSettings {
    fn default() -> Self {
        KnnSettings {
            k: 5,
            weights: KnnWeights::Uniform,
        }
    }
}

impl Settings for KnnSettings {
    fn name(&self) -> &'static str {
        Knn::name()
    }

    fn describe(&self, is_searched: &dyn Fn(&str) -> bool) -> String {
        let k = if is_searched("k") {
            String::new()
        } else {
            format!(" k={}", self.k)
        };
        let weights = match self.weights {
            KnnWeights::Uniform => "uniform",
            KnnWeights::Distance => "distance",
        };
        format!("knn{k} weights={weights}")
    }

    fn searchable(&self) -> &'static [&'static str] {
        &["k"]
    }

    fn check(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::config("k = 0 asks no neighbour"));
        }
        Ok(())
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::Knn)
    }
}

/// Neighbours and their votes.
///
/// All rows are compared, by matrix products in single precision, and those that may be among the
/// nearest once more in double precision. The trees of `linfa-nn` are not used: in hundreds of
/// dimensions they end up comparing all rows one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct Knn {
    /// Number of classes of the experiment.
    pub n_classes: usize,
    /// Neighbours asked; all rows where there are fewer.
    pub k: usize,
    /// What their votes count.
    pub weights: KnnWeights,
    /// Training rows `[rows, features]`, in the order of their ids: of two at the same distance,
    /// the first is the nearer.
    pub rows: Matrix,
    /// Class of each.
    pub targets: Vec<usize>,
}

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError> for ValidParams<'_, KnnSettings> {
    type Object = Knn;

    /// Keeps the training rows.
    fn fit(&self, set: &TrainingSet<'a>) -> Result<Knn, FitError> {
        let targets = set.targets.to_vec();
        present(&targets, set.records.n_classes())?;
        finite(set.records.x())?;
        Ok(Knn {
            n_classes: set.records.n_classes(),
            k: self.settings.k,
            weights: self.settings.weights,
            rows: set.records.x().gather(),
            targets,
        })
    }
}

impl Knn {
    /// The nearest rows and their distances, nearest first, to a row whose products with all rows
    /// are known roughly.
    fn nearest(&self, row: &[f32], products: &[f32], lengths: &Lengths) -> Vec<(usize, f64)> {
        let own = length(row);
        // Squared distances, each with how far it may be off: rounding of a product is at most the
        // product of the lengths times the rounding of each of its sums.
        let rounding = f64::from(f32::EPSILON) * (row.len().min(RUN) + 8) as f64;
        let bounds: Vec<(f64, f64)> = products
            .iter()
            .zip(&lengths.0)
            .map(|(product, other)| {
                let square = own * own + other * other - 2.0 * f64::from(*product);
                let off = rounding * (own + other).powi(2);
                (square - off, square + off)
            })
            .collect();
        let mut most: Vec<f64> = bounds.iter().map(|(_, most)| *most).collect();
        let last = self.k.min(most.len()) - 1;
        let reach = *most.select_nth_unstable_by(last, f64::total_cmp).1;
        let mut nearest: Vec<(usize, f64)> = (0..bounds.len())
            // Not `<=`, which would lose products that are no numbers.
            .filter(|&other| bounds[other].0.partial_cmp(&reach) != Some(Ordering::Greater))
            .map(|other| (other, distance(row, self.rows.row(other))))
            .collect();
        nearest.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        nearest.truncate(self.k);
        nearest
    }

    /// Adds the votes of the nearest rows.
    fn vote(&self, nearest: &[(usize, f64)], mut votes: ArrayViewMut1<f32>) {
        let twins = nearest.iter().any(|(_, distance)| *distance == 0.0);
        let count = |distance: f64| match self.weights {
            KnnWeights::Uniform => 1.0,
            KnnWeights::Distance if twins => f64::from(u8::from(distance == 0.0)),
            KnnWeights::Distance => 1.0 / distance,
        };
        let all: f64 = nearest.iter().map(|(_, distance)| count(*distance)).sum();
        for (i, distance) in nearest {
            votes[self.targets[*i]] += (count(*distance) / all) as f32;
        }
    }
}

/// Rows that are judged at a time.
const BLOCK: usize = 128;
/// Terms of a sum in a product of rows: [`multiply`]'s.
const RUN: usize = 512;

/// The length of each training row.
struct Lengths(Vec<f64>);

fn length(row: &[f32]) -> f64 {
    let squares = row.iter().map(|v| f64::from(*v) * f64::from(*v));
    squares.sum::<f64>().sqrt()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| {
        let difference = f64::from(*a) - f64::from(*b);
        difference * difference
    });
    squares.sum::<f64>().sqrt()
}

impl PredictInplace<Matrix, Array2<f32>> for Knn {
    fn predict_inplace(&self, x: &Matrix, y: &mut Array2<f32>) {
        let (columns, others) = (self.rows.cols(), self.rows.rows());
        let lengths = Lengths((0..others).map(|i| length(self.rows.row(i))).collect());
        let right = Values::new(self.rows.values(), others, columns, columns).transposed();
        let mut products = vec![0.0; BLOCK.min(x.rows()) * others];
        for (left, mut votes) in x
            .values()
            .chunks(BLOCK * columns)
            .zip(y.axis_chunks_iter_mut(Axis(0), BLOCK))
        {
            let rows = left.len() / columns;
            multiply(
                &mut products,
                others,
                Values::new(left, rows, columns, columns),
                right,
            );
            for ((row, products), votes) in left
                .chunks_exact(columns)
                .zip(products.chunks_exact(others))
                .zip(votes.rows_mut())
            {
                self.vote(&self.nearest(row, products, &lengths), votes);
            }
        }
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.n_classes))
    }
}

impl ClassicalModel for Knn {
    fn name() -> &'static str {
        "knn"
    }

    fn check(&self, x: &Matrix) -> Result<()> {
        check_width(self.rows.cols(), x)?;
        finite(&x.clone().into())
    }

    fn title(&self) -> &'static str {
        "vote of the nearest training utterances"
    }

    fn values(&self) -> &'static str {
        "Probabilities are the neighbours' shares of the vote, in as coarse steps as there are neighbours; nothing calibrates them."
    }

    fn tensors(&self) -> Vec<Stored> {
        let by_distance = usize::from(self.weights == KnnWeights::Distance);
        let shape = [self.rows.rows(), self.rows.cols()];
        vec![
            Stored::i64("k", &[self.k]),
            Stored::i64("by_distance", &[by_distance]),
            Stored::f32("rows", &shape, self.rows.values()),
            Stored::i64("targets", &self.targets),
        ]
    }

    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String> {
        let (k, by_distance) = (file.count("k")?, file.count("by_distance")?);
        let (rows, targets) = (file.matrix("rows", n_features)?, file.counts("targets")?);
        if k == 0
            || targets.is_empty()
            || targets.len() != rows.rows()
            || targets.iter().any(|&class| class >= n_classes)
        {
            return Err(
                "tensor targets does not name a class for each row, or tensor k asks none"
                    .to_owned(),
            );
        }
        let weights = if by_distance == 0 {
            KnnWeights::Uniform
        } else {
            KnnWeights::Distance
        };
        Ok(Knn {
            n_classes,
            k,
            weights,
            rows,
            targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::model::Classifier;
    use crate::model::test_data::{accuracy, blobs, parts};

    fn fit(k: usize, weights: KnnWeights, train: &Part<Training>) -> Result<Knn> {
        let cancel = Cancel::default();
        fit_checked(KnnSettings { k, weights }, train, FitContext::new(&cancel))
    }

    #[test]
    fn separable_classes_are_learnt() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        for weights in [KnnWeights::Uniform, KnnWeights::Distance] {
            let mut model = fit(5, weights, &parts.train).expect("fitted");
            assert_eq!(accuracy(&mut model, &parts.test), 1.0);
        }
    }

    #[test]
    fn votes_are_counted_by_hand() {
        let rows = Matrix::new(4, 1, vec![0.0, 1.0, 3.0, 10.0]);
        let model = |k, weights| Knn {
            n_classes: 3,
            k,
            weights,
            rows: rows.clone(),
            targets: vec![0, 1, 1, 2],
        };
        let p = |k, weights, at: f32| {
            model(k, weights)
                .probabilities(&Matrix::new(1, 1, vec![at]))
                .expect("probabilities")
        };
        assert_eq!(p(1, KnnWeights::Uniform, 0.4), [1.0, 0.0, 0.0]);
        assert_eq!(p(2, KnnWeights::Uniform, 0.4), [0.5, 0.5, 0.0]);
        assert_eq!(p(9, KnnWeights::Uniform, 0.4), [0.25, 0.5, 0.25]);
        assert_eq!(p(2, KnnWeights::Distance, 2.0), [0.0, 1.0, 0.0]);
        // Distances 1/4 and 3/4: votes of 4 and 4/3.
        assert_eq!(p(2, KnnWeights::Distance, 0.25), [0.75, 0.25, 0.0]);
        // A twin silences the others; halfway, the first row is the nearer.
        assert_eq!(p(3, KnnWeights::Distance, 3.0), [0.0, 1.0, 0.0]);
        assert_eq!(p(1, KnnWeights::Uniform, 0.5), [1.0, 0.0, 0.0]);
    }

    /// Long rows that differ by less than products in single precision can tell, some of them
    /// equal: every row is a class of its own, so that the votes name the neighbours.
    #[test]
    fn neighbours_are_the_nearest_in_double_precision_and_the_first_of_equals() {
        let (n, columns, k) = (200, 600, 7);
        let value = |row: usize, column: usize| {
            // Rows 25 apart are equal.
            let cycle = (row % 25 * 37 + column * 101 + row % 25 * column * 13) % 97;
            1000.0 + cycle as f32 / 64.0
        };
        let rows = (0..n).flat_map(|row| (0..columns).map(move |column| value(row, column)));
        let rows = Matrix::new(n, columns, rows.collect());
        let mut model = Knn {
            n_classes: n,
            k,
            weights: KnnWeights::Uniform,
            targets: (0..n).collect(),
            rows: rows.clone(),
        };
        let asked = rows.select(&[0, 3, 199]);
        let p = model.probabilities(&asked).expect("probabilities");
        for (i, p) in p.chunks(n).enumerate() {
            let mut all: Vec<(f64, usize)> = (0..n)
                .map(|other| (distance(asked.row(i), rows.row(other)), other))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            assert!(all[k - 1].0 == 0.0 && all[k].0 == 0.0 && all[8].0 > 0.0);
            let mut wanted: Vec<usize> = all[..k].iter().map(|(_, other)| *other).collect();
            wanted.sort_unstable();
            let found: Vec<usize> = (0..n).filter(|other| p[*other] > 0.0).collect();
            assert_eq!(found, wanted);
        }
        // Halfway to another row, whose neighbours are not at distance 0.
        let between: Vec<f32> = (0..columns)
            .map(|column| value(1, column) + (value(2, column) - value(1, column)) * 0.49)
            .collect();
        let p = model
            .probabilities(&Matrix::new(1, columns, between))
            .expect("probabilities");
        let found: Vec<usize> = (0..n).filter(|other| p[*other] > 0.0).collect();
        assert_eq!(found, [1, 26, 51, 76, 101, 126, 151]);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let train = parts(&[0, 1, 1], 0, 2, 3).train;
        assert!(fit(0, KnnWeights::Uniform, &train).is_err());
        let broken = train.map_rows(|row| row[0] = f32::NAN);
        assert!(fit(1, KnnWeights::Uniform, &broken).is_err());
    }
}
