//! The same vector of a recording that is too long to be held: block after block of frames, several
//! times over.
//!
//! Every sum has the order that it has in memory, so that the bits are the same.

use super::super::front::check_rate;
use super::{
    CLASSES, CQT_BINS, CQT_OCTAVES, HOP_LENGTH, Issa193, MEL, N_FFT, SAMPLE_RATE, TOP_DB, around,
    hundredths,
};
use crate::audio::resample::{Resampler, Stretch};
use crate::audio::{Long, Samples};
use crate::cancel::Cancel;
use crate::dsp::{
    ChromaFilters, Contrast, Cqt, CqtBasis, LANES, LongTuning, Mean, MelFilters, Stft, Tiles,
    at_least, fold_to_chroma, frame_count, in_db, loudest, normalize_sum,
};
use crate::error::Result;

/// Frames of a block: whole tiles.
const BLOCK: usize = 32 * LANES;
/// Samples that are resampled at a time, about.
const PIECE: usize = 1 << 18;
/// How far the filter that halves a rate reaches, in samples, and more.
const HALVER_REACH: usize = 128;

/// The signal at 22 050 Hz.
struct Signal<'a> {
    /// The recording's own samples where that is its rate.
    fast: Held<'a>,
    /// The same with samples that are resampy's bit for bit in some frames, and which frames are
    /// made of these.
    settled: Option<(Samples, Vec<usize>)>,
}

enum Held<'a> {
    Borrowed(&'a Samples),
    Owned(Samples),
}

impl Signal<'_> {
    fn fast(&self) -> &Samples {
        match &self.fast {
            Held::Borrowed(samples) => samples,
            Held::Owned(samples) => samples,
        }
    }

    fn settled(&self) -> &Samples {
        self.settled
            .as_ref()
            .map_or(self.fast(), |(settled, _)| settled)
    }
}

/// By power and by magnitude, each with the frames that leave it in doubt.
type Tunings = [(f64, Vec<usize>); 2];

/// What a pass does with the frames, in order.
trait Pass {
    /// A frame's magnitudes.
    fn frame(&mut self, _magnitude: &[f32]) {}

    /// A block of frames, the first of which has this number.
    fn block(&mut self, _first: usize, _magnitude: &Tiles) {}
}

/// What is found in the first pass besides the peaks.
struct Extremes<'a> {
    tuning: &'a mut LongTuning,
    /// Nothing where the contrast is settled.
    contrast: Option<&'a mut Contrast>,
    mel_filters: &'a MelFilters,
    mel: &'a mut Tiles,
    loudest_db: f32,
}

impl Pass for Extremes<'_> {
    fn frame(&mut self, magnitude: &[f32]) {
        self.tuning.look(magnitude);
    }

    fn block(&mut self, first: usize, magnitude: &Tiles) {
        if let Some(contrast) = &mut self.contrast {
            contrast.look(first, magnitude);
        }
        self.mel_filters.apply(magnitude, self.mel);
        in_db(self.mel.values_mut());
        self.loudest_db = self.loudest_db.max(loudest(self.mel.values_mut()));
    }
}

/// The peaks alone.
struct Peaks<'a>(&'a mut LongTuning);

impl Pass for Peaks<'_> {
    fn frame(&mut self, magnitude: &[f32]) {
        self.0.look(magnitude);
    }
}

/// The means of what follows from single frames once tuning and maxima are known.
struct Means<'a> {
    mel_filters: &'a MelFilters,
    chroma_filters: &'a ChromaFilters,
    floor_db: f32,
    mel: &'a mut Tiles,
    chroma: &'a mut Tiles,
    means: [Mean; 3],
}

impl Pass for Means<'_> {
    fn block(&mut self, _first: usize, magnitude: &Tiles) {
        let [mel, mel_db, chroma] = &mut self.means;
        self.mel_filters.apply(magnitude, self.mel);
        mel.add(self.mel);
        in_db(self.mel.values_mut());
        at_least(self.mel.values_mut(), self.floor_db);
        mel_db.add(self.mel);
        self.chroma_filters.apply(magnitude, self.chroma);
        chroma.add(self.chroma);
    }
}

