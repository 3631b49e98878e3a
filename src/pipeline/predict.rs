//! A saved model on recordings: the same decoding, features and scaling as in training.

use std::path::Path;

use serde::Serialize;

use crate::audio;
use crate::error::{Error, Result};
use crate::evaluation::argmax;
use crate::features::{self, Extractor, FeatureSet, Profile};
use crate::model::Classifier;
use crate::model::artifact::{self, ModelInfo};
use crate::split::Matrix;
use crate::transform::{columns_in_order, rearrange};

/// What a model says of one recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The class of the highest probability.
    pub emotion: String,
    /// Softmax outputs in the order of [`Predictor::labels`].
    pub probabilities: Vec<f32>,
}

/// A model that was loaded and found to fit this program.
pub struct Predictor {
    info: ModelInfo,
    classifier: Box<dyn Classifier>,
    extractor: Extractor,
    columns: Vec<String>,
}

impl Predictor {
    /// Loads a model folder.
    ///
    /// # Errors
    /// [`crate::error::Kind::Missing`] without such a folder; [`crate::error::Kind::Data`] where it is damaged, or was trained on features
    /// that this program does not compute.
    pub fn load(folder: &Path) -> Result<Predictor> {
        let saved = artifact::load(folder)?;
        let info = &saved.info;
        let refuse = |what: &str, theirs: &str| {
            Error::data(format!("the model in {} was trained with {what} {theirs}, which this program does not compute", folder.display()))
                .hint("train it again with this version, or use the version that made it")
        };
        let set = FeatureSet::parse(&info.feature_set).ok_or_else(|| refuse("the feature set", &info.feature_set))?;
        let profile = Profile::parse(&info.profile).ok_or_else(|| refuse("the feature profile", &info.profile))?;
        if info.feature_code_version != features::CODE_VERSION {
            return Err(refuse("version", &format!("{} of the feature code", info.feature_code_version)));
        }
        let columns = features::names(set);
        if columns_in_order(&info.inputs, &columns) != info.feature_names {
            return Err(refuse("other columns of", &info.feature_set));
        }
        let classifier = saved.classifier()?;
        Ok(Predictor { classifier, extractor: Extractor::new(set, profile), columns, info: saved.info })
    }

    /// Class names in the order of the probabilities.
    pub fn labels(&self) -> &[String] {
        &self.info.labels
    }

    /// Predicts the emotion of one recording.
    ///
    /// # Errors
    /// Where the file is no usable audio.
    pub fn predict(&mut self, path: &Path) -> Result<Prediction> {
        let audio = audio::decode(path)?;
        let row = self
            .extractor
            .extract(&audio.samples, audio.sample_rate)
            .map_err(|e| Error::data(format!("failed to compute features of {}", path.display())).because(e))?;
        let mut row = rearrange(&self.info.inputs, &self.columns, &row);
        self.info.scaler.apply_row(&mut row);
        let probabilities = self.classifier.probabilities(&Matrix::new(1, row.len(), row))?;
        Ok(Prediction { emotion: self.info.labels[argmax(&probabilities)].clone(), probabilities })
    }
}
