//! Turns gradients into steps: burn's optimizers over flat parameters, whoever computed the
//! gradients.
//!
//! Where burn's formulas leave Keras': RMSprop is the same, `g / (sqrt(mean square) + epsilon)`.
//! Adam adds its epsilon to the corrected moment, as algorithm 1 of its paper (arXiv 1412.6980) and
//! PyTorch do, where Keras adds it to the uncorrected one (the paper's "epsilon hat"): with epsilon
//! 1e-7 that only shows where gradients are below about 1e-5. Weight decay pulls on kernels alone,
//! not on biases and batch normalisation.

use std::f64::consts::PI;

use burn::module::{Module, Param, ParamGroup, ParamId};
use burn::optim::{
    AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, RecordState, RmsPropConfig,
    StateSink, StateSource,
};
use burn::tensor::{Bytes, Device as BurnDevice, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::model::{Layer, Optimizer, Params, Schedule, TrainSettings};

/// The constant that Keras adds to denominators.
const EPSILON: f32 = 1e-7;

/// Parameters as vectors; the two lists only differ in whether weight decay applies.
#[derive(Module, Debug)]
struct Flat {
    kernels: Vec<Param<Tensor<1>>>,
    others: Vec<Param<Tensor<1>>>,
}

/// One optimizer with its state and its learning-rate schedule.
#[derive(Debug)]
pub struct OptimizerStep {
    flat: Flat,
    /// For each tensor of [`Params`]: whether it is a kernel, and its place in that list.
    places: Vec<(bool, usize)>,
    rule: Rule,
    schedule: Schedule,
    learning_rate: f64,
    total_steps: usize,
    step: usize,
}

struct Rule(ModuleOptimizer);

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rule")
    }
}

/// burn's rule with a state that is restored on the device where steps are taken.
///
/// burn itself restores it on its default device and moves it later. In a build with a GPU backend
/// that is a GPU, whatever a network is trained on, and where there is none a resumed training
/// would end in a panic.
#[derive(Clone)]
struct OnHost<O>(O);

#[derive(Clone)]
struct HostState<S>(S);

impl<O: burn::optim::Optimizer> burn::optim::Optimizer for OnHost<O> {
    type State<const D: usize> = HostState<O::State<D>>;

    fn step<const D: usize>(
        &self,
        rate: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (tensor, state) = self.0.step(rate, tensor, grad, state.map(|state| state.0));
        (tensor, state.map(HostState))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &BurnDevice) -> Self::State<D> {
        HostState(O::to_device(state.0, device))
    }
}

impl<S: RecordState> RecordState for HostState<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _: &BurnDevice) -> Option<Self> {
        S::state_unflatten(prefix, source, &device()).map(HostState)
    }
}

/// The device on which steps are taken: burn's CPU backend.
fn device() -> BurnDevice {
    BurnDevice::flex()
}

fn vector(values: &[f32], on: &BurnDevice) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), on)
}

/// Which tensors of [`Params`] are kernels of convolutions and dense layers, the only ones that
/// weight decay pulls on.
pub(crate) fn kernels(layers: &[Layer]) -> Vec<bool> {
    let mut kernels = Vec::new();
    for layer in layers {
        match layer {
            Layer::Conv { .. } | Layer::Dense { .. } => kernels.extend([true, false]),
            Layer::BatchNorm { .. } => kernels.extend([false, false]),
            Layer::Attend { .. } => kernels.push(true),
            Layer::WeightedSum { .. } => kernels.push(false),
            Layer::Relu | Layer::Dropout { .. } | Layer::MaxPool { .. } | Layer::Flatten => {}
        }
    }
    kernels
}

/// The learning rate of optimizer step `step` (from 0) out of `total_steps`.
pub fn learning_rate(schedule: Schedule, peak: f64, step: usize, total_steps: usize) -> f64 {
    match schedule {
        Schedule::InverseTime { decay } => peak / (1.0 + decay * step as f64),
        Schedule::Cosine { warmup } => {
            let rising = (warmup * total_steps as f64).round() as usize;
            if step < rising {
                return peak * (step + 1) as f64 / rising as f64;
            }
            let falling = total_steps.saturating_sub(rising).max(1);
            let progress = ((step - rising) as f64 / falling as f64).min(1.0);
            peak * 0.5 * (1.0 + (PI * progress).cos())
        }
    }
}

/// burn's optimizer for these settings; weight decay (AdamW) only where `decayed` says so.
pub(crate) fn rule(settings: &TrainSettings, decayed: ParamGroup) -> ModuleOptimizer {
    match settings.optimizer {
        Optimizer::Rmsprop => OnHost(
            RmsPropConfig::new()
                .with_alpha(0.9)
                .with_momentum(0.0)
                .with_epsilon(EPSILON)
                .build(),
        )
        .into(),
        Optimizer::Adam => OnHost(AdamConfig::new().with_epsilon(EPSILON).build()).into(),
        Optimizer::Adamw => {
            let plain = AdamWConfig::new()
                .with_epsilon(EPSILON)
                .with_weight_decay(0.0);
            let pulled = AdamWConfig::new()
                .with_epsilon(EPSILON)
                .with_weight_decay(settings.weight_decay as f32);
            ModuleOptimizer::from(OnHost(plain.build())).with_group(
                decayed,
                OnHost(pulled.build()),
                None,
            )
        }
    }
}

