//! Pipelines of known corpora on generated recordings in the layouts of these, as `make demo
//! DATASET=…` runs them.

use super::project::Project;

/// What `make demo DATASET=KIND` calls, with one experiment.
fn demo(project: &Project, kind: &str, is_shipped: bool) -> (String, String) {
    let folder = format!("data/corpora/generated/{kind}");
    project
        .ser(&["corpus", "generate", "--layout", kind, &folder])
        .ok();
    if is_shipped {
        project.ser(&["init", kind]).ok();
        let root = format!("corpus.root={folder}");
        let run = ["run", kind, "--set", &root, "--as", "generated"];
        let ran = project.ser(&[&run[..], &["-e", "majority"]].concat()).ok();
        return (ran.stderr, project.pages(&format!("{kind}@generated")));
    }
    let (name, own) = (
        format!("{kind}-generated"),
        "data/corpora/generated/pipelines",
    );
    project
        .ser(&[
            "corpus",
            "init",
            &folder,
            "--name",
            &name,
            "--pipelines-dir",
            own,
        ])
        .ok();
    let ran = project
        .ser(&["run", &name, "--pipelines-dir", own, "-e", "svm"])
        .ok();
    (ran.stderr, project.pages(&name))
}

#[test]
fn a_corpus_that_is_known_by_name_can_be_tried_on_generated_recordings() {
    let project = Project::new();
    for (kind, is_shipped, utterances) in [
        ("emodb", true, "emodb: 194 utterances"),
        ("iemocap", true, "iemocap: 160 utterances"),
        ("savee", false, "savee-generated: 84 utterances"),
    ] {
        let (said, pages) = demo(&project, kind, is_shipped);
        assert!(said.contains(utterances), "{said}");
        assert!(
            pages.contains("Generated, not recorded speech."),
            "{kind}: the banner"
        );
        assert!(
            !pages.contains("Gjoreski") && !pages.contains("TIM-Net") && !pages.contains("Pepino"),
            "{kind}: no published figure beside generated recordings"
        );
        assert!(!project.path(&format!("reports/{kind}")).exists());
    }
    let layout = ["corpus", "generate", "--layout", "ravdess", "r"];
    let written = project.ser(&layout).ok().stdout;
    assert!(
        written.contains("384 generated recordings in the layout of RAVDESS"),
        "{written}"
    );
    // Without the corpus, the error says so.
    project.ser(&["init", "ravdess"]).ok();
    project.ser(&["run", "ravdess"]).fails(
        5,
        &[
            "ser corpora ravdess fetches it",
            "make demo DATASET=ravdess",
        ],
    );
}
