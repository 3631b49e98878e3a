//! Where an encoder lies, how it is used, and which one it is.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::config::{Config, Front};
use super::known::how_to_get;
use super::layer::Layer;
use super::loaded::Encoder;
use super::pretrained::{Padding, SAMPLE_RATE};
use super::{onnx_file, weights};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::{digest_of, hex};

/// Bytes of the longest name.
const LONGEST: usize = 64;
/// A model card is looked at so far for its licence.
const CARD_BYTES: usize = 4096;

/// The name of an encoder in a pipeline file, which is the name of its features; or that of an output.
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

impl Serialize for EncoderName {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EncoderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        EncoderName::new(&text)
            .ok_or_else(|| de::Error::custom("a name has 1 to 64 bytes and no zero"))
    }
}

impl JsonSchema for EncoderName {
    fn schema_name() -> Cow<'static, str> {
        "EncoderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": LONGEST, "format": "text" })
    }
}

/// SHA-256 of everything that decides which encoder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256Sum([u8; 32]);

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
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
    /// ONNX files only, and required there: whether samples are brought to mean 0 and variance 1, as
    /// the preprocessor of most wav2vec2 and HuBERT models does. Folders say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// ONNX files only: the output that is used, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<EncoderName>,
    /// Keeps all frames of this layer in place of the pooled states: `inputs.frames` of an experiment
    /// says how many it reads, and a model of kind `temporal` reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "pooled states"))]
    pub frames: Option<Layer>,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage {
            padding: Padding::default(),
            windows: thirty(),
            normalize: None,
            output: None,
            frames: None,
        }
    }
}

impl Usage {
    /// In words, for reports and cards.
    pub fn words(&self) -> String {
        let mut words = match self.normalize {
            None => format!("padding {}", self.padding.name()),
            Some(true) => "samples normalised".to_owned(),
            Some(false) => "samples as they are".to_owned(),
        };
        if let Some(output) = &self.output {
            words += &format!(", output {}", output.as_str());
        }
        if let Some(layer) = self.frames {
            words += &format!(", frames of layer {layer}");
        }
        format!("{words}, windows of at most {} s", self.windows)
    }
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
    /// Whether a state is a row of frames, and not one vector for the whole recording.
    pub has_frames: bool,
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
    path: PathBuf,
    usage: Usage,
    described: OnceLock<Description>,
    loaded: Mutex<Option<Arc<Encoder>>>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        (self.name, &self.path, self.usage) == (other.name, &other.path, other.usage)
    }
}

impl Source {
    /// The encoder in the folder or ONNX file `path`, which is not looked at yet.
    pub fn new(name: EncoderName, path: &Path, usage: Usage) -> Source {
        Source {
            name,
            path: path.to_owned(),
            usage,
            described: OnceLock::new(),
            loaded: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> EncoderName {
        self.name
    }

    /// The folder of its files, or its ONNX file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How recordings are given to it.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What decides its features.
    pub fn key(&self) -> Result<EncoderKey> {
        let description = self.describe()?;
        Ok(EncoderKey {
            sha256: description.sha256,
            usage: self.usage,
            width: description.width,
        })
    }

    /// What it is; its files are read once, and an ONNX file is loaded.
    ///
    /// # Errors
    /// `Missing` where a file is not there; `Data` where the configuration is not supported;
    /// `Config` where the padding is not for this architecture; of an ONNX file as [`Encoder::load`].
    pub fn describe(&self) -> Result<&Description> {
        match self.described.get() {
            Some(description) => Ok(description),
            None => {
                let description = self.look().map_err(|e| self.named(e))?;
                Ok(self.described.get_or_init(|| description))
            }
        }
    }

    /// The encoder, which is loaded once.
    ///
    /// # Errors
    /// As [`Encoder::load`]; `Data` where its files are not those that were described.
    pub fn load(&self) -> Result<Arc<Encoder>> {
        let sha256 = self.describe()?.sha256;
        self.load_as(sha256).map_err(|e| self.named(e))
    }

    fn load_as(&self, sha256: Sha256Sum) -> Result<Arc<Encoder>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = &*loaded {
            return Ok(encoder.clone());
        }
        let encoder = Arc::new(Encoder::load(&self.path, &self.usage)?);
        if identify(&self.path)?.1 != sha256 {
            let error = Error::data(format!("{} changed in the meantime", self.path.display()));
            return Err(error.hint("run again"));
        }
        *loaded = Some(encoder.clone());
        Ok(encoder)
    }

    fn look(&self) -> Result<Description> {
        let (width, layers, has_frames, files, sha256) = if is_onnx(&self.path) {
            let (files, sha256) = identify(&self.path)?;
            let encoder = self.load_as(sha256)?;
            let layers = encoder.states().len() - 1;
            (encoder.width(), layers, encoder.has_frames(), files, sha256)
        } else {
            let config = check_folder(&self.path, self.usage)?;
            let (files, sha256) = identify(&self.path)?;
            let transformer = config.transformer;
            (transformer.width, transformer.layers, true, files, sha256)
        };
        Ok(Description {
            width,
            has_frames,
            layers,
            files,
            sha256,
            licence: licence(folder_of(&self.path)),
        })
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

/// Whether the encoder at `path` is an ONNX file, by its name.
pub fn is_onnx(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// The folder in which the files of an encoder lie.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if is_onnx(path) => parent,
        _ => path,
    }
}

fn check_folder(folder: &Path, usage: Usage) -> Result<Config> {
    if !folder.is_dir() {
        let error = Error::missing(format!("there is no folder {}", folder.display()));
        return Err(error.hint(how_to_get("", folder)));
    }
    let config = Config::read(folder)?;
    if usage.padding == Padding::Full && !matches!(config.front, Front::Whisper { .. }) {
        let error = Error::config("padding = \"30s\" is for Whisper's encoder alone");
        return Err(error.hint("remove `padding` from this [[encoder]]"));
    }
    Ok(config)
}

/// Names and SHA-256 of the files that decide which encoder it is, in the order of the names, and the
/// SHA-256 of that list.
pub(super) fn identify(path: &Path) -> Result<(Vec<(String, String)>, Sha256Sum)> {
    let folder = folder_of(path);
    let mut paths = if is_onnx(path) {
        let beside = onnx_file::external_files(path)?;
        beside.iter().map(|name| folder.join(name)).collect()
    } else {
        let mut paths = weights::files(folder)?;
        paths.push(folder.join("config.json"));
        let preprocessor = folder.join("preprocessor_config.json");
        paths.extend(preprocessor.exists().then_some(preprocessor));
        paths
    };
    paths.extend(is_onnx(path).then(|| path.to_owned()));
    paths.sort();
    let mut files = Vec::new();
    let mut list = Sha256::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !path.exists() {
            let error = Error::missing(format!("there is no file {}", path.display()));
            return Err(error.hint("it has weights of the ONNX file: put it beside that"));
        }
        let sum = digest_of::<Sha256>(&path, &Cancel::default())?;
        list.update(format!("{sum}  {name}\n"));
        files.push((name, sum));
    }
    Ok((files, Sha256Sum(list.finalize().into())))
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
            ..Usage::default()
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
