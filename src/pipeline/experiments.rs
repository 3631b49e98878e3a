//! The trainings and evaluations of experiments as tasks, and what becomes of an experiment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::augment;
use super::combine;
use super::evaluate;
use super::extract::{self, Tables};
use super::folds::ABOUT;
use super::heard::heard;
use super::inputs::Job;
use super::known::{ExperimentState, Known};
use super::pipeline_run::PipelineRun;
use super::pools;
use super::publish::Publication;
use super::stage::{Stage, TaskId, experiment_of, trainings};
use super::train;
use super::windows::Unit;
use crate::audio::augment::Copies;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::model::artifact::{self, Tested};
use crate::orchestrator::{
    Context, Failure, Finished, Identity, Interpreter, Mode, Node, Outputs, Task, Upstream,
};
use crate::split::Fold;

/// The trainings and the evaluation of each experiment; ensembles come after their members.
pub(super) fn nodes<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    outputs: &Outputs,
) -> Result<Vec<Node<'n>>> {
    let (ensembles, others): (Vec<_>, Vec<_>) = (known.experiments.iter())
        .filter(|one| one.failed.is_none())
        .partition(|one| one.is_ensemble());
    let mut nodes = Vec::new();
    for one in others.into_iter().chain(ensembles) {
        // A plan cannot name the trainings of folds that it tried to draw and could not.
        let is_split = outputs
            .ready(&TaskId::Split(&one.experiment.name).to_string())
            .is_some();
        if !is_split && known.inputs.is_some() {
            continue;
        }
        nodes.extend(train_nodes(run, known, one));
        nodes.push(evaluate_node(run, known, one));
    }
    Ok(nodes)
}

/// The trainings of an experiment. Without its folds, a plan knows only how many there will be.
fn train_nodes<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
) -> Vec<Node<'n>> {
    let experiment = one.experiment;
    let set = experiment.inputs.set;
    let augmented = (!experiment.augment.is_empty()).then_some(TaskId::Augmented(set));
    let split = TaskId::Split(&experiment.name);
    let after: Vec<String> = [TaskId::Features(set)]
        .into_iter()
        .chain(augmented)
        .chain([split])
        .map(String::from)
        .collect();
    let same = Arc::new(Same {
        model: experiment.model_key(),
        memory: (known.inputs.as_ref()).map_or(0, |data| {
            train::memory(experiment, one.utterances(data).len())
        }),
    });
    let node = |fold: Option<(&'n Fold, String)>, id: TaskId<'n>, seed: u64| {
        let folded = fold.as_ref().map(|(fold, _)| *fold);
        let (of_settings, of_task) = (Arc::clone(&same), Arc::clone(&same));
        let settings = move || {
            folded
                .map(|fold| train_settings(run, experiment, &of_settings.model, fold, seed))
                .transpose()
        };
        let task = move |inputs: &Upstream| {
            let (fold, fingerprint) = (fold.as_ref())
                .ok_or_else(|| Error::internal("a training was begun without folds"))?;
            train_task(run, known, one, &of_task, (fold, fingerprint, seed), inputs)
        };
        let mut node = Node::new(id, after.clone(), settings, task);
        // A plan names the split first: of what it has not drawn, folds are unknown.
        node.reads.rotate_right(1);
        node.wanted = one.chosen;
        node
    };
    match (&one.folds, &known.inputs) {
        (Some(folds), Some(inputs)) => {
            let of_fold = |fold: &'n Fold| {
                let fingerprint = train::fingerprint(fold, one.labels(inputs));
                let seeds = experiment.trained_seeds().iter();
                seeds
                    .zip(trainings(experiment, [fold.index]))
                    .map(move |(seed, id)| (Some((fold, fingerprint.clone())), id, *seed))
            };
            let tasks = folds.folds.iter().flat_map(of_fold);
            tasks.map(|(fold, id, seed)| node(fold, id, seed)).collect()
        }
        _ => {
            let (speakers, sessions) = known.listed;
            let folds = experiment.protocol.expected_folds(speakers, sessions);
            let seeds = experiment.trained_seeds().iter().cycle();
            let tasks = trainings(experiment, 0..folds).zip(seeds);
            tasks.map(|(id, seed)| node(None, id, *seed)).collect()
        }
    }
}

/// What is the same for all trainings of an experiment.
struct Same {
    /// [`Experiment::model_key`].
    model: Map<String, Value>,
    /// [`train::memory`].
    memory: u64,
}

