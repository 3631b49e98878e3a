//! Classical models, behind the traits of linfa.
//!
//! [`Settings`] are hyperparameters that linfa's [`ParamGuard`] checks; linfa's [`Fit`] makes a
//! model of them and a training part; linfa's [`PredictInplace`] predicts with it. Naive Bayes is
//! linfa's own. The other models are this crate's, for the reasons in their files.
//!
//! A new kind is a file here, a line in [`classical_models`] below, and its settings in
//! `config::ModelSettings`.

mod cholesky;
mod coupling;
mod distances;
mod forest;
mod knn;
mod lbfgs;
mod lda;
mod logistic;
mod logistic_loss;
mod majority;
mod naive_bayes;
#[cfg(test)]
mod reference_tests;
mod smo;
mod svm;
mod tree;

use std::fmt;

use linfa::dataset::{DatasetBase, Records};
use linfa::traits::{Fit, PredictInplace};
use linfa::{Error as LinfaError, ParamGuard};
use ndarray::{Array1, Array2, ArrayView1};

pub use coupling::{Calibration, Sigmoid};
pub use distances::PairwiseDistances;
pub use forest::{Forest, ForestSettings, SplitFeatures};
pub use knn::{Knn, KnnSettings, KnnWeights};
pub use lda::{Lda, LdaSettings};
pub use logistic::{Logistic, LogisticSettings};
pub use majority::{Majority, MajoritySettings};
pub use naive_bayes::{NaiveBayes, NaiveBayesSettings};
pub use svm::{Gamma, Kernel, Svm, SvmSettings};
pub use tree::{Leaf, Node};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::Classifier;
use crate::model::weights::{Stored, Tensors};
use crate::split::{Matrix, Part, Training};
use crate::table::predictions::argmax;

/// Declares the kinds of fitted models.
macro_rules! classical_models {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// A fitted classical model.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Classical {
            $($(#[$doc])* $kind($kind),)*
        }

        impl Classical {
            /// The model of whatever kind.
            pub fn model(&self) -> &dyn ClassicalModel {
                match self {
                    $(Classical::$kind(model) => model,)*
                }
            }

            /// The word of `model.json`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Classical::$kind(_) => $kind::name(),)*
                }
            }

            /// A copy that predicts.
            pub fn classifier(&self) -> Box<dyn Classifier> {
                match self {
                    $(Classical::$kind(model) => Box::new(model.clone()),)*
                }
            }

            /// The model of a kind out of a file, or what is wrong with it.
            pub(crate) fn read(
                kind: &str,
                file: &mut Tensors,
                [n_features, n_classes]: [usize; 2],
            ) -> Result<Classical, String> {
                match kind {
                    $(kind if kind == $kind::name() => {
                        $kind::read(file, n_features, n_classes).map(Classical::$kind)
                    })*
                    other => Err(format!("this ser knows no model of kind {other:?}")),
                }
            }
        }

        $(impl From<$kind> for Classical {
            fn from(model: $kind) -> Self {
                Classical::$kind(model)
            }
        })*
    };
}

classical_models! {
    /// Multinomial logistic regression.
    Logistic,
    /// Support vector machine.
    Svm,
    /// Random forest.
    Forest,
    /// Nearest neighbours.
    Knn,
    /// Linear discriminant analysis.
    Lda,
    /// Gaussian naive Bayes.
    NaiveBayes,
    /// Class frequencies.
    Majority,
}

impl Records for Matrix {
    type Elem = f32;

    fn nsamples(&self) -> usize {
        self.rows()
    }

    fn nfeatures(&self) -> usize {
        self.cols()
    }
}

/// Training rows alone are records that a model is fitted on.
impl Records for Part<Training> {
    type Elem = f32;

    fn nsamples(&self) -> usize {
        self.len()
    }

    fn nfeatures(&self) -> usize {
        self.x().cols()
    }
}

/// Training rows and the class of each, without weights, which no model takes.
pub type TrainingSet<'a> = DatasetBase<&'a Part<Training>, ArrayView1<'a, usize>>;

/// A training part as linfa has it; nothing is copied.
pub fn training_set(train: &Part<Training>) -> TrainingSet<'_> {
    DatasetBase::new(train, ArrayView1::from(train.y()))
}

/// What a fit is given besides settings and rows; linfa's [`Fit`] has no arguments for it.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// Of the random numbers, if the model draws any.
    pub seed: u64,
    /// Whether each feature has mean 0 and variance 1 in the training part.
    pub standardised: bool,
    /// The inner fold of each row, to calibrate the model by.
    pub folds: Option<&'a [usize]>,
    /// Of these very rows, where several support vector machines share them.
    pub distances: Option<&'a PairwiseDistances>,
    /// Ends the fit.
    pub cancel: &'a Cancel,
    /// Is told how many trees have been grown.
    pub progress: &'a dyn Fn(usize),
}

impl<'a> FitContext<'a> {
    /// Of features that may have any scale, with seed 0.
    pub fn new(cancel: &'a Cancel) -> Self {
        FitContext {
            seed: 0,
            standardised: false,
            folds: None,
            distances: None,
            cancel,
            progress: &|_| {},
        }
    }
}

/// How a model is calibrated, for cards and warnings.
#[derive(Debug, Clone, Copy)]
pub struct CalibrationWords {
    /// What is fitted on held-out utterances.
    pub by: &'static str,
    /// What takes the place of calibrated probabilities where nothing can be held out.
    pub without: &'static str,
}

