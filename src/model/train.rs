//! Training of a network: epochs, validation, early stopping, checkpoints.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::architecture::input_channels;
use crate::model::batches::{Batches, Purpose, steps, stream};
use crate::model::checkpoint::{self, Best, Checkpoint, Found, Snapshot};
use crate::model::engine::Batch;
use crate::model::network::{NetSpec, Network, network};
use crate::model::optimizer::OptimizerStep;
use crate::model::{NormStatistics, Params, Running, Schedule, TrainSettings};
use crate::split::{Part, Training, Validation};
use crate::table::predictions::argmax;

/// What is known at the end of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean loss of the epoch's steps as minimised: with dropout, label smoothing, mixup and class
    /// weights.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_loss: f64,
    /// Share of training rows put right during the steps (with dropout, and before the steps that
    /// followed).
    #[serde(deserialize_with = "number_or_nan")]
    pub train_accuracy: f64,
    /// Mean cross-entropy of the validation part at the epoch's end, with the statistics of batch
    /// normalisation that the network would be kept with.
    pub validation_loss: Option<f64>,
    /// Accuracy on the validation part.
    pub validation_accuracy: Option<f64>,
    /// Of the epoch's last step.
    #[serde(default)]
    pub learning_rate: f64,
}

/// JSON has no NaN or infinity and holds null in their place; a diverged run must still be read.
fn number_or_nan<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(source)?.unwrap_or(f64::NAN))
}

/// One training run: everything that decides its outcome, and where it may keep a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct TrainJob<'a> {
    /// The network.
    pub spec: &'a NetSpec,
    /// How it is trained.
    pub settings: &'a TrainSettings,
    /// What it is fitted on.
    pub train: &'a Part<Training>,
    /// What ends the run early, if anything does; never the test part.
    pub validation: Option<&'a Part<Validation>>,
    /// Decides initial weights, order, dropout and mixup.
    pub seed: u64,
    /// File of the checkpoint; whoever started the run removes it once the model is stored.
    pub checkpoint: Option<&'a Path>,
}

/// What a training run leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Parameters: of the best epoch with early stopping, else of the last.
    pub params: Params,
    /// The statistics of batch normalisation for these parameters.
    pub running: Running,
    /// Of moving averages: by what factor each layer's variances are off those over the training
    /// part ([`Running::variance_ratios`]).
    pub variance_ratios: Option<Vec<f64>>,
    /// One record per epoch.
    pub history: Vec<EpochRecord>,
    /// The epoch that the parameters come from.
    pub epoch: usize,
    /// The epoch after which a checkpoint was continued.
    pub resumed_after: Option<usize>,
    /// Why a checkpoint that was found could not be used.
    pub ignored_checkpoint: Option<String>,
}

/// Refuses settings that make no training run.
fn check_settings(settings: &TrainSettings, validated: bool) -> Result<()> {
    let positive = |v: f64| v.is_finite() && v > 0.0;
    let share = |v: f64| (0.0..1.0).contains(&v);
    let schedule = match settings.schedule {
        Schedule::InverseTime { decay } => decay.is_finite() && decay >= 0.0,
        Schedule::Cosine { warmup } => (0.0..=1.0).contains(&warmup),
    };
    let checks = [
        (settings.batch_size >= 2, "batch_size is below 2"),
        (settings.epochs >= 1, "epochs is 0"),
        (
            positive(settings.learning_rate),
            "learning_rate is not a positive number",
        ),
        (
            schedule,
            "the schedule has a decay below 0 or a warm-up outside of [0, 1]",
        ),
        (
            settings.weight_decay.is_finite() && settings.weight_decay >= 0.0,
            "weight_decay is negative",
        ),
        (
            share(settings.label_smoothing),
            "label_smoothing is not in [0, 1)",
        ),
        (
            settings.mixup.is_finite() && settings.mixup >= 0.0,
            "mixup is negative",
        ),
    ];
    if let Some((_, what)) = checks.iter().find(|(fine, _)| !fine) {
        return Err(Error::config(format!("training settings: {what}")));
    }
    if settings.early_stopping.is_some() && !validated {
        return Err(Error::config("early stopping needs a validation part")
            .hint("set `validation` to a share of the training folds"));
    }
    Ok(())
}

