//! Feature rows by the sound that they were computed from, kept from run to run.
//!
//! One file that is only ever appended to:
//!
//! ```text
//! header   "ser rows"  version u32  width u32  blake3 of what the rows are (32 bytes)  check (8 bytes)
//! record   blake3 of the sound (32 bytes)  width x f32  check (8 bytes)
//! ```
//!
//! Where rows differ in length, the header's width is the largest u32, and a record is
//!
//! ```text
//! record   blake3 of the sound (32 bytes)  count u32  check (8 bytes)  count x f32  check (8 bytes)
//! ```
//!
//! so that damaged values cost a row and a damaged count, with which the place of the next record
//! is lost, the rest of the log. All numbers are little-endian; a check is the first 8 bytes of the
//! blake3 of what stands before it in the header or record. A run that is killed leaves a last
//! record that is short or wrong, which is passed over like any other damage: what it held is
//! computed again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use blake3::Hash;

use crate::error::{Error, Result, may_pass};
use crate::files::{Reader, create_folder, patiently, place, read_exact_at, short_check as check};

const MAGIC: &[u8; 8] = b"ser rows";
const VERSION: u32 = 1;
const CHECK: usize = 8;
const HEADER: usize = 48 + CHECK;
const HASH: usize = 32;
/// Hash, count and check of a record that says how long it is.
const COUNTED_HEAD: usize = HASH + 4 + CHECK;

/// As much of a hash as tells the rows of one log apart; a row is only believed if all of it
/// agrees.
type Prefix = [u8; 16];

/// How many values a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Every row as many.
    Fixed(usize),
    /// Each row its own number.
    Any,
}

impl Width {
    /// Bytes before the values of a record.
    fn head(self) -> usize {
        match self {
            Width::Fixed(_) => HASH,
            Width::Any => COUNTED_HEAD,
        }
    }

    /// Reads the next record, of which `left` bytes are there at most; false where no whole one is.
    fn read(
        self,
        reader: &mut impl Read,
        left: u64,
        record: &mut Vec<u8>,
    ) -> std::io::Result<bool> {
        let length = match self {
            Width::Fixed(width) => HASH + 4 * width + CHECK,
            Width::Any => {
                record.resize(COUNTED_HEAD, 0);
                if left < COUNTED_HEAD as u64 {
                    return Ok(false);
                }
                reader.read_exact(record)?;
                match record[HASH..HASH + 4].try_into() {
                    Ok(count) if is_sound(record) => {
                        COUNTED_HEAD + 4 * u32::from_le_bytes(count) as usize + CHECK
                    }
                    _ => return Ok(false),
                }
            }
        };
        if left < length as u64 {
            return Ok(false);
        }
        let begun = if self == Width::Any { COUNTED_HEAD } else { 0 };
        record.resize(length, 0);
        reader.read_exact(&mut record[begun..]).map(|()| true)
    }
}

/// The open log. It holds 20 bytes per row in memory, about 40 with the room that a hash table
/// leaves.
#[derive(Debug)]
pub struct RowLog {
    path: PathBuf,
    file: File,
    header: Vec<u8>,
    width: Width,
    /// Records in the file, damaged ones included.
    records: u32,
    /// Where each record ends, of rows that differ in length.
    ends: Vec<u64>,
    index: HashMap<Prefix, u32>,
    /// A bit per record that was read since the log was opened.
    read: Vec<u64>,
}

impl RowLog {
    /// Opens the log at `path`, or begins it; rows have as many values as `width` says. `what` says
    /// how they are made: a log of rows that were made in another way is begun anew. Every record
    /// is read and checked.
    pub fn open(path: &Path, width: Width, what: &str) -> Result<RowLog> {
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        RowLog::with_header(path, width, header(width, what))
    }

