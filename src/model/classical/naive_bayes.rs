//! Gaussian naive Bayes, the cheap floor of models that learn: `linfa-bayes`, fitted in double
//! precision.

use std::collections::BTreeMap;

use linfa::Dataset;
use linfa::traits::{Fit, PredictInplace};
use linfa_bayes::{GaussianNb, NaiveBayes as _, NaiveBayesError};
use ndarray::{Array1, Array2, ArrayView1, Axis, Ix1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet, ValidParams,
    fit_checked,
};
use crate::error::{Error, Result};
use crate::model::classifier::{check_width, finite, present};
use crate::model::weights::{Stored, Tensors};
use crate::split::{Matrix, Part, Training};

/// Rows that are predicted at a time.
const BLOCK: usize = 128;

/// How the variances are kept above 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NaiveBayesSettings {
    /// Share of the largest variance of a feature that is added to the variances of all features,
    /// as in scikit-learn.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub var_smoothing: f64,
}

impl Default for NaiveBayesSettings {
    fn default() -> Self {
        NaiveBayesSettings {
            var_smoothing: 1e-9,
        }
    }
}

impl Settings for NaiveBayesSettings {
    fn name(&self) -> &'static str {
        NaiveBayes::name()
    }

    fn describe(&self, _: &dyn Fn(&str) -> bool) -> String {
        format!("naive bayes var_smoothing={:e}", self.var_smoothing)
    }

    /// The table in double precision, and at most as much again of the class at work.
    fn memory(&self, _: u64, table: u64) -> u64 {
        4 * table
    }

    fn check(&self) -> Result<()> {
        if !(self.var_smoothing.is_finite() && self.var_smoothing > 0.0) {
            return Err(Error::config(format!(
                "var_smoothing = {} is not a positive number",
                self.var_smoothing
            )));
        }
        Ok(())
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::NaiveBayes)
    }
}

/// A normal distribution of each feature in each class. Features count as independent.
#[derive(Debug, Clone, PartialEq)]
pub struct NaiveBayes {
    n_classes: usize,
    n_features: usize,
    fitted: GaussianNb<f64, usize>,
}

/// The fields of [`GaussianNb`], which it keeps to itself and to serde.
#[derive(Serialize, Deserialize)]
struct Fields {
    class_info: BTreeMap<usize, ClassFields>,
}

#[derive(Serialize, Deserialize)]
struct ClassFields {
    class_count: usize,
    prior: f64,
    theta: Array1<f64>,
    sigma: Array1<f64>,
}

impl Fields {
    fn of(fitted: &GaussianNb<f64, usize>) -> serde_json::Result<Fields> {
        serde_json::from_value(serde_json::to_value(fitted)?)
    }

    fn model(self) -> serde_json::Result<GaussianNb<f64, usize>> {
        serde_json::from_value(serde_json::to_value(self)?)
    }
}

/// A training set with ndarray's records in double precision, as the models of linfa take it.
pub(super) fn in_double_precision(set: &TrainingSet<'_>) -> Dataset<f64, usize, Ix1> {
    let x = set.records.x().gather();
    Dataset::new(wide(x.values(), x.cols()), set.targets.to_owned())
}

/// Rows of `columns` values in double precision.
fn wide(values: &[f32], columns: usize) -> Array2<f64> {
    let rows = values.len() / columns;
    let mut out = Array2::zeros((rows, columns));
    for (out, value) in out.iter_mut().zip(values) {
        *out = f64::from(*value);
    }
    out
}

impl From<NaiveBayesError> for FitError {
    fn from(error: NaiveBayesError) -> Self {
        Error::data("naive Bayes cannot be fitted")
            .because(error)
            .into()
    }
}

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError>
    for ValidParams<'_, NaiveBayesSettings>
{
    type Object = NaiveBayes;

    fn fit(&self, set: &TrainingSet<'a>) -> Result<NaiveBayes, FitError> {
        let (x, n_classes) = (set.records.x(), set.records.n_classes());
        finite(x)?;
        present(&set.targets.to_vec(), n_classes)?;
        let params = GaussianNb::params().var_smoothing(self.settings.var_smoothing);
        let fitted = params.fit(&in_double_precision(set))?;
        let fields = Fields::of(&fitted)
            .map_err(|e| Error::data("the features are too large for naive Bayes").because(e))?;
        let variances = || fields.class_info.values().flat_map(|class| &class.sigma);
        if variances().any(|variance| *variance <= 0.0) {
            let error = Error::data("no feature varies between training utterances");
            return Err(error.hint("check the feature set").into());
        }
        Ok(NaiveBayes {
            n_classes,
            n_features: x.cols(),
            fitted,
        })
    }
}

