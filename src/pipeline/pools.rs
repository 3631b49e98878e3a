//! A part of the evaluation of what is transductive: predictions of the same models, every test
//! speaker being scaled by their clips of one half of the classes alone.

use std::collections::BTreeMap;

use super::inputs::{Job, Rows, tested_copies};
use super::train::{self, View};
use crate::config::{Experiment, Pipeline};
use crate::error::Result;
use crate::evaluation::{RestrictedPool, halves};
use crate::orchestrator::{Context, Finished};
use crate::report::ExperimentSection;
use crate::split::Dataset;
use crate::table::predictions::PredictionRow;
use crate::transform::standardise_pools;

/// The predictions with restricted pools within the folder of an evaluation: as the table of
/// predictions, without clips that are in no half.
pub(super) const RESTRICTED: &str = "restricted.parquet";

/// Raised when the halves, or what is done with them, change.
pub(super) const CODE_VERSION: u32 = 1;

impl Pipeline {
    /// Whether pools are restricted in the evaluation of an experiment: where it is transductive,
    /// but for a control, whose labels are not those of its clips.
    pub(super) fn restricts_pools(&self, experiment: &Experiment) -> bool {
        self.is_transductive(experiment) && !experiment.shuffle_labels
    }
}

/// Predicts the test clips of every trained fold and seed with restricted pools: every clip is scaled
/// by its speaker's clips of the same half of the classes. What was fitted, the scaling of the
/// training part included, stays as it is.
pub(super) fn predict(runs: &[(Job, Finished)], context: &Context) -> Result<Vec<PredictionRow>> {
    train::predict_views(runs, context, |job| {
        let mut data = Rows::read(job)?.unscaled(job.utterances, job.experiment)?;
        let pools = restrict(&mut data);
        let copies = tested_copies(job, Some(&pools))?;
        let tested = pools.iter().map(|pool| Some(pool.is_some())).collect();
        Ok(View {
            data,
            copies,
            tested,
        })
    })
}

/// Scales every clip by its speaker's clips of the same half of the classes, and returns the half
/// of each clip.
fn restrict(data: &mut Dataset) -> Vec<Option<usize>> {
    let halves = halves(&data.labels);
    let half = |label: &String| halves.iter().position(|half| half.classes.contains(label));
    let pools: Vec<Option<usize>> = data
        .y
        .iter()
        .map(|&class| half(&data.labels[class]))
        .collect();
    standardise_pools(data, &pools);
    pools
}

/// The figures of both halves.
pub(super) fn figures(
    labels: &[String],
    full: &[PredictionRow],
    restricted: &[PredictionRow],
) -> Vec<RestrictedPool> {
    halves(labels)
        .iter()
        .map(|half| RestrictedPool::of(half, full, restricted))
        .filter(|pool| pool.n > 0)
        .collect()
}

