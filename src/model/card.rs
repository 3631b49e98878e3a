//! The card of a saved model: what it is, for people.

use serde::Serialize;

use crate::encoder::Layer;
use crate::escape::{markdown, markdown_code};
use crate::features::FeatureSet;
use crate::model;
use crate::model::NormStatistics;
use crate::model::artifact::{ModelInfo, SavedModel, Weights};
use crate::transform::{BALANCED_SPEAKERS, Scaler};

/// What no model of this program is for: a section of every card.
pub const NOT_FOR: &str = "## Not for\n\n\
Judging people: not in hiring, schooling, policing, insurance, health or at work, nor watching anyone without their consent. In the European\n\
Union, emotion recognition at work and in education is prohibited but for medical and safety reasons (Regulation 2024/1689, article 5).\n";

/// The model's card.
pub(super) fn card(model: &SavedModel) -> String {
    let info = &model.info;
    let what = match (&model.weights, info.architecture) {
        (Weights::Cnn { .. }, Some(architecture)) => {
            format!(
                "A convolutional network (`{}` of Issa, Demirci, Yazici 2020)",
                word(&architecture)
            )
        }
        (Weights::Cnn { .. }, None) => "A convolutional network".to_owned(),
        (Weights::Classical(classical), _) => format!("A {}", classical.model().title()),
    };
    let corpus = markdown(&info.corpus);
    let mut out = format!("# {} on {corpus}\n\n", markdown(&info.pipeline));
    out += &format!(
        "{what} that tells {} emotions apart in recordings of {corpus}: {}.\n\n",
        info.labels.len(),
        markdown(&info.labels.join(", "))
    );
    out += "## Input\n\n";
    out += &format!(
        "{} features per utterance (set `{}`, profile `{}`, code version {}), in the order that `model.json` lists.\n",
        info.feature_names.len(),
        markdown_code(&info.feature_set),
        markdown_code(&info.profile),
        info.feature_code_version
    );
    if let Some(frames) = info.inputs.frames {
        out += &format!(
            "They are those of one of {frames} frames: longer recordings are cut to their middle, shorter ones padded.\n"
        );
    }
    out += &of_encoder(info);
    out += &of_import(info);
    if info.inputs.set == FeatureSet::Issa193 {
        out += &format!(
            "Mel means are {}. ",
            if info.inputs.log_mel {
                "logarithms of power"
            } else {
                "raw power"
            }
        );
    }
    if info.inputs.is_transductive() {
        out += "Features of each speaker are first scaled with the means and standard deviations of all of that speaker's clips, those that the\n";
        out += "model was tested on among them, without their labels: its results are transductive, and it cannot tell anything of one clip alone.\n";
        out += &format!(
            "They hold only if {BALANCED_SPEAKERS}: for a speaker with clips of few emotions an\n"
        );
        out += "inductive model is the better choice.\n";
    }
    out += if info.scaler == Scaler::None {
        "Features are not scaled.\n\n"
    } else {
        "Features are scaled with the means and standard deviations of the training part, which `model.json` holds.\n\n"
    };
    out += &covered(info);
    out += "## Training\n\n";
    out += &format!(
        "Protocol `{}`, fold {}, seed {}.",
        markdown_code(&info.protocol),
        info.fold,
        info.seed
    );
    if let Some(train) = &info.train {
        out += &format!(
            " {} from learning rate {}, batches of {}, up to {} epochs{}.",
            word(&train.optimizer),
            train.learning_rate,
            train.batch_size,
            train.epochs,
            if train.early_stopping.is_some() {
                ", ended by the validation loss"
            } else {
                ""
            }
        );
        if info
            .layers
            .iter()
            .any(|layer| matches!(layer, model::Layer::BatchNorm { .. }))
        {
            out += match train.batch_norm {
                NormStatistics::Population => {
                    " Batch normalisation applies the means and variances over the whole training part."
                }
                NormStatistics::MovingAverage => {
                    " Batch normalisation applies moving averages over the batches of training."
                }
            };
        }
    }
    out += "\n\n";
    if let Weights::Cnn { .. } = model.weights {
        out += "`model.safetensors` follows PyTorch: `layers.<i>` is the i-th layer, kernels are `[outputs, inputs, width]`, dense weights\n";
        out += "`[outputs, inputs]`. The flatten keeps channels fastest (`x.transpose(1, 2).flatten(1)`), batch normalisation has epsilon 1e-3.\n\n";
    }
    out += NOT_FOR;
    out += "\nThe model was trained on the one corpus named above and on nothing else. It does not know what anyone feels.\n";
    out += match &model.weights {
        Weights::Cnn { .. } => {
            "Probabilities are a softmax fitted by maximum likelihood; nothing calibrates them beyond that."
        }
        Weights::Classical(classical) => classical.model().values(),
    };
    out += "\nExpect far lower accuracy on other speakers, languages, rooms and microphones, and no calibration there.\n";
    if !info.provenance.is_empty() {
        out += "\n## Provenance\n\n";
        for (key, value) in &info.provenance {
            out += &format!("- {}: {}\n", markdown(key), markdown(value));
        }
    }
    out
}

