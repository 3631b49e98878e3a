//! The part of the report on the corpus, with the terms on which it may be used.

use std::collections::{BTreeMap, BTreeSet};

use super::known::PipelineInputs;
use super::label_warnings::{conditions, label_warnings};
use super::windows::Unit;
use crate::config::{CorpusKind, CorpusSettings};
use crate::corpus::{Listing, SetAside, UNKNOWN_SPEAKER, Utterance, terms};
use crate::error::Result;
use crate::report::CorpusSection;
use crate::table::duplicates::DuplicateRow;
use crate::table::summary;

/// What the corpus turned out to be.
pub(super) fn corpus_section(
    listing: &Listing,
    settings: &CorpusSettings,
    data: &PipelineInputs,
    late: Vec<SetAside>,
) -> Result<CorpusSection> {
    // The corpus is of utterances, whatever they are cut into.
    let (whole, _) = Unit(settings.windows).whole(&data.utterances);
    let utterances = whole.as_ref();
    let counts = summary::counts(utterances)?;
    let mut set_aside = listing.set_aside.clone();
    set_aside.extend(late);
    set_aside.sort_by(|a, b| (&a.path, a.reason).cmp(&(&b.path, b.reason)));
    Ok(CorpusSection {
        corpus: listing.corpus.clone(),
        generated: listing.generated,
        utterances: utterances.len(),
        duration_s: counts.duration_s,
        by_class: counts.by_class,
        by_speaker: counts
            .by_speaker
            .into_iter()
            .filter(|(speaker, _)| speaker != UNKNOWN_SPEAKER)
            .collect(),
        unknown_speakers: utterances
            .iter()
            .filter(|u| u.source.speaker == UNKNOWN_SPEAKER)
            .count(),
        by_session: counts.by_session,
        expected: listing.expected.clone(),
        set_aside,
        duplicates: exact_groups(utterances, &data.pairs),
        near_duplicates: data
            .pairs
            .iter()
            .filter(|pair| !pair.is_exact())
            .cloned()
            .collect(),
        notes: label_warnings(utterances, &data.pairs)
            .into_iter()
            .chain(listing.warnings.iter().chain(&listing.notes).cloned())
            .collect(),
        guessed: settings.guessed.clone(),
        conditions: conditions(utterances),
        licence: licence(settings),
        references: references(settings),
    })
}

/// The ids of the utterances whose samples are the same, group by group, from the pairs of the audit.
fn exact_groups(utterances: &[Utterance], pairs: &[DuplicateRow]) -> Vec<Vec<String>> {
    let known: BTreeSet<&str> = utterances.iter().map(|u| u.source.id.as_str()).collect();
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.is_exact()) {
        let first = pair.utterance_a.as_str();
        let group = groups
            .entry(first)
            .or_insert_with(|| vec![first.to_owned()]);
        group.push(pair.utterance_b.clone());
    }
    let mut groups: Vec<Vec<String>> = groups.into_values().collect();
    groups
        .iter_mut()
        .for_each(|ids| ids.retain(|id| known.contains(id.as_str())));
    groups.retain(|ids| ids.len() > 1);
    groups
}

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
