//! Descriptors of single frames: what `functionals` are statistics of.

use std::collections::BTreeMap;
use std::ops::Range;

use super::front::{Front, HOP_LENGTH, N_FFT, SAMPLE_RATE, check_finite};
use super::issa193::hundredths;
use super::set::{Profile, numbered};
use crate::dsp::{
    ChromaFilters, Contrast, Dct, MelFilters, Pitch, SHAPE_NAMES, SpectralShape, Stft, Tiles, TuningEstimator, TuningSpectrum,
    active_stretch, energy_db, frame_count, pad_reflected, power_to_db, zero_crossings,
};
use crate::error::Result;

const MEL: usize = 128;
const TOP_DB: f32 = 80.0;
const MFCC: usize = 20;
const CLASSES: usize = 12;
const CONTRAST_OCTAVES: usize = 6;
/// Mel bands that are averaged to one.
const BAND: usize = 4;
/// A frame this far below the loudest does not count at the beginning and the end.
const ACTIVE_DB: f64 = 30.0;
/// Frequencies below are no voice's; keeps the logarithm finite.
const LEAST_F0: f64 = 20.0;

/// Where the groups of a frame begin.
const LOG_MEL: usize = MFCC;
const CHROMA: usize = LOG_MEL + MEL / BAND;
const CONTRAST: usize = CHROMA + CLASSES;
pub(super) const F0: usize = CONTRAST + CONTRAST_OCTAVES + 1;
pub(super) const VOICING: usize = F0 + 1;
const ENERGY: usize = VOICING + 1;
const ZERO_CROSSINGS: usize = ENERGY + 1;
const SHAPE: usize = ZERO_CROSSINGS + 1;
/// Descriptors of a frame.
pub(super) const WIDTH: usize = SHAPE + SHAPE_NAMES.len();

/// The names of a frame's descriptors, in order.
pub fn descriptor_names() -> Vec<String> {
    let mut names: Vec<String> = numbered("mfcc", MFCC).collect();
    names.extend(numbered("logmel", MEL / BAND));
    names.extend(numbered("chroma", CLASSES));
    names.extend(numbered("contrast", CONTRAST_OCTAVES + 1));
    names.extend(["f0", "voicing", "energy", "zcr"].into_iter().chain(SHAPE_NAMES).map(str::to_owned));
    names
}

/// The active stretch of a recording, frame by frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptors {
    /// A row of [`descriptor_names`] values per frame of the stretch.
    pub rows: Vec<Vec<f64>>,
    /// Frames of the whole recording.
    pub frames: usize,
}

/// Computes [`Descriptors`]. Plans, filters and buffers are kept from file to file: make one for each thread.
pub struct DescriptorExtractor {
    front: Front,
    stft: Stft,
    mel_filters: MelFilters,
    dct: Dct,
    tuning: TuningEstimator,
    contrast: Contrast,
    pitch: Pitch,
    shape: SpectralShape,
    /// Filters by tuning in hundredths: the estimator knows a hundred values.
    chroma_filters: BTreeMap<i32, ChromaFilters>,
    padded: Vec<f32>,
    magnitude: Tiles,
    mel: Tiles,
    mel_db: Tiles,
    chroma: Tiles,
    contrasts: Tiles,
}

impl DescriptorExtractor {
    /// An extractor as one profile computes it.
    pub fn new(profile: Profile) -> DescriptorExtractor {
        let Profile::Librosa08 = profile;
        let rate = f64::from(SAMPLE_RATE);
        let (stft, contrast) = (Stft::new(N_FFT, HOP_LENGTH), Contrast::new(rate, N_FFT, CONTRAST_OCTAVES));
        DescriptorExtractor {
            front: Front::default(),
            mel_filters: MelFilters::new(rate, N_FFT, MEL),
            dct: Dct::new(MEL, MFCC),
            tuning: TuningEstimator::new(rate, N_FFT),
            pitch: Pitch::new(rate, N_FFT),
            shape: SpectralShape::new(rate, N_FFT),
            chroma_filters: BTreeMap::new(),
            padded: Vec::new(),
            magnitude: Tiles::new(stft.bins()),
            mel: Tiles::new(MEL),
            mel_db: Tiles::new(MEL),
            chroma: Tiles::new(CLASSES),
            contrasts: Tiles::new(contrast.bands()),
            stft,
            contrast,
        }
    }

