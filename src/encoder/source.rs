//! Where an encoder lies, how it is used, and which one it is.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::config::{Config, Front};
use super::known::how_to_get;
use super::pretrained::{Encoder, Padding, SAMPLE_RATE};
use super::weights;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::each_block;

/// Bytes of the longest name.
const LONGEST: usize = 64;
/// A model card is looked at so far for its licence.
const CARD_BYTES: usize = 4096;

/// The name of an encoder in a pipeline file, which is the name of its features.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EncoderName([u8; LONGEST]);

impl EncoderName {
    /// The name; `None` for a text that is empty, longer than 64 bytes or holds a zero.
    pub fn new(text: &str) -> Option<EncoderName> {
        if text.is_empty() || text.contains('\0') {
            return None;
        }
        let mut name = [0; LONGEST];
        name.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(EncoderName(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0);
        std::str::from_utf8(&self.0[..end.unwrap_or(LONGEST)]).unwrap_or_default()
    }
}

impl fmt::Debug for EncoderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// SHA-256 of everything that decides which encoder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256Sum([u8; 32]);

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Sha256Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How recordings are given to an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Whisper only: `none`, or `30s` for silence up to 30 seconds, as it was trained.
    #[serde(default)]
    pub padding: Padding,
    /// Seconds of the longest recording that is heard as a whole. A longer one, and one longer than
    /// the encoder takes, is cut into equal windows, whose frames are pooled together.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1, max = 30))]
    pub windows: u16,
}

fn thirty() -> u16 {
    30
}

/// What decides the features of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EncoderKey {
    /// Of the files of the encoder.
    pub sha256: Sha256Sum,
    /// How recordings are given to it.
    #[serde(flatten)]
    pub usage: Usage,
    /// Values of a frame.
    #[serde(skip)]
    pub width: usize,
}

/// What is known of an encoder before its weights are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Values of a frame.
    pub width: usize,
    /// Blocks: there are states from 0 to this number, and the output.
    pub layers: usize,
    /// Names and SHA-256 of the files, in the order of the names.
    pub files: Vec<(String, String)>,
    /// SHA-256 of the list of files, as `sha256sum` writes it.
    pub sha256: Sha256Sum,
    /// The licence that the model card in the folder names.
    pub licence: Option<String>,
}

/// An encoder that is loaded when the first recording needs it.
#[derive(Debug)]
pub struct Source {
    name: EncoderName,
    folder: PathBuf,
    usage: Usage,
    described: OnceLock<Description>,
    loaded: Mutex<Option<Arc<Encoder>>>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        (self.name, &self.folder, self.usage) == (other.name, &other.folder, other.usage)
    }
}

