//! One table that lies in the tree: what its columns are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::guess::Row;
use super::latin;
use super::place::{Choices, Place};
use super::text::{composed, plain, some};
use super::words;
use crate::corpus::manifest;
use crate::corpus::walk::stem;
use crate::error::{Error, Result};
use crate::escape::shown;

/// Rows looked at most of one table: a corpus of more recordings has a manifest of its own making.
const MOST_ROWS: usize = 2_000_000;
/// Columns that are shown.
const SHOWN: usize = 8;

/// What columns of emotions are called; the first of these that is there is taken.
const EMOTION: [&str; 20] = [
    "emotion",
    "emo",
    "emotionlabel",
    "finallabel",
    "finalemotion",
    "final",
    "majority",
    "majorityvote",
    "gold",
    "goldstandard",
    "consensus",
    "agreed",
    "emotions",
    "gefuhl",
    "emocion",
    "emozione",
    "label",
    "class",
    "category",
    "target",
];

/// Optional columns of a manifest, and what they are called elsewhere.
const OPTIONAL: &[(&str, &[&str])] = &[
    ("sex", &["sex", "gender", "geschlecht", "sexe", "sexo", "sesso"]),
    ("text_id", &["textid", "sentence", "sentenceid", "text", "transcript", "transcription", "utterance", "satz"]),
    ("session", &["session", "sessionid", "sitzung"]),
    ("split", &["split", "partition", "set", "fold", "part", "subset"]),
    ("start", &["start", "starts", "begin", "onset"]),
    ("end", &["end", "ends", "stop", "offset"]),
    ("language", &["language", "lang", "sprache"]),
];

/// A table as it stands in its file.
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// What reading it left open.
    pub(super) doubts: Vec<String>,
}

/// Reads the table at `path`, which is called `name`, also where it is written in Windows-1252.
///
/// # Errors
/// As a manifest's.
pub(super) fn read(path: &Path, name: &str) -> Result<Sheet> {
    let first = manifest::cells(path, MOST_ROWS);
    let is_whole = first.as_ref().is_ok_and(|cells| cells.refused == 0);
    let copy = if is_whole { None } else { latin::as_utf8(path)? };
    let mut doubts = Vec::new();
    let cells = match &copy {
        None => first?,
        Some(copy) => {
            doubts.push(format!(
                "{name} is not UTF-8 and is read as Windows-1252: look whether its letters are right in the manifest, or save it as UTF-8"
            ));
            manifest::cells(copy.path(), MOST_ROWS)?
        }
    };
    if let Some(why) = &cells.why {
        doubts.push(format!("{} rows of {name} cannot be read and are left out, such as {why}", cells.refused));
    }
    Ok(Sheet { columns: cells.columns, rows: cells.rows, doubts })
}

/// What a table says.
pub(super) struct Labelled {
    /// Its path below the root.
    pub(super) table: String,
    /// Rows of the recordings that it names.
    pub(super) rows: Vec<Row>,
    /// Which columns were taken for what.
    pub(super) evidence: Vec<String>,
    /// What could not be told.
    pub(super) doubts: Vec<String>,
}

/// Why a table is not taken.
pub(super) struct Rejected {
    pub(super) why: String,
    /// Whether that should be known although the emotions are found elsewhere.
    pub(super) matters: bool,
}

/// Recordings by path, file name and stem.
pub(super) struct Names<'f> {
    files: &'f [String],
    /// A name that several recordings share names none.
    by_name: HashMap<String, Option<&'f String>>,
}

impl<'f> Names<'f> {
    /// Of `files`, which are sorted.
    pub(super) fn of(files: &'f [String]) -> Self {
        let mut by_name: HashMap<String, Option<&String>> = HashMap::new();
        for file in files {
            let name = file.rsplit('/').next().unwrap_or(file);
            for key in [file.as_str(), name, stem(file)].map(composed).into_iter().collect::<BTreeSet<_>>() {
                by_name.entry(key).and_modify(|other| *other = other.filter(|other| *other == file)).or_insert(Some(file));
            }
        }
        Names { files, by_name }
    }

