//! What one table says of recordings.

use std::collections::{BTreeMap, BTreeSet};

use super::Folder;
use super::place::{Choices, Place};
use super::proposal::Row;
use super::recording_index::{CellResolver, RecordingIndex};
use super::sheet::{MOST_ROWS, Sheet, name_recordings, read};
use super::table_folders::{level_like, locate};
use super::votes::{UNDECIDED, add_majority, add_winner, count_choices, count_raters};
use super::words;
use crate::corpus::walk::{extension, file_name, is_audio_name};
use crate::corpus::{MOST_CLASSES, Reason, SetAside, is_missing, is_unknown, manifest};
use crate::error::Error;
use crate::text::{excerpt, plural};

/// Optional columns of a manifest, and what they are called elsewhere.
const OPTIONAL: &[(&str, &[&str])] = &[
    (
        "sex",
        &["sex", "gender", "geschlecht", "sexe", "sexo", "sesso"],
    ),
    (
        "text_id",
        &[
            "textid",
            "sentence",
            "sentenceid",
            "text",
            "transcript",
            "transcription",
            "utterance",
            "satz",
        ],
    ),
    ("session", &["session", "sessionid", "sitzung"]),
    (
        "split",
        &[
            "split",
            "splitset",
            "partition",
            "set",
            "fold",
            "part",
            "subset",
        ],
    ),
    ("start", &["start", "starts", "begin", "onset"]),
    ("end", &["end", "ends", "stop", "offset"]),
    ("language", &["language", "lang", "sprache"]),
];

/// What a table says, or several of one form.
pub(super) struct LabelTable {
    /// Their paths below the root.
    pub(super) tables: Vec<String>,
    /// The header, and the numbers of the columns that are taken: tables that share these are of
    /// one form.
    pub(super) form: (Vec<String>, Vec<usize>),
    /// Rows of the recordings that they name.
    pub(super) rows: Vec<Row>,
    /// Rows of the recordings that they name and give no emotion, by path.
    pub(super) unlabelled: BTreeMap<String, Row>,
    /// Rows whose recordings are not there.
    pub(super) missing: Vec<SetAside>,
    /// Which columns were taken for what.
    pub(super) evidence: Vec<String>,
    /// What could not be told.
    pub(super) warnings: Vec<String>,
}

/// Why a table is not taken.
pub(super) struct Rejected {
    pub(super) why: String,
    /// Whether that should be known although the emotions are found elsewhere.
    pub(super) matters: bool,
}

impl Rejected {
    fn new(why: String, matters: bool) -> Self {
        Rejected { why, matters }
    }
}

/// Counts things, and keeps the first.
#[derive(Default)]
struct Counted {
    count: usize,
    first: String,
}

impl Counted {
    fn add(&mut self, example: &str) {
        if self.count == 0 {
            self.first = excerpt(example);
        }
        self.count += 1;
    }

    /// A sentence, where there is something to tell.
    fn told(&self, sentence: impl FnOnce(usize, &str) -> String) -> Option<String> {
        (self.count > 0).then(|| sentence(self.count, &self.first))
    }
}

