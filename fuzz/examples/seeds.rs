//! Writes valid inputs for every fuzz target: `seeds FOLDER` makes `FOLDER/<target>/…`. Recordings
//! among them are tones.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hound::{SampleFormat, WavSpec, WavWriter};
use ser::corpus::{Sex, Source, Utterance};
use ser::model::artifact::{ModelInfo, SavedModel, Weights, save};
use ser::model::{Classical, Domain, Durations, FeatureRanges, Layer, Majority, Params, Running};
use ser::table::features::FeatureTable;
use ser::table::metrics::MetricRow;
use ser::table::predictions::PredictionRow;
use ser::table::rowlog::{RowLog, Width};
use ser::table::splits::SplitRow;
use ser::table::{Meta, features, metrics, predictions, splits, utterances};
use ser::transform::{Inputs, Order, Scaler, ScalerKind};
use ser_fuzz::{WEIGHTS, WHAT, WIDTH};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: seeds FOLDER");
        return ExitCode::from(2);
    };
    match all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(folder: &Path) -> Outcome {
    for (target, make) in [
        ("archive", archives as fn(&Seeds) -> Outcome),
        ("audio", recordings),
        ("encoder", encoders),
        ("labels", labels),
        ("manifest", manifests),
        ("model", models),
        ("pipeline", pipelines),
        ("table", tables),
    ] {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        make(&Seeds { folder })?;
    }
    Ok(())
}

struct Seeds {
    folder: PathBuf,
}

impl Seeds {
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> Outcome {
        Ok(fs::write(self.folder.join(name), bytes)?)
    }

    /// An input whose first byte says how the rest is read.
    fn put_as(&self, how: u8, name: &str, bytes: impl AsRef<[u8]>) -> Outcome {
        self.put(name, [&[how], bytes.as_ref()].concat())
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn recordings(seeds: &Seeds) -> Outcome {
    for (bits, format) in [
        (8, SampleFormat::Int),
        (16, SampleFormat::Int),
        (24, SampleFormat::Int),
        (32, SampleFormat::Int),
        (32, SampleFormat::Float),
    ] {
        for (channels, sample_rate) in [(1, 16_000), (2, 44_100)] {
            let mut file = Cursor::new(Vec::new());
            let mut writer = WavWriter::new(
                &mut file,
                WavSpec {
                    channels,
                    sample_rate,
                    bits_per_sample: bits,
                    sample_format: format,
                },
            )?;
            for i in 0..300_u16 * channels {
                let value = (f32::from(i / channels) * 0.2).sin() * 0.5;
                match format {
                    SampleFormat::Float => writer.write_sample(value)?,
                    SampleFormat::Int => {
                        writer.write_sample((value * (1_u32 << (bits - 1)) as f32) as i32)?
                    }
                }
            }
            writer.finalize()?;
            seeds.put(
                &format!("{format:?}-{bits}-{channels}.wav"),
                file.into_inner(),
            )?;
        }
    }
    for entry in fs::read_dir(repository().join("src/audio/testdata"))? {
        let path = entry?.path();
        if path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().starts_with("tone"))
        {
            seeds.put(
                &path.file_name().unwrap_or_default().to_string_lossy(),
                fs::read(&path)?,
            )?;
        }
    }
    Ok(())
}

fn pipelines(seeds: &Seeds) -> Outcome {
    for entry in fs::read_dir(repository().join("pipelines"))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&path)?;
            seeds.put(
                &format!("{name}.set"),
                format!("{text}\0train.epochs=15\0seeds=[1, 2]\0corpus.labels=[\"a\"]\0protocol=group-kfold:5"),
            )?;
            seeds.put(&name, text)?;
        }
    }
    Ok(())
}

