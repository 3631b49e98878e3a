//! From a row of the feature table to the input of a model; whatever is fitted is fitted on the training part.

mod inputs;
mod order;
mod scaler;

pub use inputs::{Inputs, Order, ScalerKind};
pub use order::{columns_in_order, rearrange};
pub use scaler::Scaler;
