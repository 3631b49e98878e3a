//! Order and scale of a row's values, both fixed by the experiment and fitted on nothing.

use super::inputs::{Inputs, Order};
use super::pooling::pooled_columns;
use crate::encoder::Layer;

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
}
