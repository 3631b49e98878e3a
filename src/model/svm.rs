//! Support vector machine with an RBF kernel (linfa), one against one, as a baseline.

use linfa::prelude::*;
use linfa_svm::Svm as LinfaSvm;
use ndarray::{Array1, Axis};
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{Classifier, check_width, softmax_rows};
use crate::model::logistic::{present, records};
use crate::split::{Matrix, Part, Training};

/// How the machine is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SvmSettings {
    /// Penalty of margin violations, as in scikit-learn and LIBSVM.
    pub c: f64,
    /// `gamma` of `exp(-gamma |a - b|^2)`; `None` is scikit-learn's "scale", 1 / (features * variance of all training values).
    pub gamma: Option<f64>,
}

/// A fitted machine.
///
/// Probabilities are a softmax over, per class, the pairs it wins plus their bounded margins (scikit-learn's one-against-rest decision
/// function): the order of the classes means something, the values are not calibrated.
#[derive(Debug, Clone, PartialEq)]
pub struct Svm {
    /// Number of classes of the experiment.
    pub n_classes: usize,
    /// The classes that the training part holds, ascending; the others get probability 0.
    pub classes: Vec<usize>,
    /// `gamma` in use.
    pub gamma: f64,
    /// Support vectors `[vectors, features]`.
    pub vectors: Matrix,
    /// Signed dual coefficients `[pairs, vectors]`, pairs (a, b) with a < b in lexical order of `classes`; positive speaks for a.
    pub dual: Vec<f64>,
    /// Subtracted from the sum, one per pair.
    pub rho: Vec<f64>,
}

/// Tolerance of the solver: LIBSVM's and scikit-learn's.
const TOLERANCE: f64 = 1e-3;

fn scale_gamma(x: &Matrix) -> f64 {
    let n = x.values().len() as f64;
    let mean = x.values().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = x.values().iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { 1.0 / (x.cols() as f64 * variance) } else { 1.0 }
}

impl Svm {
    /// Fits one machine per pair of classes; memory grows with the square of the rows of a pair.
    ///
    /// # Errors
    /// A config error for a `c` or `gamma` that is not positive, a data error for features that are not finite or when the solver fails,
    /// interrupted when `cancel` asks for it.
    pub fn fit(settings: &SvmSettings, train: &Part<Training>, cancel: &Cancel) -> Result<Self> {
        for (name, value) in [("c", settings.c), ("gamma", settings.gamma.unwrap_or(1.0))] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::config(format!("{name} = {value} is not a positive number")));
            }
        }
        let classes = present(train)?;
        let all = records(train.x())?;
        let gamma = settings.gamma.unwrap_or_else(|| scale_gamma(train.x()));
        let params = LinfaSvm::<f64, bool>::params().eps(TOLERANCE).gaussian_kernel(1.0 / gamma).pos_neg_weights(settings.c, settings.c);
        let mut machines = Vec::new();
        for (i, &a) in classes.iter().enumerate() {
            for &b in &classes[i + 1..] {
                cancel.check()?;
                let rows: Vec<usize> = (0..train.len()).filter(|&r| [a, b].contains(&train.y()[r])).collect();
                let targets: Array1<bool> = rows.iter().map(|&r| train.y()[r] == a).collect();
                let machine = params
                    .fit(&DatasetBase::new(all.select(Axis(0), &rows), targets))
                    .map_err(|e| Error::data("the support vector machine cannot be fitted").because(e).hint("standardise the features"))?;
                machines.push((rows, machine.alpha, machine.rho));
            }
        }
        let mut support = vec![false; train.len()];
        for (rows, alpha, _) in &machines {
            for (&row, &alpha) in rows.iter().zip(alpha) {
                support[row] |= alpha != 0.0;
            }
        }
        let kept: Vec<usize> = (0..train.len()).filter(|&r| support[r]).collect();
        let mut dual = Vec::with_capacity(machines.len() * kept.len());
        for (rows, alpha, _) in &machines {
            dual.extend(kept.iter().map(|row| rows.binary_search(row).map_or(0.0, |at| alpha[at])));
        }
        let rho = machines.iter().map(|(_, _, rho)| *rho).collect();
        Ok(Svm { n_classes: train.n_classes(), classes, gamma, vectors: train.x().select(&kept), dual, rho })
    }

    /// Decision value of every pair for one row.
    fn decisions(&self, row: &[f32]) -> Vec<f64> {
        let kernel: Vec<f64> = (0..self.vectors.rows())
            .map(|v| {
                let squares = self.vectors.row(v).iter().zip(row).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
                (-self.gamma * squares.sum::<f64>()).exp()
            })
            .collect();
        let sum = |pair: usize| {
            let dual = &self.dual[pair * kernel.len()..(pair + 1) * kernel.len()];
            dual.iter().zip(&kernel).map(|(a, k)| a * k).sum::<f64>()
        };
        self.rho.iter().enumerate().map(|(pair, rho)| sum(pair) - rho).collect()
    }
}

