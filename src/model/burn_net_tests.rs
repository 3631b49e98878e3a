use super::*;
use burn::module::ParamGroup;
use burn::optim::GradientsParams;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::engine::Batch;
use crate::model::network::{NetSpec, network};
use crate::model::optimizer::{OptimizerStep, kernels, rule};
use crate::model::test_data::gpus;
use crate::model::train::tests::settings;
use crate::model::{
    Architecture, Device, LayerSum, Optimizer, Perceptron, Temporal, TrainSettings,
};
use crate::split::Matrix;

const FEATURES: usize = 27;
const CLASSES: usize = 4;
const ROWS: usize = 6;

/// A network of the paper with a few channels in place of 256 and 128.
fn narrow(architecture: Architecture) -> Vec<Layer> {
    let few = |channels: usize| match channels {
        256 => 6,
        128 => 5,
        other => other,
    };
    let narrowed = |layer| match layer {
        Layer::Conv {
            inputs,
            outputs,
            kernel,
        } => Layer::Conv {
            inputs: few(inputs),
            outputs: few(outputs),
            kernel,
        },
        Layer::BatchNorm { channels } => Layer::BatchNorm {
            channels: few(channels),
        },
        Layer::Dense { inputs, outputs } => Layer::Dense {
            inputs: inputs / 128 * 5,
            outputs,
        },
        other => other,
    };
    architecture
        .layers(FEATURES, CLASSES)
        .into_iter()
        .map(narrowed)
        .collect()
}

/// Every network, with few channels.
fn networks() -> Vec<(&'static str, Vec<Layer>)> {
    let perceptron = Perceptron {
        hidden: 6,
        input_dropout: 0.3,
        dropout: 0.4,
    };
    let sum = LayerSum {
        hidden: 4,
        dropout: 0.2,
    };
    let temporal = Temporal {
        channels: 5,
        dropout: 0.3,
    };
    vec![
        ("baseline", narrow(Architecture::Baseline)),
        ("baseline-norm1", narrow(Architecture::BaselineNorm1)),
        ("baseline-norm3", narrow(Architecture::BaselineNorm3)),
        ("ravdess-norm2", narrow(Architecture::RavdessNorm2)),
        ("ravdess", narrow(Architecture::Ravdess)),
        ("ravdess-relu", narrow(Architecture::RavdessRelu)),
        ("emodb-a", narrow(Architecture::EmodbA)),
        ("iemocap", narrow(Architecture::Iemocap)),
        ("perceptron", perceptron.layers(FEATURES, CLASSES)),
        ("temporal", temporal.layers(3, CLASSES)),
        ("weighted-sum", sum.layers(FEATURES / 3, 3, CLASSES)),
    ]
}

struct Problem {
    params: Params,
    running: Running,
    x: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl Problem {
    /// Random everything: biases and batch normalisation too, so that no gradient vanishes by
    /// symmetry.
    fn new(layers: &[Layer], seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut params = Params::init(layers, &mut rng);
        let mut running = Running::new(layers);
        let mut shake = |values: &mut Vec<f32>, by: f32| {
            values
                .iter_mut()
                .for_each(|v| *v += rng.random_range(-by..by))
        };
        params.tensors.iter_mut().for_each(|t| shake(t, 0.1));
        running.means.iter_mut().for_each(|t| shake(t, 0.5));
        running.variances.iter_mut().for_each(|t| shake(t, 0.5));
        let x = (0..ROWS * FEATURES)
            .map(|_| rng.random_range(-2.0f32..2.0))
            .collect();
        let mut targets: Vec<f32> = (0..ROWS * CLASSES)
            .map(|_| rng.random_range(0.0f32..1.0))
            .collect();
        for row in targets.chunks_mut(CLASSES) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
        let weights = (0..ROWS).map(|_| rng.random_range(0.5f32..2.0)).collect();
        Problem {
            params,
            running,
            x,
            targets,
            weights,
        }
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            x: &self.x,
            targets: &self.targets,
            weights: Some(&self.weights),
        }
    }
}

/// Largest difference, as a share of the largest value of `b` (or of `scale` where that is larger).
fn difference(a: &[f32], b: &[f32], scale: f32) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(scale, |m, v| m.max(v.abs()));
    a.iter()
        .zip(b)
        .fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()))
        / largest
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let mut read = Readback::default();
    read.add(tensor);
    read.finish().expect("values").concat()
}

