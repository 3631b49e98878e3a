//! A saved model on recordings: the same decoding, features and scaling as in training.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::inputs::arrange;
use crate::audio;
use crate::error::{Error, Result};
use crate::evaluation::argmax;
use crate::features::{self, Extractor, FeatureSet, Profile};
use crate::model::Classifier;
use crate::model::artifact::{self, ModelInfo};
use crate::split::Matrix;
use crate::transform::{columns_in_order, fill_padding, standardise_speaker};

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
        if info.feature_code_version != set.code_version() {
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

    /// Whether a recording alone tells nothing: see [`crate::transform::Inputs::is_transductive`].
    pub fn needs_speaker(&self) -> bool {
        self.info.inputs.is_transductive()
    }

    /// Predicts the emotion of one recording.
    ///
    /// # Errors
    /// Where the file is no usable audio; [`crate::error::Kind::Usage`] where the model scales speakers by all of their clips.
    pub fn predict(&mut self, path: &Path) -> Result<Prediction> {
        if self.needs_speaker() {
            return Err(Error::usage(
                "this model scales each speaker by all of the speaker's clips (transductive): it cannot judge one alone",
            )
            .hint(
                "give it many clips of one speaker at a time, of all emotions, and say --one-speaker; or train with scaler = \"standard\"",
            ));
        }
        let row = self.row(path)?;
        self.classify(row)
    }

    /// Predicts the emotions of recordings of one speaker. Where the model scales speakers, it scales by exactly these recordings.
    pub fn predict_speaker(&mut self, paths: &[PathBuf]) -> Vec<Result<Prediction>> {
        let rows: Vec<Result<Vec<f32>>> = paths.iter().map(|path| self.row(path)).collect();
        let (mut clips, mut failed) = (Vec::new(), Vec::new());
        for row in rows {
            failed.push(row.map(|row| clips.push(row)).err());
        }
        if self.needs_speaker() && !clips.is_empty() {
            standardise_speaker(&mut clips, self.info.inputs.shape(self.columns.len()).columns());
        }
        let mut clips = clips.into_iter();
        let one = |failed: Option<Error>| match failed {
            Some(error) => Err(error),
            None => clips.next().ok_or_else(|| Error::internal("a recording without features")).and_then(|row| self.classify(row)),
        };
        failed.into_iter().map(one).collect()
    }

    fn row(&mut self, path: &Path) -> Result<Vec<f32>> {
        let audio = audio::decode(path)?;
        let row = self
            .extractor
            .extract(&audio.samples, audio.sample_rate)
            .map_err(|e| Error::data(format!("failed to compute features of {}", path.display())).because(e))?;
        Ok(arrange(&self.info.inputs, &self.columns, &row))
    }

    fn classify(&mut self, mut row: Vec<f32>) -> Result<Prediction> {
        self.info.scaler.apply_row(&mut row);
        fill_padding(&mut row, &self.info.inputs);
        let probabilities = self.classifier.probabilities(&Matrix::new(1, row.len(), row))?;
        Ok(Prediction { emotion: self.info.labels[argmax(&probabilities)].clone(), probabilities })
    }
}
