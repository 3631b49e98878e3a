//! The rows of an imported table in memory: what may name recordings, times, and features.

use std::collections::HashSet;

use super::cells::{is_decimal_comma, number};
use super::settings::{ImportSettings, name_of};
use crate::corpus::{is_missing, seconds};
use crate::error::{Error, Result};
use crate::text::{excerpt, listed, nearest, plural};

/// Most columns of features: well above the widest set of openSMILE (6 373).
const MOST_COLUMNS: usize = 16_384;
/// Columns named in one message.
pub(super) const SHOWN: usize = 12;

/// Columns that name recordings, most telling first, whatever their cells look like.
const KEYS: &[&str] = &[
    "file",
    "path",
    "filepath",
    "filename",
    "wav",
    "wavpath",
    "audio",
    "audiopath",
    "recording",
    "segment",
    "segmentid",
    "utterance",
    "utteranceid",
    "uttid",
    "id",
    "key",
    "name",
    "stem",
];
/// Columns of what is to be predicted: never an input.
const LABELS: &[&str] = &[
    "label",
    "labels",
    "class",
    "classlabel",
    "emotion",
    "emotions",
    "emo",
    "target",
    "category",
    "truth",
];
/// Columns that describe a recording, a speaker or a row, though they may hold numbers. Dimensions
/// of emotion are labels in many tables.
const OTHERS: &[&str] = &[
    "valence",
    "arousal",
    "activation",
    "dominance",
    "y",
    "islabeled",
    "speaker",
    "speakerid",
    "spk",
    "actor",
    "subject",
    "gender",
    "sex",
    "age",
    "session",
    "dialog",
    "text",
    "textid",
    "sentence",
    "start",
    "end",
    "starts",
    "ends",
    "begin",
    "onset",
    "offset",
    "frametime",
    "frame",
    "frameindex",
    "time",
    "fold",
    "split",
    "set",
    "partition",
    "part",
    "index",
    "level0",
    "utteranceid",
    "contenthash",
];

/// A table of features, row by row.
#[derive(Debug, Clone)]
pub struct ImportTable {
    /// Name of its file.
    pub file: String,
    /// Names of the features.
    pub columns: Vec<String>,
    /// Columns that are no features, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// What a place is a number of: `line` or `row`.
    pub(super) unit: &'static str,
    pub(super) places: Vec<u64>,
    /// Columns that may name recordings, those of telling names first.
    pub(super) keys: Vec<Key>,
    /// Beginning and end in seconds, of a table of segments.
    pub(super) times: Option<Vec<(f64, Option<f64>)>>,
    /// Row by row; not finite where a cell holds no number.
    values: Vec<f32>,
}

/// A column of names.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key(usize),
    Start,
    End,
    Feature(usize),
    LeftOut,
}

/// What was seen in a column of features.
#[derive(Default, Clone)]
struct Seen {
    numbers: u64,
    texts: u64,
    /// The first cell that is no number, and where it is.
    first: Option<(u64, String)>,
}

/// A table whose rows are still to come.
pub(super) struct Builder<'a> {
    settings: &'a ImportSettings,
    /// Those of `columns`.
    listed: HashSet<&'a str>,
    names: Vec<String>,
    roles: Vec<Role>,
    seen: Vec<Seen>,
    table: ImportTable,
}

impl ImportTable {
    /// The values of a row.
    pub fn row(&self, row: usize) -> &[f32] {
        let width = self.columns.len();
        &self.values[row * width..(row + 1) * width]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// The columns that may name recordings.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.keys.iter().map(|key| &key.name)
    }

    /// `line 7 of features.csv`.
    pub fn place(&self, row: usize) -> String {
        format!("{} {} of {}", self.unit, self.places[row], self.file)
    }

