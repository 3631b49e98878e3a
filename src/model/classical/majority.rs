//! A guess at the most frequent class, the floor of every comparison.

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::{
    Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet, ValidParams,
    fit_checked,
};
use crate::error::Result;
use crate::model::classifier::present;
use crate::model::weights::{Stored, Tensors, not_negative};
use crate::split::{Matrix, Part, Training};

/// There is nothing to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MajoritySettings;

impl Settings for MajoritySettings {
    fn name(&self) -> &'static str {
        Majority::name()
    }

    fn describe(&self, _: &dyn Fn(&str) -> bool) -> String {
        "majority class".to_owned()
    }

    fn memory(&self, _: u64, _: u64) -> u64 {
        0
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::Majority)
    }
}

/// Predicts the class frequencies of the training part for every row, and so its most frequent
/// class: what accuracy is without learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Majority {
    /// Share of each class in the training part.
    pub frequencies: Vec<f32>,
}

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError>
    for ValidParams<'_, MajoritySettings>
{
    type Object = Majority;

    fn fit(&self, set: &TrainingSet<'a>) -> Result<Majority, FitError> {
        let y = set.targets.to_vec();
        present(&y, set.records.n_classes())?;
        let mut frequencies = vec![0.0; set.records.n_classes()];
        for &class in &y {
            frequencies[class] += 1.0 / y.len() as f32;
        }
        Ok(Majority { frequencies })
    }
}

impl PredictInplace<Matrix, Array2<f32>> for Majority {
    fn predict_inplace(&self, _: &Matrix, y: &mut Array2<f32>) {
        y.assign(&ArrayView1::from(&self.frequencies));
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.frequencies.len()))
    }
}

impl ClassicalModel for Majority {
    fn name() -> &'static str {
        "majority"
    }

    fn check(&self, _: &Matrix) -> Result<()> {
        Ok(())
    }

    fn title(&self) -> &'static str {
        "guess by class frequency"
    }

    fn values(&self) -> &'static str {
        "Probabilities are the class shares of the training part, the same for every recording."
    }

    /// They are the same for every recording.
    fn estimates_probabilities(&self) -> bool {
        false
    }

    fn tensors(&self) -> Vec<Stored> {
        let shape = [self.frequencies.len()];
        vec![Stored::f32("frequencies", &shape, &self.frequencies)]
    }

    fn read(file: &mut Tensors, _: usize, n_classes: usize) -> Result<Self, String> {
        let frequencies = file.f32("frequencies", &[n_classes])?;
        Ok(Majority {
            frequencies: not_negative("frequencies", frequencies)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::model::{Classifier, test_data};

    #[test]
    fn frequencies_of_the_training_part_are_predicted() {
        let parts = test_data::parts(&[0, 1, 1, 1], 0, 3, 2);
        let cancel = Cancel::default();
        let mut model: Majority =
            fit_checked(MajoritySettings, &parts.train, FitContext::new(&cancel)).expect("fitted");
        assert_eq!(model.frequencies, [0.25, 0.75, 0.0]);
        let p = model
            .probabilities(&parts.train.x().gather())
            .expect("probabilities");
        assert_eq!(p, [0.25, 0.75, 0.0].repeat(4));
    }
}
