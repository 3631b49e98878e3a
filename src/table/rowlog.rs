//! Feature rows by the sound that they were computed from, kept from run to run.
//!
//! One file that is only ever appended to:
//!
//! ```text
//! header   "ser rows"  version u32  width u32  blake3 of what the rows are (32 bytes)  check (8 bytes)
//! record   blake3 of the sound (32 bytes)  width x f32  check (8 bytes)
//! ```
//!
//! All numbers are little-endian; a check is the first 8 bytes of the blake3 of what stands before it in the header or record. A run that is
//! killed leaves a last record that is short or wrong, which is passed over like any other damage: what it held is computed again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use blake3::Hash;

use crate::error::{Error, Result};
use crate::files::{Reader, create_folder, place, read_exact_at};

const MAGIC: &[u8; 8] = b"ser rows";
const VERSION: u32 = 1;
const CHECK: usize = 8;
const HEADER: usize = 48 + CHECK;
const HASH: usize = 32;

/// As much of a hash as tells the rows of one log apart; a row is only believed if all of it agrees.
type Prefix = [u8; 16];

/// The open log. It holds 20 bytes per row in memory, about 40 with the room that a hash table leaves.
#[derive(Debug)]
pub struct RowLog {
    path: PathBuf,
    file: File,
    header: Vec<u8>,
    width: usize,
    /// Records in the file, damaged ones included.
    records: u32,
    index: HashMap<Prefix, u32>,
    /// A bit per record that was read since the log was opened.
    read: Vec<u64>,
}

impl RowLog {
    /// Opens the log at `path`, or begins it; rows have `width` values. `what` says how they are made: a log of rows that were made in another
    /// way is begun anew. Every record is read and checked.
    ///
    /// # Errors
    /// `Io` where the file system refuses.
    pub fn open(path: &Path, width: usize, what: &str) -> Result<RowLog> {
        create_folder(path.parent().unwrap_or(Path::new(".")))?;
        RowLog::with_header(path, width, header(width, what))
    }

