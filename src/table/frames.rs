//! The `frames` table: a sequence of 32-bit floats per utterance, each as long as its recording.

use std::path::Path;

use arrow::datatypes::UInt32Type;

use super::file::{self, Columns, Keys, Meta, Parts, Shape, Table};
use crate::error::{Error, Result};

const TABLE: Table = Table {
    name: "frames",
    version: 1,
};
/// Rows are some thirty thousand bytes: a row group is 4 MiB and a file 250 MiB.
const SHAPE: Shape = Shape {
    group: 128,
    part: 8_192,
};
/// Frames of many values come in smaller row groups, of some MiB as well.
fn wide_shape(channels: usize) -> Shape {
    const NARROW: usize = 64;
    let group = (SHAPE.group * NARROW / channels.max(NARROW)).max(1);
    Shape {
        group,
        part: group * (SHAPE.part / SHAPE.group),
    }
}

/// Key of the meta: the names of the values of a frame, with spaces between.
const CHANNELS: &str = "ser.channels";

/// A table of sequences on its way into a folder: `frames.parquet`, or `frames-00000.parquet`, …
/// where they are many.
pub struct Writer {
    parts: Parts,
    keys: Keys,
    channels: usize,
    ids: Vec<String>,
    content_hashes: Vec<String>,
    frames: Vec<u32>,
    values: Vec<f32>,
    rows: u64,
}

impl Writer {
    /// Begins a table of frames with a value for each of `channels`. The folder is expected to be
    /// published as a whole.
    pub fn new(folder: &Path, channels: &[String], meta: &Meta) -> Writer {
        Writer::with_shape(folder, channels, meta, SHAPE)
    }

    /// As [`Writer::new`], for frames of hundreds of values.
    pub fn wide(folder: &Path, channels: &[String], meta: &Meta) -> Writer {
        Writer::with_shape(folder, channels, meta, wide_shape(channels.len()))
    }

    fn with_shape(folder: &Path, channels: &[String], meta: &Meta, shape: Shape) -> Writer {
        let mut meta = meta.clone();
        meta.insert(CHANNELS.into(), channels.join(" "));
        Writer {
            parts: Parts::new(folder, &TABLE, &meta, shape),
            keys: Keys::default(),
            channels: channels.len(),
            ids: Vec::new(),
            content_hashes: Vec::new(),
            frames: Vec::new(),
            values: Vec::new(),
            rows: 0,
        }
    }

    /// Appends a sequence, frame after frame; ids have to come in ascending order.
    ///
    /// # Errors
    /// `Data` where an id occurs twice; `Io` where the file system refuses; `Internal` where ids
    /// are out of order or the values are not whole frames.
    pub fn push(&mut self, id: &str, content_hash: &str, row: &[f32]) -> Result<()> {
        self.keys.next(id, &self.parts.path(), &TABLE)?;
        let frames = row
            .len()
            .checked_div(self.channels)
            .filter(|frames| frames * self.channels == row.len());
        let Some(frames) = frames.and_then(|frames| u32::try_from(frames).ok()) else {
            return Err(Error::internal(format!(
                "`{id}` has {} values, which are no frames of {}",
                row.len(),
                self.channels
            )));
        };
        self.ids.push(id.to_owned());
        self.content_hashes.push(content_hash.to_owned());
        self.frames.push(frames);
        self.values.extend_from_slice(row);
        self.rows += 1;
        if self.ids.len() == self.parts.shape().batch() {
            self.write_batch()
        } else {
            Ok(())
        }
    }

