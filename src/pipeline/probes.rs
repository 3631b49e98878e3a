//! The results of earlier looks at the recordings, so that only those that changed are opened again.
//!
//! Two files of JSON lines in the order of ids: `probes.jsonl` of the last finished look,
//! `probes.part.jsonl` of one that is under way or was stopped. They live beside the store since
//! they depend on this machine's clock, which outputs must not.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::open::Stat;
use crate::audio::Remarks;
use crate::corpus::Source;
use crate::error::{Error, Result};
use crate::files::{create_folder, place, remove_file, short_check};

/// Of the last finished look.
pub(super) const NAME: &str = "probes.jsonl";
/// Of one that is under way or was stopped.
const PART: &str = "probes.part.jsonl";
/// Raised with every change of what decoding gives.
const FORMAT: &str = "{\"probes\":5}\n";
/// Before and after the check of a line, in hex: the first 8 bytes of the blake3 of what follows,
/// up to the last brace.
const CHECK: [&str; 2] = ["{\"check\":\"", "\",\"of\":"];

/// The result of one look at a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probe {
    pub stat: Stat,
    pub sample_rate: u32,
    pub channels: u16,
    pub n_samples: u64,
    pub content_hash: String,
    #[serde(default, skip_serializing_if = "Remarks::is_empty")]
    pub remarks: Remarks,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    id: String,
    /// The recording and its segment, where the id does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    probe: Probe,
}

impl Line {
    /// The line as it is written, with its end.
    fn to_text(&self) -> Result<String> {
        let text = serde_json::to_string(self)
            .map_err(|e| Error::internal("failed to write a probe as JSON").because(e))?;
        Ok(format!(
            "{}{}{}{text}}}\n",
            CHECK[0],
            check(&text),
            CHECK[1]
        ))
    }

    /// A line that is what was written, and can be what a look gave.
    fn parse(text: &str) -> Option<Line> {
        let (found, rest) = text.strip_prefix(CHECK[0])?.split_once(CHECK[1])?;
        let text = rest
            .strip_suffix("}\n")
            .filter(|text| check(text) == found)?;
        let line: Line = serde_json::from_str(text).ok()?;
        let Probe {
            sample_rate,
            channels,
            n_samples,
            content_hash,
            ..
        } = &line.probe;
        let possible = *sample_rate > 0
            && *channels > 0
            && *n_samples > 0
            && blake3::Hash::from_hex(content_hash).is_ok();
        possible.then_some(line)
    }
}

fn check(text: &str) -> String {
    format!("{:016x}", u64::from_be_bytes(short_check(text.as_bytes())))
}

fn place_of(source: &Source) -> Option<String> {
    let text = |t: Option<f64>| t.map_or(String::new(), |t| t.to_string());
    let place = match (source.start_s, source.end_s) {
        (None, None) => source.path.clone(),
        (start, end) => format!("{}#{}-{}", source.path, text(start), text(end)),
    };
    (place != source.id).then_some(place)
}

/// Recordings that are not what they were.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Changes {
    pub changed: Named,
    pub new: Named,
    pub gone: Named,
}

/// Some ids: how many, and the first of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub count: usize,
    first: Vec<String>,
}

impl Named {
    fn add(&mut self, id: String) {
        self.count += 1;
        if self.first.len() < 2 {
            self.first.push(id);
        }
    }

    fn describe(&self, what: &str) -> Option<String> {
        match self.count - self.first.len() {
            _ if self.count == 0 => None,
            0 => Some(format!("{} {what}", self.first.join(", "))),
            more => Some(format!("{} and {more} more {what}", self.first.join(", "))),
        }
    }
}

impl Changes {
    /// Recordings that would have to be opened.
    pub(super) fn to_open(&self) -> usize {
        self.changed.count + self.new.count
    }

