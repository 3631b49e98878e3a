//! What is done to a row of the feature table before a model sees it: parameters of an experiment,
//! the order and scale of values, and the length of sequences, all fitted on nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::Layer;
use crate::features::{FeatureSet, MOST_FRAMES};
use crate::split::Shape;

use super::pooling::{Pooling, pooled_columns};

/// Order in which the five feature groups are concatenated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The paper's list and the order of the table: MFCC, chroma, mel, contrast, Tonnetz.
    #[default]
    Paper,
    /// The order of the public Keras re-implementation.
    Keras,
}

/// What rows are scaled by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScalerKind {
    /// Raw values, as in the paper.
    #[default]
    None,
    /// Zero mean and unit variance per column, fitted on the training part.
    Standard,
    /// Zero mean and unit variance per column within each speaker, over all clips of that speaker
    /// whatever their role, and then as [`ScalerKind::Standard`]. No label is looked at, but the
    /// clips of test speakers are: this is transductive.
    PerSpeaker,
}

/// The condition of every result that [is transductive](Inputs::is_transductive), to follow words
/// such as "The figures hold only if". The mean of a speaker's clips of some emotions alone holds
/// the voice and those emotions: scaling by it takes away both.
pub const BALANCED_SPEAKERS: &str = "each speaker's clips cover all classes in about equal numbers";

/// An experiment's view of the feature table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// The set of features; an `[[encoder]]` and a `[[features.import]]` have their names.
    // The first of all sets is not written to models and cache keys, which then are those from
    // before there were others.
    #[schemars(extend("x-default" = "the first of `features.sets`"))]
    #[serde(default, skip_serializing_if = "is_first")]
    pub set: FeatureSet,
    /// Frames of a row, of the set `frames` (43 a second) or of an encoder that keeps `frames` (50 a
    /// second): longer recordings are cut to their middle, shorter ones padded.
    #[schemars(range(min = 1, max = MOST_FRAMES), extend("x-default" = "`128`; of encoders `150`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Encoders only: the state that is looked at, 0 for the input of the first block, 1 for what the
    /// first block gives and so on, or `last` for what the encoder gives; `weighted` for all of them,
    /// with weights that a model of kind `weighted-sum` learns.
    #[schemars(extend("x-default" = "`\"last\"`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// Encoders only: how the frames of a recording become one row: `mean`; `mean-std`, their mean
    /// and standard deviation; or `joint-norm`, their mean after one normalisation over time and
    /// width together.
    #[schemars(extend("x-default" = "`\"mean\"`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Sets `issa193` and `issa193-db` only: order of the feature groups: `paper` (MFCC, chroma,
    /// mel, contrast, Tonnetz) or `keras` (MFCC, mel, chroma, contrast, Tonnetz).
    #[serde(default)]
    pub order: Order,
    /// Set `issa193` only: natural logarithm of the mel means (floor 1e-10) in place of raw power.
    #[serde(default)]
    pub log_mel: bool,
    /// `none` (not of sequences); `standard`: zero mean and unit variance, fitted on the training
    /// part; or `per-speaker`, see below.
    #[schemars(extend("x-default" = "`\"none\"`; of `frames`, of encoders and of imports `\"standard\"`"))]
    #[serde(default)]
    pub scaler: ScalerKind,
    /// With a scaler only: values farther than so many standard deviations from the mean are set to
    /// that distance, so that a statistic that explodes on one recording only counts as large.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<u16>,
}

fn is_first(set: &FeatureSet) -> bool {
    *set == FeatureSet::default()
}

impl Inputs {
    /// Whether what a model is given depends on clips that it is tested on, though on no label of
    /// theirs. Wherever such a result is shown, it is called transductive.
    pub fn is_transductive(&self) -> bool {
        self.scaler == ScalerKind::PerSpeaker
    }

    /// How rows of this table with `columns` columns are laid out.
    pub fn shape(&self, columns: usize) -> Shape {
        match self.frames {
            Some(frames) => Shape {
                length: frames,
                channels: columns,
            },
            None => Shape {
                length: columns,
                channels: 1,
            },
        }
    }
}

/// The feature groups in the order of the public Keras re-implementation, by the prefix of their
/// columns. The table and the paper have chroma before mel.
const KERAS: [&str; 5] = ["mfcc_", "mel_", "chroma_", "contrast_", "tonnetz_"];

/// Below this a mel mean is silence; its logarithm is that of the floor.
const MEL_FLOOR: f32 = 1e-10;

/// Positions of the table's columns in the order of the experiment. A column of no known group
/// keeps its place behind the known ones.
fn positions(inputs: &Inputs, columns: &[String]) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..columns.len()).collect();
    if inputs.order == Order::Keras {
        positions.sort_by_key(|&i| {
            KERAS
                .iter()
                .position(|group| columns[i].starts_with(group))
                .unwrap_or(KERAS.len())
        });
    }
    positions
}

/// The names of the values that [`rearrange`] returns; `log_mel_000` for `mel_000` where it takes
/// the logarithm. Of an encoder, those that [`super::pool`] gives: `values` in all, from which the
/// number of its states follows.
pub fn columns_in_order(inputs: &Inputs, columns: &[String], values: usize) -> Vec<String> {
    if let Some(pooling) = inputs.pooling {
        let of_state = pooled_columns(columns, pooling);
        if inputs.layer != Some(Layer::Weighted) {
            return of_state;
        }
        let states = values / of_state.len().max(1);
        let names = |state: usize| of_state.iter().map(move |name| format!("{state}_{name}"));
        return (0..states).flat_map(names).collect();
    }
    let name = |i: usize| match inputs.log_mel && columns[i].starts_with("mel_") {
        true => format!("log_{}", columns[i]),
        false => columns[i].clone(),
    };
    positions(inputs, columns).into_iter().map(name).collect()
}

