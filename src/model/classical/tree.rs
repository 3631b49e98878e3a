//! One tree of a forest.

use rand_chacha::ChaCha8Rng;

use super::forest::{ForestSettings, SplitFeatures};
use crate::rng;
use crate::split::Matrix;

/// The place of a leaf's class shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf(pub usize);

/// A node by its place in the list of all nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// Asks one feature.
    Split {
        /// Which.
        feature: usize,
        /// Rows up to here go left, others (and what is no number) right.
        threshold: f32,
        /// Place of the node to the left.
        left: usize,
        /// Place of the node to the right.
        right: usize,
    },
    /// Answers.
    Leaf(Leaf),
}

/// A table by columns, each value replaced by its rank among the distinct values of its column:
/// integers sort faster.
pub(super) struct Ranked {
    rows: usize,
    ranks: Vec<u32>,
    /// The distinct values of each column, ascending.
    values: Vec<Vec<f32>>,
}

impl Ranked {
    pub fn of(x: &Matrix) -> Self {
        let (mut ranks, mut values) = (
            Vec::with_capacity(x.values().len()),
            Vec::with_capacity(x.cols()),
        );
        for column in 0..x.cols() {
            // Adding 0 makes the two zeros one value.
            let of = |row: usize| x.row(row)[column] + 0.0;
            let mut distinct: Vec<f32> = (0..x.rows()).map(of).collect();
            distinct.sort_unstable_by(f32::total_cmp);
            distinct.dedup();
            ranks
                .extend((0..x.rows()).map(|row| distinct.partition_point(|v| *v < of(row)) as u32));
            values.push(distinct);
        }
        Ranked {
            rows: x.rows(),
            ranks,
            values,
        }
    }

    fn column(&self, feature: usize) -> &[u32] {
        &self.ranks[feature * self.rows..(feature + 1) * self.rows]
    }

    /// A value that parts two ranks of a column: halfway, or the lower where rounding leaves
    /// nothing between.
    fn threshold(&self, feature: usize, low: u32, high: u32) -> f32 {
        let (low, high) = (
            self.values[feature][low as usize],
            self.values[feature][high as usize],
        );
        let half = low / 2.0 + high / 2.0;
        if half >= low && half < high {
            half
        } else {
            low
        }
    }
}

/// The best split found so far.
struct Best {
    feature: usize,
    /// The last rank on the left and the first on the right.
    between: (u32, u32),
    /// Sum over both sides of squared class counts by count: the larger, the purer.
    purity: f64,
}

/// Grows one tree.
pub(super) struct Grower<'a> {
    settings: &'a ForestSettings,
    ranked: &'a Ranked,
    y: &'a [usize],
    n_classes: usize,
    draws: &'a [u32],
    rng: &'a mut ChaCha8Rng,
    features: Vec<usize>,
    /// Rank and row, to be sorted.
    keys: Vec<u64>,
}

fn square(count: u32) -> f64 {
    f64::from(count) * f64::from(count)
}

impl<'a> Grower<'a> {
    pub fn new(
        settings: &'a ForestSettings,
        ranked: &'a Ranked,
        y: &'a [usize],
        n_classes: usize,
        draws: &'a [u32],
        rng: &'a mut ChaCha8Rng,
    ) -> Self {
        let features = (0..ranked.values.len()).collect();
        Grower {
            settings,
            ranked,
            y,
            n_classes,
            draws,
            rng,
            features,
            keys: vec![],
        }
    }

