//! Support vector machine with a linear or Gaussian kernel, one against one, with probabilities by
//! pairwise coupling.

use std::borrow::Cow;
use std::fmt;

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::coupling::{Calibration, Sigmoid, with_highest};
use super::distances::{Measure, each_row};
use super::{
    Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet, ValidParams,
    fit_checked, smo,
};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{check_width, finite, present, softmax_rows};
use crate::model::weights::{Stored, Tensors};
use crate::split::{Matrix, Part, Training};

/// What a machine compares two rows by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// `exp(-gamma |a - b|^2)`.
    #[default]
    Rbf,
    /// Their dot product.
    Linear,
}

/// Width of a Gaussian kernel, `exp(-gamma * |x - y|^2)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gamma {
    /// 1 / (number of features * variance of the training values), as in scikit-learn.
    Scale,
    /// As given.
    #[serde(untagged)]
    Value(f64),
}

impl fmt::Display for Gamma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gamma::Scale => f.write_str("scale"),
            Gamma::Value(value) => value.fmt(f),
        }
    }
}

impl JsonSchema for Gamma {
    fn schema_name() -> Cow<'static, str> {
        "Gamma".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "scale" }, { "type": "number", "exclusiveMinimum": 0 }] })
    }
}

/// How the machine is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SvmSettings {
    /// `rbf` (Gaussian) or `linear`.
    pub kernel: Kernel,
    /// Penalty of a margin violation, as in scikit-learn.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub c: f64,
    /// Width of a Gaussian kernel (`rbf` only); `scale` is 1 / (features × variance).
    // `None` for a linear kernel; of a Gaussian one it stands for `scale`.
    #[schemars(extend("x-default" = "`\"scale\"`"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<Gamma>,
}

impl Default for SvmSettings {
    fn default() -> Self {
        SvmSettings {
            kernel: Kernel::Rbf,
            c: 1.0,
            gamma: None,
        }
    }
}

impl Settings for SvmSettings {
    fn name(&self) -> &'static str {
        Svm::name()
    }

    fn code_version(&self) -> u32 {
        4
    }

    fn describe(&self, is_searched: &dyn Fn(&str) -> bool) -> String {
        let kernel = match self.kernel {
            Kernel::Rbf => "rbf",
            Kernel::Linear => "linear",
        };
        let mut out = format!("svm {kernel}");
        if !is_searched("c") {
            out += &format!(" C={}", self.c);
        }
        if let Some(gamma) = self.gamma.filter(|_| !is_searched("gamma")) {
            out += &format!(" gamma={gamma}");
        }
        out
    }

    fn searchable(&self) -> &'static [&'static str] {
        match self.kernel {
            Kernel::Rbf => &["c", "gamma"],
            Kernel::Linear => &["c"],
        }
    }

    /// Distances and kernel of all pairs of rows, and at most as much again of the pair of classes
    /// at work.
    fn memory(&self, rows: u64, table: u64) -> u64 {
        3 * rows * rows * size_of::<f32>() as u64 + table
    }

    fn check(&self) -> Result<()> {
        let gamma = match self.gamma {
            Some(Gamma::Value(gamma)) => gamma,
            Some(Gamma::Scale) | None => 1.0,
        };
        for (name, value) in [("c", self.c), ("gamma", gamma)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::config(format!(
                    "{name} = {value} is not a positive number"
                )));
            }
        }
        Ok(())
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::Svm)
    }
}

/// A fitted machine.
///
/// The predicted class is that of scikit-learn's `SVC(break_ties=True)`: each pair of classes has a
/// vote, and of classes with equally many the one with the larger sum of margins wins.
/// Probabilities couple the calibrated margins of all pairs; where they would name another class
/// than the decision function, they are changed as little as possible (least squares) so that its
/// class has the highest. A machine without calibration gives a softmax over votes and bounded
/// margins instead: its values order the classes and are not probabilities.
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
    /// Signed dual coefficients `[pairs, vectors]`, pairs (a, b) with a < b in lexical order of
    /// `classes`; positive speaks for a.
    pub dual: Vec<f64>,
    /// Subtracted from the sum, one per pair.
    pub rho: Vec<f64>,
    /// How margins become probabilities; `None` where the machine was not calibrated.
    pub calibration: Option<Calibration>,
    /// Whether the solver reached its tolerance for every pair.
    pub converged: bool,
}