/// A row of the feature table, whose columns are `columns`, as an experiment with `inputs` wants
/// it: in its order, and with the natural logarithm of the mel means (not below 1e-10) where it
/// says so.
///
/// # Panics
/// When the row has fewer values than `columns`: a defect of the caller, never of data.
pub fn rearrange(inputs: &Inputs, columns: &[String], row: &[f32]) -> Vec<f32> {
    let value = |i: usize| match inputs.log_mel && columns[i].starts_with("mel_") {
        true => row[i].max(MEL_FLOOR).ln(),
        false => row[i],
    };
    positions(inputs, columns).into_iter().map(value).collect()
}

/// Marks what no frame stands in: neither a mean nor a deviation looks at it.
const PADDING: f32 = f32::NAN;

/// A sequence of steps of `channels` values with exactly `frames` steps: the middle of a longer
/// one; a shorter one in the middle of padding, which [`finish_row`] fills once the row is scaled.
pub fn fit_length(row: &[f32], channels: usize, frames: usize) -> Vec<f32> {
    let there = row.len() / channels.max(1);
    if there >= frames {
        let first = (there - frames) / 2;
        return row[first * channels..(first + frames) * channels].to_vec();
    }
    let before = (frames - there) / 2;
    let mut fitted = vec![PADDING; frames * channels];
    fitted[before * channels..(before + there) * channels]
        .copy_from_slice(&row[..there * channels]);
    fitted
}

/// What is left to do to a scaled row: clips it, and puts zeros, which after scaling are the mean,
/// where no frame of a sequence stands.
pub fn finish_row(row: &mut [f32], inputs: &Inputs) {
    if let Some(clip) = inputs.clip {
        let most = f32::from(clip);
        // A NaN stays one: it is padding, or a fault that the model names.
        row.iter_mut()
            .for_each(|value| *value = value.clamp(-most, most));
    }
    if inputs.frames.is_some() {
        row.iter_mut()
            .filter(|value| value.is_nan())
            .for_each(|value| *value = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table's 193 columns.
    fn columns() -> Vec<String> {
        let group = |name: &'static str, n: usize, digits: usize| {
            (0..n).map(move |i| format!("{name}_{i:0digits$}"))
        };
        let groups = group("mfcc", 40, 2)
            .chain(group("chroma", 12, 2))
            .chain(group("mel", 128, 3));
        groups
            .chain(group("contrast", 7, 1))
            .chain(group("tonnetz", 6, 1))
            .collect()
    }

    fn inputs(order: Order, log_mel: bool) -> Inputs {
        Inputs {
            order,
            log_mel,
            ..Inputs::default()
        }
    }

    #[test]
    fn the_paper_has_the_order_of_the_table() {
        let row: Vec<f32> = (0..193).map(|i| i as f32).collect();
        assert_eq!(
            rearrange(&inputs(Order::Paper, false), &columns(), &row),
            row
        );
        assert_eq!(
            columns_in_order(&inputs(Order::Paper, false), &columns(), 193),
            columns()
        );
    }

    #[test]
    fn keras_has_mel_before_chroma() {
        let row: Vec<f32> = (0..193).map(|i| i as f32).collect();
        let keras = inputs(Order::Keras, false);
        let want: Vec<f32> = (0..40)
            .chain(52..180)
            .chain(40..52)
            .chain(180..193)
            .map(|i| i as f32)
            .collect();
        assert_eq!(rearrange(&keras, &columns(), &row), want);
        let names = columns_in_order(&keras, &columns(), 193);
        assert_eq!(
            (names[39].as_str(), names[40].as_str(), names[168].as_str()),
            ("mfcc_39", "mel_000", "chroma_00")
        );
    }

    #[test]
    fn only_mel_means_are_logarithms_and_silence_stays_finite() {
        let mut row = vec![-2.0; 193];
        (row[52], row[53], row[54]) = (0.0, 1.0, std::f32::consts::E);
        let log = inputs(Order::Paper, true);
        let out = rearrange(&log, &columns(), &row);
        assert!(
            (out[52] - 1e-10f32.ln()).abs() < 1e-6
                && out[53] == 0.0
                && (out[54] - 1.0).abs() < 1e-6
        );
        assert!((out[55] - 1e-10f32.ln()).abs() < 1e-6);
        assert_eq!((out[0], out[51], out[180]), (-2.0, -2.0, -2.0));
        assert_eq!(columns_in_order(&log, &columns(), 193)[52], "log_mel_000");
    }

    #[test]
    fn the_middle_stays_and_short_ones_stand_in_it() {
        let row: Vec<f32> = (0..10).map(|v| v as f32).collect();
        assert_eq!(fit_length(&row, 2, 2), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(fit_length(&row, 2, 5), row);
        let mut padded = fit_length(&row[..4], 2, 5);
        assert!(padded[..2].iter().chain(&padded[6..]).all(|v| v.is_nan()));
        finish_row(
            &mut padded,
            &Inputs {
                frames: Some(5),
                ..Inputs::default()
            },
        );
        assert_eq!(padded, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        finish_row(
            &mut padded,
            &Inputs {
                clip: Some(2),
                ..Inputs::default()
            },
        );
        assert_eq!(padded, [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
