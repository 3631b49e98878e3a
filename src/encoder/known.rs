//! Published encoders: where they are, what their files are, and which speech they were trained on.

use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::source::Description;
use crate::files::shell_word;

/// Where model hubs hold the files, unless another place is named.
pub const ENDPOINT: &str = "https://huggingface.co";
/// The folder that encoders are put into.
pub const ENCODERS: &str = "encoders";

/// A published encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// In commands, and of its folder.
    pub name: String,
    /// Repository on the hub (`openai/whisper-base`).
    pub hub: String,
    /// Commit of that repository; without it, its branch `main` is meant, which may change.
    pub revision: Option<String>,
    /// Terms of the weights in words.
    pub licence: String,
    /// The files that it is made of here, in the order of fetching; none where these cannot be read.
    #[serde(default)]
    pub files: Vec<KnownFile>,
    /// Why none of its files can be read.
    pub not_read: Option<String>,
    /// Published corpora of emotional speech whose recordings it was trained on.
    #[serde(default)]
    pub sound: Vec<String>,
    /// The same, of those whose emotion labels it was trained on.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Other speech that it was trained on.
    #[serde(default)]
    pub other: Vec<String>,
    /// What it was trained on that is not listed anywhere.
    pub undisclosed: Option<String>,
    /// Where that stands.
    pub source: String,
}

/// A file of a published encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFile {
    /// In the repository and in the folder.
    pub name: String,
    /// Its size, where it is known.
    pub bytes: Option<u64>,
    /// Hex SHA-256, where it is known.
    pub sha256: Option<String>,
}

/// By what an encoder was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recognised {
    /// The SHA-256 of its weights, which are those that were published.
    Weights,
    /// The name in its `config.json`, which a model that was trained further keeps: a guess.
    Config,
    /// The name of its folder: a guess.
    Folder,
}

#[derive(Default, Deserialize)]
struct Table {
    corpora: Vec<String>,
    encoder: Vec<Known>,
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("known.toml")).unwrap_or_default());

/// All published encoders that are known, in the order of the list.
pub fn known() -> &'static [Known] {
    &TABLE.encoder
}

/// The published corpus of emotional speech that a name stands for, as far as names tell: one of the
/// words in it is that corpus (`iemocap-improvised`, `my_CREMA-D`).
pub fn corpus_named(name: &str) -> Option<&'static str> {
    let words: Vec<String> = (name.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let plain = |corpus: &str| corpus.replace('-', "");
    let is_in = |corpus: &&String| {
        let corpus = plain(corpus);
        (0..words.len())
            .any(|from| (from + 1..=words.len()).any(|to| words[from..to].concat() == corpus))
    };
    TABLE.corpora.iter().find(is_in).map(String::as_str)
}

impl Known {
    /// The encoder of this name.
    pub fn find(name: &str) -> Option<&'static Known> {
        known().iter().find(|one| one.name == name)
    }

    /// The encoder whose folder has this name: its own, or that of its repository.
    fn of_folder(name: &str) -> Option<&'static Known> {
        let has_it = |one: &&Known| {
            let repository = one.hub.rsplit('/').next().unwrap_or_default();
            one.name == name || repository == name || in_cache(&one.hub) == name
        };
        known().iter().find(has_it)
    }

    /// Which encoder lies in `folder`, and by what that is known.
    pub fn recognise(
        folder: &Path,
        description: &Description,
    ) -> Option<(&'static Known, Recognised)> {
        let has_weights = |one: &&Known| {
            let published = |sum: &String| one.files.iter().any(|file| file.is_weights(sum));
            description.files.iter().any(|(_, sum)| published(sum))
        };
        if let Some(one) = known().iter().find(has_weights) {
            return Some((one, Recognised::Weights));
        }
        let of_config = name_in_config(folder).and_then(|name| {
            let last = name.rsplit('/').next().unwrap_or_default().to_owned();
            let is_it = |one: &&Known| one.hub == name;
            known()
                .iter()
                .find(is_it)
                .or_else(|| Known::of_folder(&last))
        });
        if let Some(one) = of_config {
            return Some((one, Recognised::Config));
        }
        // A hub's cache has a folder for each repository, and below it one for each revision.
        let mut names = folder.iter().rev().filter_map(|part| part.to_str()).take(3);
        names
            .find_map(Known::of_folder)
            .map(|one| (one, Recognised::Folder))
    }

    /// Where a file of it is fetched from.
    pub fn url(&self, endpoint: &str, file: &KnownFile) -> String {
        let revision = self.revision.as_deref().unwrap_or("main");
        let endpoint = endpoint.trim_end_matches('/');
        format!("{endpoint}/{}/resolve/{revision}/{}", self.hub, file.name)
    }

    /// Bytes of all files whose size is known.
    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.bytes).sum()
    }

    /// `openai/whisper-base at e37978b90ca9`.
    pub fn place(&self) -> String {
        let revision = self.revision.as_deref().and_then(|all| all.get(..12));
        match revision {
            Some(revision) => format!("{} at {revision}", self.hub),
            None => format!("{}, branch main", self.hub),
        }
    }

    /// The speech that it was trained on, in words.
    pub fn heard(&self) -> String {
        let list = |what: &str, names: &[String]| {
            (!names.is_empty()).then(|| format!("{what}{}", names.join(", ")))
        };
        let parts = [
            list("labels of ", &self.labels),
            list("recordings of ", &self.sound),
            list("", &self.other),
            (self.undisclosed.as_ref()).map(|what| format!("{what} (not listed)")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl KnownFile {
    /// Whether these are weights whose SHA-256 is known.
    pub(super) fn is_known_weights(&self) -> bool {
        self.sha256.as_ref().is_some_and(|sum| self.is_weights(sum))
    }

    fn is_weights(&self, sum: &str) -> bool {
        let is_other = [".json", ".md"].iter().any(|end| self.name.ends_with(end));
        !is_other && self.sha256.as_deref() == Some(sum)
    }
}

/// The folder of a repository in the cache of the hub's own client.
fn in_cache(hub: &str) -> String {
    format!("models--{}", hub.replace('/', "--"))
}

/// The name that the model had where it was saved from, as transformers notes it.
fn name_in_config(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "_name_or_path")]
        name: String,
    }
    let text = std::fs::read(folder.join("config.json")).ok()?;
    let named: Named = serde_json::from_slice(&text).ok()?;
    Some(named.name)
}

