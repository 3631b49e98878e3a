//! Predicting many recordings: in parallel, in order, without holding more than some of them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::audio::{Remark, Windows};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::import::{ImportSettings, Imported, Recording, Summary};
use crate::orchestrator::Observer;

use super::loader::Predictor;
use super::pool::{Inference, Outcome, Wanted, WorkerPool};
use super::sources::{Clip, Item, RejectReason, Rejected, Sources};
use super::speakers::{by_speaker, require_speakers};

/// Clips that are classified before any of them is written. The output does not depend on it.
pub(super) const CHUNK: usize = 512;

/// Longer than any utterance of the corpora that models are trained on, in seconds.
pub const LONG_S: f64 = 60.0;

/// How the speakers of the recordings are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speakers {
    /// As manifests say, where a model needs speakers.
    #[default]
    AsGiven,
    /// As manifests say; clips without a speaker are excluded.
    Named,
    /// The same in all recordings.
    One,
}

/// How recordings are classified.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Without it every recording is classified as a whole.
    pub windows: Option<Windows>,
    /// How the speakers are known.
    pub speakers: Speakers,
    /// Threads.
    pub jobs: usize,
    /// Bytes that recordings may take, where there is a limit.
    pub memory: Option<u64>,
}

/// Receives the results for the recordings, in their order.
pub trait Sink {
    /// Takes the windows of a clip, of which there is at least one.
    fn predicted(&mut self, clip: &Clip, inferences: &[Inference]) -> Result<()>;

    /// Takes a recording that could not be classified.
    fn rejected(&mut self, rejected: &Rejected) -> Result<()>;

    /// Whether no more results are wanted.
    fn has_enough(&self) -> bool {
        false
    }
}

/// How many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Clips that were classified.
    pub predicted: u64,
    /// Rows: windows of clips.
    pub rows: u64,
    /// Excluded recordings by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Rows that are outside of what the models were trained on.
    pub outside: u64,
    /// Of these, by duration.
    pub outside_duration: u64,
    /// Of these, by features.
    pub outside_features: u64,
    /// Of those classified, clips of more than [`LONG_S`].
    pub long: u64,
    /// Of those classified, clips without any sound.
    pub silent: u64,
    /// The name of the first of these.
    pub first_silent: Option<String>,
    /// Remarks of decoding: of how many recordings, and the first of them by name.
    pub remarked: BTreeMap<Remark, (u64, String)>,
}

impl Tally {
    /// All excluded recordings.
    pub fn excluded(&self) -> u64 {
        self.rejected.values().sum()
    }

    fn count(&mut self, clip: &Clip, outcome: Outcome, sink: &mut dyn Sink) -> Result<()> {
        match outcome {
            Ok(inferences) => {
                self.predicted += 1;
                self.rows += inferences.len() as u64;
                let (begin, end) = (
                    inferences.first().map_or(0.0, |one| one.start_s),
                    inferences.last().map_or(0.0, |one| one.end_s),
                );
                self.long += u64::from(end - begin > LONG_S);
                for outside in inferences.iter().map(|one| one.outside) {
                    self.outside += u64::from(!outside.is_inside());
                    self.outside_duration += u64::from(outside.duration);
                    self.outside_features += u64::from(outside.features);
                }
                if inferences.iter().all(|one| one.silent) {
                    self.silent += 1;
                    self.first_silent.get_or_insert_with(|| clip.name());
                }
                sink.predicted(clip, &inferences)
            }
            Err((reason, error)) => self.reject(&Rejected::new(clip.name(), reason, error), sink),
        }
    }

    fn reject(&mut self, rejected: &Rejected, sink: &mut dyn Sink) -> Result<()> {
        *self.rejected.entry(rejected.reason).or_default() += 1;
        sink.rejected(rejected)
    }
}

