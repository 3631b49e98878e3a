//! What is known of a pipeline while its stages are gone through.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::audit;
use super::extract::{self, SET_ASIDE};
use super::folds::Folds;
use super::label_warnings::{Doubts, across_speakers, conditions, label_warnings};
use super::pipeline_run::PipelineRun;
use super::publish::table_hash;
use super::stage::{TaskId, trainings};
use super::windows::Unit;
use crate::audio::Condition;
use crate::config::{CorpusKind, Experiment, Pipeline};
use crate::corpus::{Listing, SetAside, Sources, Utterance};
use crate::error::{Error, Result};
use crate::features::FeatureSet;
use crate::files::{from_json, hash_bytes};
use crate::orchestrator::{Finished, Outputs};
use crate::report::StepSection;
use crate::table;
use crate::table::duplicates::DuplicateRow;

/// What the stages so far have left, besides the outputs themselves.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// The corpus as it was listed, until it is ingested.
    pub corpus: Option<(Listing, Sources)>,
    /// Of a plan without folds: speakers and sessions of the listing.
    pub listed: (usize, usize),
    /// Recordings without features.
    pub without_features: Vec<SetAside>,
    /// What experiments work on; `None` in a plan that cannot know it.
    pub inputs: Option<PipelineInputs>,
    pub experiments: Vec<ExperimentState<'a>>,
    /// The picture of the steps, once all experiments are through.
    pub steps: Vec<StepSection>,
}

impl<'a> Known<'a> {
    /// Counts speakers and sessions of the listing, which give the number of folds.
    pub(super) fn count_listed(&mut self) -> Result<()> {
        let (mut speakers, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        for source in self.corpus.iter().flat_map(|(_, sources)| sources.iter()) {
            let source = source?;
            speakers.insert(source.speaker);
            sessions.extend(source.session);
        }
        self.listed = (speakers.len(), sessions.len());
        Ok(())
    }

    /// The last tasks of each experiment.
    pub(super) fn ends(&self, outputs: &Outputs) -> Vec<String> {
        let ends = |one: &ExperimentState| {
            let name = &one.experiment.name;
            let explain = TaskId::Explain(name).to_string();
            let stress =
                Condition::ALL.map(|condition| TaskId::Stress(name, condition).to_string());
            let stress = stress.into_iter().filter(|id| outputs.has(id));
            let end = match outputs.has(&explain) {
                true => explain,
                false => TaskId::Evaluate(name).into(),
            };
            [end].into_iter().chain(stress).collect::<Vec<_>>()
        };
        self.experiments.iter().flat_map(ends).collect()
    }

    /// What experiments work on, where that is known.
    ///
    /// # Errors
    /// Where it is not: a defect of a stage.
    pub(super) fn inputs(&self) -> Result<&PipelineInputs> {
        let unknown = || Error::internal("a task was begun before the utterances were known");
        self.inputs.as_ref().ok_or_else(unknown)
    }

    /// Notes which recordings have no features; one feature set is enough to name a recording.
    ///
    /// # Errors
    /// Where that cannot be read; a plan goes on without.
    pub(super) fn note_set_aside(&mut self, run: &PipelineRun, outputs: &Outputs) -> Result<()> {
        for (_, extracted) in extracted(run, outputs) {
            let found: Vec<SetAside> =
                run.default_in_plan(from_json(&extracted.path(SET_ASIDE)))?;
            let known: BTreeSet<String> = (self.without_features.iter())
                .map(|one| one.path.clone())
                .collect();
            let new = found.into_iter().filter(|one| !known.contains(&one.path));
            self.without_features.extend(new);
        }
        Ok(())
    }

    /// Begins the experiments: the chosen, and others whose results may be there.
    pub(super) fn begin_experiments(&mut self, run: &PipelineRun<'a>) {
        let of = |experiment: &'a Experiment| {
            let shuffled = self.inputs.as_ref().filter(|_| experiment.shuffle_labels);
            ExperimentState {
                chosen: run.is_chosen(experiment),
                shuffled: shuffled.map(|inputs| Arc::new(Shuffled::of(run, experiment, inputs))),
                ..ExperimentState::new(experiment)
            }
        };
        self.experiments = run.experiments().map(of).collect();
    }
}

impl PipelineRun<'_> {
    /// A plan goes on without what only a run leaves behind.
    pub(super) fn default_in_plan<T: Default>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(_) if self.is_plan() => Ok(T::default()),
            result => result,
        }
    }
}

/// The tables of features that are there.
pub(super) fn extracted<'o>(
    run: &PipelineRun,
    outputs: &'o Outputs,
) -> Vec<(FeatureSet, &'o Finished)> {
    let ready =
        |set: &FeatureSet| Some((*set, outputs.ready(&TaskId::Features(*set).to_string())?));
    run.pipeline
        .features
        .sets
        .iter()
        .filter_map(ready)
        .collect()
}

