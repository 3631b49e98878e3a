//! Multinomial logistic regression with an L2 penalty, as a baseline.
//!
//! `linfa-logistic` 0.8 is not used: its log-sum-exp subtracts the largest logit of all rows
//! instead of each row's own and floors the rest at 1e-15, so that on heavy-tailed features (mel
//! power) loss and gradient contradict each other, and it stops far from the optimum unnoticed.

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lbfgs::minimise;
use super::logistic_loss::RowSpace;
use super::logistic_loss::{Loss, MOST_COLUMNS, Rows};
use super::{
    Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet, ValidParams,
    fit_checked,
};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{check_width, finite, present, softmax_rows};
use crate::model::weights::{Stored, Tensors};
use crate::split::{Matrix, Part, RowView, Training};

/// Far more than L-BFGS needs on standardised features.
const MOST_ITERATIONS: u64 = 1000;
/// The largest component of the gradient that remains, for each row.
const TOLERANCE: f64 = 1e-6;
/// Most rows of a regression that is solved in the space of its rows: time grows with the cube of
/// their number.
const MOST_ROWS: usize = 4096;

/// How the regression is fitted: minimised is `C * sum of log losses + |weights|^2 / 2`, with the
/// weights of the features as they are given and intercepts free, as in scikit-learn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogisticSettings {
    /// Inverse strength of the L2 penalty on the weights of the scaled inputs, as in
    /// scikit-learn.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub c: f64,
}

impl Default for LogisticSettings {
    fn default() -> Self {
        LogisticSettings { c: 1.0 }
    }
}

impl Settings for LogisticSettings {
    fn name(&self) -> &'static str {
        Logistic::name()
    }

    fn code_version(&self) -> u32 {
        4
    }

    fn describe(&self, is_searched: &dyn Fn(&str) -> bool) -> String {
        if is_searched("c") {
            return "logistic".to_owned();
        }
        format!("logistic C={}", self.c)
    }

    fn searchable(&self) -> &'static [&'static str] {
        &["c"]
    }

    /// The curvature, and in the space of the rows those in double precision.
    fn memory(&self, rows: u64, table: u64) -> u64 {
        let columns = table / (size_of::<f32>() as u64 * rows.max(1));
        let side = columns
            .min(MOST_COLUMNS as u64)
            .max(rows.min(MOST_ROWS as u64));
        let wide = is_wide(rows as usize, columns as usize);
        2 * side * side * size_of::<f64>() as u64 + if wide { 2 * table } else { 0 }
    }

    fn check(&self) -> Result<()> {
        if !(self.c.is_finite() && self.c > 0.0) {
            return Err(Error::config(format!(
                "c = {} is not a positive number",
                self.c
            )));
        }
        Ok(())
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::Logistic)
    }
}

/// A fitted regression; its weights apply to features as they were given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Number of classes of the experiment.
    pub n_classes: usize,
    /// Number of features.
    pub n_features: usize,
    /// The classes that the training part holds; the others get probability 0.
    pub classes: Vec<usize>,
    /// Weights `[features, classes present]`, row by row.
    pub weights: Vec<f64>,
    /// Intercepts `[classes present]`.
    pub intercepts: Vec<f64>,
    /// Whether the optimum was reached within the iterations allowed.
    pub converged: bool,
}

/// Whether a regression is solved in the space of its rows.
fn is_wide(n_rows: usize, n_features: usize) -> bool {
    n_rows <= MOST_ROWS && 4 * n_rows <= 3 * n_features
}

/// Mean and standard deviation of each column; 1 in place of a deviation of 0.
fn moments(x: &RowView) -> Vec<(f64, f64)> {
    let n = x.rows() as f64;
    let mut means = vec![0.0; x.cols()];
    x.each_row(|row| {
        for (mean, v) in means.iter_mut().zip(row) {
            *mean += f64::from(*v);
        }
    });
    means.iter_mut().for_each(|mean| *mean /= n);
    let mut squares = vec![0.0; x.cols()];
    x.each_row(|row| {
        for ((square, v), mean) in squares.iter_mut().zip(row).zip(&means) {
            *square += (f64::from(*v) - mean).powi(2);
        }
    });
    let of = |(mean, square): (f64, f64)| {
        let sd = (square / n).sqrt();
        // A constant column's deviation is the rounding of its mean.
        (mean, if sd > 1e-12 * mean.abs() { sd } else { 1.0 })
    };
    means.into_iter().zip(squares).map(of).collect()
}

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError>
    for ValidParams<'_, LogisticSettings>
{
    type Object = Logistic;

    /// Fits by L-BFGS until no component of the objective's gradient, per row, exceeds 1e-6.
    fn fit(&self, set: &TrainingSet<'a>) -> Result<Logistic, FitError> {
        let (x, n_classes) = (set.records.x(), set.records.n_classes());
        let FitContext {
            standardised,
            cancel,
            ..
        } = self.context;
        finite(x)?;
        let (y, c) = (set.targets.to_vec(), self.settings.c);
        let fitted = Logistic::fit(x, &y, n_classes, c, standardised, MOST_ITERATIONS, cancel)?;
        Ok(fitted)
    }
}