fn scale_gamma(x: &Matrix) -> f64 {
    let n = x.values().len() as f64;
    let mean = x.values().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = x
        .values()
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    if variance > 0.0 {
        1.0 / (x.cols() as f64 * variance)
    } else {
        1.0
    }
}

/// What all machines of one kernel on the same rows share, whatever their `c` and `gamma`: dot
/// products or squared distances of all pairs of rows, in single precision as LIBSVM's cache has
/// them.
#[derive(Debug, Clone)]
pub struct PairwiseDistances {
    kernel: Kernel,
    rows: usize,
    values: Vec<f32>,
    scale: f64,
}

impl PairwiseDistances {
    /// Measures all pairs of rows; memory grows with the square of their number, 4 bytes a pair.
    ///
    /// # Errors
    /// A data error for features that are not finite, interrupted when `cancel` asks for it.
    pub fn of(kernel: Kernel, train: &Part<Training>, cancel: &Cancel) -> Result<Self> {
        finite(train.x())?;
        let measure = if kernel == Kernel::Linear {
            Measure::Product
        } else {
            Measure::SquaredDistance
        };
        let mut values = Vec::with_capacity(train.len() * train.len());
        each_row(measure, train.x(), train.x(), |_, row| {
            cancel.check()?;
            values.extend(row.iter().map(|&v| v as f32));
            Ok(())
        })?;
        Ok(PairwiseDistances {
            kernel,
            rows: train.len(),
            values,
            scale: scale_gamma(train.x()),
        })
    }

    /// The kernel matrix of all rows.
    fn kernel(&self, gamma: Option<f64>) -> Vec<f32> {
        let n = self.rows;
        let Some(gamma) = gamma else {
            return self.values.clone();
        };
        let mut out = Vec::with_capacity(n * n);
        for i in 0..n {
            // The matrix is symmetric: what lies before the diagonal has been computed.
            out.extend(
                (0..i)
                    .map(|before| out[before * n + i])
                    .collect::<Vec<f32>>(),
            );
            let measured = &self.values[i * n + i..(i + 1) * n];
            out.extend(measured.iter().enumerate().map(|(at, &d)| {
                if at == 0 {
                    1.0
                } else {
                    (-gamma * f64::from(d)).exp() as f32
                }
            }));
        }
        out
    }
}

/// What the machines of one training part are fitted on.
struct Problem<'a> {
    train: &'a Part<Training>,
    /// The class of each row.
    y: &'a [usize],
    /// The classes that it holds, ascending.
    classes: &'a [usize],
    /// Kernel matrix of all rows.
    kernel: &'a [f32],
    c: f64,
}

