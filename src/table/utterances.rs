//! The `utterances` table: what is known of every recording.

use std::path::Path;

use arrow::datatypes::{Float64Type, UInt16Type, UInt32Type, UInt64Type};

use super::file::{self, Columns, Meta, Table};
use crate::corpus::{Sex, Source, Utterance};
use crate::error::Result;

const TABLE: Table = Table { name: "utterances", version: 1 };

/// Writes `rows` of the corpus named `corpus`, in their order.
///
/// Columns: `utterance_id`, `corpus`, `path` (relative to the corpus root), `speaker`, `sex` (`female`, `male` or null), `emotion`, `text_id`,
/// `session`, `intensity`, `repetition`, `sample_rate` (Hz), `channels`, `n_samples`, `duration_s`, `content_hash`; then what only some
/// manifests say: `language`, `split`, `start_s`, `end_s`.
///
/// # Errors
/// `Data` where an id occurs twice; `Io` where the file system refuses.
pub fn write(path: &Path, corpus: &str, rows: &[Utterance], meta: &Meta) -> Result<()> {
    if let Some(id) = file::repeated(rows.iter().map(|u| u.source.id.as_str())) {
        return Err(file::repeated_id(path, &TABLE, id));
    }
    let of = || rows.iter().map(|u| &u.source);
    let columns = Columns::default()
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
        .optional_number::<Float64Type>("end_s", of().map(|s| s.end_s));
    file::write(path, &TABLE, columns, meta)
}

/// Reads the table, in file order.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table.
pub fn read(path: &Path) -> Result<Vec<Utterance>> {
    let table = file::read(path, &TABLE)?;
    let mut sexes = table.optional_text("sex")?.into_iter().map(|word| match word.as_deref() {
        None => Ok(None),
        Some(word) => match [Sex::Female, Sex::Male].into_iter().find(|sex| sex.as_str() == word) {
            Some(sex) => Ok(Some(sex)),
            None => Err(table.wrong(format!("`{word}` in column `sex` is neither female nor male"))),
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
