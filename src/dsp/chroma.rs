//! Energy by pitch class, from the short-time spectrum, and tonal centroids: where a frame's chroma
//! lies on the circles of fifths, minor thirds and major thirds (Harte et al. 2006).

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

use super::tiles::{LANES, Tiles, parts, vectors, vectors_mut};

/// Pitch classes.
const CLASSES: usize = 12;

/// Gaussian filters that fold a power spectrum into 12 pitch classes from C
/// (`librosa.filters.chroma` with its defaults).
#[derive(Debug, Clone)]
pub struct ChromaFilters {
    /// For each bin what it adds to each class.
    weights: Vec<[f32; CLASSES]>,
}

impl ChromaFilters {
    /// For power spectra of `n_fft / 2 + 1` bins and a tuning in fractions of a semitone.
    pub fn new(sample_rate: f64, n_fft: usize, tuning: f64) -> ChromaFilters {
        let a4 = 440.0 * (tuning / CLASSES as f64).exp2();
        let bins = n_fft / 2 + 1;
        // Positions in semitones above the lowest A; the first bin, at 0 Hz, is put an octave and a
        // half under the second.
        let mut positions: Vec<f64> = (1..bins + 1)
            .map(|bin| {
                CLASSES as f64 * (bin as f64 * sample_rate / n_fft as f64 / (a4 / 16.0)).log2()
            })
            .collect();
        positions.insert(0, positions[0] - 1.5 * CLASSES as f64);
        let mut weights = vec![[0.0f32; CLASSES]; bins];
        for (bin, pair) in positions.windows(2).take(bins).enumerate() {
            let (position, width) = (pair[0], (pair[1] - pair[0]).max(1.0));
            let half = CLASSES as f64 / 2.0;
            let column: [f64; CLASSES] = std::array::from_fn(|class| {
                let distance = (position - class as f64 + half + 10.0 * CLASSES as f64)
                    .rem_euclid(CLASSES as f64)
                    - half;
                (-0.5 * (2.0 * distance / width).powi(2)).exp()
            });
            let norm = column
                .iter()
                .map(|weight| weight * weight)
                .sum::<f64>()
                .sqrt();
            let octave = (-0.5 * ((position / CLASSES as f64 - 5.0) / 2.0).powi(2)).exp();
            for (class, weight) in column.iter().enumerate() {
                // The columns start at A; the result starts at C.
                weights[bin][(class + CLASSES - 3) % CLASSES] = (weight / norm * octave) as f32;
            }
        }
        ChromaFilters { weights }
    }

    /// Fills `chroma` (frames of 12 values) from magnitude spectra: power by pitch class, each
    /// frame divided by its largest value.
    pub fn apply(&self, magnitude: &Tiles, chroma: &mut Tiles) {
        chroma.reset(magnitude.len());
        Arch::new().dispatch(Apply {
            weights: &self.weights,
            magnitude,
            chroma,
        });
    }
}

struct Apply<'a> {
    weights: &'a [[f32; CLASSES]],
    magnitude: &'a Tiles,
    chroma: &'a mut Tiles,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = parts(simd);
        for (magnitude, chroma) in self.magnitude.tiles().zip(self.chroma.tiles_mut()) {
            let (magnitude, chroma) = (vectors(simd, magnitude), vectors_mut(simd, chroma));
            for part in 0..parts {
                let mut totals = [simd.splat_f32s(0.0); CLASSES];
                for (magnitude, weights) in magnitude.chunks_exact(parts).zip(self.weights) {
                    let power = simd.mul_f32s(magnitude[part], magnitude[part]);
                    for (total, weight) in totals.iter_mut().zip(weights) {
                        *total = simd.mul_add_e_f32s(power, simd.splat_f32s(*weight), *total);
                    }
                }
                normalize_peak(simd, &mut totals);
                for (chroma, total) in chroma.chunks_exact_mut(parts).zip(totals) {
                    chroma[part] = total;
                }
            }
        }
    }
}

/// Divides each frame by its largest value, of values that are not negative; a frame of zeros
/// stays.
#[inline(always)]
pub(super) fn normalize_peak<S: Simd>(simd: S, classes: &mut [S::f32s; CLASSES]) {
    let peak = classes.iter().fold(simd.splat_f32s(0.0), |peak, value| {
        simd.max_f32s(peak, *value)
    });
    let silent = simd.less_than_f32s(peak, simd.splat_f32s(f32::MIN_POSITIVE));
    let divisor = simd.select_f32s(silent, simd.splat_f32s(1.0), peak);
    classes
        .iter_mut()
        .for_each(|value| *value = simd.div_f32s(*value, divisor));
}

