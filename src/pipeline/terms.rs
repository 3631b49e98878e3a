//! On which terms the corpus of a pipeline may be used, and what to cite for it.

use crate::config::{CorpusKind, CorpusSettings};
use crate::corpus::terms;

/// The licence in words: what the pipeline file says, or what is known of the corpus, or of each
/// part of it.
pub(super) fn licence(corpus: &CorpusSettings) -> Option<String> {
    let known = |reader: &str| terms(reader).map(|terms| terms.licence);
    match (&corpus.licence, &corpus.kind) {
        (Some(own), _) => Some(own.clone()),
        (None, CorpusKind::Joined { parts, .. }) => {
            let lines = parts.iter().map(|part| {
                format!(
                    "{}: {}",
                    part.name,
                    known(part.kind.name()).unwrap_or("not known to this program")
                )
            });
            Some(lines.collect::<Vec<_>>().join("; "))
        }
        (None, kind) => known(kind.name()).map(str::to_owned),
    }
}

/// What to cite: what the authors of known corpora ask for, and what the pipeline file says.
pub(super) fn references(corpus: &CorpusSettings) -> Vec<String> {
    let readers: Vec<&str> = match &corpus.kind {
        CorpusKind::Joined { parts, .. } => parts.iter().map(|part| part.kind.name()).collect(),
        kind => vec![kind.name()],
    };
    let known = readers
        .into_iter()
        .filter_map(|reader| Some(terms(reader)?.citation.to_owned()));
    known.chain(corpus.citation.clone()).collect()
}
