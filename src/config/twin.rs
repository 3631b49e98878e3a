//! Pairs of experiments that differ in nothing but a transductive scaler.

use super::model::ModelSettings;
use super::validated::{Experiment, Pipeline};
use crate::transform::ScalerKind;

impl Pipeline {
    /// The first inductive experiment of the file that is otherwise equal to a transductive one:
    /// its scaler is fitted on the training part, and it differs in nothing else that has a part in
    /// its result. Of an ensemble, one whose members are such pairs, in their order.
    pub fn inductive_twin(&self, experiment: &Experiment) -> Option<&Experiment> {
        let is_twin =
            |other: &&Experiment| !self.is_transductive(other) && self.are_twins(experiment, other);
        self.experiments
            .iter()
            .find(is_twin)
            .filter(|_| self.is_transductive(experiment))
    }

    /// Whether two experiments are the same but for names and the scalers of what is transductive.
    fn are_twins(&self, a: &Experiment, b: &Experiment) -> bool {
        let find = |name: &String| {
            self.experiments
                .iter()
                .find(|experiment| experiment.name == *name)
        };
        let alike = |(a, b): (&String, &String)| {
            a == b
                || find(a)
                    .zip(find(b))
                    .is_some_and(|(a, b)| self.are_twins(a, b))
        };
        if a.members().len() != b.members().len() || !a.members().iter().zip(b.members()).all(alike)
        {
            return false;
        }
        // Neither names nor demands on folds change a result, nor what runs by default or is
        // explained.
        let mut scaled = Experiment {
            name: b.name.clone(),
            title: b.title.clone(),
            require: b.require.clone(),
            default: b.default,
            explain: b.explain,
            ..a.clone()
        };
        if a.is_transductive() {
            scaled.inputs.scaler = ScalerKind::Standard;
        }
        if let (
            ModelSettings::Ensemble { members, .. },
            ModelSettings::Ensemble {
                members: others, ..
            },
        ) = (&mut scaled.model, &b.model)
        {
            members.clone_from(others);
        }
        scaled == *b
    }
}
