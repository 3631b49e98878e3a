//! What to cite for a corpus, as a pipeline file says it.

use toml::Spanned;

use super::check::Context;
use crate::error::Result;

/// BibTeX entries, each whole; or words, which may run over several lines.
pub(super) fn check(value: Spanned<String>, context: &Context<'_>) -> Result<String> {
    let place = value.span();
    let text = value.into_inner();
    let text = text.trim();
    let wrong = |what: &str| {
        let error = context.texts.error(&place, format!("`citation` {what}"));
        Err(error
            .hint("write BibTeX entries (@article{key, …}), or plain words that name the source"))
    };
    if text.is_empty() {
        return wrong("is empty");
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return wrong("holds a control character");
    }
    if !text.starts_with('@') {
        return Ok(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let mut rest = text;
    while !rest.is_empty() {
        match entry(rest) {
            Some(end) => rest = rest[end..].trim_start(),
            None => return wrong("begins like BibTeX, and is no list of whole entries"),
        }
    }
    Ok(text.replace("\r\n", "\n"))
}

/// Where the entry ends that `text` begins with. BibTeX counts braces whatever stands before them.
fn entry(text: &str) -> Option<usize> {
    let (kind, body) = text.strip_prefix('@')?.split_once('{')?;
    let (key, _) = body.split_once(',')?;
    // What is no entry is written for TeX itself.
    if !kind.chars().all(|c| c.is_ascii_alphabetic())
        || ["preamble", "string", "comment"].contains(&kind.to_lowercase().as_str())
    {
        return None;
    }
    let key = key.trim();
    if text.starts_with("@{")
        || key.is_empty()
        || !key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_:.+/".contains(c))
    {
        return None;
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at + 1),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_with_its_brace() {
        let one = "@article{me2020, title = {A {B} C}, year = 2020}";
        assert_eq!(entry(&format!("{one}\n@misc{{x,}}")), Some(one.len()));
        for bad in [
            "@article{me2020, title = {A}",
            "@{a,}",
            "@article{,}",
            "@article{a b,}",
            "article{a,}",
            "@article{a}",
            "@Preamble{a, \"b\"}",
        ] {
            assert_eq!(entry(bad), None, "{bad}");
        }
    }
}
