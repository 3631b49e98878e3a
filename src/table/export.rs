//! Features and predictions with all that is known of the utterances, as one table to take along.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::UInt32Type;

use super::features;
use super::file::{self, Columns, Meta, ROW_GROUP, Table, read_parts_as};
use super::rows::predictions::{self, PredictionRow};
use super::rows::splits;
use super::utterances::{self, UtteranceRow};
use crate::error::{Error, Result};

const TABLE: Table = Table {
    name: "export",
    version: 1,
};

/// Column that says in which fold an utterance is tested.
const FOLD: &str = "fold";
const ID: &str = "utterance_id";
const HASH: &str = "content_hash";
const CORRECT: &str = "correct";

/// What to do where tables are of different runs.
const AGAIN: &str = "run the pipeline again, up to the report";

/// Some rows of an exported table; all parts of one have the same columns.
pub struct Part(Columns);

impl Part {
    /// The rows in memory.
    ///
    /// # Errors
    /// `Data` where two columns have the same name.
    pub fn batch(self, path: &Path) -> Result<RecordBatch> {
        self.0.check(path, &TABLE)?;
        self.0.batch()
    }
}

/// The features in `folder` whose files are called `published`, a thousand rows at a time and in
/// their order: the columns of the utterances, the fold in which `folds` has an utterance tested
/// (where they are given), and the features.
///
/// # Errors
/// From the iterator: `Missing` where a table is not there; `Data` where one is damaged or another
/// table, or has utterances that the other lacks or of which it has another sound.
pub fn features(
    folder: &Path,
    published: &str,
    folds: Option<BTreeMap<String, u32>>,
) -> impl Iterator<Item = Result<Part>> + use<> {
    let mut known = read_parts_as(folder, utterances::TABLE.name, &utterances::TABLE);
    // Rows of both tables are in the order of their ids.
    let mut waiting = Vec::new().into_iter();
    let mut next = move || -> Result<Option<UtteranceRow>> {
        loop {
            if let Some(row) = waiting.next() {
                return Ok(Some(row));
            }
            match known.next() {
                None => return Ok(None),
                Some(batch) => {
                    waiting = UtteranceRow::rows(&batch?)?.collect::<Vec<_>>().into_iter()
                }
            }
        }
    };
    read_parts_as(folder, published, &features::TABLE).map(move |batch| {
        let batch = batch?;
        let mut rows = Vec::with_capacity(batch.rows());
        for (id, hash) in batch.texts(ID)?.zip(batch.texts(HASH)?) {
            let row = loop {
                match next()? {
                    Some(row) if row.utterance_id.as_str() < id => {}
                    Some(row) if row.utterance_id == id => break row,
                    _ => return Err(batch.wrong(format!("the table of utterances lacks `{id}`"))),
                }
            };
            if row.content_hash != hash {
                let what = format!("`{id}` has another sound than in the table of utterances");
                return Err(batch.wrong(what).hint(AGAIN));
            }
            rows.push(row);
        }
        let mut columns = UtteranceRow::columns(&rows, &[]);
        if let Some(folds) = &folds {
            let fold = |row: &UtteranceRow| folds.get(&row.utterance_id).copied();
            columns = columns.optional_number::<UInt32Type>(FOLD, rows.iter().map(fold));
        }
        // Both say which sound it is.
        let own = |name: &String| ![ID, HASH].contains(&name.as_str());
        let names = batch.names().into_iter().filter(own);
        Ok(Part(names.fold(columns, |columns, name| {
            columns.taken(&batch, &name)
        })))
    })
}

/// In which fold of an experiment each utterance is tested.
///
/// # Errors
/// `Missing` where there is no table of folds, or it has none of the experiment; `Data` where it is damaged, or where an utterance is
/// tested in several.
pub fn test_folds(splits: &Path, experiment: &str) -> Result<BTreeMap<String, u32>> {
    let mut folds = BTreeMap::new();
    splits::each(splits, |row| {
        if row.experiment != experiment || row.role != "test" {
            return Ok(());
        }
        match folds.insert(row.utterance_id.clone().into_owned(), row.fold) {
            Some(other) if other != row.fold => Err(Error::data(format!(
                "{} has `{}` in the test parts of folds {other} and {} of {experiment}",
                splits.display(),
                row.utterance_id,
                row.fold
            ))
            .hint("export the features without an experiment, and join them with that table")),
            _ => Ok(()),
        }
    })?;
    if folds.is_empty() {
        let what = format!("{} has no folds of {experiment}", splits.display());
        return Err(Error::missing(what));
    }
    Ok(folds)
}

