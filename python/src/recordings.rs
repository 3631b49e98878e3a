//! Recordings in; features and predictions out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::array::{ArrayRef, Float32Array, Float64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use ser::audio::{Remark, Windows};
use ser::cancel::Cancel;
use ser::config::{FeatureSettings, SetSettings};
use ser::encoder::{EncoderName, Source, Usage};
use ser::features::{FeatureSet, encoder_columns, names};
use ser::orchestrator::Observer;
use ser::pipeline::predict::{
    self, Clip, Inference, Predictor, RecordingFeatures, Rejected, Settings, Sink, Sources,
    Speakers,
};
use ser::table::inference::{self, InferenceRow};
use ser::{Error, Result};

use crate::call::{Listener, Messages, exception, interruptible};
use crate::table::Table;

/// A path that may be a folder or a manifest; or a recording: its path or, of bytes, its name, the
/// bytes, speaker, start and end.
#[derive(FromPyObject)]
pub enum Recording {
    Clip(
        PathBuf,
        Option<PyBackedBytes>,
        Option<String>,
        Option<f64>,
        Option<f64>,
    ),
    Path(PathBuf),
}

/// The recordings; `root` is where the paths of manifests start.
fn sources(
    recordings: Vec<Recording>,
    root: Option<&Path>,
    excluded: &mut Excluded,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Sources> {
    let mut sources = Sources::under(root).until(cancel);
    for recording in recordings {
        match recording {
            Recording::Path(path) => sources.add(&path)?,
            Recording::Clip(path, bytes, speaker, start_s, end_s) => {
                let clip = Clip {
                    path,
                    bytes: bytes.map(|bytes| Arc::from(&bytes[..])),
                    speaker,
                    start_s,
                    end_s,
                    features: None,
                };
                if clip.bytes.is_some() {
                    excluded.arrays.insert(clip.name());
                }
                sources.items.push(Ok(clip));
            }
        }
    }
    if root.is_some() && !sources.has_lists() {
        let error = Error::usage("root is where the paths of manifests and data frames start");
        return Err(error.hint("leave out root: there are neither"));
    }
    if let (Some(text), false) = (sources.astray.first(), excluded.skip) {
        let hint = "name the folder that its paths start from: root=\"DIR\"";
        return Err(Error::missing(text.as_str()).hint(hint));
    }
    sources.notes.iter().for_each(|note| observer.note(note));
    sources.astray.iter().for_each(|text| observer.warn(text));
    if sources.items.is_empty() {
        let error = Error::data("there is no recording");
        return Err(error.hint("name audio files, or folders and manifests that hold some"));
    }
    Ok(sources)
}

fn jobs(jobs: Option<usize>) -> usize {
    jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Recordings that cannot be used: the first is the error, or all are kept.
struct Excluded {
    skip: bool,
    all: Vec<(String, String, String)>,
    /// The names of the arrays, which are their positions.
    arrays: HashSet<String>,
}

impl Excluded {
    fn new(skip: bool) -> Excluded {
        Excluded {
            skip,
            all: vec![],
            arrays: HashSet::new(),
        }
    }

    fn take(&mut self, rejected: &Rejected) -> Result<()> {
        let (file, error) = (&rejected.file, rejected.error.again());
        let error = if self.arrays.contains(file) {
            of_array(file, error)
        } else {
            error
        };
        if !self.skip {
            return Err(error);
        }
        let (kind, why) = (rejected.reason.word(), error.to_string());
        self.all.push((file.clone(), kind.to_owned(), why));
        Ok(())
    }
}

/// The error of an array, which has no file to replace, with its position.
fn of_array(position: &str, error: Error) -> Error {
    let name = format!("recording {position}");
    let text = error.to_string();
    let text = text.replace("the given bytes", &name);
    let text = text.replace(&format!(" of {position}: "), &format!(" of {name}: "));
    let text = if text.contains(&name) {
        text
    } else {
        format!("{name}: {text}")
    };
    Error::new(error.kind(), text)
}

/// The features of recordings, a row for each in their order, and which recording each row is of.
#[pyfunction]
pub fn features(
    py: Python<'_>,
    recordings: Vec<Recording>,
    set: &str,
    encoder: Option<PathBuf>,
    root: Option<PathBuf>,
    skip: bool,
    threads: Option<usize>,
) -> PyResult<(Table, Vec<usize>, Messages)> {
    interruptible(py, |cancel| {
        let listener = Listener::default();
        let observer: &dyn Observer = &listener;
        let settings = settings(set, encoder.as_deref())?;
        let mut excluded = Excluded::new(skip);
        let sources = sources(recordings, root.as_deref(), &mut excluded, cancel, observer)?;
        let memory = ser::cli::memory();
        let found = predict::features(sources, &settings, jobs(threads), memory, cancel)?;
        let mut remarked: BTreeMap<Remark, (u64, String)> = BTreeMap::new();
        let mut rows = Vec::with_capacity(found.len());
        let mut positions = Vec::with_capacity(found.len());
        for (position, one) in found.into_iter().enumerate() {
            match one {
                Ok(row) => {
                    for remark in row.remarks.iter() {
                        let first = || (0, row.file.clone());
                        remarked.entry(remark).or_insert_with(first).0 += 1;
                    }
                    rows.push(row);
                    positions.push(position);
                }
                Err(rejected) => excluded.take(&rejected)?,
            }
        }
        predict::remark_on_decoding(&remarked, observer);
        let batch = feature_batch(rows, settings.of(settings.first())?)?;
        let table = Table::new(batch, excluded.all);
        Ok((table, positions, listener.into_messages()))
    })
}

fn settings(set: &str, encoder: Option<&Path>) -> Result<FeatureSettings> {
    let unknown = || {
        let all = FeatureSet::ALL.map(|set| set.name().to_owned()).join(", ");
        Error::config(format!("there is no feature set `{set}`")).hint(format!("take one of {all}"))
    };
    let (set, encoders) = match encoder {
        None => (FeatureSet::parse(set).ok_or_else(unknown)?, vec![]),
        Some(folder) => {
            let usage = Usage {
                padding: Default::default(),
                windows: 30,
                normalize: None,
                output: None,
                frames: None,
            };
            let name = EncoderName::new("encoder").ok_or_else(unknown)?;
            let source = Arc::new(Source::new(name, folder, usage));
            (FeatureSet::Encoder(name), vec![source])
        }
    };
    Ok(FeatureSettings {
        sets: vec![set],
        encoders,
        ..FeatureSettings::default()
    })
}

/// `file`, `start_s`, `end_s`; then a 32-bit column for each feature, or `frames` and `values`, a
/// list of 32-bit numbers, frame after frame.
fn feature_batch(rows: Vec<RecordingFeatures>, settings: SetSettings) -> Result<RecordBatch> {
    let mut columns: Vec<(String, ArrayRef)> = vec![
        (
            "file".into(),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.file))),
        ),
        (
            "start_s".into(),
            Arc::new(Float64Array::from_iter_values(
                rows.iter().map(|r| r.start_s),
            )),
        ),
        (
            "end_s".into(),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.end_s))),
        ),
    ];
    let frame = match settings.encoder {
        Some(encoder) => encoder_columns(encoder.width),
        None => names(settings.set),
    };
    let mut about = HashMap::from([
        ("ser.feature_set".to_owned(), settings.set.name().to_owned()),
        ("ser.profile".to_owned(), settings.profile.name().to_owned()),
        (
            "ser.feature_code_version".to_owned(),
            settings.set.code_version().to_string(),
        ),
    ]);
    if settings.set.has_columns() {
        for (c, name) in frame.into_iter().enumerate() {
            let values = rows.iter().map(|row| row.row[c]);
            columns.push((name, Arc::new(Float32Array::from_iter_values(values))));
        }
    } else {
        about.insert("ser.channels".to_owned(), frame.join(" "));
        let width = frame.len().max(1);
        let frames = rows.iter().map(|row| (row.row.len() / width) as u32);
        columns.push((
            "frames".into(),
            Arc::new(UInt32Array::from_iter_values(frames)),
        ));
        let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.row.len()));
        let values: Vec<f32> = rows.into_iter().flat_map(|row| row.row).collect();
        let item = Arc::new(Field::new("element", DataType::Float32, false));
        let lists = ListArray::try_new(item, offsets, Arc::new(Float32Array::from(values)), None);
        columns.push(("values".into(), Arc::new(lists.map_err(no_table)?)));
    }
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(name, array.data_type().clone(), false))
        .collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, about));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(schema, arrays).map_err(no_table)
}

