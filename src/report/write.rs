//! From a report to its folder.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::files::{hash_bytes, write_atomically};

use super::compare;
use super::data::PipelineReport;
use super::{bibtex, card, csv, experiment, hub, latex, page};

/// Version of `report.json`; a reader refuses what is newer than itself.
pub(super) const SCHEMA_VERSION: u32 = 3;

/// Name of the copy of the pipeline file.
pub(super) const PIPELINE_FILE: &str = "pipeline.toml";

/// Stands before the checksum of `report.json`, and its digits while it is taken.
const SUM: &[u8] = b"\"blake3\": \"";
const DIGITS: usize = 64;
/// Where it begins at the latest.
const HEAD: usize = 128;

#[derive(Serialize)]
struct Envelope<'a> {
    schema_version: u32,
    /// Hex BLAKE3 of the file while these digits are zeros.
    blake3: String,
    /// The files beside it that hold its tables, by name.
    tables: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    report: &'a PipelineReport,
}

/// Writes the page (`index.html`), a page for each experiment (`experiment-<name>.html`), the
/// pictures of both (`figures/`), the tables (as CSV, those of at most 500 rows as Markdown as well),
/// LaTeX tables (`results.tex`, `confusion.tex`), what to cite (`references.bib`) and `report.json` into `dir`, which is created
/// where it is missing. Returns the paths, the page first.
///
/// Each file appears whole or not at all, and the same report gives the same bytes. Beside a
/// generated corpus, or where every experiment is a control on shuffled labels, no published figure
/// is written anywhere.
pub fn write(report: &PipelineReport, dir: &Path) -> Result<Vec<PathBuf>> {
    let stripped;
    let report = if compare::generated(report) {
        stripped = without_published(report.clone());
        &stripped
    } else if compare::published(report).is_empty() {
        stripped = PipelineReport {
            published: vec![],
            ..report.clone()
        };
        &stripped
    } else {
        report
    };
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        write_atomically(&path, bytes).map(|()| path)
    };
    let mut paths = Vec::new();
    for (name, bytes) in csv::files(report)? {
        paths.push(put(&name, &bytes)?);
    }
    let texts = [
        ("results.tex", latex::results(report)),
        ("confusion.tex", latex::confusions(report)),
        ("references.bib", bibtex::references(report)),
    ];
    for (name, text) in texts {
        paths.push(put(name, text.as_bytes())?);
    }
    let mut json = serde_json::to_vec_pretty(&Envelope {
        schema_version: SCHEMA_VERSION,
        blake3: "0".repeat(DIGITS),
        tables: csv::TABLES.map(|name| (name, format!("{name}.csv"))).into(),
        report,
    })
    .map_err(|e| Error::internal("failed to write report.json").because(e))?;
    json.push(b'\n');
    let sum = hash_bytes(&json);
    if let Some(digits) = digits(&json) {
        json[digits].copy_from_slice(sum.as_bytes());
    }
    paths.push(put("report.json", &json)?);
    for one in &report.experiments {
        if let (Some(name), Some(text)) = (card_file(&one.name), card::render(report, one)) {
            let text = hub::header(report, one)? + &text;
            paths.push(put(&name, text.as_bytes())?);
        }
    }
    // A report of an earlier version may hold no text.
    if !report.file.is_empty() {
        paths.push(put(PIPELINE_FILE, report.file.as_bytes())?);
    }
    // A page comes after the files that it links to.
    for index in 0..report.experiments.len() {
        let (page, figures) = experiment::render(report, index);
        for figure in figures {
            paths.push(put(&figure.path, figure.svg.as_bytes())?);
        }
        paths.push(put(&experiment::file(report, index), page.as_bytes())?);
    }
    let (page, figures) = page::render(report);
    for figure in figures {
        paths.push(put(&figure.path, figure.svg.as_bytes())?);
    }
    paths.insert(0, put("index.html", page.as_bytes())?);
    Ok(paths)
}

/// Where the checksum of a `report.json` stands.
fn digits(json: &[u8]) -> Option<Range<usize>> {
    let start = json
        .get(..HEAD.min(json.len()))?
        .windows(SUM.len())
        .position(|window| window == SUM)?
        + SUM.len();
    (start + DIGITS <= json.len()).then_some(start..start + DIGITS)
}

/// Whether a `report.json` is what was written. One without a checksum, of an earlier version, is
/// taken for whole.
pub(super) fn is_unchanged(json: &[u8]) -> bool {
    let Some(digits) = digits(json) else {
        return true;
    };
    let (before, after) = (&json[..digits.start], &json[digits.end..]);
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(&[b'0'; DIGITS]).update(after);
    hasher.finalize().to_hex().as_bytes() == &json[digits]
}

/// File name of the card of an experiment's models, beside the page.
pub(super) fn card_file(experiment: &str) -> Option<String> {
    let safe = !experiment.is_empty()
        && experiment
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    safe.then(|| format!("card-{experiment}.md"))
}

/// Generated speech has no literature: neither its figures nor its counts.
fn without_published(mut report: PipelineReport) -> PipelineReport {
    report.published.clear();
    if let Some(corpus) = &mut report.corpus {
        corpus.expected = None;
    }
    report
}
