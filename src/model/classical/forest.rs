//! A random forest (Breiman 2001), as a baseline.
//!
//! `linfa-ensemble` 0.8 is not used: it draws the features of a tree once instead of at each split,
//! and its trees vote with a class where probabilities are wanted.

use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array2, ArrayView1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tree::{self, Leaf, Node, Ranked};
use super::{
    Classical, ClassicalModel, FitContext, FitError, Settings, TrainingSet, ValidParams,
    fit_checked,
};
use crate::error::{Error, Result};
use crate::model::classifier::{check_width, finite, present};
use crate::model::weights::{Stored, Tensors, not_negative};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ForestSettings {
    /// Number of trees, each grown on a bootstrap sample.
    #[schemars(range(min = 1, max = 100_000))]
    pub trees: usize,
    /// Splits on the longest way to a leaf; no limit where it is not given.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_depth: Option<usize>,
    /// Draws of the bootstrap sample in each leaf, at least.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_leaf: usize,
    /// Features that each split chooses from, drawn anew: the square root of their number
    /// (`sqrt`), or `all`.
    pub features: SplitFeatures,
}

impl Default for ForestSettings {
    fn default() -> Self {
        ForestSettings {
            trees: 500,
            max_depth: None,
            min_leaf: 1,
            features: SplitFeatures::Sqrt,
        }
    }
}

impl Settings for ForestSettings {
    fn name(&self) -> &'static str {
        Forest::name()
    }

    fn describe(&self, is_searched: &dyn Fn(&str) -> bool) -> String {
        let mut out = "random forest".to_owned();
        if !is_searched("trees") {
            out += &format!(" of {} trees", self.trees);
        }
        if let Some(most) = self.max_depth.filter(|_| !is_searched("max_depth")) {
            out += &format!(", depth up to {most}");
        }
        if self.min_leaf > 1 {
            out += &format!(", {} a leaf", self.min_leaf);
        }
        if self.features == SplitFeatures::All {
            out += ", all features at each split";
        }
        out
    }

    fn searchable(&self) -> &'static [&'static str] {
        &["trees", "max_depth"]
    }

    fn is_drawn(&self) -> bool {
        true
    }

    /// Ranks, and nodes of about as many leaves as there are rows in each tree.
    fn memory(&self, rows: u64, table: u64) -> u64 {
        3 * table + self.trees as u64 * rows * 2 * size_of::<Node>() as u64
    }

    fn check(&self) -> Result<()> {
        if self.trees == 0 || self.min_leaf == 0 || self.max_depth == Some(0) {
            return Err(Error::config(
                "a forest needs trees, max_depth and min_leaf of at least 1",
            ));
        }
        Ok(())
    }

    fn fit(&self, train: &Part<Training>, context: FitContext<'_>) -> Result<Classical> {
        fit_checked(*self, train, context).map(Classical::Forest)
    }
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

impl<'a> Fit<&'a Part<Training>, ArrayView1<'a, usize>, FitError>
    for ValidParams<'_, ForestSettings>
{
    type Object = Forest;

    /// Grows the trees one by one; each depends on the seed and its own number alone.
    fn fit(&self, set: &TrainingSet<'a>) -> Result<Forest, FitError> {
        let (settings, context) = (&self.settings, &self.context);
        let (x, n_classes) = (set.records.x(), set.records.n_classes());
        let y = set.targets.to_vec();
        finite(x)?;
        present(&y, n_classes)?;
        let ranked = Ranked::of(&x.gather());
        let mut forest = Forest {
            n_classes,
            n_features: x.cols(),
            roots: vec![],
            nodes: vec![],
            shares: vec![],
        };
        for number in 0..settings.trees {
            context.cancel.check()?;
            let mut rng = rng::keyed([context.seed, number as u64, STREAM]);
            let mut draws = vec![0; y.len()];
            (0..y.len()).for_each(|_| draws[rng::below(&mut rng, y.len())] += 1);
            forest.roots.push(forest.nodes.len());
            let mut grower = tree::Grower::new(settings, &ranked, &y, n_classes, &draws, &mut rng);
            grower.grow(&mut forest.nodes, &mut forest.shares);
            (context.progress)(number + 1);
        }
        Ok(forest)
    }
}

