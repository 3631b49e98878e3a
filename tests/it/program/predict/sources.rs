//! What is named to be predicted: files, folders, manifests and lists, with bad ones among them.

use super::*;

#[test]
fn files_folders_manifests_and_lists_say_the_same_of_a_recording() {
    let project = trained(2);
    project.write("corpus/deeper/notes.txt", "no sound");
    let rows = |args: &[&str]| {
        csv(project
            .ser(&[&["predict", MODEL, "--format", "csv"], args].concat())
            .ok()
            .stdout
            .as_bytes())
    };
    let folder = rows(&["corpus"]);
    assert_eq!(folder.len(), 12);
    let mut sorted = column(&folder, "file");
    sorted.sort();
    assert_eq!(column(&folder, "file"), sorted);
    let said = project.ser(&["predict", MODEL, "corpus"]).ok();
    assert!(
        said.stderr.contains("corpus: 12 recordings; 2 other files"),
        "{}",
        said.stderr
    );

    // The manifest has another order, and paths that start from its folder.
    let manifest = rows(&["corpus/manifest.csv"]);
    assert_eq!(manifest[0]["file"], "corpus/s0_calm_0.wav");
    assert_eq!(manifest.len(), 12);
    assert!(manifest.iter().all(|row| folder.contains(row)));

    project.write(
        "corpus/two.jsonl",
        "{\"path\": \"s0_calm_0.wav\"}\n{\"path\": \"s1_angry_1.wav\", \"note\": [1]}\n",
    );
    assert_eq!(
        rows(&["corpus/two.jsonl", "corpus/s0_calm_1.wav"])[..2],
        [manifest[0].clone(), manifest[11].clone()]
    );

    let list = |script: &str| csv(project.bash(script).ok().stdout.as_bytes());
    assert_eq!(
        list(&format!(
            "ls corpus/*.wav | $SER predict {MODEL} - --format csv"
        )),
        folder
    );
    assert_eq!(
        list(&format!(
            "printf '%s\\0' corpus/*.wav | $SER predict {MODEL} - -0 --format csv"
        )),
        folder
    );
    let mut one = list(&format!(
        "cat corpus/s0_calm_0.wav | $SER predict {MODEL} --stdin --format csv"
    ));
    assert_eq!(
        one[0]
            .insert("file".into(), "corpus/s0_calm_0.wav".into())
            .as_deref(),
        Some("stdin")
    );
    assert_eq!(one[0], manifest[0]);

    project
        .bash(&format!("$SER predict {MODEL} - < corpus/s0_calm_0.wav"))
        .fails(2, &["not a list of paths", "--stdin"]);
    project
        .bash(&format!("$SER predict {MODEL} - < /dev/null"))
        .fails(4, &["no recording to predict"]);
    project.ser(&["predict", MODEL]).fails(2, &["PATH"]);
}

#[test]
fn a_hundred_bad_recordings_among_a_thousand_are_named_and_counted() {
    let project = trained(2);
    let good = wav(&tone(300.0, 0.05));
    for i in 0..1000 {
        let bytes = if i % 10 == 3 {
            [&b""[..], b"no sound", &good[..60], &good[..20]][i / 10 % 4]
        } else {
            &good
        };
        project.write(&format!("many/{i:03}.wav"), bytes);
    }
    let ran = project.ser(&[
        "predict", MODEL, "many", "-o", "out.csv", "--errors", "bad.csv",
    ]);
    let ran = ran.fails(
        4,
        &[
            "many/003.wav: it is empty",
            "100 of 1000 recordings",
            "100 undecodable",
        ],
    );
    assert_eq!(
        ran.stderr
            .lines()
            .filter(|line| line.contains("excluded (undecodable): failed"))
            .count(),
        20,
        "{}",
        ran.stderr
    );
    let (rows, bad) = (csv(&project.read("out.csv")), csv(&project.read("bad.csv")));
    assert_eq!((rows.len(), bad.len()), (900, 100));
    assert!(column(&rows, "file").is_sorted() && column(&bad, "file").is_sorted());
    assert!(
        bad.iter()
            .all(|row| row["kind"] == "undecodable" && row["reason"].contains(&row["file"]))
    );
    assert!(
        column(&bad, "file")
            .iter()
            .all(|name| name.ends_with("3.wav"))
    );
    let ran = project
        .ser(&["predict", MODEL, "many", "-o", "out.csv", "--skip-bad"])
        .ok();
    assert!(
        ran.stderr
            .contains("900 recordings predicted, 100 excluded"),
        "{}",
        ran.stderr
    );
}

