//! Checks of how a network is trained, and of seeds.

use toml::Spanned;

use super::check::{Context, span};
use super::experiment::refuse_others;
use super::network;
use super::raw::{Key, RawSchedule, RawTrain};
use crate::error::Result;
use crate::model::{Device, EarlyStopping, NormStatistics, Optimizer, Schedule, TrainSettings};

pub(super) fn train(
    raw: RawTrain,
    validation: bool,
    sequence: bool,
    context: &Context<'_>,
) -> Result<TrainSettings> {
    let real = |key: &str,
                value: &Key<f64>,
                default: f64,
                allow: fn(f64) -> bool,
                allowed: &str|
     -> Result<f64> {
        value.as_ref().map_or(Ok(default), |value| {
            context.real(key, value, allow, allowed)
        })
    };
    let optimizer = raw.optimizer.unwrap_or(Optimizer::Adamw);
    let decay = real("decay", &raw.decay, 0.0, |x| x >= 0.0, "0 or above")?;
    let warmup = real(
        "warmup",
        &raw.warmup,
        0.0,
        |x| (0.0..1.0).contains(&x),
        "at least 0 and below 1",
    )?;
    let written = [("decay", span(&raw.decay)), ("warmup", span(&raw.warmup))];
    let schedule = match raw.schedule.unwrap_or(RawSchedule::InverseTime) {
        RawSchedule::InverseTime => {
            refuse_others(&written, &["decay"], "schedule", context)?;
            Schedule::InverseTime { decay }
        }
        RawSchedule::Cosine => {
            refuse_others(&written, &["warmup"], "schedule", context)?;
            Schedule::Cosine { warmup }
        }
    };
    let weight_decay = real(
        "weight_decay",
        &raw.weight_decay,
        0.0,
        |x| (0.0..=1.0).contains(&x),
        "from 0 to 1",
    )?;
    if let Some(span) =
        span(&raw.weight_decay).filter(|_| weight_decay > 0.0 && optimizer != Optimizer::Adamw)
    {
        let error = context
            .texts
            .error(&span, "`weight_decay` works with the optimizer adamw only");
        return Err(error.hint("set weight_decay = 0, or optimizer = \"adamw\""));
    }
    let early_stopping = early_stopping(raw.patience, validation, context)?;
    Ok(TrainSettings {
        optimizer,
        learning_rate: real(
            "learning_rate",
            &raw.learning_rate,
            1e-3,
            |x| x > 0.0 && x <= 10.0,
            "above 0 and at most 10",
        )?,
        schedule,
        weight_decay,
        batch_size: context.whole("batch_size", raw.batch_size, 32, 2..=65_536)?,
        epochs: context.whole("epochs", raw.epochs, 40, 1..=100_000)?,
        spec_augment: network::spec_augment(raw.spec_augment, sequence, context)?,
        label_smoothing: real(
            "label_smoothing",
            &raw.label_smoothing,
            0.0,
            |x| (0.0..1.0).contains(&x),
            "at least 0 and below 1",
        )?,
        mixup: real(
            "mixup",
            &raw.mixup,
            0.0,
            |x| (0.0..=10.0).contains(&x),
            "from 0 to 10",
        )?,
        class_weights: raw.class_weights.unwrap_or(false),
        batch_norm: raw.batch_norm.unwrap_or(NormStatistics::Population),
        early_stopping,
        checkpoint_every: context.whole(
            "checkpoint_every",
            raw.checkpoint_every,
            0,
            0..=100_000,
        )?,
        device: device(raw.device, context)?,
    })
}

fn device(raw: Key<Device>, context: &Context<'_>) -> Result<Device> {
    let Some(raw) = raw else {
        return Ok(Device::Cpu);
    };
    match raw.get_ref().lacking() {
        None => Ok(*raw.get_ref()),
        Some(why) => Err(context
            .texts
            .error(&raw.span(), why.to_string())
            .hint(why.hint_text().unwrap_or_default())),
    }
}

fn early_stopping(
    patience: Key<i64>,
    validation: bool,
    context: &Context<'_>,
) -> Result<Option<EarlyStopping>> {
    let place = span(&patience);
    let patience = context.whole("patience", patience, 0, 0..=100_000)?;
    match place {
        Some(_) if patience == 0 => Ok(None),
        Some(_) if validation => Ok(Some(EarlyStopping { patience })),
        Some(place) => {
            let error = context.texts.error(
                &place,
                "early stopping needs a validation part: the test part must not choose the epoch",
            );
            Err(error.hint("add `validation = 0.1` to the experiment, or set patience = 0"))
        }
        None => Ok(None),
    }
}

pub(super) fn seeds(
    raw: Key<Vec<Spanned<i64>>>,
    drawn: bool,
    context: &Context<'_>,
) -> Result<Vec<u64>> {
    const MOST: usize = 1000;
    let Some(raw) = raw else { return Ok(vec![0]) };
    let span = raw.span();
    let mut seeds: Vec<u64> = Vec::new();
    for seed in raw.into_inner() {
        let place = seed.span();
        let seed = context.whole("seeds", Some(seed), 0, 0..=i64::MAX)?;
        if seeds.contains(&seed) {
            return Err(context
                .texts
                .error(&place, format!("the seed {seed} stands here twice")));
        }
        if seeds.len() == MOST {
            return Err(context
                .texts
                .error(&place, format!("more than {MOST} seeds")));
        }
        seeds.push(seed);
    }
    if seeds.is_empty() {
        return Err(context
            .texts
            .error(&span, "`seeds` is empty")
            .hint("name one seed for each training run, for example seeds = [0]"));
    }
    if seeds.len() > 1 && !drawn {
        let error =
            context.texts.error(&span, "several seeds are for networks and random forests: this model comes out the same for every seed");
        return Err(error.hint("name one seed"));
    }
    Ok(seeds)
}
