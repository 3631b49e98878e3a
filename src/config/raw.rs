//! A pipeline file as it is written: every key that may stand in it, with its place, and nothing
//! decided yet.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, Visitor};
use toml::Spanned;

use super::joined::RawPart;
use super::model::Gamma;
use super::search::RawSearch;
use super::slurm::RawSlurm;
use crate::corpus::SubsetRule;
use crate::corpus::iemocap::{Agreement, Dialogs, Excitement};
use crate::evaluation::{Mark, Vote};
use crate::model::{
    Architecture, Device, Kernel, KnnWeights, NormStatistics, Optimizer, SplitFeatures,
};
use crate::transform::{Order, ScalerKind};

/// A key that may be absent.
pub(super) type Key<T> = Option<Spanned<T>>;

/// A TOML table; serde alone would also take a list for a struct, position by position.
#[derive(Debug)]
pub(super) struct Table<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Table<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }
        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPipeline {
    pub(super) name: Spanned<String>,
    pub(super) title: Key<String>,
    pub(super) description: Key<String>,
    pub(super) corpus: Spanned<Table<RawCorpus>>,
    pub(super) features: Option<Table<RawFeatures>>,
    #[serde(default)]
    pub(super) experiment: Vec<Table<RawExperiment>>,
    #[serde(default)]
    pub(super) published: Vec<Spanned<Table<RawPublished>>>,
    pub(super) slurm: Option<Table<RawSlurm>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawCorpusKind {
    Ravdess,
    Emodb,
    Iemocap,
    Manifest,
    Synthetic,
    Joined,
}

/// All keys of all kinds of corpus; which of them a kind has is checked afterwards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCorpus {
    pub(super) kind: Spanned<RawCorpusKind>,
    pub(super) name: Key<String>,
    pub(super) root: Key<String>,
    pub(super) labels: Key<Vec<Spanned<String>>>,
    pub(super) notes: Option<Vec<String>>,
    pub(super) licence: Key<String>,
    pub(super) citation: Key<String>,
    pub(super) guessed: Key<Vec<Spanned<String>>>,
    pub(super) subset: Key<Table<RawSubset>>,
    pub(super) windows: Key<Table<RawWindows>>,
    // emodb
    pub(super) all_clips: Key<bool>,
    // iemocap
    pub(super) excitement: Key<Excitement>,
    pub(super) dialogs: Key<Dialogs>,
    pub(super) agreement: Key<Agreement>,
    // manifest
    pub(super) path: Key<String>,
    pub(super) label_map: Key<BTreeMap<String, Spanned<String>>>,
    pub(super) allow_outside: Key<bool>,
    pub(super) language: Key<String>,
    // synthetic
    pub(super) speakers: Key<i64>,
    pub(super) sentences: Key<i64>,
    pub(super) takes: Key<i64>,
    pub(super) sample_rate: Key<i64>,
    pub(super) seed: Key<i64>,
    // joined
    pub(super) parts: Key<Vec<Table<RawPart>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSubset {
    pub(super) size: Spanned<i64>,
    pub(super) rule: Option<SubsetRule>,
    pub(super) seed: Key<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindows {
    pub(super) length_s: Spanned<f64>,
    pub(super) hop_s: Key<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFeatures {
    pub(super) set: Key<String>,
    pub(super) sets: Key<Vec<Spanned<String>>>,
    pub(super) profile: Key<String>,
    pub(super) augment: Option<Table<RawAugment>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAugment {
    pub(super) shift_s: Key<f64>,
    pub(super) speed_up: Key<f64>,
    pub(super) slow_down: Key<f64>,
    pub(super) noise_share: Key<f64>,
    pub(super) noise_snr_db: Key<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExperiment {
    pub(super) name: Spanned<String>,
    pub(super) title: Key<String>,
    pub(super) default: Option<bool>,
    pub(super) protocol: Spanned<Table<RawProtocol>>,
    pub(super) split_seed: Key<i64>,
    pub(super) validation: Key<f64>,
    pub(super) inputs: Option<Table<RawInputs>>,
    pub(super) augment: Key<RawCopies>,
    pub(super) test_time_augment: Key<RawCopies>,
    pub(super) explain: Key<bool>,
    pub(super) model: Spanned<Table<RawModel>>,
    pub(super) search: Key<Table<RawSearch>>,
    pub(super) train: Key<Table<RawTrain>>,
    pub(super) seeds: Key<Vec<Spanned<i64>>>,
    pub(super) shuffle_labels: Option<bool>,
    pub(super) require: Key<Words>,
}

/// Whether all kinds of changed copies, or which.
#[derive(Debug)]
pub(super) enum RawCopies {
    All(bool),
    Of(Vec<String>),
}

/// One word or a list of words.
#[derive(Debug)]
pub(super) struct Words(pub(super) Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawProtocolKind {
    HoldOut,
    StratifiedKfold,
    GroupKfold,
    LeaveOneSpeakerOut,
    LeaveOneSessionOut,
    CrossCorpus,
    Published,
    Declared,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProtocol {
    pub(super) kind: Spanned<RawProtocolKind>,
    pub(super) test_fraction: Key<f64>,
    pub(super) folds: Key<i64>,
    pub(super) name: Key<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInputs {
    pub(super) set: Key<String>,
    pub(super) frames: Key<i64>,
    pub(super) order: Key<Order>,
    pub(super) log_mel: Key<bool>,
    pub(super) scaler: Key<ScalerKind>,
    pub(super) clip: Key<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawModelKind {
    Cnn,
    Logistic,
    Svm,
    RandomForest,
    Knn,
    Majority,
    Perceptron,
    Temporal,
    Ensemble,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSpecAugment {
    pub(super) frequency_masks: Key<i64>,
    pub(super) frequency_width: Key<i64>,
    pub(super) time_masks: Key<i64>,
    pub(super) time_width: Key<i64>,
    pub(super) shift: Key<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) kind: Spanned<RawModelKind>,
    pub(super) architecture: Key<Architecture>,
    pub(super) kernel: Key<Kernel>,
    pub(super) c: Key<f64>,
    pub(super) gamma: Key<Gamma>,
    pub(super) hidden: Key<i64>,
    pub(super) input_dropout: Key<f64>,
    pub(super) dropout: Key<f64>,
    pub(super) channels: Key<i64>,
    pub(super) trees: Key<i64>,
    pub(super) max_depth: Key<i64>,
    pub(super) min_leaf: Key<i64>,
    pub(super) features: Key<SplitFeatures>,
    pub(super) k: Key<i64>,
    pub(super) weights: Key<KnnWeights>,
    pub(super) members: Key<Vec<Spanned<String>>>,
    pub(super) vote: Key<Vote>,
    pub(super) member_weights: Key<Vec<Spanned<f64>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawSchedule {
    InverseTime,
    Cosine,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrain {
    pub(super) optimizer: Option<Optimizer>,
    pub(super) learning_rate: Key<f64>,
    pub(super) schedule: Option<RawSchedule>,
    pub(super) decay: Key<f64>,
    pub(super) warmup: Key<f64>,
    pub(super) weight_decay: Key<f64>,
    pub(super) batch_size: Key<i64>,
    pub(super) epochs: Key<i64>,
    pub(super) label_smoothing: Key<f64>,
    pub(super) mixup: Key<f64>,
    pub(super) spec_augment: Key<Table<RawSpecAugment>>,
    pub(super) class_weights: Option<bool>,
    pub(super) batch_norm: Option<NormStatistics>,
    pub(super) patience: Key<i64>,
    pub(super) checkpoint_every: Key<i64>,
    pub(super) device: Key<Device>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPublished {
    pub(super) source: Spanned<String>,
    pub(super) system: Spanned<String>,
    pub(super) protocol: Spanned<String>,
    pub(super) speaker_independent: Option<bool>,
    pub(super) accuracy: Key<f64>,
    pub(super) uar: Key<f64>,
    pub(super) mark: Mark,
    pub(super) note: Key<String>,
}

impl<'de> Deserialize<'de> for Gamma {
    /// `"scale"` or a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GammaVisitor;
        impl Visitor<'_> for GammaVisitor {
            type Value = Gamma;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"scale\" or a number")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Gamma, E> {
                if word == "scale" {
                    Ok(Gamma::Scale)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(word), &self))
                }
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Gamma, E> {
                Ok(Gamma::Value(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Gamma, E> {
                Ok(Gamma::Value(value as f64))
            }
        }
        deserializer.deserialize_any(GammaVisitor)
    }
}

impl<'de> Deserialize<'de> for RawCopies {
    /// `true`, `false` or `["kind", "kind"]`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CopiesVisitor;
        impl<'de> Visitor<'de> for CopiesVisitor {
            type Value = RawCopies;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a list of kinds of copies")
            }

            fn visit_bool<E: de::Error>(self, all: bool) -> Result<RawCopies, E> {
                Ok(RawCopies::All(all))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<RawCopies, A::Error> {
                let mut kinds = Vec::new();
                while let Some(kind) = list.next_element()? {
                    kinds.push(kind);
                }
                Ok(RawCopies::Of(kinds))
            }
        }
        deserializer.deserialize_any(CopiesVisitor)
    }
}

impl<'de> Deserialize<'de> for Words {
    /// `"word"` or `["word", "word"]`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordsVisitor;
        impl<'de> Visitor<'de> for WordsVisitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list of words")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Words, E> {
                Ok(Words(vec![word.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }
        }
        deserializer.deserialize_any(WordsVisitor)
    }
}
