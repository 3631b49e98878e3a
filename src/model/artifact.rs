//! A saved model: a folder of three files that says all that is needed to use it, and how it came
//! to be.
//!
//! - `model.json`: [`ModelInfo`], with the hash of the weights.
//! - `model.safetensors`: the weights. Those of a network are in PyTorch's layouts under the names
//!   of an `nn.Sequential` called `layers`.
//! - `README.md`: the same for people.
//!
//! Where a run puts models under stable names, `tested.json` lies beside them: [`Tested`].
//!
//! The same model always gives the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audio::augment::{Augment, Variant};
use crate::corpus::{Attribute, NOT_CONFIRMED};
use crate::encoder::{Heard, Usage};
use crate::error::{Error, Result};
use crate::escape::markdown;
use crate::files::{read_if_there, write_atomically};
use crate::model::card::card;
use crate::model::classifier::{Classifier, CnnClassifier};
use crate::model::weights::{decode, encode};
use crate::model::{
    Architecture, Classical, Domain, Layer, NetSpec, Params, Running, TrainSettings,
};
use crate::split::TestSpeakers;
use crate::transform::{Inputs, MOST_FRAMES, Scaler};

/// Version of the folder's layout.
pub const SCHEMA_VERSION: u32 = 2;

/// Copies of a recording that are predicted with it: the mean of the probabilities counts. The
/// model was trained on such copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestTimeAugment {
    /// Kinds of copies beside the recording itself, in the order of [`Variant::ALL`].
    pub kinds: Vec<Variant>,
    /// How much they are changed.
    pub amounts: Augment,
}

/// What a model is, apart from its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The paper's network, where it is one of them.
    pub architecture: Option<Architecture>,
    /// The layers of a network; empty for a baseline.
    pub layers: Vec<Layer>,
    /// Class names, in the order of the probabilities.
    pub labels: Vec<String>,
    /// Feature set.
    pub feature_set: String,
    /// Profile of the feature extraction.
    pub profile: String,
    /// Version of the extraction's code.
    pub feature_code_version: u32,
    /// Inputs in the model's order; of a sequence, those of one frame.
    pub feature_names: Vec<String>,
    /// How a row of the feature table becomes an input.
    pub inputs: Inputs,
    /// The encoder whose states the inputs are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderOfModel>,
    /// The table that the inputs were imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportOfModel>,
    /// What is applied to a row of inputs before the model sees it.
    pub scaler: Scaler,
    /// Copies whose predictions are averaged with the recording's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_time_augment: Option<TestTimeAugment>,
    /// What its training part covers.
    pub domain: Domain,
    /// How a network was trained.
    pub train: Option<TrainSettings>,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Name of the corpus.
    pub corpus: String,
    /// Evaluation protocol that the training rows come from.
    pub protocol: String,
    /// Fold of that protocol.
    pub fold: u32,
    /// Seed of the run.
    pub seed: u64,
    /// Whatever else says where the model comes from (versions, hashes, scores).
    pub provenance: BTreeMap<String, String>,
}

/// The encoder that a model needs beside its own weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderOfModel {
    /// Where it was when the model was trained.
    pub folder: String,
    /// SHA-256 of the list of its files: [`crate::encoder::Description`].
    pub sha256: String,
    /// SHA-256 of each file, by name.
    pub files: BTreeMap<String, String>,
    /// The licence that its model card names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// How recordings are given to it.
    #[serde(flatten)]
    pub usage: Usage,
    /// Values of a frame.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
}

/// The table from which another tool's features were imported; recordings that are predicted need one
/// with the same columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOfModel {
    /// Where it was when the model was trained.
    pub path: String,
    /// SHA-256 of the table, and of the list of ids where there is one.
    pub sha256: Vec<String>,
}

/// Name of the file with [`Tested`].
pub const TESTED: &str = "tested.json";

/// What may be said of the recordings that the models of an experiment are tested on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Their speakers, over all folds.
    #[serde(flatten)]
    pub speakers: TestSpeakers,
    /// Attributes of the corpus that were inferred from names and not confirmed.
    pub guessed: Vec<Attribute>,
    /// What is known of the pretrained encoder and the corpus, where the models have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoders: Vec<Heard>,
}

