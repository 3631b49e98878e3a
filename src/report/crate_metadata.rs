//! The folder of a report as a Process Run Crate: which run made it of what, for archives
//! (<https://w3id.org/ro/wfrun/process/0.5>). Like the page of the run, it differs from run to run.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::Sha256;

use super::data::PipelineReport;
use super::results;
use super::write::PIPELINE_FILE;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::{Inventory, digest_of, files_below};

/// Name of the file, beside the report.
pub const CRATE_FILE: &str = "ro-crate-metadata.json";

/// The identifier of the program within the file, by which a file is known as written by it.
const PROGRAM: &str = "#ser";

/// What is known of the run besides its report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrateRun {
    /// Number of the run.
    pub id: i64,
    /// UTC, as ISO 8601 has it.
    pub started: String,
    /// UTC; empty where it is not known.
    pub finished: String,
    /// The command line.
    pub command: String,
    /// Version of the program.
    pub version: String,
    /// What went wrong, if anything.
    pub error: Option<String>,
    /// Tables that were read, or that say which recordings were: name and place of each.
    pub inputs: Vec<(String, PathBuf)>,
}

/// A file with its size and SHA-256.
struct Hashed {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Hashed {
    fn of(name: String, path: &Path) -> Result<Hashed> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
        Ok(Hashed {
            name,
            bytes: meta.len(),
            sha256: digest_of::<Sha256>(path, &Cancel::default())?,
        })
    }

    fn entity(&self, id: &str, kind: &str) -> Value {
        json!({
            "@id": id, "@type": kind, "name": self.name, "contentSize": self.bytes.to_string(),
            "sha256": self.sha256,
        })
    }
}

/// Writes the description of a report's folder into it. Returns whether it did: a file of this name
/// that ser did not write stays, and nothing is described where there is no report.
///
/// # Errors
/// `Io` where a file cannot be read or written; `Data` where the report is damaged.
pub fn write_crate(run: &CrateRun, dir: &Path) -> Result<bool> {
    let Some(report) = results::read(dir)? else {
        return Ok(true);
    };
    let inventory = Inventory::read(dir)?;
    let mut files = Vec::new();
    for path in files_below(dir) {
        let name = inventory
            .name(&path)
            .filter(|name| inventory.lists(name) && name != CRATE_FILE);
        files.extend(name.map(|name| Hashed::of(name, &path)).transpose()?);
    }
    let inputs: Vec<Hashed> = (run.inputs.iter())
        .map(|(name, path)| Hashed::of(name.clone(), path))
        .collect::<Result<_>>()?;
    let mut text = format!("{:#}", described(&report, run, &files, &inputs));
    text.push('\n');
    let is_ours = |there: &[u8]| {
        serde_json::from_slice::<Value>(there).is_ok_and(|there| {
            let entities = there["@graph"].as_array().into_iter().flatten();
            entities.into_iter().any(|entity| entity["@id"] == PROGRAM)
        })
    };
    Inventory::write_page(dir, CRATE_FILE, text.as_bytes(), is_ours)
}

