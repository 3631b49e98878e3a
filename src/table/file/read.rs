//! Reading: what a file has to show before its rows are believed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::checksum::{BODY_SUM, FOOTER_SUM, TAIL, digits, footer_length};
use super::columns::Loaded;
use super::source::Source;
use super::write::Table;
use crate::error::{Error, Result};
use crate::files::{open_regular, patiently};
use crate::foreign::{LARGEST_PAGE, are_sane_pages, guarded, is_sane_footer};

/// What a table says of itself: extractor, profile, parameters and so on by key. `ser.table`,
/// `ser.schema_version` and `ser.version` are set by the writer and present in what is read.
pub type Meta = BTreeMap<String, String>;

pub(super) const TABLE: &str = "ser.table";
pub(super) const SCHEMA_VERSION: &str = "ser.schema_version";
pub(super) const VERSION: &str = "ser.version";

/// Rows that a reader holds at a time.
pub(super) const BATCH: usize = 1_024;

/// The rows of one file, batch after batch; its bytes were checked before the first.
pub(in crate::table) struct Batches {
    path: PathBuf,
    meta: Meta,
    source: Source,
    reader: ParquetRecordBatchReader,
    /// Whether anything was handed out: an empty table is one batch without rows.
    begun: bool,
    /// Whether the decoder gave up, after which it is not asked again.
    broken: bool,
    rows: usize,
}

impl Batches {
    /// Opens a file that was written for the same [`Table`].
    ///
    /// # Errors
    /// `Missing` where there is no file; `Data` where it is no Parquet file, is cut short or
    /// damaged, or is another table or version.
    pub fn open(path: &Path, table: &Table) -> Result<Batches> {
        let whole = Batches::by_columns(path, table, usize::MAX)?;
        let whole = whole.into_iter().next();
        whole.ok_or_else(|| undecodable(path, &"it has no columns"))
    }

    /// The same rows as many times as it takes to have `most` columns of them at a time: a decoder
    /// holds a page of each column.
    pub fn by_columns(path: &Path, table: &Table, most: usize) -> Result<Vec<Batches>> {
        patiently(Error::may_pass, || Batches::attempt(path, table, most))
    }

