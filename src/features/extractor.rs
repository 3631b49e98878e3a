//! From samples to rows of features, whichever the sets; those of encoders at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audio::resample::Resampler;
use crate::audio::{Budget, Long, Sound};
use crate::cancel::Cancel;
use crate::encoder::pooling::Moments;
use crate::encoder::{Buffers, Encoder, SAMPLE_RATE, Source};
use crate::error::{Error, Result};

use super::analysis::{Analysis, Workspace, check_finite};
use super::set::{FeatureSet, MOST_FRAMES, Profile};

/// Seconds of sound whose buffers are kept for the next recording; those of a longer one are given
/// back.
const KEPT_S: usize = 120;

/// How the row of a feature set follows from a recording.
pub(super) trait RowExtractor: Send {
    /// The row of a recording in memory.
    fn row(&mut self, analysis: &mut Analysis) -> Result<Vec<f32>>;

    /// The row of a recording in a file, of a set that needs no more memory for it than for a short
    /// one.
    fn row_of_long(
        &mut self,
        _recording: &Long,
        _work: &mut Workspace,
        _cancel: &Cancel,
    ) -> Option<Result<Vec<f32>>> {
        None
    }
}

/// In place of what is not computed here: an encoder that nobody named, or a table.
pub(super) struct Unknown(pub FeatureSet);

impl RowExtractor for Unknown {
    fn row(&mut self, _: &mut Analysis) -> Result<Vec<f32>> {
        let name = self.0.name();
        Err(Error::internal(format!(
            "the features `{name}` are not computed here"
        )))
    }
}

/// Computes rows of features. Plans, filters and buffers are kept from file to file: make one for
/// each thread.
pub struct Extractor {
    profile: Profile,
    encoders: Vec<Arc<Source>>,
    work: Workspace,
    /// Made when the first row of a set is wanted.
    sets: BTreeMap<FeatureSet, Box<dyn RowExtractor>>,
}

impl Extractor {
    /// An extractor of rows as one profile has them.
    pub fn new(profile: Profile) -> Extractor {
        Extractor::with_encoders(profile, vec![])
    }

