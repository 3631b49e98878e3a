//! Peaks against valleys of the spectrum, by octave band.

use pulp::{Arch, Simd, WithSimd};

use super::decibel::power_to_db_f64;
use super::tiles::{LANES, Tiles, parts, vectors, vectors_mut};

/// The upper edge of the lowest band in Hz.
const LOWEST_EDGE: f64 = 200.0;
/// The part of a band that counts as its peak, and as its valley.
const QUANTILE: f64 = 0.02;
const TOP_DB: f64 = 80.0;
/// A single bin this far below its frame's strongest band is made of the rounding of the samples.
const FAINT: f32 = 3e-7;

/// Spectral contrast of magnitude spectra: six octave bands and the one below them
/// (`librosa.feature.spectral_contrast`).
#[derive(Debug, Clone)]
pub struct Contrast {
    bands: Vec<Band>,
    peaks: Tiles,
    valleys: Tiles,
    decibels: [Vec<f64>; 2],
}

#[derive(Debug, Clone)]
struct Band {
    bins: std::ops::Range<usize>,
    /// How many of the bins make the peak, and how many the valley.
    count: usize,
}

impl Contrast {
    /// `octaves` bands above the lowest, for spectra of `n_fft / 2 + 1` bins. The edges of all
    /// bands but the last must lie below the Nyquist frequency.
    pub fn new(sample_rate: f64, n_fft: usize, octaves: usize) -> Contrast {
        let bins = n_fft / 2 + 1;
        let bin_hz = sample_rate / n_fft as f64;
        let bands: Vec<Band> = (0..=octaves)
            .map(|band| {
                let low = if band == 0 {
                    0.0
                } else {
                    LOWEST_EDGE * ((band - 1) as f64).exp2()
                };
                let high = LOWEST_EDGE * (band as f64).exp2();
                let inside = |bin: &usize| (low..=high).contains(&(*bin as f64 * bin_hz));
                let first = (0..bins).find(inside).unwrap_or(bins - 1);
                let end = (first..bins).find(|bin| !inside(bin)).unwrap_or(bins);
                // A band above the lowest reaches one bin below its edge; each but the top one
                // gives up its last bin to the next.
                let first = if band > 0 {
                    first.saturating_sub(1)
                } else {
                    first
                };
                let end = if band == octaves { bins } else { end };
                let count = (QUANTILE * (end - first) as f64).round_ties_even().max(1.0) as usize;
                Band {
                    bins: first..if band == octaves { end } else { end - 1 },
                    count,
                }
            })
            .collect();
        let (peaks, valleys) = (Tiles::new(bands.len()), Tiles::new(bands.len()));
        Contrast {
            bands,
            peaks,
            valleys,
            decibels: Default::default(),
        }
    }

    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// The frames, of those that were last [applied](Contrast::apply), with a valley of a single
    /// bin that is as faint as the rounding of the samples: the last bits of the samples decide its
    /// decibels.
    pub fn faint_frames(&self) -> Vec<usize> {
        let single: Vec<usize> = (0..self.bands.len())
            .filter(|band| self.bands[*band].count == 1)
            .collect();
        let mut faint = Vec::new();
        for (first, (peaks, valleys)) in (0..)
            .step_by(LANES)
            .zip(self.peaks.tiles().zip(self.valleys.tiles()))
        {
            for lane in 0..LANES.min(self.peaks.len() - first) {
                let strongest = peaks[lane..]
                    .iter()
                    .step_by(LANES)
                    .copied()
                    .fold(0.0, f32::max);
                if single
                    .iter()
                    .any(|band| valleys[band * LANES + lane] < FAINT * strongest)
                {
                    faint.push(first + lane);
                }
            }
        }
        faint
    }

    /// Fills `contrast` (frames of [`Contrast::bands`] values) in dB. Peaks and valleys are each
    /// limited to 80 dB under their own maximum over the whole recording.
    pub fn apply(&mut self, magnitude: &Tiles, contrast: &mut Tiles) {
        self.begin(magnitude.len());
        self.look(0, magnitude);
        self.finish(contrast);
    }

