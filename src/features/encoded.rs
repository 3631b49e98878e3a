//! The features that a pretrained encoder gives: mean and deviation over time of each of its states.

use std::sync::Arc;

use super::analysis::{Analysis, check_finite};
use super::extractor::RowExtractor;
use crate::audio::resample::Resampler;
use crate::encoder::pooling::Moments;
use crate::encoder::{Buffers, Encoder, SAMPLE_RATE, Source};
use crate::error::Result;

/// Computes rows of [`super::FeatureSet::Encoder`]: for each state, in order, its means and then its
/// deviations.
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
        let samples = self.signal.len();
        let windows = samples.div_ceil(self.source.longest(encoder)).max(1);
        let mut states = vec![Moments::default(); encoder.states().len()];
        for window in 0..windows {
            let (from, to) = (window * samples / windows, (window + 1) * samples / windows);
            let mut state = states.iter_mut();
            let padding = self.source.usage().padding;
            encoder.run(&self.signal[from..to], padding, buffers, |_, frames| {
                if let Some(state) = state.next() {
                    state.add(frames, encoder.width());
                }
            })?;
        }
        let mut row = Vec::with_capacity(2 * states.len() * encoder.width());
        states.iter().for_each(|state| state.append_to(&mut row));
        check_finite(&row).map(|()| row)
    }
}
