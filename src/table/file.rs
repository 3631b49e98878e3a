//! What all tables share: how a Parquet file of this program is written, recognised and read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::atomic::write_atomically;
use crate::error::{Error, Result};

/// What a table says of itself: extractor, profile, parameters and so on by key. `ser.table`, `ser.schema_version` and `ser.version` are
/// set by the writer and present in what is read.
pub type Meta = BTreeMap<String, String>;

const TABLE: &str = "ser.table";
const SCHEMA_VERSION: &str = "ser.schema_version";
const VERSION: &str = "ser.version";
/// `LENGTH:BLAKE3` of everything before the footer's indexes: Snappy pages carry no checksum, so that a flipped bit in an f32 would
/// otherwise become a slightly different feature.
const BODY: &str = "ser.body";

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
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("ser version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::SNAPPY)
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
    writer.flush()?;
    writer.sync()?;
    let body = writer.inner().len();
    let hash = blake3::hash(writer.inner()).to_hex();
    for (key, value) in meta {
        writer.append_key_value_metadata(KeyValue::new(key, value));
    }
    writer.append_key_value_metadata(KeyValue::new(BODY.into(), format!("{body}:{hash}")));
    writer.into_inner()
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
    let (mut file, footer) = open(path)?;
    let mut meta = key_values(&footer);
    check_kind(path, table, &meta)?;
    check_body(path, &mut file, meta.remove(BODY))?;
    let batch = guarded(path, || {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.build()?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        Ok(concat_batches(&schema, &batches)?)
    })?;
    Ok(Loaded { path: path.to_owned(), batch, meta })
}

/// The key-value metadata of a table, from its footer alone. The keys `ser.table`, `ser.schema_version` and `ser.version` say what it is.
///
/// # Errors
/// `Missing` where there is no file; `Data` where it is not a Parquet file of this program.
pub fn meta(path: &Path) -> Result<Meta> {
    let (_, footer) = open(path)?;
    let mut meta = key_values(&footer);
    meta.remove(BODY);
    match meta.contains_key(TABLE) {
        true => Ok(meta),
        false => Err(foreign(path)),
    }
}

const AGAIN: &str = "delete it and run the command that makes it again";

fn foreign(path: &Path) -> Error {
    Error::data(format!("{} is a Parquet file of another program", path.display())).hint("name a table that ser wrote")
}

/// The file and its footer, after the checks that tell what else it may be.
fn open(path: &Path) -> Result<(File, ParquetMetaData)> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => {
            Error::missing(format!("{} does not exist", path.display())).hint("run the command that makes this table first, or check the path")
        }
        _ => Error::io("read", path, e),
    };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut magic = [0; 4];
    let head = if length < 12 { false } else { file.read_exact(&mut magic).map_err(failed).map(|()| &magic == b"PAR1")? };
    if !head {
        return Err(Error::data(format!("{} is not a Parquet file", path.display())).hint(AGAIN));
    }
    file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut magic)).map_err(failed)?;
    if &magic != b"PAR1" {
        return Err(Error::data(format!("{} is cut short: its end is missing", path.display())).hint(AGAIN));
    }
    let footer = guarded(path, || Ok(ParquetMetaDataReader::new().parse_and_finish(&file)?))?;
    Ok((file, footer))
}

type Caught = Box<dyn std::error::Error + Send + Sync>;

/// Turns whatever the decoder makes of damaged bytes, a panic included, into an error that names the file.
fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T, Caught>) -> Result<T> {
    let damaged = || Error::data(format!("{} is damaged", path.display())).hint(AGAIN);
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged().because(error)),
        Err(_) => Err(damaged()),
    }
}

fn key_values(footer: &ParquetMetaData) -> Meta {
    let pairs = footer.file_metadata().key_value_metadata();
    pairs.into_iter().flatten().map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default())).collect()
}

fn check_kind(path: &Path, table: &Table, meta: &Meta) -> Result<()> {
    let (Some(name), Some(version)) = (meta.get(TABLE), meta.get(SCHEMA_VERSION)) else {
        return Err(foreign(path));
    };
    if name != table.name {
        return Err(Error::data(format!("{} is a table of {name}, not of {}", path.display(), table.name))
            .hint(format!("name a {} table", table.name)));
    }
    if *version != table.version.to_string() {
        let by = meta.get(VERSION).map_or("another version", String::as_str);
        let hint = match version.parse::<u32>() {
            Ok(theirs) if theirs > table.version => format!("use ser {by} or newer, or delete the file and run the command that makes it again"),
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

fn check_body(path: &Path, file: &mut File, sum: Option<String>) -> Result<()> {
    let damaged = || Error::data(format!("{} is damaged: its content does not match its checksum", path.display())).hint(AGAIN);
    let sum = sum.ok_or_else(damaged)?;
    let (length, hash) = sum.split_once(':').ok_or_else(damaged)?;
    let length: u64 = length.parse().map_err(|_| damaged())?;
    let mut hasher = blake3::Hasher::new();
    file.rewind().and_then(|()| hasher.update_reader(file.take(length)).map(|_| ())).map_err(|e| Error::io("read", path, e))?;
    if hasher.finalize().to_hex().as_str() != hash { Err(damaged()) } else { Ok(()) }
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
