//! One step of training or inference of a network, by the CPU engine or by the burn module.

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::burn_net::{Cnn, Readback, cross_entropy};
use crate::model::engine::{Batch, Engine};
use crate::model::{Device, Layer, Params, Running};
use crate::split::RowView;

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
    fn train_step(
        &mut self,
        params: &Params,
        running: &mut Running,
        batch: &Batch,
        key: u64,
        grads: &mut Params,
    ) -> Result<f32>;
    /// Logits `[n, classes]` of the last training step.
    fn logits_of_last_step(&self) -> &[f32];
    /// Logits `[n, classes]` without dropout, normalised by `running`.
    fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]>;
    /// Writes the statistics that batch normalisation has over all of `x` to `running`, layer by
    /// layer, without dropout.
    fn measure_norms(&mut self, params: &Params, running: &mut Running, x: &RowView) -> Result<()>;
}

/// The network of `spec` on the chosen device.
pub(crate) fn network(
    device: Device,
    spec: &NetSpec,
    max_batch: usize,
) -> Result<Box<dyn Network>> {
    spec.check()?;
    // The engine is built in any case: it refuses lists of layers that do not compose.
    let engine = Engine::new(&spec.layers, spec.n_features, max_batch)?;
    Ok(match device.burn()? {
        None => Box::new(engine),
        Some(device) => Box::new(BurnNetwork {
            spec: spec.clone(),
            device,
            logits: Vec::new(),
        }),
    })
}

impl Network for Engine {
    fn train_step(
        &mut self,
        params: &Params,
        running: &mut Running,
        batch: &Batch,
        key: u64,
        grads: &mut Params,
    ) -> Result<f32> {
        Ok(Engine::train_step(self, params, running, batch, key, grads))
    }

    fn logits_of_last_step(&self) -> &[f32] {
        Engine::logits_of_last_step(self)
    }

    fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]> {
        Engine::infer(self, params, running, x)
    }

    fn measure_norms(&mut self, params: &Params, running: &mut Running, x: &RowView) -> Result<()> {
        Engine::measure_norms(self, params, running, x)
    }
}

/// The burn module with burn's autodiff, on any of burn's devices.
///
/// Parameters, optimizer and checkpoints are those of the CPU path and stay with the host, as does
/// the drawing of dropout masks, so that they are the same everywhere. On a GPU that costs
/// transfers: for a step of the paper's RAVDESS network with batch 64, 2 MB of parameters and 8 MB
/// of masks go up and 2 MB of gradients come down, in one wait, and a core takes some milliseconds
/// for masks and optimizer. Keeping the parameters on the device would save the smaller part of it,
/// and need a second way of making checkpoints.
struct BurnNetwork {
    spec: NetSpec,
    device: BurnDevice,
    logits: Vec<f32>,
}

impl BurnNetwork {
    /// Rows per forward pass of inference, which bounds its memory.
    const BATCH: usize = 64;

    fn matrix(values: &[f32], columns: usize, on: &BurnDevice) -> Tensor<2> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [values.len() / columns, columns]),
            on,
        )
    }
}

impl Network for BurnNetwork {
    fn train_step(
        &mut self,
        params: &Params,
        running: &mut Running,
        batch: &Batch,
        key: u64,
        grads: &mut Params,
    ) -> Result<f32> {
        let on = self.device.clone().autodiff();
        let net = Cnn::from_params(&self.spec.layers, params, running, &on)?;
        let logits = net.forward(Self::matrix(batch.x, self.spec.n_features, &on), Some(key));
        let weights = batch
            .weights
            .map(|w| Tensor::<1>::from_data(TensorData::new(w.to_vec(), [w.len()]), &on));
        let loss = cross_entropy(
            logits.clone(),
            Self::matrix(batch.targets, self.spec.n_classes, &on),
            weights,
        );
        let gradients = loss.backward();
        let mut read = Readback::default();
        read.add(loss);
        read.add(logits);
        net.add_gradients(&gradients, &mut read)?;
        net.add_running(&mut read);
        let mut values = read.finish()?.into_iter();
        let mut take = |n: usize| values.by_ref().take(n).collect::<Vec<_>>();
        let loss = take(1).concat();
        self.logits = take(1).concat();
        *grads = Params {
            tensors: take(params.tensors.len()),
        };
        *running = Running {
            means: take(running.means.len()),
            variances: take(running.variances.len()),
        };
        loss.first()
            .copied()
            .ok_or_else(|| Error::internal("a loss has no value"))
    }

    fn logits_of_last_step(&self) -> &[f32] {
        &self.logits
    }

    fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]> {
        let net = Cnn::from_params(&self.spec.layers, params, running, &self.device)?;
        let mut read = Readback::default();
        for rows in x.chunks(Self::BATCH * self.spec.n_features) {
            read.add(net.forward(Self::matrix(rows, self.spec.n_features, &self.device), None));
        }
        self.logits = read.finish()?.concat();
        Ok(&self.logits)
    }

    fn measure_norms(&mut self, params: &Params, running: &mut Running, x: &RowView) -> Result<()> {
        let norms = self
            .spec
            .layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| matches!(layer, Layer::BatchNorm { .. }));
        for (norm, (index, _)) in norms.enumerate() {
            // Anew for each normalisation: those before it have their new statistics by now.
            let net = Cnn::from_params(&self.spec.layers, params, running, &self.device)?;
            let (means, variances) = (&mut running.means[norm], &mut running.variances[norm]);
            let mut sums = vec![(0.0f64, 0.0f64); means.len()];
            let mut count = 0usize;
            let mut buffer = Vec::new();
            for first in (0..x.rows()).step_by(Self::BATCH) {
                let end = x.rows().min(first + Self::BATCH);
                let rows = x.block(first..end, &mut buffer);
                let mut read = Readback::default();
                read.add(net.before(
                    Self::matrix(rows, self.spec.n_features, &self.device),
                    index,
                ));
                for values in read.finish()?.concat().chunks_exact(sums.len()) {
                    count += 1;
                    for ((sum, square), &value) in sums.iter_mut().zip(values) {
                        *sum += f64::from(value);
                        *square += f64::from(value).powi(2);
                    }
                }
            }
            for ((mean, variance), (sum, square)) in means.iter_mut().zip(variances).zip(sums) {
                let average = sum / count as f64;
                *mean = average as f32;
                *variance = (square / count as f64 - average * average).max(0.0) as f32;
            }
        }
        Ok(())
    }
}
