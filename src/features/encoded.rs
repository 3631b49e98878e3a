//! The features that a pretrained encoder gives: mean and deviation over time of each of its states, or
//! all frames of one.

use std::sync::Arc;

use super::analysis::{Analysis, check_finite};
use super::extractor::RowExtractor;
use super::set::MOST_FRAMES;
use crate::audio::resample::Resampler;
use crate::encoder::pooling::Moments;
use crate::encoder::{Buffers, Encoder, SAMPLE_RATE, Source};
use crate::error::{Error, Result};

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
    use super::*;

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
