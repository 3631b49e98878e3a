//! What was remarked on rows that are used all the same: how many have each remark, and one of
//! them.

use std::collections::BTreeMap;

use crate::text::excerpt;

/// A remark, and how it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remark {
    /// Of the same recording as an earlier row, with another label.
    Contradicts,
    /// Where the table was made, another folder stood before the path.
    Moved,
    /// The file has another extension.
    OtherExtension,
    /// An optional cell that is not understood.
    NoSex,
    NoPart,
    TooLong,
    /// `Test2` is read as `test`.
    NumberedPart,
    /// `a\b.wav` is read as `a/b.wav`.
    Backslashes,
    /// The name of the file has its accents in another form.
    Accents,
}

impl Remark {
    fn is_warning(self) -> bool {
        !matches!(
            self,
            Remark::NumberedPart | Remark::Backslashes | Remark::Accents
        )
    }

    /// What is said of one row, or of several.
    fn text(self, one: bool) -> String {
        let (verb, rest) = match self {
            Remark::Contradicts => (
                "repeat",
                "a recording with another emotion, speaker or exclusion than the first row of it, which counts",
            ),
            Remark::Moved => (
                "have",
                "a path that begins with another folder than corpus.root, under which the recording is found",
            ),
            Remark::OtherExtension => (
                "name",
                "a recording that is there with another extension only, which is taken",
            ),
            Remark::NoSex => (
                "have",
                "a sex that is neither female nor male: the cell is left empty",
            ),
            Remark::NoPart => (
                "have",
                "a split that is none of train, validation, test: the cell is left empty",
            ),
            Remark::TooLong => (
                "have",
                "an optional cell that is too long: it is left empty",
            ),
            Remark::NumberedPart => (
                "have",
                "a split with a number behind it, which is passed over",
            ),
            Remark::Backslashes => (
                "have",
                "backslashes in the path, which are read as separators of folders",
            ),
            Remark::Accents => (
                "name",
                "a recording whose accents are written in another form on disk",
            ),
        };
        match (one, verb) {
            (true, "have") => format!("has {rest}"),
            (true, _) => format!("{verb}s {rest}"),
            (false, _) => format!("{verb} {rest}"),
        }
    }
}

/// Remarks by kind.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    found: BTreeMap<Remark, (u64, String)>,
}

impl Remarks {
    /// Counts a remark. Of all examples the first in the alphabet is told, so that the order of
    /// rows does not matter.
    pub(super) fn add(&mut self, remark: Remark, example: &str) {
        let (count, least) = self
            .found
            .entry(remark)
            .or_insert_with(|| (0, example.to_owned()));
        *count += 1;
        if example < least.as_str() {
            example.clone_into(least);
        }
    }

    /// Warnings, and notes.
    pub(super) fn told(self) -> (Vec<String>, Vec<String>) {
        let mut told = (Vec::new(), Vec::new());
        for (remark, (count, example)) in self.found {
            let rows = if count == 1 { "row" } else { "rows" };
            let line = format!(
                "{count} {rows} of the manifest {}, such as {}",
                remark.text(count == 1),
                excerpt(&example)
            );
            if remark.is_warning() {
                told.0.push(line)
            } else {
                told.1.push(line)
            }
        }
        told
    }
}
