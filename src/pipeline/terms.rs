//! On which terms the corpora may be used that have a reader of their own, and what their authors ask to cite.

use crate::config::{CorpusKind, CorpusPart, CorpusSettings, PartKind};

/// What a reader's corpus asks of whoever uses it.
struct Terms {
    kind: &'static str,
    licence: &'static str,
    /// An entry of the bibliography that is known by heart.
    reference: &'static str,
}

const KNOWN: [Terms; 3] = [
    Terms { kind: "ravdess", licence: "CC BY-NC-SA 4.0: no commercial use, share alike", reference: "livingstone2018ryerson" },
    Terms {
        kind: "emodb",
        licence: "no terms are stated; the authors ask for the citation of Burkhardt et al. 2005",
        reference: "burkhardt2005database",
    },
    Terms { kind: "iemocap", licence: "a signed licence, which forbids passing the recordings on", reference: "busso2008iemocap" },
];

/// The readers of a corpus: its own, or those of its parts.
fn kinds(corpus: &CorpusSettings) -> Vec<&'static str> {
    match &corpus.kind {
        CorpusKind::Joined { parts, .. } => parts
            .iter()
            .map(|part| match part.kind {
                PartKind::Ravdess => "ravdess",
                PartKind::Emodb => "emodb",
                PartKind::Manifest { .. } => "manifest",
            })
            .collect(),
        kind => vec![kind.name()],
    }
}

/// The licence in words: what the pipeline file says, or what is known of the corpus.
pub(super) fn licence(corpus: &CorpusSettings) -> Option<String> {
    if corpus.licence.is_some() {
        return corpus.licence.clone();
    }
    let known = |kind: &str| KNOWN.iter().find(|terms| terms.kind == kind).map(|terms| terms.licence);
    let CorpusKind::Joined { parts, .. } = &corpus.kind else { return known(corpus.kind.name()).map(str::to_owned) };
    let kinds = kinds(corpus);
    let line = |(part, kind): (&CorpusPart, &str)| format!("{}: {}", part.name, known(kind).unwrap_or("not known to this program"));
    Some(parts.iter().zip(kinds).map(line).collect::<Vec<_>>().join("; "))
}

/// What to cite: keys of entries known by heart, and what the pipeline file says.
pub(super) fn references(corpus: &CorpusSettings) -> Vec<String> {
    let kinds = kinds(corpus);
    let known = KNOWN.iter().filter(|terms| kinds.contains(&terms.kind)).map(|terms| terms.reference.to_owned());
    known.chain(corpus.citation.clone()).collect()
}