impl Logistic {
    /// Inside, features are centred and divided by units in which all weights have about the same
    /// curvature, so that features of very different sizes converge too; the weights are carried
    /// back. That changes the way to the optimum, and not the optimum. Features that are
    /// standardised are once more, in double precision, so that no rounding is left in mean and
    /// variance.
    fn fit(
        x: &RowView,
        y: &[usize],
        n_classes: usize,
        c: f64,
        standardised: bool,
        max_iterations: u64,
        cancel: &Cancel,
    ) -> Result<Logistic> {
        let classes = present(y, n_classes)?;
        let (n_rows, n_features) = (x.rows(), x.cols());
        if classes.len() == 1 {
            return Ok(Logistic {
                n_classes,
                n_features,
                classes,
                weights: vec![0.0; n_features],
                intercepts: vec![0.0],
                converged: true,
            });
        }
        let mut moments = moments(x);
        let mut units = vec![1.0; n_features];
        if !standardised {
            // Curvatures of log loss, at most n / 4 for a feature of variance 1, and of the
            // penalty, 1 / C, together.
            let held = (4.0 / (c * n_rows as f64)).sqrt();
            moments.iter_mut().for_each(|(_, sd)| *sd = sd.hypot(held));
            units = moments.iter().map(|(_, unit)| *unit).collect();
        }
        let means: Vec<f32> = moments.iter().map(|(mean, _)| *mean as f32).collect();
        let factors: Vec<f32> = moments.iter().map(|(_, sd)| (1.0 / sd) as f32).collect();
        let row_space = (standardised && is_wide(n_rows, n_features))
            .then(|| {
                let mut scaled = Vec::with_capacity(n_rows * n_features);
                x.each_row(|row| {
                    let scaling = row.iter().zip(&means).zip(&factors);
                    scaled.extend(scaling.map(|((value, mean), factor)| {
                        (f64::from(*value) - f64::from(*mean)) * f64::from(*factor)
                    }));
                });
                RowSpace::of(scaled, n_features)
            })
            .flatten();
        let factor = row_space.as_ref().map(RowSpace::factor);
        let (rows, columns) = match &factor {
            Some(factor) => (Rows::Triangular(factor), n_rows),
            None => {
                let (means, factors) = (&means, &factors);
                (Rows::Scaled { x, means, factors }, n_features)
            }
        };
        if factor.is_some() {
            units = vec![1.0; columns];
        }
        let place = |class: &usize| classes.iter().position(|c| c == class);
        let y: Vec<usize> = y.iter().filter_map(place).collect();
        let k = classes.len();
        // In the space of the rows the same gradient has fewer and larger components.
        let tolerance = TOLERANCE * (n_rows * n_features) as f64 / columns as f64;
        let mut loss = Loss::new(rows, y, k, 1.0 / c, units);
        let (fitted, converged) = minimise(
            &mut loss,
            (columns + 1) * k,
            tolerance,
            max_iterations,
            cancel,
        )?;
        let (fitted, intercepts) = fitted.split_at(columns * k);
        let mut intercepts = intercepts.to_vec();
        let mut weights = match &row_space {
            Some(row_space) => row_space.weights(fitted.to_vec(), k),
            None => fitted.to_vec(),
        };
        for (weights, (mean, factor)) in weights.chunks_exact_mut(k).zip(means.iter().zip(&factors))
        {
            for (weight, intercept) in weights.iter_mut().zip(&mut intercepts) {
                *weight *= f64::from(*factor);
                *intercept -= *weight * f64::from(*mean);
            }
        }
        Ok(Logistic {
            n_classes,
            n_features,
            classes,
            weights,
            intercepts,
            converged,
        })
    }
}

