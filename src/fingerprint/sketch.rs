//! A recording in a few numbers that its copies share, and which recordings have nearly the same.

use std::f32::consts::TAU;

use rayon::prelude::*;

use crate::audio::resample::Resampler;
use crate::dsp::{Stft, Tiles, hz_to_mel, mel_to_hz};

/// Rate (Hz) at which recordings are compared: what a telephone still carries.
pub const RATE: u32 = 8_000;
/// Seconds of a recording that are compared, from its beginning.
pub const LONGEST_S: usize = 120;
const WINDOW: usize = 512;
const HOP: usize = 128;
/// Bands of equal width in mel, and the frequencies (Hz) between which they lie.
const BANDS: usize = 24;
const LOWEST_HZ: f64 = 200.0;
const HIGHEST_HZ: f64 = 3_400.0;
/// Frequencies of the rhythm: multiples of half a hertz, of the bands below and above a thousand
/// hertz.
const RHYTHMS: usize = 16;
const RHYTHM_HZ: f32 = 0.5;
const BREAK_HZ: f64 = 1_000.0;
/// Share of the power below which a band is as good as silent: a coarse quantisation adds noise
/// there.
const FLOOR: f32 = 1e-3;
/// The weight of a step in rhythm against one in the decadic logarithm of a band's power.
const RHYTHM_WEIGHT: f32 = 3.0;

/// Numbers in a sketch.
pub const WIDTH: usize = BANDS + 2 * RHYTHMS;

/// Makes sketches; keep it for the next recording.
pub struct Sketcher {
    resampler: Resampler,
    stft: Stft,
    magnitude: Tiles,
    /// First bin of each band and the end of the last.
    edges: Vec<usize>,
    /// Bands below [`BREAK_HZ`].
    low: usize,
}

impl Default for Sketcher {
    fn default() -> Self {
        let stft = Stft::new(WINDOW, HOP);
        let (bottom, top) = (hz_to_mel(LOWEST_HZ), hz_to_mel(HIGHEST_HZ));
        let hz = |i: usize| mel_to_hz(bottom + (top - bottom) * i as f64 / BANDS as f64);
        let edges = (0..=BANDS)
            .map(|i| (hz(i) * WINDOW as f64 / f64::from(RATE)).round() as usize)
            .collect();
        let low = (0..BANDS).filter(|&i| hz(i + 1) <= BREAK_HZ).count();
        Sketcher {
            resampler: Resampler::new(RATE, RATE),
            magnitude: Tiles::new(stft.bins()),
            stft,
            edges,
            low,
        }
    }
}

impl Sketcher {
    /// The sound at [`RATE`], its first two minutes.
    pub fn narrow(&mut self, samples: &[f32], sample_rate: u32) -> Vec<f32> {
        if self.resampler.from_hz() != sample_rate {
            self.resampler = Resampler::new(sample_rate, RATE);
        }
        let most = samples.len().min(LONGEST_S * sample_rate as usize);
        self.resampler.process(&samples[..most])
    }

    /// The sketch of a sound: [`WIDTH`] numbers, the same for any level and nearly the same
    /// whatever silence surrounds it. Nothing where the sound is silent.
    pub fn sketch(&mut self, samples: &[f32], sample_rate: u32) -> Option<Vec<f32>> {
        let narrow = self.narrow(samples, sample_rate);
        if narrow.is_empty() {
            return None;
        }
        let (edges, low) = (&self.edges, self.low);
        let mut bands = [0.0f32; BANDS];
        let mut envelopes: [Vec<f32>; 2] = Default::default();
        self.stft.magnitude(&narrow, &mut self.magnitude, |frame| {
            let mut halves = [0.0f32; 2];
            for (i, edge) in edges.windows(2).enumerate() {
                let power: f32 = frame[edge[0]..edge[1]].iter().map(|m| m * m).sum();
                bands[i] += power;
                halves[usize::from(i >= low)] += power;
            }
            envelopes
                .iter_mut()
                .zip(halves)
                .for_each(|(envelope, power)| envelope.push(power));
        });
        let total: f32 = bands.iter().sum();
        if !(total.is_finite() && total > f32::MIN_POSITIVE) {
            return None;
        }
        let mut sketch: Vec<f32> = bands
            .iter()
            .map(|power| (power / total + FLOOR).log10())
            .collect();
        for envelope in &envelopes {
            sketch.extend(rhythm(envelope).map(|strength| RHYTHM_WEIGHT * strength));
        }
        Some(sketch)
    }
}

