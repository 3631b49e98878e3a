//! Writing one Parquet file, batch after batch.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::checksum::{BODY_SUM, ChecksumWriter, DIGITS, FOOTER_SUM};
use super::columns::Columns;
use super::read::{Meta, SCHEMA_VERSION, TABLE, VERSION};
use crate::error::{Error, Result};
use crate::files::publish;

/// Rows per row group: 6 MiB of the widest table, which is what a writer holds at a time.
pub(in crate::table) const ROW_GROUP: usize = 8_192;

/// The kind of a table and the version of its columns.
#[derive(Debug, Clone, Copy)]
pub(in crate::table) struct Table {
    /// `features`, …
    pub name: &'static str,
    /// Counts up with every change of the columns.
    pub version: u32,
}

/// Writes a table atomically; the same rows and meta give the same bytes.
pub(in crate::table) fn write(
    path: &Path,
    table: &Table,
    columns: Columns,
    meta: &Meta,
) -> Result<()> {
    columns.check(path, table)?;
    publish(path, |file| {
        let mut writer = Writer::new(&mut *file, path, table, &columns, meta, ROW_GROUP)?;
        writer.write(columns)?;
        writer.finish().map(drop)
    })
}

/// A file that is being written; all batches have the columns of the first.
pub(in crate::table) struct Writer<W: Write + Send> {
    path: PathBuf,
    table: Table,
    schema: Arc<Schema>,
    out: ArrowWriter<ChecksumWriter<W>>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file with the columns of `like` and row groups of `group` rows; `path` is for
    /// messages.
    pub fn new(
        out: W,
        path: &Path,
        table: &Table,
        like: &Columns,
        meta: &Meta,
        group: usize,
    ) -> Result<Self> {
        let schema = like.schema();
        let mut meta = meta.clone();
        meta.insert(TABLE.into(), table.name.into());
        meta.insert(SCHEMA_VERSION.into(), table.version.to_string());
        meta.insert(VERSION.into(), env!("CARGO_PKG_VERSION").into());
        let zeros = "0".repeat(DIGITS);
        let pairs = meta.into_iter().chain([
            (BODY_SUM.to_owned(), zeros.clone()),
            (FOOTER_SUM.to_owned(), zeros),
        ]);
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("ser version ", env!("CARGO_PKG_VERSION")).into())
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(
                pairs
                    .map(|(key, value)| KeyValue::new(key, value))
                    .collect(),
            ))
            .set_max_row_group_row_count(Some(group))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        // Measured values hardly repeat: a dictionary of them costs time and saves nothing.
        for field in schema.fields() {
            let path = match field.data_type() {
                DataType::List(item) if item.data_type().is_floating() => {
                    vec![field.name().clone(), "list".into(), item.name().clone()]
                }
                kind if kind.is_floating() => vec![field.name().clone()],
                _ => continue,
            };
            properties = properties.set_column_dictionary_enabled(path.into(), false);
        }
        // Without the Arrow schema in the file the types are what the Parquet schema says, for
        // every reader alike.
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        let out =
            ArrowWriter::try_new_with_options(ChecksumWriter::new(out), schema.clone(), options)
                .map_err(|e| failed(path, table, e))?;
        Ok(Writer {
            path: path.to_owned(),
            table: *table,
            schema,
            out,
        })
    }

    /// Appends rows.
    pub fn write(&mut self, columns: Columns) -> Result<()> {
        let defect = |e: arrow::error::ArrowError| failed(&self.path, &self.table, e.into());
        let batch =
            RecordBatch::try_new(self.schema.clone(), columns.into_arrays()).map_err(defect)?;
        self.out
            .write(&batch)
            .map_err(|e| failed(&self.path, &self.table, e))
    }

    /// Writes the footer; returns what was written into.
    pub fn finish(mut self) -> Result<W> {
        let failed = |e: ParquetError| failed(&self.path, &self.table, e);
        let refused = |e: io::Error| Error::io("write", &self.path, e);
        self.out.flush().map_err(failed)?;
        // The writer keeps a buffer of its own, which belongs to the body.
        self.out.sync().map_err(refused)?;
        self.out.inner_mut().begin_footer();
        let out = self.out.into_inner().map_err(failed)?;
        out.finish().map_err(refused)
    }
}

impl Writer<File> {
    /// Finishes, and waits until the disk has it.
    pub fn finish_and_sync(self) -> Result<()> {
        let path = self.path.clone();
        self.finish()?
            .sync_all()
            .map_err(|e| Error::io("write", &path, e))
    }
}

/// A disk that is full is no defect of the encoder.
fn failed(path: &Path, table: &Table, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(refused) => Error::io("write", path, *refused),
            Err(other) => defect(path, table, &other),
        },
        other => defect(path, table, &other),
    }
}

fn defect(path: &Path, table: &Table, error: &dyn std::fmt::Display) -> Error {
    Error::internal(format!(
        "failed to encode the {} table {}: {error}",
        table.name,
        path.display()
    ))
}