fn no_table(error: arrow::error::ArrowError) -> Error {
    Error::internal("columns that make no table").because(error)
}

/// A saved model, or the models of an experiment.
#[pyclass(frozen, module = "ser_rs._ser")]
pub struct Model {
    predictor: Predictor,
}

#[pymethods]
impl Model {
    #[new]
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        encoder: Option<PathBuf>,
        features: Option<PathBuf>,
    ) -> PyResult<Model> {
        let load = |_: &Cancel| Predictor::load(&folder, encoder.as_deref(), features.as_deref());
        let predictor = interruptible(py, load)?;
        Ok(Model { predictor })
    }

    /// Class names in the order of the probabilities.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.predictor.labels().to_vec()
    }

    /// The folders of the models.
    #[getter]
    fn folders(&self) -> Vec<PathBuf> {
        self.predictor.folders().to_vec()
    }

    /// Whether it scales speakers by their own clips.
    #[getter]
    fn needs_speaker(&self) -> bool {
        self.predictor.needs_speaker()
    }

    /// The predictions for recordings: a row for each recording or window in their order, and which
    /// recording each row is of.
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn predict(
        &self,
        py: Python<'_>,
        recordings: Vec<Recording>,
        windows: Option<(f64, Option<f64>)>,
        one_speaker: bool,
        root: Option<PathBuf>,
        skip: bool,
        threads: Option<usize>,
    ) -> PyResult<(Table, Vec<usize>, Messages)> {
        let windows = windows.map(|(window, hop)| Windows::new(window, hop));
        let settings = Settings {
            windows: windows.transpose().map_err(|error| exception(py, &error))?,
            speakers: if one_speaker {
                Speakers::One
            } else {
                Speakers::AsGiven
            },
            jobs: jobs(threads),
            memory: ser::cli::memory(),
        };
        let predictor = &self.predictor;
        interruptible(py, |cancel| {
            let listener = Listener::default();
            let observer: &dyn Observer = &listener;
            predict::caution(predictor, observer);
            let mut excluded = Excluded::new(skip);
            let sources = sources(recordings, root.as_deref(), &mut excluded, cancel, observer)?;
            let mut rows = Rows {
                labels: predictor.labels(),
                rows: vec![],
                positions: vec![],
                seen: 0,
                excluded,
            };
            let tally =
                predict::predict(predictor, sources, &settings, &mut rows, cancel, observer)?;
            predict::remark(&tally, predictor, settings.windows.is_some(), observer);
            let batch = inference::batch(predictor.labels(), &rows.rows)?;
            let table = Table::new(batch, rows.excluded.all);
            Ok((table, rows.positions, listener.into_messages()))
        })
    }
}

/// Collects predictions.
struct Rows<'a> {
    labels: &'a [String],
    rows: Vec<InferenceRow>,
    /// Which recording each row is of.
    positions: Vec<usize>,
    seen: usize,
    excluded: Excluded,
}

impl Sink for Rows<'_> {
    fn predicted(&mut self, clip: &Clip, inferences: &[Inference]) -> Result<()> {
        let name = clip.name();
        let rows = inferences.iter().map(|one| one.row(&name, self.labels));
        self.rows.extend(rows);
        self.positions.resize(self.rows.len(), self.seen);
        self.seen += 1;
        Ok(())
    }

    fn rejected(&mut self, rejected: &Rejected) -> Result<()> {
        self.seen += 1;
        self.excluded.take(rejected)
    }
}
