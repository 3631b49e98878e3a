//! From the frames of a state to one row: mean and standard deviation over time.

/// The mean of every column of rows of `width` values.
pub fn mean(frames: &[f32], width: usize) -> Vec<f32> {
    moments(frames, width).map(|(mean, _)| mean as f32).collect()
}

/// The population standard deviation of every column of rows of `width` values.
pub fn deviation(frames: &[f32], width: usize) -> Vec<f32> {
    moments(frames, width).map(|(_, sd)| sd as f32).collect()
}

/// Mean and population standard deviation of every column.
pub fn moments(frames: &[f32], width: usize) -> impl Iterator<Item = (f64, f64)> {
    let rows = (frames.len() / width).max(1) as f64;
    let mut means = vec![0.0f64; width];
    for row in frames.chunks_exact(width) {
        for (mean, value) in means.iter_mut().zip(row) {
            *mean += f64::from(*value);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= rows);
    let mut squares = vec![0.0f64; width];
    for row in frames.chunks_exact(width) {
        for ((square, mean), value) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(*value) - mean).powi(2);
        }
    }
    means
        .into_iter()
        .zip(squares)
        .map(move |(mean, square)| (mean, (square / rows).sqrt()))
}

/// The mean over time after one normalisation over time and width together, as EmoBox pools the last
/// state.
pub fn joint_norm(frames: &[f32], width: usize) -> Vec<f32> {
    let n = frames.len().max(1) as f64;
    let mean = frames.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = frames.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    let factor = 1.0 / (variance + 1e-5).sqrt();
    moments(frames, width)
        .map(|(column, _)| ((column - mean) * factor) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_pooled_over_rows() {
        let frames = [1.0, 10.0, 3.0, 10.0];
        assert_eq!(mean(&frames, 2), [2.0, 10.0]);
        assert_eq!(deviation(&frames, 2), [1.0, 0.0]);
        // All values together have mean 6 and variance 16.5.
        let pooled = joint_norm(&frames, 2);
        for (value, expected) in pooled.iter().zip([-4.0, 4.0]) {
            assert!((f64::from(*value) - expected / 16.50001f64.sqrt()).abs() < 1e-6);
        }
    }
}
