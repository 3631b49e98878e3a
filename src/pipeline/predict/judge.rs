//! What one thread needs to judge recordings: buffers, plans and models of its own.

use super::faults::Fault;
use super::loader::Predictor;
use crate::error::{Error, Result};
use crate::evaluation::vote;
use crate::features::Extractor;
use crate::model::Classifier;
use crate::pipeline::inputs::arrange;
use crate::split::Matrix;
use crate::transform::finish_row;

/// Computes rows of features and what the models say of them.
pub(super) struct Judge<'a> {
    predictor: &'a Predictor,
    extractor: Extractor,
    classifiers: Vec<Box<dyn Classifier>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(predictor: &'a Predictor, extractor: Extractor, classifiers: Vec<Box<dyn Classifier>>) -> Self {
        Judge { predictor, extractor, classifiers }
    }

    /// The inputs of the models for a sound, before scaling; `file` is for the message.
    pub(super) fn row(&mut self, samples: &[f32], sample_rate: u32, file: &str) -> Result<Vec<f32>, (Fault, Error)> {
        let row = self
            .extractor
            .extract(samples, sample_rate)
            .map_err(|e| (Fault::NoFeatures, Error::data(format!("failed to compute features of {file}")).because(e)))?;
        Ok(arrange(self.predictor.inputs(), &self.predictor.columns, &row))
    }

    /// The probabilities of the classes; of several models their mean.
    pub(super) fn classify(&mut self, row: &[f32]) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(self.classifiers.len());
        for (model, classifier) in self.predictor.models.iter().zip(&mut self.classifiers) {
            let mut row = row.to_vec();
            model.info.scaler.apply_row(&mut row);
            finish_row(&mut row, &model.info.inputs);
            // Row by row: what is said of a recording does not depend on which others are judged with it.
            all.push(classifier.probabilities(&Matrix::new(1, row.len(), row))?);
        }
        match all.len() {
            1 => Ok(all.swap_remove(0)),
            _ => Ok(vote::mean(&all.iter().map(Vec::as_slice).collect::<Vec<_>>(), None)),
        }
    }
}
