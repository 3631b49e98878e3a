//! `schema`: the keys of pipeline files and Slurm profiles, for editors and for the documentation.

use std::path::Path;

use super::args::{Schema, SchemaOf};
use super::print;
use crate::config::{SCHEMA_FILE, pipeline_schema, slurm_schema, update_page};
use crate::error::{Error, Result};
use crate::files::{read_if_there, write_atomically};

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

/// Writes the schema of pipeline files beside them, for editors; any other file of this name stays.
pub(super) fn write_beside(pipelines_dir: &Path) -> Result<()> {
    let (schema, path) = (pipeline_schema(), pipelines_dir.join(SCHEMA_FILE));
    let text = format!("{schema:#}\n").into_bytes();
    let is_other = |bytes: &[u8]| {
        let read = serde_json::from_slice::<serde_json::Value>(bytes);
        !read.is_ok_and(|there| there["title"] == schema["title"])
    };
    match read_if_there(&path)? {
        Some(there) if there == text || is_other(&there) => Ok(()),
        _ => write_atomically(&path, &text),
    }
}
