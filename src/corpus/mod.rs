//! Corpora: what a reader finds under a root, and what it leaves aside.

pub mod archive;
mod conditions;
mod counts;
pub mod download;
mod listing;
mod official;
mod originals;
mod same_name;
mod sources;
mod spelling;
mod subset;
pub mod synthetic;
mod utterance;
mod walk;

pub mod audformat;
pub mod emodb;
pub mod iemocap;
pub mod known;
pub mod labels;
pub mod manifest;
pub mod propose;
pub mod ravdess;

/// Classes that a corpus may have: of more, most have a handful of recordings, and the column is
/// most often one of something else.
pub const MOST_CLASSES: usize = 1_000;

/// A file of this name says that the recordings beside it were generated.
pub const GENERATED_MARK: &str = "GENERATED.txt";

pub use conditions::{Condition, Recorded, conditions};
pub use counts::{Counts, compare, describe};
pub use emodb::EmodbSettings;
pub use iemocap::IemocapSettings;
pub use labels::{Arousal, arousal};
pub use listing::{Expected, Listing, Reason, SetAside};
pub use manifest::ManifestSettings;
pub use official::{Official, Terms, official, terms};
pub use originals::{Originals, originals};
pub use sources::{Sorter, Sources};
pub use spelling::variants;
pub use subset::{Subset, SubsetRule};
pub use utterance::{
    Attribute, NOT_CONFIRMED, Sex, Source, UNKNOWN_SPEAKER, Utterance, is_missing,
    is_missing_speaker,
};
pub use walk::{Tree, recordings};
