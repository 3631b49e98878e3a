//! Linear discriminant analysis: normal distributions whose covariance all classes share, shrunken
//! towards a multiple of the identity.
//!
//! No well-kept crate has it. The fit is in closed form, by a Cholesky factor of as many rows as
//! there are features or training rows, whichever are fewer.

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cholesky::Cholesky;
use super::coupling::best_exponent;
use super::logistic::{linear_scores, softmax_of_scores};
use super::{
    CalibrationWords, Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet,
    ValidParams, fit_checked,
};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::product::{Matrix as View, multiply};
use crate::model::classifier::{check_width, finite, present};
use crate::model::weights::{Stored, Tensors};
use crate::split::{Matrix, Part, Training};

/// Rows of a product with itself at a time: about half of it is never computed.
const BLOCK: usize = 128;
/// The exponent stays within these bounds, however few or separable the rows are that it is fitted
/// on.
const EXPONENTS: [f64; 2] = [1e-3, 10.0];

/// How the covariance is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LdaSettings {
    /// Weight of the identity, times the mean variance of the features, in the covariance; the
    /// rest is the covariance within the classes. As in scikit-learn.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub shrinkage: f64,
}

impl Default for LdaSettings {
    fn default() -> Self {
        LdaSettings { shrinkage: 0.5 }
    }
}

impl Settings for LdaSettings {
    fn name(&self) -> &'static str {
        Lda::name()
    }

    fn describe(&self, is_searched: &dyn Fn(&str) -> bool) -> String {
        if is_searched("shrinkage") {
            return "lda".to_owned();
        }
        format!("lda shrinkage={}", self.shrinkage)
    }

    fn searchable(&self) -> &'static [&'static str] {
        &["shrinkage"]
    }

    fn calibration(&self) -> Option<CalibrationWords> {
        Some(CalibrationWords {
            by: "one exponent of all probabilities",
            without: "the softmax of the scores stands in their place, which is far too sure",
        })
    }

    /// The table in double precision, and the smaller of its products with itself.
    fn memory(&self, rows: u64, table: u64) -> u64 {
        let columns = table / (size_of::<f32>() as u64 * rows.max(1));
        let side = rows.min(columns);
        3 * table + side * side * size_of::<f64>() as u64
    }

    fn check(&self) -> Result<()> {
        if !(self.shrinkage > 0.0 && self.shrinkage <= 1.0) {
            return Err(Error::config(format!(
                "shrinkage = {} is not above 0 and at most 1",
                self.shrinkage
            )));
        }
        Ok(())
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::Lda)
    }
}

/// A fitted analysis: a linear score for each class, whose softmax estimates probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Lda {
    /// Number of classes of the experiment.
    pub n_classes: usize,
    /// Number of features.
    pub n_features: usize,
    /// The classes that the training part holds, ascending; the others get probability 0.
    pub classes: Vec<usize>,
    /// Weights `[features, classes present]`, row by row.
    pub weights: Vec<f64>,
    /// Intercepts `[classes present]`.
    pub intercepts: Vec<f64>,
    /// What scores are multiplied by before the softmax, fitted on held-out rows; `None` where the
    /// analysis was not calibrated, which stands for 1.
    pub exponent: Option<f64>,
}

/// Weights `[features, classes]` and intercepts.
type Linear = (Vec<f64>, Vec<f64>);

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError> for ValidParams<'_, LdaSettings> {
    type Object = Lda;

    /// Fits all rows, and, where the context has inner folds, the rows outside of each fold in turn
    /// to calibrate by the utterances in it; changed copies are fitted on and judged by none.
    fn fit(&self, set: &TrainingSet<'a>) -> Result<Lda, FitError> {
        let (train, cancel) = (set.records, self.context.cancel);
        finite(train.x())?;
        let (x, shrinkage) = (&train.x().gather(), self.settings.shrinkage);
        let classes = present(&set.targets.to_vec(), train.n_classes())?;
        let place = |class: &usize| classes.binary_search(class).unwrap_or_default();
        let y: Vec<usize> = set.targets.iter().map(place).collect();
        let all: Vec<usize> = (0..x.rows()).collect();
        let (weights, intercepts) = fit_rows(x, &y, classes.len(), &all, shrinkage, cancel)?;
        let exponent = match self.context.folds {
            Some(folds) if folds.len() != x.rows() => {
                let message = "a discriminant analysis was given folds of other rows";
                return Err(Error::internal(message).into());
            }
            Some(folds) => {
                let (mut scores, mut truth) = (Vec::new(), Vec::new());
                for fold in 0..=folds.iter().copied().max().unwrap_or(0) {
                    let (judged, rest): (Vec<usize>, Vec<usize>) =
                        all.iter().partition(|row| folds[**row] == fold);
                    let linear = fit_rows(x, &y, classes.len(), &rest, shrinkage, cancel)?;
                    for row in judged.into_iter().filter(|row| !train.is_copy(*row)) {
                        let mut row_scores = linear_scores(x.row(row), &linear.0, &linear.1);
                        let max = row_scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        row_scores.iter_mut().for_each(|score| *score -= max);
                        scores.push(row_scores);
                        truth.push(y[row]);
                    }
                }
                Some(best_exponent(&scores, &truth, EXPONENTS))
            }
            None => None,
        };
        Ok(Lda {
            n_classes: train.n_classes(),
            n_features: x.cols(),
            classes,
            weights,
            intercepts,
            exponent,
        })
    }
}