/// Parameters of a training besides its data.
fn train_settings(
    run: &PipelineRun,
    experiment: &Experiment,
    model: &Map<String, Value>,
    fold: &Fold,
    seed: u64,
) -> Result<Identity> {
    #[derive(Serialize)]
    struct TrainKey<'k> {
        pipeline: &'k str,
        corpus: &'k str,
        experiment: &'k str,
        protocol: String,
        fold: u32,
        fold_name: &'k str,
        seed: u64,
        /// What a saved model says of itself is a part of the output.
        model_schema_version: u32,
        #[serde(flatten)]
        model: &'k Map<String, Value>,
        /// Version of what the card of a transductive model says.
        #[serde(skip_serializing_if = "Option::is_none")]
        transductive_card: Option<u32>,
        /// Version of what the card says of an encoder.
        #[serde(skip_serializing_if = "Option::is_none")]
        encoder_card: Option<u32>,
    }
    let key = TrainKey {
        pipeline: &run.pipeline.name,
        corpus: &run.pipeline.corpus.name,
        experiment: &experiment.name,
        protocol: experiment.protocol.name(),
        fold: fold.index,
        fold_name: &fold.name,
        seed,
        model_schema_version: artifact::SCHEMA_VERSION,
        model,
        transductive_card: experiment.is_transductive().then_some(1),
        encoder_card: experiment.inputs.set.is_of_encoder().then_some(1),
    };
    Ok(Identity {
        code_version: experiment.model.code_version(),
        ..run.identity(Stage::Train, key, [])?
    })
}

/// The table of features that an experiment works on.
pub(super) fn features_of(experiment: &Experiment, inputs: &Upstream) -> Result<Tables> {
    let set = experiment.inputs.set;
    extract::tables(set, inputs.get(&TaskId::Features(set).to_string())?)
}

/// The tables of the changed copies of these kinds, where there are any.
fn copies_of(experiment: &Experiment, kinds: &Copies, inputs: &Upstream) -> Result<Option<Tables>> {
    let set = experiment.inputs.set;
    let id = TaskId::Augmented(set).to_string();
    (!kinds.is_empty())
        .then(|| augment::tables(set, kinds, inputs.get(&id)?))
        .transpose()
}

fn train_task<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
    same: &Same,
    (fold, fingerprint, seed): (&'n Fold, &str, u64),
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let (experiment, data) = (one.experiment, known.inputs()?);
    let (hash, features) = features_of(experiment, inputs)?;
    let augmented = copies_of(experiment, &experiment.augment, inputs)?;
    let mut identity = train_settings(run, experiment, &same.model, fold, seed)?;
    identity.inputs = BTreeMap::from([
        ("features".to_owned(), hash),
        ("fold".to_owned(), fingerprint.to_owned()),
    ]);
    identity.inputs.extend(
        experiment
            .depends_on_speakers()
            .then(|| ("speakers".to_owned(), data.speakers.clone())),
    );
    let augmented = augmented.map(|(hash, folder)| {
        identity.inputs.insert("augmented".to_owned(), hash);
        folder
    });
    let jobs = Jobs {
        run,
        one,
        utterances: one.utterances(data),
        features,
        augmented,
    };
    let id = TaskId::Train {
        experiment: &experiment.name,
        fold: fold.index,
        seed,
    };
    Ok(Task {
        memory: same.memory,
        ..Task::new(id, identity, move |context: &Context| {
            train::train(&jobs.of(fold, seed), context)
        })
    })
}

/// What the trainings of an experiment have in common.
pub(super) struct Jobs<'n> {
    pub run: &'n PipelineRun<'n>,
    pub one: &'n ExperimentState<'n>,
    pub utterances: &'n [crate::corpus::Utterance],
    pub features: PathBuf,
    pub augmented: Option<PathBuf>,
}

impl Jobs<'_> {
    fn of<'j>(&'j self, fold: &'j Fold, seed: u64) -> Job<'j> {
        Job {
            pipeline: self.run.pipeline,
            experiment: self.one.experiment,
            features: &self.features,
            tables: &self.run.tables,
            augmented: self.augmented.as_deref(),
            utterances: self.utterances,
            fold,
            seed,
        }
    }

    /// All trainings, in the order of folds and seeds.
    pub(super) fn all(&self) -> impl Iterator<Item = Job<'_>> {
        let folds = self.one.folds.iter().flat_map(|folds| &folds.folds);
        folds.flat_map(move |fold| {
            let seeds = self.one.experiment.trained_seeds();
            seeds.iter().map(move |seed| self.of(fold, *seed))
        })
    }
}