    /// A table whose values are known, with a name for each row.
    pub(super) fn of_array(
        settings: &ImportSettings,
        names: Vec<String>,
        values: Vec<f32>,
        ids: Key,
    ) -> Result<ImportTable> {
        let wide = names.len();
        let rows = ids.cells.len() as u64;
        let table = ImportTable {
            file: name_of(&settings.path),
            columns: names,
            left_out: vec![],
            unit: "row",
            places: (1..=rows).collect(),
            keys: vec![ids],
            times: None,
            values,
        };
        check_width(&table.file, wide)?;
        let wanted: Vec<bool> = (table.columns.iter())
            .map(|name| settings.columns.is_empty() || is_listed(settings, name))
            .collect();
        check_listed(settings, &table.columns)?;
        Ok(table.narrowed(&wanted))
    }

    /// The table with some of its columns.
    fn narrowed(mut self, wanted: &[bool]) -> ImportTable {
        if wanted.iter().all(|wanted| *wanted) {
            return self;
        }
        let width = wanted.len();
        let values = self.values.iter().enumerate();
        self.values = values
            .filter(|(i, _)| wanted[i % width])
            .map(|(_, value)| *value)
            .collect();
        let mut keep = wanted.iter();
        self.columns.retain(|_| keep.next() == Some(&true));
        self
    }
}

