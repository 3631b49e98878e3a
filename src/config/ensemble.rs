//! Checks of an ensemble: experiments of the same file, on the same folds.

use std::ops::Range;

use toml::Spanned;

use super::check::{Context, span};
use super::model::ModelSettings;
use super::raw::{RawExperiment, RawModel};
use super::texts::{shorten, suggestion};
use super::validated::Experiment;
use crate::error::Result;
use crate::evaluation::Vote;

/// The settings as far as they can be checked without the other experiments.
pub(super) fn model(
    raw: RawModel,
    place: &Range<usize>,
    context: &Context<'_>,
) -> Result<ModelSettings> {
    let Some(members) = raw.members else {
        let error = context
            .texts
            .error(place, "an ensemble needs the key `members`");
        return Err(
            error.hint("members = [\"a\", \"b\"], by the names of other experiments of this file")
        );
    };
    let all = members.span();
    let members: Vec<String> = members
        .into_inner()
        .into_iter()
        .map(Spanned::into_inner)
        .collect();
    if members.len() < 2 {
        let error = context.texts.error(
            &all,
            format!("an ensemble of {} makes no sense", members.len()),
        );
        return Err(error.hint("name at least two experiments"));
    }
    let vote = raw.vote.map_or(Vote::Mean, Spanned::into_inner);
    let mut weights = Vec::new();
    if let Some(raw) = raw.member_weights {
        let place = raw.span();
        if vote == Vote::Majority {
            let error = context.texts.error(
                &place,
                "a majority has no weights: each member has one vote",
            );
            return Err(error.hint("remove them, or choose vote = \"mean\""));
        }
        for weight in raw.into_inner() {
            weights.push(context.real("member_weights", &weight, |x| x > 0.0, "above 0")?);
        }
        if weights.len() != members.len() {
            let message = format!("{} weights for {} members", weights.len(), members.len());
            return Err(context
                .texts
                .error(&place, message)
                .hint("write one weight for each member, in their order"));
        }
    }
    Ok(ModelSettings::Ensemble {
        members,
        vote,
        weights,
    })
}

/// Refuses what belongs to a training.
pub(super) fn refuse_training(raw: &RawExperiment, context: &Context<'_>) -> Result<()> {
    // The table of inputs has no place of its own; its keys are refused by the name of the model.
    let inputs = raw.inputs.is_some().then(|| raw.model.span());
    for (key, place) in [
        ("inputs", inputs),
        ("augment", span(&raw.augment)),
        ("test_time_augment", span(&raw.test_time_augment)),
        ("validation", span(&raw.validation)),
        ("search", span(&raw.search)),
        ("train", span(&raw.train)),
        ("seeds", span(&raw.seeds)),
    ] {
        if let Some(place) = place {
            let error = context.texts.error(
                &place,
                format!("an ensemble is not trained: `{key}` belongs to its members"),
            );
            return Err(error.hint(format!("remove `{key}` from this experiment")));
        }
    }
    Ok(())
}

