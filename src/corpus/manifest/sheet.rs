//! A manifest as rows of text, whatever its format.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::columnar::parquet_rows;
use super::json_rows::{self, Nested};
use super::utf16::{Utf16, of_mark};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::open_regular;

/// The longest row: without a bound, a quotation mark that is never closed would bring the rest of
/// any file into memory.
const LONGEST_ROW: usize = 64 << 20;

/// How the reason of a row in another encoding begins.
pub(super) const NOT_UTF8: &str = "not UTF-8";
/// What to do with a table of an older program.
pub(super) const AS_UTF8: &str = "save the table as CSV in UTF-8 (from a spreadsheet: \"CSV UTF-8\"; or iconv -f WINDOWS-1252 -t UTF-8)";

/// A manifest whose rows are still to be read.
pub(crate) struct Sheet {
    /// Column names as they stand in the file, trimmed.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Rows,
    /// What a place is a number of: `line` or `row`.
    pub(crate) unit: &'static str,
    /// Remarks on the form of the file.
    pub(crate) notes: Vec<String>,
}

/// The bytes of a text.
type Text = Box<dyn Read>;

/// The rows in file order.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row>>>;

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Where it is: the line of a text, the row of a Parquet table, from 1.
    pub(crate) place: u64,
    /// A cell for each column, or why the row cannot be read.
    pub(crate) cells: Result<Vec<String>, String>,
}

/// Opens a manifest. Parquet is known by its first bytes, JSON by its extension; a `.tsv` or `.tab`
/// file is cut at tabs; any other text at the separator that its first line names (`sep=;`, as
/// spreadsheets write it), or that its header holds most of: comma, semicolon, tab or bar. Lines
/// before the header that begin with `#` and hold no separator are comments.
///
/// # Errors
/// `Missing` where the file is not there, `Io` where it cannot be read, `Data` where it is no
/// table; the last two also from the rows.
pub(crate) fn open(path: &Path) -> Result<Sheet> {
    open_with(path, Nested::Empty)
}

fn open_with(path: &Path, nested: Nested) -> Result<Sheet> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(Error::missing(format!("the manifest is not at {}", path.display()))
                .hint("write a table with the columns path, emotion and speaker there, or set the manifest's path"));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(
                Error::data(format!("{} cannot be read: {error}", path.display()))
                    .hint("name a table in a file"),
            );
        }
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let mut tap: Tap<Text> = Tap::new(Box::new(file), LONGEST_ROW);
    let head = tap.head().map_err(|e| Error::io("read", path, e))?;
    let refused =
        |what: &str, hint: &str| Err(Error::data(format!("{} {what}", path.display())).hint(hint));
    match head {
        _ if head.starts_with(b"PAR1") => parquet_rows(path),
        _ if head.starts_with(b"version https://git-lfs.github.com/spec/") => refused(
            "is a Git LFS pointer, not a table",
            "fetch the files that the repository points to: git lfs pull",
        ),
        _ if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\xd0\xcf\x11\xe0") => refused(
            "is a spreadsheet or an archive, which ser does not read",
            "export the sheet as CSV (in a spreadsheet program: save as \"CSV UTF-8\")",
        ),
        _ if json_rows::is_json(path) => json_rows::sheet(path, nested),
        _ => text_rows(path, tap),
    }
}

/// The readable rows of a table.
pub(crate) struct Cells {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Where each of the rows is, as in [`Row`], and in what that is counted: `line`, `row`.
    pub(crate) places: Vec<u64>,
    pub(crate) unit: &'static str,
    /// How many rows cannot be read.
    pub(crate) refused: usize,
    /// Where the first of these is, and what is wrong with it.
    pub(crate) why: Option<String>,
}

