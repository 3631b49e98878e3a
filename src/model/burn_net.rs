//! The networks as a burn module: their definition, and the reference that the CPU engine is measured against.

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::pool::MaxPool1dConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig1d};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Device as BurnDevice, Gradients, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::model::engine::dropout_mask;
use crate::model::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Layer, Params, Running};

/// A network built from a list of layers.
///
/// `forward` works on any burn device. On an autodiff device batch normalisation uses the batch and updates its running statistics,
/// elsewhere it uses the running statistics. Dropout is part of the call and not of the module: burn's own draws from one generator per
/// process, which would tie concurrent trainings together, so masks come from a key instead and are the same on every device.
#[derive(Module, Debug)]
pub struct Cnn {
    conv: Vec<Conv1d>,
    norm: Vec<BatchNorm>,
    dense: Vec<Linear>,
    #[module(skip)]
    layers: Vec<Layer>,
}

/// What flows between layers: `[batch, channels, length]` until the flatten, `[batch, features]` after it.
enum Signal {
    Map(Tensor<3>),
    Flat(Tensor<2>),
}

/// `[a, b, c]` row major to `[c, b, a]`: between the engine's kernels `[kernel, inputs, outputs]` and burn's and PyTorch's
/// `[outputs, inputs, kernel]`, which is the same movement both ways.
pub(crate) fn reverse_axes(values: &[f32], [a, b, c]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for k in 0..c {
        for j in 0..b {
            out.extend((0..a).map(|i| values[(i * b + j) * c + k]));
        }
    }
    out
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_to_vec::<f32>().map_err(|e| Error::internal(format!("a burn tensor cannot be read: {e:?}")))
}

fn vector(values: &[f32], on: &BurnDevice) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), on)
}

fn parameter<const D: usize>(values: Vec<f32>, shape: [usize; D], on: &BurnDevice) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), on)
}

impl Cnn {
    /// The network of `layers` with these parameters and running statistics, on `device`.
    ///
    /// # Errors
    /// An internal error when a tensor does not fit the layers.
    pub fn from_params(layers: &[Layer], params: &Params, running: &Running, device: &BurnDevice) -> Result<Self> {
        let unfit = || Error::internal("parameters do not fit the layers of the network");
        let mut tensors = params.tensors.iter();
        let mut take = |len: usize| tensors.next().filter(|t| t.len() == len).ok_or_else(unfit);
        let mut net = Cnn { conv: Vec::new(), norm: Vec::new(), dense: Vec::new(), layers: layers.to_vec() };
        for layer in layers {
            match *layer {
                Layer::Conv { inputs, outputs, kernel } => {
                    let mut conv = Conv1dConfig::new(inputs, outputs, kernel).with_padding(PaddingConfig1d::Same).init(device);
                    let weight = reverse_axes(take(kernel * inputs * outputs)?, [kernel, inputs, outputs]);
                    conv.weight = parameter(weight, [outputs, inputs, kernel], device);
                    conv.bias = Some(parameter(take(outputs)?.clone(), [outputs], device));
                    net.conv.push(conv);
                }
                Layer::BatchNorm { channels } => {
                    // burn's momentum is the weight of the new value, Keras' that of the old one.
                    let config = BatchNormConfig::new(channels).with_epsilon(BATCH_NORM_EPSILON).with_momentum(1.0 - BATCH_NORM_MOMENTUM);
                    let mut norm = config.init(device);
                    norm.gamma = parameter(take(channels)?.clone(), [channels], device);
                    norm.beta = parameter(take(channels)?.clone(), [channels], device);
                    let i = net.norm.len();
                    let statistics =
                        |list: &[Vec<f32>]| list.get(i).filter(|v| v.len() == channels).map(|v| vector(v, device)).ok_or_else(unfit);
                    norm.running_mean = RunningState::new(statistics(&running.means)?);
                    norm.running_var = RunningState::new(statistics(&running.variances)?);
                    net.norm.push(norm);
                }
                Layer::Dense { inputs, outputs } => {
                    let mut dense = LinearConfig::new(inputs, outputs).init(device);
                    dense.weight = parameter(take(inputs * outputs)?.clone(), [inputs, outputs], device);
                    dense.bias = Some(parameter(take(outputs)?.clone(), [outputs], device));
                    net.dense.push(dense);
                }
                Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
            }
        }
        if tensors.next().is_some() { Err(unfit()) } else { Ok(net) }
    }

    /// Reads one tensor per parameter, in the order and layout of [`Params`].
    fn collect(
        &self,
        kernel: impl Fn(&Param<Tensor<3>>) -> Result<Vec<f32>>,
        matrix: impl Fn(&Param<Tensor<2>>) -> Result<Vec<f32>>,
        bias: impl Fn(&Param<Tensor<1>>) -> Result<Vec<f32>>,
    ) -> Result<Params> {
        let absent = || Error::internal("a layer of the network has no bias");
        let (mut conv, mut norm, mut dense) = (self.conv.iter(), self.norm.iter(), self.dense.iter());
        let mut tensors = Vec::new();
        for layer in &self.layers {
            match *layer {
                Layer::Conv { inputs, outputs, kernel: width } => {
                    if let Some(c) = conv.next() {
                        tensors.push(reverse_axes(&kernel(&c.weight)?, [outputs, inputs, width]));
                        tensors.push(bias(c.bias.as_ref().ok_or_else(absent)?)?);
                    }
                }
                Layer::BatchNorm { .. } => {
                    if let Some(n) = norm.next() {
                        tensors.push(bias(&n.gamma)?);
                        tensors.push(bias(&n.beta)?);
                    }
                }
                Layer::Dense { .. } => {
                    if let Some(d) = dense.next() {
                        tensors.push(matrix(&d.weight)?);
                        tensors.push(bias(d.bias.as_ref().ok_or_else(absent)?)?);
                    }
                }
                Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
            }
        }
        Ok(Params { tensors })
    }