fn check_part<R>(name: &str, part: &Part<R>, spec: &NetSpec) -> Result<()> {
    if part.x().cols() != spec.n_features || part.n_classes() != spec.n_classes {
        return Err(Error::internal(format!(
            "the {name} part has {} features and {} classes but the network {} and {}",
            part.x().cols(),
            part.n_classes(),
            spec.n_features,
            spec.n_classes
        )));
    }
    if let Some((row, column)) = part.x().not_finite() {
        return Err(Error::data(format!(
            "utterance {} has a feature (column {column}) that is not a finite number",
            part.ids()[row]
        ))
        .hint("extract its features again, or leave the utterance out"));
    }
    Ok(())
}

/// Names the run: two runs with the same fingerprint take the same steps.
fn fingerprint(job: &TrainJob) -> Result<String> {
    fn hash_part<R>(hasher: &mut blake3::Hasher, part: &Part<R>) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        for (id, class) in part.ids().iter().zip(part.y()) {
            hasher
                .update(&(id.len() as u64).to_le_bytes())
                .update(id.as_bytes())
                .update(&(*class as u64).to_le_bytes());
        }
        let mut bytes = Vec::new();
        part.x().each_row(|row| {
            bytes.clear();
            bytes.extend(row.iter().flat_map(|v| v.to_le_bytes()));
            hasher.update(&bytes);
        });
    }
    // How often a checkpoint is written decides nothing.
    let settings = TrainSettings {
        checkpoint_every: 0,
        ..job.settings.clone()
    };
    let words = serde_json::to_vec(&(job.spec, settings, job.seed))
        .map_err(|e| Error::internal("settings cannot be serialised").because(e))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&(words.len() as u64).to_le_bytes())
        .update(&words);
    hash_part(&mut hasher, job.train);
    if let Some(validation) = job.validation {
        hash_part(&mut hasher, validation);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Mean cross-entropy and accuracy of logits `[rows, classes]`.
fn judge(logits: &[f32], y: &[usize], n_classes: usize) -> (f64, f64) {
    let (mut loss, mut hits) = (0.0, 0usize);
    for (row, &class) in logits.chunks_exact(n_classes).zip(y) {
        let max = f64::from(row[argmax(row)]);
        let sum: f64 = row.iter().map(|&v| (f64::from(v) - max).exp()).sum();
        loss += sum.ln() + max - f64::from(row[class]);
        hits += usize::from(argmax(row) == class);
    }
    (loss / y.len() as f64, hits as f64 / y.len() as f64)
}

fn diverged(epoch: usize, what: &str) -> Error {
    Error::data(format!(
        "training diverges in epoch {epoch}: the {what} loss is no longer a finite number"
    ))
    .hint("lower learning_rate, or scale the inputs (scaler = \"standard\", log_mel = true)")
}

/// A run between two epochs.
struct Run<'a> {
    job: TrainJob<'a>,
    network: Box<dyn Network>,
    batches: Batches<'a>,
    grads: Params,
    stepper: OptimizerStep,
    params: Params,
    running: Running,
    best: Option<Best>,
    history: Vec<EpochRecord>,
}