    fn attempt(path: &Path, table: &Table, most: usize) -> Result<Vec<Batches>> {
        let mut opened = open(path)?;
        check_kind(path, table, &opened.meta)?;
        opened.check_body(path)?;
        if !are_sane_pages(&opened.file, &opened.footer, LARGEST_PAGE)
            .map_err(|e| Error::io("read", path, e))?
        {
            return Err(undecodable(path, &"its pages are damaged"));
        }
        let length = opened
            .file
            .metadata()
            .map_err(|e| Error::io("read", path, e))?
            .len();
        let source = Source::new(opened.file, length);
        let build = || -> Result<Vec<ParquetRecordBatchReader>, ParquetError> {
            let footer =
                ArrowReaderMetadata::try_new(opened.footer.into(), ArrowReaderOptions::new())?;
            // Row groups of long rows are smaller than a batch.
            let groups = footer.metadata().row_groups();
            let first = groups
                .first()
                .map_or(BATCH, |group| group.num_rows() as usize);
            let batch = first.clamp(1, BATCH);
            let columns = footer.schema().fields().len();
            let reader = |first: usize| {
                let some = first..columns.min(first.saturating_add(most));
                let some = ProjectionMask::roots(footer.parquet_schema(), some);
                ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), footer.clone())
                    .with_projection(some)
                    .with_batch_size(batch)
                    .build()
            };
            (0..columns).step_by(most).map(reader).collect()
        };
        let readers = guarded(build)
            .map_err(|e| failed(path, &source, &e))?
            .map_err(|e| failed(path, &source, &e))?;
        let batches = |reader| Batches {
            path: path.to_owned(),
            meta: opened.meta.clone(),
            source: source.clone(),
            reader,
            begun: false,
            broken: false,
            rows: 0,
        };
        Ok(readers.into_iter().map(batches).collect())
    }

    /// Names of the columns, in file order.
    pub fn names(&self) -> Vec<String> {
        let schema = self.reader.schema();
        let fields = schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    fn loaded(&mut self, batch: RecordBatch) -> Loaded {
        let before = self.rows;
        self.rows += batch.num_rows();
        Loaded {
            path: self.path.clone(),
            batch,
            before,
            meta: self.meta.clone(),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Loaded>;

    fn next(&mut self) -> Option<Result<Loaded>> {
        if self.broken {
            return None;
        }
        let first = !std::mem::replace(&mut self.begun, true);
        let failed = match guarded(|| self.reader.next()) {
            Ok(Some(Ok(batch))) => return Some(Ok(self.loaded(batch))),
            Ok(None) if first => {
                return Some(Ok(self.loaded(RecordBatch::new_empty(self.reader.schema()))));
            }
            Ok(None) => return None,
            Ok(Some(Err(error))) => failed(&self.path, &self.source, &error),
            Err(error) => failed(&self.path, &self.source, &error),
        };
        self.broken = true;
        Some(Err(failed))
    }
}

/// Why a decoder gave up: what the file system refused, or what it says itself.
fn failed(path: &Path, source: &Source, error: &dyn std::fmt::Display) -> Error {
    source.refused().map_or_else(
        || undecodable(path, error),
        |refused| Error::io("read", path, refused),
    )
}

fn undecodable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::data(format!("failed to decode {}: {error}", path.display())).hint(AGAIN)
}

/// Reads a whole file.
pub(in crate::table) fn read(path: &Path, table: &Table) -> Result<Loaded> {
    let batches = Batches::open(path, table)?;
    let (schema, meta) = (batches.reader.schema(), batches.meta.clone());
    let batches = batches
        .map(|loaded| loaded.map(|l| l.batch))
        .collect::<Result<Vec<_>>>()?;
    let batch = concat_batches(&schema, &batches).map_err(|e| undecodable(path, &e))?;
    Ok(Loaded {
        path: path.to_owned(),
        batch,
        before: 0,
        meta,
    })
}

/// The key-value metadata of a table, from its footer alone. The keys `ser.table`,
/// `ser.schema_version` and `ser.version` say what it is.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is no Parquet file of this program or its
/// footer is damaged.
pub fn meta(path: &Path) -> Result<Meta> {
    Ok(patiently(Error::may_pass, || open(path))?.meta)
}

pub(super) const AGAIN: &str = "delete it and run the command that makes it again";

/// A file whose footer is known to be sound.
struct Opened {
    file: File,
    footer: ParquetMetaData,
    /// Bytes before the footer.
    body: u64,
    body_sum: String,
    meta: Meta,
}

/// Opens a file and tells what else than a table it may be.
fn open(path: &Path) -> Result<Opened> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => Error::missing(format!("{} does not exist", path.display()))
            .hint("run the command that makes this table first, or check the path"),
        _ => Error::io("read", path, e),
    };
    let wrong = |what: &str| Error::data(format!("{} {what}", path.display())).hint(AGAIN);
    let damaged = || wrong("is damaged: its footer does not match its checksum");

    let mut file = open_regular(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut head = [0; 4];
    if length >= 4 {
        file.read_exact(&mut head).map_err(failed)?;
    }
    if &head != b"PAR1" {
        return Err(wrong("is not a Parquet file"));
    }
    let mut tail = [0; TAIL];
    if length >= 4 + TAIL as u64 {
        file.seek(SeekFrom::End(-(TAIL as i64)))
            .and_then(|_| file.read_exact(&mut tail))
            .map_err(failed)?;
    }
    if !tail.ends_with(b"PAR1") {
        return Err(wrong("is cut short: its end is missing"));
    }
    let footer_length = footer_length(&tail);
    let body = length
        .checked_sub((TAIL + footer_length) as u64)
        .ok_or_else(damaged)?;
    let mut footer = vec![0; footer_length];
    file.seek(SeekFrom::Start(body))
        .and_then(|_| file.read_exact(&mut footer))
        .map_err(failed)?;

    let Some(range) = digits(&footer, FOOTER_SUM) else {
        return Err(wrong("is not a table of ser, or its footer is damaged")
            .hint("name a table that ser wrote"));
    };
    let sum = footer[range.clone()].to_vec();
    footer[range].fill(b'0');
    if blake3::hash(&footer).to_hex().as_bytes() != sum {
        return Err(damaged());
    }
    if !is_sane_footer(&footer) {
        return Err(damaged());
    }
    let footer = guarded(|| ParquetMetaDataReader::decode_metadata(&footer))
        .map_err(|e| damaged().because(e))?;
    let footer = footer.map_err(|e| damaged().because(e))?;
    let mut meta = key_values(&footer);
    meta.remove(FOOTER_SUM);
    let body_sum = meta.remove(BODY_SUM).unwrap_or_default();
    Ok(Opened {
        file,
        footer,
        body,
        body_sum,
        meta,
    })
}