impl Tested {
    /// What lies beside a model; `None` where nothing does.
    ///
    /// # Errors
    /// A data error where it cannot be read.
    pub fn read(dir: &Path) -> Result<Option<Tested>> {
        let path = dir.join(TESTED);
        let Some(bytes) = read_if_there(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| {
            let error = Error::data(format!("{} cannot be read", path.display())).because(e);
            error
                .hint("copy the whole folder again, or remove this file, which no prediction needs")
        })
    }

    /// A section of the model's card.
    pub fn markdown(&self) -> String {
        let (bold, rest) = self.speakers.explain();
        let mut out = format!("\n## Tested on\n\n**{bold}** {rest}\n");
        if !self.guessed.is_empty() {
            out += &format!(
                "\n**Guessed from file names, not confirmed:** {}.\n",
                Attribute::list(&self.guessed)
            );
        }
        for one in &self.encoders {
            let text = markdown(&one.describe());
            out += &match one.verdict.is_unseen() && !one.is_guess() {
                true => format!("\nPretrained encoder: {text}.\n"),
                false => format!("\n**Pretrained encoder:** {text}.\n"),
            };
        }
        out
    }

    /// What a user of the models has to know; nothing where there is nothing unusual.
    pub fn warning(&self) -> Option<String> {
        let usual = matches!(self.speakers, TestSpeakers::Unseen | TestSpeakers::Shared);
        let guessed = (!self.guessed.is_empty())
            .then(|| format!("{NOT_CONFIRMED}: {}", Attribute::list(&self.guessed)));
        let encoders = self.encoders.iter().filter(|one| one.verdict.is_leak());
        let said: Vec<String> = (!usual)
            .then(|| self.speakers.phrase())
            .into_iter()
            .chain(guessed)
            .chain(encoders.map(Heard::describe))
            .collect();
        (!said.is_empty()).then(|| {
            format!(
                "the corpus that the model was trained and tested on: {}",
                said.join("; ")
            )
        })
    }
}

impl ModelInfo {
    /// Values of a row of inputs: of a sequence those of all its frames.
    pub fn n_inputs(&self) -> usize {
        self.inputs.shape(self.feature_names.len()).size()
    }
}

/// What was fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// A network.
    Cnn {
        /// Parameters.
        params: Params,
        /// Running statistics.
        running: Running,
    },
    /// A classical model.
    Classical(Classical),
}

impl Weights {
    /// The word for the kind of model in `model.json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Weights::Cnn { .. } => "cnn",
            Weights::Classical(classical) => classical.name(),
        }
    }

    /// Whether the values by class may be read as probabilities, so that a calibration error means
    /// something.
    pub fn estimates_probabilities(&self) -> bool {
        match self {
            Weights::Cnn { .. } => true,
            Weights::Classical(classical) => classical.model().estimates_probabilities(),
        }
    }

    /// What was fitted, ready to predict; a network needs its `spec`.
    pub fn classifier(&self, spec: impl FnOnce() -> NetSpec) -> Result<Box<dyn Classifier>> {
        Ok(match self {
            Weights::Cnn { params, running } => {
                Box::new(CnnClassifier::new(spec(), params.clone(), running.clone())?)
            }
            Weights::Classical(classical) => classical.classifier(),
        })
    }
}

/// A model that can be stored and used.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedModel {
    /// What it is.
    pub info: ModelInfo,
    /// What it learnt.
    pub weights: Weights,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema_version: u32,
    kind: String,
    weights_blake3: String,
    /// Of this text, without this value; empty in those of earlier versions.
    #[serde(default)]
    checksum: String,
    #[serde(flatten)]
    info: ModelInfo,
}

impl SavedModel {
    /// The model, ready to predict on inputs that were rearranged and scaled as `info` says.
    pub fn classifier(&self) -> Result<Box<dyn Classifier>> {
        self.weights.classifier(|| self.spec()).map_err(unusable)
    }

