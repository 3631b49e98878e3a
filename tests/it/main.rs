//! All integration tests in one binary.

mod architecture;
mod program;
