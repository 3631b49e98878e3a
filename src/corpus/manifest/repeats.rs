//! What was read from which row, so that a second row of the same thing is noticed.

use std::collections::HashMap;

/// The rows of a manifest by a hash of what they are about: 24 bytes each, whatever they hold.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    first: HashMap<[u8; 16], First>,
}

/// Where something was read first.
#[derive(Debug, Clone, Copy)]
struct First {
    place: u32,
    label: u32,
}

impl Repeats {
    /// The row in which `key` stood before, and whether it had another label there.
    pub(super) fn first(&self, key: &str, label: &str) -> Option<(u64, bool)> {
        self.first
            .get(&short(key))
            .map(|first| (u64::from(first.place), first.label != code(label)))
    }

    /// Notes that `key` stands in row `place` with a label.
    pub(super) fn note(&mut self, key: &str, place: u64, label: &str) {
        self.first.insert(
            short(key),
            First {
                place: u32::try_from(place).unwrap_or(u32::MAX),
                label: code(label),
            },
        );
    }
}

fn short(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    short
}

/// Enough to tell the labels of a corpus apart.
fn code(label: &str) -> u32 {
    let [a, b, c, d, ..] = *blake3::hash(label.as_bytes()).as_bytes();
    u32::from_le_bytes([a, b, c, d])
}