/// Reads the table at `path` (below `root`) if one of its columns names recordings and another
/// holds emotions.
pub(super) fn labelled(
    folder: &Folder,
    path: &str,
    index: &RecordingIndex<'_>,
) -> Result<LabelTable, Rejected> {
    let Folder {
        root,
        choices,
        cancel,
        ..
    } = *folder;
    let is_text = path.to_lowercase().ends_with(".txt");
    let unread = |e: Error| {
        let text = e.to_string().replace(&format!("{}/", root.display()), "");
        let hint = e
            .hint_text()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        Rejected::new(
            format!(
                "{}{hint}",
                text.strip_prefix(&format!("{path} ")).unwrap_or(&text)
            ),
            !is_text,
        )
    };
    let mut sheet = read(&root.join(path), path, MOST_ROWS, cancel).map_err(unread)?;
    sheet.without_header(index, path);
    name_recordings(&mut sheet, path, index);
    let (file, resolver) = locate(&mut sheet, path, index, cancel).map_err(|why| match why {
        Some(why) => Rejected::new(why, true),
        None => elsewhere(&sheet, index, is_text),
    })?;
    let mut votes = count_choices(&mut sheet, file);
    let mut counted = Vec::new();
    if choices.emotion.is_none()
        && let Some(found) = add_majority(&mut sheet, file).or_else(|| add_winner(&mut sheet, file))
    {
        votes.push(found.said);
        counted = found.columns;
    }
    let emotion = emotion(&sheet, file, path, choices)?;
    let is_more = |c: &usize| {
        let name = sheet.columns.get(*c).map_or("", String::as_str);
        let key = words::key(name);
        let is_known = OPTIONAL
            .iter()
            .any(|(_, others)| others.contains(&key.as_str()));
        ![file, emotion.column].contains(c) && (is_known || words::is_speaker_column(name))
    };
    let more: Vec<usize> = (0..sheet.columns.len()).filter(is_more).collect();
    votes.extend(count_raters(&mut sheet, file, emotion.column, &more));
    let mut warnings = sheet.warnings.clone();
    warnings.extend(votes.into_iter().map(|what| format!("in {path}, {what}")));
    warnings.extend(emotion.warning);
    let column = |c: usize| sheet.columns.get(c).map_or("", String::as_str);
    let emotion = emotion.column;
    let free = |c: usize| c != file && c != emotion;
    let speaker = match &choices.speaker {
        None => (0..sheet.columns.len()).find(|&c| free(c) && words::is_speaker_column(column(c))),
        Some(Place::Column(name)) => sheet.place(name),
        Some(_) => None,
    };
    let text = |row: &Vec<String>, c: usize| {
        row.get(c)
            .map(|cell| cell.trim().to_owned())
            .filter(|cell| !is_missing(cell))
    };
    let mut optional = Vec::new();
    for (name, others) in OPTIONAL {
        let is = |c: usize| others.contains(&words::key(column(c)).as_str());
        let Some(c) = (0..sheet.columns.len()).find(|&c| free(c) && Some(c) != speaker && is(c))
        else {
            continue;
        };
        // A time that cannot be read makes a segment another one; of the others a cell may stay
        // empty.
        let is_needed = matches!(*name, "start" | "end");
        let (mut odd, mut strange) = (Counted::default(), Counted::default());
        let mut known = 0;
        for cell in sheet.rows.iter().filter_map(|row| text(row, c)) {
            let is_unknown = is_unknown(&cell);
            known += usize::from(!is_unknown);
            if is_unknown || value(name, &cell).is_none() {
                odd.add(&cell);
                if is_needed || !is_unknown {
                    strange.add(&cell);
                }
            }
        }
        if strange.count == 0 || (!is_needed && strange.count * 2 < known) {
            optional.push((*name, c));
            warnings.extend(odd.told(|n, first| {
                let first = match strange.count {
                    0 => first,
                    _ => &strange.first,
                };
                format!(
                    "in {}, column {} of {path} gives no {name}, such as {first}: left empty",
                    plural(n, "cell"),
                    column(c)
                )
            }));
        } else {
            warnings.push(format!(
                "column {} of {path} is not taken for {name}: it has the value {}",
                column(c),
                strange.first
            ));
        }
    }
    let (mut rows, mut gone, mut bare, mut other) = (
        Vec::new(),
        Counted::default(),
        Counted::default(),
        Counted::default(),
    );
    let (mut unlabelled, mut missing) = (BTreeMap::new(), Vec::new());
    for (i, row) in sheet.rows.iter().enumerate() {
        let Some(cell) = row.get(file).filter(|cell| !cell.trim().is_empty()) else {
            continue;
        };
        let Some(found) = resolver.find(cell) else {
            let name = cell.trim().replace('\\', "/");
            let what = match index.is_repeated(&name) {
                true => "which is the name of several recordings: write their folders before it",
                false => "which is not there",
            };
            gone.add(cell);
            missing.push(SetAside {
                path: name.trim_start_matches('/').to_owned(),
                reason: Reason::MissingAudio,
                detail: format!("{} of {path} names it, {what}", sheet.place_of(i)),
            });
            continue;
        };
        if is_audio_name(cell.trim()) && extension(cell.trim()) != extension(found) {
            other.add(&format!("{} for {found}", cell.trim()));
        }
        let more: BTreeMap<&'static str, String> = optional
            .iter()
            .filter_map(|(name, c)| Some((*name, text(row, *c)?)))
            .filter(|(_, cell)| !is_unknown(cell))
            .filter_map(|(name, cell)| Some((name, value(name, &cell)?)))
            .collect();
        let label = text(row, emotion).filter(|label| {
            manifest::fits("emotion", label) && !is_unknown(label) && label != UNDECIDED
        });
        let whole = Row {
            path: found.clone(),
            emotion: label.clone().unwrap_or_default(),
            speaker: speaker.and_then(|c| text(row, c)),
            columns: more,
        };
        if label.is_some() {
            rows.push(whole);
        } else {
            let cell = row.get(emotion).map_or("", |cell| cell.trim());
            if cell != UNDECIDED {
                bare.add(cell);
            }
            unlabelled.insert(found.clone(), whole);
        }
    }
    warnings.extend(gone.told(|n, first| {
        format!(
            "in {}, {path} names recordings that are not there, such as {first}: excluded",
            plural(n, "row")
        )
    }));
    warnings.extend(bare.told(|n, first| {
        let what = if first.is_empty() { "an empty cell, or one like it".to_owned() } else { format!("`{first}`") };
        format!("in {}, {path} gives no emotion ({what}): left out; where that is a class, write it into the manifest", plural(n, "row"))
    }));
    warnings.extend(
        other.told(|n, first| format!("in {}, {path} names a file of another type than the one that is there, such as {first}", plural(n, "row"))),
    );
    let mut evidence = vec![format!(
        "column {} names the recordings, column {} the emotion",
        column(file),
        column(emotion)
    )];
    match speaker {
        Some(speaker) => evidence.push(format!(
            "column {} of it names the speaker",
            column(speaker)
        )),
        None if choices.speaker.is_none() => {
            warnings.push(format!("{path} has no column for speakers"));
            let used = |c: usize| !free(c) || optional.iter().any(|(_, of)| *of == c);
            let columns = (0..sheet.columns.len()).filter(|&c| !used(c));
            warnings
                .extend(columns.filter_map(|c| offer_speaker(&sheet, c, &resolver, file, emotion)));
        }
        None => {}
    }
    let used: Vec<usize> = [file, emotion]
        .into_iter()
        .chain(speaker)
        .chain(optional.iter().map(|(_, c)| *c))
        .collect();
    let is_unused = |c: &usize| !used.contains(c) && !counted.contains(c);
    let unused = sheet.seen((0..sheet.columns.len()).filter(is_unused));
    if !unused.is_empty() {
        evidence.push(format!("not used: {unused}"));
    }
    if rows.is_empty() {
        return Err(Rejected::new(
            format!("column {} has no emotion of any recording", column(emotion)),
            true,
        ));
    }
    Ok(LabelTable {
        tables: vec![path.to_owned()],
        form: (sheet.columns.clone(), used),
        rows,
        unlabelled,
        missing,
        evidence,
        warnings,
    })
}