/// How strongly a power rises and falls at each frequency, from 0 to 1: magnitudes, so that a shift
/// changes nothing.
fn rhythm(envelope: &[f32]) -> impl Iterator<Item = f32> {
    let total: f32 = envelope.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    (1..=RHYTHMS).map(move |k| {
        let step = TAU * RHYTHM_HZ * k as f32 * HOP as f32 / RATE as f32;
        let (mut re, mut im) = (0.0f32, 0.0f32);
        for (t, power) in envelope.iter().enumerate() {
            let (sin, cos) = (step * t as f32).sin_cos();
            re += power * cos;
            im += power * sin;
        }
        re.hypot(im) / total
    })
}

/// Distance of two sketches up to which their sounds are compared.
pub const NEAR: f32 = 2.2;
/// The nearest sketches of each that are looked at: in a corpus of sounds that are all alike, the
/// comparisons stay proportional to their number.
pub const NEIGHBOURS: usize = 8;

/// Pairs of rows of `sketches` (each [`WIDTH`] long) that lie within `near` of each other and are
/// among the [`NEIGHBOURS`] nearest of one of the two, in ascending order. Runs on the threads of
/// the pool that it is called in; the result does not depend on their number.
pub fn candidates(sketches: &[f32], near: f32) -> Vec<(usize, usize)> {
    let row = |i: usize| &sketches[i * WIDTH..(i + 1) * WIDTH];
    let n = sketches.len() / WIDTH;
    // Along the coordinate that spreads most, few of the others are within reach.
    let axis = widest(sketches);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| row(a)[axis].total_cmp(&row(b)[axis]).then(a.cmp(&b)));
    let of_one = |place: usize| -> Vec<(usize, usize)> {
        let own = order[place];
        let within = |other: &&usize| (row(**other)[axis] - row(own)[axis]).abs() <= near;
        let before = order[..place].iter().rev().take_while(within);
        let after = order[place + 1..].iter().take_while(within);
        let mut found: Vec<(f32, usize)> = before
            .chain(after)
            .filter_map(|&other| distance(row(own), row(other), near).map(|d| (d, other)))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.truncate(NEIGHBOURS);
        found
            .into_iter()
            .map(|(_, other)| (own.min(other), own.max(other)))
            .collect()
    };
    let mut pairs: Vec<(usize, usize)> = (0..n).into_par_iter().flat_map_iter(of_one).collect();
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs
}

/// The distance where it is at most `near`.
fn distance(a: &[f32], b: &[f32], near: f32) -> Option<f32> {
    const STEP: usize = 8;
    let mut sum = 0.0f32;
    for (a, b) in a.chunks(STEP).zip(b.chunks(STEP)) {
        sum += a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
        if sum > near * near {
            return None;
        }
    }
    Some(sum.sqrt())
}

/// The coordinate with the largest variance.
fn widest(sketches: &[f32]) -> usize {
    let n = (sketches.len() / WIDTH).max(1) as f64;
    let (mut sums, mut squares) = ([0.0f64; WIDTH], [0.0f64; WIDTH]);
    for row in sketches.chunks_exact(WIDTH) {
        for (i, value) in row.iter().enumerate() {
            sums[i] += f64::from(*value);
            squares[i] += f64::from(*value) * f64::from(*value);
        }
    }
    let variance = |i: usize| squares[i] / n - (sums[i] / n) * (sums[i] / n);
    (0..WIDTH)
        .max_by(|&a, &b| variance(a).total_cmp(&variance(b)).then(b.cmp(&a)))
        .unwrap_or_default()
}
