//! The stages of experiments: folds, trainings, evaluations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::audit;
use super::augment::{self, Augmented};
use super::evaluate;
use super::extract::{self, Extracted};
use super::flow::Outcome;
use super::options::Stage;
use super::plan::Decision;
use super::publish::table_hash;
use super::split::{self, Folds};
use super::train::{self, Job};
use super::walk::{Came, Later, Mode, Seen, Walk};
use crate::config::{CorpusKind, Experiment, ModelKey};
use crate::corpus::Utterance;
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::orchestrator::{Context, Event, Finished, Graph, Identity, Task, Why};
use crate::split::Fold;
use crate::table::duplicates::DuplicateRow;

/// What experiments work on.
pub(super) struct Data<'a> {
    pub utterances: &'a [Utterance],
    /// [`split::fingerprint`] of the utterances.
    pub fingerprint: String,
    /// [`evaluate::fingerprint`] of the utterances.
    pub described: String,
    pub extracted: &'a Extracted,
    pub augmented: &'a Augmented,
    pub audited: &'a Seen<Finished>,
    /// [`audit::groups`] of the utterances, where the audit is there.
    pub copies: Option<Vec<usize>>,
    /// What the audit found.
    pub pairs: Vec<DuplicateRow>,
}

impl Data<'_> {
    /// Content hash of the pairs.
    pub(super) fn audit_hash(&self) -> Result<Option<String>> {
        self.audited.there().map(|done| table_hash(done, audit::DUPLICATES)).transpose()
    }
}

/// [`Data`] on the way through the trainings.
pub(super) struct Work<'w, 'a> {
    pub walk: &'w Walk<'a>,
    pub data: &'w Data<'w>,
    /// [`train::labels`] of the utterances.
    labels: String,
    /// The content of the tables and where they lie, set by set.
    features: BTreeMap<FeatureSet, Seen<(String, PathBuf)>>,
    /// Those of changed copies.
    augmented: BTreeMap<FeatureSet, Seen<(String, PathBuf)>>,
}

impl Work<'_, '_> {
    /// Why the features of an experiment, or of a member of it, are not there yet.
    fn lacks(&self, experiment: &Experiment) -> Option<&Later> {
        let member = |one: &&Experiment| experiment.members().contains(&one.name);
        let members = self.walk.pipeline.experiments.iter().filter(member);
        let own = experiment.members().is_empty().then_some(experiment);
        own.into_iter().chain(members).find_map(|one| self.waits_for(one))
    }

    /// What every evaluation depends on besides predictions.
    pub(super) fn evaluation_inputs(&self, split: &Finished) -> Result<BTreeMap<String, String>> {
        let audit = self.data.audit_hash()?.ok_or_else(|| Error::internal("an experiment was evaluated without an audit"))?;
        let inputs = [("utterances", self.data.described.clone()), ("folds", split.hash(split::ABOUT)?), ("audit", audit)];
        Ok(inputs.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect())
    }

    /// The tables that an experiment trains on; nothing where nothing is known of one of them.
    fn tables(&self, experiment: &Experiment) -> Option<Vec<&Seen<(String, PathBuf)>>> {
        let set = &experiment.inputs.set;
        let augmented = (!experiment.augment.is_empty()).then_some(&self.augmented);
        [Some(&self.features), augmented].into_iter().flatten().map(|tables| tables.get(set)).collect()
    }

    /// Whether all of them are there.
    fn is_fed(&self, experiment: &Experiment) -> bool {
        self.tables(experiment).is_some_and(|tables| tables.iter().all(|table| table.there().is_some()))
    }

    /// The first of them that is not there yet.
    fn waits_for(&self, experiment: &Experiment) -> Option<&Later> {
        self.tables(experiment)?.into_iter().find_map(Seen::later)
    }

