//! One step of training or inference of a network, by the CPU engine or by the burn module.

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::burn_net::{Cnn, cross_entropy};
use crate::model::engine::{Batch, Engine};
use crate::model::{Device, Layer, Params, Running};

/// A network's layers with the sizes of what goes in and comes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetSpec {
    /// The layers, from features to logits.
    pub layers: Vec<Layer>,
    /// Features per row.
    pub n_features: usize,
    /// Classes.
    pub n_classes: usize,
}

impl NetSpec {
    /// Checks that the last layer with a size of its own has one output per class.
    ///
    /// # Errors
    /// A config error otherwise.
    pub fn check(&self) -> Result<()> {
        let outputs = self.layers.iter().rev().find_map(|layer| match *layer {
            Layer::Dense { outputs, .. } => Some(outputs),
            _ => None,
        });
        if self.n_features == 0 || self.n_classes == 0 || outputs != Some(self.n_classes) {
            return Err(Error::config(format!(
                "a network of {} features and {} classes has to end in a dense layer with as many outputs as classes",
                self.n_features, self.n_classes
            )));
        }
        Ok(())
    }
}

/// What trains and evaluates a network; all state lies outside.
pub(crate) trait Network {
    /// Mean loss of the batch; writes `grads` and moves `running`.
    fn train_step(&mut self, params: &Params, running: &mut Running, batch: &Batch, key: u64, grads: &mut Params) -> Result<f32>;
    /// Logits `[n, classes]` of the last training step.
    fn logits_of_last_step(&self) -> &[f32];
    /// Logits `[n, classes]` without dropout, with running statistics.
    fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]>;
}

/// The network of `spec` on the chosen device.
pub(crate) fn network(device: Device, spec: &NetSpec, max_batch: usize) -> Result<Box<dyn Network>> {
    spec.check()?;
    // The engine is built in any case: it refuses lists of layers that do not compose.
    let engine = Engine::new(&spec.layers, spec.n_features, max_batch)?;
    Ok(match device {
        Device::Cpu => Box::new(engine),
        Device::BurnFlex => Box::new(BurnNetwork { spec: spec.clone(), device: BurnDevice::flex(), logits: Vec::new() }),
    })
}

impl Network for Engine {
    fn train_step(&mut self, params: &Params, running: &mut Running, batch: &Batch, key: u64, grads: &mut Params) -> Result<f32> {
        Ok(Engine::train_step(self, params, running, batch, key, grads))
    }

    fn logits_of_last_step(&self) -> &[f32] {
        Engine::logits_of_last_step(self)
    }

    fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]> {
        Engine::infer(self, params, running, x)
    }
}

/// The burn module with burn's autodiff.
struct BurnNetwork {
    spec: NetSpec,
    device: BurnDevice,
    logits: Vec<f32>,
}

impl BurnNetwork {
    /// Rows per forward pass of inference, which bounds its memory.
    const BATCH: usize = 64;

    fn matrix(values: &[f32], columns: usize, on: &BurnDevice) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len() / columns, columns]), on)
    }

    fn read(tensor: Tensor<2>) -> Result<Vec<f32>> {
        tensor.into_data().try_to_vec::<f32>().map_err(|e| Error::internal(format!("logits cannot be read: {e:?}")))
    }
}

impl Network for BurnNetwork {
    fn train_step(&mut self, params: &Params, running: &mut Running, batch: &Batch, key: u64, grads: &mut Params) -> Result<f32> {
        let on = self.device.clone().autodiff();
        let net = Cnn::from_params(&self.spec.layers, params, running, &on)?;
        let logits = net.forward(Self::matrix(batch.x, self.spec.n_features, &on), Some(key));
        self.logits = Self::read(logits.clone().inner())?;
        let weights = batch.weights.map(|w| Tensor::<1>::from_data(TensorData::new(w.to_vec(), [w.len()]), &on));
        let loss = cross_entropy(logits, Self::matrix(batch.targets, self.spec.n_classes, &on), weights);
        *grads = net.gradients(&loss.backward())?;
        *running = net.running()?;
        Ok(loss.into_scalar::<f32>())
    }

    fn logits_of_last_step(&self) -> &[f32] {
        &self.logits
    }

    fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]> {
        let net = Cnn::from_params(&self.spec.layers, params, running, &self.device)?;
        self.logits.clear();
        for rows in x.chunks(Self::BATCH * self.spec.n_features) {
            self.logits.extend(Self::read(net.forward(Self::matrix(rows, self.spec.n_features, &self.device), None))?);
        }
        Ok(&self.logits)
    }
}
