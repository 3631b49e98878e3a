//! The logarithm that numpy takes of single-precision numbers.

/// Intervals of the mantissa that have a polynomial each.
const INTERVALS: usize = 16;

/// `log2(1 + r) / r` by interval, in ascending powers of `r`: the bits of single-precision
/// coefficients. They were found by fitting: of all numbers between 3/4 and 3/2, each gives the
/// value that numpy 1.23.5 gives on a processor with AVX-512. They are the coefficients of Intel's
/// SVML, which numpy includes under the BSD 3-clause licence.
const POLYNOMIALS: [[u32; 4]; INTERVALS] = [
    [0x3fb8_aa3b, 0xbf38_a934, 0x3ef5_910c, 0xbea7_7e4a],
    [0x3fb8_a9c0, 0xbf38_7de6, 0x3ef0_45a1, 0xbe8a_ae3d],
    [0x3fb8_a6e8, 0xbf37_f6f0, 0x3ee7_d87e, 0xbe67_fe32],
    [0x3fb8_9f4e, 0xbf37_048b, 0x3edd_bb84, 0xbe43_d1b6],
    [0x3fb8_90cb, 0xbf35_a88a, 0x3ed2_d6df, 0xbe26_a589],
    [0x3fb8_79b1, 0xbf33_ed04, 0x3ec7_bbd2, 0xbe0e_e09b],
    [0x3fb8_58d8, 0xbf31_df56, 0x3ebc_c42f, 0xbdf6_a8a1],
    [0x3fb8_2d90, 0xbf2f_8d82, 0x3eb2_2616, 0xbdd6_3b49],
    [0x3fb8_655e, 0xbf41_6814, 0x3e8f_3399, 0xbf58_4e51],
    [0x3fb8_883a, 0xbf3d_af58, 0x3eb1_223e, 0xbf3e_80a1],
    [0x3fb8_9aea, 0xbf3b_5c08, 0x3ec9_db4a, 0xbf28_92f0],
    [0x3fb8_a42f, 0xbf39_fa2a, 0x3edb_7a09, 0xbf15_d377],
    [0x3fb8_a848, 0xbf39_3713, 0x3ee7_9a1a, 0xbf05_b525],
    [0x3fb8_a9c9, 0xbf38_d7e1, 0x3eef_77cb, 0xbeef_8e30],
    [0x3fb8_aa2f, 0xbf38_b2cd, 0x3ef4_07a4, 0xbed7_5c8f],
    [0x3fb8_aa3b, 0xbf38_aa62, 0x3ef6_07b4, 0xbec2_4184],
];

/// The logarithm to the base 2 of a positive, normal number, to the bit as numpy from 1.22 on
/// computes it with AVX-512.
///
/// It is within a unit of the last place, but not rounded correctly: of a few numbers in a hundred
/// the last bit is another, which is enough to move a peak across the limit of two cells of a
/// histogram.
pub(super) fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let interval = (bits >> 19) as usize % INTERVALS;
    // The mantissa goes from 3/4 to 3/2, so that nothing cancels near 1.
    let upper = interval >= INTERVALS / 2;
    let exponent = (bits >> 23) as i32 - 127 + i32::from(upper);
    let mantissa =
        f32::from_bits((bits & 0x007f_ffff) | if upper { 0x3f00_0000 } else { 0x3f80_0000 });
    let r = mantissa - 1.0;
    let [c0, c1, c2, c3] = POLYNOMIALS[interval].map(f32::from_bits);
    // In double precision the product is exact: a fused multiply-add on every processor.
    let fused = |a: f32, b: f32, c: f32| (f64::from(a) * f64::from(b) + f64::from(c)) as f32;
    fused(
        fused(fused(fused(c3, r, c2), r, c1), r, c0),
        r,
        exponent as f32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One number of each interval of which the correctly rounded logarithm is another: values of
    /// numpy 1.23.5.
    const NUMPY: [(f32, f32); INTERVALS] = [
        (16.811_295, 4.071_359),
        (69.825_41, 6.125_68),
        (9.013_727, 3.172_124),
        (9.705_259, 3.278_766_6),
        (41.104_866, 5.361_237_5),
        (5.468_747, 2.451_210_5),
        (11.266_531, 3.493_971_3),
        (47.378_525, 5.566_161_6),
        (12.034_062, 3.589_052),
        (25.942_53, 4.697_247_5),
        (13.017_042, 3.702_329_6),
        (13.886_478, 3.795_609),
        (112.815_15, 6.817_816_7),
        (235.861_42, 7.881_796),
        (30.062_166, 4.909_877),
        (15.551_038, 3.958_939),
    ];

    #[test]
    fn values_are_those_of_numpy_where_they_are_not_rounded_correctly() {
        for (x, expected) in NUMPY {
            assert_eq!(log2(x), expected, "{x}");
            assert_ne!(f64::from(x).log2() as f32, expected, "{x}");
        }
    }

    #[test]
    fn values_are_logarithms() {
        for step in 0..10_000u32 {
            let x = f32::from_bits(0x3e00_0000 + step * 12_345);
            let (value, expected) = (f64::from(log2(x)), f64::from(x).log2());
            assert!(
                (value - expected).abs() <= 1.2e-7 * expected.abs() + 1e-9,
                "{x}: {value} {expected}"
            );
        }
        assert_eq!([1.0, 2.0, 0.5, 1024.0].map(log2), [0.0, 1.0, -1.0, 10.0]);
    }
}