/// Says that a column could name the speakers: it is called after patients, or tells the same
/// recordings apart as a folder.
fn offer_speaker(
    sheet: &Sheet,
    c: usize,
    resolver: &CellResolver<'_, '_>,
    file: usize,
    emotion: usize,
) -> Option<String> {
    let rows = sheet.rows.iter().filter_map(|row| {
        let path = resolver.find(row.get(file)?)?.as_str();
        Some((path, row.get(c)?.trim(), row.get(emotion)?.trim()))
    });
    let name = sheet.columns.get(c)?;
    let why = match level_like(rows) {
        Some(level) => format!("its values are those of folder:{level}"),
        None if words::key(name).starts_with("patient") => "as it is called".to_owned(),
        None => return None,
    };
    Some(format!(
        "column {} could be the speaker, {why}: say --speaker \"column:{name}\" if it is",
        sheet.seen([c].into_iter())
    ))
}

/// Why no column names the recordings: one may name others, of which bare names are the same, or
/// the table cannot be read for what parts its cells.
fn elsewhere(sheet: &Sheet, index: &RecordingIndex<'_>, is_text: bool) -> Rejected {
    if sheet.rows.is_empty() && !sheet.warnings.is_empty() {
        let why = format!("no row can be used: {}", sheet.warnings.join("; "));
        return Rejected::new(why, !is_text);
    }
    let name = |cell: &str| file_name(&cell.trim().replace('\\', "/")).to_owned();
    let resolver = index.resolver("", [].into_iter());
    for (c, column) in sheet.columns.iter().enumerate() {
        let bare: Vec<String> = sheet.cells(c).map(name).collect();
        let there = sheet
            .cells(c)
            .zip(&bare)
            .filter(|(cell, name)| cell.contains(['/', '\\']) && resolver.find(name).is_some());
        let there: Vec<&str> = there.map(|(cell, _)| cell).collect();
        if let Some(first) = there.first().filter(|_| there.len() * 2 > sheet.rows.len()) {
            let (n, column, first) = (there.len(), excerpt(column), excerpt(first));
            let why = format!(
                "column {column} names recordings in folders that are not there: {}, such as {first}",
                plural(n, "row")
            );
            return Rejected::new(why, true);
        }
        // A note may begin with a name, too.
        let begins = |cell: &&str| {
            let mut parts = cell.split(|c: char| c.is_whitespace() || ":=;|".contains(c));
            let first = parts.next().unwrap_or_default();
            resolver.find(first).is_some() && parts.any(|part| words::emotion(part).is_some())
        };
        let n = sheet.cells(c).filter(begins).count();
        if n * 2 > sheet.rows.len() {
            let why = format!(
                "the cells of {} begin with names of recordings and have emotions behind them: put commas, semicolons or tabs between the columns",
                plural(n, "row")
            );
            return Rejected::new(why, true);
        }
    }
    Rejected::new("no column names the recordings".to_owned(), false)
}

