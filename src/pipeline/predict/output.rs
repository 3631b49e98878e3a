//! Predictions as lines for people, CSV, JSON lines or Parquet.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::pool::Inference;
use crate::error::{Error, Result};
use crate::escape::{shown, shown_json};
use crate::evaluation::argmax;
use crate::model::Outside;
use crate::report::escape_formula;
use crate::table::inference::{InferenceRow, Writer};

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Table,
    /// RFC 4180, UTF-8.
    Csv,
    /// A JSON object a line.
    JsonLines,
    /// A Parquet table.
    Parquet,
}

impl Format {
    /// The format that a file's extension stands for.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" | "json" => Some(Format::JsonLines),
            "parquet" => Some(Format::Parquet),
            "txt" => Some(Format::Table),
            _ => None,
        }
    }
}

impl Inference {
    /// The class of the highest probability.
    fn emotion(&self, labels: &[String]) -> String {
        let highest = labels.get(argmax(&self.probabilities));
        highest.cloned().unwrap_or_default()
    }

    /// The row of a table of predictions, of a model with these classes.
    pub fn row(&self, file: &str, labels: &[String]) -> InferenceRow {
        InferenceRow {
            file: file.to_owned(),
            start_s: self.start_s,
            end_s: self.end_s,
            emotion: self.emotion(labels),
            in_domain: self.outside.is_inside(),
            domain_reason: reason(self.outside),
            probabilities: self.probabilities.clone(),
        }
    }
}

/// Writes predictions, row after row. The same rows give the same bytes.
pub struct Output<W: Write + Send> {
    path: PathBuf,
    labels: Vec<String>,
    /// Whether lines for people say when: not where each row is a whole recording.
    times: bool,
    /// Whether the rows are looked at on a terminal, so that no name in CSV may command it.
    on_terminal: bool,
    to: To<W>,
}

enum To<W: Write + Send> {
    Lines(BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
    Json(BufWriter<W>),
    Parquet(Box<Writer<BufWriter<W>>>),
}

impl<W: Write + Send> Output<W> {
    /// Begins to write into `out`; `path` is for messages. On a terminal, CSV has the control
    /// characters of names written out; lines and JSON have that everywhere.
    pub fn new(
        format: Format,
        out: W,
        path: &Path,
        labels: &[String],
        times: bool,
        on_terminal: bool,
    ) -> Result<Self> {
        let to = match format {
            Format::Table => To::Lines(BufWriter::new(out)),
            Format::JsonLines => To::Json(BufWriter::new(out)),
            Format::Parquet => To::Parquet(Box::new(Writer::new(
                BufWriter::new(out),
                path,
                labels,
                &Default::default(),
            )?)),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new()
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(out);
                let header = [
                    "file",
                    "start_s",
                    "end_s",
                    "emotion",
                    "in_domain",
                    "domain_reason",
                ]
                .into_iter()
                .map(str::to_owned);
                let header = header.chain(
                    labels
                        .iter()
                        .map(|label| cell(&format!("prob_{label}"), on_terminal)),
                );
                writer
                    .write_record(header)
                    .map_err(|e| csv_failed(path, e))?;
                To::Csv(Box::new(writer))
            }
        };
        Ok(Output {
            path: path.to_owned(),
            labels: labels.to_vec(),
            times,
            on_terminal,
            to,
        })
    }

    /// Appends a row.
    pub fn push(&mut self, file: &str, inference: &Inference) -> Result<()> {
        let emotion = inference.emotion(&self.labels);
        let failed = |e| Error::io("write", &self.path, e);
        match &mut self.to {
            To::Lines(out) => writeln!(
                out,
                "{}",
                line(file, inference, &emotion, &self.labels, self.times)
            )
            .map_err(failed),
            To::Json(out) => writeln!(
                out,
                "{}",
                shown_json(&json(file, inference, &emotion, &self.labels).to_string())
            )
            .map_err(failed),
            To::Csv(out) => {
                let (is_inside, reason) = (
                    inference.outside.is_inside().to_string(),
                    inference.outside.reason().to_owned(),
                );
                let [file, emotion] = [file, &emotion].map(|name| cell(name, self.on_terminal));
                let texts = [
                    file,
                    inference.start_s.to_string(),
                    inference.end_s.to_string(),
                    emotion,
                    is_inside,
                    reason,
                ];
                let numbers = inference.probabilities.iter().map(f32::to_string);
                out.write_record(texts.into_iter().chain(numbers))
                    .map_err(|e| csv_failed(&self.path, e))
            }
            To::Parquet(out) => out.push(inference.row(file, &self.labels)),
        }
    }

    /// Hands on what was written so far, as far as the format can.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = match &mut self.to {
            To::Lines(out) | To::Json(out) => out.flush(),
            To::Csv(out) => out.flush(),
            To::Parquet(_) => Ok(()),
        };
        flushed.map_err(|e| Error::io("write", &self.path, e))
    }

    /// Completes the output.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        match self.to {
            To::Parquet(out) => out
                .finish()?
                .flush()
                .map_err(|e| Error::io("write", &self.path, e)),
            _ => Ok(()),
        }
    }
}