    /// Begins a recording of so many frames, which come in blocks.
    pub fn begin(&mut self, frames: usize) {
        self.peaks.reset(frames);
        self.valleys.reset(frames);
    }

    /// Looks at a block of frames, the first of which begins a tile.
    pub fn look(&mut self, first: usize, magnitude: &Tiles) {
        let (peaks, valleys) = (&mut self.peaks, &mut self.valleys);
        Arch::new().dispatch(Extremes {
            bands: &self.bands,
            first: first / LANES,
            magnitude,
            peaks,
            valleys,
        });
    }

    /// Fills `contrast` as [`Contrast::apply`], of the frames that were looked at.
    pub fn finish(&mut self, contrast: &mut Tiles) {
        // A lane without a frame is silent, and changes no maximum.
        for (decibels, powers) in self
            .decibels
            .iter_mut()
            .zip([&mut self.peaks, &mut self.valleys])
        {
            decibels.clear();
            decibels.extend(powers.values_mut().iter().map(|value| f64::from(*value)));
            power_to_db_f64(decibels, TOP_DB);
        }
        contrast.reset(self.peaks.len());
        let [peaks, valleys] = &self.decibels;
        for ((contrast, peak), valley) in contrast.values_mut().iter_mut().zip(peaks).zip(valleys) {
            *contrast = (peak - valley) as f32;
        }
    }
}

/// Finds the mean of the largest and of the smallest magnitudes of every band.
struct Extremes<'a> {
    bands: &'a [Band],
    /// The tile of peaks and valleys that belongs to the first of the magnitudes.
    first: usize,
    magnitude: &'a Tiles,
    peaks: &'a mut Tiles,
    valleys: &'a mut Tiles,
}

impl WithSimd for Extremes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = parts(simd);
        let tiles = self
            .magnitude
            .tiles()
            .zip(self.peaks.tiles_mut().skip(self.first))
            .zip(self.valleys.tiles_mut().skip(self.first));
        for ((magnitude, peaks), valleys) in tiles {
            let (peaks, valleys) = (vectors_mut(simd, peaks), vectors_mut(simd, valleys));
            for (index, band) in self.bands.iter().enumerate() {
                let bins = &magnitude[band.bins.start * LANES..band.bins.end * LANES];
                for part in 0..parts {
                    let bins = vectors(simd, bins).iter().skip(part).step_by(parts);
                    // As many as fit into registers where that is known beforehand: the counts of
                    // 22 050 Hz and 2048 samples.
                    let (peak, valley) = match band.count {
                        1 => extremes(simd, bins, [simd.splat_f32s(0.0); 1]),
                        2 => extremes(simd, bins, [simd.splat_f32s(0.0); 2]),
                        3 => extremes(simd, bins, [simd.splat_f32s(0.0); 3]),
                        6 => extremes(simd, bins, [simd.splat_f32s(0.0); 6]),
                        9 => extremes(simd, bins, [simd.splat_f32s(0.0); 9]),
                        count => extremes(simd, bins, vec![simd.splat_f32s(0.0); count]),
                    };
                    (peaks[index * parts + part], valleys[index * parts + part]) = (peak, valley);
                }
            }
        }
    }
}

