//! Pitch, jitter, shimmer and harmonics-to-noise ratio of `functionals`: of signals for which they
//! are known, and beside Praat on recorded speech.
//!
//! SER_CORPORA names the folder with `ravdess/` and `emodb/`.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::Path;

use ser::features::{Extractor, FeatureSet, Profile, names};

const RATE: u32 = 22_050;

/// The row of a recording, by name of the column.
fn row(samples: &[f32], rate: u32) -> BTreeMap<String, f64> {
    let values = Extractor::new(Profile::Librosa08)
        .extract(FeatureSet::Functionals, samples, rate)
        .expect("the features can be computed");
    names(FeatureSet::Functionals)
        .into_iter()
        .zip(values.into_iter().map(f64::from))
        .collect()
}

/// White noise with a mean square of one.
fn noise(seed: u32) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) * 12f64.sqrt()
    })
}

/// Harmonics with a mean square of one, whose pitch at each time is given.
fn voice(f0: impl Fn(f64) -> f64, samples: usize) -> impl Iterator<Item = f64> {
    const AMPLITUDES: [f64; 5] = [0.5, 0.7, 0.4, 0.2, 0.1];
    let norm = (AMPLITUDES.iter().map(|a| a * a).sum::<f64>() / 2.0).sqrt();
    let mut phase = 0.0;
    (0..samples).map(move |n| {
        phase += TAU * f0(n as f64 / f64::from(RATE)) / f64::from(RATE);
        AMPLITUDES
            .iter()
            .zip(1..)
            .map(|(a, k)| a * (f64::from(k) * phase).sin())
            .sum::<f64>()
            / norm
    })
}

/// Syllables of a rising and falling voice with noise between and below them.
fn speech() -> Vec<f32> {
    let samples = 40_000;
    let loudness = |n: usize| (TAU * 2.5 * n as f64 / f64::from(RATE)).sin().max(0.01);
    let voice = voice(|t| 170.0 + 40.0 * (TAU * 0.8 * t).sin(), samples);
    voice
        .zip(noise(3))
        .enumerate()
        .map(|(n, (voice, noise))| (0.2 * voice * loudness(n) + 0.002 * noise) as f32)
        .collect()
}

