//! The state of a pretrained encoder that a model sees, and how its frames become one row.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::Layer;
use crate::error::{Error, Result};
use crate::stats;

/// Added to the variance of [`Pooling::JointNorm`], as in a layer normalisation.
const EPSILON: f64 = 1e-5;

/// How the frames of a state become one row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// Their mean and their standard deviation.
    MeanStd,
    /// Their mean after one normalisation over time and width together, as EmoBox has it.
    JointNorm,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pooling::Mean => "mean",
            Pooling::MeanStd => "mean-std",
            Pooling::JointNorm => "joint-norm",
        })
    }
}

/// A row of the table of an encoder's states (means and deviations of each, of `width` values) as a
/// model sees it; of all layers, one state after the other.
///
/// # Errors
/// `Config` where the encoder has no such layer.
pub fn pool(row: &[f32], width: usize, layer: Layer, pooling: Pooling) -> Result<Vec<f32>> {
    let states = row.len() / (2 * width).max(1);
    let mut each = row.chunks_exact(2 * width.max(1));
    if layer == Layer::Weighted {
        return Ok(each
            .flat_map(|state| pool_state(state, width, pooling))
            .collect());
    }
    let state = layer.of(states).and_then(|state| each.nth(state));
    let state = state.ok_or_else(|| {
        let error = Error::config(format!("the encoder has no layer {layer}"));
        error.hint(format!("its layers end at {}", states.saturating_sub(1)))
    })?;
    Ok(pool_state(state, width, pooling))
}

fn pool_state(state: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    let (means, deviations) = state.split_at(width);
    match pooling {
        Pooling::Mean => means.to_vec(),
        Pooling::MeanStd => state.to_vec(),
        Pooling::JointNorm => {
            let means: Vec<f64> = means.iter().map(|one| f64::from(*one)).collect();
            let squares: Vec<f64> = deviations.iter().map(|sd| f64::from(*sd).powi(2)).collect();
            let (mean, between) = stats::mean_and_sd(&means);
            let factor = 1.0 / (stats::mean(&squares) + between.powi(2) + EPSILON).sqrt();
            let normalised = means.iter().map(|one| ((one - mean) * factor) as f32);
            normalised.collect()
        }
    }
}

/// The names of the values that [`pool`] gives of columns with these names.
pub fn pooled_columns(columns: &[String], pooling: Pooling) -> Vec<String> {
    let words: &[&str] = match pooling {
        Pooling::Mean => &["mean"],
        Pooling::MeanStd => &["mean", "sd"],
        Pooling::JointNorm => &["joint"],
    };
    let names = |word: &&str| {
        columns
            .iter()
            .map(move |column| format!("{word}_{column}"))
            .collect()
    };
    words
        .iter()
        .flat_map(|word| -> Vec<String> { names(word) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_pooled_in_three_ways() {
        // Two states of two values; of the second, the frames 1, 10 and 3, 10.
        let row = [7.0, 8.0, 9.0, 6.0, 2.0, 10.0, 1.0, 0.0];
        let one = |layer, pooling| pool(&row, 2, layer, pooling).unwrap();
        assert_eq!(one(Layer::Number(0), Pooling::Mean), [7.0, 8.0]);
        assert_eq!(one(Layer::Last, Pooling::MeanStd), [2.0, 10.0, 1.0, 0.0]);
        // All values together have mean 6 and variance 16.5.
        let joint = one(Layer::Number(1), Pooling::JointNorm);
        for (value, expected) in joint.iter().zip([-4.0, 4.0]) {
            assert!((f64::from(*value) - expected / 16.50001f64.sqrt()).abs() < 1e-6);
        }
        assert!(pool(&row, 2, Layer::Number(2), Pooling::Mean).is_err());
        assert_eq!(one(Layer::Weighted, Pooling::Mean), [7.0, 8.0, 2.0, 10.0]);
        assert_eq!(one(Layer::Weighted, Pooling::MeanStd), row);
        let names = pooled_columns(&["d0".to_owned(), "d1".to_owned()], Pooling::MeanStd);
        assert_eq!(names, ["mean_d0", "mean_d1", "sd_d0", "sd_d1"]);
    }
}
