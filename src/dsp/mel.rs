//! The mel filter bank on Slaney's scale.

/// Hz per mel below 1 kHz, and the natural logarithm of the step above.
const LINEAR_STEP: f64 = 200.0 / 3.0;
const BREAK_HZ: f64 = 1000.0;
const BREAK_MEL: f64 = BREAK_HZ / LINEAR_STEP;

fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

/// Slaney's mel scale: linear to 1 kHz, logarithmic above.
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz >= BREAK_HZ { BREAK_MEL + (hz / BREAK_HZ).ln() / log_step() } else { hz / LINEAR_STEP }
}

/// The inverse of [`hz_to_mel`].
pub fn mel_to_hz(mel: f64) -> f64 {
    if mel >= BREAK_MEL { BREAK_HZ * (log_step() * (mel - BREAK_MEL)).exp() } else { LINEAR_STEP * mel }
}

/// Triangular filters from 0 Hz to the Nyquist frequency, each of unit area (`librosa.filters.mel` with its defaults).
#[derive(Debug, Clone)]
pub struct MelFilters {
    /// Each filter's first bin and its weights from there on.
    filters: Vec<(usize, Vec<f32>)>,
}

impl MelFilters {
    /// `count` filters for power spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate: f64, n_fft: usize, count: usize) -> MelFilters {
        let top = hz_to_mel(sample_rate / 2.0);
        let edges: Vec<f64> = (0..count + 2).map(|i| mel_to_hz(top * i as f64 / (count + 1) as f64)).collect();
        let bin_hz = sample_rate / n_fft as f64;
        let filters = edges
            .windows(3)
            .map(|edge| {
                let weight = |bin: usize| {
                    let hz = bin as f64 * bin_hz;
                    let rising = (hz - edge[0]) / (edge[1] - edge[0]);
                    let falling = (edge[2] - hz) / (edge[2] - edge[1]);
                    rising.min(falling).max(0.0) as f32 * (2.0 / (edge[2] - edge[0])) as f32
                };
                let start = (0..=n_fft / 2).find(|bin| weight(*bin) > 0.0).unwrap_or(0);
                (start, (start..=n_fft / 2).map(weight).take_while(|weight| *weight > 0.0).collect())
            })
            .collect();
        MelFilters { filters }
    }

    /// Number of filters.
    pub fn count(&self) -> usize {
        self.filters.len()
    }

    /// The power in each filter of one frame's power spectrum.
    pub fn apply(&self, power: &[f32], mel: &mut [f32]) {
        for (mel, (start, weights)) in mel.iter_mut().zip(&self.filters) {
            *mel = power[*start..].iter().zip(weights).map(|(power, weight)| power * weight).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_breaks_at_one_kilohertz() {
        assert!((hz_to_mel(1000.0) - 15.0).abs() < 1e-12);
        assert!((hz_to_mel(6400.0) - 42.0).abs() < 1e-12);
        for hz in [0.0, 60.0, 999.0, 1000.0, 4000.0, 11025.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-9);
        }
    }

    #[test]
    fn filters_have_unit_area_and_cover_the_spectrum() {
        let filters = MelFilters::new(22050.0, 2048, 128);
        assert_eq!(filters.count(), 128);
        let mut mel = vec![0.0; 128];
        filters.apply(&[1.0; 1025], &mut mel);
        // A wide filter sums to its area over the width of a bin.
        for value in &mel[60..] {
            assert!((value * 22050.0 / 2048.0 - 1.0).abs() < 0.03, "{value}");
        }
        assert!(mel.iter().all(|value| *value > 0.0));
        // The second filter spans 2 to 4 steps of 9.68 Hz around its peak; a tone far above leaves it empty.
        let mut tone = vec![0.0; 1025];
        tone[500] = 1.0;
        filters.apply(&tone, &mut mel);
        assert!(mel.iter().filter(|value| **value > 0.0).count() == 2);
    }
}
