//! Models: the paper's networks, their training, and classical baselines.

mod architecture;
pub mod artifact;
mod batches;
pub mod burn_net;
mod card;
pub mod checkpoint;
mod classical;
mod classifier;
mod device;
mod domain;
pub mod engine;
mod network;
pub mod optimizer;
mod params;
mod settings;
#[cfg(test)]
mod test_data;
mod train;
mod weights;

pub use architecture::{Architecture, Layer, LayerSum, Perceptron, Temporal};
pub use card::NOT_FOR;
pub use classical::*;
pub use classifier::{Classifier, CnnClassifier};
pub use device::Device;
pub use domain::{DURATION_FACTOR, Domain, Durations, FAR, FeatureRanges, MOST_FAR, Outside};
pub use network::NetSpec;
pub use params::{ATTEND_EPSILON, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Params, Running};
pub use settings::{
    EarlyStopping, NormStatistics, Optimizer, Schedule, SpecAugment, TrainSettings,
};
pub use train::{EpochRecord, TrainJob, Trained, train};
