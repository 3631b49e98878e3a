//! The buffers, plans and models of one thread.

use super::loader::Predictor;
use super::sources::{Clip, RejectReason};
use crate::audio::augment::{Augmenter, Variant};
use crate::audio::{Audio, Budget, Sound};
use crate::error::{Error, Kind, Result};
use crate::evaluation::vote;
use crate::features::{Extractor, FeatureSet};
use crate::model::{Classifier, Outside};
use crate::pipeline::inputs::arrange;
use crate::split::Matrix;
use crate::transform::finish_row;

/// A sound as the models see it, before scaling: its own row and, where they are averaged over,
/// those of its changed copies. Of a copy whose features cannot be computed there is none, as in
/// training.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Views {
    pub own: Vec<f32>,
    pub copies: Vec<Option<Vec<f32>>>,
}

/// The output of the models for a sound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ModelOutput {
    pub probabilities: Vec<f32>,
    pub outside: Outside,
}

/// Computes rows of features and classifies them.
pub(super) struct InferenceWorker<'a> {
    predictor: &'a Predictor,
    set: FeatureSet,
    extractor: Extractor,
    copies: Option<(Augmenter, Vec<Variant>)>,
    classifiers: Vec<Box<dyn Classifier>>,
}

impl<'a> InferenceWorker<'a> {
    pub(super) fn new(
        predictor: &'a Predictor,
        set: FeatureSet,
        extractor: Extractor,
        classifiers: Vec<Box<dyn Classifier>>,
    ) -> Self {
        let copies = predictor
            .test_time_augment()
            .map(|copies| (Augmenter::new(copies.amounts), copies.kinds.clone()));
        InferenceWorker {
            predictor,
            set,
            extractor,
            copies,
            classifiers,
        }
    }

    /// The inputs of the models for a whole recording that is too long to be held.
    pub(super) fn views_of_long(
        &mut self,
        sound: &Sound,
        budget: &Budget,
        clip: &Clip,
    ) -> Result<Views, (RejectReason, Error)> {
        let failed = |e: Error| {
            (
                RejectReason::NoFeatures,
                Error::data(format!("failed to compute features of {}", clip.name())).because(e),
            )
        };
        if let Some(given) = &clip.features {
            let (inputs, columns) = (self.predictor.inputs(), &self.predictor.columns);
            return Ok(Views {
                own: arrange(inputs, columns, given).map_err(failed)?,
                copies: vec![],
            });
        }
        if self.copies.is_some() {
            let (audio, _permit) = sound.whole(budget).map_err(failed)?;
            return self.views(&audio.samples, audio.sample_rate, clip);
        }
        let mut rows = self.extractor.extract_sets(&[self.set], sound, budget);
        let row = rows.swap_remove(0).1.map_err(failed)?;
        Ok(Views {
            own: arrange(self.predictor.inputs(), &self.predictor.columns, &row).map_err(failed)?,
            copies: vec![],
        })
    }

    /// The inputs of the models for a sound of a clip, before scaling.
    pub(super) fn views(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
        clip: &Clip,
    ) -> Result<Views, (RejectReason, Error)> {
        let (inputs, columns) = (self.predictor.inputs(), &self.predictor.columns);
        let (set, extractor) = (self.set, &mut self.extractor);
        let mut row = |samples: &[f32]| match &clip.features {
            Some(given) => arrange(inputs, columns, given),
            None => extractor
                .extract(set, samples, sample_rate)
                .and_then(|row| arrange(inputs, columns, &row)),
        };
        let failed = |e| {
            (
                RejectReason::NoFeatures,
                Error::data(format!("failed to compute features of {}", clip.name())).because(e),
            )
        };
        let mut views = Views {
            own: row(samples).map_err(failed)?,
            copies: vec![],
        };
        if let Some((augmenter, kinds)) = &mut self.copies {
            let audio = Audio {
                samples: samples.to_vec(),
                sample_rate,
                channels: 1,
                remarks: Default::default(),
            };
            let hash = audio.content_hash();
            for kind in kinds {
                views
                    .copies
                    .push(match row(&augmenter.make(*kind, &audio, &hash).samples) {
                        Ok(row) => Some(row),
                        Err(error) if error.kind() == Kind::Data => None,
                        Err(error) => return Err(failed(error)),
                    });
            }
        }
        Ok(views)
    }

    /// The probabilities of the classes, of several models their mean, and whether the models were
    /// trained on the like of a sound of `duration_s` seconds.
    pub(super) fn classify(&mut self, views: &Views, duration_s: f64) -> Result<ModelOutput> {
        let mut all = Vec::with_capacity(self.classifiers.len());
        let mut outside = Vec::new();
        for (model, classifier) in self.predictor.models.iter().zip(&mut self.classifiers) {
            let (info, shape) = (
                &model.info,
                model.info.inputs.shape(model.info.feature_names.len()),
            );
            outside.push(info.domain.compare(duration_s, &views.own, shape));
            let mut of_views = Vec::with_capacity(1 + views.copies.len());
            for row in [Some(&views.own)]
                .into_iter()
                .chain(views.copies.iter().map(Option::as_ref))
                .flatten()
            {
                let mut row = row.clone();
                info.scaler.apply_row(&mut row);
                finish_row(&mut row, &info.inputs);
                // Row by row: the result for a recording does not depend on which others are
                // classified with it.
                of_views.push(classifier.probabilities(&Matrix::new(1, row.len(), row))?);
            }
            all.push(mean(of_views));
        }
        let probabilities = mean(all);
        if probabilities.iter().any(|p| !p.is_finite()) {
            return Err(
                Error::data("the model gives probabilities that are not finite numbers")
                    .hint("train the model again"),
            );
        }
        Ok(ModelOutput {
            probabilities,
            outside: Outside::majority(&outside),
        })
    }
}

fn mean(mut all: Vec<Vec<f32>>) -> Vec<f32> {
    match all.len() {
        1 => all.swap_remove(0),
        _ => vote::mean(&all.iter().map(Vec::as_slice).collect::<Vec<_>>(), None),
    }
}
