//! Text for people: words in the singular and plural, lists, numbers, excerpts, and the nearest of
//! several names. Escapes are in [`crate::escape`].

use unicode_normalization::UnicodeNormalization;

/// Characters of a name or a value that a message shows.
const EXCERPT: usize = 60;
/// Jaro-Winkler similarity from which on a name may be a slip of another one.
const NEAR: f64 = 0.75;

/// In the composed form (NFC), in which the names of one file on two systems are the same text.
pub fn composed(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}

/// At most `limit` characters, the last of them an ellipsis where there were more.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars()
        .take(limit.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// A name or a value as it may stand in a message, whatever its length.
pub fn excerpt(text: &str) -> String {
    shorten(text, EXCERPT)
}

/// At most `limit` things on one line, and how many more there are.
pub fn listed(things: &[String], limit: usize) -> String {
    let shown = things[..limit.min(things.len())].join(", ");
    match things.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `utterance` for one, `utterances` for any other number.
pub fn noun(n: usize, one: &str) -> String {
    match (n, one) {
        (1, _) => one.to_owned(),
        (_, "class") => "classes".to_owned(),
        _ => format!("{one}s"),
    }
}

/// `1 utterance`, `2 utterances`.
pub fn plural(n: usize, one: &str) -> String {
    format!("{n} {}", noun(n, one))
}

/// A finite number with that many decimals and a true minus sign; a dash for anything else.
pub fn decimals(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

/// A fraction as per cent with one decimal, without the sign: a second decimal is below what any
/// of these corpora can tell.
pub fn percent(fraction: f64) -> String {
    decimals(fraction * 100.0, 1)
}

/// The candidate nearest to `word`, without regard to case, `_` and `-`, if one is near enough to
/// be what was meant; of equals the first.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(&word.chars().take(EXCERPT).collect::<String>());
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let similarity = strsim::jaro_winkler(&word, &plain(candidate));
        if similarity >= best.map_or(NEAR, |(similarity, _)| similarity.next_up()) {
            best = Some((similarity, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_and_long_lists_are_cut() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("äöüß", 4), "äöüß");
        assert_eq!(excerpt(&"x".repeat(70)).chars().count(), 60);
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&names, 3), "a, b, c");
        assert_eq!(listed(&names, 2), "a, b and 1 more");
        assert_eq!(listed(&[], 2), "");
    }

    #[test]
    fn words_and_numbers_are_written_in_one_way() {
        assert_eq!(
            [(1, "class"), (8, "class"), (0, "file")].map(|(n, one)| plural(n, one)),
            ["1 class", "8 classes", "0 files"]
        );
        assert_eq!(
            [0.716_12, f64::NAN, -0.2, -0.000_1].map(percent),
            ["71.6", "–", "\u{2212}20.0", "0.0"]
        );
        assert_eq!(composed("u\u{308}"), "ü");
    }

    #[test]
    fn the_nearest_word_is_near() {
        let nearest = |word: &str, candidates: &[&'static str]| {
            super::nearest(word, candidates.iter().copied())
        };
        assert_eq!(nearest("epoch", &["epochs", "optimizer"]), Some("epochs"));
        assert_eq!(
            nearest(
                "Leave_One_Speaker_Out",
                &["leave-one-speaker-out", "declared"]
            ),
            Some("leave-one-speaker-out")
        );
        assert_eq!(nearest("zzz", &["epochs", "optimizer"]), None);
        assert_eq!(nearest("aab", &["aac", "aad"]), Some("aac"));
    }
}
