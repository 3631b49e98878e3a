//! Corpora: what a reader finds under a root, and what it leaves aside.

mod listing;
mod utterance;

pub use listing::{Expected, Listing, Reason, SetAside};
pub use utterance::{Sex, Source, Utterance};
