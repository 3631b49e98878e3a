//! What a corpus consists of.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::frame::{collect, count, frame, text, texts};
use crate::corpus::Utterance;
use crate::error::Result;

/// How many utterances there are, and of what.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// In all.
    pub utterances: usize,
    /// Sum of durations.
    pub duration_s: f64,
    /// By emotion.
    pub by_class: BTreeMap<String, usize>,
    /// By speaker.
    pub by_speaker: BTreeMap<String, usize>,
    /// By session; utterances without one are not counted here.
    pub by_session: BTreeMap<String, usize>,
}

/// Counts utterances and sums their durations.
///
/// # Errors
/// `Internal` only.
pub fn counts(utterances: &[Utterance]) -> Result<Counts> {
    let session: Vec<Option<&str>> = utterances
        .iter()
        .map(|u| u.source.session.as_deref())
        .collect();
    let frame = frame(
        utterances.len(),
        vec![
            texts(
                "class",
                utterances.iter().map(|u| u.source.emotion.as_str()),
            ),
            texts(
                "speaker",
                utterances.iter().map(|u| u.source.speaker.as_str()),
            ),
            Column::new("session".into(), session),
            Column::new(
                "duration".into(),
                utterances.iter().map(|u| u.duration_s).collect::<Vec<_>>(),
            ),
        ],
    )?;
    let by = |key: &str| -> Result<BTreeMap<String, usize>> {
        let groups = collect(
            frame
                .clone()
                .lazy()
                .filter(col(key).is_not_null())
                .group_by_stable([col(key)])
                .agg([len().alias("n")]),
        )?;
        Ok(text(&groups, key)?
            .into_iter()
            .zip(count(&groups, "n")?)
            .collect())
    };
    Ok(Counts {
        utterances: utterances.len(),
        // Summed here, in row order: polars would sum in an order of its own.
        duration_s: utterances.iter().map(|u| u.duration_s).sum(),
        by_class: by("class")?,
        by_speaker: by("speaker")?,
        by_session: by("session")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::speech;

    fn some() -> Vec<Utterance> {
        vec![
            speech("d", "sad", "02", Some("s2"), 0.5, "h1"),
            speech("a", "calm", "01", Some("s1"), 1.5, "h1"),
            speech("b", "calm", "01", None, 2.0, "h2"),
            speech("c", "sad", "01", Some("s1"), 0.25, "h3"),
            speech("e", "sad", "02", Some("s2"), 0.25, "h3"),
            speech("f", "fear", "02", Some("s2"), 1.0, "h1"),
        ]
    }

    fn map<V: Copy>(pairs: &[(&str, V)]) -> BTreeMap<String, V> {
        pairs
            .iter()
            .map(|(key, value)| (key.to_string(), *value))
            .collect()
    }

    #[test]
    fn utterances_are_counted_by_class_speaker_and_session() {
        let counts = counts(&some()).unwrap();
        assert_eq!((counts.utterances, counts.duration_s), (6, 5.5));
        assert_eq!(
            counts.by_class,
            map(&[("calm", 2), ("fear", 1), ("sad", 3)])
        );
        assert_eq!(counts.by_speaker, map(&[("01", 3), ("02", 3)]));
        assert_eq!(counts.by_session, map(&[("s1", 2), ("s2", 3)]));
    }

    #[test]
    fn no_utterances_have_no_counts() {
        assert_eq!(counts(&[]).unwrap(), Counts::default());
    }
}
