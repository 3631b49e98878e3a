//! Candidates in the order of their ids, however many there are.
//!
//! A few thousand are kept and sorted in memory; more are sorted piece by piece into files without
//! names and merged, so that a run holds no more of a large corpus than of a small one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::utterance::Source;
use crate::error::{Error, Result};
use crate::files::{Reader, nameless_file};

/// Sources that are sorted in memory: some 2 MB.
const RUN: usize = 4_096;
/// Sorted files that are merged at a time.
const FAN_IN: usize = 64;

/// Candidates in the order of their ids, to be gone through any number of times.
#[derive(Debug)]
pub struct Sources {
    kept: Kept,
    len: u64,
}

#[derive(Debug)]
enum Kept {
    Here(Vec<Source>),
    /// A source a line, as JSON.
    There(File),
}

impl Sources {
    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Result<Source>> + '_> {
        match &self.kept {
            Kept::Here(sources) => Box::new(sources.iter().cloned().map(Ok)),
            Kept::There(file) => Box::new(Lines::new(file)),
        }
    }
}

/// Puts sources in the order of their ids.
#[derive(Debug)]
pub struct Sorter {
    folder: Option<PathBuf>,
    run: usize,
    fan_in: usize,
    waiting: Vec<Source>,
    /// Sorted files: those that were merged n times at place n.
    sorted: Vec<Vec<File>>,
    len: u64,
}

impl Sorter {
    /// What does not fit into memory goes to `folder`, or to where the system keeps temporary
    /// files; nothing of it stays there.
    pub fn new(folder: Option<&Path>) -> Sorter {
        Sorter::sized(folder, RUN, FAN_IN)
    }

    fn sized(folder: Option<&Path>, run: usize, fan_in: usize) -> Sorter {
        Sorter {
            folder: folder.map(Path::to_owned),
            run,
            fan_in,
            waiting: Vec::new(),
            sorted: Vec::new(),
            len: 0,
        }
    }

    /// Takes a source; of those with one id the first comes first.
    ///
    /// # Errors
    /// `Io` where the file system refuses.
    pub fn push(&mut self, source: Source) -> Result<()> {
        self.len += 1;
        self.waiting.push(source);
        if self.waiting.len() > self.run {
            self.spill()
        } else {
            Ok(())
        }
    }

    /// The sources in order.
    ///
    /// # Errors
    /// `Io` where the file system refuses.
    pub fn finish(mut self) -> Result<Sources> {
        if self.sorted.is_empty() {
            self.waiting.sort_by(|a, b| a.id.cmp(&b.id));
            return Ok(Sources {
                kept: Kept::Here(self.waiting),
                len: self.len,
            });
        }
        self.spill()?;
        self.waiting = Vec::new();
        // Older files come first, for those of one id.
        while self.sorted.len() > 1 || self.sorted[0].len() > 1 {
            let newest = self.sorted.remove(0);
            if newest.is_empty() {
                continue;
            }
            let merged = self.merge(&newest)?;
            match self.sorted.first_mut() {
                Some(older) => older.push(merged),
                None => self.sorted.push(vec![merged]),
            }
        }
        match self.sorted.pop().and_then(|mut files| files.pop()) {
            Some(file) => Ok(Sources {
                kept: Kept::There(file),
                len: self.len,
            }),
            None => Err(Error::internal("a sorted corpus got lost")),
        }
    }

    fn spill(&mut self) -> Result<()> {
        self.waiting.sort_by(|a, b| a.id.cmp(&b.id));
        let file = self.write(self.waiting.iter().map(line))?;
        self.waiting.clear();
        self.keep(file, 0)
    }

    fn keep(&mut self, file: File, level: usize) -> Result<()> {
        if self.sorted.len() == level {
            self.sorted.push(Vec::new());
        }
        self.sorted[level].push(file);
        if self.sorted[level].len() < self.fan_in {
            return Ok(());
        }
        let files = std::mem::take(&mut self.sorted[level]);
        let merged = self.merge(&files)?;
        self.keep(merged, level + 1)
    }

