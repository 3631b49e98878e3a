//! From samples to a row of features, whichever the set.

use super::frames::FrameExtractor;
use super::functionals::FunctionalExtractor;
use super::issa193::Issa193;
use super::set::{FeatureSet, Profile};
use crate::audio::{Budget, Sound};
use crate::error::Result;

/// Seconds of sound whose buffers are kept for the next recording; those of a longer one are given
/// back.
const KEPT_S: usize = 120;

/// Computes rows of one set. Plans, filters and buffers are kept from file to file: make one for
/// each thread.
pub struct Extractor {
    kind: Kind,
    set: FeatureSet,
    profile: Profile,
}

enum Kind {
    Issa193(Box<Issa193>),
    Issa193Db(Box<Issa193>),
    Functionals(Box<FunctionalExtractor>),
    Frames(Box<FrameExtractor>),
}

impl Extractor {
    /// An extractor of one feature set as one profile computes it.
    pub fn new(set: FeatureSet, profile: Profile) -> Extractor {
        let kind = match set {
            FeatureSet::Issa193 => Kind::Issa193(Box::new(Issa193::new(profile))),
            FeatureSet::Issa193Db => Kind::Issa193Db(Box::new(Issa193::new(profile))),
            FeatureSet::Functionals => {
                Kind::Functionals(Box::new(FunctionalExtractor::new(profile)))
            }
            FeatureSet::Frames => Kind::Frames(Box::new(FrameExtractor::new(profile))),
        };
        Extractor { kind, set, profile }
    }

    /// The row of a mono recording, in the order of [`super::names`]; of a sequence, frame after
    /// frame.
    ///
    /// # Errors
    ///
    /// [`crate::error::Kind::Data`] for a recording without samples, with samples that are no
    /// numbers, at a sampling rate outside 1 to 768 kHz, or shorter than the 33 samples at 22 050
    /// Hz (1.5 ms) that librosa 0.8.1 needs as well; and when a feature is not finite, which takes
    /// samples far outside [-1, 1].
    pub fn extract(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        let row = match &mut self.kind {
            Kind::Issa193(extractor) => extractor.extract(samples, sample_rate),
            Kind::Issa193Db(extractor) => extractor.extract_db(samples, sample_rate),
            Kind::Functionals(extractor) => extractor.extract(samples, sample_rate),
            Kind::Frames(extractor) => extractor.extract(samples, sample_rate),
        };
        if samples.len() > KEPT_S * sample_rate as usize {
            *self = Extractor::new(self.set, self.profile);
        }
        row
    }

    /// The row of a recording that is in memory or, where it is long, in a file; the same bits
    /// either way. Of a long one, the 193 means take little memory, and the other sets what
    /// `budget` allows.
    ///
    /// # Errors
    /// As [`Extractor::extract`]; [`crate::error::Kind::Data`] where more memory is needed than the
    /// budget allows; [`crate::error::Kind::Interrupted`] where a stop is asked for.
    pub fn extract_sound(&mut self, sound: &Sound, budget: &Budget) -> Result<Vec<f32>> {
        let row = match (&mut self.kind, sound) {
            (_, Sound::Whole(audio)) => return self.extract(&audio.samples, audio.sample_rate),
            (Kind::Issa193(extractor), Sound::Long(long)) => {
                extractor.extract_long(long, budget.cancel())
            }
            (Kind::Issa193Db(extractor), Sound::Long(long)) => extractor.extract_db(
                &sound.beginning(Issa193::STRETCH_END_S)?,
                long.sample_rate(),
            ),
            (Kind::Functionals(_) | Kind::Frames(_), Sound::Long(_)) => {
                let (audio, _permit) = sound.whole(budget)?;
                return self.extract(&audio.samples, audio.sample_rate);
            }
        };
        *self = Extractor::new(self.set, self.profile);
        row
    }
}