/// The predictions in `folder` of some experiments, or of all where none is named, in the order of
/// their table: its columns, whether the prediction is correct, and the columns of the utterances.
/// The truth of `controls` is not that of the utterances: their labels were shuffled.
///
/// # Errors
/// `Missing` where a table is not there; `Data` where one is damaged or another table, or where the
/// utterances lack one that was predicted, or have another class for it.
pub fn predictions(
    folder: &Path,
    path: &Path,
    experiments: &[String],
    controls: &[&str],
) -> Result<Part> {
    let (labels, mut rows, _) = predictions::read(path)?;
    if let Some(lacking) = experiments
        .iter()
        .find(|one| !rows.iter().any(|row| row.experiment == **one))
    {
        let what = format!("{} has no predictions of {lacking}", path.display());
        return Err(Error::missing(what));
    }
    rows.retain(|row| experiments.is_empty() || experiments.contains(&row.experiment));
    let mut known = HashMap::new();
    for batch in read_parts_as(folder, utterances::TABLE.name, &utterances::TABLE) {
        for row in UtteranceRow::rows(&batch?)? {
            known.insert(row.utterance_id.clone(), row);
        }
    }
    let mut about = Vec::with_capacity(rows.len());
    for row in &rows {
        let of = known.get(&row.utterance_id);
        let is_control = controls.contains(&row.experiment.as_str());
        check_truth(path, row, of.map(|of| &*of.emotion), is_control)?;
        about.extend(of.cloned());
    }
    let correct = rows.iter().map(PredictionRow::is_correct);
    Ok(Part(
        PredictionRow::columns(&rows, &labels)
            .flag(CORRECT, correct)
            .and(UtteranceRow::columns(&about, &[]), &[ID]),
    ))
}

/// Whether the table of utterances has the utterance of a prediction in the table at `path`, and
/// the same `emotion` for it, unless its labels were shuffled.
///
/// # Errors
/// `Data` where it does not.
pub fn check_truth(
    path: &Path,
    row: &PredictionRow,
    emotion: Option<&str>,
    is_control: bool,
) -> Result<()> {
    let (path, id) = (path.display(), &row.utterance_id);
    let what = match emotion {
        None => format!("{path}: the table of utterances lacks `{id}`"),
        Some(emotion) if emotion != row.truth && !is_control => {
            let truth = &row.truth;
            format!("{path}: `{id}` is {truth}, and {emotion} in the table of utterances")
        }
        Some(_) => return Ok(()),
    };
    Err(Error::data(what).hint(AGAIN))
}

/// Writes parts as a Parquet table; `path` is for messages. The same rows give the same bytes.
///
/// # Errors
/// What a part is, and `Io` where the file system refuses; `Data` where two columns have the same
/// name.
pub fn write_parquet<W: Write + Send>(
    out: W,
    path: &Path,
    parts: impl Iterator<Item = Result<Part>>,
) -> Result<W> {
    let mut out = Some(out);
    let mut writer = None;
    for part in parts {
        let Part(columns) = part?;
        if let Some(out) = out.take() {
            columns.check(path, &TABLE)?;
            writer = Some(file::Writer::new(
                out,
                path,
                &TABLE,
                &columns,
                &Meta::new(),
                ROW_GROUP,
            )?);
        }
        if let Some(writer) = &mut writer {
            writer.write(columns)?;
        }
    }
    match writer {
        Some(writer) => writer.finish(),
        None => Err(Error::internal("a table without parts")),
    }
}

/// Whether a table of these columns is one of features or of predictions.
pub fn is_header(names: &[String]) -> Result<bool> {
    let of = |columns: Columns| -> Result<Vec<String>> {
        let schema = columns.batch()?.schema();
        Ok(schema
            .fields()
            .iter()
            .map(|one| one.name().clone())
            .collect())
    };
    let mut about = of(UtteranceRow::columns(&[], &[]))?;
    if names.starts_with(&about) {
        return Ok(true);
    }
    about.retain(|name| name != ID);
    let Some(rest) = names.strip_prefix(&*of(PredictionRow::columns(&[], &[]))?) else {
        return Ok(false);
    };
    let classes = rest.iter().take_while(|name| name.starts_with("prob_"));
    let rest = &rest[classes.count()..];
    Ok(rest
        .split_first()
        .is_some_and(|(name, rest)| name == CORRECT && rest == about))
}

/// Whether the file is such a table.
pub fn is_table(path: &Path) -> bool {
    file::meta(path).is_ok_and(|meta| meta.get("ser.table").is_some_and(|name| name == TABLE.name))
}