    /// In words; nothing where no recording differs.
    pub(super) fn describe(&self) -> Option<String> {
        let parts = [
            self.changed.describe("touched"),
            self.new.describe("new"),
            self.gone.describe("gone"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Earlier probes on their way in, and those of now on their way out.
pub(super) struct Probes {
    path: PathBuf,
    part: PathBuf,
    known: std::iter::Peekable<Lines>,
    /// Nothing where probes are only looked at.
    out: Option<BufWriter<File>>,
}

impl Probes {
    /// Begins a look at a corpus whose probes are kept in `folder`.
    pub(super) fn begin(folder: &Path) -> Result<Probes> {
        create_folder(folder)?;
        let (path, part) = (folder.join(NAME), folder.join(PART));
        if part.exists() {
            merge(&path, &part)?;
        }
        let refused = |e| Error::io("write", &part, e);
        let mut out = BufWriter::new(File::create(&part).map_err(refused)?);
        out.write_all(FORMAT.as_bytes()).map_err(refused)?;
        Ok(Probes {
            known: Lines::of(&path).peekable(),
            path,
            part,
            out: Some(out),
        })
    }

    /// Looks at the probes kept in `folder`, and writes nothing.
    pub(super) fn peek(folder: &Path) -> Probes {
        let (path, part) = (folder.join(NAME), folder.join(PART));
        Probes {
            known: Lines::of(&path).peekable(),
            path,
            part,
            out: None,
        }
    }

    /// How sources differ from the ones that were looked at last; they have to come in the order of
    /// their ids, each with the present state of its file.
    pub(super) fn compare(
        mut self,
        sources: impl Iterator<Item = Result<(Source, Option<Stat>)>>,
    ) -> Result<Changes> {
        let mut changes = Changes::default();
        for next in sources {
            let (source, stat) = next?;
            while let Some(gone) = self.known.next_if(|line| line.id < source.id) {
                changes.gone.add(gone.id);
            }
            match self.known.next_if(|line| line.id == source.id) {
                None => changes.new.add(source.id),
                Some(line) if Some(line.probe.stat) != stat || line.place != place_of(&source) => {
                    changes.changed.add(source.id)
                }
                Some(_) => {}
            }
        }
        self.known.for_each(|line| changes.gone.add(line.id));
        Ok(changes)
    }

    /// The earlier probe of a source; sources have to come in the order of their ids.
    pub(super) fn known(&mut self, source: &Source) -> Option<Probe> {
        while self.known.next_if(|line| line.id < source.id).is_some() {}
        let line = self.known.next_if(|line| line.id == source.id)?;
        (line.place == place_of(source)).then_some(line.probe)
    }

    /// Writes down the probe of a source.
    pub(super) fn keep(&mut self, source: &Source, probe: &Probe) -> Result<()> {
        let line = Line {
            id: source.id.clone(),
            place: place_of(source),
            probe: probe.clone(),
        };
        self.out
            .as_mut()
            .map_or(Ok(()), |out| write(out, &line, &self.part))
    }

    /// Hands what was written down to the system, where it survives the end of this process.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.out.as_mut().map_or(Ok(()), |out| {
            out.flush().map_err(|e| Error::io("write", &self.part, e))
        })
    }

    /// Puts the probes of now in the place of the earlier ones.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        if self.out.is_none() {
            return Ok(());
        }
        fs::rename(&self.part, &self.path).map_err(|e| Error::io("write", &self.path, e))
    }
}

fn write(out: &mut impl Write, line: &Line, path: &Path) -> Result<()> {
    out.write_all(line.to_text()?.as_bytes())
        .map_err(|e| Error::io("write", path, e))
}

/// Takes over what looks at shares of a corpus gave: files of probes, in the order of their ids.
pub(super) fn take_in(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let (path, part) = (folder.join(NAME), folder.join(PART));
    if part.exists() {
        merge(&path, &part)?;
    }
    place(&part, |file| {
        let mut out = BufWriter::new(file);
        out.write_all(FORMAT.as_bytes())
            .map_err(|e| Error::io("write", &part, e))?;
        files
            .iter()
            .flat_map(|file| Lines::of(file))
            .try_for_each(|line| write(&mut out, &line, &part))?;
        out.flush().map_err(|e| Error::io("write", &part, e))
    })?;
    merge(&path, &part)
}

