//! What is known of a corpus, as its file in `corpora/` says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::folds::EmoBox;
use super::pattern::{Codes, Fields, Forms, Pattern};
use super::table::Table;
use crate::corpus::listing::Expected;
use crate::corpus::published::Published;
use crate::corpus::utterance::{Sex, Source, UNKNOWN_SPEAKER};
use crate::corpus::walk::stem;

/// A corpus that this program knows by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The word of a pipeline file.
    #[serde(skip)]
    pub kind: &'static str,
    /// What people call it.
    pub name: String,
    /// In full.
    pub title: String,
    /// BCP 47 tag of its language, where it has one.
    pub language: Option<String>,
    /// Terms of use, where they are known.
    pub licence: Option<String>,
    /// What to cite.
    pub citation: String,
    /// Where to get it.
    pub source: String,
    /// On what the description rests.
    pub state: State,
    /// What is wrong with it, or has to be known.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// How its files are named; `None` for a corpus with a reader of its own.
    pub(super) names: Option<Names>,
    /// Codes of the fields of the names and columns.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Codes>,
    /// Which speakers are women and men, where a name has no field for it.
    #[serde(default)]
    pub(super) sexes: BTreeMap<Sex, Forms>,
    /// Which speakers speak which language, where there are several.
    #[serde(default)]
    pub(super) languages: BTreeMap<String, Forms>,
    /// Tables with labels.
    #[serde(default)]
    pub(super) tables: Vec<Table>,
    /// Published counts.
    pub expected: Expected,
    /// Figures on the whole of it, to stand beside results.
    #[serde(default)]
    pub published: Vec<Published>,
    /// Folds and figures of EmoBox.
    pub emobox: Option<EmoBox>,
}

/// On what a description rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its reader was tried on the recordings themselves.
    Recordings,
    /// Its reader was tried on a complete list of the file names.
    Names,
    /// The file names were, and its tables of labels are known from documents only.
    NamesAndDocuments,
    /// Written from the documents of its authors.
    Documents,
}

impl State {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            State::Recordings => "tried on the recordings",
            State::Names => "tried on the list of file names",
            State::NamesAndDocuments => "file names tried, label tables from documents only",
            State::Documents => "from documents only",
        }
    }
}

/// How files are named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// By these a folder is recognised; the first that fits a name counts.
    pub(super) patterns: Vec<Pattern>,
    /// These are read, too, and are too open to recognise anything by.
    #[serde(default)]
    lenient: Vec<Pattern>,
    /// Fields that make up an id; the file name where there are none.
    #[serde(default)]
    id: Vec<String>,
    /// Fields that make up what is spoken.
    #[serde(default = "sentence")]
    text: Vec<String>,
    /// The sentence is the field `number` modulo this.
    sentences: Option<u32>,
    /// The speaker, where there is one.
    speaker: Option<String>,
    /// Extensions of recordings in a format that is not decoded.
    #[serde(default)]
    pub(super) extensions: Vec<String>,
    /// Other corpora have names of the same form: recognised by its published counts alone.
    #[serde(default)]
    pub(super) shared_form: bool,
}

fn sentence() -> Vec<String> {
    vec!["sentence".to_owned()]
}

impl Description {
    /// The classes, ascending.
    pub fn classes(&self) -> Vec<&str> {
        self.expected.classes.keys().map(String::as_str).collect()
    }

    /// Whether names or tables say who speaks.
    pub fn knows_speakers(&self) -> bool {
        self.names.as_ref().is_none_or(|names| {
            names.speaker.is_some()
                || names
                    .patterns
                    .iter()
                    .any(|one| one.as_str().contains("{speaker}"))
                || self.tables.iter().any(|table| table.speaker.is_some())
        })
    }

    /// Whether it says which recordings are for training and testing.
    pub fn is_parted(&self) -> bool {
        let by_name = |names: &Names| {
            names
                .patterns
                .iter()
                .any(|one| one.as_str().contains("{part}"))
        };
        self.names.as_ref().is_some_and(by_name)
            || self.tables.iter().any(|table| table.part.is_some())
    }

    /// How its files are named, for people.
    pub fn form(&self) -> String {
        let forms = self.names.iter().flat_map(|names| &names.patterns);
        forms.map(Pattern::as_str).collect::<Vec<_>>().join(" or ")
    }

