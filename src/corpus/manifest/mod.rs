//! Any other corpus: a table (CSV, TSV, Parquet or JSON) that names one recording, or one segment
//! of a recording, a row.

mod cell;
mod clips;
mod columnar;
mod columns;
mod json_rows;
mod labels;
mod locate;
mod moved;
mod read;
mod remarks;
mod repeats;
mod sheet;
mod tap;

pub(super) use cell::{fits, part};
pub use clips::{BadRow, Clip, Clips, clips};
pub(super) use moved::{absolute, shared};
pub use read::{ManifestSettings, read, scan};
pub(crate) use sheet::cells_of as cells;
