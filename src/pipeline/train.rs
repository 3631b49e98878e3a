//! The train stage: one model of one fold and seed, and its predictions on the test part.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ingest::to_json;
use super::inputs::{Rows, variants};
use crate::audio::augment::Variant;
use crate::config::{Experiment, Gamma, ModelSettings, Pipeline};
use crate::corpus::Utterance;
use crate::error::{Error, Result};
use crate::evaluation::argmax;
use crate::files::{hash_bytes, write_atomically};
use crate::model::TrainSettings;
use crate::model::artifact::{ModelInfo, SavedModel, Weights};
use crate::model::{self, Architecture, EpochRecord, Layer, Logistic, LogisticSettings, Majority, NetSpec, Svm, SvmSettings, TrainJob};
use crate::orchestrator::Context;
use crate::split::{Dataset, Fold, Part, Parts, Role, Training, Validation};
use crate::table::{self, predictions::PredictionRow};
use crate::transform::{Scaler, ScalerKind, columns_in_order, fill_padding, standardise_speakers};

/// Predictions on the test part within the task's folder.
pub(super) const PREDICTIONS: &str = "predictions.parquet";
/// How the training went.
pub(super) const FOLD: &str = "fold.json";
/// The saved model.
pub(super) const MODEL: &str = "model";

/// Far more than L-BFGS needs on standardised features.
const LOGISTIC_ITERATIONS: u64 = 1000;

/// What is known of one trained fold besides its predictions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FoldFile {
    pub fold: u32,
    pub name: String,
    pub seed: u64,
    /// Utterances.
    pub n_train: usize,
    /// Changed copies of them that were trained on as well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_augmented: usize,
    pub n_validation: usize,
    pub n_test: usize,
    pub best_epoch: Option<usize>,
    pub history: Vec<EpochRecord>,
    pub warnings: Vec<String>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Content hash of the true labels.
pub(super) fn labels(utterances: &[Utterance]) -> String {
    let lines: String = utterances.iter().map(|u| format!("{:?}\n", (&u.source.id, &u.source.emotion))).collect();
    hash_bytes(lines.as_bytes())
}

/// Content hash of who does what in one fold, with the [`labels`].
pub(super) fn fingerprint(fold: &Fold, labels: &str) -> String {
    let roles = fold.roles.iter().map(|role| role.map_or("-", |role| role.as_str()));
    let text: String = std::iter::once(labels).chain(roles.flat_map(|role| ["\n", role])).collect();
    hash_bytes(text.as_bytes())
}

/// What one training task is about.
pub(super) struct Job<'a> {
    pub pipeline: &'a Pipeline,
    pub experiment: &'a Experiment,
    pub features: &'a Path,
    /// Tables of changed copies, where the experiment trains on them.
    pub augmented: Option<&'a Path>,
    pub utterances: &'a [Utterance],
    pub fold: &'a Fold,
    pub seed: u64,
}

/// Id of a training.
pub(super) fn id(experiment: &Experiment, fold: u32, seed: u64) -> String {
    format!("train/{}/fold-{fold:02}-seed-{seed}", experiment.name)
}

/// About how many bytes a training needs at most: the table as it is read, as columns in order and as scaled parts, and what the model adds.
pub(super) fn memory(job: &Job) -> u64 {
    const COPIES: u64 = 4;
    let copies = if job.augmented.is_some() { Variant::ALL.len() as u64 } else { 0 };
    let (rows, columns) =
        (job.utterances.len() as u64 * (1 + copies), job.experiment.inputs.shape(job.experiment.inputs.set.size()).size() as u64);
    let table = COPIES * rows * columns * size_of::<f32>() as u64;
    let model = match &job.experiment.model {
        // About a thousand channels and their gradients for each feature of each sample of a batch, and the weights with their moments.
        ModelSettings::Cnn { .. } => job.experiment.train.batch_size as u64 * columns * 8_000 + (64 << 20),
        ModelSettings::Svm { .. } => rows * rows * size_of::<f64>() as u64,
        ModelSettings::Logistic { .. } => table,
        ModelSettings::Majority => 0,
    };
    table + model
}