/// Of the rows that `rows` names, with classes from 0 to `k - 1`; a class without a row among them
/// gets the score of one that is never chosen.
fn fit_rows(
    x: &Matrix,
    y: &[usize],
    k: usize,
    rows: &[usize],
    shrinkage: f64,
    cancel: &Cancel,
) -> Result<Linear> {
    cancel.check()?;
    let (n, d) = (rows.len(), x.cols());
    let mut counts = vec![0usize; k];
    let mut means = vec![0.0; k * d];
    let mut mean = vec![0.0; d];
    for &row in rows {
        counts[y[row]] += 1;
        let own = &mut means[y[row] * d..][..d];
        for ((own, mean), value) in own.iter_mut().zip(&mut mean).zip(x.row(row)) {
            *own += f64::from(*value);
            *mean += f64::from(*value);
        }
    }
    mean.iter_mut().for_each(|mean| *mean /= n as f64);
    for (own, count) in means.chunks_exact_mut(d).zip(&counts) {
        let count = (*count).max(1) as f64;
        own.iter_mut().for_each(|own| *own /= count);
    }
    // Rows within their classes, so that their product with themselves is the covariance.
    let scale = 1.0 / (n as f64).sqrt();
    let mut within = Vec::with_capacity(n * d);
    for &row in rows {
        let own = &means[y[row] * d..][..d];
        let centred = x.row(row).iter().zip(own);
        within.extend(centred.map(|(value, own)| (f64::from(*value) - own) * scale));
    }
    let total: f64 = within.iter().map(|value| value * value).sum();
    let identity = shrinkage * total / d as f64;
    if !(identity > 0.0 && identity.is_finite()) {
        let error = Error::data("no feature varies between training utterances of a class");
        return Err(error.hint("check the feature set"));
    }
    // Around the mean of all rows: what is common to all classes would only cost digits.
    let mut weights = vec![0.0; d * k];
    for (class, own) in means.chunks_exact(d).enumerate() {
        for (column, (own, mean)) in own.iter().zip(&mean).enumerate() {
            weights[column * k + class] = own - mean;
        }
    }
    let around = weights.clone();
    divide(&mut weights, k, within, d, identity, 1.0 - shrinkage)?;
    let mut intercepts = Vec::with_capacity(k);
    for (class, count) in counts.iter().enumerate() {
        let column = |values: &[f64], at: usize| values[at * k + class];
        let offset: f64 = (0..d)
            .map(|at| column(&weights, at) * (column(&around, at) / 2.0 + mean[at]))
            .sum();
        let prior = (*count as f64 / n as f64).max(f64::MIN_POSITIVE);
        intercepts.push(prior.ln() - offset);
    }
    Ok((weights, intercepts))
}

/// Solves `(identity I + share W' W) x = b` for columns `b` `[columns, k]` in place, where `W` is
/// `within` `[rows, columns]`. With fewer rows than columns it is, by the Woodbury identity,
/// `(b - W' inverse(identity / share I + W W') W b) / identity`.
fn divide(
    b: &mut [f64],
    k: usize,
    within: Vec<f64>,
    columns: usize,
    identity: f64,
    share: f64,
) -> Result<()> {
    let rows = within.len() / columns;
    let w = View::new(&within, rows, columns, columns);
    let indefinite = || Error::data("the covariance of the features has no inverse");
    if share == 0.0 {
        b.iter_mut().for_each(|b| *b /= identity);
    } else if columns <= rows {
        let mut covariance = product_with_itself(w.transposed(), columns, share);
        add_to_diagonal(&mut covariance, columns, identity);
        let cholesky = Cholesky::of(covariance, columns).ok_or_else(indefinite)?;
        cholesky.solve_lower(b, k);
        cholesky.solve_upper(b, k);
    } else {
        let mut inner = product_with_itself(w, rows, 1.0);
        add_to_diagonal(&mut inner, rows, identity / share);
        let cholesky = Cholesky::of(inner, rows).ok_or_else(indefinite)?;
        let mut of_rows = vec![0.0; rows * k];
        multiply(&mut of_rows, k, w, View::new(b, columns, k, k));
        cholesky.solve_lower(&mut of_rows, k);
        cholesky.solve_upper(&mut of_rows, k);
        let mut back = vec![0.0; columns * k];
        multiply(
            &mut back,
            k,
            w.transposed(),
            View::new(&of_rows, rows, k, k),
        );
        for (b, back) in b.iter_mut().zip(&back) {
            *b = (*b - back) / identity;
        }
    }
    Ok(())
}

