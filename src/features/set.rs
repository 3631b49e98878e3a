//! The feature sets: the names of their features, the versions of their code, and their extractors.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoder::{EncoderName, Source};

use super::extractor::{EncoderExtractor, RowExtractor, Unknown};
use super::frames::{self, FrameExtractor};
use super::functionals::{self, FunctionalExtractor};
use super::issa193::{Issa193, Issa193Db};

/// Of [`FeatureSet::Issa193`]: changes whenever the same recording would give other numbers.
pub const CODE_VERSION: u32 = 3;

/// Most frames of a row.
pub const MOST_FRAMES: usize = 10_000;

/// A set of features with a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeatureSet {
    /// The 193 time means of Issa et al. 2020: MFCC 40, chroma 12, mel 128, spectral contrast 7,
    /// Tonnetz 6.
    #[default]
    Issa193,
    /// The same means with the mel bands in dB before the mean, of 2.5 s from 0.5 s on: as a public
    /// re-implementation of the paper has them.
    Issa193Db,
    /// Statistics over time of spectral, prosodic and voice-quality descriptors.
    Functionals,
    /// The descriptors of every frame: a row is as long as its recording.
    Frames,
    /// Means and deviations over time of each state of a pretrained encoder.
    Encoder(EncoderName),
    /// The columns of a table that another tool computed.
    Imported(EncoderName),
}

impl Serialize for FeatureSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for FeatureSet {
    /// A name that is none of the program's own is taken for that of an encoder: who knows that it is
    /// that of an import says so ([`FeatureSet::imported`]).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FeatureSet, D::Error> {
        let name = String::deserialize(deserializer)?;
        let of_encoder = || EncoderName::new(&name).map(FeatureSet::Encoder);
        FeatureSet::parse(&name)
            .or_else(of_encoder)
            .ok_or_else(|| serde::de::Error::custom("this is no name of a feature set"))
    }
}

impl JsonSchema for FeatureSet {
    fn schema_name() -> Cow<'static, str> {
        "FeatureSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = FeatureSet::ALL.map(|set| set.name().to_owned());
        json_schema!({ "anyOf": [
            { "type": "string", "enum": names },
            { "type": "string", "format": "name of an encoder or import" },
        ] })
    }
}

/// The program whose numbers the features reproduce.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Profile {
    /// librosa 0.8.1 with resampy 0.2.2 at its defaults: 22 050 Hz, n_fft 2048, hop 512, reflect
    /// padding.
    #[default]
    #[serde(rename = "librosa-0.8")]
    Librosa08,
}

impl FeatureSet {
    /// Every set but those of encoders and imports.
    pub const ALL: [FeatureSet; 4] = [
        FeatureSet::Issa193,
        FeatureSet::Issa193Db,
        FeatureSet::Functionals,
        FeatureSet::Frames,
    ];

    /// The set with this name, which is none of an encoder or import.
    pub fn parse(name: &str) -> Option<FeatureSet> {
        FeatureSet::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The name in configuration files and table metadata.
    pub fn name(&self) -> &str {
        match self {
            FeatureSet::Encoder(name) | FeatureSet::Imported(name) => name.as_str(),
            FeatureSet::Issa193 => "issa193",
            FeatureSet::Issa193Db => "issa193-db",
            FeatureSet::Functionals => "functionals",
            FeatureSet::Frames => "frames",
        }
    }

    /// Changes whenever the same recording would give other numbers of this set.
    pub fn code_version(self) -> u32 {
        match self {
            FeatureSet::Issa193 => CODE_VERSION,
            FeatureSet::Issa193Db | FeatureSet::Encoder(_) | FeatureSet::Imported(_) => 1,
            FeatureSet::Functionals | FeatureSet::Frames => 2,
        }
    }

    /// What computes its rows.
    pub(super) fn extractor(self, encoders: &[Arc<Source>]) -> Box<dyn RowExtractor> {
        match self {
            FeatureSet::Encoder(name) => match encoders.iter().find(|one| one.name() == name) {
                Some(source) => Box::new(EncoderExtractor::new(source.clone())),
                None => Box::new(Unknown(self)),
            },
            FeatureSet::Imported(_) => Box::new(Unknown(self)),
            FeatureSet::Issa193 => Box::new(Issa193::new()),
            FeatureSet::Issa193Db => Box::new(Issa193Db(Issa193::new())),
            FeatureSet::Functionals => Box::new(FunctionalExtractor::new()),
            FeatureSet::Frames => Box::new(FrameExtractor::new()),
        }
    }

    /// Whether a row has as many frames as its recording, each of [`FeatureSet::size`] values, in
    /// place of one value a column.
    pub fn is_sequence(self) -> bool {
        self == FeatureSet::Frames
    }

    /// Whether it is that of a pretrained encoder.
    pub fn is_of_encoder(self) -> bool {
        matches!(self, FeatureSet::Encoder(_))
    }

    /// Whether it is read from a table, and not computed from recordings.
    pub fn is_imported(self) -> bool {
        matches!(self, FeatureSet::Imported(_))
    }

    /// Whether a pipeline file gives it its name: that of an encoder or import.
    pub fn is_named(self) -> bool {
        self.is_of_encoder() || self.is_imported()
    }

    /// The imported set of the same name, in place of one that was taken for that of an encoder.
    pub fn imported(self) -> FeatureSet {
        match self {
            FeatureSet::Encoder(name) => FeatureSet::Imported(name),
            other => other,
        }
    }

    /// Whether a row of its table has one value a column; other rows are a list of frames, or of
    /// means and deviations of an encoder's states.
    pub fn has_columns(self) -> bool {
        !self.is_sequence() && !self.is_of_encoder()
    }

    /// Whether a long recording needs no more memory than a short one: the others take it as a
    /// whole.
    pub fn is_computed_in_blocks(self) -> bool {
        matches!(self, FeatureSet::Issa193 | FeatureSet::Issa193Db)
    }

    /// Number of features; of a sequence, those of one frame; of an encoder or import, about as many
    /// as it has at most.
    pub fn size(self) -> usize {
        const WIDEST: usize = 2 * 1280;
        /// openSMILE's ComParE.
        const OF_TABLE: usize = 6373;
        match self {
            FeatureSet::Encoder(_) => WIDEST,
            FeatureSet::Imported(_) => OF_TABLE,
            _ => names(self).len(),
        }
    }
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 1] = [Profile::Librosa08];

