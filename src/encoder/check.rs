//! What a folder with an encoder holds, read as a run would read it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fetch::{Fetched, Sum, compare};
use super::known::{Known, Recognised};
use super::source::{EncoderName, Source, Usage};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

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
    ///
    /// # Errors
    /// As [`Source::describe`] and [`Source::load`], with what is wrong; `Interrupted`.
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
