//! The CPU training engine: forward and backward pass of any list of layers on buffers that are
//! allocated once.
//!
//! What makes it quick: signals lie channels last, all samples in one matrix with rows of zeros
//! between them, so that a convolution and both its gradients are one matrix product each on
//! strided views (`layout`, `conv`); everything element-wise between two products is done in one
//! pass per direction (`sweep`, `pool`), compiled for several instruction sets (`linalg::dispatch`);
//! a first convolution of one channel is nearly all algebra (`taps`). An engine uses one thread:
//! folds and seeds run side by side, each with an engine of its own.
//!
//! What makes it trustworthy: results depend on the arguments alone. Dropout is a function of key,
//! layer and position ([`dropout_mask`]), sums have a fixed order on every processor
//! (`linalg::product`).

mod attend;
mod block;
mod conv;
mod gate;
mod loss;
mod machine;
mod norm;
mod plan;
mod pool;
mod sweep;
mod taps;
mod weighted;

#[cfg(test)]
mod tests;

pub use gate::dropout_mask;
pub use machine::{Batch, Engine};
pub(super) use weighted::softmax;