/// Scores of all classes, by weights `[features, classes]` and intercepts.
pub(super) fn linear_scores(row: &[f32], weights: &[f64], intercepts: &[f64]) -> Vec<f64> {
    let mut scores = intercepts.to_vec();
    for (&value, weights) in row.iter().zip(weights.chunks_exact(intercepts.len())) {
        for (score, weight) in scores.iter_mut().zip(weights) {
            *score += f64::from(value) * weight;
        }
    }
    scores
}

/// The softmax of the scores of a row, shifted in double precision.
pub(super) fn softmax_of_scores(scores: &[f64]) -> Vec<f32> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut shifted: Vec<f32> = scores.iter().map(|score| (score - max) as f32).collect();
    softmax_rows(&mut shifted, scores.len());
    shifted
}

impl PredictInplace<Matrix, Array2<f32>> for Logistic {
    fn predict_inplace(&self, x: &Matrix, y: &mut Array2<f32>) {
        for (i, mut out) in y.rows_mut().into_iter().enumerate() {
            let logits = linear_scores(x.row(i), &self.weights, &self.intercepts);
            for (&class, p) in self.classes.iter().zip(softmax_of_scores(&logits)) {
                out[class] = p;
            }
        }
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.n_classes))
    }
}

impl ClassicalModel for Logistic {
    fn name() -> &'static str {
        "logistic"
    }

    fn check(&self, x: &Matrix) -> Result<()> {
        check_width(self.n_features, x)
    }

    fn title(&self) -> &'static str {
        "logistic regression"
    }

    fn values(&self) -> &'static str {
        "Probabilities are a softmax fitted by maximum likelihood; nothing calibrates them beyond that."
    }

    fn converged(&self) -> bool {
        self.converged
    }

    fn tensors(&self) -> Vec<Stored> {
        let n = self.classes.len();
        vec![
            Stored::i64("classes", &self.classes),
            Stored::f64("weights", &[self.n_features, n], &self.weights),
            Stored::f64("intercepts", &[n], &self.intercepts),
            Stored::i64("converged", &[usize::from(self.converged)]),
        ]
    }

    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String> {
        let classes = file.classes(n_classes)?;
        Ok(Logistic {
            n_classes,
            n_features,
            weights: file.f64("weights", &[n_features, classes.len()])?,
            intercepts: file.f64("intercepts", &[classes.len()])?,
            classes,
            converged: file.count("converged")? != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Classifier;
    use crate::model::test_data::{accuracy, blobs, parts};

    fn fit(c: f64, standardised: bool, train: &Part<Training>) -> Logistic {
        let cancel = Cancel::default();
        let context = FitContext {
            standardised,
            ..FitContext::new(&cancel)
        };
        fit_checked(LogisticSettings { c }, train, context).expect("fitted")
    }

    /// The gradient of scikit-learn's objective on standardised features vanishes at the fitted
    /// point: checks alpha's scaling, the way back to raw features, and a constant column.
    #[test]
    fn the_optimum_is_that_of_scikit_learns_objective() {
        let parts = blobs(60, 3, 4, 0.9, 5);
        let train = parts.train.map_rows(|row| {
            row[1] = 1e6 + 1e3 * row[1];
            row[2] *= 1e-6;
            row[3] = 7.7;
        });
        assert_eq!(moments(train.x())[3].1, 1.0);
        for c in [0.05, 1.0] {
            assert_optimal(&fit(c, true, &train), &train, c);
        }
    }

    /// Asserts that the gradient of the objective on standardised features of variance above 0 is
    /// about 0.
    fn assert_optimal(model: &Logistic, train: &Part<Training>, c: f64) {
        assert!(model.converged);
        let k = train.n_classes();
        let p = model
            .clone()
            .probabilities(&train.x().gather())
            .expect("probabilities");
        let mut norm = 0.0;
        for (f, (mean, sd)) in moments(train.x()).iter().enumerate() {
            for class in 0..k {
                let weight = model.weights[f * k + class] * sd;
                let mut gradient = weight;
                for i in 0..train.len() {
                    let hit = f64::from(u8::from(train.y()[i] == class));
                    let x = (f64::from(train.x().row(i)[f]) - mean) / sd;
                    gradient += c * (f64::from(p[i * k + class]) - hit) * x;
                }
                assert!(
                    gradient.abs() < 1e-3 + 2.0 * TOLERANCE * c * train.len() as f64,
                    "c {c}: gradient {gradient} of weight {f},{class}"
                );
                norm += weight * weight;
            }
        }
        assert!(norm > 0.01, "weights move: {norm}");
    }

    /// Fewer rows than features, two of them equal and with different classes.
    #[test]
    fn the_optimum_of_wide_rows_is_found_in_the_space_of_the_rows() {
        let train = blobs(60, 3, 100, 6.0, 5).train;
        let (first, last) = (train.x().row(0).to_vec(), train.len() - 1);
        let mut row = 0;
        let train = train.map_rows(|values| {
            if row == last {
                values.copy_from_slice(&first);
            }
            row += 1;
        });
        assert!(is_wide(train.len(), 100) && train.y()[0] != train.y()[last]);
        for c in [0.01, 10.0] {
            assert_optimal(&fit(c, true, &train), &train, c);
        }
    }

    /// So many rows that the curvature is estimated by some of them.
    #[test]
    fn the_optimum_of_many_rows_is_found_with_a_sample_of_the_curvature() {
        let train = blobs(900, 3, 4, 2.5, 5).train;
        assert!(train.len() > 100 * train.x().cols());
        for c in [0.01, 10.0] {
            assert_optimal(&fit(c, true, &train), &train, c);
        }
    }

    #[test]
    fn features_are_penalised_as_they_are() {
        const X: [[f32; 2]; 9] = [
            [0.5, 100.0],
            [1.5, -200.0],
            [-0.5, 50.0],
            [0.25, 300.0],
            [2.0, -100.0],
            [-1.0, 150.0],
            [0.75, -50.0],
            [1.25, 250.0],
            [0.0, -150.0],
        ];
        let mut rows = X.iter();
        let train = parts(&[0, 1, 2, 0, 1, 2, 0, 1, 2], 0, 3, 2)
            .train
            .map_rows(|row| {
                row.copy_from_slice(rows.next().expect("nine rows"));
            });
        let mut model = fit(0.7, false, &train);
        let p = model
            .probabilities(&Matrix::new(2, 2, vec![0.5, 120.0, 1.0, -80.0]))
            .expect("probabilities");
        // Of scikit-learn 1.9.1.
        let wanted = [
            0.468_781_3,
            0.291_511_3,
            0.239_707_4,
            0.261_674_1,
            0.478_350_2,
            0.259_975_7,
        ];
        assert!(
            model.converged
                && p.iter()
                    .zip(wanted)
                    .all(|(p, wanted)| (f64::from(*p) - wanted).abs() < 2e-5),
            "{p:?}"
        );
    }

    #[test]
    fn separable_classes_are_learnt() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        let mut model = fit(1.0, true, &parts.train);
        assert_eq!(accuracy(&mut model, &parts.test), 1.0);
    }

    /// Features with tails like those of mel power, on which a regression must fit the training
    /// rows better the freer it is.
    #[test]
    fn heavy_tails_are_fitted_too() {
        let train = blobs(240, 3, 12, 4.0, 7)
            .train
            .map_rows(|row| row.iter_mut().for_each(|v| *v = (3.0 * *v).exp()));
        let fitted = [0.01, 1.0, 100.0].map(|c| fit(c, true, &train));
        let losses = fitted.map(|mut model| {
            assert!(model.converged);
            let p = model
                .probabilities(&train.x().gather())
                .expect("probabilities");
            p.chunks(3)
                .zip(train.y())
                .map(|(row, &y)| -f64::from(row[y]).ln())
                .sum::<f64>()
        });
        assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
        let (x, y, cancel) = (train.x(), train.y(), Cancel::default());
        let stopped = Logistic::fit(x, y, 3, 100.0, true, 2, &cancel).expect("fitted");
        assert!(!stopped.converged);
    }

    #[test]
    fn classes_absent_from_training_get_nothing() {
        let parts = parts(&[0, 2, 0, 2, 0, 2], 2, 4, 3);
        let mut model = fit(1.0, true, &parts.train);
        let p = model
            .probabilities(&parts.train.x().gather())
            .expect("probabilities");
        assert!(p.chunks(4).all(|row| row[1] == 0.0
            && row[3] == 0.0
            && (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        let one = fit(1.0, true, &single());
        assert_eq!(one.classes, [1]);
    }

    fn single() -> Part<Training> {
        parts(&[1, 1, 1], 0, 2, 3).train
    }

    #[test]
    fn features_that_are_no_numbers_are_refused() {
        let train = single().map_rows(|row| row[1] = f32::NAN);
        let cancel = Cancel::default();
        let refused = LogisticSettings::default().fit(&train, FitContext::new(&cancel));
        let error = refused.expect_err("refused");
        assert_eq!(
            error.to_string(),
            "feature 1 of row 0 is not a finite number"
        );
    }
}
