//! The tuning of a recording whose peaks are too many to be held: its frames are looked at three
//! times.

use super::{CELLS, Histogram, TuningEstimator, TuningSpectrum, edge};

/// Strengths are told apart by their upper 16 bits first, then by the lower ones.
const HALF: u32 = 16;

/// As [`TuningEstimator::estimate_with_doubt`] for both spectra, without keeping any peak. The
/// first pass over all frames finds about how strong the median peak is, the second finds it
/// exactly, the third counts the peaks that are as strong.
#[derive(Debug)]
pub struct LongTuning {
    /// Holds the peaks of one frame.
    estimator: TuningEstimator,
    spectra: [Spectrum; 2],
    edges: [f64; CELLS + 1],
    pass: usize,
    frame: u32,
}

#[derive(Debug)]
struct Spectrum {
    bins_per_octave: usize,
    median: Median,
    histogram: Histogram,
}

impl LongTuning {
    /// Passes over the frames.
    pub const PASSES: usize = 3;

    /// Of power spectra with so many bins to the octave, and of magnitude spectra with so many.
    pub fn new(sample_rate: f64, n_fft: usize, [power, magnitude]: [usize; 2]) -> LongTuning {
        let spectrum = |bins_per_octave| Spectrum {
            bins_per_octave,
            median: Median::default(),
            histogram: Histogram::default(),
        };
        LongTuning {
            estimator: TuningEstimator::new(sample_rate, n_fft),
            spectra: [spectrum(power), spectrum(magnitude)],
            edges: std::array::from_fn(edge),
            pass: 0,
            frame: 0,
        }
    }

    /// Finds the peaks of the next frame's magnitude spectrum, and of its square.
    pub fn look(&mut self, magnitude: &[f32]) {
        self.estimator.begin();
        self.estimator.find(self.frame, magnitude);
        for (spectrum, kind) in self
            .spectra
            .iter_mut()
            .zip([TuningSpectrum::Power, TuningSpectrum::Magnitude])
        {
            let peaks = match kind {
                TuningSpectrum::Power => &self.estimator.power,
                TuningSpectrum::Magnitude => &self.estimator.magnitude,
            };
            let median = &mut spectrum.median;
            match (self.pass, median.value) {
                (0, _) => peaks
                    .strengths
                    .iter()
                    .for_each(|strength| median.coarse(*strength)),
                (1, _) => peaks
                    .strengths
                    .iter()
                    .for_each(|strength| median.fine(*strength)),
                (_, Some(value)) => {
                    let all = peaks.pitches.iter().zip(&peaks.strengths);
                    spectrum.histogram.add(
                        self.frame,
                        all,
                        value,
                        spectrum.bins_per_octave,
                        &self.edges,
                    );
                }
                _ => {}
            }
        }
        self.frame += 1;
    }

    /// Ends a pass.
    pub fn end_pass(&mut self) {
        for spectrum in &mut self.spectra {
            match self.pass {
                0 => spectrum.median.narrow(),
                1 => spectrum.median.settle(),
                _ => {}
            }
        }
        self.pass += 1;
        self.frame = 0;
    }

    /// The tuning by power and by magnitude, each with the frames in doubt; 0 without any peak.
    pub fn estimates(&self) -> [(f64, Vec<usize>); 2] {
        self.spectra
            .each_ref()
            .map(|spectrum| match spectrum.median.value {
                Some(_) => (
                    edge(spectrum.histogram.fullest()),
                    spectrum.histogram.doubtful_frames(),
                ),
                None => (0.0, Vec::new()),
            })
    }
}

/// Finds the median of numbers that are seen twice.
#[derive(Debug)]
struct Median {
    count: u64,
    /// How many numbers have which upper half.
    upper: Vec<u64>,
    /// For the two numbers in the middle: their upper half, their rank among those with the same,
    /// and how many of them have which lower half.
    middle: [(u32, u64, Vec<u64>); 2],
    value: Option<f32>,
}

impl Default for Median {
    fn default() -> Self {
        let counts = || vec![0; 1 << HALF];
        Median {
            count: 0,
            upper: counts(),
            middle: [(0, 0, counts()), (0, 0, counts())],
            value: None,
        }
    }
}

/// An integer that is ordered as [`f32::total_cmp`] orders.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 0 {
        !key
    } else {
        key & !(1 << 31)
    })
}

/// Where a rank falls among counts, and the rank that is left there.
fn place(counts: &[u64], mut rank: u64) -> (u32, u64) {
    for (at, count) in (0..).zip(counts) {
        if rank < *count {
            return (at, rank);
        }
        rank -= count;
    }
    (0, 0)
}

impl Median {
    fn coarse(&mut self, value: f32) {
        self.count += 1;
        self.upper[(key(value) >> HALF) as usize] += 1;
    }

    fn narrow(&mut self) {
        let ranks = [(self.count / 2).saturating_sub(1), self.count / 2];
        for ((half, left, _), rank) in self.middle.iter_mut().zip(ranks) {
            (*half, *left) = place(&self.upper, rank);
        }
    }

    fn fine(&mut self, value: f32) {
        let key = key(value);
        for (.., lower) in self
            .middle
            .iter_mut()
            .filter(|(half, ..)| *half == key >> HALF)
        {
            lower[(key & ((1 << HALF) - 1)) as usize] += 1;
        }
    }

    fn settle(&mut self) {
        let [lower, upper] = self
            .middle
            .each_ref()
            .map(|(half, left, lower)| value_of(half << HALF | place(lower, *left).0));
        self.value = match self.count {
            0 => None,
            count if count % 2 == 1 => Some(upper),
            _ => Some((lower + upper) / 2.0),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::tuning::median;

    #[test]
    fn the_median_is_the_sorted_one() {
        let numbers = |n: usize| (0..n).map(|i| ((i * 7919 + 13) % 1009) as f32 * 0.37 - 20.0);
        for n in [0, 1, 2, 3, 10, 501, 1000] {
            let mut found = Median::default();
            numbers(n).for_each(|value| found.coarse(value));
            found.narrow();
            numbers(n).for_each(|value| found.fine(value));
            found.settle();
            assert_eq!(
                found.value,
                median(&numbers(n).collect::<Vec<_>>(), &mut Vec::new()),
                "{n}"
            );
        }
    }

    #[test]
    fn three_looks_give_what_one_does() {
        let frame = |i: usize| -> Vec<f32> {
            (0..1025)
                .map(|bin| ((bin * 31 + i * 17) % 23) as f32 * 0.1 + 0.01 * (bin % 7) as f32)
                .collect()
        };
        let mut once = TuningEstimator::new(22_050.0, 2048);
        once.begin();
        (0..50).for_each(|i| once.look(&frame(i)));
        let mut thrice = LongTuning::new(22_050.0, 2048, [12, 36]);
        for _ in 0..LongTuning::PASSES {
            (0..50).for_each(|i| thrice.look(&frame(i)));
            thrice.end_pass();
        }
        let expected = [(TuningSpectrum::Power, 12), (TuningSpectrum::Magnitude, 36)]
            .map(|(kind, bins)| once.estimate_with_doubt(kind, bins));
        assert_eq!(thrice.estimates(), expected);
        assert!(expected.iter().any(|(tuning, _)| *tuning != 0.0));
    }
}
