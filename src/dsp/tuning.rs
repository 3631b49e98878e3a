//! How far a recording is from A440, in fractions of a bin.

mod long;

pub use long::LongTuning;

use super::log2::log2;
use crate::audio::simd::dispatch;

const LOWEST_HZ: f64 = 150.0;
const HIGHEST_HZ: f64 = 4000.0;
/// A peak must exceed this part of its frame's maximum.
const THRESHOLD: f32 = 0.1;
/// Histogram cells per bin.
const CELLS: usize = 100;
/// How far, in parts of itself, the last bits of the samples may move a peak's position or
/// strength: what lies nearer to a limit is in doubt.
const DOUBT: f32 = f32::EPSILON;
/// Values compared at once.
const LANES: usize = 32;
/// Marks looked at together: most are not set.
const GROUP: usize = 8;

/// Which spectrum the peaks are looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuningSpectrum {
    /// As given.
    Magnitude,
    /// Squared.
    Power,
}

/// Estimates tuning from interpolated spectral peaks (`librosa.estimate_tuning`); holds buffers for
/// reuse.
#[derive(Debug, Clone)]
pub struct TuningEstimator {
    bin_hz: f64,
    first_bin: usize,
    end_bin: usize,
    magnitude: Peaks,
    power: Peaks,
    candidates: Vec<u8>,
    sorted: Vec<f32>,
    frames: u32,
}

/// Frequencies (Hz) and heights of the peaks found so far.
#[derive(Debug, Clone, Default)]
struct Peaks {
    pitches: Vec<f32>,
    strengths: Vec<f32>,
    /// The frames in the order in which they were looked at, and where the peaks of each begin.
    frames: Vec<(u32, usize)>,
}

/// The peaks by their cells.
#[derive(Debug, Clone)]
struct Histogram {
    counts: [u32; CELLS],
    /// Of each peak near a limit: its frame, its cell, and the cell that it may be in as well;
    /// where it may count or not, the same cell twice.
    doubtful: Vec<(u32, usize, usize)>,
    /// Peaks that do not count and may: frame and cell.
    missed: Vec<(u32, usize)>,
}

impl TuningEstimator {
    /// For spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate: f64, n_fft: usize) -> TuningEstimator {
        let bin_hz = sample_rate / n_fft as f64;
        let inside = |bin: &usize| {
            (LOWEST_HZ..HIGHEST_HZ.min(sample_rate / 2.0)).contains(&(*bin as f64 * bin_hz))
        };
        let first_bin = (1..n_fft / 2).find(inside).unwrap_or(1);
        let end_bin = (first_bin..n_fft / 2)
            .find(|bin| !inside(bin))
            .unwrap_or(n_fft / 2);
        let (magnitude, power, candidates, sorted) = Default::default();
        TuningEstimator {
            bin_hz,
            first_bin,
            end_bin,
            magnitude,
            power,
            candidates,
            sorted,
            frames: 0,
        }
    }

    /// Forgets the frames of another recording.
    pub fn begin(&mut self) {
        for peaks in [&mut self.magnitude, &mut self.power] {
            peaks.pitches.clear();
            peaks.strengths.clear();
            peaks.frames.clear();
        }
        self.frames = 0;
    }

    /// Finds the peaks of the next frame's magnitude spectrum, and of its square.
    pub fn look(&mut self, magnitude: &[f32]) {
        self.find(self.frames, magnitude);
        self.frames += 1;
    }

    /// Finds the peaks of one of the frames anew.
    pub fn look_again(&mut self, frame: usize, magnitude: &[f32]) {
        for peaks in [&mut self.magnitude, &mut self.power] {
            peaks.forget(frame as u32);
        }
        self.find(frame as u32, magnitude);
    }

    fn find(&mut self, frame: u32, magnitude: &[f32]) {
        for peaks in [&mut self.magnitude, &mut self.power] {
            peaks.frames.push((frame, peaks.pitches.len()));
        }
        let loudest = maximum(magnitude);
        let around = &magnitude[self.first_bin - 1..=self.end_bin];
        self.candidates
            .resize((self.end_bin - self.first_bin).next_multiple_of(GROUP), 0);
        mark(around, THRESHOLD * loudest, &mut self.candidates);
        let (groups, _) = self.candidates.as_chunks::<GROUP>();
        for (group, first) in groups
            .iter()
            .zip((0..).step_by(GROUP))
            .filter(|(group, _)| **group != [0; GROUP])
        {
            for index in (first..)
                .zip(group)
                .filter(|(_, marked)| **marked != 0)
                .map(|(index, _)| index)
            {
                let bin = (self.first_bin + index) as f64;
                let spectrum = [around[index], around[index + 1], around[index + 2]];
                self.magnitude.take(bin, self.bin_hz, spectrum, loudest);
                self.power.take(
                    bin,
                    self.bin_hz,
                    spectrum.map(|value| value * value),
                    loudest * loudest,
                );
            }
        }
    }

    /// The left edge of the fullest of 100 cells between -0.5 and 0.5 bins, `bins_per_octave` to
    /// the octave; 0 without any peak.
    ///
    /// Only peaks at least as strong as the median peak count. All arithmetic is in single
    /// precision where librosa's is, since a peak that changes its cell may change the result.
    pub fn estimate(&mut self, spectrum: TuningSpectrum, bins_per_octave: usize) -> f64 {
        self.histogram(spectrum, bins_per_octave)
            .map_or(0.0, |histogram| edge(histogram.fullest()))
    }

    /// As [`TuningEstimator::estimate`], with the frames whose peaks lie so near to the limits of
    /// cells, or to the median, that the last bits of the samples decide which cell is the fullest:
    /// none where it is the fullest whatever these are.
    pub fn estimate_with_doubt(
        &mut self,
        spectrum: TuningSpectrum,
        bins_per_octave: usize,
    ) -> (f64, Vec<usize>) {
        let histogram = self.histogram(spectrum, bins_per_octave);
        histogram.map_or((0.0, Vec::new()), |histogram| {
            (edge(histogram.fullest()), histogram.doubtful_frames())
        })
    }

    fn histogram(&mut self, spectrum: TuningSpectrum, bins_per_octave: usize) -> Option<Histogram> {
        let peaks = match spectrum {
            TuningSpectrum::Magnitude => &self.magnitude,
            TuningSpectrum::Power => &self.power,
        };
        let median = median(&peaks.strengths, &mut self.sorted)?;
        let mut histogram = Histogram::default();
        let edges: [f64; CELLS + 1] = std::array::from_fn(edge);
        for (frame, peaks) in peaks.by_frame() {
            histogram.add(frame, peaks, median, bins_per_octave, &edges);
        }
        Some(histogram)
    }
}

