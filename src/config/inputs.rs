//! `inputs` of an experiment: which features its model sees, and how.

use super::check::Refusal;
use super::encoder;
use super::features::{self, FeatureSettings};
use super::section::Section;
use crate::error::Result;
use crate::features::FeatureSet;
use crate::transform::{Inputs, ScalerKind};

/// Keys of the inputs that their set rules out.
pub(super) fn ruled_out(inputs: &Section<'_>, key: &str) -> Option<Refusal> {
    let experiment = inputs.around("experiment")?;
    let set = features::set_of(experiment)?;
    let has_sequences = features::has_sequences(experiment);
    let (belongs, hint) = match key {
        "frames" => (
            has_sequences,
            "it is for sequences: set = \"frames\", or an [[encoder]] with `frames`",
        ),
        "layer" | "pooling" if set.is_of_encoder() && has_sequences => (
            false,
            "this [[encoder]] keeps the `frames` of one layer: name the layer there",
        ),
        "order" => (
            matches!(set, FeatureSet::Issa193 | FeatureSet::Issa193Db),
            "it is for set = \"issa193\" or \"issa193-db\"",
        ),
        "log_mel" => (
            set == FeatureSet::Issa193,
            "it is for set = \"issa193\"; the other sets have logarithms already",
        ),
        "layer" | "pooling" => (set.is_of_encoder(), "it is for the set of an [[encoder]]"),
        _ => return None,
    };
    (!belongs).then(|| Refusal {
        why: format!("`{key}` does not belong to the set `{}`", set.name()),
        hint: hint.to_owned(),
    })
}

/// Fills in what follows from the set, and checks what the schema cannot say.
pub(super) fn finish(
    inputs: &mut Inputs,
    experiment: &Section<'_>,
    features: &FeatureSettings,
) -> Result<()> {
    /// About three seconds.
    const FRAMES: usize = 128;
    const FRAMES_OF_ENCODERS: usize = 150;
    let written = experiment.section("inputs");
    let has = |key: &str| written.as_ref().is_some_and(|written| written.has(key));
    let error =
        |key: &str, message: String| written.as_ref().unwrap_or(experiment).error(key, message);
    if !has("set") {
        inputs.set = features.first();
    }
    let known = features.known();
    if !known.contains(&inputs.set) {
        return Err(encoder::unknown(inputs.set, &known, |message| {
            error("set", message)
        }));
    }
    if !features.sets.contains(&inputs.set) {
        let name = inputs.set.name();
        let all = features.sets.iter().chain([&inputs.set]);
        let all: Vec<String> = all.map(|set| format!("\"{}\"", set.name())).collect();
        let message = format!("the features of this pipeline have no set `{name}`");
        let hint = format!("write sets = [{}] under [features]", all.join(", "));
        return Err(error("set", message).hint(hint));
    }
    let of_encoder = features.encoder(inputs.set);
    let keeps_frames = of_encoder.is_some_and(|source| source.usage().frames.is_some());
    if inputs.set.is_sequence() || keeps_frames {
        let frames = if keeps_frames {
            FRAMES_OF_ENCODERS
        } else {
            FRAMES
        };
        inputs.frames.get_or_insert(frames);
        // Sequences are padded with their mean.
        if !has("scaler") {
            inputs.scaler = ScalerKind::Standard;
        }
        if inputs.scaler == ScalerKind::None {
            let message =
                "sequences are padded with their mean, which is known of scaled inputs alone";
            return Err(error("scaler", message.to_owned())
                .hint("write scaler = \"standard\" (or \"per-speaker\")"));
        }
    }
    if inputs.set.is_of_encoder() && !keeps_frames {
        inputs.layer.get_or_insert_default();
        inputs.pooling.get_or_insert_default();
    }
    if inputs.set.is_named() && !has("scaler") {
        inputs.scaler = ScalerKind::Standard;
    }
    if inputs.clip.is_some() && inputs.scaler == ScalerKind::None {
        let message = "`clip` counts standard deviations: it needs scaled inputs";
        return Err(error("clip", message.to_owned())
            .hint("add scaler = \"standard\" (or \"per-speaker\")"));
    }
    Ok(())
}
