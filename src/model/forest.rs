//! A random forest (Breiman 2001), as a baseline.
//!
//! `linfa-ensemble` 0.8 is not used: it draws the features of a tree once instead of at each split,
//! and its trees vote with a class where probabilities are wanted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::model::classifier::{Classifier, check_width, finite, present};
use crate::model::tree::{self, Leaf, Node, Ranked};
use crate::rng;
use crate::split::{Matrix, Part, Training};

/// Sets the streams of a forest apart from others of the same seed.
const STREAM: u64 = 0x666f_7265_7374;

/// How many features each split chooses from, drawn anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitFeatures {
    /// The square root of their number, rounded down.
    #[default]
    Sqrt,
    /// All: the trees differ by their bootstrap samples alone.
    All,
}

/// How a forest is grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForestSettings {
    /// Number of trees.
    pub trees: usize,
    /// Splits on the longest way from a root to a leaf; `None` is no limit.
    pub max_depth: Option<usize>,
    /// Draws of the bootstrap sample that each leaf holds at least.
    pub min_leaf: usize,
    /// What each split chooses from.
    pub features: SplitFeatures,
}

/// Trees that were each grown on a bootstrap sample, every split the best (by Gini impurity) among
/// features drawn anew. Probabilities are the mean over the trees of the class shares in the leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// Number of classes of the experiment.
    pub n_classes: usize,
    /// Number of features.
    pub n_features: usize,
    /// The root of each tree in `nodes`.
    pub roots: Vec<usize>,
    /// All nodes; children stand behind their parent.
    pub nodes: Vec<Node>,
    /// Class shares `[leaves, classes]`.
    pub shares: Vec<f32>,
}

