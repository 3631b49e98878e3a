//! Corpora: what a reader finds under a root, and what it leaves aside.

pub mod archive;
mod atomic;
pub mod download;
mod listing;
pub mod synthetic;
mod utterance;

pub use listing::{Expected, Listing, Reason, SetAside};
pub use utterance::{Sex, Source, Utterance};
