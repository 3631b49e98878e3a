//! The train stage: one model of one fold and seed, and its predictions on the test part.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::calibrate;
use super::fit::{Fitted, divergence, fit, in_words};
use super::inputs::{ByInputs, Job, Rows, tested_copies, variants};
use super::search::{self, Settled};
use super::windows::Unit;
use crate::config::{Experiment, ModelSettings};
use crate::encoder::Source;
use crate::error::{Error, Result};
use crate::evaluation::{Scores, argmax, vote};
use crate::files::{hash_bytes, to_json, write_atomically};
use crate::linalg::dispatch::has_fused_multiply_add;
use crate::model::artifact::{
    self, EncoderOfModel, ImportOfModel, ModelInfo, SavedModel, TestTimeAugment, Weights,
};
use crate::model::{self, Classical, Device, Domain, TrainSettings};
use crate::orchestrator::{Context, Finished};
use crate::report::FoldSection;
use crate::split::{Dataset, Fold, Part, Parts, Role, Testing, Training, Variants};
use crate::table;
use crate::table::predictions::PredictionRow;
use crate::transform::{self, Inputs, Scaler, ScalerKind, finish_row};

/// Predictions on the test part within the task's folder.
pub(super) const PREDICTIONS: &str = "predictions.parquet";
/// How the training went.
pub(super) const FOLD: &str = "fold.json";
/// The saved model.
pub(super) const MODEL: &str = "model";

/// Rows that are predicted at a time.
const BLOCK: usize = 1024;

/// What is known of a network that was trained on an old processor.
const NOT_FUSED: &str = "trained on a processor without fused multiply-add (AVX2 and FMA): the weights differ from those of other processors by \
     rounding, which grows from step to step";

/// Hashes of everything that a model is loaded from, by what tells them apart in a key.
pub(super) fn model_hashes(trained: &Finished) -> Result<Vec<(String, String)>> {
    let names = trained
        .names()
        .filter(|name| name.starts_with(&format!("{MODEL}/")) && !name.ends_with(".md"));
    names
        .map(|name| Ok((format!("{} {name}", trained.task), trained.hash(name)?)))
        .collect()
}

/// What is known of one trained fold besides its predictions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FoldFile {
    /// Without the scores, which the evaluation adds.
    #[serde(flatten)]
    pub section: FoldSection,
    pub warnings: Vec<String>,
    /// Whether the values by class estimate probabilities.
    #[serde(default = "yes")]
    pub estimates: bool,
    /// Tested utterances whose probabilities were changed to give the class of the decision
    /// function the highest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reconciled: usize,
    /// Of networks with moving averages:
    /// [`Running::variance_ratios`](crate::model::Running::variance_ratios).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variance_ratios: Vec<f64>,
    /// Of a weighted sum of an encoder's layers: the share of each, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_shares: Vec<f32>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn yes() -> bool {
    true
}

/// Content hash of who does what in one fold, with the hash of all labels.
pub(super) fn fingerprint(fold: &Fold, labels: &str) -> String {
    let roles = fold
        .roles
        .iter()
        .map(|role| role.map_or("-", |role| role.as_str()));
    let text: String = std::iter::once(labels)
        .chain(roles.flat_map(|role| ["\n", role]))
        .collect();
    hash_bytes(text.as_bytes())
}

/// About how many bytes a training needs at most: the table, which trainings share; a copy of it
/// where speakers are scaled, the validation part, or a search; changed copies as they are read and
/// behind the training rows; and what the model adds.
pub(super) fn memory(experiment: &Experiment, utterances: usize) -> u64 {
    /// Of a large encoder.
    const MOST_STATES: u64 = 34;
    let copies = experiment.augment.kinds().len() as u64;
    let inputs = &experiment.inputs;
    let shape = inputs.shape(inputs.set.size());
    let states = match inputs.layer {
        Some(transform::Layer::Weighted) => MOST_STATES,
        _ => 1,
    };
    let columns = shape.size() as u64 * states;
    let utterances = utterances as u64;
    let rows = utterances * (1 + copies);
    let table = utterances * columns * size_of::<f32>() as u64;
    let tables = 1
        + u64::from(inputs.scaler == ScalerKind::PerSpeaker)
        + u64::from(experiment.search.is_some())
        + if copies > 0 { 2 * copies + 1 } else { 0 };
    let validation = experiment.validation.unwrap_or_default() * table as f64;
    let model = match experiment.model.classical() {
        Some(settings) => settings.memory(rows, table * (1 + copies)),
        // About a thousand channels and their gradients for each step of each sample of a batch (a
        // feature of a vector, a frame of a sequence), and the weights with their moments.
        None if experiment.has_epochs() => {
            let steps = shape.length as u64 * 8_000 + columns * 16;
            experiment.train.batch_size as u64 * steps + (64 << 20)
        }
        None => 0,
    };
    table * tables + validation as u64 + model
}

