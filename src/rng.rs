//! Random streams that are keyed by their purpose, so that none depends on what was drawn before.
//!
//! The ChaCha8 stream is fixed by its definition. Draws made of it here stay the same over releases
//! of the random crates.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The stream of a key of up to four words; missing words are zero.
pub(crate) fn keyed<const N: usize>(words: [u64; N]) -> ChaCha8Rng {
    const { assert!(N <= 4) };
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// The stream that belongs to a text.
pub(crate) fn named(text: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(*blake3::hash(text.as_bytes()).as_bytes())
}

/// Independent streams of one seed, by ChaCha's own stream number.
pub(crate) fn numbered(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = keyed([seed]);
    rng.set_stream(stream);
    rng
}

/// A number below `n`, by multiplication; its bias of at most n / 2^64 is negligible.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// Fisher-Yates.
pub(crate) fn shuffle<T>(values: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..values.len()).rev() {
        values.swap(last, below(rng, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(seed: u64, stream: u64) -> Vec<usize> {
        let mut values: Vec<usize> = (0..10).collect();
        shuffle(&mut values, &mut numbered(seed, stream));
        values
    }

    #[test]
    fn the_order_of_a_seed_never_changes() {
        assert_eq!(shuffled(0, 0), [9, 2, 3, 4, 6, 7, 0, 1, 5, 8]);
        assert_ne!(shuffled(0, 0), shuffled(1, 0));
        assert_ne!(shuffled(0, 0), shuffled(0, 1));
    }

    #[test]
    fn every_place_is_as_likely() {
        let mut seen = [[0; 4]; 4];
        for seed in 0..4000 {
            let mut values = [0, 1, 2, 3];
            shuffle(&mut values, &mut numbered(seed, 0));
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
