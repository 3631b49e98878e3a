//! The paper's networks as lists of layers: the one definition that the burn module and the CPU engine both follow.

use serde::{Deserialize, Serialize};

/// One layer. Signals are `[batch, length, channels]`; convolutions and pooling have no other freedom than what stands here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Layer {
    /// 1-D convolution (cross-correlation), stride 1, zero `same` padding, with bias.
    Conv {
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
        /// Odd width.
        kernel: usize,
    },
    /// Batch normalisation over batch and length (Keras' constants: epsilon 1e-3, momentum 0.99).
    BatchNorm {
        /// Normalised channels.
        channels: usize,
    },
    /// max(x, 0).
    Relu,
    /// Inverted dropout.
    Dropout {
        /// Probability of zeroing.
        p: f64,
    },
    /// Maximum over non-overlapping windows; a rest shorter than `size` is dropped.
    MaxPool {
        /// Window and stride.
        size: usize,
    },
    /// `[batch, length, channels]` to `[batch, length * channels]`, channels fastest (Keras' order).
    Flatten,
    /// Fully connected with bias.
    Dense {
        /// Inputs.
        inputs: usize,
        /// Outputs.
        outputs: usize,
    },
}

/// The networks of Issa, Demirci, Yazici 2020 (doi 10.1016/j.bspc.2020.101894); softmax is part of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// The paper's figure of the baseline.
    Baseline,
    /// The RAVDESS network, as re-implemented publicly.
    Ravdess,
    /// EMO-DB model A.
    EmodbA,
    /// The RAVDESS network with dropout 0.2 before the pooling.
    Iemocap,
}

impl Architecture {
    /// The layers for `n_features` inputs (one channel) and `n_classes` outputs.
    pub fn layers(self, n_features: usize, n_classes: usize) -> Vec<Layer> {
        use Layer::{BatchNorm, Conv, Dense, Dropout, Flatten, MaxPool, Relu};
        const KERNEL: usize = 5;
        const POOL: usize = 8;
        let conv = |inputs, outputs| Conv { inputs, outputs, kernel: KERNEL };
        let norm = |channels| BatchNorm { channels };
        let dropout = |p| Dropout { p };
        let pool = MaxPool { size: POOL };
        let dense = Dense { inputs: n_features / POOL * 128, outputs: n_classes };
        let early = if self == Architecture::Iemocap { 0.2 } else { 0.1 };
        match self {
            Architecture::Baseline => vec![
                conv(1, 256),
                Relu,
                conv(256, 128),
                Relu,
                dropout(0.1),
                pool,
                conv(128, 128),
                Relu,
                conv(128, 128),
                Relu,
                conv(128, 128),
                Relu,
                dropout(0.2),
                conv(128, 128),
                Flatten,
                dropout(0.2),
                dense,
            ],
            Architecture::Ravdess | Architecture::Iemocap => vec![
                conv(1, 256),
                norm(256),
                Relu,
                conv(256, 128),
                Relu,
                dropout(early),
                norm(128),
                pool,
                conv(128, 128),
                Relu,
                conv(128, 128),
                Relu,
                conv(128, 128),
                norm(128),
                Relu,
                dropout(0.2),
                conv(128, 128),
                Flatten,
                dropout(0.2),
                dense,
                norm(n_classes),
            ],
            Architecture::EmodbA => vec![
                conv(1, 256),
                norm(256),
                Relu,
                conv(256, 128),
                Relu,
                dropout(0.1),
                pool,
                conv(128, 128),
                norm(128),
                Relu,
                dropout(0.2),
                Flatten,
                dense,
            ],
        }
    }
}