impl Problem<'_> {
    /// Fits the machine of each pair of classes to those of the rows that `takes` names, and calls
    /// `visit` with these rows and the solution.
    fn solve(
        &self,
        takes: impl Fn(usize) -> bool,
        cancel: &Cancel,
        mut visit: impl FnMut(Vec<usize>, smo::Solution),
    ) -> Result<()> {
        let (n, y) = (self.train.len(), self.y);
        for (i, &a) in self.classes.iter().enumerate() {
            for &b in &self.classes[i + 1..] {
                cancel.check()?;
                let rows: Vec<usize> = (0..n)
                    .filter(|&row| [a, b].contains(&y[row]) && takes(row))
                    .collect();
                let first: Vec<bool> = rows.iter().map(|&row| y[row] == a).collect();
                let kernel: Vec<f32> = rows
                    .iter()
                    .flat_map(|&row| rows.iter().map(move |&other| self.kernel[row * n + other]))
                    .collect();
                let solution = smo::solve(&kernel, &first, self.c, cancel)?;
                visit(rows, solution);
            }
        }
        Ok(())
    }

    /// Calibrates by margins of utterances that a machine was not fitted on. Each inner fold is
    /// judged by machines of the others; changed copies of utterances are fitted on with them and
    /// judged by none.
    fn calibrate(&self, folds: &[usize], cancel: &Cancel) -> Result<Calibration> {
        let n = self.train.len();
        let utterances: Vec<usize> = (0..n).filter(|&row| !self.train.is_copy(row)).collect();
        let mut margins: Vec<Vec<f64>> = utterances.iter().map(|_| Vec::new()).collect();
        for fold in 0..=folds.iter().copied().max().unwrap_or(0) {
            self.solve(
                |row| folds[row] != fold,
                cancel,
                |rows, machine| {
                    let support: Vec<(usize, f64)> = rows
                        .into_iter()
                        .zip(machine.dual)
                        .filter(|(_, dual)| *dual != 0.0)
                        .collect();
                    for (&judged, margins) in utterances
                        .iter()
                        .zip(&mut margins)
                        .filter(|(judged, _)| folds[**judged] == fold)
                    {
                        let kernel = &self.kernel[judged * n..(judged + 1) * n];
                        margins.push(
                            support
                                .iter()
                                .map(|&(row, dual)| dual * f64::from(kernel[row]))
                                .sum::<f64>()
                                - machine.rho,
                        );
                    }
                },
            )?;
        }
        if !margins.iter().flatten().all(|margin| margin.is_finite()) {
            return Err(Error::internal(
                "an inner fold of the calibration was fitted on a single class of a pair",
            ));
        }
        let place = |row: &usize| {
            self.classes
                .binary_search(&self.y[*row])
                .unwrap_or_default()
        };
        let y: Vec<usize> = utterances.iter().map(place).collect();
        Ok(Calibration::fit(self.classes.len(), &margins, &y))
    }
}

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError> for ValidParams<'_, SvmSettings> {
    type Object = Svm;

    /// Fits one machine per pair of classes, and calibrates them where the context has inner folds;
    /// memory grows with the square of the rows.
    fn fit(&self, set: &TrainingSet<'a>) -> Result<Svm, FitError> {
        let (settings, train, cancel) = (&self.settings, set.records, self.context.cancel);
        let (y, folds) = (set.targets.to_vec(), self.context.folds);
        let own;
        let distances = match self.context.distances {
            Some(distances) => distances,
            None => {
                own = PairwiseDistances::of(settings.kernel, train, cancel)?;
                &own
            }
        };
        if distances.rows != train.len()
            || distances.kernel != settings.kernel
            || folds.is_some_and(|folds| folds.len() != train.len())
        {
            let message = "a support vector machine was given distances or folds of other rows";
            return Err(Error::internal(message).into());
        }
        let classes = present(&y, train.n_classes())?;
        let gamma = (settings.kernel == Kernel::Rbf).then(|| match settings.gamma {
            Some(Gamma::Value(gamma)) => gamma,
            Some(Gamma::Scale) | None => distances.scale,
        });
        let kernel = distances.kernel(gamma);
        let problem = Problem {
            train,
            y: &y,
            classes: &classes,
            kernel: &kernel,
            c: settings.c,
        };
        let mut machines = Vec::new();
        problem.solve(
            |_| true,
            cancel,
            |rows, solution| machines.push((rows, solution)),
        )?;
        let calibration = folds
            .map(|folds| problem.calibrate(folds, cancel))
            .transpose()?;
        let mut support = vec![false; train.len()];
        for (rows, solution) in &machines {
            for (&row, &dual) in rows.iter().zip(&solution.dual) {
                support[row] |= dual != 0.0;
            }
        }
        let kept: Vec<usize> = (0..train.len()).filter(|&r| support[r]).collect();
        let mut dual = Vec::with_capacity(machines.len() * kept.len());
        for (rows, solution) in &machines {
            dual.extend(
                kept.iter()
                    .map(|row| rows.binary_search(row).map_or(0.0, |at| solution.dual[at])),
            );
        }
        Ok(Svm {
            n_classes: train.n_classes(),
            classes,
            gamma,
            vectors: train.x().select(&kept),
            dual,
            rho: machines.iter().map(|(_, solution)| solution.rho).collect(),
            calibration,
            converged: machines.iter().all(|(_, solution)| solution.converged),
        })
    }
}

