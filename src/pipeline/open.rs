//! Opening the recordings of many utterances, each file once where its segments stand together.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::suspects::{self, Suspects, Suspicion};
use super::workers::Workers;
use crate::audio::{self, Permit, Sound};
use crate::cancel::Cancel;
use crate::corpus::Source;
use crate::error::{Error, Kind, Result};

/// Sources that are looked at before anything is written down: what a kill costs at most.
pub(super) const CHUNK: usize = 1_024;

/// From this many segments of one recording on, threads share its segments; below it, they share
/// recordings.
const LONG: usize = CHUNK / 4;

/// The state of a file by the file system, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stat {
    bytes: u64,
    /// Nanoseconds since 1970, negative before; 0 where the system keeps no such time.
    modified_ns: i128,
    /// Number of the file, and when anything about it was last changed, its time of change
    /// included: what no program sets at will. 0 where the system keeps neither.
    inode: u64,
    changed_ns: i128,
}

impl Stat {
    pub(super) fn of(path: &Path) -> std::io::Result<Stat> {
        fs::metadata(path).map(|meta| Stat::from(&meta))
    }
}

impl From<&fs::Metadata> for Stat {
    fn from(meta: &fs::Metadata) -> Stat {
        let modified_ns = meta
            .modified()
            .map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
                Ok(after) => after.as_nanos() as i128,
                Err(before) => -(before.duration().as_nanos() as i128),
            });
        let (inode, changed_ns) = identity(meta);
        Stat {
            bytes: meta.len(),
            modified_ns,
            inode,
            changed_ns,
        }
    }
}

#[cfg(unix)]
fn identity(meta: &fs::Metadata) -> (u64, i128) {
    use std::os::unix::fs::MetadataExt;
    (
        meta.ino(),
        i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()),
    )
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (u64, i128) {
    (0, 0)
}

/// Opens recordings; holds on to the last one that has many segments.
pub(super) struct Opener<'a> {
    root: &'a Path,
    last: Option<(String, Stat, Sound)>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Opener { root, last: None }
    }

    /// Hands the sound of every source to `work`, on the threads of the pool; the results stand in
    /// the order of `sources`. `None` for what was not looked at since a stop was asked for.
    pub(super) fn each<T: Send>(
        &mut self,
        sources: &[&Source],
        workers: &Workers,
        cancel: &Cancel,
        work: impl Fn(usize, Result<&Sound>) -> T + Sync,
    ) -> Vec<Option<T>> {
        let work = &work;
        let mut done = Vec::with_capacity(sources.len());
        let mut short: Vec<&[&Source]> = Vec::new();
        for group in sources.chunk_by(|a, b| a.path == b.path) {
            if group.len() < LONG {
                short.push(group);
                continue;
            }
            self.short(&short, done.len(), workers, cancel, work, &mut done);
            short.clear();
            self.long(group, workers, cancel, work, &mut done);
        }
        self.short(&short, done.len(), workers, cancel, work, &mut done);
        done
    }

    /// Recordings with few segments: each is decoded by the thread that works on it.
    fn short<T: Send>(
        &self,
        groups: &[&[&Source]],
        first: usize,
        workers: &Workers,
        cancel: &Cancel,
        work: &(impl Fn(usize, Result<&Sound>) -> T + Sync),
        done: &mut Vec<Option<T>>,
    ) {
        let mut starts = Vec::with_capacity(groups.len());
        let mut next = first;
        for group in groups {
            starts.push(next);
            next += group.len();
        }
        let of_group = |(start, group): (&usize, &&[&Source])| -> Vec<Option<T>> {
            if cancel.requested() {
                return group.iter().map(|_| None).collect();
            }
            let path = self.root.join(&group[0].path);
            workers.during(&path, || {
                let opened = decode(&path, workers);
                if opened.as_ref().is_err_and(is_stopped) {
                    return group.iter().map(|_| None).collect();
                }
                // The permit to hold a large recording goes with it.
                let (whole, _permit) = opened.map_or_else(
                    |e| (Err(e), None),
                    |(sound, permit)| (Ok(sound), Some(permit)),
                );
                let one = |(i, source): (usize, &&Source)| {
                    (!cancel.requested()).then(|| hand(&whole, source, |a| work(start + i, a)))
                };
                group.iter().enumerate().map(one).collect()
            })
        };
        // A recording that may have ended an earlier process is read alone.
        let is_suspect = |group: &&[&Source]| {
            let thought =
                |suspects: &Suspects| suspects.of_recording(&self.root.join(&group[0].path));
            workers.suspects().map(thought) == Some(Suspicion::Suspected)
        };
        let mut first: Vec<Option<Vec<Option<T>>>> = groups.iter().map(|_| None).collect();
        for (i, group) in groups
            .iter()
            .enumerate()
            .filter(|(_, group)| is_suspect(group))
        {
            first[i] = Some(workers.pool().install(|| of_group((&starts[i], group))));
        }
        let results: Vec<Vec<Option<T>>> = workers.pool().install(|| {
            let others = starts.par_iter().zip(groups).zip(first);
            others
                .map(|((start, group), first)| first.unwrap_or_else(|| of_group((start, group))))
                .collect()
        });
        done.extend(results.into_iter().flatten());
    }

    /// A recording with many segments: decoded once, also where they go on in the next call.
    fn long<T: Send>(
        &mut self,
        group: &[&Source],
        workers: &Workers,
        cancel: &Cancel,
        work: &(impl Fn(usize, Result<&Sound>) -> T + Sync),
        done: &mut Vec<Option<T>>,
    ) {
        let path = self.root.join(&group[0].path);
        let stat = Stat::of(&path).ok();
        let same =
            |(last, then, _): &(String, Stat, Sound)| *last == group[0].path && Some(*then) == stat;
        let whole = match self.last.take().filter(same) {
            Some((_, _, sound)) => Ok(sound),
            None => workers
                .during(&path, || decode(&path, workers))
                .map(|(sound, _)| sound),
        };
        if whole.as_ref().is_err_and(is_stopped) {
            done.extend(group.iter().map(|_| None));
            return;
        }
        let start = done.len();
        let one = |(i, source): (usize, &&Source)| {
            (!cancel.requested()).then(|| hand(&whole, source, |a| work(start + i, a)))
        };
        let all = || {
            workers
                .pool()
                .install(|| group.par_iter().enumerate().map(one).collect::<Vec<_>>())
        };
        done.extend(workers.during(&path, all));
        if let (Ok(sound), Some(stat)) = (whole, stat) {
            self.last = Some((group[0].path.clone(), stat, sound));
        }
    }
}

