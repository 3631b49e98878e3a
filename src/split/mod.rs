//! Who is trained on, who validates and who is tested, fold by fold.

mod part;
mod protocol;

pub use part::{Dataset, Matrix, Part, Parts, Role, Testing, Training, Validation};
pub use protocol::Protocol;
