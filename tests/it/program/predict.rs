//! Saved models on recordings: by window, by several models, to files.

mod sources;

use std::fs;

use super::project::{Project, json_lines, tone, wav};

const MODEL: &str = "data/models/small/base/fold-00-seed-0";

fn trained(speakers: usize) -> Project {
    let project = Project::with_tones(speakers);
    project.ser(&["train", "small"]).ok();
    project
}

/// Rows of a CSV file by the names of its header.
fn csv(bytes: &[u8]) -> Vec<std::collections::BTreeMap<String, String>> {
    csv::Reader::from_reader(bytes)
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

fn column(rows: &[std::collections::BTreeMap<String, String>], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn every_format_and_number_of_threads_has_the_same_rows() {
    let project = trained(2);
    project.write("corpus/bad.wav", b"no sound");
    for jobs in ["1", "3"] {
        for extension in ["csv", "jsonl", "parquet"] {
            let name = format!("{jobs}.{extension}");
            project
                .ser(&[
                    "predict",
                    MODEL,
                    "corpus",
                    "--skip-bad",
                    "-o",
                    &name,
                    "--jobs",
                    jobs,
                    "--window",
                    "0.15",
                ])
                .ok();
        }
    }
    for extension in ["csv", "jsonl", "parquet"] {
        assert!(
            project.read(&format!("1.{extension}")) == project.read(&format!("3.{extension}")),
            "{extension}"
        );
    }
    let rows = csv(&project.read("1.csv"));
    let lines = json_lines(&String::from_utf8(project.read("1.jsonl")).unwrap());
    let (labels, heard) = ser::table::inference::read(&project.path("1.parquet")).unwrap();
    assert_eq!(labels, ["angry", "calm", "happy"]);
    // Windows of 0.15 s every 0.075 s over 0.4 s: four, and one that ends with the recording.
    assert_eq!(
        (rows.len(), lines.len(), heard.len()),
        (12 * 5, 12 * 5, 12 * 5)
    );
    let ends: Vec<f64> = heard[..5].iter().map(|row| row.end_s).collect();
    assert_eq!(ends, [0.15, 0.225, 0.3, 0.375, 0.4]);
    for ((row, line), heard) in rows.iter().zip(&lines).zip(&heard) {
        assert!(row["file"] == heard.file && line["file"] == heard.file.as_str());
        assert!(row["emotion"] == heard.emotion && line["emotion"] == heard.emotion.as_str());
        assert!(
            row["start_s"].parse() == Ok(heard.start_s)
                && line["start_s"].as_f64() == Some(heard.start_s)
        );
        for (label, p) in labels.iter().zip(&heard.probabilities) {
            assert_eq!(row[&format!("prob_{label}")].parse(), Ok(*p));
            assert_eq!(
                line["probabilities"][label].as_f64().map(|p| p as f32),
                Some(*p)
            );
        }
    }
    project
        .ser(&["predict", MODEL, "corpus", "-o", "x.xls"])
        .fails(2, &["x.xls", "--format"]);
    project
        .ser(&["predict", MODEL, "corpus", "--format", "parquet"])
        .fails(2, &["-o FILE.parquet"]);
    project
        .ser(&["predict", MODEL, "corpus", "--hop", "1"])
        .fails(2, &["--window"]);
    project
        .ser(&["predict", MODEL, "corpus", "--window", "0"])
        .fails(2, &["a window of 0 s"]);
}

#[test]
fn a_window_is_what_a_file_of_its_own_would_be() {
    let project = trained(2);
    let sound = tone(333.0, 1.0);
    project.write("whole.wav", wav(&sound));
    project.write("cut.wav", wav(&sound[4_000..12_000]));
    project.write(
        "m.csv",
        "path,start,end\nwhole.wav,0.25,0.75\nwhole.wav,0.9,2\n",
    );
    let rows = |args: &[&str]| {
        csv(project
            .ser(&[&["predict", MODEL, "--format", "csv"], args].concat())
            .stdout
            .as_bytes())
    };
    let (windows, cut, segment) = (
        rows(&["whole.wav", "--window", "0.5"]),
        rows(&["cut.wav"]),
        rows(&["m.csv"]),
    );
    assert_eq!(column(&windows, "start_s"), ["0", "0.25", "0.5"]);
    assert_eq!(
        (
            windows[1]["end_s"].as_str(),
            segment[0]["start_s"].as_str(),
            segment.len()
        ),
        ("0.75", "0.25", 1)
    );
    for name in ["emotion", "prob_angry", "prob_calm", "prob_happy"] {
        assert!(
            windows[1][name] == cut[0][name] && segment[0][name] == cut[0][name],
            "{name}"
        );
    }
    assert_eq!(
        rows(&["cut.wav", "--window", "9"]),
        cut,
        "a short recording is one row"
    );
    project
        .ser(&["predict", MODEL, "m.csv"])
        .fails(4, &["whole.wav", "1 bad-segment"]);
}

#[test]
fn the_models_of_an_experiment_speak_with_one_voice() {
    let project = trained(2);
    let of = |model: &str| {
        csv(project
            .ser(&["predict", model, "corpus", "--format", "csv"])
            .ok()
            .stdout
            .as_bytes())
    };
    let (first, second, both) = (
        of(MODEL),
        of("data/models/small/base/fold-01-seed-0"),
        of("data/models/small/base"),
    );
    for ((a, b), mean) in first.iter().zip(&second).zip(&both) {
        for label in ["prob_angry", "prob_calm", "prob_happy"] {
            let p = |row: &std::collections::BTreeMap<String, String>| {
                row[label].parse::<f64>().unwrap()
            };
            assert!(((p(a) + p(b)) / 2.0 - p(mean)).abs() < 1e-6);
        }
    }
    let said = project
        .ser(&["predict", "data/models/small/base", "corpus"])
        .ok();
    assert!(
        said.stderr
            .contains("mean probability of 2 models: fold-00-seed-0, fold-01-seed-0"),
        "{}",
        said.stderr
    );
    // A model with other classes, put among them.
    let other = project.path("data/models/small/base/fold-02-seed-0");
    fs::create_dir(&other).unwrap();
    for name in ["model.json", "model.safetensors"] {
        fs::copy(project.path(&format!("{MODEL}/{name}")), other.join(name)).unwrap();
    }
    let json = fs::read_to_string(other.join("model.json")).unwrap();
    // As one would have it who altered it on purpose.
    let at = json.find("\"checksum\": \"").unwrap() + "\"checksum\": \"".len();
    let json = json.replace(&json[at..at + 64], "");
    fs::write(
        other.join("model.json"),
        json.replace("\"calm\"", "\"cool\""),
    )
    .unwrap();
    project
        .ser(&["predict", "data/models/small/base", "corpus"])
        .fails(4, &["different classes", "fold-02-seed-0"]);
    fs::write(
        other.join("model.json"),
        json.replace("\"scaler\": \"standard\"", "\"scaler\": \"none\""),
    )
    .unwrap();
    project
        .ser(&["predict", "data/models/small/base", "corpus"])
        .fails(4, &["different inputs"]);
}

#[test]
fn speakers_of_a_manifest_are_scaled_each_by_the_own_clips() {
    let mut project = Project::with_tones(3);
    project.row("none.wav", "calm", "");
    fs::copy(
        project.path("corpus/s0_calm_0.wav"),
        project.path("corpus/none.wav"),
    )
    .unwrap();
    project.pipeline(
        "small",
        &Project::small().replace("\"standard\"", "\"per-speaker\""),
    );
    project.ser(&["train", "small"]).ok();
    project
        .ser(&["predict", MODEL, "corpus"])
        .fails(2, &["transductive", "--one-speaker", "column speaker"]);
    project.write_manifest();
    let rows = |args: &[&str]| {
        csv(project
            .ser(&[&["predict", MODEL, "--format", "csv"], args].concat())
            .stdout
            .as_bytes())
    };
    let all = rows(&["corpus/manifest.csv"]);
    project
        .ser(&["predict", MODEL, "corpus/manifest.csv"])
        .fails(4, &["none.wav has no speaker", "1 no-speaker"]);
    let mut apart = Vec::new();
    for speaker in ["s0", "s1", "s2"] {
        let files: Vec<String> = column(&all, "file")
            .into_iter()
            .filter(|file| file.contains(speaker))
            .collect();
        let args: Vec<&str> = files
            .iter()
            .map(String::as_str)
            .chain(["--one-speaker"])
            .collect();
        apart.extend(rows(&args));
    }
    assert!(all.len() == 18 && all == apart);
}

#[cfg(unix)]
#[test]
fn what_is_interrupted_leaves_nothing_half_written() {
    let project = trained(2);
    let good = wav(&tone(300.0, 0.4));
    for i in 0..2000 {
        project.write(&format!("many/{i:04}.wav"), &good);
    }
    project.write("out.csv", "file,kind,reason\nolder,,\n");
    // Progress begins with the eighth recording.
    let script = format!(
        "$SER predict {MODEL} many -o out.csv --json 2> err & pid=$!\n\
         while kill -0 $pid 2>/dev/null && ! grep -q task-progress err 2>/dev/null; do sleep 0.01; done; kill -INT $pid; wait $pid"
    );
    let ran = project.bash(&script);
    assert_eq!(
        ran.code,
        130,
        "{}",
        String::from_utf8_lossy(&project.read("err"))
    );
    assert_eq!(project.read("out.csv"), b"file,kind,reason\nolder,,\n");
    let left = fs::read_dir(project.path("."))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.starts_with(".tmp")));
}

