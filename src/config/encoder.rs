//! `[[encoder]]`: a pretrained speech encoder, whose name is that of its features.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Refusal;
use super::features::FeatureSettings;
use super::section::Section;
use super::source::suggestion;
use crate::audio::augment::Variant;
use crate::encoder::{EncoderName, Layer, Source, Usage, is_onnx};
use crate::error::{Error, Result};
use crate::features::FeatureSet;

/// A pretrained speech encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncoderSettings {
    /// Names its features: an experiment says `inputs = { set = "NAME" }`.
    #[schemars(extend("format" = "name"))]
    pub name: String,
    /// Folder with `config.json` and the weights, as model hubs hold them, or an ONNX file (`.onnx`).
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// Whether experiments that need it are left out of a run, and said to be, where the folder or
    /// its weights are missing; one that is named on the command line is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-default" = "`false`"))]
    pub optional: bool,
    /// How recordings are given to it.
    #[serde(flatten)]
    pub usage: Usage,
}

/// Checks the names of encoders, and adds them and the imports that experiments name to the sets of
/// features.
pub(super) fn finish(
    encoders: &[EncoderSettings],
    features: &mut FeatureSettings,
    experiments: impl Iterator<Item = FeatureSet>,
    file: &Section<'_>,
) -> Result<()> {
    for (encoder, written) in encoders.iter().zip(file.sections("encoder")) {
        let name = EncoderName::new(&encoder.name)
            .ok_or_else(|| written.error("name", "`name` is longer than 64 characters"))?;
        check_name(&encoder.name, &features.known(), &written)?;
        if is_onnx(&encoder.path) && encoder.usage.normalize.is_none() {
            let message = "an ONNX file does not say whether samples are normalised";
            return Err(written.error("path", message).hint(
                "write normalize = true or false: what the model's preprocessor does (do_normalize)",
            ));
        }
        if encoder.usage.frames == Some(Layer::Weighted) {
            let message = "`frames` are those of one layer";
            return Err(written
                .error("frames", message)
                .hint("name a layer, or \"last\""));
        }
        features
            .encoders
            .push(Arc::new(Source::new(name, &encoder.path, encoder.usage)));
    }
    for set in experiments {
        let is_known = features.encoder(set).is_some() || features.import(set).is_some();
        if is_known && !features.sets.contains(&set) {
            features.sets.push(set);
        }
    }
    let known = features.known();
    let written = file.section("features");
    for (i, set) in features.sets.iter().enumerate() {
        if let Some(written) = written.as_ref().filter(|_| !known.contains(set)) {
            let key = if written.has("set") { "set" } else { "sets" };
            return Err(unknown(*set, &known, |message| match key {
                "set" => written.error(key, message),
                _ => written.item_error(key, i, message),
            }));
        }
    }
    Ok(())
}

/// Keys that are for the other kind of encoder.
pub(super) fn ruled_out(encoder: &Section<'_>, key: &str) -> Option<Refusal> {
    let is_onnx = is_onnx(Path::new(encoder.word("path")?));
    let (why, hint) = match key {
        "normalize" if !is_onnx => (
            "`normalize` is for ONNX files",
            "remove it: preprocessor_config.json in the folder says it",
        ),
        "output" if !is_onnx => (
            "`output` is for ONNX files",
            "remove it: an experiment names the `layer`",
        ),
        "padding" if is_onnx => (
            "`padding` is for Whisper's encoder in a folder",
            "remove it from this [[encoder]]",
        ),
        _ => return None,
    };
    Some(Refusal {
        why: why.to_owned(),
        hint: hint.to_owned(),
    })
}

/// Names of tables and tasks are made of the names of sets, and must stay apart.
pub(super) fn check_name(name: &str, taken: &[FeatureSet], written: &Section<'_>) -> Result<()> {
    let endings = Variant::ALL.map(|variant| variant.name());
    let ending = endings.into_iter().chain(["augmented"]);
    let message = if taken.iter().any(|set| set.name() == name) {
        "this is the name of another set of features"
    } else if ending
        .into_iter()
        .any(|word| name.ends_with(&format!("-{word}")))
    {
        "a set of features cannot have a name that ends like those of changed copies"
    } else {
        return Ok(());
    };
    Err(written.error("name", message).hint("give it another name"))
}

/// An error at a name that no set of features has.
pub(super) fn unknown(
    set: FeatureSet,
    known: &[FeatureSet],
    error: impl FnOnce(String) -> Error,
) -> Error {
    let names: Vec<&str> = known.iter().map(FeatureSet::name).collect();
    let hint = suggestion(set.name(), "values", &names);
    error(format!(
        "unknown value `{}`",
        super::source::shorten(set.name())
    ))
    .hint(hint)
}
