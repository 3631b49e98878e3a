//! The report stage: gathers what the stages before it found and writes the pages.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use super::corpus_section::corpus_section;
use super::evaluate::{self, SECTIONS};
use super::explain::{self, EXPLANATION};
use super::extract::{self, SET_ASIDE};
use super::folds::Folds;
use super::heard::{self, heard};
use super::ingest::{Ingested, LISTING, UTTERANCES};
use super::known::{ExperimentState, Known, PipelineInputs};
use super::label_warnings::Doubts;
use super::overviews;
use super::pipeline_run::{Options, PipelineRun};
use super::plan;
use super::pools;
use super::publish::{Publication, table_hash};
use super::stage::{Stage, TaskId};
use super::stress;
use super::tables;
use super::train::PREDICTIONS;
use super::windows::Unit;
use crate::cancel::Cancel;
use crate::config::{Experiment, Pipeline};
use crate::corpus::{Source, Utterance};
use crate::encoder::{self, Heard};
use crate::error::{Error, Result};
use crate::evaluation::{Answered, Pair, pairs};
use crate::features::FeatureSet;
use crate::files::{Inventory, from_json, hash_bytes, private_folder, relative, sweep};
use crate::orchestrator::{
    Context, Identity, Interpreter, Lock, Node, Observer, Outputs, Task, Upstream,
};
use crate::report::{
    self, CorpusSection, ExperimentSection, PipelineReport, RunPage, StepSection, TestedUtterance,
};
use crate::split::TestSpeakers;
use crate::table;
use crate::table::predictions::PredictionRow;

/// Files of a report that are written after all others: they vouch for what stands beside them.
pub(super) const LAST: &[&str] = &["report.json", "index.html"];

/// Holds the locks of whoever writes reports.
pub(super) const LOCKS: &str = ".locks";

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
        imports: vec![],
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
    let mut versions = BTreeMap::from([
        ("ser".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("feature set".to_owned(), names.join(", ")),
        (
            "feature profile".to_owned(),
            pipeline.features.profile.name().to_owned(),
        ),
        ("feature code".to_owned(), code.join(", ")),
    ]);
    let of_sets = sets
        .iter()
        .filter_map(|set| pipeline.features.encoder(*set));
    for source in of_sets {
        // One that is not there has no part in any result of this run.
        if let Some(said) = describe_encoder(pipeline, source) {
            versions.insert(format!("encoder {}", source.name().as_str()), said);
        }
    }
    versions
}

/// An encoder in words, where it is there.
fn describe_encoder(pipeline: &Pipeline, source: &encoder::Source) -> Option<String> {
    let (description, usage) = (source.describe().ok()?, source.usage());
    let licence = description.licence.as_deref();
    let files: Vec<String> = (description.files.iter())
        .map(|(name, sum)| format!("{name} {sum}"))
        .collect();
    Some(format!(
        "{} layers of {} values, {}, licence {}; {}; SHA-256: {}",
        description.layers,
        description.width,
        usage.words(),
        licence.unwrap_or("unknown (its folder names none)"),
        heard::of_source(pipeline, source).describe(),
        files.join(", ")
    ))
}

