//! Tables of labels that lie in the tree.

use std::collections::HashMap;
use std::path::Path;

use super::guess::Row;
use super::words;
use crate::corpus::manifest;
use crate::corpus::walk::stem;

/// Rows looked at most of one table: a corpus of more recordings has a manifest of its own making.
const MOST_ROWS: usize = 2_000_000;

/// Optional columns of a manifest, and what they are called elsewhere.
const OPTIONAL: &[(&str, &[&str])] = &[
    ("sex", &["sex", "gender"]),
    ("text_id", &["textid", "sentence", "sentenceid", "text", "transcript", "transcription", "utterance"]),
    ("session", &["session", "sessionid"]),
    ("split", &["split", "partition", "set", "fold", "part", "subset"]),
    ("start", &["start", "starts", "begin", "onset"]),
    ("end", &["end", "ends", "stop", "offset"]),
    ("language", &["language", "lang"]),
];

/// What a table says.
pub(super) struct Labelled {
    /// Rows of the recordings that it names.
    pub(super) rows: Vec<Row>,
    /// Which columns were taken for what.
    pub(super) evidence: Vec<String>,
    /// What could not be told.
    pub(super) doubts: Vec<String>,
}

fn is(column: &str, names: &[&str]) -> bool {
    let plain: String = column.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    names.contains(&plain.as_str())
}

/// Reads the table at `path` (below `root`) if one of its columns names most of the recordings and another holds emotions.
pub(super) fn labelled(root: &Path, path: &str, recordings: &[String]) -> Option<Labelled> {
    let (columns, cells) = manifest::cells(&root.join(path), MOST_ROWS).ok()?;
    let by_name = names(recordings);
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let find = |cell: &str| -> Option<&String> {
        let cell = cell.trim().trim_start_matches("./").replace('\\', "/");
        let candidates =
            [format!("{folder}{cell}"), cell.clone(), cell.rsplit('/').next().unwrap_or_default().to_owned(), stem(&cell).to_owned()];
        candidates.iter().find_map(|name| by_name.get(name.as_str()).copied().flatten())
    };
    let column = |of: &dyn Fn(usize) -> bool| (0..columns.len()).find(|&c| of(c));
    let share = |c: usize, of: &dyn Fn(&str) -> bool| {
        cells.iter().filter(|row| row.get(c).is_some_and(|cell| of(cell))).count() as f64 / cells.len().max(1) as f64
    };
    let file = column(&|c| share(c, &|cell| find(cell).is_some()) > 0.5)?;
    let named = |names: &'static [&'static str]| column(&|c| c != file && is(&columns[c], names));
    let emotion = named(&["emotion", "emo", "label", "emotionlabel", "class", "category", "target"])
        .or_else(|| column(&|c| c != file && share(c, &|cell| words::emotion(cell).is_some()) > 0.5))?;
    let speaker =
        named(&["speaker", "speakerid", "spk", "spkid", "actor", "actorid", "subject", "subjectid", "participant", "participantid"]);
    let mut doubts = Vec::new();
    let text = |row: &Vec<String>, c: usize| row.get(c).map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty());
    let mut optional = Vec::new();
    for (name, others) in OPTIONAL {
        let Some(c) = named(others) else { continue };
        match cells.iter().filter_map(|row| text(row, c)).find(|cell| !manifest::fits(name, cell)) {
            None => optional.push((*name, c)),
            Some(cell) => doubts.push(format!("column {} of {path} is not taken for {name}: it has the value {cell}", columns[c])),
        }
    }
    let mut rows = Vec::new();
    for row in &cells {
        let (Some(path), Some(emotion)) = (row.get(file).and_then(|cell| find(cell)), text(row, emotion)) else { continue };
        let value = |name: &str, c: usize| {
            let text = text(row, c)?;
            if name == "split" { manifest::part(&text).ok() } else { Some(text) }
        };
        let more = optional.iter().filter_map(|(name, c)| Some((*name, value(name, *c)?))).collect();
        rows.push(Row { path: path.clone(), emotion, speaker: speaker.and_then(|c| text(row, c)), more });
    }
    let mut evidence =
        vec![format!("the table {path}: column {} names the recordings, column {} the emotion", columns[file], columns[emotion])];
    match speaker {
        Some(speaker) => evidence.push(format!("column {} of it names the speaker", columns[speaker])),
        None => doubts.push(format!("{path} has no column for speakers")),
    }
    let lacking = recordings.len().saturating_sub(rows.iter().map(|row| &row.path).collect::<std::collections::BTreeSet<_>>().len());
    if lacking > 0 {
        doubts.push(format!("{lacking} recordings are not in {path}, or have no emotion there: they are left out"));
    }
    (!rows.is_empty()).then_some(Labelled { rows, evidence, doubts })
}

/// Recordings by path, file name and stem; a name that several share names none.
fn names(recordings: &[String]) -> HashMap<&str, Option<&String>> {
    let mut out: HashMap<&str, Option<&String>> = HashMap::new();
    for recording in recordings {
        let name = recording.rsplit('/').next().unwrap_or(recording);
        let mut all = vec![recording.as_str(), name, stem(recording)];
        all.dedup();
        for key in all {
            out.entry(key).and_modify(|other| *other = other.filter(|other| *other == recording)).or_insert(Some(recording));
        }
    }
    out
}
