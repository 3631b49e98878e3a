//! Which turns of IEMOCAP make up an experiment, and how many of them were published.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::corpus::listing::Expected;

/// The set of classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Classes {
    /// Anger, happiness, neutral, sadness: the set of nearly all published results.
    #[default]
    #[serde(rename = "4")]
    Four,
}

/// What becomes of turns labelled as excitement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Excitement {
    /// They count as happiness.
    #[default]
    Merge,
    /// They are left out.
    Drop,
}

/// Which dialogs are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dialogs {
    /// Both kinds.
    #[default]
    All,
    /// Free speech in given situations.
    Improvised,
    /// Learnt plays, the same in every session.
    Scripted,
}

/// How far the raters must agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Agreement {
    /// The corpus's own majority label is enough.
    #[default]
    Majority,
    /// Every external rater (`C-E…` lines) names exactly one category, and it is the turn's label.
    /// The actors' ratings of themselves (`C-F…`, `C-M…`) do not count, as they are no part of the
    /// majority either; a rater who names two categories does not agree fully; a turn without rater
    /// lines is left out. Excitement and happiness are different categories here even where they
    /// are merged later.
    Full,
}

/// The subset of IEMOCAP that an experiment uses; the default is the usual four-class set of 5531
/// turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IemocapSettings {
    /// The set of classes.
    pub classes: Classes,
    /// What becomes of excitement.
    pub excitement: Excitement,
    /// Which dialogs are taken.
    pub dialogs: Dialogs,
    /// How far the raters must agree.
    pub agreement: Agreement,
}

impl IemocapSettings {
    /// The class that a label of the corpus falls into, `None` where it is not used.
    pub(super) fn class_of(&self, label: &'static str) -> Option<&'static str> {
        match (self.classes, label) {
            (Classes::Four, "anger" | "happiness" | "neutral" | "sadness") => Some(label),
            (Classes::Four, "excitement") if self.excitement == Excitement::Merge => {
                Some("happiness")
            }
            (Classes::Four, _) => None,
        }
    }

    /// The published counts of this subset, where there are any.
    pub fn expected(&self) -> Option<Expected> {
        // ang, hap, exc, neu, sad
        let (source, [anger, happiness, excitement, neutral, sadness]) =
            match (self.agreement, self.dialogs) {
                (Agreement::Majority, Dialogs::All) => {
                    ("IEMOCAP, all dialogs", [1103, 595, 1041, 1708, 1084])
                }
                (Agreement::Majority, Dialogs::Improvised) => {
                    ("IEMOCAP, improvised dialogs", [289, 284, 663, 1099, 608])
                }
                (Agreement::Majority, Dialogs::Scripted) => (
                    "IEMOCAP, all dialogs less the improvised ones",
                    [814, 311, 378, 609, 476],
                ),
                // Published with excitement merged only: 206 is the sum of both.
                (Agreement::Full, Dialogs::Improvised) if self.excitement == Excitement::Merge => (
                    "Pepino et al. 2021, improvised dialogs, full agreement",
                    [71, 206, 0, 324, 260],
                ),
                (Agreement::Full, _) => return None,
            };
        let merged = if self.excitement == Excitement::Merge {
            excitement
        } else {
            0
        };
        let classes = [
            ("anger", anger),
            ("happiness", happiness + merged),
            ("neutral", neutral),
            ("sadness", sadness),
        ];
        let classes: BTreeMap<String, usize> = classes
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        Some(Expected {
            source: source.into(),
            utterances: classes.values().sum(),
            speakers: 10,
            classes,
        })
    }

    /// The published counts by session, which are known for the default subset only.
    pub(super) fn expected_sessions(&self) -> Option<BTreeMap<String, usize>> {
        let counts = [1085, 1023, 1151, 1031, 1241];
        (*self == IemocapSettings::default())
            .then(|| (1..=5).map(session_name).zip(counts).collect())
    }
}

/// The name of session `number`, which is also that of its folder.
pub(super) fn session_name(number: u32) -> String {
    format!("Session{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_subsets_have_their_published_sizes() {
        let size = |excitement, dialogs, agreement| {
            IemocapSettings {
                classes: Classes::Four,
                excitement,
                dialogs,
                agreement,
            }
            .expected()
            .map(|e| e.utterances)
        };
        use {Agreement::*, Dialogs::*, Excitement::*};
        assert_eq!(size(Merge, All, Majority), Some(5531));
        assert_eq!(size(Drop, All, Majority), Some(4490));
        assert_eq!(size(Merge, Improvised, Majority), Some(2943));
        assert_eq!(size(Drop, Improvised, Majority), Some(2280));
        assert_eq!(size(Merge, Scripted, Majority), Some(5531 - 2943));
        assert_eq!(size(Merge, Improvised, Full), Some(861));
        assert_eq!(size(Drop, Improvised, Full), None);
        assert_eq!(
            IemocapSettings::default()
                .expected_sessions()
                .map(|s| s.values().sum()),
            Some(5531)
        );
    }

    #[test]
    fn settings_are_written_as_words() {
        let text =
            r#"{"classes":"4","excitement":"drop","dialogs":"improvised","agreement":"full"}"#;
        let settings: IemocapSettings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        assert!(serde_json::from_str::<IemocapSettings>(r#"{"dialog":"all"}"#).is_err());
    }
}
