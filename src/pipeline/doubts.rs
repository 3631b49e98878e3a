//! What of a corpus contradicts itself: copies under other labels or voices, and names that differ
//! in their spelling alone.

use std::collections::HashMap;

use crate::corpus::{Attribute, Source, UNKNOWN_SPEAKER, Utterance, variants};
use crate::table::duplicates::DuplicateRow;
use crate::text::listed;

/// Speakers named in one warning.
const NAMED: usize = 3;

/// What makes a statement on a result doubtful, whatever its folds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubts<'a> {
    /// Attributes that were inferred from names and not confirmed.
    pub guessed: &'a [Attribute],
    /// Pairs of copies of one recording that have different speakers.
    pub across_speakers: usize,
}

fn by_id(utterances: &[Utterance]) -> HashMap<&str, &Source> {
    utterances
        .iter()
        .map(|u| (u.source.id.as_str(), &u.source))
        .collect()
}

fn differ_in_speaker(a: &Source, b: &Source) -> bool {
    a.speaker != b.speaker && a.speaker != UNKNOWN_SPEAKER && b.speaker != UNKNOWN_SPEAKER
}

/// How many pairs of copies have different speakers.
pub(super) fn across_speakers(utterances: &[Utterance], pairs: &[DuplicateRow]) -> usize {
    let by_id = by_id(utterances);
    let both = |pair: &DuplicateRow| {
        Some((
            *by_id.get(pair.utterance_a.as_str())?,
            *by_id.get(pair.utterance_b.as_str())?,
        ))
    };
    pairs
        .iter()
        .filter_map(both)
        .filter(|(a, b)| differ_in_speaker(a, b))
        .count()
}

/// A sentence for each thing that somebody should look at; none where nothing contradicts itself.
pub(super) fn doubts(utterances: &[Utterance], pairs: &[DuplicateRow]) -> Vec<String> {
    let by_id = by_id(utterances);
    let both = |pair: &DuplicateRow| {
        Some((
            *by_id.get(pair.utterance_a.as_str())?,
            *by_id.get(pair.utterance_b.as_str())?,
        ))
    };
    let mut labels = Vec::new();
    let mut voices = Vec::new();
    for (a, b) in pairs.iter().filter_map(both) {
        if a.emotion != b.emotion {
            labels.push(format!(
                "{} ({}) and {} ({})",
                a.id, a.emotion, b.id, b.emotion
            ));
        }
        if differ_in_speaker(a, b) {
            voices.push(format!(
                "{} ({}) and {} ({})",
                a.id, a.speaker, b.id, b.speaker
            ));
        }
    }
    let copies = |what: &str, pairs: &[String]| {
        pairs.first().map(|first| match pairs.len() {
            1 => format!("1 pair of copies of one recording has different {what}: {first}"),
            n => format!(
                "{n} pairs of copies of one recording have different {what}, such as {first}"
            ),
        })
    };
    let spelt = spellings(utterances);
    let spelt = (!spelt.is_empty()).then(|| {
        format!(
            "speakers whose names differ in their spelling alone count as different voices: {}",
            listed(&spelt, NAMED)
        )
    });
    [
        copies("labels", &labels),
        copies("speakers", &voices),
        spelt,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Speakers whose names differ in their spelling alone.
fn spellings(utterances: &[Utterance]) -> Vec<String> {
    let speakers = utterances
        .iter()
        .map(|u| u.source.speaker.as_str())
        .filter(|speaker| *speaker != UNKNOWN_SPEAKER);
    variants(speakers)
        .into_iter()
        .map(|spelt| spelt.join(" and "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::duplicates::Likeness;

    fn utterance(id: &str, emotion: &str, speaker: &str) -> Utterance {
        let source = Source {
            emotion: emotion.into(),
            speaker: speaker.into(),
            ..Source::named(id, id)
        };
        Utterance {
            source,
            sample_rate: 8000,
            channels: 1,
            n_samples: 8000,
            duration_s: 1.0,
            content_hash: id.into(),
        }
    }

    #[test]
    fn copies_that_contradict_each_other_and_spellings_of_one_name_are_told() {
        let all = [
            utterance("a", "joy", "Speaker 01"),
            utterance("b", "fear", "speaker1"),
            utterance("c", "joy", "s10"),
            utterance("d", "joy", "s100"),
            utterance("e", "joy", UNKNOWN_SPEAKER),
        ];
        let pair = |a: &str, b: &str| DuplicateRow {
            utterance_a: a.into(),
            utterance_b: b.into(),
            kind: Likeness::Exact,
            similarity: 1.0,
            lag_s: 0.0,
        };
        let found = doubts(&all, &[pair("a", "b"), pair("c", "d"), pair("d", "e")]);
        assert_eq!(
            found,
            [
                "1 pair of copies of one recording has different labels: a (joy) and b (fear)",
                "2 pairs of copies of one recording have different speakers, such as a (Speaker 01) and b (speaker1)",
                "speakers whose names differ in their spelling alone count as different voices: Speaker 01 and speaker1",
            ]
        );
        assert!(doubts(&all[2..], &[pair("d", "e")]).is_empty());
        let numbers = [
            utterance("f", "joy", "1"),
            utterance("g", "joy", "1.0"),
            utterance("h", "joy", "11"),
        ];
        assert!(doubts(&numbers, &[])[0].ends_with("count as different voices: 1 and 1.0"));
    }
}
