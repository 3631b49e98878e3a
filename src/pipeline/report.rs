//! The report stage: gathers what the stages before it found and writes the pages.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::Pipeline;
use crate::corpus::{Listing, SetAside, Utterance};
use crate::error::Result;
use crate::features;
use crate::report::{self, CorpusSection, ExperimentSection, PipelineReport};
use crate::table::summary;

/// What the corpus turned out to be.
pub(super) fn corpus_section(listing: &Listing, utterances: &[Utterance], late: Vec<SetAside>) -> Result<CorpusSection> {
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
        by_speaker: counts.by_speaker,
        by_session: counts.by_session,
        expected: listing.expected.clone(),
        set_aside,
        duplicates: summary::duplicates(utterances)?,
        notes: listing.notes.clone(),
    })
}

/// The whole report of a pipeline.
pub(super) fn assemble(
    pipeline: &Pipeline,
    corpus: Option<CorpusSection>,
    missing: Option<String>,
    experiments: Vec<ExperimentSection>,
) -> PipelineReport {
    let generated = corpus.as_ref().is_some_and(|c| c.generated);
    PipelineReport {
        name: pipeline.name.clone(),
        title: pipeline.title.clone(),
        corpus,
        missing,
        experiments,
        overrides: pipeline.overrides.iter().filter(|o| !o.starts_with("corpus.root")).cloned().collect(),
        published: if generated { vec![] } else { pipeline.published.clone() },
        settings: pipeline.settings(),
        versions: versions(pipeline),
    }
}

fn versions(pipeline: &Pipeline) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("ser".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("feature set".to_owned(), pipeline.features.set.name().to_owned()),
        ("feature profile".to_owned(), pipeline.features.profile.name().to_owned()),
        ("feature code".to_owned(), features::CODE_VERSION.to_string()),
    ])
}

/// Says that the corpus is missing, on top of what an earlier run found where there is such a report.
pub(super) fn write_missing(pipeline: &Pipeline, why: String, reports_dir: &Path) -> Result<()> {
    let earlier = std::fs::read(reports_dir.join(&pipeline.name).join("report.json")).ok();
    let earlier = earlier.and_then(|bytes| serde_json::from_slice::<PipelineReport>(&bytes).ok()).filter(|r| !r.experiments.is_empty());
    let report = match earlier {
        Some(report) => PipelineReport { missing: Some(format!("{why}. What stands below is of an earlier run.")), ..report },
        None => assemble(pipeline, None, Some(why), vec![]),
    };
    write(&report, reports_dir)
}

/// Writes the page of a pipeline and the index of all.
pub(super) fn write(report: &PipelineReport, reports_dir: &Path) -> Result<()> {
    report::write(report, &reports_dir.join(&report.name))?;
    report::write_index(reports_dir)
}
