//! Names from anywhere as text: to be shown, to be compared, to be a file name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

pub(super) use crate::text::{composed, excerpt, listed};

/// Lower case without accents, in whichever form these are written.
pub(super) fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word
        .nfd()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_combining_mark(*c))
    {
        match c {
            'ł' => out.push('l'),
            'ø' => out.push('o'),
            'ı' => out.push('i'),
            'đ' | 'ð' => out.push('d'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            c => out.push(c),
        }
    }
    out
}

/// A name that is a file name everywhere.
pub(super) fn safe(name: &str) -> String {
    let mut out = String::new();
    // German writes umlauts as two letters where it has none.
    let spelled: String = composed(name)
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'ä' => "ae".to_owned(),
            'ö' => "oe".to_owned(),
            'ü' => "ue".to_owned(),
            c => c.to_string(),
        })
        .collect();
    for c in plain(&spelled).chars() {
        match c {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    let out = out.trim_end_matches('-').to_owned();
    if out.is_empty() || !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        format!("corpus-{out}").trim_end_matches('-').to_owned()
    } else {
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_in_whichever_form_accents_are_written() {
        assert_eq!(
            [
                plain("Wu\u{308}tend"),
                plain("WÜTEND"),
                plain("Łódź"),
                plain("İYİ"),
                plain("Groß")
            ],
            ["wutend", "wutend", "lodz", "iyi", "gross"]
        );
        assert_eq!(composed("u\u{308}"), "ü");
    }

    #[test]
    fn names_are_safe_whatever_the_folder_is_called() {
        let names = [
            "Mon Corpus (v2)",
            "2024",
            "émo",
            "",
            "Ärger & Co",
            "A\u{308}rger & Co",
            "Møller_ß",
        ];
        let safe = names.map(safe);
        assert_eq!(
            safe,
            [
                "mon-corpus-v2",
                "corpus-2024",
                "emo",
                "corpus",
                "aerger-co",
                "aerger-co",
                "moller-ss"
            ]
        );
    }
}
