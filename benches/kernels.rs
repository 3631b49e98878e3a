//! The parts of feature extraction one by one, on three seconds of a made-up voice; throughput is
//! in samples of the input.
//!
//! `cargo bench --bench kernels`, or `cargo bench --bench kernels -- tuning` for those whose name
//! holds a word.

use std::f32::consts::TAU;
use std::io::Cursor;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ser::audio::resample::Resampler;
use ser::dsp::{
    ChromaFilters, Contrast, Cqt, CqtBasis, MelFilters, Stft, Tiles, TuningEstimator,
    TuningSpectrum, power_to_db,
};
use ser::features::{Extractor, FeatureSet, Profile};

const SECONDS: u32 = 3;
const RATE: u32 = 22_050;
const N_FFT: usize = 2048;
const HOP_LENGTH: usize = 512;

fn main() {
    divan::main();
}

/// A gliding tone with overtones over noise, as loud as speech is recorded.
fn voice(rate: u32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut phase = 0.0;
    (0..rate * SECONDS)
        .map(|t| {
            let seconds = t as f32 / rate as f32;
            phase = (phase + (140.0 + 40.0 * (TAU * 0.7 * seconds).sin()) / rate as f32).fract();
            let tone: f32 = (1..=20)
                .map(|k| (TAU * phase * k as f32).sin() / k as f32)
                .sum();
            0.15 * tone * (TAU * 1.5 * seconds).sin().abs() + rng.random_range(-0.003..0.003)
        })
        .collect()
}

/// The voice as a WAV file of 16 bits.
fn wav(rate: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a header fits into memory");
    for sample in voice(rate) {
        writer
            .write_sample((sample * 32767.0) as i16)
            .expect("memory takes samples");
    }
    writer.finalize().expect("memory can be rewound");
    bytes.into_inner()
}

fn magnitudes() -> Tiles {
    let mut stft = Stft::new(N_FFT, HOP_LENGTH);
    let mut magnitudes = Tiles::new(stft.bins());
    stft.magnitude(&voice(RATE), &mut magnitudes, |_| {});
    magnitudes
}

fn samples(rate: u32) -> ItemsCount {
    ItemsCount::new(rate * SECONDS)
}

#[divan::bench(args = [16_000, 48_000])]
fn decode_wav(bencher: Bencher, rate: u32) {
    let bytes = wav(rate);
    bencher
        .counter(samples(rate))
        .bench_local(|| ser::audio::decode_bytes(black_box(&bytes), "wav").expect("a WAV file"));
}

#[divan::bench(args = [16_000, 48_000])]
fn resample(bencher: Bencher, rate: u32) {
    let (mut resampler, signal, mut out) = (Resampler::new(rate, RATE), voice(rate), Vec::new());
    bencher
        .counter(samples(rate))
        .bench_local(|| resampler.process_into(black_box(&signal), &mut out));
}

#[divan::bench]
fn stft(bencher: Bencher) {
    let (mut stft, signal) = (Stft::new(N_FFT, HOP_LENGTH), voice(RATE));
    let mut magnitudes = Tiles::new(stft.bins());
    bencher
        .counter(samples(RATE))
        .bench_local(|| stft.magnitude(black_box(&signal), &mut magnitudes, |_| {}));
}

#[divan::bench]
fn mel(bencher: Bencher) {
    let (filters, magnitudes) = (MelFilters::new(f64::from(RATE), N_FFT, 128), magnitudes());
    let mut mel = Tiles::new(filters.count());
    bencher
        .counter(samples(RATE))
        .bench_local(|| filters.apply(black_box(&magnitudes), &mut mel));
}

#[divan::bench]
fn mel_decibels(bencher: Bencher) {
    let filters = MelFilters::new(f64::from(RATE), N_FFT, 128);
    let mut mel = Tiles::new(filters.count());
    filters.apply(&magnitudes(), &mut mel);
    bencher
        .counter(samples(RATE))
        .with_inputs(|| mel.clone())
        .bench_local_refs(|mel| power_to_db(mel.values_mut(), 80.0));
}

#[divan::bench]
fn chroma(bencher: Bencher) {
    let (filters, magnitudes) = (
        ChromaFilters::new(f64::from(RATE), N_FFT, 0.12),
        magnitudes(),
    );
    let mut chroma = Tiles::new(12);
    bencher
        .counter(samples(RATE))
        .bench_local(|| filters.apply(black_box(&magnitudes), &mut chroma));
}

#[divan::bench]
fn contrast(bencher: Bencher) {
    let (mut contrast, magnitudes) = (Contrast::new(f64::from(RATE), N_FFT, 6), magnitudes());
    let mut bands = Tiles::new(contrast.bands());
    bencher
        .counter(samples(RATE))
        .bench_local(|| contrast.apply(black_box(&magnitudes), &mut bands));
}

#[divan::bench]
fn tuning(bencher: Bencher) {
    let (mut estimator, magnitudes) = (
        TuningEstimator::new(f64::from(RATE), N_FFT),
        magnitudes().to_frames(),
    );
    bencher.counter(samples(RATE)).bench_local(|| {
        estimator.begin();
        black_box(&magnitudes)
            .rows()
            .for_each(|frame| estimator.look(frame));
        estimator.estimate(TuningSpectrum::Power, 12)
    });
}

#[divan::bench]
fn constant_q(bencher: Bencher) {
    let (octaves, bins) = (7, 36);
    let (mut cqt, basis, signal) = (
        Cqt::new(octaves, HOP_LENGTH),
        CqtBasis::new(f64::from(RATE), bins, octaves, 0.12),
        voice(RATE),
    );
    let mut magnitudes = Tiles::new(octaves * bins);
    bencher
        .counter(samples(RATE))
        .bench_local(|| cqt.magnitude(black_box(&signal), &basis, &mut magnitudes));
}

#[divan::bench(args = [16_000, 22_050, 48_000])]
fn extract(bencher: Bencher, rate: u32) {
    let (mut extractor, signal) = (Extractor::new(Profile::Librosa08), voice(rate));
    bencher.counter(samples(rate)).bench_local(|| {
        extractor
            .extract(FeatureSet::Issa193, black_box(&signal), rate)
            .expect("features of a voice")
    });
}