#[test]
fn long_and_silent_recordings_are_counted() {
    let project = trained(2);
    let sound = tone(300.0, 1.0);
    project.write(
        "long/a.wav",
        wav(&sound
            .iter()
            .copied()
            .cycle()
            .take(16_000 * 61)
            .collect::<Vec<_>>()),
    );
    project.write("long/b.wav", wav(&sound));
    let said = project.ser(&["predict", MODEL, "long"]).ok().stderr;
    assert!(
        said.contains("1 recording is longer than 60 s")
            && said.contains("try --window 0.4")
            && !said.contains("silent"),
        "{said}"
    );
    let said = project
        .ser(&["predict", MODEL, "long", "--window", "3"])
        .ok()
        .stderr;
    assert!(!said.contains("longer than"), "{said}");
    project.write("quiet/a.wav", wav(&[0; 16_000]));
    project.write("quiet/b.wav", wav(&[100; 16_000]));
    project.write("quiet/c.wav", wav(&sound));
    let said = project.ser(&["predict", MODEL, "quiet"]).ok().stderr;
    assert!(
        said.contains("warning: 2 recordings are silent")
            && said.contains("(the first: quiet/a.wav)"),
        "{said}"
    );
    project
        .ser(&["predict", MODEL, "long", "--window", "0.001"])
        .fails(2, &["a window of 0.001 s", "0.002 s"]);
}