    fn write_batch(&mut self) -> Result<()> {
        let (ids, content_hashes) = (
            std::mem::take(&mut self.ids),
            std::mem::take(&mut self.content_hashes),
        );
        let (frames, values) = (
            std::mem::take(&mut self.frames),
            std::mem::take(&mut self.values),
        );
        let lengths = frames.iter().map(|frames| *frames as usize * self.channels);
        let columns = Columns::default()
            .text("utterance_id", ids.iter().map(String::as_str))
            .text("content_hash", content_hashes.iter().map(String::as_str))
            .number::<UInt32Type>("frames", frames.iter().copied())
            .lists("values", lengths, values);
        self.parts.write(columns, ids.len())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Completes the table.
    pub fn finish(mut self) -> Result<()> {
        if !self.ids.is_empty() || self.rows == 0 {
            self.write_batch()?;
        }
        self.parts.finish()
    }
}

/// Reads a table that [`Writer`] wrote into `folder`, handing each row (id, content hash, values
/// of a frame, values frame after frame) to `each` in its order; returns the names of a frame's values and the meta. A
/// thousand rows are in memory at a time, or a row group of long ones.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is damaged or another table; whatever `each`
/// returns.
pub fn read_parts(
    folder: &Path,
    mut each: impl FnMut(&str, &str, usize, &[f32]) -> Result<()>,
) -> Result<(Vec<String>, Meta)> {
    let mut about: Option<(Vec<String>, Meta)> = None;
    for batch in file::read_parts(folder, &TABLE) {
        let batch = batch?;
        let (channels, _) = about.get_or_insert_with(|| {
            let names = batch
                .meta
                .get(CHANNELS)
                .map(|names| names.split(' ').map(str::to_owned).collect());
            (names.unwrap_or_default(), batch.meta.clone())
        });
        let (ids, hashes) = (batch.texts("utterance_id")?, batch.texts("content_hash")?);
        let (frames, lists) = (
            batch.numbers::<UInt32Type>("frames")?,
            batch.lists("values")?,
        );
        for (((id, hash), frames), values) in ids.zip(hashes).zip(frames).zip(lists) {
            if values.len() != *frames as usize * channels.len() {
                return Err(batch.wrong(format!(
                    "`{id}` has {} values, not {frames} frames of {}",
                    values.len(),
                    channels.len()
                )));
            }
            each(id, hash, channels.len(), values)?;
        }
    }
    Ok(about.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn row(i: usize) -> Vec<f32> {
        (0..(i % 7) * 2).map(|v| (i * 100 + v) as f32).collect()
    }

    #[test]
    fn sequences_come_back_with_their_lengths() {
        let dir = tempfile::tempdir().unwrap();
        let channels = ["low".to_owned(), "high".to_owned()];
        let write = |folder: &Path| {
            let mut writer =
                Writer::new(folder, &channels, &Meta::from([("a".into(), "b".into())]));
            (0..300).for_each(|i| {
                writer
                    .push(&format!("u{i:03}"), &format!("h{i}"), &row(i))
                    .unwrap()
            });
            assert_eq!(writer.rows(), 300);
            writer.finish().unwrap();
            std::fs::read(folder.join("frames.parquet")).unwrap()
        };
        let bytes = write(dir.path());
        let mut count = 0;
        let (names, meta) = read_parts(dir.path(), |id, hash, width, values| {
            assert_eq!(
                (id, hash, width, values),
                (
                    format!("u{count:03}").as_str(),
                    format!("h{count}").as_str(),
                    2,
                    row(count).as_slice()
                )
            );
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(
            (count, names.as_slice(), meta["a"].as_str()),
            (300, channels.as_slice(), "b")
        );
        let other = tempfile::tempdir().unwrap();
        assert!(bytes == write(other.path()));
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        std::fs::write(dir.path().join("frames.parquet"), damaged).unwrap();
        assert_eq!(
            read_parts(dir.path(), |_, _, _, _| Ok(()))
                .unwrap_err()
                .kind(),
            Kind::Data
        );
    }

    #[test]
    fn an_empty_table_is_a_table_and_half_frames_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        Writer::new(dir.path(), &["a".to_owned()], &Meta::new())
            .finish()
            .unwrap();
        assert_eq!(
            read_parts(dir.path(), |_, _, _, _| Ok(())).unwrap().0,
            ["a"]
        );
        let mut writer = Writer::new(dir.path(), &["a".to_owned(), "b".to_owned()], &Meta::new());
        assert_eq!(
            writer.push("u", "h", &[1.0, 2.0, 3.0]).unwrap_err().kind(),
            Kind::Internal
        );
    }
}
