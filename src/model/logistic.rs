//! Multinomial logistic regression with an L2 penalty, as a baseline.
//!
//! `linfa-logistic` 0.8 is not used: its log-sum-exp subtracts the largest logit of all rows
//! instead of each row's own and floors the rest at 1e-15, so that on heavy-tailed features (mel
//! power) loss and gradient contradict each other, and it stops far from the optimum unnoticed.

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{Classifier, check_width, finite, present, softmax_rows};
use crate::model::lbfgs::minimise;
use crate::model::logistic_loss::{Loss, Rows};
use crate::model::row_space::RowSpace;
use crate::split::{Matrix, Part, Training};

/// The largest component of the gradient that remains, for each row.
const TOLERANCE: f64 = 1e-6;
/// Most rows of a regression that is solved in the space of its rows: time grows with the cube of
/// their number.
const MOST_ROWS: usize = 4096;

/// How the regression is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogisticSettings {
    /// Inverse strength of the penalty, as in scikit-learn: minimised is `C * sum of log losses +
    /// |weights|^2 / 2` with the weights of the features as they are given, intercepts free.
    pub c: f64,
    /// Limit on L-BFGS iterations; [`Logistic::converged`] tells whether it was hit.
    pub max_iterations: u64,
    /// Whether the features were standardised before: they are once more, in double precision, so
    /// that no rounding is left in mean and variance.
    pub standardised: bool,
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

