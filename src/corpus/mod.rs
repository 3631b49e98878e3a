//! Corpora: what a reader finds under a root, and what it leaves aside.

pub mod archive;
mod arousal;
mod conditions;
mod counts;
pub mod download;
mod listing;
mod same_name;
mod sources;
mod subset;
pub mod synthetic;
mod terms;
pub mod text;
mod utterance;
mod walk;

pub mod emodb;
pub mod iemocap;
pub mod labels;
pub mod manifest;
pub mod propose;
pub mod ravdess;

/// A file of this name says that the recordings beside it were generated.
pub const GENERATED_MARK: &str = "GENERATED.txt";

pub use arousal::{Arousal, arousal};
pub use conditions::{Condition, Recorded, conditions};
pub use counts::{Counts, compare, describe};
pub use emodb::EmodbSettings;
pub use iemocap::IemocapSettings;
pub use listing::{Expected, Listing, Reason, SetAside};
pub use manifest::ManifestSettings;
pub use sources::{Sorter, Sources};
pub use subset::{Subset, SubsetRule};
pub use terms::{Terms, terms};
pub use utterance::{Sex, Source, UNKNOWN_SPEAKER, Utterance, is_nobody};
pub use walk::{Tree, recordings};
