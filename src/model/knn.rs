//! The k nearest neighbours in the training part, as a baseline.

use linfa_nn::distance::{Distance, L2Dist};
use linfa_nn::{LinearSearch, NearestNeighbour, NearestNeighbourIndex};
use ndarray::{Array2, ArrayView1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::classifier::{Classifier, check_width, finite};
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

/// Neighbours, found with `linfa-nn`, and their votes.
///
/// All rows are compared: in hundreds of dimensions, where every search tree ends up doing the
/// same, an index gains nothing.
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
        Ok(Knn {
            n_classes: train.n_classes(),
            k,
            weights,
            rows: train.x().clone(),
            targets: train.y().to_vec(),
        })
    }

    /// The nearest rows and their distances, nearest first.
    fn nearest(
        &self,
        index: &dyn NearestNeighbourIndex<f64>,
        row: ArrayView1<'_, f64>,
    ) -> Result<Vec<(usize, f64)>> {
        let failed = |error| Error::internal(format!("searching neighbours: {error}"));
        let distance = |other: ArrayView1<'_, f64>| L2Dist.distance(row, other);
        let found = index.k_nearest(row, self.k).map_err(failed)?;
        let Some(farthest) = found
            .iter()
            .map(|(other, _)| distance(*other))
            .max_by(f64::total_cmp)
        else {
            return Ok(Vec::new());
        };
        // The search says nothing about rows at the same distance: all that are as near as the last
        // one are asked for, and put in order. "Within" means nearer than the reach, which
        // therefore lies a little beyond it; also where it is 0.
        let reach = farthest * (1.0 + 1e-9) + 1e-150;
        let found = index.within_range(row, reach).map_err(failed)?;
        let mut nearest: Vec<(usize, f64)> = found
            .into_iter()
            .map(|(other, i)| (i, distance(other)))
            .collect();
        nearest.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        nearest.truncate(self.k);
        Ok(nearest)
    }

    /// Adds the votes of the nearest rows.
    fn vote(&self, nearest: &[(usize, f64)], votes: &mut [f32]) {
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

fn wide(x: &Matrix) -> Result<Array2<f64>> {
    let values = x.values().iter().map(|v| f64::from(*v)).collect();
    Array2::from_shape_vec((x.rows(), x.cols()), values)
        .map_err(|error| Error::internal(error.to_string()))
}

impl Classifier for Knn {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.rows.cols(), x)?;
        finite(x)?;
        let (rows, asked) = (wide(&self.rows)?, wide(x)?);
        let index = LinearSearch::new()
            .from_batch(&rows, L2Dist)
            .map_err(|error| Error::data(format!("no neighbours to search: {error}")))?;
        let mut out = vec![0.0; x.rows() * self.n_classes];
        for (row, votes) in asked
            .rows()
            .into_iter()
            .zip(out.chunks_exact_mut(self.n_classes))
        {
            self.vote(&self.nearest(index.as_ref(), row)?, votes);
        }
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

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let train = parts(&[0, 1, 1], 0, 2, 3).train;
        assert!(Knn::fit(0, KnnWeights::Uniform, &train).is_err());
        let broken = train.map_rows(|row| row[0] = f32::NAN);
        assert!(Knn::fit(1, KnnWeights::Uniform, &broken).is_err());
    }
}
