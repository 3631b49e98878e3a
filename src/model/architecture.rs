//! The paper's networks as lists of layers: the one definition that the burn module and the CPU
//! engine both follow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One layer. Signals are `[batch, length, channels]`; convolutions and pooling have no other
/// freedom than what stands here.
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
    /// `[batch, length, channels]` to `[batch, 2 * channels]`: mean and standard deviation of each
    /// channel over the length, weighted by the softmax of a learned projection of each row
    /// (attentive statistics pooling, Okabe, Koshinaka, Shinoda 2018, arXiv 1803.10963, with a
    /// linear score).
    Attend {
        /// Pooled channels.
        channels: usize,
    },
    /// `[batch, length, channels]` to `[batch, channels]`: the sum over the length, weighted by the
    /// softmax of one learned number for each place, the same for all samples (of the layers of an
    /// encoder: Yang et al. 2021, SUPERB, arXiv 2105.01051).
    WeightedSum {
        /// Places that are added up.
        length: usize,
        /// Values of each.
        channels: usize,
    },
    /// `[batch, length, channels]` to `[batch, length * channels]`, channels fastest (Keras'
    /// order).
    Flatten,
    /// Fully connected with bias.
    Dense {
        /// Inputs.
        inputs: usize,
        /// Outputs.
        outputs: usize,
    },
}

/// Channels of the input signal of `layers`: what the first convolution takes; 1 where none stands
/// before the signal is flattened.
pub fn input_channels(layers: &[Layer]) -> usize {
    let first = layers.iter().find_map(|layer| match *layer {
        Layer::Conv { inputs, .. } => Some(inputs),
        Layer::Attend { channels } | Layer::WeightedSum { channels, .. } => Some(channels),
        Layer::Flatten | Layer::Dense { .. } => Some(1),
        Layer::BatchNorm { .. } | Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } => {
            None
        }
    });
    first.unwrap_or(1)
}

/// The networks of Issa, Demirci, Yazici 2020 (doi 10.1016/j.bspc.2020.101894); softmax is part of
/// the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// The paper's figure of the baseline.
    Baseline,
    /// A step from the baseline to the RAVDESS network: with its first batch normalisation, behind
    /// the first convolution.
    BaselineNorm1,
    /// The next step: with its first three, all but that of the classes.
    BaselineNorm3,
    /// The RAVDESS network, as re-implemented publicly.
    Ravdess,
    /// The RAVDESS network with a ReLU after its last convolution as well, as a public
    /// re-implementation has it.
    RavdessRelu,
    /// A step from the RAVDESS network to EMO-DB model A: without the batch normalisations before
    /// the pooling and of the classes.
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
        let conv = |inputs, outputs| Conv {
            inputs,
            outputs,
            kernel: KERNEL,
        };
        let norm = |channels| BatchNorm { channels };
        let dropout = |p| Dropout { p };
        let pool = MaxPool { size: POOL };
        let dense = Dense {
            inputs: n_features / POOL * 128,
            outputs: n_classes,
        };
        let early = if self == Architecture::Iemocap {
            0.2
        } else {
            0.1
        };
        let step = |without: &[usize]| -> Vec<Layer> {
            let all = Architecture::Ravdess
                .layers(n_features, n_classes)
                .into_iter();
            let mut norms = 0..;
            all.filter(|layer| {
                !matches!(layer, BatchNorm { .. })
                    || !norms.next().is_some_and(|n| without.contains(&n))
            })
            .collect()
        };
        match self {
            // The four batch normalisations of the RAVDESS network are counted from its input.
            Architecture::BaselineNorm1 => step(&[1, 2, 3]),
            Architecture::BaselineNorm3 => step(&[3]),
            Architecture::RavdessNorm2 => step(&[1, 3]),
            Architecture::RavdessRelu => {
                let all = Architecture::Ravdess
                    .layers(n_features, n_classes)
                    .into_iter();
                all.flat_map(|layer| {
                    if layer == Flatten {
                        vec![Relu, layer]
                    } else {
                        vec![layer]
                    }
                })
                .collect()
            }
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

/// A perceptron for vectors of many statistics: one hidden layer between heavy dropout, so that it
/// learns from many weak hints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Perceptron {
    /// Units of the hidden layer.
    #[schemars(range(min = 1, max = 65_536))]
    pub hidden: usize,
    /// Share of the inputs dropped at each step.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub input_dropout: f64,
    /// Share of the hidden units dropped at each step.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f64,
}

impl Default for Perceptron {
    fn default() -> Perceptron {
        Perceptron {
            hidden: 256,
            input_dropout: 0.5,
            dropout: 0.5,
        }
    }
}

impl Perceptron {
    /// The layers for `n_features` inputs and `n_classes` outputs.
    pub fn layers(self, n_features: usize, n_classes: usize) -> Vec<Layer> {
        let Perceptron {
            hidden,
            input_dropout,
            dropout,
        } = self;
        vec![
            Layer::Flatten,
            Layer::Dropout { p: input_dropout },
            Layer::Dense {
                inputs: n_features,
                outputs: hidden,
            },
            Layer::BatchNorm { channels: hidden },
            Layer::Relu,
            Layer::Dropout { p: dropout },
            Layer::Dense {
                inputs: hidden,
                outputs: n_classes,
            },
        ]
    }
}

