//! The features against librosa 0.8.1 itself, on recorded speech.
//!
//! SER_CORPORA names the folder with `ravdess/`, `emodb/` and `emodb-2s/`, SER_GOLDEN the folder
//! with the reference tables and intermediates.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{Array, Float32Array, LargeStringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;
use ser::dsp::{Dct, Frames, TONNETZ, tonal_centroid};
use ser::features::{Extractor, FeatureSet, Intermediates, Profile, names};

/// Errors are divided by the column's standard deviation over its table. Most cells must be within
/// the first bound, all within the second.
const USUAL: f64 = 1e-3;
const WORST: f64 = 1e-2;
const USUAL_SHARE: f64 = 0.999;

fn folders() -> Option<(PathBuf, PathBuf)> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let folders = folder("SER_CORPORA").zip(folder("SER_GOLDEN"));
    if folders.is_none() {
        crate::skipped::skipped("corpora", "SER_CORPORA and SER_GOLDEN are not both set");
    }
    folders
}

/// Computes something of every frame.
fn each(frames: &Frames, width: usize, of: impl Fn(&[f64]) -> Vec<f64>) -> Frames {
    let mut computed = Frames::new(width);
    computed.reset(frames.len());
    for (row, frame) in computed.rows_mut().zip(frames.rows()) {
        let frame: Vec<f64> = frame.iter().map(|value| f64::from(*value)).collect();
        for (slot, value) in row.iter_mut().zip(of(&frame)) {
            *slot = value as f32;
        }
    }
    computed
}

#[test]
fn features_equal_librosa_s() {
    let Some((corpora, golden)) = folders() else {
        return;
    };
    for (corpus, files) in [("ravdess", 1440), ("emodb", 535), ("emodb-2s", 535)] {
        let (paths, expected) =
            read_table(&golden.join(format!("all-{corpus}-librosa-0.8.1.parquet")));
        assert_eq!(paths.len(), files, "{corpus}");
        let computed: Vec<Vec<f32>> = paths
            .par_iter()
            .map_init(
                || Extractor::new(Profile::Librosa08),
                |extractor, path| {
                    let audio = ser::audio::decode(&corpora.join(corpus).join(path))
                        .expect("the recording decodes");
                    extractor
                        .extract(FeatureSet::Issa193, &audio.samples, audio.sample_rate)
                        .expect("the features can be computed")
                },
            )
            .collect();
        let (mut cells, mut usual, mut worst, mut beyond) =
            (0, 0, (0.0, String::new()), Vec::new());
        for (column, (name, expected)) in
            names(FeatureSet::Issa193).iter().zip(&expected).enumerate()
        {
            let deviation = standard_deviation(expected);
            for ((path, row), expected) in paths.iter().zip(&computed).zip(expected) {
                let error = f64::from((row[column] - expected).abs()) / deviation;
                if error > WORST {
                    beyond.push(format!(
                        "{path}: {name} is {} instead of {expected}: {error:.1e} deviations",
                        row[column]
                    ));
                }
                cells += 1;
                usual += usize::from(error <= USUAL);
                if error > worst.0 {
                    worst = (error, format!("{name} of {path}"));
                }
            }
        }
        let share = f64::from(usual as u32) / f64::from(cells);
        println!(
            "{corpus}: {:.3} % of {cells} cells within {USUAL:e}; worst {:.1e}, {}",
            100.0 * share,
            worst.0,
            worst.1
        );
        assert!(
            beyond.is_empty(),
            "{corpus}: {} cells are beyond {WORST:e}:\n{}",
            beyond.len(),
            beyond.join("\n")
        );
        assert!(
            share >= USUAL_SHARE,
            "{corpus}: only {usual} of {cells} cells are within {USUAL:e}"
        );
    }
}

