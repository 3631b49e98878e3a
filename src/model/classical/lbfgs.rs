//! L-BFGS (Nocedal 1980) with backtracking, for convex functions whose values are rounded and whose
//! curvature is known about.

use std::collections::VecDeque;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::dispatch::vectorised;

/// Steps that are remembered.
const MEMORY: usize = 20;
/// Iterations from one look at the curvature to the next.
const PATIENCE: u64 = 20;
/// A value that is higher by this share, or less, may be rounding.
const VALUE_NOISE: f64 = 1e-6;

/// Partial sums of a dot product.
const LANES: usize = 16;

vectorised! {
    fn partial_sums(sums: &mut [f64; LANES], a: &[f64], b: &[f64]) {
        let (a, a_rest) = a.as_chunks::<LANES>();
        let (b, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
            }
        }
        for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *sum = a.mul_add(*b, *sum);
        }
    }
}

/// The dot product, summed in one order on every processor.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    partial_sums(&mut sums, a, b);
    sums.iter().sum()
}

vectorised! {
    /// `y += factor * x`.
    fn add(y: &mut [f64], factor: f64, x: &[f64]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = factor.mul_add(*x, *y);
        }
    }
}

/// A convex function.
pub(super) trait Objective {
    /// Writes the gradient and returns the value.
    fn evaluate(&mut self, at: &[f64], gradient: &mut [f64]) -> f64;

    /// Estimates the curvature where the function was evaluated last, if it has changed.
    fn estimate_curvature(&mut self);

    /// Multiplies by the inverse of the estimate; `false` where there is none.
    fn precondition(&self, direction: &mut [f64]) -> bool;
}

/// One step and the change of the gradient along it.
struct Update {
    step: Vec<f64>,
    change: Vec<f64>,
    /// 1 / their dot product.
    rho: f64,
}

/// The quasi-Newton direction at a point with this gradient.
fn direction(objective: &impl Objective, gradient: &[f64], memory: &VecDeque<Update>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for Update { step, change, rho } in memory.iter().rev() {
        let share = rho * dot(step, &direction);
        add(&mut direction, -share, change);
        shares.push(share);
    }
    if !objective.precondition(&mut direction) {
        // Without a memory the first step has length 1.
        let scale = memory.back().map_or_else(
            || 1.0 / dot(gradient, gradient).sqrt(),
            |Update { change, rho, .. }| 1.0 / (rho * dot(change, change)),
        );
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (Update { step, change, rho }, share) in memory.iter().zip(shares.iter().rev()) {
        let back = rho * dot(change, &direction);
        add(&mut direction, share - back, step);
    }
    direction
}

/// Minimises a function of `n` parameters from zero, until no component of its gradient exceeds
/// `tolerance`; tells whether it came that far. Parameters are numbers of single precision.
///
/// # Errors
/// Interrupted when `cancel` asks for it.
pub(super) fn minimise(
    objective: &mut impl Objective,
    n: usize,
    tolerance: f64,
    max_iterations: u64,
    cancel: &Cancel,
) -> Result<(Vec<f64>, bool)> {
    let (mut at, mut gradient) = (vec![0.0; n], vec![0.0; n]);
    let mut value = objective.evaluate(&at, &mut gradient);
    let mut memory: VecDeque<Update> = VecDeque::with_capacity(MEMORY);
    for iteration in 0..max_iterations {
        cancel.check()?;
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            return Ok((at, true));
        }
        if iteration % PATIENCE == 0 {
            objective.estimate_curvature();
        }
        let direction = direction(objective, &gradient, &memory);
        let slope = dot(&direction, &gradient);
        let mut length = 1.0;
        let (mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
        let next_value = loop {
            for ((next, at), d) in next.iter_mut().zip(&at).zip(&direction) {
                *next = f64::from((at + length * d) as f32);
            }
            let next_value = objective.evaluate(&next, &mut next_gradient);
            // A convex function has fallen as well where it still falls along the direction, which
            // shows where values differ by less than their rounding.
            let is_lower = next_value <= value + 1e-4 * length * slope;
            let may_be_lower = next_value <= value + VALUE_NOISE * value.abs()
                && dot(&next_gradient, &direction) <= 1e-4 * slope.abs();
            if is_lower || may_be_lower {
                break next_value;
            }
            length *= 0.5;
            if length < 1e-12 {
                // Rounding leaves nothing to gain.
                return Ok((at, false));
            }
        };
        let difference =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let (step, change) = (
            difference(&next, &at),
            difference(&next_gradient, &gradient),
        );
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * dot(&change, &change) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(Update {
                step,
                change,
                rho: 1.0 / curvature,
            });
        }
        (at, value, gradient) = (next, next_value, next_gradient);
    }
    Ok((at, false))
}