impl<'a> Builder<'a> {
    /// Finds out what the columns are for, by their names and the first row.
    pub(super) fn new(
        settings: &'a ImportSettings,
        names: Vec<String>,
        unit: &'static str,
        (place, first): (u64, &[String]),
    ) -> Result<Builder<'a>> {
        let file = name_of(&settings.path);
        check_header(&file, &names)?;
        check_listed(settings, &names)?;
        if let Some(id) = &settings.id
            && !names.contains(id)
        {
            return Err(no_column(settings, &[id], &names));
        }
        let mut builder = Builder {
            settings,
            listed: settings.columns.iter().map(String::as_str).collect(),
            roles: Vec::with_capacity(names.len()),
            seen: vec![],
            table: ImportTable {
                file,
                columns: vec![],
                left_out: vec![],
                unit,
                places: vec![],
                keys: vec![],
                times: None,
                values: vec![],
            },
            names,
        };
        let time = |words: [&str; 2]| {
            let is_it = |name: &&String| words.contains(&plain(name).as_str());
            builder.names.iter().find(is_it).cloned()
        };
        let times = time(["start", "starts"]).zip(time(["end", "ends"]));
        for (at, first) in first.iter().enumerate() {
            let role = builder.role(at, first, times.as_ref(), place)?;
            builder.roles.push(role);
        }
        check_width(&builder.table.file, builder.table.columns.len())?;
        if times.is_some() {
            builder.table.times = Some(vec![]);
        }
        Ok(builder)
    }

    fn role(
        &mut self,
        at: usize,
        first: &str,
        times: Option<&(String, String)>,
        place: u64,
    ) -> Result<Role> {
        let (settings, name) = (self.settings, self.names[at].clone());
        let word = plain(&name);
        let is_text = number(first).is_none() && !is_missing(first);
        let exactly = self.listed.contains(name.as_str());
        let listed = exactly || is_listed(settings, &name);
        let mut leave_out = |why: &str| {
            self.table.left_out.push((name.clone(), why.to_owned()));
            Ok(Role::LeftOut)
        };
        if LABELS.contains(&word.as_str()) && exactly {
            let error = Error::config(format!(
                "the column `{name}` of {} has the name of a label: what is to be predicted cannot be an input",
                self.table.file
            ));
            return Err(error.hint(format!(
                "take it out of `columns` of the import `{}`, or rename the column",
                settings.name
            )));
        }
        match times {
            Some((start, _)) if name == *start => return Ok(Role::Start),
            Some((_, end)) if name == *end => return Ok(Role::End),
            _ => {}
        }
        let is_key = match &settings.id {
            Some(id) => name == *id,
            None => !exactly && (is_text || KEYS.contains(&word.as_str())),
        };
        if is_key && is_decimal_comma(first) && !KEYS.contains(&word.as_str()) {
            return Err(decimal_comma(&self.table, place, &name, first));
        }
        if is_key && !LABELS.contains(&word.as_str()) {
            self.table.keys.push(Key {
                name,
                cells: vec![],
            });
            return Ok(Role::Key(self.table.keys.len() - 1));
        }
        if is_text && exactly {
            return Err(self.no_numbers(&name, &(place, first.to_owned())));
        }
        if is_text {
            return leave_out("text");
        }
        if is_other(&word) && !exactly {
            return leave_out("the name of a label, a speaker, a place or a row number");
        }
        if !settings.columns.is_empty() && !listed {
            return leave_out("not named in `columns`");
        }
        self.table.columns.push(name);
        self.seen.push(Seen::default());
        Ok(Role::Feature(self.table.columns.len() - 1))
    }

    /// Takes the next row.
    pub(super) fn push(&mut self, place: u64, cells: Vec<String>) -> Result<()> {
        let mut time = (0.0, None);
        for (cell, role) in cells.into_iter().zip(&self.roles) {
            match *role {
                Role::Key(key) => self.table.keys[key].cells.push(cell),
                Role::LeftOut => {}
                Role::Start => time.0 = self.seconds(place, &cell)?.unwrap_or(0.0),
                Role::End => time.1 = self.seconds(place, &cell)?,
                Role::Feature(column) => {
                    let value = number(&cell);
                    let seen = &mut self.seen[column];
                    match value {
                        Some(_) => seen.numbers += 1,
                        None if is_missing(&cell) => {}
                        None => {
                            seen.texts += 1;
                            seen.first.get_or_insert((place, cell));
                        }
                    }
                    self.table.values.push(value.unwrap_or(f32::NAN));
                }
            }
        }
        if let Some(times) = &mut self.table.times {
            times.push(time);
        }
        self.table.places.push(place);
        Ok(())
    }

    fn seconds(&self, place: u64, cell: &str) -> Result<Option<f64>> {
        seconds(cell).map_err(|why| {
            let unit = self.table.unit;
            let message = format!("{unit} {place} of {}: {why}", self.table.file);
            Error::data(message)
                .hint("write seconds, or timedeltas as pandas writes them (0 days 00:00:01.5)")
        })
    }

    fn no_numbers(&self, name: &str, (place, cell): &(u64, String)) -> Error {
        let error = Error::config(format!(
            "the column `{name}` of {} holds no numbers ({} {place}: {})",
            self.table.file,
            self.table.unit,
            excerpt(cell)
        ));
        let import = &self.settings.name;
        error.hint(format!("take it out of `columns` of the import `{import}`"))
    }

    /// Completes the table: columns without any number are no features.
    pub(super) fn finish(mut self) -> Result<ImportTable> {
        let mut wanted = Vec::new();
        for (name, seen) in self.table.columns.iter().zip(&self.seen) {
            let exactly = self.listed.contains(name.as_str());
            let stray = seen.first.as_ref().filter(|_| seen.texts > 0);
            match stray {
                Some((place, cell)) if is_decimal_comma(cell) => {
                    return Err(decimal_comma(&self.table, *place, name, cell));
                }
                Some(first) if exactly && seen.numbers == 0 => {
                    return Err(self.no_numbers(name, first));
                }
                Some((place, cell)) if seen.numbers > seen.texts => {
                    let error = Error::data(format!(
                        "{} {place} of {}: `{}` is no number, and the other cells of the column `{name}` are",
                        self.table.unit,
                        self.table.file,
                        excerpt(cell)
                    ));
                    return Err(error.hint("correct the cell, empty it, or leave the column out: `columns` of the import names those that are features"));
                }
                _ => {}
            }
            wanted.push(seen.numbers > 0);
            if seen.numbers == 0 || seen.texts >= seen.numbers {
                if let Some(last) = wanted.last_mut() {
                    *last = false;
                }
                let why = if seen.texts > 0 {
                    "text"
                } else {
                    "no number in any row"
                };
                self.table.left_out.push((name.clone(), why.to_owned()));
            }
        }
        let mut table = self.table.narrowed(&wanted);
        let rank = |name: &str| KEYS.iter().position(|key| *key == plain(name));
        let last = KEYS.len();
        (table.keys).sort_by_key(|key| rank(&key.name).unwrap_or(last));
        if !table.columns.is_empty() {
            return Ok(table);
        }
        let names: Vec<String> = self.names.iter().map(|name| excerpt(name)).collect();
        let error = Error::data(format!(
            "no column of {} holds numbers that could be features; its columns are {}",
            table.file,
            listed(&names, SHOWN)
        ));
        Err(error.hint(
            "write one column a feature (a list in a cell is none), with numbers in its cells",
        ))
    }
}

