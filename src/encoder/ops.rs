//! What a transformer computes: affine maps, layer normalisation, GELU, softmax.
//!
//! Matrices are slices of rows. Every sum has one order on every processor: products are those of
//! `linalg::product`, and sums over a row are kept in [`LANES`] partial sums, which are added in
//! order at the end.

use crate::linalg::dispatch::vectorised;
use crate::linalg::product::{Matrix, multiply};

/// Partial sums of a row.
const LANES: usize = 16;

/// `x * weight + bias` of rows.
#[derive(Debug)]
pub struct Affine {
    /// `inputs` rows of `outputs` values.
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Affine {
    /// From a weight of `outputs` rows of `inputs` values, as PyTorch stores it, and its bias.
    ///
    /// The weight is transposed once, here: a product with rows that run along the outputs is about
    /// twice as fast.
    pub fn new(stored: &[f32], bias: Vec<f32>, inputs: usize) -> Affine {
        let outputs = bias.len();
        let mut weight = vec![0.0; inputs * outputs];
        // In squares that fit into the cache.
        for first in (0..inputs).step_by(16) {
            for (output, row) in stored.chunks_exact(inputs).enumerate() {
                for (input, value) in row.iter().enumerate().skip(first).take(16) {
                    weight[input * outputs + output] = *value;
                }
            }
        }
        Affine {
            weight,
            bias,
            inputs,
            outputs,
        }
    }

    /// Values of a row of the result.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The rows that begin every `stride` values of `x` (they may overlap), mapped into `y`.
    pub fn apply_strided(&self, x: &[f32], stride: usize, rows: usize, y: &mut [f32]) {
        let y = &mut y[..rows * self.outputs];
        multiply(
            y,
            self.outputs,
            Matrix::new(x, rows, self.inputs, stride),
            Matrix::new(&self.weight, self.inputs, self.outputs, self.outputs),
        );
        add_to_rows(y, &self.bias);
    }

    /// The rows of `x`, mapped into `y`.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        self.apply_strided(x, self.inputs, x.len() / self.inputs, y);
    }
}

/// Layer normalisation of rows: mean 0 and variance 1, then a factor and an offset per column.
#[derive(Debug)]
pub struct LayerNorm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub epsilon: f32,
}

impl LayerNorm {
    /// Normalises every row of `x` in place.
    pub fn apply(&self, x: &mut [f32]) {
        normalise_rows(x, &self.weight, &self.bias, self.epsilon);
    }
}

vectorised! {
    fn normalise_rows(x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        for row in x.chunks_exact_mut(weight.len()) {
            let n = row.len() as f32;
            let mean = lane_sum(row, |value| value) / n;
            let variance = lane_sum(row, |value| (value - mean) * (value - mean)) / n;
            let factor = 1.0 / (variance + epsilon).sqrt();
            for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                *value = ((*value - mean) * factor).mul_add(*weight, *bias);
            }
        }
    }
}

/// The sum of `of` over a row, in one order whatever the instruction set.
#[inline(always)]
fn lane_sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let groups = row.chunks_exact(LANES);
    let rest = groups.remainder();
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane += of(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += of(*value);
    }
    lanes.iter().sum()
}

vectorised! {
    /// Adds `bias` to every row of `y`.
    fn add_to_rows(y: &mut [f32], bias: &[f32]) {
        for row in y.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }
}

