//! Predicting many recordings: in parallel, in order, without holding more than some of them.

use std::collections::BTreeMap;

use super::faults::{Bad, Fault};
use super::listen::{Heard, Listeners, Outcome, Wanted};
use super::loader::Predictor;
use super::sources::{Clip, Item, Sources};
use super::speakers::{by_speaker, require_speakers};
use crate::audio::{Remark, Windows};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::orchestrator::Observer;

/// Clips that are heard before any of them is written. What is written does not depend on it.
pub(super) const CHUNK: usize = 512;

/// Longer than any utterance of the corpora that models are trained on, in seconds.
pub const LONG_S: f64 = 60.0;

/// Who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Speakers {
    /// What manifests say, where a model asks.
    #[default]
    AsGiven,
    /// What manifests say; who does not say it is set aside.
    Named,
    /// The same in all recordings.
    One,
}

/// How recordings are judged.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Without it every recording is judged as a whole.
    pub windows: Option<Windows>,
    /// Who speaks.
    pub speakers: Speakers,
    /// Threads.
    pub jobs: usize,
    /// Bytes that recordings may take, where there is a limit.
    pub memory: Option<u64>,
}

/// Who is told what came of the recordings, in their order.
pub trait Sink {
    /// Takes the windows of a clip, of which there is at least one.
    ///
    /// # Errors
    /// Ends the work.
    fn heard(&mut self, clip: &Clip, heard: &[Heard]) -> Result<()>;

    /// Takes a recording that could not be judged.
    ///
    /// # Errors
    /// Ends the work.
    fn bad(&mut self, bad: &Bad) -> Result<()>;

    /// Whether nobody wants to know more.
    fn has_enough(&self) -> bool {
        false
    }
}

/// How many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Clips that were judged.
    pub predicted: u64,
    /// Rows: windows of clips.
    pub rows: u64,
    /// What was set aside.
    pub bad: BTreeMap<Fault, u64>,
    /// Rows that are outside of what the models were trained on.
    pub outside: u64,
    /// Of these, by duration.
    pub outside_duration: u64,
    /// Of these, by features.
    pub outside_features: u64,
    /// Of those judged, clips of more than [`LONG_S`].
    pub long: u64,
    /// Of those judged, clips without any sound.
    pub silent: u64,
    /// What the first of these is called.
    pub first_silent: Option<String>,
    /// What decoding remarked: of how many recordings, and the first of them by name.
    pub remarked: BTreeMap<Remark, (u64, String)>,
}

impl Tally {
    /// What was set aside in all.
    pub fn set_aside(&self) -> u64 {
        self.bad.values().sum()
    }

    fn tell(&mut self, clip: &Clip, outcome: Outcome, sink: &mut dyn Sink) -> Result<()> {
        match outcome {
            Ok(heard) => {
                self.predicted += 1;
                self.rows += heard.len() as u64;
                let (begin, end) = (
                    heard.first().map_or(0.0, |one| one.start_s),
                    heard.last().map_or(0.0, |one| one.end_s),
                );
                self.long += u64::from(end - begin > LONG_S);
                for outside in heard.iter().map(|one| one.outside) {
                    self.outside += u64::from(!outside.is_inside());
                    self.outside_duration += u64::from(outside.duration);
                    self.outside_features += u64::from(outside.features);
                }
                if heard.iter().all(|one| one.silent) {
                    self.silent += 1;
                    self.first_silent.get_or_insert_with(|| clip.name());
                }
                sink.heard(clip, &heard)
            }
            Err((fault, error)) => self.set_one_aside(&Bad::new(clip.name(), fault, error), sink),
        }
    }

    fn set_one_aside(&mut self, bad: &Bad, sink: &mut dyn Sink) -> Result<()> {
        *self.bad.entry(bad.fault).or_default() += 1;
        sink.bad(bad)
    }
}

/// Tells `sink` of every recording what the models say.
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
    let items = &sources.items;
    let listeners = Listeners::new(
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
            Some(by_speaker(predictor, &clips, one, &listeners, cancel, observer)?.into_iter())
        }
    };
    for items in items.chunks(CHUNK) {
        let clips: Vec<&Clip> = items.iter().flatten().collect();
        let mut found: Vec<Option<Outcome>> = match &mut all {
            None => listeners.each(&clips, Wanted::Probabilities),
            Some(all) => all.by_ref().take(clips.len()).map(Some).collect(),
        };
        cancel.check()?;
        let mut found = found.drain(..);
        for item in items {
            match item {
                Err(bad) => tally.set_one_aside(bad, sink)?,
                Ok(clip) => {
                    let outcome = found
                        .next()
                        .flatten()
                        .ok_or_else(|| Error::internal("a recording that nobody heard"))?;
                    tally.tell(clip, outcome, sink)?;
                }
            }
        }
        if sink.has_enough() {
            break;
        }
    }
    drop(all);
    tally.remarked = listeners.remarked();
    Ok(tally)
}

/// Refuses to judge single clips by a model that cannot.
fn check_speakers(needs: bool, speakers: Speakers, items: &[Item]) -> Result<()> {
    let named = items.iter().flatten().any(|clip| clip.speaker.is_some());
    if speakers == Speakers::Named && !named {
        return Err(Error::usage("--by-speaker needs to know who speaks")
            .hint("give a manifest with a column speaker"));
    }
    if !needs || named || speakers == Speakers::One {
        return Ok(());
    }
    let message = "this model scales each speaker by all of the speaker's clips (transductive): it cannot judge one alone";
    Err(Error::usage(message).hint(
        "give it many clips of one speaker, of all emotions, and say --one-speaker; or a manifest with a column speaker; or train with \
         scaler = \"standard\"",
    ))
}
