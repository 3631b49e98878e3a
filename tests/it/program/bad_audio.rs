//! One bad recording never ends a corpus: it is excluded, counted, named in the report; the rest
//! goes on.

use std::fs;

use super::project::{Project, float_wav, tone, wav};

/// Adds `content` as a recording among good ones, runs up to the report, and returns what the
/// report says of it.
#[track_caller]
fn set_aside(name: &str, content: &[u8], words: &[&str]) {
    let mut project = Project::with_tones(2);
    project.write(&format!("corpus/{name}"), content);
    project.row(name, "calm", "s0");
    rewrite(&mut project);
    check(&project, name, words);
}

fn rewrite(project: &mut Project) {
    // The rows of the good recordings stand in the file already; the builder keeps them all.
    project.write_manifest();
}

#[track_caller]
fn check(project: &Project, name: &str, words: &[&str]) {
    let ran = project.ser(&["run", "small"]).ok();
    assert!(ran.stderr.contains("excluded: "), "{}", ran.stderr);
    let report = String::from_utf8(project.read("reports/small/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let corpus = &report["corpus"];
    assert_eq!(corpus["utterances"], 12, "the good ones go on");
    let entry = corpus["set_aside"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["path"] == name)
        .unwrap_or_else(|| panic!("{corpus:#}"));
    let detail = entry["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "`{word}` is not in: {detail}");
    }
    let page = project.pages("small");
    assert!(
        page.contains(
            &name
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        ),
        "the page names the file"
    );
}

#[test]
fn an_empty_file() {
    set_aside("bad.wav", b"", &["empty"]);
}

#[test]
fn a_file_that_ends_within_its_header() {
    set_aside("bad.wav", &wav(&tone(200.0, 0.4))[..30], &["bad.wav"]);
}

#[test]
fn no_samples() {
    set_aside("bad.wav", &wav(&[]), &["no sample"]);
}

#[test]
fn a_nan_among_the_samples() {
    let mut samples: Vec<f32> = tone(200.0, 0.4)
        .iter()
        .map(|&s| f32::from(s) / 32_768.0)
        .collect();
    samples[100] = f32::NAN;
    set_aside("bad.wav", &float_wav(&samples), &["100"]);
}

#[test]
fn a_single_sample() {
    set_aside("bad.wav", &wav(&[17]), &["sample"]);
}

#[test]
fn shorter_than_librosa_accepts() {
    set_aside(
        "bad.wav",
        &wav(&tone(200.0, 0.001)),
        &["16 samples", "fewer than the"],
    );
}

#[test]
fn shorter_than_one_frame_is_reflected_as_librosa_does() {
    finite("short.wav", &wav(&tone(200.0, 0.02)));
}

#[test]
fn text_by_the_name_of_audio() {
    set_aside(
        "bad.wav",
        b"this is a letter to the editor, and no sound at all",
        &["bad.wav"],
    );
}

#[test]
fn a_name_with_spaces_and_markup() {
    set_aside("a b <i>&c.wav", b"nothing", &["decode"]);
}

#[test]
fn a_folder_by_the_name_of_a_recording() {
    let mut project = Project::with_tones(2);
    fs::create_dir(project.path("corpus/bad.wav")).unwrap();
    project.row("bad.wav", "calm", "s0");
    rewrite(&mut project);
    check(&project, "bad.wav", &["no file"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere() {
    let mut project = Project::with_tones(2);
    std::os::unix::fs::symlink("gone.wav", project.path("corpus/bad.wav")).unwrap();
    project.row("bad.wav", "calm", "s0");
    rewrite(&mut project);
    check(&project, "bad.wav", &[]);
}

#[test]
fn a_recording_that_vanished_since_the_last_run() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small"]).ok();
    fs::remove_file(project.path("corpus/s1_calm_0.wav")).unwrap();
    project.ser(&["run", "small"]).ok();
    let report = String::from_utf8(project.read("reports/small/report.json")).unwrap();
    assert!(report.contains("missing-audio") && report.contains("s1_calm_0.wav"));
}

#[test]
fn a_truncated_recording() {
    let whole = wav(&tone(200.0, 0.4));
    set_aside(
        "cut.wav",
        &whole[..whole.len() / 2],
        &["ends after", "of 6400 samples"],
    );
}

/// A recording that is odd but usable: an utterance with finite features.
#[track_caller]
fn finite(name: &str, content: &[u8]) {
    let mut project = Project::with_tones(2);
    project.write(&format!("corpus/{name}"), content);
    project.row(name, "calm", "s0");
    rewrite(&mut project);
    project.ser(&["run", "small"]).ok();
    let (table, _) =
        ser::table::features::read(&project.path("data/tables/small/features.parquet")).unwrap();
    let row = table
        .ids
        .iter()
        .position(|id| id == name)
        .expect("it is an utterance");
    assert!(table.row(row).iter().all(|v| v.is_finite()));
}

#[test]
fn silence_is_an_utterance_with_finite_features() {
    finite("silent.wav", &wav(&[0; 16_000]));
}

#[test]
fn a_corpus_of_bad_recordings_only() {
    let mut project = Project::new();
    project.write("corpus/bad.wav", b"nothing");
    project.row("bad.wav", "calm", "s0");
    project.write_manifest();
    project.pipeline("small", &Project::small());
    project
        .ser(&["run", "small"])
        .fails(4, &["none of the 1 recordings", "bad.wav"]);
}

#[test]
fn prediction_names_bad_files_and_goes_on() {
    let project = Project::with_tones(2);
    project.pipeline("net", &Project::network(1));
    project.ser(&["train", "net"]).ok();
    project.write("bad.wav", b"nothing");
    let ran = project.ser(&[
        "predict",
        "data/models/net/base/fold-00-seed-0",
        "bad.wav",
        "corpus/s0_calm_0.wav",
        "gone.wav",
    ]);
    let ran = ran.fails(4, &["bad.wav", "gone.wav", "2 of 3 recordings"]);
    assert!(
        ran.stdout.contains("corpus/s0_calm_0.wav: "),
        "{}",
        ran.stdout
    );
    project
        .ser(&["predict", "data/models/net", "corpus/s0_calm_0.wav"])
        .fails(5, &["data/models/net"]);
}
