//! Words of corpora: in one form, whatever system wrote them, and a few of many on a line.

use unicode_normalization::UnicodeNormalization;

/// In the composed form, in which the names of one file on two systems are the same text.
pub fn composed(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}

/// Characters of a cell or a name that a message shows.
const SHOWN: usize = 60;

/// A cell or a name as it may stand in a message, however long it is.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// At most `most` things in a line, and how many more there are.
pub fn some(things: &[String], most: usize) -> String {
    let mut out = things
        .iter()
        .take(most)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if things.len() > most {
        out += &format!(" and {} more", things.len() - most);
    }
    out
}