/// What all experiments of a pipeline work on.
pub(super) struct PipelineInputs {
    /// Those that have features of all sets, as far as that is known.
    pub utterances: Vec<Utterance>,
    /// [`split_hash`] of the utterances.
    pub fingerprint: String,
    /// [`evaluation_hash`] of the utterances.
    pub described: String,
    /// [`speakers_hash`] of the utterances.
    pub speakers: String,
    /// [`labels_hash`] of the utterances.
    pub labels: String,
    /// The tables of features that are there.
    pub extracted: Vec<(FeatureSet, Finished)>,
    /// [`audit::groups`] of the utterances, where the audit is there.
    pub copies: Option<Vec<usize>>,
    /// The pairs of the audit, and the content hash of their table where it is there.
    pub pairs: Vec<DuplicateRow>,
    pub audit: Option<String>,
    /// [`across_speakers`] of these pairs.
    pub across_speakers: usize,
}

impl PipelineInputs {
    /// Reads the outputs of ingest, features and audit; `None` where a plan cannot know the
    /// utterances. From here on everything is in memory: a split looks at all utterances, and a
    /// training at all features.
    pub(super) fn load(run: &PipelineRun, outputs: &Outputs) -> Result<Option<PipelineInputs>> {
        let Some(ingested) = outputs.ready(&run.utterances().to_string()) else {
            return Ok(None);
        };
        let unit = Unit::of(run.pipeline);
        let extracted: Vec<(FeatureSet, Finished)> = (extracted(run, outputs).into_iter())
            .map(|(set, finished)| (set, finished.clone()))
            .collect();
        let utterances = usable(ingested, &extracted, run.is_plan())?;
        let audited = outputs.ready(&TaskId::Audit.to_string());
        let pairs = audited
            .map(|done| run.default_in_plan(table::duplicates::read(&audit::path(&done.folder))))
            .transpose()?;
        let copies = (pairs.as_ref()).map(|pairs| audit::groups(&utterances, unit, pairs));
        let pairs = pairs.unwrap_or_default();
        let whole = unit.whole(&utterances).0;
        let across_speakers = across_speakers(&whole, &pairs);
        if run.is_run() {
            for condition in conditions(&utterances)
                .iter()
                .filter(|condition| condition.leaks())
            {
                run.observer.warn(condition.warning());
            }
            for warning in label_warnings(&whole, &pairs) {
                run.observer.warn(warning);
            }
        }
        drop(whole);
        Ok(Some(PipelineInputs {
            fingerprint: split_hash(&utterances),
            described: evaluation_hash(&utterances),
            speakers: speakers_hash(&utterances),
            labels: labels_hash(&utterances),
            audit: audited
                .map(|done| table_hash(done, audit::DUPLICATES))
                .transpose()?,
            utterances,
            extracted,
            copies,
            pairs,
            across_speakers,
        }))
    }

    /// What makes statements on results doubtful.
    pub(super) fn doubts<'d>(&self, pipeline: &'d Pipeline) -> Doubts<'d> {
        Doubts {
            guessed: &pipeline.corpus.guessed,
            across_speakers: self.across_speakers,
        }
    }
}

/// The utterances that have features in all sets, as far as that is known.
fn usable(
    ingested: &Finished,
    extracted: &[(FeatureSet, Finished)],
    is_plan: bool,
) -> Result<Vec<Utterance>> {
    let mut utterances = table::utterances::read_parts(&ingested.folder)?;
    for (set, extracted) in extracted {
        match extract::ids(*set, &extracted.folder) {
            // Where outputs are damaged, a plan takes them for whole: they will be again.
            Err(_) if is_plan => {
                let without: Vec<SetAside> =
                    from_json(&extracted.path(SET_ASIDE)).unwrap_or_default();
                utterances.retain(|u| !without.iter().any(|one| one.path == u.source.path));
            }
            read => {
                let usable: BTreeSet<String> = read?.into_iter().collect();
                utterances.retain(|u| usable.contains(&u.source.id));
            }
        }
    }
    Ok(utterances)
}

/// Content hash of what a split depends on.
fn split_hash(utterances: &[Utterance]) -> String {
    let mut text = String::new();
    for u in utterances {
        let s = &u.source;
        text.push_str(&format!(
            "{:?}\n",
            (
                &s.id,
                &s.path,
                &s.emotion,
                &s.speaker,
                &s.session,
                &s.split,
                &s.text_id,
                &u.content_hash
            )
        ));
        if s.start_s.is_some() || s.end_s.is_some() {
            text.push_str(&format!("{:?}\n", (s.start_s, s.end_s)));
        }
    }
    hash_bytes(text.as_bytes())
}