/// The column of emotions, and what has to be warned of.
struct Emotion {
    column: usize,
    warning: Option<String>,
}

fn emotion(sheet: &Sheet, file: usize, path: &str, choices: &Choices) -> Result<Emotion, Rejected> {
    let column = |c: usize| sheet.columns.get(c).map_or("", String::as_str);
    let others = || sheet.seen((0..sheet.columns.len()).filter(|c| *c != file));
    let none = |what: String| {
        Err(Rejected::new(
            format!(
                "column {} names the recordings, but none {what}: {}",
                column(file),
                others()
            ),
            true,
        ))
    };
    if let Some(Place::Column(name)) = &choices.emotion {
        let Some(column) = sheet.place(name) else {
            return none(format!("is {name}"));
        };
        let distinct: BTreeSet<&str> = sheet.cells(column).collect();
        if distinct.len() > MOST_CLASSES {
            return none(format!(
                "of few enough classes is {name} ({} values)",
                distinct.len()
            ));
        }
        return Ok(Emotion {
            column,
            warning: None,
        });
    }
    let found = sheet.emotions(file);
    let Some((&first, more)) = found.columns.split_first() else {
        let named: Vec<&str> = (0..sheet.columns.len())
            .map(column)
            .filter(|name| words::emotion(name).is_some())
            .collect();
        if named.len() > 1 {
            let why = format!(
                "columns {} are one for each emotion: write one column with the emotion of each recording in place of them",
                named.join(", ")
            );
            return Err(Rejected::new(why, true));
        }
        return none("holds emotions".to_owned());
    };
    if let Some((rival, rows)) = found.rival {
        return Err(Rejected::new(
            format!(
                "columns {} and {} both hold emotions, which differ in {rows} of {} rows: say which is meant with --emotion \"column:{}\"",
                column(first),
                column(rival),
                sheet.rows.len(),
                column(first)
            ),
            true,
        ));
    }
    let Some(which) = more.first() else {
        return Ok(Emotion {
            column: first,
            warning: None,
        });
    };
    let names: Vec<&str> = more.iter().map(|&c| column(c)).collect();
    let differ = sheet.differing(first, *which);
    let differ = if differ > 0 {
        format!(" ({differ} rows differ)")
    } else {
        String::new()
    };
    let warning = format!(
        "the emotion could also be column {} of {path}{differ}: say so with --emotion \"column:{}\"",
        names.join(", "),
        column(*which)
    );
    Ok(Emotion {
        column: first,
        warning: Some(warning),
    })
}

/// A cell as a manifest takes it; `None` where it does not.
fn value(column: &str, cell: &str) -> Option<String> {
    match column {
        "split" => manifest::part(cell).map(|(part, _)| part.to_owned()),
        "sex" => words::sex(cell).map(str::to_owned),
        _ => manifest::fits(column, cell).then(|| cell.to_owned()),
    }
}
