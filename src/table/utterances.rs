//! The `utterances` table: what is known of every recording.

use std::path::Path;

use arrow::datatypes::{Float64Type, UInt16Type, UInt32Type, UInt64Type};

use super::file::{self, Batches, Columns, Keys, Loaded, Meta, Parts, Shape, Table};
use crate::corpus::{Sex, Source, Utterance};
use crate::error::Result;

const TABLE: Table = Table {
    name: "utterances",
    version: 1,
};

/// Writes `rows` of the corpus named `corpus`, in their order.
///
/// Columns: `utterance_id`, `corpus`, `path` (relative to the corpus root), `speaker`, `sex`
/// (`female`, `male` or null), `emotion`, `text_id`, `session`, `intensity`, `repetition`,
/// `sample_rate` (Hz), `channels`, `n_samples`, `duration_s`, `content_hash`; then what only some
/// manifests say: `language`, `split`, `start_s`, `end_s`.
///
/// # Errors
/// `Data` where an id occurs twice; `Io` where the file system refuses.
pub fn write(path: &Path, corpus: &str, rows: &[Utterance], meta: &Meta) -> Result<()> {
    if let Some(id) = file::repeated(rows.iter().map(|u| u.source.id.as_str())) {
        return Err(file::repeated_id(path, &TABLE, id));
    }
    file::write(path, &TABLE, columns(corpus, rows), meta)
}

fn columns(corpus: &str, rows: &[Utterance]) -> Columns {
    let of = || rows.iter().map(|u| &u.source);
    Columns::default()
        .text("utterance_id", of().map(|s| s.id.as_str()))
        .text("corpus", rows.iter().map(|_| corpus))
        .text("path", of().map(|s| s.path.as_str()))
        .text("speaker", of().map(|s| s.speaker.as_str()))
        .optional_text("sex", of().map(|s| s.sex.map(Sex::as_str)))
        .text("emotion", of().map(|s| s.emotion.as_str()))
        .optional_text("text_id", of().map(|s| s.text_id.as_deref()))
        .optional_text("session", of().map(|s| s.session.as_deref()))
        .optional_text("intensity", of().map(|s| s.intensity.as_deref()))
        .optional_text("repetition", of().map(|s| s.repetition.as_deref()))
        .number::<UInt32Type>("sample_rate", rows.iter().map(|u| u.sample_rate))
        .number::<UInt16Type>("channels", rows.iter().map(|u| u.channels))
        .number::<UInt64Type>("n_samples", rows.iter().map(|u| u.n_samples))
        .number::<Float64Type>("duration_s", rows.iter().map(|u| u.duration_s))
        .text("content_hash", rows.iter().map(|u| u.content_hash.as_str()))
        .optional_text("language", of().map(|s| s.language.as_deref()))
        .optional_text("split", of().map(|s| s.split.as_deref()))
        .optional_number::<Float64Type>("start_s", of().map(|s| s.start_s))
        .optional_number::<Float64Type>("end_s", of().map(|s| s.end_s))
}

/// A table of any number of utterances on its way into a folder: `utterances.parquet`, or
/// `utterances-00000.parquet`, … where they are many.
pub struct Writer {
    parts: Parts,
    keys: Keys,
    corpus: String,
    rows: Vec<Utterance>,
    begun: bool,
}

impl Writer {
    /// Begins the table of the corpus named `corpus`. The folder is expected to be published as a
    /// whole.
    pub fn new(folder: &Path, corpus: &str, meta: &Meta) -> Writer {
        Writer::shaped(folder, corpus, meta, Shape::STANDARD)
    }

    pub(super) fn shaped(folder: &Path, corpus: &str, meta: &Meta, shape: Shape) -> Writer {
        Writer {
            parts: Parts::new(folder, &TABLE, meta, shape),
            keys: Keys::default(),
            corpus: corpus.to_owned(),
            rows: Vec::new(),
            begun: false,
        }
    }

    /// Appends an utterance; ids have to come in ascending order.
    ///
    /// # Errors
    /// `Data` where an id occurs twice; `Io` where the file system refuses; `Internal` where ids
    /// are out of order.
    pub fn push(&mut self, utterance: Utterance) -> Result<()> {
        self.keys
            .next(&utterance.source.id, &self.parts.path(), &TABLE)?;
        self.rows.push(utterance);
        if self.rows.len() == self.parts.shape().batch() {
            self.write_batch()
        } else {
            Ok(())
        }
    }

