//! What all sets begin with: the signal at one rate.

use std::ops::{Range, RangeInclusive};

use crate::audio::resample::Resampler;
use crate::dsp::{extremes, mean};
use crate::error::{Error, Result};

pub(super) const SAMPLE_RATE: u32 = 22_050;
pub(super) const N_FFT: usize = 2048;
pub(super) const HOP_LENGTH: usize = 512;
/// Fewest samples at [`SAMPLE_RATE`], of any set, so that they are all of the same recordings.
pub(super) const SHORTEST: usize = 33;
/// Recordings with a smaller peak (-120 dBFS) are not scaled up to one: they are taken as silent.
const QUIETEST: f64 = 1e-6;
/// Sampling rates of the input that are taken as meant seriously, in Hz.
const RATES: RangeInclusive<u32> = 1_000..=768_000;

/// Brings recordings to 22 050 Hz; the resampler is kept while the rate stays the same.
#[derive(Default)]
pub(super) struct Front {
    resampler: Option<Resampler>,
    signal: Vec<f32>,
    levelled: Vec<f32>,
}

impl Front {
    /// The last signal.
    pub(super) fn signal(&self) -> &[f32] {
        &self.signal
    }

    /// Computes some samples of the last signal again, as resampy rounds them, from the recording
    /// that it was made of. Whether that may change them.
    pub(super) fn exactly(&mut self, samples: &[f32], range: Range<usize>) -> bool {
        let range = range.start.min(self.signal.len())..range.end.min(self.signal.len());
        self.resampler.as_mut().is_some_and(|resampler| {
            resampler.exactly(samples, range.start, &mut self.signal[range])
        })
    }

    /// Takes a mono recording.
    ///
    /// # Errors
    /// As [`super::Extractor::extract`].
    pub(super) fn load(&mut self, samples: &[f32], sample_rate: u32) -> Result<()> {
        check(samples, sample_rate)?;
        self.resample(samples, sample_rate)
    }

    /// Takes a mono recording less its mean and scaled to a peak of one, so that neither an offset
    /// nor the gain of the recording changes what is computed of it. Returns the level of that peak
    /// in dB, at least -120, by which levels have to be raised again.
    ///
    /// # Errors
    /// As [`super::Extractor::extract`].
    pub(super) fn load_levelled(&mut self, samples: &[f32], sample_rate: u32) -> Result<f64> {
        check(samples, sample_rate)?;
        let (offset, (least, largest)) = (mean(samples), extremes(samples));
        // Refuses what the spectra of the signal as it stands could not hold.
        check_finite(&[(largest.max(-least) * N_FFT as f32).powi(2)])?;
        let peak = (f64::from(largest) - offset)
            .max(offset - f64::from(least))
            .max(QUIETEST);
        let mut levelled = std::mem::take(&mut self.levelled);
        levelled.clear();
        levelled.extend(
            samples
                .iter()
                .map(|sample| ((f64::from(*sample) - offset) / peak) as f32),
        );
        let loaded = self.resample(&levelled, sample_rate);
        self.levelled = levelled;
        loaded.map(|()| 20.0 * peak.log10())
    }

    fn resample(&mut self, samples: &[f32], sample_rate: u32) -> Result<()> {
        let mut resampler = match self.resampler.take() {
            Some(resampler) if resampler.from_hz() == sample_rate => resampler,
            _ => Resampler::new(sample_rate, SAMPLE_RATE),
        };
        resampler.process_into(samples, &mut self.signal);
        self.resampler = Some(resampler);
        if self.signal.len() < SHORTEST {
            let shortest =
                (SHORTEST as u64 - 1) * u64::from(sample_rate) / u64::from(SAMPLE_RATE) + 1;
            let message = format!(
                "the recording has {} samples at {sample_rate} Hz, fewer than the {shortest} needed",
                samples.len()
            );
            return Err(Error::data(message)
                .hint("leave the file out, or check that it was written completely"));
        }
        Ok(())
    }
}

/// Refuses sampling rates and samples that no signal has.
fn check(samples: &[f32], sample_rate: u32) -> Result<()> {
    check_rate(sample_rate)?;
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        let message = format!("sample {at} is not a finite number");
        return Err(Error::data(message)
            .hint("the file is damaged or was written with an overflow: export it again"));
    }
    Ok(())
}

/// Refuses sampling rates that no signal has.
pub(super) fn check_rate(sample_rate: u32) -> Result<()> {
    if !RATES.contains(&sample_rate) {
        let message = format!(
            "the sampling rate is {sample_rate} Hz, outside {} to {} Hz",
            RATES.start(),
            RATES.end()
        );
        return Err(Error::data(message)
            .hint("convert the recording to a usual rate, such as 16000 or 48000 Hz"));
    }
    Ok(())
}

/// Refuses features that no model could be trained on.
pub(super) fn finite(features: Vec<f32>) -> Result<Vec<f32>> {
    check_finite(&features).map(|()| features)
}

/// Refuses powers that no logarithm may be taken of.
pub(super) fn check_finite(values: &[f32]) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(
            Error::data("the features are not finite: the samples are too large")
                .hint("scale the recording to [-1, 1]"),
        )
    }
}
