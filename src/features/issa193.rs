//! The 193 time means, after librosa 0.8.1.

mod long;

use std::collections::BTreeMap;
use std::ops::Range;

use super::analysis::{
    Analysis, CLASSES, HOP_LENGTH, MEL, N_FFT, SAMPLE_RATE, TOP_DB, Workspace, hundredths, row_of,
};
use super::extractor::RowExtractor;
use crate::audio::Long;
use crate::cancel::Cancel;
use crate::dsp::{
    Cqt, CqtBasis, Dct, Frames, Tiles, TuningSpectrum, fold_to_chroma, normalize_sum, power_to_db,
    tonal_centroid,
};
use crate::error::{Error, Result};

const MFCC: usize = 40;
const CQT_OCTAVES: usize = 7;
const CQT_BINS: usize = 36;
/// Where the stretch of [`super::FeatureSet::Issa193Db`] begins and how long it is, in seconds.
const STRETCH: [f64; 2] = [0.5, 2.5];
/// Seconds that hold this stretch.
const STRETCH_END_S: usize = 3;

/// Computes rows of [`super::FeatureSet::Issa193`].
pub(super) struct Issa193 {
    dct: Dct,
    cqt: Cqt,
    /// By tuning in hundredths.
    cqt_bases: BTreeMap<i32, CqtBasis>,
    cqt_magnitude: Tiles,
    cqt_chroma: Tiles,
    /// The chroma of the constant-Q transform, each frame made to sum to one.
    cqt_share: Tiles,
}

/// The deviation from A440 in semitones, and in bins of the constant-Q transform.
#[derive(Clone, Copy)]
struct Tunings {
    chroma: f64,
    cqt: f64,
}

impl Issa193 {
    pub(super) fn new() -> Issa193 {
        Issa193 {
            dct: Dct::new(MEL, MFCC),
            cqt: Cqt::new(CQT_OCTAVES, HOP_LENGTH),
            cqt_bases: BTreeMap::new(),
            cqt_magnitude: Tiles::new(CQT_OCTAVES * CQT_BINS),
            cqt_chroma: Tiles::new(CLASSES),
            cqt_share: Tiles::new(CLASSES),
        }
    }

    /// Computes everything that the features are averaged from.
    fn compute(&mut self, analysis: &mut Analysis) -> Result<Tunings> {
        analysis.resample()?;
        let work = &mut *analysis.work;
        work.tuning.begin();
        work.stft
            .magnitude(&work.signal, &mut work.magnitude, |frame| {
                work.tuning.look(frame)
            });
        work.contrast.apply(&work.magnitude, &mut work.contrasts);
        let tunings = settled_tunings(analysis);
        let work = &mut *analysis.work;
        work.mel_filters.apply(&work.magnitude, &mut work.mel);
        work.mel_db.clone_from(&work.mel);
        power_to_db(work.mel_db.values_mut(), TOP_DB);
        work.compute_chroma(tunings.chroma);
        let basis = basis(&mut self.cqt_bases, tunings.cqt);
        self.cqt
            .magnitude(&work.signal, basis, &mut self.cqt_magnitude);
        self.fold_constant_q();
        Ok(tunings)
    }

    fn fold_constant_q(&mut self) {
        fold_to_chroma(&self.cqt_magnitude, CQT_BINS, &mut self.cqt_chroma);
        normalize_sum(&self.cqt_chroma, &mut self.cqt_share);
    }

    /// The row of the means over time; `mel` is in power or in dB.
    fn means(&self, work: &Workspace, mel: &Tiles) -> Result<Vec<f32>> {
        self.vector([
            &work.mel_db.mean(),
            &work.chroma.mean(),
            &mel.mean(),
            &work.contrasts.mean(),
            &self.cqt_share.mean(),
        ])
    }

    fn vector(&self, [mel_db, chroma, mel, contrast, cqt_share]: [&[f64]; 5]) -> Result<Vec<f32>> {
        // Both transforms are linear, so the mean may come first.
        let mfcc = self.dct.apply(mel_db);
        let measured = chroma.iter().chain(mel).chain(contrast).copied();
        row_of(
            mfcc.into_iter()
                .chain(measured)
                .chain(tonal_centroid(cqt_share)),
        )
    }
}

impl RowExtractor for Issa193 {
    fn row(&mut self, analysis: &mut Analysis) -> Result<Vec<f32>> {
        self.compute(analysis)?;
        self.means(analysis.work, &analysis.work.mel)
    }

    fn row_of_long(
        &mut self,
        recording: &Long,
        work: &mut Workspace,
        cancel: &Cancel,
    ) -> Option<Result<Vec<f32>>> {
        Some(self.means_of_long(recording, work, cancel))
    }
}

/// Computes rows of [`super::FeatureSet::Issa193Db`]: the same of a stretch, with the mel bands in
/// dB (at most 80 dB under their maximum) before the mean is taken.
pub(super) struct Issa193Db(pub(super) Issa193);

