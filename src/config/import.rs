//! `[[features.import]]`: tables of features that other tools computed.

use std::path::Path;

use super::corpus::CorpusSettings;
use super::encoder::check_name;
use super::experiment::Experiment;
use super::features::{FeatureSettings, imported};
use super::section::Section;
use crate::error::Result;
use crate::features::FeatureSet;

/// Checks the imports, and tells their sets from those of encoders.
pub(super) fn finish(
    features: &mut FeatureSettings,
    experiments: &mut [Experiment],
    corpus: &CorpusSettings,
    file: &Section<'_>,
) -> Result<()> {
    let Some(section) = file.section("features") else {
        return Ok(());
    };
    let mut taken = FeatureSet::ALL.to_vec();
    for (import, written) in features.imports.iter().zip(section.sections("import")) {
        let set = imported(&import.name)
            .ok_or_else(|| written.error("name", "`name` is longer than 64 characters"))?;
        check_name(&import.name, &taken, &written)?;
        taken.push(set);
        let ends = |path: &Path, ending| {
            path.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case(ending))
        };
        let (npy, npz) = (ends(&import.path, "npy"), ends(&import.path, "npz"));
        if written.has("ids") && !npy && !npz {
            let message = "`ids` names the rows of an array: this table names them in a column";
            return Err(written
                .key_error("ids", message)
                .hint("remove it; `id` names the column"));
        }
        if written.has("array") && !npz {
            let message = "`array` is for `.npz` files, which hold several";
            return Err(written.key_error("array", message).hint("remove it"));
        }
        if written.has("id") && written.has("ids") {
            let message = "`id` and `ids` both say what the rows are called";
            return Err(written.key_error("id", message).hint("keep one of them"));
        }
        if corpus.windows.is_some() {
            let message =
                "imported features are of whole utterances, and [corpus.windows] cuts these up";
            return Err(written
                .table_error(message)
                .hint("remove the windows or the import"));
        }
    }
    let is_imported = |set: FeatureSet| taken.contains(&set.imported());
    let sets = experiments.iter_mut().map(|one| &mut one.inputs.set);
    for set in sets.chain(&mut features.sets) {
        if is_imported(*set) {
            *set = set.imported();
        }
    }
    Ok(())
}