/// Parameters of an evaluation besides its inputs.
fn evaluate_settings(run: &PipelineRun, experiment: &Experiment) -> Result<Identity> {
    let mut params = serde_json::json!({
        "experiment": experiment.name, "protocol": experiment.protocol.name(),
        "model": experiment.describe(), "seeds": experiment.seeds, "shuffle_labels": experiment.shuffle_labels,
    });
    if let Some(windows) = Unit::of(run.pipeline).describe() {
        params["windows"] = windows.into();
    }
    if run.pipeline.is_transductive(experiment) {
        params["restricted_pools"] = pools::CODE_VERSION.into();
    }
    run.identity(Stage::Evaluate, params, [])
}

/// The evaluation of an experiment from its trainings, or from the evaluations of its members.
fn evaluate_node<'n>(run: &'n PipelineRun, known: &'n Known, one: &'n ExperimentState) -> Node<'n> {
    let experiment = one.experiment;
    let before: Vec<TaskId> = match (one.is_ensemble(), &one.folds) {
        (true, _) => [TaskId::Split(&experiment.name)]
            .into_iter()
            .chain(
                experiment
                    .members()
                    .iter()
                    .map(|member| TaskId::Evaluate(member)),
            )
            .collect(),
        (false, Some(_)) => one.trainings().collect(),
        (false, None) => {
            let (speakers, sessions) = known.listed;
            let folds = experiment.protocol.expected_folds(speakers, sessions);
            trainings(experiment, 0..folds).collect()
        }
    };
    let settings = move || evaluate_settings(run, experiment).map(Some);
    let task = move |inputs: &Upstream| {
        let data = known.inputs()?;
        let (Some(split), Some(_), Some(audit)) = (&one.split, &one.folds, &data.audit) else {
            return Err(Error::internal(
                "an experiment was evaluated without folds or audit",
            ));
        };
        let mut identity = evaluate_settings(run, experiment)?;
        identity.inputs = BTreeMap::from([
            ("utterances".to_owned(), data.described.clone()),
            ("folds".to_owned(), split.hash(ABOUT)?),
            ("audit".to_owned(), audit.clone()),
        ]);
        match one.is_ensemble() {
            true => combine::task(run, known, one, identity, inputs),
            false => evaluate_task(run, known, one, identity, inputs),
        }
    };
    let after = [TaskId::Audit].into_iter().chain(before);
    let mut node = Node::new(
        TaskId::Evaluate(&experiment.name),
        after.map(String::from).collect(),
        settings,
        task,
    );
    // Where a training is pending, that says more than that the audit is.
    node.reads.rotate_left(1);
    // Of a run that only trains, what is evaluated already stays in the tables.
    node.wanted = one.chosen && run.options.until > Stage::Train;
    // Other models may give the same predictions.
    node.follows = false;
    node
}

fn evaluate_task<'n>(
    run: &'n PipelineRun,
    known: &'n Known,
    one: &'n ExperimentState,
    mut identity: Identity,
    inputs: &Upstream,
) -> Result<Task<'n>> {
    let (experiment, data, unit) = (one.experiment, known.inputs()?, Unit::of(run.pipeline));
    let Some(folds) = &one.folds else {
        return Err(Error::internal("an experiment was evaluated without folds"));
    };
    let trained: Vec<Finished> = (one.trainings())
        .map(|id| inputs.get(&id.to_string()).cloned())
        .collect::<Result<_>>()?;
    for finished in &trained {
        let task = &finished.task;
        let (predictions, history) = (
            finished.hash(train::PREDICTIONS)?,
            finished.hash(train::FOLD)?,
        );
        identity
            .inputs
            .insert(format!("{task} predictions"), predictions);
        identity.inputs.insert(format!("{task} history"), history);
    }
    let mut restricted: Option<Jobs> = None;
    if run.pipeline.restricts_pools(experiment) {
        let (hash, features) = features_of(experiment, inputs)?;
        identity.inputs.insert("features".to_owned(), hash);
        let copies = copies_of(experiment, &experiment.test_time_augment, inputs)?;
        let augmented = copies.map(|(hash, folder)| {
            identity.inputs.insert("augmented".to_owned(), hash);
            folder
        });
        for finished in &trained {
            identity.inputs.extend(train::model_hashes(finished)?);
        }
        restricted = Some(Jobs {
            run,
            one,
            utterances: one.utterances(data),
            features,
            augmented,
        });
    }
    let memory = (restricted.as_ref())
        .map(|jobs| train::memory(experiment, jobs.utterances.len()))
        .unwrap_or_default();
    let action = move |context: &Context| {
        let restricted = (restricted.as_ref())
            .map(|jobs| {
                let runs: Vec<(Job, Finished)> = jobs.all().zip(trained.iter().cloned()).collect();
                pools::predict(&runs, context)
            })
            .transpose()?;
        evaluate::evaluate(
            experiment,
            &data.utterances,
            unit,
            folds,
            &trained,
            restricted,
            context,
        )
    };
    Ok(Task {
        memory,
        ..Task::new(TaskId::Evaluate(&experiment.name), identity, action)
    })
}