/// The lower triangle of `factor a a'`, of `a` with `n` rows.
fn product_with_itself(a: View<'_, f64>, n: usize, factor: f64) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for first in (0..n).step_by(BLOCK) {
        let end = (first + BLOCK).min(n);
        let own = a.rows_from(first, end - first);
        let before = a.rows_from(0, end).transposed();
        multiply(&mut out[first * n..], n, own, before);
    }
    out.iter_mut().for_each(|value| *value *= factor);
    out
}

fn add_to_diagonal(a: &mut [f64], n: usize, value: f64) {
    a.iter_mut().step_by(n + 1).for_each(|a| *a += value);
}

impl PredictInplace<Matrix, Array2<f32>> for Lda {
    fn predict_inplace(&self, x: &Matrix, y: &mut Array2<f32>) {
        let exponent = self.exponent.unwrap_or(1.0);
        for (i, mut out) in y.rows_mut().into_iter().enumerate() {
            let mut scores = linear_scores(x.row(i), &self.weights, &self.intercepts);
            scores.iter_mut().for_each(|score| *score *= exponent);
            for (&class, p) in self.classes.iter().zip(softmax_of_scores(&scores)) {
                out[class] = p;
            }
        }
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.n_classes))
    }
}

impl ClassicalModel for Lda {
    fn name() -> &'static str {
        "lda"
    }

    fn check(&self, x: &Matrix) -> Result<()> {
        check_width(self.n_features, x)
    }

    fn title(&self) -> &'static str {
        "linear discriminant analysis"
    }

    fn values(&self) -> &'static str {
        if self.exponent.is_some() {
            "Probabilities are those of normal distributions with one covariance, calibrated by one exponent: utterances that were held out of the training part in turn give it."
        } else {
            "Probabilities are those of normal distributions with one covariance, usually far too high at the top: the training part was too small to calibrate them."
        }
    }

    fn tensors(&self) -> Vec<Stored> {
        let n = self.classes.len();
        vec![
            Stored::i64("classes", &self.classes),
            Stored::f64("weights", &[self.n_features, n], &self.weights),
            Stored::f64("intercepts", &[n], &self.intercepts),
            Stored::i64("calibrated", &[usize::from(self.exponent.is_some())]),
            Stored::f64("exponent", &[1], &[self.exponent.unwrap_or(1.0)]),
        ]
    }

    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String> {
        let classes = file.classes(n_classes)?;
        let exponent = file.f64("exponent", &[1])?[0];
        if exponent <= 0.0 {
            return Err(format!("tensor exponent holds {exponent}"));
        }
        let is_calibrated = file.count("calibrated")? != 0;
        Ok(Lda {
            n_classes,
            n_features,
            weights: file.f64("weights", &[n_features, classes.len()])?,
            intercepts: file.f64("intercepts", &[classes.len()])?,
            classes,
            exponent: is_calibrated.then_some(exponent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Classifier;
    use crate::model::test_data::blobs;

    /// Mean log loss on the test part, and the classes.
    fn tested(model: &Lda, parts: &crate::split::Parts) -> (f64, Vec<usize>) {
        let p = model
            .clone()
            .probabilities(&parts.test.x().gather())
            .expect("probabilities");
        let rows = || p.chunks(3).zip(parts.test.y());
        let loss: f64 = rows().map(|(p, y)| -f64::from(p[*y].max(1e-30)).ln()).sum();
        let classes = p.chunks(3).map(crate::table::predictions::argmax);
        (loss / parts.test.len() as f64, classes.collect())
    }

    /// Hardly more rows than features: scores are far too sure before they are calibrated, and
    /// classes are the same after.
    #[test]
    fn held_out_rows_take_false_confidence_back() {
        let parts = blobs(150, 3, 80, 6.0, 3);
        let folds: Vec<usize> = (0..parts.train.len()).map(|row| row / 3 % 5).collect();
        let cancel = Cancel::default();
        let fit = |folds| {
            let context = FitContext {
                folds,
                ..FitContext::new(&cancel)
            };
            fit_checked(LdaSettings { shrinkage: 0.01 }, &parts.train, context).expect("fitted")
        };
        let (raw, calibrated): (Lda, Lda) = (fit(None), fit(Some(&folds)));
        let ((before, classes), (after, same)) =
            (tested(&raw, &parts), tested(&calibrated, &parts));
        assert!(
            calibrated.exponent.expect("calibrated") < 0.7,
            "{calibrated:?}"
        );
        assert!(after < 0.9 * before && classes == same, "{before} {after}");
    }

    #[test]
    fn rows_without_a_spread_are_refused() {
        let train = blobs(30, 3, 4, 1.0, 1).train.map_rows(|row| row.fill(1.0));
        let cancel = Cancel::default();
        let refused = LdaSettings::default().fit(&train, FitContext::new(&cancel));
        let error = refused.expect_err("refused").to_string();
        assert_eq!(
            error,
            "no feature varies between training utterances of a class"
        );
    }
}
