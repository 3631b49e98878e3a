//! The 193 time means, after librosa 0.8.1.

mod long;

use std::collections::BTreeMap;
use std::ops::Range;

use super::front::{Front, HOP_LENGTH, N_FFT, SAMPLE_RATE};
use super::set::Profile;
use crate::dsp::{
    ChromaFilters, Contrast, Cqt, CqtBasis, Dct, Frames, MelFilters, Stft, TONNETZ, Tiles,
    TuningEstimator, TuningSpectrum, fold_to_chroma, normalize_sum, power_to_db, tonal_centroid,
};
use crate::error::{Error, Result};

const MFCC: usize = 40;
const CLASSES: usize = 12;
const MEL: usize = 128;
const TOP_DB: f32 = 80.0;
/// Where the stretch of [`Issa193::extract_db`] begins, and how long it is, in seconds.
const STRETCH: [f64; 2] = [0.5, 2.5];
const CONTRAST_OCTAVES: usize = 6;
const CQT_OCTAVES: usize = 7;
const CQT_BINS: usize = 36;

/// What is known of a recording frame by frame, from which the features are averaged. Frames are
/// 512 samples apart at 22 050 Hz.
#[derive(Debug, Clone)]
pub struct Analysis {
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

impl Analysis {
    /// The 40 cepstral coefficients of each frame.
    pub fn mfcc(&self) -> Frames {
        let dct = Dct::new(MEL, MFCC);
        let mut mfcc = Frames::new(MFCC);
        mfcc.reset(self.mel_db.len());
        for (row, decibels) in mfcc.rows_mut().zip(self.mel_db.rows()) {
            let decibels: Vec<f64> = decibels.iter().map(|value| f64::from(*value)).collect();
            for (slot, value) in row.iter_mut().zip(dct.apply(&decibels)) {
                *slot = value as f32;
            }
        }
        mfcc
    }

    /// The 6 tonal centroids of each frame.
    pub fn tonnetz(&self) -> Frames {
        let mut centroids = Frames::new(TONNETZ);
        centroids.reset(self.cqt_share.len());
        for (row, chroma) in centroids.rows_mut().zip(self.cqt_share.rows()) {
            let chroma: Vec<f64> = chroma.iter().map(|value| f64::from(*value)).collect();
            for (slot, value) in row.iter_mut().zip(tonal_centroid(&chroma)) {
                *slot = value as f32;
            }
        }
        centroids
    }
}

/// What [`Analysis`] shows, as it is computed: many frames at a time.
struct Work {
    magnitude: Tiles,
    mel: Tiles,
    mel_db: Tiles,
    chroma: Tiles,
    contrast: Tiles,
    cqt: Tiles,
    cqt_chroma: Tiles,
    cqt_share: Tiles,
    chroma_tuning: f64,
    cqt_tuning: f64,
}

/// Computes the vectors of [`super::FeatureSet::Issa193`]. Plans, filters and buffers are kept from
/// file to file: make one for each thread.
pub struct Issa193 {
    front: Front,
    stft: Stft,
    mel_filters: MelFilters,
    dct: Dct,
    tuning: TuningEstimator,
    contrast: Contrast,
    cqt: Cqt,
    /// Filters by tuning in hundredths: the estimator knows a hundred values.
    chroma_filters: BTreeMap<i32, ChromaFilters>,
    cqt_bases: BTreeMap<i32, CqtBasis>,
    work: Work,
}

impl Issa193 {
    /// Seconds of a recording that [`Issa193::extract_db`] looks at, from its beginning.
    pub(super) const STRETCH_END_S: usize = 3;

    /// An extractor of the set as one profile computes it.
    pub fn new(profile: Profile) -> Issa193 {
        let Profile::Librosa08 = profile;
        let rate = f64::from(SAMPLE_RATE);
        let (stft, contrast) = (
            Stft::new(N_FFT, HOP_LENGTH),
            Contrast::new(rate, N_FFT, CONTRAST_OCTAVES),
        );
        let work = Work {
            magnitude: Tiles::new(stft.bins()),
            mel: Tiles::new(MEL),
            mel_db: Tiles::new(MEL),
            chroma: Tiles::new(CLASSES),
            contrast: Tiles::new(contrast.bands()),
            cqt: Tiles::new(CQT_OCTAVES * CQT_BINS),
            cqt_chroma: Tiles::new(CLASSES),
            cqt_share: Tiles::new(CLASSES),
            chroma_tuning: 0.0,
            cqt_tuning: 0.0,
        };
        Issa193 {
            front: Front::default(),
            mel_filters: MelFilters::new(rate, N_FFT, MEL),
            dct: Dct::new(MEL, MFCC),
            tuning: TuningEstimator::new(rate, N_FFT),
            cqt: Cqt::new(CQT_OCTAVES, HOP_LENGTH),
            chroma_filters: BTreeMap::new(),
            cqt_bases: BTreeMap::new(),
            stft,
            contrast,
            work,
        }
    }