impl Issa193 {
    /// As [`Issa193::extract`], bit for bit, of a recording that lies in a file. It takes some 300
    /// bytes for a frame, and several times as long.
    ///
    /// # Errors
    /// As [`Issa193::extract`]; [`crate::error::Kind::Io`] where its files cannot be read or
    /// written; [`crate::error::Kind::Interrupted`] where a stop is asked for.
    pub fn extract_long(&mut self, recording: &Long, cancel: &Cancel) -> Result<Vec<f32>> {
        let (samples, sample_rate) = (recording.samples(), recording.sample_rate());
        check_rate(sample_rate)?;
        let mut resampler = Resampler::new(sample_rate, SAMPLE_RATE);
        let fast = match sample_rate {
            SAMPLE_RATE => Held::Borrowed(samples),
            _ => Held::Owned(resampled(&mut resampler, recording, cancel)?),
        };
        let mut signal = Signal {
            fast,
            settled: None,
        };
        self.contrast
            .begin(frame_count(signal.fast().len(), HOP_LENGTH));
        let (mut tuning, mut loudest_db) = self.survey(&signal, true, cancel)?;
        self.contrast.finish(&mut self.work.contrast);
        let faint = self.contrast.faint_frames();
        let doubtful = tuning.iter().flat_map(|(_, doubtful)| doubtful).copied();
        let mut unsettled: Vec<usize> = faint.iter().copied().chain(doubtful).collect();
        unsettled.sort_unstable();
        unsettled.dedup();
        if resampler.has_exact_form() && !unsettled.is_empty() {
            let any_faint = !faint.is_empty();
            signal.settled = Some((
                settle(&mut resampler, recording, signal.fast(), &unsettled, cancel)?,
                unsettled,
            ));
            (tuning, loudest_db) = self.survey(&signal, any_faint, cancel)?;
            if any_faint {
                self.contrast.finish(&mut self.work.contrast);
            }
        }
        let [chroma_tuning, cqt_tuning] = tuning.map(|(tuning, _)| tuning);
        let rate = f64::from(SAMPLE_RATE);
        let make = || ChromaFilters::new(rate, N_FFT, chroma_tuning);
        let chroma_filters = self
            .chroma_filters
            .entry(hundredths(chroma_tuning))
            .or_insert_with(make);
        let mut pass = Means {
            mel_filters: &self.mel_filters,
            chroma_filters,
            floor_db: loudest_db - TOP_DB,
            mel: &mut self.work.mel,
            chroma: &mut self.work.chroma,
            means: [Mean::new(MEL), Mean::new(MEL), Mean::new(CLASSES)],
        };
        blocks(
            &mut self.stft,
            &signal,
            &mut self.work.magnitude,
            &mut pass,
            cancel,
        )?;
        let [mel, mel_db, chroma] = pass.means.map(|mean| mean.finish());
        let make = || CqtBasis::new(rate, CQT_BINS, CQT_OCTAVES, cqt_tuning);
        self.cqt_bases
            .entry(hundredths(cqt_tuning))
            .or_insert_with(make);
        let share = self.constant_q(signal.settled(), hundredths(cqt_tuning), recording, cancel)?;
        self.vector([&mel_db, &chroma, &mel, &self.work.contrast.mean(), &share])
    }

    /// The tunings with the frames that leave them in doubt, and the loudest mel band in dB; the
    /// contrast looks at the frames as well, if asked.
    fn survey(
        &mut self,
        signal: &Signal,
        with_contrast: bool,
        cancel: &Cancel,
    ) -> Result<(Tunings, f32)> {
        let mut tuning = LongTuning::new(f64::from(SAMPLE_RATE), N_FFT, [CLASSES, CQT_BINS]);
        let (stft, magnitude) = (&mut self.stft, &mut self.work.magnitude);
        let mut first = Extremes {
            tuning: &mut tuning,
            contrast: with_contrast.then_some(&mut self.contrast),
            mel_filters: &self.mel_filters,
            mel: &mut self.work.mel,
            loudest_db: f32::NEG_INFINITY,
        };
        blocks(stft, signal, magnitude, &mut first, cancel)?;
        let loudest_db = first.loudest_db;
        tuning.end_pass();
        for _ in 1..LongTuning::PASSES {
            blocks(stft, signal, magnitude, &mut Peaks(&mut tuning), cancel)?;
            tuning.end_pass();
        }
        Ok((tuning.estimates(), loudest_db))
    }

