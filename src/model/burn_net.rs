//! The networks as a burn module: their definition, and the reference that the CPU engine is
//! measured against.

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::pool::MaxPool1dConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig1d};
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{Device as BurnDevice, Gradients, Tensor, TensorData, Transaction};

use crate::error::{Error, Result};
use crate::model::architecture::input_channels;
use crate::model::device::gave_up;
use crate::model::engine::dropout_mask;
use crate::model::{
    ATTEND_EPSILON, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Layer, Params, Running,
};

/// A network built from a list of layers.
///
/// `forward` works on any burn device. On an autodiff device batch normalisation uses the batch and
/// updates its running statistics, elsewhere it uses the running statistics. Dropout is part of the
/// call and not of the module: burn's own draws from one generator per process, which would tie
/// concurrent trainings together, so masks come from a key instead and are the same on every
/// device.
#[derive(Module, Debug)]
pub struct Cnn {
    conv: Vec<Conv1d>,
    norm: Vec<BatchNorm>,
    dense: Vec<Linear>,
    attention: Vec<Linear>,
    weighted: Vec<Param<Tensor<1>>>,
    #[module(skip)]
    layers: Vec<Layer>,
}

/// What flows between layers: `[batch, channels, length]` until the flatten, `[batch, features]`
/// after it.
enum Signal {
    Map(Tensor<3>),
    Flat(Tensor<2>),
}

/// `[a, b, c]` row major to `[c, b, a]`: between the engine's kernels `[kernel, inputs, outputs]`
/// and burn's and PyTorch's `[outputs, inputs, kernel]`, which is the same movement both ways.
pub(crate) fn reverse_axes(values: &[f32], [a, b, c]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for k in 0..c {
        for j in 0..b {
            out.extend((0..a).map(|i| values[(i * b + j) * c + k]));
        }
    }
    out
}

/// Tensors that are read from their device in one go: a GPU is then waited for once, and not once a
/// tensor.
#[derive(Default)]
pub(crate) struct Readback {
    transaction: Transaction,
    /// For each tensor: the axes of a kernel that is to be read in the engine's layout.
    kernels: Vec<Option<[usize; 3]>>,
}

impl Readback {
    /// Puts a tensor at the end of the list.
    pub(crate) fn add<const D: usize>(&mut self, tensor: Tensor<D>) {
        self.register(tensor, None);
    }

    fn add_kernel(&mut self, tensor: Tensor<3>) {
        let axes = tensor.dims();
        self.register(tensor, Some(axes));
    }

    fn register<const D: usize>(&mut self, tensor: Tensor<D>, kernel: Option<[usize; 3]>) {
        self.transaction =
            std::mem::take(&mut self.transaction).register(tensor.without_autodiff());
        self.kernels.push(kernel);
    }

    /// The values of all tensors, in the order in which they were added.
    ///
    /// # Errors
    /// What the device reports of all work that led to them.
    pub(crate) fn finish(self) -> Result<Vec<Vec<f32>>> {
        let tensors = self.transaction.try_execute().map_err(|e| gave_up(&e))?;
        let unreadable = |e| Error::internal(format!("a burn tensor cannot be read: {e:?}"));
        let laid_out = |(data, kernel): (TensorData, Option<[usize; 3]>)| {
            let values = data.try_to_vec::<f32>().map_err(unreadable)?;
            Ok(match kernel {
                Some(axes) => reverse_axes(&values, axes),
                None => values,
            })
        };
        tensors
            .into_iter()
            .zip(self.kernels)
            .map(laid_out)
            .collect()
    }
}

fn vector(values: &[f32], on: &BurnDevice) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), on)
}

fn parameter<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    on: &BurnDevice,
) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), on)
}

