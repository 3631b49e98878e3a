//! Models: the paper's networks, their training, and classical baselines.

mod architecture;
mod settings;

pub use architecture::{Architecture, Layer};
pub use settings::{Device, EarlyStopping, Optimizer, Schedule, TrainSettings};