/// Dimensions: sine and cosine on each of the three circles.
pub const TONNETZ: usize = 6;

/// Fills `shares` with the same frames, each divided by its sum; values must not be negative, and a
/// frame of zeros stays.
pub fn normalize_sum(chroma: &Tiles, shares: &mut Tiles) {
    shares.reset(chroma.len());
    for (chroma, shares) in chroma.tiles().zip(shares.tiles_mut()) {
        let mut totals = [0.0f64; LANES];
        for values in chroma.chunks_exact(LANES) {
            totals
                .iter_mut()
                .zip(values)
                .for_each(|(total, value)| *total += f64::from(*value));
        }
        let totals = totals.map(|total| {
            if total < f64::from(f32::MIN_POSITIVE) {
                1.0
            } else {
                total
            }
        });
        for (shares, values) in shares
            .chunks_exact_mut(LANES)
            .zip(chroma.chunks_exact(LANES))
        {
            for ((share, value), total) in shares.iter_mut().zip(values).zip(&totals) {
                *share = (f64::from(*value) / total) as f32;
            }
        }
    }
}

/// The centroid of 12 pitch classes that sum to one (`librosa.feature.tonnetz`).
pub fn tonal_centroid(chroma: &[f64]) -> [f64; TONNETZ] {
    const TURNS: [f64; 3] = [7.0 / 6.0, 3.0 / 2.0, 2.0 / 3.0];
    const RADII: [f64; 3] = [1.0, 1.0, 0.5];
    std::array::from_fn(|row| {
        let quarter_turn = if row % 2 == 0 { 0.5 } else { 0.0 };
        let along = |class: usize| {
            RADII[row / 2] * (PI * (TURNS[row / 2] * class as f64 - quarter_turn)).cos()
        };
        chroma
            .iter()
            .enumerate()
            .map(|(class, value)| along(class) * value)
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chroma(power: impl Fn(usize) -> f32) -> Vec<f32> {
        let (mut magnitude, mut chroma) = (Tiles::new(1025), Tiles::new(CLASSES));
        magnitude.reset(1);
        magnitude.set(0, (0..1025).map(|bin| power(bin).sqrt()));
        ChromaFilters::new(22050.0, 2048, 0.0).apply(&magnitude, &mut chroma);
        chroma.to_frames().values().to_vec()
    }

    #[test]
    fn tones_fall_into_their_classes() {
        // C5, E5, A5 and their nearest bins.
        for (hz, class) in [(523.25, 0), (659.26, 4), (880.0, 9), (1760.0, 9)] {
            let nearest = (hz / 22050.0 * 2048.0f64).round() as usize;
            let chroma = chroma(|bin| f32::from(u8::from(bin == nearest)));
            assert_eq!(chroma[class], 1.0, "{hz} Hz: {chroma:?}");
        }
    }

    #[test]
    fn the_last_bin_counts_and_silence_stays() {
        assert_eq!(chroma(|_| 0.0), [0.0; CLASSES]);
        let last = chroma(|bin| f32::from(u8::from(bin == 1024)));
        assert!(last.iter().all(|value| *value >= 0.0) && last.iter().sum::<f32>() > 1.0);
    }

    #[test]
    fn one_class_lies_on_the_circles() {
        let mut chroma = [0.0; 12];
        chroma[0] = 1.0;
        for (value, expected) in tonal_centroid(&chroma)
            .iter()
            .zip([0.0, 1.0, 0.0, 1.0, 0.0, 0.5])
        {
            assert!((value - expected).abs() < 1e-14);
        }
        // A fifth up is 210 degrees along the first circle for each of its seven semitones.
        chroma = [0.0; 12];
        chroma[7] = 1.0;
        let angle = 7.0 * 7.0 / 6.0 * PI;
        let centroid = tonal_centroid(&chroma);
        assert!(
            (centroid[0] - angle.sin()).abs() < 1e-12 && (centroid[1] - angle.cos()).abs() < 1e-12
        );
    }

    #[test]
    fn even_chroma_lies_in_the_centre() {
        assert!(
            tonal_centroid(&[1.0 / 12.0; 12])
                .iter()
                .all(|value| value.abs() < 1e-12)
        );
    }

    #[test]
    fn frames_sum_to_one_unless_silent() {
        let (mut chroma, mut shares) = (Tiles::new(3), Tiles::new(3));
        chroma.reset(2);
        chroma.set(0, [0.5, 1.5, 0.0].into_iter());
        chroma.set(1, [0.0; 3].into_iter());
        normalize_sum(&chroma, &mut shares);
        assert_eq!(
            shares.to_frames().values(),
            [0.25, 0.75, 0.0, 0.0, 0.0, 0.0]
        );
    }
}
