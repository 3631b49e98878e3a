//! A manifest as rows of text, whatever its format.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;

use super::tap::Tap;
use crate::error::{Error, Result};
use crate::foreign::{are_sane_pages, guarded, is_sane_footer};

/// The longest row: without a bound, a quotation mark that is never closed would bring the rest of any file into memory.
const LONGEST_ROW: usize = 64 << 20;

/// What to do with a table of an older program.
const AS_UTF8: &str = "save the manifest as CSV in UTF-8 (from a spreadsheet: \"CSV UTF-8\"; or iconv -f WINDOWS-1252 -t UTF-8)";

/// A manifest whose rows are still to be read.
pub(super) struct Sheet {
    /// Column names as they stand in the file, trimmed.
    pub(super) columns: Vec<String>,
    pub(super) rows: Rows,
    /// What a place is a number of: `line` or `row`.
    pub(super) unit: &'static str,
    /// Remarks on the form of the file.
    pub(super) notes: Vec<String>,
}

/// The rows in file order.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row>>>;

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it is: the line of a text, the row of a Parquet table, from 1.
    pub(super) place: u64,
    /// A cell for each column, or why the row cannot be read.
    pub(super) cells: Result<Vec<String>, String>,
}

/// Opens a manifest. Parquet is known by its first bytes; a `.tsv` or `.tab` file is cut at tabs; any other text at the separator that its
/// header holds most of: comma, semicolon or tab.
///
/// # Errors
/// `Missing` where the file is not there, `Io` where it cannot be read, `Data` where it is no table; the last two also from the rows.
pub(super) fn open(path: &Path) -> Result<Sheet> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(Error::missing(format!("the manifest is not at {}", path.display()))
                .hint("write a table with the columns path, emotion and speaker there, or set the manifest's path"));
        }
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let mut tap = Tap::new(file, LONGEST_ROW);
    if tap.head().map_err(|e| Error::io("read", path, e))?.starts_with(b"PAR1") { parquet_rows(path) } else { text_rows(path, tap) }
}

/// The readable rows of a table.
pub(crate) struct Cells {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// How many rows cannot be read.
    pub(crate) refused: usize,
    /// Where the first of these is, and what is wrong with it.
    pub(crate) why: Option<String>,
}

/// All readable rows of a table, up to `most` of them, with its columns.
///
/// # Errors
/// As [`open`].
pub(crate) fn cells_of(path: &Path, most: usize) -> Result<Cells> {
    let sheet = open(path)?;
    let mut out = Cells { columns: sheet.columns, rows: Vec::new(), refused: 0, why: None };
    for row in sheet.rows.take(most) {
        let Row { place, cells } = row?;
        match cells {
            Ok(cells) => out.rows.push(cells),
            Err(why) => {
                out.refused += 1;
                out.why.get_or_insert(format!("{} {place}: {why}", sheet.unit));
            }
        }
    }
    Ok(out)
}

fn text_rows(path: &Path, mut tap: Tap<File>) -> Result<Sheet> {
    let head = tap.head().map_err(|e| Error::io("read", path, e))?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.contains(&0) {
        return Err(Error::data(format!("{} is not UTF-8 text", path.display())).hint("save the manifest as CSV in UTF-8, or as Parquet"));
    }
    let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let tabs = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv") || e.eq_ignore_ascii_case("tab"));
    let separator = if tabs { b'\t' } else { separator(&head[mark..]) };
    let mut notes = Vec::new();
    if separator == b';' {
        notes.push("the cells of the manifest are separated by semicolons, not commas".into());
    }
    tap.skip(mark);
    let reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).has_headers(false).from_reader(tap);
    let mut text = Text { path: path.to_owned(), reader, record: csv::ByteRecord::new(), width: 0, done: false };
    if !text.advance()? {
        return Err(Error::data(format!("{} is empty", path.display()))
            .hint("write a header with path, emotion and speaker, then a row for each recording"));
    }
    let mut columns = Vec::new();
    for cell in &text.record {
        let cell = std::str::from_utf8(cell)
            .map_err(|e| Error::data(format!("the header of {} is not UTF-8", path.display())).hint(AS_UTF8).because(e))?;
        columns.push(cell.trim().to_owned());
    }
    text.width = columns.len();
    Ok(Sheet { columns, rows: Box::new(text), unit: "line", notes })
}