impl Forest {
    /// Grows the trees one by one; each depends on the seed and its own number alone. `progress` is
    /// told how many there are.
    ///
    /// # Errors
    /// A config error for no trees or empty leaves, a data error for features that are not finite
    /// or no row, interrupted when `cancel` asks for it.
    pub fn fit(
        settings: &ForestSettings,
        train: &Part<Training>,
        seed: u64,
        cancel: &Cancel,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self> {
        if settings.trees == 0 || settings.min_leaf == 0 || settings.max_depth == Some(0) {
            return Err(Error::config(
                "a forest needs trees, max_depth and min_leaf of at least 1",
            ));
        }
        finite(train.x())?;
        present(train)?;
        let ranked = Ranked::of(train.x());
        let mut forest = Forest {
            n_classes: train.n_classes(),
            n_features: train.x().cols(),
            roots: vec![],
            nodes: vec![],
            shares: vec![],
        };
        for number in 0..settings.trees {
            cancel.check()?;
            let mut rng = rng::keyed([seed, number as u64, STREAM]);
            let mut draws = vec![0; train.len()];
            (0..train.len()).for_each(|_| draws[rng::below(&mut rng, train.len())] += 1);
            forest.roots.push(forest.nodes.len());
            let mut grower = tree::Grower::new(settings, &ranked, train, &draws, &mut rng);
            grower.grow(&mut forest.nodes, &mut forest.shares);
            progress(number + 1);
        }
        Ok(forest)
    }

    /// What is wrong with a forest that was read from a file, if anything.
    pub(super) fn flaw(&self) -> Option<String> {
        let leaves = self.shares.len().checked_div(self.n_classes).unwrap_or(0);
        if self.roots.is_empty() || self.roots.iter().any(|&root| root >= self.nodes.len()) {
            return Some("its trees have no roots".to_owned());
        }
        let fits = |(at, node): (usize, &Node)| match *node {
            // Children behind their parent: no walk goes on for ever.
            Node::Split {
                feature,
                left,
                right,
                ..
            } => {
                feature < self.n_features
                    && left > at
                    && right > at
                    && left.max(right) < self.nodes.len()
            }
            Node::Leaf(Leaf(leaf)) => leaf < leaves,
        };
        (!self.nodes.iter().enumerate().all(fits))
            .then(|| "its trees have splits or leaves that do not exist".to_owned())
    }

    /// Where a row ends up in the tree of a root.
    fn leaf(&self, root: usize, row: &[f32]) -> usize {
        let mut at = root;
        loop {
            match self.nodes[at] {
                Node::Split {
                    feature,
                    threshold,
                    left,
                    right,
                } => {
                    at = if row[feature] <= threshold {
                        left
                    } else {
                        right
                    }
                }
                Node::Leaf(Leaf(leaf)) => return leaf,
            }
        }
    }
}

impl Classifier for Forest {
    fn probabilities(&mut self, x: &Matrix) -> Result<Vec<f32>> {
        check_width(self.n_features, x)?;
        let k = self.n_classes;
        let mut out = Vec::with_capacity(x.rows() * k);
        for i in 0..x.rows() {
            let mut sums = vec![0.0; k];
            for &root in &self.roots {
                let leaf = self.leaf(root, x.row(i));
                sums.iter_mut()
                    .zip(&self.shares[leaf * k..])
                    .for_each(|(sum, &share)| *sum += f64::from(share));
            }
            out.extend(
                sums.iter()
                    .map(|sum| (sum / self.roots.len() as f64) as f32),
            );
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_data::{accuracy, blobs, parts};

    const SETTINGS: ForestSettings = ForestSettings {
        trees: 40,
        max_depth: None,
        min_leaf: 1,
        features: SplitFeatures::Sqrt,
    };

    fn fit(settings: &ForestSettings, train: &Part<Training>, seed: u64) -> Forest {
        let mut told = 0;
        let forest = Forest::fit(settings, train, seed, &Cancel::default(), &mut |n| told = n)
            .expect("fitted");
        assert_eq!((told, forest.flaw()), (settings.trees, None));
        forest
    }

    #[test]
    fn separable_classes_are_learnt_and_seeds_matter() {
        let parts = blobs(60, 3, 4, 0.1, 1);
        let mut model = fit(&SETTINGS, &parts.train, 0);
        assert_eq!(accuracy(&mut model, &parts.test), 1.0);
        assert_eq!(model, fit(&SETTINGS, &parts.train, 0));
        assert_ne!(model, fit(&SETTINGS, &parts.train, 1));
        let fewer = fit(
            &ForestSettings {
                trees: 7,
                ..SETTINGS
            },
            &parts.train,
            0,
        );
        assert_eq!(
            model.nodes[..fewer.nodes.len()],
            fewer.nodes,
            "a tree does not depend on how many there are"
        );
    }

    /// A class inside a ring of another: no line parts them, and trees do.
    #[test]
    fn a_border_that_is_no_line_is_learnt() {
        let y: Vec<usize> = (0..600).map(|i| i % 2).collect();
        let all = parts(&y, 0, 2, 2);
        let mut angle = 0.0f32;
        let ring = all.train.map_rows(|row| {
            angle += 2.4;
            let radius = if (angle / 2.4).round() as usize % 2 == 1 {
                0.5
            } else {
                1.0
            };
            row.copy_from_slice(&[radius * angle.cos(), radius * angle.sin()]);
        });
        let mut model = fit(&SETTINGS, &ring, 3);
        assert!(accuracy(&mut model, &ring) > 0.99);
        let mut stumps = fit(
            &ForestSettings {
                max_depth: Some(1),
                ..SETTINGS
            },
            &ring,
            3,
        );
        assert!(accuracy(&mut stumps, &ring) < 0.9);
        assert!(stumps.nodes.len() <= 3 * SETTINGS.trees);
    }

    #[test]
    fn leaves_hold_what_they_must() {
        let parts = blobs(90, 3, 5, 3.0, 2);
        let settings = ForestSettings {
            min_leaf: 10,
            ..SETTINGS
        };
        let forest = fit(&settings, &parts.train, 0);
        let leaves = forest.shares.len() / 3;
        assert!(
            leaves <= settings.trees * parts.train.len() / 10,
            "{leaves}"
        );
        assert!(leaves < fit(&SETTINGS, &parts.train, 0).shares.len() / 3);
    }

    #[test]
    fn classes_absent_from_training_get_nothing() {
        let parts = parts(&[0, 2, 0, 2, 0, 2], 2, 4, 3);
        let mut model = fit(&SETTINGS, &parts.train, 0);
        let p = model.probabilities(parts.train.x()).expect("probabilities");
        assert!(p.chunks(4).all(|row| row[1] == 0.0
            && row[3] == 0.0
            && (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        let constant = parts.train.map_rows(|row| row.fill(7.0));
        assert_eq!(
            fit(&SETTINGS, &constant, 0).nodes.len(),
            SETTINGS.trees,
            "nothing to split by"
        );
    }

    #[test]
    fn cancelled() {
        let cancel = Cancel::default();
        cancel.request();
        let parts = blobs(20, 2, 2, 0.1, 1);
        assert!(Forest::fit(&SETTINGS, &parts.train, 0, &cancel, &mut |_| {}).is_err());
    }
}
