//! Tonal centroids: where a frame's chroma lies on the circles of fifths, minor thirds and major thirds (Harte et al. 2006).

use std::f64::consts::PI;

/// Dimensions: sine and cosine on each of the three circles.
pub const TONNETZ: usize = 6;

/// The centroid of one frame of 12 pitch classes, which are first made to sum to one (`librosa.feature.tonnetz`). Silence gives zeros.
pub fn tonnetz(chroma: &[f32]) -> [f64; TONNETZ] {
    const TURNS: [f64; 3] = [7.0 / 6.0, 3.0 / 2.0, 2.0 / 3.0];
    const RADII: [f64; 3] = [1.0, 1.0, 0.5];
    let total: f64 = chroma.iter().map(|value| f64::from(value.abs())).sum();
    let total = if total < f64::from(f32::MIN_POSITIVE) { 1.0 } else { total };
    std::array::from_fn(|row| {
        let quarter_turn = if row % 2 == 0 { 0.5 } else { 0.0 };
        let along = |class: usize| RADII[row / 2] * (PI * (TURNS[row / 2] * class as f64 - quarter_turn)).cos();
        chroma.iter().enumerate().map(|(class, value)| along(class) * f64::from((f64::from(*value) / total) as f32)).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_lies_on_the_circles() {
        let mut chroma = [0.0f32; 12];
        chroma[0] = 0.3;
        let centroid = tonnetz(&chroma);
        for (value, expected) in centroid.iter().zip([0.0, 1.0, 0.0, 1.0, 0.0, 0.5]) {
            assert!((value - expected).abs() < 1e-7);
        }
        // A fifth up is 210 degrees along the first circle.
        chroma = [0.0; 12];
        chroma[7] = 1.0;
        let angle = 7.0 * 7.0 / 6.0 * PI;
        assert!((tonnetz(&chroma)[0] - angle.sin()).abs() < 1e-7 && (tonnetz(&chroma)[1] - angle.cos()).abs() < 1e-7);
    }

    #[test]
    fn even_chroma_and_silence_lie_in_the_centre() {
        assert!(tonnetz(&[1.0; 12]).iter().all(|value| value.abs() < 1e-7));
        assert_eq!(tonnetz(&[0.0; 12]), [0.0; 6]);
    }
}
