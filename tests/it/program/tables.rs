//! Manifests as other people write them: what is said where nothing of them can be used, and what
//! is refused.

use super::project::{Project, tone, wav};

/// The manifest of a project with tones, changed.
fn changed(change: impl Fn(String) -> String) -> Project {
    let project = Project::with_tones(2);
    let text = String::from_utf8(project.read("corpus/manifest.csv")).unwrap();
    project.write("corpus/manifest.csv", change(text));
    project
}

#[test]
fn one_reason_for_all_rows_is_told_with_an_example() {
    let project = changed(|text| text.replace("\"s", "\"wav/s"));
    let missing = [
        "all 12 excluded (label without a recording), such as wav/s0_angry_0.wav",
        "the folder that the manifest's paths start from",
    ];
    project.ser(&["features", "small"]).fails(4, &missing);
    // Where the recordings lie can be told.
    let project = Project::with_tones(2);
    project.pipeline(
        "small",
        &Project::small().replace("root = \"corpus\"", "root = \"pipelines\""),
    );
    project.ser(&["features", "small"]).fails(
        4,
        &["hint: set corpus.root = \"corpus\", where the recordings lie"],
    );

    let times = |text: String| {
        text.replace("speaker\n", "speaker,start,end\n")
            .replace(",s0\n", ",s0,\"0,1\",\"0,2\"\n")
            .replace(",s1\n", ",s1,0,00:00:00.3\n")
    };
    changed(times).ser(&["features", "small"]).fails(
        4,
        &[
            "all 12 excluded (unreadable row)",
            "is not a number of seconds",
        ],
    );
    let milliseconds = |text: String| {
        text.replace("speaker\n", "speaker,start,end\n")
            .replace(",s0\n", ",s0,50,200\n")
            .replace(",s1\n", ",s1,50,200\n")
    };
    changed(milliseconds)
        .ser(&["features", "small"])
        .fails(4, &["divide milliseconds by 1000"]);

    let project = Project::with_tones(2);
    project.pipeline(
        "small",
        &Project::small().replace(
            "root = \"corpus\"\n",
            "root = \"corpus\"\nlabel_map = { wut = \"anger\", freude = \"joy\" }\n",
        ),
    );
    project.ser(&["features", "small"]).fails(
        4,
        &[
            "all 12 excluded (class not used here)",
            "no row has the label freude, wut",
            "angry (4 rows)",
        ],
    );
}

#[test]
fn the_release_of_iemocap_is_named_whatever_kind_is_set() {
    let project = Project::new();
    project.write(
        "corpus/IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
        "",
    );
    project.write(
        "corpus/IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        wav(&tone(200.0, 0.3)),
    );
    let text = Project::small()
        .replace("kind = \"manifest\"", "kind = \"emodb\"")
        .replace("path = \"corpus/manifest.csv\"\n", "");
    project.pipeline("small", &text);
    let said = [
        "this is IEMOCAP",
        "corpus.kind = \"iemocap\" and corpus.root = \"corpus/IEMOCAP_full_release\"",
        "ser init iemocap",
    ];
    project.ser(&["features", "small"]).fails(4, &said);
    project.ser(&["corpus", "init", "corpus"]).fails(
        4,
        &[
            "official release of IEMOCAP",
            "give corpus.root in it the folder corpus/IEMOCAP_full_release",
            "ser run iemocap",
        ],
    );
}

#[test]
fn more_classes_than_any_corpus_has_are_refused_before_anything_is_computed() {
    let project = Project::with_tones(1);
    let segments: String = (0..1_001)
        .map(|i| format!("s0_calm_0.wav,c{i},s0,0.{i:04},\n"))
        .collect();
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker,start,end\n{segments}"),
    );
    project.ser(&["run", "small"]).fails(
        4,
        &[
            "more than 1000 different classes (c0, c1, c10 and",
            "corpus.label_map",
        ],
    );
    project.pipeline(
        "small",
        &Project::small().replace(
            "root = \"corpus\"\n",
            "root = \"corpus\"\nlabels = [\"c1\", \"c2\"]\n",
        ),
    );
    project.ser(&["features", "small"]).ok();
}

#[test]
fn labels_of_several_spellings_are_a_warning_with_the_lines_to_write() {
    let project = changed(|text| text.replacen("angry,s1", "Angry,s1", 1));
    let ran = project.ser(&["run", "small"]).ok();
    let map = "label_map = { \"Angry\" = \"angry\", \"angry\" = \"angry\", \"calm\" = \"calm\", \"happy\" = \"happy\" }";
    assert!(
        ran.stderr
            .contains("count as different classes: Angry and angry")
            && ran.stderr.contains(map),
        "{}",
        ran.stderr
    );
    project.pipeline(
        "small",
        &Project::small().replace(
            "root = \"corpus\"\n",
            &format!("root = \"corpus\"\n{map}\n"),
        ),
    );
    let ran = project.ser(&["run", "small"]).ok();
    assert!(!ran.stderr.contains("different classes"), "{}", ran.stderr);
}

#[test]
fn a_clone_without_its_recordings_is_named() {
    let project = Project::new();
    for (emotion, i) in ["ANG", "HAP", "NEU", "SAD"]
        .iter()
        .flat_map(|emotion| (0..3).map(move |i| (emotion, i)))
    {
        let pointer =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{i:064}\nsize 71000\n");
        project.write(&format!("corpus/100{i}_DFA_{emotion}_XX.wav"), &pointer);
    }
    project.ser(&["corpus", "init", "corpus"]).fails(
        4,
        &[
            "all 12 for one reason",
            "it is a Git LFS pointer",
            "git lfs install; git lfs pull",
        ],
    );
    assert!(!project.path("pipelines").exists());
    let rows: String = (0..3)
        .map(|i| format!("100{i}_DFA_ANG_XX.wav,angry,100{i}\n100{i}_DFA_SAD_XX.wav,sad,100{i}\n"))
        .collect();
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker\n{rows}"),
    );
    project.pipeline("small", &Project::small());
    project.ser(&["features", "small"]).fails(
        4,
        &["none of the 6 recordings", "git lfs install; git lfs pull"],
    );
}