/// The settings of a kind of classical model, as they stand in a pipeline file.
pub trait Settings {
    /// The word of pipeline files and of `model.json`.
    fn name(&self) -> &'static str;

    /// Changes whenever the same rows and settings would give another model.
    fn code_version(&self) -> u32 {
        1
    }

    /// In words, for reports, without the settings that a search chooses.
    fn describe(&self, is_searched: &dyn Fn(&str) -> bool) -> String;

    /// The keys that a search may choose.
    fn searchable(&self) -> &'static [&'static str] {
        &[]
    }

    /// How the model calibrates its probabilities by the folds of a [`FitContext`], if it does.
    fn calibration(&self) -> Option<CalibrationWords> {
        None
    }

    /// Whether the model depends on the seed.
    fn is_drawn(&self) -> bool {
        false
    }

    /// About how many bytes a fit takes beside a table of so many rows and bytes: a copy of it,
    /// unless the model says otherwise.
    fn memory(&self, _rows: u64, table: u64) -> u64 {
        table
    }

    /// Refuses values that the model cannot be fitted with.
    ///
    /// # Errors
    /// A config error.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Fits the model of this kind.
    ///
    /// # Errors
    /// A config error for settings that are wrong, a data error for features that are not finite or
    /// no row, interrupted when the context says so.
    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical>;
}

/// Settings that have not been checked yet.
#[derive(Clone, Copy)]
pub struct Params<'a, S>(ValidParams<'a, S>);

/// Checked settings, with what else a fit is given.
#[derive(Clone, Copy)]
pub struct ValidParams<'a, S> {
    settings: S,
    context: FitContext<'a>,
}

impl<'a, S> Params<'a, S> {
    /// Settings to be checked.
    pub fn new(settings: S, context: FitContext<'a>) -> Self {
        Params(ValidParams { settings, context })
    }
}

impl<'a, S: Settings> ParamGuard for Params<'a, S> {
    type Checked = ValidParams<'a, S>;
    type Error = FitError;

    fn check_ref(&self) -> Result<&Self::Checked, FitError> {
        self.0.settings.check()?;
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked, FitError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Checks settings and fits a model with them.
fn fit_checked<'a, S, M>(
    settings: S,
    train: &'a Part<Training>,
    context: FitContext<'a>,
) -> Result<M>
where
    S: Settings,
    ValidParams<'a, S>: Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError, Object = M>,
{
    let params = Params::new(settings, context);
    params
        .fit(&training_set(train))
        .map_err(|FitError(error)| error)
}

/// An error of this crate as linfa's traits take it.
#[derive(Debug)]
pub struct FitError(Error);

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for FitError {}

impl From<Error> for FitError {
    fn from(error: Error) -> Self {
        FitError(error)
    }
}

impl From<LinfaError> for FitError {
    fn from(error: LinfaError) -> Self {
        FitError(Error::data("the model cannot be fitted").because(error))
    }
}

/// A fitted classical model. linfa's [`PredictInplace`] predicts the class probabilities `[rows,
/// classes]`; it has no place for errors, files and words, which this trait adds.
pub trait ClassicalModel: PredictInplace<Matrix, Array2<f32>> {
    /// The word of `model.json`.
    fn name() -> &'static str
    where
        Self: Sized;

    /// Refuses rows that cannot be predicted.
    ///
    /// # Errors
    /// A data error.
    fn check(&self, x: &Matrix) -> Result<()>;

    /// The model in a few words, without an article.
    fn title(&self) -> &'static str;

    /// What the values by class are, in a sentence.
    fn values(&self) -> &'static str;

    /// Whether the values by class may be read as probabilities, so that a calibration error means
    /// something.
    fn estimates_probabilities(&self) -> bool {
        true
    }

    /// Whether the fit came to its end.
    fn converged(&self) -> bool {
        true
    }

    /// What `model.safetensors` holds.
    fn tensors(&self) -> Vec<Stored>;

    /// The model out of such a file, or what is wrong with it.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence about the file.
    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String>
    where
        Self: Sized;
}

/// What linfa's `Predict` is for records of its own.
fn predict<T, M: PredictInplace<Matrix, T> + ?Sized>(model: &M, x: &Matrix) -> T {
    let mut targets = model.default_target(x);
    model.predict_inplace(x, &mut targets);
    targets
}

impl<M: ClassicalModel + Send> Classifier for M {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        self.check(x)?;
        Ok(predict::<Array2<f32>, _>(self, x)
            .into_raw_vec_and_offset()
            .0)
    }
}

impl Classical {
    /// The most probable class of each row.
    pub fn classes(&self, x: &Matrix) -> Result<Array1<usize>> {
        self.model().check(x)?;
        Ok(predict(self, x))
    }
}

impl PredictInplace<Matrix, Array1<usize>> for Classical {
    fn predict_inplace(&self, x: &Matrix, y: &mut Array1<usize>) {
        let probabilities: Array2<f32> = predict(self.model(), x);
        for (class, row) in y.iter_mut().zip(probabilities.rows()) {
            *class = row.as_slice().map_or(0, argmax);
        }
    }

    fn default_target(&self, x: &Matrix) -> Array1<usize> {
        Array1::zeros(x.rows())
    }
}
