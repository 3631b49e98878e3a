//! Models: the paper's networks, their training, and classical baselines.

mod architecture;
pub mod engine;
mod params;
mod settings;

pub use architecture::{Architecture, Layer};
pub use params::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Params, Running};
pub use settings::{Device, EarlyStopping, Optimizer, Schedule, TrainSettings};
