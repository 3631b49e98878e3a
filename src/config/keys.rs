//! What the output of a stage depends on, as types of their own.
//!
//! Each is made by taking the settings apart without `..`: a field that is new does not compile before it is decided here whether it belongs
//! to a key or, as `field: _`, to none.

use serde::Serialize;

use super::validated::{CorpusKind, CorpusSettings, Experiment, ModelSettings};
use crate::corpus::Subset;
use crate::corpus::iemocap::{Agreement, Dialogs, Excitement};
use crate::model::{Device, EarlyStopping, Optimizer, Schedule, TrainSettings};
use crate::split::Protocol;
use crate::transform::Inputs;

/// What decides which utterances there are, apart from the files: no path, no remark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorpusKey<'a> {
    name: &'a str,
    labels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    subset: Option<&'a Subset>,
    kind: &'static str,
    #[serde(flatten)]
    reader: ReaderKey<'a>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum ReaderKey<'a> {
    Ravdess {},
    Emodb { all_clips: bool },
    Iemocap { excitement: Excitement, dialogs: Dialogs, agreement: Agreement },
    Manifest { label_map: &'a std::collections::BTreeMap<String, String>, allow_outside: bool, language: Option<&'a str> },
    Synthetic { speakers: usize, sentences: usize, takes: usize, sample_rate: u32, seed: u64 },
}

impl CorpusSettings {
    /// The key of an ingest.
    pub fn key(&self) -> CorpusKey<'_> {
        let CorpusSettings { name, labels, notes: _, subset, kind } = self;
        let reader = match kind {
            CorpusKind::Ravdess { root: _ } => ReaderKey::Ravdess {},
            CorpusKind::Emodb { root: _, all_clips } => ReaderKey::Emodb { all_clips: *all_clips },
            CorpusKind::Iemocap { root: _, excitement, dialogs, agreement } => {
                ReaderKey::Iemocap { excitement: *excitement, dialogs: *dialogs, agreement: *agreement }
            }
            CorpusKind::Manifest { path: _, root: _, label_map, allow_outside, language } => {
                ReaderKey::Manifest { label_map, allow_outside: *allow_outside, language: language.as_deref() }
            }
            CorpusKind::Synthetic { root: _, speakers, sentences, takes, sample_rate, seed } => {
                ReaderKey::Synthetic { speakers: *speakers, sentences: *sentences, takes: *takes, sample_rate: *sample_rate, seed: *seed }
            }
        };
        CorpusKey { name, labels, subset: subset.as_ref(), kind: kind.name(), reader }
    }
}

/// What decides the folds of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitKey<'a> {
    experiment: &'a str,
    protocol: &'a Protocol,
    split_seed: u64,
    validation: Option<f64>,
}

/// What decides a trained model besides folds, data and seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelKey<'a> {
    inputs: &'a Inputs,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    augment: bool,
    model: &'a ModelSettings,
    /// Of networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<TrainKey<'a>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct TrainKey<'a> {
    optimizer: &'a Optimizer,
    learning_rate: f64,
    schedule: &'a Schedule,
    weight_decay: f64,
    batch_size: usize,
    epochs: usize,
    label_smoothing: f64,
    mixup: f64,
    class_weights: bool,
    early_stopping: &'a Option<EarlyStopping>,
    device: Device,
}

impl<'a> TrainKey<'a> {
    fn of(settings: &'a TrainSettings) -> Self {
        let TrainSettings {
            optimizer,
            learning_rate,
            schedule,
            weight_decay,
            batch_size,
            epochs,
            label_smoothing,
            mixup,
            class_weights,
            early_stopping,
            // How often a checkpoint is written changes nothing in the model.
            checkpoint_every: _,
            device,
        } = settings;
        TrainKey {
            optimizer,
            learning_rate: *learning_rate,
            schedule,
            weight_decay: *weight_decay,
            batch_size: *batch_size,
            epochs: *epochs,
            label_smoothing: *label_smoothing,
            mixup: *mixup,
            class_weights: *class_weights,
            early_stopping,
            device: *device,
        }
    }
}

impl Experiment {
    /// The key of a split.
    pub fn split_key(&self) -> SplitKey<'_> {
        let Experiment {
            name,
            title: _,
            default: _,
            protocol,
            split_seed,
            validation,
            inputs: _,
            augment: _,
            model: _,
            train: _,
            seeds: _,
        } = self;
        SplitKey { experiment: name, protocol, split_seed: *split_seed, validation: *validation }
    }

    /// The key of a training.
    pub fn model_key(&self) -> ModelKey<'_> {
        // Folds, validation part and changed copies reach a training by their content, the seed by the task.
        let Experiment {
            name: _,
            title: _,
            default: _,
            protocol: _,
            split_seed: _,
            validation: _,
            inputs,
            augment,
            model,
            train,
            seeds: _,
        } = self;
        let train = self.has_epochs().then(|| TrainKey::of(train));
        ModelKey { inputs, augment: *augment, model, train }
    }
}