    /// The network, where the model is one.
    pub fn network(&self) -> Option<Result<CnnClassifier>> {
        match &self.weights {
            Weights::Cnn { params, running } => Some(
                CnnClassifier::new(self.spec(), params.clone(), running.clone()).map_err(unusable),
            ),
            _ => None,
        }
    }

    /// As [`SavedModel::classifier`], of one row at a time: a network then takes a small part of
    /// the memory.
    pub fn classifier_of_rows(&self) -> Result<Box<dyn Classifier>> {
        match &self.weights {
            Weights::Cnn { params, running } => {
                let network =
                    CnnClassifier::with_batch(self.spec(), params.clone(), running.clone(), 1)
                        .map_err(unusable)?;
                Ok(Box::new(network))
            }
            _ => self.classifier(),
        }
    }

    fn spec(&self) -> NetSpec {
        NetSpec {
            layers: self.info.layers.clone(),
            n_features: self.info.n_inputs(),
            n_classes: self.info.labels.len(),
        }
    }
}

/// A saved model that cannot be put together is wrong data, whoever finds out.
fn unusable(error: Error) -> Error {
    Error::data("the saved model cannot be used")
        .because(error)
        .hint("copy the whole folder again, or train the model again")
}

/// What is wrong with an info, if anything.
fn flaw(info: &ModelInfo) -> Option<String> {
    let n = info.feature_names.len();
    if n == 0 || info.labels.is_empty() {
        return Some("it names no features or no labels".to_owned());
    }
    let keeps_frames = (info.encoder.as_ref()).is_some_and(|of| of.usage.frames.is_some());
    if info.inputs.set.name() != info.feature_set
        || info.inputs.frames.is_some() != (info.inputs.set.is_sequence() || keeps_frames)
        || info.inputs.pooling.is_some() != (info.inputs.set.is_of_encoder() && !keeps_frames)
        || info.encoder.is_some() != info.inputs.set.is_of_encoder()
        || info.imported.is_some() != info.inputs.set.is_imported()
    {
        return Some("its inputs are not those of its feature set".to_owned());
    }
    if info
        .inputs
        .frames
        .is_some_and(|frames| frames == 0 || frames > MOST_FRAMES)
    {
        return Some(format!(
            "its inputs have no frames, or more than {MOST_FRAMES}"
        ));
    }
    if !info.scaler.fits(n) {
        let first = info
            .scaler
            .unusable()
            .and_then(|column| info.feature_names.get(column));
        let first = first
            .map(|name| format!("; that of {name} is the first that does not"))
            .unwrap_or_default();
        return Some(format!(
            "its scaler does not hold a finite mean and a positive deviation for each of {n} features{first}"
        ));
    }
    if !info.domain.fits(n) {
        return Some(format!(
            "its domain does not hold finite ranges for each of {n} features"
        ));
    }
    None
}

/// Writes the folder, creating it if need be; `model.json` comes last, so that a folder with one is
/// whole.
///
/// # Errors
/// An internal error for a model that contradicts itself, and what the file system refuses.
pub fn save(dir: &Path, model: &SavedModel) -> Result<()> {
    if let Some(flaw) = flaw(&model.info) {
        return Err(Error::internal(format!("a model cannot be saved: {flaw}")));
    }
    let weights = encode(&model.weights, &model.info.layers)?;
    // What loading would refuse is not written: a training that ended in infinities, for one.
    read_weights(&model.info, model.weights.kind(), &weights).map_err(|why| {
        Error::data(format!("a model cannot be saved: {why}"))
            .hint("scale the inputs, or train with a lower learning rate")
    })?;
    let document = Document {
        schema_version: SCHEMA_VERSION,
        kind: model.weights.kind().to_owned(),
        weights_blake3: blake3::hash(&weights).to_hex().to_string(),
        checksum: String::new(),
        info: model.info.clone(),
    };
    let json = serde_json::to_string_pretty(&document)
        .map_err(|e| Error::internal("model.json cannot be serialised").because(e))?;
    let json = with_checksum(&(json + "\n"));
    write_atomically(&dir.join("model.safetensors"), &weights)?;
    write_atomically(&dir.join("README.md"), card(model).as_bytes())?;
    write_atomically(&dir.join("model.json"), json.as_bytes())
}

