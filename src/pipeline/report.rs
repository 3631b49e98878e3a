//! The report stage: gathers what the stages before it found and writes the pages.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path};

use serde::Serialize;

use super::augment;
use super::doubts::{Doubts, doubts};
use super::evaluate::{self, SECTIONS};
use super::experiments::before_training;
use super::explain::{self, EXPLANATION};
use super::extract::{self, SET_ASIDE};
use super::ingest::{Ingested, LISTING, UTTERANCES, from_json};
use super::jobs::Data;
use super::options::{Options, Stage};
use super::overview;
use super::pools;
use super::publish::table_hash;
use super::running::Running;
use super::split::Folds;
use super::tables;
use super::terms;
use super::train::PREDICTIONS;
use super::walk::{Later, Seen, Walk};
use super::windows::{Unit, WINDOWS};
use crate::cancel::Cancel;
use crate::config::{CorpusSettings, Experiment, Pipeline};
use crate::corpus::{
    self, Condition, Listing, Recorded, SetAside, Source, UNKNOWN_SPEAKER, Utterance,
};
use crate::error::Result;
use crate::evaluation::{Answered, Pair, pairs};
use crate::features::FeatureSet;
use crate::files::{Inventory, hash_bytes, private_folder, sweep};
use crate::orchestrator::{Context, Finished, Identity, Lock, Observer, Task};
use crate::report::{
    self, CorpusSection, ExperimentSection, PipelineReport, RunPage, StepSection, TestedUtterance,
};
use crate::split::TestSpeakers;
use crate::table::duplicates::DuplicateRow;
use crate::table::predictions::PredictionRow;
use crate::table::{self, summary};

/// Files of a report that are written after all others: they vouch for what stands beside them.
pub(super) const LAST: &[&str] = &["report.json", "index.html"];

/// Holds the locks of whoever writes reports.
pub(super) const LOCKS: &str = ".locks";

/// What the corpus turned out to be.
pub(super) fn corpus_section(
    listing: &Listing,
    settings: &CorpusSettings,
    data: &Data,
    late: Vec<SetAside>,
) -> Result<CorpusSection> {
    // The corpus is of utterances, whatever they are cut into.
    let (whole, _) = Unit(settings.windows).whole(data.utterances);
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
        notes: doubts(utterances, &data.pairs)
            .into_iter()
            .chain(listing.warnings.iter().chain(&listing.notes).cloned())
            .collect(),
        guessed: settings.guessed.clone(),
        conditions: conditions(utterances),
        licence: terms::licence(settings),
        references: terms::references(settings),
    })
}

