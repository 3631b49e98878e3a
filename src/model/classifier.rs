//! Prediction with any fitted model, and with networks.

use crate::error::{Error, Result};
use crate::model::engine::Engine;
use crate::model::{NetSpec, Params, Running};
use crate::split::{Matrix, RowView};

/// A fitted model.
pub trait Classifier: Send {
    /// Class probabilities `[rows, classes]`, row by row, of features `[rows, features]`.
    ///
    /// # Errors
    /// A data error when the number of features is not the one that the model was fitted on.
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>>;
}

/// The data error of a table whose width is not the model's.
pub(crate) fn check_width(expected: usize, x: &Matrix) -> Result<()> {
    if x.cols() == expected {
        return Ok(());
    }
    Err(Error::data(format!(
        "the model expects {expected} features but the table has {}",
        x.cols()
    ))
    .hint("predict with the feature set that the model was trained on"))
}

/// Refuses features that are no finite numbers.
pub(crate) fn finite(x: &RowView) -> Result<()> {
    match x.not_finite() {
        Some((row, column)) => Err(Error::data(format!(
            "feature {column} of row {row} is not a finite number"
        ))),
        None => Ok(()),
    }
}

/// The classes that occur among those of the rows, ascending.
pub(crate) fn present(y: &[usize], n_classes: usize) -> Result<Vec<usize>> {
    let mut seen = vec![false; n_classes];
    for &class in y {
        seen[class] = true;
    }
    let classes: Vec<usize> = (0..seen.len()).filter(|&c| seen[c]).collect();
    if classes.is_empty() {
        Err(Error::data("the training part has no utterance"))
    } else {
        Ok(classes)
    }
}

/// Softmax of every row of `classes` values, in place.
pub(crate) fn softmax_rows(values: &mut [f32], classes: usize) {
    for row in values.chunks_exact_mut(classes) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for v in row.iter_mut() {
            *v = (*v - max).exp();
            sum += *v;
        }
        for v in row.iter_mut() {
            *v /= sum;
        }
    }
}

/// A trained network on the CPU engine.
pub struct CnnClassifier {
    engine: Engine,
    spec: NetSpec,
    params: Params,
    running: Running,
}

impl CnnClassifier {
    /// Rows per pass of the engine: enough to keep its matrix products busy.
    const BATCH: usize = 64;

    /// A network ready to predict.
    ///
    /// # Errors
    /// When the layers make no network, or the parameters do not fit them.
    pub fn new(spec: NetSpec, params: Params, running: Running) -> Result<Self> {
        CnnClassifier::with_batch(spec, params, running, Self::BATCH)
    }

    /// As [`CnnClassifier::new`], with memory for passes of `batch` rows.
    pub fn with_batch(
        spec: NetSpec,
        params: Params,
        running: Running,
        batch: usize,
    ) -> Result<Self> {
        let engine = Engine::new(&spec.layers, spec.n_features, batch)?;
        Ok(CnnClassifier {
            engine,
            spec,
            params,
            running,
        })
    }

    /// Outputs of the last layer, `[rows, classes]`: their softmax are the probabilities.
    pub fn logits(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.spec.n_features, x)?;
        Ok(self
            .engine
            .infer(&self.params, &self.running, x.values())?
            .to_vec())
    }
}

impl Classifier for CnnClassifier {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        let mut out = self.logits(x)?;
        softmax_rows(&mut out, self.spec.n_classes);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits() {
        let mut rows = [1000.0, 999.0, -1000.0, 0.0, 0.0, 0.0];
        softmax_rows(&mut rows, 3);
        assert!((rows[0] - 0.731_058_6).abs() < 1e-6 && rows[2] == 0.0);
        assert!(rows[3..].iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-7));
    }

    #[test]
    fn a_table_of_another_width_is_refused() {
        let error = check_width(193, &Matrix::new(1, 2, vec![0.0; 2])).expect_err("wrong width");
        assert_eq!(
            error.to_string(),
            "the model expects 193 features but the table has 2"
        );
    }
}