fn described(
    report: &PipelineReport,
    run: &CrateRun,
    files: &[Hashed],
    inputs: &[Hashed],
) -> Value {
    let reference = |id: &str| json!({ "@id": id });
    let action = format!("#run-{}", run.id);
    let is_result = |file: &&Hashed| file.name != PIPELINE_FILE;
    let corpus = report.corpus.as_ref();
    let licence = match corpus.and_then(|corpus| corpus.licence.as_deref()) {
        Some(words) => format!(
            "Of the recordings: {words}. What it means for figures and models is for their author to say."
        ),
        None => "Nothing is known of the licence of the recordings.".to_owned(),
    };
    // Two may have one name, and a name may hold what no address can.
    let input_id = |i: usize| format!("#input-{}", i + 1);
    let mut objects: Vec<Value> = files
        .iter()
        .filter(|file| !is_result(file))
        .map(|file| reference(&file.name))
        .collect();
    objects.push(reference("#recordings"));
    objects.extend((0..inputs.len()).map(|i| reference(&input_id(i))));
    objects.extend((0..report.overrides.len()).map(|i| reference(&format!("#setting-{}", i + 1))));
    let status = match run.error {
        None => "http://schema.org/CompletedActionStatus",
        Some(_) => "http://schema.org/FailedActionStatus",
    };
    let mut done = json!({
        "@id": action, "@type": "CreateAction", "name": format!("Run of the pipeline {}", report.name),
        "description": run.command, "instrument": reference(PROGRAM), "object": objects,
        "result": files.iter().filter(is_result).map(|file| reference(&file.name)).collect::<Vec<_>>(),
        "startTime": run.started, "actionStatus": reference(status),
    });
    if !run.finished.is_empty() {
        done["endTime"] = json!(run.finished);
    }
    if let Some(error) = &run.error {
        done["error"] = json!(error);
    }
    let name = corpus.map_or("not there", |corpus| corpus.corpus.as_str());
    let recordings = corpus.map_or(String::new(), |corpus| {
        let made = if corpus.generated {
            "generated, not recorded; "
        } else {
            ""
        };
        format!(
            "{made}{} utterances, {:.1} minutes",
            corpus.utterances,
            corpus.duration_s / 60.0
        )
    });
    const PROFILE: &str = "https://w3id.org/ro/wfrun/process/0.5";
    let published = if run.finished.is_empty() {
        &run.started
    } else {
        &run.finished
    };
    let mut graph = vec![
        json!({
            "@id": CRATE_FILE, "@type": "CreativeWork", "about": reference("./"),
            "conformsTo": reference("https://w3id.org/ro/crate/1.1"),
        }),
        json!({
            "@id": "./", "@type": "Dataset", "name": report.title,
            "description": format!("Speech-emotion-recognition results of the pipeline {} of ser", report.name),
            "datePublished": published, "license": reference("#licence"), "conformsTo": reference(PROFILE),
            "hasPart": files.iter().map(|file| reference(&file.name)).collect::<Vec<_>>(),
            "mentions": [reference(&action)],
        }),
        json!({ "@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5" }),
        json!({ "@id": "#licence", "@type": "CreativeWork", "name": "Licence", "description": licence }),
        json!({
            "@id": PROGRAM, "@type": "SoftwareApplication", "name": "ser", "softwareVersion": run.version,
            "description": "Reproducible speech-emotion-recognition results from corpora of recorded speech",
        }),
        done,
        json!({ "@id": "#recordings", "@type": "Dataset", "name": name, "description": recordings }),
    ];
    graph.extend(
        inputs
            .iter()
            .enumerate()
            .map(|(i, input)| input.entity(&input_id(i), "CreativeWork")),
    );
    graph.extend(report.overrides.iter().enumerate().map(|(i, text)| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        json!({ "@id": format!("#setting-{}", i + 1), "@type": "PropertyValue", "name": key.trim(), "value": value.trim() })
    }));
    graph.extend(files.iter().map(|file| file.entity(&file.name, "File")));
    json!({
        "@context": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
        "@graph": graph,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::fixture;
    use super::*;

    fn references(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|one| references(one, into)),
            Value::Object(fields) if fields.len() == 1 && fields.contains_key("@id") => {
                into.extend(value["@id"].as_str().map(str::to_owned));
            }
            Value::Object(fields) => fields.values().for_each(|one| references(one, into)),
            _ => {}
        }
    }

    #[test]
    fn a_run_is_described_with_its_inputs_and_results() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("given.csv");
        std::fs::write(&input, "abc").unwrap();
        let folder = dir.path().join("report");
        let mut report = fixture::recorded();
        report.overrides = vec!["train.epochs=2".into()];
        report.file = "name = \"x\"\n".into();
        let paths = super::super::write(&report, &folder).unwrap();
        let mut inventory = Inventory::read(&folder).unwrap();
        for path in &paths {
            let name = inventory.name(path).unwrap();
            inventory.settle(&name, "0");
        }
        inventory.save().unwrap();
        std::fs::write(folder.join("mine.txt"), "mine").unwrap();
        let run = CrateRun {
            id: 7,
            started: "2026-01-02T03:04:05.000Z".into(),
            finished: "2026-01-02T03:05:05.000Z".into(),
            command: "ser run x".into(),
            version: "1.2.3".into(),
            error: None,
            inputs: vec![("a b.csv".into(), input.clone()), ("a b.csv".into(), input)],
        };
        assert!(write_crate(&run, &folder).unwrap() && write_crate(&run, &folder).unwrap());
        let text = std::fs::read(folder.join(CRATE_FILE)).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        let graph = document["@graph"].as_array().unwrap();
        let ids: Vec<&str> = graph
            .iter()
            .map(|one| one["@id"].as_str().unwrap())
            .collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "an entity is described once");
        let of = |id: &str| graph.iter().find(|one| one["@id"] == id).unwrap();
        let mut named = vec![];
        references(&document["@graph"], &mut named);
        for name in named {
            let elsewhere = ["https://w3id.org/ro/crate/", "http://schema.org/"];
            let known = distinct.contains(name.as_str());
            assert!(
                known || elsewhere.iter().any(|place| name.starts_with(place)),
                "{name}"
            );
        }
        let action = of("#run-7");
        assert_eq!(action["@type"], "CreateAction");
        assert_eq!(action["instrument"]["@id"], "#ser");
        let objects: Vec<&str> = action["object"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["@id"].as_str().unwrap())
            .collect();
        assert_eq!(
            objects,
            [
                "pipeline.toml",
                "#recordings",
                "#input-1",
                "#input-2",
                "#setting-1"
            ]
        );
        // sha256sum of "abc", from FIPS 180-4.
        assert_eq!(
            of("#input-2")["sha256"],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(of("#input-2")["name"], "a b.csv");
        assert_eq!(of("#setting-1")["value"], "2");
        assert_eq!(of("#ser")["softwareVersion"], "1.2.3");
        assert_eq!(of("./")["datePublished"], run.finished);
        // Each file of ser, and no other.
        let results = action["result"].as_array().unwrap();
        assert_eq!(results.len(), paths.len() - 1);
        assert_eq!(of("./")["hasPart"].as_array().unwrap().len(), paths.len());
        assert!(!distinct.contains("mine.txt") && distinct.contains("predictions.csv"));
    }

    #[test]
    fn a_file_of_another_hand_stays() {
        let dir = tempfile::tempdir().unwrap();
        super::super::write(&fixture::recorded(), dir.path()).unwrap();
        std::fs::write(dir.path().join(CRATE_FILE), "{\"@graph\": []}").unwrap();
        assert!(!write_crate(&CrateRun::default(), dir.path()).unwrap());
        assert_eq!(
            std::fs::read(dir.path().join(CRATE_FILE)).unwrap(),
            b"{\"@graph\": []}"
        );
    }
}
