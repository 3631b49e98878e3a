//! Models that were loaded and found to fit this program, and each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::worker::InferenceWorker;
use crate::encoder::Source;
use crate::error::{Error, Result};
use crate::features::{self, Extractor, FeatureSet, Profile};
use crate::import::ImportSettings;
use crate::model::Durations;
use crate::model::artifact::{self, ModelInfo, SavedModel, TestTimeAugment, Tested};
use crate::text::{listed, plural};
use crate::transform::{Inputs, columns_in_order};

/// Features named in one message.
const SHOWN: usize = 5;

/// One model, or several whose mean probability counts.
pub struct Predictor {
    pub(super) models: Vec<SavedModel>,
    folders: Vec<PathBuf>,
    tested: Option<Tested>,
    set: FeatureSet,
    profile: Profile,
    pub(super) columns: Vec<String>,
    encoders: Vec<Arc<Source>>,
    /// The table of the recordings' features, where the models take them from one.
    pub(super) import: Option<ImportSettings>,
}

impl Predictor {
    /// Loads the folder of a model, or that of an experiment, whose folders `fold-*` are models: of
    /// these all, in the order of their names. A model on a pretrained encoder looks for it where it
    /// was in training, or in the folder `encoder`; one on imported features takes those of the
    /// recordings from the table `features`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Missing`] without a model there; [`crate::error::Kind::Data`] where
    /// one is damaged, was trained on features that this program does not compute, or does not go
    /// together with the others, or where the encoder is another one;
    /// [`crate::error::Kind::Usage`] where a table is needed and none is named, or the reverse.
    pub fn load(
        folder: &Path,
        encoder: Option<&Path>,
        features: Option<&Path>,
    ) -> Result<Predictor> {
        let mut folders = folders(folder);
        let first = artifact::load(folders.first().map_or(folder, PathBuf::as_path)).map_err(|e| match folders.is_empty() {
            true => e.hint("name the folder of a model (it holds model.json), or of an experiment (it holds fold-00-seed-0, …)"),
            false => e,
        })?;
        if folders.is_empty() {
            folders.push(folder.to_owned());
        }
        let (set, profile) = fit(&first.info, &folders[0])?;
        let mut models = vec![first];
        for folder in &folders[1..] {
            let model = artifact::load(folder)?;
            fit(&model.info, folder)?;
            same(&models[0].info, &model.info, &folders[0], folder)?;
            models.push(model);
        }
        let tested = Tested::read(&folders[0])?;
        let info = &models[0].info;
        let columns = columns(info, set);
        let encoders = encoder_of(info, encoder)?;
        let import = import_of(info, features)?;
        let predictor = Predictor {
            encoders,
            import,
            models,
            folders,
            tested,
            set,
            profile,
            columns,
        };
        // A broken model fails now, not in a thread.
        drop(predictor.worker()?);
        Ok(predictor)
    }

    /// Whether [`Predictor::load`] finds something to load there.
    pub fn is_there(folder: &Path) -> bool {
        folder.join("model.json").exists() || !folders(folder).is_empty()
    }

    /// Class names in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.models[0].info.labels
    }

    /// The folders of the models.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The claims that hold for the recordings that the first of the models is tested on, where they
    /// lie beside it.
    pub fn tested(&self) -> Option<&Tested> {
        self.tested.as_ref()
    }

    /// Whether a recording alone tells nothing: see [`Inputs::is_transductive`].
    pub fn needs_speaker(&self) -> bool {
        self.inputs().is_transductive()
    }

    /// How long the recordings were that the first of the models was trained on.
    pub fn trained_durations(&self) -> &Durations {
        &self.models[0].info.domain.duration_s
    }

    /// Copies that all of the models average over.
    pub(super) fn test_time_augment(&self) -> Option<&TestTimeAugment> {
        self.models[0].info.test_time_augment.as_ref()
    }

    /// How all of the models see a row of features.
    pub(super) fn inputs(&self) -> &Inputs {
        &self.models[0].info.inputs
    }

    /// The buffers and models of one thread.
    pub(super) fn worker(&self) -> Result<InferenceWorker<'_>> {
        let classifiers = self
            .models
            .iter()
            .map(SavedModel::classifier_of_rows)
            .collect::<Result<_>>()?;
        Ok(InferenceWorker::new(
            self,
            self.set,
            Extractor::with_encoders(self.profile, self.encoders.clone()),
            classifiers,
        ))
    }
}

/// The models of an experiment; none where `folder` is a model itself.
fn folders(folder: &Path) -> Vec<PathBuf> {
    if folder.join("model.json").exists() {
        return Vec::new();
    }
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let is_model = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("fold-"))
            && path.join("model.json").exists()
    };
    let mut folders: Vec<PathBuf> = entries.filter(is_model).collect();
    folders.sort();
    folders
}

