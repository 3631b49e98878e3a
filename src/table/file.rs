//! What all tables share: how a Parquet file of this program is written, recognised and read.
//!
//! Every byte is checked before the decoder sees one: Snappy pages and the footer carry no checksum of their own, so that a flipped bit
//! would become a slightly different feature, and the decoder is not proof against arbitrary damage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, RecordBatchReader, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{Error, Result};
use crate::files::write_atomically;

/// What a table says of itself: extractor, profile, parameters and so on by key. `ser.table`, `ser.schema_version` and `ser.version` are
/// set by the writer and present in what is read.
pub type Meta = BTreeMap<String, String>;

const TABLE: &str = "ser.table";
const SCHEMA_VERSION: &str = "ser.schema_version";
const VERSION: &str = "ser.version";
/// Hex blake3 of all bytes before the footer.
const BODY_SUM: &str = "ser.body_blake3";
/// Hex blake3 of the footer, taken while these digits are zeros.
const FOOTER_SUM: &str = "ser.footer_blake3";
/// Hex digits of a blake3 hash.
const DIGITS: usize = 64;
/// Of a Parquet file: the footer's length (4 bytes) and `PAR1`.
const TAIL: usize = 8;

/// Rows per row group: some 50 MiB of the widest table, so that every corpus of today is one group and a reader's memory stays bounded.
const ROW_GROUP: usize = 65_536;

/// The kind of a table and the version of its columns.
pub(super) struct Table {
    /// `features`, …
    pub name: &'static str,
    /// Counts up with every change of the columns.
    pub version: u32,
}

/// Columns on their way into a file, in order.
#[derive(Default)]
pub(super) struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn push(mut self, name: &str, array: impl Array + 'static, nullable: bool) -> Self {
        self.fields.push(Field::new(name, array.data_type().clone(), nullable));
        self.arrays.push(Arc::new(array));
        self
    }

    pub fn text<'a>(self, name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        self.push(name, StringArray::from_iter_values(values), false)
    }

    pub fn optional_text<'a>(self, name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Self {
        self.push(name, values.collect::<StringArray>(), true)
    }

    pub fn number<T: ArrowPrimitiveType>(self, name: &str, values: impl Iterator<Item = T::Native>) -> Self {
        self.push(name, PrimitiveArray::<T>::from_iter_values(values), false)
    }

    pub fn optional_number<T: ArrowPrimitiveType>(self, name: &str, values: impl Iterator<Item = Option<T::Native>>) -> Self {
        self.push(name, PrimitiveArray::<T>::from_iter(values), true)
    }
}

/// Writes a table atomically; the same rows and meta give the same bytes.
pub(super) fn write(path: &Path, table: &Table, columns: Columns, meta: &Meta) -> Result<()> {
    let defect = |e: &dyn std::fmt::Display| Error::internal(format!("failed to encode the {} table {}: {e}", table.name, path.display()));
    let mut names: Vec<&str> = columns.fields.iter().map(|f| f.name().as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::data(format!("the {} table {} would have two columns `{}`", table.name, path.display(), pair[0]))
            .hint("give the classes or features different names"));
    }
    let schema = Arc::new(Schema::new(columns.fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.arrays).map_err(|e| defect(&e))?;
    let bytes = encode(table, schema, &batch, meta).map_err(|e| defect(&e))?;
    write_atomically(path, &bytes)
}

fn encode(table: &Table, schema: Arc<Schema>, batch: &RecordBatch, meta: &Meta) -> parquet::errors::Result<Vec<u8>> {
    let mut meta = meta.clone();
    meta.insert(TABLE.into(), table.name.into());
    meta.insert(SCHEMA_VERSION.into(), table.version.to_string());
    meta.insert(VERSION.into(), env!("CARGO_PKG_VERSION").into());
    let zeros = "0".repeat(DIGITS);
    let pairs = meta.into_iter().chain([(BODY_SUM.to_owned(), zeros.clone()), (FOOTER_SUM.to_owned(), zeros)]);
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("ser version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(pairs.map(|(key, value)| KeyValue::new(key, value)).collect()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    // Measured values hardly repeat: a dictionary of them costs time and saves nothing.
    for field in schema.fields().iter().filter(|f| f.data_type().is_floating()) {
        properties = properties.set_column_dictionary_enabled(field.name().as_str().into(), false);
    }
    // Without the Arrow schema in the file the types are what the Parquet schema says, for every reader alike.
    let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options)?;
    writer.write(batch)?;
    Ok(seal(writer.into_inner()?))
}