    /// The mean over time of the shares of the pitch classes in the constant-Q transform.
    fn constant_q(
        &mut self,
        signal: &Samples,
        basis: i32,
        recording: &Long,
        cancel: &Cancel,
    ) -> Result<Vec<f64>> {
        let Issa193 {
            cqt,
            cqt_bases,
            work,
            ..
        } = self;
        let Some(basis) = cqt_bases.get(&basis) else {
            return Ok(vec![0.0; CLASSES]);
        };
        let mut halved: Vec<Samples> = Vec::new();
        for _ in 1..CQT_OCTAVES {
            let next = halve(
                cqt,
                halved.last().unwrap_or(signal),
                recording.beside()?,
                cancel,
            )?;
            halved.push(next);
        }
        let (mut share, mut padded) = (Mean::new(CLASSES), Vec::new());
        let frames = frame_count(signal.len(), HOP_LENGTH);
        for first in (0..frames).step_by(BLOCK) {
            cancel.check()?;
            let count = BLOCK.min(frames - first);
            work.cqt.reset(count);
            for (octave, signal) in std::iter::once(signal).chain(&halved).enumerate() {
                let hop_length = HOP_LENGTH >> octave;
                padded.resize((count - 1) * hop_length + basis.n_fft(), 0.0);
                signal.read_reflected(
                    (first * hop_length) as isize - (basis.n_fft() / 2) as isize,
                    &mut padded,
                )?;
                cqt.octave(octave, &padded, basis, &mut work.cqt);
            }
            work.cqt.clear_rest();
            fold_to_chroma(&work.cqt, CQT_BINS, &mut work.cqt_chroma);
            normalize_sum(&work.cqt_chroma, &mut work.cqt_share);
            share.add(&work.cqt_share);
        }
        Ok(share.finish())
    }
}

/// One pass over all frames.
fn blocks(
    stft: &mut Stft,
    signal: &Signal,
    magnitude: &mut Tiles,
    pass: &mut impl Pass,
    cancel: &Cancel,
) -> Result<()> {
    let frames = frame_count(signal.fast().len(), HOP_LENGTH);
    let (mut padded, mut exact) = (Vec::new(), Vec::new());
    for first in (0..frames).step_by(BLOCK) {
        cancel.check()?;
        let count = BLOCK.min(frames - first);
        let from = (first * HOP_LENGTH) as isize - (N_FFT / 2) as isize;
        padded.resize((count - 1) * HOP_LENGTH + N_FFT, 0.0);
        signal.fast().read_reflected(from, &mut padded)?;
        let mut settled: &[usize] = &[];
        if let Some((samples, frames)) = &signal.settled {
            settled = &frames[frames.partition_point(|frame| *frame < first)
                ..frames.partition_point(|frame| *frame < first + count)];
            if !settled.is_empty() {
                exact.resize(padded.len(), 0.0);
                samples.read_reflected(from, &mut exact)?;
            }
        }
        magnitude.reset(count);
        for frame in 0..count {
            let of = if settled.binary_search(&(first + frame)).is_ok() {
                &exact
            } else {
                &padded
            };
            stft.padded_frames(of, std::iter::once(frame), magnitude, |_, row| {
                pass.frame(row)
            });
        }
        pass.block(first, magnitude);
    }
    Ok(())
}

fn resampled(resampler: &mut Resampler, recording: &Long, cancel: &Cancel) -> Result<Samples> {
    let (samples, mut signal) = (recording.samples(), recording.beside()?);
    let (length, piece) = (
        resampler.length(samples.len()),
        PIECE.next_multiple_of(resampler.unit()),
    );
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for first in (0..length).step_by(piece) {
        cancel.check()?;
        output.resize(piece.min(length - first), 0.0);
        let start = read_inputs(resampler, samples, first..first + output.len(), &mut input)?;
        resampler.stretch(
            Stretch {
                samples: &input,
                start,
            },
            samples.len(),
            first,
            &mut output,
        );
        signal.push(&output)?;
    }
    Ok(signal)
}

/// Reads the samples that a stretch of the output is made of; returns the number of the first.
fn read_inputs(
    resampler: &Resampler,
    samples: &Samples,
    output: std::ops::Range<usize>,
    input: &mut Vec<f32>,
) -> Result<usize> {
    let range = resampler.inputs(output, samples.len());
    input.resize(range.len(), 0.0);
    samples.read(range.start, input)?;
    Ok(range.start)
}

