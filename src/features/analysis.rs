//! The recording at 22 050 Hz and its short-time spectrum, which the feature sets share.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use crate::audio::resample::Resampler;
use crate::dsp::{
    ChromaFilters, Contrast, MelFilters, Stft, Tiles, TuningEstimator, energy_db, extremes,
    frame_count, mean, pad_reflected,
};
use crate::error::{Error, Result};

pub(super) const SAMPLE_RATE: u32 = 22_050;
pub(super) const N_FFT: usize = 2048;
pub(super) const HOP_LENGTH: usize = 512;
/// Mel bands.
pub(super) const MEL: usize = 128;
/// Pitch classes.
pub(super) const CLASSES: usize = 12;
pub(super) const CONTRAST_OCTAVES: usize = 6;
/// Levels further below the maximum are raised to it.
pub(super) const TOP_DB: f32 = 80.0;
/// Fewest samples at [`SAMPLE_RATE`], the same for every set.
pub(super) const SHORTEST: usize = 33;
/// Recordings with a smaller peak (-120 dBFS) are taken as silent and not scaled up.
const QUIETEST: f64 = 1e-6;
/// Sampling rates of the input that are accepted, in Hz.
const RATES: RangeInclusive<u32> = 1_000..=768_000;

/// Plans, filters and buffers, kept from recording to recording.
pub(super) struct Workspace {
    resampler: Option<Resampler>,
    scaled: Vec<f32>,
    /// The signal at 22 050 Hz: as recorded, or levelled.
    pub signal: Vec<f32>,
    /// The levelled signal between its reflected ends.
    pub padded: Vec<f32>,
    /// The energy in dB of every frame of the levelled signal.
    pub energies: Vec<f64>,
    pub stft: Stft,
    pub magnitude: Tiles,
    pub mel_filters: MelFilters,
    pub mel: Tiles,
    pub mel_db: Tiles,
    pub contrast: Contrast,
    pub contrasts: Tiles,
    pub tuning: TuningEstimator,
    /// Filters by tuning in hundredths: the estimator knows a hundred values.
    chroma_filters: BTreeMap<i32, ChromaFilters>,
    pub chroma: Tiles,
}

impl Workspace {
    pub(super) fn new() -> Workspace {
        let rate = f64::from(SAMPLE_RATE);
        let stft = Stft::new(N_FFT, HOP_LENGTH);
        let contrast = Contrast::new(rate, N_FFT, CONTRAST_OCTAVES);
        Workspace {
            resampler: None,
            scaled: Vec::new(),
            signal: Vec::new(),
            padded: Vec::new(),
            energies: Vec::new(),
            magnitude: Tiles::new(stft.bins()),
            stft,
            mel_filters: MelFilters::new(rate, N_FFT, MEL),
            mel: Tiles::new(MEL),
            mel_db: Tiles::new(MEL),
            contrasts: Tiles::new(contrast.bands()),
            contrast,
            tuning: TuningEstimator::new(rate, N_FFT),
            chroma_filters: BTreeMap::new(),
            chroma: Tiles::new(CLASSES),
        }
    }

    /// Computes `chroma` from `magnitude`, for a deviation from A440 in semitones.
    pub(super) fn compute_chroma(&mut self, tuning: f64) {
        self.chroma_filters
            .entry(hundredths(tuning))
            .or_insert_with(|| ChromaFilters::new(f64::from(SAMPLE_RATE), N_FFT, tuning))
            .apply(&self.magnitude, &mut self.chroma);
    }

    fn resample(&mut self, samples: &[f32], sample_rate: u32) -> Result<()> {
        let resampler = match &mut self.resampler {
            Some(resampler) if resampler.from_hz() == sample_rate => resampler,
            other => other.insert(Resampler::new(sample_rate, SAMPLE_RATE)),
        };
        resampler.process_into(samples, &mut self.signal);
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

/// A mono recording and what has been computed of it so far.
pub(super) struct Analysis<'a> {
    pub samples: &'a [f32],
    pub sample_rate: u32,
    pub work: &'a mut Workspace,
    /// Where the workspace holds the levelled signal: the level of its peak in dB, and whether the
    /// spectrum is there.
    levelled: Option<(f64, bool)>,
}

impl<'a> Analysis<'a> {
    /// Nothing is computed yet.
    pub(super) fn new(
        samples: &'a [f32],
        sample_rate: u32,
        work: &'a mut Workspace,
    ) -> Analysis<'a> {
        Analysis {
            samples,
            sample_rate,
            work,
            levelled: None,
        }
    }