impl RowExtractor for Issa193Db {
    fn row(&mut self, analysis: &mut Analysis) -> Result<Vec<f32>> {
        let rate = f64::from(analysis.sample_rate);
        let [start, length] = STRETCH.map(|seconds| (seconds * rate) as usize);
        let samples = analysis.samples.len();
        if samples <= start {
            return Err(Error::data(format!(
                "the recording is shorter than {} s, from where this set is computed",
                STRETCH[0]
            ))
            .hint("take issa193, which is computed from the whole recording"));
        }
        let mut stretch = analysis.stretch(start..samples.min(start + length));
        self.0.compute(&mut stretch)?;
        self.0.means(stretch.work, &stretch.work.mel_db)
    }

    fn row_of_long(
        &mut self,
        recording: &Long,
        work: &mut Workspace,
        _: &Cancel,
    ) -> Option<Result<Vec<f32>>> {
        let beginning = recording.beginning(STRETCH_END_S);
        Some(beginning.and_then(|samples| {
            self.row(&mut Analysis::new(&samples, recording.sample_rate(), work))
        }))
    }
}

fn basis(bases: &mut BTreeMap<i32, CqtBasis>, tuning: f64) -> &CqtBasis {
    bases
        .entry(hundredths(tuning))
        .or_insert_with(|| CqtBasis::new(f64::from(SAMPLE_RATE), CQT_BINS, CQT_OCTAVES, tuning))
}

/// The tunings of both chromas. The frames of which a last bit may decide them, or much of the
/// contrast, are computed again from samples that are resampy's bit for bit.
fn settled_tunings(analysis: &mut Analysis) -> Tunings {
    let (tunings, doubtful) = tunings(analysis.work);
    let mut frames = analysis.work.contrast.faint_frames();
    let any_faint = !frames.is_empty();
    frames.extend(doubtful);
    frames.sort_unstable();
    frames.dedup();
    let mut changed = false;
    for frame in &frames {
        changed |= analysis.resample_exactly(around(*frame));
    }
    if !changed {
        return tunings;
    }
    let work = &mut *analysis.work;
    work.stft.frames(
        &work.signal,
        frames.into_iter(),
        &mut work.magnitude,
        |frame, row| work.tuning.look_again(frame, row),
    );
    if any_faint {
        work.contrast.apply(&work.magnitude, &mut work.contrasts);
    }
    self::tunings(work).0
}

/// The tunings, and the frames that leave them in doubt.
fn tunings(work: &mut Workspace) -> (Tunings, Vec<usize>) {
    let [(chroma, mut doubtful), (cqt, more)] = [
        (TuningSpectrum::Power, CLASSES),
        (TuningSpectrum::Magnitude, CQT_BINS),
    ]
    .map(|(spectrum, bins)| work.tuning.estimate_with_doubt(spectrum, bins));
    doubtful.extend(more);
    (Tunings { chroma, cqt }, doubtful)
}

/// The samples of a frame. Reflected ends are made of samples that the first or last frames hold as
/// well.
fn around(frame: usize) -> Range<usize> {
    (frame * HOP_LENGTH).saturating_sub(N_FFT / 2)..frame * HOP_LENGTH + N_FFT / 2
}

/// The frames from which [`super::FeatureSet::Issa193`] is averaged, 512 samples apart at 22 050
/// Hz, to compare them with those of other programs.
#[derive(Debug, Clone)]
pub struct Intermediates {
    /// The signal at 22 050 Hz.
    pub signal: Vec<f32>,
    /// Magnitudes of the short-time Fourier transform: 1025 bins.
    pub magnitude: Frames,
    /// Power in 128 mel bands.
    pub mel: Frames,
    /// The same in dB, within 80 dB of the maximum.
    pub mel_db: Frames,
    /// 12 pitch classes from the short-time spectrum, each frame divided by its maximum.
    pub chroma: Frames,
    /// Spectral contrast of 7 bands, in dB.
    pub contrast: Frames,
    /// Constant-Q magnitudes: 7 octaves of 36 bins from C1.
    pub cqt: Frames,
    /// 12 pitch classes from the constant-Q transform, each frame divided by its maximum.
    pub cqt_chroma: Frames,
    /// The same, each frame made to sum to one.
    pub cqt_share: Frames,
    /// Deviation from A440 in semitones, estimated for `chroma`.
    pub chroma_tuning: f64,
    /// Deviation from A440 in bins of a third of a semitone, estimated for `cqt`.
    pub cqt_tuning: f64,
}