    fn train<'t>(&'t self, one: &'t Running, fold: &'t Fold, fingerprint: &str, seed: u64) -> Result<Task<'t>> {
        let (experiment, utterances) = (one.experiment, one.utterances(self.data));
        let there = |tables: &'t BTreeMap<_, Seen<_>>| tables.get(&experiment.inputs.set).and_then(Seen::there);
        let (Some((hash, features)), true) = (there(&self.features), self.is_fed(experiment)) else {
            return Err(Error::internal("a training was begun without features"));
        };
        let augmented = there(&self.augmented).filter(|_| !experiment.augment.is_empty());
        let mut inputs = BTreeMap::from([("features".to_owned(), hash.clone()), ("fold".to_owned(), fingerprint.to_owned())]);
        inputs.extend(augmented.map(|(hash, _)| ("augmented".to_owned(), hash.clone())));
        let augmented = augmented.map(|(_, folder)| folder.as_path());
        let identity = Identity { inputs, ..self.walk.train_settings(experiment, fold.index, &fold.name, seed)? };
        let job = Job { pipeline: self.walk.pipeline, experiment, features, augmented, utterances, fold, seed };
        let (id, memory) = (train::id(experiment, fold.index, seed), train::memory(&job));
        Ok(Task { memory, ..Task::new(id, identity, move |context: &Context| train::train(&job, context)) })
    }

    fn evaluate<'t>(&'t self, one: &'t Running, trained: &[&Finished]) -> Result<Task<'t>> {
        let (experiment, utterances) = (one.experiment, self.data.utterances);
        let (Some(split), Some(folds)) = (&one.split, &one.folds) else {
            return Err(Error::internal("an experiment was evaluated without folds"));
        };
        let mut inputs = self.evaluation_inputs(split)?;
        for finished in trained {
            inputs.insert(format!("{} predictions", finished.task), finished.hash(train::PREDICTIONS)?);
            inputs.insert(format!("{} history", finished.task), finished.hash(train::FOLD)?);
        }
        let identity = Identity { inputs, ..self.walk.evaluate_settings(experiment)? };
        let trained: Vec<Finished> = trained.iter().map(|one| (*one).clone()).collect();
        let action = move |context: &Context| evaluate::evaluate(experiment, utterances, folds, &trained, context);
        Ok(Task::new(evaluate::id(experiment), identity, action))
    }

    /// The trained folds of an experiment up to the first that is not there, and whether that is all of them.
    fn trained(&self, one: &Running) -> Result<(Vec<Finished>, bool)> {
        let mut trained = Vec::new();
        let (Some(folds), true) = (&one.folds, self.is_fed(one.experiment)) else { return Ok((trained, false)) };
        for fold in &folds.folds {
            let fingerprint = train::fingerprint(fold, one.labels(&self.labels));
            for &seed in one.experiment.trained_seeds() {
                match self.walk.finished(&self.train(one, fold, &fingerprint, seed)?) {
                    Some(finished) => trained.push(finished),
                    None => return Ok((trained, false)),
                }
            }
        }
        Ok((trained, true))
    }

    fn all_trained(&self, one: &Running) -> Result<bool> {
        self.trained(one).map(|(_, all)| all)
    }

    /// Finds what there is of an experiment that is not to be run.
    fn look_up(&self, one: &mut Running) -> Result<()> {
        (one.trained, one.complete) = self.trained(one)?;
        if one.complete && self.walk.options.until > Stage::Train && self.data.audited.there().is_some() {
            let trained: Vec<&Finished> = one.trained.iter().collect();
            let evaluated = self.walk.finished(&self.evaluate(one, &trained)?);
            one.evaluated = evaluated;
        }
        Ok(())
    }
}

/// What a node of the graph is for.
enum Part {
    Train { owner: usize, fold: usize, seed: u64 },
    Evaluate { owner: usize },
}