    /// The parameters in the project's layouts.
    ///
    /// # Errors
    /// An internal error when a tensor cannot be read.
    pub fn to_params(&self) -> Result<Params> {
        self.collect(|p| read(p.val()), |p| read(p.val()), |p| read(p.val()))
    }

    /// The gradients of one backward pass, laid out like the parameters.
    ///
    /// # Errors
    /// An internal error when a parameter took no part in that pass.
    pub fn gradients(&self, gradients: &Gradients) -> Result<Params> {
        fn of<const D: usize>(p: &Param<Tensor<D>>, gradients: &Gradients) -> Result<Vec<f32>> {
            read(p.val().grad(gradients).ok_or_else(|| Error::internal("a parameter has no gradient"))?)
        }
        self.collect(|p| of(p, gradients), |p| of(p, gradients), |p| of(p, gradients))
    }

    /// The running statistics of batch normalisation, with the last forward pass of this thread counted in (burn keeps it pending).
    ///
    /// # Errors
    /// An internal error when a tensor cannot be read.
    pub fn running(&self) -> Result<Running> {
        let read_all = |state: fn(&BatchNorm) -> Tensor<1>| self.norm.iter().map(|n| read(state(n))).collect::<Result<Vec<_>>>();
        Ok(Running { means: read_all(|n| n.running_mean.value_sync())?, variances: read_all(|n| n.running_var.value_sync())? })
    }

    /// Logits `[batch, classes]` of features `[batch, length]`; with a key, dropout is active and its masks are those of the key.
    pub fn forward(&self, x: Tensor<2>, dropout: Option<u64>) -> Tensor<2> {
        let [batch, length] = x.dims();
        let (mut conv, mut norm, mut dense) = (self.conv.iter(), self.norm.iter(), self.dense.iter());
        let mut signal = Signal::Map(x.reshape([batch, 1, length]));
        for (index, layer) in self.layers.iter().enumerate() {
            signal = match (layer, signal) {
                (Layer::Conv { .. }, Signal::Map(x)) => Signal::Map(match conv.next() {
                    Some(c) => c.forward(x),
                    None => x,
                }),
                (Layer::BatchNorm { .. }, signal) => match (norm.next(), signal) {
                    (Some(n), Signal::Map(x)) => Signal::Map(n.forward(x)),
                    (Some(n), Signal::Flat(x)) => Signal::Flat(n.forward(x)),
                    (None, signal) => signal,
                },
                (Layer::Relu, Signal::Map(x)) => Signal::Map(relu(x)),
                (Layer::Relu, Signal::Flat(x)) => Signal::Flat(relu(x)),
                (Layer::Dropout { p }, signal) => match dropout {
                    Some(key) => drop_out(signal, key, index, *p),
                    None => signal,
                },
                (Layer::MaxPool { size }, Signal::Map(x)) => Signal::Map(MaxPool1dConfig::new(*size).with_stride(*size).init().forward(x)),
                (Layer::Flatten, Signal::Map(x)) => {
                    let [n, channels, length] = x.dims();
                    Signal::Flat(x.swap_dims(1, 2).reshape([n, length * channels]))
                }
                (Layer::Dense { .. }, Signal::Flat(x)) => Signal::Flat(match dense.next() {
                    Some(d) => d.forward(x),
                    None => x,
                }),
                // A list that convolves after the flatten is refused before it gets here.
                (_, signal) => signal,
            };
        }
        match signal {
            Signal::Flat(x) => x,
            Signal::Map(x) => {
                let [n, channels, length] = x.dims();
                x.swap_dims(1, 2).reshape([n, length * channels])
            }
        }
    }
}

/// Multiplies by the mask of `key` and layer `index`, drawn in the engine's order `[batch, length, channels]`.
fn drop_out(signal: Signal, key: u64, index: usize, p: f64) -> Signal {
    match signal {
        Signal::Map(x) => {
            let [n, channels, length] = x.dims();
            let mask = TensorData::new(dropout_mask(key, index, n * length * channels, p), [n, length, channels]);
            let mask = Tensor::<3>::from_data(mask, &x.device()).swap_dims(1, 2);
            Signal::Map(x * mask)
        }
        Signal::Flat(x) => {
            let [n, features] = x.dims();
            let mask = TensorData::new(dropout_mask(key, index, n * features, p), [n, features]);
            let mask = Tensor::<2>::from_data(mask, &x.device());
            Signal::Flat(x * mask)
        }
    }
}

/// Mean over the batch of `weight * cross-entropy(softmax(logits), target)`, targets being probabilities `[batch, classes]`.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>, weights: Option<Tensor<1>>) -> Tensor<1> {
    let [n, _] = logits.dims();
    let rows = (log_softmax(logits, 1) * targets).sum_dim(1).neg();
    let rows = match weights {
        Some(w) => rows * w.reshape([n, 1]),
        None => rows,
    };
    rows.mean()
}

#[cfg(test)]
#[path = "burn_net_tests.rs"]
mod tests;
