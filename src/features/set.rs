//! What the features are called and which code makes them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Changes whenever the same recording would give other numbers.
pub const CODE_VERSION: u32 = 2;

/// A set of features with a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureSet {
    /// The 193 time means of Issa et al. 2020: MFCC 40, chroma 12, mel 128, spectral contrast 7, Tonnetz 6.
    #[default]
    Issa193,
}

/// Whose numbers the features are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// librosa 0.8.1 with resampy 0.2.2 at its defaults: 22 050 Hz, n_fft 2048, hop 512, reflect padding.
    #[default]
    #[serde(rename = "librosa-0.8")]
    Librosa08,
}

impl FeatureSet {
    /// Every set.
    pub const ALL: [FeatureSet; 1] = [FeatureSet::Issa193];

    /// The set with this name.
    pub fn parse(name: &str) -> Option<FeatureSet> {
        FeatureSet::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The name in configuration files and table metadata.
    pub fn name(self) -> &'static str {
        match self {
            FeatureSet::Issa193 => "issa193",
        }
    }

    /// Number of features.
    pub fn size(self) -> usize {
        groups().last().map_or(0, |(_, columns)| columns.end)
    }
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 1] = [Profile::Librosa08];

    /// The profile with this name.
    pub fn parse(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The name in configuration files and table metadata.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Librosa08 => "librosa-0.8",
        }
    }
}

/// The groups of [`FeatureSet::Issa193`] in order, with the columns of each.
pub fn groups() -> Vec<(&'static str, Range<usize>)> {
    let mut end = 0;
    [("mfcc", 40), ("chroma", 12), ("mel", 128), ("contrast", 7), ("tonnetz", 6)]
        .map(|(name, size)| {
            end += size;
            (name, end - size..end)
        })
        .to_vec()
}

/// The column names of a set, in order: `mfcc_00`, ..., `mel_127`, ..., `tonnetz_5`.
pub fn names(set: FeatureSet) -> Vec<String> {
    let FeatureSet::Issa193 = set;
    let mut names = Vec::new();
    for (group, columns) in groups() {
        let digits = (columns.len() - 1).to_string().len();
        names.extend((0..columns.len()).map(|index| format!("{group}_{index:0digits$}")));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_tables() {
        let names = names(FeatureSet::Issa193);
        assert_eq!(names.len(), 193);
        assert_eq!(FeatureSet::Issa193.size(), 193);
        assert_eq!([&names[0], &names[39], &names[40], &names[52]], ["mfcc_00", "mfcc_39", "chroma_00", "mel_000"]);
        assert_eq!(
            [&names[179], &names[180], &names[186], &names[187], &names[192]],
            ["mel_127", "contrast_0", "contrast_6", "tonnetz_0", "tonnetz_5"]
        );
    }

    #[test]
    fn names_in_files_are_fixed() {
        assert_eq!(serde_json::to_string(&FeatureSet::Issa193).ok().as_deref(), Some("\"issa193\""));
        assert_eq!(serde_json::to_string(&Profile::Librosa08).ok().as_deref(), Some("\"librosa-0.8\""));
        assert_eq!((FeatureSet::Issa193.name(), Profile::Librosa08.name()), ("issa193", "librosa-0.8"));
    }
}
