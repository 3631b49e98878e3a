//! Where a signal lies in its buffer.

use std::ops::Range;

/// The samples of a batch below each other in one matrix with the channels as columns.
///
/// Before the first sample and after each one lie `gap` rows of zeros: the `same` padding of both
/// neighbours. A convolution's windows are therefore a strided view of the buffer (each row begins
/// one row after its predecessor), and no copy of them is ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalLayout {
    /// Rows of a sample.
    pub length: usize,
    /// Values of a row.
    pub channels: usize,
    /// Values before the first sample.
    offset: usize,
    /// Values from the beginning of one sample to that of the next.
    pub stride: usize,
}

impl SignalLayout {
    /// Samples of `length` rows with `gap` rows of zeros around each.
    pub fn padded(length: usize, channels: usize, gap: usize) -> Self {
        SignalLayout {
            length,
            channels,
            offset: gap * channels,
            stride: (length + gap) * channels,
        }
    }

    /// Samples of one row without gaps.
    pub fn dense(channels: usize) -> Self {
        SignalLayout::padded(1, channels, 0)
    }

    /// The same values at the same place, each sample seen as one row.
    pub fn flattened(self) -> Self {
        SignalLayout {
            length: 1,
            channels: self.volume(),
            ..self
        }
    }

    /// Values of one sample.
    pub fn volume(self) -> usize {
        self.length * self.channels
    }

    /// Values of a buffer for `n` samples, gaps included.
    pub fn buffer_len(self, n: usize) -> usize {
        self.offset + n * self.stride
    }

    /// The place of sample `index`.
    pub fn sample(self, index: usize) -> Range<usize> {
        let start = self.offset + index * self.stride;
        start..start + self.volume()
    }

    /// Zeroes everything between the first `n` samples.
    pub fn clear_gaps(self, buffer: &mut [f32], n: usize) {
        buffer[..self.offset].fill(0.0);
        for index in 0..n {
            let end = self.sample(index).end;
            buffer[end..self.offset + (index + 1) * self.stride].fill(0.0);
        }
    }

    /// Copies `n` samples without gaps into `buffer`.
    pub fn spread(self, values: &[f32], buffer: &mut [f32]) {
        for (index, sample) in values.chunks_exact(self.volume()).enumerate() {
            buffer[self.sample(index)].copy_from_slice(sample);
        }
    }
}