vectorised! {
    /// `x += y`.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

vectorised! {
    /// The Gaussian error linear unit in its exact form, `x (1 + erf(x / sqrt 2)) / 2`, in place.
    pub fn gelu(x: &mut [f32]) {
        for value in x {
            *value = 0.5 * *value * (1.0 + erf(*value * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

/// The error function within 4e-7, as the rational approximation in odd powers that Eigen and XLA
/// evaluate in single precision.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let up = [
        -2.726_142_3e-10f32,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let down = [
        -1.456_607_2e-5f32,
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let horner = |terms: &[f32]| {
        terms[1..]
            .iter()
            .fold(terms[0], |sum, term| sum.mul_add(square, *term))
    };
    x * horner(&up) / horner(&down)
}

/// `e^x` within 2e-7 of its value, for `x` up to 88; smaller ones than -87 give that of -87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding and subtracting it rounds to the nearest integer, which stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    // ln 2 in two parts, so that the rest is exact.
    let rest = whole.mul_add(-0.693_359_4, x);
    let rest = whole.mul_add(2.121_944_4e-4, rest);
    let power = [
        1.0f32 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let value = power[1..]
        .iter()
        .fold(power[0], |sum, term| sum.mul_add(rest, *term));
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127);
    value * f32::from_bits(exponent << 23)
}

vectorised! {
    /// Turns every row of `columns` scores into weights that add up to 1.
    pub fn softmax_rows(scores: &mut [f32], columns: usize) {
        for row in scores.chunks_exact_mut(columns) {
            softmax(row);
        }
    }
}

vectorised! {
    /// As [`softmax_rows`] of square `scores`, with a bias added that depends on the distance of key
    /// and query and is scaled for each query.
    ///
    /// `bias` has `2 * n - 1` values, of the distances `1 - n` to `n - 1`; `gates` one per query.
    pub fn softmax_rows_with_bias(scores: &mut [f32], bias: &[f32], gates: &[f32]) {
        let n = gates.len();
        for ((query, row), gate) in scores.chunks_exact_mut(n).enumerate().zip(gates) {
            for (score, bias) in row.iter_mut().zip(&bias[n - 1 - query..]) {
                *score = gate.mul_add(*bias, *score);
            }
            softmax(row);
        }
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let groups = row.chunks_exact(LANES);
    let rest = groups.remainder();
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let largest = lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    for value in row.iter_mut() {
        *value = exp(*value - largest);
    }
    let scale = 1.0 / lane_sum(row, |value| value);
    for value in row {
        *value *= scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the error function by mpmath, 20 digits rounded.
    const ERF: [(f32, f64); 7] = [
        (0.0, 0.0),
        (0.1, 0.112_462_916_018_284_89),
        (0.5, 0.520_499_877_813_046_5),
        (1.0, 0.842_700_792_949_714_9),
        (-2.0, -0.995_322_265_018_952_7),
        (3.0, 0.999_977_909_503_001_4),
        (9.0, 1.0),
    ];

    #[test]
    fn functions_of_one_number_are_those_of_a_table() {
        for (x, expected) in ERF {
            assert!((f64::from(erf(x)) - expected).abs() < 5e-7, "erf({x})");
        }
        for step in -870..880 {
            let x = step as f32 / 10.0;
            let expected = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) / expected - 1.0).abs() < 3e-7,
                "exp({x})"
            );
        }
        // The tanh form gives 0.8412 and -0.0454 to within 2e-4 of these, not 1e-5.
        let mut values = [1.0, -2.0, 0.0];
        gelu(&mut values);
        for (value, expected) in values.iter().zip([0.841_344_8, -0.045_500_264, 0.0]) {
            assert!((value - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn rows_are_normalised_each_on_its_own() {
        let norm = LayerNorm {
            weight: vec![1.0, 2.0, 1.0],
            bias: vec![0.0, 0.0, 5.0],
            epsilon: 0.0,
        };
        let mut rows = [1.0, 2.0, 3.0, 10.0, 10.0, 40.0];
        norm.apply(&mut rows);
        let (a, b) = (1.5f32.sqrt(), 0.5f32.sqrt());
        for (value, expected) in rows
            .iter()
            .zip([-a, 0.0, 5.0 + a, -b, -2.0 * b, 5.0 + 2.0 * b])
        {
            assert!((value - expected).abs() < 1e-5, "{rows:?}");
        }
    }

    #[test]
    fn softmax_adds_up_to_one_and_takes_the_bias_of_each_distance() {
        let mut scores = [0.0f32, 2.0f32.ln(), 1.0, 1.0];
        softmax_rows(&mut scores, 2);
        for (value, expected) in scores.iter().zip([1.0 / 3.0, 2.0 / 3.0, 0.5, 0.5]) {
            assert!((value - expected).abs() < 1e-6);
        }
        // Query 0 sees key 1 at distance 1, query 1 sees key 0 at distance -1.
        let mut scores = [0.0f32; 4];
        softmax_rows_with_bias(&mut scores, &[3.0f32.ln(), 0.0, 2.0f32.ln()], &[1.0, 0.0]);
        for (value, expected) in scores.iter().zip([1.0 / 3.0, 2.0 / 3.0, 0.5, 0.5]) {
            assert!((value - expected).abs() < 1e-6);
        }
    }
}