/// The means of the largest and of the smallest values in each lane, as many as `room` holds: no
/// value is ever sorted further than that.
#[inline(always)]
fn extremes<'a, S: Simd, R: AsMut<[S::f32s]> + Clone>(
    simd: S,
    values: impl Iterator<Item = &'a S::f32s>,
    room: R,
) -> (S::f32s, S::f32s) {
    let (mut largest, mut smallest) = (room.clone(), room);
    let (largest, smallest) = (largest.as_mut(), smallest.as_mut());
    largest.fill(simd.splat_f32s(f32::NEG_INFINITY));
    smallest.fill(simd.splat_f32s(f32::INFINITY));
    for value in values {
        let (mut high, mut low) = (*value, *value);
        for kept in largest.iter_mut() {
            (*kept, high) = (simd.max_f32s(*kept, high), simd.min_f32s(*kept, high));
        }
        for kept in smallest.iter_mut() {
            (*kept, low) = (simd.min_f32s(*kept, low), simd.max_f32s(*kept, low));
        }
    }
    let count = simd.splat_f32s(smallest.len() as f32);
    let mean = |values: &[S::f32s]| {
        simd.div_f32s(
            values
                .iter()
                .fold(simd.splat_f32s(0.0), |sum, v| simd.add_f32s(sum, *v)),
            count,
        )
    };
    (mean(largest), mean(smallest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_librosa_s() {
        let contrast = Contrast::new(22050.0, 2048, 6);
        let bands: Vec<_> = contrast
            .bands
            .iter()
            .map(|band| (band.bins.clone(), band.count))
            .collect();
        assert_eq!(
            bands,
            [
                (0..18, 1),
                (18..37, 1),
                (37..74, 1),
                (74..148, 2),
                (148..297, 3),
                (297..594, 6),
                (594..1025, 9)
            ]
        );
    }

    #[test]
    fn selection_equals_sorting() {
        // The last two have bands of more values than are held in registers.
        for (n_fft, octaves) in [(2048, 6), (4096, 6), (8192, 5)] {
            let bins = n_fft / 2 + 1;
            let value = |frame: usize, bin: usize| ((bin * 7919 + frame * 131) % 1009) as f32;
            let mut magnitude = Tiles::new(bins);
            magnitude.reset(20);
            (0..20).for_each(|frame| magnitude.set(frame, (0..bins).map(|bin| value(frame, bin))));
            let mut contrast = Contrast::new(22050.0, n_fft, octaves);
            contrast.apply(&magnitude, &mut Tiles::new(octaves + 1));
            let (peaks, valleys) = (contrast.peaks.to_frames(), contrast.valleys.to_frames());
            for (frame, (peaks, valleys)) in peaks.rows().zip(valleys.rows()).enumerate() {
                for (band, (peak, valley)) in contrast.bands.iter().zip(peaks.iter().zip(valleys)) {
                    let mut sorted: Vec<f32> =
                        band.bins.clone().map(|bin| value(frame, bin)).collect();
                    sorted.sort_by(f32::total_cmp);
                    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
                    assert_eq!(*valley, mean(&sorted[..band.count]));
                    assert_eq!(*peak, mean(&sorted[sorted.len() - band.count..]));
                }
            }
        }
    }

    #[test]
    fn a_bin_that_vanishes_in_its_frame_is_faint() {
        let mut magnitude = Tiles::new(1025);
        magnitude.reset(20);
        // Silence is exact, and a band of many bins has no single one that counts alone.
        for frame in 0..19 {
            magnitude.set(
                frame,
                (0..1025).map(|bin| {
                    if (frame, bin) == (17, 20) || (frame, bin) == (3, 900) {
                        1e-8
                    } else {
                        0.5
                    }
                }),
            );
        }
        let mut contrast = Contrast::new(22050.0, 2048, 6);
        contrast.apply(&magnitude, &mut Tiles::new(contrast.bands()));
        assert_eq!(contrast.faint_frames(), [17]);
    }

    #[test]
    fn a_flat_spectrum_has_no_contrast_and_a_line_has_much() {
        let mut magnitude = Tiles::new(1025);
        magnitude.reset(2);
        for frame in 0..2 {
            magnitude.set(
                frame,
                (0..1025).map(|bin| {
                    if (frame, bin) == (0, 800) {
                        50.0 * 9.0 - 4.0
                    } else {
                        0.5
                    }
                }),
            );
        }
        let mut contrast = Contrast::new(22050.0, 2048, 6);
        let mut out = Tiles::new(contrast.bands());
        contrast.apply(&magnitude, &mut out);
        let out = out.to_frames();
        assert!(
            out.values()[..6]
                .iter()
                .chain(&out.values()[7..])
                .all(|value| value.abs() < 1e-6)
        );
        assert!((out.values()[6] - 20.0).abs() < 1e-4);
    }
}
