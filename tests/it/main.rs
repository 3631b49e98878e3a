//! All integration tests in one binary.

mod architecture;
mod batch_norm;
mod bench;
mod corpora;
mod features;
mod parity;
mod pitch;
mod program;
mod python;
mod report;
#[path = "../../src/skipped.rs"]
mod skipped;
mod slurm;