/// The rows of a text.
struct Text {
    path: PathBuf,
    reader: csv::Reader<Tap<File>>,
    record: csv::ByteRecord,
    width: usize,
    done: bool,
}

impl Text {
    fn advance(&mut self) -> Result<bool> {
        let position = self.reader.position().byte();
        self.reader.get_mut().release(position);
        self.reader.read_byte_record(&mut self.record).map_err(|e| self.broken(e))
    }

    fn broken(&self, error: csv::Error) -> Error {
        match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Error::data(format!("failed to read {}", self.path.display()))
                    .hint("look for a quotation mark that is never closed")
                    .because(error)
            }
            csv::ErrorKind::Io(error) => Error::io("read", &self.path, error),
            other => Error::data(format!("failed to read {}: {other:?}", self.path.display())),
        }
    }

    fn row(&mut self) -> Result<Option<Row>> {
        let before = self.reader.position().byte();
        if !self.advance()? {
            return Ok(None);
        }
        let after = self.reader.position().byte();
        let last = self.reader.get_mut().ends_at(after).map_err(|e| self.broken(e.into()))?;
        let raw = self.reader.get_ref().between(before, after);
        // The reader's own line number counts blank lines before a row as part of it.
        let blank = raw.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count() as u64;
        let line = self.record.position().map_or(0, csv::Position::line) + blank;
        Ok(Some(Row { place: line, cells: cells(&self.record, raw, self.width, last) }))
    }
}

impl Iterator for Text {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        if self.done {
            return None;
        }
        let row = self.row().transpose();
        self.done = !matches!(row, Some(Ok(_)));
        row
    }
}

/// The cells of a record, or what is wrong with it.
fn cells(record: &csv::ByteRecord, raw: &[u8], width: usize, last: bool) -> Result<Vec<String>, String> {
    let quotes = raw.iter().filter(|b| **b == b'"').count();
    if last && quotes % 2 == 1 && raw.trim_ascii().contains(&b'\n') {
        return Err("a quotation mark is opened and never closed, so that everything after it is one cell: close it".into());
    }
    if raw.contains(&0) {
        return Err("a byte that is zero, which no text holds: save the manifest as CSV in UTF-8, or as Parquet".into());
    }
    if record.len() != width {
        return Err(format!("{} cells where the header has {width}: quote cells that hold the separator", record.len()));
    }
    let texts = record.iter().map(|cell| std::str::from_utf8(cell).map(str::to_owned)).collect::<Result<_, _>>();
    texts.map_err(|_| format!("not UTF-8: {AS_UTF8}"))
}

/// The most frequent separator of the first line.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |separator: u8| line.iter().filter(|b| **b == separator).count();
    [b';', b'\t'].into_iter().filter(|s| count(*s) > count(b',')).max_by_key(|s| count(*s)).unwrap_or(b',')
}

