//! Matrices of frames, and how a signal is cut into frames.

/// One row of `width` values per frame, stored one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frames {
    width: usize,
    values: Vec<f32>,
}

impl Frames {
    /// An empty matrix for rows of `width` values.
    pub fn new(width: usize) -> Frames {
        Frames {
            width,
            values: Vec::new(),
        }
    }

    /// Makes room for `rows` rows of zeros, keeping the allocation.
    pub fn reset(&mut self, rows: usize) {
        self.values.clear();
        self.values.resize(rows * self.width, 0.0);
    }

    /// Values per frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The frames in order of time.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The frames in order of time, to write.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.values.chunks_exact_mut(self.width.max(1))
    }

    /// All values, frame after frame.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, frame after frame, to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The mean over time of each of the `width` values; zeros without frames.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for row in self.rows() {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        let frames = self.len().max(1) as f64;
        mean.iter_mut().for_each(|sum| *sum /= frames);
        mean
    }
}

/// Frames of a centred transform: one more than there are whole hops in the signal.
pub fn frame_count(samples: usize, hop_length: usize) -> usize {
    1 + samples / hop_length
}

/// Overwrites `padded` with the signal between `pad` reflected samples on each side (the edge
/// sample is not repeated).
///
/// A signal shorter than the padding is reflected back and forth, as numpy does; a single sample is
/// repeated.
pub fn pad_reflected(signal: &[f32], pad: usize, padded: &mut Vec<f32>) {
    padded.clear();
    let Some(last) = signal.len().checked_sub(1) else {
        return;
    };
    let period = (2 * last).max(1);
    let at = |index: isize| {
        let folded = index.rem_euclid(period as isize) as usize;
        signal[if folded > last {
            period - folded
        } else {
            folded
        }]
    };
    padded.extend((-(pad as isize)..0).map(at));
    padded.extend_from_slice(signal);
    padded.extend((signal.len() as isize..(signal.len() + pad) as isize).map(at));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(signal: &[f32], pad: usize) -> Vec<f32> {
        let mut out = vec![9.0];
        pad_reflected(signal, pad, &mut out);
        out
    }

    #[test]
    fn reflection_does_not_repeat_the_edge() {
        assert_eq!(
            padded(&[1.0, 2.0, 3.0, 4.0], 2),
            [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0]
        );
    }

    #[test]
    fn short_signals_are_reflected_back_and_forth() {
        assert_eq!(
            padded(&[1.0, 2.0, 3.0], 5),
            [
                2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0
            ]
        );
        assert_eq!(
            padded(&[1.0, 2.0], 3),
            [2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0]
        );
        assert_eq!(padded(&[5.0], 2), [5.0; 5]);
        assert!(padded(&[], 2).is_empty());
    }

    #[test]
    fn the_mean_is_per_column() {
        let mut frames = Frames::new(2);
        assert_eq!(frames.mean(), [0.0, 0.0]);
        frames.reset(2);
        frames.values_mut().copy_from_slice(&[1.0, 10.0, 3.0, 20.0]);
        assert_eq!(frames.mean(), [2.0, 15.0]);
        assert_eq!((frames.len(), frames.width()), (2, 2));
    }
}