/// All readable rows of a table, up to `most` of them, with its columns; lists of JSON are votes.
///
/// # Errors
/// As [`open`]; `Interrupted` on request.
pub(crate) fn cells_of(path: &Path, most: usize, cancel: &Cancel) -> Result<Cells> {
    let sheet = open_with(path, Nested::Votes)?;
    let mut out = Cells {
        columns: sheet.columns,
        rows: Vec::new(),
        places: Vec::new(),
        unit: sheet.unit,
        refused: 0,
        why: None,
    };
    for row in sheet.rows.take(most) {
        cancel.check()?;
        let Row { place, cells } = row?;
        match cells {
            Ok(cells) => {
                out.rows.push(cells);
                out.places.push(place);
            }
            Err(why) => {
                out.refused += 1;
                out.why
                    .get_or_insert(format!("{} {place}: {why}", sheet.unit));
            }
        }
    }
    Ok(out)
}

fn text_rows(path: &Path, mut tap: Tap<Text>) -> Result<Sheet> {
    let mut notes = Vec::new();
    let head = tap.head().map_err(|e| Error::io("read", path, e))?;
    if let Some(encoding) = of_mark(head) {
        notes.push("the manifest is in UTF-16, not UTF-8".to_owned());
        tap = Tap::new(Box::new(Utf16::new(tap, encoding)), LONGEST_ROW);
    }
    let head = tap.head().map_err(|e| unreadable(path, e))?;
    if head.contains(&0) {
        return Err(Error::data(format!("{} is not UTF-8 text", path.display()))
            .hint("save the table as CSV in UTF-8, or as Parquet"));
    }
    let mark = if head.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let tabs = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tsv") || e.eq_ignore_ascii_case("tab"));
    let before = Preamble::of(&head[mark..]);
    let separator = if tabs {
        b'\t'
    } else {
        before
            .separator
            .unwrap_or_else(|| separator(&head[mark + before.length..]))
    };
    match separator {
        b';' => {
            notes.push("the cells of the manifest are separated by semicolons, not commas".into())
        }
        b'|' => notes.push("the cells of the manifest are separated by bars, not commas".into()),
        _ => {}
    }
    if before.comments > 0 {
        notes.push(format!(
            "lines before the header of the manifest that begin with # are passed over: {}",
            before.comments
        ));
    }
    tap.skip(mark + before.length);
    let reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .has_headers(false)
        .from_reader(tap);
    let mut text = TextRows {
        path: path.to_owned(),
        reader,
        record: csv::ByteRecord::new(),
        width: 0,
        times: vec![],
        passed: before.lines,
        done: false,
    };
    if !text.advance()? {
        return Err(Error::data(format!("{} is empty", path.display()))
            .hint("write a header with the names of the columns, then a row for each recording"));
    }
    let mut columns = Vec::new();
    for cell in &text.record {
        let cell = std::str::from_utf8(cell).map_err(|e| {
            Error::data(format!("the header of {} is not UTF-8", path.display()))
                .hint(AS_UTF8)
                .because(e)
        })?;
        columns.push(cell.trim().to_owned());
    }
    text.width = columns.len();
    // In a text that is separated by commas, one is no mark of decimals.
    if separator != b',' {
        let is_time = |(_, name): &(usize, &String)| looks_like_a_time(name);
        text.times = columns
            .iter()
            .enumerate()
            .filter(is_time)
            .map(|(c, _)| c)
            .collect();
    }
    Ok(Sheet {
        columns,
        rows: Box::new(text),
        unit: "line",
        notes,
    })
}

/// A text that the system, or its encoding, does not let be read.
fn unreadable(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Error::data(format!("{} cannot be read: {error}", path.display())).hint(AS_UTF8)
        }
        _ => Error::io("read", path, error),
    }
}

/// The rows of a text.
struct TextRows {
    path: PathBuf,
    reader: csv::Reader<Tap<Text>>,
    record: csv::ByteRecord,
    width: usize,
    /// Columns of times, whose decimals may stand behind a comma.
    times: Vec<usize>,
    /// Lines before the header.
    passed: u64,
    done: bool,
}

impl TextRows {
    fn advance(&mut self) -> Result<bool> {
        let position = self.reader.position().byte();
        self.reader.get_mut().release(position);
        self.reader
            .read_byte_record(&mut self.record)
            .map_err(|e| self.broken(e))
    }