impl Svm {
    /// Calls `visit` with every row's number and the decision value of every pair.
    pub(super) fn decide(&self, x: &Matrix, mut visit: impl FnMut(usize, &[f64])) -> Result<()> {
        let measure = if self.gamma.is_none() {
            Measure::Product
        } else {
            Measure::SquaredDistance
        };
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

    /// Probabilities `[rows, classes]`, and in how many rows those of the coupled pairs named
    /// another class than the decision function.
    ///
    /// # Errors
    /// A data error when the number of features is not the one that the machine was fitted on.
    pub fn judge(&self, x: &Matrix) -> Result<(Array2<f32>, usize)> {
        check_width(self.vectors.cols(), x)?;
        let k = self.classes.len();
        let mut out = self.default_target(x);
        let mut changed = 0;
        self.decide(x, |i, decisions| {
            let scores = scores(k, decisions);
            let values = match &self.calibration {
                // What is no number stays none.
                Some(calibration) if decisions.iter().all(|d| !d.is_nan()) => {
                    let decided = (0..k).fold(0, |best, class| {
                        if scores[class] > scores[best] {
                            class
                        } else {
                            best
                        }
                    });
                    let (values, moved) = with_highest(&calibration.of(k, decisions), decided);
                    changed += usize::from(moved);
                    values
                }
                _ => {
                    let mut values: Vec<f32> = scores.iter().map(|&score| score as f32).collect();
                    softmax_rows(&mut values, k);
                    values
                }
            };
            for (&class, p) in self.classes.iter().zip(values) {
                out[[i, class]] = p;
            }
        })?;
        Ok((out, changed))
    }
}

/// What decides between `k` classes: the votes of the pairs, and their margins between classes with
/// equally many (scikit-learn's one-against-rest decision function, with `break_ties=True`).
fn scores(k: usize, decisions: &[f64]) -> Vec<f64> {
    let (mut votes, mut margins) = (vec![0.0; k], vec![0.0; k]);
    let pairs = (0..k).flat_map(|a| (a + 1..k).map(move |b| (a, b)));
    for ((a, b), &d) in pairs.zip(decisions) {
        votes[if d > 0.0 { a } else { b }] += 1.0;
        margins[a] += d;
        margins[b] -= d;
    }
    // Squeezed into a third of a vote, margins only break ties.
    votes
        .iter()
        .zip(&margins)
        .map(|(v, m)| v + m / (3.0 * (f64::abs(*m) + 1.0)))
        .collect()
}

impl PredictInplace<Matrix, Array2<f32>> for Svm {
    fn predict_inplace(&self, x: &Matrix, y: &mut Array2<f32>) {
        match self.judge(x) {
            Ok((probabilities, _)) => *y = probabilities,
            // `check` comes before.
            Err(_) => y.fill(f32::NAN),
        }
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.n_classes))
    }
}

