//! What the encoders of an experiment were trained on, held against the corpus under test.

use std::collections::BTreeMap;

use crate::config::{CorpusKind, CorpusSettings, Experiment, PartKind, Pipeline};
use crate::encoder::{Heard, Known, Source, TestedCorpus};
use crate::error::{Error, Result};
use crate::split::Requirement;
use crate::table::leakage::LeakageRow;

/// The corpora that a pipeline tests on.
fn tested(corpus: &CorpusSettings) -> Vec<TestedCorpus<'_>> {
    let own = |name| match corpus.unpublished {
        true => TestedCorpus::Unpublished(name),
        false => TestedCorpus::Named(name),
    };
    match &corpus.kind {
        CorpusKind::Synthetic { .. } => vec![TestedCorpus::Generated],
        CorpusKind::Manifest { .. } | CorpusKind::Audformat { .. } => vec![own(&corpus.name)],
        CorpusKind::Joined { parts, .. } => (parts.iter())
            .map(|part| match part.kind {
                PartKind::Manifest { .. } | PartKind::Audformat => own(&part.name),
                _ => TestedCorpus::Published(part.kind.name()),
            })
            .collect(),
        kind => vec![TestedCorpus::Published(kind.name())],
    }
}

/// The verdict on one encoder. Its files are read once.
pub(super) fn of_source(pipeline: &Pipeline, source: &Source) -> Heard {
    let name = source.name();
    match source.describe() {
        Ok(description) => {
            let recognised = Known::recognise(source.path(), description);
            Heard::of(name.as_str(), recognised, &tested(&pipeline.corpus))
        }
        Err(_) => Heard::without_files(name.as_str()),
    }
}

/// The verdict on each encoder of an experiment and of its members.
pub(super) fn heard(pipeline: &Pipeline, experiment: &Experiment) -> Vec<Heard> {
    let is_part =
        |one: &&Experiment| one.name == experiment.name || experiment.members().contains(&one.name);
    let mut sources: Vec<&Source> = Vec::new();
    for one in pipeline.experiments.iter().filter(is_part) {
        let own = pipeline.features.encoder(one.inputs.set);
        let own =
            own.filter(|source| one.members().is_empty() && !sources.contains(&source.as_ref()));
        sources.extend(own.map(AsRef::as_ref));
    }
    sources
        .into_iter()
        .map(|source| of_source(pipeline, source))
        .collect()
}

/// Refuses an encoder that was trained on the corpus, or may have been, where that is required.
///
/// # Errors
/// `Data`.
pub(super) fn check(pipeline: &Pipeline, experiment: &Experiment) -> Result<()> {
    let demand = Requirement::EncoderUnseen;
    if !experiment.require.contains(&demand) {
        return Ok(());
    }
    for one in heard(pipeline, experiment) {
        if let Some(hint) = one.falls_short() {
            let (name, demand) = (&experiment.name, demand.name());
            let message = format!(
                "the experiment {name} requires `{demand}`, but {}",
                one.describe()
            );
            return Err(Error::data(message).hint(hint));
        }
    }
    Ok(())
}

/// Rows of the table of what folds share: of each fold its tested utterances, all of which the
/// encoders were trained on, or may have been, or none.
pub(super) fn leakage(heard: &[Heard], folds: &[LeakageRow]) -> Vec<LeakageRow> {
    let Some(worst) = Heard::worst(heard) else {
        return vec![];
    };
    let mut tested: BTreeMap<u32, &LeakageRow> = BTreeMap::new();
    // Which counts utterances.
    for row in folds.iter().filter(|row| row.kind == "duplicates") {
        tested.insert(row.fold, row);
    }
    let of_fold = |row: &LeakageRow| LeakageRow {
        kind: format!("encoder-{}", worst.verdict.name()),
        shared_units: match worst.verdict.is_unseen() {
            true => 0,
            false => row.test_units,
        },
        ..row.clone()
    };
    tested.into_values().map(of_fold).collect()
}
