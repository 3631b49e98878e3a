//! CPU seconds of the classical models beside scikit-learn's: fits and predictions alone, one
//! thread, in turn.
//!
//! `make bench ONLY=classical` (takes ROUNDS, QUICK and PYTHON, which needs scikit-learn). The rows
//! are generated: one table of the size of RAVDESS in five folds, and one of 48,000 rows of which a
//! tenth is tested. `logistic-exact` asks scikit-learn for the tolerance that ser has (1e-6); with
//! its default of 1e-4 it stops farther from the optimum.

#[path = "shared/cpu.rs"]
mod cpu;

use std::error::Error;
use std::path::Path;
use std::process::Command;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ser::cancel::Cancel;
use ser::model::{
    Classical, FitContext, ForestSettings, KnnSettings, KnnWeights, LogisticSettings,
    NaiveBayesSettings, Settings, SvmSettings,
};
use ser::split::{Dataset, Matrix, Part, Parts, Role, Shape, Training};
use ser::transform::{Scaler, ScalerKind};

use cpu::cpu_seconds;

const COLUMNS: usize = 2482;
const CLASSES: usize = 8;
/// Directions along which rows vary together.
const FACTORS: usize = 60;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let rounds: usize = value("--rounds").map_or(Ok(3), |rounds| rounds.parse())?;
    let python = value("--python").unwrap_or_else(|| "python3".to_owned());
    let folder = std::env::temp_dir().join(format!("ser-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (small, large) = if is_quick {
        (240, 2000)
    } else {
        (1440, 48_000)
    };
    println!(
        "{:<14} {:>7} {:>8} {:>14} {:>7}",
        "model", "rows", "ser", "scikit-learn", "ratio"
    );
    let (small_models, large_models) = (
        [
            "logistic",
            "logistic-exact",
            "bayes",
            "svm",
            "forest",
            "knn",
        ],
        ["logistic", "logistic-exact", "bayes"],
    );
    for (rows, folds, models) in [(small, 5, &small_models[..]), (large, 1, &large_models[..])] {
        let table = generate(rows, folds);
        write(&folder, &table)?;
        for model in models {
            let (mut own, mut peer) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                own.push(ours(&table, model)?);
                peer.push(theirs(&python, &folder, model)?);
            }
            let (own, peer) = (median(own), median(peer));
            println!(
                "{model:<14} {rows:>7} {own:>8.2} {peer:>14.2} {:>7.2}",
                own / peer
            );
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

struct Table {
    data: Dataset,
    /// The fold in which each row is tested; a number that is no fold for none.
    folds: Vec<u32>,
    n_folds: u32,
}

/// Rows of classes that overlap.
fn generate(rows: usize, n_folds: u32) -> Table {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut normal = || -> f32 {
        let sum: f32 = (0..12)
            .map(|_| rng.next_u32() as f32 / u32::MAX as f32)
            .sum();
        sum - 6.0
    };
    let mixing: Vec<f32> = (0..FACTORS * COLUMNS).map(|_| normal() / 8.0).collect();
    let centres: Vec<f32> = (0..FACTORS * CLASSES).map(|_| normal() * 0.12).collect();
    let mut values = Vec::with_capacity(rows * COLUMNS);
    for row in 0..rows {
        let first = values.len();
        values.extend((0..COLUMNS).map(|_| 0.5 * normal()));
        for (factor, mixing) in mixing.chunks_exact(COLUMNS).enumerate() {
            let strength = normal() + centres[(row % CLASSES) * FACTORS + factor];
            for (value, mixing) in values[first..].iter_mut().zip(mixing) {
                *value += strength * mixing;
            }
        }
    }
    let every = if n_folds == 1 { 10 } else { n_folds as usize };
    Table {
        data: Dataset {
            ids: (0..rows).map(|row| format!("{row:06}")).collect(),
            labels: (0..CLASSES).map(|class| class.to_string()).collect(),
            x: Matrix::new(rows, COLUMNS, values).into(),
            shape: Shape::vector(COLUMNS),
            y: (0..rows).map(|row| row % CLASSES).collect(),
            speakers: vec!["s".to_owned(); rows],
        },
        folds: (0..rows)
            .map(|row| (row / CLASSES % every) as u32)
            .collect(),
        n_folds,
    }
}

/// Files of little-endian numbers, as `classical.py` reads them.
fn write(folder: &Path, table: &Table) -> Outcome<()> {
    let x = table.data.x.gather();
    let values = x.values().iter().flat_map(|v| v.to_le_bytes());
    std::fs::write(folder.join("x"), values.collect::<Vec<u8>>())?;
    let classes = table
        .data
        .y
        .iter()
        .flat_map(|&class| (class as u32).to_le_bytes());
    std::fs::write(folder.join("y"), classes.collect::<Vec<u8>>())?;
    let folds = table.folds.iter().flat_map(|fold| fold.to_le_bytes());
    std::fs::write(folder.join("folds"), folds.collect::<Vec<u8>>())?;
    Ok(())
}

/// CPU seconds over all folds.
fn ours(table: &Table, model: &str) -> Outcome<f64> {
    let mut seconds = 0.0;
    for fold in 0..table.n_folds {
        let role = |tested: &u32| {
            let is_tested = *tested == fold;
            Some(if is_tested { Role::Test } else { Role::Train })
        };
        let roles: Vec<Option<Role>> = table.folds.iter().map(role).collect();
        let parts = Parts::of(&table.data, &roles);
        let scaler = Scaler::fit(ScalerKind::Standard, &parts.train);
        let scale = |row: &mut [f32]| scaler.apply_row(row);
        let (train, test) = (parts.train.map_rows(scale), parts.test.map_rows(scale));
        let before = cpu_seconds();
        fit(model, &train)?
            .classifier()
            .probabilities(&test.x().gather())?;
        seconds += cpu_seconds() - before;
    }
    Ok(seconds)
}

fn fit(model: &str, train: &Part<Training>) -> Outcome<Classical> {
    let cancel = Cancel::default();
    let context = FitContext {
        standardised: true,
        ..FitContext::new(&cancel)
    };
    let (svm, knn) = (
        SvmSettings {
            c: 10.0,
            ..SvmSettings::default()
        },
        KnnSettings {
            k: 5,
            weights: KnnWeights::Distance,
        },
    );
    let settings: &dyn Settings = match model {
        "logistic" | "logistic-exact" => &LogisticSettings::default(),
        "svm" => &svm,
        "forest" => &ForestSettings::default(),
        "bayes" => &NaiveBayesSettings::default(),
        _ => &knn,
    };
    Ok(settings.fit(train, context)?)
}

fn theirs(python: &str, folder: &Path, model: &str) -> Outcome<f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/classical.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder)
        .args([&COLUMNS.to_string(), model])
        .env("OMP_NUM_THREADS", "1")
        .env("OPENBLAS_NUM_THREADS", "1")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
