//! Made-up voices, their copies and their other takes.

use super::*;
use crate::audio::resample::Resampler;

const HZ: u32 = 16_000;

/// Syllables of a buzzing voice in a little noise: its melody, rhythm and formants are drawn from
/// the seed, its noise and phases from the take.
fn voice(seed: u64, take: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    };
    let mut noise_state = (seed ^ take.wrapping_mul(77_777)) as u32 | 1;
    let mut noise = || {
        noise_state = noise_state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (noise_state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let mut samples = vec![0.0; HZ as usize / 5];
    for _ in 0..7 {
        let (length, pitch, glide, formant, level) = (
            0.12 + 0.2 * draw(),
            90.0 + 150.0 * draw(),
            draw() - 0.5,
            400.0 + 2000.0 * draw(),
            0.3 + draw(),
        );
        let drift = 1.0 + 0.02 * noise();
        let n = (length * HZ as f32) as usize;
        let mut phase = noise();
        for i in 0..n {
            let t = i as f32 / n as f32;
            let hz = pitch * drift * (1.0 + 0.3 * glide * t);
            phase += hz / HZ as f32;
            let buzz: f32 = (1..16)
                .map(|k| {
                    (k as f32 * phase * std::f32::consts::TAU).sin()
                        / (1.0 + ((k as f32 * hz - formant) / 300.0).powi(2))
                })
                .sum();
            samples.push(0.2 * level * (std::f32::consts::PI * t).sin() * buzz);
        }
        samples.extend(std::iter::repeat_n(
            0.0,
            (0.08 * draw() * HZ as f32) as usize,
        ));
    }
    samples.extend(vec![0.0; HZ as usize / 5]);
    samples
        .iter()
        .map(|sample| sample + 1e-3 * noise())
        .collect()
}

/// A recording in another form: samples and rate.
type Copy = (&'static str, Vec<f32>, u32);

fn copies(original: &[f32]) -> Vec<Copy> {
    let eight = |x: f32| (x * 128.0).round() / 128.0;
    let padded = [vec![0.0; 3_000], original.to_vec(), vec![0.0; 5_000]].concat();
    let (mut down, mut up) = (Resampler::new(HZ, 11_025), Resampler::new(HZ, 48_000));
    vec![
        (
            "quieter and upside down",
            original.iter().map(|x| -0.2 * x).collect(),
            HZ,
        ),
        (
            "of 8 bits",
            original.iter().map(|x| eight(*x)).collect(),
            HZ,
        ),
        ("padded", padded, HZ),
        (
            "trimmed",
            original[2_000..original.len() - 2_500].to_vec(),
            HZ,
        ),
        ("at 11 025 Hz", down.process(original), 11_025),
        (
            "at 48 000 Hz and quieter",
            up.process(original).iter().map(|x| 0.5 * x).collect(),
            48_000,
        ),
    ]
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y) * (x - y))
        .sum::<f32>()
        .sqrt()
}

#[test]
fn copies_are_near_and_fit() {
    let (mut sketcher, mut aligner) = (Sketcher::default(), Aligner::default());
    for seed in 0..5 {
        let original = voice(seed, 0);
        let (sketch, narrow) = (
            sketcher.sketch(&original, HZ).unwrap(),
            sketcher.narrow(&original, HZ),
        );
        assert_eq!(sketch.len(), WIDTH);
        for (what, samples, rate) in copies(&original) {
            let near = distance(&sketch, &sketcher.sketch(&samples, rate).unwrap());
            assert!(near < 0.5 * NEAR, "{what}: {near}");
            let likeness = aligner.likeness(&narrow, &sketcher.narrow(&samples, rate));
            assert!(likeness.similarity > 0.95, "{what}: {likeness:?}");
            let lag = if what == "padded" {
                -3_000.0
            } else if what == "trimmed" {
                2_000.0
            } else {
                0.0
            } / f64::from(HZ);
            assert!((likeness.lag_s - lag).abs() < 2e-3, "{what}: {likeness:?}");
        }
    }
}

#[test]
fn another_take_is_near_but_does_not_fit() {
    let (mut sketcher, mut aligner) = (Sketcher::default(), Aligner::default());
    let mut nearest = f32::MAX;
    for seed in 0..5 {
        let (one, other) = (voice(seed, 0), voice(seed, 1));
        nearest = nearest.min(distance(
            &sketcher.sketch(&one, HZ).unwrap(),
            &sketcher.sketch(&other, HZ).unwrap(),
        ));
        let likeness = aligner.likeness(&sketcher.narrow(&one, HZ), &sketcher.narrow(&other, HZ));
        assert!(likeness.similarity < SAME - 0.1, "{seed}: {likeness:?}");
        let stranger = voice(seed + 100, 0);
        let likeness =
            aligner.likeness(&sketcher.narrow(&one, HZ), &sketcher.narrow(&stranger, HZ));
        assert!(likeness.similarity < 0.5 * SAME, "{seed}: {likeness:?}");
    }
    assert!(
        nearest < NEAR,
        "takes this alike reach the comparison of waveforms: {nearest}"
    );
}

#[test]
fn silence_is_like_nothing() {
    let mut sketcher = Sketcher::default();
    assert_eq!(sketcher.sketch(&[0.0; 8_000], HZ), None);
    assert_eq!(sketcher.sketch(&[], HZ), None);
    let likeness = Aligner::default().likeness(&[0.0; 100], &sketcher.narrow(&voice(1, 0), HZ));
    assert_eq!(likeness.similarity, 0.0);
    assert_eq!(Aligner::default().likeness(&[], &[]).similarity, 0.0);
}

#[test]
fn candidates_are_all_pairs_within_reach_whoever_looks() {
    let mut state = 7u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    let n = 60;
    let sketches: Vec<f32> = (0..n * WIDTH).map(|_| draw()).collect();
    let row = |i: usize| &sketches[i * WIDTH..(i + 1) * WIDTH];
    let near = 2.6;
    // The nearest few of each, found by looking at everything.
    let mut expected = std::collections::BTreeSet::new();
    for i in 0..n {
        let mut others: Vec<(f32, usize)> = (0..n)
            .filter(|&j| j != i)
            .map(|j| (distance(row(i), row(j)), j))
            .filter(|(d, _)| *d < near)
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        expected.extend(
            others
                .iter()
                .take(NEIGHBOURS)
                .map(|&(_, j)| (i.min(j), i.max(j))),
        );
    }
    assert!(
        expected.len() > 20 && expected.len() < n * (n - 1) / 4,
        "{}",
        expected.len()
    );
    let expected: Vec<(usize, usize)> = expected.into_iter().collect();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| candidates(&sketches, near)), expected);
    }
    assert!(candidates(&[], near).is_empty());
}