/// Trains, saves the model and predicts the test part.
pub(super) fn train(job: &Job, context: &Context) -> Result<()> {
    let settled = job
        .experiment
        .search
        .as_ref()
        .map(|search| search::settle(job, search, context))
        .transpose()?;
    let searched = settled.as_ref().map(|settled| &settled.section);
    let job = &Job {
        experiment: settled
            .as_ref()
            .map_or(job.experiment, |Settled { experiment, .. }| experiment),
        ..*job
    };
    let rows = Rows::read(job)?;
    let data = rows.dataset(job.utterances, job.experiment)?;
    let variants = variants(job)?;
    let unit = Unit::of(job.pipeline);
    let Parts {
        train,
        validation,
        test,
    } = Parts::with_variants(&data, &job.fold.roles, &variants)?;
    let train = train.keep_together(|id| unit.id(id));
    let n_test = test.len();
    let mut warnings = check(&train, n_test, &data)?;
    let n_train = job.fold.count(Role::Train);
    let n_augmented = train.len() - n_train;
    let lacking = n_train * variants.kinds() - n_augmented;
    if lacking > 0 {
        warnings.push(format!("{lacking} changed copies of training utterances have no features and are not trained on"));
    }
    let n_warnings = warnings.len();
    drop(variants);
    let trained = job
        .utterances
        .iter()
        .zip(&job.fold.roles)
        .filter(|(_, role)| **role == Some(Role::Train));
    let domain = Domain::of(
        &train,
        trained.map(|(utterance, _)| utterance.duration_s).collect(),
    );
    let scaler = Scaler::fit(job.experiment.inputs.scaler, &train);
    let scaled = scaling(&scaler, &job.experiment.inputs);
    let train = train.rewritten(scaled.clone());
    // Read once in each epoch.
    let validation = validation.map(|part| part.map_rows(scaled));
    let calibration = match job.experiment.model.calibration() {
        Some(words) => Some(calibrate::choose(
            job.experiment,
            words,
            &train,
            &data.labels,
        )?),
        None => None,
    };
    let folds = calibration
        .as_ref()
        .and_then(|calibration| calibration.folds.as_deref());
    let fitted = fit(job, &train, validation.as_ref(), folds, context)?;
    let unconverged = match &fitted.weights {
        Weights::Classical(classical) => Some(classical.model()).filter(|m| !m.converged()),
        Weights::Cnn { .. } => None,
    };
    let unconverged = unconverged.map(|model| model.title());
    drop(train);
    warnings.extend(divergence(&fitted.history, data.labels.len()));
    if job.experiment.has_epochs()
        && job.experiment.train.device == Device::Cpu
        && !has_fused_multiply_add()
    {
        warnings.push(NOT_FUSED.to_owned());
    }
    warnings.extend(unconverged.map(|model| {
        format!("the {model} was stopped before it converged: scale the inputs, or lower c")
    }));
    let mut info = about(job, &rows, &data, (scaler, domain), &fitted)?;
    info.provenance
        .extend(searched.map(search::provenance).unwrap_or_default());
    if let Some(calibration) = calibration {
        info.provenance
            .insert("calibration".into(), calibration.described);
        warnings.extend(calibration.warning);
    }
    let layer_shares = fitted.layer_shares().unwrap_or_default();
    let saved = SavedModel {
        info,
        weights: fitted.weights,
    };
    model::artifact::save(&context.folder.join(MODEL), &saved)?;
    let copies = test.copies(&tested_copies(job, None)?)?;
    let without = copies
        .iter()
        .map(|kind| test.len() - kind.len())
        .sum::<usize>();
    if without > 0 {
        warnings.insert(n_warnings, format!(
            "{without} changed copies of test utterances have no features and are not averaged over"
        ));
    }
    let (predictions, reconciled) = predict(job, &saved, &data.labels, (test, &copies))?;
    table::predictions::write(
        &context.folder.join(PREDICTIONS),
        &data.labels,
        &predictions,
        &table::Meta::new(),
    )?;
    let section = FoldSection {
        fold: job.fold.index,
        name: job.fold.name.clone(),
        seed: job.seed,
        n_train,
        n_augmented,
        n_validation: validation.as_ref().map_or(0, |v| v.len()),
        n_test,
        scores: Scores::default(),
        best_epoch: fitted.best_epoch,
        history: fitted.history,
        search: searched.cloned(),
    };
    let file = FoldFile {
        section,
        warnings,
        estimates: saved.weights.estimates_probabilities(),
        reconciled,
        variance_ratios: fitted.variance_ratios,
        layer_shares,
    };
    write_atomically(&context.folder.join(FOLD), &to_json(&file)?)
}