/// The left edge of a cell, as numpy spaces them.
fn edge(cell: usize) -> f64 {
    if cell == CELLS {
        0.5
    } else {
        cell as f64 * 0.01 - 0.5
    }
}

fn cell_of(residual: f64, edges: &[f64; CELLS + 1]) -> usize {
    let mut cell = (((residual + 0.5) * CELLS as f64) as usize).min(CELLS - 1);
    while cell > 0 && residual < edges[cell] {
        cell -= 1;
    }
    while cell + 1 < CELLS && residual >= edges[cell + 1] {
        cell += 1;
    }
    cell
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: [0; CELLS],
            doubtful: Vec::new(),
            missed: Vec::new(),
        }
    }
}

impl Histogram {
    /// Counts those peaks of a frame that are at least as strong as the median.
    fn add<'a>(
        &mut self,
        frame: u32,
        peaks: impl Iterator<Item = (&'a f32, &'a f32)>,
        median: f32,
        bins_per_octave: usize,
        edges: &[f64; CELLS + 1],
    ) {
        let least = median - DOUBT * median;
        for (pitch, strength) in peaks.filter(|(_, strength)| **strength >= least) {
            let position = bins_per_octave as f32 * log2(*pitch / 27.5);
            let mut residual = position - position.floor();
            if residual >= 0.5 {
                residual -= 1.0;
            }
            let (residual, doubt) = (f64::from(residual), f64::from(DOUBT * position));
            let cell = cell_of(residual, edges);
            if *strength < median {
                self.missed.push((frame, cell));
                continue;
            }
            self.counts[cell] += 1;
            if *strength <= median + DOUBT * median {
                self.doubtful.push((frame, cell, cell));
            }
            if residual - edges[cell] <= doubt {
                self.doubtful
                    .push((frame, cell, (cell + CELLS - 1) % CELLS));
            } else if edges[cell + 1] - residual <= doubt {
                self.doubtful.push((frame, cell, (cell + 1) % CELLS));
            }
        }
    }

    /// The first of the cells with the most peaks.
    fn fullest(&self) -> usize {
        let most = self.counts.iter().max().copied().unwrap_or(0);
        self.counts
            .iter()
            .position(|count| *count == most)
            .unwrap_or(0)
    }

    fn doubtful_frames(&self) -> Vec<usize> {
        let fullest = self.fullest();
        let (mut least, mut most) = (self.counts, self.counts);
        for (_, cell, other) in &self.doubtful {
            least[*cell] = least[*cell].saturating_sub(1);
            most[*other] += u32::from(cell != other);
        }
        for (_, cell) in &self.missed {
            most[*cell] += 1;
        }
        let contested = |cell: usize| {
            cell == fullest || most[cell] + u32::from(cell < fullest) > least[fullest]
        };
        if !(0..CELLS).any(|cell| cell != fullest && contested(cell)) {
            return Vec::new();
        }
        let doubtful = self
            .doubtful
            .iter()
            .filter(|(_, cell, other)| contested(*cell) || contested(*other))
            .map(|(frame, ..)| *frame);
        let missed = self
            .missed
            .iter()
            .filter(|(_, cell)| contested(*cell))
            .map(|(frame, _)| *frame);
        let mut frames: Vec<usize> = doubtful.chain(missed).map(|frame| frame as usize).collect();
        frames.sort_unstable();
        frames.dedup();
        frames
    }
}

