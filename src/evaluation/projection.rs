//! Where utterances lie to each other: the first two principal components of their standardised
//! features.
//!
//! `linfa-reduction` 0.8 is not used: its eigensolver panics on some tables of more than two
//! thousand columns, and on tables of rank one.

use ndarray::{Array1, Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Fewer rows or columns than this make no picture.
const LEAST: usize = 6;
/// Directions that are followed at once: the more, the sooner the first two stand still.
const BLOCK: usize = 12;
const MOST_PASSES: usize = 100;
/// Relative change of the variance along both axes in one pass below which they stand still.
const STILL: f64 = 1e-11;

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

/// Projects rows whose columns have mean 0 and standard deviation 1 (0 where they are constant);
/// `classes` has one entry a row. Of each axis, that direction is the positive one in which the
/// largest coefficient points, so that the picture does not depend on the solver's signs. `None`
/// where there is too little to project.
pub(super) fn project(rows: &Array2<f64>, classes: Vec<u16>) -> Option<Projection> {
    let (n, width) = rows.dim();
    let total: f64 = rows.iter().map(|value| value * value).sum();
    if n < LEAST || width < LEAST || total <= 0.0 || !total.is_finite() {
        return None;
    }
    let (values, axes) = axes(rows)?;
    let placed: Vec<Array1<f64>> = axes
        .into_iter()
        .map(|axis| {
            let largest = axis.iter().fold(0.0f64, |most, &value| {
                if value.abs() > most.abs() {
                    value
                } else {
                    most
                }
            });
            rows.dot(&axis) * largest.signum()
        })
        .collect();
    let points: Vec<[f32; 2]> = (0..n)
        .map(|row| [placed[0][row] as f32, placed[1][row] as f32])
        .collect();
    Some(Projection {
        explained: values.map(|value| value / total),
        classes,
        points,
    })
}

/// The two unit vectors along which the squares of the rows sum to most, and these sums: block
/// power iteration with Rayleigh-Ritz steps (Halko, Martinsson, Tropp 2011). `None` where all rows
/// lie on one line.
fn axes(rows: &Array2<f64>) -> Option<([f64; 2], [Array1<f64>; 2])> {
    let (n, width) = rows.dim();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut basis = Array2::from_shape_fn((width, BLOCK.min(n).min(width)), |_| {
        random.random::<f64>() - 0.5
    });
    let mut last = [0.0; 2];
    for _ in 0..MOST_PASSES {
        basis = orthonormal(basis);
        if basis.ncols() < 2 {
            return None;
        }
        let images = rows.dot(&basis);
        let (values, turn) = eigen(images.t().dot(&images));
        let found = [values[0], values[1]];
        let turned = basis.dot(&turn);
        let still = found
            .iter()
            .zip(last)
            .all(|(now, before)| (now - before).abs() <= STILL * now.abs());
        if found[1] <= 1e-12 * found[0] {
            return None;
        }
        if still {
            return Some((found, [0, 1].map(|axis| turned.column(axis).to_owned())));
        }
        last = found;
        basis = rows.t().dot(&images.dot(&turn));
    }
    let turned = orthonormal(basis);
    (turned.ncols() >= 2).then(|| (last, [0, 1].map(|axis| turned.column(axis).to_owned())))
}

/// The columns made orthonormal, in their order; those that the others before them span are left
/// out.
fn orthonormal(columns: Array2<f64>) -> Array2<f64> {
    let mut kept: Vec<Array1<f64>> = Vec::with_capacity(columns.ncols());
    for column in columns.columns() {
        let before = column.dot(&column).sqrt();
        let mut rest = column.to_owned();
        // Twice is enough.
        for _ in 0..2 {
            for other in &kept {
                let fraction = rest.dot(other);
                rest.scaled_add(-fraction, other);
            }
        }
        let length = rest.dot(&rest).sqrt();
        if length > 1e-10 * before && length > 0.0 {
            kept.push(rest / length);
        }
    }
    let mut out = Array2::zeros((columns.nrows(), kept.len()));
    out.axis_iter_mut(Axis(1))
        .zip(kept)
        .for_each(|(mut place, column)| place.assign(&column));
    out
}

/// Eigenvalues of a small symmetric matrix, descending, and their vectors as columns: cyclic Jacobi
/// rotations.
fn eigen(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = a.nrows();
    let mut vectors = Array2::eye(n);
    for _ in 0..64 {
        let off: f64 = a
            .indexed_iter()
            .filter(|((i, j), _)| i != j)
            .map(|(_, value)| value * value)
            .sum();
        let scale: f64 = a.diag().iter().map(|value| value * value).sum();
        if off <= 1e-30 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = if theta == 0.0 {
                    1.0
                } else {
                    theta.signum() / (theta.abs() + theta.hypot(1.0))
                };
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[[k, p]], a[[k, q]]);
                    (a[[k, p]], a[[k, q]]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[[p, k]], a[[q, k]]);
                    (a[[p, k]], a[[q, k]]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[[k, p]], vectors[[k, q]]);
                    (vectors[[k, p]], vectors[[k, q]]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[[j, j]].total_cmp(&a[[i, i]]));
    (
        order.iter().map(|&i| a[[i, i]]).collect(),
        vectors.select(Axis(1), &order),
    )
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
        rows -= &rows.mean_axis(Axis(0)).unwrap();
        let found = project(&rows, vec![0; 60]).unwrap();
        for (point, row) in found.points.iter().zip(rows.rows()) {
            // The sign is fixed by the largest coefficient, which is that of the column itself.
            assert!(
                (f64::from(point[0]) - row[0]).abs() < 0.05
                    && (f64::from(point[1]) - row[1]).abs() < 0.05,
                "{point:?} {row}"
            );
        }
        let total: f64 = rows.iter().map(|v| v * v).sum();
        let along: f64 = rows.column(0).iter().map(|v| v * v).sum();
        assert!(
            (found.explained[0] - along / total).abs() < 1e-3,
            "{:?}",
            found.explained
        );
        assert_eq!(found, project(&rows, vec![0; 60]).unwrap());
    }

    #[test]
    fn too_little_makes_no_picture() {
        assert!(
            project(&Array2::zeros((60, 8)), vec![0; 60]).is_none(),
            "nothing varies"
        );
        assert!(project(&Array2::ones((3, 8)), vec![0; 3]).is_none());
    }

    #[test]
    fn eigenvalues_are_those_of_the_matrix() {
        // Roots of the characteristic polynomial of a matrix with known vectors: 2 + 2 cos(k pi /
        // 5) for the path of four.
        let a = ndarray::arr2(&[
            [2.0, 1.0, 0.0, 0.0],
            [1.0, 2.0, 1.0, 0.0],
            [0.0, 1.0, 2.0, 1.0],
            [0.0, 0.0, 1.0, 2.0],
        ]);
        let (values, vectors) = eigen(a.clone());
        for (k, value) in values.iter().enumerate() {
            assert!(
                (value - 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / 5.0).cos()).abs()
                    < 1e-12,
                "{values:?}"
            );
            let image = a.dot(&vectors.column(k));
            assert!(
                image
                    .iter()
                    .zip(vectors.column(k))
                    .all(|(image, v)| (image - value * v).abs() < 1e-12)
            );
        }
    }

    #[test]
    fn wide_tables_are_projected_and_those_of_one_direction_are_not() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        // Far more columns than the block, of rank five with a little noise.
        let weights = Array2::from_shape_fn((5, 700), |_| random.random::<f64>() - 0.5);
        let scores = Array2::from_shape_fn((900, 5), |(_, k)| {
            (random.random::<f64>() - 0.5) * (5 - k) as f64
        });
        let mut rows = scores.dot(&weights)
            + Array2::from_shape_fn((900, 700), |_| (random.random::<f64>() - 0.5) * 0.01);
        rows -= &rows.mean_axis(Axis(0)).unwrap();
        let ([first, second], [a, b]) = axes(&rows).unwrap();
        for (value, axis) in [(first, &a), (second, &b)] {
            let residual = rows.t().dot(&rows.dot(axis)) - value * axis;
            assert!(
                residual.dot(&residual).sqrt() < 1e-5 * value,
                "{}",
                residual.dot(&residual).sqrt() / value
            );
        }
        assert!(first > second && a.dot(&b).abs() < 1e-9);
        let line = Array2::from_shape_fn((40, 30), |(i, c)| (i as f64 - 19.5) * (c as f64 + 1.0));
        assert!(project(&line, vec![0; 40]).is_none());
    }
}