/// What is done to each row before a model sees it.
fn scaling(scaler: &Scaler, inputs: &Inputs) -> impl Fn(&mut [f32]) + Clone + use<> {
    let (scaler, inputs) = (scaler.clone(), *inputs);
    move |row| {
        scaler.apply_row(row);
        finish_row(row, &inputs);
    }
}

/// The corpus in another form than that of the training, for all models with the same inputs.
pub(super) struct View {
    pub data: Dataset,
    /// Changed copies, in the same form.
    pub copies: Variants,
    /// Of each utterance of the fold whether it can be tested; `None` where `data` lacks it.
    pub tested: Vec<Option<bool>>,
}

/// Predicts the test recordings of every trained fold and seed in another view, which `view` makes
/// for the inputs of a model. What was fitted stays as it is.
pub(super) fn predict_views<F: Borrow<Finished>>(
    runs: &[(Job, F)],
    context: &Context,
    view: impl Fn(&Job) -> Result<View>,
) -> Result<Vec<PredictionRow>> {
    let mut views = ByInputs::new();
    let mut predictions = Vec::new();
    for (done, (job, finished)) in runs.iter().enumerate() {
        context.cancel.check()?;
        let saved = artifact::load(&finished.borrow().path(MODEL))?;
        let inputs = saved.info.inputs;
        let View {
            data,
            copies,
            tested,
        } = views.get(&inputs, || {
            let experiment = &Experiment {
                inputs,
                ..job.experiment.clone()
            };
            view(&Job { experiment, ..*job })
        })?;
        if data.labels != saved.info.labels {
            return Err(Error::data(
                "of a whole class no recording has features under the condition",
            ));
        }
        let roles: Vec<Option<Role>> = (job.fold.roles.iter().zip(tested))
            .filter_map(|(role, tested)| tested.map(|tested| role.filter(|_| tested)))
            .map(|role| role.filter(|role| *role == Role::Test))
            .collect();
        let test = Parts::of(data, &roles).test;
        let copies = test.copies(copies)?;
        predictions.extend(predict(job, &saved, &data.labels, (test, &copies))?.0);
        context.progress(done as u64 + 1, runs.len() as u64, "models", String::new());
    }
    Ok(predictions)
}

/// The predictions of a saved model on test rows before scaling, and in how many of them the
/// probabilities of a support vector machine named another class than its decision function. Of a
/// row with copies, the mean over itself and them counts.
pub(super) fn predict(
    job: &Job,
    saved: &SavedModel,
    labels: &[String],
    (test, copies): (Part<Testing>, &[Part<Testing>]),
) -> Result<(Vec<PredictionRow>, usize)> {
    let mut classifier = saved.classifier()?;
    let scaled = scaling(&saved.info.scaler, &saved.info.inputs);
    let mut probabilities = |part: &Part<Testing>| -> Result<(Vec<f32>, usize)> {
        let rows = part.x().clone().rewritten(scaled.clone());
        let (mut found, mut reconciled) = (Vec::new(), 0);
        for first in (0..rows.rows()).step_by(BLOCK) {
            let block: Vec<usize> = (first..rows.rows().min(first + BLOCK)).collect();
            let block = rows.select(&block).gather();
            match &saved.weights {
                Weights::Classical(Classical::Svm(svm)) => {
                    let (probabilities, changed) = svm.judge(&block)?;
                    found.extend(probabilities);
                    reconciled += changed;
                }
                _ => found.extend(classifier.probabilities(&block)?),
            }
        }
        Ok((found, reconciled))
    };
    let (own, reconciled) = probabilities(&test)?;
    let mut views: Vec<Vec<Vec<f32>>> = own
        .chunks(labels.len())
        .map(|own| vec![own.to_vec()])
        .collect();
    for kind in copies {
        let (found, _) = probabilities(kind)?;
        let mut rows = kind.ids().iter().zip(found.chunks(labels.len())).peekable();
        for (id, views) in test.ids().iter().zip(&mut views) {
            views.extend(
                rows.next_if(|(copy, _)| *copy == id)
                    .map(|(_, found)| found.to_vec()),
            );
        }
    }
    let row = |((id, &truth), views): ((&String, &usize), &Vec<Vec<f32>>)| {
        let probabilities = match views.as_slice() {
            [own] => own.clone(),
            all => vote::mean(&all.iter().map(Vec::as_slice).collect::<Vec<_>>(), None),
        };
        if probabilities.iter().any(|p| !p.is_finite()) {
            return Err(Error::data(format!("the model gives {id} probabilities that are not finite numbers"))
                .hint("scale the inputs (inputs.scaler = \"standard\"), or train with a lower learning rate"));
        }
        Ok(PredictionRow {
            experiment: job.experiment.name.clone(),
            protocol: job.experiment.protocol.name(),
            fold: job.fold.index,
            seed: job.seed,
            utterance_id: id.clone(),
            truth: labels[truth].clone(),
            predicted: labels[argmax(&probabilities)].clone(),
            probabilities,
        })
    };
    Ok((
        test.ids()
            .iter()
            .zip(test.y())
            .zip(&views)
            .map(row)
            .collect::<Result<_>>()?,
        reconciled,
    ))
}

