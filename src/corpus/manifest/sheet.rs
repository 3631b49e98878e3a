//! A manifest as rows of text, whatever its format.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::error::{Error, Result};

/// The cells of a manifest.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Column names as they stand in the file, trimmed.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Remarks on the form of the file.
    pub(super) notes: Vec<String>,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it is, for people: `line 12`.
    pub(super) place: String,
    /// A cell for each column, or why the row cannot be read.
    pub(super) cells: Result<Vec<String>, String>,
}

/// Reads a manifest. Parquet is known by its first bytes; a `.tsv` or `.tab` file is cut at tabs; any other text at the separator that its
/// header holds most of: comma, semicolon or tab.
///
/// # Errors
/// `Missing` where the file is not there, `Io` where it cannot be read, `Data` where it is no table.
pub(super) fn open(path: &Path) -> Result<Sheet> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(Error::missing(format!("the manifest is not at {}", path.display()))
                .hint("write a table with the columns path, emotion and speaker there, or set the manifest's path"));
        }
        Err(error) => return Err(Error::io("read", path, error)),
    };
    if bytes.starts_with(b"PAR1") { parquet_rows(path) } else { text_rows(path, &bytes) }
}

fn text_rows(path: &Path, bytes: &[u8]) -> Result<Sheet> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(Error::data(format!("{} is not UTF-8 text", path.display())).hint("save the manifest as CSV in UTF-8, or as Parquet"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut sheet = Sheet::default();
    let tabs = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv") || e.eq_ignore_ascii_case("tab"));
    let separator = if tabs { b'\t' } else { separator(bytes) };
    if separator == b';' {
        sheet.notes.push("the cells of the manifest are separated by semicolons, not commas".into());
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).has_headers(false).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let broken = |e: csv::Error| Error::data(format!("failed to read {}", path.display())).because(e);
    if !reader.read_byte_record(&mut record).map_err(broken)? {
        return Err(Error::data(format!("{} is empty", path.display()))
            .hint("write a header with path, emotion and speaker, then a row for each recording"));
    }
    for cell in &record {
        let text = std::str::from_utf8(cell).map_err(|e| {
            Error::data(format!("the header of {} is not UTF-8", path.display())).hint("save the manifest as UTF-8").because(e)
        })?;
        sheet.columns.push(text.trim().to_owned());
    }
    let width = sheet.columns.len();
    loop {
        let before = reader.position().byte();
        if !reader.read_byte_record(&mut record).map_err(broken)? {
            break;
        }
        let raw = bytes.get(before as usize..reader.position().byte() as usize).unwrap_or_default();
        // The reader's own line number counts blank lines before a row as part of it.
        let blank = raw.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count() as u64;
        let line = record.position().map_or(0, csv::Position::line) + blank;
        sheet.rows.push(Row {
            place: format!("line {line}"),
            cells: cells(&record, raw, width, reader.position().byte() as usize >= bytes.len()),
        });
    }
    Ok(sheet)
}

/// The cells of a record, or what is wrong with it.
fn cells(record: &csv::ByteRecord, raw: &[u8], width: usize, last: bool) -> Result<Vec<String>, String> {
    let quotes = raw.iter().filter(|b| **b == b'"').count();
    if last && quotes % 2 == 1 && raw.trim_ascii().contains(&b'\n') {
        return Err("a quotation mark is opened and never closed, so that everything after it is one cell: close it".into());
    }
    if record.len() != width {
        return Err(format!("{} cells where the header has {width}: quote cells that hold the separator", record.len()));
    }
    let texts = record.iter().map(|cell| std::str::from_utf8(cell).map(str::to_owned)).collect::<Result<_, _>>();
    texts.map_err(|_| "not UTF-8: save the manifest as UTF-8".into())
}

/// The most frequent separator of the first line.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |separator: u8| line.iter().filter(|b| **b == separator).count();
    [b';', b'\t'].into_iter().filter(|s| count(*s) > count(b',')).max_by_key(|s| count(*s)).unwrap_or(b',')
}

fn parquet_rows(path: &Path) -> Result<Sheet> {
    let broken = |e: parquet::errors::ParquetError| {
        Error::data(format!("failed to read {}", path.display()))
            .hint("write the table again, uncompressed or with snappy compression")
            .because(e)
    };
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let fields = reader.metadata().file_metadata().schema().get_fields().to_vec();
    let mut sheet = Sheet { columns: fields.iter().map(|f| f.name().trim().to_owned()).collect(), ..Sheet::default() };
    for (index, row) in reader.get_row_iter(None).map_err(broken)?.enumerate() {
        let row = row.map_err(broken)?;
        let cells = row.get_column_iter().map(|(_, field)| text(field)).collect();
        sheet.rows.push(Row { place: format!("row {}", index + 1), cells: Ok(cells) });
    }
    Ok(sheet)
}

/// A cell as CSV would show it; what no manifest column can hold (lists, groups) is empty.
fn text(field: &Field) -> String {
    match field {
        Field::Str(s) => s.clone(),
        Field::Bytes(b) => String::from_utf8(b.data().to_vec()).unwrap_or_default(),
        Field::Null | Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => String::new(),
        Field::Double(x) => x.to_string(),
        Field::Float(x) => x.to_string(),
        other => other.to_string(),
    }
}