    /// The descriptors of a mono recording.
    ///
    /// # Errors
    /// As [`super::Extractor::extract`].
    pub fn describe(&mut self, samples: &[f32], sample_rate: u32) -> Result<Descriptors> {
        self.front.load(samples, sample_rate)?;
        let signal = self.front.signal();
        pad_reflected(signal, N_FFT / 2, &mut self.padded);
        let frames = frame_count(signal.len(), HOP_LENGTH);
        let frame = |index: usize| &self.padded[index * HOP_LENGTH..][..N_FFT];
        let energies: Vec<f64> = (0..frames).map(|index| energy_db(frame(index))).collect();
        let active = active_stretch(&energies, ACTIVE_DB);
        let mut rows: Vec<Vec<f64>> = vec![vec![0.0; WIDTH]; active.len()];

        let (mut index, mut described) = (0, [0.0; SHAPE_NAMES.len()]);
        self.tuning.begin();
        self.shape.begin();
        self.stft.magnitude(signal, &mut self.magnitude, |magnitude| {
            self.tuning.look(magnitude);
            if active.contains(&index) {
                let voice = self.pitch.estimate(frame(index));
                self.shape.describe(magnitude, voice.f0, &mut described);
                let row = &mut rows[index - active.start];
                row[F0] = voice.f0.max(LEAST_F0).ln();
                row[VOICING] = voice.peak;
                row[ENERGY] = energies[index];
                row[ZERO_CROSSINGS] = zero_crossings(frame(index));
                row[SHAPE..].copy_from_slice(&described);
            } else if index + 1 == active.start {
                self.shape.pass(magnitude);
            }
            index += 1;
        });
        self.spectra(&active, &mut rows)?;
        Ok(Descriptors { rows, frames })
    }

    /// What follows from the spectra of all frames.
    fn spectra(&mut self, active: &Range<usize>, rows: &mut [Vec<f64>]) -> Result<()> {
        self.contrast.apply(&self.magnitude, &mut self.contrasts);
        self.mel_filters.apply(&self.magnitude, &mut self.mel);
        check_finite(self.mel.values_mut())?;
        power_to_db(self.mel.values_mut(), f32::INFINITY);
        self.mel_db.clone_from(&self.mel);
        let loudest = self.mel.values_mut().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.mel_db.values_mut().iter_mut().for_each(|value| *value = value.max(loudest - TOP_DB));
        let tuning = self.tuning.estimate(TuningSpectrum::Power, CLASSES);
        let filters =
            self.chroma_filters.entry(hundredths(tuning)).or_insert_with(|| ChromaFilters::new(f64::from(SAMPLE_RATE), N_FFT, tuning));
        filters.apply(&self.magnitude, &mut self.chroma);
        let [mel, mel_db, chroma, contrast] = [&self.mel, &self.mel_db, &self.chroma, &self.contrasts].map(Tiles::to_frames);
        let inside = |frames: &crate::dsp::Frames| -> Vec<Vec<f64>> {
            let rows = frames.rows().skip(active.start).take(active.len());
            rows.map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect()
        };
        for (row, mel_db) in rows.iter_mut().zip(inside(&mel_db)) {
            row[..MFCC].copy_from_slice(&self.dct.apply(&mel_db));
        }
        for (row, mel) in rows.iter_mut().zip(inside(&mel)) {
            for (slot, band) in row[LOG_MEL..CHROMA].iter_mut().zip(mel.chunks_exact(BAND)) {
                *slot = band.iter().sum::<f64>() / BAND as f64;
            }
        }
        for ((row, chroma), contrast) in rows.iter_mut().zip(inside(&chroma)).zip(inside(&contrast)) {
            row[CHROMA..CONTRAST].copy_from_slice(&chroma);
            row[CONTRAST..F0].copy_from_slice(&contrast);
        }
        Ok(())
    }
}
