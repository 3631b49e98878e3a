//! Sequential minimal optimisation of a two-class support vector machine, with the second-order
//! choice of working sets of Fan, Chen, Lin 2005 (LIBSVM's WSS 2).

use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Tolerance of the optimality conditions: LIBSVM's and scikit-learn's.
const TOLERANCE: f64 = 1e-3;
/// In place of a curvature that is not positive, as in LIBSVM.
const LEAST_CURVATURE: f64 = 1e-12;
/// Steps between two looks at the cancellation.
const PATIENCE: usize = 4096;

/// The solution of one problem.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Solution {
    /// `y_i alpha_i`, within `[0, C]` where `y_i` is 1 and `[-C, 0]` where it is -1.
    pub dual: Vec<f64>,
    /// Subtracted from the sum of the kernel values.
    pub rho: f64,
    /// Whether the conditions hold within the tolerance.
    pub converged: bool,
}

/// Solves the dual problem for the kernel matrix `[n, n]`, where `positive` tells which rows are of
/// the class +1.
///
/// The variables are `b_i = y_i alpha_i`, and `y_i - sum_j b_j K_ij` is the gradient of the dual
/// objective: at the optimum no row whose `b` may rise has a larger one than a row whose `b` may
/// fall.
///
/// # Errors
/// Interrupted when `cancel` asks for it; `Data` for a kernel that is not finite.
pub(super) fn solve(
    kernel: &[f32],
    positive: &[bool],
    c: f64,
    cancel: &Cancel,
) -> Result<Solution> {
    if kernel.iter().any(|value| !value.is_finite()) {
        return Err(Error::data(
            "the inputs are too large for the kernel of a support vector machine",
        )
        .hint("scale them: scaler = \"standard\""));
    }
    let n = positive.len();
    let most_steps = (1000 * n).max(1_000_000);
    let upper: Vec<f64> = positive.iter().map(|&p| if p { c } else { 0.0 }).collect();
    let lower: Vec<f64> = positive.iter().map(|&p| if p { 0.0 } else { -c }).collect();
    let diagonal: Vec<f64> = (0..n).map(|i| f64::from(kernel[i * n + i])).collect();
    let mut dual = vec![0.0; n];
    let mut gradient: Vec<f64> = positive
        .iter()
        .map(|&p| if p { 1.0 } else { -1.0 })
        .collect();
    let mut converged = false;
    for step in 0..most_steps {
        if step % PATIENCE == 0 {
            cancel.check()?;
        }
        let Some(i) = largest(
            (0..n)
                .filter(|&i| dual[i] < upper[i])
                .map(|i| (i, gradient[i])),
        ) else {
            break;
        };
        let most = gradient[i];
        let row = &kernel[i * n..(i + 1) * n];
        let curvature = |j: usize| {
            let curvature = diagonal[i] + diagonal[j] - 2.0 * f64::from(row[j]);
            if curvature > 0.0 {
                curvature
            } else {
                LEAST_CURVATURE
            }
        };
        let falling = || (0..n).filter(|&j| dual[j] > lower[j] && gradient[j] < most);
        let violation = falling().map(|j| most - gradient[j]).fold(0.0, f64::max);
        if violation < TOLERANCE {
            converged = true;
            break;
        }
        let Some(j) = largest(falling().map(|j| (j, (most - gradient[j]).powi(2) / curvature(j))))
        else {
            break;
        };

        let (room_above, room_below) = (upper[i] - dual[i], dual[j] - lower[j]);
        let length = ((most - gradient[j]) / curvature(j))
            .min(room_above)
            .min(room_below);
        dual[i] = if length == room_above {
            upper[i]
        } else {
            dual[i] + length
        };
        dual[j] = if length == room_below {
            lower[j]
        } else {
            dual[j] - length
        };
        let other = &kernel[j * n..(j + 1) * n];
        for ((gradient, &a), &b) in gradient.iter_mut().zip(row).zip(other) {
            *gradient -= length * (f64::from(a) - f64::from(b));
        }
    }
    let rho = rho(&dual, &gradient, &lower, &upper);
    Ok(Solution {
        dual,
        rho,
        converged,
    })
}

/// The first of the largest values.
fn largest(values: impl Iterator<Item = (usize, f64)>) -> Option<usize> {
    let pick = |best: Option<(usize, f64)>, (i, value): (usize, f64)| {
        if best.is_none_or(|(_, b)| value > b) {
            Some((i, value))
        } else {
            best
        }
    };
    values.fold(None, pick).map(|(i, _)| i)
}

/// From the rows on the margin, or halfway between those on both sides where there is none.
fn rho(dual: &[f64], gradient: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let rows = || 0..dual.len();
    let free: Vec<f64> = rows()
        .filter(|&i| dual[i] > lower[i] && dual[i] < upper[i])
        .map(|i| gradient[i])
        .collect();
    if !free.is_empty() {
        return -free.iter().sum::<f64>() / free.len() as f64;
    }
    let rising = rows()
        .filter(|&i| dual[i] < upper[i])
        .map(|i| gradient[i])
        .fold(f64::NEG_INFINITY, f64::max);
    let falling = rows()
        .filter(|&i| dual[i] > lower[i])
        .map(|i| gradient[i])
        .fold(f64::INFINITY, f64::min);
    -(rising + falling) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two points at -1 and 1 on a line: alpha = 1/2 each, the border in the middle.
    #[test]
    fn two_points_are_solved_by_hand() {
        let linear = [1.0, -1.0, -1.0, 1.0];
        let solution = solve(&linear, &[true, false], 10.0, &Cancel::default()).expect("solved");
        assert_eq!(
            solution,
            Solution {
                dual: vec![0.5, -0.5],
                rho: 0.0,
                converged: true
            }
        );
        let bounded = solve(&linear, &[true, false], 0.2, &Cancel::default()).expect("solved");
        assert_eq!((bounded.dual, bounded.rho), (vec![0.2, -0.2], 0.0));
    }

    #[test]
    fn twins_of_different_classes_end() {
        let same = [1.0f32; 16];
        let solution =
            solve(&same, &[true, false, true, false], 3.0, &Cancel::default()).expect("solved");
        assert!(solution.converged);
        assert_eq!(solution.dual.iter().map(|b| b.abs()).sum::<f64>(), 12.0);
    }
}
