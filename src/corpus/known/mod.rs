//! Corpora that are known by name: a description each, and one reader for all.
//!
//! A file of `corpora/` describes a corpus: how its files are named, what the codes stand for, who
//! speaks, what was published of it and which folds EmoBox has. `read` lists a folder by it,
//! `recognise` finds the description that a folder fits.

mod description;
mod folds;
mod pattern;
mod read;
mod recognise;
mod registry;
mod table;

pub use description::{Description, State};
pub use folds::{EmoBox, Figure, Place as FoldPlace, Speakers};
pub use read::read;
pub(crate) use recognise::recognise;
pub use registry::{all, by_description, known};

#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod tests;
