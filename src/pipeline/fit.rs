//! The fit of an experiment's model to training rows.

use std::path::Path;

use super::inputs::Job;
use crate::config::ModelSettings;
use crate::error::{Error, Result};
use crate::features;
use crate::model::artifact::Weights;
use crate::model::{self, EpochRecord, FitContext, Layer, NetSpec, TrainJob};
use crate::orchestrator::Context;
use crate::split::{Part, Shape, Training, Validation};
use crate::transform::{self, Inputs, ScalerKind, pooled_columns};

/// A training whose loss ended far above that of a guess, where one did: whatever it learnt was
/// lost again.
pub(super) fn divergence(history: &[EpochRecord], n_classes: usize) -> Option<String> {
    /// How many times the loss of a guess. Early epochs on unscaled inputs pass this; they come
    /// down again.
    const FAR: f64 = 20.0;
    let last = history.last()?;
    let guess = (n_classes.max(2) as f64).ln();
    let loss = last
        .validation_loss
        .unwrap_or(last.train_loss)
        .max(last.train_loss);
    (loss > FAR * guess).then(|| {
        let order = loss.log10().floor();
        format!("the training diverged: its loss ended above 1e{order:.0}, where a guess has {guess:.1}: scale the inputs or lower learning_rate")
    })
}

/// Shares of layers as text: `0 12.5 %, 1 40.2 %`.
pub(super) fn in_words(shares: &[f32]) -> String {
    let each = shares.iter().enumerate();
    let each = each.map(|(layer, share)| format!("{layer} {:.1} %", share * 100.0));
    each.collect::<Vec<_>>().join(", ")
}

/// What a fit leaves behind.
pub(super) struct Fitted {
    pub weights: Weights,
    pub layers: Vec<Layer>,
    pub best_epoch: Option<usize>,
    pub history: Vec<EpochRecord>,
    pub variance_ratios: Vec<f64>,
}

/// Fits the model of an experiment; `folds` are those of [`calibrate`], of a support vector
/// machine.
pub(super) fn fit(
    job: &Job,
    train: &Part<Training>,
    validation: Option<&Part<Validation>>,
    folds: Option<&[usize]>,
    context: &Context,
) -> Result<Fitted> {
    let Some(settings) = job.experiment.model.classical() else {
        return fit_network(job, train, validation, context);
    };
    let progress = |trees: usize| {
        if let ModelSettings::RandomForest(forest) = &job.experiment.model {
            context.progress(trees as u64, forest.trees as u64, "trees", String::new());
        }
    };
    let model = settings.fit(
        train,
        FitContext {
            seed: job.seed,
            standardised: is_standardised(&job.experiment.inputs),
            folds,
            progress: &progress,
            ..FitContext::new(context.cancel)
        },
    )?;
    Ok(Fitted {
        weights: Weights::Classical(model),
        layers: vec![],
        best_epoch: None,
        history: vec![],
        variance_ratios: vec![],
    })
}

/// Whether the inputs of a model have mean 0 and variance 1 in each column of the training part.
pub(super) fn is_standardised(inputs: &Inputs) -> bool {
    inputs.scaler != ScalerKind::None && inputs.clip.is_none() && inputs.frames.is_none()
}

/// How a network sees a row: as it is laid out, but that all layers of an encoder, which are scaled as
/// a vector, are a step each.
fn network_shape(job: &Job, shape: Shape) -> Result<Shape> {
    let inputs = &job.experiment.inputs;
    let encoder = job.pipeline.features.encoder(inputs.set);
    let Some(source) = encoder.filter(|_| inputs.layer == Some(transform::Layer::Weighted)) else {
        return Ok(shape);
    };
    let of_frame = features::encoder_columns(source.describe()?.width);
    let channels = pooled_columns(&of_frame, inputs.pooling.unwrap_or_default()).len();
    Ok(Shape {
        length: shape.size() / channels,
        channels,
    })
}

impl Fitted {
    /// The shares of an encoder's layers that were learned, where they were.
    pub(super) fn layer_shares(&self) -> Option<Vec<f32>> {
        match &self.weights {
            Weights::Cnn { params, .. } => params.layer_shares(&self.layers),
            Weights::Classical(_) => None,
        }
    }
}

fn fit_network(
    job: &Job,
    train: &Part<Training>,
    validation: Option<&Part<Validation>>,
    context: &Context,
) -> Result<Fitted> {
    let epochs = job.experiment.train.epochs as u64;
    let mut on_epoch = |epoch: &EpochRecord| {
        let watched = epoch
            .validation_accuracy
            .map(|a| format!(", validation {:.1} %", a * 100.0))
            .unwrap_or_default();
        let loss = format!("loss {:.3}{watched}", epoch.train_loss);
        context.progress(epoch.epoch as u64, epochs, "epochs", loss);
    };
    let checkpoint = context.scratch.join("checkpoint");
    let parts = (train, validation);
    train_network(job, parts, Some(&checkpoint), context, &mut on_epoch)
}

/// Fits the network of an experiment to training rows alone, without a checkpoint: one of many fits.
pub(super) fn fit_inner_network(
    job: &Job,
    train: &Part<Training>,
    context: &Context,
) -> Result<Fitted> {
    train_network(job, (train, None), None, context, &mut |_| {})
}

fn train_network(
    job: &Job,
    (train, validation): (&Part<Training>, Option<&Part<Validation>>),
    checkpoint: Option<&Path>,
    context: &Context,
    on_epoch: &mut dyn FnMut(&EpochRecord),
) -> Result<Fitted> {
    let (n_features, n_classes) = (train.x().cols(), train.n_classes());
    let layers = job
        .experiment
        .model
        .layers(network_shape(job, train.shape())?, n_classes);
    let layers = layers
        .ok_or_else(|| Error::internal("a model without layers was to be trained as a network"))?;
    let spec = NetSpec {
        layers,
        n_features,
        n_classes,
    };
    let trained = model::train(
        &TrainJob {
            spec: &spec,
            settings: &job.experiment.train,
            train,
            validation,
            seed: job.seed,
            checkpoint,
        },
        context.cancel,
        on_epoch,
    )?;
    if let Some(why) = trained.ignored_checkpoint {
        context.warn(format!("a checkpoint was not used: {why}"));
    }
    Ok(Fitted {
        weights: Weights::Cnn {
            params: trained.params,
            running: trained.running,
        },
        layers: spec.layers,
        best_epoch: Some(trained.epoch),
        history: trained.history,
        variance_ratios: trained.variance_ratios.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_far_above_a_guess_is_a_divergence() {
        let epoch = |train_loss: f64, validation_loss: Option<f64>| EpochRecord {
            epoch: 1,
            train_loss,
            train_accuracy: 0.1,
            validation_loss,
            validation_accuracy: None,
            learning_rate: 1e-3,
        };
        let said = divergence(&[epoch(2.0, None), epoch(1.2e23, None)], 8).unwrap();
        assert!(said.contains("above 1e23, where a guess has 2.1"), "{said}");
        assert!(divergence(&[epoch(1.0, Some(5e8))], 8).is_some());
        // Unscaled inputs begin high and come down.
        assert_eq!(divergence(&[epoch(900.0, None), epoch(1.9, None)], 8), None);
        assert_eq!(divergence(&[], 8), None);
    }
}
