//! How the energy of a frame is spread over its spectrum: moments, roll-offs, balances, slopes and
//! the strength of harmonics.

use std::ops::Range;

/// Added to sums of power that stand below a fraction bar or under a logarithm.
const TINY: f64 = 1e-10;
/// Bounds of the bands whose shares are taken, in Hz.
const BANDS: [(f64, f64); 6] = [
    (0.0, 250.0),
    (250.0, 650.0),
    (650.0, 1000.0),
    (1000.0, 2000.0),
    (2000.0, 4000.0),
    (4000.0, 8000.0),
];
/// Ranges of the two slopes, in Hz.
const SLOPES: [(f64, f64); 2] = [(20.0, 500.0), (500.0, 1500.0)];
/// Shares of the power below the roll-offs.
const ROLL_OFFS: [f64; 4] = [0.25, 0.5, 0.85, 0.95];
/// Values whose product stays far from the bounds of a double, so that one logarithm does for all.
const PRODUCT: usize = 16;

/// The values of [`SpectralShape::describe`], in order.
pub const SHAPE_NAMES: [&str; 20] = [
    "centroid",
    "bandwidth",
    "rolloff_25",
    "rolloff_50",
    "rolloff_85",
    "rolloff_95",
    "flatness",
    "flux",
    "alpha",
    "hammarberg",
    "band_0250",
    "band_0650",
    "band_1000",
    "band_2000",
    "band_4000",
    "band_8000",
    "slope_0500",
    "slope_1500",
    "h1_h2",
    "h1_h3",
];

/// Describes magnitude spectra one after the other.
pub struct SpectralShape {
    bin_hz: f64,
    alpha: [Range<usize>; 2],
    hammarberg: [Range<usize>; 2],
    bands: [Range<usize>; 6],
    slopes: [Range<usize>; 2],
    power: Vec<f64>,
    /// Magnitudes of the last spectrum, divided by their sum; empty before the first.
    last: Vec<f64>,
}

impl SpectralShape {
    /// For spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate: f64, n_fft: usize) -> SpectralShape {
        let (bins, bin_hz) = (n_fft / 2 + 1, sample_rate / n_fft as f64);
        let range = |(low, high): (f64, f64)| {
            let first = (0..bins)
                .find(|bin| *bin as f64 * bin_hz >= low)
                .unwrap_or(bins);
            first
                ..(first..bins)
                    .find(|bin| *bin as f64 * bin_hz >= high)
                    .unwrap_or(bins)
        };
        SpectralShape {
            bin_hz,
            alpha: [(50.0, 1000.0), (1000.0, 5000.0)].map(range),
            hammarberg: [(0.0, 2000.0), (2000.0, 5000.0)].map(range),
            bands: BANDS.map(range),
            slopes: SLOPES.map(range),
            power: vec![0.0; bins],
            last: Vec::new(),
        }
    }

    /// Forgets the last spectrum.
    pub fn begin(&mut self) {
        self.last.clear();
    }

    /// Takes a spectrum as the last one, which the next is compared with, without describing it.
    pub fn pass(&mut self, magnitude: &[f32]) {
        let total = magnitude.iter().map(|s| f64::from(*s)).sum::<f64>() + TINY;
        self.last.clear();
        self.last
            .extend(magnitude.iter().map(|s| f64::from(*s) / total));
    }

    /// Writes into `out`, in the order of [`SHAPE_NAMES`]: centroid, bandwidth and roll-offs in Hz,
    /// the natural logarithm of the flatness, the flux, balances in dB, slopes in dB per Hz, and
    /// the first harmonic of `f0` (in Hz) over the second and the third in dB.
    pub fn describe(&mut self, magnitude: &[f32], f0: f64, out: &mut [f64; SHAPE_NAMES.len()]) {
        let (mut sum, mut first, mut second, mut total) = (0.0, 0.0, 0.0, 0.0);
        for (bin, (power, s)) in self.power.iter_mut().zip(magnitude).enumerate() {
            let (s, hz) = (f64::from(*s), bin as f64 * self.bin_hz);
            *power = s * s;
            sum += s;
            first += s * hz;
            second += s * hz * hz;
            total += s * s;
        }
        let norm = 1.0 / (sum + TINY);
        let centroid = first * norm;
        let spread = second * norm - 2.0 * centroid * centroid + centroid * centroid * sum * norm;
        let total = total + TINY;
        out[0] = centroid;
        out[1] = spread.max(0.0).sqrt();
        out[2..6].copy_from_slice(&self.roll_offs(total));
        out[6] = self.flatness();
        out[7] = self.flux(magnitude, norm);
        let [low, high] = self.alpha.each_ref().map(|band| self.sum(band) + TINY);
        out[8] = decibels(low / high);
        let [low, high] = self
            .hammarberg
            .each_ref()
            .map(|band| self.power[band.clone()].iter().copied().fold(0.0, f64::max));
        out[9] = decibels(low / (high + TINY) + TINY);
        for (slot, band) in out[10..16].iter_mut().zip(&self.bands) {
            *slot = decibels((self.sum(band) + TINY) / total);
        }
        for (slot, range) in out[16..18].iter_mut().zip(&self.slopes) {
            *slot = self.slope(range);
        }
        let harmonic = |n: f64| decibels(self.near(f0 * n));
        out[18] = harmonic(1.0) - harmonic(2.0);
        out[19] = harmonic(1.0) - harmonic(3.0);
    }

    fn sum(&self, band: &Range<usize>) -> f64 {
        self.power[band.clone()].iter().sum()
    }

    fn roll_offs(&self, total: f64) -> [f64; 4] {
        let (mut below, mut next, mut found) = (0.0, 0, [0.0; 4]);
        for (bin, power) in self.power.iter().enumerate() {
            below += power;
            while next < ROLL_OFFS.len() && below / total >= ROLL_OFFS[next] {
                found[next] = bin as f64 * self.bin_hz;
                next += 1;
            }
            if next == ROLL_OFFS.len() {
                break;
            }
        }
        found
    }

    /// Logarithm of the geometric over the arithmetic mean of the power.
    fn flatness(&self) -> f64 {
        let logarithm = |powers: &[f64]| powers.iter().map(|p| p + TINY).product::<f64>().ln();
        let bins = self.power.len() as f64;
        let geometric = (self.power.chunks(PRODUCT).map(logarithm).sum::<f64>() / bins).exp();
        (geometric / (self.power.iter().sum::<f64>() / bins + TINY) + TINY).ln()
    }

    /// Distance of the spectra that sum to one.
    fn flux(&mut self, magnitude: &[f32], norm: f64) -> f64 {
        if self.last.is_empty() {
            self.last
                .extend(magnitude.iter().map(|s| f64::from(*s) * norm));
            return 0.0;
        }
        let mut square = 0.0;
        for (last, s) in self.last.iter_mut().zip(magnitude) {
            let now = f64::from(*s) * norm;
            square += (now - *last) * (now - *last);
            *last = now;
        }
        square.sqrt()
    }

    /// Of the straight line through the power in dB.
    fn slope(&self, range: &Range<usize>) -> f64 {
        let middle = (range.start + range.end - 1) as f64 / 2.0;
        let (mut product, mut square) = (0.0, 0.0);
        for (bin, power) in range.clone().zip(&self.power[range.clone()]) {
            let hz = (bin as f64 - middle) * self.bin_hz;
            product += decibels(*power) * hz;
            square += hz * hz;
        }
        product / square
    }

    /// The largest power of the bin nearest to `hz` and its neighbours.
    fn near(&self, hz: f64) -> f64 {
        let bin = (hz / self.bin_hz)
            .round_ties_even()
            .clamp(1.0, (self.power.len() - 2) as f64) as usize;
        self.power[bin - 1..=bin + 1]
            .iter()
            .copied()
            .fold(0.0, f64::max)
    }
}

