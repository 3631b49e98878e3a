//! Support vector machine with a linear or Gaussian kernel, one against one, as a baseline.

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{Classifier, check_width, finite, present, softmax_rows};
use crate::model::distances::{Measure, each_row};
use crate::model::smo;
use crate::split::{Matrix, Part, Training};

/// What a machine compares two rows by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// `exp(-gamma |a - b|^2)`.
    Rbf,
    /// Their dot product.
    Linear,
}

/// How the machine is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SvmSettings {
    /// What rows are compared by.
    pub kernel: Kernel,
    /// Penalty of margin violations, as in scikit-learn and LIBSVM.
    pub c: f64,
    /// `gamma` of the Gaussian kernel; `None` is scikit-learn's "scale", 1 / (features * variance of all training values).
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
    /// `gamma` in use; `None` is a linear kernel.
    pub gamma: Option<f64>,
    /// Support vectors `[vectors, features]`.
    pub vectors: Matrix,
    /// Signed dual coefficients `[pairs, vectors]`, pairs (a, b) with a < b in lexical order of `classes`; positive speaks for a.
    pub dual: Vec<f64>,
    /// Subtracted from the sum, one per pair.
    pub rho: Vec<f64>,
    /// Whether the solver reached its tolerance for every pair.
    pub converged: bool,
}

fn scale_gamma(x: &Matrix) -> f64 {
    let n = x.values().len() as f64;
    let mean = x.values().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = x.values().iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { 1.0 / (x.cols() as f64 * variance) } else { 1.0 }
}

/// What all machines of one kernel on the same rows share, whatever their `c` and `gamma`: dot products or squared distances of all pairs of
/// rows, in single precision as LIBSVM's cache has them.
#[derive(Debug, Clone)]
pub struct Geometry {
    kernel: Kernel,
    rows: usize,
    values: Vec<f32>,
    scale: f64,
}

impl Geometry {
    /// Measures all pairs of rows; memory grows with the square of their number, 4 bytes a pair.
    ///
    /// # Errors
    /// A data error for features that are not finite, interrupted when `cancel` asks for it.
    pub fn of(kernel: Kernel, train: &Part<Training>, cancel: &Cancel) -> Result<Self> {
        finite(train.x())?;
        let measure = if kernel == Kernel::Linear { Measure::Product } else { Measure::SquaredDistance };
        let mut values = Vec::with_capacity(train.len() * train.len());
        each_row(measure, train.x(), train.x(), |_, row| {
            cancel.check()?;
            values.extend(row.iter().map(|&v| v as f32));
            Ok(())
        })?;
        Ok(Geometry { kernel, rows: train.len(), values, scale: scale_gamma(train.x()) })
    }

    /// The kernel matrix of some of the rows.
    fn kernel_of(&self, rows: &[usize], gamma: Option<f64>) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() * rows.len());
        for (at, &i) in rows.iter().enumerate() {
            let measured = &self.values[i * self.rows..(i + 1) * self.rows];
            match gamma {
                None => out.extend(rows.iter().map(|&j| measured[j])),
                Some(gamma) => {
                    // The matrix is symmetric: what lies before the diagonal has been computed.
                    out.extend((0..at).map(|before| out[before * rows.len() + at]).collect::<Vec<f32>>());
                    out.extend(rows[at..].iter().map(|&j| if i == j { 1.0 } else { (-gamma * f64::from(measured[j])).exp() as f32 }));
                }
            }
        }
        out
    }
}

impl Svm {
    /// Fits one machine per pair of classes; memory grows with the square of the rows.
    ///
    /// # Errors
    /// A config error for a `c` or `gamma` that is not positive, a data error for features that are not finite, interrupted when `cancel`
    /// asks for it.
    pub fn fit(settings: &SvmSettings, train: &Part<Training>, cancel: &Cancel) -> Result<Self> {
        Svm::fit_on(settings, train, &Geometry::of(settings.kernel, train, cancel)?, cancel)
    }