impl Classifier for Svm {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.vectors.cols(), x)?;
        let k = self.classes.len();
        let mut out = vec![0.0; x.rows() * self.n_classes];
        for i in 0..x.rows() {
            let decisions = self.decisions(x.row(i));
            let (mut votes, mut margins) = (vec![0.0; k], vec![0.0; k]);
            let pairs = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b)));
            for ((a, b), d) in pairs.zip(decisions) {
                votes[if d > 0.0 { a } else { b }] += 1.0;
                margins[a] += d;
                margins[b] -= d;
            }
            // The margins only break ties between votes: they are squeezed into a third of a vote.
            let mut scores: Vec<f32> = votes.iter().zip(&margins).map(|(v, m)| (v + m / (3.0 * (f64::abs(*m) + 1.0))) as f32).collect();
            softmax_rows(&mut scores, k);
            for (&class, p) in self.classes.iter().zip(scores) {
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

    const SETTINGS: SvmSettings = SvmSettings { c: 10.0, gamma: None };

    #[test]
    fn separable_classes_are_learnt() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        let mut model = Svm::fit(&SETTINGS, &parts.train, &Cancel::default()).expect("fitted");
        assert_eq!(accuracy(&mut model, &parts.test), 1.0);
    }

    /// The Karush-Kuhn-Tucker conditions of LIBSVM's problem hold, on both sides of the box of C: checks C, gamma and the signs.
    #[test]
    fn the_dual_solution_is_optimal() {
        let parts = blobs(40, 2, 3, 1.2, 3);
        let settings = SvmSettings { c: 0.7, gamma: Some(0.4) };
        let model = Svm::fit(&settings, &parts.train, &Cancel::default()).expect("fitted");
        assert!(model.dual.iter().sum::<f64>().abs() < 1e-9);
        let (mut bound, mut free) = (0, 0);
        for i in 0..parts.train.len() {
            let sign = if parts.train.y()[i] == 0 { 1.0 } else { -1.0 };
            let row = parts.train.x().row(i);
            let margin = sign * model.decisions(row)[0];
            let alpha = (0..model.vectors.rows()).find(|&v| model.vectors.row(v) == row).map_or(0.0, |v| sign * model.dual[v]);
            assert!((-1e-12..=0.7 + 1e-12).contains(&alpha), "alpha {alpha}");
            if alpha < 1e-9 {
                assert!(margin > 1.0 - 2e-3, "row {i} lies outside of the margin: {margin}");
            } else if alpha > 0.7 - 1e-9 {
                bound += 1;
                assert!(margin < 1.0 + 2e-3, "row {i} violates the margin: {margin}");
            } else {
                free += 1;
                assert!((margin - 1.0).abs() < 2e-3, "row {i} lies on the margin: {margin}");
            }
        }
        assert!(bound > 0 && free > 0, "{bound} bound, {free} free");
    }

    #[test]
    fn classes_absent_from_training_get_nothing() {
        let parts = parts(&[0, 2, 0, 2, 0, 2], 2, 4, 3);
        let mut model = Svm::fit(&SETTINGS, &parts.train, &Cancel::default()).expect("fitted");
        let p = model.probabilities(parts.train.x()).expect("probabilities");
        assert!(p.chunks(4).all(|row| row[1] == 0.0 && row[3] == 0.0));
        let single = super::super::test_data::parts(&[1, 1], 0, 2, 3);
        let mut one = Svm::fit(&SETTINGS, &single.train, &Cancel::default()).expect("one class");
        assert_eq!(one.probabilities(single.train.x()).expect("probabilities"), [0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn scale_is_scikit_learns() {
        let x = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
        assert!((scale_gamma(&x) - 1.0 / (2.0 * 1.25)).abs() < 1e-12);
        assert_eq!(scale_gamma(&Matrix::new(1, 2, vec![3.0; 2])), 1.0);
    }

    #[test]
    fn cancelled() {
        let cancel = Cancel::default();
        cancel.request();
        let parts = blobs(20, 2, 2, 0.1, 1);
        assert!(Svm::fit(&SETTINGS, &parts.train, &cancel).is_err());
    }
}
