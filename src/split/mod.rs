//! Who is trained on, who validates and who is tested, fold by fold.

mod assign;
mod draw;
mod groups;
mod part;
mod protocol;
mod sharing;
mod stratified;
mod validation;

#[cfg(test)]
mod tests;

pub use assign::{Assignment, Fold, Item, assign, is_speaker_independent};
pub use part::{Dataset, Matrix, Part, Parts, Role, Shape, Testing, Training, Validation, Variants};
pub use protocol::Protocol;
pub use sharing::{Sharing, sharing, verdict};