/// A copy of the signal with other samples in some frames: see [`Issa193::settle`].
fn settle(
    resampler: &mut Resampler,
    recording: &Long,
    signal: &Samples,
    frames: &[usize],
    cancel: &Cancel,
) -> Result<Samples> {
    let (samples, mut settled) = (recording.samples(), recording.beside()?);
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for first in (0..signal.len()).step_by(PIECE) {
        cancel.check()?;
        output.resize(PIECE.min(signal.len() - first), 0.0);
        signal.read(first, &mut output)?;
        settled.push(&output)?;
    }
    for frame in frames {
        cancel.check()?;
        let range = around(*frame);
        let range = range.start.min(signal.len())..range.end.min(signal.len());
        output.resize(range.len(), 0.0);
        let start = read_inputs(resampler, samples, range.clone(), &mut input)?;
        resampler.exactly_of(
            Stretch {
                samples: &input,
                start,
            },
            samples.len(),
            range.start,
            &mut output,
        );
        settled.write(range.start, &output)?;
    }
    Ok(settled)
}

/// The signal of the next octave.
fn halve(cqt: &mut Cqt, signal: &Samples, mut halved: Samples, cancel: &Cancel) -> Result<Samples> {
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for first in (0..signal.len()).step_by(PIECE) {
        cancel.check()?;
        let (start, end) = (
            first.saturating_sub(HALVER_REACH),
            (first + PIECE + HALVER_REACH).min(signal.len()),
        );
        input.resize(end - start, 0.0);
        signal.read(start, &mut input)?;
        cqt.halve(&input, &mut output);
        let from = (first - start) / 2;
        halved.push(&output[from..(from + PIECE / 2).min(output.len())])?;
    }
    Ok(halved)
}

#[cfg(test)]
mod tests {
    use super::super::super::set::Profile;
    use super::*;
    use crate::audio::Sound;

    /// Something like speech: tones that come and go over a faint noise, with digital silence
    /// between and a band that holds next to nothing.
    fn speech(sample_rate: u32, samples: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let tone = |t: f64, hz: f64| (t * hz * std::f64::consts::TAU).sin() as f32;
        (0..samples)
            .map(|i| {
                let t = i as f64 / f64::from(sample_rate);
                let level = (t * 2.3).sin().max(0.0) as f32;
                let glide = 110.0 + 20.0 * (t * 0.7).sin();
                level
                    * (0.3 * tone(t, glide) + 0.2 * tone(t, 3.01 * glide) + 0.1 * tone(t, 1_234.5))
                    + level * 1e-4 * noise()
            })
            .collect()
    }

    #[test]
    fn blocks_give_the_bits_of_the_whole() -> Result<()> {
        // Of several blocks each; rates that go down, up, by no table, and stay.
        for (sample_rate, seconds) in [(48_000, 29), (16_000, 31), (44_101, 13), (22_050, 40)] {
            let samples = speech(sample_rate, seconds * sample_rate as usize + 77);
            let expected = Issa193::new(Profile::Librosa08).extract(&samples, sample_rate)?;
            let long = Sound::in_file(&samples, sample_rate)?;
            let Sound::Long(long) = &long else {
                unreachable!("in a file")
            };
            let found = Issa193::new(Profile::Librosa08).extract_long(long, &Cancel::default())?;
            let differ: Vec<usize> = (0..193)
                .filter(|i| expected[*i].to_bits() != found[*i].to_bits())
                .collect();
            assert!(differ.is_empty(), "{sample_rate}: {differ:?}");
        }
        Ok(())
    }

    #[test]
    fn a_stop_is_heeded() -> Result<()> {
        let Sound::Long(long) = Sound::in_file(&speech(16_000, 16_000), 16_000)? else {
            unreachable!("in a file")
        };
        let cancel = Cancel::default();
        cancel.request();
        let error = Issa193::new(Profile::Librosa08)
            .extract_long(&long, &cancel)
            .err();
        assert_eq!(
            error.map(|error| error.kind()),
            Some(crate::error::Kind::Interrupted)
        );
        Ok(())
    }
}
