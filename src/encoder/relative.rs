//! The gated relative position bias of WavLM.

/// The bias of relative positions, which the first block has and all blocks use.
#[derive(Debug)]
pub struct RelativePositions {
    /// `buckets` rows of a value per head.
    pub table: Vec<f32>,
    pub heads: usize,
    pub buckets: usize,
    pub largest_distance: usize,
}

impl RelativePositions {
    /// For each head the bias of the distances `1 - frames` to `frames - 1` of key from query.
    pub fn biases(&self, frames: usize, out: &mut Vec<f32>) {
        out.clear();
        for head in 0..self.heads {
            out.extend((1..2 * frames).map(|shifted| {
                let bucket = self.bucket(shifted as isize - frames as isize);
                self.table[bucket * self.heads + head]
            }));
        }
    }

    /// Half of the buckets are for later keys; in each half the first half are single distances,
    /// the others grow logarithmically up to the largest distance.
    fn bucket(&self, distance: isize) -> usize {
        let half = self.buckets / 2;
        let exact = half / 2;
        let far = distance.unsigned_abs();
        let sign = if distance > 0 { half } else { 0 };
        if far < exact {
            return sign + far;
        }
        // In single precision, as the buckets of the published models were.
        let logarithm = (far as f32 / exact as f32).ln()
            / (self.largest_distance as f64 / exact as f64).ln() as f32;
        let wide = exact + (logarithm * (half - exact) as f32) as usize;
        sign + wide.min(half - 1)
    }
}

/// By how much a frame's attention heeds relative positions: from the input of the block's
/// attention, for each head on its own.
#[derive(Debug)]
pub struct Gate {
    /// 8 rows of a value per dimension of a head.
    pub weight: Vec<f32>,
    /// 8 values.
    pub bias: Vec<f32>,
    /// A value per head.
    pub constant: Vec<f32>,
}

impl Gate {
    /// The gates of all frames for a head of `depth` dimensions.
    pub fn of_head(
        &self,
        head: usize,
        depth: usize,
        x: &[f32],
        width: usize,
        gates: &mut Vec<f32>,
    ) {
        let constant = self.constant[head];
        gates.clear();
        gates.extend(x.chunks_exact(width).map(|row| {
            let row = &row[head * depth..][..depth];
            let sum_of_four = |first: usize| -> f32 {
                (first..first + 4)
                    .map(|output| {
                        let weights = &self.weight[output * depth..][..depth];
                        let products = row.iter().zip(weights);
                        products.fold(self.bias[output], |sum, (x, w)| x.mul_add(*w, sum))
                    })
                    .sum()
            };
            let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
            let (a, b) = (sigmoid(sum_of_four(0)), sigmoid(sum_of_four(4)));
            a * (b * constant - 1.0) + 2.0
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_near_and_logarithmic_far() {
        let positions = RelativePositions {
            table: vec![],
            heads: 1,
            buckets: 320,
            largest_distance: 800,
        };
        // By the formula in double precision, in numpy.
        let expected = [
            (0, 0),
            (-79, 79),
            (79, 239),
            (-80, 80),
            (100, 247),
            (-200, 111),
            (-799, 159),
            (800, 319),
            (5000, 319),
        ];
        for (distance, bucket) in expected {
            assert_eq!(positions.bucket(distance), bucket, "{distance}");
        }
    }
}
