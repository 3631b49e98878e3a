//! Published figures: those of the file, or those that are known of the corpus.

use super::corpus::{CorpusKind, CorpusSettings};
use super::pipeline::Pipeline;
use super::section::Section;
use crate::corpus::known::{EmoBox, Figure, Speakers};
use crate::corpus::{IemocapSettings, Mark, Published};
use crate::error::Result;
use crate::split::Protocol;
use crate::text::plural;

/// How the sources of EmoBox's figures begin.
const EMOBOX: &str = "EmoBox";

/// Checks the figures of the file, and adds those that are known of the corpus where it is used
/// whole: all of them if the file says nothing, and EmoBox's where an experiment has its folds and
/// the file has no figures of EmoBox itself.
pub(super) fn finish(pipeline: &mut Pipeline, file: &Section<'_>) -> Result<()> {
    check(&pipeline.published, &pipeline.corpus.kind, file)?;
    if !is_whole(&pipeline.corpus) {
        return Ok(());
    }
    let Some(known) = pipeline.corpus.kind.described() else {
        return Ok(());
    };
    let is_emobox = |row: &Published| row.source.starts_with(EMOBOX);
    let has_folds = pipeline
        .experiments
        .iter()
        .any(|one| matches!(one.protocol, Protocol::Published { .. }));
    let of_folds = match &known.emobox {
        Some(emobox) if has_folds && !pipeline.published.iter().any(is_emobox) => figures(emobox),
        _ => vec![],
    };
    if !file.has("published") {
        let others = known.published.iter();
        let others = others.filter(|row| of_folds.is_empty() || !is_emobox(row));
        pipeline.published.extend(others.cloned());
    }
    pipeline.published.extend(of_folds);
    Ok(())
}

/// Whether it is what published figures are on: all utterances, classes as they are.
fn is_whole(corpus: &CorpusSettings) -> bool {
    let is_usual = match corpus.kind {
        CorpusKind::Iemocap {
            excitement,
            dialogs,
            agreement,
            ..
        } => {
            let usual = IemocapSettings::default();
            (excitement, dialogs, agreement) == (usual.excitement, usual.dialogs, usual.agreement)
        }
        // Clips that the first release does not have are in no published figure.
        CorpusKind::Emodb { all_clips, .. } => !all_clips,
        _ => true,
    };
    let mut classes: Vec<&str> = corpus.labels.iter().map(String::as_str).collect();
    let mut all = corpus.kind.classes();
    classes.sort_unstable();
    all.sort_unstable();
    is_usual
        && (classes.is_empty() || classes == all)
        && corpus.label_map.is_empty()
        && corpus.subset.is_none()
        && corpus.windows.is_none()
}

/// EmoBox's figures on its folds.
fn figures(emobox: &EmoBox) -> Vec<Published> {
    let (folds, speaker_independent) = match emobox.speakers {
        Speakers::Apart => ("speakers apart", Some(true)),
        Speakers::Shared => ("speakers shared", Some(false)),
        Speakers::Unknown => ("speakers not known", None),
    };
    let figure = |figure: &Figure| {
        let Figure(system, uar, accuracy, _) = figure;
        Published {
            source: format!("{EMOBOX}, Ma et al. 2024, arXiv 2406.07162"),
            system: format!("{system}, frozen"),
            protocol: format!("EmoBox, {}, {folds}", plural(emobox.folds as usize, "fold")),
            speaker_independent,
            accuracy: Some(accuracy / 100.0),
            uar: Some(uar / 100.0),
            mark: Mark::P,
            note: Some(
                "last layer, linear classifier; which epoch is reported is not stated".to_owned(),
            ),
            folds: Some("emobox".to_owned()),
        }
    };
    emobox.figures.iter().map(figure).collect()
}

/// Refuses published figures of a generated corpus, and rows without a figure.
fn check(rows: &[Published], corpus: &CorpusKind, file: &Section<'_>) -> Result<()> {
    for (row, written) in rows.iter().zip(file.sections("published")) {
        if matches!(corpus, CorpusKind::Synthetic { .. }) {
            let message = "no published figure can stand beside results on a generated corpus";
            return Err(written
                .table_error(message)
                .hint("remove the [[published]] tables"));
        }
        if row.accuracy.is_none() && row.uar.is_none() {
            let message = "a published row needs a figure: `accuracy` (WA), `uar` or both";
            return Err(written.table_error(message));
        }
    }
    Ok(())
}