impl Opened {
    fn check_body(&mut self, path: &Path) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        let body = self
            .file
            .rewind()
            .map(|()| (&mut self.file).take(self.body));
        body.and_then(|body| hasher.update_reader(body).map(|_| ()))
            .map_err(|e| Error::io("read", path, e))?;
        if hasher.finalize().to_hex().as_str() != self.body_sum {
            return Err(Error::data(format!(
                "{} is damaged: its content does not match its checksum",
                path.display()
            ))
            .hint(AGAIN));
        }
        Ok(())
    }
}

fn key_values(footer: &ParquetMetaData) -> Meta {
    let pairs = footer.file_metadata().key_value_metadata();
    pairs
        .into_iter()
        .flatten()
        .map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default()))
        .collect()
}

fn check_kind(path: &Path, table: &Table, meta: &Meta) -> Result<()> {
    let (Some(name), Some(version)) = (meta.get(TABLE), meta.get(SCHEMA_VERSION)) else {
        return Err(
            Error::data(format!("{} does not say which table it is", path.display())).hint(AGAIN),
        );
    };
    if name != table.name {
        return Err(Error::data(format!(
            "{} is a table of {name}, not of {}",
            path.display(),
            table.name
        ))
        .hint(format!("name a {} table", table.name)));
    }
    if *version != table.version.to_string() {
        let by = meta.get(VERSION).map_or("another version", String::as_str);
        let hint = match version.parse::<u32>() {
            Ok(theirs) if theirs > table.version => {
                format!(
                    "use ser {by} or newer, or delete the file and run the command that makes it again"
                )
            }
            _ => AGAIN.to_owned(),
        };
        return Err(Error::data(format!(
            "{} has schema version {version} of the {name} table (written by ser {by}); this ser reads version {}",
            path.display(),
            table.version
        ))
        .hint(hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Float64Type;

    use super::super::columns::Columns;
    use super::super::write::write;
    use super::*;
    use crate::error::Kind;

    const TABLE: Table = Table {
        name: "metrics",
        version: 1,
    };

    /// Gives a damaged table the checksums that it would have if it had been written so.
    fn set_checksums(table: &mut [u8]) {
        let end = table.len() - TAIL;
        let start = end - footer_length(&table[end..]);
        let body = blake3::hash(&table[..start]).to_hex();
        let footer = &mut table[start..end];
        let (Some(body_sum), Some(footer_sum)) =
            (digits(footer, BODY_SUM), digits(footer, FOOTER_SUM))
        else {
            return;
        };
        footer[body_sum].copy_from_slice(body.as_bytes());
        footer[footer_sum.clone()].fill(b'0');
        let sum = blake3::hash(footer).to_hex();
        footer[footer_sum].copy_from_slice(sum.as_bytes());
    }

    #[test]
    fn a_forged_table_is_an_error_at_worst() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let words = ["joy", "joy", "anger", "joy"];
        let columns = Columns::default()
            .text("metric", words.into_iter())
            .number::<Float64Type>("value", [0.5, 0.25, 0.0, 1.0].into_iter());
        write(&path, &TABLE, columns, &Meta::new()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut again = whole.clone();
        set_checksums(&mut again);
        assert_eq!(again, whole);
        let (mut errors, mut unsound) = (0, 0);
        for at in 4..whole.len() - TAIL {
            for byte in [whole[at] ^ 1, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                set_checksums(&mut bytes);
                std::fs::write(&path, &bytes).unwrap();
                if let Err(error) = read(&path, &TABLE) {
                    assert_eq!(error.kind(), Kind::Data, "{error}");
                    errors += 1;
                    unsound += usize::from(error.to_string().ends_with("its pages are damaged"));
                }
            }
        }
        assert!(
            errors > 100 && unsound > 50,
            "{errors} errors, {unsound} of them before anything was decoded"
        );
    }
}