impl Forest {
    /// What is wrong with a forest that was read from a file, if anything.
    fn flaw(&self) -> Option<String> {
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

impl PredictInplace<Matrix, Array2<f32>> for Forest {
    fn predict_inplace(&self, x: &Matrix, y: &mut Array2<f32>) {
        for (i, mut out) in y.rows_mut().into_iter().enumerate() {
            let mut sums = vec![0.0; self.n_classes];
            for &root in &self.roots {
                let leaf = self.leaf(root, x.row(i));
                sums.iter_mut()
                    .zip(&self.shares[leaf * self.n_classes..])
                    .for_each(|(sum, &share)| *sum += f64::from(share));
            }
            for (p, sum) in out.iter_mut().zip(sums) {
                *p = (sum / self.roots.len() as f64) as f32;
            }
        }
    }

    fn default_target(&self, x: &Matrix) -> Array2<f32> {
        Array2::zeros((x.rows(), self.n_classes))
    }
}

impl ClassicalModel for Forest {
    fn name() -> &'static str {
        "random-forest"
    }

    fn check(&self, x: &Matrix) -> Result<()> {
        check_width(self.n_features, x)
    }

    fn title(&self) -> &'static str {
        "random forest"
    }

    fn values(&self) -> &'static str {
        "Probabilities are mean class shares in the leaves of the trees: estimates that nothing calibrates, usually too low at the top."
    }

    /// Nodes as columns: the feature that a split asks, or one more than there are for a leaf;
    /// where to go, or the row of a leaf's shares.
    fn tensors(&self) -> Vec<Stored> {
        let (mut features, mut thresholds, mut left, mut right) = (vec![], vec![], vec![], vec![]);
        for node in &self.nodes {
            let (feature, threshold, to_left, to_right) = match *node {
                Node::Split {
                    feature,
                    threshold,
                    left,
                    right,
                } => (feature, threshold, left, right),
                Node::Leaf(Leaf(leaf)) => (self.n_features, 0.0, leaf, leaf),
            };
            features.push(feature);
            thresholds.push(threshold);
            left.push(to_left);
            right.push(to_right);
        }
        let leaves = self.shares.len() / self.n_classes.max(1);
        vec![
            Stored::i64("roots", &self.roots),
            Stored::i64("feature", &features),
            Stored::f32("threshold", &[thresholds.len()], &thresholds),
            Stored::i64("left", &left),
            Stored::i64("right", &right),
            Stored::f32("shares", &[leaves, self.n_classes], &self.shares),
        ]
    }

    fn read(file: &mut Tensors, n_features: usize, n_classes: usize) -> Result<Self, String> {
        let (roots, features) = (file.counts("roots")?, file.counts("feature")?);
        let n = features.len();
        let threshold = file.f32("threshold", &[n])?;
        let (left, right) = (file.counts("left")?, file.counts("right")?);
        if left.len() != n || right.len() != n {
            return Err(format!("tensors left and right do not have {n} values"));
        }
        let node = |i: usize| match features[i] == n_features {
            true => Node::Leaf(Leaf(left[i])),
            false => Node::Split {
                feature: features[i],
                threshold: threshold[i],
                left: left[i],
                right: right[i],
            },
        };
        let nodes = (0..n).map(node).collect();
        let shares = not_negative(
            "shares",
            file.matrix("shares", n_classes)?.values().to_vec(),
        )?;
        let forest = Forest {
            n_classes,
            n_features,
            roots,
            nodes,
            shares,
        };
        forest.flaw().map_or(Ok(forest), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::cancel::Cancel;
    use crate::model::Classifier;
    use crate::model::test_data::{accuracy, blobs, parts};

    const SETTINGS: ForestSettings = ForestSettings {
        trees: 40,
        max_depth: None,
        min_leaf: 1,
        features: SplitFeatures::Sqrt,
    };

    fn fit(settings: &ForestSettings, train: &Part<Training>, seed: u64) -> Forest {
        let (cancel, told) = (Cancel::default(), Cell::new(0));
        let context = FitContext {
            seed,
            progress: &|n| told.set(n),
            ..FitContext::new(&cancel)
        };
        let forest = fit_checked(*settings, train, context).expect("fitted");
        assert_eq!((told.get(), forest.flaw()), (settings.trees, None));
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
        let p = model
            .probabilities(&parts.train.x().gather())
            .expect("probabilities");
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
        assert!(
            SETTINGS
                .fit(&parts.train, FitContext::new(&cancel))
                .is_err()
        );
    }
}