/// A name as a field of CSV.
fn cell(name: &str, on_terminal: bool) -> String {
    escape_formula(&if on_terminal {
        shown(name)
    } else {
        name.to_owned()
    })
}

fn csv_failed(path: &Path, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::io("write", path, error),
        other => Error::internal(format!(
            "failed to write a row of {}: {other:?}",
            path.display()
        )),
    }
}

/// In what a row leaves the domain of the models, where it does.
fn reason(outside: Outside) -> Option<String> {
    (!outside.is_inside()).then(|| outside.reason().to_owned())
}

/// `a.wav 1.5 to 4.5 s: happy  (happy 0.812, calm 0.188; in_domain true)`.
fn line(
    file: &str,
    inference: &Inference,
    emotion: &str,
    labels: &[String],
    times: bool,
) -> String {
    let mut sorted: Vec<(&String, &f32)> = labels.iter().zip(&inference.probabilities).collect();
    sorted.sort_by(|a, b| b.1.total_cmp(a.1));
    let all: Vec<String> = sorted
        .iter()
        .map(|(label, p)| format!("{label} {p:.3}"))
        .collect();
    let when = if times {
        format!(" {:.3} to {:.3} s", inference.start_s, inference.end_s)
    } else {
        String::new()
    };
    // Names stay on their line.
    let domain = match reason(inference.outside) {
        None => "in_domain true".to_owned(),
        Some(reason) => format!("in_domain false: {reason}"),
    };
    format!(
        "{}{when}: {}  ({}; {domain})",
        shown(file),
        shown(emotion),
        shown(&all.join(", "))
    )
}

fn json(file: &str, inference: &Inference, emotion: &str, labels: &[String]) -> serde_json::Value {
    let probabilities: serde_json::Map<String, serde_json::Value> = labels
        .iter()
        .zip(&inference.probabilities)
        .map(|(label, p)| (label.clone(), serde_json::json!(p)))
        .collect();
    serde_json::json!({
        "file": file, "start_s": inference.start_s, "end_s": inference.end_s, "emotion": emotion, "probabilities": probabilities,
        "in_domain": inference.outside.is_inside(), "domain_reason": reason(inference.outside),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, file: &str) -> String {
        written_on(format, file, false)
    }

    fn written_on(format: Format, file: &str, on_terminal: bool) -> String {
        let mut bytes = Vec::new();
        let labels = ["calm".to_owned(), "-happy".to_owned()];
        let mut output = Output::new(
            format,
            &mut bytes,
            Path::new("x"),
            &labels,
            true,
            on_terminal,
        )
        .unwrap();
        let outside = Outside {
            duration: true,
            features: false,
        };
        let (probabilities, views) = (vec![0.25, 0.75], Default::default());
        let inference = Inference {
            start_s: 0.0,
            end_s: 1.5,
            probabilities,
            outside,
            silent: false,
            views,
        };
        output.push(file, &inference).unwrap();
        output.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn csv_quotes_and_lets_no_text_be_a_formula() {
        let csv = written(Format::Csv, "=a,\"b\"\n.wav");
        assert_eq!(
            csv,
            "file,start_s,end_s,emotion,in_domain,domain_reason,prob_calm,prob_-happy\r\n\"'=a,\"\"b\"\"\n.wav\",0,1.5,'-happy,false,duration,0.25,0.75\r\n"
        );
    }

    #[test]
    fn no_name_commands_a_terminal() {
        let hostile = "\u{1b}[2J\u{9b}x\u{202e}\n.wav";
        for format in [Format::Csv, Format::Table, Format::JsonLines] {
            let text = written_on(format, hostile, true);
            let bad = |c: char| {
                (c.is_control() && !matches!(c, '\r' | '\n')) || crate::escape::reorders(c)
            };
            assert!(!text.contains(bad), "{format:?}: {text:?}");
            let lines = if format == Format::Csv { 2 } else { 1 };
            assert_eq!(text.lines().count(), lines, "{format:?}: {text:?}");
        }
        assert!(
            written(Format::Csv, hostile).contains(hostile),
            "programs read the name as it is"
        );
    }

    #[test]
    fn json_and_lines_stay_on_one_line() {
        let json: serde_json::Value =
            serde_json::from_str(&written(Format::JsonLines, "a\nb")).unwrap();
        assert!(
            json["file"] == "a\nb"
                && json["probabilities"]["-happy"] == 0.75
                && json["end_s"] == 1.5
        );
        assert!(json["in_domain"] == false && json["domain_reason"] == "duration");
        assert_eq!(
            written(Format::Table, "a\nb"),
            "a\\nb 0.000 to 1.500 s: -happy  (-happy 0.750, calm 0.250; in_domain false: duration)\n"
        );
    }

    #[test]
    fn formats_are_known_by_their_extensions() {
        assert_eq!(Format::of(Path::new("a.CSV")), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("a.json")), Some(Format::JsonLines));
        assert_eq!(
            (Format::of(Path::new("a.xls")), Format::of(Path::new("csv"))),
            (None, None)
        );
    }
}