/// Refuses what cannot be trained; names what can but should be known.
fn check(train: &Part<Training>, n_test: usize, data: &Dataset) -> Result<Vec<String>> {
    if train.is_empty() || n_test == 0 {
        let role = if train.is_empty() { "training" } else { "test" };
        return Err(
            Error::data(format!("the {role} part of this fold is empty"))
                .hint("use fewer folds or another protocol"),
        );
    }
    let absent: Vec<&str> = (0..data.labels.len())
        .filter(|class| !train.y().contains(class))
        .map(|class| data.labels[class].as_str())
        .collect();
    if data.labels.len() - absent.len() < 2 {
        return Err(
            Error::data("the training part of this fold has a single class")
                .hint("use fewer folds, or check the labels of the corpus"),
        );
    }
    let absent = (!absent.is_empty()).then(|| {
        format!(
            "no training utterance of {}: it cannot be recognised in this fold",
            absent.join(", ")
        )
    });
    Ok(absent.into_iter().collect())
}

/// The card of a model: what it needs to be used, and where it comes from.
fn about(
    job: &Job,
    rows: &Rows,
    data: &Dataset,
    fit: (Scaler, Domain),
    fitted: &Fitted,
) -> Result<ModelInfo> {
    let (pipeline, experiment, (scaler, domain)) = (job.pipeline, job.experiment, fit);
    let mut provenance = experiment.model_parameters();
    provenance.extend(rows.meta.clone());
    provenance.insert("experiment".into(), experiment.name.clone());
    provenance.insert("fold_name".into(), job.fold.name.clone());
    provenance.insert("ser.version".into(), env!("CARGO_PKG_VERSION").into());
    if !fitted.variance_ratios.is_empty() {
        let ratios: Vec<String> = fitted
            .variance_ratios
            .iter()
            .map(|ratio| format!("{ratio:.3}"))
            .collect();
        provenance.insert("batch_norm.variance_ratios".into(), ratios.join(", "));
    }
    if let Some(shares) = fitted.layer_shares() {
        provenance.insert("layer_shares".into(), in_words(&shares));
    }
    if let Ok(Some(hardware)) = experiment.train.device.hardware() {
        provenance.insert("train.hardware".into(), hardware);
    }
    let architecture = match experiment.model {
        ModelSettings::Cnn { architecture } => Some(architecture),
        _ => None,
    };
    let kinds = experiment.test_time_augment.kinds().to_vec();
    let test_time_augment = pipeline
        .features
        .augment
        .filter(|_| !kinds.is_empty())
        .map(|amounts| TestTimeAugment { kinds, amounts });
    let encoder = pipeline.features.encoder(experiment.inputs.set);
    let encoder = encoder.map(|source| of_model(source)).transpose()?;
    let import = pipeline.features.import(experiment.inputs.set);
    let sums = rows
        .meta
        .get("ser.import_sha256")
        .map_or("", String::as_str);
    let imported = import.map(|import| ImportOfModel {
        path: import.path.to_string_lossy().into_owned(),
        sha256: sums.split(' ').map(str::to_owned).collect(),
    });
    Ok(ModelInfo {
        encoder,
        imported,
        architecture,
        layers: fitted.layers.clone(),
        labels: data.labels.clone(),
        feature_set: experiment.inputs.set.name().to_owned(),
        profile: pipeline.features.profile.name().to_owned(),
        feature_code_version: experiment.inputs.set.code_version(),
        feature_names: rows.names(&experiment.inputs),
        inputs: experiment.inputs,
        scaler,
        test_time_augment,
        domain,
        // How often a checkpoint was written changes nothing in the model.
        train: experiment.has_epochs().then(|| TrainSettings {
            checkpoint_every: 0,
            ..experiment.train.clone()
        }),
        pipeline: pipeline.name.clone(),
        corpus: pipeline.corpus.name.clone(),
        protocol: experiment.protocol.name(),
        fold: job.fold.index,
        seed: job.seed,
        provenance,
    })
}

/// What a model says of its encoder.
fn of_model(source: &Source) -> Result<EncoderOfModel> {
    let description = source.describe()?;
    Ok(EncoderOfModel {
        folder: source.path().to_string_lossy().into_owned(),
        sha256: description.sha256.to_string(),
        files: description.files.iter().cloned().collect(),
        licence: description.licence.clone(),
        usage: source.usage(),
        width: description.width,
        layers: description.layers,
    })
}