/// Takes over what a look that was stopped had got.
fn merge(path: &Path, part: &Path) -> Result<()> {
    let (mut older, mut newer) = (Lines::of(path).peekable(), Lines::of(part).peekable());
    place(path, |file| {
        let mut out = BufWriter::new(file);
        out.write_all(FORMAT.as_bytes())
            .map_err(|e| Error::io("write", path, e))?;
        loop {
            let order = match (older.peek(), newer.peek()) {
                (Some(old), Some(new)) => old.id.cmp(&new.id),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            if order == Ordering::Equal {
                older.next();
            }
            let next = if order == Ordering::Less {
                older.next()
            } else {
                newer.next()
            };
            match next {
                Some(line) => write(&mut out, &line, path)?,
                None => return out.flush().map_err(|e| Error::io("write", path, e)),
            }
        }
    })?;
    remove_file(part)
}

/// Forgets all looks at the recordings of the store at `folder`.
pub(super) fn forget(folder: &Path) -> Result<()> {
    remove_file(&folder.join(NAME)).and_then(|()| remove_file(&folder.join(PART)))
}

/// The lines of a file of probes up to the first that is damaged or out of order: what cannot be
/// read is looked at again.
struct Lines {
    reader: Option<BufReader<File>>,
    last: Option<String>,
}

impl Lines {
    fn of(path: &Path) -> Lines {
        let mut first = String::new();
        let reader = File::open(path).ok().map(BufReader::new);
        let reader = reader.and_then(|mut reader| {
            (reader.read_line(&mut first).is_ok() && first == FORMAT).then_some(reader)
        });
        Lines { reader, last: None }
    }
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let mut text = String::new();
        let read = self.reader.as_mut()?.read_line(&mut text).is_ok();
        let line = Line::parse(&text)
            .filter(|line| read && self.last.as_ref().is_none_or(|last| *last < line.id));
        match &line {
            Some(line) => self.last = Some(line.id.clone()),
            None => self.reader = None,
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(i: u32) -> Source {
        Source::named(format!("{i:03}"), format!("{i:03}"))
    }

    fn probe(folder: &Path, i: u32) -> Probe {
        Probe {
            stat: Stat::of(folder).unwrap(),
            sample_rate: i,
            channels: 1,
            n_samples: 1,
            content_hash: "ab".repeat(32),
            remarks: Default::default(),
        }
    }

    /// Looks at some sources, of which every tenth and all above `stop` are not written down;
    /// returns those that were known.
    fn look(folder: &Path, ids: &[u32], finish: bool) -> Vec<u32> {
        let mut probes = Probes::begin(folder).unwrap();
        let mut known = Vec::new();
        for i in ids {
            if let Some(found) = probes.known(&source(*i)) {
                assert_eq!(found.sample_rate, *i);
                known.push(*i);
            }
            probes.keep(&source(*i), &probe(folder, *i)).unwrap();
        }
        probes.flush().unwrap();
        if finish {
            probes.finish().unwrap();
        }
        known
    }

    #[test]
    fn what_was_looked_at_is_known_also_after_looks_that_were_stopped() {
        let dir = tempfile::tempdir().unwrap();
        assert!(look(dir.path(), &[1, 3, 5, 7], true).is_empty());
        assert_eq!(look(dir.path(), &[1, 2], false), [1]);
        assert_eq!(look(dir.path(), &[1, 2, 3, 4], false), [1, 2, 3]);
        assert_eq!(look(dir.path(), &[2, 4, 5, 7, 8], true), [2, 4, 5, 7]);
        assert_eq!(look(dir.path(), &[1, 2, 3, 4, 5, 8], true), [2, 4, 5, 8]);
        assert!(!dir.path().join("probes.part.jsonl").exists());
    }

    #[test]
    fn what_differs_from_the_last_look_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let stat = |name: &str| {
            let path = dir.path().join(name);
            fs::write(&path, name).unwrap();
            Stat::of(&path).unwrap()
        };
        let (before, after) = (stat("a"), stat("other"));
        let mut probes = Probes::begin(dir.path()).unwrap();
        for i in [1, 2, 3, 5] {
            probes
                .keep(
                    &source(i),
                    &Probe {
                        stat: before,
                        ..probe(dir.path(), i)
                    },
                )
                .unwrap();
        }
        probes.finish().unwrap();
        let now = [
            (2, before),
            (3, after),
            (4, before),
            (6, before),
            (7, before),
            (8, before),
        ];
        let changes = Probes::peek(dir.path())
            .compare(now.into_iter().map(|(i, stat)| Ok((source(i), Some(stat)))))
            .unwrap();
        assert_eq!(changes.to_open(), 5);
        assert_eq!(
            changes.describe().unwrap(),
            "003 touched; 004, 006 and 2 more new; 001, 005 gone"
        );
        assert_eq!(Changes::default().describe(), None);
    }

    #[test]
    fn a_line_that_is_damaged_ends_what_is_known() {
        let dir = tempfile::tempdir().unwrap();
        look(dir.path(), &[1, 2, 3], true);
        let path = dir.path().join("probes.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(look(dir.path(), &[1, 2, 3], true), [1, 2]);
        // A value that was changed, and one that was written out of order.
        fs::write(
            &path,
            text.replace("\"sample_rate\":2", "\"sample_rate\":3"),
        )
        .unwrap();
        assert_eq!(look(dir.path(), &[1, 2, 3], true), [1]);
        let lines: Vec<&str> = text.lines().collect();
        fs::write(
            &path,
            format!("{}\n{}\n{}\n{}\n", lines[0], lines[1], lines[3], lines[2]),
        )
        .unwrap();
        assert_eq!(look(dir.path(), &[1, 2, 3], true), [1, 3]);
        fs::write(&path, text.replace("probes", "things")).unwrap();
        assert!(look(dir.path(), &[1, 2, 3], true).is_empty());
    }

    #[test]
    fn no_bit_of_a_line_can_change_unseen() {
        let dir = tempfile::tempdir().unwrap();
        let line = Line {
            id: "a".into(),
            place: Some("b#1-2".into()),
            probe: probe(dir.path(), 7),
        };
        let text = line.to_text().unwrap();
        let same = |found: &Line| {
            found.id == line.id && found.place == line.place && found.probe == line.probe
        };
        assert!(Line::parse(&text).is_some_and(|found| same(&found)));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert!(
                    std::str::from_utf8(&bytes)
                        .ok()
                        .and_then(Line::parse)
                        .is_none(),
                    "byte {at}, bit {bit}"
                );
            }
        }
        // Whole, but nothing that a look can give.
        for probe in [
            Probe {
                sample_rate: 0,
                ..line.probe.clone()
            },
            Probe {
                content_hash: "ab".into(),
                ..line.probe.clone()
            },
        ] {
            assert!(
                Line::parse(
                    &Line {
                        probe,
                        ..Line {
                            id: "a".into(),
                            place: None,
                            probe: line.probe.clone()
                        }
                    }
                    .to_text()
                    .unwrap()
                )
                .is_none()
            );
        }
    }

    #[test]
    fn an_id_that_names_another_segment_now_is_not_known() {
        let dir = tempfile::tempdir().unwrap();
        let at = |start| Source {
            start_s: Some(start),
            ..Source::named("u", "a.wav")
        };
        let mut probes = Probes::begin(dir.path()).unwrap();
        probes.keep(&at(0.5), &probe(dir.path(), 1)).unwrap();
        probes.finish().unwrap();
        assert!(
            Probes::begin(dir.path())
                .unwrap()
                .known(&at(0.25))
                .is_none()
        );
        fs::remove_file(dir.path().join("probes.part.jsonl")).unwrap();
        assert!(Probes::begin(dir.path()).unwrap().known(&at(0.5)).is_some());
    }
}
