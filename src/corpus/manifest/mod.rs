//! Any other corpus: a table (CSV, TSV or Parquet) that names one recording, or one segment of a recording, a row.

mod cell;
mod clips;
mod columns;
mod json_rows;
mod labels;
mod locate;
mod read;
mod repeats;
mod sheet;
mod tap;

pub(super) use cell::fits;
pub use clips::{BadRow, Clip, Clips, clips};
pub use read::{ManifestSettings, read, scan};
pub(crate) use sheet::cells_of as cells;