impl Cnn {
    /// The network of `layers` with these parameters and running statistics, on `device`.
    pub fn from_params(
        layers: &[Layer],
        params: &Params,
        running: &Running,
        device: &BurnDevice,
    ) -> Result<Self> {
        let unfit = || Error::internal("parameters do not fit the layers of the network");
        let mut tensors = params.tensors.iter();
        let mut take = |len: usize| tensors.next().filter(|t| t.len() == len).ok_or_else(unfit);
        let mut net = Cnn {
            conv: Vec::new(),
            norm: Vec::new(),
            dense: Vec::new(),
            attention: Vec::new(),
            weighted: Vec::new(),
            layers: layers.to_vec(),
        };
        for layer in layers {
            match *layer {
                Layer::Conv {
                    inputs,
                    outputs,
                    kernel,
                } => {
                    let mut conv = Conv1dConfig::new(inputs, outputs, kernel)
                        .with_padding(PaddingConfig1d::Same)
                        .init(device);
                    let weight =
                        reverse_axes(take(kernel * inputs * outputs)?, [kernel, inputs, outputs]);
                    conv.weight = parameter(weight, [outputs, inputs, kernel], device);
                    conv.bias = Some(parameter(take(outputs)?.clone(), [outputs], device));
                    net.conv.push(conv);
                }
                Layer::BatchNorm { channels } => {
                    // burn's momentum is the weight of the new value, Keras' that of the old one.
                    let config = BatchNormConfig::new(channels)
                        .with_epsilon(BATCH_NORM_EPSILON)
                        .with_momentum(1.0 - BATCH_NORM_MOMENTUM);
                    let mut norm = config.init(device);
                    norm.gamma = parameter(take(channels)?.clone(), [channels], device);
                    norm.beta = parameter(take(channels)?.clone(), [channels], device);
                    let i = net.norm.len();
                    let statistics = |list: &[Vec<f32>]| {
                        list.get(i)
                            .filter(|v| v.len() == channels)
                            .map(|v| vector(v, device))
                            .ok_or_else(unfit)
                    };
                    norm.running_mean = RunningState::new(statistics(&running.means)?);
                    norm.running_var = RunningState::new(statistics(&running.variances)?);
                    net.norm.push(norm);
                }
                Layer::Attend { channels } => {
                    let mut scores = LinearConfig::new(channels, 1).with_bias(false).init(device);
                    scores.weight = parameter(take(channels)?.clone(), [channels, 1], device);
                    net.attention.push(scores);
                }
                Layer::WeightedSum { length, .. } => {
                    let weight = take(length)?.clone();
                    net.weighted.push(parameter(weight, [length], device));
                }
                Layer::Dense { inputs, outputs } => {
                    let mut dense = LinearConfig::new(inputs, outputs).init(device);
                    dense.weight =
                        parameter(take(inputs * outputs)?.clone(), [inputs, outputs], device);
                    dense.bias = Some(parameter(take(outputs)?.clone(), [outputs], device));
                    net.dense.push(dense);
                }
                Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
            }
        }
        if tensors.next().is_some() {
            Err(unfit())
        } else {
            Ok(net)
        }
    }

    /// Adds one tensor per parameter to `read`, in the order of [`Params`].
    fn add(
        &self,
        read: &mut Readback,
        kernel: impl Fn(&Param<Tensor<3>>) -> Result<Tensor<3>>,
        matrix: impl Fn(&Param<Tensor<2>>) -> Result<Tensor<2>>,
        vector: impl Fn(&Param<Tensor<1>>) -> Result<Tensor<1>>,
    ) -> Result<()> {
        let absent = || Error::internal("a layer of the network has no bias");
        let (mut conv, mut norm, mut dense) =
            (self.conv.iter(), self.norm.iter(), self.dense.iter());
        let (mut attention, mut weighted) = (self.attention.iter(), self.weighted.iter());
        for layer in &self.layers {
            match layer {
                Layer::Conv { .. } => {
                    if let Some(c) = conv.next() {
                        read.add_kernel(kernel(&c.weight)?);
                        read.add(vector(c.bias.as_ref().ok_or_else(absent)?)?);
                    }
                }
                Layer::BatchNorm { .. } => {
                    if let Some(n) = norm.next() {
                        read.add(vector(&n.gamma)?);
                        read.add(vector(&n.beta)?);
                    }
                }
                Layer::Attend { .. } => {
                    if let Some(a) = attention.next() {
                        read.add(matrix(&a.weight)?);
                    }
                }
                Layer::WeightedSum { .. } => {
                    if let Some(w) = weighted.next() {
                        read.add(vector(w)?);
                    }
                }
                Layer::Dense { .. } => {
                    if let Some(d) = dense.next() {
                        read.add(matrix(&d.weight)?);
                        read.add(vector(d.bias.as_ref().ok_or_else(absent)?)?);
                    }
                }
                Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
            }
        }
        Ok(())
    }

    /// The parameters in the project's layouts.
    pub fn to_params(&self) -> Result<Params> {
        let mut read = Readback::default();
        self.add(&mut read, |p| Ok(p.val()), |p| Ok(p.val()), |p| Ok(p.val()))?;
        Ok(Params {
            tensors: read.finish()?,
        })
    }

    /// Adds the gradients of one backward pass to `read`, as many as [`Params`] has tensors.
    pub(crate) fn add_gradients(&self, gradients: &Gradients, read: &mut Readback) -> Result<()> {
        fn of<const D: usize>(p: &Param<Tensor<D>>, gradients: &Gradients) -> Result<Tensor<D>> {
            p.val()
                .grad(gradients)
                .ok_or_else(|| Error::internal("a parameter has no gradient"))
        }
        self.add(
            read,
            |p| of(p, gradients),
            |p| of(p, gradients),
            |p| of(p, gradients),
        )
    }

    /// Adds the running means and then the running variances of batch normalisation to `read`, with
    /// the last forward pass of this thread counted in (burn keeps it pending).
    pub(crate) fn add_running(&self, read: &mut Readback) {
        self.norm
            .iter()
            .for_each(|n| read.add(n.running_mean.value_sync()));
        self.norm
            .iter()
            .for_each(|n| read.add(n.running_var.value_sync()));
    }