    /// The recording that a cell of a table in `folder` means.
    pub(super) fn find(&self, folder: &str, cell: &str) -> Option<&'f String> {
        // The names as they are written, those beside the table before those of the whole tree.
        for exactly in [&format!("{folder}{cell}"), cell] {
            if let Ok(at) = self.files.binary_search_by(|file| file.as_str().cmp(exactly)) {
                return self.files.get(at);
            }
        }
        let cell = composed(cell.trim().trim_start_matches("./")).replace('\\', "/");
        let name = cell.rsplit('/').next().unwrap_or_default();
        let candidates = [&format!("{}{cell}", composed(folder)), &cell, name, stem(&cell)];
        candidates.into_iter().find_map(|name| self.by_name.get(name).copied().flatten())
    }
}

/// The folder of a table below the root, with a `/` behind it.
pub(super) fn folder(table: &str) -> String {
    table.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

impl Sheet {
    /// The column of that name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let exactly = self.columns.iter().position(|column| column == name);
        exactly.or_else(|| self.columns.iter().position(|column| plain(column.trim()) == plain(name.trim())))
    }

    /// The column whose cells name recordings: most of its cells, or most of the recordings.
    pub(super) fn of_files(&self, names: &Names<'_>, folder: &str) -> Option<usize> {
        (0..self.columns.len()).find(|&c| {
            let found: Vec<&String> = self.cells(c).filter_map(|cell| names.find(folder, cell)).collect();
            let files: BTreeSet<&&String> = found.iter().collect();
            found.len() * 2 > self.rows.len() || (files.len() * 2 > names.files.len() && files.len() * 2 > found.len())
        })
    }

    pub(super) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(String::as_str)
    }

    /// How many values a column has.
    fn distinct(&self, column: usize) -> usize {
        self.cells(column).map(str::trim).filter(|cell| !cell.is_empty()).collect::<BTreeSet<_>>().len()
    }

    /// Columns with their numbers of values.
    pub(super) fn seen(&self, columns: impl Iterator<Item = usize>) -> String {
        let seen: Vec<String> = columns
            .filter_map(|c| Some((c, self.columns.get(c)?)))
            .filter(|(_, name)| !name.is_empty())
            .map(|(c, name)| format!("{} ({} values)", shown(name), self.distinct(c)))
            .collect();
        some(&seen, SHOWN)
    }

    /// The columns that hold emotions, the likeliest first.
    fn emotions(&self, file: usize) -> Vec<usize> {
        let rank = |c: usize| {
            let plain: String = plain(self.columns.get(c)?).chars().filter(|c| c.is_alphanumeric()).collect();
            EMOTION.iter().position(|name| *name == plain)
        };
        let known = |c: usize| self.cells(c).filter(|cell| words::emotion(cell).is_some()).count() * 2 > self.rows.len();
        let mut found: Vec<(bool, usize, usize)> = (0..self.columns.len())
            .filter(|&c| c != file)
            .filter_map(|c| match (known(c), rank(c)) {
                (false, None) => None,
                (known, rank) => Some((!known, rank.unwrap_or(EMOTION.len()), c)),
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(.., c)| c).collect()
    }
}

