//! Between our rows and polars' columns.

use polars::prelude::*;

use crate::error::{Error, Result};

pub(super) fn defect(error: PolarsError) -> Error {
    Error::internal(format!("failed to sum up a table: {error}"))
}

pub(crate) fn frame(height: usize, columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new(height, columns).map_err(defect)
}

pub(crate) fn texts<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Column {
    Column::new(name.into(), values.collect::<Vec<&str>>())
}

pub(crate) fn collect(query: LazyFrame) -> Result<DataFrame> {
    query.collect().map_err(defect)
}

pub(crate) fn text(frame: &DataFrame, name: &str) -> Result<Vec<String>> {
    let column = frame.column(name).and_then(|c| c.str()).map_err(defect)?;
    Ok(column
        .iter()
        .map(|value| value.unwrap_or_default().to_owned())
        .collect())
}

pub(crate) fn count(frame: &DataFrame, name: &str) -> Result<Vec<usize>> {
    let column = frame.column(name).and_then(|c| c.u32()).map_err(defect)?;
    Ok(column
        .iter()
        .map(|value| value.unwrap_or_default() as usize)
        .collect())
}

pub(crate) fn seeds(frame: &DataFrame, name: &str) -> Result<Vec<u64>> {
    let column = frame.column(name).and_then(|c| c.u64()).map_err(defect)?;
    Ok(column.iter().map(Option::unwrap_or_default).collect())
}

pub(super) fn real(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let column = frame.column(name).and_then(|c| c.f64()).map_err(defect)?;
    Ok(column
        .iter()
        .map(|value| value.unwrap_or_default())
        .collect())
}
