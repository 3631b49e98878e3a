//! Words of corpora in one form, whatever system wrote them.

use unicode_normalization::UnicodeNormalization;

/// In the composed form, in which the names of one file on two systems are the same text.
pub fn composed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}