impl Source {
    /// The encoder in `folder`, which is not looked at yet.
    pub fn new(name: EncoderName, folder: &Path, usage: Usage) -> Source {
        Source {
            name,
            folder: folder.to_owned(),
            usage,
            described: OnceLock::new(),
            loaded: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> EncoderName {
        self.name
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How recordings are given to it.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What decides its features.
    ///
    /// # Errors
    /// As [`Source::describe`].
    pub fn key(&self) -> Result<EncoderKey> {
        let description = self.describe()?;
        Ok(EncoderKey {
            sha256: description.sha256,
            usage: self.usage,
            width: description.width,
        })
    }

    /// What it is; its files are read once.
    ///
    /// # Errors
    /// `Missing` where a file is not there; `Data` where the configuration is not supported, or the
    /// padding is not for this architecture.
    pub fn describe(&self) -> Result<&Description> {
        match self.described.get() {
            Some(description) => Ok(description),
            None => {
                let description = describe(&self.folder, self.usage).map_err(|e| self.named(e))?;
                Ok(self.described.get_or_init(|| description))
            }
        }
    }

    /// The encoder, which is loaded once.
    ///
    /// # Errors
    /// As [`Encoder::load`]; `Data` where its files are not those that were described.
    pub fn load(&self) -> Result<Arc<Encoder>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = &*loaded {
            return Ok(encoder.clone());
        }
        let described = self.describe()?;
        let encoder = Arc::new(Encoder::load(&self.folder).map_err(|e| self.named(e))?);
        if describe(&self.folder, self.usage)?.sha256 != described.sha256 {
            let error = Error::data(format!("{} changed in the meantime", self.folder.display()));
            return Err(error.hint("run again"));
        }
        *loaded = Some(encoder.clone());
        Ok(encoder)
    }

    /// Samples at [`SAMPLE_RATE`] that are heard as a whole at most.
    pub fn longest(&self, encoder: &Encoder) -> usize {
        let longest = usize::from(self.usage.windows.max(1)) * SAMPLE_RATE as usize;
        encoder
            .most_samples()
            .map_or(longest, |most| most.min(longest))
    }

    fn named(&self, error: Error) -> Error {
        let hint = error.hint_text().map(str::to_owned);
        let message = format!("the encoder `{}` cannot be used", self.name.as_str());
        let named = Error::new(error.kind(), message).because(error);
        match hint {
            Some(hint) => named.hint(hint),
            None => named,
        }
    }
}

fn describe(folder: &Path, usage: Usage) -> Result<Description> {
    if !folder.is_dir() {
        let error = Error::missing(format!("there is no folder {}", folder.display()));
        return Err(error.hint(how_to_get("", folder)));
    }
    let config = Config::read(folder)?;
    if usage.padding == Padding::Full && !matches!(config.front, Front::Whisper { .. }) {
        let error = Error::config("padding = \"30s\" is for Whisper's encoder alone");
        return Err(error.hint("remove `padding` from this [[encoder]]"));
    }
    let mut paths = weights::files(folder)?;
    paths.push(folder.join("config.json"));
    let preprocessor = folder.join("preprocessor_config.json");
    if preprocessor.exists() {
        paths.push(preprocessor);
    }
    paths.sort();
    let mut files = Vec::new();
    let mut list = Sha256::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let sum = sha256_of(&path, &Cancel::default())?.to_string();
        list.update(format!("{sum}  {name}\n"));
        files.push((name, sum));
    }
    Ok(Description {
        width: config.transformer.width,
        layers: config.transformer.layers,
        files,
        sha256: Sha256Sum(list.finalize().into()),
        licence: licence(folder),
    })
}

pub(super) fn sha256_of(path: &Path, cancel: &Cancel) -> Result<Sha256Sum> {
    let mut hash = Sha256::new();
    each_block(path, cancel, |block| hash.update(block))?;
    Ok(Sha256Sum(hash.finalize().into()))
}

/// The licence in the head of a model card, `README.md`: what stands under `license`, a word.
fn licence(folder: &Path) -> Option<String> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = File::open(folder.join("README.md")).ok()?;
    file.take(CARD_BYTES as u64).read_to_end(&mut head).ok()?;
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.lines();
    if lines.next()?.trim() != "---" {
        return None;
    }
    let line = lines
        .take_while(|line| line.trim() != "---")
        .find_map(|line| line.strip_prefix("license:"))?;
    let word = line.trim().trim_matches(['"', '\'']);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
    (!word.is_empty() && word.len() <= 60 && word.chars().all(is_plain)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::fs;

    fn model(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/encoders")
            .join(name)
    }

    fn source(folder: &Path, padding: Padding) -> Source {
        let usage = Usage {
            padding,
            windows: 30,
        };
        Source::new(EncoderName::new("tiny").unwrap(), folder, usage)
    }

    #[test]
    fn a_name_comes_back() {
        let name = EncoderName::new("whisper-base").unwrap();
        assert_eq!(name.as_str(), "whisper-base");
        assert_eq!(
            EncoderName::new(&"x".repeat(64)).unwrap().as_str().len(),
            64
        );
        assert!(EncoderName::new("").is_none() && EncoderName::new(&"x".repeat(65)).is_none());
    }

    #[test]
    fn an_encoder_is_described_by_all_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "model.safetensors"] {
            fs::copy(model("whisper").join(name), folder.path().join(name)).unwrap();
        }
        let whole = source(folder.path(), Padding::Full);
        let first = whole.describe().unwrap().clone();
        assert_eq!(
            (first.width, first.files.len(), &first.licence),
            (whole.load().unwrap().width(), 2, &None)
        );
        // What lies beside it says of its licence, and nothing of what it computes.
        fs::write(
            folder.path().join("README.md"),
            "---\nlanguage: en\nlicense: apache-2.0\n---\n# x\n",
        )
        .unwrap();
        let named = source(folder.path(), Padding::None)
            .describe()
            .unwrap()
            .clone();
        assert_eq!(
            (named.sha256, named.licence.as_deref()),
            (first.sha256, Some("apache-2.0"))
        );
        fs::write(folder.path().join("preprocessor_config.json"), "{}").unwrap();
        let other = source(folder.path(), Padding::None)
            .describe()
            .unwrap()
            .clone();
        assert!(other.sha256 != first.sha256 && other.files.len() == 3);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let gone = source(Path::new("/nowhere/at/all"), Padding::None);
        let error = gone.describe().unwrap_err();
        assert_eq!(error.kind(), Kind::Missing);
        assert!(error.to_string().contains("`tiny`") && error.hint_text().is_some());
        let error = source(&model("hubert-pre"), Padding::Full)
            .describe()
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
    }
}
