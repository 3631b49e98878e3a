//! From a row of the feature table to the input of a model; whatever is fitted is fitted on the
//! training part, but for what is called transductive.

mod inputs;
mod pooling;
mod scaler;
mod speakers;

pub use crate::encoder::Layer;
pub use crate::features::MOST_FRAMES;
pub use inputs::{BALANCED_SPEAKERS, Inputs, Order, ScalerKind};
pub use inputs::{columns_in_order, rearrange};
pub use inputs::{finish_row, fit_length};
pub use pooling::{Pooling, pool, pooled_columns};
pub use scaler::Scaler;
pub use speakers::{standardise_pools, standardise_speaker, standardise_speakers};
