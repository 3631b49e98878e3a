//! What the fuzz targets do with the bytes that they are given, by the ways on which a user's files
//! come in.
//!
//! A target returns from whatever it gets. Beside panics it looks for results that cannot be:
//! samples that are not finite, files outside the folder that an archive is unpacked into.

mod archive;
mod audio;
mod encoder;
mod labels;
mod manifest;
mod model;
mod pipeline;
mod scratch;
mod table;

pub use archive::archive;
pub use audio::audio;
pub use encoder::{WEIGHTS, encoder};
pub use labels::labels;
pub use manifest::manifest;
pub use model::model;
pub use pipeline::pipeline;
pub use table::{WHAT, WIDTH, table};
