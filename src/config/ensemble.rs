//! Whether the experiments of a file fit together: their names differ, and members of ensembles are
//! there and have the same folds.

use super::experiment::Experiment;
use super::section::Section;
use super::source::{shorten, suggestion};
use crate::error::Result;

/// Checks what experiments say of each other.
pub(super) fn check(experiments: &[Experiment], file: &Section<'_>) -> Result<()> {
    let written: Vec<Section<'_>> = file.sections("experiment").collect();
    for (i, (experiment, section)) in experiments.iter().zip(&written).enumerate() {
        let name = &experiment.name;
        if let Some(first) = experiments[..i]
            .iter()
            .position(|other| other.name == *name)
        {
            let first = file.source.describe(&written[first].place("name"));
            let message = format!("there is already an experiment `{name}`, {first}");
            return Err(section.error("name", message));
        }
    }
    for (experiment, section) in experiments.iter().zip(&written) {
        if let Some(model) = section.section("model") {
            check_members(experiment, &model, experiments)?;
        }
    }
    Ok(())
}

/// Members must exist, be no ensembles, and have the folds of the ensemble.
fn check_members(
    ensemble: &Experiment,
    written: &Section<'_>,
    experiments: &[Experiment],
) -> Result<()> {
    let trained = experiments
        .iter()
        .filter(|other| other.members().is_empty());
    let trained: Vec<&str> = trained.map(|other| other.name.as_str()).collect();
    for (i, name) in ensemble.members().iter().enumerate() {
        let refused = |message: String, hint: String| {
            Err(written.item_error("members", i, message).hint(hint))
        };
        let alike = |key: &str, verb: &str| {
            format!("{verb} {key} in an ensemble and its members, so that they test the same folds")
        };
        let Some(member) = experiments.iter().find(|other| other.name == *name) else {
            let message = format!("there is no experiment `{}` in this file", shorten(name));
            return refused(message, suggestion(name, "experiments", &trained));
        };
        if !member.members().is_empty() {
            let message = format!("`{name}` is an ensemble itself, and is not trained");
            return refused(message, suggestion(name, "experiments", &trained));
        }
        if member.protocol != ensemble.protocol {
            let (theirs, ours) = (member.protocol.name(), ensemble.protocol.name());
            let message = format!("`{name}` has the protocol {theirs}, this ensemble has {ours}");
            return refused(message, alike("protocol", "give the same"));
        }
        if member.shuffle_labels != ensemble.shuffle_labels {
            let message =
                format!("of `{name}` and this ensemble, only one has its labels shuffled");
            return refused(message, alike("shuffle_labels", "set the same"));
        }
        if member.split_seed != ensemble.split_seed {
            let (theirs, ours) = (member.split_seed, ensemble.split_seed);
            let message = format!("`{name}` has split_seed = {theirs}, this ensemble has {ours}");
            return refused(message, alike("split_seed", "set the same"));
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
            "there is no experiment `lug` … log",
        );
        says(
            &wrong(list, "[\"net\", \"both\"]"),
            "`both` is an ensemble itself",
        );
        says(&wrong(list, "[\"net\", \"net\"]"), "twice");
        says(&wrong(list, "[\"net\"]"), "at least 2");
        says(
            &wrong(list, "[\"net\", \"else\"]"),
            "leave-one-speaker-out … stratified-5-fold … same folds",
        );
        says(
            &wrong(", members = [\"net\", \"log\"]", ""),
            "needs the key `members`",
        );
        says(
            &wrong("name = \"log\"", "name = \"log\"\nsplit_seed = 3"),
            "split_seed = 3 … this ensemble has 0",
        );
        says(
            &wrong(list, "[\"net\", \"log\"], member_weights = [1]"),
            "1 weights for 2 members",
        );
        says(
            &wrong(list, "[\"net\", \"log\"], member_weights = [1, 0]"),
            "member_weights … above 0",
        );
        says(
            &wrong(
                list,
                "[\"net\", \"log\"], vote = \"majority\", member_weights = [1, 2]",
            ),
            "a majority has no weights",
        );
        says(
            &wrong(list, "[\"net\", \"log\"], vote = \"loudest\""),
            "majority",
        );
        says(
            &wrong(list, "[\"net\", \"log\"], c = 1"),
            "`c` does not belong",
        );
        says(
            &wrong(
                "model = { kind = \"logistic\" }",
                "model = { kind = \"logistic\", members = [\"net\"] }",
            ),
            "`members` does not belong",
        );
        let model = "model = { kind = \"ensemble\"";
        for key in [
            "validation = 0.1",
            "seeds = [1]",
            "train = { epochs = 3 }",
            "inputs = { log_mel = true }",
            "augment = true",
        ] {
            let name = key.split(' ').next().unwrap();
            let message = format!("an ensemble is not trained: `{name}` belongs to its members");
            says(&wrong(model, &format!("{key}\n{model}")), &message);
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
            "split_seed = 4",
        );
    }
}