impl Peaks {
    /// Keeps the middle one of three values, at `bin`, if it is a peak.
    fn take(&mut self, bin: f64, bin_hz: f64, [before, peak, after]: [f32; 3], loudest: f32) {
        if !(peak > THRESHOLD * loudest && peak > before && peak >= after) {
            return;
        }
        let slope = 0.5 * (after - before);
        let curvature = 2.0 * peak - after - before;
        let shift = slope / (curvature + f32::from(u8::from(curvature.abs() < f32::MIN_POSITIVE)));
        self.pitches
            .push(((bin + f64::from(shift)) * bin_hz) as f32);
        self.strengths.push(peak + 0.5 * slope * shift);
    }

    fn forget(&mut self, frame: u32) {
        let Some(place) = self.frames.iter().position(|(found, _)| *found == frame) else {
            return;
        };
        let (_, start) = self.frames.remove(place);
        let end = self
            .frames
            .get(place)
            .map_or(self.pitches.len(), |(_, next)| *next);
        self.pitches.drain(start..end);
        self.strengths.drain(start..end);
        self.frames[place..]
            .iter_mut()
            .for_each(|(_, next)| *next -= end - start);
    }

    /// Of each frame its number and its peaks: frequencies and heights.
    fn by_frame(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = (&f32, &f32)>)> {
        let ends = self
            .frames
            .iter()
            .skip(1)
            .map(|(_, start)| *start)
            .chain([self.pitches.len()]);
        self.frames.iter().zip(ends).map(|((frame, start), end)| {
            (
                *frame,
                self.pitches[*start..end]
                    .iter()
                    .zip(&self.strengths[*start..end]),
            )
        })
    }
}

fn median(values: &[f32], sorted: &mut Vec<f32>) -> Option<f32> {
    sorted.clear();
    sorted.extend_from_slice(values);
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        return None;
    }
    let (below, upper, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Some(if values.len() % 2 == 1 {
        upper
    } else {
        (lower + upper) / 2.0
    })
}

dispatch! {
    /// Marks what may be a peak, of the magnitudes or of their squares: everything that is one, and
    /// little else. Squares of neighbours may be equal where the values are not quite.
    fn mark(values: &[f32], threshold: f32, candidates: &mut [u8]) = mark_body
}

#[inline(always)]
fn mark_body<const FUSED: bool>(values: &[f32], threshold: f32, candidates: &mut [u8]) {
    let neighbours = values.iter().zip(&values[1..]).zip(&values[2..]);
    for (candidate, ((before, peak), after)) in candidates.iter_mut().zip(neighbours) {
        *candidate = u8::from(*peak > threshold)
            & u8::from(peak > before)
            & u8::from(*peak * 1.000_001 >= *after);
    }
}

dispatch! {
    /// The largest of values that are not negative.
    fn maximum(values: &[f32]) -> f32 = maximum_body
}

