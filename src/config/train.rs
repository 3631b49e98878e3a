//! `train` of an experiment: how a network is trained.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::check::Refusal;
use super::features;
use super::schema::above_zero;
use super::section::Section;
use crate::error::Result;
use crate::model::{
    Device, EarlyStopping, NormStatistics, Optimizer, Schedule, SpecAugment, TrainSettings,
};

/// The keys of `train`, in which a schedule and early stopping are one key each.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct TrainKeys {
    /// Rule by which gradients become steps.
    optimizer: Optimizer,
    /// Initial or peak rate.
    #[schemars(transform = above_zero, range(max = 10))]
    learning_rate: f64,
    /// `inverse-time`: rate / (1 + `decay` × step); `cosine`: down to 0 over all steps.
    schedule: ScheduleKind,
    /// `inverse-time` only; 0 keeps the rate constant.
    #[schemars(range(min = 0))]
    decay: f64,
    /// `cosine` only; share of the steps in which the rate rises.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    warmup: f64,
    /// `adamw` only.
    #[schemars(range(min = 0, max = 1))]
    weight_decay: f64,
    /// Utterances per step.
    #[schemars(range(min = 2, max = 65_536))]
    batch_size: usize,
    /// Passes over the training part.
    #[schemars(range(min = 1, max = 100_000))]
    epochs: usize,
    /// Share of the target spread over all classes.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    label_smoothing: f64,
    /// Alpha of the mixing of pairs; 0 is off.
    #[schemars(range(min = 0, max = 10))]
    mixup: f64,
    /// `temporal` only: changes a spectrogram each time that it is trained on; see below.
    spec_augment: Option<SpecAugment>,
    /// Weight classes by inverse frequency in the training part.
    class_weights: bool,
    /// Statistics that batch normalisation applies outside of training: `population` or
    /// `moving-average`, see below.
    batch_norm: NormStatistics,
    /// Epochs without a better validation loss before training stops; 0 is off; needs `validation`.
    #[schemars(range(max = 100_000))]
    patience: usize,
    /// Epochs between checkpoints, against a crash; ctrl-C always writes one; changes no result.
    #[schemars(range(max = 100_000))]
    checkpoint_every: usize,
    /// Device that trains, see below.
    device: Device,
}

#[derive(Clone, Copy, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ScheduleKind {
    InverseTime,
    Cosine,
}

impl Default for TrainKeys {
    fn default() -> TrainKeys {
        TrainKeys {
            optimizer: Optimizer::Adamw,
            learning_rate: 1e-3,
            schedule: ScheduleKind::InverseTime,
            decay: 0.0,
            warmup: 0.0,
            weight_decay: 0.0,
            batch_size: 32,
            epochs: 40,
            label_smoothing: 0.0,
            mixup: 0.0,
            spec_augment: None,
            class_weights: false,
            batch_norm: NormStatistics::Population,
            patience: 0,
            checkpoint_every: 0,
            device: Device::Cpu,
        }
    }
}

impl From<TrainKeys> for TrainSettings {
    fn from(keys: TrainKeys) -> TrainSettings {
        TrainSettings {
            optimizer: keys.optimizer,
            learning_rate: keys.learning_rate,
            schedule: match keys.schedule {
                ScheduleKind::InverseTime => Schedule::InverseTime { decay: keys.decay },
                ScheduleKind::Cosine => Schedule::Cosine {
                    warmup: keys.warmup,
                },
            },
            weight_decay: keys.weight_decay,
            batch_size: keys.batch_size,
            epochs: keys.epochs,
            label_smoothing: keys.label_smoothing,
            mixup: keys.mixup,
            spec_augment: keys.spec_augment,
            class_weights: keys.class_weights,
            batch_norm: keys.batch_norm,
            early_stopping: (keys.patience > 0).then_some(EarlyStopping {
                patience: keys.patience,
            }),
            checkpoint_every: keys.checkpoint_every,
            device: keys.device,
        }
    }
}

/// The settings where a file has no `train`.
pub(super) fn default() -> TrainSettings {
    TrainKeys::default().into()
}

/// Reads the settings as a file has them.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TrainSettings, D::Error> {
    TrainKeys::deserialize(deserializer).map(TrainSettings::from)
}

/// Keys of `train` that the experiment around it, or its other keys, rule out.
pub(super) fn ruled_out(train: &Section<'_>, key: &str) -> Option<Refusal> {
    let experiment = train.around("experiment")?;
    let is_cosine = train.word("schedule") == Some("cosine");
    let (why, hint) = match key {
        "decay" if is_cosine => (
            "`decay` does not belong to this kind of schedule",
            "besides its kind, this schedule takes: warmup",
        ),
        "warmup" if !is_cosine => (
            "`warmup` does not belong to this kind of schedule",
            "besides its kind, this schedule takes: decay",
        ),
        "weight_decay"
            if train.word("optimizer").is_some_and(|word| word != "adamw")
                && train.read("weight_decay") != Some(0.0) =>
        {
            (
                "`weight_decay` works with the optimizer adamw only",
                "set weight_decay = 0, or optimizer = \"adamw\"",
            )
        }
        "patience" if !experiment.has("validation") && train.read("patience") != Some(0_i64) => (
            "early stopping needs a validation part: the test part must not choose the epoch",
            "add `validation = 0.1` to the experiment, or set patience = 0",
        ),
        "spec_augment" if !features::has_sequences(experiment) => (
            "`spec_augment` changes spectrograms: it needs sequences of frames",
            "remove it, or set inputs = { set = \"frames\", … } with model = { kind = \"temporal\" }",
        ),
        _ => return None,
    };
    Some(Refusal {
        why: why.to_owned(),
        hint: hint.to_owned(),
    })
}

/// Checks what the schema cannot say.
pub(super) fn check(train: &Section<'_>, settings: &TrainSettings) -> Result<()> {
    match settings.device.lacking() {
        None => Ok(()),
        Some(why) => Err(train
            .error("device", why.to_string())
            .hint(why.hint_text().unwrap_or_default())),
    }
}