fn parquet_rows(path: &Path) -> Result<Sheet> {
    let shown = path.to_owned();
    let broken = move |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::data(format!("failed to read {}", shown.display()))
            .hint("write the table again, uncompressed or with snappy compression")
            .because(e)
    };
    let mut file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    if !has_sane_footer(&mut file).map_err(|e| Error::io("read", path, e))? {
        return Err(broken("its footer is damaged".into()));
    }
    let pages = file.try_clone().map_err(|e| Error::io("read", path, e))?;
    let opened = guarded(|| {
        let reader = SerializedFileReader::new(file)?;
        if !are_sane_pages(&pages, reader.metadata())? {
            return Err(ParquetError::General("its pages are damaged".into()));
        }
        let fields = reader.metadata().file_metadata().schema().get_fields().to_vec();
        Ok((fields, RowIter::from_file_into(Box::new(reader))))
    });
    let (fields, mut rows) = opened.map_err(|e| broken(e.into()))?.map_err(|e: ParquetError| broken(e.into()))?;
    let columns = fields.iter().map(|f| f.name().trim().to_owned()).collect();
    let mut next = move || match guarded(|| rows.next()) {
        Ok(Some(Ok(row))) => Some(Ok(row.get_column_iter().map(|(_, field)| text(field)).collect())),
        Ok(Some(Err(error))) => Some(Err(broken(error.into()))),
        Ok(None) => None,
        Err(error) => Some(Err(broken(error.into()))),
    };
    let mut done = false;
    let rows = (1..).map_while(move |place| {
        let cells = if done { None } else { next() };
        done = !matches!(cells, Some(Ok(_)));
        Some(cells?.map(|cells| Row { place, cells: Ok(cells) }))
    });
    Ok(Sheet { columns, rows: Box::new(rows), unit: "row", notes: Vec::new() })
}

/// Whether a Parquet file ends in a footer that can be handed to its decoder.
fn has_sane_footer(file: &mut File) -> io::Result<bool> {
    let mut tail = [0; 8];
    let length = file.metadata()?.len();
    if length < tail.len() as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-8)).and_then(|_| file.read_exact(&mut tail))?;
    let [a, b, c, d, ..] = tail;
    let Some(start) = (length - 8).checked_sub(u32::from_le_bytes([a, b, c, d]).into()) else { return Ok(false) };
    let mut footer = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    Read::by_ref(file).take(length - 8 - start).read_to_end(&mut footer)?;
    file.rewind()?;
    Ok(is_sane_footer(&footer))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::error::Kind;

    fn parquet_of(columns: [(&str, ArrayRef); 2]) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    /// The rows of a table, or its error.
    fn read(bytes: &[u8]) -> Result<usize> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.parquet");
        std::fs::write(&path, bytes).unwrap();
        let mut count = 0;
        for row in open(&path)?.rows {
            row?;
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn damage_in_any_byte_of_a_parquet_table_is_an_error_at_worst() {
        let cells = ["a.wav", "b.wav", "a.wav", "a.wav", "c.wav"];
        let column: ArrayRef = Arc::new(StringArray::from(cells.to_vec()));
        let whole = parquet_of([("path", column.clone()), ("emotion", column)]);
        assert_eq!(read(&whole).unwrap(), cells.len());
        let (mut errors, mut unsound) = (0, 0);
        for at in 4..whole.len() {
            for byte in [whole[at] ^ 1, whole[at] ^ 0x80, 0, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                if let Err(error) = read(&bytes) {
                    assert_eq!(error.kind(), Kind::Data, "{error}");
                    errors += 1;
                    unsound += usize::from(error.to_string().ends_with("its pages are damaged"));
                }
            }
        }
        assert!(errors > 500 && unsound > 100, "{errors} errors, {unsound} of them before anything was decoded");
    }

    #[test]
    fn a_schema_as_deep_as_its_file_is_long_is_refused() {
        const LEVELS: usize = 300_000;
        // Thrift: version 2, then a list of groups with one child each, then a column.
        let mut footer = vec![0x15, 4, 0x19, 0xFC];
        let mut length = LEVELS + 1;
        while length > 0x7F {
            footer.push((length & 0x7F) as u8 | 0x80);
            length >>= 7;
        }
        footer.push(length as u8);
        footer.extend([0x48, 1, b'a', 0x15, 2, 0].repeat(LEVELS));
        footer.extend([0x15, 2, 0x25, 0, 0x18, 1, b'a', 0, 0x16, 0, 0x19, 0x0C, 0]);
        let file = [b"PAR1", &footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat();
        let error = read(&file).unwrap_err();
        assert!(error.kind() == Kind::Data && error.to_string().ends_with("its footer is damaged"), "{error}");
    }
}
