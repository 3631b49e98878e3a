//! Models: the paper's networks, their training, and classical baselines.

mod architecture;
pub mod artifact;
mod batches;
pub mod burn_net;
pub mod checkpoint;
mod classifier;
mod coupling;
mod device;
mod distances;
mod domain;
pub mod engine;
mod forest;
mod knn;
mod logistic;
mod network;
pub mod optimizer;
mod params;
mod settings;
mod smo;
mod svm;
#[cfg(test)]
mod test_data;
mod train;
mod tree;
mod weights;

pub use architecture::{Architecture, Layer, Perceptron, Temporal};
pub use classifier::{Classifier, CnnClassifier, Majority};
pub use coupling::{Calibration, Sigmoid};
pub use device::Device;
pub use domain::{DURATION_FACTOR, Domain, Durations, FAR, FeatureRanges, MOST_FAR, Outside};
pub use forest::{Forest, ForestSettings, SplitFeatures};
pub use knn::{Knn, KnnWeights};
pub use logistic::{Logistic, LogisticSettings};
pub use network::NetSpec;
pub use params::{ATTEND_EPSILON, BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Params, Running};
pub use settings::{
    EarlyStopping, NormStatistics, Optimizer, Schedule, SpecAugment, TrainSettings,
};
pub use svm::{Geometry, Kernel, Svm, SvmSettings};
pub use train::{EpochRecord, TrainJob, Trained, train};
pub use tree::{Leaf, Node};