fn decibels(power: f64) -> f64 {
    10.0 * power.max(TINY).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(magnitude: impl Fn(usize) -> f32, f0: f64) -> [f64; 20] {
        let mut out = [0.0; 20];
        let magnitude: Vec<f32> = (0..1025).map(magnitude).collect();
        SpectralShape::new(22_050.0, 2048).describe(&magnitude, f0, &mut out);
        out
    }

    #[test]
    fn a_line_is_all_in_one_place() {
        let hz = 22_050.0 / 2048.0;
        let shape = describe(|bin| if bin == 150 { 3.0 } else { 0.0 }, 150.0 * hz);
        assert!(
            (shape[0] - 150.0 * hz).abs() < 1e-6 && shape[1] < 0.1,
            "{shape:?}"
        );
        assert!(shape[2..6].iter().all(|hz_of| *hz_of == 150.0 * hz));
        // 1615 Hz: all of the power is in the fourth band, and none above 2 kHz.
        assert!(shape[13].abs() < 1e-9 && shape[9] > 100.0 && shape[8] < -99.9 && shape[6] < -18.0);
        assert!((shape[18] - (10.0 * 9f64.log10() + 100.0)).abs() < 1e-9);
    }

    #[test]
    fn a_flat_spectrum_is_flat() {
        let shape = describe(|_| 0.5, 100.0);
        assert!(
            (shape[0] - 11_025.0 / 2.0).abs() < 1e-6
                && shape[6].abs() < 1e-9
                && shape[16].abs() < 1e-12
                && shape[17].abs() < 1e-12
        );
        assert!(shape[9].abs() < 1e-8 && shape[18].abs() < 1e-9 && shape[19].abs() < 1e-9);
        // A slope of 6 dB in 100 Hz.
        let slope = describe(
            |bin| {
                10f64
                    .powf(bin as f64 * 22_050.0 / 2048.0 * 0.06 / 20.0)
                    .min(1e9) as f32
            },
            100.0,
        );
        assert!((slope[16] - 0.06).abs() < 1e-6 && (slope[17] - 0.06).abs() < 1e-6);
    }

    #[test]
    fn silence_is_finite_and_flux_is_between_frames() {
        assert!(
            describe(|_| 0.0, 100.0)
                .iter()
                .all(|value| value.is_finite())
        );
        let mut shape = SpectralShape::new(22_050.0, 2048);
        let (mut a, mut b) = (vec![0.0; 1025], vec![0.0; 1025]);
        (a[3], b[4]) = (2.0, 7.0);
        let mut out = [0.0; 20];
        let mut flux = |shape: &mut SpectralShape, magnitude: &[f32]| {
            shape.describe(magnitude, 100.0, &mut out);
            out[7]
        };
        assert_eq!(flux(&mut shape, &a), 0.0);
        assert!((flux(&mut shape, &b) - 2f64.sqrt()).abs() < 1e-9);
        shape.pass(&a);
        assert!(flux(&mut shape, &a) < 1e-12);
        shape.begin();
        assert_eq!(flux(&mut shape, &b), 0.0);
    }
}