#[test]
fn names_that_look_like_formulas_are_text_in_csv() {
    let project = trained(2);
    fs::copy(
        project.path("corpus/s0_calm_0.wav"),
        project.path("=1+1.wav"),
    )
    .unwrap();
    let said = project
        .ser(&["predict", MODEL, "=1+1.wav", "--format", "csv"])
        .ok()
        .stdout;
    assert!(said.contains("\r\n'=1+1.wav,0,0.4,"), "{said}");
}

#[test]
fn nothing_that_is_read_is_written_over() {
    let project = trained(2);
    project.write("list.csv", "path\ncorpus/s0_calm_0.wav\n");
    fs::copy(
        project.path("corpus/s0_calm_0.wav"),
        project.path("keep.wav"),
    )
    .unwrap();
    let before = project.tree("data/models");
    let refused = |args: &[&str], words: &[&str]| {
        project
            .ser(&[&["predict", MODEL], args].concat())
            .fails(2, words);
    };
    refused(
        &["list.csv", "-o", "./list.csv"],
        &["-o ./list.csv is read here"],
    );
    refused(
        &["list.csv", "-o", "x.csv", "--errors", "corpus/../list.csv"],
        &["--errors", "is read here"],
    );
    refused(
        &["keep.wav", "--format", "csv", "-o", "keep.wav"],
        &["keep.wav is read here"],
    );
    refused(
        &["corpus", "-o", "out.csv", "--errors", "./out.csv"],
        &["-o and --errors name the same file"],
    );
    refused(
        &["corpus", "--format", "csv", "-o", "corpus/s0_calm_0.wav"],
        &["is a recording that is read here"],
    );
    refused(
        &["list.csv", "--format", "csv", "-o", "corpus/s0_calm_0.wav"],
        &["is a recording that is read here"],
    );
    for inside in [
        format!("{MODEL}/model.json"),
        format!("{MODEL}/new.csv"),
        "data/models/small/../small/base/fold-00-seed-0/x.csv".into(),
    ] {
        refused(
            &["corpus", "--format", "csv", "-o", &inside],
            &["lies in the folder of the model"],
        );
    }
    project.write("notes.csv", "file,emotion\na.wav,calm\n");
    refused(
        &["corpus", "-o", "notes.csv"],
        &["-o notes.csv exists and was not written by this command"],
    );
    refused(
        &[
            "corpus",
            "--format",
            "parquet",
            "-o",
            "data/tables/small/features.parquet",
        ],
        &["exists and was not written by this command"],
    );
    assert_eq!(project.read("notes.csv"), b"file,emotion\na.wav,calm\n");
    assert_eq!(project.read("list.csv"), b"path\ncorpus/s0_calm_0.wav\n");
    assert_eq!(
        project.read("keep.wav"),
        project.read("corpus/s0_calm_0.wav")
    );
    assert!(project.tree("data/models") == before);
    project
        .ser(&["predict", MODEL, "corpus", "-o", "corpus/out.csv"])
        .ok();
    project
        .ser(&["predict", MODEL, "corpus", "-o", "corpus/out.csv"])
        .ok();
}

#[test]
fn a_manifest_of_another_folder_has_a_root() {
    let project = trained(2);
    project.write(
        "lists/mine.csv",
        "path,speaker\ns0_calm_0.wav,s0\ns1_angry_1.wav,s1\n",
    );
    let lost = project.ser(&["predict", MODEL, "lists/mine.csv"]);
    let lost = lost.fails(
        4,
        &[
            "none of the 2 recordings that lists/mine.csv names is there",
            "start from lists",
            "--root DIR",
        ],
    );
    assert!(!lost.stderr.contains("the others were"), "{}", lost.stderr);
    let found = project
        .ser(&[
            "predict",
            MODEL,
            "lists/mine.csv",
            "--root",
            "corpus",
            "--format",
            "csv",
        ])
        .ok();
    assert_eq!(
        column(&csv(found.stdout.as_bytes()), "file"),
        ["corpus/s0_calm_0.wav", "corpus/s1_angry_1.wav"]
    );
    let listed = project
        .bash(&format!(
            "printf 's0_calm_0.wav\n' | $SER predict {MODEL} - --root corpus --format csv"
        ))
        .ok();
    assert!(
        listed.stdout.contains("corpus/s0_calm_0.wav"),
        "{}",
        listed.stdout
    );
    project
        .bash(&format!(
            "printf 's0_calm_0.wav\n' | $SER predict {MODEL} -"
        ))
        .fails(4, &["start from the working directory", "--root"]);
    project
        .ser(&["predict", MODEL, "corpus", "--root", "corpus"])
        .fails(2, &["--root is about"]);
    let some = project
        .ser(&["predict", MODEL, "corpus/s0_calm_0.wav", "gone.wav"])
        .fails(4, &["the others were; say --skip-bad"]);
    assert!(!some.stderr.contains("--root"), "{}", some.stderr);
}