    fn broken(&self, error: csv::Error) -> Error {
        match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Error::data(format!("failed to read {}", self.path.display()))
                    .hint("look for a quotation mark that is never closed")
                    .because(error)
            }
            csv::ErrorKind::Io(error) => unreadable(&self.path, error),
            other => Error::data(format!("failed to read {}: {other:?}", self.path.display())),
        }
    }

    /// With a decimal point in times.
    fn with_points(&self, mut cells: Vec<String>) -> Vec<String> {
        for &c in &self.times {
            let Some(cell) = cells.get_mut(c) else {
                continue;
            };
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if let Some((whole, decimals)) = cell.trim().split_once(',')
                && is_number(whole)
                && is_number(decimals)
            {
                *cell = format!("{whole}.{decimals}");
            }
        }
        cells
    }

    fn row(&mut self) -> Result<Option<Row>> {
        let before = self.reader.position().byte();
        if !self.advance()? {
            return Ok(None);
        }
        let after = self.reader.position().byte();
        let last = self
            .reader
            .get_mut()
            .ends_at(after)
            .map_err(|e| self.broken(e.into()))?;
        let raw = self.reader.get_ref().between(before, after);
        // The reader's own line number counts blank lines before a row as part of it.
        let blank = raw
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .filter(|b| **b == b'\n')
            .count() as u64;
        let line = self.record.position().map_or(0, csv::Position::line) + blank + self.passed;
        Ok(Some(Row {
            place: line,
            cells: cells(&self.record, raw, self.width, last).map(|cells| self.with_points(cells)),
        }))
    }
}

impl Iterator for TextRows {
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
fn cells(
    record: &csv::ByteRecord,
    raw: &[u8],
    width: usize,
    last: bool,
) -> Result<Vec<String>, String> {
    let quotes = raw.iter().filter(|b| **b == b'"').count();
    if last && quotes % 2 == 1 && raw.trim_ascii().contains(&b'\n') {
        return Err("a quotation mark is opened and never closed, so that everything after it is one cell: close it".into());
    }
    if raw.contains(&0) {
        return Err("a byte that is zero, which no text holds: save the table as CSV in UTF-8, or as Parquet".into());
    }
    if record.len() != width {
        return Err(format!(
            "{} cells where the header has {width}: quote cells that hold the separator",
            record.len()
        ));
    }
    let texts = record
        .iter()
        .map(|cell| std::str::from_utf8(cell).map(str::to_owned))
        .collect::<Result<_, _>>();
    texts.map_err(|_| format!("{NOT_UTF8}: {AS_UTF8}"))
}

/// Whether a column is called like the start or end of a segment.
pub(super) fn looks_like_a_time(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    let is_called = |word: &&str| name.starts_with(*word);
    STARTS.iter().chain(&ENDS).any(is_called)
}

/// How the names of columns of times begin.
pub(super) const STARTS: [&str; 3] = ["start", "begin", "onset"];
pub(super) const ENDS: [&str; 3] = ["end", "stop", "offset"];

/// What cells may be separated by.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What stands before the header of a text.
#[derive(Default)]
struct Preamble {
    /// In bytes, and in lines.
    length: usize,
    lines: u64,
    comments: u64,
    /// The separator that the first line names.
    separator: Option<u8>,
}

impl Preamble {
    fn of(head: &[u8]) -> Preamble {
        let mut out = Preamble::default();
        for line in head
            .split_inclusive(|b| *b == b'\n')
            .filter(|line| line.ends_with(b"\n"))
        {
            let text = line.trim_ascii();
            match text {
                [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator]
                    if out.lines == 0 && SEPARATORS.contains(separator) =>
                {
                    out.separator = Some(*separator);
                }
                // A separator that is a tab is trimmed away.
                b"sep=" if out.lines == 0 && line.starts_with(b"sep=\t") => {
                    out.separator = Some(b'\t')
                }
                [b'#', ..] if !text.iter().any(|b| SEPARATORS.contains(b)) => out.comments += 1,
                _ => break,
            }
            out.length += line.len();
            out.lines += 1;
        }
        out
    }
}

/// The most frequent separator of the first line; of equals the first.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes
        .split(|b| *b == b'\n')
        .find(|line| !line.trim_ascii().is_empty())
        .unwrap_or_default();
    let count = |separator: u8| line.iter().filter(|b| **b == separator).count();
    SEPARATORS
        .into_iter()
        .rev()
        .max_by_key(|s| count(*s))
        .filter(|s| count(*s) > 0)
        .unwrap_or(b',')
}

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 16;