    /// The feature vector of a mono recording: time means in the order of [`super::names`].
    ///
    /// # Errors
    ///
    /// As [`Issa193::analyse`]; and when a feature is not finite, which takes samples far outside
    /// [-1, 1].
    pub fn extract(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        self.compute(samples, sample_rate)?;
        self.means(&self.work.mel)
    }

    /// As [`Issa193::extract`], of the 2.5 s from 0.5 s on alone, and with the mel bands in dB (at
    /// most 80 dB under their maximum) before the mean is taken.
    ///
    /// # Errors
    ///
    /// As [`Issa193::extract`]; of a recording that is too short, too.
    pub fn extract_db(&mut self, samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        let [start, length] = STRETCH.map(|seconds| (seconds * f64::from(sample_rate)) as usize);
        if samples.len() <= start {
            return Err(Error::data(format!(
                "the recording is shorter than {} s, from where this set is computed",
                STRETCH[0]
            ))
            .hint("take issa193, which is computed from the whole recording"));
        }
        let samples = &samples[start..];
        self.compute(&samples[..length.min(samples.len())], sample_rate)?;
        self.means(&self.work.mel_db)
    }

    fn means(&self, mel: &Tiles) -> Result<Vec<f32>> {
        let work = &self.work;
        self.vector([
            &work.mel_db.mean(),
            &work.chroma.mean(),
            &mel.mean(),
            &work.contrast.mean(),
            &work.cqt_share.mean(),
        ])
    }

    /// The vector of means over time.
    fn vector(&self, [mel_db, chroma, mel, contrast, cqt_share]: [&[f64]; 5]) -> Result<Vec<f32>> {
        // Both transforms are linear, so the mean may come first.
        let mut features = self.dct.apply(mel_db);
        features.extend(chroma.iter().chain(mel).chain(contrast));
        features.extend(tonal_centroid(cqt_share));
        let features: Vec<f32> = features.into_iter().map(|value| value as f32).collect();
        if features.iter().all(|value| value.is_finite()) {
            Ok(features)
        } else {
            Err(
                Error::data("the features are not finite: the samples are too large")
                    .hint("scale the recording to [-1, 1]"),
            )
        }
    }

    /// Everything that the features are averaged from.
    ///
    /// # Errors
    ///
    /// [`crate::error::Kind::Data`] for a recording without samples, with samples that are no
    /// numbers, at a sampling rate outside 1 to 768 kHz, or shorter than the 33 samples at 22 050
    /// Hz (1.5 ms) that librosa 0.8.1 needs as well.
    pub fn analyse(&mut self, samples: &[f32], sample_rate: u32) -> Result<Analysis> {
        self.compute(samples, sample_rate)?;
        let work = &self.work;
        Ok(Analysis {
            signal: self.front.signal().to_vec(),
            magnitude: work.magnitude.to_frames(),
            mel: work.mel.to_frames(),
            mel_db: work.mel_db.to_frames(),
            chroma: work.chroma.to_frames(),
            contrast: work.contrast.to_frames(),
            cqt: work.cqt.to_frames(),
            cqt_chroma: work.cqt_chroma.to_frames(),
            cqt_share: work.cqt_share.to_frames(),
            chroma_tuning: work.chroma_tuning,
            cqt_tuning: work.cqt_tuning,
        })
    }

