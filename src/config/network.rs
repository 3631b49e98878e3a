//! Checks of the networks that are not the paper's: a perceptron for statistics, temporal
//! convolutions for spectrograms.

use toml::Spanned;

use super::check::Context;
use super::model::ModelSettings;
use super::raw::{RawModel, RawSpecAugment, Table};
use crate::error::{Error, Result};
use crate::model::{Perceptron, SpecAugment, Temporal};
use crate::transform::Inputs;

/// Most units or channels of a layer.
const WIDEST: i64 = 65_536;

pub(super) fn perceptron(raw: RawModel, context: &Context<'_>) -> Result<Perceptron> {
    Ok(Perceptron {
        hidden: context.whole("hidden", raw.hidden, 256, 1..=WIDEST)?,
        input_dropout: share("input_dropout", raw.input_dropout, 0.5, context)?,
        dropout: share("dropout", raw.dropout, 0.5, context)?,
    })
}

pub(super) fn temporal(raw: RawModel, context: &Context<'_>) -> Result<Temporal> {
    Ok(Temporal {
        channels: context.whole("channels", raw.channels, 128, 1..=WIDEST)?,
        dropout: share("dropout", raw.dropout, 0.3, context)?,
    })
}

fn share(
    key: &str,
    value: Option<Spanned<f64>>,
    default: f64,
    context: &Context<'_>,
) -> Result<f64> {
    value.map_or(Ok(default), |value| {
        context.real(
            key,
            &value,
            |x| (0.0..1.0).contains(&x),
            "at least 0 and below 1",
        )
    })
}

/// Whether a network gets rows of the kind that it is made for.
pub(super) fn fits(
    model: &ModelSettings,
    inputs: &Inputs,
    place: &std::ops::Range<usize>,
    context: &Context<'_>,
) -> Result<()> {
    /// Two poolings halve the frames.
    const FEWEST: usize = 4;
    let error = |message: &str| -> Result<()> { Err(context.texts.error(place, message)) };
    match (model, inputs.frames) {
        (ModelSettings::Temporal(_), None) => error("a temporal network reads sequences")
            .map_err(|e| e.hint("set inputs = { set = \"frames\", … }")),
        (ModelSettings::Temporal(_), Some(frames)) if frames < FEWEST => {
            error("a temporal network needs 4 frames or more")
                .map_err(|e| e.hint("set inputs.frames = 128, about three seconds"))
        }
        (ModelSettings::Cnn { .. } | ModelSettings::Perceptron(_), Some(_)) => {
            error("this network reads vectors, not sequences of frames").map_err(|e| {
                e.hint("take another set of features, or model = { kind = \"temporal\" }")
            })
        }
        _ => Ok(()),
    }
}

/// Masks and shifts, for spectrograms alone.
pub(super) fn spec_augment(
    raw: Option<Spanned<Table<RawSpecAugment>>>,
    sequence: bool,
    context: &Context<'_>,
) -> Result<Option<SpecAugment>> {
    let Some(raw) = raw else { return Ok(None) };
    let place = raw.span();
    if !sequence {
        let error: Error = context.texts.error(
            &place,
            "`spec_augment` changes spectrograms: it needs the set `frames`",
        );
        return Err(error.hint("remove it, or set inputs = { set = \"frames\", … } with model = { kind = \"temporal\" }"));
    }
    let Table(raw) = raw.into_inner();
    const MOST: i64 = 10_000;
    Ok(Some(SpecAugment {
        frequency_masks: context.whole("frequency_masks", raw.frequency_masks, 2, 0..=100)?,
        frequency_width: context.whole("frequency_width", raw.frequency_width, 12, 0..=MOST)?,
        time_masks: context.whole("time_masks", raw.time_masks, 2, 0..=100)?,
        time_width: context.whole("time_width", raw.time_width, 24, 0..=MOST)?,
        shift: context.whole("shift", raw.shift, 0, 0..=MOST)?,
    }))
}
