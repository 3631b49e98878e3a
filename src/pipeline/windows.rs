//! Windows of utterances in the place of the utterances: the same table, a row for each window, so
//! that all later stages work on windows as on the segments of a manifest.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use super::ingest::{self, Corpus, Ingested, LISTING, UTTERANCES};
use super::listing;
use super::options::Stage;
use super::probes::Probes;
use super::publish::table_hash;
use super::recordings::PREVIEWED;
use super::walk::{Later, Mode, Seen, Walk};
use crate::audio::Windows;
use crate::config::Pipeline;
use crate::corpus::{Listing, Sorter, Source, Sources, Utterance};
use crate::error::Result;
use crate::files::hash_bytes;
use crate::orchestrator::{Context, Identity, Task};
use crate::table;

/// Id of the task, and the folder of its probes within the store.
pub(super) const WINDOWS: &str = "windows";
/// Between the id of an utterance and the number of a window.
const MARK: char = '#';

/// Id of the utterance that the window with this id was cut from.
fn utterance_of(id: &str) -> &str {
    id.rsplit_once(MARK).map_or(id, |(utterance, _)| utterance)
}

/// What rows are kept together by: the utterance that they were cut from, or their own id where
/// they are whole utterances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unit(pub Option<Windows>);

impl Unit {
    pub(super) fn of(pipeline: &Pipeline) -> Unit {
        Unit(pipeline.corpus.windows)
    }

    pub(super) fn are_windows(self) -> bool {
        self.0.is_some()
    }

    /// The id that rows of one utterance share.
    pub(super) fn id(self, row: &str) -> &str {
        if self.are_windows() {
            utterance_of(row)
        } else {
            row
        }
    }

    /// An utterance for each unit, with the unit's id and a hash of all its windows' content, and
    /// the place of every row's unit in it.
    ///
    /// Single windows tell no copies: of silence, many are alike.
    pub(super) fn whole<'u>(
        self,
        utterances: &'u [Utterance],
    ) -> (Cow<'u, [Utterance]>, Vec<usize>) {
        if !self.are_windows() {
            return (Cow::Borrowed(utterances), (0..utterances.len()).collect());
        }
        let ids: Vec<&str> = utterances
            .iter()
            .map(|u| self.id(&u.source.id))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let places: Vec<usize> = utterances
            .iter()
            .map(|u| {
                ids.binary_search(&self.id(&u.source.id))
                    .unwrap_or_default()
            })
            .collect();
        let mut units: Vec<Option<Utterance>> = vec![None; ids.len()];
        for (utterance, &place) in utterances.iter().zip(&places) {
            let source = || Source {
                id: ids[place].to_owned(),
                ..utterance.source.clone()
            };
            let unit = || Utterance {
                source: source(),
                content_hash: String::new(),
                ..utterance.clone()
            };
            let unit = units[place].get_or_insert_with(unit);
            unit.content_hash.push_str(&utterance.content_hash);
            // Windows come in order, the last one ends with the utterance.
            unit.source.end_s = utterance.source.end_s;
            if let (Some(start), Some(end)) = (unit.source.start_s, unit.source.end_s) {
                unit.duration_s = end - start;
                unit.n_samples = (unit.duration_s * f64::from(unit.sample_rate)).round() as u64;
            }
        }
        let hashed = |unit: Utterance| Utterance {
            content_hash: hash_bytes(unit.content_hash.as_bytes()),
            ..unit
        };
        (
            Cow::Owned(units.into_iter().flatten().map(hashed).collect()),
            places,
        )
    }

    /// `windows of 1 s, one every 0.5 s`.
    pub(super) fn describe(self) -> Option<String> {
        self.0.map(|windows| {
            format!(
                "windows of {} s, one every {} s",
                windows.length_s(),
                windows.hop_s()
            )
        })
    }
}

/// The windows of all utterances, as sources with the times of each.
fn cut(whole: &Ingested, windows: Windows, sorter: Sorter) -> Result<Sources> {
    let mut sorter = sorter;
    for batch in table::utterances::stream(&whole.finished.folder) {
        for u in batch? {
            let base = u.source.start_s.unwrap_or(0.0);
            let at = |sample: usize| Some(base + sample as f64 / f64::from(u.sample_rate));
            let samples = usize::try_from(u.n_samples).unwrap_or(usize::MAX);
            for (i, range) in windows.over(samples, u.sample_rate).into_iter().enumerate() {
                let id = format!("{}{MARK}{i:05}", u.source.id);
                sorter.push(Source {
                    id,
                    start_s: at(range.start),
                    end_s: at(range.end),
                    ..u.source.clone()
                })?;
            }
        }
    }
    sorter.finish()
}

