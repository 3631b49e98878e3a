//! All integration tests in one binary.

mod architecture;
mod corpora;
mod parity;
mod program;
mod report;