/// Content hash of what an evaluation says of utterances.
fn evaluation_hash(utterances: &[Utterance]) -> String {
    let line = |u: &Utterance| {
        let s = &u.source;
        format!(
            "{:?}\n",
            (
                &s.id,
                &s.path,
                &s.emotion,
                &s.speaker,
                s.sex,
                &s.intensity,
                &s.text_id,
                &s.session,
                &u.content_hash
            )
        )
    };
    hash_bytes(utterances.iter().map(line).collect::<String>().as_bytes())
}

/// Content hash of the true labels.
fn labels_hash(utterances: &[Utterance]) -> String {
    let lines: String = utterances
        .iter()
        .map(|u| format!("{:?}\n", (&u.source.id, &u.source.emotion)))
        .collect();
    hash_bytes(lines.as_bytes())
}

/// Content hash of who speaks: a part of what is learned where [`Experiment::depends_on_speakers`].
fn speakers_hash(utterances: &[Utterance]) -> String {
    let lines: String = utterances
        .iter()
        .map(|u| format!("{:?}\n", (&u.source.id, &u.source.speaker)))
        .collect();
    hash_bytes(lines.as_bytes())
}

/// The utterances of a control, whose labels were dealt out anew.
pub(super) struct Shuffled {
    pub utterances: Vec<Utterance>,
    /// [`labels_hash`] of them.
    labels: String,
}

impl Shuffled {
    /// Windows of one utterance keep one label. In a joined corpus, whose sessions are its corpora,
    /// labels stay within their corpus.
    fn of(run: &PipelineRun, experiment: &Experiment, inputs: &PipelineInputs) -> Self {
        let joined = matches!(run.pipeline.corpus.kind, CorpusKind::Joined { .. });
        let (whole, places) = Unit::of(run.pipeline).whole(&inputs.utterances);
        let groups: Vec<Option<&str>> = whole
            .iter()
            .map(|u| u.source.session.as_deref().filter(|_| joined))
            .collect();
        let order = crate::split::shuffled(&groups, experiment.split_seed);
        let mut utterances = inputs.utterances.clone();
        for (utterance, place) in utterances.iter_mut().zip(places) {
            utterance
                .source
                .emotion
                .clone_from(&whole[order[place]].source.emotion);
        }
        let labels = labels_hash(&utterances);
        Shuffled { utterances, labels }
    }
}

/// An experiment on its way through the stages.
pub(super) struct ExperimentState<'a> {
    pub experiment: &'a Experiment,
    /// Whether it is run; another one is shown where its results are there.
    pub chosen: bool,
    pub shuffled: Option<Arc<Shuffled>>,
    pub split: Option<Finished>,
    pub folds: Option<Folds>,
    /// In the order of folds and seeds.
    pub trained: Vec<Finished>,
    pub evaluated: Option<Finished>,
    pub explained: Option<Finished>,
    /// Its tests under conditions, in the order of these.
    pub stressed: Vec<Finished>,
    pub failed: Option<String>,
}

impl<'a> ExperimentState<'a> {
    fn new(experiment: &'a Experiment) -> Self {
        ExperimentState {
            experiment,
            chosen: true,
            shuffled: None,
            split: None,
            folds: None,
            trained: vec![],
            evaluated: None,
            explained: None,
            stressed: vec![],
            failed: None,
        }
    }

    /// The utterances with the labels that this experiment goes by.
    pub(super) fn utterances<'t>(&'t self, inputs: &'t PipelineInputs) -> &'t [Utterance] {
        (self.shuffled.as_ref()).map_or(&inputs.utterances, |shuffled| &shuffled.utterances)
    }

    /// [`labels_hash`] of these utterances.
    pub(super) fn labels<'t>(&'t self, inputs: &'t PipelineInputs) -> &'t str {
        (self.shuffled.as_ref()).map_or(&inputs.labels, |shuffled| &shuffled.labels)
    }

    /// Its trainings, where the folds are known.
    pub(super) fn trainings(&self) -> impl Iterator<Item = TaskId<'_>> {
        let folds = self.folds.iter().flat_map(|folds| &folds.folds);
        trainings(self.experiment, folds.map(|fold| fold.index))
    }

    /// Whether all of its folds are trained.
    pub(super) fn is_trained(&self) -> bool {
        self.folds.is_some()
            && self.failed.is_none()
            && self.trained.len() == self.trainings().count()
    }

    pub(super) fn is_ensemble(&self) -> bool {
        !self.experiment.members().is_empty()
    }

    /// Ends it with an error.
    pub(super) fn fail(&mut self, error: &Error) {
        self.failed.get_or_insert_with(|| error.to_string());
    }

    /// Notes which trainings and whether the evaluation are there.
    pub(super) fn note_outputs(&mut self, outputs: &Outputs) {
        let ready = |id: TaskId| outputs.ready(&id.to_string()).cloned();
        let name = &self.experiment.name;
        self.trained = self.trainings().filter_map(ready).collect();
        self.evaluated = ready(TaskId::Evaluate(name));
    }
}
