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
    /// A step from the baseline to the RAVDESS network: with its first batch normalisation, behind the first convolution.
    BaselineNorm1,
    /// The next step: with its first three, all but that of the classes.
    BaselineNorm3,
    /// The RAVDESS network, as re-implemented publicly.
    Ravdess,
    /// A step from the RAVDESS network to EMO-DB model A: without the batch normalisations before the pooling and of the classes.
    RavdessNorm2,
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
        let step = |without: &[usize]| -> Vec<Layer> {
            let all = Architecture::Ravdess.layers(n_features, n_classes).into_iter();
            let mut norms = 0..;
            all.filter(|layer| !matches!(layer, BatchNorm { .. }) || !norms.next().is_some_and(|n| without.contains(&n))).collect()
        };
        match self {
            // The four batch normalisations of the RAVDESS network are counted from its input.
            Architecture::BaselineNorm1 => step(&[1, 2, 3]),
            Architecture::BaselineNorm3 => step(&[3]),
            Architecture::RavdessNorm2 => step(&[1, 3]),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn norms(architecture: Architecture) -> usize {
        architecture.layers(193, 8).iter().filter(|layer| matches!(layer, Layer::BatchNorm { .. })).count()
    }

    fn without_norms(architecture: Architecture) -> Vec<Layer> {
        architecture.layers(193, 8).into_iter().filter(|layer| !matches!(layer, Layer::BatchNorm { .. })).collect()
    }

    #[test]
    fn steps_lead_from_one_network_to_the_other() {
        use Architecture::{Baseline, BaselineNorm1, BaselineNorm3, EmodbA, Ravdess, RavdessNorm2};
        assert_eq!([Baseline, BaselineNorm1, BaselineNorm3, Ravdess, RavdessNorm2, EmodbA].map(norms), [0, 1, 3, 4, 2, 2]);
        for step in [BaselineNorm1, BaselineNorm3, Ravdess, RavdessNorm2] {
            assert_eq!(without_norms(step), without_norms(Baseline), "{step:?}");
        }
        assert_eq!(BaselineNorm1.layers(193, 8)[1], Layer::BatchNorm { channels: 256 });
        assert_eq!(BaselineNorm3.layers(193, 8).last(), Some(&Layer::Dense { inputs: 3072, outputs: 8 }));
        // What is left to remove for model A: two convolutions behind the pooling, that before the flattening, and the last dropout.
        let (from, to) = (RavdessNorm2.layers(193, 7), EmodbA.layers(193, 7));
        assert_eq!(from[..7], to[..7]);
        assert_eq!(from.len() - to.len(), 2 * 2 + 2);
    }

    #[test]
    fn names_in_pipeline_files_are_fixed() {
        let name = |a: Architecture| serde_json::to_string(&a).unwrap_or_default();
        assert_eq!(
            [Architecture::BaselineNorm1, Architecture::BaselineNorm3, Architecture::RavdessNorm2].map(name),
            ["\"baseline-norm1\"", "\"baseline-norm3\"", "\"ravdess-norm2\""]
        );
    }
}