/// Says that the corpus is missing, on top of what an earlier run found where there is such a
/// report.
pub(super) fn write_missing(run: &PipelineRun, why: String) -> Result<()> {
    let (pipeline, options) = (run.pipeline, run.options);
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
    let mut publication = Publication::new(pipeline, options);
    publication.made_in(made.path(), &folder, LAST)?;
    publication.apply(&run.store, &|_| {})?;
    write_index(options, run.cancel, run.observer)
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
    run: &PipelineRun,
    experiments: &[ExperimentState],
    data: &PipelineInputs,
) -> Result<Vec<ExperimentSection>> {
    let pipeline = run.pipeline;
    let doubts = data.doubts(pipeline);
    let mut sections = Vec::new();
    for one in experiments {
        let found = match (&one.evaluated, &one.failed) {
            (Some(done), _) => {
                let mut found: Vec<ExperimentSection> = from_json(&done.path(SECTIONS))?;
                let (_, rows, _) = table::predictions::read(&done.path(PREDICTIONS))?;
                found
                    .iter_mut()
                    .for_each(|section| join(section, &rows, &data.utterances));
                found
            }
            (None, Some(why)) => vec![evaluate::failed_section(
                one.experiment,
                one.folds.as_ref(),
                why.clone(),
            )],
            (None, None) => continue,
        };
        let explanation = one.explained.as_ref().map(explain::read).transpose()?;
        let bare = (explanation.is_some() && !one.experiment.test_time_augment.is_empty()).then_some(
            "feature importance: measured on the recordings as they are, without the changed copies that predictions are averaged with",
        );
        let heard = heard(pipeline, one.experiment);
        // What the pipeline file says besides the results may change without a new evaluation.
        for section in found {
            let robustness = stress::read(one, &section, direction(&section))?;
            let encoders = heard::leakage(&heard, &section.leakage);
            sections.push(ExperimentSection {
                leakage: encoders
                    .into_iter()
                    .chain(section.leakage.iter().cloned())
                    .collect(),
                encoders: heard.clone(),
                title: title(one.experiment, &section),
                speakers: statement(one.folds.as_ref(), &doubts, &section),
                guessed: doubts.guessed.to_vec(),
                shared: (one.folds.as_ref())
                    .map(|folds| folds.remarks(&doubts, direction(&section)))
                    .unwrap_or_default()
                    .into_iter()
                    .chain(heard.iter().map(Heard::describe))
                    .collect(),
                remarks: (section.remarks.iter().cloned())
                    .chain(bare.map(str::to_owned))
                    .collect(),
                transductive: pipeline.is_transductive(one.experiment),
                inputs: pipeline.describe_inputs(one.experiment),
                explanation: explanation.clone(),
                robustness,
                ..section
            });
        }
    }
    pools::add_inductive(pipeline, &mut sections);
    sections.extend(left_out(run));
    let place = |section: &ExperimentSection| {
        let mut names = pipeline.experiments.iter().map(|one| &one.name);
        names.position(|name| name == section.experiment())
    };
    sections.sort_by_key(place);
    Ok(sections)
}

/// The sections of the experiments that this run leaves out.
fn left_out(run: &PipelineRun) -> impl Iterator<Item = ExperimentSection> {
    run.left_out.iter().filter_map(|one| {
        let mut experiments = run.pipeline.experiments.iter();
        let experiment = experiments.find(|other| other.name == one.experiment)?;
        Some(ExperimentSection {
            left_out: true,
            ..evaluate::failed_section(experiment, None, format!("left out: {}", one.why))
        })
    })
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

/// The way from the pages to the recordings. It is a part of the report's identity: a corpus
/// that moved has other links.
fn recordings(run: &PipelineRun) -> Option<String> {
    let pages = std::path::absolute(run.options.reports_dir.join(run.pipeline.full_name())).ok()?;
    relative(&pages, &std::path::absolute(run.root()).ok()?)
}

/// The pages and CSV files.
pub(super) fn report<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    outputs: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let settings = move || match known.inputs {
        Some(_) => frame(run, known)
            .and_then(|frame| frame_identity(run, known, &frame))
            .map(Some),
        None => Ok(None),
    };
    Ok(vec![Node {
        vital: true,
        reads: tables::everything(run, known, outputs),
        follows: false,
        ..Node::new(
            TaskId::Report,
            known.ends(outputs),
            settings,
            move |inputs| report_task(run, known, inputs),
        )
    }])
}

/// Draws the steps, now that all experiments are through.
pub(super) fn before(
    _: &PipelineRun,
    known: &mut Known,
    interpreter: &Interpreter,
) -> Result<Vec<Error>> {
    let experiments = known.experiments.iter();
    let names: Vec<&str> = experiments
        .map(|one| one.experiment.name.as_str())
        .collect();
    let ends = known.ends(&interpreter.outputs);
    known.steps = plan::steps(&interpreter.planned, &names, &ends);
    Ok(vec![])
}

pub(super) fn publish(
    _: &PipelineRun,
    _: &Known,
    outputs: &Outputs,
    publication: &mut Publication,
) -> Result<()> {
    let [.., reports] = publication.folders.clone();
    match outputs.ready(&TaskId::Report.to_string()) {
        Some(done) => publication.report(&reports, done, LAST),
        None => Ok(()),
    }
}

