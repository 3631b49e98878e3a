//! Words of corpora: in one form, whatever system wrote them, and a few of many on a line.

use unicode_normalization::UnicodeNormalization;

/// In the composed form, in which the names of one file on two systems are the same text.
pub fn composed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// At most `most` things in a line, and how many more there are.
pub fn some(things: &[String], most: usize) -> String {
    let mut out = things.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if things.len() > most {
        out += &format!(" and {} more", things.len() - most);
    }
    out
}
