//! The same vector of a recording that is too long to be held: block after block of frames, several
//! times over.
//!
//! Every sum has the order that it has in memory, so that the bits are the same.

use super::{CQT_BINS, CQT_OCTAVES, Issa193, Tunings, around, basis};
use crate::audio::resample::{Resampler, Stretch};
use crate::audio::{Long, Samples};
use crate::cancel::Cancel;
use crate::dsp::{Cqt, LANES, LongTuning, Mean, at_least, frame_count, in_db, loudest};
use crate::error::Result;
use crate::features::analysis::{
    CLASSES, HOP_LENGTH, MEL, N_FFT, SAMPLE_RATE, TOP_DB, Workspace, check_rate,
};

/// Frames of a block: whole tiles.
const BLOCK: usize = 32 * LANES;
/// Samples that are resampled at a time, about.
const PIECE: usize = 1 << 18;
/// How far the filter that halves a rate reaches, in samples, and more.
const HALVER_REACH: usize = 128;

/// The signal at 22 050 Hz.
struct Signal<'a> {
    recorded: &'a Samples,
    /// Where the recording has another rate.
    resampled: Option<Samples>,
    /// The same with samples that are resampy's bit for bit in some frames, and which frames are
    /// made of these.
    settled: Option<(Samples, Vec<usize>)>,
}

impl Signal<'_> {
    fn fast(&self) -> &Samples {
        self.resampled.as_ref().unwrap_or(self.recorded)
    }

    fn settled(&self) -> &Samples {
        self.settled
            .as_ref()
            .map_or(self.fast(), |(settled, _)| settled)
    }
}

/// The work of a pass on the frames, in order.
trait Pass {
    /// A frame's magnitudes.
    fn frame(&mut self, _magnitude: &[f32]) {}

    /// A block of frames, the first of which has this number; the workspace holds the magnitudes.
    fn block(&mut self, _first: usize, _work: &mut Workspace) {}
}

/// Finds the loudest mel band and the peaks of the spectrum, with the contrast where asked.
struct Extremes<'a> {
    tuning: &'a mut LongTuning,
    with_contrast: bool,
    loudest_db: f32,
}

impl Pass for Extremes<'_> {
    fn frame(&mut self, magnitude: &[f32]) {
        self.tuning.look(magnitude);
    }

    fn block(&mut self, first: usize, work: &mut Workspace) {
        if self.with_contrast {
            work.contrast.look(first, &work.magnitude);
        }
        work.mel_filters.apply(&work.magnitude, &mut work.mel);
        in_db(work.mel.values_mut());
        self.loudest_db = self.loudest_db.max(loudest(work.mel.values_mut()));
    }
}

/// Finds the peaks alone.
struct Peaks<'a>(&'a mut LongTuning);

impl Pass for Peaks<'_> {
    fn frame(&mut self, magnitude: &[f32]) {
        self.0.look(magnitude);
    }
}

/// Computes the means of what follows from single frames once tuning and maxima are known.
struct Means {
    tuning: f64,
    floor_db: f32,
    mel: Mean,
    mel_db: Mean,
    chroma: Mean,
}

impl Pass for Means {
    fn block(&mut self, _first: usize, work: &mut Workspace) {
        work.mel_filters.apply(&work.magnitude, &mut work.mel);
        self.mel.add(&work.mel);
        in_db(work.mel.values_mut());
        at_least(work.mel.values_mut(), self.floor_db);
        self.mel_db.add(&work.mel);
        work.compute_chroma(self.tuning);
        self.chroma.add(&work.chroma);
    }
}

/// Results of the passes that look for extremes.
struct Survey {
    tunings: Tunings,
    /// Frames that leave the tunings in doubt.
    doubtful: Vec<usize>,
    loudest_db: f32,
}

impl Issa193 {
    /// The row of a recording that lies in a file, with the bits that it has in memory. Takes some
    /// 300 bytes for a frame, and several times as long.
    pub(super) fn means_of_long(
        &mut self,
        recording: &Long,
        work: &mut Workspace,
        cancel: &Cancel,
    ) -> Result<Vec<f32>> {
        let sample_rate = recording.sample_rate();
        check_rate(sample_rate)?;
        let mut resampler = Resampler::new(sample_rate, SAMPLE_RATE);
        let mut signal = Signal {
            recorded: recording.samples(),
            resampled: (sample_rate != SAMPLE_RATE)
                .then(|| resampled(&mut resampler, recording, cancel))
                .transpose()?,
            settled: None,
        };
        work.contrast
            .begin(frame_count(signal.fast().len(), HOP_LENGTH));
        let mut found = survey(&signal, true, work, cancel)?;
        work.contrast.finish(&mut work.contrasts);
        let mut unsettled = work.contrast.faint_frames();
        let any_faint = !unsettled.is_empty();
        unsettled.append(&mut found.doubtful);
        unsettled.sort_unstable();
        unsettled.dedup();
        if resampler.has_exact_form() && !unsettled.is_empty() {
            signal.settled = Some((
                settle(&mut resampler, recording, signal.fast(), &unsettled, cancel)?,
                unsettled,
            ));
            found = survey(&signal, any_faint, work, cancel)?;
            if any_faint {
                work.contrast.finish(&mut work.contrasts);
            }
        }
        let mut means = Means {
            tuning: found.tunings.chroma,
            floor_db: found.loudest_db - TOP_DB,
            mel: Mean::new(MEL),
            mel_db: Mean::new(MEL),
            chroma: Mean::new(CLASSES),
        };
        blocks(&signal, work, &mut means, cancel)?;
        let share = self.constant_q(signal.settled(), found.tunings.cqt, recording, cancel)?;
        self.vector([
            &means.mel_db.finish(),
            &means.chroma.finish(),
            &means.mel.finish(),
            &work.contrasts.mean(),
            &share,
        ])
    }