/// Puts the checksums in the place of their zeros.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - TAIL;
    let start = end - footer_length(&bytes[end..]);
    for (key, region) in [(BODY_SUM, 0..start), (FOOTER_SUM, start..end)] {
        let sum = blake3::hash(&bytes[region]).to_hex();
        if let Some(digits) = digits(&bytes[start..end], key) {
            bytes[start..end][digits].copy_from_slice(sum.as_bytes());
        }
    }
    bytes
}

/// The length that the last eight bytes of a Parquet file give for its footer.
fn footer_length(tail: &[u8]) -> usize {
    tail.iter().take(4).rev().fold(0, |length, &byte| (length << 8) | usize::from(byte))
}

/// Where a footer holds the digits of a checksum: after its key and the two bytes of a Thrift string's header. The writer's keys come last.
fn digits(footer: &[u8], key: &str) -> Option<Range<usize>> {
    let start = footer.windows(key.len()).rposition(|window| window == key.as_bytes())? + key.len() + 2;
    (start + DIGITS <= footer.len()).then_some(start..start + DIGITS)
}

/// A table as read: all rows in one batch.
pub(super) struct Loaded {
    path: PathBuf,
    batch: RecordBatch,
    /// With the `ser.` keys of the writer.
    pub meta: Meta,
}

/// Reads what [`write`] wrote for the same [`Table`].
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is no Parquet file, is cut short or damaged, or is another table or version.
pub(super) fn read(path: &Path, table: &Table) -> Result<Loaded> {
    let mut opened = open(path)?;
    check_kind(path, table, &opened.meta)?;
    opened.check_body(path)?;
    let damaged = |e: &dyn std::fmt::Display| Error::data(format!("failed to decode {}: {e}", path.display())).hint(AGAIN);
    let footer = ArrowReaderMetadata::try_new(opened.footer.into(), ArrowReaderOptions::new()).map_err(|e| damaged(&e))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(opened.file, footer).build().map_err(|e| damaged(&e))?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| damaged(&e))?;
    let batch = concat_batches(&schema, &batches).map_err(|e| damaged(&e))?;
    Ok(Loaded { path: path.to_owned(), batch, meta: opened.meta })
}

/// The key-value metadata of a table, from its footer alone. The keys `ser.table`, `ser.schema_version` and `ser.version` say what it is.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is no Parquet file of this program or its footer is damaged.
pub fn meta(path: &Path) -> Result<Meta> {
    Ok(open(path)?.meta)
}

const AGAIN: &str = "delete it and run the command that makes it again";

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

    let mut file = File::open(path).map_err(failed)?;
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
        file.seek(SeekFrom::End(-(TAIL as i64))).and_then(|_| file.read_exact(&mut tail)).map_err(failed)?;
    }
    if !tail.ends_with(b"PAR1") {
        return Err(wrong("is cut short: its end is missing"));
    }
    let footer_length = footer_length(&tail);
    let body = length.checked_sub((TAIL + footer_length) as u64).ok_or_else(damaged)?;
    let mut footer = vec![0; footer_length];
    file.seek(SeekFrom::Start(body)).and_then(|_| file.read_exact(&mut footer)).map_err(failed)?;

    let Some(range) = digits(&footer, FOOTER_SUM) else {
        return Err(wrong("is not a table of ser, or its footer is damaged").hint("name a table that ser wrote"));
    };
    let sum = footer[range.clone()].to_vec();
    footer[range].fill(b'0');
    if blake3::hash(&footer).to_hex().as_bytes() != sum {
        return Err(damaged());
    }
    let footer = ParquetMetaDataReader::decode_metadata(&footer).map_err(|e| damaged().because(e))?;
    let mut meta = key_values(&footer);
    meta.remove(FOOTER_SUM);
    let body_sum = meta.remove(BODY_SUM).unwrap_or_default();
    Ok(Opened { file, footer, body, body_sum, meta })
}

