//! `schema`: the keys of pipeline files and Slurm profiles, for editors and for the documentation.

use super::args::{Schema, SchemaOf};
use super::print;
use crate::config::{pipeline_schema, slurm_schema, update_page};
use crate::error::{Error, Result};

/// Prints a JSON Schema, or a page of documentation with its tables of keys brought up to date.
pub fn schema(schema: &Schema) -> Result<()> {
    if let Some(path) = &schema.page {
        let page = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        return update_page(&page).lines().try_for_each(print);
    }
    let of = match schema.of {
        SchemaOf::Pipeline => pipeline_schema(),
        SchemaOf::Slurm => slurm_schema(),
    };
    format!("{of:#}").lines().try_for_each(print)
}
