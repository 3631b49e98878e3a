//! The text of a pipeline file and of its overrides, and errors that point into it.
//!
//! The file and every override lie one after the other in one space of byte offsets, so that a span
//! alone tells where a value comes from, and one kind of error serves both.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::de::DeValue;

use crate::error::{Error, Result};
use crate::text::{self, nearest};

/// The file and the overrides that one pipeline is made of.
#[derive(Debug)]
pub(super) struct SourceMap {
    file_name: String,
    file: String,
    overrides: Vec<(usize, String)>,
}

/// The part of [`SourceMap`] in which a span lies.
struct Position<'a> {
    text: &'a str,
    offset: usize,
    length: usize,
    is_override: bool,
}

/// Larger files are not read: the largest sensible pipeline is a hundredth of it.
const LARGEST: u64 = 1 << 20;
/// Longest excerpt of a line in a message, in characters.
const EXCERPT: usize = 100;

impl SourceMap {
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
        SourceMap {
            file_name: file_name.to_owned(),
            file: file.to_owned(),
            overrides,
        }
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
        self.position(span).is_override
    }

    /// `line 12`, or the override itself.
    pub(super) fn describe(&self, span: &Range<usize>) -> String {
        let position = self.position(span);
        if position.is_override {
            format!("in --set {}", shorten(first_line(position.text)))
        } else {
            format!("in line {}", line_of(position.text, position.offset).0)
        }
    }

    /// A configuration error with its place, the line in question and a caret under the span.
    pub(super) fn error(&self, span: &Range<usize>, message: impl AsRef<str>) -> Error {
        let position = self.position(span);
        let (line, start) = line_of(position.text, position.offset);
        let source = first_line(&position.text[start..]);
        let column = position.text[start..position.offset].chars().count();
        let width = position.text[position.offset..]
            .chars()
            .take_while(|&c| c != '\n' && c != '\r')
            .count();
        let width = position.text[position.offset..position.offset + position.length]
            .chars()
            .count()
            .clamp(1, width.max(1));
        let (gutter, whence) = if position.is_override {
            (
                String::new(),
                format!("--set {}", shorten(first_line(position.text))),
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

    /// The same for what the TOML parser found.
    pub(super) fn toml_error(&self, error: &toml::de::Error) -> Error {
        let mut message = error.message().to_owned();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        self.error(&error.span().unwrap_or(0..0), message)
    }

    /// How a single value is written where a list of them is wanted.
    pub(super) fn in_brackets(&self, span: &Range<usize>) -> String {
        let position = self.position(span);
        let value = &position.text[position.offset..position.offset + position.length];
        let list = if DeValue::parse(value).is_ok() {
            format!("[{}]", shorten(value))
        } else {
            format!("[\"{}\"]", shorten(value))
        };
        match position
            .text
            .split_once('=')
            .filter(|_| position.is_override)
        {
            Some((key, _)) => format!(
                "a list stands in brackets: --set '{}={list}'",
                shorten(key.trim())
            ),
            None => format!("a list stands in brackets: {list}"),
        }
    }

    fn position(&self, span: &Range<usize>) -> Position<'_> {
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
        Position {
            text,
            offset,
            length: end - offset,
            is_override: owner.is_some(),
        }
    }
}

/// `did you mean …? known …: a, b, c`.
pub(crate) fn suggestion(word: &str, what: &str, candidates: &[&str]) -> String {
    let known = format!("known {what}: {}", candidates.join(", "));
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`? {known}"),
        None => known,
    }
}

/// A word as it may stand in a message: on one line, whatever its length.
pub(super) fn shorten(word: &str) -> String {
    text::excerpt(word).replace(char::is_control, " ")
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

/// The text of a file of settings.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("read", path, error))?;
    if bytes.len() as u64 > LARGEST {
        let error = Error::config(format!(
            "{} is larger than 1 MiB: that is no pipeline file",
            path.display()
        ));
        return Err(error.hint("pipelines/demo.toml is a small complete example"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(valid)
            .chars()
            .rev()
            .take_while(|&c| c != '\n')
            .count()
            + 1;
        Error::config(format!(
            "{}:{line}:{column}: the file is not UTF-8",
            path.display()
        ))
        .hint("save it as UTF-8 text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_into_the_file() {
        let source_map = SourceMap::new("a.toml", "x = 1\nepöch = 3\n", &[]);
        let error = source_map
            .error(&(6..12), "unknown key `epöch`")
            .to_string();
        assert_eq!(
            error,
            "a.toml:2:1: unknown key `epöch`\n   |\n 2 | epöch = 3\n   | ^^^^^"
        );
    }

    #[test]
    fn an_error_points_into_an_override() {
        let source_map = SourceMap::new(
            "a.toml",
            "x = 1",
            &["a.b=1".to_owned(), "train.epoch=3".to_owned()],
        );
        let base = 5 + 1 + 5 + 1;
        let error = source_map
            .error(&(base + 6..base + 11), "unknown key `epoch`")
            .to_string();
        assert_eq!(
            error,
            "--set train.epoch=3: unknown key `epoch`\n |\n | train.epoch=3\n |       ^^^^^"
        );
    }

    #[test]
    fn spans_outside_the_text_or_within_a_character_do_not_panic() {
        let source_map = SourceMap::new("a.toml", "ä\n", &["ö".to_owned()]);
        for start in 0..12 {
            for end in 0..12 {
                let _ = source_map.error(&(start..end), "x").to_string();
            }
        }
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let line = format!("{}epoch{}", "x".repeat(500), "y".repeat(500));
        let error = SourceMap::new("a.toml", &line, &[])
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
}
