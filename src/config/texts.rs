//! Where a setting was written, and errors that point there.
//!
//! The pipeline file and every override lie one after the other in one space of byte offsets, so
//! that a span alone tells where a value comes from, and one kind of error serves both.

use std::ops::Range;

use toml::de::DeValue;

use crate::error::Error;
use crate::text::{self, nearest};

/// The file and the overrides that one pipeline is made of.
#[derive(Debug)]
pub(super) struct Texts {
    file_name: String,
    file: String,
    overrides: Vec<(usize, String)>,
}

/// The part of [`Texts`] in which a span lies.
struct Place<'a> {
    text: &'a str,
    offset: usize,
    length: usize,
    is_override: bool,
}

/// Longest excerpt of a line in a message, in characters.
const EXCERPT: usize = 100;

impl Texts {
    pub(super) fn new(file_name: &str, file: &str, overrides: &[String]) -> Self {
        let mut base = file.len() + 1;
        let overrides = overrides
            .iter()
            .map(|text| {
                let start = base;
                base += text.len() + 1;
                (start, text.clone())
            })
            .collect();
        Texts {
            file_name: file_name.to_owned(),
            file: file.to_owned(),
            overrides,
        }
    }

    pub(super) fn file_name(&self) -> &str {
        &self.file_name
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Each override with the offset of its first byte.
    pub(super) fn overrides(&self) -> impl Iterator<Item = (usize, &str)> {
        self.overrides
            .iter()
            .map(|(base, text)| (*base, text.as_str()))
    }

    /// Whether the span comes from an override.
    pub(super) fn is_override(&self, span: &Range<usize>) -> bool {
        self.place(span).is_override
    }

    /// `line 12`, or the override itself.
    pub(super) fn describe(&self, span: &Range<usize>) -> String {
        let place = self.place(span);
        if place.is_override {
            format!("in --set {}", shorten(first_line(place.text)))
        } else {
            format!("in line {}", line_of(place.text, place.offset).0)
        }
    }

    /// A configuration error with its place, the line in question and a caret under the span.
    pub(super) fn error(&self, span: &Range<usize>, message: impl AsRef<str>) -> Error {
        let place = self.place(span);
        let (line, start) = line_of(place.text, place.offset);
        let source = first_line(&place.text[start..]);
        let column = place.text[start..place.offset].chars().count();
        let width = place.text[place.offset..]
            .chars()
            .take_while(|&c| c != '\n' && c != '\r')
            .count();
        let width = place.text[place.offset..place.offset + place.length]
            .chars()
            .count()
            .clamp(1, width.max(1));
        let (gutter, whence) = if place.is_override {
            (
                String::new(),
                format!("--set {}", shorten(first_line(place.text))),
            )
        } else {
            (
                format!("{line} "),
                format!("{}:{line}:{}", self.file_name, column + 1),
            )
        };
        let (excerpt, caret) = excerpt(source, column, width);
        let pad = " ".repeat(gutter.len());
        Error::config(format!(
            "{whence}: {}\n {pad}|\n {gutter}| {excerpt}\n {pad}| {caret}",
            message.as_ref()
        ))
    }

    /// The same for what the TOML reader found, in this project's words.
    pub(super) fn toml_error(&self, error: &toml::de::Error) -> Error {
        self.toml_error_among(error, &|_, _| true)
    }

    /// [`Texts::toml_error`], in which an unknown key may only be meant as one that `takes` allows
    /// in its place.
    pub(super) fn toml_error_among(
        &self,
        error: &toml::de::Error,
        takes: &dyn Fn(&Range<usize>, &str) -> bool,
    ) -> Error {
        let span = error.span().unwrap_or(0..0);
        let (message, hint) = explain(error.message(), &|key| takes(&span, key));
        let hint = hint.or_else(|| {
            message
                .starts_with("expected a list, found")
                .then(|| self.in_brackets(&span))
        });
        let error = self.error(&span, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// How a single value is written where a list of them is wanted.
    fn in_brackets(&self, span: &Range<usize>) -> String {
        let place = self.place(span);
        let value = &place.text[place.offset..place.offset + place.length];
        let list = if DeValue::parse(value).is_ok() {
            format!("[{}]", shorten(value))
        } else {
            format!("[\"{}\"]", shorten(value))
        };
        match place.text.split_once('=').filter(|_| place.is_override) {
            Some((key, _)) => format!(
                "a list stands in brackets: --set '{}={list}'",
                shorten(key.trim())
            ),
            None => format!("a list stands in brackets: {list}"),
        }
    }

    fn place(&self, span: &Range<usize>) -> Place<'_> {
        let owner = self
            .overrides
            .iter()
            .rev()
            .find(|(base, _)| *base <= span.start);
        let (base, text) = owner.map_or((0, self.file.as_str()), |(base, text)| {
            (*base, text.as_str())
        });
        let offset = floor_boundary(text, span.start.saturating_sub(base));
        let end = floor_boundary(text, span.end.saturating_sub(base)).max(offset);
        Place {
            text,
            offset,
            length: end - offset,
            is_override: owner.is_some(),
        }
    }
}

/// A word as it may stand in a message, whatever its length.
pub(super) fn shorten(word: &str) -> String {
    text::excerpt(&word.replace(char::is_control, " "))
}

/// `did you mean …? known …: a, b, c`.
pub(crate) fn suggestion(word: &str, what: &str, candidates: &[&str]) -> String {
    let known = format!("known {what}: {}", candidates.join(", "));
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`? {known}"),
        None => known,
    }
}

/// Serde's messages, reworded; what cannot be taken apart stays as it is.
fn explain(message: &str, takes: &dyn Fn(&str) -> bool) -> (String, Option<String>) {
    for (start, what, plural) in [
        ("unknown field `", "key", "keys"),
        ("unknown variant `", "value", "values"),
    ] {
        if let Some(rest) = message.strip_prefix(start)
            && let Some((word, list)) = rest.rsplit_once("`, expected ")
        {
            let mut known: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
            if what == "key" {
                known.retain(|key| takes(key));
            }
            return (
                format!("unknown {what} `{}`", shorten(word)),
                Some(suggestion(word, plural, &known)),
            );
        }
    }
    if let Some(key) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return (
            format!("the key `{key}` is missing here"),
            Some(format!(
                "add `{key} = …`; pipelines/README.md describes every key"
            )),
        );
    }
    for start in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = message.strip_prefix(start)
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            let expected = match expected {
                "i64" | "u64" | "usize" => "a whole number between -2^63 and 2^63 - 1",
                "f64" => "a number",
                "a boolean" => "true or false",
                "a sequence" => "a list",
                "a map" => "a table",
                other => other,
            };
            let found = match found {
                "map" => "a table".to_owned(),
                "sequence" => "a list".to_owned(),
                other => shorten(other),
            };
            return (format!("expected {expected}, found {found}"), None);
        }
    }
    let mut message = message.to_owned();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    (message, None)
}

