//! What the output of a stage depends on, as types of their own.
//!
//! Each is made by taking the settings apart without `..`: a field that is new does not compile
//! before it is decided here whether it belongs to a key or, as `field: _`, to none.

use serde::Serialize;

use super::joined::CorpusPart;
use super::model::ModelSettings;
use super::search::Search;
use super::validated::{CorpusKind, CorpusSettings, Experiment};
use crate::audio::augment::Copies;
use crate::corpus::Subset;
use crate::corpus::iemocap::{Agreement, Dialogs, Excitement};
use crate::model::{
    Device, EarlyStopping, NormStatistics, Optimizer, Schedule, SpecAugment, TrainSettings,
};
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
    Emodb {
        all_clips: bool,
    },
    Iemocap {
        excitement: Excitement,
        dialogs: Dialogs,
        agreement: Agreement,
    },
    Manifest {
        label_map: &'a std::collections::BTreeMap<String, String>,
        allow_outside: bool,
        language: Option<&'a str>,
    },
    Synthetic {
        speakers: usize,
        sentences: usize,
        takes: usize,
        sample_rate: u32,
        seed: u64,
    },
    Joined {
        parts: &'a [CorpusPart],
    },
}

impl CorpusSettings {
    /// The key of an ingest.
    pub fn key(&self) -> CorpusKey<'_> {
        // Windows are cut from what an ingest finds, by a task of their own. What is guessed
        // changes what is said of results and none of them: confirming it computes nothing anew.
        let CorpusSettings {
            name,
            labels,
            notes: _,
            licence: _,
            citation: _,
            guessed: _,
            subset,
            windows: _,
            kind,
        } = self;
        let reader = match kind {
            CorpusKind::Ravdess { root: _ } => ReaderKey::Ravdess {},
            CorpusKind::Emodb { root: _, all_clips } => ReaderKey::Emodb {
                all_clips: *all_clips,
            },
            CorpusKind::Iemocap {
                root: _,
                excitement,
                dialogs,
                agreement,
            } => ReaderKey::Iemocap {
                excitement: *excitement,
                dialogs: *dialogs,
                agreement: *agreement,
            },
            CorpusKind::Manifest {
                path: _,
                root: _,
                label_map,
                allow_outside,
                language,
            } => ReaderKey::Manifest {
                label_map,
                allow_outside: *allow_outside,
                language: language.as_deref(),
            },
            CorpusKind::Synthetic {
                root: _,
                speakers,
                sentences,
                takes,
                sample_rate,
                seed,
            } => ReaderKey::Synthetic {
                speakers: *speakers,
                sentences: *sentences,
                takes: *takes,
                sample_rate: *sample_rate,
                seed: *seed,
            },
            CorpusKind::Joined { root: _, parts } => ReaderKey::Joined { parts },
        };
        CorpusKey {
            name,
            labels,
            subset: subset.as_ref(),
            kind: kind.name(),
            reader,
        }
    }
}

/// What decides the folds of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitKey<'a> {
    experiment: &'a str,
    protocol: &'a Protocol,
    split_seed: u64,
    validation: Option<f64>,
    #[serde(skip_serializing_if = "is_false")]
    shuffle_labels: bool,
}

/// What decides a trained model besides folds, data and seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelKey<'a> {
    inputs: &'a Inputs,
    #[serde(skip_serializing_if = "Copies::is_empty")]
    augment: &'a Copies,
    #[serde(skip_serializing_if = "Copies::is_empty")]
    test_time_augment: &'a Copies,
    model: &'a ModelSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<SearchKey<'a>>,
    /// Of networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<TrainKey<'a>>,
}

/// A search and what its inner folds are drawn by.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct SearchKey<'a> {
    #[serde(flatten)]
    search: &'a Search,
    seed: u64,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_augment: Option<SpecAugment>,
    class_weights: bool,
    batch_norm: NormStatistics,
    early_stopping: &'a Option<EarlyStopping>,
    device: Device,
}

fn is_false(value: &bool) -> bool {
    !value
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
            spec_augment,
            class_weights,
            batch_norm,
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
            spec_augment: *spec_augment,
            class_weights: *class_weights,
            batch_norm: *batch_norm,
            early_stopping,
            device: *device,
        }
    }
}

impl Experiment {
    /// The key of a split.
    pub fn split_key(&self) -> SplitKey<'_> {
        // A demand refuses folds and changes none.
        let Experiment {
            name,
            title: _,
            default: _,
            protocol,
            split_seed,
            validation,
            inputs: _,
            augment: _,
            test_time_augment: _,
            model: _,
            search: _,
            train: _,
            seeds: _,
            shuffle_labels,
            require: _,
            explain: _,
        } = self;
        SplitKey {
            experiment: name,
            protocol,
            split_seed: *split_seed,
            validation: *validation,
            shuffle_labels: *shuffle_labels,
        }
    }

    /// The key of a training.
    pub fn model_key(&self) -> ModelKey<'_> {
        // Folds, validation part, labels and changed copies reach a training by their content, the
        // seed by the task.
        let Experiment {
            name: _,
            title: _,
            default: _,
            protocol: _,
            split_seed,
            validation: _,
            inputs,
            augment,
            test_time_augment,
            model,
            search,
            train,
            seeds: _,
            shuffle_labels: _,
            require: _,
            explain: _,
        } = self;
        let train = self.has_epochs().then(|| TrainKey::of(train));
        let search = search.as_ref().map(|search| SearchKey {
            search,
            seed: *split_seed,
        });
        ModelKey {
            inputs,
            augment,
            test_time_augment,
            model,
            search,
            train,
        }
    }
}
