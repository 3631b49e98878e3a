//! What a fitted model leans on: how much worse it gets on its test part when a feature, or a group
//! of them, says nothing any more.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::Classifier;
use crate::rng;
use crate::split::Matrix;
use crate::stats::{mean, sample_sd};

use super::argmax;

/// Permutations of each feature and of each group of features.
pub const REPEATS: usize = 5;
/// With fewer models than this, the spread of the permutations stands in for that of the models.
const ENOUGH_MODELS: usize = 3;
/// The 97.5th percentile of Student's t distribution for 1 to 30 degrees of freedom, and beyond.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
const NORMAL: f64 = 1.96;
/// With more columns than this, groups are looked at and single features are not: it would take
/// hours.
pub const MOST_FEATURES: usize = 512;

/// What is permuted or blotted out together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Name of the feature or group.
    pub name: String,
    /// Group that it belongs to; the name itself for a group.
    pub group: String,
    /// Columns of the model's inputs; of a sequence, those of all frames.
    pub places: Vec<usize>,
}

/// What one model lost.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// UAR on the test part as it is.
    pub uar: f64,
    /// By group: the drop of UAR and of accuracy of each permutation.
    pub groups: Vec<[[f64; 2]; REPEATS]>,
    /// By feature: the same.
    pub features: Vec<[[f64; 2]; REPEATS]>,
    /// By feature and class: the mean drop of the probability of the true class where the feature
    /// is set to the training mean; `None` for a class without test utterances.
    pub occluded: Vec<Vec<Option<f64>>>,
}

/// How much a group or a feature matters, over all models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Name of the group or feature.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Mean drop of UAR, as a share.
    pub uar: f64,
    /// Sample standard deviation over the models; 0 for one model.
    pub sd: f64,
    /// Ends of the 95 % interval of the mean drop of UAR, by Student's t: over models, or of fewer
    /// than three over all permutations.
    #[serde(default)]
    pub low: f64,
    /// The upper end.
    #[serde(default)]
    pub high: f64,
    /// Mean drop of accuracy.
    pub accuracy: f64,
}

/// The explanation of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Fitted models: folds and seeds.
    pub models: usize,
    /// Permutations of each group and feature in each model.
    pub repeats: usize,
    /// Mean UAR of the models on their own test parts.
    pub uar: f64,
    /// In the order of the feature set.
    pub groups: Vec<Importance>,
    /// In the order of the model's inputs; empty where there are too many.
    pub features: Vec<Importance>,
    /// How far the least feature falls below zero, as a share of UAR: shuffling cannot help, so
    /// that this much is chance. 0 without features.
    #[serde(default)]
    pub noise: f64,
    /// Class names.
    pub classes: Vec<String>,
    /// `[class][feature]`: mean drop of the probability of the true class.
    pub occlusion: Vec<Vec<f64>>,
}

impl Explanation {
    /// Whether a feature loses more than chance explains: more than the noise of the features, with
    /// an interval above zero.
    pub fn stands_out(&self, feature: &Importance) -> bool {
        feature.low > 0.0 && feature.uar > self.noise
    }

    /// Whether every figure is one.
    pub fn is_finite(&self) -> bool {
        let all = self
            .groups
            .iter()
            .chain(&self.features)
            .flat_map(|one| [one.uar, one.sd, one.low, one.high, one.accuracy]);
        all.chain([self.uar, self.noise])
            .chain(self.occlusion.iter().flatten().copied())
            .all(f64::is_finite)
    }
}