impl<'a> Run<'a> {
    fn new(job: TrainJob<'a>, found: Option<Checkpoint>) -> Result<Self> {
        let TrainJob {
            spec,
            settings,
            train,
            seed,
            ..
        } = job;
        let plan = steps(train.len(), settings.batch_size);
        let largest = plan.iter().map(std::ops::Range::len).max().unwrap_or(0);
        let network = network(settings.device, spec, largest)?;
        let total = plan.len() * settings.epochs;
        let (batches, grads) = (
            Batches::new(train, settings, input_channels(&spec.layers)),
            Params::zeros(&spec.layers),
        );
        Ok(match found {
            Some(Checkpoint {
                step,
                snapshot: Snapshot { params, running },
                best,
                history,
                optimizer,
                ..
            }) => {
                let stepper = OptimizerStep::new(settings, &spec.layers, &params, total)
                    .restore(&optimizer, step)?;
                Run {
                    job,
                    network,
                    batches,
                    grads,
                    stepper,
                    params,
                    running,
                    best,
                    history,
                }
            }
            None => {
                let params = Params::init(&spec.layers, &mut stream(seed, 0, Purpose::Initial));
                let stepper = OptimizerStep::new(settings, &spec.layers, &params, total);
                let running = Running::new(&spec.layers);
                Run {
                    job,
                    network,
                    batches,
                    grads,
                    stepper,
                    params,
                    running,
                    best: None,
                    history: Vec::new(),
                }
            }
        })
    }

    /// Whether all epochs are done, or the validation loss has not improved for long enough.
    fn finished(&self) -> bool {
        let epochs = self.history.len();
        let stale = match (self.job.settings.early_stopping, &self.best) {
            (Some(stopping), Some(best)) => epochs - best.epoch >= stopping.patience.max(1),
            _ => false,
        };
        stale || epochs >= self.job.settings.epochs
    }

    fn epoch(&mut self, cancel: Option<&Cancel>) -> Result<()> {
        let epoch = self.history.len() + 1;
        let (train, n_classes) = (self.job.train, self.job.spec.n_classes);
        let (mut loss, mut hits, mut learning_rate) = (0.0, 0usize, 0.0);
        self.batches.begin(self.job.seed, epoch);
        for step in steps(train.len(), self.job.settings.batch_size) {
            cancel.map_or(Ok(()), Cancel::check)?;
            let rows = step.len();
            let key = self.batches.fill(step);
            let Batches {
                x,
                targets,
                weights,
                ..
            } = &self.batches;
            let batch = Batch {
                x,
                targets,
                weights: (!weights.is_empty()).then_some(weights),
            };
            let step_loss = self.network.train_step(
                &self.params,
                &mut self.running,
                &batch,
                key,
                &mut self.grads,
            )?;
            if !step_loss.is_finite() {
                return Err(diverged(epoch, "training"));
            }
            loss += f64::from(step_loss) * rows as f64;
            let logits = self.network.logits_of_last_step().chunks_exact(n_classes);
            hits += logits
                .zip(targets.chunks_exact(n_classes))
                .filter(|(row, target)| argmax(row) == argmax(target))
                .count();
            learning_rate = self.stepper.step(&mut self.params, &self.grads)?;
        }
        let mut record = EpochRecord {
            epoch,
            train_loss: loss / train.len() as f64,
            train_accuracy: hits as f64 / train.len() as f64,
            validation_loss: None,
            validation_accuracy: None,
            learning_rate,
        };
        if let Some(validation) = self.job.validation {
            let statistics = self.statistics()?;
            let logits =
                self.network
                    .infer(&self.params, &statistics, validation.x().gather().values())?;
            let (loss, accuracy) = judge(logits, validation.y(), n_classes);
            if !loss.is_finite() {
                return Err(diverged(epoch, "validation"));
            }
            record.validation_loss = Some(loss);
            record.validation_accuracy = Some(accuracy);
            if self.job.settings.early_stopping.is_some()
                && self.best.as_ref().is_none_or(|best| loss < best.loss)
            {
                self.best = Some(Best {
                    epoch,
                    loss,
                    snapshot: Snapshot {
                        params: self.params.clone(),
                        running: statistics,
                    },
                });
            }
        }
        self.history.push(record);
        Ok(())
    }

    /// What batch normalisation would apply if training ended here. Of the training part that takes
    /// about as long as half an epoch to a whole one.
    fn statistics(&mut self) -> Result<Running> {
        let mut statistics = self.running.clone();
        if self.job.settings.batch_norm == NormStatistics::Population {
            self.network
                .measure_norms(&self.params, &mut statistics, self.job.train.x())?;
        }
        Ok(statistics)
    }