fn encoders(seeds: &Seeds) -> Outcome {
    for entry in fs::read_dir(repository().join("tests/encoders"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        for (which, file) in (0..).zip(WEIGHTS) {
            let (config, weights) = (folder.join("config.json"), folder.join(file));
            if weights.exists() {
                let text = fs::read(config)?;
                let input = [text, vec![0], fs::read(weights)?].concat();
                seeds.put_as(which, &name, input)?;
            }
        }
    }
    Ok(())
}

fn labels(seeds: &Seeds) -> Outcome {
    let evaluation = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\r\n\r\n\
        [6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\r\nC-E2:\tNeutral;\t()\r\nC-E3:\tNeutral state;\t(x)\r\n\
        C-F1:\tAnger;\t()\r\nA-E3:\tval 3; act 2; dom  2;\t()\r\n\r\n\
        [8 - 9]\tSes01F_impro01_M000\texc\t[1, 1, 1]\r\nC-E2:\tExcited; Happiness;\t()\r\n";
    for how in [2, 6, 10, 14] {
        seeds.put_as(how, &format!("evaluation-{how}.txt"), evaluation)?;
    }
    seeds.put_as(
        0,
        "ravdess",
        "03-01-05-01-01-01-12\n03-01-01-02-01-01-01\n01-02-05-01-01-01-12\n03-01-08-02-02-02-24",
    )?;
    for how in [1, 5] {
        seeds.put_as(
            how,
            &format!("emodb-{how}"),
            "03a01Fa\n16b10wb\n11A05TA\n08a07N",
        )?;
    }
    seeds.put_as(
        3,
        "iemocap",
        "Ses02F_impro01_F000\nSes02M_script01_1b_M003\nSes02F_impro05a_FXX0",
    )
}

fn manifests(seeds: &Seeds) -> Outcome {
    let rows = "path,emotion,speaker,sex,start,end,split,id\na.wav,joy,1,f,0,1.5,train,u1\n\"c d.wav\",\"an\ngry\",2,m,,,dev,\n\
        ../outside.wav,joy,3,,,,,\nlink.wav,joy,3,,,,,\nd\\b.wav,sad,4,woman,0.5,,test,u2\n";
    for how in [0, 4, 8] {
        seeds.put_as(how, &format!("{how}.csv"), rows)?;
    }
    seeds.put_as(1, "1.tsv", rows.replace(',', "\t"))?;
    seeds.put_as(2, "semicolons", rows.replace(',', ";"))?;
    // A table of utterances has the columns of a manifest.
    seeds.put_as(
        3,
        "3.parquet",
        written(|path| utterances::write(path, "c", &some_utterances(), &Meta::new()))?,
    )
}

fn some_utterances() -> Vec<Utterance> {
    let utterance = |id: &str, path: &str, sex| Utterance {
        source: Source {
            emotion: "joy".into(),
            speaker: "01".into(),
            sex,
            start_s: Some(0.5),
            end_s: Some(1.5),
            language: Some("de".into()),
            ..Source::named(id, path)
        },
        sample_rate: 16_000,
        channels: 1,
        n_samples: 16_000,
        duration_s: 1.0,
        content_hash: "ab".into(),
    };
    vec![
        utterance("u1", "a.wav", Some(Sex::Female)),
        utterance("u2", "d/b.wav", None),
        utterance("u3", "link.wav", Some(Sex::Male)),
    ]
}

/// What `write` puts into the file that it is given.
fn written(write: impl FnOnce(&Path) -> ser::Result<()>) -> Outcome<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("t");
    write(&path)?;
    Ok(fs::read(path)?)
}

fn tables(seeds: &Seeds) -> Outcome {
    let meta = Meta::from([("profile".to_owned(), "librosa-0.8".to_owned())]);
    seeds.put_as(
        0,
        "utterances",
        written(|path| utterances::write(path, "c", &some_utterances(), &meta))?,
    )?;
    let rows = FeatureTable {
        ids: vec!["u1".into(), "u2".into()],
        content_hashes: vec!["ab".into(), "cd".into()],
        columns: vec!["mfcc_00".into(), "mfcc_01".into(), "chroma_00".into()],
        values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    };
    seeds.put_as(
        1,
        "features",
        written(|path| features::write(path, &rows, &meta))?,
    )?;
    let split = |fold, role: &'static str| SplitRow {
        experiment: "e".into(),
        protocol: "group-2-fold".into(),
        fold,
        fold_name: format!("fold {fold}").into(),
        utterance_id: "u1".into(),
        role: role.into(),
    };
    seeds.put_as(
        2,
        "splits",
        written(|path| splits::write(path, &[split(0, "train"), split(1, "test")], &meta))?,
    )?;
    let prediction = PredictionRow {
        experiment: "e".into(),
        protocol: "group-2-fold".into(),
        fold: 1,
        seed: 7,
        utterance_id: "u1".into(),
        truth: "joy".into(),
        predicted: "sad".into(),
        probabilities: vec![0.25, 0.75],
    };
    let classes = ["joy".to_owned(), "sad".to_owned()];
    seeds.put_as(
        3,
        "predictions",
        written(|path| predictions::write(path, &classes, &[prediction], &meta))?,
    )?;
    let metric = |fold| MetricRow {
        experiment: "e".into(),
        protocol: "group-2-fold".into(),
        fold,
        seed: None,
        metric: "uar".into(),
        value: 0.5,
        scope: "fold".into(),
    };
    let of_metrics = written(|path| metrics::write(path, &[metric(None), metric(Some(1))], &meta))?;
    seeds.put_as(4, "metrics", &of_metrics)?;
    seeds.put_as(5, "meta", of_metrics)?;
    let log = written(|path| {
        let mut log = RowLog::open(path, Width::Fixed(WIDTH), WHAT)?;
        let (a, b) = (blake3::hash(b"a"), blake3::hash(b"b"));
        log.append([(&a, &[0.1; WIDTH][..]), (&b, &[0.2; WIDTH][..])])
    })?;
    seeds.put_as(6, "rows", &log)?;
    seeds.put_as(14, "rows-as-they-are", log)
}

