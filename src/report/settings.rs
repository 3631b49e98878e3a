//! The settings of a pipeline: what its experiments have in common, what each has of its own, and
//! the file to copy.

use std::collections::BTreeMap;

use super::data::PipelineReport;
use super::html::{Html, count};

/// Values by key.
type Values<'r> = BTreeMap<&'r str, &'r str>;

/// Writes the section; nothing where a report has no settings.
pub(super) fn write(h: &mut Html, report: &PipelineReport) {
    if report.settings.is_empty() {
        return;
    }
    let (pipeline, experiments) = by_experiment(report);
    let common = if experiments.len() > 1 {
        common(&experiments)
    } else {
        Values::new()
    };
    h.raw("\n<section id=\"settings\" aria-labelledby=\"settings-title\"><h2 id=\"settings-title\">Settings</h2>");
    file(h, report);
    fold(h, "Corpus and features", &pipeline);
    if !common.is_empty() {
        h.raw("<p>An experiment has the common settings, as far as its model uses them, but for those that are listed under its name.</p>");
        fold(h, "Common settings of the experiments", &common);
    }
    for (name, values) in experiments {
        let own: Values = values
            .into_iter()
            .filter(|(key, value)| common.get(key) != Some(value))
            .collect();
        fold(h, name, &own);
    }
    h.raw("</section>");
}

/// The pipeline file with the overrides of the run.
fn file(h: &mut Html, report: &PipelineReport) {
    if report.file.is_empty() {
        return;
    }
    h.raw("<details><summary>Pipeline file (TOML)</summary>");
    if !report.overrides.is_empty() {
        h.raw("<p>Overridden for this run: ");
        for (i, text) in report.overrides.iter().enumerate() {
            h.raw(if i > 0 { ", " } else { "" }).el("code", &[], text);
        }
        h.raw(".</p>");
    }
    h.raw("<p class=\"js-only\"><button type=\"button\" data-copy=\"pipeline-file\">Copy</button></p>");
    h.within(
        "div",
        &[
            ("class", "scroll"),
            ("tabindex", "0"),
            ("role", "group"),
            ("aria-label", "Pipeline file"),
        ],
        |h| {
            h.open("pre", &[("id", "pipeline-file")])
                .el("code", &[], &report.file)
                .close("pre");
        },
    );
    h.raw("</details>");
}

/// Settings under a heading, unfolded on demand.
fn fold(h: &mut Html, title: &str, values: &Values) {
    if values.is_empty() {
        return;
    }
    h.raw("\n<details><summary>")
        .text(title)
        .raw(" <span class=\"quiet\">")
        .text(count(values.len()))
        .raw("</span></summary><dl class=\"settings\">");
    for (key, value) in values {
        h.el("dt", &[], key)
            .el("dd", &[], if value.is_empty() { "(empty)" } else { value });
    }
    h.raw("</dl></details>");
}

/// The settings of no experiment, and those of each, in the order of the report; experiments
/// without results follow by name.
fn by_experiment(report: &PipelineReport) -> (Values<'_>, Vec<(&str, Values<'_>)>) {
    let mut pipeline = Values::new();
    let mut experiments: BTreeMap<&str, Values> = BTreeMap::new();
    for (key, value) in &report.settings {
        match key
            .strip_prefix("experiment.")
            .and_then(|rest| rest.split_once('.'))
        {
            Some((name, key)) => experiments.entry(name).or_default().insert(key, value),
            None => pipeline.insert(key, value),
        };
    }
    let place = |name: &str| {
        report
            .experiments
            .iter()
            .position(|one| one.name == name)
            .unwrap_or(usize::MAX)
    };
    let mut experiments: Vec<(&str, Values)> = experiments.into_iter().collect();
    experiments.sort_by_key(|(name, _)| place(name));
    (pipeline, experiments)
}

/// Of each setting the value that most of the experiments with this setting have, where there is
/// such a value.
fn common<'r>(experiments: &[(&'r str, Values<'r>)]) -> Values<'r> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (key, value) in experiments.iter().flat_map(|(_, values)| values) {
        *counts.entry(key).or_default().entry(value).or_default() += 1;
    }
    let most = |(key, values): (&'r str, BTreeMap<&'r str, usize>)| {
        let total: usize = values.values().sum();
        values
            .into_iter()
            .find(|(_, n)| *n > 1 && n * 2 > total)
            .map(|(value, _)| (key, value))
    };
    counts.into_iter().filter_map(most).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn report(settings: &[(&str, &str)]) -> PipelineReport {
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        PipelineReport {
            settings,
            file: "name = \"<x>\"\n".into(),
            ..fixture::recorded()
        }
    }

    #[test]
    fn an_experiment_lists_what_it_has_of_its_own() {
        let report = report(&[
            ("corpus.name", "c"),
            ("experiment.a.split_seed", "0"),
            ("experiment.a.train.epochs", "40"),
            ("experiment.b.split_seed", "0"),
            ("experiment.b.train.epochs", "700"),
            ("experiment.c.split_seed", "1"),
            ("experiment.c.model.c", "2"),
        ]);
        let mut h = Html::new();
        write(&mut h, &report);
        let page = h.into_string();
        let part = |title: &str| {
            page.split("<summary>")
                .find(|part| part.starts_with(title))
                .unwrap()
                .to_owned()
        };
        assert!(
            part("Corpus and features").contains("<dt>corpus.name</dt><dd>c</dd>"),
            "{page}"
        );
        assert!(
            part("Common settings").contains("<dt>split_seed</dt><dd>0</dd></dl>"),
            "{page}"
        );
        assert!(
            part("a ").contains("<dl class=\"settings\"><dt>train.epochs</dt><dd>40</dd></dl>"),
            "{page}"
        );
        assert!(
            part("c ").contains("<dt>model.c</dt><dd>2</dd><dt>split_seed</dt><dd>1</dd>"),
            "{page}"
        );
        assert!(
            page.contains("<code>name = &quot;&lt;x&gt;&quot;\n</code>"),
            "{page}"
        );
        // Every value is on the page once, at most.
        assert_eq!(page.matches("<dt>").count(), 6);
    }

    #[test]
    fn one_experiment_has_nothing_in_common_with_others() {
        let mut h = Html::new();
        write(&mut h, &report(&[("experiment.a.split_seed", "0")]));
        let page = h.into_string();
        assert!(
            !page.contains("Common") && page.contains("<dt>split_seed</dt><dd>0</dd>"),
            "{page}"
        );
    }
}