impl OptimizerStep {
    /// An optimizer at step 0 that starts from `params`, the parameters of `layers`.
    pub fn new(
        settings: &TrainSettings,
        layers: &[Layer],
        params: &Params,
        total_steps: usize,
    ) -> Self {
        let on = device().autodiff();
        let mut flat = Flat {
            kernels: Vec::new(),
            others: Vec::new(),
        };
        let mut places = Vec::with_capacity(params.tensors.len());
        for (i, (values, kernel)) in params.tensors.iter().zip(kernels(layers)).enumerate() {
            let list = if kernel {
                &mut flat.kernels
            } else {
                &mut flat.others
            };
            places.push((kernel, list.len()));
            // Fixed ids: the optimizer files its state under them, in checkpoints too. No gradient
            // is asked for: burn would note every new value of a parameter in a graph that only its
            // own backward pass clears, and none is ever run here.
            list.push(Param::initialized(
                ParamId::from(i as u64),
                vector(values, &on),
            ));
        }
        let rule = Rule(rule(
            settings,
            ParamGroup::ids_from_module(flat.kernels.clone()),
        ));
        OptimizerStep {
            flat,
            places,
            rule,
            schedule: settings.schedule,
            learning_rate: settings.learning_rate,
            total_steps,
            step: 0,
        }
    }

    /// Steps taken so far.
    pub fn step_count(&self) -> usize {
        self.step
    }

    /// Moves `params` one step against `grads` and returns the learning rate used.
    ///
    /// `params` must be what the last call left (or what [`OptimizerStep::new`] or [`OptimizerStep::restore`]
    /// was given).
    pub fn step(&mut self, params: &mut Params, grads: &Params) -> Result<f64> {
        let rate = learning_rate(
            self.schedule,
            self.learning_rate,
            self.step,
            self.total_steps,
        );
        let on = device();
        let mut registered = GradientsParams::new();
        for (i, values) in grads.tensors.iter().enumerate() {
            registered.register::<1>(ParamId::from(i as u64), vector(values, &on));
        }
        let flat = Flat {
            kernels: std::mem::take(&mut self.flat.kernels),
            others: std::mem::take(&mut self.flat.others),
        };
        self.flat = self.rule.0.step(rate, flat, registered);
        for (values, &(kernel, place)) in params.tensors.iter_mut().zip(&self.places) {
            let list = if kernel {
                &self.flat.kernels
            } else {
                &self.flat.others
            };
            let data = list[place].val().inner().into_data();
            values.copy_from_slice(
                data.as_slice::<f32>().map_err(|e| {
                    Error::internal(format!("parameters cannot be read back: {e:?}"))
                })?,
            );
        }
        self.step += 1;
        Ok(rate)
    }

    /// The optimizer's state (moments), for a checkpoint.
    pub fn state(&self) -> Result<Vec<u8>> {
        let bytes = self
            .rule
            .0
            .into_bytes()
            .map_err(|e| Error::internal(format!("optimizer state cannot be saved: {e:?}")))?;
        Ok(bytes.to_vec())
    }

