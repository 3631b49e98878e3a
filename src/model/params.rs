//! What a network learns: its parameters, and the running statistics of its batch normalisations.

use super::architecture::Layer;
use super::engine::softmax;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Added to the variance by batch normalisation (Keras' default).
pub const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Added to the variance by attentive pooling, so that the square root has a slope everywhere.
pub const ATTEND_EPSILON: f64 = 1e-6;

/// Share of the old running statistics that survives a training step (Keras' default; burn and
/// PyTorch state 1 minus this).
pub const BATCH_NORM_MOMENTUM: f64 = 0.99;

/// The trainable tensors in the order of the layers.
///
/// A convolution has a weight `[kernel, inputs, outputs]` and a bias `[outputs]`, a batch
/// normalisation gamma and beta `[channels]`, a dense layer a weight `[inputs, outputs]` and a bias
/// `[outputs]`, attentive pooling a weight `[channels, 1]`, a weighted
/// sum a weight `[length]`; the last axis is contiguous. Gradients
/// have the same shape.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params {
    /// One flat tensor each, as [`Params::shapes`] lists them.
    pub tensors: Vec<Vec<f32>>,
}

impl Params {
    /// Name (`layers.3.weight`, from the index in the list of layers) and shape of each tensor, in
    /// order.
    pub fn shapes(layers: &[Layer]) -> Vec<(String, Vec<usize>)> {
        let mut shapes = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let tensors = match *layer {
                Layer::Conv {
                    inputs,
                    outputs,
                    kernel,
                } => vec![
                    ("weight", vec![kernel, inputs, outputs]),
                    ("bias", vec![outputs]),
                ],
                Layer::Dense { inputs, outputs } => {
                    vec![("weight", vec![inputs, outputs]), ("bias", vec![outputs])]
                }
                Layer::BatchNorm { channels } => {
                    vec![("gamma", vec![channels]), ("beta", vec![channels])]
                }
                Layer::Attend { channels } => vec![("weight", vec![channels, 1])],
                Layer::WeightedSum { length, .. } => vec![("weight", vec![length])],
                Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {
                    continue;
                }
            };
            shapes.extend(
                tensors
                    .into_iter()
                    .map(|(name, shape)| (format!("layers.{index}.{name}"), shape)),
            );
        }
        shapes
    }

    /// All zero, as gradients begin.
    pub fn zeros(layers: &[Layer]) -> Self {
        let tensors = Params::shapes(layers)
            .iter()
            .map(|(_, shape)| vec![0.0; shape.iter().product()])
            .collect();
        Params { tensors }
    }

    /// Keras' initial values: weights uniform within `sqrt(6 / (fan_in + fan_out))` (Glorot and
    /// Bengio 2010), biases and beta 0, gamma 1.
    ///
    /// Depends on nothing but the state of `rng`: weights are drawn one by one in the order of the
    /// tensors.
    pub fn init(layers: &[Layer], rng: &mut ChaCha8Rng) -> Self {
        let mut params = Params::zeros(layers);
        for ((name, shape), tensor) in Params::shapes(layers).iter().zip(&mut params.tensors) {
            if name.ends_with("gamma") {
                tensor.fill(1.0);
            } else if let [receptive_field @ .., inputs, outputs] = shape.as_slice() {
                let field: usize = receptive_field.iter().product();
                let limit = (6.0 / (field * (inputs + outputs)) as f64).sqrt();
                tensor.fill_with(|| (limit * uniform(rng)) as f32);
            }
        }
        params
    }

    /// The shares of the layers in a network that begins with their weighted sum.
    pub fn layer_shares(&self, layers: &[Layer]) -> Option<Vec<f32>> {
        let Some(Layer::WeightedSum { .. }) = layers.first() else {
            return None;
        };
        let mut shares = Vec::new();
        softmax(self.tensors.first()?, &mut shares);
        Some(shares)
    }

    /// Number of trainable values.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(Vec::len).sum()
    }
}

/// Uniform in [-1, 1) in steps of 2^-23: the upper 24 bits of one draw.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32() >> 8) * 2f64.powi(-23) - 1.0
}

/// Mean and variance of each batch normalisation, in the order of the layers: what inference
/// normalises with. In training they are moving averages over the batches;
/// [`NormStatistics`](super::NormStatistics) says what a trained network has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Running {
    /// `[channels]` each, 0 at the start.
    pub means: Vec<Vec<f32>>,
    /// `[channels]` each, 1 at the start.
    pub variances: Vec<Vec<f32>>,
}

