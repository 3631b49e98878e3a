//! Corpora of recorded speech in; feature tables, models and honest reports out.
//!
//! Data flows one way through the science modules, in the order of their declaration in the first
//! block below; a module imports only from those before it. The orchestrator knows stages, not
//! emotions; [`pipeline`] is the one file that joins the two. The library never prints, reads the
//! environment or exits: [`cli`] and [`ui`] do, for the `ser` program.

pub mod cancel;
pub mod error;
pub mod escape;
pub mod files;
pub mod foreign;
mod linalg;
mod rng;
mod stats;
pub mod text;

pub mod corpus;

pub mod audio;

pub mod dsp;

pub mod fingerprint;

pub mod encoder;

pub mod features;

pub mod import;

pub mod table;

pub mod split;

pub mod transform;

pub mod model;

pub mod evaluation;

pub mod report;

pub mod orchestrator;

pub mod cluster;

pub mod history;

pub mod config;

pub mod pipeline;

pub mod ui;

pub mod cli;

#[cfg(test)]
mod skipped;

pub use error::{Error, Result};
