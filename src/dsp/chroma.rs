//! Energy by pitch class, from the short-time spectrum.

use crate::audio::simd::{dispatch, multiply_add, sum};

/// Pitch classes.
const CLASSES: usize = 12;
/// Values summed side by side: four vectors, so that one addition need not wait for another.
const LANES: usize = 32;

/// Gaussian filters that fold a power spectrum into 12 pitch classes from C (`librosa.filters.chroma` with its defaults).
#[derive(Debug, Clone)]
pub struct ChromaFilters {
    bins: usize,
    /// `[class][group of LANES bins]`; the last group ends in zeros.
    weights: Vec<[f32; LANES]>,
}

impl ChromaFilters {
    /// For power spectra of `n_fft / 2 + 1` bins and a tuning in fractions of a semitone.
    pub fn new(sample_rate: f64, n_fft: usize, tuning: f64) -> ChromaFilters {
        let a4 = 440.0 * (tuning / CLASSES as f64).exp2();
        let bins = n_fft / 2 + 1;
        // Positions in semitones above the lowest A; the first bin, at 0 Hz, is put an octave and a half under the second.
        let mut positions: Vec<f64> =
            (1..bins + 1).map(|bin| CLASSES as f64 * (bin as f64 * sample_rate / n_fft as f64 / (a4 / 16.0)).log2()).collect();
        positions.insert(0, positions[0] - 1.5 * CLASSES as f64);
        let groups = bins.div_ceil(LANES);
        let mut weights = vec![[0.0f32; LANES]; CLASSES * groups];
        for (bin, pair) in positions.windows(2).take(bins).enumerate() {
            let (position, width) = (pair[0], (pair[1] - pair[0]).max(1.0));
            let half = CLASSES as f64 / 2.0;
            let column: [f64; CLASSES] = std::array::from_fn(|class| {
                let distance = (position - class as f64 + half + 10.0 * CLASSES as f64).rem_euclid(CLASSES as f64) - half;
                (-0.5 * (2.0 * distance / width).powi(2)).exp()
            });
            let norm = column.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
            let octave = (-0.5 * ((position / CLASSES as f64 - 5.0) / 2.0).powi(2)).exp();
            for (class, weight) in column.iter().enumerate() {
                // The columns start at A; the result starts at C.
                let from_c = (class + CLASSES - 3) % CLASSES;
                weights[from_c * groups + bin / LANES][bin % LANES] = (weight / norm * octave) as f32;
            }
        }
        ChromaFilters { bins, weights }
    }

    /// Folds one frame's power spectrum into 12 pitch classes, not yet normalised.
    pub fn apply(&self, power: &[f32], chroma: &mut [f32]) {
        fold(&self.weights, &power[..self.bins], chroma);
    }
}

dispatch! {
    fn fold(weights: &[[f32; LANES]], power: &[f32], chroma: &mut [f32]) = fold_body
}

#[inline(always)]
fn fold_body<const FUSED: bool>(weights: &[[f32; LANES]], power: &[f32], chroma: &mut [f32]) {
    let (groups, remainder) = power.as_chunks::<LANES>();
    let mut rest = [0.0; LANES];
    rest[..remainder.len()].copy_from_slice(remainder);
    for (chroma, weights) in chroma.iter_mut().zip(weights.chunks_exact(power.len().div_ceil(LANES))) {
        let mut totals = [0.0f32; LANES];
        for (group, weights) in groups.iter().chain(std::iter::once(&rest)).zip(weights) {
            for lane in 0..LANES {
                totals[lane] = multiply_add::<FUSED>(group[lane], weights[lane], totals[lane]);
            }
        }
        *chroma = sum(&std::array::from_fn(|lane| (totals[lane] + totals[lane + 8]) + (totals[lane + 16] + totals[lane + 24])));
    }
}

/// Divides a frame by its largest magnitude; a frame of zeros stays.
pub fn normalize_peak(frame: &mut [f32]) {
    let peak = frame.iter().fold(0.0f32, |peak, value| peak.max(value.abs()));
    if peak >= f32::MIN_POSITIVE {
        frame.iter_mut().for_each(|value| *value = (f64::from(*value) / f64::from(peak)) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_fall_into_their_classes() {
        let filters = ChromaFilters::new(22050.0, 2048, 0.0);
        // C5, E5, A5 and their nearest bins.
        for (hz, class) in [(523.25, 0), (659.26, 4), (880.0, 9), (1760.0, 9)] {
            let mut power = vec![0.0; 1025];
            power[(hz / 22050.0 * 2048.0f64).round() as usize] = 1.0;
            let mut chroma = [0.0; 12];
            filters.apply(&power, &mut chroma);
            normalize_peak(&mut chroma);
            assert_eq!(chroma[class], 1.0, "{hz} Hz: {chroma:?}");
        }
    }

    #[test]
    fn the_last_bin_counts_and_silence_stays() {
        let filters = ChromaFilters::new(22050.0, 2048, 0.0);
        let mut power = vec![0.0; 1025];
        let mut chroma = [1.0; 12];
        filters.apply(&power, &mut chroma);
        normalize_peak(&mut chroma);
        assert_eq!(chroma, [0.0; 12]);
        power[1024] = 1.0;
        filters.apply(&power, &mut chroma);
        assert!(chroma.iter().all(|value| *value >= 0.0) && chroma.iter().sum::<f32>() > 0.1);
    }
}