/// How far a device may be from the engine, as a multiple of what two CPU implementations are
/// apart.
fn slack(device: Device) -> f32 {
    match device {
        Device::Cpu | Device::BurnFlex => 1.0,
        Device::Wgpu => 5.0,
        // Its matrix products may round their factors to TF32.
        Device::Cuda => 200.0,
    }
}

/// One training step of every network on the engine and on `device`: loss, logits, gradients and
/// running statistics.
fn computes_the_same_gradients(device: Device) {
    let slack = slack(device);
    for (name, layers) in networks() {
        let spec = NetSpec {
            layers: layers.clone(),
            n_features: FEATURES,
            n_classes: CLASSES,
        };
        for seed in 0..4 {
            let problem = Problem::new(&layers, seed);
            let step = |device| {
                let mut net = network(device, &spec, ROWS).expect("network");
                let (mut running, mut grads) = (problem.running.clone(), Params::zeros(&layers));
                let loss = net
                    .train_step(
                        &problem.params,
                        &mut running,
                        &problem.batch(),
                        77 + seed,
                        &mut grads,
                    )
                    .expect("step");
                (loss, running, grads, net.logits_of_last_step().to_vec())
            };
            let (engine, burn) = (step(Device::Cpu), step(device));
            assert!(
                (engine.0 - burn.0).abs() < slack * 1e-5 * burn.0,
                "{name}: loss {} against {}",
                engine.0,
                burn.0
            );
            assert!(
                difference(&engine.3, &burn.3, 0.0) < slack * 1e-5,
                "{name}: logits"
            );
            // Biases in front of a normalisation have no gradient but rounding: they are held to
            // the scale of the others.
            let scale = 1e-2
                * burn
                    .2
                    .tensors
                    .iter()
                    .flatten()
                    .fold(0.0f32, |m, v| m.max(v.abs()));
            for ((tensor, _), (a, b)) in Params::shapes(&layers)
                .iter()
                .zip(engine.2.tensors.iter().zip(&burn.2.tensors))
            {
                let d = difference(a, b, scale);
                assert!(
                    d < slack * 1e-4,
                    "{name}, seed {seed}: gradient of {tensor} differs by {d}"
                );
            }
            let statistics = |r: &Running| [r.means.concat(), r.variances.concat()].concat();
            assert!(
                difference(&statistics(&engine.1), &statistics(&burn.1), 1.0) < slack * 1e-6,
                "{name}: running statistics"
            );
        }
    }
}

fn infers_the_same(device: Device) {
    for (name, layers) in networks() {
        let spec = NetSpec {
            layers: layers.clone(),
            n_features: FEATURES,
            n_classes: CLASSES,
        };
        let Problem {
            params, running, x, ..
        } = Problem::new(&layers, 9);
        let logits = |device| {
            network(device, &spec, ROWS)
                .and_then(|mut net| Ok(net.infer(&params, &running, &x)?.to_vec()))
                .expect("logits")
        };
        let d = difference(&logits(Device::Cpu), &logits(device), 0.0);
        assert!(d < slack(device) * 1e-5, "{name}: {d}");
    }
}

/// Statistics of batch normalisation over more rows than a batch of either holds.
fn measures_the_same(device: Device) {
    for (name, layers) in networks() {
        let spec = NetSpec {
            layers: layers.clone(),
            n_features: FEATURES,
            n_classes: CLASSES,
        };
        let Problem {
            params, running, ..
        } = Problem::new(&layers, 5);
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let x: Vec<f32> = (0..150 * FEATURES)
            .map(|_| rng.random_range(-2.0f32..2.0))
            .collect();
        let rows = Matrix::new(150, FEATURES, x).into();
        let measured = |device| {
            let mut running = running.clone();
            network(device, &spec, ROWS)
                .and_then(|mut net| net.measure_norms(&params, &mut running, &rows))
                .expect("statistics");
            [running.means.concat(), running.variances.concat()].concat()
        };
        let d = difference(&measured(Device::Cpu), &measured(device), 1.0);
        assert!(d < slack(device) * 1e-5, "{name}: {d}");
    }
}

#[test]
fn the_engine_measures_what_the_burn_module_does() {
    measures_the_same(Device::BurnFlex);
}

#[test]
fn the_engine_computes_the_gradients_of_burns_autodiff() {
    computes_the_same_gradients(Device::BurnFlex);
}

#[test]
fn the_engine_infers_what_the_burn_module_does() {
    infers_the_same(Device::BurnFlex);
}

