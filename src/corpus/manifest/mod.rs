//! Any other corpus: a table (CSV, TSV, Parquet or JSON) that names one recording, or one segment
//! of a recording, a row.

mod class_labels;
mod clips;
mod columnar;
mod columns;
mod json_rows;
mod labels;
mod locate;
mod read;
mod remarks;
mod sheet;
mod unpack;
mod utf16;

pub use clips::{BadRow, Clip, Clips, clips};
pub(super) use columnar::with_sounds;
pub(super) use columns::{fits, part};
pub(super) use labels::measurements;
pub(super) use locate::{absolute, shared};
pub use read::{ManifestSettings, read, scan};
pub(crate) use sheet::{Row, cells_of as cells, open};
pub use unpack::{Unpacked, unpack};