    fn with_header(path: &Path, width: usize, header: Vec<u8>) -> Result<RowLog> {
        let failed = |e| Error::io("open", path, e);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut found = [0; HEADER];
        let same = read_exact_at(&file, &mut found, 0).is_ok() && found == *header;
        if !same {
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&header)).map_err(|e| Error::io("write", path, e))?;
        }
        let mut log = RowLog { path: path.to_owned(), file, header, width, records: 0, index: HashMap::new(), read: Vec::new() };
        log.scan()?;
        Ok(log)
    }

    /// Whether there is a log at `path` whose rows are made in this way.
    pub fn fits(path: &Path, width: usize, what: &str) -> bool {
        let mut found = [0; HEADER];
        File::open(path).is_ok_and(|file| read_exact_at(&file, &mut found, 0).is_ok()) && found == *header(width, what)
    }

    fn record_bytes(&self) -> usize {
        HASH + 4 * self.width + CHECK
    }

    fn offset(&self, record: u32) -> u64 {
        HEADER as u64 + u64::from(record) * self.record_bytes() as u64
    }

    fn scan(&mut self) -> Result<()> {
        let failed = |e| Error::io("read", &self.path, e);
        let length = self.file.metadata().map_err(failed)?.len();
        let whole = length.saturating_sub(HEADER as u64) / self.record_bytes() as u64;
        let whole = u32::try_from(whole).map_err(|_| full(&self.path))?;
        self.index.reserve(whole as usize);
        let mut reader = BufReader::with_capacity(1 << 16, Reader::new(&self.file, HEADER as u64));
        let mut record = vec![0; self.record_bytes()];
        for number in 0..whole {
            reader.read_exact(&mut record).map_err(failed)?;
            if is_sound(&record) {
                self.index.entry(prefix(&record)).or_insert(number);
            }
        }
        self.records = whole;
        if self.offset(whole) < length {
            self.file.set_len(self.offset(whole)).map_err(|e| Error::io("write", &self.path, e))?;
        }
        Ok(())
    }

    /// Whether the row of a sound is there.
    pub fn contains(&self, sound: &Hash) -> bool {
        self.index.contains_key(&prefix(sound.as_bytes()))
    }

    /// Appends rows, in one piece; sounds that are there already are passed over.
    ///
    /// # Errors
    /// `Io` where the file system refuses; `Internal` where a row has another width.
    pub fn append<'r>(&mut self, rows: impl IntoIterator<Item = (&'r Hash, &'r [f32])>) -> Result<()> {
        let (end, mut bytes, mut added) = (self.offset(self.records), Vec::new(), Vec::new());
        for (sound, row) in rows {
            if row.len() != self.width {
                return Err(Error::internal(format!("a row of {} values for {} of {}", row.len(), self.path.display(), self.width)));
            }
            if self.contains(sound) || added.iter().any(|before| *before == prefix(sound.as_bytes())) {
                continue;
            }
            let start = bytes.len();
            bytes.extend_from_slice(sound.as_bytes());
            row.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            bytes.extend_from_slice(&check(&bytes[start..]));
            added.push(prefix(sound.as_bytes()));
        }
        let written = self.file.seek(SeekFrom::Start(end)).and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            // Half a record at the end would shift all that are appended after it.
            let _ = self.file.set_len(end);
            return Err(Error::io("write", &self.path, error));
        }
        for sound in added {
            self.index.insert(sound, self.records);
            self.records = self.records.checked_add(1).ok_or_else(|| full(&self.path))?;
        }
        Ok(())
    }

    /// Puts the row of a sound into `row`; false where it is not there.
    ///
    /// # Errors
    /// `Io` where the record cannot be read, or was damaged since the log was opened.
    pub fn get(&mut self, sound: &Hash, row: &mut Vec<f32>) -> Result<bool> {
        let Some(&number) = self.index.get(&prefix(sound.as_bytes())) else { return Ok(false) };
        let mut record = vec![0; self.record_bytes()];
        read_exact_at(&self.file, &mut record, self.offset(number)).map_err(|e| Error::io("read", &self.path, e))?;
        if !is_sound(&record) || record[..HASH] != *sound.as_bytes() {
            let changed = std::io::Error::other("it was changed while it was in use");
            return Err(Error::io("read", &self.path, changed).hint("run the same command again: what is missing is computed"));
        }
        row.clear();
        row.extend(values(&record[HASH..HASH + 4 * self.width]));
        let (word, bit) = (number as usize / 64, number % 64);
        if self.read.len() <= word {
            self.read.resize(word + 1, 0);
        }
        self.read[word] |= 1 << bit;
        Ok(true)
    }

    /// Appends all rows of another log that are not here.
    ///
    /// # Errors
    /// As [`RowLog::append`]; `Io` where the other log cannot be read.
    pub fn take_in(&mut self, other: &mut RowLog) -> Result<()> {
        const AT_ONCE: usize = 1_024;
        let failed = |e| Error::io("read", &other.path, e);
        let mut reader = BufReader::with_capacity(1 << 16, Reader::new(&other.file, HEADER as u64));
        let mut record = vec![0; other.record_bytes()];
        let mut rows: Vec<(Hash, Vec<f32>)> = Vec::new();
        for number in 0..other.records {
            reader.read_exact(&mut record).map_err(failed)?;
            if is_sound(&record) {
                let sound: [u8; HASH] = record[..HASH].try_into().map_err(|_| Error::internal("a record without a hash"))?;
                rows.push((Hash::from_bytes(sound), values(&record[HASH..record.len() - CHECK]).collect()));
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
        let mut record = vec![0; self.record_bytes()];
        place(&self.path, |file| {
            let mut out = BufWriter::new(file);
            out.write_all(&self.header).map_err(failed)?;
            for number in 0..self.records as usize {
                reader.read_exact(&mut record).map_err(|e| Error::io("read", &self.path, e))?;
                if self.read[number / 64] >> (number % 64) & 1 == 1 {
                    out.write_all(&record).map_err(failed)?;
                }
            }
            out.flush().map_err(failed)
        })?;
        Ok(())
    }
}

fn header(width: usize, what: &str) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&(width as u32).to_le_bytes());
    header.extend_from_slice(blake3::hash(what.as_bytes()).as_bytes());
    header.extend_from_slice(&check(&header));
    header
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK]);
    check
}

fn is_sound(record: &[u8]) -> bool {
    let (content, found) = record.split_at(record.len() - CHECK);
    check(content) == found
}

fn values(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

fn prefix(sound: &[u8]) -> Prefix {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&sound[..16]);
    prefix
}