fn first_line(text: &str) -> &str {
    text.split(['\n', '\r']).next().unwrap_or("")
}

/// Number (from 1) and first byte of the line that holds `offset`.
fn line_of(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    (
        before.matches('\n').count() + 1,
        before.rfind('\n').map_or(0, |i| i + 1),
    )
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The part of a line around the caret, and the carets under it.
fn excerpt(line: &str, column: usize, width: usize) -> (String, String) {
    let skip = if column + width.min(EXCERPT / 2) > EXCERPT {
        column.saturating_sub(EXCERPT / 4)
    } else {
        0
    };
    let shown: Vec<char> = line
        .chars()
        .skip(skip)
        .take(EXCERPT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let (front, back) = (skip > 0, line.chars().count() > skip + shown.len());
    let text: String = front
        .then_some('…')
        .into_iter()
        .chain(shown.iter().copied())
        .chain(back.then_some('…'))
        .collect();
    let indent = column - skip + usize::from(front);
    let carets = width.min(shown.len().saturating_sub(column - skip)).max(1);
    (
        text.trim_end().to_owned(),
        format!("{}{}", " ".repeat(indent), "^".repeat(carets)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_into_the_file() {
        let texts = Texts::new("a.toml", "x = 1\nepöch = 3\n", &[]);
        let error = texts.error(&(6..12), "unknown key `epöch`").to_string();
        assert_eq!(
            error,
            "a.toml:2:1: unknown key `epöch`\n   |\n 2 | epöch = 3\n   | ^^^^^"
        );
    }

    #[test]
    fn an_error_points_into_an_override() {
        let texts = Texts::new(
            "a.toml",
            "x = 1",
            &["a.b=1".to_owned(), "train.epoch=3".to_owned()],
        );
        let base = 5 + 1 + 5 + 1;
        let error = texts
            .error(&(base + 6..base + 11), "unknown key `epoch`")
            .to_string();
        assert_eq!(
            error,
            "--set train.epoch=3: unknown key `epoch`\n |\n | train.epoch=3\n |       ^^^^^"
        );
    }

    #[test]
    fn spans_outside_the_text_or_within_a_character_do_not_panic() {
        let texts = Texts::new("a.toml", "ä\n", &["ö".to_owned()]);
        for start in 0..12 {
            for end in 0..12 {
                let _ = texts.error(&(start..end), "x").to_string();
            }
        }
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let line = format!("{}epoch{}", "x".repeat(500), "y".repeat(500));
        let error = Texts::new("a.toml", &line, &[])
            .error(&(500..505), "m")
            .to_string();
        let lines: Vec<&str> = error.lines().collect();
        let caret = lines[3].chars().position(|c| c == '^').unwrap();
        assert_eq!(
            lines[2].chars().skip(caret).take(5).collect::<String>(),
            "epoch"
        );
        assert!(lines[2].chars().count() < 120);
    }

    #[test]
    fn messages_of_the_reader_are_reworded() {
        let (message, hint) = explain(
            "unknown field `a`, b`, expected one of `kind`, `folds`",
            &|_| true,
        );
        assert_eq!(message, "unknown key `a`, b`");
        assert_eq!(hint.as_deref(), Some("known keys: kind, folds"));
        let (message, hint) = explain("unknown field `kin`, expected `kind` or `folds`", &|key| {
            key != "kin"
        });
        assert_eq!(
            (message.as_str(), hint.as_deref()),
            (
                "unknown key `kin`",
                Some("did you mean `kind`? known keys: kind, folds")
            )
        );
        assert_eq!(
            explain("invalid type: string \"x\", expected i64", &|_| true).0,
            "expected a whole number between -2^63 and 2^63 - 1, found string \"x\""
        );
        assert_eq!(explain("Something else", &|_| true).0, "something else");
    }
}