#[test]
fn a_gpu_computes_and_infers_what_the_engine_does() {
    for device in gpus() {
        computes_the_same_gradients(device);
        infers_the_same(device);
        measures_the_same(device);
    }
}

#[test]
fn parameters_go_in_and_come_out_unchanged() {
    let layers = narrow(Architecture::Ravdess);
    let Problem {
        params, running, ..
    } = Problem::new(&layers, 3);
    for device in [BurnDevice::flex(), BurnDevice::flex().autodiff()] {
        let net = Cnn::from_params(&layers, &params, &running, &device).expect("module");
        assert_eq!(net.to_params().expect("parameters"), params);
        let mut read = Readback::default();
        net.add_running(&mut read);
        assert_eq!(
            read.finish().expect("statistics"),
            [running.means.clone(), running.variances.clone()].concat()
        );
    }
    let mut short = params.clone();
    short.tensors[2].pop();
    assert!(Cnn::from_params(&layers, &short, &running, &BurnDevice::flex()).is_err());
    short.tensors.truncate(2);
    assert!(Cnn::from_params(&layers, &short, &running, &BurnDevice::flex()).is_err());
}

/// Flattening keeps channels fastest: a dense layer that picks one input sees the channel and the
/// position it should.
#[test]
fn flatten_is_keras() {
    let layers = [
        Layer::Conv {
            inputs: 1,
            outputs: 2,
            kernel: 1,
        },
        Layer::Flatten,
        Layer::Dense {
            inputs: 6,
            outputs: 1,
        },
    ];
    let mut picks = vec![0.0; 6];
    picks[2 * 2 + 1] = 1.0;
    // Channel 0 is x, channel 1 is 10 x; input 5 is position 2 of channel 1.
    let params = Params {
        tensors: vec![vec![1.0, 10.0], vec![0.0; 2], picks, vec![0.5]],
    };
    let device = BurnDevice::flex();
    let net = Cnn::from_params(&layers, &params, &Running::new(&layers), &device).expect("module");
    let y = net.forward(
        Tensor::from_data(TensorData::new(vec![1.0f32, 2.0, 3.0], [1, 3]), &device),
        None,
    );
    assert_eq!(values(y), [30.5]);
}

/// Steps of flat vectors with gradients handed in are burn's own steps of the module, bit for bit.
#[test]
fn steps_are_those_of_burns_optimizer_on_the_module() {
    let layers = narrow(Architecture::Iemocap);
    let device = BurnDevice::flex().autodiff();
    for optimizer in [Optimizer::Rmsprop, Optimizer::Adam, Optimizer::Adamw] {
        let settings = TrainSettings {
            optimizer,
            weight_decay: 0.1,
            ..settings()
        };
        let problem = Problem::new(&layers, 4);
        let mut net =
            Cnn::from_params(&layers, &problem.params, &problem.running, &device).expect("module");
        let mut params = problem.params.clone();
        let mut stepper = OptimizerStep::new(&settings, &layers, &params, 10);
        let paths = net
            .conv
            .iter()
            .map(|c| c.weight.id)
            .chain(net.dense.iter().map(|d| d.weight.id))
            .collect::<Vec<_>>();
        assert_eq!(paths.len(), kernels(&layers).iter().filter(|k| **k).count());
        let weights_only: Vec<String> = ["conv", "dense"].map(str::to_owned).to_vec();
        let decayed = (0..8)
            .flat_map(|i| {
                weights_only
                    .iter()
                    .map(move |list| format!("{list}.{i}.weight"))
            })
            .collect::<Vec<_>>();
        let mut own = rule(&settings, ParamGroup::from_paths(decayed));
        for key in 0..3 {
            let x = Tensor::from_data(
                TensorData::new(problem.x.clone(), [ROWS, FEATURES]),
                &device,
            );
            let targets = Tensor::from_data(
                TensorData::new(problem.targets.clone(), [ROWS, CLASSES]),
                &device,
            );
            let gradients = cross_entropy(net.forward(x, Some(key)), targets, None).backward();
            let mut read = Readback::default();
            net.add_gradients(&gradients, &mut read).expect("gradients");
            let grads = Params {
                tensors: read.finish().expect("gradients"),
            };
            let rate = stepper.step(&mut params, &grads).expect("step");
            net = own.step(
                rate,
                net.clone(),
                GradientsParams::from_grads(gradients, &net),
            );
            assert_eq!(
                net.to_params().expect("parameters"),
                params,
                "{optimizer:?}, step {key}"
            );
        }
    }
}