    /// The optimizer after `step` steps, with a state that [`OptimizerStep::state`] gave and the
    /// parameters of that moment.
    ///
    /// # Errors
    /// A data error when the state cannot be read.
    pub fn restore(mut self, state: &[u8], step: usize) -> Result<Self> {
        let bytes = Bytes::from_bytes_vec(state.to_vec());
        let rule = self.rule.0.from_bytes(bytes).map_err(|e| {
            Error::data(format!(
                "optimizer state of a checkpoint is unreadable: {e:?}"
            ))
        })?;
        self.rule = Rule(rule);
        self.step = step;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(optimizer: Optimizer) -> TrainSettings {
        TrainSettings {
            optimizer,
            learning_rate: 0.01,
            schedule: Schedule::InverseTime { decay: 0.5 },
            weight_decay: 0.1,
            batch_size: 4,
            epochs: 1,
            ..crate::model::train::tests::settings()
        }
    }

    /// A dense layer of two weights and one bias.
    const LAYERS: [Layer; 1] = [Layer::Dense {
        inputs: 2,
        outputs: 1,
    }];

    fn run(optimizer: Optimizer, grads: &[[f64; 3]]) -> Vec<f32> {
        let mut params = Params {
            tensors: vec![vec![0.5, -0.25], vec![1.0]],
        };
        let mut stepper = OptimizerStep::new(&settings(optimizer), &LAYERS, &params, grads.len());
        for g in grads {
            let grads = Params {
                tensors: vec![vec![g[0] as f32, g[1] as f32], vec![g[2] as f32]],
            };
            stepper.step(&mut params, &grads).expect("a step");
        }
        params.tensors.concat()
    }

    const GRADS: [[f64; 3]; 3] = [[0.1, -2.0, 3e-4], [0.2, 1.0, -1e-3], [-0.4, 0.0, 5e-4]];

    fn close(got: &[f32], want: &[f64]) {
        for (a, b) in got.iter().zip(want) {
            assert!((f64::from(*a) - b).abs() < 2e-6, "{got:?} against {want:?}");
        }
    }

    #[test]
    fn rmsprop_is_keras_with_inverse_time_decay() {
        let mut want = [0.5, -0.25, 1.0];
        let mut square = [0.0; 3];
        for (t, g) in GRADS.iter().enumerate() {
            let rate = 0.01 / (1.0 + 0.5 * t as f64);
            for ((g, square), want) in g.iter().zip(&mut square).zip(&mut want) {
                *square = 0.9 * *square + 0.1 * g * g;
                *want -= rate * g / (f64::sqrt(*square) + 1e-7);
            }
        }
        close(&run(Optimizer::Rmsprop, &GRADS), &want);
    }

    fn adam(decay: [f64; 3]) -> [f64; 3] {
        let mut want = [0.5, -0.25, 1.0];
        let mut moments = [(0.0, 0.0); 3];
        for (t, g) in GRADS.iter().enumerate() {
            let rate = 0.01 / (1.0 + 0.5 * t as f64);
            let corrections = (
                1.0 - 0.9f64.powi(t as i32 + 1),
                1.0 - 0.999f64.powi(t as i32 + 1),
            );
            for (((g, (first, second)), decay), want) in
                g.iter().zip(&mut moments).zip(decay).zip(&mut want)
            {
                *first = 0.9 * *first + 0.1 * g;
                *second = 0.999 * *second + 0.001 * g * g;
                let (m, v): (f64, f64) = (*first / corrections.0, *second / corrections.1);
                *want -= rate * (decay * *want + m / (v.sqrt() + 1e-7));
            }
        }
        want
    }

    #[test]
    fn adam_is_the_published_one() {
        close(&run(Optimizer::Adam, &GRADS), &adam([0.0; 3]));
    }

    #[test]
    fn adamw_decays_kernels_and_leaves_biases() {
        close(&run(Optimizer::Adamw, &GRADS), &adam([0.1, 0.1, 0.0]));
    }

    #[test]
    fn schedules() {
        let inverse = Schedule::InverseTime { decay: 1e-6 };
        assert_eq!(learning_rate(inverse, 1e-5, 0, 10), 1e-5);
        assert_eq!(learning_rate(inverse, 1e-5, 1_000_000, 10), 5e-6);
        let cosine = Schedule::Cosine { warmup: 0.2 };
        let rates: Vec<f64> = (0..10).map(|s| learning_rate(cosine, 1.0, s, 10)).collect();
        assert_eq!(&rates[..3], &[0.5, 1.0, 1.0]);
        assert!((rates[6] - 0.5).abs() < 1e-12 && rates[9] < 0.05);
        assert!(rates[2..].windows(2).all(|w| w[1] < w[0]));
    }

    /// Each value that asks for a gradient leaves a note of some kilobytes in burn's graph, at
    /// every step, until the process ends.
    #[test]
    fn no_parameter_asks_burn_for_a_gradient() {
        let mut params = Params {
            tensors: vec![vec![0.5, -0.25], vec![1.0]],
        };
        let mut stepper = OptimizerStep::new(&settings(Optimizer::Adamw), &LAYERS, &params, 2);
        let asks = |stepper: &OptimizerStep| {
            stepper
                .flat
                .kernels
                .iter()
                .chain(&stepper.flat.others)
                .any(|param| param.val().is_require_grad())
        };
        assert!(!asks(&stepper));
        let grads = Params {
            tensors: vec![vec![0.1, 0.2], vec![0.3]],
        };
        stepper.step(&mut params, &grads).expect("a step");
        assert!(!asks(&stepper) && params.tensors[0][0] < 0.5);
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        for optimizer in [Optimizer::Rmsprop, Optimizer::Adam, Optimizer::Adamw] {
            let settings = settings(optimizer);
            let grads = |i: usize| Params {
                tensors: vec![vec![0.3 * i as f32, -1.0], vec![0.01]],
            };
            let mut params = Params {
                tensors: vec![vec![0.5, -0.25], vec![1.0]],
            };
            let mut straight = OptimizerStep::new(&settings, &LAYERS, &params, 6);
            for i in 0..3 {
                straight.step(&mut params, &grads(i)).expect("a step");
            }
            let state = straight.state().expect("a state");
            let mut resumed_params = params.clone();
            let mut resumed = OptimizerStep::new(&settings, &LAYERS, &params, 6)
                .restore(&state, 3)
                .expect("restored");
            for i in 3..6 {
                straight.step(&mut params, &grads(i)).expect("a step");
                resumed
                    .step(&mut resumed_params, &grads(i))
                    .expect("a step");
            }
            assert_eq!(params.tensors, resumed_params.tensors, "{optimizer:?}");
        }
    }
}
