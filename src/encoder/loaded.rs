//! An encoder, in whichever way it came: as a folder of a model hub or as an ONNX file; and what a
//! folder holds.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Result};

use super::fetch::{Fetched, Sum, compare};
use super::known::{Known, Recognised};
use super::onnx::{OnnxBuffers, OnnxModel};
use super::pretrained::{HubBuffers, HubModel, Padding, State};
use super::source::{EncoderName, Source, Usage, is_onnx};

/// A loaded encoder, which any number of threads may use at once, each with buffers of its own.
#[derive(Debug)]
pub enum Encoder {
    /// One of the architectures that this program computes itself.
    Hub(HubModel),
    /// Any other, from an ONNX file.
    Onnx(OnnxModel),
}

/// Memory that a thread uses again from recording to recording.
pub enum Buffers {
    /// Of [`Encoder::Hub`].
    Hub(Box<HubBuffers>),
    /// Of [`Encoder::Onnx`].
    Onnx(OnnxBuffers),
}

impl Encoder {
    /// Loads the model in the folder `path`: `config.json`, `preprocessor_config.json` where there is
    /// one, and `model.safetensors` or `pytorch_model.bin`, whole or in parts; or the ONNX file `path`.
    ///
    /// # Errors
    /// `Missing` where a file is not there; `Data` where one is damaged, belongs to another model, or
    /// asks for what is not supported; the file and the key, tensor or operator are named.
    pub fn load(path: &Path, usage: &Usage) -> Result<Encoder> {
        if is_onnx(path) {
            let output = usage.output.as_ref().map(|name| name.as_str());
            let normalise = usage.normalize.unwrap_or_default();
            OnnxModel::load(path, output, normalise).map(Encoder::Onnx)
        } else {
            HubModel::load(path).map(Encoder::Hub)
        }
    }

    /// Numbers that were learned; of a hub's model, without those of decoders and heads.
    pub fn parameters(&self) -> u64 {
        match self {
            Encoder::Hub(model) => model.parameters(),
            Encoder::Onnx(model) => model.parameters(),
        }
    }

    /// Values of a frame.
    pub fn width(&self) -> usize {
        match self {
            Encoder::Hub(model) => model.width(),
            Encoder::Onnx(model) => model.width(),
        }
    }

    /// Whether a state has a frame for each moment of the recording, and is not one vector for all.
    pub fn has_frames(&self) -> bool {
        match self {
            Encoder::Hub(_) => true,
            Encoder::Onnx(model) => model.has_frames(),
        }
    }

    /// The states that [`Encoder::run`] gives, in order.
    pub fn states(&self) -> Vec<State> {
        match self {
            Encoder::Hub(model) => model.states(),
            Encoder::Onnx(model) => model.states(),
        }
    }

    /// Samples that a recording may have at most, where the architecture has a limit.
    pub fn most_samples(&self) -> Option<usize> {
        match self {
            Encoder::Hub(model) => model.most_samples(),
            Encoder::Onnx(_) => None,
        }
    }

    /// Buffers for one thread.
    pub fn buffers(&self) -> Buffers {
        match self {
            Encoder::Hub(model) => Buffers::Hub(Box::new(model.buffers())),
            Encoder::Onnx(model) => Buffers::Onnx(model.buffers()),
        }
    }

    /// Runs the encoder on samples at [`super::SAMPLE_RATE`], and hands every state to `look` as rows
    /// of [`Encoder::width`] values, one per frame.
    ///
    /// # Errors
    /// `Data` for fewer samples than the encoder needs or more than [`Encoder::most_samples`].
    pub fn run(
        &self,
        samples: &[f32],
        padding: Padding,
        buffers: &mut Buffers,
        look: impl FnMut(State, &[f32]),
    ) -> Result<()> {
        match (self, buffers) {
            (Encoder::Hub(model), Buffers::Hub(buffers)) => {
                model.run(samples, padding, buffers, look)
            }
            (Encoder::Onnx(model), Buffers::Onnx(buffers)) => model.run(samples, buffers, look),
            _ => Err(Error::internal("buffers of another encoder")),
        }
    }
}

/// An encoder that a run can use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// `model_type` of its `config.json`; `None` where there is none.
    pub architecture: Option<String>,
    /// Blocks.
    pub layers: usize,
    /// Values of a frame.
    pub width: usize,
    /// Numbers that were learned, without decoder and heads.
    pub parameters: u64,
    /// The licence that its model card names.
    pub licence: Option<String>,
    /// SHA-256 of the list of its files, which decides its features.
    pub sha256: String,
    /// Its name in the list of published encoders.
    pub published_as: Option<String>,
    /// By what it was recognised.
    pub recognised: Option<Recognised>,
    /// Its files, compared with those published where it was recognised.
    pub files: Vec<Fetched>,
}

impl Checked {
    /// Reads configuration and weights of the encoder in `folder`.
    pub fn of(folder: &Path, cancel: &Cancel) -> Result<Checked> {
        let last = folder.file_name().unwrap_or_default().to_string_lossy();
        let name = EncoderName::new(&last).or_else(|| EncoderName::new("encoder"));
        let name = name.ok_or_else(|| Error::internal("a name of an encoder is none"))?;
        let source = Source::new(name, folder, Usage::default());
        let description = source.describe()?;
        let parameters = source.load()?.parameters();
        let recognised = Known::recognise(folder, description);
        let known = recognised.map(|(known, _)| known);
        let mut files = Vec::new();
        for (name, sha256) in &description.files {
            cancel.check()?;
            let published = known.and_then(|one| one.files.iter().find(|file| file.name == *name));
            files.push(match published {
                Some(file) => compare(file, &folder.join(name), cancel)?,
                None => Fetched {
                    bytes: fs::metadata(folder.join(name)).map_or(0, |about| about.len()),
                    name: name.clone(),
                    sha256: sha256.clone(),
                    sum: Sum::NotVerified,
                },
            });
        }
        Ok(Checked {
            architecture: architecture(folder),
            layers: description.layers,
            width: description.width,
            parameters,
            licence: description.licence.clone(),
            sha256: description.sha256.to_string(),
            published_as: known.map(|known| known.name.clone()),
            recognised: recognised.map(|(_, by)| by),
            files,
        })
    }
}

fn architecture(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        model_type: String,
    }
    let text = fs::read(folder.join("config.json")).ok()?;
    let typed: Typed = serde_json::from_slice(&text).ok()?;
    Some(typed.model_type)
}