/// The sound of a recording, unless it is known to end the process.
fn decode<'w>(path: &Path, workers: &'w Workers) -> Result<(Sound, Permit<'w>)> {
    if workers
        .suspects()
        .is_some_and(|suspects| suspects.of_recording(path) == Suspicion::Excluded)
    {
        return Err(suspects::excluded(path));
    }
    audio::decode_sound(path, workers.budget())
}

/// Whether decoding ended because it was asked to: that says nothing of the recording.
fn is_stopped(error: &Error) -> bool {
    error.kind() == Kind::Interrupted
}

/// Hands on the whole recording, or the segment that a source names.
fn hand<T>(whole: &Result<Sound>, source: &Source, work: impl Fn(Result<&Sound>) -> T) -> T {
    match (whole, source.start_s, source.end_s) {
        (Err(error), ..) => work(Err(error.again())),
        (Ok(whole), None, None) => work(Ok(whole)),
        (Ok(whole), start, end) => match whole.segment(
            start.unwrap_or(0.0),
            end.unwrap_or_else(|| whole.duration_s()),
        ) {
            Ok(segment) => work(Ok(&segment)),
            Err(error) => work(Err(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::config::FeatureSettings;

    fn wav(folder: &Path, name: &str, samples: usize) {
        let mut writer = hound::WavWriter::create(
            folder.join(name),
            hound::WavSpec {
                channels: 1,
                sample_rate: 8000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            },
        )
        .unwrap();
        (0..samples).for_each(|i| writer.write_sample((i % 30_000) as i16).unwrap());
        writer.finalize().unwrap();
    }

    fn piece(path: &str, i: usize) -> Source {
        let at = |i: usize| Some(i as f64 / 1000.0);
        Source {
            start_s: at(i),
            end_s: at(i + 1),
            ..Source::named(format!("{path}#{i}"), path)
        }
    }

    #[test]
    fn each_source_gets_its_sound_in_order_whoever_decodes_it() {
        let dir = tempfile::tempdir().unwrap();
        wav(dir.path(), "long.wav", 8 * 2 * LONG);
        wav(dir.path(), "short.wav", 40);
        let mut sources: Vec<Source> = (0..LONG + 3).map(|i| piece("long.wav", i)).collect();
        sources.extend((0..7).map(|i| piece("short.wav", i)));
        sources.push(Source::named("x", "gone.wav"));
        sources.push(Source::named("y", "short.wav"));
        let workers = Workers::new(
            2,
            &FeatureSettings {
                sets: vec![],
                profile: Default::default(),
                augment: None,
                encoders: vec![],
                imports: vec![],
            },
        )
        .unwrap();
        let mut opener = Opener::new(dir.path());
        let sources: Vec<&Source> = sources.iter().collect();
        let seen = AtomicUsize::new(0);
        let cancel = Cancel::default();
        let mut first = || {
            opener.each(&sources, &workers, &cancel, |i, sound| {
                seen.fetch_add(1, Ordering::Relaxed);
                (
                    i,
                    sound
                        .map(|s| {
                            (
                                s.n_samples(),
                                (s.beginning(1).unwrap()[0] * 32_768.0) as usize,
                            )
                        })
                        .map_err(|e| e.kind()),
                )
            })
        };
        let got: Vec<_> = first().into_iter().map(Option::unwrap).collect();
        assert!(got.iter().enumerate().all(|(i, (at, _))| i == *at));
        assert!((0..LONG + 3).all(|i| got[i].1 == Ok((8, 8 * i))));
        // A segment beyond the end is an error of that segment alone.
        let short: Vec<_> = got[LONG + 3..].iter().map(|(_, sound)| *sound).collect();
        assert_eq!(short[..5], [0, 8, 16, 24, 32].map(|at| Ok((8, at))));
        assert!(short[5..8].iter().all(Result::is_err));
        assert_eq!(short[8], Ok((40, 0)));
        assert_eq!(seen.load(Ordering::Relaxed), sources.len());
        // The long recording is not decoded again while it stays the same.
        assert!(
            first()
                .iter()
                .take(LONG)
                .all(|one| matches!(one, Some((_, Ok(_)))))
        );
        cancel.request();
        assert!(first().iter().all(Option::is_none));
    }
}