/// Mean and standard deviation of each column; 1 in place of a deviation of 0.
fn moments(x: &Matrix) -> Vec<(f64, f64)> {
    let n = x.rows() as f64;
    let rows = || x.values().chunks_exact(x.cols());
    let mut means = vec![0.0; x.cols()];
    for row in rows() {
        for (mean, v) in means.iter_mut().zip(row) {
            *mean += f64::from(*v);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= n);
    let mut squares = vec![0.0; x.cols()];
    for row in rows() {
        for ((square, v), mean) in squares.iter_mut().zip(row).zip(&means) {
            *square += (f64::from(*v) - mean).powi(2);
        }
    }
    let of = |(mean, square): (f64, f64)| {
        let sd = (square / n).sqrt();
        // A constant column's deviation is the rounding of its mean.
        (mean, if sd > 1e-12 * mean.abs() { sd } else { 1.0 })
    };
    means.into_iter().zip(squares).map(of).collect()
}

impl Logistic {
    /// Fits by L-BFGS until no component of the objective's gradient, per row, exceeds 1e-6.
    ///
    /// Inside, features are centred and divided by units in which all weights have about the same
    /// curvature, so that features of very different sizes converge too; the weights are carried
    /// back. That changes the way to the optimum, and not the optimum.
    ///
    /// # Errors
    /// A config error for a `c` that is not positive, a data error for features that are not
    /// finite; `Interrupted` once `cancel` says so.
    pub fn fit(
        settings: &LogisticSettings,
        train: &Part<Training>,
        cancel: &Cancel,
    ) -> Result<Self> {
        if !(settings.c.is_finite() && settings.c > 0.0) {
            return Err(Error::config(format!(
                "c = {} is not a positive number",
                settings.c
            )));
        }
        let classes = present(train)?;
        let (n_features, n_classes) = (train.x().cols(), train.n_classes());
        finite(train.x())?;
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
        let mut moments = moments(train.x());
        let mut units = vec![1.0; n_features];
        if !settings.standardised {
            // Curvatures of log loss, at most n / 4 for a feature of variance 1, and of the
            // penalty, 1 / C, together.
            let held = (4.0 / (settings.c * train.len() as f64)).sqrt();
            moments.iter_mut().for_each(|(_, sd)| *sd = sd.hypot(held));
            units = moments.iter().map(|(_, unit)| *unit).collect();
        }
        let means: Vec<f32> = moments.iter().map(|(mean, _)| *mean as f32).collect();
        let factors: Vec<f32> = moments.iter().map(|(_, sd)| (1.0 / sd) as f32).collect();
        let is_wide = train.len() <= MOST_ROWS && 4 * train.len() <= 3 * n_features;
        let row_space = (settings.standardised && is_wide)
            .then(|| {
                let scaled = train.x().values().iter().enumerate().map(|(at, v)| {
                    let (mean, factor) = (means[at % n_features], factors[at % n_features]);
                    (f64::from(*v) - f64::from(mean)) * f64::from(factor)
                });
                RowSpace::of(scaled.collect(), n_features)
            })
            .flatten();
        let factor = row_space.as_ref().map(RowSpace::factor);
        let (rows, columns) = match &factor {
            Some(factor) => (Rows::Triangular(factor), train.len()),
            None => {
                let values = train.x().values();
                let rows = Rows::Scaled {
                    values,
                    means: &means,
                    factors: &factors,
                };
                (rows, n_features)
            }
        };
        if factor.is_some() {
            units = vec![1.0; columns];
        }
        let place = |class: &usize| classes.iter().position(|c| c == class);
        let y: Vec<usize> = train.y().iter().filter_map(place).collect();
        let k = classes.len();
        // In the space of the rows the same gradient has fewer and larger components.
        let tolerance = TOLERANCE * (train.len() * n_features) as f64 / columns as f64;
        let mut loss = Loss::new(rows, y, k, 1.0 / settings.c, units);
        let (fitted, converged) = minimise(
            &mut loss,
            (columns + 1) * k,
            tolerance,
            settings.max_iterations,
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

impl Classifier for Logistic {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.n_features, x)?;
        let mut out = vec![0.0; x.rows() * self.n_classes];
        for i in 0..x.rows() {
            let mut logits = self.intercepts.clone();
            for (&value, weights) in x
                .row(i)
                .iter()
                .zip(self.weights.chunks_exact(self.classes.len()))
            {
                for (logit, weight) in logits.iter_mut().zip(weights) {
                    *logit += f64::from(value) * weight;
                }
            }
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut shifted: Vec<f32> = logits.iter().map(|l| (l - max) as f32).collect();
            softmax_rows(&mut shifted, self.classes.len());
            for (&class, p) in self.classes.iter().zip(shifted) {
                out[i * self.n_classes + class] = p;
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_data::{accuracy, blobs, parts};

    const SETTINGS: LogisticSettings = LogisticSettings {
        c: 1.0,
        max_iterations: 200,
        standardised: true,
    };

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
        let moments = moments(train.x());
        assert_eq!(moments[3].1, 1.0);
        for c in [0.05, 1.0] {
            let mut model = Logistic::fit(
                &LogisticSettings {
                    c,
                    max_iterations: 500,
                    standardised: true,
                },
                &train,
                &Cancel::default(),
            )
            .expect("fitted");
            assert!(model.converged);
            let p = model.probabilities(train.x()).expect("probabilities");
            let mut norm = 0.0;
            for (f, (mean, sd)) in moments.iter().enumerate() {
                for k in 0..3 {
                    let weight = model.weights[f * 3 + k] * sd;
                    let mut gradient = weight;
                    for i in 0..train.len() {
                        let hit = f64::from(u8::from(train.y()[i] == k));
                        gradient += c
                            * (f64::from(p[i * 3 + k]) - hit)
                            * (f64::from(train.x().row(i)[f]) - mean)
                            / sd;
                    }
                    assert!(
                        gradient.abs() < 1e-3,
                        "c {c}: gradient {gradient} of weight {f},{k}"
                    );
                    norm += weight * weight;
                }
            }
            assert!(norm > 0.1, "weights move: {norm}");
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
        let settings = LogisticSettings {
            c: 0.7,
            max_iterations: 1000,
            standardised: false,
        };
        let mut model = Logistic::fit(&settings, &train, &Cancel::default()).expect("fitted");
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
        let mut model = Logistic::fit(&SETTINGS, &parts.train, &Cancel::default()).expect("fitted");
        assert_eq!(accuracy(&mut model, &parts.test), 1.0);
    }

    /// Features with tails like those of mel power, on which a regression must fit the training
    /// rows better the freer it is.
    #[test]
    fn heavy_tails_are_fitted_too() {
        let train = blobs(240, 3, 12, 4.0, 7)
            .train
            .map_rows(|row| row.iter_mut().for_each(|v| *v = (3.0 * *v).exp()));
        let settings = |c| LogisticSettings {
            c,
            max_iterations: 2000,
            standardised: true,
        };
        let fitted = [0.01, 1.0, 100.0]
            .map(|c| Logistic::fit(&settings(c), &train, &Cancel::default()).expect("fitted"));
        let losses = fitted.map(|mut model| {
            assert!(model.converged);
            let p = model.probabilities(train.x()).expect("probabilities");
            p.chunks(3)
                .zip(train.y())
                .map(|(row, &y)| -f64::from(row[y]).ln())
                .sum::<f64>()
        });
        assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
        assert!(
            !Logistic::fit(
                &LogisticSettings {
                    c: 100.0,
                    max_iterations: 2,
                    standardised: true
                },
                &train,
                &Cancel::default()
            )
            .expect("fitted")
            .converged
        );
    }

    #[test]
    fn classes_absent_from_training_get_nothing() {
        let parts = parts(&[0, 2, 0, 2, 0, 2], 2, 4, 3);
        let mut model = Logistic::fit(&SETTINGS, &parts.train, &Cancel::default()).expect("fitted");
        let p = model.probabilities(parts.train.x()).expect("probabilities");
        assert!(p.chunks(4).all(|row| row[1] == 0.0
            && row[3] == 0.0
            && (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        let one = Logistic::fit(&SETTINGS, &super::tests::single(), &Cancel::default())
            .expect("one class");
        assert_eq!(one.classes, [1]);
    }

    fn single() -> Part<Training> {
        parts(&[1, 1, 1], 0, 2, 3).train
    }

    #[test]
    fn features_that_are_no_numbers_are_refused() {
        let train = single().map_rows(|row| row[1] = f32::NAN);
        let error = Logistic::fit(&SETTINGS, &train, &Cancel::default()).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "feature 1 of row 0 is not a finite number"
        );
    }
}