/// The experiments that a report shows; a plan takes those that will run for shown.
fn shown<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
) -> impl Iterator<Item = &'n ExperimentState<'n>> {
    (known.experiments.iter()).filter(|one| {
        one.evaluated.is_some() || one.failed.is_some() || (run.is_plan() && one.chosen)
    })
}

/// The report without the outputs of other tasks.
fn frame(run: &PipelineRun, known: &Known) -> Result<PipelineReport> {
    let failed = shown(run, known).filter_map(|one| {
        let why = one.failed.clone()?;
        Some(evaluate::failed_section(
            one.experiment,
            one.folds.as_ref(),
            why,
        ))
    });
    let mut frame = assemble(
        run.pipeline,
        None,
        None,
        failed.chain(left_out(run)).collect(),
        known.steps.clone(),
    );
    frame.recordings = recordings(run);
    // An input, by its hash: as a setting it would be told line by line.
    frame.file.clear();
    Ok(frame)
}

fn frame_identity(run: &PipelineRun, known: &Known, page: &PipelineReport) -> Result<Identity> {
    let names = || shown(run, known).map(|one| one.experiment);
    let key = ReportKey {
        page,
        order: names().map(|one| one.name.as_str()).collect(),
        titles: names()
            .map(|one| (one.name.as_str(), one.title.as_str()))
            .collect(),
    };
    run.identity(Stage::Report, key, [])
}

fn report_task<'n>(run: &'n PipelineRun, known: &'n Known, inputs: &Upstream) -> Result<Task<'n>> {
    let data = known.inputs()?;
    let ingested = Ingested::of(inputs.get(&run.utterances().to_string())?.clone())?;
    let frame = frame(run, known)?;
    let mut identity = frame_identity(run, known, &frame)?;
    identity.inputs = BTreeMap::from([
        (
            "pipeline file".to_owned(),
            hash_bytes(run.pipeline.text.as_bytes()),
        ),
        ("listing".to_owned(), ingested.finished.hash(LISTING)?),
        (
            "utterances".to_owned(),
            table_hash(&ingested.finished, UTTERANCES)?,
        ),
    ]);
    for (set, extracted) in &data.extracted {
        let word = match *set == FeatureSet::default() {
            true => String::new(),
            false => format!(" {}", set.name()),
        };
        let mut add = |what: &str, hash: String| {
            identity.inputs.insert(format!("{what}{word}"), hash);
        };
        add("set aside", extracted.hash(SET_ASIDE)?);
        if set.is_imported() {
            add("import", extracted.hash(extract::IMPORT_SUMMARY)?);
        }
        if set.has_columns() {
            add(
                "features",
                table_hash(extracted, extract::table_name(*set))?,
            );
        }
    }
    identity
        .inputs
        .extend(data.audit.clone().map(|hash| ("audit".to_owned(), hash)));
    for one in shown(run, known) {
        let name = &one.experiment.name;
        if let Some(done) = &one.evaluated {
            let id = TaskId::Evaluate(name).to_string();
            let predictions = format!("{id} predictions");
            identity.inputs.insert(predictions, done.hash(PREDICTIONS)?);
            identity.inputs.insert(id, done.hash(SECTIONS)?);
        }
        if let Some(done) = &one.explained {
            let id = TaskId::Explain(name).to_string();
            identity.inputs.insert(id, done.hash(EXPLANATION)?);
        }
        for done in &one.stressed {
            let figures = done.hash(stress::FIGURES)?;
            identity.inputs.insert(done.task.clone(), figures);
        }
    }
    let action = move |context: &Context| {
        let corpus = corpus_section(
            &ingested.listing,
            &run.pipeline.corpus,
            data,
            known.without_features.clone(),
        )?;
        let sections = sections(run, &known.experiments, data)?;
        let mut report = assemble(
            run.pipeline,
            Some(corpus),
            None,
            sections,
            known.steps.clone(),
        );
        report.comparisons = comparisons(&report.experiments, Unit::of(run.pipeline))?;
        report.overviews = overviews::overviews(&data.extracted, &data.utterances)?;
        report.imports = (data.extracted.iter())
            .filter(|(set, _)| set.is_imported())
            .map(|(_, finished)| extract::imported_summary(finished))
            .collect::<Result<_>>()?;
        report.recordings = frame.recordings.clone();
        report::write(&report, context.folder).map(drop)
    };
    Ok(Task::new(TaskId::Report, identity, action))
}
