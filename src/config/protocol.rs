//! Whether a protocol fits the corpus.

use super::corpus::CorpusKind;
use super::section::Section;
use super::source::{shorten, suggestion};
use crate::corpus::known::EmoBox;
use crate::error::Result;
use crate::split::Protocol;

/// Published fold lists.
const FOLD_LISTS: [&str; 1] = ["emobox"];

/// Checks a protocol against the corpus that it divides.
pub(super) fn check(protocol: &Protocol, corpus: &CorpusKind, written: &Section<'_>) -> Result<()> {
    let name = corpus.name();
    let (key, message, hint) = match (protocol, corpus) {
        (
            Protocol::GroupKfold { .. }
            | Protocol::LeaveOneSpeakerOut
            | Protocol::SpeakerTextKfold { .. },
            CorpusKind::Known(one),
        ) if !one.kind.corpus().knows_speakers() => (
            "kind",
            format!("nothing says who speaks in {name}: its speakers cannot be kept apart"),
            "take kind = \"stratified-kfold\", which shares speakers",
        ),
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
        (
            Protocol::LeaveOneSessionOut,
            CorpusKind::Ravdess { .. } | CorpusKind::Emodb { .. } | CorpusKind::Known(_),
        ) => (
            "kind",
            format!("{name} has no recording sessions to leave out"),
            "take kind = \"leave-one-speaker-out\"",
        ),
        (Protocol::CrossCorpus, kind) if !matches!(kind, CorpusKind::Joined { .. }) => (
            "kind",
            format!("{name} is one corpus: there is no other to test on"),
            "take corpus.kind = \"joined\"; pipelines/cross-corpus.toml shows one",
        ),
        (Protocol::Declared, kind) if !declares_parts(kind) => (
            "kind",
            format!("{name} declares no parts: a manifest does that in its column split"),
            "take another protocol; pipelines/README.md lists them",
        ),
        (Protocol::Published { name: list, .. }, _) => return fold_list(list, corpus, written),
        _ => return Ok(()),
    };
    Err(written.error(key, message).hint(hint))
}

fn declares_parts(corpus: &CorpusKind) -> bool {
    match corpus {
        CorpusKind::Manifest { .. } | CorpusKind::Audformat { .. } => true,
        CorpusKind::Known(one) => one.kind.corpus().is_parted(),
        _ => false,
    }
}

fn fold_list(list: &str, corpus: &CorpusKind, written: &Section<'_>) -> Result<()> {
    if !FOLD_LISTS.contains(&list) {
        let message = format!("unknown fold list `{}`", shorten(list));
        let error = written.error("name", message);
        return Err(error.hint(suggestion(list, "fold lists", &FOLD_LISTS)));
    }
    let emobox = corpus.described().and_then(|known| known.emobox.as_ref());
    if emobox.is_some_and(EmoBox::has_list) {
        return Ok(());
    }
    let why = emobox.and_then(|emobox| emobox.note.as_deref());
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    let message = format!("no fold list `{list}` is kept of {}{why}", corpus.name());
    Err(written
        .error("name", message)
        .hint("take another protocol; `ser corpus list` says which corpora have these folds"))
}
