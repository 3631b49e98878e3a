//! Tonal centroids: where a frame's chroma lies on the circles of fifths, minor thirds and major
//! thirds (Harte et al. 2006).

use std::f64::consts::PI;

use super::tiles::{LANES, Tiles};

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
