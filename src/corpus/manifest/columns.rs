//! The columns of a manifest by name.

use std::collections::BTreeMap;
use std::path::Path;

use super::sheet::{ENDS, STARTS};
use crate::corpus::is_missing;
use crate::corpus::listing::Reason;
use crate::corpus::propose::words;
use crate::corpus::utterance::Sex;
use crate::error::{Error, Result};
use crate::text::{excerpt, listed, nearest, noun};

/// Columns named in one message.
const SHOWN: usize = 12;

/// Columns that every manifest has.
pub(super) const REQUIRED: [&str; 3] = ["path", "emotion", "speaker"];
const OPTIONAL: [&str; 11] = [
    "id",
    "sex",
    "text_id",
    "session",
    "split",
    "start",
    "end",
    "language",
    "intensity",
    "repetition",
    "excluded",
];

/// What other tables call the required columns; only offered, never assumed.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("path", "file"),
    ("path", "filename"),
    ("path", "audio"),
    ("path", "wav"),
    ("emotion", "label"),
    ("emotion", "class"),
    ("emotion", "category"),
    ("emotion", "emo"),
];

/// Which cell of a row is which column.
pub(super) struct Columns {
    pub(super) index: BTreeMap<&'static str, usize>,
    /// The names of the others, as they stand in the file.
    pub(super) unused: Vec<String>,
}

impl Columns {
    /// Finds the known columns in a header.
    ///
    /// # Errors
    /// `Data` where a required column is not there or a known one is there twice.
    pub(super) fn of(header: &[String], path: &Path) -> Result<Self> {
        Columns::with(header, path, &REQUIRED)
    }

    /// As [`Columns::of`], where fewer columns are required.
    ///
    /// # Errors
    /// As [`Columns::of`].
    pub(super) fn with(header: &[String], path: &Path, required: &[&str]) -> Result<Self> {
        let mut columns = Columns {
            index: BTreeMap::new(),
            unused: Vec::new(),
        };
        for (at, name) in header.iter().enumerate() {
            let plain = name
                .to_lowercase()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join("_");
            match REQUIRED
                .iter()
                .chain(&OPTIONAL)
                .find(|known| **known == without_seconds(&plain))
            {
                Some(known) if columns.index.insert(known, at).is_some() => {
                    return Err(
                        Error::data(format!("{} has two columns {known}", path.display()))
                            .hint("remove or rename one of them"),
                    );
                }
                Some(_) => {}
                None => columns.unused.push(if name.is_empty() {
                    format!("(column {} without a name)", at + 1)
                } else {
                    name.clone()
                }),
            }
        }
        let lacking: Vec<&str> = required
            .iter()
            .copied()
            .filter(|name| !columns.index.contains_key(name))
            .collect();
        if lacking.is_empty() {
            return Ok(columns);
        }
        let there = listed(
            &header.iter().map(|name| excerpt(name)).collect::<Vec<_>>(),
            SHOWN,
        );
        let is_one = header.len() == 1
            && lacking.iter().all(|name| {
                there
                    .split_whitespace()
                    .any(|word| word.eq_ignore_ascii_case(name))
            });
        let hint = if is_one {
            "separate the cells by commas or tabs, not by spaces".to_owned()
        } else {
            let hints: Vec<String> = lacking.iter().map(|name| columns.mend(name)).collect();
            hints.join("; ")
        };
        let name = lacking.join(", ");
        Err(Error::data(format!(
            "{} has no {} {name}; it has {there}",
            path.display(),
            noun(lacking.len(), "column")
        ))
        .hint(hint))
    }

    /// What to do where the column `name` is not there.
    fn mend(&self, name: &str) -> String {
        let meant = |header: &&String| {
            OTHER_NAMES.contains(&(name, header.to_lowercase().as_str()))
                || name == "speaker" && words::is_speaker_column(header)
        };
        let unused = || self.unused.iter().map(String::as_str);
        let near = self.unused.iter().find(meant).map(String::as_str);
        match near.or_else(|| nearest(name, unused())) {
            Some(near) => format!(
                "rename the column {} to {name}, or add {name}",
                excerpt(near)
            ),
            None => format!("add a column {name}"),
        }
    }

    /// What to do with columns that look like the times of segments and are none of those known, so
    /// that whole recordings are used.
    pub(super) fn other_units(&self) -> Option<String> {
        let of = |words: &[&str]| {
            self.unused.iter().find(|name| {
                words
                    .iter()
                    .any(|word| name.trim().to_lowercase().starts_with(word))
            })
        };
        let (start, end) = (of(&STARTS)?, of(&ENDS)?);
        let is_known = self.index.contains_key("start") || self.index.contains_key("end");
        (!is_known).then(|| {
            let (start, end) = (excerpt(start), excerpt(end));
            format!("the columns {start} and {end} look like the times of segments and are not used, so that each row is a whole recording: rename them to start and end, in seconds")
        })
    }

    /// Whether a row names a recording that is not to be used.
    pub(super) fn is_excluded(&self, cells: &[String]) -> bool {
        self.exclusion(cells).is_some() && self.cell(cells, "path").is_some()
    }

    /// Why a row is not to be used, by its cell `excluded`: a reason, or a word for yes or no.
    pub(super) fn exclusion(&self, cells: &[String]) -> Option<String> {
        let cell = self.cell(cells, "excluded")?;
        match cell.to_lowercase().as_str() {
            "0" | "0.0" | "false" | "no" | "n" => None,
            _ if is_missing(cell) => None,
            "1" | "1.0" | "true" | "yes" | "y" | "x" => {
                Some("the column excluded says so".to_owned())
            }
            _ => Some(excerpt(cell)),
        }
    }

