//! From a row of the feature table to the input of a model; whatever is fitted is fitted on the training part.

mod inputs;

pub use inputs::{Inputs, Order, ScalerKind};
