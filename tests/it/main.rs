//! All integration tests in one binary.

mod architecture;
mod corpora;
mod program;
mod report;