/// Says what of the settings will have no effect, and tries the devices.
pub(super) fn before(
    run: &PipelineRun,
    known: &mut Known,
    interpreter: &Interpreter,
) -> Result<Vec<Error>> {
    if !matches!(run.mode, Mode::Only(_)) {
        warn_of_settings(run, known);
    }
    match run.is_run() {
        true => open_devices(run, known, interpreter),
        false => Ok(vec![]),
    }
}

/// Says what of the settings will have no effect.
fn warn_of_settings(run: &PipelineRun, known: &Known) {
    for one in known.experiments.iter().filter(|one| one.chosen) {
        if let Some(why) = one.experiment.unused_validation() {
            run.observer.warn(format!("{}: {why}", one.experiment.name));
        }
    }
}

/// Tries the devices of what is going to be trained, so that one that is not there is told once
/// and not by every fold.
fn open_devices(
    run: &PipelineRun,
    known: &mut Known,
    interpreter: &Interpreter,
) -> Result<Vec<Error>> {
    let mut said = BTreeSet::new();
    let mut failed: Vec<(usize, Error)> = Vec::new();
    for (place, one) in known.experiments.iter().enumerate() {
        let device = one.experiment.train.device;
        let trains = one.chosen && one.failed.is_none() && one.experiment.has_epochs();
        if !trains
            || !device.is_gpu()
            || interpreter.are_up_to_date(&train_nodes(run, known, one))?
        {
            continue;
        }
        match device.hardware() {
            Ok(Some(hardware)) => {
                let line = format!("networks are trained on {} ({hardware})", device.name());
                if said.insert(line.clone()) {
                    run.observer.note(line);
                }
            }
            Ok(None) => {}
            Err(error) => {
                run.tell_failure(one.experiment, &error);
                failed.push((place, error));
            }
        }
    }
    let fail = |(place, error): (usize, Error)| {
        known.experiments[place].fail(&error);
        error
    };
    Ok(failed.into_iter().map(fail).collect())
}

/// Notes what is trained and evaluated, and ends the experiments of which something failed.
/// Those that were not chosen stay where all of their outputs are there. Returns the errors.
pub(super) fn after(
    run: &PipelineRun,
    known: &mut Known,
    outputs: &Outputs,
    result: Result<Vec<Failure>>,
) -> Result<Vec<Error>> {
    let mut errors = Vec::new();
    for one in &mut known.experiments {
        one.note_outputs(outputs);
    }
    for (id, error) in result? {
        let owner = |one: &&mut ExperimentState| experiment_of(&id) == Some(&one.experiment.name);
        if let Some(one) = known.experiments.iter_mut().find(owner) {
            one.fail(&error);
        }
        errors.push(error);
    }
    let failed: BTreeSet<String> = (known.experiments.iter())
        .filter(|one| one.failed.is_some())
        .map(|one| one.experiment.name.clone())
        .collect();
    for one in known.experiments.iter_mut().filter(|one| one.chosen) {
        let mut members = one.experiment.members().iter();
        if let Some(member) = members.find(|member| failed.contains(*member)) {
            (one.failed).get_or_insert_with(|| format!("its member {member} has no result"));
        }
    }
    let is_training = run.options.until <= Stage::Train;
    known.experiments.retain(|one| {
        let is_trained = is_training && !one.is_ensemble() && one.is_trained();
        one.chosen || one.evaluated.is_some() || is_trained
    });
    Ok(errors)
}

/// The models of each experiment that is trained.
pub(super) fn publish(
    run: &PipelineRun,
    known: &Known,
    _: &Outputs,
    publication: &mut Publication,
) -> Result<()> {
    let [_, models, _] = publication.folders.clone();
    let doubts = known
        .inputs
        .as_ref()
        .map(|inputs| inputs.doubts(run.pipeline));
    for one in known.experiments.iter().filter(|one| one.is_trained()) {
        let (Some(folds), Some(doubts)) = (&one.folds, &doubts) else {
            continue;
        };
        let tested = Tested {
            speakers: folds.speakers(doubts, None),
            guessed: doubts.guessed.to_vec(),
            encoders: heard(run.pipeline, one.experiment),
        };
        publication.models(&models.join(&one.experiment.name), &one.trained, &tested)?;
    }
    // No model stays of an experiment that is gone or has failed with its present settings.
    let has_failed = |name: &str| {
        let mut experiments = known.experiments.iter();
        experiments.any(|one| one.experiment.name == name && one.failed.is_some())
    };
    publication.without_below(&models, |name| has_failed(name) || !run.pipeline.has(name));
    Ok(())
}
