//! How a network is trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Device;

/// The rule that turns gradients into steps, with Keras' constants where the paper used Keras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Keras' RMSprop: rho 0.9, epsilon 1e-7, no momentum.
    Rmsprop,
    /// Adam: beta 0.9 and 0.999, epsilon 1e-7.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// How the learning rate moves from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// Keras' inverse-time decay: `lr / (1 + decay * step)`; 0 keeps the rate constant.
    InverseTime {
        /// Per optimizer step.
        decay: f64,
    },
    /// Half a cosine from the learning rate down to 0 over all steps, after a linear warm-up.
    Cosine {
        /// Share of all steps that warm up.
        warmup: f64,
    },
}

/// Stops when the validation loss has not improved for a while, and keeps the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Epochs without improvement before training ends.
    pub patience: usize,
}

/// The means and variances that batch normalisation applies outside of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormStatistics {
    /// Those of the whole training part, computed layer by layer after training, without dropout:
    /// population statistics, also known as precise batch normalisation (Wu and Johnson 2021, arXiv
    /// 2105.07576).
    Population,
    /// Keras' moving averages over the batches of training, which start at mean 0 and variance 1
    /// and keep 0.99 of their value at each step: after a few hundred steps much of the start is
    /// left. The way of models that were saved without this setting.
    #[default]
    MovingAverage,
}

/// How a spectrogram is changed each time that it is trained on (SpecAugment, Park et al. 2019,
/// arXiv 1904.08779, without time warping, and a shift in time). What is masked becomes 0, the mean
/// of scaled inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SpecAugment {
    /// Masked bands.
    #[schemars(range(max = 100))]
    pub frequency_masks: usize,
    /// Mel bands that each covers at most.
    #[schemars(range(max = 10_000))]
    pub frequency_width: usize,
    /// Masked stretches.
    #[schemars(range(max = 100))]
    pub time_masks: usize,
    /// Frames that each covers at most.
    #[schemars(range(max = 10_000))]
    pub time_width: usize,
    /// Frames that the recording moves forwards or backwards at most; the gap is filled with 0.
    #[schemars(range(max = 10_000))]
    pub shift: usize,
}

impl Default for SpecAugment {
    fn default() -> SpecAugment {
        SpecAugment {
            frequency_masks: 2,
            frequency_width: 12,
            time_masks: 2,
            time_width: 24,
            shift: 0,
        }
    }
}

/// Everything that decides the outcome of a training run besides data and seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSettings {
    /// The step rule.
    pub optimizer: Optimizer,
    /// Initial (or peak) learning rate.
    pub learning_rate: f64,
    /// How it moves.
    pub schedule: Schedule,
    /// Decoupled weight decay (AdamW only).
    pub weight_decay: f64,
    /// Utterances per step, at least 2 (batch normalisation needs two).
    pub batch_size: usize,
    /// Passes over the training part.
    pub epochs: usize,
    /// Share of the target's probability spread over all classes.
    pub label_smoothing: f64,
    /// Beta(alpha, alpha) mixing of pairs within a batch; 0 is off.
    pub mixup: f64,
    /// Changes to spectrograms; `None` for other inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_augment: Option<SpecAugment>,
    /// Weight classes by inverse frequency in the training part.
    pub class_weights: bool,
    /// What batch normalisation applies outside of training.
    #[serde(default)]
    pub batch_norm: NormStatistics,
    /// Needs a validation part.
    pub early_stopping: Option<EarlyStopping>,
    /// Epochs between checkpoints; 0 writes none.
    pub checkpoint_every: usize,
    /// Which implementation.
    pub device: Device,
}