    /// The same, on the [`Geometry`] of these very rows.
    ///
    /// # Errors
    /// Those of [`Svm::fit`], and an internal one for a geometry of other rows or another kernel.
    pub fn fit_on(settings: &SvmSettings, train: &Part<Training>, geometry: &Geometry, cancel: &Cancel) -> Result<Self> {
        for (name, value) in [("c", settings.c), ("gamma", settings.gamma.unwrap_or(1.0))] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::config(format!("{name} = {value} is not a positive number")));
            }
        }
        if geometry.rows != train.len() || geometry.kernel != settings.kernel {
            return Err(Error::internal("a support vector machine was given distances of other rows"));
        }
        let classes = present(train)?;
        let gamma = (settings.kernel == Kernel::Rbf).then(|| settings.gamma.unwrap_or(geometry.scale));
        let mut machines = Vec::new();
        for (i, &a) in classes.iter().enumerate() {
            for &b in &classes[i + 1..] {
                cancel.check()?;
                let rows: Vec<usize> = (0..train.len()).filter(|&r| [a, b].contains(&train.y()[r])).collect();
                let positive: Vec<bool> = rows.iter().map(|&r| train.y()[r] == a).collect();
                let solution = smo::solve(&geometry.kernel_of(&rows, gamma), &positive, settings.c, cancel)?;
                machines.push((rows, solution));
            }
        }
        let mut support = vec![false; train.len()];
        for (rows, solution) in &machines {
            for (&row, &dual) in rows.iter().zip(&solution.dual) {
                support[row] |= dual != 0.0;
            }
        }
        let kept: Vec<usize> = (0..train.len()).filter(|&r| support[r]).collect();
        let mut dual = Vec::with_capacity(machines.len() * kept.len());
        for (rows, solution) in &machines {
            dual.extend(kept.iter().map(|row| rows.binary_search(row).map_or(0.0, |at| solution.dual[at])));
        }
        Ok(Svm {
            n_classes: train.n_classes(),
            classes,
            gamma,
            vectors: train.x().select(&kept),
            dual,
            rho: machines.iter().map(|(_, solution)| solution.rho).collect(),
            converged: machines.iter().all(|(_, solution)| solution.converged),
        })
    }

    /// Calls `visit` with every row's number and the decision value of every pair.
    fn decide(&self, x: &Matrix, mut visit: impl FnMut(usize, &[f64])) -> Result<()> {
        let measure = if self.gamma.is_none() { Measure::Product } else { Measure::SquaredDistance };
        let mut kernel = Vec::with_capacity(self.vectors.rows());
        let mut decisions = Vec::with_capacity(self.rho.len());
        each_row(measure, x, &self.vectors, |i, measured| {
            kernel.clear();
            match self.gamma {
                None => kernel.extend_from_slice(measured),
                Some(gamma) => kernel.extend(measured.iter().map(|d| (-gamma * d).exp())),
            }
            decisions.clear();
            decisions.extend(self.rho.iter().enumerate().map(|(pair, rho)| {
                let dual = &self.dual[pair * kernel.len()..(pair + 1) * kernel.len()];
                dual.iter().zip(&kernel).map(|(a, k)| a * k).sum::<f64>() - rho
            }));
            visit(i, &decisions);
            Ok(())
        })
    }
}

impl Classifier for Svm {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.vectors.cols(), x)?;
        let k = self.classes.len();
        let mut out = vec![0.0; x.rows() * self.n_classes];
        self.decide(x, |i, decisions| {
            let (mut votes, mut margins) = (vec![0.0; k], vec![0.0; k]);
            let pairs = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b)));
            for ((a, b), &d) in pairs.zip(decisions) {
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
        })?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_data::{accuracy, blobs, parts};

    const SETTINGS: SvmSettings = SvmSettings { kernel: Kernel::Rbf, c: 10.0, gamma: None };

    #[test]
    fn separable_classes_are_learnt() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        for kernel in [Kernel::Rbf, Kernel::Linear] {
            let mut model = Svm::fit(&SvmSettings { kernel, ..SETTINGS }, &parts.train, &Cancel::default()).expect("fitted");
            assert_eq!(accuracy(&mut model, &parts.test), 1.0);
            assert!(model.converged && model.vectors.rows() < parts.train.len());
        }
    }

    /// The Karush-Kuhn-Tucker conditions of LIBSVM's problem hold, on both sides of the box of C: checks C, gamma and the signs.
    #[test]
    fn the_dual_solution_is_optimal() {
        let (mut bound, mut free) = (0, 0);
        for (kernel, c, seed) in [(Kernel::Rbf, 0.7, 3), (Kernel::Linear, 0.7, 3), (Kernel::Rbf, 30.0, 4), (Kernel::Linear, 3.0, 5)] {
            let parts = blobs(60, 2, 3, 1.6, seed);
            let model = Svm::fit(&SvmSettings { kernel, c, gamma: Some(0.4) }, &parts.train, &Cancel::default()).expect("fitted");
            assert!(model.converged && model.dual.iter().sum::<f64>().abs() < 1e-9);
            let check = |i: usize, decisions: &[f64]| {
                let sign = if parts.train.y()[i] == 0 { 1.0 } else { -1.0 };
                let margin = sign * decisions[0];
                let row = parts.train.x().row(i);
                let alpha = (0..model.vectors.rows()).find(|&v| model.vectors.row(v) == row).map_or(0.0, |v| sign * model.dual[v]);
                assert!((-1e-12..=c + 1e-12).contains(&alpha), "alpha {alpha}");
                if alpha < 1e-9 {
                    assert!(margin > 1.0 - 2e-3, "row {i} lies outside of the margin: {margin}");
                } else if alpha > c - 1e-9 {
                    bound += 1;
                    assert!(margin < 1.0 + 2e-3, "row {i} violates the margin: {margin}");
                } else {
                    free += 1;
                    assert!((margin - 1.0).abs() < 2e-3, "row {i} lies on the margin: {margin}");
                }
            };
            model.decide(parts.train.x(), check).expect("decided");
        }
        assert!(bound > 10 && free > 20, "{bound} bound, {free} free");
    }

    #[test]
    fn shared_distances_change_nothing() {
        let parts = blobs(90, 3, 5, 1.5, 8);
        let cancel = Cancel::default();
        let shared = Geometry::of(Kernel::Rbf, &parts.train, &cancel).expect("measured");
        for (c, gamma) in [(0.1, None), (10.0, Some(0.05))] {
            let settings = SvmSettings { kernel: Kernel::Rbf, c, gamma };
            let alone = Svm::fit(&settings, &parts.train, &cancel).expect("fitted");
            assert_eq!(Svm::fit_on(&settings, &parts.train, &shared, &cancel).expect("fitted"), alone);
        }
        let linear = SvmSettings { kernel: Kernel::Linear, c: 1.0, gamma: None };
        assert!(Svm::fit_on(&linear, &parts.train, &shared, &cancel).is_err());
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
