//! IEMOCAP, the official layout: `Session{1..5}/sentences/wav` and
//! `Session{k}/dialog/EmoEvaluation` (Busso et al. 2008).

mod evaluation;
mod place;
mod read;
mod settings;

pub use place::place;
pub use read::read;
pub use settings::{Agreement, Classes, Dialogs, Excitement, IemocapSettings};
