//! How much was found of each class, speaker and session, and how that compares with what was
//! published.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::listing::{Expected, Listing, Reason};
use super::utterance::Source;

/// Utterances counted by class, speaker and session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In all.
    pub utterances: usize,
    /// By emotion.
    pub by_class: BTreeMap<String, usize>,
    /// By speaker.
    pub by_speaker: BTreeMap<String, usize>,
    /// By session, for the utterances that have one.
    pub by_session: BTreeMap<String, usize>,
}

impl Counts {
    /// Counts the sources.
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let mut counts = Counts::default();
        for source in sources {
            counts.utterances += 1;
            *counts.by_class.entry(source.emotion.clone()).or_default() += 1;
            *counts.by_speaker.entry(source.speaker.clone()).or_default() += 1;
            if let Some(session) = &source.session {
                *counts.by_session.entry(session.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Whether everything that was published is there, no more and no less.
    pub fn matches(&self, expected: &Expected) -> bool {
        self.utterances == expected.utterances
            && (expected.speakers == 0 || self.by_speaker.len() == expected.speakers)
            && (expected.classes.is_empty() || self.by_class == expected.classes)
    }
}

/// What was found beside what was published, as lines for people: "found 339 of 535 utterances
/// (source): anger 127 of 127, boredom 0 of 81, …", then the speakers, then the sessions. Without
/// published counts the lines give what was found alone.
pub fn compare(counts: &Counts, expected: Option<&Expected>) -> Vec<String> {
    let none = BTreeMap::new();
    let classes = expected.map_or(&none, |e| &e.classes);
    let class_list = side_by_side(&counts.by_class, classes);
    let first = match expected {
        Some(e) => format!(
            "found {} of {} utterances ({})",
            counts.utterances, e.utterances, e.source
        ),
        None => format!("found {} utterances", counts.utterances),
    };
    let mut lines = vec![if class_list.is_empty() {
        first
    } else {
        format!("{first}: {class_list}")
    }];
    let of = expected
        .filter(|e| e.speakers > 0)
        .map_or(String::new(), |e| format!(" of {}", e.speakers));
    lines.push(format!(
        "speakers: {}{of} ({})",
        counts.by_speaker.len(),
        side_by_side(&counts.by_speaker, &none)
    ));
    if !counts.by_session.is_empty() {
        lines.push(format!(
            "sessions: {} ({})",
            counts.by_session.len(),
            side_by_side(&counts.by_session, &none)
        ));
    }
    lines
}

/// [`compare`] for a whole listing, with a line for each reason for which something was left aside
/// and the reader's notes.
pub fn describe(listing: &Listing) -> Vec<String> {
    let mut lines = compare(&Counts::of(&listing.sources), listing.expected.as_ref());
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for aside in &listing.set_aside {
        *reasons.entry(aside.reason).or_default() += 1;
    }
    for (reason, count) in reasons {
        // One example says more than the bare number; the rest is in the report.
        let example = listing
            .set_aside
            .iter()
            .find(|a| a.reason == reason)
            .map_or(String::new(), |a| {
                format!(", for example {}: {}", a.path, a.detail)
            });
        lines.push(format!(
            "left aside {count} ({}){example}",
            reason.describe()
        ));
    }
    lines.extend(listing.notes.iter().map(|n| format!("note: {n}")));
    lines
}

/// "anger 127 of 127, boredom 0 of 81": every name of either side, with the second number only
/// where `expected` has any.
pub(crate) fn side_by_side(
    found: &BTreeMap<String, usize>,
    expected: &BTreeMap<String, usize>,
) -> String {
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let part = |name: &String| {
        let count = found.get(name).copied().unwrap_or(0);
        if expected.is_empty() {
            format!("{name} {count}")
        } else {
            format!(
                "{name} {count} of {}",
                expected.get(name).copied().unwrap_or(0)
            )
        }
    };
    names.into_iter().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::listing::SetAside;
    use super::*;

    fn source(emotion: &str, speaker: &str, session: Option<&str>) -> Source {
        Source {
            emotion: emotion.into(),
            speaker: speaker.into(),
            session: session.map(Into::into),
            ..Source::named("x", "x.wav")
        }
    }

    #[test]
    fn found_and_published_stand_side_by_side() {
        let sources = [
            source("anger", "1", None),
            source("anger", "2", None),
            source("zeal", "2", None),
        ];
        let classes = BTreeMap::from([("anger".to_owned(), 2), ("boredom".to_owned(), 5)]);
        let expected = Expected {
            source: "A 2005".into(),
            utterances: 7,
            speakers: 2,
            classes,
        };
        let counts = Counts::of(&sources);
        assert_eq!(
            compare(&counts, Some(&expected)),
            [
                "found 3 of 7 utterances (A 2005): anger 2 of 2, boredom 0 of 5, zeal 1 of 0",
                "speakers: 2 of 2 (1 1, 2 2)"
            ]
        );
        assert!(!counts.matches(&expected));
        assert!(Counts::of(&[source("a", "1", None)]).matches(&Expected {
            source: String::new(),
            utterances: 1,
            speakers: 1,
            classes: BTreeMap::from([("a".to_owned(), 1)])
        }));
    }

    #[test]
    fn without_published_counts_only_what_was_found_is_said() {
        let sources = [
            source("joy", "1", Some("s1")),
            source("fear", "1", Some("s2")),
        ];
        assert_eq!(
            compare(&Counts::of(&sources), None),
            [
                "found 2 utterances: fear 1, joy 1",
                "speakers: 1 (1 2)",
                "sessions: 2 (s1 1, s2 1)"
            ]
        );
        assert_eq!(compare(&Counts::default(), None)[0], "found 0 utterances");
    }

    #[test]
    fn a_listing_is_described_with_its_losses() {
        let aside = |path: &str| SetAside {
            path: path.into(),
            reason: Reason::Duplicate,
            detail: "remove it".into(),
        };
        let listing = Listing {
            corpus: "c".into(),
            sources: vec![source("joy", "1", None)],
            set_aside: vec![aside("a"), aside("b")],
            expected: None,
            warnings: vec![],
            notes: vec!["cut to 2 s".into()],
            generated: false,
        };
        assert_eq!(
            describe(&listing)[2..],
            [
                "left aside 2 (duplicate), for example a: remove it",
                "note: cut to 2 s"
            ]
        );
    }
}