/// What of the recordings, beside their sound, may tell their classes.
pub(super) fn conditions(utterances: &[Utterance]) -> Vec<Condition> {
    corpus::conditions(utterances.iter().map(|u| Recorded {
        path: &u.source.path,
        class: &u.source.emotion,
        speaker: Some(u.source.speaker.as_str()).filter(|speaker| *speaker != UNKNOWN_SPEAKER),
        sample_rate: u.sample_rate,
        channels: u.channels,
    }))
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

/// The whole report of a pipeline.
pub(super) fn assemble(
    pipeline: &Pipeline,
    corpus: Option<CorpusSection>,
    missing: Option<String>,
    experiments: Vec<ExperimentSection>,
    steps: Vec<StepSection>,
) -> PipelineReport {
    let generated = corpus.as_ref().is_some_and(|c| c.generated);
    PipelineReport {
        name: pipeline.full_name(),
        title: pipeline.full_title(),
        corpus,
        missing,
        overviews: vec![],
        recordings: None,
        comparisons: vec![],
        experiments,
        steps,
        overrides: pipeline.changes().map(without_path).collect(),
        file: pipeline.text.clone(),
        // Published figures are of whole utterances.
        published: if generated || pipeline.corpus.windows.is_some() {
            vec![]
        } else {
            pipeline.published.clone()
        },
        settings: pipeline.settings(),
        versions: versions(pipeline),
    }
}

/// Where a corpus lies is of nobody's concern; that a run was pointed to another than the file's
/// is.
fn without_path(text: &str) -> String {
    let key = text.split('=').next().unwrap_or_default().trim();
    if ["corpus.root", "corpus.path"].contains(&key) {
        key.to_owned()
    } else {
        text.to_owned()
    }
}

fn versions(pipeline: &Pipeline) -> BTreeMap<String, String> {
    let sets = &pipeline.features.sets;
    let names: Vec<&str> = sets.iter().map(|set| set.name()).collect();
    let code: Vec<String> = sets
        .iter()
        .map(|set| set.code_version().to_string())
        .collect();
    BTreeMap::from([
        ("ser".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("feature set".to_owned(), names.join(", ")),
        (
            "feature profile".to_owned(),
            pipeline.features.profile.name().to_owned(),
        ),
        ("feature code".to_owned(), code.join(", ")),
    ])
}

/// Says that the corpus is missing, on top of what an earlier run found where there is such a
/// report.
pub(super) fn write_missing(walk: &Walk, why: String) -> Result<()> {
    let (pipeline, options) = (walk.pipeline, walk.options);
    let folder = options.reports_dir.join(pipeline.full_name());
    // One that is damaged is of no use.
    let earlier = report::read_report(&folder)
        .ok()
        .flatten()
        .filter(|r| !r.experiments.is_empty());
    let report = match earlier {
        Some(mut report) => {
            let tables = options.data_dir.join("tables").join(pipeline.full_name());
            join_published(&mut report, &tables);
            PipelineReport {
                missing: Some(format!("{why}. What stands below is of an earlier run.")),
                ..report
            }
        }
        None => assemble(pipeline, None, Some(why), vec![], vec![]),
    };
    let made = private_folder()?;
    report::write(&report, made.path())?;
    let mut publication = walk.publication();
    publication.made_in(made.path(), &folder, LAST)?;
    publication.apply(&walk.store, &|_| {})?;
    write_index(options, walk.cancel, walk.observer)
}

/// Puts a page without times where there is none yet: whoever recorded the run has them, and writes
/// it anew.
pub(super) fn write_run(
    pipeline: &Pipeline,
    steps: &[StepSection],
    options: &Options,
) -> Result<()> {
    let folder = options.reports_dir.join(pipeline.full_name());
    if folder.join(report::RUN_PAGE).exists() && Inventory::read(&folder)?.lists(report::RUN_PAGE) {
        return Ok(());
    }
    let page = RunPage {
        title: pipeline.full_title(),
        steps: steps.to_vec(),
        ..RunPage::default()
    };
    report::write_run(&page, &folder).map(drop)
}

/// Writes the index of all pipelines; one process at a time, or the reports of another could be
/// missing in it.
pub(super) fn write_index(
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let folder = options.reports_dir.join(LOCKS).join("index");
    let _lock = Lock::wait(&folder, &options.owner, cancel, observer)?;
    sweep(&options.reports_dir, false)?;
    if !report::write_index(&options.reports_dir)? {
        let page = options.reports_dir.join("index.html");
        observer
            .warn(format!("{} stays as it is, since ser did not write it: the page of all pipelines has no other place", page.display()));
    }
    Ok(())
}

/// The sections of what is evaluated or failed, in the order of the pipeline file.
pub(super) fn sections(
    pipeline: &Pipeline,
    experiments: &[Running],
    data: &Data,
) -> Result<Vec<ExperimentSection>> {
    let doubts = data.doubts(pipeline);
    let mut sections = Vec::new();
    for one in experiments {
        let found = match (&one.evaluated, &one.failed) {
            (Some(done), _) => {
                let mut found: Vec<ExperimentSection> = from_json(&done.path(SECTIONS))?;
                let (_, rows, _) = table::predictions::read(&done.path(PREDICTIONS))?;
                found
                    .iter_mut()
                    .for_each(|section| join(section, &rows, data.utterances));
                found
            }
            (None, Some(why)) => vec![evaluate::failed_section(
                one.experiment,
                one.folds.as_ref(),
                why.clone(),
            )],
            (None, None) => continue,
        };
        let explanation = one
            .explained
            .as_ref()
            .and_then(Seen::there)
            .map(explain::read)
            .transpose()?;
        let bare = (explanation.is_some() && !one.experiment.test_time_augment.is_empty()).then_some(
            "feature importance: measured on the recordings as they are, without the changed copies that predictions are averaged with",
        );
        // What the pipeline file says besides the results may change without a new evaluation.
        sections.extend(found.into_iter().map(|section| {
            ExperimentSection {
                title: title(one.experiment, &section),
                speakers: statement(one.folds.as_ref(), &doubts, &section),
                guessed: doubts.guessed.to_vec(),
                shared: remarks(one.folds.as_ref(), &doubts, &section)
                    .into_iter()
                    .chain(bare.map(str::to_owned))
                    .collect(),
                transductive: pipeline.is_transductive(one.experiment),
                inputs: pipeline.describe_inputs(one.experiment),
                explanation: explanation.clone(),
                ..section
            }
        }));
    }
    pools::add_inductive(pipeline, &mut sections);
    Ok(sections)
}

/// Joins the predictions of an experiment, of one direction those of its fold, with what is known of
/// the utterances.
fn join(section: &mut ExperimentSection, rows: &[PredictionRow], utterances: &[Utterance]) {
    let sources: HashMap<&str, &Source> = utterances
        .iter()
        .map(|u| (u.source.id.as_str(), &u.source))
        .collect();
    let only = direction(section);
    let tested = |row: &PredictionRow| {
        let source = sources.get(row.utterance_id.as_str());
        TestedUtterance {
            prediction: row.clone(),
            path: source.map(|s| s.path.clone()).unwrap_or_default(),
            speaker: source.map(|s| s.speaker.clone()).unwrap_or_default(),
        }
    };
    section.predictions = rows
        .iter()
        .filter(|row| row.experiment == section.experiment())
        .filter(|row| only.is_none_or(|fold| fold == row.fold))
        .map(tested)
        .collect();
}

/// Gives the sections of an earlier report their predictions, from the published tables; where these
/// cannot be read, the figures stand alone.
fn join_published(report: &mut PipelineReport, tables: &Path) {
    let predictions = table::predictions::read(&tables.join(PREDICTIONS));
    let utterances = table::utterances::read_parts(tables);
    if let (Ok((_, rows, _)), Ok(utterances)) = (predictions, utterances) {
        for section in &mut report.experiments {
            join(section, &rows, &utterances);
        }
    }
}

/// The fold of one direction between corpora.
fn direction(section: &ExperimentSection) -> Option<u32> {
    section
        .direction_of
        .as_ref()
        .and(section.folds.first())
        .map(|fold| fold.fold)
}

/// What may be said of the test speakers of a section.
fn statement(folds: Option<&Folds>, doubts: &Doubts, section: &ExperimentSection) -> TestSpeakers {
    folds.map_or(TestSpeakers::Unknown, |folds| {
        folds.speakers(doubts, direction(section))
    })
}

/// What training and test share, then what the evaluation remarked.
fn remarks(folds: Option<&Folds>, doubts: &Doubts, section: &ExperimentSection) -> Vec<String> {
    let lines = folds
        .map(|folds| folds.remarks(doubts, direction(section)))
        .unwrap_or_default();
    lines
        .into_iter()
        .chain(section.shared.iter().cloned())
        .collect()
}

/// The title of an experiment; of one direction, with the corpus that is tested.
fn title(experiment: &Experiment, section: &ExperimentSection) -> String {
    let tested = section
        .direction_of
        .as_ref()
        .and(section.protocol.split_once(", tested on "));
    tested.map_or_else(
        || experiment.title.clone(),
        |(_, tested)| format!("{}, tested on {tested}", experiment.title),
    )
}

/// What a report shows besides the outputs of other tasks.
#[derive(Serialize)]
struct ReportKey<'k> {
    #[serde(flatten)]
    page: &'k PipelineReport,
    order: Vec<&'k str>,
    titles: BTreeMap<&'k str, &'k str>,
}

/// McNemar's test between the experiments that have results.
fn comparisons(experiments: &[ExperimentSection], unit: Unit) -> Result<Vec<Pair>> {
    let answered = |section: &ExperimentSection| {
        let rows: Vec<PredictionRow> = section
            .predictions
            .iter()
            .map(|tested| tested.prediction.clone())
            .collect();
        // Windows of one utterance are no independent answers.
        Answered::of(
            &section.name,
            &section.protocol,
            &section.labels,
            evaluate::of_utterances(&section.labels, &rows, unit),
        )
    };
    let answered = experiments
        .iter()
        .filter(|section| section.pooled.is_some())
        .map(answered)
        .collect::<Result<Vec<_>>>()?;
    Ok(pairs(&answered))
}

/// How many tasks each step has, and what it waits for.
pub(super) fn steps(pipeline: &Pipeline, experiments: &[Running]) -> Vec<StepSection> {
    let step = |name: &str, tasks: usize, after: &[String]| StepSection {
        name: name.to_owned(),
        tasks,
        after: after.to_vec(),
    };
    let sets: Vec<String> = pipeline
        .features
        .sets
        .iter()
        .map(|set| extract::id(*set))
        .collect();
    let mut steps = vec![step("ingest", 1, &[])];
    let utterances = if pipeline.corpus.windows.is_some() {
        WINDOWS
    } else {
        "ingest"
    };
    steps.extend((utterances == WINDOWS).then(|| step(WINDOWS, 1, &["ingest".into()])));
    steps.extend(sets.iter().map(|set| step(set, 1, &[utterances.into()])));
    steps.push(step("audit", 1, &["ingest".into()]));
    let copied: BTreeSet<String> = experiments
        .iter()
        .map(|one| one.experiment)
        .filter(|e| !e.augment.is_empty())
        .map(|e| augment::id(e.inputs.set))
        .collect();
    steps.extend(copied.iter().map(|set| step(set, 1, &[utterances.into()])));
    let mut ends = Vec::new();
    for one in experiments {
        let name = &one.experiment.name;
        let (split, train, evaluate) = (
            format!("split/{name}"),
            format!("train/{name}"),
            evaluate::id(one.experiment),
        );
        let folds = one.folds.as_ref().map_or(0, |folds| folds.folds.len());
        steps.push(step(&split, 1, &sets));
        if one.is_ensemble() {
            let members = one
                .experiment
                .members()
                .iter()
                .map(|member| evaluate::id_of(member));
            steps.push(step(
                &evaluate,
                1,
                &["audit".into(), split]
                    .into_iter()
                    .chain(members)
                    .collect::<Vec<_>>(),
            ));
        } else {
            steps.push(step(
                &train,
                folds * one.experiment.seeds.len(),
                &before_training(one.experiment),
            ));
            steps.push(step(&evaluate, 1, &["audit".into(), train]));
        }
        if one.explained.is_some() {
            let explain = explain::id(one.experiment);
            steps.push(step(&explain, 1, &[evaluate]));
            ends.push(explain);
        } else {
            ends.push(evaluate);
        }
    }
    steps.push(step("report", 1, &ends));
    steps
}

impl Walk<'_> {
    /// The tables of all experiments together; nothing where there are none.
    pub(super) fn tables(
        &self,
        experiments: &[Running],
        data: &Data,
        open: Option<&Later>,
    ) -> Result<Option<Seen<Finished>>> {
        let mut ends: Vec<String> = experiments
            .iter()
            .filter(|one| one.split.is_some())
            .map(|one| format!("split/{}", one.experiment.name))
            .collect();
        if self.options.until > Stage::Train {
            ends.extend(
                experiments
                    .iter()
                    .filter(|one| one.split.is_some())
                    .map(|one| evaluate::id(one.experiment)),
            );
        }
        let order: Vec<&str> = experiments
            .iter()
            .filter(|one| one.split.is_some())
            .map(|one| one.experiment.name.as_str())
            .collect();
        let identity = self.identity(Stage::Tables, serde_json::json!({ "order": order }), [])?;
        if let Some(open) = open {
            let open = Later {
                certain: false,
                ..open.clone()
            };
            return Ok(Some(Seen::Later(self.later(
                "tables",
                Some(&identity),
                ends,
                &open,
            ))));
        }
        let mut inputs: BTreeMap<String, String> =
            tables::inputs(experiments)?.into_iter().collect();
        if inputs.is_empty() {
            return Ok(None);
        }
        inputs.extend(data.audit_hash()?.map(|hash| ("audit".to_owned(), hash)));
        let action = |context: &Context| tables::write(experiments, context);
        self.single(
            Task::new("tables", Identity { inputs, ..identity }, action),
            ends,
            || false,
        )
        .map(Some)
    }

    /// The way from the pages to the recordings. It is a part of the report's identity: a corpus
    /// that moved has other links.
    fn recordings(&self) -> Option<String> {
        let pages =
            std::path::absolute(self.options.reports_dir.join(self.pipeline.full_name())).ok()?;
        relative(&pages, &std::path::absolute(self.root()).ok()?)
    }

    /// The pages and CSV files.
    pub(super) fn report(
        &self,
        ingested: &Ingested,
        data: &Data,
        late: Vec<SetAside>,
        experiments: &[Running],
        open: Option<&Later>,
    ) -> Result<Seen<Finished>> {
        let is_shown = |one: &&Running| {
            one.evaluated.is_some() || one.failed.is_some() || (self.planning() && one.chosen)
        };
        let shown: Vec<&Running> = experiments.iter().filter(is_shown).collect();
        let failed: Vec<ExperimentSection> = shown
            .iter()
            .filter_map(|one| {
                one.failed.as_ref().map(|why| {
                    evaluate::failed_section(one.experiment, one.folds.as_ref(), why.clone())
                })
            })
            .collect();
        let mut frame = assemble(
            self.pipeline,
            None,
            None,
            failed,
            steps(self.pipeline, experiments),
        );
        frame.recordings = self.recordings();
        // An input, by its hash: as a setting it would be told line by line.
        frame.file.clear();
        let titles = shown
            .iter()
            .map(|one| (one.experiment.name.as_str(), one.experiment.title.as_str()))
            .collect();
        let order = shown
            .iter()
            .map(|one| one.experiment.name.as_str())
            .collect();
        let identity = self.identity(
            Stage::Report,
            ReportKey {
                page: &frame,
                order,
                titles,
            },
            [],
        )?;
        let last = |one: &Running| {
            if one.explained.is_some() {
                explain::id(one.experiment)
            } else {
                evaluate::id(one.experiment)
            }
        };
        let ends = experiments.iter().map(last).collect();
        let explained = || {
            experiments
                .iter()
                .find_map(|one| one.explained.as_ref()?.later())
        };
        let open = open.or_else(explained);
        if let Some(open) = open {
            return Ok(Seen::Later(self.later(
                "report",
                Some(&identity),
                ends,
                &Later {
                    certain: false,
                    ..open.clone()
                },
            )));
        }
        let mut inputs = BTreeMap::from([
            (
                "pipeline file".to_owned(),
                hash_bytes(self.pipeline.text.as_bytes()),
            ),
            ("listing".to_owned(), ingested.finished.hash(LISTING)?),
            (
                "utterances".to_owned(),
                table_hash(&ingested.finished, UTTERANCES)?,
            ),
        ]);
        for (set, extracted) in data.extracted.there() {
            let word = if set == FeatureSet::default() {
                String::new()
            } else {
                format!(" {}", set.name())
            };
            inputs.insert(format!("set aside{word}"), extracted.hash(SET_ASIDE)?);
            if !set.is_sequence() {
                inputs.insert(
                    format!("features{word}"),
                    table_hash(extracted, extract::table_name(set))?,
                );
            }
        }
        inputs.extend(data.audit_hash()?.map(|hash| ("audit".to_owned(), hash)));
        for one in &shown {
            if let Some(done) = &one.evaluated {
                let id = evaluate::id(one.experiment);
                inputs.insert(format!("{id} predictions"), done.hash(PREDICTIONS)?);
                inputs.insert(id, done.hash(SECTIONS)?);
            }
            if let Some(done) = one.explained.as_ref().and_then(Seen::there) {
                inputs.insert(explain::id(one.experiment), done.hash(EXPLANATION)?);
            }
        }
        let action = |context: &Context| {
            let corpus =
                corpus_section(&ingested.listing, &self.pipeline.corpus, data, late.clone())?;
            let steps = steps(self.pipeline, experiments);
            let mut report = assemble(
                self.pipeline,
                Some(corpus),
                None,
                sections(self.pipeline, experiments, data)?,
                steps,
            );
            report.comparisons = comparisons(&report.experiments, Unit::of(self.pipeline))?;
            report.overviews = overview::overviews(data.extracted, data.utterances)?;
            report.recordings = frame.recordings.clone();
            report::write(&report, context.folder).map(drop)
        };
        self.single(
            Task::new("report", Identity { inputs, ..identity }, action),
            ends,
            || false,
        )
    }
}

/// The way from one folder to another, with `/` between; `None` where there is none, as between
/// drives.
pub(super) fn relative(from: &Path, to: &Path) -> Option<String> {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if common == 0
        || from[common..]
            .iter()
            .chain(&to[common..])
            .any(|part| !matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let up = from[common..].iter().map(|_| Some("..".to_owned()));
    let down = to[common..]
        .iter()
        .map(|part| part.as_os_str().to_str().map(str::to_owned));
    up.chain(down)
        .collect::<Option<Vec<_>>>()
        .map(|parts| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_recordings_goes_up_and_down() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(
            way("/a/reports/demo", "/a/data/corpora/x").as_deref(),
            Some("../../data/corpora/x")
        );
        assert_eq!(way("/a/b", "/a/b/c").as_deref(), Some("c"));
        assert_eq!(way("/a/b", "/a/../c"), None);
    }
}
