//! The sets `functionals` and `frames` against numbers that numpy, scipy and librosa 0.8.1 gave for
//! the same signals, and on recorded speech.
//!
//! SER_CORPORA names the folder with `ravdess/` and `emodb/`.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::Path;

use ser::features::{Extractor, FeatureSet, Profile, groups, names};

const RATE: u32 = 22_050;
/// Frames keep every thirteenth of their values in the reference.
const STRIDE: usize = 13;

#[derive(serde::Deserialize)]
struct Reference {
    functionals: Vec<f64>,
    frames: Vec<f64>,
}

/// The generator that the reference was made with.
fn noise(samples: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    (0..samples).map(next).collect()
}

/// Harmonics of a pitch that rises and falls, between two stretches that are nearly silent.
fn voice() -> Vec<f32> {
    const SAMPLES: usize = 30_000;
    let rate = f64::from(RATE);
    let mut phase = 0.0;
    let noise = noise(SAMPLES, 7);
    let sample = |n: usize| {
        let t = n as f64 / rate;
        phase += TAU * (140.0 + 40.0 * (TAU * 1.3 * t).sin()) / rate;
        let harmonics = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.25), (4.0, 0.1), (7.0, 0.08)];
        let sum: f64 = harmonics.iter().map(|(k, a)| a * (k * phase).sin()).sum();
        let envelope = (t / 0.1)
            .min((SAMPLES as f64 / rate - t) / 0.2)
            .clamp(0.0, 1.0);
        let quiet = n < (0.15 * rate) as usize || n >= SAMPLES - (0.2 * rate) as usize;
        ((sum * envelope * 0.4 + 0.004 * noise[n]) * if quiet { 0.001 } else { 1.0 }) as f32
    };
    (0..SAMPLES).map(sample).collect()
}

fn sweep() -> Vec<f32> {
    let noise = noise(24_000, 3);
    let sample = |n: usize| {
        let t = n as f64 / f64::from(RATE);
        (0.3 * (TAU * (200.0 * t + 900.0 * t * t)).sin() + 0.05 * noise[n]) as f32
    };
    (0..24_000).map(sample).collect()
}

fn extract(set: FeatureSet, samples: &[f32], rate: u32) -> Vec<f32> {
    Extractor::new(Profile::Librosa08)
        .extract(set, samples, rate)
        .expect("the features can be computed")
}