impl Intermediates {
    /// Those of a mono recording.
    pub fn of(samples: &[f32], sample_rate: u32) -> Result<Intermediates> {
        let (mut work, mut issa193) = (Workspace::new(), Issa193::new());
        let tunings = issa193.compute(&mut Analysis::new(samples, sample_rate, &mut work))?;
        Ok(Intermediates {
            magnitude: work.magnitude.to_frames(),
            mel: work.mel.to_frames(),
            mel_db: work.mel_db.to_frames(),
            chroma: work.chroma.to_frames(),
            contrast: work.contrasts.to_frames(),
            cqt: issa193.cqt_magnitude.to_frames(),
            cqt_chroma: issa193.cqt_chroma.to_frames(),
            cqt_share: issa193.cqt_share.to_frames(),
            chroma_tuning: tunings.chroma,
            cqt_tuning: tunings.cqt,
            signal: work.signal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::features::analysis::SHORTEST;
    use crate::features::{Extractor, FeatureSet, Profile};

    fn extract(samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        Extractor::new(Profile::Librosa08).extract(FeatureSet::Issa193, samples, sample_rate)
    }

    fn tone(sample_rate: u32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|t| 0.5 * (t as f32 * 440.0 * std::f32::consts::TAU / sample_rate as f32).sin())
            .collect()
    }

    #[test]
    fn silence_gives_what_librosa_gives() -> Result<()> {
        let features = extract(&[0.0; 22050], 22050)?;
        assert!((features[0] + 1131.371).abs() < 1e-3);
        assert!(features[1..].iter().all(|value| value.abs() < 1e-4));
        Ok(())
    }

    #[test]
    fn a_short_tone_gives_what_librosa_gives() -> Result<()> {
        // sin(0.3 t) / 2 over 100 samples at 22 050 Hz, far less than a frame: values of librosa
        // 0.8.1.
        let samples: Vec<f32> = (0..100)
            .map(|t| (f64::from(t) * 0.3).sin() as f32 * 0.5)
            .collect();
        let features = extract(&samples, 22050)?;
        for (index, expected) in [
            (0, -97.970_18),
            (1, 97.408_78),
            (2, -60.400_98),
            (40, 0.408_119_7),
            (41, 1.0),
            (60, 15.060_776),
            (180, 32.640_42),
            (181, 46.353),
            (186, 37.277_13),
            (187, -0.341_823_8),
            (188, 0.205_083),
            (192, -0.125_075_5),
        ] {
            let (value, tolerance) = (
                f64::from(features[index]),
                1e-4 * f64::max(1.0, f64::abs(expected)),
            );
            assert!(
                (value - expected).abs() < tolerance,
                "feature {index} is {value} instead of {expected}"
            );
        }
        Ok(())
    }

    #[test]
    fn unusable_recordings_are_data_errors() {
        let damaged = |bad: f32| {
            let mut samples = tone(16000, 16000);
            samples[77] = bad;
            extract(&samples, 16000)
        };
        for (result, part) in [
            (extract(&[], 22050), "0 samples"),
            (extract(&[0.5], 22050), "1 samples"),
            (extract(&tone(22050, 32), 22050), "fewer than the 33"),
            (extract(&tone(48000, 60), 48000), "fewer than the 70"),
            (extract(&tone(16000, 16000), 999), "999 Hz"),
            (extract(&tone(16000, 16000), 0), "0 Hz"),
            (damaged(f32::NAN), "sample 77"),
            (damaged(f32::NEG_INFINITY), "sample 77"),
            (damaged(f32::MAX), "not finite"),
        ] {
            let error = result.err();
            assert!(
                error.as_ref().is_some_and(
                    |error| error.kind() == Kind::Data && error.to_string().contains(part)
                ),
                "{part}: {error:?}"
            );
        }
    }

    #[test]
    fn all_sets_take_what_the_constant_q_transform_takes() {
        assert_eq!(Cqt::new(CQT_OCTAVES, HOP_LENGTH).shortest(), SHORTEST);
    }

    #[test]
    fn the_shortest_recordings_and_all_rates_are_accepted() -> Result<()> {
        assert_eq!(extract(&tone(22050, 33), 22050)?.len(), 193);
        assert_eq!(extract(&tone(48000, 70), 48000)?.len(), 193);
        for sample_rate in [1000, 8000, 11025, 44100, 44101, 192_000, 768_000] {
            let features = extract(&tone(sample_rate, sample_rate as usize / 4), sample_rate)?;
            // A4 is the tenth class.
            assert!(
                features[49] > 0.9,
                "{sample_rate} Hz: {:?}",
                &features[40..52]
            );
        }
        Ok(())
    }

    #[test]
    fn the_variant_is_in_decibels_and_of_a_stretch() -> Result<()> {
        let mut extractor = Extractor::new(Profile::Librosa08);
        let samples = tone(22050, 4 * 22050);
        let (plain, decibels) = (
            extractor.extract(FeatureSet::Issa193, &samples[11025..66150], 22050)?,
            extractor.extract(FeatureSet::Issa193Db, &samples, 22050)?,
        );
        assert_eq!(
            (&plain[..52], &plain[180..]),
            (&decibels[..52], &decibels[180..])
        );
        // Nearly constant over time, the mean may be taken before or after in the band of the tone;
        // the floor is 80 dB below.
        let loudest = (52..180)
            .max_by(|a, b| plain[*a].total_cmp(&plain[*b]))
            .unwrap_or(52);
        assert!((decibels[loudest] - 10.0 * plain[loudest].log10()).abs() < 0.1);
        let least = decibels[52..180]
            .iter()
            .copied()
            .fold(f32::INFINITY, f32::min);
        assert!(decibels[loudest] - least < 80.1 && least < -20.0, "{least}");
        assert!(
            extractor
                .extract(FeatureSet::Issa193Db, &samples[..11000], 22050)
                .is_err()
        );
        Ok(())
    }
}
