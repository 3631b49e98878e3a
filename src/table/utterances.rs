//! The `utterances` table: what is known of every recording.

use std::path::Path;

use super::file::{self, Batches, Columns, Keys, Loaded, Meta, Parts, Shape};
use crate::corpus::{Sex, Source, Utterance};
use crate::error::Result;

table! {
    "utterances", version 1;
    /// One recording, or one segment of one.
    #[derive(Debug, Clone, PartialEq)]
    pub struct UtteranceRow {
        /// Utterance id.
        pub utterance_id: String,
        /// Name of the corpus.
        pub corpus: String,
        /// Path of the recording, relative to the corpus root.
        pub path: String,
        /// Speaker.
        pub speaker: String,
        /// Sex of the speaker, where the corpus says it.
        pub sex: Option<Sex>,
        /// Class.
        pub emotion: String,
        /// Which text is spoken, where the corpus says it.
        pub text_id: Option<String>,
        /// Recording session, where the corpus has sessions.
        pub session: Option<String>,
        /// Intensity of the emotion, where the corpus says it.
        pub intensity: Option<String>,
        /// Number of the repetition, where the corpus says it.
        pub repetition: Option<String>,
        /// In Hz.
        pub sample_rate: u32,
        /// Channels of the recording.
        pub channels: u16,
        /// Samples of one channel.
        pub n_samples: u64,
        /// Duration in seconds.
        pub duration_s: f64,
        /// Hex BLAKE3 of the decoded sound.
        pub content_hash: String,
        /// Language, where a manifest says it.
        pub language: Option<String>,
        /// Part of an official split, where a manifest says it.
        pub split: Option<String>,
        /// Beginning of the segment in the recording, in seconds; null for a whole recording.
        pub start_s: Option<f64>,
        /// End of the segment in the recording, in seconds; null for a whole recording.
        pub end_s: Option<f64>,
    }
}

/// Writes `rows` of the corpus named `corpus`, in their order.
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
    let rows: Vec<UtteranceRow> = rows.iter().map(|u| UtteranceRow::of(corpus, u)).collect();
    UtteranceRow::columns(&rows, &[])
}

impl UtteranceRow {
    fn of(corpus: &str, u: &Utterance) -> UtteranceRow {
        let s = u.source.clone();
        UtteranceRow {
            utterance_id: s.id,
            corpus: corpus.to_owned(),
            path: s.path,
            speaker: s.speaker,
            sex: s.sex,
            emotion: s.emotion,
            text_id: s.text_id,
            session: s.session,
            intensity: s.intensity,
            repetition: s.repetition,
            sample_rate: u.sample_rate,
            channels: u.channels,
            n_samples: u.n_samples,
            duration_s: u.duration_s,
            content_hash: u.content_hash.clone(),
            language: s.language,
            split: s.split,
            start_s: s.start_s,
            end_s: s.end_s,
        }
    }

    fn into_utterance(self) -> Utterance {
        Utterance {
            source: Source {
                id: self.utterance_id,
                path: self.path,
                emotion: self.emotion,
                speaker: self.speaker,
                sex: self.sex,
                text_id: self.text_id,
                session: self.session,
                intensity: self.intensity,
                repetition: self.repetition,
                language: self.language,
                split: self.split,
                start_s: self.start_s,
                end_s: self.end_s,
            },
            sample_rate: self.sample_rate,
            channels: self.channels,
            n_samples: self.n_samples,
            duration_s: self.duration_s,
            content_hash: self.content_hash,
        }
    }
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
pub fn stream(folder: &Path) -> impl Iterator<Item = Result<Vec<Utterance>>> + use<> {
    file::read_parts(folder, &TABLE).map(|batch| rows(&batch?))
}

/// All that [`stream`] gives.
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
    Ok(UtteranceRow::rows(table)?
        .map(UtteranceRow::into_utterance)
        .collect())
}
