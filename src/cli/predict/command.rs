//! `predict`: recordings in, emotions and probabilities out.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::Predict;
use super::model;
use super::outputs::Outputs;
use super::sink::{Errors, OutputSink, Target};
use crate::audio::Remark;
use crate::cancel::Cancel;
use crate::cli::args::Args;
use crate::cli::{say, system};
use crate::error::{Error, Result};
use crate::files;
use crate::orchestrator::{Event, Observer};
use crate::pipeline::predict::{
    self as library, Format, Output, Predictor, RejectReason, Settings, Sources, Speakers, Tally,
    Windows,
};
use crate::text::plural;
use crate::transform::BALANCED_SPEAKERS;

/// The most bytes of a recording that come on standard input.
const MOST_BYTES: u64 = 4 << 30;

/// What recordings on standard input are called.
const STDIN: &str = "stdin";

/// Predicts all recordings; a bad one is named and counted, the others go on.
pub fn predict(
    predict: &Predict,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let json = args.global.json;
    let format = format(predict, json)?;
    let windows = predict
        .window
        .map(|window| Windows::new(window, predict.hop))
        .transpose()?;
    let outputs = Outputs::of(predict);
    outputs.check(predict, format)?;
    let folder = model::find(&predict.model, &predict.data_dir)?;
    outputs.spare_model(&folder)?;
    let (encoder, features) = (predict.encoder.as_deref(), predict.features.as_deref());
    let predictor = Predictor::load(&folder, encoder, features)?;
    describe(&predictor, json, observer);
    let sources = sources(predict, cancel)?;
    outputs.spare_recordings(&sources)?;
    outputs.spare_others()?;
    sources
        .notes
        .iter()
        .for_each(|note| observer.note(note.as_str()));
    sources
        .astray
        .iter()
        .for_each(|text| observer.warn(text.as_str()));
    let astray = !sources.astray.is_empty();
    if sources.items.is_empty() {
        return Err(Error::data("there is no recording to predict")
            .hint("name audio files, or folders and lists that hold some"));
    }
    let times = windows.is_some()
        || sources
            .items
            .iter()
            .flatten()
            .any(|clip| clip.start_s.is_some() || clip.end_s.is_some());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let speakers = match (predict.one_speaker, predict.by_speaker) {
        (true, _) => Speakers::One,
        (_, true) => Speakers::Named,
        _ => Speakers::AsGiven,
    };
    let settings = Settings {
        windows,
        speakers,
        jobs: predict.jobs.map_or(cores, usize::from),
        memory: system::memory(),
    };
    let at_once = predict.output.is_none() && std::io::stdout().is_terminal();
    // Rows on a terminal are progress enough, and bars would run into them.
    let quiet = WithoutProgress(observer);
    let observer: &dyn Observer = if at_once && !json { &quiet } else { observer };
    let place = predict.output.as_deref();
    let tally = into(predict.errors.as_deref(), |errors| {
        into(place, |file| {
            let gone = Arc::new(AtomicBool::new(false));
            let target = file.map_or_else(
                || Target::Standard {
                    gone: Arc::clone(&gone),
                },
                Target::File,
            );
            let path = place.unwrap_or(Path::new("standard output"));
            let output = Output::new(format, target, path, predictor.labels(), times, at_once)?;
            let errors = errors
                .map(|file| Errors::new(predict.errors.as_deref().unwrap_or(Path::new("")), file))
                .transpose()?;
            let mut sink = OutputSink {
                output,
                errors,
                gone,
                observer,
                json,
                counts: Default::default(),
                at_once,
            };
            let tally =
                library::predict(&predictor, sources, &settings, &mut sink, cancel, observer)?;
            sink.output.finish()?;
            sink.errors.map_or(Ok(()), Errors::finish)?;
            Ok(tally)
        })
    })?;
    conclude(&tally, predict, &predictor, astray, observer)
}

/// Says what was done; excluded recordings are an error unless --skip-bad is given.
fn conclude(
    tally: &Tally,
    predict: &Predict,
    predictor: &Predictor,
    astray: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let (excluded, all) = (tally.excluded(), tally.predicted + tally.excluded());
    let kinds: Vec<String> = tally
        .rejected
        .iter()
        .map(|(reason, n)| format!("{n} {}", reason.word()))
        .collect();
    let kinds = if excluded == 0 {
        String::new()
    } else {
        format!(" ({})", kinds.join(", "))
    };
    let rows = if tally.rows == tally.predicted {
        String::new()
    } else {
        format!(" in {} rows", tally.rows)
    };
    if predict.output.is_some() || all > 1 {
        observer.note(format!(
            "{} predicted{rows}, {excluded} excluded{kinds}",
            plural(tally.predicted as usize, "recording")
        ));
    }
    remark(tally, predict, predictor, observer);
    if excluded == 0 || predict.skip_bad {
        return Ok(());
    }
    let message = format!("{excluded} of {all} recordings could not be predicted{kinds}");
    if tally.predicted == 0
        && !astray
        && tally
            .rejected
            .keys()
            .all(|reason| *reason == RejectReason::Missing)
    {
        return Err(Error::missing(message).hint("check the paths: none of them is there"));
    }
    let error = Error::data(message);
    let others = if tally.predicted == 0 {
        ""
    } else {
        "the others were; "
    };
    Err(error.hint(match astray {
        true => {
            "name the folder that the paths of a manifest or list start from: --root DIR".to_owned()
        }
        false => format!(
            "{others}say --skip-bad where that is no failure, and --errors FILE.csv for a list"
        ),
    }))
}

