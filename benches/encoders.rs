//! CPU seconds and peak memory of speech encoders beside transformers with PyTorch, and
//! onnxruntime: a clip of 3.7 s, one thread, all hidden states, in turn.
//!
//! `make bench ONLY=encoders` (takes ROUNDS and PYTHON, which needs torch and transformers, and for
//! onnxruntime also onnx and onnxscript). The weights are random, of the sizes of HuBERT base, WavLM
//! base and Whisper base.

#[path = "shared/cpu.rs"]
mod cpu;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use ser::encoder::{Encoder, Padding, SAMPLE_RATE, Usage};

use cpu::cpu_seconds;

const SECONDS: f64 = 3.7;
const PASSES: usize = 5;
/// Name, padding, whether onnxruntime is asked as well.
const MODELS: [(&str, &str, bool); 4] = [
    ("hubert-base", "", true),
    ("wavlm-base", "", true),
    ("whisper-base", "", false),
    ("whisper-base", ":30s", false),
];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    if let Some(model) = value("--run") {
        return run(&model);
    }
    let rounds: usize = value("--rounds").map_or(Ok(3), |rounds| rounds.parse())?;
    let python = value("--python").unwrap_or_else(|| "python3".to_owned());
    let folder = match value("--models") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join(format!("ser-bench-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder)?;
    if !folder.join("whisper-base").exists() {
        theirs(&python, &["make", &folder.display().to_string()])?;
    }
    println!(
        "{:<18} {:<12} {:>10} {:>7} {:>9} {:>9}",
        "model", "by", "CPU s/clip", "ratio", "peak MiB", "file MiB"
    );
    for (name, padding, has_onnx) in MODELS {
        let path = folder.join(name);
        let size = std::fs::metadata(path.join("model.safetensors"))?.len() >> 20;
        let model = format!("{}{padding}", path.display());
        let peers: &[&str] = if has_onnx {
            &["torch", "onnx"]
        } else {
            &["torch"]
        };
        let mut figures = vec![Vec::new(); 1 + peers.len()];
        for _ in 0..rounds {
            let own = Command::new(std::env::current_exe()?)
                .args(["--run", &model])
                .output()?;
            figures[0].push(parse(&String::from_utf8(own.stdout)?)?);
            for (figures, peer) in figures[1..].iter_mut().zip(peers) {
                match theirs(&python, &[peer, &model, &SECONDS.to_string()]) {
                    Ok(text) => figures.push(parse(&text)?),
                    Err(error) if *peer == "onnx" => {
                        eprintln!("no onnxruntime: {error}");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let median = |figures: &[[f64; 2]], of: usize| -> f64 {
            let mut values: Vec<f64> = figures.iter().map(|figure| figure[of]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let own = median(&figures[0], 0);
        for (by, figures) in ["ser"].iter().chain(peers).zip(&figures) {
            if figures.is_empty() {
                continue;
            }
            let (seconds, peak) = (median(figures, 0), median(figures, 1));
            println!(
                "{:<18} {by:<12} {seconds:>10.3} {:>7.2} {peak:>9.0} {size:>9}",
                format!("{name}{padding}"),
                own / seconds
            );
        }
    }
    if value("--models").is_none() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Prints CPU seconds of a clip and peak MiB of this process.
fn run(model: &str) -> Outcome<()> {
    let (folder, padding) = match model.strip_suffix(":30s") {
        Some(folder) => (folder, Padding::Full),
        None => (model, Padding::None),
    };
    let encoder = Encoder::load(Path::new(folder), &Usage::default())?;
    let mut buffers = encoder.buffers();
    let mut state = 1u32;
    let clip: Vec<f32> = (0..(SECONDS * f64::from(SAMPLE_RATE)) as usize)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let mut pass = || -> Outcome<f64> {
        let before = cpu_seconds();
        encoder.run(&clip, padding, &mut buffers, |_, _| {})?;
        Ok(cpu_seconds() - before)
    };
    pass()?;
    let mut seconds = (0..PASSES).map(|_| pass()).collect::<Outcome<Vec<f64>>>()?;
    seconds.sort_by(f64::total_cmp);
    println!("{} {}", seconds[PASSES / 2], peak_mebibytes()?);
    Ok(())
}

fn parse(text: &str) -> Outcome<[f64; 2]> {
    let mut words = text.lines().last().unwrap_or_default().split_whitespace();
    let mut next = || -> Outcome<f64> { Ok(words.next().ok_or("no figures")?.parse()?) };
    Ok([next()?, next()?])
}

fn theirs(python: &str, arguments: &[&str]) -> Outcome<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/encoders.py");
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        .output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(errors.lines().last().unwrap_or("it failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn peak_mebibytes() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kibibytes.ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
}