/// Reads the table at `path` (below `root`) if one of its columns names recordings and another holds emotions.
pub(super) fn labelled(root: &Path, path: &str, names: &Names<'_>, choices: &Choices) -> Result<Labelled, Rejected> {
    let is_text = path.to_lowercase().ends_with(".txt");
    let unread = |e: Error| {
        let text = e.to_string().replace(&format!("{}/", root.display()), "");
        let hint = e.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Rejected { why: format!("{}{hint}", text.strip_prefix(&format!("{path} ")).unwrap_or(&text)), matters: !is_text }
    };
    let sheet = read(&root.join(path), path).map_err(unread)?;
    let folder = folder(path);
    let reject = |why: String, matters: bool| Rejected { why, matters };
    let Some(file) = sheet.of_files(names, &folder) else {
        return Err(reject("no column names the recordings".to_owned(), false));
    };
    let column = |c: usize| sheet.columns.get(c).map_or("", String::as_str);
    let others = || sheet.seen((0..sheet.columns.len()).filter(|c| *c != file));
    let emotions = match &choices.emotion {
        Some(Place::Column(name)) => sheet.place(name).into_iter().collect(),
        _ => sheet.emotions(file),
    };
    let Some(&emotion) = emotions.first() else {
        let what = match &choices.emotion {
            Some(Place::Column(name)) => format!("is {name}"),
            _ => "holds emotions".to_owned(),
        };
        return Err(reject(format!("column {} names the recordings, but none {what}: {}", column(file), others()), true));
    };
    let mut doubts = sheet.doubts.clone();
    if emotions.len() > 1 {
        let more: Vec<String> = emotions.iter().skip(1).map(|&c| column(c).to_owned()).collect();
        let which = more.first().map_or("", String::as_str);
        doubts.push(format!("the emotion could also be column {} of {path}: say so with --emotion \"column:{which}\"", more.join(", ")));
    }
    let free = |c: usize| c != file && c != emotion;
    let speaker = match &choices.speaker {
        None => (0..sheet.columns.len()).find(|&c| free(c) && words::is_speaker_column(column(c))),
        Some(Place::Column(name)) => sheet.place(name),
        Some(_) => None,
    };
    let text = |row: &Vec<String>, c: usize| row.get(c).map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty());
    let mut optional = Vec::new();
    for (name, others) in OPTIONAL {
        let is = |c: usize| others.contains(&plain(column(c)).chars().filter(|c| c.is_alphanumeric()).collect::<String>().as_str());
        let Some(c) = (0..sheet.columns.len()).find(|&c| free(c) && Some(c) != speaker && is(c)) else { continue };
        match sheet.rows.iter().filter_map(|row| text(row, c)).find(|cell| value(name, cell).is_none()) {
            None => optional.push((*name, c)),
            Some(cell) => doubts.push(format!("column {} of {path} is not taken for {name}: it has the value {cell}", column(c))),
        }
    }
    let mut rows = Vec::new();
    for row in &sheet.rows {
        let (Some(path), Some(emotion)) = (row.get(file).and_then(|cell| names.find(&folder, cell)), text(row, emotion)) else { continue };
        let more: BTreeMap<&'static str, String> =
            optional.iter().filter_map(|(name, c)| Some((*name, value(name, &text(row, *c)?)?))).collect();
        rows.push(Row { path: path.clone(), emotion, speaker: speaker.and_then(|c| text(row, c)), more });
    }
    let mut evidence =
        vec![format!("the table {path}: column {} names the recordings, column {} the emotion", column(file), column(emotion))];
    match speaker {
        Some(speaker) => evidence.push(format!("column {} of it names the speaker", column(speaker))),
        None if choices.speaker.is_none() => doubts.push(format!("{path} has no column for speakers")),
        None => {}
    }
    let used: BTreeSet<usize> = [file, emotion].into_iter().chain(speaker).chain(optional.iter().map(|(_, c)| *c)).collect();
    let unused = sheet.seen((0..sheet.columns.len()).filter(|c| !used.contains(c)));
    if !unused.is_empty() {
        evidence.push(format!("not used: {unused}"));
    }
    let lacking = names.files.len().saturating_sub(rows.iter().map(|row| &row.path).collect::<BTreeSet<_>>().len());
    if lacking > 0 {
        doubts.push(format!("{lacking} recordings are not in {path}, or have no emotion there: they are left out"));
    }
    if rows.is_empty() {
        return Err(reject(format!("column {} has no emotion of any recording", column(emotion)), true));
    }
    Ok(Labelled { table: path.to_owned(), rows, evidence, doubts })
}

/// A cell as a manifest takes it; `None` where it does not.
fn value(column: &str, cell: &str) -> Option<String> {
    match column {
        "split" => words::part(cell).map(str::to_owned),
        "sex" => words::sex(cell).map(str::to_owned),
        _ => manifest::fits(column, cell).then(|| cell.to_owned()),
    }
}