/// How an encoder gets into `folder`, as far as its name tells which one is meant; `name` is what a
/// pipeline calls it.
pub fn how_to_get(name: &str, folder: &Path) -> String {
    let of_folder = folder
        .file_name()
        .and_then(|last| Known::of_folder(last.to_str()?));
    let meant = of_folder.or_else(|| Known::find(name));
    match meant.filter(|known| !known.files.is_empty()) {
        Some(known) => {
            let place = if folder == Path::new(ENCODERS).join(&known.name) {
                String::new()
            } else {
                format!(" --into {}", shell_word(&folder.to_string_lossy()))
            };
            format!("`ser encoders get {}{place}` fetches it", known.name)
        }
        None => format!(
            "put config.json and the weights of the model into {}, as model hubs hold them; docs/encoders.md says how",
            folder.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;
    use crate::encoder::{EncoderName, Padding, Source, Usage};
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    const USAGE: Usage = Usage {
        padding: Padding::None,
        windows: 30,
        normalize: None,
        output: None,
        frames: None,
    };

    /// The corpora that are meant by their kind, and never by a word of a name.
    fn languages() -> Vec<String> {
        let table: toml::Table = include_str!("known.toml").parse().unwrap();
        table["languages"].clone().try_into().unwrap()
    }

    #[test]
    fn the_list_is_sound() {
        assert!(known().len() > 10);
        let names: BTreeSet<&str> = known().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), known().len(), "each name once");
        let is_hex = |text: &str, length| {
            text.len() == length && text.chars().all(|c| "0123456789abcdef".contains(c))
        };
        for one in known() {
            let name = &one.name;
            assert_eq!(one.files.is_empty(), one.not_read.is_some(), "{name}");
            assert!(
                one.hub.split('/').count() == 2 && !one.source.is_empty(),
                "{name}"
            );
            assert!(
                !one.heard().is_empty(),
                "{name}: nothing is said of its training"
            );
            assert!(
                one.revision.iter().all(|revision| is_hex(revision, 40)),
                "{name}"
            );
            for file in &one.files {
                assert!(file.sha256.iter().all(|sum| is_hex(sum, 64)), "{name}");
                // A sum of what may change any day is of no use.
                assert!(file.sha256.is_none() || one.revision.is_some(), "{name}");
            }
            for corpus in one.sound.iter().chain(&one.labels) {
                let is_listed = TABLE.corpora.contains(corpus) || languages().contains(corpus);
                assert!(is_listed, "{name}: {corpus}");
            }
        }
        assert!(TABLE.corpora.is_sorted());
        let base = Known::find("whisper-base").unwrap();
        assert_eq!(
            base.url("http://a/", &base.files[1]),
            "http://a/openai/whisper-base/resolve/e37978b90ca9030d5170a5c07aadb050351a65bb/config.json"
        );
    }

    #[test]
    fn corpora_are_called_as_their_readers_are() {
        let kinds: BTreeSet<&str> = corpus::known::all().iter().map(|one| one.kind).collect();
        let languages = languages();
        let named = TABLE.corpora.iter().chain(&languages);
        let named: BTreeSet<&str> = named.map(String::as_str).collect();
        let without: Vec<&&str> = named.difference(&kinds).collect();
        assert_eq!(without, [&"cmu-mosei", &"cmu-mosi", &"m3ed"]);
        let others: Vec<&&str> = kinds.difference(&named).collect();
        assert_eq!(others, [&"banglaser", &"emotale", &"ravdess-song"]);
    }

    #[test]
    fn a_corpus_is_recognised_by_whole_words_of_a_name() {
        for (name, corpus) in [
            ("iemocap", Some("iemocap")),
            ("iemocap-improvised", Some("iemocap")),
            ("CREMA-D", Some("crema-d")),
            ("my_cremad 2", Some("crema-d")),
            ("emo-db", Some("emodb")),
            ("MSP-Podcast-1.11", Some("msp-podcast")),
            ("melden", None),
            ("stimmen", None),
            ("", None),
        ] {
            assert_eq!(corpus_named(name), corpus, "{name}");
        }
    }

    fn described(folder: &Path) -> Option<(&'static str, Recognised)> {
        let name = EncoderName::new("x").unwrap();
        let source = Source::new(name, folder, USAGE);
        let found = Known::recognise(folder, source.describe().unwrap());
        found.map(|(known, by)| (known.name.as_str(), by))
    }

    fn folder_named(root: &Path, name: &str, config: Option<&str>) -> PathBuf {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoders/whisper");
        fs::copy(
            from.join("model.safetensors"),
            folder.join("model.safetensors"),
        )
        .unwrap();
        let text = fs::read_to_string(from.join("config.json")).unwrap();
        let named = config.map(|name| format!("{{ \"_name_or_path\": \"{name}\","));
        let text = named.map_or(text.clone(), |begin| text.replacen('{', &begin, 1));
        fs::write(folder.join("config.json"), text).unwrap();
        folder
    }

    #[test]
    fn an_encoder_is_recognised_by_its_config_or_its_folder_as_a_guess() {
        let root = tempfile::tempdir().unwrap();
        let of =
            |name: &str, config: Option<&str>| described(&folder_named(root.path(), name, config));
        assert_eq!(of("mine", None), None);
        let folder = Some(("whisper-base", Recognised::Folder));
        assert_eq!(of("whisper-base", None), folder);
        assert_eq!(
            of("models--openai--whisper-base/snapshots/e37978b", None),
            folder
        );
        let config = Some(("whisper-small", Recognised::Config));
        assert_eq!(of("whisper-base", Some("openai/whisper-small")), config);
        assert_eq!(of("mine", Some("/data/whisper-small")), config);
        assert_eq!(of("other", Some("somebody/else")), None);
    }

    #[test]
    fn weights_are_recognised_wherever_they_lie() {
        let known = Known::find("wavlm-large").unwrap();
        let weights = known.files.last().unwrap();
        let root = tempfile::tempdir().unwrap();
        let folder = folder_named(root.path(), "whisper-base", Some("openai/whisper-base"));
        let name = EncoderName::new("x").unwrap();
        let source = Source::new(name, &folder, USAGE);
        let mut description = source.describe().unwrap().clone();
        description
            .files
            .push(("renamed.bin".into(), weights.sha256.clone().unwrap()));
        let found = Known::recognise(&folder, &description).unwrap();
        assert_eq!(
            (found.0.name.as_str(), found.1),
            ("wavlm-large", Recognised::Weights)
        );
    }

    #[test]
    fn how_an_encoder_is_got_depends_on_its_place() {
        let get = |name: &str, folder: &str| how_to_get(name, Path::new(folder));
        assert_eq!(
            get("w", "encoders/whisper-base"),
            "`ser encoders get whisper-base` fetches it"
        );
        assert_eq!(
            get("w", "/m o/hubert-base-ls960"),
            "`ser encoders get hubert-base --into '/m o/hubert-base-ls960'` fetches it"
        );
        assert!(get("whisper-tiny", "x").starts_with("`ser encoders get whisper-tiny --into x`"));
        for (name, folder) in [
            ("mine", "encoders/mine"),
            ("emotion2vec", "encoders/emotion2vec"),
        ] {
            assert!(
                get(name, folder).contains("as model hubs hold them"),
                "{name}"
            );
        }
    }
}