    /// Appends the tree; a stack of its own, since a tree may be as deep as there are rows.
    pub fn grow(&mut self, nodes: &mut Vec<Node>, shares: &mut Vec<f32>) {
        let drawn: Vec<usize> = (0..self.draws.len())
            .filter(|&row| self.draws[row] > 0)
            .collect();
        nodes.push(Node::Leaf(Leaf(0)));
        let mut open = vec![(nodes.len() - 1, drawn, 0)];
        while let Some((at, rows, depth)) = open.pop() {
            let counts = self.counts(&rows);
            let is_pure = counts.iter().filter(|&&n| n > 0).count() < 2;
            let too_deep = self.settings.max_depth.is_some_and(|most| depth >= most);
            let best = if is_pure || too_deep {
                None
            } else {
                self.split(&rows, &counts)
            };
            let Some(best) = best else {
                nodes[at] = Node::Leaf(Leaf(shares.len() / self.n_classes));
                let all: u32 = counts.iter().sum();
                shares.extend(counts.iter().map(|&n| n as f32 / all as f32));
                continue;
            };
            let column = self.ranked.column(best.feature);
            let (lower, higher): (Vec<usize>, Vec<usize>) = rows
                .into_iter()
                .partition(|&row| column[row] <= best.between.0);
            let threshold = self
                .ranked
                .threshold(best.feature, best.between.0, best.between.1);
            let left = nodes.len();
            nodes[at] = Node::Split {
                feature: best.feature,
                threshold,
                left,
                right: left + 1,
            };
            nodes.extend([Node::Leaf(Leaf(0)); 2]);
            open.push((left + 1, higher, depth + 1));
            open.push((left, lower, depth + 1));
        }
    }

    fn counts(&self, rows: &[usize]) -> Vec<u32> {
        let mut counts = vec![0; self.n_classes];
        rows.iter()
            .for_each(|&row| counts[self.y[row]] += self.draws[row]);
        counts
    }

    /// The best split among features drawn one by one, until enough of them were not constant.
    fn split(&mut self, rows: &[usize], counts: &[u32]) -> Option<Best> {
        let enough = match self.settings.features {
            SplitFeatures::Sqrt => self.features.len().isqrt(),
            SplitFeatures::All => self.features.len(),
        };
        let (mut best, mut looked_at) = (None, 0);
        for drawn in 0..self.features.len() {
            if looked_at >= enough.max(1) {
                break;
            }
            let other = drawn + rng::below(self.rng, self.features.len() - drawn);
            self.features.swap(drawn, other);
            looked_at +=
                usize::from(self.try_feature(self.features[drawn], rows, counts, &mut best));
        }
        best
    }

    /// Looks at all splits by one feature; `false` where it is constant.
    fn try_feature(
        &mut self,
        feature: usize,
        rows: &[usize],
        counts: &[u32],
        best: &mut Option<Best>,
    ) -> bool {
        let column = self.ranked.column(feature);
        self.keys.clear();
        self.keys.extend(
            rows.iter()
                .map(|&row| u64::from(column[row]) << 32 | row as u64),
        );
        self.keys.sort_unstable();
        let rank = |key: u64| (key >> 32) as u32;
        let (Some(&first), Some(&last)) = (self.keys.first(), self.keys.last()) else {
            return false;
        };
        if rank(first) == rank(last) {
            return false;
        }
        let (mut left, mut right) = (vec![0; counts.len()], counts.to_vec());
        let (mut n_left, mut n_right) = (0, counts.iter().sum::<u32>());
        let (mut squares_left, mut squares_right) =
            (0.0, counts.iter().map(|&n| square(n)).sum::<f64>());
        for pair in self.keys.windows(2) {
            let row = (pair[0] & u64::from(u32::MAX)) as usize;
            let (class, draws) = (self.y[row], self.draws[row]);
            squares_left += square(left[class] + draws) - square(left[class]);
            squares_right -= square(right[class]) - square(right[class] - draws);
            left[class] += draws;
            right[class] -= draws;
            (n_left, n_right) = (n_left + draws, n_right - draws);
            let between = (rank(pair[0]), rank(pair[1]));
            if between.0 == between.1 || (n_left.min(n_right) as usize) < self.settings.min_leaf {
                continue;
            }
            let purity = squares_left / f64::from(n_left) + squares_right / f64::from(n_right);
            if best.as_ref().is_none_or(|best| purity > best.purity) {
                *best = Some(Best {
                    feature,
                    between,
                    purity,
                });
            }
        }
        true
    }
}
