//! The engine itself: its buffers, a training step, inference.

use super::block::{Block, Mode, Scratch, Step};
use super::plan::SignalLayout;
use super::taps::FusedFirstConv;
use super::{loss, plan};
use crate::error::{Error, Result};
use crate::model::architecture::Layer;
use crate::model::params::{Params, Running};
use crate::split::RowView;

/// One step's samples.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Features, `[n, n_features]`.
    pub x: &'a [f32],
    /// Probabilities `[n, classes]`: one-hot, smoothed or mixed.
    pub targets: &'a [f32],
    /// Factors `[n]` of the samples' losses; the sum is still divided by n, as Keras does.
    pub weights: Option<&'a [f32]>,
}

/// A network with all buffers that its passes need.
#[derive(Debug)]
pub struct Engine {
    n_features: usize,
    max_batch: usize,
    /// Lengths that parameters and running statistics must have.
    tensor_lens: Vec<usize>,
    norm_lens: Vec<usize>,
    input_grid: SignalLayout,
    input: Vec<f32>,
    taps: Option<FusedFirstConv>,
    blocks: Vec<Block>,
    scratch: Scratch,
    /// Of the last step or inference, `[n, classes]`.
    logits: Vec<f32>,
}

impl Engine {
    /// Checks that the layers compose into a classifier of `n_features` values, and allocates room
    /// for `max_batch` samples.
    ///
    /// # Errors
    ///
    /// A configuration error that names the layer that does not fit, or says that the batch is
    /// empty or too large.
    pub fn new(layers: &[Layer], n_features: usize, max_batch: usize) -> Result<Self> {
        let plan::Plan {
            input: input_grid,
            mut blocks,
        } = plan::plan(layers, n_features)?;
        let largest = blocks
            .iter()
            .map(|block| block.raw_grid.volume())
            .max()
            .unwrap_or(0);
        // Dropout counts positions in 32 bits.
        if max_batch == 0
            || largest
                .checked_mul(max_batch)
                .is_none_or(|positions| positions > u32::MAX as usize)
        {
            return Err(
                Error::config(format!("a batch of {max_batch} samples is not possible"))
                    .hint("choose a batch size such as 32"),
            );
        }
        let taps = plan::take_taps(&mut blocks, max_batch);
        let mut scratch = Scratch::default();
        let mut gradient_len = taps
            .as_ref()
            .map_or(0, |taps| taps.grid.buffer_len(max_batch));
        for block in &mut blocks {
            block.allocate(max_batch);
            let (gradient, flipped) = block.scratch_len(max_batch);
            gradient_len = gradient_len.max(gradient);
            scratch
                .flipped
                .resize(scratch.flipped.len().max(flipped), 0.0);
        }
        scratch.gradient = vec![0.0; gradient_len];
        scratch.spare = vec![0.0; gradient_len];
        Ok(Engine {
            n_features,
            max_batch,
            tensor_lens: Params::zeros(layers).tensors.iter().map(Vec::len).collect(),
            norm_lens: Running::new(layers).means.iter().map(Vec::len).collect(),
            input_grid,
            input: vec![0.0; input_grid.buffer_len(max_batch)],
            taps,
            blocks,
            scratch,
            logits: Vec::new(),
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.output_grid().volume()
    }

    /// Forward and backward pass over one batch; returns its mean loss and overwrites `grads`.
    ///
    /// Normalises with the batch's statistics, which move `running`; drops by `dropout_key`, which
    /// the caller derives from seed, epoch and step. The loss is the cross-entropy of softmax;
    /// label smoothing and mixing are in the targets.
    ///
    /// # Panics
    ///
    /// If a length does not match the layers, or the batch is empty or larger than the engine was
    /// made for: both are the caller's to know.
    pub fn train_step(
        &mut self,
        params: &Params,
        running: &mut Running,
        batch: &Batch,
        dropout_key: u64,
        grads: &mut Params,
    ) -> f32 {
        let n = batch.x.len() / self.n_features;
        assert!(
            n > 0 && n <= self.max_batch && batch.x.len() == n * self.n_features,
            "{n} samples in a batch of {}",
            self.max_batch
        );
        assert_eq!(
            batch.targets.len(),
            n * self.classes(),
            "length of the targets"
        );
        assert!(
            batch.weights.is_none_or(|weights| weights.len() == n),
            "length of the weights"
        );
        assert!(
            self.fits(params) && self.fits(grads) && self.fits_running(running),
            "parameters of another network"
        );
        self.forward(batch.x, params, &mut Mode::Train(running, dropout_key));
        self.logits.clear();
        self.append_logits(n);
        let grid = self.output_grid();
        let loss = loss::cross_entropy(
            &self.logits,
            batch.targets,
            batch.weights,
            grid,
            &mut self.scratch.gradient,
        );
        self.backward(n, params, dropout_key, grads);
        loss
    }

    /// Logits `[n, classes]` of the last training step, with dropout and the batch's statistics.
    pub fn logits_of_last_step(&self) -> &[f32] {
        &self.logits
    }

    /// Logits `[n, classes]` of any number of samples `[n, n_features]`, with running statistics
    /// and without dropout.
    ///
    /// # Errors
    ///
    /// A data error if the features are not a whole number of samples, or the parameters belong to
    /// another network.
    pub fn infer(&mut self, params: &Params, running: &Running, x: &[f32]) -> Result<&[f32]> {
        self.check(params, running, x.len())?;
        self.logits.clear();
        for samples in x.chunks(self.max_batch * self.n_features) {
            self.forward(samples, params, &mut Mode::Infer(running));
            self.append_logits(samples.len() / self.n_features);
        }
        Ok(&self.logits)
    }

    /// Writes the statistics that batch normalisation has over all samples, rows of `x`, to
    /// `running`: each layer's mean and variance of what the layers before it give without dropout,
    /// those normalised by their own new statistics.
    ///
    /// Sums are taken in double precision, sample by sample, so that the size of the engine's batch
    /// changes nothing. The first layers are computed anew for each normalisation behind them,
    /// which needs no memory.
    ///
    /// # Errors
    ///
    /// A data error as that of [`Engine::infer`], or where there is no sample.
    pub fn measure_norms(
        &mut self,
        params: &Params,
        running: &mut Running,
        x: &RowView,
    ) -> Result<()> {
        self.check(params, running, x.cols())?;
        let (n, mut buffer) = (x.rows(), Vec::new());
        if n == 0 {
            return Err(Error::data(
                "batch normalisation has no statistics of no samples",
            ));
        }
        let most = self.max_batch;
        let batches = (0..n).step_by(most).map(|first| first..n.min(first + most));
        if self.taps.as_ref().is_some_and(FusedFirstConv::normalises) {
            self.taps.iter_mut().for_each(FusedFirstConv::clear_sums);
            for batch in batches.clone() {
                let n = batch.len();
                self.enter(x.block(batch, &mut buffer));
                self.taps
                    .iter_mut()
                    .for_each(|taps| taps.measure(&self.input, n));
            }
            self.taps
                .iter_mut()
                .for_each(|taps| taps.store_statistics(n, params, running));
        }
        for index in 0..self.blocks.len() {
            let Some(norm) = &mut self.blocks[index].norm else {
                continue;
            };
            norm.clear_sums();
            for batch in batches.clone() {
                let n = batch.len();
                let samples = x.block(batch, &mut buffer);
                self.forward_to(index, samples, params, &mut Mode::Infer(running));
                let (before, from) = self.blocks.split_at_mut(index);
                from[0].measure(
                    signal_before(before, self.taps.as_ref(), &self.input),
                    n,
                    params,
                );
            }
            if let Block {
                norm: Some(norm),
                raw_grid,
                ..
            } = &mut self.blocks[index]
            {
                norm.store(n * raw_grid.length, running);
            }
        }
        Ok(())
    }

    fn fits(&self, params: &Params) -> bool {
        params
            .tensors
            .iter()
            .map(Vec::len)
            .eq(self.tensor_lens.iter().copied())
    }

    fn fits_running(&self, running: &Running) -> bool {
        [&running.means, &running.variances]
            .into_iter()
            .all(|tensors| {
                tensors
                    .iter()
                    .map(Vec::len)
                    .eq(self.norm_lens.iter().copied())
            })
    }

    /// Refuses samples and parameters of another network.
    fn check(&self, params: &Params, running: &Running, values: usize) -> Result<()> {
        if !values.is_multiple_of(self.n_features) {
            return Err(Error::data(format!(
                "{} values are not rows of {} features",
                values, self.n_features
            )));
        }
        if !self.fits(params) || !self.fits_running(running) {
            return Err(
                Error::data("the model's parameters belong to another network")
                    .hint("check the model file and its architecture"),
            );
        }
        Ok(())
    }

    /// Lays out samples as the first layer reads them.
    fn enter(&mut self, x: &[f32]) {
        self.input_grid.spread(x, &mut self.input);
        // What a larger batch left behind the last sample would be taken for its neighbour.
        self.input_grid
            .clear_gaps(&mut self.input, x.len() / self.n_features);
    }

    fn forward(&mut self, x: &[f32], params: &Params, mode: &mut Mode) {
        self.forward_to(self.blocks.len(), x, params, mode);
    }

    /// The forward pass through all that stands before a block.
    fn forward_to(&mut self, end: usize, x: &[f32], params: &Params, mode: &mut Mode) {
        let n = x.len() / self.n_features;
        self.enter(x);
        if let Some(taps) = &mut self.taps {
            match mode {
                Mode::Train(running, _) => taps.forward_batch(&self.input, n, params, running),
                Mode::Infer(running) => taps.forward_running(&self.input, n, params, running),
            }
        }
        for index in 0..end {
            let (before, from) = self.blocks.split_at_mut(index);
            let signal = signal_before(before, self.taps.as_ref(), &self.input);
            from[0].forward(signal, n, params, mode);
        }
    }

    /// From the loss gradient in the scratch memory to the gradients of all parameters.
    fn backward(&mut self, n: usize, params: &Params, key: u64, grads: &mut Params) {
        for index in (0..self.blocks.len()).rev() {
            let (before, from) = self.blocks.split_at_mut(index);
            let signal = signal_before(before, self.taps.as_ref(), &self.input);
            let step = Step {
                params,
                key,
                input_gradient: index > 0 || self.taps.is_some(),
            };
            from[0].backward(signal, n, &step, &mut self.scratch, grads);
        }
        if let Some(taps) = &mut self.taps {
            taps.backward(&self.input, &mut self.scratch.gradient, n, params, grads);
        }
    }

    /// Where the logits lie in the last block's output, which is never that of the taps: those do
    /// not flatten.
    fn output_grid(&self) -> SignalLayout {
        self.blocks.last().map_or(self.input_grid, Block::out_grid)
    }

    fn append_logits(&mut self, n: usize) {
        let grid = self.output_grid();
        let output = signal_before(&self.blocks, self.taps.as_ref(), &self.input);
        for index in 0..n {
            self.logits.extend_from_slice(&output[grid.sample(index)]);
        }
    }
}

/// The output of the last of `blocks`, or of what comes before them.
fn signal_before<'a>(
    blocks: &'a [Block],
    taps: Option<&'a FusedFirstConv>,
    input: &'a [f32],
) -> &'a [f32] {
    match (blocks.last(), taps) {
        (Some(block), _) => block.output(),
        (None, Some(taps)) => &taps.out,
        (None, None) => input,
    }
}
