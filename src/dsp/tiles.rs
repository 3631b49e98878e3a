//! Frames side by side: what is computed the same way for every frame is computed for a vector of
//! frames at once.

use pulp::Simd;

/// Frames of a tile. A processor with narrower vectors takes several of them to a tile.
pub const LANES: usize = 16;

/// A matrix of frames in which 16 successive frames lie side by side: all their first values, then
/// all their second values, …
///
/// The last tile may have lanes without a frame, which hold zeros.
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    width: usize,
    frames: usize,
    values: Vec<f32>,
}

impl Tiles {
    /// An empty matrix for frames of `width` values.
    pub fn new(width: usize) -> Tiles {
        Tiles {
            width,
            frames: 0,
            values: Vec::new(),
        }
    }

    /// Makes room for `frames` frames, keeping the allocation. Lanes without a frame become zeros;
    /// what the others hold is left over.
    pub fn reset(&mut self, frames: usize) {
        self.frames = frames;
        self.values
            .resize(frames.div_ceil(LANES) * self.width * LANES, 0.0);
        self.clear_rest();
    }

    /// Makes lanes without a frame zeros again.
    pub(crate) fn clear_rest(&mut self) {
        let rest = self.frames % LANES;
        if rest > 0
            && let Some(last) = self.tiles_mut().next_back()
        {
            last.chunks_exact_mut(LANES)
                .for_each(|lanes| lanes[rest..].fill(0.0));
        }
    }

    /// Values per frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.frames
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// The tiles in order of time, each of `width` times [`LANES`] values.
    pub(crate) fn tiles(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact((self.width * LANES).max(1))
    }

    /// The same, to write.
    pub(crate) fn tiles_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.values.chunks_exact_mut((self.width * LANES).max(1))
    }

    /// All values, tile after tile, to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Writes one frame.
    pub(crate) fn set(&mut self, frame: usize, values: impl Iterator<Item = f32>) {
        let at = frame / LANES * self.width * LANES + frame % LANES;
        for (slot, value) in self.values[at..].iter_mut().step_by(LANES).zip(values) {
            *slot = value;
        }
    }

    /// The values of one frame.
    pub(crate) fn frame(&self, frame: usize) -> impl Iterator<Item = f32> {
        let at = frame / LANES * self.width * LANES + frame % LANES;
        self.values[at..]
            .iter()
            .step_by(LANES)
            .take(self.width)
            .copied()
    }

    /// The mean over time of each of the `width` values, in double precision; zeros without frames.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = Mean::new(self.width);
        mean.add(self);
        mean.finish()
    }

    /// The same frames, one after the other.
    pub fn to_frames(&self) -> Frames {
        let mut frames = Frames::new(self.width);
        frames.reset(self.frames);
        for (frame, row) in frames.rows_mut().enumerate() {
            row.iter_mut()
                .zip(self.frame(frame))
                .for_each(|(slot, value)| *slot = value);
        }
        frames
    }
}

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
}

/// The mean over time of frames that come in blocks of whole tiles: the same sums, in the same
/// order, as of all of them at once.
#[derive(Debug, Clone)]
pub struct Mean {
    sums: Vec<[f64; LANES]>,
    frames: usize,
}

impl Mean {
    /// Of frames of `width` values.
    pub fn new(width: usize) -> Mean {
        Mean {
            sums: vec![[0.0; LANES]; width],
            frames: 0,
        }
    }

    /// Takes the next frames; all blocks but the last are whole tiles.
    pub fn add(&mut self, block: &Tiles) {
        for (tile, first) in block.tiles().zip((0..).step_by(LANES)) {
            let lanes = (block.frames - first).min(LANES);
            for (sums, values) in self.sums.iter_mut().zip(tile.chunks_exact(LANES)) {
                for (sum, value) in sums.iter_mut().zip(&values[..lanes]) {
                    *sum += f64::from(*value);
                }
            }
        }
        self.frames += block.frames;
    }

    /// The mean of each value, in double precision; zeros without frames.
    pub fn finish(&self) -> Vec<f64> {
        let frames = self.frames.max(1) as f64;
        self.sums
            .iter()
            .map(|lanes| lanes.iter().sum::<f64>() / frames)
            .collect()
    }
}

/// A tile as vectors: `[value][part]`, where [`parts`] vectors make up the lanes.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(_: S, tile: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(tile).0
}

/// As [`vectors`], to write.
#[inline(always)]
pub(crate) fn vectors_mut<S: Simd>(_: S, tile: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(tile).0
}

/// Vectors per value of a tile.
#[inline(always)]
pub(crate) fn parts<S: Simd>(_: S) -> usize {
    LANES / S::F32_LANES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_the_mean_is_theirs() {
        let mut tiles = Tiles::new(3);
        assert_eq!(tiles.mean(), [0.0; 3]);
        for frames in [40, 5, 16] {
            tiles.reset(frames);
            for frame in 0..frames {
                tiles.set(frame, (0..3).map(|value| (frame * 10 + value) as f32));
            }
            let rows = tiles.to_frames();
            assert_eq!((rows.len(), rows.width(), tiles.len()), (frames, 3, frames));
            assert!(
                rows.rows()
                    .enumerate()
                    .all(|(frame, row)| row[2] == (frame * 10 + 2) as f32)
            );
            let sum: f32 = rows.rows().map(|row| row[1]).sum();
            assert_eq!(tiles.mean()[1], f64::from(sum) / frames as f64);
        }
        tiles.reset(17);
        assert!(tiles.tiles().nth(1).is_some_and(|tile| {
            (0..3).all(|value| tile[value * LANES + 1..][..15].iter().all(|v| *v == 0.0))
        }));
    }
}