/// Trains, saves the model and predicts the test part.
pub(super) fn train(job: &Job, context: &Context) -> Result<()> {
    let (rows, meta) = Rows::read(job)?;
    let mut data = rows.dataset(job.utterances, job.experiment)?;
    if job.experiment.inputs.scaler == ScalerKind::PerSpeaker {
        standardise_speakers(&mut data);
    }
    let variants = variants(job)?;
    let parts = Parts::with_variants(&data, &job.fold.roles, &variants)?;
    let mut warnings = check(&parts, &data)?;
    let n_train = job.fold.count(Role::Train);
    let n_augmented = parts.train.len() - n_train;
    let lacking = n_train * variants.kinds() - n_augmented;
    if lacking > 0 {
        warnings.push(format!("{lacking} changed copies of training utterances have no features and are not trained on"));
    }
    drop(variants);
    let scaler = Scaler::fit(job.experiment.inputs.scaler, &parts.train);
    let scaled = |row: &mut [f32]| {
        scaler.apply_row(row);
        fill_padding(row, &job.experiment.inputs);
    };
    let train = parts.train.map_rows(scaled);
    let validation = parts.validation.map(|part| part.map_rows(scaled));
    let test = parts.test.map_rows(scaled);

    let fitted = fit(job, &train, validation.as_ref(), context)?;
    let saved = SavedModel { info: about(job, &rows.columns, &meta, &data, scaler, &fitted), weights: fitted.weights };
    model::artifact::save(&context.folder.join(MODEL), &saved)?;
    let mut classifier = saved.classifier()?;
    let probabilities = classifier.probabilities(test.x())?;
    let n = data.labels.len();
    let rows: Vec<PredictionRow> = test
        .ids()
        .iter()
        .zip(test.y())
        .zip(probabilities.chunks(n))
        .map(|((id, &truth), p)| PredictionRow {
            experiment: job.experiment.name.clone(),
            protocol: job.experiment.protocol.name(),
            fold: job.fold.index,
            seed: job.seed,
            utterance_id: id.clone(),
            truth: data.labels[truth].clone(),
            predicted: data.labels[argmax(p)].clone(),
            probabilities: p.to_vec(),
        })
        .collect();
    table::predictions::write(&context.folder.join(PREDICTIONS), &data.labels, &rows, &table::Meta::new())?;
    let file = FoldFile {
        fold: job.fold.index,
        name: job.fold.name.clone(),
        seed: job.seed,
        n_train,
        n_augmented,
        n_validation: validation.as_ref().map_or(0, |v| v.len()),
        n_test: test.len(),
        best_epoch: fitted.best_epoch,
        history: fitted.history,
        warnings,
    };
    write_atomically(&context.folder.join(FOLD), &to_json(&file)?)
}

/// Refuses what cannot be trained; names what can but should be known.
fn check(parts: &Parts, data: &Dataset) -> Result<Vec<String>> {
    if parts.train.is_empty() || parts.test.is_empty() {
        let role = if parts.train.is_empty() { "training" } else { "test" };
        return Err(Error::data(format!("the {role} part of this fold is empty")).hint("use fewer folds or another protocol"));
    }
    let absent: Vec<&str> =
        (0..data.labels.len()).filter(|class| !parts.train.y().contains(class)).map(|class| data.labels[class].as_str()).collect();
    if data.labels.len() - absent.len() < 2 {
        return Err(
            Error::data("the training part of this fold has a single class").hint("use fewer folds, or check the labels of the corpus")
        );
    }
    let absent =
        (!absent.is_empty()).then(|| format!("no training utterance of {}: it cannot be recognised in this fold", absent.join(", ")));
    Ok(absent.into_iter().collect())
}

/// What a fit leaves behind.
struct Fitted {
    weights: Weights,
    layers: Vec<Layer>,
    best_epoch: Option<usize>,
    history: Vec<EpochRecord>,
}