impl ClassicalModel for Svm {
    fn name() -> &'static str {
        "svm"
    }

    fn check(&self, x: &Matrix) -> Result<()> {
        check_width(self.vectors.cols(), x)
    }

    fn title(&self) -> &'static str {
        "support vector machine"
    }

    fn values(&self) -> &'static str {
        if self.calibration.is_some() {
            "Probabilities are calibrated: margins of utterances that were held out of the training part in turn give a sigmoid for each pair\n\
             of classes, the pairs are coupled (Wu, Lin, Weng 2004), and one exponent corrects their confidence. The predicted class is that of the decision function; where coupling\n\
             names another, the probabilities are changed as little as possible so that the predicted class has the highest. An average over several models\n\
             or changed copies may name another class."
        } else {
            "Values by class are no probabilities: the training part was too small to calibrate them, and only their order means anything."
        }
    }

    fn estimates_probabilities(&self) -> bool {
        self.calibration.is_some()
    }

    fn converged(&self) -> bool {
        self.converged
    }

    fn tensors(&self) -> Vec<Stored> {
        let (rows, columns) = (self.vectors.rows(), self.vectors.cols());
        let mut tensors = vec![
            Stored::i64("classes", &self.classes),
            Stored::f32("vectors", &[rows, columns], self.vectors.values()),
            Stored::f64("dual", &[self.rho.len(), rows], &self.dual),
            Stored::f64("rho", &[self.rho.len()], &self.rho),
            Stored::i64("converged", &[usize::from(self.converged)]),
        ];
        tensors.extend(self.gamma.map(|gamma| Stored::f64("gamma", &[1], &[gamma])));
        if let Some(Calibration { sigmoids, exponent }) = &self.calibration {
            let values: Vec<f64> = sigmoids
                .iter()
                .flat_map(|sigmoid| [sigmoid.slope, sigmoid.offset])
                .collect();
            tensors.push(Stored::f64("sigmoids", &[sigmoids.len(), 2], &values));
            tensors.push(Stored::f64("exponent", &[1], &[*exponent]));
        }
        tensors
    }

    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String> {
        let classes = file.classes(n_classes)?;
        // A linear kernel has none.
        let gamma = match file.has("gamma") {
            true => Some(file.f64("gamma", &[1])?[0]),
            false => None,
        };
        if let Some(gamma) = gamma.filter(|gamma| *gamma <= 0.0) {
            return Err(format!(
                "tensor gamma holds {gamma}, and the width of a kernel is above 0"
            ));
        }
        let vectors = file.matrix("vectors", n_features)?;
        let converged = file.count("converged")? != 0;
        let pairs = classes.len() * (classes.len() - 1) / 2;
        let dual = file.f64("dual", &[pairs, vectors.rows()])?;
        let rho = file.f64("rho", &[pairs])?;
        // A machine that could not be calibrated has none.
        let calibration = match file.has("sigmoids") {
            true => Some(read_calibration(file, pairs)?),
            false => None,
        };
        Ok(Svm {
            n_classes,
            classes,
            gamma,
            vectors,
            dual,
            rho,
            calibration,
            converged,
        })
    }
}

