//! Level and energy of signals, and the stretch of frames with sound.

use std::ops::Range;

/// Mean squares below this are taken as this.
const FLOOR: f64 = 1e-10;
/// Sums and maxima kept side by side.
const LANES: usize = 16;

/// The mean of a signal; zero of no samples.
pub fn mean(samples: &[f32]) -> f64 {
    let (blocks, rest) = samples.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for block in blocks {
        sums.iter_mut()
            .zip(block)
            .for_each(|(sum, sample)| *sum += f64::from(*sample));
    }
    let sum = sums.iter().sum::<f64>() + rest.iter().copied().map(f64::from).sum::<f64>();
    sum / samples.len().max(1) as f64
}

/// The least and the largest value of a signal; zeros of no samples.
pub fn extremes(samples: &[f32]) -> (f32, f32) {
    let first = samples.first().copied().unwrap_or_default();
    let (blocks, rest) = samples.as_chunks::<LANES>();
    let (mut least, mut largest) = ([first; LANES], [first; LANES]);
    for block in blocks {
        least
            .iter_mut()
            .zip(block)
            .for_each(|(least, sample)| *least = least.min(*sample));
        largest
            .iter_mut()
            .zip(block)
            .for_each(|(largest, sample)| *largest = largest.max(*sample));
    }
    (
        least.iter().chain(rest).copied().fold(first, f32::min),
        largest.iter().chain(rest).copied().fold(first, f32::max),
    )
}

/// The largest absolute value of a signal; zero of no samples.
pub fn peak(samples: &[f32]) -> f32 {
    let (least, largest) = extremes(samples);
    largest.max(-least)
}

/// The mean square of a frame in dB.
pub fn energy_db(frame: &[f32]) -> f64 {
    let square: f64 = frame.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    10.0 * (square / frame.len().max(1) as f64).max(FLOOR).log10()
}

/// The share of neighbours with different signs.
pub fn zero_crossings(frame: &[f32]) -> f64 {
    let crossings = frame
        .windows(2)
        .filter(|pair| pair[0].is_sign_negative() != pair[1].is_sign_negative())
        .count();
    crossings as f64 / frame.len().saturating_sub(1).max(1) as f64
}

/// From the first to the last frame that is less than `below_db` under the loudest; all frames of
/// silence.
pub fn active_stretch(energies: &[f64], below_db: f64) -> Range<usize> {
    let least = energies.iter().copied().fold(f64::NEG_INFINITY, f64::max) - below_db;
    let is_active = |energy: &f64| *energy > least;
    match (
        energies.iter().position(is_active),
        energies.iter().rposition(is_active),
    ) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 0..energies.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretch_reaches_over_what_is_quiet_between() {
        assert_eq!(
            active_stretch(&[-90.0, -31.0, 0.0, -80.0, -29.0, -30.0], 30.0),
            2..5
        );
        assert_eq!(active_stretch(&[-100.0; 4], 30.0), 0..4);
        assert_eq!(active_stretch(&[], 30.0), 0..0);
    }

    #[test]
    fn mean_and_peak_of_any_length() {
        let samples: Vec<f32> = (0..39)
            .map(|n| if n == 37 { -9.0 } else { n as f32 / 8.0 })
            .collect();
        let sum: f32 = samples.iter().sum();
        assert_eq!(
            (mean(&samples), peak(&samples)),
            (f64::from(sum) / 39.0, 9.0)
        );
        assert_eq!(
            (extremes(&samples), extremes(&samples[20..37])),
            ((-9.0, 4.75), (2.5, 4.5))
        );
        assert_eq!(
            (mean(&[]), peak(&[]), peak(&[-0.5]), extremes(&[-0.5])),
            (0.0, 0.0, 0.5, (-0.5, -0.5))
        );
    }

    #[test]
    fn energy_and_crossings() {
        assert!((energy_db(&[0.1, -0.1, 0.1, -0.1]) + 20.0).abs() < 1e-6);
        assert!((energy_db(&[0.0; 4]) + 100.0).abs() < 1e-9);
        assert_eq!(zero_crossings(&[1.0, -1.0, 1.0, 1.0, 0.0]), 0.5);
        assert_eq!(zero_crossings(&[0.0]), 0.0);
    }
}
