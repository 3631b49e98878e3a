//! Who is trained on, who validates and who is tested, fold by fold.

mod assign;
mod groups;
mod inner;
mod matrix;
mod part;
mod protocol;
mod requirement;
mod sharing;
mod shuffle;
mod speakers;

#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;

pub use assign::{Assignment, Fold, Item, assign};
pub use inner::Grouping;
pub use matrix::{Matrix, RowView, Shape};
pub use part::{Dataset, Part, Parts, Role, Testing, Training, Validation, Variants};
pub use protocol::Protocol;
pub use requirement::{Requirement, Unmet};
pub use sharing::{
    Sharing, Stretch, are_cut, near_shared, on_both_sides, repeated, respelt_speakers, sharing,
    verdict,
};
pub use shuffle::shuffled;
pub use speakers::{Independence, TestSpeakers};