#[test]
fn functionals_and_frames_equal_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/features.json");
    let reference: BTreeMap<String, Reference> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(reference.len(), 3);
    for (name, reference) in &reference {
        let signal = match name.as_str() {
            "voice" => voice(),
            "sweep" => sweep(),
            _ => noise(20_000, 11).iter().map(|x| (0.2 * x) as f32).collect(),
        };
        let found = extract(FeatureSet::Functionals, &signal, RATE);
        // All but jitter, shimmer and harmonics-to-noise ratio, for which see `pitch.rs`.
        assert_eq!(reference.functionals.len(), found.len() - 5, "{name}");
        let mut wrong = Vec::new();
        for ((column, found), expected) in names(FeatureSet::Functionals)
            .iter()
            .zip(&found)
            .zip(&reference.functionals)
        {
            // Medians of differences in dB lie between neighbours that single precision may swap.
            let least = if column.starts_with("contrast") {
                0.1
            } else {
                0.01
            };
            let error = (f64::from(*found) - expected).abs() / expected.abs().max(least);
            if error > 1e-3 {
                wrong.push(format!("{column}: {found} instead of {expected}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{name}: {} of {}\n{}",
            wrong.len(),
            found.len(),
            wrong.join("\n")
        );
        let frames = extract(FeatureSet::Frames, &signal, RATE);
        assert_eq!(
            frames.len().div_ceil(STRIDE),
            reference.frames.len(),
            "{name}"
        );
        for (i, (found, expected)) in frames
            .iter()
            .step_by(STRIDE)
            .zip(&reference.frames)
            .enumerate()
        {
            assert!(
                (f64::from(*found) - expected).abs() < 2e-3,
                "{name}: value {} is {found} instead of {expected}",
                i * STRIDE
            );
        }
    }
}

#[test]
fn columns_have_names_and_groups() {
    let columns = names(FeatureSet::Functionals);
    let mut distinct = columns.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(
        (
            columns.len(),
            distinct.len(),
            FeatureSet::Functionals.size()
        ),
        (2487, 2487, 2487)
    );
    assert_eq!(
        [
            &columns[3 * 26],
            &columns[3 * 26 + 12],
            &columns[3 * 26 + 25]
        ],
        ["mfcc_03_mean", "mfcc_03_d_mean", "mfcc_03_dd_sd"]
    );
    assert!(columns.contains(&"f0_p95".to_owned()) && columns.contains(&"h1_h3_slope".to_owned()));
    let groups = groups(&names(FeatureSet::Functionals));
    assert_eq!(
        (groups[0].0.as_str(), groups[0].1.clone()),
        ("mfcc", 0..520)
    );
    assert_eq!(
        groups
            .iter()
            .map(|(_, columns)| columns.len())
            .sum::<usize>(),
        2487
    );
    assert_eq!(FeatureSet::Frames.size(), 64);
}

#[test]
fn silence_constants_and_the_shortest_recordings_are_finite() {
    let mut impulse = vec![0.0; 5_000];
    impulse[2_500] = 1.0;
    let signals: [Vec<f32>; 6] = [
        vec![0.0; 22_050],
        vec![0.5; 22_050],
        vec![-1e-7; 9_000],
        noise(33, 1).iter().map(|x| *x as f32).collect(),
        vec![0.1; 600],
        impulse,
    ];
    for (n, signal) in signals.iter().enumerate() {
        let row = extract(FeatureSet::Functionals, signal, RATE);
        assert!(
            row.len() == 2487
                && row
                    .iter()
                    .all(|value| value.is_finite() && value.abs() < 1e5),
            "signal {n}"
        );
        let frames = extract(FeatureSet::Frames, signal, RATE);
        assert!(
            !frames.is_empty()
                && frames.len().is_multiple_of(64)
                && frames.iter().all(|value| value.is_finite()),
            "signal {n}"
        );
    }
    for set in [FeatureSet::Functionals, FeatureSet::Frames] {
        for unusable in [&[0.1; 32][..], &[f32::MAX; 4_000]] {
            let row = Extractor::new(Profile::Librosa08).extract(set, unusable, RATE);
            assert!(row.is_err());
        }
    }
}

#[test]
fn women_of_emodb_speak_higher_than_its_men() {
    let Some(corpora) = std::env::var_os("SER_CORPORA") else {
        crate::skipped::skipped("corpora", "SER_CORPORA names no recorded corpora");
        return;
    };
    let folder = Path::new(&corpora).join("emodb/wav");
    let column = |name: &str| {
        names(FeatureSet::Functionals)
            .iter()
            .position(|column| column == name)
            .unwrap()
    };
    let (median, share, active) = (
        column("voiced_f0_p50"),
        column("voiced_share"),
        column("active_share"),
    );
    let mut extractor = Extractor::new(Profile::Librosa08);
    let mut pitch = |speaker: &str| -> f64 {
        let paths = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap());
        // Neutral ones; the letter is that of the German word.
        let neutral = paths.filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(speaker) && name.get(5..6) == Some("N")
        });
        let mut found = Vec::new();
        for entry in neutral {
            let audio = ser::audio::decode(&entry.path()).unwrap();
            let row = extractor
                .extract(FeatureSet::Functionals, &audio.samples, audio.sample_rate)
                .unwrap();
            assert!(
                row[share] > 0.3 && row[share] < 1.0 && row[active] > 0.5 && row[active] <= 1.0,
                "{entry:?}"
            );
            found.push(f64::from(row[median]).exp());
        }
        assert!(found.len() > 2, "{speaker}");
        found.iter().sum::<f64>() / found.len() as f64
    };
    let men: Vec<f64> = ["03", "10", "11", "12", "15"].map(&mut pitch).to_vec();
    let women: Vec<f64> = ["08", "09", "13", "14", "16"].map(&mut pitch).to_vec();
    println!("men {men:.0?}, women {women:.0?} Hz");
    assert!(
        men.iter().all(|hz| (80.0..170.0).contains(hz))
            && women.iter().all(|hz| (150.0..260.0).contains(hz)),
        "{men:?} {women:?}"
    );
}