    fn merge(&self, files: &[File]) -> Result<File> {
        let mut readers: Vec<Lines> = files.iter().map(Lines::new).collect();
        let mut next: BinaryHeap<Reverse<(String, usize, String)>> = BinaryHeap::new();
        for (file, lines) in readers.iter_mut().enumerate() {
            next.extend(lines.with_id()?.map(|(id, line)| Reverse((id, file, line))));
        }
        self.write(std::iter::from_fn(|| {
            let Reverse((_, file, line)) = next.pop()?;
            match readers[file].with_id() {
                Ok(following) => next.extend(following.map(|(id, line)| Reverse((id, file, line)))),
                Err(error) => return Some(Err(error)),
            }
            Some(Ok(line))
        }))
    }

    fn write(&self, lines: impl Iterator<Item = Result<String>>) -> Result<File> {
        let file = nameless_file(self.folder.as_deref())?;
        let refused = |e| {
            Error::io(
                "write a file in",
                self.folder
                    .as_deref()
                    .unwrap_or(Path::new("the folder of temporary files")),
                e,
            )
        };
        let mut out = BufWriter::new(&file);
        for line in lines {
            let line = line?;
            out.write_all(line.as_bytes())
                .and_then(|()| out.write_all(b"\n"))
                .map_err(refused)?;
        }
        out.flush().map_err(refused)?;
        drop(out);
        Ok(file)
    }
}

fn line(source: &Source) -> Result<String> {
    serde_json::to_string(source)
        .map_err(|e| Error::internal("failed to write a source as JSON").because(e))
}

/// The sources of a file that a [`Sorter`] wrote.
struct Lines<'a> {
    reader: BufReader<Reader<'a>>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a File) -> Self {
        Lines {
            reader: BufReader::new(Reader::new(file, 0)),
        }
    }

    fn line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => {
                line.truncate(line.trim_end_matches('\n').len());
                Ok(Some(line))
            }
            Err(error) => Err(Error::io(
                "read",
                Path::new("a file of sorted sources"),
                error,
            )),
        }
    }

    fn with_id(&mut self) -> Result<Option<(String, String)>> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        Ok(Some((parse(&line)?.id, line)))
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Source>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line()
            .and_then(|line| line.map(|line| parse(&line)).transpose())
            .transpose()
    }
}

fn parse(line: &str) -> Result<Source> {
    serde_json::from_str(line).map_err(|e| {
        Error::internal("a file of sorted sources changed while it was in use").because(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(n: usize, run: usize, fan_in: usize) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::sized(Some(dir.path()), run, fan_in);
        for i in 0..n {
            // An order that is none, with ids that occur twice.
            let id = format!("{:03}\n", i * 7919 % 101 / 2);
            sorter
                .push(Source {
                    start_s: Some(0.1),
                    ..Source::named(id, format!("{i:03}"))
                })
                .unwrap();
        }
        let sources = sorter.finish().unwrap();
        assert_eq!((sources.len(), sources.is_empty()), (n as u64, n == 0));
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "nothing is left by name"
        );
        let once: Vec<Source> = sources.iter().map(|s| s.unwrap()).collect();
        let again: Vec<Source> = sources.iter().map(|s| s.unwrap()).collect();
        assert_eq!(once, again);
        once.into_iter().map(|s| (s.id, s.path)).collect()
    }

    #[test]
    fn many_come_in_the_order_of_few() {
        for n in [0, 1, 3, 4, 5, 60, 101] {
            let few = sorted(n, 1000, 8);
            assert!(few.is_sorted());
            assert_eq!(few, sorted(n, 3, 2), "{n}");
            assert_eq!(few, sorted(n, 2, 3), "{n}");
            assert_eq!(few, sorted(n, 4, 64), "{n}");
        }
    }
}