    /// The network that is kept: that of the best epoch with early stopping, else of the last.
    fn finish(mut self) -> Result<Trained> {
        let (epoch, Snapshot { params, running }) = match self.best.take() {
            Some(best) => (best.epoch, best.snapshot),
            None => {
                let running = self.statistics()?;
                (
                    self.history.len(),
                    Snapshot {
                        params: self.params,
                        running,
                    },
                )
            }
        };
        let variance_ratios = match self.job.settings.batch_norm {
            NormStatistics::Population => None,
            NormStatistics::MovingAverage => {
                let mut exact = running.clone();
                self.network
                    .measure_norms(&params, &mut exact, self.job.train.x())?;
                Some(running.variance_ratios(&exact))
            }
        };
        Ok(Trained {
            params,
            running,
            variance_ratios,
            history: self.history,
            epoch,
            resumed_after: None,
            ignored_checkpoint: None,
        })
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            params: self.params.clone(),
            running: self.running.clone(),
        }
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint {
            epoch: self.history.len(),
            step: self.stepper.step_count(),
            snapshot: self.snapshot(),
            best: self.best.clone(),
            history: self.history.clone(),
            optimizer: self.stepper.state()?,
        })
    }
}

/// Trains a network, or goes on from the job's checkpoint.
///
/// The result depends on the job alone: not on threads, on other trainings beside it, or on whether
/// it was interrupted and resumed. With a checkpoint a request to stop takes effect, after it is
/// written, at the end of the epoch under way; without, before the next step. The last epoch writes
/// none: what follows is for the caller to store. `on_epoch` hears of every epoch trained by this
/// call.
///
/// # Errors
/// Config errors for settings that make no run (early stopping without a validation part among
/// them), data errors for fewer than two training rows, features that are not finite and training
/// that diverges, interrupted on request, and what the file system refuses.
pub fn train(
    job: &TrainJob,
    cancel: &Cancel,
    on_epoch: &mut dyn FnMut(&EpochRecord),
) -> Result<Trained> {
    let validation = job.validation.filter(|part| !part.is_empty());
    let job = TrainJob { validation, ..*job };
    check_settings(job.settings, validation.is_some())?;
    check_part("training", job.train, job.spec)?;
    validation.map_or(Ok(()), |part| check_part("validation", part, job.spec))?;
    if job.train.len() < 2 {
        return Err(Error::data(format!(
            "the training part has {} utterances, and a network needs at least 2",
            job.train.len()
        ))
        .hint("use fewer folds or a larger corpus"));
    }
    let every = job.settings.checkpoint_every;
    let place = match job.checkpoint {
        Some(path) => Some((path, fingerprint(&job)?)),
        None => None,
    };
    let mut ignored_checkpoint = None;
    let found = match &place {
        Some((path, fingerprint)) => match checkpoint::load(path, fingerprint, &job.spec.layers)? {
            Found::State(state) => Some(*state),
            Found::Ignored(why) => {
                ignored_checkpoint = Some(why);
                None
            }
            Found::Nothing => None,
        },
        None => None,
    };
    let resumed_after = found.as_ref().map(|state| state.epoch);
    let mut run = Run::new(job, found)?;
    let mut kept = run.history.len();
    while !run.finished() {
        let done = run.history.len();
        if let Some((path, fingerprint)) = &place
            && done > kept
            && (cancel.requested() || (every > 0 && done.is_multiple_of(every)))
        {
            checkpoint::save(path, fingerprint, &run.checkpoint()?)?;
            kept = done;
        }
        cancel.check()?;
        run.epoch(if place.is_some() { None } else { Some(cancel) })?;
        if let Some(record) = run.history.last() {
            on_epoch(record);
        }
    }
    Ok(Trained {
        resumed_after,
        ignored_checkpoint,
        ..run.finish()?
    })
}

#[cfg(test)]
#[path = "train_tests.rs"]
pub(crate) mod tests;
