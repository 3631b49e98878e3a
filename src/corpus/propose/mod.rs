//! A proposal for an unknown corpus: which part of a path or which column of a table is the
//! emotion, which the speaker, and what cannot be told.
//!
//! `search` asks the sources of labels in the order in which they are believed: an audformat
//! database (`audformat`), the corpora that are known by name, data directories of Kaldi
//! (`kaldi`), the tables in the tree (`tables`: a `label_table` each, over a `sheet` whose cells
//! the `recording_index` resolves; `votes` are counted), and the paths alone (`path_labels`: the
//! `field`s of the paths, the roles of `speaker`s). All of them make one `Proposal`; `label_warnings` turns its words into classes and says what to look at, and
//! `sound_check` takes speakers back that the sounds contradict.

mod audformat;
mod audformat_merged;
mod audformat_speakers;
mod audformat_table;
mod copies;
mod field;
mod kaldi;
mod label_table;
mod label_warnings;
mod own_files;
mod path_labels;
mod place;
mod proposal;
mod recording_index;
mod search;
mod sheet;
mod sound_check;
mod speaker;
mod table_folders;
mod tables;
mod variant;
mod votes;
pub(super) mod words;
mod write;

use std::path::Path;

use crate::cancel::Cancel;

pub(super) use audformat::read_tables as audformat_tables;
pub use place::{Choices, Place};
pub use proposal::{Proposal, Row};
pub use search::propose;
pub(super) use sheet::part_of;
pub use sound_check::{Sound, check_against_sounds};
pub(super) use variant::is_treated;
pub use write::{manifest, pipeline};

/// The folder that is looked at.
#[derive(Clone, Copy)]
struct Folder<'a> {
    root: &'a Path,
    /// The recordings below the root, sorted.
    files: &'a [String],
    /// What the user says of them.
    choices: &'a Choices,
    cancel: &'a Cancel,
}
