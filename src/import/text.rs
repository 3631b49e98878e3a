//! Tables in text and Parquet files.

use super::settings::ImportSettings;
use super::table::{Builder, ImportTable};
use crate::cancel::Cancel;
use crate::corpus::manifest::{Row, open};
use crate::error::{Error, Result};

/// Reads a table whose cells are separated by commas, semicolons, tabs or bars, or a Parquet table.
pub(super) fn read(settings: &ImportSettings, cancel: &Cancel) -> Result<ImportTable> {
    let path = &settings.path;
    let sheet = open(path)?;
    let unit = sheet.unit;
    let mut builder: Option<Builder> = None;
    let mut columns = Some(sheet.columns);
    for row in sheet.rows {
        cancel.check()?;
        let Row { place, cells } = row?;
        let cells = cells.map_err(|why| {
            Error::data(format!("{}, {unit} {place}: {why}", path.display()))
                .hint("a table of features has as many cells in each row as in its header")
        })?;
        match (&mut builder, columns.take()) {
            (Some(builder), _) => builder.push(place, cells)?,
            (none, names) => {
                let names = names.unwrap_or_default();
                let new = Builder::new(settings, names, unit, (place, &cells))?;
                none.insert(new).push(place, cells)?;
            }
        }
    }
    match builder {
        Some(builder) => builder.finish(),
        None => {
            let error = Error::data(format!("{} has a header but no rows", path.display()));
            Err(error.hint("write a row for each recording"))
        }
    }
}