/// Says of which recordings a prediction says little.
fn remark(tally: &Tally, predict: &Predict, predictor: &Predictor, observer: &dyn Observer) {
    let recordings = |n: u64| {
        if n == 1 {
            "1 recording is".to_owned()
        } else {
            format!("{n} recordings are")
        }
    };
    if let Some(first) = &tally.first_silent {
        let silent = recordings(tally.silent);
        observer.warn(format!("{silent} silent, all samples being the same: the prediction says nothing (the first: {first})"));
    }
    // Silence is told above, of windows as well.
    for (remark, (count, first)) in tally
        .remarked
        .iter()
        .filter(|(remark, _)| **remark != Remark::Silent)
    {
        let said = format!(
            "{}: {} (the first: {first})",
            if *count == 1 {
                "1 recording".to_owned()
            } else {
                format!("{count} recordings")
            },
            remark.text()
        );
        if remark.is_warning() {
            observer.warn(said)
        } else {
            observer.note(said)
        }
    }
    let trained = predictor.trained_durations();
    let usual = (trained.median * 10.0).round().max(1.0) / 10.0;
    if tally.long > 0 && predict.window.is_none() {
        let long = recordings(tally.long);
        observer
            .note(format!("{long} longer than {} s, and models are trained on single utterances: try --window {usual}", library::LONG_S));
    }
    if tally.outside > 0 {
        let (low, high) = trained.bounds();
        let by_duration = format!(
            "{} by duration (outside of {low:.2} to {high:.2} s; try --window {usual})",
            tally.outside_duration
        );
        let by_features = format!("{} by features", tally.outside_features);
        let why = [
            (tally.outside_duration, by_duration),
            (tally.outside_features, by_features),
        ];
        let why: Vec<String> = why
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(_, text)| text)
            .collect();
        let (outside, rows) = (tally.outside, tally.rows);
        observer.warn(format!(
            "{outside} of {rows} predictions are outside of what the model was trained on (in_domain false) and should not be relied on: {}",
            why.join(", ")
        ));
    }
}

fn describe(predictor: &Predictor, json: bool, observer: &dyn Observer) {
    if let Some(tested) = predictor.tested() {
        if let (true, Ok(mut event)) = (json, serde_json::to_value(tested)) {
            event["event"] = "model".into();
            say(&event.to_string());
        }
        tested
            .warning()
            .into_iter()
            .for_each(|warning| observer.warn(warning));
    }
    if predictor.needs_speaker() {
        observer.warn(format!(
            "the model scales every speaker by their own clips (transductive): predictions can be trusted only if {BALANCED_SPEAKERS}"
        ));
    }
    let folders = predictor.folders();
    if folders.len() > 1 {
        let names: Vec<_> = folders
            .iter()
            .filter_map(|f| f.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        observer.note(format!(
            "mean probability of {} models: {}",
            folders.len(),
            names.join(", ")
        ));
    }
}

fn format(predict: &Predict, json: bool) -> Result<Format> {
    match (predict.format, &predict.output) {
        (Some(format), _) => Ok(format.library()),
        (None, Some(output)) => Format::of(output).ok_or_else(|| {
            Error::usage(format!(
                "{} does not say in which format to write",
                output.display()
            ))
            .hint("name it *.csv, *.jsonl or *.parquet, or say --format")
        }),
        (None, None) => Ok(if json {
            Format::JsonLines
        } else {
            Format::Table
        }),
    }
}

/// All recordings that the command line names.
fn sources(predict: &Predict, cancel: &Cancel) -> Result<Sources> {
    let mut sources = Sources::under(predict.root.as_deref()).until(cancel);
    let list = Path::new("-");
    let lists = predict.paths.iter().filter(|path| *path == list).count();
    if lists + usize::from(predict.stdin) > 1 {
        return Err(Error::usage("standard input can be read once")
            .hint("say - for a list of paths, or --stdin for a recording"));
    }
    if predict.null && lists == 0 {
        return Err(
            Error::usage("--null is about a list of paths on standard input")
                .hint("name - among the paths"),
        );
    }
    for path in &predict.paths {
        if path == list {
            sources.add_list(&standard_input()?, predict.null)?;
        } else {
            sources.add(path)?;
        }
    }
    if predict.root.is_some() && !sources.has_lists() {
        return Err(
            Error::usage("--root is about the paths in manifests and lists")
                .hint("name a manifest, or - for a list, among the paths"),
        );
    }
    if predict.stdin {
        let bytes = standard_input()?;
        if bytes.is_empty() {
            return Err(Error::data("standard input is empty")
                .hint("--stdin takes one recording: ser predict MODEL --stdin < RECORDING.wav"));
        }
        sources.add_bytes(STDIN, bytes);
    }
    Ok(sources)
}

fn standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes);
    match read.map_err(|e| Error::io("read", Path::new("standard input"), e))? as u64 {
        0..=MOST_BYTES => Ok(bytes),
        _ => Err(Error::data(format!(
            "more than {MOST_BYTES} bytes come on standard input"
        ))
        .hint("write them to a file")),
    }
}

/// Does `work` with a file that appears at `path` once it is whole, or without one.
fn into<T>(path: Option<&Path>, work: impl FnOnce(Option<&mut File>) -> Result<T>) -> Result<T> {
    let Some(path) = path else { return work(None) };
    let mut result = None;
    files::publish(path, |file| {
        result = Some(work(Some(file))?);
        Ok(())
    })?;
    result.ok_or_else(|| Error::internal("a file was written without a result"))
}

/// Hands on everything but progress.
struct WithoutProgress<'a>(&'a dyn Observer);

impl Observer for WithoutProgress<'_> {
    fn observe(&self, event: Event) {
        if !matches!(event, Event::TaskProgress { .. }) {
            self.0.observe(event);
        }
    }
}
