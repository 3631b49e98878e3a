//! Features that other tools computed: tables in text, Parquet or NumPy files, from their rows to
//! the utterances of a corpus.

mod cells;
mod keys;
mod numpy;
mod settings;
mod summary;
mod table;
mod text;

pub use keys::{Matching, Recording, match_rows};
pub use settings::{File, ImportSettings};
pub use summary::{Imported, Summary};
pub use table::ImportTable;
