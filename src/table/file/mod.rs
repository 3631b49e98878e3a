//! What all tables share: how a Parquet file of this program is written, recognised and read.
//!
//! Every byte is checked before the decoder sees one: Snappy pages and the footer carry no checksum
//! of their own, so that a flipped bit would become a slightly different feature, and the decoder
//! is not proof against arbitrary damage.
//!
//! Rows stream both ways, so that memory does not grow with the table; one of very many rows lies
//! in several files.

mod checksum;
mod columns;
mod parts;
mod read;

mod source;
mod write;

pub use read::{Meta, meta};

pub(super) use columns::{Columns, Loaded, repeated, repeated_id};
pub(super) use parts::{Keys, Parts, Shape, part_paths, read_parts, read_parts_as};
pub(super) use read::{Batches, read};
pub(super) use write::{ROW_GROUP, Table, Writer, write};