impl Walk<'_> {
    /// Id of the task whose utterances the features are of.
    pub(super) fn utterances(&self) -> &'static str {
        if self.pipeline.corpus.windows.is_some() {
            WINDOWS
        } else {
            "ingest"
        }
    }

    /// The windows of the utterances that were ingested; nothing where the pipeline works on whole
    /// utterances.
    pub(super) fn windows(&self, whole: &Ingested) -> Result<Seen<Option<Ingested>>> {
        let Some(windows) = self.pipeline.corpus.windows else {
            return Ok(Seen::There(None));
        };
        let mut identity = self.windows_settings(windows)?;
        identity.inputs.insert(
            UTTERANCES.to_owned(),
            table_hash(&whole.finished, UTTERANCES)?,
        );
        identity
            .inputs
            .insert(LISTING.to_owned(), whole.finished.hash(LISTING)?);
        let action = |context: &Context| {
            let folder = self.store.root();
            let sources = cut(
                whole,
                windows,
                Sorter::new((self.mode == Mode::Run).then_some(folder)),
            )?;
            let mut listing = Listing {
                expected: None,
                ..whole.listing.clone()
            };
            listing.notes.extend(
                Unit(Some(windows))
                    .describe()
                    .map(|what| format!("{what}, of {} utterances", whole.summary.utterances)),
            );
            let corpus = Corpus {
                listing: &listing,
                sources: &sources,
                root: self.root(),
                subset: None,
                published: vec![],
            };
            let folder = folder.join(WINDOWS);
            let probes = if self.planning() {
                Probes::peek(&folder)
            } else {
                Probes::begin(&folder)?
            };
            let before = listing::fingerprint(
                corpus.listing,
                &sources,
                self.root(),
                &self.workers,
                self.cancel,
            )?;
            // The audit compares whole utterances.
            let logs = self.logs_of_new_sounds(true, false)?;
            let logs = ingest::ingest(&corpus, probes, &self.workers, logs, context)?;
            self.rows.put(logs);
            match listing::fingerprint(
                corpus.listing,
                &sources,
                self.root(),
                &self.workers,
                self.cancel,
            )? {
                after if after == before => Ok(()),
                _ => Err(ingest::changed(self.root())),
            }
        };
        let few = whole.summary.utterances <= PREVIEWED as u64;
        let finished = match self.single(
            Task::new(WINDOWS, identity, action),
            vec!["ingest".into()],
            || few,
        )? {
            Seen::There(finished) => finished,
            Seen::Later(later) => return Ok(Seen::Later(later)),
        };
        match Ingested::of(finished) {
            Ok(windows) => Ok(Seen::There(Some(windows))),
            // Damaged: it will be made again.
            Err(_) if self.planning() => Ok(Seen::Later(Later {
                task: WINDOWS.to_owned(),
                certain: false,
            })),
            Err(error) => Err(error),
        }
    }

    pub(super) fn windows_settings(&self, windows: Windows) -> Result<Identity> {
        #[derive(Serialize)]
        struct Key {
            windows: Windows,
        }
        self.identity(Stage::Ingest, Key { windows }, [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_one_utterance_stand_together_whatever_its_id() {
        let row = |id: &str| Utterance {
            source: Source {
                emotion: "joy".into(),
                ..Source::named(id, "a.wav")
            },
            sample_rate: 8000,
            channels: 1,
            n_samples: 8000,
            duration_s: 1.0,
            content_hash: id.into(),
        };
        let rows = [
            "a b#00000",
            "a#0-1.5#00000",
            "a#00000",
            "a#0-1.5#00001",
            "a#00001",
        ]
        .map(row);
        let (whole, places) = Unit(Some(Windows::new(1.0, None).unwrap())).whole(&rows);
        assert_eq!(
            whole
                .iter()
                .map(|u| u.source.id.as_str())
                .collect::<Vec<_>>(),
            ["a", "a b", "a#0-1.5"]
        );
        assert_eq!(places, [1, 2, 0, 2, 0]);
        let (whole, places) = Unit(None).whole(&rows);
        assert!(whole.as_ref() == rows.as_slice() && places == [0, 1, 2, 3, 4]);
    }

    #[test]
    fn windows_of_silence_make_no_copies_but_the_same_windows_throughout_do() {
        let row = |id: &str, sound: &str| Utterance {
            source: Source {
                emotion: "joy".into(),
                ..Source::named(id, "a.wav")
            },
            sample_rate: 8000,
            channels: 1,
            n_samples: 8000,
            duration_s: 1.0,
            content_hash: sound.into(),
        };
        let rows = [
            ("a#00000", "silence"),
            ("a#00001", "x"),
            ("b#00000", "silence"),
            ("b#00001", "y"),
            ("c#00000", "silence"),
            ("c#00001", "x"),
        ];
        let rows = rows.map(|(id, sound)| row(id, sound));
        let unit = Unit(Some(Windows::new(1.0, None).unwrap()));
        assert_eq!(
            super::super::audit::groups(&rows, unit, &[]),
            [0, 0, 1, 1, 0, 0],
            "c is a copy of a"
        );
        let hashes: Vec<String> = unit
            .whole(&rows)
            .0
            .iter()
            .map(|u| u.content_hash.clone())
            .collect();
        assert!(
            hashes[0] == hashes[2] && hashes[0] != hashes[1],
            "an exact copy, and no other"
        );
    }
}
