//! Which table is imported, and what of it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::table::ImportTable;
use super::{numpy, text};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::digest_of;

/// A table of features that another tool computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportSettings {
    /// Names the set: an experiment says `inputs = { set = "NAME" }`.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// The table: text with a header (cells separated by commas, semicolons or tabs), Parquet, or
    /// NumPy's `.npy` or `.npz`.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// Column that names the recordings, in place of the one that is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "text", "x-default" = "found by its cells"))]
    pub id: Option<String>,
    /// Columns that are features, by name, or by how their names begin with `*` behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = names, extend("x-default" = "all that hold numbers, but for those whose names are of labels, speakers or places"))]
    pub columns: Vec<String>,
    /// NumPy only: text file that names the recording of each row, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path", "x-default" = "an array of texts in the `.npz`"))]
    pub ids: Option<PathBuf>,
    /// `.npz` only: the array of features, where it holds several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "text", "x-default" = "the only one of two dimensions"))]
    pub array: Option<String>,
}

fn names(schema: &mut schemars::Schema) {
    schema.insert("uniqueItems".to_owned(), true.into());
    if let Some(items) = schema.get_mut("items") {
        items["format"] = "text".into();
    }
}

/// A file of an import, with what tells its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name without folders.
    pub name: String,
    /// SHA-256 of its bytes, as hexadecimal digits.
    pub sha256: String,
}

impl ImportSettings {
    /// The files with their sums: the table, and the list of ids where there is one.
    ///
    /// # Errors
    /// `Missing` where one is not there, `Io` where it cannot be read.
    pub fn files(&self) -> Result<Vec<File>> {
        let paths = [Some(&self.path), self.ids.as_ref()];
        paths
            .into_iter()
            .flatten()
            .map(|path| self.file(path))
            .collect()
    }

    fn file(&self, path: &Path) -> Result<File> {
        if !path.is_file() {
            let error = Error::missing(format!(
                "the features `{}` are to be imported from {}, where no file is",
                self.name,
                path.display()
            ));
            return Err(error.hint("put the table there, or set `path` of this [[features.import]]; docs/imports.md says how to make one"));
        }
        Ok(File {
            name: name_of(path),
            sha256: digest_of::<Sha256>(path, &Cancel::default())?,
        })
    }

    /// Whether the table is there.
    pub fn is_there(&self) -> bool {
        self.path.is_file()
    }

    /// Reads the table, with the files that it was read from.
    ///
    /// # Errors
    /// As [`ImportSettings::files`]; `Data` where it is no table of features, or changes meanwhile;
    /// `Config` where a column or an array that the settings name is not there; `Interrupted` on
    /// request.
    pub fn read(&self, cancel: &Cancel) -> Result<(ImportTable, Vec<File>)> {
        let files = self.files()?;
        let is_array = |path: &Path| {
            path.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("npy") || e.eq_ignore_ascii_case("npz"))
        };
        let table = match is_array(&self.path) {
            true => numpy::read(self, cancel)?,
            false => text::read(self, cancel)?,
        };
        if self.files()? != files {
            let error = Error::data(format!("{} changed in the meantime", self.path.display()));
            return Err(error.hint("run again"));
        }
        Ok((table, files))
    }
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
