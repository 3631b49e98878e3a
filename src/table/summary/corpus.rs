//! What a corpus consists of.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::frame::{collect, count, frame, real, text, texts};
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
    /// By speaker and, within a speaker, by emotion; pairs that do not occur are absent.
    pub by_speaker_and_class: BTreeMap<String, BTreeMap<String, usize>>,
    /// Sum of durations by emotion.
    pub duration_by_class: BTreeMap<String, f64>,
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
    let pairs = collect(
        frame
            .clone()
            .lazy()
            .group_by_stable([col("speaker"), col("class")])
            .agg([len().alias("n")]),
    )?;
    let mut by_speaker_and_class: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for ((speaker, class), n) in text(&pairs, "speaker")?
        .into_iter()
        .zip(text(&pairs, "class")?)
        .zip(count(&pairs, "n")?)
    {
        by_speaker_and_class
            .entry(speaker)
            .or_default()
            .insert(class, n);
    }
    let durations = collect(
        frame
            .clone()
            .lazy()
            .group_by_stable([col("class")])
            .agg([col("duration").sum()]),
    )?;
    Ok(Counts {
        utterances: utterances.len(),
        // Summed here, in row order: polars would sum in an order of its own.
        duration_s: utterances.iter().map(|u| u.duration_s).sum(),
        by_class: by("class")?,
        by_speaker: by("speaker")?,
        by_session: by("session")?,
        by_speaker_and_class,
        duration_by_class: text(&durations, "class")?
            .into_iter()
            .zip(real(&durations, "duration")?)
            .collect(),
    })
}

/// Groups of two and more ids whose sound is the same, ids sorted within a group and groups by
/// their first id.
///
/// # Errors
/// `Internal` only.
pub fn duplicates(utterances: &[Utterance]) -> Result<Vec<Vec<String>>> {
    let frame = frame(
        utterances.len(),
        vec![
            texts("id", utterances.iter().map(|u| u.source.id.as_str())),
            texts("hash", utterances.iter().map(|u| u.content_hash.as_str())),
        ],
    )?;
    let copies = frame
        .clone()
        .lazy()
        .group_by([col("hash")])
        .agg([len().alias("n")])
        .filter(col("n").gt(lit(1)));
    let rows = collect(frame.lazy().join(
        copies,
        [col("hash")],
        [col("hash")],
        JoinArgs::new(JoinType::Inner),
    ))?;
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (hash, id) in text(&rows, "hash")?.into_iter().zip(text(&rows, "id")?) {
        groups.entry(hash).or_default().push(id);
    }
    let mut groups: Vec<Vec<String>> = groups.into_values().collect();
    groups.iter_mut().for_each(|ids| ids.sort());
    groups.sort();
    Ok(groups)
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
        assert_eq!(
            counts.by_speaker_and_class["01"],
            map(&[("calm", 2), ("sad", 1)])
        );
        assert_eq!(
            counts.by_speaker_and_class["02"],
            map(&[("fear", 1), ("sad", 2)])
        );
        assert_eq!(
            counts.duration_by_class,
            map(&[("calm", 3.5), ("fear", 1.0), ("sad", 1.0)])
        );
    }

    #[test]
    fn the_same_sounds_are_grouped() {
        let groups = duplicates(&some()).unwrap();
        assert_eq!(groups, [vec!["a", "d", "f"], vec!["c", "e"]]);
        assert!(duplicates(&some()[1..3]).unwrap().is_empty());
    }

    #[test]
    fn no_utterances_have_no_counts() {
        assert_eq!(counts(&[]).unwrap(), Counts::default());
        assert!(duplicates(&[]).unwrap().is_empty());
    }
}