#[test]
fn intermediate_results_equal_librosa_s() {
    let Some((corpora, golden)) = folders() else {
        return;
    };
    for (path, name) in [
        ("emodb/wav/03a01Fa.wav", "emodb_03a01Fa"),
        (
            "ravdess/Actor_03/03-01-05-01-02-01-03.wav",
            "ravdess_03-01-05-01-02-01-03",
        ),
    ] {
        let folder = golden.join("intermediates").join(name);
        let audio = ser::audio::decode(&corpora.join(path)).expect("the recording decodes");
        let analysis = Intermediates::of(&audio.samples, audio.sample_rate)
            .expect("the features can be computed");

        let about: serde_json::Value =
            serde_json::from_reader(open(&folder.join("about.json"))).expect("about.json is JSON");
        for (key, tuning) in [
            ("tuning_chroma_stft", analysis.chroma_tuning),
            ("tuning_chroma_cqt", analysis.cqt_tuning),
        ] {
            let expected = about[key].as_f64().expect("the tuning is a number");
            assert!(
                (tuning - expected).abs() < 1e-9,
                "{name}: {key} is {tuning} instead of {expected}"
            );
        }
        // Sampled up: bit for bit, but for a sample in hundreds, which the last bit of a weight
        // decides. Sampled down: with the rounding of single precision.
        let signal = read_npy(&folder.join("resampled.npy")).values;
        assert_eq!(signal.len(), analysis.signal.len());
        let unequal = signal
            .iter()
            .zip(&analysis.signal)
            .filter(|(a, b)| a != b)
            .count();
        let sampled_up = audio.sample_rate < 22_050;
        assert!(
            !sampled_up || unequal * 200 <= signal.len(),
            "{name}: {unequal} of {} resampled values differ",
            signal.len()
        );
        let largest = signal
            .iter()
            .fold(0.0f32, |largest, value| largest.max(value.abs()));
        let worst = signal
            .iter()
            .zip(&analysis.signal)
            .fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(
            worst <= 4.0 * f32::EPSILON * largest,
            "{name}: a resampled value is off by {worst} of {largest}"
        );

        let mfcc = each(&analysis.mel_db, 40, |mel_db| {
            Dct::new(128, 40).apply(mel_db)
        });
        let tonnetz = each(&analysis.cqt_share, TONNETZ, |chroma| {
            tonal_centroid(chroma).to_vec()
        });
        // The valley of the top band lies as deep as that rounding.
        let contrast = if sampled_up { 1e-5 } else { 1e-3 };
        for (file, frames, tolerance) in [
            ("stft_magnitude", &analysis.magnitude, 1e-7),
            ("mel_power", &analysis.mel, 1e-6),
            ("mfcc", &mfcc, 1e-6),
            ("chroma_stft", &analysis.chroma, 1e-5),
            ("spectral_contrast", &analysis.contrast, contrast),
            ("cqt_magnitude", &analysis.cqt, 1e-6),
            ("chroma_cqt", &analysis.cqt_chroma, 2e-4),
            ("tonnetz", &tonnetz, 2e-4),
        ] {
            compare(
                &format!("{name}/{file}"),
                &read_npy(&folder.join(format!("{file}.npy"))),
                frames,
                tolerance,
            );
        }
    }
}

/// Asserts that no value is further off than `tolerance` times the largest.
fn compare(name: &str, expected: &Npy, frames: &Frames, tolerance: f32) {
    assert_eq!(expected.rows, frames.width(), "{name}");
    assert_eq!(expected.values.len(), frames.values().len(), "{name}");
    let largest = expected
        .values
        .iter()
        .fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (frame, row) in frames.rows().enumerate() {
        for (index, value) in row.iter().enumerate() {
            let expected = expected.at(index, frame);
            assert!(
                (value - expected).abs() <= tolerance * largest,
                "{name}: {value} instead of {expected} at {index} of frame {frame}"
            );
        }
    }
}

fn open(path: &Path) -> File {
    File::open(path).unwrap_or_else(|error| panic!("failed to open {}: {error}", path.display()))
}

/// The paths and the 193 columns of a reference table.
pub fn read_table(path: &Path) -> (Vec<String>, Vec<Vec<f32>>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(open(path))
        .and_then(|builder| builder.build())
        .expect("the table opens");
    let (mut paths, mut columns) = (Vec::new(), vec![Vec::new(); 193]);
    for batch in reader {
        let batch = batch.expect("the table is readable");
        let column = batch
            .column_by_name("path")
            .and_then(|column| column.as_any().downcast_ref::<LargeStringArray>());
        paths.extend(
            column
                .expect("the table has paths")
                .iter()
                .flatten()
                .map(str::to_owned),
        );
        for (name, values) in names(FeatureSet::Issa193).iter().zip(&mut columns) {
            let column = batch
                .column_by_name(name)
                .and_then(|column| column.as_any().downcast_ref::<Float32Array>());
            values.extend_from_slice(column.expect("the table has every feature").values());
        }
    }
    (paths, columns)
}

fn standard_deviation(values: &[f32]) -> f64 {
    let mean = |values: &mut dyn ExactSizeIterator<Item = f64>| {
        let count = values.len() as f64;
        values.sum::<f64>() / count
    };
    let centre = mean(&mut values.iter().map(|value| f64::from(*value)));
    mean(
        &mut values
            .iter()
            .map(|value| (f64::from(*value) - centre).powi(2)),
    )
    .sqrt()
}

/// A float32 array of one or two dimensions.
struct Npy {
    rows: usize,
    column_major: bool,
    values: Vec<f32>,
}

impl Npy {
    fn at(&self, row: usize, column: usize) -> f32 {
        let columns = self.values.len() / self.rows;
        self.values[if self.column_major {
            column * self.rows + row
        } else {
            row * columns + column
        }]
    }
}

fn read_npy(path: &Path) -> Npy {
    let bytes = std::fs::read(path)
        .unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()));
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (text, data) = bytes[10..].split_at(header);
    let text = String::from_utf8_lossy(text);
    assert!(text.contains("'<f4'"), "{}: {text}", path.display());
    let rows = text
        .split("'shape': (")
        .nth(1)
        .and_then(|shape| shape.split(',').next())
        .and_then(|rows| rows.parse().ok());
    Npy {
        rows: rows.expect("the header has a shape"),
        column_major: text.contains("'fortran_order': True"),
        values: data
            .chunks_exact(4)
            .map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]]))
            .collect(),
    }
}