impl Opened {
    fn check_body(&mut self, path: &Path) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        let body = self.file.rewind().map(|()| (&mut self.file).take(self.body));
        body.and_then(|body| hasher.update_reader(body).map(|_| ())).map_err(|e| Error::io("read", path, e))?;
        if hasher.finalize().to_hex().as_str() != self.body_sum {
            return Err(Error::data(format!("{} is damaged: its content does not match its checksum", path.display())).hint(AGAIN));
        }
        Ok(())
    }
}

fn key_values(footer: &ParquetMetaData) -> Meta {
    let pairs = footer.file_metadata().key_value_metadata();
    pairs.into_iter().flatten().map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default())).collect()
}

fn check_kind(path: &Path, table: &Table, meta: &Meta) -> Result<()> {
    let (Some(name), Some(version)) = (meta.get(TABLE), meta.get(SCHEMA_VERSION)) else {
        return Err(Error::data(format!("{} does not say which table it is", path.display())).hint(AGAIN));
    };
    if name != table.name {
        return Err(Error::data(format!("{} is a table of {name}, not of {}", path.display(), table.name))
            .hint(format!("name a {} table", table.name)));
    }
    if *version != table.version.to_string() {
        let by = meta.get(VERSION).map_or("another version", String::as_str);
        let hint = match version.parse::<u32>() {
            Ok(theirs) if theirs > table.version => {
                format!("use ser {by} or newer, or delete the file and run the command that makes it again")
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

impl Loaded {
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Column names in file order.
    pub fn names(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|f| f.name().clone()).collect()
    }

    fn column<A: Array + 'static>(&self, name: &str, wanted: &DataType) -> Result<&A> {
        let column = self.batch.column_by_name(name);
        let array = column.ok_or_else(|| Error::data(format!("{} has no column `{name}`", self.path.display())).hint(AGAIN))?;
        array.as_any().downcast_ref().ok_or_else(|| {
            let found = array.data_type();
            Error::data(format!("column `{name}` of {} holds {found}, not {wanted}", self.path.display())).hint(AGAIN)
        })
    }

    fn complete<A: Array + 'static>(&self, name: &str, wanted: &DataType) -> Result<&A> {
        let array: &A = self.column(name, wanted)?;
        match (0..array.len()).find(|&row| array.is_null(row)) {
            Some(row) => Err(self.wrong(format!("column `{name}` has no value in row {}", row + 1))),
            None => Ok(array),
        }
    }

    pub fn text(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.complete::<StringArray>(name, &DataType::Utf8)?.iter().flatten().map(str::to_owned).collect())
    }

    pub fn optional_text(&self, name: &str) -> Result<Vec<Option<String>>> {
        Ok(self.column::<StringArray>(name, &DataType::Utf8)?.iter().map(|v| v.map(str::to_owned)).collect())
    }

    pub fn number<T: ArrowPrimitiveType>(&self, name: &str) -> Result<Vec<T::Native>> {
        Ok(self.complete::<PrimitiveArray<T>>(name, &T::DATA_TYPE)?.values().to_vec())
    }

    pub fn optional_number<T: ArrowPrimitiveType>(&self, name: &str) -> Result<Vec<Option<T::Native>>> {
        Ok(self.column::<PrimitiveArray<T>>(name, &T::DATA_TYPE)?.iter().collect())
    }

    /// An error of this file's content.
    pub fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: {what}", self.path.display())).hint(AGAIN)
    }
}

/// The first id that occurs twice.
pub(super) fn repeated<'a>(ids: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The error of a table whose key is not one.
pub(super) fn repeated_id(path: &Path, table: &Table, id: &str) -> Error {
    Error::data(format!("utterance `{id}` is twice in the {} table {}", table.name, path.display()))
        .hint("utterance ids must differ: rename one of the recordings or remove it from the manifest")
}