/// Members must be there, be no ensembles, and have the folds of the ensemble.
pub(super) fn check_members(
    ensemble: &Experiment,
    members: &Spanned<Vec<Spanned<String>>>,
    experiments: &[Experiment],
    context: &Context<'_>,
) -> Result<()> {
    let others: Vec<&str> = experiments
        .iter()
        .filter(|e| e.members().is_empty())
        .map(|e| e.name.as_str())
        .collect();
    for (i, member) in members.get_ref().iter().enumerate() {
        let (name, place) = (member.get_ref(), member.span());
        if members.get_ref()[..i]
            .iter()
            .any(|earlier| earlier.get_ref() == name)
        {
            return Err(context.texts.error(
                &place,
                format!("the member `{}` stands here twice", shorten(name)),
            ));
        }
        let Some(found) = experiments.iter().find(|e| e.name == *name) else {
            let error = context.texts.error(
                &place,
                format!("there is no experiment `{}` in this file", shorten(name)),
            );
            return Err(error.hint(suggestion(name, "experiments", &others)));
        };
        if !found.members().is_empty() {
            let error = context.texts.error(
                &place,
                format!("`{name}` is an ensemble itself: only what is trained can be a member"),
            );
            return Err(error.hint(suggestion(name, "experiments", &others)));
        }
        if found.protocol != ensemble.protocol {
            let (theirs, ours) = (found.protocol.name(), ensemble.protocol.name());
            let error = context.texts.error(
                &place,
                format!("`{name}` has the protocol {theirs}, this ensemble has {ours}"),
            );
            return Err(error.hint("an ensemble and its members have the same protocol, so that they test the same folds"));
        }
        if found.shuffle_labels != ensemble.shuffle_labels {
            let error = context.texts.error(
                &place,
                format!("of `{name}` and this ensemble, only one has its labels shuffled"),
            );
            return Err(error.hint("set shuffle_labels alike in an ensemble and its members"));
        }
        if found.split_seed != ensemble.split_seed {
            let (theirs, ours) = (found.split_seed, ensemble.split_seed);
            let error = context.texts.error(
                &place,
                format!("`{name}` has split_seed = {theirs}, this ensemble has {ours}"),
            );
            return Err(error.hint("an ensemble and its members have the same split_seed, so that they test the same folds"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, refused, says};

    const FILE: &str = r#"
name = "small"

[corpus]
kind = "ravdess"

[[experiment]]
name = "both"
protocol = { kind = "stratified-kfold", folds = 5 }
model = { kind = "ensemble", members = ["net", "log"] }

[[experiment]]
name = "net"
default = false
protocol = { kind = "stratified-kfold", folds = 5 }
validation = 0.1
model = { kind = "cnn", architecture = "ravdess" }
seeds = [0, 1]

[[experiment]]
name = "log"
default = false
protocol = { kind = "stratified-kfold", folds = 5 }
model = { kind = "logistic" }

[[experiment]]
name = "else"
default = false
protocol = { kind = "leave-one-speaker-out" }
model = { kind = "logistic" }
"#;

    fn wrong(from: &str, to: &str) -> String {
        assert!(FILE.contains(from), "{from}");
        refused(&FILE.replacen(from, to, 1), &[])
    }

    #[test]
    fn an_ensemble_brings_its_members_along() {
        let pipeline = read(FILE, &[]).unwrap();
        let names = |names: &[&str]| -> Vec<String> {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            pipeline
                .select(&names)
                .unwrap()
                .into_iter()
                .map(|e| e.name.clone())
                .collect()
        };
        assert_eq!(names(&[]), ["both", "net", "log"]);
        assert_eq!(names(&["both", "else"]), ["both", "net", "log", "else"]);
        assert_eq!(names(&["log"]), ["log"]);
        assert_eq!(names(&["default", "else"]), ["both", "net", "log", "else"]);
        let both = &pipeline.experiments[0];
        assert_eq!(
            (both.model.describe().as_str(), both.trained_seeds()),
            ("mean of net, log", &[][..])
        );
        assert_eq!(pipeline.experiments[1].trained_seeds(), [0, 1]);
        let settings = pipeline.settings();
        let own: Vec<&str> = settings
            .keys()
            .filter_map(|key| key.strip_prefix("experiment.both."))
            .collect();
        assert_eq!(
            own,
            [
                "default",
                "model.kind",
                "model.members",
                "model.vote",
                "model.weights",
                "protocol.folds",
                "protocol.kind",
                "require",
                "shuffle_labels",
                "split_seed",
                "title"
            ]
        );
    }

    #[test]
    fn votes_and_weights_are_read() {
        let members = "members = [\"net\", \"log\"]";
        let weighed = read(
            &FILE.replace(
                members,
                "members = [\"net\", \"log\"], member_weights = [2, 0.5]",
            ),
            &[],
        )
        .unwrap();
        assert_eq!(
            weighed.experiments[0].model.describe(),
            "mean of 2 net, 0.5 log"
        );
        let voted = read(
            &FILE.replace(members, "members = [\"net\", \"log\"], vote = \"majority\""),
            &[],
        )
        .unwrap();
        assert_eq!(
            voted.experiments[0].model.describe(),
            "majority vote of net, log"
        );
    }

    #[test]
    fn what_cannot_be_brought_together_is_refused_at_its_place() {
        let list = "[\"net\", \"log\"]";
        says(
            &wrong(list, "[\"net\", \"lug\"]"),
            &["there is no experiment `lug`", "log"],
        );
        says(
            &wrong(list, "[\"net\", \"both\"]"),
            &["`both` is an ensemble itself"],
        );
        says(&wrong(list, "[\"net\", \"net\"]"), &["twice"]);
        says(&wrong(list, "[\"net\"]"), &["at least two"]);
        says(
            &wrong(list, "[\"net\", \"else\"]"),
            &["leave-one-speaker-out", "stratified-5-fold", "same folds"],
        );
        says(
            &wrong(", members = [\"net\", \"log\"]", ""),
            &["needs the key `members`"],
        );
        says(
            &wrong("name = \"log\"", "name = \"log\"\nsplit_seed = 3"),
            &["split_seed = 3", "this ensemble has 0"],
        );
        says(
            &wrong(list, "[\"net\", \"log\"], member_weights = [1]"),
            &["1 weights for 2 members"],
        );
        says(
            &wrong(list, "[\"net\", \"log\"], member_weights = [1, 0]"),
            &["member_weights", "above 0"],
        );
        says(
            &wrong(
                list,
                "[\"net\", \"log\"], vote = \"majority\", member_weights = [1, 2]",
            ),
            &["a majority has no weights"],
        );
        says(
            &wrong(list, "[\"net\", \"log\"], vote = \"loudest\""),
            &["majority"],
        );
        says(
            &wrong(list, "[\"net\", \"log\"], c = 1"),
            &["`c` does not belong"],
        );
        says(
            &wrong(
                "model = { kind = \"logistic\" }",
                "model = { kind = \"logistic\", members = [\"net\"] }",
            ),
            &["`members` does not belong"],
        );
        let model = "model = { kind = \"ensemble\"";
        for key in [
            "validation = 0.1",
            "seeds = [1]",
            "train = { epochs = 3 }",
            "inputs = { log_mel = true }",
            "augment = true",
        ] {
            says(
                &wrong(model, &format!("{key}\n{model}")),
                &["an ensemble is not trained", key.split(' ').next().unwrap()],
            );
        }
    }

    #[test]
    fn overrides_of_all_experiments_leave_an_ensemble_whole() {
        for text in [
            "inputs.log_mel=true",
            "validation=0.2",
            "split_seed=4",
            "seeds=[3]",
            "train.epochs=2",
            "protocol={ kind = \"leave-one-speaker-out\" }",
        ] {
            let pipeline = read(FILE, &[text]).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pipeline.experiments[0].members(), ["net", "log"]);
        }
        says(
            &refused(FILE, &["experiment.log.split_seed=4"]),
            &["split_seed = 4"],
        );
    }
}
