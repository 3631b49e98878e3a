//! Where utterances lie to each other: the first two principal components of their standardised features (PCA by `linfa-reduction`).

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_reduction::Pca;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Fewer rows or columns than this make no picture.
const LEAST: usize = 6;

/// Utterances in the plane in which they differ most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Shares of the variance of the standardised features along the two axes.
    pub explained: [f64; 2],
    /// Class of each point, as a place in the class names.
    pub classes: Vec<u16>,
    /// Coordinates of each point, in standard deviations of single features.
    pub points: Vec<[f32; 2]>,
}

/// Projects rows whose columns have mean 0 and standard deviation 1 (0 where they are constant); `classes` has one entry a row. Of each axis,
/// that direction is the positive one in which the largest coefficient points, so that the picture does not depend on the solver's signs.
/// `None` where there is too little to project.
pub(super) fn project(rows: Array2<f64>, classes: Vec<u16>) -> Option<Projection> {
    let (n, width) = rows.dim();
    let total: f64 = rows.iter().map(|value| value * value).sum();
    if n < LEAST || width < LEAST || total <= 0.0 {
        return None;
    }
    let fitted = Pca::params(2).fit(&DatasetBase::from(rows.view())).ok()?;
    let signs: Vec<f64> = fitted
        .components()
        .rows()
        .into_iter()
        .map(|row| row.iter().fold(0.0f64, |most, &value| if value.abs() > most.abs() { value } else { most }).signum())
        .collect();
    let placed = fitted.predict(&rows);
    let points: Vec<[f32; 2]> = placed
        .rows()
        .into_iter()
        .map(|row| [0, 1].map(|i| (row.get(i).copied().unwrap_or(0.0) * signs.get(i).copied().unwrap_or(1.0)) as f32))
        .collect();
    let share = |axis: usize| placed.column(axis).iter().map(|value| value * value).sum::<f64>() / total;
    points.iter().flatten().all(|value| value.is_finite()).then_some(Projection { explained: [share(0), share(1)], classes, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two wide directions and four narrow ones.
    fn cloud() -> Array2<f64> {
        let wave = |i: usize, step: f64| ((i as f64 + 1.0) * step).sin();
        Array2::from_shape_fn((60, 6), |(i, column)| match column {
            0 => 5.0 * wave(i, 1.3),
            1 => 2.0 * wave(i, 2.9),
            _ => 0.01 * wave(i, 0.7 * column as f64),
        })
    }

    #[test]
    fn the_axes_are_the_directions_of_most_variance() {
        let mut rows = cloud();
        rows -= &rows.mean_axis(ndarray::Axis(0)).unwrap();
        let found = project(rows.clone(), vec![0; 60]).unwrap();
        for (point, row) in found.points.iter().zip(rows.rows()) {
            // The sign is fixed by the largest coefficient, which is that of the column itself.
            assert!((f64::from(point[0]) - row[0]).abs() < 0.05 && (f64::from(point[1]) - row[1]).abs() < 0.05, "{point:?} {row}");
        }
        let total: f64 = rows.iter().map(|v| v * v).sum();
        let along: f64 = rows.column(0).iter().map(|v| v * v).sum();
        assert!((found.explained[0] - along / total).abs() < 1e-3, "{:?}", found.explained);
        assert_eq!(found, project(rows, vec![0; 60]).unwrap());
    }

    #[test]
    fn too_little_makes_no_picture() {
        assert!(project(Array2::zeros((60, 8)), vec![0; 60]).is_none(), "nothing varies");
        assert!(project(Array2::ones((3, 8)), vec![0; 3]).is_none());
    }
}