fn fit(job: &Job, train: &Part<Training>, validation: Option<&Part<Validation>>, context: &Context) -> Result<Fitted> {
    let weights = match &job.experiment.model {
        ModelSettings::Cnn { architecture } => return fit_network(job, *architecture, train, validation, context),
        ModelSettings::Logistic { c } => {
            Weights::Logistic(Logistic::fit(&LogisticSettings { c: *c, max_iterations: LOGISTIC_ITERATIONS }, train)?)
        }
        ModelSettings::Svm { c, gamma } => {
            let gamma = match gamma {
                Gamma::Scale => None,
                Gamma::Value(value) => Some(*value),
            };
            Weights::Svm(Svm::fit(&SvmSettings { c: *c, gamma }, train, context.cancel)?)
        }
        ModelSettings::Majority => Weights::Majority(Majority::fit(train)?),
    };
    Ok(Fitted { weights, layers: vec![], best_epoch: None, history: vec![] })
}

fn fit_network(
    job: &Job,
    architecture: Architecture,
    train: &Part<Training>,
    validation: Option<&Part<Validation>>,
    context: &Context,
) -> Result<Fitted> {
    let (n_features, n_classes) = (train.x().cols(), train.n_classes());
    let spec = NetSpec { layers: architecture.layers(n_features, n_classes), n_features, n_classes };
    let settings = &job.experiment.train;
    let checkpoint = context.scratch.join("checkpoint");
    let mut on_epoch = |epoch: &EpochRecord| {
        let watched = epoch.validation_accuracy.map(|a| format!(", validation {:.1} %", a * 100.0)).unwrap_or_default();
        context.progress(epoch.epoch as u64, settings.epochs as u64, "epochs", format!("loss {:.3}{watched}", epoch.train_loss));
    };
    let trained = model::train(
        &TrainJob { spec: &spec, settings, train, validation, seed: job.seed, checkpoint: Some(&checkpoint) },
        context.cancel,
        &mut on_epoch,
    )?;
    if let Some(why) = trained.ignored_checkpoint {
        context.warn(format!("a checkpoint was not used: {why}"));
    }
    Ok(Fitted {
        weights: Weights::Cnn { params: trained.params, running: trained.running },
        layers: spec.layers,
        best_epoch: Some(trained.epoch),
        history: trained.history,
    })
}

/// The card of a model: what it needs to be used, and where it comes from.
fn about(job: &Job, columns: &[String], meta: &table::Meta, data: &Dataset, scaler: Scaler, fitted: &Fitted) -> ModelInfo {
    let (pipeline, experiment) = (job.pipeline, job.experiment);
    let mut provenance = experiment.model_parameters();
    provenance.extend(meta.clone());
    provenance.insert("experiment".into(), experiment.name.clone());
    provenance.insert("fold_name".into(), job.fold.name.clone());
    provenance.insert("ser.version".into(), env!("CARGO_PKG_VERSION").into());
    if let Ok(Some(hardware)) = experiment.train.device.hardware() {
        provenance.insert("train.hardware".into(), hardware);
    }
    let architecture = match experiment.model {
        ModelSettings::Cnn { architecture } => Some(architecture),
        _ => None,
    };
    ModelInfo {
        architecture,
        layers: fitted.layers.clone(),
        labels: data.labels.clone(),
        feature_set: experiment.inputs.set.name().to_owned(),
        profile: pipeline.features.profile.name().to_owned(),
        feature_code_version: experiment.inputs.set.code_version(),
        feature_names: columns_in_order(&experiment.inputs, columns),
        inputs: experiment.inputs,
        scaler,
        // How often a checkpoint was written changes nothing in the model.
        train: experiment.has_epochs().then(|| TrainSettings { checkpoint_every: 0, ..experiment.train.clone() }),
        pipeline: pipeline.name.clone(),
        corpus: pipeline.corpus.name.clone(),
        protocol: experiment.protocol.name(),
        fold: job.fold.index,
        seed: job.seed,
        provenance,
    }
}
