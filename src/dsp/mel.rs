//! The mel filter bank on Slaney's scale, and the cosine transform behind the cepstral coefficients.

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

use super::tiles::{Tiles, parts, vectors, vectors_mut};

/// Hz per mel below 1 kHz, and the natural logarithm of the step above.
const LINEAR_STEP: f64 = 200.0 / 3.0;
const BREAK_HZ: f64 = 1000.0;
const BREAK_MEL: f64 = BREAK_HZ / LINEAR_STEP;

fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

/// Slaney's mel scale: linear to 1 kHz, logarithmic above.
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz >= BREAK_HZ {
        BREAK_MEL + (hz / BREAK_HZ).ln() / log_step()
    } else {
        hz / LINEAR_STEP
    }
}

/// The inverse of [`hz_to_mel`].
pub fn mel_to_hz(mel: f64) -> f64 {
    if mel >= BREAK_MEL {
        BREAK_HZ * (log_step() * (mel - BREAK_MEL)).exp()
    } else {
        LINEAR_STEP * mel
    }
}

/// Triangular filters from 0 Hz to the Nyquist frequency, each of unit area (`librosa.filters.mel`
/// with its defaults).
#[derive(Debug, Clone)]
pub struct MelFilters {
    filters: Vec<Filter>,
}

/// The first bin, and the weights from there on.
type Filter = (usize, Vec<f32>);

impl MelFilters {
    /// `count` filters for power spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate: f64, n_fft: usize, count: usize) -> MelFilters {
        let top = hz_to_mel(sample_rate / 2.0);
        let edges: Vec<f64> = (0..count + 2)
            .map(|i| mel_to_hz(top * i as f64 / (count + 1) as f64))
            .collect();
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
                (
                    start,
                    (start..=n_fft / 2)
                        .map(weight)
                        .take_while(|weight| *weight > 0.0)
                        .collect(),
                )
            })
            .collect();
        MelFilters { filters }
    }

    /// Number of filters.
    pub fn count(&self) -> usize {
        self.filters.len()
    }

    /// Fills `mel` (frames of [`MelFilters::count`] values) with the power in each filter, from
    /// magnitude spectra.
    pub fn apply(&self, magnitude: &Tiles, mel: &mut Tiles) {
        mel.reset(magnitude.len());
        Arch::new().dispatch(Apply {
            filters: &self.filters,
            magnitude,
            mel,
        });
    }
}

struct Apply<'a> {
    filters: &'a [Filter],
    magnitude: &'a Tiles,
    mel: &'a mut Tiles,
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = parts(simd);
        for (magnitude, mel) in self.magnitude.tiles().zip(self.mel.tiles_mut()) {
            let (magnitude, mel) = (vectors(simd, magnitude), vectors_mut(simd, mel));
            for (mel, (start, weights)) in mel.chunks_exact_mut(parts).zip(self.filters) {
                for (part, mel) in mel.iter_mut().enumerate() {
                    let mut total = simd.splat_f32s(0.0);
                    for (magnitude, weight) in
                        magnitude[start * parts..].chunks_exact(parts).zip(weights)
                    {
                        let magnitude = magnitude[part];
                        total = simd.mul_add_e_f32s(
                            simd.mul_f32s(magnitude, magnitude),
                            simd.splat_f32s(*weight),
                            total,
                        );
                    }
                    *mel = total;
                }
            }
        }
    }
}

/// The first coefficients of the orthonormal DCT-II.
#[derive(Debug, Clone)]
pub struct Dct {
    length: usize,
    /// One row of `length` weights per coefficient.
    basis: Vec<f64>,
}

impl Dct {
    /// `count` coefficients of `length` values.
    pub fn new(length: usize, count: usize) -> Dct {
        let weight = |k: usize, n: usize| {
            let norm = if k == 0 {
                1.0 / length as f64
            } else {
                2.0 / length as f64
            };
            norm.sqrt() * (PI * (k * (2 * n + 1)) as f64 / (2 * length) as f64).cos()
        };
        Dct {
            length,
            basis: (0..count)
                .flat_map(|k| (0..length).map(move |n| weight(k, n)))
                .collect(),
        }
    }

    /// The coefficients of `values`.
    pub fn apply(&self, values: &[f64]) -> Vec<f64> {
        self.basis
            .chunks_exact(self.length)
            .map(|row| {
                row.iter()
                    .zip(values)
                    .map(|(weight, value)| weight * value)
                    .sum()
            })
            .collect()
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
        let bank = |power: &dyn Fn(usize) -> f32| {
            let (mut magnitude, mut mel) = (Tiles::new(1025), Tiles::new(128));
            magnitude.reset(1);
            magnitude.set(0, (0..1025).map(|bin| power(bin).sqrt()));
            filters.apply(&magnitude, &mut mel);
            mel.to_frames().values().to_vec()
        };
        let mel = bank(&|_| 1.0);
        // A wide filter sums to its area over the width of a bin.
        for value in &mel[60..] {
            assert!((value * 22050.0 / 2048.0 - 1.0).abs() < 0.03, "{value}");
        }
        assert!(mel.iter().all(|value| *value > 0.0));
        // The second filter spans 2 to 4 steps of 9.68 Hz around its peak; a tone far above leaves
        // it empty.
        let tone = bank(&|bin| f32::from(u8::from(bin == 500)));
        assert!(tone.iter().filter(|value| **value > 0.0).count() == 2);
    }

    #[test]
    fn the_transform_is_orthonormal() {
        let dct = Dct::new(16, 16);
        for (i, a) in dct.basis.chunks_exact(16).enumerate() {
            for (j, b) in dct.basis.chunks_exact(16).enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_constant_has_only_the_first_coefficient() {
        let coefficients = Dct::new(128, 40).apply(&[-100.0; 128]);
        assert!((coefficients[0] + 1_131.370_849_898_476).abs() < 1e-9);
        assert_eq!(coefficients.len(), 40);
        assert!(coefficients[1..].iter().all(|value| value.abs() < 1e-10));
    }
}
