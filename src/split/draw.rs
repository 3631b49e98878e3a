//! Seeded choices that stay the same over releases of the random crates: the ChaCha8 stream is
//! fixed by its definition, and what is made of it is written here.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of choices.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// An independent source for each `purpose` of the same seed.
    pub fn new(seed: u64, purpose: u64) -> Draw {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose);
        Draw(rng)
    }

    /// A number below `n`, by multiplication; the bias of at most n / 2^64 is of no consequence.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(seed: u64, purpose: u64) -> Vec<usize> {
        let mut values: Vec<usize> = (0..10).collect();
        Draw::new(seed, purpose).shuffle(&mut values);
        values
    }

    #[test]
    fn the_order_of_a_seed_never_changes() {
        assert_eq!(shuffled(0, 0), [9, 2, 3, 4, 6, 7, 0, 1, 5, 8]);
        assert_eq!(shuffled(0, 0), shuffled(0, 0));
        assert_ne!(shuffled(0, 0), shuffled(1, 0));
        assert_ne!(shuffled(0, 0), shuffled(0, 1));
    }

    #[test]
    fn every_place_is_as_likely() {
        let mut seen = [[0; 4]; 4];
        for seed in 0..4000 {
            let mut values = [0, 1, 2, 3];
            Draw::new(seed, 0).shuffle(&mut values);
            values
                .iter()
                .enumerate()
                .for_each(|(place, &value)| seen[value][place] += 1);
        }
        // Binomial(4000, 1/4) has a standard deviation of 27.
        assert!(
            seen.iter().flatten().all(|&n: &i32| (n - 1000).abs() < 150),
            "{seen:?}"
        );
    }
}
