//! Why a task runs, in words.

use crate::orchestrator::StaleReason;

/// The task whose parameters are a whole document: where what moved in it is of no use to anybody.
const REPORT: &str = "report";

/// The reasons on one line: the first few, or with `all` every one. Of a report, which settings
/// changed and which inputs, not where in its pages something differs.
pub fn reasons(task: &str, why: &[StaleReason], all: bool) -> String {
    if all {
        return why
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
    }
    let (parameters, others): (Vec<&StaleReason>, Vec<&StaleReason>) = why
        .iter()
        .partition(|one| matches!(one, StaleReason::Parameter { .. }));
    if task != REPORT || parameters.is_empty() {
        return StaleReason::list(why);
    }
    let settings: Vec<StaleReason> = parameters.into_iter().filter_map(setting).collect();
    let others: Vec<StaleReason> = others.into_iter().cloned().collect();
    let mut text = "experiments, figures or settings changed".to_owned();
    if !settings.is_empty() {
        text.push_str(&format!(": {}", StaleReason::list(&settings)));
    }
    if !others.is_empty() {
        text.push_str(&format!("; {}", StaleReason::list(&others)));
    }
    text
}

/// A parameter that somebody wrote or can see, and not a place in the sections of the pages.
fn setting(why: &StaleReason) -> Option<StaleReason> {
    let StaleReason::Parameter { name, .. } = why else {
        return None;
    };
    let inner = ["experiments.", "steps."]
        .iter()
        .any(|start| name.starts_with(start));
    (!inner).then(|| why.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str) -> StaleReason {
        StaleReason::Parameter {
            name: name.into(),
            old: None,
            new: Some("2".into()),
        }
    }

    #[test]
    fn of_a_report_only_settings_and_inputs_are_named() {
        let why = [
            parameter("experiments.0.ensemble"),
            parameter("settings.experiment.a.model.c"),
            parameter("steps.10.after"),
        ];
        assert_eq!(
            reasons("report", &why, false),
            "experiments, figures or settings changed: settings.experiment.a.model.c: none -> 2"
        );
        assert_eq!(
            reasons("report", &why[..1], false),
            "experiments, figures or settings changed"
        );
        assert_eq!(
            reasons("train/a", &why[..1], false),
            "experiments.0.ensemble: none -> 2"
        );
        let input = StaleReason::Input {
            name: "evaluate/a".into(),
            which: None,
        };
        assert_eq!(
            reasons("report", &[why[2].clone(), input.clone()], false),
            "experiments, figures or settings changed; input changed: evaluate/a"
        );
        assert_eq!(
            reasons("report", &[input], false),
            "input changed: evaluate/a"
        );
        assert_eq!(
            reasons("report", &[StaleReason::NeverRan], false),
            "never ran"
        );
        let many: Vec<StaleReason> = (0..7).map(|i| parameter(&format!("steps.{i}"))).collect();
        assert!(
            reasons("report", &many, true).ends_with("steps.6: none -> 2")
                && !reasons("report", &many, false).contains("steps")
        );
    }
}