/// A convolutional network along the time of a spectrogram, `[frames, bands]`, with attentive
/// statistics pooling: takes any number of frames from 4 on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Temporal {
    /// Channels of each of the three convolutions.
    #[schemars(range(min = 1, max = 65_536))]
    pub channels: usize,
    /// Share of the pooled values dropped at each step; a third of it after each convolution.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f64,
}

impl Default for Temporal {
    fn default() -> Temporal {
        Temporal {
            channels: 128,
            dropout: 0.3,
        }
    }
}

impl Temporal {
    /// The layers for frames of `bands` values and `n_classes` outputs.
    pub fn layers(self, bands: usize, n_classes: usize) -> Vec<Layer> {
        let Temporal { channels, dropout } = self;
        let mut layers = Vec::new();
        for (index, inputs) in [bands, channels, channels].into_iter().enumerate() {
            layers.extend([
                Layer::Conv {
                    inputs,
                    outputs: channels,
                    kernel: 5,
                },
                Layer::BatchNorm { channels },
                Layer::Relu,
                Layer::Dropout { p: dropout / 3.0 },
            ]);
            if index < 2 {
                layers.push(Layer::MaxPool { size: 2 });
            }
        }
        layers.extend([
            Layer::Attend { channels },
            Layer::Dropout { p: dropout },
            Layer::Dense {
                inputs: 2 * channels,
                outputs: n_classes,
            },
        ]);
        layers
    }
}

/// All layers of a pretrained encoder, added up with weights that are learned with the classifier on
/// top, as in SUPERB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LayerSum {
    /// Units of the hidden layer between the sum and the classes; 0 for none.
    #[schemars(range(max = 65_536))]
    pub hidden: usize,
    /// Share of the sum's values, and of the hidden units, dropped at each step.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f64,
}

impl LayerSum {
    /// The layers for `states` states of `width` values and `n_classes` outputs.
    pub fn layers(self, states: usize, width: usize, n_classes: usize) -> Vec<Layer> {
        let LayerSum { hidden, dropout } = self;
        let mut layers = vec![Layer::WeightedSum {
            length: states,
            channels: width,
        }];
        let mut inputs = width;
        if hidden > 0 {
            layers.extend([
                Layer::Dropout { p: dropout },
                Layer::Dense {
                    inputs,
                    outputs: hidden,
                },
                Layer::Relu,
            ]);
            inputs = hidden;
        }
        layers.extend([
            Layer::Dropout { p: dropout },
            Layer::Dense {
                inputs,
                outputs: n_classes,
            },
        ]);
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norms(architecture: Architecture) -> usize {
        architecture
            .layers(193, 8)
            .iter()
            .filter(|layer| matches!(layer, Layer::BatchNorm { .. }))
            .count()
    }

    fn without_norms(architecture: Architecture) -> Vec<Layer> {
        architecture
            .layers(193, 8)
            .into_iter()
            .filter(|layer| !matches!(layer, Layer::BatchNorm { .. }))
            .collect()
    }

    #[test]
    fn steps_lead_from_one_network_to_the_other() {
        use Architecture::{Baseline, BaselineNorm1, BaselineNorm3, EmodbA, Ravdess, RavdessNorm2};
        assert_eq!(
            [
                Baseline,
                BaselineNorm1,
                BaselineNorm3,
                Ravdess,
                RavdessNorm2,
                EmodbA
            ]
            .map(norms),
            [0, 1, 3, 4, 2, 2]
        );
        for step in [BaselineNorm1, BaselineNorm3, Ravdess, RavdessNorm2] {
            assert_eq!(without_norms(step), without_norms(Baseline), "{step:?}");
        }
        assert_eq!(
            BaselineNorm1.layers(193, 8)[1],
            Layer::BatchNorm { channels: 256 }
        );
        assert_eq!(
            BaselineNorm3.layers(193, 8).last(),
            Some(&Layer::Dense {
                inputs: 3072,
                outputs: 8
            })
        );
        // What is left to remove for model A: two convolutions behind the pooling, that before the
        // flattening, and the last dropout.
        let (from, to) = (RavdessNorm2.layers(193, 7), EmodbA.layers(193, 7));
        assert_eq!(from[..7], to[..7]);
        assert_eq!(from.len() - to.len(), 2 * 2 + 2);
    }

    #[test]
    fn the_variant_has_one_rectifier_more() {
        let (plain, variant) = (
            Architecture::Ravdess.layers(193, 8),
            Architecture::RavdessRelu.layers(193, 8),
        );
        let flatten = plain
            .iter()
            .position(|layer| *layer == Layer::Flatten)
            .unwrap_or_default();
        assert_eq!(
            (variant[flatten], variant[flatten + 1]),
            (Layer::Relu, Layer::Flatten)
        );
        assert_eq!(
            [&variant[..flatten], &variant[flatten + 1..]].concat(),
            plain
        );
    }

    #[test]
    fn names_in_pipeline_files_are_fixed() {
        let name = |a: Architecture| serde_json::to_string(&a).unwrap_or_default();
        assert_eq!(
            [
                Architecture::BaselineNorm1,
                Architecture::BaselineNorm3,
                Architecture::RavdessNorm2,
                Architecture::RavdessRelu
            ]
            .map(name),
            [
                "\"baseline-norm1\"",
                "\"baseline-norm3\"",
                "\"ravdess-norm2\"",
                "\"ravdess-relu\""
            ]
        );
    }
}