/// Permutes and blots out columns of the test rows `x` of one model; `neutral` is what an input is
/// set to that shall say nothing, one a column. `key` names the model, so that its permutations are
/// its own.
///
/// # Errors
/// Those of the model, and of `check`, which is asked between passes.
pub fn lost(
    model: &mut dyn Classifier,
    (x, y): (&Matrix, &[usize]),
    n_classes: usize,
    [groups, features]: [&[Columns]; 2],
    (neutral, key): (&[f32], &str),
    check: &dyn Fn() -> Result<()>,
) -> Result<Lost> {
    let before = model.probabilities(x)?;
    let [uar, accuracy] = score(&before, y, n_classes);
    let mut changed = x.clone();
    let mut permuted =
        |model: &mut dyn Classifier, columns: &Columns, repeat: usize| -> Result<[f64; 2]> {
            check()?;
            let seed = format!(
                "ser permutation/{key}/{}/{}/{repeat}",
                columns.group, columns.name
            );
            let mut order: Vec<usize> = (0..x.rows()).collect();
            order.shuffle(&mut rng::named(&seed));
            for (row, &from) in order.iter().enumerate() {
                columns
                    .places
                    .iter()
                    .for_each(|&c| changed.row_mut(row)[c] = x.row(from)[c]);
            }
            let [now_uar, now_accuracy] = score(&model.probabilities(&changed)?, y, n_classes);
            for row in 0..x.rows() {
                columns
                    .places
                    .iter()
                    .for_each(|&c| changed.row_mut(row)[c] = x.row(row)[c]);
            }
            Ok([uar - now_uar, accuracy - now_accuracy])
        };
    let mut repeated = |all: &[Columns]| -> Result<Vec<[[f64; 2]; REPEATS]>> {
        let mut drops = vec![[[0.0; 2]; REPEATS]; all.len()];
        for (columns, drops) in all.iter().zip(&mut drops) {
            for (repeat, drop) in drops.iter_mut().enumerate() {
                *drop = permuted(model, columns, repeat)?;
            }
        }
        Ok(drops)
    };
    let (group_drops, feature_drops) = (repeated(groups)?, repeated(features)?);
    let mut occluded = Vec::new();
    for columns in features {
        check()?;
        for row in 0..x.rows() {
            columns
                .places
                .iter()
                .for_each(|&c| changed.row_mut(row)[c] = neutral[c]);
        }
        let now = model.probabilities(&changed)?;
        for row in 0..x.rows() {
            columns
                .places
                .iter()
                .for_each(|&c| changed.row_mut(row)[c] = x.row(row)[c]);
        }
        let mut drops = vec![(0.0, 0usize); n_classes];
        for (row, &truth) in y.iter().enumerate() {
            let at = row * n_classes + truth;
            drops[truth].0 += f64::from(before[at]) - f64::from(now[at]);
            drops[truth].1 += 1;
        }
        occluded.push(
            drops
                .into_iter()
                .map(|(sum, n)| (n > 0).then(|| sum / n as f64))
                .collect(),
        );
    }
    Ok(Lost {
        uar,
        groups: group_drops,
        features: feature_drops,
        occluded,
    })
}

/// UAR over the classes that occur, and accuracy.
fn score(probabilities: &[f32], y: &[usize], n_classes: usize) -> [f64; 2] {
    let mut right = vec![0usize; n_classes];
    let mut all = vec![0usize; n_classes];
    for (row, &truth) in probabilities.chunks(n_classes).zip(y) {
        all[truth] += 1;
        right[truth] += usize::from(argmax(row) == truth);
    }
    let recalls: Vec<f64> = right
        .iter()
        .zip(&all)
        .filter(|(_, n)| **n > 0)
        .map(|(right, n)| *right as f64 / *n as f64)
        .collect();
    let accuracy = right.iter().sum::<usize>() as f64 / y.len().max(1) as f64;
    [mean(&recalls), accuracy]
}

/// Half of the 95 % interval of a mean.
fn half_width(values: &[f64]) -> f64 {
    let Some(degrees) = values.len().checked_sub(1).filter(|degrees| *degrees > 0) else {
        return 0.0;
    };
    STUDENT.get(degrees - 1).copied().unwrap_or(NORMAL) * sample_sd(values)
        / (values.len() as f64).sqrt()
}