impl PredictInplace<Matrix, Array2<f32>> for NaiveBayes {
    /// linfa gives log likelihoods; its own way from there to probabilities loses them where all
    /// are below -745, as they are for hundreds of features.
    fn predict_inplace(&self, x: &Matrix, y: &mut Array2<f32>) {
        let columns = self.n_features;
        for (block, mut out) in x
            .values()
            .chunks(BLOCK * columns)
            .zip(y.axis_chunks_iter_mut(Axis(0), BLOCK))
        {
            let block = wide(block, columns);
            let likelihoods = self.fitted.joint_log_likelihood(block.view());
            for (i, mut out) in out.rows_mut().into_iter().enumerate() {
                let mut logs: Vec<(usize, f64)> = likelihoods
                    .iter()
                    .map(|(class, likelihoods)| (**class, likelihoods[i]))
                    .collect();
                logs.sort_unstable_by_key(|(class, _)| *class);
                let most = logs.iter().fold(f64::NEG_INFINITY, |most, l| most.max(l.1));
                let sum: f64 = logs.iter().map(|(_, l)| (l - most).exp()).sum();
                for (class, l) in logs {
                    out[class] = ((l - most).exp() / sum) as f32;
                }
            }
        }
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.n_classes))
    }
}

impl ClassicalModel for NaiveBayes {
    fn name() -> &'static str {
        "naive-bayes"
    }

    fn check(&self, x: &Matrix) -> Result<()> {
        check_width(self.n_features, x)
    }

    fn title(&self) -> &'static str {
        "Gaussian naive Bayes model"
    }

    fn values(&self) -> &'static str {
        "Probabilities follow from normal distributions of features that count as independent: usually far too high at the top, and nothing calibrates them."
    }

    fn tensors(&self) -> Vec<Stored> {
        let fields = Fields::of(&self.fitted).map(|fields| fields.class_info);
        let classes = fields.unwrap_or_default();
        let numbers: Vec<usize> = classes.keys().copied().collect();
        let counts: Vec<usize> = classes.values().map(|class| class.class_count).collect();
        let all = |of: fn(&ClassFields) -> &Array1<f64>| -> Vec<f64> {
            classes
                .values()
                .flat_map(|class| of(class).to_vec())
                .collect()
        };
        let shape = [numbers.len(), self.n_features];
        vec![
            Stored::i64("classes", &numbers),
            Stored::i64("counts", &counts),
            Stored::f64("means", &shape, &all(|class| &class.theta)),
            Stored::f64("variances", &shape, &all(|class| &class.sigma)),
        ]
    }

    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String> {
        let (classes, counts) = (file.classes(n_classes)?, file.counts("counts")?);
        let shape = [classes.len(), n_features];
        let (means, variances) = (file.f64("means", &shape)?, file.f64("variances", &shape)?);
        if counts.len() != classes.len() || counts.contains(&0) {
            return Err("tensor counts does not hold a number of rows for each class".to_owned());
        }
        if let Some(variance) = variances.iter().find(|variance| **variance <= 0.0) {
            return Err(format!(
                "tensor variances holds {variance}, and all of its numbers are above 0"
            ));
        }
        let all: usize = counts.iter().sum();
        let rows = means.chunks(n_features).zip(variances.chunks(n_features));
        let class_info = classes.into_iter().zip(&counts).zip(rows);
        let class_info = class_info.map(|((class, count), (means, variances))| {
            let fields = ClassFields {
                class_count: *count,
                prior: *count as f64 / all as f64,
                theta: means.to_vec().into(),
                sigma: variances.to_vec().into(),
            };
            (class, fields)
        });
        let fields = Fields {
            class_info: class_info.collect(),
        };
        Ok(NaiveBayes {
            n_classes,
            n_features,
            fitted: fields.model().map_err(|e| e.to_string())?,
        })
    }
}