#[test]
fn a_model_is_found_by_its_experiment_and_a_slip_is_answered() {
    let project = trained(2);
    let rows = |model: &str| {
        project
            .ser(&["predict", model, "corpus", "--format", "csv"])
            .ok()
            .stdout
    };
    assert_eq!(rows("small/base"), rows("data/models/small/base"));
    assert_eq!(rows("small/base/fold-00-seed-0"), rows(MODEL));
    assert_eq!(rows(&format!("{MODEL}/model.json")), rows(MODEL));
    let refused = |model: &str, words: &[&str]| {
        project.ser(&["predict", model, "corpus"]).fails(5, words);
    };
    refused(
        "data/models/small",
        &[
            "there is no saved model in data/models/small",
            "there are: base",
        ],
    );
    refused("small", &["there are: base"]);
    refused(
        "data/models/small/bse",
        &["did you mean `base`?", "data/models/small: base"],
    );
    refused("small/bse", &["did you mean `base`?"]);
    refused("smal/base", &["did you mean `small`?"]);
    refused(
        "data/models/small/base/fold-07-seed-0",
        &["fold-00-seed-0, fold-01-seed-0"],
    );
    project
        .ser(&["predict", "corpus/s0_calm_0.wav", "corpus"])
        .fails(2, &["is a file, not the folder of a model"]);
    project
        .ser(&["predict", &format!("{MODEL}/model.safetensors"), "corpus"])
        .fails(2, &[&format!("name its folder: {MODEL}")]);
}

#[test]
fn what_is_outside_of_the_training_data_is_marked_and_counted() {
    let project = trained(2);
    let sound = tone(300.0, 1.0);
    project.write("other/long.wav", wav(&sound));
    project.write("other/short.wav", wav(&sound[..4_000]));
    let hum: Vec<i16> = (0..6_400i32)
        .map(|i| (i * 7_919 % 20_011 - 10_000) as i16)
        .collect();
    project.write("other/noise.wav", wav(&hum));
    let ran = project
        .ser(&["predict", MODEL, "other", "-o", "out.csv"])
        .ok();
    let rows = csv(&project.read("out.csv"));
    assert_eq!(column(&rows, "in_domain"), ["false", "false", "false"]);
    assert!(
        rows[0]["domain_reason"].starts_with("duration")
            && rows[1]["domain_reason"] == "features"
            && rows[2]["domain_reason"].starts_with("duration")
    );
    let warnings: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("outside of what the model was trained on"))
        .collect();
    assert!(
        warnings.len() == 1
            && warnings[0].contains("3 of 3 predictions")
            && warnings[0].contains("0.32 to 0.50 s"),
        "{}",
        ran.stderr
    );
    let seen = csv(project
        .ser(&["predict", MODEL, "corpus", "--format", "csv"])
        .ok()
        .stdout
        .as_bytes());
    assert!(
        seen.iter()
            .all(|row| !row["domain_reason"].contains("duration"))
    );
    project
        .ser(&["predict", MODEL, "other", "-o", "out.parquet"])
        .ok();
    let (_, heard) = ser::table::inference::read(&project.path("out.parquet")).unwrap();
    assert!(
        heard.iter().zip(&rows).all(|(one, row)| !one.in_domain
            && one.domain_reason.as_ref() == Some(&row["domain_reason"]))
    );
    let lines = project
        .ser(&["predict", MODEL, "other/long.wav"])
        .ok()
        .stdout;
    assert!(lines.contains("; in_domain false: duration"), "{lines}");
}