/// Classifies every recording and hands the results to `sink`.
///
/// # Errors
/// [`crate::error::Kind::Usage`] where the models scale speakers and nothing says who speaks,
/// [`crate::error::Kind::Interrupted`] where a stop was asked for, and what `sink` returns.
pub fn predict(
    predictor: &Predictor,
    mut sources: Sources,
    settings: &Settings,
    sink: &mut dyn Sink,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Tally> {
    let needs = predictor.needs_speaker();
    check_speakers(needs, settings.speakers, &sources.items)?;
    if settings.speakers == Speakers::Named || (needs && settings.speakers == Speakers::AsGiven) {
        require_speakers(&mut sources.items);
    }
    if let Some(import) = &predictor.import {
        if settings.windows.is_some() {
            let error =
                Error::usage("the features of this model are of whole recordings, not of windows");
            return Err(error.hint("leave out --window"));
        }
        let found = take_imported(import, &mut sources.items, cancel)?;
        observer.note(found.describe());
    }
    let items = &sources.items;
    let pool = WorkerPool::new(
        predictor,
        settings.jobs,
        settings.windows,
        settings.memory,
        items.len(),
        cancel,
        observer,
    )?;
    let mut tally = Tally::default();
    let mut all = match needs {
        false => None,
        true => {
            let clips: Vec<&Clip> = items.iter().flatten().collect();
            let one = settings.speakers == Speakers::One;
            Some(by_speaker(predictor, &clips, one, &pool, cancel, observer)?.into_iter())
        }
    };
    for items in items.chunks(CHUNK) {
        let clips: Vec<&Clip> = items.iter().flatten().collect();
        let mut found: Vec<Option<Outcome>> = match &mut all {
            None => pool.each(&clips, Wanted::Probabilities),
            Some(all) => all.by_ref().take(clips.len()).map(Some).collect(),
        };
        cancel.check()?;
        let mut found = found.drain(..);
        for item in items {
            match item {
                Err(rejected) => tally.reject(rejected, sink)?,
                Ok(clip) => {
                    let outcome = found
                        .next()
                        .flatten()
                        .ok_or_else(|| Error::internal("a recording without a result"))?;
                    tally.count(clip, outcome, sink)?;
                }
            }
        }
        if sink.has_enough() {
            break;
        }
    }
    drop(all);
    tally.remarked = pool.remarked();
    Ok(tally)
}

/// Refuses single clips where the model scales each speaker.
fn check_speakers(needs: bool, speakers: Speakers, items: &[Item]) -> Result<()> {
    let named = items.iter().flatten().any(|clip| clip.speaker.is_some());
    if speakers == Speakers::Named && !named {
        return Err(Error::usage("--by-speaker needs to know who speaks")
            .hint("give a manifest with a column speaker"));
    }
    if !needs || named || speakers == Speakers::One {
        return Ok(());
    }
    let message = "this model scales each speaker by all of the speaker's clips (transductive): it cannot classify one alone";
    Err(Error::usage(message).hint(
        "give it many clips of one speaker, of all emotions, and say --one-speaker; or a manifest with a column speaker; or train with \
         scaler = \"standard\"",
    ))
}

/// Gives every clip its row; those without one are excluded.
///
/// # Errors
/// As [`Imported::read`]; [`Kind::Data`] where the table lacks columns of the model.
pub(super) fn take_imported(
    import: &ImportSettings,
    items: &mut [Item],
    cancel: &Cancel,
) -> Result<Summary> {
    let names: Vec<String> = items.iter().flatten().map(|clip| clip.name()).collect();
    let clips = items.iter().flatten().zip(&names);
    let recordings: Vec<Recording> = clips
        .map(|(clip, path)| Recording {
            id: "",
            path,
            start_s: clip.start_s,
            end_s: clip.end_s,
            duration_s: None,
        })
        .collect();
    let imported =
        Imported::read(import, &recordings, cancel).map_err(|e| lacking(e, &import.path))?;
    let places: Vec<Option<usize>> = (import.columns.iter())
        .map(|name| {
            imported
                .table
                .columns
                .iter()
                .position(|column| column == name)
        })
        .collect();
    let mut at = 0;
    for item in items {
        let Ok(clip) = item else { continue };
        match imported.row(at) {
            Ok(row) => {
                let values = places
                    .iter()
                    .map(|place| place.map_or(f32::NAN, |place| row[place]));
                clip.features = Some(values.collect());
            }
            Err(why) => {
                let error = Error::data(why);
                *item = Err(Rejected::new(
                    names[at].clone(),
                    RejectReason::NoFeatures,
                    error,
                ));
            }
        }
        at += 1;
    }
    Ok(imported.summary)
}

/// A table without the columns of the model is wrong data, and no setting.
fn lacking(error: Error, path: &Path) -> Error {
    if error.kind() != Kind::Config {
        return error;
    }
    let hint = error.hint_text().unwrap_or_default().to_owned();
    let message = format!(
        "{} does not have the features that the model was trained on",
        path.display()
    );
    Error::data(message).because(error).hint(hint)
}