fn models(seeds: &Seeds) -> Outcome {
    let layers = [
        Layer::Conv {
            inputs: 1,
            outputs: 2,
            kernel: 3,
        },
        Layer::BatchNorm { channels: 2 },
        Layer::Relu,
        Layer::MaxPool { size: 2 },
        Layer::Flatten,
        Layer::Dense {
            inputs: 4,
            outputs: 2,
        },
    ];
    let tensors = [6, 2, 2, 2, 8, 2].map(|n| vec![0.5; n]).to_vec();
    let network = Weights::Cnn {
        params: Params { tensors },
        running: Running {
            means: vec![vec![0.5, -0.25]],
            variances: vec![vec![1.0, 2.0]],
        },
    };
    let guess = Weights::Classical(Classical::Majority(Majority {
        frequencies: vec![0.25, 0.75],
    }));
    for (name, layers, weights) in [("cnn", &layers[..], network), ("majority", &[], guess)] {
        let info = ModelInfo {
            encoder: None,
            imported: None,
            architecture: None,
            layers: layers.to_vec(),
            labels: vec!["joy".into(), "sad".into()],
            feature_set: "issa193".into(),
            profile: "librosa-0.8".into(),
            feature_code_version: 1,
            feature_names: (0..4).map(|i| format!("mfcc_{i:02}")).collect(),
            inputs: Inputs {
                order: Order::Paper,
                log_mel: true,
                scaler: ScalerKind::Standard,
                ..Inputs::default()
            },
            scaler: Scaler::Standard {
                mean: vec![0.5; 4],
                sd: vec![1.0; 4],
            },
            train: None,
            test_time_augment: None,
            domain: Domain {
                duration_s: Durations {
                    min: 1.0,
                    p01: 1.0,
                    p05: 1.5,
                    median: 2.0,
                    p95: 3.0,
                    p99: 4.0,
                    max: 4.0,
                },
                features: FeatureRanges {
                    min: vec![-1.0; 4],
                    p01: vec![-0.5; 4],
                    p99: vec![0.5; 4],
                    max: vec![1.0; 4],
                },
            },
            pipeline: "p".into(),
            corpus: "c".into(),
            protocol: "group-2-fold".into(),
            fold: 0,
            seed: 1,
            provenance: [("ser".to_owned(), "0".to_owned())].into(),
        };
        let folder = tempfile::tempdir()?;
        save(folder.path(), &SavedModel { info, weights })?;
        let [json, tensors] =
            ["model.json", "model.safetensors"].map(|file| fs::read(folder.path().join(file)));
        seeds.put(name, [&json?[..], &[0], &tensors?].concat())?;
    }
    Ok(())
}

fn archives(seeds: &Seeds) -> Outcome {
    for (name, method) in [
        ("stored.zip", CompressionMethod::Stored),
        ("deflated.zip", CompressionMethod::Deflated),
    ] {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        zip.add_directory("wav/", options)?;
        for entry in ["wav/a.wav", "wav/B.wav", "read me.txt"] {
            zip.start_file(entry, options)?;
            zip.write_all(&b"some sound, some sound, ".repeat(5))?;
        }
        seeds.put(name, zip.finish()?.into_inner())?;
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "..", SimpleFileOptions::default())?;
    zip.start_file("link/a.wav", SimpleFileOptions::default())?;
    seeds.put("link.zip", zip.finish()?.into_inner())
}
