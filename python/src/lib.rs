//! The native half of the Python package `ser_rs`: tables in Arrow's memory layout, errors, and
//! work that ends at ctrl-C. `python/ser_rs/__init__.py` is the half that users see.

mod call;
mod recordings;
mod report_table;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::prelude::*;
use ser::features::FeatureSet;

/// The functions and classes of the module.
#[pymodule]
mod _ser {
    #[pymodule_export]
    use super::recordings::{Model, features};
    #[pymodule_export]
    use super::report_table::report_table;
    #[pymodule_export]
    use super::table::Table;
    #[pymodule_export]
    use super::{feature_sets, run, version};
}

/// Runs the program with arguments; returns its exit code. It takes over ctrl-C, so that it may be
/// called once in a process.
#[pyfunction]
fn run(py: Python<'_>, program: PathBuf, arguments: Vec<OsString>) -> u8 {
    py.detach(|| ser::cli::run(program, arguments))
}

/// Name, version of the code, columns, and whether a row is a sequence of such frames.
#[pyfunction]
fn feature_sets() -> Vec<(String, u32, Vec<String>, bool)> {
    FeatureSet::ALL
        .into_iter()
        .map(|set| {
            let columns = ser::features::names(set);
            (
                set.name().to_owned(),
                set.code_version(),
                columns,
                set.is_sequence(),
            )
        })
        .collect()
}

/// The version of the program.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
