//! The header of a model card that model hubs read: licence, tags, data and results, as YAML.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::summary;
use crate::error::{Error, Result};

/// Licences in words, with blanks for hyphens, and what the hub calls them.
const LICENCES: [(&str, &str); 15] = [
    ("cc by nc sa 4.0", "cc-by-nc-sa-4.0"),
    ("cc by nc nd 4.0", "cc-by-nc-nd-4.0"),
    ("cc by nc 4.0", "cc-by-nc-4.0"),
    ("cc by nc 3.0", "cc-by-nc-3.0"),
    ("cc by sa 4.0", "cc-by-sa-4.0"),
    ("cc by nd 4.0", "cc-by-nd-4.0"),
    ("cc by 4.0", "cc-by-4.0"),
    ("cc by 3.0", "cc-by-3.0"),
    ("cc0", "cc0-1.0"),
    ("open database license", "odbl"),
    ("apache", "apache-2.0"),
    ("gpl 3.0", "gpl-3.0"),
    (MIT, "mit"),
    ("mit license", "mit"),
    ("mit licence", "mit"),
];

/// Also a word of other languages, so that no other word may follow.
const MIT: &str = "mit";

const TASK: &str = "audio-classification";

#[derive(Serialize)]
struct Header<'r> {
    license: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_name: Option<&'r str>,
    library_name: &'static str,
    pipeline_tag: &'static str,
    tags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    datasets: Vec<String>,
    metrics: [&'static str; 3],
    #[serde(rename = "model-index", skip_serializing_if = "Vec::is_empty")]
    model_index: Vec<Model>,
}

#[derive(Serialize)]
struct Model {
    name: String,
    results: [Outcome; 1],
}

#[derive(Serialize)]
struct Outcome {
    task: BTreeMap<&'static str, String>,
    dataset: BTreeMap<&'static str, String>,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    value: f64,
}

/// The header with its marks. A control has no results, and each result says what is known of the
/// test speakers and what else must be known of it.
pub(super) fn header(report: &PipelineReport, experiment: &ExperimentSection) -> Result<String> {
    let scores = experiment.pooled.iter();
    let figures = scores.flat_map(|scores| {
        [
            ("recall", "UAR", scores.uar),
            ("accuracy", "WA", scores.accuracy),
            ("f1", "macro F1", scores.macro_f1),
        ]
    });
    let mut known = vec![experiment.speakers.phrase()];
    known.extend(summary::caveats(experiment).into_iter().map(str::to_owned));
    let known = known.join("; ");
    let corpus = report.corpus.as_ref();
    let licence = corpus.and_then(|corpus| corpus.licence.as_deref());
    let generated = compare::generated(report);
    let license = match licence {
        _ if generated => "unknown",
        Some(words) => hub_licence(words),
        None => "unknown",
    };
    let name = corpus.map_or("", |corpus| corpus.corpus.as_str());
    let mut tags = vec!["speech-emotion-recognition", "speech", "ser"];
    tags.extend(generated.then_some("generated-data"));
    let metric = |(kind, name, value): (_, &str, _)| Metric {
        kind,
        name: format!("{name} ({known})"),
        value,
    };
    let model = Model {
        name: format!("{}/{}", report.name, experiment.name),
        results: [Outcome {
            task: [
                ("type", TASK.to_owned()),
                ("name", "Speech emotion recognition".to_owned()),
            ]
            .into(),
            dataset: [
                ("type", slug(name)),
                ("name", name.to_owned()),
                ("config", experiment.protocol.clone()),
                ("split", "test".to_owned()),
            ]
            .into(),
            metrics: figures.map(metric).collect(),
        }],
    };
    let header = Header {
        license,
        license_name: licence.filter(|_| license == "other"),
        library_name: "ser",
        pipeline_tag: TASK,
        tags,
        datasets: (!generated && !name.is_empty())
            .then(|| slug(name))
            .into_iter()
            .collect(),
        metrics: ["recall", "accuracy", "f1"],
        model_index: (!experiment.shuffled_labels)
            .then_some(model)
            .into_iter()
            .collect(),
    };
    let yaml = serde_yaml_ng::to_string(&header)
        .map_err(|e| Error::internal("failed to write the header of a card").because(e))?;
    Ok(format!("---\n{yaml}---\n\n"))
}

/// The hub's word for a licence.
fn hub_licence(words: &str) -> &'static str {
    let words = words.to_lowercase().replace('-', " ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let known = LICENCES.iter().find(|(begins, _)| {
        let Some(rest) = words.strip_prefix(begins) else {
            return false;
        };
        let rest = match *begins {
            MIT => rest.trim_start(),
            _ => rest,
        };
        !rest.starts_with(char::is_alphanumeric)
    });
    known.map_or("other", |(_, word)| word)
}

/// A name of letters, digits and hyphens.
fn slug(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let text: String = name.chars().map(plain).collect();
    text.split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use serde_yaml_ng::Value;

    use super::super::fixture;
    use super::*;

    fn read(report: &PipelineReport, experiment: usize) -> Value {
        let text = header(report, &report.experiments[experiment]).unwrap();
        let yaml = text.strip_prefix("---\n").unwrap().strip_suffix("---\n\n");
        serde_yaml_ng::from_str(yaml.unwrap()).unwrap()
    }

    #[test]
    fn results_stand_with_what_must_be_known_of_them() {
        let mut report = fixture::compared();
        let header = read(&report, 1);
        assert_eq!(header["license"], "cc-by-nc-sa-4.0");
        assert_eq!(header["pipeline_tag"], "audio-classification");
        let result = &header["model-index"][0]["results"][0];
        let scores = report.experiments[1].pooled.as_ref().unwrap();
        assert_eq!(result["metrics"][0]["name"], "UAR (speaker-independent)");
        assert_eq!(result["metrics"][0]["value"].as_f64(), Some(scores.uar));
        assert_eq!(
            result["metrics"][1]["value"].as_f64(),
            Some(scores.accuracy)
        );
        assert_eq!(
            read(&report, 0)["model-index"][0]["results"][0]["metrics"][0]["name"],
            "UAR (speakers shared)"
        );
        report.experiments[1].shuffled_labels = true;
        report.corpus.as_mut().unwrap().licence = Some("research only".into());
        let control = read(&report, 1);
        assert!(control.get("model-index").is_none());
        assert_eq!(control["license"], "other");
        assert_eq!(control["license_name"], "research only");
        let generated = read(&fixture::generated(), 0);
        assert_eq!(generated["license"], "unknown");
        assert!(generated.get("datasets").is_none());
        read(&fixture::hostile(), 0);
    }

    #[test]
    fn licences_have_the_words_of_the_hub() {
        for (words, expected) in [
            (
                "CC BY-NC-SA 4.0: no commercial use, share alike",
                "cc-by-nc-sa-4.0",
            ),
            ("CC BY 4.0", "cc-by-4.0"),
            ("Open Database License 1.0", "odbl"),
            ("a signed licence", "other"),
            ("CC-BY-4.0", "cc-by-4.0"),
            ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0"),
            ("CC BY 4.05", "other"),
            ("MIT", "mit"),
            ("MIT License", "mit"),
            ("MIT (see LICENSE)", "mit"),
            ("Mit Genehmigung des Instituts", "other"),
            ("mitgeteilt", "other"),
        ] {
            assert_eq!(hub_licence(words), expected);
        }
        assert_eq!(slug("RAVDESS (speech), 8"), "ravdess-speech-8");
    }
}