impl<'a> Walk<'a> {
    /// Splits, trains and evaluates. Experiments that were not chosen stand in the report if all of their outputs are there.
    pub(super) fn experiments(&self, chosen: &[&'a Experiment], data: &Data, outcome: &mut Outcome) -> Result<Vec<Running<'a>>> {
        let mut running: Vec<Running> = Vec::new();
        let split = |experiment: &'a Experiment| self.split(experiment, chosen.iter().any(|e| e.name == experiment.name), data);
        let experiments = &self.pipeline.experiments;
        // A run's splits are tasks like others; a plan only looks, on all threads.
        let splits: Box<dyn Iterator<Item = Result<Option<Running>>>> = match self.mode {
            Mode::Plan => {
                let all: Vec<_> = self.workers.pool().install(|| experiments.par_iter().map(split).collect());
                Box::new(all.into_iter())
            }
            _ => Box::new(experiments.iter().map(split)),
        };
        for (experiment, split) in experiments.iter().zip(splits) {
            match split {
                Ok(Some(mut one)) => {
                    if let Some((decision, why)) = one.planned.clone() {
                        self.line(format!("split/{}", experiment.name), self.features(), decision, why);
                    }
                    match one.folds.as_ref().map_or(Ok(()), |folds| folds.check(experiment)) {
                        Ok(()) => running.push(one),
                        Err(_) if !one.chosen => {}
                        Err(error) if self.is_only(experiment) => return Err(error),
                        Err(_) if matches!(self.mode, Mode::Only(_)) => {}
                        Err(error) => {
                            self.refuse(&mut one, error, outcome);
                            running.push(one);
                            self.stop_after_failure(outcome)?;
                        }
                    }
                }
                Ok(None) => {}
                Err(error) if stops_everything(&error) || self.is_only(experiment) => return Err(error),
                Err(_) if matches!(self.mode, Mode::Only(_)) => {}
                Err(error) if self.planning() => {
                    let why = format!("cannot be split: {error}");
                    self.observer.warn(format!("{}: {why}", experiment.name));
                    running.push(Running::failed(experiment, &error));
                }
                Err(error) => {
                    running.push(Running::failed(experiment, &error));
                    outcome.failures.push(error);
                    self.stop_after_failure(outcome)?;
                }
            }
        }
        if self.options.until == Stage::Split {
            return Ok(running);
        }
        self.train_and_evaluate(&mut running, data, outcome)?;
        self.stop_after_failure(outcome)?;
        running.retain(|one| one.chosen || (one.complete && (self.options.until <= Stage::Train || one.evaluated.is_some())));
        Ok(running)
    }

    fn split(&self, experiment: &'a Experiment, chosen: bool, data: &Data) -> Result<Option<Running<'a>>> {
        let identity = self.identity(Stage::Split, experiment.split_key(), [("utterances", data.fingerprint.clone())])?;
        let id = format!("split/{}", experiment.name);
        let joined = matches!(self.pipeline.corpus.kind, CorpusKind::Joined { .. });
        let shuffled = experiment.shuffle_labels.then(|| Arc::new(Shuffled::of(data.utterances, joined, experiment.split_seed)));
        let theirs = shuffled.clone();
        let task = Task::new(id, identity, move |context: &Context| {
            let utterances = theirs.as_ref().map_or(data.utterances, |shuffled| &shuffled.utterances);
            split::split(utterances, experiment, context)
        });
        let mut planned = None;
        let seen = if chosen && self.planning() {
            let (decision, why, seen) = self.look_ahead(&task, || true)?;
            planned = Some((decision, why));
            seen
        } else if chosen {
            self.single(task, self.features(), || true)?
        } else {
            match self.finished(&task) {
                Some(finished) => Seen::There(finished),
                None => return Ok(None),
            }
        };
        Ok(Some(match seen {
            Seen::There(done) => {
                let mut folds = split::read(&done.folder, data.utterances)?;
                if let Some(groups) = &data.copies {
                    folds.count_copies(data.utterances, groups);
                }
                Running { chosen, planned, shuffled, split: Some(done), folds: Some(folds), ..Running::of(experiment) }
            }
            // A plan makes the folds in advance; where that fails, the run will say why.
            Seen::Later(later) => Running { chosen, planned, complete: false, later: Some(later), ..Running::of(experiment) },
        }))
    }

    /// Ends an experiment whose folds are not what it requires, before anything of it is trained.
    fn refuse(&self, one: &mut Running, error: Error, outcome: &mut Outcome) {
        let hint = error.hint_text().map(str::to_owned);
        if self.planning() {
            let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            self.observer.warn(format!("{}: will be refused: {error}{hint}", one.experiment.name));
            one.complete = false;
            one.failed = Some(error.to_string());
            return;
        }
        let task = format!("train/{}", one.experiment.name);
        self.observer.observe(Event::TaskFailed { task, error: error.to_string(), hint });
        one.fail(error, outcome);
    }

    /// Whether the one task that is asked for belongs to this experiment.
    fn is_only(&self, experiment: &Experiment) -> bool {
        matches!(&self.mode, Mode::Only(id) if id.split('/').nth(1) == Some(&experiment.name))
    }

    /// Parameters of a training besides its data.
    fn train_settings(&self, experiment: &Experiment, fold: u32, fold_name: &str, seed: u64) -> Result<Identity> {
        #[derive(Serialize)]
        struct TrainKey<'k> {
            pipeline: &'k str,
            corpus: &'k str,
            experiment: &'k str,
            protocol: String,
            fold: u32,
            fold_name: &'k str,
            seed: u64,
            #[serde(flatten)]
            model: ModelKey<'k>,
        }
        let key = TrainKey {
            pipeline: &self.pipeline.name,
            corpus: &self.pipeline.corpus.name,
            experiment: &experiment.name,
            protocol: experiment.protocol.name(),
            fold,
            fold_name,
            seed,
            model: experiment.model_key(),
        };
        let identity = self.identity(Stage::Train, key, [])?;
        Ok(Identity { code_version: experiment.model.code_version(), ..identity })
    }

    pub(super) fn evaluate_settings(&self, experiment: &Experiment) -> Result<Identity> {
        let params = serde_json::json!({
            "experiment": experiment.name, "protocol": experiment.protocol.name(),
            "model": experiment.describe(), "seeds": experiment.seeds, "shuffle_labels": experiment.shuffle_labels,
        });
        self.identity(Stage::Evaluate, params, [])
    }

    /// One graph over all folds and seeds of all experiments, so that no core waits for the end of an experiment.
    fn train_and_evaluate(&self, running: &mut [Running<'a>], data: &Data, outcome: &mut Outcome) -> Result<()> {
        let tables = self.pipeline.features.sets.iter().map(|set| Ok((*set, data.extracted.table(*set)?)));
        let features = tables.collect::<Result<_>>()?;
        let augmented = data.augmented.tables()?.into_iter().collect();
        let work = Work { walk: self, data, labels: train::labels(data.utterances), features, augmented };
        running.iter_mut().filter(|one| !one.chosen && !one.is_ensemble()).try_for_each(|one| work.look_up(one))?;
        self.open_devices(running, &work, outcome)?;

        // In a plan, evaluations of which only the audit is not there yet.
        let mut unaudited = Vec::new();
        let (mut graph, mut parts) = (Graph::default(), Vec::new());
        let known = &*running;
        let mut evaluations = BTreeMap::new();
        // Ensembles come after what they bring together.
        let (ensembles, others): (Vec<_>, Vec<_>) =
            known.iter().enumerate().filter(|(_, one)| one.chosen && one.failed.is_none()).partition(|(_, one)| one.is_ensemble());
        for (owner, one) in others.into_iter().chain(ensembles) {
            let Some(folds) = &one.folds else { continue };
            if let Some(later) = work.lacks(one.experiment) {
                let folds: Vec<(u32, &str)> = folds.folds.iter().map(|fold| (fold.index, fold.name.as_str())).collect();
                self.foretell(one.experiment, &folds, later)?;
                continue;
            }
            let (mut places, mut ids) = (Vec::new(), Vec::new());
            for (at, fold) in folds.folds.iter().enumerate() {
                let fingerprint = train::fingerprint(fold, one.labels(&work.labels));
                for &seed in one.experiment.trained_seeds() {
                    let (work, fingerprint) = (&work, fingerprint.clone());
                    let id = train::id(one.experiment, fold.index, seed);
                    ids.push(id.clone());
                    places.push(graph.add_after(id, vec![], move |_| work.train(one, fold, &fingerprint, seed))?);
                    parts.push(Part::Train { owner, fold: at, seed });
                }
            }
            if let Seen::Later(later) = data.audited {
                if one.is_ensemble() {
                    ids = one.experiment.members().iter().map(|member| evaluate::id_of(member)).collect();
                }
                unaudited.extend((self.options.until > Stage::Train).then(|| (one.experiment, ids, later.clone())));
            } else if self.options.until > Stage::Train {
                let (work, id, name) = (&work, evaluate::id(one.experiment), one.experiment.name.as_str());
                let place = if one.is_ensemble() {
                    let members = one.experiment.members().iter().map(|member| evaluations.get(member.as_str()).copied());
                    let Some(members) = members.collect::<Option<Vec<usize>>>() else { continue };
                    graph.add_after(id, members, move |members| work.combine(one, members))?
                } else {
                    graph.add_after(id, places, move |trained| work.evaluate(one, trained))?
                };
                evaluations.insert(name, place);
                parts.push(Part::Evaluate { owner });
            }
        }
        let settings = |place: usize| match &parts[place] {
            Part::Train { owner, fold, seed } => {
                let fold = known[*owner].folds.as_ref().and_then(|folds| folds.folds.get(*fold));
                let (index, name) = fold.map_or((0, ""), |fold| (fold.index, fold.name.as_str()));
                self.train_settings(known[*owner].experiment, index, name, *seed)
            }
            Part::Evaluate { owner } => self.evaluate_settings(known[*owner].experiment),
        };
        let before = |place: usize| match &parts[place] {
            Part::Train { owner, .. } => before_training(known[*owner].experiment),
            Part::Evaluate { .. } => vec!["audit".to_owned()],
        };
        let came = self.graph(&graph, &settings, &before)?;
        drop(graph);
        for (experiment, trainings, later) in unaudited {
            let after = ["audit".to_owned()].into_iter().chain(trainings).collect();
            self.later(&evaluate::id(experiment), Some(&self.evaluate_settings(experiment)?), after, &Later { certain: false, ..later });
        }
        for (part, came) in parts.into_iter().zip(came) {
            let (Part::Train { owner, .. } | Part::Evaluate { owner }) = part;
            let one = &mut running[owner];
            match came {
                Came::Seen(Seen::There(finished)) => match part {
                    Part::Train { .. } => one.trained.push(finished),
                    Part::Evaluate { .. } => one.evaluated = Some(finished),
                },
                Came::Seen(Seen::Later(later)) => {
                    one.complete = false;
                    one.later.get_or_insert(later);
                }
                Came::Skipped => one.complete = false,
                Came::Failed(error) if stops_everything(&error) => return Err(error),
                Came::Failed(error) => one.fail(error, outcome),
            }
        }
        work.end_ensembles(running)
    }

    /// Ids of the tasks of all sets.
    pub(super) fn features(&self) -> Vec<String> {
        self.pipeline.features.sets.iter().map(|set| extract::id(*set)).collect()
    }

    /// Tries the device of what is going to be trained, so that one that is not there is said once and not by every fold.
    fn open_devices(&self, running: &mut [Running<'a>], work: &Work, outcome: &mut Outcome) -> Result<()> {
        let mut said = BTreeSet::new();
        for one in running.iter_mut().filter(|one| one.chosen && one.failed.is_none()) {
            let (experiment, device) = (one.experiment, one.experiment.train.device);
            if self.mode != Mode::Run || !experiment.has_epochs() || !device.is_gpu() || work.all_trained(one)? {
                continue;
            }
            match device.hardware() {
                Ok(Some(hardware)) => {
                    let line = format!("networks are trained on {} ({hardware})", device.name());
                    if said.insert(line.clone()) {
                        self.observer.note(line);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let hint = error.hint_text().map(str::to_owned);
                    let task = format!("train/{}", experiment.name);
                    self.observer.observe(Event::TaskFailed { task, error: error.to_string(), hint });
                    one.fail(error, outcome);
                }
            }
        }
        self.stop_after_failure(outcome)
    }

    /// Lines of a plan for the trainings and the evaluation of an experiment whose folds or features are not there yet.
    pub(super) fn foretell(&self, experiment: &Experiment, folds: &[(u32, &str)], later: &Later) -> Result<()> {
        let mut trainings = Vec::new();
        for &(index, name) in folds {
            for &seed in experiment.trained_seeds() {
                let id = train::id(experiment, index, seed);
                let after = before_training(experiment);
                // Without its folds, a plan does not know what they are called.
                let settings = if name.is_empty() { None } else { Some(self.train_settings(experiment, index, name, seed)?) };
                self.later(&id, settings.as_ref(), after, later);
                trainings.push(id);
            }
        }
        if self.options.until > Stage::Train {
            if !experiment.members().is_empty() {
                trainings = experiment.members().iter().map(|member| evaluate::id_of(member)).collect();
            }
            let last = Later { task: trainings.last().cloned().unwrap_or_default(), certain: false };
            trainings.insert(0, "audit".into());
            self.later(&evaluate::id(experiment), Some(&self.evaluate_settings(experiment)?), trainings, &last);
        }
        Ok(())
    }

    /// Ends the run after a failure where nothing else is to be begun.
    fn stop_after_failure(&self, outcome: &mut Outcome) -> Result<()> {
        if self.options.limits.keep_going || outcome.failures.is_empty() { Ok(()) } else { Err(outcome.failures.remove(0)) }
    }
}

/// The utterances of a control, whose labels were dealt out anew.
struct Shuffled {
    utterances: Vec<Utterance>,
    /// [`train::labels`] of them.
    labels: String,
}

impl Shuffled {
    /// In a joined corpus, whose sessions are its corpora, labels stay within their corpus.
    fn of(utterances: &[Utterance], joined: bool, seed: u64) -> Self {
        let groups: Vec<Option<&str>> = utterances.iter().map(|u| u.source.session.as_deref().filter(|_| joined)).collect();
        let mut shuffled = utterances.to_vec();
        for (utterance, from) in shuffled.iter_mut().zip(crate::split::shuffled(&groups, seed)) {
            utterance.source.emotion.clone_from(&utterances[from].source.emotion);
        }
        let labels = train::labels(&shuffled);
        Shuffled { utterances: shuffled, labels }
    }
}

/// An experiment on its way through the stages.
pub(super) struct Running<'a> {
    pub experiment: &'a Experiment,
    pub chosen: bool,
    /// In a plan: whether its split runs, and why.
    planned: Option<(Decision, Vec<Why>)>,
    shuffled: Option<Arc<Shuffled>>,
    pub split: Option<Finished>,
    pub folds: Option<Folds>,
    pub trained: Vec<Finished>,
    pub complete: bool,
    pub evaluated: Option<Finished>,
    pub failed: Option<String>,
    /// In a plan: the first of its tasks that has to run before more can be said.
    pub later: Option<Later>,
}

impl<'a> Running<'a> {
    fn of(experiment: &'a Experiment) -> Self {
        Running {
            experiment,
            chosen: true,
            planned: None,
            shuffled: None,
            split: None,
            folds: None,
            trained: vec![],
            complete: true,
            evaluated: None,
            failed: None,
            later: None,
        }
    }

    /// The utterances with the labels that this experiment goes by.
    pub(super) fn utterances<'t>(&'t self, data: &'t Data) -> &'t [Utterance] {
        self.shuffled.as_ref().map_or(data.utterances, |shuffled| &shuffled.utterances)
    }

    fn labels<'t>(&'t self, own: &'t str) -> &'t str {
        self.shuffled.as_ref().map_or(own, |shuffled| &shuffled.labels)
    }

    /// Whether all of its folds are trained.
    pub fn complete(&self) -> bool {
        self.folds.is_some()
            && self.failed.is_none()
            && self.trained.len() == self.folds.as_ref().map_or(0, |f| f.folds.len()) * self.experiment.trained_seeds().len()
    }

    pub fn is_ensemble(&self) -> bool {
        !self.experiment.members().is_empty()
    }

    fn fail(&mut self, error: Error, outcome: &mut Outcome) {
        self.complete = false;
        self.failed.get_or_insert_with(|| error.to_string());
        outcome.failures.push(error);
    }

    fn failed(experiment: &'a Experiment, error: &Error) -> Self {
        let hint = error.hint_text().map(|h| format!(" ({h})")).unwrap_or_default();
        Running { failed: Some(format!("{error}{hint}")), complete: false, ..Running::of(experiment) }
    }
}

/// Ids of the tasks whose output a training reads.
pub(super) fn before_training(experiment: &Experiment) -> Vec<String> {
    let augmented = (!experiment.augment.is_empty()).then(|| augment::id(experiment.inputs.set));
    let split = format!("split/{}", experiment.name);
    [extract::id(experiment.inputs.set)].into_iter().chain(augmented).chain([split]).collect()
}

/// An interruption or a full disk concerns every experiment; anything else only its own.
fn stops_everything(error: &Error) -> bool {
    error.kind() == Kind::Interrupted || error.is_disk_full()
}