    /// A stretch of the recording, in the same workspace.
    pub(super) fn stretch(&mut self, range: Range<usize>) -> Analysis<'_> {
        self.levelled = None;
        Analysis::new(&self.samples[range], self.sample_rate, self.work)
    }

    /// Refuses samples that are no numbers and sampling rates that no recording has.
    pub(super) fn check(&self) -> Result<()> {
        check_rate(self.sample_rate)?;
        if let Some(at) = self.samples.iter().position(|sample| !sample.is_finite()) {
            let message = format!("sample {at} is not a finite number");
            return Err(Error::data(message)
                .hint("the file is damaged or was written with an overflow: export it again"));
        }
        Ok(())
    }

    /// Computes the signal as recorded.
    pub(super) fn resample(&mut self) -> Result<()> {
        self.check()?;
        self.levelled = None;
        self.work.resample(self.samples, self.sample_rate)
    }

    /// Computes some samples of the signal as recorded again, rounded as resampy rounds them.
    /// Whether that may change them.
    pub(super) fn resample_exactly(&mut self, range: Range<usize>) -> bool {
        let signal = &mut self.work.signal;
        let range = range.start.min(signal.len())..range.end.min(signal.len());
        self.work.resampler.as_mut().is_some_and(|resampler| {
            resampler.exactly(self.samples, range.start, &mut signal[range])
        })
    }

    /// Computes the signal less its mean and scaled to a peak of one, so that neither an offset
    /// nor the gain of the recording changes the features, with the energies of its frames.
    /// Returns the level of that peak in dB, at least -120, by which levels have to be raised again.
    pub(super) fn level(&mut self) -> Result<f64> {
        if let Some((level, _)) = self.levelled {
            return Ok(level);
        }
        self.check()?;
        let (offset, (least, largest)) = (mean(self.samples), extremes(self.samples));
        // Refuses what the spectra of the signal as it stands could not hold.
        check_finite(&[(largest.max(-least) * N_FFT as f32).powi(2)])?;
        let peak = (f64::from(largest) - offset)
            .max(offset - f64::from(least))
            .max(QUIETEST);
        let mut scaled = std::mem::take(&mut self.work.scaled);
        scaled.clear();
        scaled.extend(
            self.samples
                .iter()
                .map(|sample| ((f64::from(*sample) - offset) / peak) as f32),
        );
        let resampled = self.work.resample(&scaled, self.sample_rate);
        self.work.scaled = scaled;
        resampled?;
        let work = &mut *self.work;
        pad_reflected(&work.signal, N_FFT / 2, &mut work.padded);
        work.energies.clear();
        work.energies.extend(
            (0..frame_count(work.signal.len(), HOP_LENGTH))
                .map(|frame| energy_db(frame_of(&work.padded, frame))),
        );
        let level = 20.0 * peak.log10();
        self.levelled = Some((level, false));
        Ok(level)
    }

    /// Computes the spectrum of the levelled signal, unless it is there.
    pub(super) fn transform(&mut self) {
        if !self.levelled.is_some_and(|(_, transformed)| transformed) {
            self.transform_with(|_, _, _| {});
        }
    }

    /// Computes the spectrum of the levelled signal and hands on each frame's number and
    /// magnitudes, with the estimator of the tuning.
    pub(super) fn transform_with(
        &mut self,
        mut each: impl FnMut(usize, &[f32], &mut TuningEstimator),
    ) {
        let Workspace {
            stft,
            padded,
            energies,
            magnitude,
            tuning,
            ..
        } = &mut *self.work;
        magnitude.reset(energies.len());
        stft.padded_frames(padded, 0..energies.len(), magnitude, |frame, row| {
            each(frame, row, tuning)
        });
        if let Some((_, transformed)) = &mut self.levelled {
            *transformed = true;
        }
    }
}

/// The samples of a frame of a padded signal.
pub(super) fn frame_of(padded: &[f32], frame: usize) -> &[f32] {
    &padded[frame * HOP_LENGTH..][..N_FFT]
}

pub(super) fn hundredths(tuning: f64) -> i32 {
    (tuning * 100.0).round() as i32
}

/// Refuses sampling rates that no recording has.
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

/// A row in single precision.
pub(super) fn row_of(features: impl IntoIterator<Item = f64>) -> Result<Vec<f32>> {
    let row: Vec<f32> = features.into_iter().map(|value| value as f32).collect();
    check_finite(&row).map(|()| row)
}

/// Refuses features that no model could be trained on, and powers that have no logarithm.
pub(super) fn check_finite(values: &[f32]) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(
        Error::data("the features are not finite: the samples are too large")
            .hint("scale the recording to [-1, 1]"),
    )
}