impl Running {
    /// Mean 0 and variance 1 for each batch normalisation among the layers.
    pub fn new(layers: &[Layer]) -> Self {
        let channels = layers.iter().filter_map(|layer| match *layer {
            Layer::BatchNorm { channels } => Some(channels),
            _ => None,
        });
        let (means, variances) = channels
            .map(|count| (vec![0.0; count], vec![1.0; count]))
            .unzip();
        Running { means, variances }
    }

    /// For each normalisation, by what factor its variances are off those of `exact`, in the median
    /// over its channels: above 1 where they are larger. Compared are the variances plus epsilon,
    /// by which values are divided, so that channels without variance do not count for much.
    pub fn variance_ratios(&self, exact: &Running) -> Vec<f64> {
        let of = |(ours, exact): (&Vec<f32>, &Vec<f32>)| {
            let ratio = |(a, b): (&f32, &f32)| {
                (f64::from(*a) + BATCH_NORM_EPSILON) / (f64::from(*b) + BATCH_NORM_EPSILON)
            };
            let mut ratios: Vec<f64> = ours.iter().zip(exact).map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            ratios[ratios.len() / 2]
        };
        self.variances
            .iter()
            .zip(&exact.variances)
            .map(of)
            .collect()
    }

    /// Moves the statistics of normalisation number `index` towards those of a batch: `0.99 * old +
    /// 0.01 * batch`.
    ///
    /// The batch's variance is the biased one (divided by n), as in Keras and in burn 0.22.
    pub fn update(&mut self, index: usize, mean: &[f64], variance: &[f64]) {
        let blend = |old: &mut Vec<f32>, batch: &[f64]| {
            for (old, &batch) in old.iter_mut().zip(batch) {
                *old = (BATCH_NORM_MOMENTUM * f64::from(*old) + (1.0 - BATCH_NORM_MOMENTUM) * batch)
                    as f32;
            }
        };
        blend(&mut self.means[index], mean);
        blend(&mut self.variances[index], variance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Architecture;
    use rand::SeedableRng;

    #[test]
    fn names_and_shapes_follow_the_layers() {
        let layers = Architecture::EmodbA.layers(193, 7);
        let shapes = Params::shapes(&layers);
        let listed: Vec<(&str, &[usize])> = shapes
            .iter()
            .map(|(name, shape)| (name.as_str(), shape.as_slice()))
            .collect();
        assert_eq!(listed[0], ("layers.0.weight", [5, 1, 256].as_slice()));
        assert_eq!(listed[2], ("layers.1.gamma", [256].as_slice()));
        assert_eq!(
            listed[listed.len() - 2],
            ("layers.12.weight", [3072, 7].as_slice())
        );
        assert_eq!(Params::zeros(&layers).tensors.len(), shapes.len());
    }

    #[test]
    fn initial_values_are_keras_ones() {
        let layers = Architecture::Ravdess.layers(193, 8);
        let params = Params::init(&layers, &mut ChaCha8Rng::seed_from_u64(7));
        for ((name, shape), tensor) in Params::shapes(&layers).iter().zip(&params.tensors) {
            match name.rsplit('.').next() {
                Some("gamma") => assert!(tensor.iter().all(|&value| value == 1.0)),
                Some("weight") => {
                    let [.., inputs, outputs] = shape[..] else {
                        panic!("{name} has no inputs and outputs")
                    };
                    let limit = (6.0
                        / ((inputs + outputs) * tensor.len() / (inputs * outputs)) as f64)
                        .sqrt();
                    let variance = tensor.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>()
                        / tensor.len() as f64;
                    assert!(tensor.iter().all(|&w| f64::from(w).abs() <= limit));
                    assert!(
                        (variance / (limit * limit / 3.0) - 1.0).abs() < 0.1,
                        "{name}: {variance}"
                    );
                }
                _ => assert!(tensor.iter().all(|&value| value == 0.0)),
            }
        }
        assert_eq!(
            params,
            Params::init(&layers, &mut ChaCha8Rng::seed_from_u64(7))
        );
        assert_ne!(
            params,
            Params::init(&layers, &mut ChaCha8Rng::seed_from_u64(8))
        );
    }

    #[test]
    fn running_statistics_move_by_a_hundredth() {
        let mut running = Running::new(&[Layer::BatchNorm { channels: 2 }]);
        running.update(0, &[1.0, -2.0], &[3.0, 1.0]);
        let close = |a: &[f32], b: [f32; 2]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&running.means[0], [0.01, -0.02]));
        assert!(close(&running.variances[0], [1.02, 1.0]));
    }
}