/// Puts beside the figures of every transductive experiment those of the inductive one that differs
/// in nothing but its scaler.
pub(super) fn add_inductive(pipeline: &Pipeline, sections: &mut [ExperimentSection]) {
    let mut twins: BTreeMap<String, String> = BTreeMap::new();
    for experiment in &pipeline.experiments {
        twins.extend(
            pipeline
                .inductive_twin(experiment)
                .map(|twin| (experiment.name.clone(), twin.name.clone())),
        );
    }
    // Of each direction between corpora, that direction of the other experiment.
    let experiment = |section: &ExperimentSection| {
        section
            .direction_of
            .clone()
            .unwrap_or_else(|| section.name.clone())
    };
    for at in 0..sections.len() {
        let is_twin = |section: &&ExperimentSection, name: &String| {
            experiment(section) == *name && section.protocol == sections[at].protocol
        };
        let Some(twin) = twins
            .get(&experiment(&sections[at]))
            .and_then(|name| sections.iter().find(|section| is_twin(section, name)))
        else {
            continue;
        };
        let mut pools = sections[at].restricted_pools.clone();
        for pool in &mut pools {
            let pairs = twin
                .predictions
                .iter()
                .map(|tested| &tested.prediction)
                .map(|row| (row.truth.as_str(), row.predicted.as_str()));
            pool.set_inductive(&twin.name, pairs);
        }
        sections[at].restricted_pools = pools;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::evaluation::argmax;
    use crate::model::{Classifier, FitContext, LogisticSettings, Settings};
    use crate::split::{Matrix, Shape};
    use crate::split::{Parts, Role};
    use crate::transform::{Scaler, ScalerKind, standardise_speakers};

    const CLASSES: [&str; 4] = ["angry", "calm", "happy", "sad"];
    const SPEAKERS: usize = 12;
    const TAKES: usize = 5;

    /// Clips of a single feature, in which classes lie one apart (sad, calm, happy, angry), and
    /// speakers up to 0.9 beside each other.
    fn corpus() -> Dataset {
        let (mut x, mut y, mut speakers) = (vec![], vec![], vec![]);
        for speaker in 0..SPEAKERS {
            let voice = 1.8 * ((speaker * 5 % SPEAKERS) as f32 / (SPEAKERS - 1) as f32 - 0.5);
            for (class, place) in [(0, 3.0), (1, 1.0), (2, 2.0), (3, 0.0)] {
                for take in 0..TAKES {
                    x.push(place + voice + 0.1 * (take as f32 - 2.0));
                    y.push(class);
                    speakers.push(format!("s{speaker:02}"));
                }
            }
        }
        Dataset {
            ids: (0..x.len()).map(|i| format!("u{i}")).collect(),
            labels: CLASSES.map(str::to_owned).to_vec(),
            x: Matrix::new(x.len(), 1, x).into(),
            shape: Shape::vector(1),
            y,
            speakers,
        }
    }

    fn roles() -> Vec<Option<Role>> {
        let half = SPEAKERS * CLASSES.len() * TAKES / 2;
        [
            [Some(Role::Train)].repeat(half),
            [Some(Role::Test)].repeat(half),
        ]
        .concat()
    }

    fn fitted(data: &Dataset) -> (Scaler, Box<dyn Classifier>) {
        let train = Parts::of(data, &roles()).train;
        let scaler = Scaler::fit(ScalerKind::PerSpeaker, &train);
        let train = train.map_rows(|row| scaler.apply_row(row));
        let cancel = Cancel::default();
        let context = FitContext {
            standardised: true,
            ..FitContext::new(&cancel)
        };
        let model = LogisticSettings { c: 1000.0 }.fit(&train, context).unwrap();
        (scaler, model.classifier())
    }

    fn predictions(
        data: &Dataset,
        (scaler, model): &mut (Scaler, Box<dyn Classifier>),
    ) -> Vec<PredictionRow> {
        let test = Parts::of(data, &roles())
            .test
            .map_rows(|row| scaler.apply_row(row));
        let probabilities = model.probabilities(&test.x().gather()).unwrap();
        let row = |((id, &truth), p): ((&String, &usize), &[f32])| PredictionRow {
            experiment: "e".into(),
            protocol: "p".into(),
            fold: 0,
            seed: 0,
            utterance_id: id.clone(),
            truth: CLASSES[truth].to_owned(),
            predicted: CLASSES[argmax(p)].to_owned(),
            probabilities: p.to_vec(),
        };
        test.ids()
            .iter()
            .zip(test.y())
            .zip(probabilities.chunks(CLASSES.len()))
            .map(row)
            .collect()
    }

    #[test]
    fn scaling_by_speaker_helps_balanced_speakers_and_fails_others() {
        let inductive = corpus();
        let plain = predictions(&inductive, &mut fitted(&inductive));
        let mut balanced = corpus();
        standardise_speakers(&mut balanced);
        let mut model = fitted(&balanced);
        let full = predictions(&balanced, &mut model);
        let mut data = corpus();
        let pools = restrict(&mut data);
        assert!(pools.iter().all(Option::is_some));
        let mut found = figures(&data.labels, &full, &predictions(&data, &mut model));
        assert_eq!(
            found
                .iter()
                .map(|pool| pool.classes.join(" "))
                .collect::<Vec<_>>(),
            ["angry happy", "calm sad"]
        );
        for pool in &mut found {
            pool.set_inductive(
                "plain",
                plain
                    .iter()
                    .map(|row| (row.truth.as_str(), row.predicted.as_str())),
            );
            let inductive = pool.inductive.as_ref().unwrap().uar;
            // The two classes of a half come to lie where the outer two of four were.
            assert!(
                pool.full > 0.99 && (0.55..0.9).contains(&inductive) && pool.restricted <= 0.5,
                "{pool:?}"
            );
        }
    }
}