/// How the line of the checksum begins.
const CHECKSUM: &str = "\n  \"checksum\": \"";

/// A description with the hash of its text, as it stands without that hash, in its place.
fn with_checksum(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes()).to_hex();
    text.replacen(CHECKSUM, &format!("{CHECKSUM}{hash}"), 1)
}

/// Whether the text of a description is as it was written.
fn is_unaltered(text: &str, checksum: &str) -> bool {
    let bare = text.replacen(&format!("{CHECKSUM}{checksum}"), CHECKSUM, 1);
    with_checksum(&bare) == text
}

fn read_weights(info: &ModelInfo, kind: &str, bytes: &[u8]) -> Result<Weights, String> {
    decode(
        kind,
        bytes,
        &info.layers,
        [info.n_inputs(), info.labels.len()],
    )
}

/// The bytes of a file of a model. Devices and pipes are refused: they have no end, or no
/// beginning.
fn read(path: &Path) -> Result<Vec<u8>> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(
            Error::data(format!("{} is no regular file", path.display()))
                .hint("copy the whole folder of the model again"),
        );
    }
    read_if_there(path)?.ok_or_else(|| {
        Error::missing(format!(
            "there is no saved model: {} does not exist",
            path.display()
        ))
        .hint(
            "name the folder that a training run wrote (it holds model.json and model.safetensors)",
        )
    })
}

/// Reads a folder that [`save`] wrote, and checks that its parts fit each other.
///
/// # Errors
/// Missing where there is no model; a data error for another schema version, damaged files, and
/// shapes that do not fit.
pub fn load(dir: &Path) -> Result<SavedModel> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let (json_path, weights_path) = (dir.join("model.json"), dir.join("model.safetensors"));
    let json = read(&json_path)?;
    let unreadable = |e: serde_json::Error| {
        Error::data(format!(
            "{} is not a model description",
            json_path.display()
        ))
        .because(e)
    };
    let Version { schema_version } = serde_json::from_slice(&json).map_err(unreadable)?;
    if schema_version != SCHEMA_VERSION {
        return Err(Error::data(format!(
            "{} has schema version {schema_version}, and this ser reads version {SCHEMA_VERSION}",
            json_path.display()
        ))
        .hint("train the model again, or use the version of ser that wrote it"));
    }
    let mut document: Document = serde_json::from_slice(&json).map_err(unreadable)?;
    if document.info.imported.is_some() {
        let set = &mut document.info.inputs.set;
        *set = set.imported();
    }
    if let Some(flaw) = flaw(&document.info) {
        return Err(Error::data(format!(
            "{} cannot be used: {flaw}",
            json_path.display()
        )));
    }
    let bytes = read(&weights_path)?;
    if blake3::hash(&bytes).to_hex().as_str() != document.weights_blake3 {
        return Err(Error::data(format!(
            "{} is damaged, or belongs to another model.json",
            weights_path.display()
        ))
        .hint("copy the whole folder again, or train the model again"));
    }
    let weights = read_weights(&document.info, &document.kind, &bytes)
        .map_err(|why| Error::data(format!("{} cannot be used: {why}", weights_path.display())))?;
    let checksum = document.checksum;
    let model = SavedModel {
        info: document.info,
        weights,
    };
    if let Weights::Cnn { .. } = model.weights {
        model.spec().check().map_err(|e| {
            Error::data(format!("{} cannot be used", json_path.display())).because(e)
        })?;
    }
    // A number that was altered fits as well as any other.
    let text = String::from_utf8_lossy(&json);
    if !checksum.is_empty() && !is_unaltered(&text, &checksum) {
        return Err(Error::data(format!(
            "{} is not as it was written: its checksum differs",
            json_path.display()
        ))
        .hint("copy the whole folder again, or train the model again"));
    }
    Ok(model)
}

#[cfg(test)]
#[path = "artifact_tests.rs"]
mod tests;
