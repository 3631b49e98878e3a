//! The k nearest neighbours in the training part, as a baseline.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::classifier::{Classifier, check_width, finite};
use crate::model::distances::{Measure, each_row};
use crate::split::{Matrix, Part, Training};

/// What a neighbour's vote counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnnWeights {
    /// All the same.
    Uniform,
    /// 1 / distance; rows at distance 0 alone where there are any, as in scikit-learn.
    Distance,
}

/// Neighbours and their votes.
///
/// All rows are compared: in hundreds of dimensions, where every search tree ends up doing the same, an index gains nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Knn {
    /// Number of classes of the experiment.
    pub n_classes: usize,
    /// Neighbours asked; all rows where there are fewer.
    pub k: usize,
    /// What their votes count.
    pub weights: KnnWeights,
    /// Training rows `[rows, features]`, in the order of their ids: of two at the same distance, the first is the nearer.
    pub rows: Matrix,
    /// Class of each.
    pub targets: Vec<usize>,
}

impl Knn {
    /// Keeps the training rows.
    ///
    /// # Errors
    /// A config error for `k = 0`, a data error for features that are not finite or no row.
    pub fn fit(k: usize, weights: KnnWeights, train: &Part<Training>) -> Result<Self> {
        if k == 0 {
            return Err(Error::config("k = 0 asks no neighbour"));
        }
        if train.is_empty() {
            return Err(Error::data("the training part has no utterance"));
        }
        finite(train.x())?;
        Ok(Knn { n_classes: train.n_classes(), k, weights, rows: train.x().clone(), targets: train.y().to_vec() })
    }

    /// Adds the votes of the nearest rows.
    fn vote(&self, row: &[f32], squared: &[f64], votes: &mut [f32]) {
        let k = self.k.min(squared.len());
        let mut order: Vec<usize> = (0..squared.len()).collect();
        let nearer = |a: &usize, b: &usize| squared[*a].total_cmp(&squared[*b]).then(a.cmp(b));
        if k < order.len() {
            order.select_nth_unstable_by(k, nearer);
            order.truncate(k);
        }
        order.sort_unstable_by(nearer);
        // What was expanded into squares and a product is only good enough to choose by: twins are not quite at distance 0.
        let distance = |i: usize| {
            let squares = self.rows.row(i).iter().zip(row).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let counted: Vec<f64> = match self.weights {
            KnnWeights::Uniform => vec![1.0; k],
            KnnWeights::Distance => {
                let distances: Vec<f64> = order.iter().map(|&i| distance(i)).collect();
                let twins = distances.contains(&0.0);
                distances.iter().map(|&d| if twins { f64::from(u8::from(d == 0.0)) } else { 1.0 / d }).collect()
            }
        };
        let all: f64 = counted.iter().sum();
        for (&i, vote) in order.iter().zip(&counted) {
            votes[self.targets[i]] += (vote / all) as f32;
        }
    }
}

impl Classifier for Knn {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.rows.cols(), x)?;
        let mut out = vec![0.0; x.rows() * self.n_classes];
        each_row(Measure::SquaredDistance, x, &self.rows, |i, squared| {
            self.vote(x.row(i), squared, &mut out[i * self.n_classes..(i + 1) * self.n_classes]);
            Ok(())
        })?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_data::{accuracy, blobs, parts};

    #[test]
    fn separable_classes_are_learnt() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        for weights in [KnnWeights::Uniform, KnnWeights::Distance] {
            let mut model = Knn::fit(5, weights, &parts.train).expect("fitted");
            assert_eq!(accuracy(&mut model, &parts.test), 1.0);
        }
    }

    #[test]
    fn votes_are_counted_by_hand() {
        let rows = Matrix::new(4, 1, vec![0.0, 1.0, 3.0, 10.0]);
        let model = |k, weights| Knn { n_classes: 3, k, weights, rows: rows.clone(), targets: vec![0, 1, 1, 2] };
        let p = |k, weights, at: f32| model(k, weights).probabilities(&Matrix::new(1, 1, vec![at])).expect("probabilities");
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

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let train = parts(&[0, 1, 1], 0, 2, 3).train;
        assert!(Knn::fit(0, KnnWeights::Uniform, &train).is_err());
        let broken = train.map_rows(|row| row[0] = f32::NAN);
        assert!(Knn::fit(1, KnnWeights::Uniform, &broken).is_err());
    }
}