#[inline(always)]
fn maximum_body<const FUSED: bool>(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut maxima = [0.0f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            maxima[lane] = if chunk[lane] > maxima[lane] {
                chunk[lane]
            } else {
                maxima[lane]
            };
        }
    }
    maxima.iter().chain(rest).copied().fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::{Stft, Tiles};

    #[test]
    fn a_detuned_tone_is_measured() {
        for (detune, bins) in [(0.25f64, 12usize), (-0.3, 12), (0.1, 36)] {
            let hz = 440.0 * (detune / bins as f64).exp2();
            let signal: Vec<f32> = (0..22050)
                .map(|t| (std::f64::consts::TAU * hz * t as f64 / 22050.0).sin() as f32)
                .collect();
            let mut stft = Stft::new(2048, 512);
            let mut estimator = TuningEstimator::new(22050.0, 2048);
            stft.magnitude(&signal, &mut Tiles::new(stft.bins()), |frame| {
                estimator.look(frame)
            });
            let tuning = estimator.estimate(TuningSpectrum::Magnitude, bins);
            // Parabolic interpolation of a Hann peak is off by up to a few hundredths of a
            // semitone.
            assert!(
                (tuning - detune).abs() < 0.05 * bins as f64 / 12.0,
                "{detune} of {bins}: {tuning}"
            );
        }
    }

    #[test]
    fn silence_is_in_tune() {
        let mut estimator = TuningEstimator::new(22050.0, 2048);
        estimator.look(&[0.0; 1025]);
        assert_eq!(estimator.estimate(TuningSpectrum::Power, 12), 0.0);
    }

    /// Peaks of one strength at these places between two edges, one a frame.
    fn estimator_of(residuals: &[f32]) -> TuningEstimator {
        let mut estimator = TuningEstimator::new(22050.0, 2048);
        for (frame, residual) in residuals.iter().enumerate() {
            estimator.magnitude.frames.push((frame as u32, frame));
            estimator
                .magnitude
                .pitches
                .push(27.5 * ((48.0 + residual) / 12.0).exp2());
            estimator.magnitude.strengths.push(1.0);
        }
        estimator
    }

    #[test]
    fn a_peak_at_the_edge_of_a_contested_cell_is_in_doubt() {
        let doubtful = |residuals: &[f32]| {
            let mut estimator = estimator_of(residuals);
            // All are as strong as the median, so that their strengths are in doubt as well: look
            // at the places alone.
            estimator.magnitude.strengths.push(0.5);
            estimator.magnitude.pitches.push(440.0);
            estimator.magnitude.frames.push((99, residuals.len()));
            let histogram = estimator.histogram(TuningSpectrum::Magnitude, 12).unwrap();
            let places = histogram
                .doubtful
                .iter()
                .copied()
                .filter(|(_, cell, other)| cell != other)
                .collect();
            Histogram {
                doubtful: places,
                ..histogram
            }
            .doubtful_frames()
        };
        // Two in a cell, one in the cell below it, and one at the edge between them: of equal
        // counts the lower cell is taken.
        assert_eq!(doubtful(&[0.115, 0.114, 0.105, 0.110_001]), [3]);
        // The same with four: whichever cell that peak is in, theirs is the fullest.
        assert!(doubtful(&[0.115, 0.114, 0.116, 0.113, 0.105, 0.110_001]).is_empty());
        assert!(doubtful(&[0.115, 0.114, 0.105]).is_empty());
    }

    #[test]
    fn a_frame_that_is_looked_at_again_counts_once() {
        let frames: Vec<Vec<f32>> = (0..3)
            .map(|frame| {
                (0..1025)
                    .map(|bin| if bin == 100 + 40 * frame { 1.0 } else { 0.1 })
                    .collect()
            })
            .collect();
        let mut estimator = TuningEstimator::new(22050.0, 2048);
        frames.iter().for_each(|frame| estimator.look(frame));
        let once = estimator.clone();
        estimator.look_again(1, &frames[2]);
        assert_eq!(estimator.magnitude.pitches.len(), 3);
        assert_eq!(
            estimator.magnitude.pitches[1],
            estimator.magnitude.pitches[2]
        );
        assert_eq!(estimator.magnitude.frames, [(0, 0), (2, 1), (1, 2)]);
        estimator.look_again(1, &frames[1]);
        let mut pitches = estimator.power.pitches.clone();
        pitches.sort_by(f32::total_cmp);
        assert_eq!(pitches, once.power.pitches);
    }

    #[test]
    fn no_peak_of_either_spectrum_goes_unmarked() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // A few values that repeat or nearly do.
            1.0 + (state >> 29) as f32 * f32::EPSILON + (state >> 28 & 1) as f32
        };
        let spectrum: Vec<f32> = (0..1025).map(|_| next()).collect();
        let mut estimator = TuningEstimator::new(22050.0, 2048);
        estimator.look(&spectrum);
        let squares: Vec<f32> = spectrum.iter().map(|value| value * value).collect();
        for (values, peaks) in [
            (&spectrum, &estimator.magnitude),
            (&squares, &estimator.power),
        ] {
            let loudest = values.iter().copied().fold(0.0, f32::max);
            let mut all = Peaks::default();
            for (bin, three) in (estimator.first_bin..estimator.end_bin)
                .zip(values[estimator.first_bin - 1..].windows(3))
            {
                all.take(
                    bin as f64,
                    estimator.bin_hz,
                    [three[0], three[1], three[2]],
                    loudest,
                );
            }
            assert!(
                all.pitches.len() > 50
                    && all.pitches == peaks.pitches
                    && all.strengths == peaks.strengths
            );
        }
    }
}
