//! `[features]`: the numbers that are computed from each recording, or imported from tables that
//! other tools computed (`[[features.import]]`).

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use crate::audio::augment::Augment;
use crate::encoder::{EncoderKey, EncoderName, Source};
use crate::error::{Error, Result};
use crate::features::{FeatureSet, Profile};
use crate::import::ImportSettings;

use super::check::Refusal;
use super::corpus::CorpusSettings;
use super::encoder::check_name;
use super::experiment::Experiment;
use super::schema::distinct;
use super::section::Section;

/// The features of every recording.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "FeatureKeys")]
pub struct FeatureSettings {
    /// A table each; not empty, no set twice. The first is that of experiments that name none.
    pub sets: Vec<FeatureSet>,
    /// The version of librosa whose numbers are reproduced.
    pub profile: Profile,
    /// How recordings are changed, where an experiment trains on changed copies.
    pub augment: Option<Augment>,
    /// The encoders of the file.
    pub encoders: Vec<Arc<Source>>,
    /// The tables of features that are imported.
    pub imports: Vec<ImportSettings>,
}

/// The keys of `[features]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct FeatureKeys {
    /// Sets to compute, a table each; the first is that of experiments that name none.
    #[schemars(length(min = 1), transform = distinct, extend("x-default" = "`[\"issa193\"]`"))]
    sets: Option<Vec<FeatureSet>>,
    /// The same for one set; not beside `sets`.
    #[schemars(extend("x-default" = "`\"issa193\"`"))]
    set: Option<FeatureSet>,
    /// Version of librosa whose numbers are reproduced.
    profile: Profile,
    /// How recordings are changed for experiments with `augment = true`.
    augment: Augment,
    /// `[[features.import]]`: tables of features that other tools computed, see below.
    import: Vec<ImportSettings>,
}

impl From<FeatureKeys> for FeatureSettings {
    fn from(keys: FeatureKeys) -> FeatureSettings {
        FeatureSettings {
            sets: keys
                .sets
                .unwrap_or_else(|| vec![keys.set.unwrap_or_default()]),
            profile: keys.profile,
            augment: Some(keys.augment),
            encoders: vec![],
            imports: keys.import,
        }
    }
}

impl Default for FeatureSettings {
    fn default() -> FeatureSettings {
        FeatureKeys::default().into()
    }
}

/// Everything that decides the numbers of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SetSettings {
    /// The set.
    pub set: FeatureSet,
    /// The version of librosa.
    pub profile: Profile,
    /// Of the set of an encoder: which encoder, and how recordings are given to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderKey>,
}

impl FeatureSettings {
    /// The set of experiments that name none.
    pub fn first(&self) -> FeatureSet {
        self.sets.first().copied().unwrap_or_default()
    }

    /// The settings of one set. The files of an encoder are read once to tell which it is.
    pub fn of(&self, set: FeatureSet) -> Result<SetSettings> {
        let encoder = match (set, self.encoder(set)) {
            (_, Some(source)) => Some(source.key()?),
            (FeatureSet::Encoder(name), None) => {
                let name = name.as_str();
                return Err(Error::internal(format!(
                    "the encoder `{name}` is not known"
                )));
            }
            _ => None,
        };
        Ok(SetSettings {
            set,
            profile: self.profile,
            encoder,
        })
    }

    /// The encoder of a set, where it is that of one.
    pub fn encoder(&self, set: FeatureSet) -> Option<&Arc<Source>> {
        let is_it = |one: &&Arc<Source>| FeatureSet::Encoder(one.name()) == set;
        self.encoders.iter().find(is_it)
    }

    /// The import of a set, where it is one.
    pub fn import(&self, set: FeatureSet) -> Option<&ImportSettings> {
        let is_it = |one: &&ImportSettings| set.is_imported() && one.name == set.name();
        self.imports.iter().find(is_it)
    }

    /// Every set that there is in this pipeline.
    pub(super) fn known(&self) -> Vec<FeatureSet> {
        let of_encoders = self
            .encoders
            .iter()
            .map(|one| FeatureSet::Encoder(one.name()));
        let imported = self.imports.iter().filter_map(|one| imported(&one.name));
        FeatureSet::ALL
            .into_iter()
            .chain(of_encoders)
            .chain(imported)
            .collect()
    }
}

impl Serialize for FeatureSettings {
    /// As it stands in a pipeline file: `set` where there is one, `sets` where there are several.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_struct("FeatureSettings", 3)?;
        match self.sets.as_slice() {
            [only] => table.serialize_field("set", only)?,
            several => table.serialize_field("sets", several)?,
        }
        table.serialize_field("profile", &self.profile)?;
        if let Some(augment) = &self.augment {
            table.serialize_field("augment", augment)?;
        }
        table.end()
    }
}

/// The imported set of a name; `None` where it is too long.
pub(super) fn imported(name: &str) -> Option<FeatureSet> {
    EncoderName::new(name).map(FeatureSet::Imported)
}

/// The set of an experiment as it is written; `None` where it is written in a wrong way.
pub(super) fn set_of(experiment: &Section<'_>) -> Option<FeatureSet> {
    let own = experiment
        .section("inputs")
        .and_then(|inputs| inputs.word("set"));
    let features = experiment.file().section("features");
    let of_file = |features: Section<'_>| {
        let sets = features.read::<Vec<String>>("sets");
        let first = || sets.and_then(|sets| sets.into_iter().next());
        features.word("set").map(str::to_owned).or_else(first)
    };
    match own
        .map(str::to_owned)
        .or_else(|| features.and_then(of_file))
    {
        Some(name) => FeatureSet::parse(&name).or_else(|| {
            let file = experiment.file();
            let is_it = |one: &Section<'_>| one.word("name") == Some(&name);
            let features = file.section("features");
            if features.is_some_and(|features| features.sections("import").any(|one| is_it(&one))) {
                return imported(&name);
            }
            file.sections("encoder").find(is_it)?;
            EncoderName::new(&name).map(FeatureSet::Encoder)
        }),
        None => Some(FeatureSet::default()),
    }
}

/// Whether rows of the experiment's set are sequences, those of an encoder that keeps frames among them.
pub(super) fn has_sequences(experiment: &Section<'_>) -> bool {
    let Some(set) = set_of(experiment) else {
        return false;
    };
    let mut encoders = experiment.file().sections("encoder");
    set.is_sequence()
        || encoders.any(|one| one.word("name") == Some(set.name()) && one.has("frames"))
}

/// Keys of `[features]` that its other keys rule out.
pub(super) fn ruled_out(features: &Section<'_>, key: &str) -> Option<Refusal> {
    (key == "sets" && features.has("set")).then(|| Refusal {
        why: "`set` and `sets` both say which features there are".to_owned(),
        hint: "keep `sets`, which takes one set as well".to_owned(),
    })
}

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
