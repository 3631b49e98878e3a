//! What `corpus init` proposes: files that hold whatever folders are called, and that are no
//! evidence the next time.

use super::project::Project;

/// Two speakers with two emotions, of lengths of their own.
fn recordings(project: &Project) {
    for (i, speaker) in ["anna", "bert"].iter().enumerate() {
        for (k, emotion) in ["wut", "freude"].iter().enumerate() {
            for take in 0..4 {
                let n = i * 8 + k * 4 + take;
                project.tone(
                    &format!("{speaker}/{emotion}_{take}.wav"),
                    150.0 + 11.0 * n as f32,
                    0.3 + 0.02 * n as f32,
                );
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_folder_may_be_called_anything() {
    let project = Project::new();
    recordings(&project);
    let odd = "two\nlines \"and\" 'more'";
    std::fs::rename(project.path("corpus"), project.path(odd)).unwrap();
    project.ser(&["corpus", "init", odd, "--name", "odd"]).ok();
    let text = String::from_utf8(project.read("pipelines/odd.toml")).unwrap();
    assert!(
        text.contains("guessed = [\"emotion\", \"speaker\"]"),
        "{text}"
    );
    project.ser(&["features", "odd", "-q"]).ok();
    let utterances =
        ser::table::utterances::read(&project.path("data/tables/odd/utterances.parquet")).unwrap();
    assert_eq!(utterances.len(), 16);
}

#[test]
fn what_was_proposed_and_run_before_is_no_evidence() {
    let project = Project::new();
    recordings(&project);
    let init = || {
        project
            .ser(&["corpus", "init", ".", "--name", "own", "--force"])
            .ok();
        (
            project.read("data/manifests/own.csv"),
            project.read("pipelines/own.toml"),
        )
    };
    let first = init();
    assert!(String::from_utf8_lossy(&first.0).contains("corpus/anna/wut_0.wav,wut,anna"));
    assert_eq!(init(), first);
    project
        .ser(&["run", "own", "-q", "--experiment", "svm-shared"])
        .ok();
    assert_eq!(init(), first);
}