    /// The cell of the path as it stands, since a name may begin or end with a space.
    pub(super) fn path<'r>(&self, cells: &'r [String]) -> &'r str {
        let at = self.index.get("path").and_then(|at| cells.get(*at));
        at.map_or("", String::as_str)
    }

    /// The trimmed cell, `None` where there is no such column or nothing in it.
    pub(super) fn cell<'r>(&self, cells: &'r [String], name: &str) -> Option<&'r str> {
        cells
            .get(*self.index.get(name)?)
            .map(|c| c.trim())
            .filter(|c| !c.is_empty())
    }
}

/// A plain name of a time without the unit behind it, where that is seconds: `start_(s)`,
/// `end_sec`.
fn without_seconds(plain: &str) -> &str {
    let words: Vec<&str> = plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    match words[..] {
        [
            time @ ("start" | "end"),
            "s" | "sec" | "secs" | "second" | "seconds",
        ] => time,
        _ => plain,
    }
}

/// Why a row is left aside.
pub(in crate::corpus) type Refusal = (Reason, String);

/// Characters of a label, a name or a word.
const LONGEST_WORD: usize = 200;
/// Characters of a path, an id or a sentence: what file systems take.
const LONGEST_TEXT: usize = 4096;

/// Whether a manifest takes the text in that column, which is not empty.
pub(in crate::corpus) fn fits(column: &str, text: &str) -> bool {
    match column {
        "start" | "end" => seconds(column, Some(text)).is_ok(),
        "sex" => sex(text).is_some(),
        "split" => part(text).is_some(),
        _ => !is_too_long(column, text),
    }
}

/// Whether the text is longer than any such cell.
pub(super) fn is_too_long(column: &str, text: &str) -> bool {
    let most = if matches!(column, "path" | "id" | "text_id") {
        LONGEST_TEXT
    } else {
        LONGEST_WORD
    };
    text.len() > most && text.chars().nth(most).is_some()
}

/// A time from 0 on, `None` for an empty cell.
pub(super) fn seconds(name: &str, cell: Option<&str>) -> Result<Option<f64>, Refusal> {
    let Some(text) = cell.filter(|text| !is_missing(text)) else {
        return Ok(None);
    };
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value + 0.0)),
        _ => {
            let meant = meant(name, text).unwrap_or_else(|| "correct it".to_owned());
            Err((
                Reason::BadRow,
                format!(
                    "the {name} {} is not a number of seconds from 0: {meant}",
                    excerpt(text)
                ),
            ))
        }
    }
}

/// What to write in place of a time in another form.
fn meant(name: &str, text: &str) -> Option<String> {
    if name == "end" && text.parse::<f64>().is_ok_and(|end| end == -1.0) {
        return Some("leave the cell empty for the end of the recording".to_owned());
    }
    let point = text.replace(',', ".");
    if point.parse::<f64>().is_ok_and(|value| value >= 0.0) {
        return Some(format!("write a decimal point ({point})"));
    }
    let parts: Vec<f64> = point
        .split(':')
        .map(|part| part.trim().parse().ok().filter(|part| *part >= 0.0))
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else {
        return None;
    };
    Some(format!(
        "it is a time code; write seconds ({})",
        hours * 3600.0 + minutes * 60.0 + seconds
    ))
}

/// A speaker's sex, by its words in several languages.
pub(super) fn sex(text: &str) -> Option<Sex> {
    match words::sex(text)? {
        "female" => Some(Sex::Female),
        _ => Some(Sex::Male),
    }
}

/// A declared part by its usual names, and whether a number behind the name was passed over
/// (`Test2`).
pub(in crate::corpus) fn part(text: &str) -> Option<(&'static str, bool)> {
    if let Some(part) = words::part(text) {
        return Some((part, false));
    }
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = name.len() < text.len();
    words::part(name.trim_end_matches(['_', '-', ' ']))
        .filter(|_| numbered)
        .map(|part| (part, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_another_form_are_explained() {
        for (text, part) in [
            ("0,05", "write a decimal point (0.05)"),
            ("00:01:02,500", "write seconds (62.5)"),
            ("-1", "leave the cell empty for the end"),
            ("soon", "correct it"),
        ] {
            assert!(
                seconds("end", Some(text)).unwrap_err().1.contains(part),
                "{text}"
            );
        }
        assert_eq!(
            [seconds("end", Some("NaT")), seconds("end", Some("0.5"))],
            [Ok(None), Ok(Some(0.5))]
        );
        assert!(
            seconds("start", Some("-1"))
                .unwrap_err()
                .1
                .ends_with("correct it")
        );
    }

    #[test]
    fn parts_and_sexes_are_read_by_many_names() {
        let parts = [
            "Development",
            "Test1",
            "test_2",
            "TRAIN",
            "eval",
            "0",
            "Trainer",
            "1",
        ]
        .map(part);
        let test = |numbered| Some(("test", numbered));
        assert_eq!(
            parts,
            [
                Some(("validation", false)),
                test(true),
                test(true),
                Some(("train", false)),
                test(false),
                None,
                None,
                None
            ]
        );
        assert_eq!(
            [sex("W"), sex("hombre"), sex("unknown"), sex("1")],
            [Some(Sex::Female), Some(Sex::Male), None, None]
        );
    }
}