fn full(path: &Path) -> Error {
    Error::data(format!("{} has more rows than it can number", path.display())).hint("divide the corpus into several pipelines")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn sound(i: u8) -> Hash {
        blake3::hash(&[i])
    }

    fn filled(path: &Path, n: u8) -> RowLog {
        let mut log = RowLog::open(path, 2, "a").unwrap();
        let rows: Vec<_> = (0..n).map(|i| (sound(i), [f32::from(i), -0.5])).collect();
        log.append(rows.iter().map(|(sound, row)| (sound, row.as_slice()))).unwrap();
        log
    }

    fn held(log: &mut RowLog, n: u8) -> Vec<u8> {
        let mut row = Vec::new();
        (0..n)
            .filter(|i| {
                let there = log.get(&sound(*i), &mut row).unwrap();
                assert_eq!(there, log.contains(&sound(*i)));
                there && row == [f32::from(*i), -0.5]
            })
            .collect()
    }

    #[test]
    fn rows_come_back_now_and_later_and_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/sounds.rows");
        let mut log = filled(&path, 3);
        log.append([(&sound(1), [9.0, 9.0].as_slice()), (&sound(3), &[3.0, -0.5]), (&sound(3), &[4.0, 4.0])]).unwrap();
        assert_eq!(held(&mut log, 5), [0, 1, 2, 3]);
        assert_eq!(held(&mut RowLog::open(&path, 2, "a").unwrap(), 5), [0, 1, 2, 3]);
        let wide = log.append([(&sound(9), [1.0].as_slice())]);
        assert_eq!(wide.unwrap_err().kind(), Kind::Internal);
    }

    #[test]
    fn rows_that_were_made_otherwise_are_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sounds.rows");
        drop(filled(&path, 3));
        assert!(held(&mut RowLog::open(&path, 2, "b").unwrap(), 3).is_empty());
        drop(filled(&path, 3));
        assert!(!RowLog::open(&path, 3, "a").unwrap().contains(&sound(0)));
        std::fs::write(&path, "no log").unwrap();
        assert_eq!(held(&mut filled(&path, 2), 3), [0, 1]);
    }

    #[test]
    fn what_a_kill_or_damage_leaves_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sounds.rows");
        drop(filled(&path, 4));
        let whole = std::fs::read(&path).unwrap();
        let record = HASH + 8 + CHECK;
        for cut in 1..record {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut log = RowLog::open(&path, 2, "a").unwrap();
            assert_eq!(held(&mut log, 4), [0, 1, 2]);
            log.append([(&sound(3), [3.0, -0.5].as_slice())]).unwrap();
            assert!(std::fs::read(&path).unwrap() == whole);
        }
        for at in 0..record {
            let mut bytes = whole.clone();
            bytes[HEADER + record + at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let mut log = RowLog::open(&path, 2, "a").unwrap();
            assert_eq!(held(&mut log, 4), [0, 2, 3]);
            log.append([(&sound(1), [1.0, -0.5].as_slice())]).unwrap();
            assert_eq!(held(&mut RowLog::open(&path, 2, "a").unwrap(), 4), [0, 1, 2, 3]);
        }
        std::fs::write(&path, &whole).unwrap();
        let mut log = RowLog::open(&path, 2, "a").unwrap();
        std::fs::write(&path, vec![0; whole.len()]).unwrap();
        assert_eq!(log.get(&sound(0), &mut Vec::new()).unwrap_err().kind(), Kind::Io);
    }

    #[test]
    fn the_rows_of_another_log_are_taken_in_once() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (dir.path().join("here.rows"), dir.path().join("there.rows"));
        let mut log = filled(&here, 3);
        let mut other = filled(&there, 6);
        log.take_in(&mut other).unwrap();
        log.take_in(&mut other).unwrap();
        assert_eq!(std::fs::read(&here).unwrap(), std::fs::read(&there).unwrap());
        assert_eq!(held(&mut log, 7), [0, 1, 2, 3, 4, 5]);
        assert!(RowLog::fits(&here, 2, "a") && !RowLog::fits(&here, 2, "b") && !RowLog::fits(&dir.path().join("none"), 2, "a"));
    }

    #[test]
    fn dead_rows_go_once_they_are_the_greater_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sounds.rows");
        let mut log = filled(&path, 6);
        held(&mut log, 3);
        log.compact().unwrap();
        let mut log = RowLog::open(&path, 2, "a").unwrap();
        assert!(log.contains(&sound(5)), "half of them are alive");
        held(&mut log, 2);
        log.compact().unwrap();
        assert_eq!(held(&mut RowLog::open(&path, 2, "a").unwrap(), 6), [0, 1]);
    }
}
