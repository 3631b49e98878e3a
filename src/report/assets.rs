//! What every page carries inline.

use sha2::{Digest, Sha256};

/// The stylesheet and the script, compiled in.
pub(super) struct Style;

impl Style {
    pub(super) const CSS: &'static str = include_str!("style.css");
    pub(super) const SCRIPT: &'static str = include_str!("script.js");

    /// `sha256-…` of the script, by which the content security policy admits it and nothing else.
    pub(super) fn script_hash() -> String {
        format!(
            "sha256-{}",
            base64(&Sha256::digest(Self::SCRIPT.as_bytes()))
        )
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, &byte)| {
            word | u32::from(byte) << (16 - 8 * i)
        });
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_test_vectors_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_assets_cannot_end_their_element_early_and_ask_for_nothing() {
        for asset in [Style::CSS, Style::SCRIPT] {
            assert!(!asset.contains("</"));
            assert!(
                !asset.contains("http") && !asset.contains("url(") && !asset.contains("@import")
            );
        }
    }
}
