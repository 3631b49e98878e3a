//! ReLU and dropout, row by row.

/// Dropout factors of one layer: 0 or `1 / (1 - p)` for each of `len` positions of the signal `[n,
/// length, channels]` (channels fastest).
///
/// This is the definition that [`Engine`](super::Engine) follows: position `i` is dropped if a
/// 32-bit hash of `i`, keyed by `key` and the layer's index in the list of layers, is below `p *
/// 2^32`. A position's fate depends on nothing else, so threads and the size of a batch do not
/// matter.
pub fn dropout_mask(key: u64, layer: usize, len: usize, p: f64) -> Vec<f32> {
    let mut factors = vec![1.0; len];
    Mask::new(key, layer, p).apply(&mut factors, 0);
    factors
}

/// The dropout of one layer in one training step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    first_key: u32,
    second_key: u32,
    threshold: u32,
    scale: f32,
}

impl Mask {
    pub fn new(key: u64, layer: usize, p: f64) -> Self {
        let mixed = mix(mix(key) ^ layer as u64);
        Mask {
            first_key: mixed as u32,
            second_key: (mixed >> 32) as u32,
            threshold: (p * 2f64.powi(32)) as u32,
            scale: (1.0 / (1.0 - p)) as f32,
        }
    }

    /// Drops and scales the values of a row whose first value has the given position.
    #[inline(always)]
    pub fn apply(&self, row: &mut [f32], first: usize) {
        for (value, position) in row.iter_mut().zip(first as u32..) {
            *value = if self.hash(position) >= self.threshold {
                *value * self.scale
            } else {
                0.0
            };
        }
    }

    /// 32 bits for a position: two rounds of multiply and shift (constants of the `lowbias32`
    /// family) with a key before each.
    #[inline(always)]
    fn hash(&self, position: u32) -> u32 {
        let mut bits = position ^ self.first_key;
        bits = (bits ^ (bits >> 16)).wrapping_mul(0x7feb_352d);
        bits = (bits ^ (bits >> 15))
            .wrapping_add(self.second_key)
            .wrapping_mul(0x846c_a68b);
        bits = (bits ^ (bits >> 16)).wrapping_mul(0x9e37_79b1);
        bits ^ (bits >> 15)
    }
}

/// The finaliser of SplitMix64.
fn mix(key: u64) -> u64 {
    let mut bits = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// ReLU, dropout, both or neither: what commutes and needs no sums.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReluDropout {
    pub relu: bool,
    pub mask: Option<Mask>,
}

impl ReluDropout {
    /// Applies both to a row whose first value has position `first` in the signal.
    #[inline(always)]
    pub fn forward(&self, row: &mut [f32], first: usize) {
        if self.relu {
            for value in row.iter_mut() {
                // Unlike f32::max this lets NaN through: a training that diverges must show.
                *value = if *value < 0.0 { 0.0 } else { *value };
            }
        }
        if let Some(mask) = &self.mask {
            mask.apply(row, first);
        }
    }

    /// Turns the gradient of the output into that of the input, in place.
    ///
    /// After a ReLU the `output` tells what was dropped as well: only what is positive passed both.
    #[inline(always)]
    pub fn backward(&self, gradient: &mut [f32], output: &[f32], first: usize) {
        match &self.mask {
            _ if self.relu => {
                let scale = self.mask.as_ref().map_or(1.0, |mask| mask.scale);
                for (gradient, &output) in gradient.iter_mut().zip(output) {
                    *gradient = if output > 0.0 { *gradient * scale } else { 0.0 };
                }
            }
            Some(mask) => mask.apply(gradient, first),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_drop_the_asked_share_and_differ_by_key_and_layer() {
        const LEN: usize = 1 << 20;
        for p in [0.1, 0.2, 0.5] {
            let mask = dropout_mask(11, 3, LEN, p);
            let kept = (1.0 / (1.0 - p)) as f32;
            assert!(mask.iter().all(|&factor| factor == 0.0 || factor == kept));
            let share = |mask: &[f32]| {
                mask.iter().filter(|&&factor| factor == 0.0).count() as f64 / mask.len() as f64
            };
            let deviation = (p * (1.0 - p) / LEN as f64).sqrt();
            assert!(
                (share(&mask) - p).abs() < 4.0 * deviation,
                "{p}: {}",
                share(&mask)
            );
            // Drops of neighbours, of rows 128 and 256 apart, and of other keys and layers are
            // independent.
            let both = |a: &[f32], b: &[f32]| {
                a.iter()
                    .zip(b)
                    .filter(|(a, b)| **a == 0.0 && **b == 0.0)
                    .count() as f64
                    / b.len() as f64
            };
            let tolerance = 5.0 * (p * p * (1.0 - p * p) / LEN as f64).sqrt();
            for shift in [1, 2, 128, 256, 193 * 128] {
                assert!(
                    (both(&mask, &mask[shift..]) - p * p).abs() < tolerance,
                    "shift {shift}"
                );
            }
            for (key, layer) in [(12, 3), (11, 4), (0, 3), (11 << 32, 3)] {
                assert!(
                    (both(&mask, &dropout_mask(key, layer, LEN, p)) - p * p).abs() < tolerance,
                    "key {key} layer {layer}"
                );
            }
        }
    }

    #[test]
    fn a_mask_depends_on_the_position_alone() {
        let mask = dropout_mask(5, 1, 1000, 0.3);
        assert_eq!(mask[..100], dropout_mask(5, 1, 100, 0.3));
        let mut row = vec![1.0; 50];
        Mask::new(5, 1, 0.3).apply(&mut row, 700);
        assert_eq!(mask[700..750], row);
    }

    #[test]
    fn no_dropout_keeps_everything() {
        assert!(
            dropout_mask(5, 1, 1000, 0.0)
                .iter()
                .all(|&factor| factor == 1.0)
        );
    }
}