/// What the card says of the encoder.
fn of_encoder(info: &ModelInfo) -> String {
    let Some(encoder) = &info.encoder else {
        return String::new();
    };
    let layer = info.inputs.layer.unwrap_or_default();
    let states = match layer {
        Layer::Weighted => format!(
            "all states of its {} layers, added up with learned weights (`layer_shares` below)",
            encoder.layers
        ),
        layer => format!("layer {layer} of {}", encoder.layers),
    };
    let licence = encoder.licence.as_deref().map(markdown);
    let states = match info.inputs.pooling {
        None => "one of its layers".to_owned(),
        Some(pooling) => format!("{states}, pooled as `{pooling}`"),
    };
    let mut out = format!(
        "They are of a pretrained encoder that is not part of this model: {states}, {}.\n\
         What is known of the speech that it was trained on stands below, under \"Tested on\".\n\
         Its licence: {}. `ser predict` needs the same files (SHA-256):\n\n",
        markdown(&encoder.usage.words()),
        licence
            .as_deref()
            .unwrap_or("unknown, its folder names none")
    );
    for (name, sum) in &encoder.files {
        out += &format!("- `{}` {}\n", markdown_code(name), markdown_code(sum));
    }
    out + "\n"
}

/// What the card says of the table that features were imported from.
fn of_import(info: &ModelInfo) -> String {
    let Some(import) = &info.imported else {
        return String::new();
    };
    format!(
        "Another tool computed them; they were imported from `{}` (SHA-256 {}). Whether that tool had\n\
         seen test speakers or labels before is not known. `ser predict` needs a table of the same columns for the recordings that it\n\
         predicts: `--features FILE`.\n\n",
        markdown_code(&import.path),
        markdown_code(&import.sha256.join(", "))
    )
}

/// What the card says of copies at test time and of the recordings that the model is for.
fn covered(info: &ModelInfo) -> String {
    let mut out = String::new();
    if let Some(copies) = &info.test_time_augment {
        let kinds: Vec<&str> = copies.kinds.iter().map(|kind| kind.name()).collect();
        out += &format!(
            "Test-time augmentation: probabilities are the mean over the recording and copies of it ({}), changed as in training.\n\n",
            kinds.join(", ")
        );
    }
    let durations = &info.domain.duration_s;
    out += &format!(
        "Training recordings last {:.2} to {:.2} s (median {:.2} s). `ser predict` marks recordings and windows that are much shorter or\n\
         longer, or whose features lie far outside of those in training (`in_domain`).\n\n",
        durations.min, durations.max, durations.median
    );
    out
}

/// The word that stands for a value in configuration files.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