/// Hands on what it reads, and keeps what lies after [`Tap::release`] to be looked at once more.
pub(super) struct Tap<R> {
    inner: R,
    /// What was read and not released, and what was read and not handed on yet.
    kept: Vec<u8>,
    /// Where `kept` begins, from the first byte handed on.
    start: u64,
    /// How much of `kept` was handed on.
    given: usize,
    /// How far `kept` is no longer wanted.
    released: u64,
    most: usize,
}

impl<R: Read> Tap<R> {
    /// Reads `inner`, and refuses where more than `most` bytes would have to be kept.
    pub(super) fn new(inner: R, most: usize) -> Self {
        Tap {
            inner,
            kept: Vec::new(),
            start: 0,
            given: 0,
            released: 0,
            most,
        }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let dead = (self.released.saturating_sub(self.start) as usize).min(self.given);
        self.kept.drain(..dead);
        self.start += dead as u64;
        self.given -= dead;
        if self.kept.len() > self.most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a row of more than {} bytes", self.most),
            ));
        }
        let before = self.kept.len();
        let read = (&mut self.inner)
            .take(BLOCK as u64)
            .read_to_end(&mut self.kept)?;
        debug_assert_eq!(before + read, self.kept.len());
        Ok(read > 0)
    }

    /// What is there at first, without handing it on: a block, or the whole where it is less.
    pub(super) fn head(&mut self) -> io::Result<&[u8]> {
        if self.kept.is_empty() {
            self.fill()?;
        }
        Ok(&self.kept)
    }

    /// Leaves out the first bytes, as if they were not there; only before anything is handed on.
    pub(super) fn skip(&mut self, n: usize) {
        self.kept.drain(..n.min(self.kept.len()));
    }

    /// The bytes between two places, as far as they are kept.
    pub(super) fn between(&self, from: u64, to: u64) -> &[u8] {
        let at = |place: u64| place.saturating_sub(self.start) as usize;
        self.kept.get(at(from)..at(to)).unwrap_or_default()
    }

    /// What lies before `place` is no longer wanted.
    pub(super) fn release(&mut self, place: u64) {
        self.released = place;
    }

    /// Whether nothing comes after `place`.
    pub(super) fn ends_at(&mut self, place: u64) -> io::Result<bool> {
        Ok(place >= self.start + self.kept.len() as u64 && !self.fill()?)
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.kept.len() && !self.fill()? {
            return Ok(0);
        }
        let n = buffer.len().min(self.kept.len() - self.given);
        buffer[..n].copy_from_slice(&self.kept[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_stays_and_what_is_not_goes() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 5).map(|i| (i % 251) as u8).collect();
        let mut tap = Tap::new(bytes.as_slice(), 2 * BLOCK);
        assert_eq!(tap.head().unwrap().len(), BLOCK);
        tap.skip(1);
        let bytes = &bytes[1..];
        let mut got = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            let n = tap.read(&mut buffer).unwrap();
            if n == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..n]);
            let here = got.len() as u64;
            assert_eq!(tap.between(here - n as u64, here), &buffer[..n]);
            assert_eq!(tap.ends_at(here).unwrap(), got.len() == bytes.len());
            tap.release(here);
            assert!(tap.kept.len() <= 2 * BLOCK);
        }
        assert!(got == bytes);
    }

    #[test]
    fn a_row_without_end_is_refused() {
        let mut tap = Tap::new(io::repeat(b'x'), 2 * BLOCK);
        let mut buffer = vec![0; BLOCK];
        let error = (0..9).find_map(|_| tap.read(&mut buffer).err());
        assert_eq!(error.unwrap().kind(), io::ErrorKind::FileTooLarge);
    }
}