/// Checks that this program computes what the model was trained on.
fn fit(info: &ModelInfo, folder: &Path) -> Result<(FeatureSet, Profile)> {
    let refuse = |what: &str, theirs: &str| {
        Error::data(format!(
            "the model in {} was trained with {what} {theirs}, which this program does not compute",
            folder.display()
        ))
        .hint("train it again with this version, or use the version that made it")
    };
    let set = match (FeatureSet::parse(&info.feature_set), info.inputs.set) {
        (Some(set), _) => set,
        (None, set @ FeatureSet::Encoder(_)) if info.encoder.is_some() => set,
        (None, set @ FeatureSet::Imported(_)) if info.imported.is_some() => set,
        _ => return Err(refuse("the feature set", &info.feature_set)),
    };
    let profile = Profile::parse(&info.profile)
        .ok_or_else(|| refuse("the feature profile", &info.profile))?;
    if info.feature_code_version != set.code_version() {
        return Err(refuse(
            "version",
            &format!("{} of the feature code", info.feature_code_version),
        ));
    }
    let values = info.feature_names.len();
    if columns_in_order(&info.inputs, &columns(info, set), values) != info.feature_names {
        return Err(refuse("other columns of", &info.feature_set));
    }
    Ok((set, profile))
}

/// The columns of the table that a model was trained on.
fn columns(info: &ModelInfo, set: FeatureSet) -> Vec<String> {
    match &info.encoder {
        // More columns than there are inputs are none of this model.
        Some(encoder) if encoder.width > info.feature_names.len() => vec![],
        Some(encoder) => features::encoder_columns(encoder.width),
        None if set.is_imported() => info.feature_names.clone(),
        None => features::names(set),
    }
}

/// The table that has the features of the recordings, where a model does not compute them.
fn import_of(info: &ModelInfo, table: Option<&Path>) -> Result<Option<ImportSettings>> {
    match (&info.imported, table) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::usage(
            "this model needs no table: its features are computed",
        )
        .hint("leave out --features")),
        (Some(import), None) => {
            let error = Error::usage(format!(
                "the model takes {} that another tool computed ({}), and no table of them is named",
                plural(info.feature_names.len(), "feature"),
                listed(&info.feature_names, SHOWN)
            ));
            Err(error.hint(format!(
                "compute them for these recordings as for {} in training, and name the table with --features",
                import.path
            )))
        }
        (Some(_), Some(path)) => Ok(Some(ImportSettings {
            name: info.feature_set.clone(),
            path: path.to_owned(),
            columns: info.feature_names.clone(),
            ..ImportSettings::default()
        })),
    }
}

/// The encoder of a model, loaded, where it has one; in `place` or where it was in training.
fn encoder_of(info: &ModelInfo, place: Option<&Path>) -> Result<Vec<Arc<Source>>> {
    let (FeatureSet::Encoder(name), Some(encoder)) = (info.inputs.set, &info.encoder) else {
        return match place {
            None => Ok(vec![]),
            Some(_) => Err(Error::usage("this model needs no encoder").hint("leave out --encoder")),
        };
    };
    let folder = place.unwrap_or(Path::new(&encoder.folder));
    let source = Source::new(name, folder, encoder.usage);
    let described = source.describe().map_err(|error| match place {
        None => error.hint(format!(
            "the model was trained on the encoder in {}; name the folder in which it is now with --encoder",
            encoder.folder
        )),
        Some(_) => error,
    })?;
    if described.sha256.to_string() != encoder.sha256 {
        let is_other = |(name, sum): &&(String, String)| encoder.files.get(name) != Some(sum);
        let other = described.files.iter().find(is_other);
        let other = other.map_or("a file is missing", |(name, _)| name.as_str());
        let error = Error::data(format!(
            "the encoder in {} is not the one that the model was trained on ({other})",
            folder.display()
        ));
        return Err(error.hint(
            "the model's README.md has the SHA-256 of its files; name their folder with --encoder",
        ));
    }
    source.load()?;
    Ok(vec![Arc::new(source)])
}

fn is_same_encoder(a: &ModelInfo, b: &ModelInfo) -> bool {
    let key = |info: &ModelInfo| {
        let encoder = info.encoder.as_ref()?;
        Some((encoder.sha256.clone(), encoder.usage))
    };
    key(a) == key(b)
}

/// Checks that the mean of two models says something: the same classes from the same inputs.
fn same(a: &ModelInfo, b: &ModelInfo, a_folder: &Path, b_folder: &Path) -> Result<()> {
    let what = if a.labels != b.labels {
        "classes"
    } else if (a.inputs, &a.profile) != (b.inputs, &b.profile) || !is_same_encoder(a, b) {
        "inputs"
    } else if a.test_time_augment != b.test_time_augment {
        "copies to average over"
    } else {
        return Ok(());
    };
    let message = format!(
        "the models in {} and {} have different {what}: they have no mean",
        a_folder.display(),
        b_folder.display()
    );
    Err(Error::data(message)
        .hint("name one of them, or a folder of models that were trained alike"))
}