/// Brings the models of an experiment together.
pub fn explanation(
    groups: &[Columns],
    features: &[Columns],
    classes: &[String],
    lost: &[Lost],
) -> Explanation {
    let together = |columns: &[Columns],
                    of: &dyn Fn(&Lost, usize) -> [[f64; 2]; REPEATS]|
     -> Vec<Importance> {
        let one = |(i, columns): (usize, &Columns)| {
            let drops: Vec<[[f64; 2]; REPEATS]> = lost.iter().map(|lost| of(lost, i)).collect();
            let by_model = |k: usize| {
                drops
                    .iter()
                    .map(|drops| mean(&drops.map(|drop| drop[k])))
                    .collect::<Vec<f64>>()
            };
            let uars = by_model(0);
            let permutations: Vec<f64> = drops.iter().flatten().map(|drop| drop[0]).collect();
            let half = half_width(if uars.len() < ENOUGH_MODELS {
                &permutations
            } else {
                &uars
            });
            let (uar, sd, accuracy) = (mean(&uars), sample_sd(&uars), mean(&by_model(1)));
            Importance {
                name: columns.name.clone(),
                group: columns.group.clone(),
                uar,
                sd,
                low: uar - half,
                high: uar + half,
                accuracy,
            }
        };
        columns.iter().enumerate().map(one).collect()
    };
    let drop = |class: usize, feature: usize| {
        let known: Vec<f64> = lost
            .iter()
            .filter_map(|lost| *lost.occluded.get(feature)?.get(class)?)
            .collect();
        mean(&known)
    };
    let features_together = together(features, &|lost, i| lost.features[i]);
    Explanation {
        models: lost.len(),
        repeats: REPEATS,
        noise: features_together
            .iter()
            .fold(0.0, |noise, feature| f64::max(noise, -feature.uar)),
        uar: lost.iter().map(|lost| lost.uar).sum::<f64>() / lost.len().max(1) as f64,
        groups: together(groups, &|lost, i| lost.groups[i]),
        features: features_together,
        classes: classes.to_vec(),
        occlusion: (0..classes.len())
            .map(|class| {
                (0..features.len())
                    .map(|feature| drop(class, feature))
                    .collect()
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sees the first column alone: its sign is the class.
    struct Sign;

    impl Classifier for Sign {
        fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
            Ok((0..x.rows())
                .flat_map(|row| {
                    if x.row(row)[0] > 0.0 {
                        [0.1, 0.9]
                    } else {
                        [0.9, 0.1]
                    }
                })
                .collect())
        }
    }

    fn columns(name: &str, places: &[usize]) -> Columns {
        Columns {
            name: name.into(),
            group: "g".into(),
            places: places.to_vec(),
        }
    }

    #[test]
    fn only_what_the_model_looks_at_matters() {
        let values: Vec<f32> = (0..40)
            .flat_map(|i| [if i % 2 == 0 { -1.0 } else { 1.0 }, i as f32])
            .collect();
        let (x, y) = (
            Matrix::new(40, 2, values),
            (0..40).map(|i| i % 2).collect::<Vec<usize>>(),
        );
        let (groups, features) = (
            [columns("both", &[0, 1])],
            [columns("seen", &[0]), columns("unseen", &[1])],
        );
        let ask = |key: &str| {
            lost(
                &mut Sign,
                (&x, &y),
                2,
                [&groups, &features],
                (&[0.0, 0.0], key),
                &|| Ok(()),
            )
            .unwrap()
        };
        let found = ask("a");
        assert_eq!((found.uar, found.features[1]), (1.0, [[0.0, 0.0]; REPEATS]));
        assert!(
            found.features[0][0][0] > 0.2 && found.groups[0][0][0] > 0.3,
            "{found:?}"
        );
        // Where the column is blotted out, everything is of the first class.
        let expected = [[0.0, 0.8], [0.0, 0.0]];
        for (feature, drops) in found.occluded.iter().zip(expected) {
            assert!(
                feature
                    .iter()
                    .zip(drops)
                    .all(|(found, expected)| (found.unwrap() - expected).abs() < 1e-6),
                "{feature:?}"
            );
        }
        assert_eq!(found, ask("a"));
        assert_ne!(found.features[0], ask("b").features[0]);
        let told = explanation(
            &groups,
            &features,
            &["x".into(), "y".into()],
            &[found.clone(), found],
        );
        assert_eq!(
            (told.models, told.features[0].sd, told.occlusion[1].len()),
            (2, 0.0, 2)
        );
        assert_eq!(
            told.features
                .iter()
                .map(|feature| told.stands_out(feature))
                .collect::<Vec<_>>(),
            [true, false]
        );
        assert!(
            told.features[0].low > 0.2 && told.features[0].high < 0.8,
            "{told:?}"
        );
    }

    #[test]
    fn what_chance_explains_does_not_stand_out() {
        // Four models; the first input loses two tenths in each, the second as much in one alone,
        // the third gains as much as the fourth loses.
        let drops = [
            [0.2, 0.19, 0.21, 0.2],
            [0.2, 0.0, 0.0, 0.0],
            [-0.05, -0.05, -0.05, -0.05],
            [0.049, 0.05, 0.05, 0.05],
        ];
        let names = ["a", "b", "c", "d"].map(|name| columns(name, &[0]));
        let lost: Vec<Lost> = (0..4)
            .map(|model| Lost {
                uar: 0.5,
                groups: vec![],
                features: drops
                    .iter()
                    .map(|drops| [[drops[model]; 2]; REPEATS])
                    .collect(),
                occluded: vec![vec![]; 4],
            })
            .collect();
        let told = explanation(&[], &names, &[], &lost);
        assert_eq!(
            told.features
                .iter()
                .map(|feature| told.stands_out(feature))
                .collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert!((told.noise - 0.05).abs() < 1e-12);
        // Student's t with three degrees of freedom over 0, 0, 0, 0.2: 0.05 ± 3.182 · 0.1 / 2.
        assert!(
            (told.features[1].high - 0.2091).abs() < 1e-4
                && (told.features[1].low + 0.1091).abs() < 1e-4
        );
    }
}