    /// Logits `[batch, classes]` of features `[batch, length * channels]`, channels fastest; with a
    /// key, dropout is active and its masks are those of the key.
    pub fn forward(&self, x: Tensor<2>, dropout: Option<u64>) -> Tensor<2> {
        match self.run(x, dropout, self.layers.len()) {
            Signal::Flat(x) => x,
            Signal::Map(x) => flatten(x),
        }
    }

    /// The input of layer number `index` without dropout, `[rows, channels]`: a row for each
    /// sample, before the flatten for each of its positions.
    pub(crate) fn before(&self, x: Tensor<2>, index: usize) -> Tensor<2> {
        match self.run(x, None, index) {
            Signal::Flat(x) => x,
            Signal::Map(x) => {
                let [n, channels, length] = x.dims();
                x.swap_dims(1, 2).reshape([n * length, channels])
            }
        }
    }

    /// The first `end` layers.
    fn run(&self, x: Tensor<2>, dropout: Option<u64>, end: usize) -> Signal {
        let [batch, features] = x.dims();
        let channels = input_channels(&self.layers).max(1);
        let (mut conv, mut norm, mut dense) =
            (self.conv.iter(), self.norm.iter(), self.dense.iter());
        let (mut attention, mut weighted) = (self.attention.iter(), self.weighted.iter());
        let mut signal = Signal::Map(
            x.reshape([batch, features / channels, channels])
                .swap_dims(1, 2),
        );
        for (index, layer) in self.layers.iter().enumerate().take(end) {
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
                (Layer::MaxPool { size }, Signal::Map(x)) => Signal::Map(
                    MaxPool1dConfig::new(*size)
                        .with_stride(*size)
                        .init()
                        .forward(x),
                ),
                (Layer::Flatten, Signal::Map(x)) => Signal::Flat(flatten(x)),
                (Layer::Attend { .. }, Signal::Map(x)) => Signal::Flat(match attention.next() {
                    Some(scores) => attend(scores, x),
                    None => x.mean_dim(2).flatten(1, 2),
                }),
                (Layer::WeightedSum { length, .. }, Signal::Map(x)) => {
                    Signal::Flat(match weighted.next() {
                        Some(w) => {
                            let shares = softmax(w.val(), 0).reshape([1, 1, *length]);
                            (x * shares).sum_dim(2).flatten(1, 2)
                        }
                        None => x.mean_dim(2).flatten(1, 2),
                    })
                }
                (Layer::Dense { .. }, Signal::Flat(x)) => Signal::Flat(match dense.next() {
                    Some(d) => d.forward(x),
                    None => x,
                }),
                // A list that convolves after the flatten is refused before it gets here.
                (_, signal) => signal,
            };
        }
        signal
    }
}

/// `[batch, channels, length]` to `[batch, length * channels]`, channels fastest.
fn flatten(x: Tensor<3>) -> Tensor<2> {
    let [n, channels, length] = x.dims();
    x.swap_dims(1, 2).reshape([n, length * channels])
}

/// Attentive statistics pooling of `[batch, channels, length]`.
fn attend(scores: &Linear, x: Tensor<3>) -> Tensor<2> {
    let rows = x.clone().swap_dims(1, 2);
    let shares = softmax(scores.forward(rows), 1).swap_dims(1, 2);
    let mean = (x.clone() * shares.clone()).sum_dim(2);
    let variance = ((x - mean.clone()).square() * shares).sum_dim(2);
    let deviation = (variance + ATTEND_EPSILON).sqrt();
    Tensor::cat(vec![mean, deviation], 1).flatten(1, 2)
}

/// Multiplies by the mask of `key` and layer `index`, drawn in the engine's order `[batch, length,
/// channels]`.
fn drop_out(signal: Signal, key: u64, index: usize, p: f64) -> Signal {
    match signal {
        Signal::Map(x) => {
            let [n, channels, length] = x.dims();
            let mask = TensorData::new(
                dropout_mask(key, index, n * length * channels, p),
                [n, length, channels],
            );
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

/// Mean over the batch of `weight * cross-entropy(softmax(logits), target)`, targets being
/// probabilities `[batch, classes]`.
pub fn cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<2>,
    weights: Option<Tensor<1>>,
) -> Tensor<1> {
    let [n, _] = logits.dims();
    let rows = (log_softmax(logits, 1) * targets).sum_dim(1).neg();
    let rows = match weights {
        Some(w) => rows * w.reshape([n, 1]),
        None => rows,
    };
    // Along a dimension: burn's sum of a whole tensor may add atomically on a GPU, in another order
    // each time.
    rows.mean_dim(0).reshape([1])
}

#[cfg(test)]
#[path = "burn_net_tests.rs"]
mod tests;
