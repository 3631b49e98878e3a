//! Support vector machine with a linear or Gaussian kernel, one against one, with probabilities by
//! pairwise coupling.

use std::borrow::Cow;
use std::fmt;

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::coupling::{Calibration, Sigmoid, with_highest};
use super::distances::{Measure, PairwiseDistances, each_row};
use super::{
    CalibrationWords, Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet,
    ValidParams, fit_checked, smo,
};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{check_width, present, softmax_rows};
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

    fn calibration(&self) -> Option<CalibrationWords> {
        Some(CalibrationWords {
            by: "a sigmoid for each pair of classes",
            without: "a softmax over the votes of the pairs of classes stands in their place, and only the order of its values means anything",
        })
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
        let gamma = (settings.kernel == Kernel::Rbf).then_some(match settings.gamma {
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
            vectors: train.x().select(&kept).gather(),
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
#[path = "svm_tests.rs"]
mod tests;