    /// The profile with this name.
    pub fn parse(name: &str) -> Option<Profile> {
        Profile::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
    }

    /// The name in configuration files and table metadata.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Librosa08 => "librosa-0.8",
        }
    }
}

/// The groups of the columns of a table in order, with the columns of each: neighbours whose names
/// begin with the same word; where these are very many, with the same letters.
pub fn groups(columns: &[String]) -> Vec<(String, Range<usize>)> {
    const MOST: usize = 500;
    let of_words = groups_by(columns, |word| word);
    if of_words.len() <= MOST {
        return of_words;
    }
    groups_by(columns, |word| {
        match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "" => "numbered",
            letters => letters,
        }
    })
}

fn groups_by(columns: &[String], by: impl Fn(&str) -> &str) -> Vec<(String, Range<usize>)> {
    let mut groups: Vec<(String, Range<usize>)> = Vec::new();
    for (column, name) in columns.iter().enumerate() {
        let word = by(name.split('_').next().unwrap_or(name));
        match groups.last_mut() {
            Some((last, columns)) if last == word => columns.end = column + 1,
            _ => groups.push((word.to_owned(), column..column + 1)),
        }
    }
    groups
}

/// The column names of a set, in order; of the 193 `mfcc_00`, ..., `mel_127`, ..., `tonnetz_5`. Of
/// a sequence, those of one frame; of an encoder none, see [`encoder_columns`], and none of an
/// import, whose table has them.
pub fn names(set: FeatureSet) -> Vec<String> {
    match set {
        FeatureSet::Issa193 | FeatureSet::Issa193Db => [
            ("mfcc", 40),
            ("chroma", 12),
            ("mel", 128),
            ("contrast", 7),
            ("tonnetz", 6),
        ]
        .iter()
        .flat_map(|(word, n)| numbered(word, *n))
        .collect(),
        FeatureSet::Functionals => functionals::names(),
        FeatureSet::Frames => frames::names(),
        FeatureSet::Encoder(_) | FeatureSet::Imported(_) => vec![],
    }
}

/// The names of the values of a frame of an encoder of this width.
pub fn encoder_columns(width: usize) -> Vec<String> {
    let digits = width.saturating_sub(1).to_string().len();
    (0..width)
        .map(|index| format!("d{index:0digits$}"))
        .collect()
}

/// `word_00`, `word_01`, ...: as many digits as the last needs.
pub fn numbered(word: &str, count: usize) -> impl Iterator<Item = String> {
    let digits = count.saturating_sub(1).to_string().len();
    (0..count).map(move |index| format!("{word}_{index:0digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_tables() {
        let names = names(FeatureSet::Issa193);
        assert_eq!(names.len(), 193);
        assert_eq!(FeatureSet::Issa193.size(), 193);
        assert_eq!(
            [&names[0], &names[39], &names[40], &names[52]],
            ["mfcc_00", "mfcc_39", "chroma_00", "mel_000"]
        );
        assert_eq!(
            [
                &names[179],
                &names[180],
                &names[186],
                &names[187],
                &names[192]
            ],
            [
                "mel_127",
                "contrast_0",
                "contrast_6",
                "tonnetz_0",
                "tonnetz_5"
            ]
        );
    }

    #[test]
    fn very_many_words_are_grouped_by_their_letters() {
        let columns = |n: usize| (0..n).map(|i| format!("{}{i}", if i < 300 { "c" } else { "" }));
        let few: Vec<String> = columns(500).collect();
        assert_eq!(groups(&few).len(), 500);
        let many: Vec<String> = columns(501).collect();
        let expected = [("c".to_owned(), 0..300), ("numbered".to_owned(), 300..501)];
        assert_eq!(groups(&many), expected);
    }

    #[test]
    fn names_in_files_are_fixed() {
        assert_eq!(
            serde_json::to_string(&FeatureSet::Issa193).ok().as_deref(),
            Some("\"issa193\"")
        );
        assert_eq!(
            serde_json::to_string(&Profile::Librosa08).ok().as_deref(),
            Some("\"librosa-0.8\"")
        );
        assert_eq!(
            (FeatureSet::Issa193.name(), Profile::Librosa08.name()),
            ("issa193", "librosa-0.8")
        );
        for set in FeatureSet::ALL {
            assert_eq!(
                serde_json::to_string(&set).ok(),
                Some(format!("\"{}\"", set.name()))
            );
        }
    }
}
