//! Which recordings are worth a closer look.

use rayon::prelude::*;

use super::sketch::WIDTH;

/// Distance of two sketches up to which their sounds are compared.
pub const NEAR: f32 = 2.2;
/// The nearest sketches of each that are looked at: in a corpus of sounds that are all alike, the
/// comparisons stay proportional to their number.
pub const NEIGHBOURS: usize = 8;

/// Pairs of rows of `sketches` (each [`WIDTH`] long) that lie within `near` of each other and are
/// among the [`NEIGHBOURS`] nearest of one of the two, in ascending order. Runs on the threads of
/// the pool that it is called in; the result does not depend on their number.
pub fn candidates(sketches: &[f32], near: f32) -> Vec<(usize, usize)> {
    let row = |i: usize| &sketches[i * WIDTH..(i + 1) * WIDTH];
    let n = sketches.len() / WIDTH;
    // Along the coordinate that spreads most, few of the others are within reach.
    let axis = widest(sketches);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| row(a)[axis].total_cmp(&row(b)[axis]).then(a.cmp(&b)));
    let of_one = |place: usize| -> Vec<(usize, usize)> {
        let own = order[place];
        let within = |other: &&usize| (row(**other)[axis] - row(own)[axis]).abs() <= near;
        let before = order[..place].iter().rev().take_while(within);
        let after = order[place + 1..].iter().take_while(within);
        let mut found: Vec<(f32, usize)> = before
            .chain(after)
            .filter_map(|&other| distance(row(own), row(other), near).map(|d| (d, other)))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.truncate(NEIGHBOURS);
        found
            .into_iter()
            .map(|(_, other)| (own.min(other), own.max(other)))
            .collect()
    };
    let mut pairs: Vec<(usize, usize)> = (0..n).into_par_iter().flat_map_iter(of_one).collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs
}

/// The distance where it is at most `near`.
fn distance(a: &[f32], b: &[f32], near: f32) -> Option<f32> {
    const STEP: usize = 8;
    let mut sum = 0.0f32;
    for (a, b) in a.chunks(STEP).zip(b.chunks(STEP)) {
        sum += a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
        if sum > near * near {
            return None;
        }
    }
    Some(sum.sqrt())
}

/// The coordinate with the largest variance.
fn widest(sketches: &[f32]) -> usize {
    let n = (sketches.len() / WIDTH).max(1) as f64;
    let (mut sums, mut squares) = ([0.0f64; WIDTH], [0.0f64; WIDTH]);
    for row in sketches.chunks_exact(WIDTH) {
        for (i, value) in row.iter().enumerate() {
            sums[i] += f64::from(*value);
            squares[i] += f64::from(*value) * f64::from(*value);
        }
    }
    let variance = |i: usize| squares[i] / n - (sums[i] / n) * (sums[i] / n);
    (0..WIDTH)
        .max_by(|&a, &b| variance(a).total_cmp(&variance(b)).then(b.cmp(&a)))
        .unwrap_or_default()
}
