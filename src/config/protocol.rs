//! Whether a protocol fits the corpus.

use super::corpus::CorpusKind;
use super::section::Section;
use super::source::{shorten, suggestion};
use crate::error::Result;
use crate::split::Protocol;

/// Published fold lists, with the kind of corpus that each is for.
const FOLD_LISTS: [(&str, &str); 1] = [("emobox", "ravdess")];

/// Checks a protocol against the corpus that it divides.
pub(super) fn check(protocol: &Protocol, corpus: &CorpusKind, written: &Section<'_>) -> Result<()> {
    let name = corpus.name();
    let (key, message, hint) = match (protocol, corpus) {
        (Protocol::GroupKfold { folds }, _) => match corpus.most_speakers() {
            Some(most) if *folds > most => (
                "folds",
                format!(
                    "{folds} folds of whole speakers cannot be made of the {most} speakers of this corpus"
                ),
                "take fewer folds, or kind = \"leave-one-speaker-out\"",
            ),
            _ => return Ok(()),
        },
        (Protocol::LeaveOneSessionOut, CorpusKind::Ravdess { .. } | CorpusKind::Emodb { .. }) => (
            "kind",
            format!("{name} has no recording sessions to leave out"),
            "take kind = \"leave-one-speaker-out\"",
        ),
        (Protocol::CrossCorpus, kind) if !matches!(kind, CorpusKind::Joined { .. }) => (
            "kind",
            format!("{name} is one corpus: there is no other to test on"),
            "take corpus.kind = \"joined\"; pipelines/cross-corpus.toml shows one",
        ),
        (Protocol::Declared, kind) if !matches!(kind, CorpusKind::Manifest { .. }) => (
            "kind",
            format!("{name} declares no parts: only a manifest has a split column"),
            "take another protocol; pipelines/README.md lists them",
        ),
        (Protocol::Published { name: list }, _) => return fold_list(list, name, written),
        _ => return Ok(()),
    };
    Err(written.error(key, message).hint(hint))
}

fn fold_list(list: &str, corpus: &str, written: &Section<'_>) -> Result<()> {
    match FOLD_LISTS.iter().find(|(name, _)| *name == list) {
        None => {
            let known = FOLD_LISTS.map(|(name, _)| name);
            let message = format!("unknown fold list `{}`", shorten(list));
            Err(written
                .error("name", message)
                .hint(suggestion(list, "fold lists", &known)))
        }
        Some((_, of)) if *of != corpus => {
            let message = format!("the fold list `{list}` is for {of}, not for {corpus}");
            Err(written.error("name", message).hint(
                "take kind = \"leave-one-speaker-out\" or \"group-kfold\" to keep speakers apart",
            ))
        }
        Some(_) => Ok(()),
    }
}