    fn with_header(path: &Path, width: Width, header: Vec<u8>) -> Result<RowLog> {
        let failed = |e| Error::io("open", path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let mut found = [0; HEADER];
        let same = match patiently(may_pass, || read_exact_at(&file, &mut found, 0)) {
            Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(Error::io("read", path, e));
            }
            read => read.is_ok() && found == *header,
        };
        if !same {
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(&header))
                .map_err(|e| Error::io("write", path, e))?;
        }
        let mut log = RowLog {
            path: path.to_owned(),
            file,
            header,
            width,
            records: 0,
            ends: vec![],
            index: HashMap::new(),
            read: vec![],
        };
        log.scan()?;
        Ok(log)
    }

    /// Whether there is a log at `path` whose rows are made in this way.
    pub fn fits(path: &Path, width: Width, what: &str) -> bool {
        let mut found = [0; HEADER];
        File::open(path).is_ok_and(|file| read_exact_at(&file, &mut found, 0).is_ok())
            && found == *header(width, what)
    }

    /// Where a record begins.
    fn offset(&self, record: u32) -> u64 {
        match self.width {
            Width::Fixed(width) => {
                HEADER as u64 + u64::from(record) * (HASH + 4 * width + CHECK) as u64
            }
            Width::Any => record
                .checked_sub(1)
                .and_then(|before| self.ends.get(before as usize))
                .copied()
                .unwrap_or(HEADER as u64),
        }
    }

    /// How many bytes it has.
    fn length(&self, record: u32) -> usize {
        (self.offset(record + 1) - self.offset(record)) as usize
    }

    fn scan(&mut self) -> Result<()> {
        let failed = |e| Error::io("read", &self.path, e);
        let length = self.file.metadata().map_err(failed)?.len();
        if let Width::Fixed(width) = self.width {
            self.index
                .reserve((length / (HASH + 4 * width + CHECK) as u64) as usize);
        }
        let mut reader = BufReader::with_capacity(1 << 16, Reader::new(&self.file, HEADER as u64));
        let (mut record, mut at) = (Vec::new(), HEADER as u64);
        while self
            .width
            .read(&mut reader, length.saturating_sub(at), &mut record)
            .map_err(failed)?
        {
            if is_sound(&record) {
                self.index.entry(prefix(&record)).or_insert(self.records);
            }
            at += record.len() as u64;
            if self.width == Width::Any {
                self.ends.push(at);
            }
            self.records = self
                .records
                .checked_add(1)
                .ok_or_else(|| full(&self.path))?;
        }
        if at < length {
            self.file
                .set_len(at)
                .map_err(|e| Error::io("write", &self.path, e))?;
        }
        Ok(())
    }

    /// Whether the row of a sound is there.
    pub fn contains(&self, sound: &Hash) -> bool {
        self.index.contains_key(&prefix(sound.as_bytes()))
    }

    /// Appends rows, in one piece; sounds that are there already are passed over.
    pub fn append<'r>(
        &mut self,
        rows: impl IntoIterator<Item = (&'r Hash, &'r [f32])>,
    ) -> Result<()> {
        let (end, mut bytes, mut added) = (self.offset(self.records), Vec::new(), Vec::new());
        for (sound, row) in rows {
            if let Width::Fixed(width) = self.width
                && row.len() != width
            {
                return Err(Error::internal(format!(
                    "a row of {} values for {} of {width}",
                    row.len(),
                    self.path.display()
                )));
            }
            if self.contains(sound)
                || added
                    .iter()
                    .any(|(before, _)| *before == prefix(sound.as_bytes()))
            {
                continue;
            }
            let start = bytes.len();
            bytes.extend_from_slice(sound.as_bytes());
            if self.width == Width::Any {
                let count = u32::try_from(row.len())
                    .map_err(|_| Error::internal(format!("a row of {} values", row.len())))?;
                bytes.extend_from_slice(&count.to_le_bytes());
                bytes.extend_from_slice(&check(&bytes[start..]));
            }
            row.iter()
                .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            bytes.extend_from_slice(&check(&bytes[start..]));
            added.push((prefix(sound.as_bytes()), end + bytes.len() as u64));
        }
        let written = self
            .file
            .seek(SeekFrom::Start(end))
            .and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            // Half a record at the end would shift all that are appended after it.
            let _ = self.file.set_len(end);
            return Err(Error::io("write", &self.path, error));
        }
        for (sound, end) in added {
            self.index.insert(sound, self.records);
            if self.width == Width::Any {
                self.ends.push(end);
            }
            self.records = self
                .records
                .checked_add(1)
                .ok_or_else(|| full(&self.path))?;
        }
        Ok(())
    }

    /// Puts the row of a sound into `row`; false where it is not there.
    ///
    /// # Errors
    /// `Io` where the record cannot be read, or was damaged since the log was opened.
    pub fn get(&mut self, sound: &Hash, row: &mut Vec<f32>) -> Result<bool> {
        let Some(&number) = self.index.get(&prefix(sound.as_bytes())) else {
            return Ok(false);
        };
        let mut record = vec![0; self.length(number)];
        let offset = self.offset(number);
        patiently(may_pass, || read_exact_at(&self.file, &mut record, offset))
            .map_err(|e| Error::io("read", &self.path, e))?;
        if !is_sound(&record) || record[..HASH] != *sound.as_bytes() {
            let changed = std::io::Error::other("it was changed while it was in use");
            return Err(Error::io("read", &self.path, changed)
                .hint("run the same command again: what is missing is computed"));
        }
        row.clear();
        row.extend(values(&record[self.width.head()..record.len() - CHECK]));
        let (word, bit) = (number as usize / 64, number % 64);
        if self.read.len() <= word {
            self.read.resize(word + 1, 0);
        }
        self.read[word] |= 1 << bit;
        Ok(true)
    }

    /// Appends all rows of another log that are not here.
    pub fn take_in(&mut self, other: &mut RowLog) -> Result<()> {
        const AT_ONCE: usize = 1_024;
        let failed = |e| Error::io("read", &other.path, e);
        let mut reader = BufReader::with_capacity(1 << 16, Reader::new(&other.file, HEADER as u64));
        let mut record = Vec::new();
        let mut rows: Vec<(Hash, Vec<f32>)> = Vec::new();
        for number in 0..other.records {
            record.resize(other.length(number), 0);
            reader.read_exact(&mut record).map_err(failed)?;
            if is_sound(&record) {
                let sound: [u8; HASH] = record[..HASH]
                    .try_into()
                    .map_err(|_| Error::internal("a record without a hash"))?;
                rows.push((
                    Hash::from_bytes(sound),
                    values(&record[other.width.head()..record.len() - CHECK]).collect(),
                ));
            }
            if rows.len() == AT_ONCE || number + 1 == other.records {
                self.append(rows.iter().map(|(sound, row)| (sound, row.as_slice())))?;
                rows.clear();
            }
        }
        Ok(())
    }

    /// Leaves out what was not read since the log was opened, if that is more than half of it.
    ///
    /// # Errors
    /// `Io` where the file system refuses; the log is then as it was.
    pub fn compact(mut self) -> Result<()> {
        let live: u32 = self.read.iter().map(|word| word.count_ones()).sum();
        if live >= self.records.div_ceil(2) {
            return Ok(());
        }
        let failed = |e| Error::io("write", &self.path, e);
        self.read.resize(self.records as usize / 64 + 1, 0);
        let mut reader = BufReader::with_capacity(1 << 16, Reader::new(&self.file, HEADER as u64));
        let mut record = Vec::new();
        place(&self.path, |file| {
            let mut out = BufWriter::new(file);
            out.write_all(&self.header).map_err(failed)?;
            for number in 0..self.records {
                record.resize(self.length(number), 0);
                reader
                    .read_exact(&mut record)
                    .map_err(|e| Error::io("read", &self.path, e))?;
                if self.read[number as usize / 64] >> (number % 64) & 1 == 1 {
                    out.write_all(&record).map_err(failed)?;
                }
            }
            out.flush().map_err(failed)
        })?;
        Ok(())
    }
}

fn header(width: Width, what: &str) -> Vec<u8> {
    let width = match width {
        Width::Fixed(width) => width as u32,
        Width::Any => u32::MAX,
    };
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&width.to_le_bytes());
    header.extend_from_slice(blake3::hash(what.as_bytes()).as_bytes());
    header.extend_from_slice(&check(&header));
    header
}

fn is_sound(record: &[u8]) -> bool {
    let (content, found) = record.split_at(record.len() - CHECK);
    check(content) == found
}

fn values(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

fn prefix(sound: &[u8]) -> Prefix {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&sound[..16]);
    prefix
}

fn full(path: &Path) -> Error {
    Error::data(format!(
        "{} has more rows than it can number",
        path.display()
    ))
    .hint("divide the corpus into several pipelines")
}

#[cfg(test)]
#[path = "rowlog_tests.rs"]
mod tests;