    fn compute(&mut self, samples: &[f32], sample_rate: u32) -> Result<()> {
        self.front.load(samples, sample_rate)?;
        let work = &mut self.work;
        self.tuning.begin();
        self.stft
            .magnitude(self.front.signal(), &mut work.magnitude, |frame| {
                self.tuning.look(frame)
            });
        self.contrast.apply(&work.magnitude, &mut work.contrast);
        let mut tunings = self.tunings();
        if self.settle(samples, &tunings) {
            tunings = self.tunings();
        }
        let (signal, work) = (self.front.signal(), &mut self.work);
        [work.chroma_tuning, work.cqt_tuning] = tunings.map(|(tuning, _)| tuning);
        self.mel_filters.apply(&work.magnitude, &mut work.mel);
        work.mel_db.clone_from(&work.mel);
        power_to_db(work.mel_db.values_mut(), TOP_DB);

        let rate = f64::from(SAMPLE_RATE);
        let filters = self
            .chroma_filters
            .entry(hundredths(work.chroma_tuning))
            .or_insert_with(|| ChromaFilters::new(rate, N_FFT, work.chroma_tuning));
        filters.apply(&work.magnitude, &mut work.chroma);

        let basis = self
            .cqt_bases
            .entry(hundredths(work.cqt_tuning))
            .or_insert_with(|| CqtBasis::new(rate, CQT_BINS, CQT_OCTAVES, work.cqt_tuning));
        self.cqt.magnitude(signal, basis, &mut work.cqt);
        fold_to_chroma(&work.cqt, CQT_BINS, &mut work.cqt_chroma);
        normalize_sum(&work.cqt_chroma, &mut work.cqt_share);
        Ok(())
    }
}

impl Issa193 {
    /// Of both chromas, with the frames that leave them in doubt.
    fn tunings(&mut self) -> [(f64, Vec<usize>); 2] {
        [
            (TuningSpectrum::Power, CLASSES),
            (TuningSpectrum::Magnitude, CQT_BINS),
        ]
        .map(|(spectrum, bins)| self.tuning.estimate_with_doubt(spectrum, bins))
    }

    /// Computes again, from samples that are resampy's bit for bit, the frames of which a last bit
    /// may decide the tuning or much of the contrast. Whether there were any.
    fn settle(&mut self, samples: &[f32], tunings: &[(f64, Vec<usize>)]) -> bool {
        let mut frames = self.contrast.faint_frames();
        let any_faint = !frames.is_empty();
        frames.extend(tunings.iter().flat_map(|(_, doubtful)| doubtful));
        frames.sort_unstable();
        frames.dedup();
        let mut changed = false;
        for frame in &frames {
            changed |= self.front.exactly(samples, around(*frame));
        }
        if changed {
            let Issa193 {
                stft,
                front,
                tuning,
                contrast,
                work,
                ..
            } = self;
            stft.frames(
                front.signal(),
                frames.into_iter(),
                &mut work.magnitude,
                |frame, row| tuning.look_again(frame, row),
            );
            if any_faint {
                contrast.apply(&work.magnitude, &mut work.contrast);
            }
        }
        changed
    }
}

/// The samples of a frame. Reflected ends are made of samples that the first or last frames hold as
/// well.
fn around(frame: usize) -> Range<usize> {
    (frame * HOP_LENGTH).saturating_sub(N_FFT / 2)..frame * HOP_LENGTH + N_FFT / 2
}

pub(super) fn hundredths(tuning: f64) -> i32 {
    (tuning * 100.0).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn extract(samples: &[f32], sample_rate: u32) -> Result<Vec<f32>> {
        Issa193::new(Profile::Librosa08).extract(samples, sample_rate)
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
        assert_eq!(
            Cqt::new(CQT_OCTAVES, HOP_LENGTH).shortest(),
            super::super::front::SHORTEST
        );
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
        let mut extractor = Issa193::new(Profile::Librosa08);
        let samples = tone(22050, 4 * 22050);
        let (plain, decibels) = (
            extractor.extract(&samples[11025..66150], 22050)?,
            extractor.extract_db(&samples, 22050)?,
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
        assert!(extractor.extract_db(&samples[..11000], 22050).is_err());
        Ok(())
    }

    #[test]
    fn what_came_before_does_not_matter() -> Result<()> {
        let mut extractor = Issa193::new(Profile::Librosa08);
        let first = extractor.extract(&tone(16000, 20000), 16000)?;
        extractor.extract(&tone(48000, 9000), 48000)?;
        extractor.extract(&[], 16000).err();
        assert_eq!(extractor.extract(&tone(16000, 20000), 16000)?, first);
        Ok(())
    }
}