    fn write_batch(&mut self) -> Result<()> {
        self.begun = true;
        self.parts
            .write(columns(&self.corpus, &self.rows), self.rows.len())?;
        self.rows.clear();
        Ok(())
    }

    /// Completes the table.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn finish(mut self) -> Result<()> {
        if !self.rows.is_empty() || !self.begun {
            self.write_batch()?;
        }
        self.parts.finish()
    }
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<Utterance>> {
    gather(Batches::open(path, &TABLE)?.map(|batch| rows(&batch?)))
}

/// The utterances of a table that [`Writer`] wrote into `folder`, in its row order, a thousand at a
/// time.
///
/// # Errors
/// As [`read`], from the iterator.
pub fn stream(folder: &Path) -> impl Iterator<Item = Result<Vec<Utterance>>> + use<> {
    file::read_parts(folder, &TABLE).map(|batch| rows(&batch?))
}

/// All that [`stream`] gives.
///
/// # Errors
/// As [`read`].
pub fn read_parts(folder: &Path) -> Result<Vec<Utterance>> {
    gather(stream(folder))
}

fn gather(batches: impl Iterator<Item = Result<Vec<Utterance>>>) -> Result<Vec<Utterance>> {
    let mut all = Vec::new();
    for batch in batches {
        all.append(&mut batch?);
    }
    Ok(all)
}

fn rows(table: &Loaded) -> Result<Vec<Utterance>> {
    let mut sexes = table
        .optional_text("sex")?
        .into_iter()
        .map(|word| match word.as_deref() {
            None => Ok(None),
            Some(word) => match [Sex::Female, Sex::Male]
                .into_iter()
                .find(|sex| sex.as_str() == word)
            {
                Some(sex) => Ok(Some(sex)),
                None => Err(table.wrong(format!(
                    "`{word}` in column `sex` is neither female nor male"
                ))),
            },
        });
    let mut id = table.text("utterance_id")?.into_iter();
    let mut file_path = table.text("path")?.into_iter();
    let mut speaker = table.text("speaker")?.into_iter();
    let mut emotion = table.text("emotion")?.into_iter();
    let mut text_id = table.optional_text("text_id")?.into_iter();
    let mut session = table.optional_text("session")?.into_iter();
    let mut intensity = table.optional_text("intensity")?.into_iter();
    let mut repetition = table.optional_text("repetition")?.into_iter();
    let mut language = table.optional_text("language")?.into_iter();
    let mut split = table.optional_text("split")?.into_iter();
    let start_s = table.optional_number::<Float64Type>("start_s")?;
    let end_s = table.optional_number::<Float64Type>("end_s")?;
    let sample_rate = table.number::<UInt32Type>("sample_rate")?;
    let channels = table.number::<UInt16Type>("channels")?;
    let n_samples = table.number::<UInt64Type>("n_samples")?;
    let duration_s = table.number::<Float64Type>("duration_s")?;
    let mut content_hash = table.text("content_hash")?.into_iter();
    // All columns of a table have as many rows, so no iterator ends before the loop does.
    (0..table.rows())
        .map(|row| {
            Ok(Utterance {
                source: Source {
                    id: id.next().unwrap_or_default(),
                    path: file_path.next().unwrap_or_default(),
                    emotion: emotion.next().unwrap_or_default(),
                    speaker: speaker.next().unwrap_or_default(),
                    sex: sexes.next().transpose()?.flatten(),
                    text_id: text_id.next().flatten(),
                    session: session.next().flatten(),
                    intensity: intensity.next().flatten(),
                    repetition: repetition.next().flatten(),
                    language: language.next().flatten(),
                    split: split.next().flatten(),
                    start_s: start_s[row],
                    end_s: end_s[row],
                },
                sample_rate: sample_rate[row],
                channels: channels[row],
                n_samples: n_samples[row],
                duration_s: duration_s[row],
                content_hash: content_hash.next().unwrap_or_default(),
            })
        })
        .collect()
}