    /// The same, which computes the features of these encoders as well.
    pub fn with_encoders(profile: Profile, encoders: Vec<Arc<Source>>) -> Extractor {
        let Profile::Librosa08 = profile;
        Extractor {
            profile,
            encoders,
            work: Workspace::new(),
            sets: BTreeMap::new(),
        }
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
    pub fn extract(
        &mut self,
        set: FeatureSet,
        samples: &[f32],
        sample_rate: u32,
    ) -> Result<Vec<f32>> {
        let sets = &mut self.sets;
        let row = sets
            .entry(set)
            .or_insert_with(|| set.extractor(&self.encoders))
            .row(&mut Analysis::new(samples, sample_rate, &mut self.work));
        self.give_back(samples.len(), sample_rate);
        row
    }

    /// The rows of several sets, in the order of the sets, of a recording that is in memory or,
    /// where it is long, in a file; the same bits either way. Of a long one, the 193 means take
    /// little memory, and the other sets what `budget` allows.
    ///
    /// # Errors
    /// As [`Extractor::extract`]; [`crate::error::Kind::Data`] where more memory is needed than the
    /// budget allows; [`crate::error::Kind::Interrupted`] where a stop is asked for.
    pub fn extract_sets(
        &mut self,
        sets: &[FeatureSet],
        sound: &Sound,
        budget: &Budget,
    ) -> Vec<(FeatureSet, Result<Vec<f32>>)> {
        // In this order, neighbours share what they need of the analysis.
        let mut wanted = sets.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut rows = Vec::with_capacity(wanted.len());
        if let Sound::Long(long) = sound {
            wanted.retain(|&set| {
                let extractor = self
                    .sets
                    .entry(set)
                    .or_insert_with(|| set.extractor(&self.encoders));
                let row = extractor.row_of_long(long, &mut self.work, budget.cancel());
                let is_left = row.is_none();
                rows.extend(row.map(|row| (set, row)));
                is_left
            });
        }
        if !wanted.is_empty() {
            match sound.whole(budget) {
                Ok((audio, _permit)) => {
                    let mut analysis =
                        Analysis::new(&audio.samples, audio.sample_rate, &mut self.work);
                    rows.extend(wanted.into_iter().map(|set| {
                        let extractor = self
                            .sets
                            .entry(set)
                            .or_insert_with(|| set.extractor(&self.encoders));
                        (set, extractor.row(&mut analysis))
                    }));
                }
                Err(error) => rows.extend(wanted.into_iter().map(|set| (set, Err(error.again())))),
            }
        }
        match sound {
            Sound::Whole(audio) => self.give_back(audio.samples.len(), audio.sample_rate),
            // Nothing of the blocks of a long one is kept.
            Sound::Long(_) => self.begin_anew(),
        }
        rows
    }

    fn give_back(&mut self, samples: usize, sample_rate: u32) {
        if samples > KEPT_S * sample_rate as usize {
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        *self = Extractor::with_encoders(self.profile, std::mem::take(&mut self.encoders));
    }
}

/// Samples of the longest recording of which all frames are kept: of [`MOST_FRAMES`] frames of 20 ms.
const MOST_SAMPLES: usize = MOST_FRAMES * SAMPLE_RATE as usize / 50;

/// Computes rows of [`super::FeatureSet::Encoder`]: for each state, in order, its means and then its
/// deviations; or the frames of one state, of a long recording those of its middle.
pub(super) struct EncoderExtractor {
    source: Arc<Source>,
    /// Loaded for the first recording.
    encoder: Option<(Arc<Encoder>, Buffers)>,
    resampler: Option<Resampler>,
    signal: Vec<f32>,
}

impl EncoderExtractor {
    pub(super) fn new(source: Arc<Source>) -> EncoderExtractor {
        EncoderExtractor {
            source,
            encoder: None,
            resampler: None,
            signal: Vec::new(),
        }
    }
}

impl RowExtractor for EncoderExtractor {
    fn row(&mut self, analysis: &mut Analysis) -> Result<Vec<f32>> {
        analysis.check()?;
        let (encoder, buffers) = match &mut self.encoder {
            Some(loaded) => loaded,
            none => {
                let encoder = self.source.load()?;
                let buffers = encoder.buffers();
                none.insert((encoder, buffers))
            }
        };
        let resampler = match &mut self.resampler {
            Some(resampler) if resampler.from_hz() == analysis.sample_rate => resampler,
            other => other.insert(Resampler::new(analysis.sample_rate, SAMPLE_RATE)),
        };
        resampler.process_into(analysis.samples, &mut self.signal);
        let states = encoder.states().len();
        let kept = self.source.usage().frames;
        let kept = kept.map(|layer| {
            let no_such = || Error::config(format!("the encoder has no layer {layer}"));
            layer.of(states).ok_or_else(no_such)
        });
        let kept = kept.transpose()?;
        if kept.is_some() {
            keep_middle(&mut self.signal, MOST_SAMPLES);
        }
        let samples = self.signal.len();
        let windows = samples.div_ceil(self.source.longest(encoder)).max(1);
        let (mut moments, mut row) = (vec![Moments::default(); states], vec![]);
        for window in 0..windows {
            let (from, to) = (window * samples / windows, (window + 1) * samples / windows);
            let mut state = moments.iter_mut().enumerate();
            let padding = self.source.usage().padding;
            encoder.run(
                &self.signal[from..to],
                padding,
                buffers,
                |_, frames| match (state.next(), kept) {
                    (Some((place, _)), Some(kept)) if place == kept => {
                        row.extend_from_slice(frames)
                    }
                    (Some((_, moments)), None) => moments.add(frames, encoder.width()),
                    _ => {}
                },
            )?;
        }
        match kept {
            Some(_) => keep_middle(&mut row, MOST_FRAMES * encoder.width()),
            None => moments.iter().for_each(|state| state.append_to(&mut row)),
        }
        check_finite(&row).map(|()| row)
    }
}

/// Cuts a sequence to `most` values from its middle. Of frames, both lengths are whole frames.
fn keep_middle(values: &mut Vec<f32>, most: usize) {
    if values.len() > most {
        let width = most / MOST_FRAMES;
        let first = (values.len() - most) / 2 / width * width;
        values.drain(..first);
        values.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use crate::audio::Audio;

    use super::*;

    fn tone(sample_rate: u32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|t| 0.5 * (t as f32 * 440.0 * std::f32::consts::TAU / sample_rate as f32).sin())
            .collect()
    }

    #[test]
    fn sets_together_and_after_other_recordings_have_the_rows_of_each_alone() {
        let mut together = Extractor::new(Profile::Librosa08);
        for (sample_rate, samples) in [
            (16_000, 40_000),
            (48_000, 39_000),
            (16_000, 0),
            (22_050, 9000),
        ] {
            let samples = tone(sample_rate, samples);
            let sound = Sound::Whole(Audio {
                samples: samples.clone(),
                sample_rate,
                channels: 1,
                remarks: Default::default(),
            });
            let rows = together.extract_sets(&FeatureSet::ALL, &sound, &Budget::unlimited());
            assert_eq!(rows.len(), FeatureSet::ALL.len());
            for (set, row) in rows {
                let alone = Extractor::new(Profile::Librosa08).extract(set, &samples, sample_rate);
                assert_eq!(row.ok(), alone.ok(), "{set:?} at {sample_rate} Hz");
            }
        }
    }

    #[test]
    fn the_middle_is_whole_frames() {
        let of = |frames: usize| {
            let mut row: Vec<f32> = (0..2 * frames).map(|v| v as f32).collect();
            keep_middle(&mut row, 2 * MOST_FRAMES);
            (row[0], row.len())
        };
        assert_eq!(of(MOST_FRAMES), (0.0, 2 * MOST_FRAMES));
        assert_eq!(of(MOST_FRAMES + 5), (4.0, 2 * MOST_FRAMES));
    }
}