fn read_calibration(file: &mut Tensors, pairs: usize) -> Result<Calibration, String> {
    let values = file.f64("sigmoids", &[pairs, 2])?;
    let exponent = file.f64("exponent", &[1])?[0];
    if exponent <= 0.0 {
        return Err("tensors sigmoids and exponent do not hold a calibration".to_owned());
    }
    let sigmoids = values
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[slope, offset]| Sigmoid { slope, offset })
        .collect();
    Ok(Calibration { sigmoids, exponent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Classifier;
    use crate::model::test_data::{accuracy, blobs, parts};
    use crate::split::Grouping;
    use crate::table::predictions::argmax;

    const SETTINGS: SvmSettings = SvmSettings {
        kernel: Kernel::Rbf,
        c: 10.0,
        gamma: None,
    };

    fn fit(settings: SvmSettings, train: &Part<Training>) -> Svm {
        fit_checked(settings, train, FitContext::new(&Cancel::default())).expect("fitted")
    }

    #[test]
    fn separable_classes_are_learnt() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        for kernel in [Kernel::Rbf, Kernel::Linear] {
            let mut model = fit(SvmSettings { kernel, ..SETTINGS }, &parts.train);
            assert_eq!(accuracy(&mut model, &parts.test), 1.0);
            assert!(model.converged && model.vectors.rows() < parts.train.len());
        }
    }

    /// The Karush-Kuhn-Tucker conditions of LIBSVM's problem hold, on both sides of the box of C:
    /// checks C, gamma and the signs.
    #[test]
    fn the_dual_solution_is_optimal() {
        let (mut bound, mut free) = (0, 0);
        for (kernel, c, seed) in [
            (Kernel::Rbf, 0.7, 3),
            (Kernel::Linear, 0.7, 3),
            (Kernel::Rbf, 30.0, 4),
            (Kernel::Linear, 3.0, 5),
        ] {
            let parts = blobs(60, 2, 3, 1.6, seed);
            let model = fit(
                SvmSettings {
                    kernel,
                    c,
                    gamma: Some(Gamma::Value(0.4)),
                },
                &parts.train,
            );
            assert!(model.converged && model.dual.iter().sum::<f64>().abs() < 1e-9);
            let check = |i: usize, decisions: &[f64]| {
                let sign = if parts.train.y()[i] == 0 { 1.0 } else { -1.0 };
                let margin = sign * decisions[0];
                let row = parts.train.x().row(i);
                let alpha = (0..model.vectors.rows())
                    .find(|&v| model.vectors.row(v) == row)
                    .map_or(0.0, |v| sign * model.dual[v]);
                assert!((-1e-12..=c + 1e-12).contains(&alpha), "alpha {alpha}");
                if alpha < 1e-9 {
                    assert!(
                        margin > 1.0 - 2e-3,
                        "row {i} lies outside of the margin: {margin}"
                    );
                } else if alpha > c - 1e-9 {
                    bound += 1;
                    assert!(margin < 1.0 + 2e-3, "row {i} violates the margin: {margin}");
                } else {
                    free += 1;
                    assert!(
                        (margin - 1.0).abs() < 2e-3,
                        "row {i} lies on the margin: {margin}"
                    );
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
        let shared = PairwiseDistances::of(Kernel::Rbf, &parts.train, &cancel).expect("measured");
        for (c, gamma) in [(0.1, None), (10.0, Some(Gamma::Value(0.05)))] {
            let settings = SvmSettings {
                kernel: Kernel::Rbf,
                c,
                gamma,
            };
            let alone = fit(settings, &parts.train);
            let context = FitContext {
                distances: Some(&shared),
                ..FitContext::new(&cancel)
            };
            let sharing: Svm = fit_checked(settings, &parts.train, context).expect("fitted");
            assert_eq!(sharing, alone);
        }
        let linear = SvmSettings {
            kernel: Kernel::Linear,
            c: 1.0,
            gamma: None,
        };
        let context = FitContext {
            distances: Some(&shared),
            ..FitContext::new(&cancel)
        };
        assert!(linear.fit(&parts.train, context).is_err());
    }

    /// Overlapping classes: the mean of the highest probability is near the accuracy on rows that
    /// were not trained on, and the class of the decision function keeps the highest.
    #[test]
    fn calibrated_probabilities_are_as_high_as_often_right() {
        let parts = blobs(900, 3, 4, 2.2, 21);
        let cancel = Cancel::default();
        let settings = SvmSettings {
            kernel: Kernel::Rbf,
            c: 1.0,
            gamma: Some(Gamma::Value(0.3)),
        };
        let folds = parts
            .train
            .inner_fold_numbers(5, Grouping::Utterance, 0)
            .expect("folds");
        let mut plain = fit(settings, &parts.train);
        let context = FitContext {
            folds: Some(&folds),
            ..FitContext::new(&cancel)
        };
        let calibrated: Svm = fit_checked(settings, &parts.train, context).expect("fitted");
        assert_eq!(
            (&calibrated.dual, &calibrated.rho),
            (&plain.dual, &plain.rho)
        );
        let (p, changed) = calibrated.judge(parts.test.x()).expect("judged");
        let decided = plain.probabilities(parts.test.x()).expect("votes");
        let p = p.into_raw_vec_and_offset().0;
        let rows = || p.chunks(3).zip(decided.chunks(3)).zip(parts.test.y());
        assert!(rows().all(|((p, votes), _)| argmax(p) == argmax(votes)
            && (p.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        let n = parts.test.len() as f64;
        let right = rows().filter(|((p, _), y)| argmax(p) == **y).count() as f64 / n;
        let sure = rows()
            .map(|((p, _), _)| f64::from(p[argmax(p)]))
            .sum::<f64>()
            / n;
        assert!(
            right > 0.5
                && right < 0.95
                && (right - sure).abs() < 0.07
                && changed < parts.test.len() / 4,
            "{right} {sure} {changed}"
        );
    }

    #[test]
    fn classes_absent_from_training_get_nothing() {
        let parts = parts(&[0, 2, 0, 2, 0, 2], 2, 4, 3);
        let mut model = fit(SETTINGS, &parts.train);
        let p = model.probabilities(parts.train.x()).expect("probabilities");
        assert!(p.chunks(4).all(|row| row[1] == 0.0 && row[3] == 0.0));
        let single = crate::model::test_data::parts(&[1, 1], 0, 2, 3);
        let mut one = fit(SETTINGS, &single.train);
        assert_eq!(
            one.probabilities(single.train.x()).expect("probabilities"),
            [0.0, 1.0, 0.0, 1.0]
        );
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
        assert!(
            SETTINGS
                .fit(&parts.train, FitContext::new(&cancel))
                .is_err()
        );
    }
}
