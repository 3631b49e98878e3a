//! The card of an experiment's models: data, protocol, results with intervals, limits. Each model
//! has one of its own besides, without results, which are known only when all are tested.

use std::fmt::Write;

use crate::corpus::Attribute;
use crate::encoder::Heard;
use crate::escape::markdown as escape;
use crate::evaluation::Interval;
use crate::model::NOT_FOR;
use crate::split::TestSpeakers;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::html::{percent, plural};
use super::leak;
use super::models::{self, Kind};
use super::pools;
use super::stress;
use super::uncertainty::{self, doubt};

/// What a card says where nobody said anything.
const UNKNOWN: &str = "not known to this program: ask whoever made it, before models or results are passed on, and write `corpus.licence`";

/// The card as Markdown; nothing for an experiment without a result.
pub(super) fn render(report: &PipelineReport, experiment: &ExperimentSection) -> Option<String> {
    let scores = experiment.pooled.as_ref()?;
    let mut out = format!("# {}\n\n", escape(&experiment.title));
    if compare::generated(report) {
        out += "**Generated, not recorded speech.** The figures show that the pipeline works and say nothing about people.\n\n";
    }
    if experiment.shuffled_labels {
        out += "**A control on shuffled labels, no result.** These models are of no use.\n\n";
    }
    if !report.overrides.is_empty() {
        let _ = writeln!(
            out,
            "**Not the settings of the pipeline file.** Overridden for this run: {}.\n",
            escape(&report.overrides.join("; "))
        );
    }
    let leak = leak::of(experiment);
    if let Some(leak) = leak {
        let _ = writeln!(
            out,
            "**The same sound is in training and test:** {}. The figures are too high.\n",
            leak.describe()
        );
    }
    if let Some(worst) = Heard::worst(&experiment.encoders).filter(|one| one.verdict.is_leak()) {
        let _ = writeln!(
            out,
            "**The pretrained encoder knows the corpus:** {}. The figures are no test on unseen recordings.\n",
            escape(&worst.describe())
        );
    }
    if let TestSpeakers::OnBothSides { .. } = experiment.speakers {
        let (bold, rest) = experiment.speakers.explain();
        let _ = writeln!(out, "**{bold}** {}\n", escape(rest));
    }
    if !experiment.guessed.is_empty() {
        let _ = writeln!(
            out,
            "**Guessed from file names, not confirmed: {}.**\n",
            Attribute::list(&experiment.guessed)
        );
    }
    models::write(&mut out, report, experiment);
    models::imports_card(&mut out, report, experiment);
    out += "## Data\n\n";
    if let Some(corpus) = &report.corpus {
        let _ = writeln!(
            out,
            "{}: {} utterances, {}, {:.1} minutes; files or rows excluded: {}.\n\nLicence: {}.\n",
            escape(&corpus.corpus),
            corpus.utterances,
            super::corpus::speakers(corpus),
            corpus.duration_s / 60.0,
            corpus.set_aside.len(),
            match &corpus.licence {
                _ if corpus.generated => "none, a program made the sounds".to_owned(),
                Some(licence) => escape(licence.trim_end_matches('.')),
                None => UNKNOWN.to_owned(),
            }
        );
        if !corpus.references.is_empty() && !corpus.generated {
            out += "What to cite: `references.bib` beside this file.\n\n";
        }
    }
    let (bold, rest) = experiment.speakers.explain();
    let speakers = format!("**{bold}** {}", escape(rest));
    let _ = writeln!(
        out,
        "## Protocol\n\n{}. {speakers}",
        escape(&experiment.protocol)
    );
    if experiment.transductive {
        out += "Transductive: unlabelled recordings of the test speakers had a part in scaling what the models see. ";
        let _ = writeln!(
            out,
            "**{}** For a speaker with clips of few emotions an inductive model is the better choice.",
            pools::condition()
        );
    }
    for line in experiment.shared.iter().chain(&experiment.remarks) {
        let _ = writeln!(out, "- {}", escape(line));
    }
    out += "\n## Results\n\n| | % | 95 % interval |\n| --- | ---: | ---: |\n";
    let found = experiment.uncertainty.intervals.as_ref();
    let doubt = found
        .and_then(doubt)
        .map(|doubt| format!(", {doubt}"))
        .unwrap_or_default();
    let figures = [
        ("UAR", scores.uar, found.map(|found| found.uar)),
        (
            "WA (accuracy)",
            scores.accuracy,
            found.map(|found| found.accuracy),
        ),
        ("macro F1", scores.macro_f1, None),
    ];
    for (name, value, interval) in figures {
        let interval = interval.map_or_else(
            || "–".to_owned(),
            |Interval { low, high }| format!("{} to {}{doubt}", percent(low), percent(high)),
        );
        let _ = writeln!(out, "| {name} | {} | {interval} |", percent(value));
    }
    pools::markdown(&mut out, experiment);
    stress::markdown(&mut out, experiment);
    let pooled = match models::kind(report, experiment) {
        Kind::Ensemble(_) => plural(experiment.folds.len(), "fold"),
        _ => plural(experiment.folds.len(), "training"),
    };
    let _ = writeln!(
        out,
        "\nOver {} predictions, pooled over {pooled}. Recall by class{}:\n",
        scores.n,
        experiment.doubt(Attribute::Emotion)
    );
    let unit = if experiment.windows.is_some() {
        "windows"
    } else {
        "utterances"
    };
    let _ = writeln!(out, "| class | {unit} | recall % |\n| --- | ---: | ---: |");
    for class in &scores.per_class {
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            escape(&class.label),
            class.support,
            percent(class.recall)
        );
    }
    for one in experiment
        .uncertainty
        .breakdowns
        .iter()
        .filter(|one| one.attribute == "sex" || one.attribute == "speaker")
    {
        let (low, high) = one
            .groups
            .iter()
            .map(|group| group.uar)
            .fold((f64::INFINITY, 0.0f64), |(low, high), uar| {
                (low.min(uar), high.max(uar))
            });
        let _ = writeln!(
            out,
            "\nBy {}: UAR from {} to {} % over {} groups.",
            uncertainty::named(experiment, one),
            percent(low),
            percent(high),
            one.groups.len()
        );
    }
    out += "\n## Intended use\n\nComparing methods, features and protocols; studying acted or annotated emotion in recordings like those above.\n\n";
    out += NOT_FOR;
    out += "\n## Limits\n\nThe models were trained on the one corpus named above: its rooms, microphones, language and way of labelling. They assign every recording\n\
            to one of their classes, whatever it holds. Probabilities are those of the model";
    match &experiment.uncertainty.calibration {
        Some(calibration) => {
            let _ = writeln!(
                out,
                ": their expected calibration error is {} %.",
                percent(calibration.ece)
            );
        }
        None => out += " and not calibrated.\n",
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_card_has_results_with_intervals_protocol_and_licence() {
        let report = fixture::compared();
        let [shared, unseen] =
            [0, 1].map(|i: usize| render(&report, &report.experiments[i]).unwrap());
        assert!(
            shared.contains("**Speakers are shared:**")
                && unseen.contains("**Test speakers are unseen:** none of them was trained on.")
        );
        let intervals = report.experiments[1].uncertainty.intervals.unwrap();
        let line = format!(
            "| {} to {} |",
            percent(intervals.uar.low),
            percent(intervals.uar.high)
        );
        assert!(
            unseen.contains(&line)
                && unseen.contains("CC BY-NC-SA 4.0")
                && unseen.contains("By sex: UAR from"),
            "{unseen}"
        );
        assert!(
            render(&fixture::generated(), &fixture::generated().experiments[0])
                .unwrap()
                .contains("**Generated, not recorded speech.**")
        );
    }

    #[test]
    fn what_spoils_a_result_comes_first() {
        let mut report = fixture::recorded();
        report.overrides = vec!["train.epochs=1".into()];
        let one = &mut report.experiments[1];
        one.uncertainty.intervals.as_mut().unwrap().units = 4;
        one.speakers = TestSpeakers::OnBothSides { recordings: 3 };
        one.leakage.push(crate::table::leakage::LeakageRow {
            fold: 0,
            kind: "duplicates".into(),
            test_units: 240,
            shared_units: 3,
            ..Default::default()
        });
        let card = render(&report, &report.experiments[1]).unwrap();
        let model = card.find("## Model").unwrap();
        assert!(
            card.find("Overridden for this run: train.epochs=1")
                .unwrap()
                < model,
            "{card}"
        );
        assert!(
            card.find("3 tested utterances are the very same sound")
                .unwrap()
                < model,
            "{card}"
        );
        assert!(!card.contains("Test speakers are unseen"));
        assert_eq!(
            card.matches("**Not speaker-independent: 3 recordings are on both sides.**")
                .count(),
            2,
            "{card}"
        );
        assert_eq!(
            card.matches(", from only 4 speakers: too narrow to trust |")
                .count(),
            2,
            "{card}"
        );
    }

    #[test]
    fn names_stay_text() {
        let report = fixture::hostile();
        let card = render(&report, &report.experiments[0]).unwrap();
        assert!(!card.contains("<script") && !card.contains("<b onload"));
        assert!(render(&report, &report.experiments[1]).is_none());
    }
}