    /// What the name of a file says; `None` for one that is no name of the corpus. The emotion is
    /// empty where a table says it.
    pub(super) fn parse(&self, path: &str, is_strict: bool) -> Option<Source> {
        let names = self.names.as_ref()?;
        let patterns = names.patterns.iter();
        let lenient = names.lenient.iter().filter(|_| !is_strict);
        let fields = patterns
            .chain(lenient)
            .find_map(|pattern| pattern.read(path, &self.fields))?;
        let sentence = names.sentences.and_then(|n| {
            let number: u32 = fields.get("number")?.parse().ok()?;
            Some((number.checked_sub(1)? % n + 1).to_string())
        });
        let speaker = fields.get("speaker").copied().or(names.speaker.as_deref());
        let mut source = self.labelled(Source::named("", path), &fields);
        source.speaker = speaker.unwrap_or(UNKNOWN_SPEAKER).to_owned();
        self.about_speaker(&mut source);
        let value = |field: &String| match (field.as_str(), &sentence) {
            ("sentence", Some(sentence)) => Some(sentence.as_str()),
            ("language", _) => source.language.as_deref(),
            _ => fields
                .get(field.as_str())
                .copied()
                .filter(|word| !word.is_empty()),
        };
        let joined = |names: &[String]| {
            let values: Vec<&str> = names.iter().filter_map(value).collect();
            (!values.is_empty()).then(|| values.join("-"))
        };
        let text = joined(&names.text);
        source.id = joined(&names.id).unwrap_or_else(|| stem(path).to_owned());
        source.text_id = text;
        Some(source)
    }

    /// A source with what the fields say, but for the speaker and the sentence.
    fn labelled(&self, source: Source, fields: &Fields) -> Source {
        let of = |field: &str| {
            let word = fields.get(field).filter(|word| !word.is_empty());
            word.map(|word| (*word).to_owned())
        };
        let sex = match of("sex").as_deref() {
            Some("female") => Some(Sex::Female),
            Some("male") => Some(Sex::Male),
            _ => None,
        };
        Source {
            emotion: of("emotion").unwrap_or_default(),
            intensity: of("intensity"),
            repetition: of("repetition"),
            session: of("session"),
            split: of("part"),
            language: of("language").or_else(|| self.language.clone()),
            sex,
            ..source
        }
    }

    /// What follows from who speaks.
    pub(super) fn about_speaker(&self, source: &mut Source) {
        let is_of = |forms: &Forms| forms.hold(&source.speaker);
        let sex = self.sexes.iter().find(|(_, forms)| is_of(forms));
        let language = self.languages.iter().find(|(_, forms)| is_of(forms));
        source.sex = source.sex.or(sex.map(|(sex, _)| *sex));
        if let Some((language, _)) = language {
            source.language = Some(language.clone());
        }
    }

    /// Names of a small corpus in this layout, each with the numbers of its speaker, sentence and
    /// class; `None` where the names alone do not tell the emotion.
    pub fn layout(&self) -> Option<Vec<(String, [usize; 3])>> {
        const SPEAKERS: usize = 24;
        /// Sentences of each class.
        const EACH: usize = 3;
        const SENTENCES: [&str; 6] = [
            "sentence",
            "number",
            "statement",
            "utterance",
            "rest",
            "dialogue",
        ];
        let pattern = self.names.as_ref()?.patterns.first()?;
        let codes = |field: &str| match self.fields.get(field) {
            Some(codes) => codes.examples(),
            None => vec!["1".to_owned(), "2".to_owned(), "3".to_owned()],
        };
        let emotion = self
            .fields
            .get("emotion")
            .filter(|_| self.tables.is_empty())?;
        let mut emotions: Vec<(&str, &str)> = Vec::new();
        let all = emotion.examples();
        for code in &all {
            let word = emotion.word(code).unwrap_or_default();
            if !word.is_empty() && emotions.iter().all(|(_, known)| *known != word) {
                emotions.push((code, word));
            }
        }
        let is_in = |field: &&str| pattern.as_str().contains(&format!("{{{field}}}"));
        let varied = SENTENCES.into_iter().find(is_in);
        let sentences = varied.map_or(vec![String::new()], codes);
        let speakers: Vec<String> = match is_in(&"speaker") {
            true => codes("speaker").into_iter().take(SPEAKERS).collect(),
            false => vec![String::new()],
        };
        let mut names = Vec::new();
        for (s, speaker) in speakers.iter().enumerate() {
            for (e, (emotion, _)) in emotions.iter().enumerate() {
                for t in 0..sentences.len().min(EACH) {
                    // Numbers go on from class to class.
                    let place = if varied == Some("number") {
                        e * EACH + t
                    } else {
                        t
                    };
                    let sentence = &sentences[place % sentences.len()];
                    let name = pattern.write(|field| match field {
                        "speaker" => Some(speaker.clone()),
                        "emotion" => Some((*emotion).to_owned()),
                        "_" => Some("x".to_owned()),
                        _ if varied == Some(field) => Some(sentence.clone()),
                        _ => codes(field).into_iter().next(),
                    })?;
                    names.push((format!("{name}.wav"), [s, t, e]));
                }
            }
        }
        Some(names)
    }
}
