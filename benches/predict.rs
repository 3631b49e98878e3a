//! How much faster than real time `ser predict` is: the whole process on a folder of recordings, on
//! one core.
//!
//! `make bench-predict`, `make bench-predict CORPUS=/path/to/ravdess
//! MODEL=data/models/ravdess/quick/fold-00-seed-0`, or `cargo bench --bench predict -- --rounds 5`.
//!
//! Without a corpus it makes two minutes of a made-up voice at 48 kHz, in clips of four seconds;
//! without a model it saves the paper's network for RAVDESS with random weights, which takes as
//! long as a trained one. Prints a line a round: seconds of sound, user and system time of the
//! process, and the former by the latter.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ser::error::{Error, Result};
use ser::features::{self, FeatureSet, Profile};
use ser::model::artifact::{ModelInfo, SavedModel, Weights, save};
use ser::model::{Architecture, Domain, Durations, FeatureRanges, Params, Running};
use ser::table::inference;
use ser::transform::{Inputs, Scaler};

const RATE: u32 = 48_000;
const CLIPS: u64 = 30;
const CLIP_S: u32 = 4;
/// What is asked of the program, in seconds of sound a second of a core.
const BAR: f64 = 100.0;

/// Seconds of sound that `ser predict` judges in a second of one core.
#[derive(Debug, Parser)]
#[command(name = "predict")]
struct Options {
    /// Folder of recordings
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Folder of a saved model, or of an experiment
    #[arg(long)]
    model: Option<PathBuf>,
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Judge windows of so many seconds
    #[arg(long)]
    window: Option<f64>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(worst) if worst >= BAR => ExitCode::SUCCESS,
        Ok(worst) => {
            eprintln!("predict: {worst:.0} times real time, less than {BAR}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("predict: {error}");
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// The lowest ratio of all rounds.
fn measure(options: &Options) -> Result<f64> {
    let scratch = ser::files::temporary_folder(&std::env::temp_dir(), "bench-")?;
    let corpus = options
        .corpus
        .clone()
        .map_or_else(|| voices(&scratch.path().join("voices")), Ok)?;
    let model = options
        .model
        .clone()
        .map_or_else(|| network(&scratch.path().join("model")), Ok)?;
    let output = scratch.path().join("out.parquet");
    let mut worst = f64::INFINITY;
    for round in 1..=options.rounds.max(1) {
        let before = children_cpu_s();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser"));
        command
            .arg("predict")
            .arg(&model)
            .arg(&corpus)
            .arg("-o")
            .arg(&output)
            .args(["--jobs", "1", "--quiet", "--skip-bad"]);
        if let Some(window) = options.window {
            command.args(["--window", &window.to_string()]);
        }
        let refused = |e| Error::io("run", Path::new(env!("CARGO_BIN_EXE_ser")), e);
        let status = command.stdout(Stdio::null()).status().map_err(refused)?;
        if !status.success() {
            return Err(Error::data(format!("ser predict failed: {status}")));
        }
        let cpu_s = children_cpu_s() - before;
        let (rows, sound_s) = sound(&output)?;
        let ratio = sound_s / cpu_s;
        println!(
            "round={round} rows={rows} sound_s={sound_s:.1} cpu_s={cpu_s:.3} times_real_time={ratio:.0}"
        );
        worst = worst.min(ratio);
    }
    Ok(worst)
}

/// Rows of a table of predictions, and how long its recordings are together.
fn sound(path: &Path) -> Result<(usize, f64)> {
    let (_, rows) = inference::read(path)?;
    let recordings = rows.chunk_by(|a, b| a.file == b.file);
    let sound_s = recordings
        .filter_map(|windows| windows.last())
        .map(|last| last.end_s)
        .sum();
    Ok((rows.len(), sound_s))
}

/// A gliding tone with overtones over noise, clip after clip.
fn voices(folder: &Path) -> Result<PathBuf> {
    ser::files::create_folder(folder)?;
    for clip in 0..CLIPS {
        let mut rng = ChaCha8Rng::seed_from_u64(clip);
        let mut phase = 0.0;
        let samples = (0..RATE * CLIP_S).map(|t| {
            let seconds = t as f32 / RATE as f32;
            phase = (phase
                + (120.0 + 5.0 * clip as f32 + 40.0 * (TAU * 0.7 * seconds).sin()) / RATE as f32)
                .fract();
            let tone: f32 = (1..=20)
                .map(|k| (TAU * phase * k as f32).sin() / k as f32)
                .sum();
            0.15 * tone * (TAU * 1.5 * seconds).sin().abs() + rng.random_range(-0.003..0.003)
        });
        let path = folder.join(format!("{clip:02}.wav"));
        write_wav(&path, samples)
            .map_err(|e| Error::data(format!("failed to write {}", path.display())).because(e))?;
    }
    Ok(folder.to_owned())
}

fn write_wav(
    path: &Path,
    samples: impl Iterator<Item = f32>,
) -> std::result::Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample((sample * 32_767.0) as i16)?;
    }
    writer.finalize()
}

/// The paper's network for RAVDESS before its training.
fn network(folder: &Path) -> Result<PathBuf> {
    let (set, profile) = (FeatureSet::Issa193, Profile::Librosa08);
    let names = features::names(set);
    let labels: Vec<String> = (0..8).map(|c| format!("class{c}")).collect();
    let layers = Architecture::Ravdess.layers(names.len(), labels.len());
    let params = Params::init(&layers, &mut ChaCha8Rng::seed_from_u64(0));
    let running = Running::new(&layers);
    let ranges = |value: f32| vec![value; names.len()];
    let info = ModelInfo {
        encoder: None,
        imported: None,
        architecture: Some(Architecture::Ravdess),
        layers,
        labels,
        feature_set: set.name().into(),
        profile: profile.name().into(),
        feature_code_version: set.code_version(),
        feature_names: names.clone(),
        inputs: Inputs::default(),
        scaler: Scaler::None,
        test_time_augment: None,
        domain: Domain {
            duration_s: Durations {
                min: 1.0,
                p01: 1.0,
                p05: 1.0,
                median: 3.0,
                p95: 10.0,
                p99: 10.0,
                max: 10.0,
            },
            features: FeatureRanges {
                min: ranges(-1.0),
                p01: ranges(-1.0),
                p99: ranges(1.0),
                max: ranges(1.0),
            },
        },
        train: None,
        pipeline: "bench".into(),
        corpus: "nothing".into(),
        protocol: "none".into(),
        fold: 0,
        seed: 0,
        provenance: Default::default(),
    };
    save(
        folder,
        &SavedModel {
            info,
            weights: Weights::Cnn { params, running },
        },
    )?;
    Ok(folder.to_owned())
}

/// User and system time of all processes that were waited for.
fn children_cpu_s() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a valid place for the answer, and all zeros are a valid one.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
