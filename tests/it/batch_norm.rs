//! What batch normalisation applies after training on 60, 150 and 300 recordings of EMO-DB, against
//! the true statistics of the training part.
//!
//! SER_GOLDEN names the folder with the tables of features.

use ser::cancel::Cancel;
use ser::model::engine::{Batch, Engine};
use ser::model::{
    Architecture, Device, Layer, NetSpec, NormStatistics, Optimizer, Params, Running, Schedule,
    TrainJob, TrainSettings, Trained, train,
};
use ser::split::{Dataset, Matrix, Parts, Role, Shape};
use ser::transform::{Scaler, ScalerKind};

use super::parity::read_table;
use super::program::project::Project;

const FEATURES: usize = 193;
/// The letters of a file's name that stand for anger, happiness, neutral and sadness.
const LETTERS: [&str; 4] = ["W", "F", "N", "T"];

/// The first `rows` recordings of the four classes, standardised.
fn parts(rows: usize) -> Option<Parts> {
    let Some(folder) = std::env::var_os("SER_GOLDEN") else {
        crate::skipped::skipped("corpora", "SER_GOLDEN names no reference tables");
        return None;
    };
    let (paths, columns) =
        read_table(&std::path::Path::new(&folder).join("all-emodb-librosa-0.8.1.parquet"));
    let class = |path: &str| {
        let name = path.rsplit('/').next()?;
        LETTERS
            .iter()
            .position(|letter| name.get(5..6) == Some(*letter))
    };
    let chosen: Vec<(usize, usize)> = paths
        .iter()
        .enumerate()
        .filter_map(|(row, path)| Some((row, class(path)?)))
        .take(rows)
        .collect();
    assert_eq!(chosen.len(), rows);
    let data = Dataset {
        ids: chosen.iter().map(|(row, _)| paths[*row].clone()).collect(),
        labels: LETTERS.map(str::to_owned).to_vec(),
        x: Matrix::new(
            rows,
            FEATURES,
            chosen
                .iter()
                .flat_map(|(row, _)| columns.iter().map(|column| column[*row]))
                .collect(),
        )
        .into(),
        shape: Shape::vector(FEATURES),
        y: chosen.iter().map(|(_, class)| *class).collect(),
        speakers: vec![String::from("any"); rows],
    };
    let Parts {
        train,
        validation,
        test,
    } = Parts::of(&data, &vec![Some(Role::Train); rows]);
    let scaler = Scaler::fit(ScalerKind::Standard, &train);
    Some(Parts {
        train: train.map_rows(|row| scaler.apply_row(row)),
        validation,
        test,
    })
}

fn trained(spec: &NetSpec, parts: &Parts, batch_norm: NormStatistics) -> Trained {
    let settings = TrainSettings {
        optimizer: Optimizer::Adamw,
        learning_rate: 1e-3,
        schedule: Schedule::Cosine { warmup: 0.0 },
        weight_decay: 0.01,
        batch_size: 32,
        epochs: 5,
        label_smoothing: 0.0,
        mixup: 0.0,
        spec_augment: None,
        class_weights: false,
        batch_norm,
        early_stopping: None,
        checkpoint_every: 0,
        device: Device::Cpu,
    };
    let job = TrainJob {
        spec,
        settings: &settings,
        train: &parts.train,
        validation: None,
        seed: 0,
        checkpoint: None,
    };
    train(&job, &Cancel::default(), &mut |_| {}).expect("trained")
}

/// The statistics of all rows, out of one training step with all of them in a batch and no dropout,
/// which moves zeros by a hundredth.
fn truth(spec: &NetSpec, parts: &Parts, params: &Params) -> Running {
    let layers: Vec<Layer> = spec
        .layers
        .iter()
        .map(|layer| {
            if let Layer::Dropout { .. } = layer {
                Layer::Dropout { p: 0.0 }
            } else {
                *layer
            }
        })
        .collect();
    let mut running = Running::new(&layers);
    running
        .variances
        .iter_mut()
        .flatten()
        .for_each(|variance| *variance = 0.0);
    let rows = parts.train.len();
    let mut engine = Engine::new(&layers, FEATURES, rows).expect("an engine");
    let targets = vec![0.25; rows * LETTERS.len()];
    let x = parts.train.x().gather();
    let batch = Batch {
        x: x.values(),
        targets: &targets,
        weights: None,
    };
    engine.train_step(params, &mut running, &batch, 0, &mut Params::zeros(&layers));
    running
        .means
        .iter_mut()
        .chain(&mut running.variances)
        .flatten()
        .for_each(|value| *value *= 100.0);
    running
}

#[test]
fn small_training_parts_need_population_statistics() {
    let mut factors = Vec::new();
    for rows in [60, 150, 300] {
        let Some(parts) = parts(rows) else { return };
        let spec = NetSpec {
            layers: Architecture::EmodbA.layers(FEATURES, LETTERS.len()),
            n_features: FEATURES,
            n_classes: LETTERS.len(),
        };
        let [population, moving] = [NormStatistics::Population, NormStatistics::MovingAverage]
            .map(|way| trained(&spec, &parts, way));
        assert_eq!(population.params, moving.params, "they decide nothing else");
        let exact = truth(&spec, &parts, &population.params);
        let pairs = |running: &Running| {
            let ours = running
                .means
                .iter()
                .chain(&running.variances)
                .flatten()
                .copied();
            ours.zip(
                exact
                    .means
                    .iter()
                    .chain(&exact.variances)
                    .flatten()
                    .copied()
                    .collect::<Vec<f32>>(),
            )
            .collect::<Vec<_>>()
        };
        assert!(
            pairs(&population.running)
                .iter()
                .all(|(ours, exact)| (ours - exact).abs() < 1e-4 * exact.abs().max(1e-2)),
            "{rows} rows"
        );
        let ratios = moving.running.variance_ratios(&exact);
        println!("{rows} rows: moving averages of variance are {ratios:.2?} times the true ones");
        assert!(
            moving
                .variance_ratios
                .expect("ratios")
                .iter()
                .zip(&ratios)
                .all(|(a, b)| (a / b - 1.0).abs() < 1e-3)
        );
        assert!(ratios[0] > 1.5, "{rows} rows: {ratios:?}");
        factors.push(ratios[0]);
    }
    assert!(
        factors[0] > factors[1] && factors[1] > factors[2],
        "the more steps, the less is left of the start: {factors:?}"
    );
}

#[test]
fn a_report_says_where_moving_averages_have_not_settled() {
    let project = Project::with_tones(4);
    let moving =
        Project::network(2).replace("epochs = 2", "epochs = 2, batch_norm = \"moving-average\"");
    let population = Project::network(2).replace("name = \"net\"", "name = \"other\"");
    project.pipeline("net", &moving);
    project.pipeline("other", &population);
    project.ser(&["run", "net", "other"]).ok();
    const WARNING: &str =
        "batch normalisation applies moving averages that have not settled: in 2 of 2 trainings";
    assert!(project.pages("net").contains(WARNING));
    assert!(!project.pages("other").contains("have not settled"));
    let card = |pipeline: &str| {
        String::from_utf8(project.read(&format!(
            "data/models/{pipeline}/base/fold-00-seed-0/README.md"
        )))
        .unwrap()
    };
    assert!(
        card("net").contains("applies moving averages")
            && card("net").contains("batch\\_norm.variance\\_ratios: ")
    );
    assert!(
        card("other").contains("over the whole training part") && !card("other").contains("ratios")
    );
}