/// A column name without case, and without what separates words.
fn plain(name: &str) -> String {
    let name = name.trim().to_lowercase();
    name.replace(['_', '-', ' ', '.', ':'], "")
}

/// Whether a name is that of what describes a row, or of a label; pandas writes `Unnamed: 0` for
/// numbers of rows.
fn is_other(word: &str) -> bool {
    let begins = ["label", "emotion", "speaker"]
        .iter()
        .any(|begin| word.starts_with(begin));
    if begins || word.ends_with("label") || word.ends_with("emotion") || LABELS.contains(&word) {
        return true;
    }
    OTHERS.contains(&word) || word.is_empty() || word.starts_with("unnamed")
}

fn decimal_comma(table: &ImportTable, place: u64, name: &str, cell: &str) -> Error {
    let error = Error::data(format!(
        "{} {place} of {}: `{}` in the column `{name}` has a decimal comma",
        table.unit,
        table.file,
        excerpt(cell)
    ));
    error.hint("write numbers with a decimal point")
}

/// Whether `columns` names this column, itself or by how it begins.
fn is_listed(settings: &ImportSettings, name: &str) -> bool {
    let mut listed = settings.columns.iter();
    listed.any(|listed| fits(listed, name))
}

fn fits(listed: &str, name: &str) -> bool {
    let begins = |prefix| name.starts_with::<&str>(prefix);
    listed == name || listed.strip_suffix('*').is_some_and(begins)
}

/// Refuses entries of `columns` that fit no column.
fn check_listed(settings: &ImportSettings, names: &[String]) -> Result<()> {
    let known: HashSet<&String> = names.iter().collect();
    let is_lost = |listed: &&String| match listed.ends_with('*') {
        true => !names.iter().any(|name| fits(listed, name)),
        false => !known.contains(listed),
    };
    let lost: Vec<&String> = settings.columns.iter().filter(is_lost).collect();
    match lost[..] {
        [] => Ok(()),
        _ => Err(no_column(settings, &lost, names)),
    }
}

fn no_column(settings: &ImportSettings, lost: &[&String], names: &[String]) -> Error {
    let quoted = |name: &&String| format!("`{}`", excerpt(name));
    let error = Error::config(format!(
        "{} has no column {} (import `{}`)",
        name_of(&settings.path),
        listed(&lost.iter().map(quoted).collect::<Vec<_>>(), SHOWN),
        settings.name
    ));
    let near = lost
        .first()
        .and_then(|lost| nearest(lost, names.iter().map(String::as_str)));
    let names: Vec<String> = names.iter().map(|name| excerpt(name)).collect();
    error.hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its columns are {}", listed(&names, SHOWN)),
    })
}

/// Refuses a header with a name twice, and a first line that holds values.
fn check_header(file: &str, names: &[String]) -> Result<()> {
    let numbers: Vec<f64> = names.iter().filter_map(|n| n.parse().ok()).collect();
    // Columns without names of their own are numbered, 0, 1, 2, ….
    let is_numbered = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
    if numbers.len() > 1 && numbers.len() * 2 >= names.len() && !is_numbered {
        let error = Error::data(format!(
            "the first line of {file} holds numbers, not the names of columns"
        ));
        return Err(error.hint("write a header: one name a column, such as file, f0_mean, …"));
    }
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let name = match pair[0] {
                "" => "without a name".to_owned(),
                name => format!("named `{}`", excerpt(name)),
            };
            let error = Error::data(format!("two columns {name} are in {file}"));
            Err(error.hint("give every column a name of its own"))
        }
        None => Ok(()),
    }
}

fn check_width(file: &str, columns: usize) -> Result<()> {
    if columns <= MOST_COLUMNS {
        return Ok(());
    }
    let error = Error::data(format!(
        "{file} has {}, and {MOST_COLUMNS} can be imported",
        plural(columns, "column of features")
    ));
    Err(error.hint("name those that are wanted with `columns`"))
}
