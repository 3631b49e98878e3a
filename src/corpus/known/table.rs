//! Official tables of labels, for corpora whose file names do not tell them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// A table as its authors give it out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Its file name, wherever below the root it lies.
    pub(super) file: String,
    /// What it is called elsewhere.
    #[serde(default)]
    pub(super) other_name: String,
    /// The rows of a file without a header are its lines that begin like this; it is no part of
    /// their first cell.
    #[serde(default)]
    rows: String,
    /// What the first columns of a file without a header are called here.
    #[serde(default)]
    columns: Vec<String>,
    /// Between columns.
    #[serde(default = "comma")]
    separator: char,
    /// The file name of a row's recording, with `{Column}` for a cell; folders and extension do not
    /// count.
    recording: String,
    /// Only recordings in a folder of this name are meant.
    pub(super) folder: Option<String>,
    /// Column of the emotion.
    emotion: String,
    /// Column of the speaker.
    pub(super) speaker: Option<String>,
    /// Column of the speaker's sex.
    sex: Option<String>,
    /// Column of the sentence.
    sentence: Option<String>,
    /// Column of the part that the recording belongs to.
    pub(super) part: Option<String>,
}

fn comma() -> char {
    ','
}

/// What a table says of a recording, in the codes of the table.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) emotion: String,
    pub(super) speaker: Option<String>,
    pub(super) sex: Option<String>,
    pub(super) sentence: Option<String>,
    pub(super) part: Option<String>,
}

/// Rows by folder (empty: any) and file name without extension.
pub(super) type Rows = BTreeMap<(String, String), Row>;

impl Table {
    /// Adds the rows of the table at `path`.
    ///
    /// # Errors
    /// `Io` where it cannot be read, `Data` where it has no such column or a row that is none.
    pub(super) fn read(&self, path: &Path, rows: &mut Rows) -> Result<()> {
        let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{feff}');
        let has_header = self.columns.is_empty();
        let text = match has_header {
            true => text.to_owned(),
            false => text
                .lines()
                .filter_map(|line| Some(format!("{}\n", line.strip_prefix(&self.rows)?)))
                .collect(),
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(self.separator).unwrap_or(b','))
            .has_headers(has_header)
            .quoting(has_header)
            .flexible(true)
            .from_reader(text.as_bytes());
        let broken = |e: csv::Error| {
            Error::data(format!("{} cannot be read as a table: {e}", path.display()))
                .hint("take the file as its authors give it out")
        };
        let header: Vec<String> = match has_header {
            true => {
                let names = reader.headers().map_err(broken)?.iter();
                names.map(|name| name.trim().to_owned()).collect()
            }
            false => self.columns.clone(),
        };
        let column = |name: &str| {
            header.iter().position(|one| one == name).ok_or_else(|| {
                Error::data(format!("{} has no column {name}", path.display()))
                    .hint(format!("its columns are {}", header.join(", ")))
            })
        };
        let optional = |name: &Option<String>| name.as_deref().map(column).transpose();
        let emotion = column(&self.emotion)?;
        let (speaker, sex) = (optional(&self.speaker)?, optional(&self.sex)?);
        let (sentence, part) = (optional(&self.sentence)?, optional(&self.part)?);
        let mut pieces = Vec::new();
        let mut rest = self.recording.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            pieces.push((before, column(name)?));
            rest = after;
        }
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let cell = |at: usize| record.get(at).unwrap_or_default().trim();
            let mut name: String = pieces
                .iter()
                .map(|(before, at)| format!("{before}{}", cell(*at)))
                .collect();
            name.push_str(rest);
            let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
            let stem = match name.rsplit_once('.') {
                Some((stem, extension)) if extension.len() <= 4 => stem,
                _ => name,
            };
            let value = |at: Option<usize>| {
                let text = cell(at?);
                (!text.is_empty()).then(|| text.to_owned())
            };
            let row = Row {
                emotion: cell(emotion).to_owned(),
                speaker: value(speaker),
                sex: value(sex),
                sentence: value(sentence),
                part: value(part),
            };
            let folder = self.folder.clone().unwrap_or_default();
            rows.entry((folder, stem.to_owned())).or_insert(row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::corpus::known::{known, read};

    #[test]
    fn a_table_without_a_header_has_rows_by_how_they_begin() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "S01A-F01-P-FM01",
            "S01A-F01-P-FM02",
            "S20S-M06-T-MF10",
            "S03H-F02-R-FF01",
        ];
        for name in names {
            let path = dir.path().join(format!("MSP-IMPROV-{name}.wav"));
            std::fs::write(path, name).unwrap();
        }
        // As the corpus has it: a line of the consensus, then one for each rater.
        let text = "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.0; V:3.2; D:NaN ; N:4.4;\n\
                    R1; Neutral; \"well; A:2.0; V:3.0; D:NaN; N:4.0;\n\n\
                    UTD-IMPROV-S01A-F01-P-FM02.avi; X; A:2.0; V:3.2; D:NaN ; N:4.4;\n\
                    UTD-IMPROV-S20S-M06-T-MF10.avi; S; A:2.0; V:3.2; D:NaN ; N:4.4;\n\
                    UTD-IMPROV-S03H-F02-R-FF01.avi; A; A:2.0; V:3.2; D:NaN ; N:4.4;\n\
                    UTD-IMPROV-S09H-F02-R-FF01.avi; A; A:2.0; V:3.2; D:NaN ; N:4.4;\n";
        for file in ["Evalution.txt", "Evaluation.txt"] {
            let path = dir.path().join(file);
            std::fs::write(&path, text).unwrap();
            let listing = read(dir.path(), known("msp-improv").unwrap()).unwrap();
            let found: Vec<(&str, &str, &str)> = listing
                .sources
                .iter()
                .map(|one| {
                    let sex = one.sex.map_or("", |sex| sex.as_str());
                    (one.emotion.as_str(), one.speaker.as_str(), sex)
                })
                .collect();
            let right = [
                ("neutral", "F01", "female"),
                ("anger", "F02", "female"),
                ("sadness", "M06", "male"),
            ];
            assert_eq!(found, right, "{file}");
            let aside: Vec<&str> = listing
                .set_aside
                .iter()
                .map(|one| one.path.as_str())
                .collect();
            assert_eq!(
                aside,
                [
                    "MSP-IMPROV-S01A-F01-P-FM02.wav",
                    "MSP-IMPROV-S09H-F02-R-FF01"
                ]
            );
            std::fs::remove_file(path).unwrap();
        }
    }
}