#[test]
fn neither_offset_nor_gain_change_the_row() {
    let whole = row(&speech(), RATE);
    assert!(
        whole["voiced_share"] > 0.3 && whole["voiced_share"] < 0.9,
        "{}",
        whole["voiced_share"]
    );
    for (gain, offset) in [
        (1.0, 0.2),
        (1.0, -0.7),
        (0.01, 0.0),
        (1e-4, 0.0),
        (30.0, 0.0),
        (0.01, 0.2),
    ] {
        let changed: Vec<f32> = speech()
            .iter()
            .map(|x| (f64::from(*x) * gain + offset) as f32)
            .collect();
        let decibels = 20.0 * gain.log10();
        let mut wrong = Vec::new();
        for (column, found) in row(&changed, RATE) {
            let is_level = ["_mean", "_p05", "_p25", "_p50", "_p75", "_p95"]
                .iter()
                .any(|end| column.ends_with(end))
                && !column.contains("_d");
            let shift = match column.split('_').next() {
                Some("logmel" | "energy") if is_level => decibels,
                Some("mfcc") if is_level && column.starts_with("mfcc_00") => {
                    decibels * 128f64.sqrt()
                }
                _ => 0.0,
            };
            // With an offset, single precision rounds a quiet signal more coarsely.
            let tolerance = if offset == 0.0 { 1e-3 } else { 3e-2 };
            if (found - shift - whole[&column]).abs() > tolerance * whole[&column].abs().max(1.0) {
                wrong.push(format!(
                    "{column}: {found} instead of {} + {shift}",
                    whole[&column]
                ));
            }
        }
        assert!(
            wrong.is_empty(),
            "gain {gain}, offset {offset}: {}\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}

#[test]
fn frames_move_with_the_gain_alone() {
    let extract = |samples: &[f32]| {
        Extractor::new(Profile::Librosa08)
            .extract(FeatureSet::Frames, samples, RATE)
            .unwrap()
    };
    let whole = extract(&speech());
    let changed: Vec<f32> = speech().iter().map(|x| x * 0.01 + 0.2).collect();
    let changed = extract(&changed);
    assert_eq!(changed.len(), whole.len());
    assert!(
        whole
            .iter()
            .zip(&changed)
            .all(|(one, other)| (one - 40.0 - other).abs() < 0.05)
    );
}

#[test]
fn a_noisy_voice_has_its_pitch_and_its_harmonics_to_noise_ratio() {
    for (f0, ratio) in [
        (110.0, 20.0),
        (110.0, 10.0),
        (220.0, 5.0),
        (220.0, 15.0),
        (300.0, 25.0),
    ] {
        let scale = 10f64.powf(-ratio / 20.0);
        let samples: Vec<f32> = voice(|_| f0, 44_100)
            .zip(noise(9))
            .map(|(voice, noise)| (0.1 * (voice + scale * noise)) as f32)
            .collect();
        let row = row(&samples, RATE);
        assert!(
            (row["hnr_mean"] - ratio).abs() < 1.0,
            "{f0} Hz, {ratio} dB: {} dB",
            row["hnr_mean"]
        );
        assert!(
            (row["voiced_f0_mean"] - f64::ln(f0)).abs() < 0.003 && row["voiced_f0_sd"] < 0.01,
            "{f0} Hz, {ratio} dB: {row:?}"
        );
        assert!(
            row["voiced_share"] > 0.97,
            "{f0} Hz, {ratio} dB: {}",
            row["voiced_share"]
        );
    }
}

#[test]
fn rumble_and_noise_are_not_voiced() {
    let rumble: Vec<f32> = (0..44_100)
        .map(|n| (0.3 * (TAU * 25.0 * f64::from(n) / f64::from(RATE)).sin()) as f32)
        .collect();
    let hiss: Vec<f32> = noise(4).take(44_100).map(|x| 0.1 * x as f32).collect();
    let mut click = vec![0.0; 44_100];
    click[9_000] = 0.9;
    for (n, signal) in [
        rumble,
        hiss,
        click,
        vec![0.0; 9_000],
        vec![0.1; 44],
        vec![0.3; 9_000],
    ]
    .iter()
    .enumerate()
    {
        let row = row(signal, RATE);
        let quality = [
            "jitter_local",
            "shimmer_local",
            "shimmer_local_db",
            "hnr_mean",
            "hnr_sd",
            "voiced_share",
        ]
        .map(|name| row[name]);
        assert_eq!(quality, [0.0; 6], "signal {n}");
        assert!(row["f0_sd"] < 1e-9, "signal {n}");
        assert!(
            (row["f0_mean"].exp() - 36_000f64.sqrt()).abs() < 0.01,
            "signal {n}"
        );
    }
}

/// What Praat 6.1.38 says of recordings (`benches/pitch.py --csv`): mean and deviation of log F0,
/// voiced share of the whole recording, jitter (local), shimmer (local, dB) and mean harmonicity
/// (cc) in dB.
const PRAAT: [(&str, [f64; 6]); 8] = [
    (
        "ravdess/Actor_04/03-01-04-01-01-02-04.wav",
        [5.6924, 0.1950, 0.3232, 0.0234, 0.8965, 13.0281],
    ),
    (
        "ravdess/Actor_10/03-01-02-01-02-02-10.wav",
        [5.4267, 0.0797, 0.4016, 0.0170, 0.9094, 13.4415],
    ),
    (
        "ravdess/Actor_15/03-01-08-01-01-01-15.wav",
        [4.8579, 0.1627, 0.3506, 0.0241, 1.1812, 8.2550],
    ),
    (
        "ravdess/Actor_21/03-01-06-01-02-01-21.wav",
        [4.7327, 0.1920, 0.3306, 0.0264, 1.4318, 8.0035],
    ),
    (
        "emodb/wav/08a01Wa.wav",
        [5.7132, 0.1491, 0.5735, 0.0148, 0.9024, 10.2055],
    ),
    (
        "emodb/wav/10b03Wb.wav",
        [5.2455, 0.3160, 0.5351, 0.0197, 1.0557, 8.2066],
    ),
    (
        "emodb/wav/13b01Ec.wav",
        [5.3343, 0.1576, 0.5094, 0.0297, 0.8351, 9.3315],
    ),
    (
        "emodb/wav/15b01Lb.wav",
        [4.5397, 0.1471, 0.6501, 0.0309, 0.9069, 11.2015],
    ),
];

#[test]
fn recorded_voices_are_as_praat_finds_them() {
    let Some(corpora) = std::env::var_os("SER_CORPORA") else {
        crate::skipped::skipped("corpora", "SER_CORPORA names no recorded corpora");
        return;
    };
    let mut sums = [0.0; 6];
    for (path, praat) in PRAAT {
        let audio = ser::audio::decode(&Path::new(&corpora).join(path)).unwrap();
        let row = row(&audio.samples, audio.sample_rate);
        let share = row["voiced_share"] * row["active_share"];
        let [mean, sd, jitter, shimmer, hnr] = [
            "voiced_f0_mean",
            "voiced_f0_sd",
            "jitter_local",
            "shimmer_local_db",
            "hnr_mean",
        ]
        .map(|name| row[name]);
        let found = [mean, sd, share, jitter, shimmer, hnr];
        println!("{path}: {found:.4?}, Praat {praat:?}");
        // A semitone is 0.058.
        for (i, (tolerance, (found, praat))) in [0.05, 0.12, 0.04, 0.006, 0.1, 2.5]
            .iter()
            .zip(found.iter().zip(praat))
            .enumerate()
        {
            sums[i] += found - praat;
            assert!(
                (found - praat).abs() < *tolerance,
                "{path}, value {i}: {found}, of Praat {praat}"
            );
        }
    }
    let bias = sums.map(|sum| sum / PRAAT.len() as f64);
    assert!(
        bias.iter()
            .zip([0.01, 0.03, 0.02, 0.003, 0.05, 1.0])
            .all(|(bias, most)| bias.abs() < most),
        "{bias:?}"
    );
}
