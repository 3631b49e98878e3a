//! Accuracy and UAR by what a corpus says of its utterances.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Confusion, Scores};
use crate::corpus::Source;

/// Where a corpus says it of some utterances only.
const NOT_SAID: &str = "not said";

/// The predictions of one value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `female`, `strong`, a speaker, …
    pub value: String,
    /// Distinct utterances.
    pub utterances: u64,
    /// Predictions of all seeds.
    pub predictions: u64,
    /// Over the predictions.
    pub accuracy: f64,
    /// Over the predictions: mean recall of the classes that occur among them.
    pub uar: f64,
    /// Classes that occur among them.
    pub classes: usize,
}

/// All values of one attribute, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// `speaker`, `sex`, `intensity`, `sentence` or `session`.
    pub attribute: String,
    /// As many as there are values.
    pub groups: Vec<Group>,
}

/// One prediction with what is known of its utterance.
pub struct Known<'a> {
    /// What the corpus says.
    pub source: &'a Source,
    /// True class.
    pub truth: usize,
    /// Predicted class.
    pub predicted: usize,
}

type Attribute = (&'static str, fn(&Source) -> Option<&str>);

const ATTRIBUTES: [Attribute; 5] = [
    ("speaker", |s| Some(&s.speaker)),
    ("sex", |s| s.sex.map(|sex| sex.as_str())),
    ("intensity", |s| s.intensity.as_deref()),
    ("sentence", |s| s.text_id.as_deref()),
    ("session", |s| s.session.as_deref()),
];

/// Breaks predictions down by every attribute that the corpus names: one that has several values,
/// and fewer than half as many as there are utterances.
///
/// # Panics
/// When a class is not one of the labels: a defect of the caller, never of data.
pub fn breakdowns(labels: &[String], predictions: &[Known]) -> Vec<Breakdown> {
    let utterances = predictions
        .iter()
        .map(|p| p.source.id.as_str())
        .collect::<BTreeSet<_>>()
        .len();
    let one = |(name, value): &Attribute| {
        let said = predictions.iter().any(|p| value(p.source).is_some());
        let mut groups: BTreeMap<&str, (BTreeSet<&str>, Confusion)> = BTreeMap::new();
        for p in predictions.iter().filter(|_| said) {
            let group = groups
                .entry(value(p.source).unwrap_or(NOT_SAID))
                .or_insert_with(|| (BTreeSet::new(), Confusion::new(labels)));
            group.0.insert(&p.source.id);
            group.1.add(p.truth, p.predicted);
        }
        if groups.len() < 2 || (*name != "speaker" && groups.len() * 2 > utterances) {
            return None;
        }
        let groups = groups.into_iter().map(|(value, (ids, confusion))| {
            let classes = confusion.support().into_iter().filter(|&n| n > 0).count();
            let scores = Scores::of_confusion(confusion);
            let (accuracy, uar) = (scores.accuracy, scores.uar);
            Group {
                value: value.to_owned(),
                utterances: ids.len() as u64,
                predictions: scores.n,
                accuracy,
                uar,
                classes,
            }
        });
        Some(Breakdown {
            attribute: (*name).to_owned(),
            groups: groups.collect(),
        })
    };
    ATTRIBUTES.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Sex;

    fn source(id: &str, speaker: &str, sex: Option<Sex>) -> Source {
        Source {
            speaker: speaker.into(),
            sex,
            text_id: Some(id.into()),
            ..Source::named(id, "")
        }
    }

    #[test]
    fn groups_are_scored_on_the_classes_that_they_have() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let sources = [
            source("1", "x", Some(Sex::Female)),
            source("2", "x", Some(Sex::Female)),
            source("3", "y", Some(Sex::Male)),
            source("4", "z", None),
        ];
        // Two seeds for the first utterance, of which one is wrong.
        let known = |i: usize, truth, predicted| Known {
            source: &sources[i],
            truth,
            predicted,
        };
        let given = [
            known(0, 0, 0),
            known(0, 0, 1),
            known(1, 1, 1),
            known(2, 2, 2),
            known(3, 0, 2),
        ];
        let found = breakdowns(&labels, &given);
        // As many sentences as utterances say nothing; nobody names an intensity or a session.
        assert_eq!(
            found
                .iter()
                .map(|b| b.attribute.as_str())
                .collect::<Vec<_>>(),
            ["speaker"]
        );
        let x = &found[0].groups[0];
        assert_eq!(
            (x.value.as_str(), x.utterances, x.predictions, x.classes),
            ("x", 2, 3, 2)
        );
        assert!(
            (x.accuracy - 2.0 / 3.0).abs() < 1e-12 && (x.uar - 0.75).abs() < 1e-12,
            "{x:?}"
        );
        assert_eq!(
            (found[0].groups[1].accuracy, found[0].groups[2].accuracy),
            (1.0, 0.0)
        );
    }

    #[test]
    fn sexes_are_compared_and_what_is_not_said_is_a_group() {
        let labels = ["a".to_owned()];
        let sources: Vec<Source> = (0..8)
            .map(|i| {
                source(
                    &i.to_string(),
                    "x",
                    [Some(Sex::Female), Some(Sex::Male), None, Some(Sex::Male)][i % 4],
                )
            })
            .collect();
        let given: Vec<Known> = sources
            .iter()
            .map(|source| Known {
                source,
                truth: 0,
                predicted: 0,
            })
            .collect();
        let found = breakdowns(&labels, &given);
        assert_eq!(found.len(), 1, "one speaker is no comparison");
        let sizes: Vec<(&str, u64)> = found[0]
            .groups
            .iter()
            .map(|g| (g.value.as_str(), g.utterances))
            .collect();
        assert_eq!(sizes, [("female", 2), ("male", 4), ("not said", 2)]);
    }
}
