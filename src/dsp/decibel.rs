//! Power in decibels, limited to a range below the loudest value.

use crate::audio::simd::{dispatch, multiply_add_f64};

/// Power below this is taken as this.
const FLOOR: f64 = 1e-10;

/// Replaces powers by `10 log10` of them, at least -100 dB and at least `top_db` under the maximum
/// (`librosa.power_to_db`).
pub fn power_to_db(values: &mut [f32], top_db: f32) {
    in_db(values);
    at_least(values, loudest(values) - top_db);
}

/// Replaces powers by `10 log10` of them, at least -100 dB.
pub fn in_db(values: &mut [f32]) {
    decibels(values);
}

/// The largest value.
pub fn loudest(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Raises values to a floor.
pub fn at_least(values: &mut [f32], floor: f32) {
    values
        .iter_mut()
        .for_each(|value| *value = value.max(floor));
}

/// As [`power_to_db`], in double precision.
pub(super) fn power_to_db_f64(values: &mut [f64], top_db: f64) {
    decibels_f64(values);
    let floor = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - top_db;
    values
        .iter_mut()
        .for_each(|value| *value = value.max(floor));
}

dispatch! {
    fn decibels(values: &mut [f32]) = decibels_body
}

#[inline(always)]
fn decibels_body<const FUSED: bool>(values: &mut [f32]) {
    for value in values {
        *value = decibel::<FUSED>(f64::from(*value)) as f32;
    }
}

dispatch! {
    fn decibels_f64(values: &mut [f64]) = decibels_f64_body
}

#[inline(always)]
fn decibels_f64_body<const FUSED: bool>(values: &mut [f64]) {
    for value in values {
        *value = decibel::<FUSED>(*value);
    }
}

/// The logarithm by its series in (m - 1) / (m + 1), for the mantissa between 1/sqrt(2) and
/// sqrt(2): good to 1e-11, and a loop that vectorises, where the library's logarithm is a call per
/// value.
#[inline(always)]
fn decibel<const FUSED: bool>(power: f64) -> f64 {
    const BITS_OF_SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    // The order matters for NaN: max returns the other operand.
    let bits = power.max(FLOOR).to_bits();
    let exponent = (bits.wrapping_sub(BITS_OF_SQRT_HALF) as i64) >> 52;
    let mantissa = f64::from_bits(bits.wrapping_sub((exponent << 52) as u64));
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let mut series = 1.0 / 13.0;
    for denominator in [11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = multiply_add_f64::<FUSED>(series, square, 1.0 / denominator);
    }
    let ln = multiply_add_f64::<FUSED>(
        2.0 * z,
        series,
        exponent as i32 as f64 * std::f64::consts::LN_2,
    );
    ln * (10.0 / std::f64::consts::LN_10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_matches_the_library() {
        let values: Vec<f32> = (-99..380)
            .map(|i| 10f32.powf(i as f32 / 10.0) * (1.0 + i as f32 * 1e-3))
            .collect();
        let mut decibel = values.clone();
        decibels(&mut decibel);
        for (value, decibel) in values.iter().zip(&decibel) {
            let expected = 10.0 * f64::from(*value).max(FLOOR).log10();
            assert!(
                (f64::from(*decibel) - expected).abs() <= expected.abs() * 1e-7 + 1e-9,
                "{value}: {decibel} {expected}"
            );
        }
    }

    #[test]
    fn values_are_limited_below_the_maximum() {
        let mut values = [1.0f32, 100.0, 1e-9, 0.0];
        power_to_db(&mut values, 80.0);
        assert_eq!(values, [0.0, 20.0, -60.0, -60.0]);
        let mut silence = [0.0f64; 3];
        power_to_db_f64(&mut silence, 80.0);
        assert!(silence.iter().all(|value| (value + 100.0).abs() < 1e-12));
    }
}