    /// The mean over time of the shares of the pitch classes in the constant-Q transform.
    fn constant_q(
        &mut self,
        signal: &Samples,
        tuning: f64,
        recording: &Long,
        cancel: &Cancel,
    ) -> Result<Vec<f64>> {
        let mut halved: Vec<Samples> = Vec::new();
        for _ in 1..CQT_OCTAVES {
            let next = halve(
                &mut self.cqt,
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
            let basis = basis(&mut self.cqt_bases, tuning);
            self.cqt_magnitude.reset(count);
            for (octave, signal) in std::iter::once(signal).chain(&halved).enumerate() {
                let hop_length = HOP_LENGTH >> octave;
                padded.resize((count - 1) * hop_length + basis.n_fft(), 0.0);
                signal.read_reflected(
                    (first * hop_length) as isize - (basis.n_fft() / 2) as isize,
                    &mut padded,
                )?;
                self.cqt
                    .octave(octave, &padded, basis, &mut self.cqt_magnitude);
            }
            self.cqt_magnitude.clear_rest();
            self.fold_constant_q();
            share.add(&self.cqt_share);
        }
        Ok(share.finish())
    }
}

/// Looks for the extremes of all frames, and for those of the contrast where asked.
fn survey(
    signal: &Signal,
    with_contrast: bool,
    work: &mut Workspace,
    cancel: &Cancel,
) -> Result<Survey> {
    let mut tuning = LongTuning::new(f64::from(SAMPLE_RATE), N_FFT, [CLASSES, CQT_BINS]);
    let mut first = Extremes {
        tuning: &mut tuning,
        with_contrast,
        loudest_db: f32::NEG_INFINITY,
    };
    blocks(signal, work, &mut first, cancel)?;
    let loudest_db = first.loudest_db;
    tuning.end_pass();
    for _ in 1..LongTuning::PASSES {
        blocks(signal, work, &mut Peaks(&mut tuning), cancel)?;
        tuning.end_pass();
    }
    let [(chroma, mut doubtful), (cqt, more)] = tuning.estimates();
    doubtful.extend(more);
    Ok(Survey {
        tunings: Tunings { chroma, cqt },
        doubtful,
        loudest_db,
    })
}

/// One pass over all frames.
fn blocks(
    signal: &Signal,
    work: &mut Workspace,
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
        work.magnitude.reset(count);
        for frame in 0..count {
            let of = if settled.binary_search(&(first + frame)).is_ok() {
                &exact
            } else {
                &padded
            };
            work.stft
                .padded_frames(of, std::iter::once(frame), &mut work.magnitude, |_, row| {
                    pass.frame(row)
                });
        }
        pass.block(first, work);
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

/// A copy of the signal with samples in some frames that are resampy's bit for bit.
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
    use super::*;
    use crate::audio::{Budget, Sound};
    use crate::error::Kind;
    use crate::features::{Extractor, FeatureSet, Profile};

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

    fn extract(sound: &Sound, budget: &Budget) -> Result<Vec<f32>> {
        let mut extractor = Extractor::new(Profile::Librosa08);
        let mut rows = extractor.extract_sets(&[FeatureSet::Issa193], sound, budget);
        rows.remove(0).1
    }

    #[test]
    fn blocks_give_the_bits_of_the_whole() -> Result<()> {
        // Of several blocks each; rates that go down, up, by no table, and stay.
        for (sample_rate, seconds) in [(48_000, 29), (16_000, 31), (44_101, 13), (22_050, 40)] {
            let samples = speech(sample_rate, seconds * sample_rate as usize + 77);
            let expected = Extractor::new(Profile::Librosa08).extract(
                FeatureSet::Issa193,
                &samples,
                sample_rate,
            )?;
            let found = extract(
                &Sound::in_file(&samples, sample_rate)?,
                &Budget::unlimited(),
            )?;
            let differ: Vec<usize> = (0..193)
                .filter(|i| expected[*i].to_bits() != found[*i].to_bits())
                .collect();
            assert!(differ.is_empty(), "{sample_rate}: {differ:?}");
        }
        Ok(())
    }

    #[test]
    fn a_stop_is_heeded() -> Result<()> {
        let sound = Sound::in_file(&speech(16_000, 16_000), 16_000)?;
        let cancel = Cancel::default();
        cancel.request();
        let error = extract(&sound, &Budget::unlimited().until(&cancel)).err();
        assert_eq!(error.map(|error| error.kind()), Some(Kind::Interrupted));
        Ok(())
    }
}
