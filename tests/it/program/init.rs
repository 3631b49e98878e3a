//! The pipelines that come with the program, written where there is nothing but the program.

use super::project::Project;

#[test]
fn the_demo_needs_nothing_but_the_program() {
    let project = Project::new();
    project.ser(&["run", "demo"]).fails(
        5,
        &[
            "there is no pipeline file pipelines/demo.toml",
            "ser init demo",
        ],
    );
    project
        .ser(&["plan"])
        .fails(5, &["there is no folder pipelines", "ser init"]);
    let written = project.ser(&["init", "demo"]).ok().stdout;
    assert_eq!(written, "wrote pipelines/demo.toml\nnext: ser run demo\n");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/demo.toml");
    assert_eq!(
        project.read("pipelines/demo.toml"),
        std::fs::read(own).unwrap()
    );
    let plan = project.ser(&["plan", "demo"]).ok().stdout;
    assert!(plan.contains("run   generate"), "{plan}");
    // The rest comes beside it, and the next command is still one that needs no corpus.
    let rest = project.ser(&["init"]).ok().stdout;
    assert!(
        rest.contains("unchanged pipelines/demo.toml\n")
            && rest.contains("wrote pipelines/ravdess.toml\n"),
        "{rest}"
    );
    assert!(rest.ends_with("next: ser run demo\n"), "{rest}");
}

#[test]
fn a_file_of_ones_own_is_not_replaced() {
    let project = Project::new();
    project.pipeline("demo", "mine");
    project.ser(&["init", "ravdess", "demo"]).fails(
        2,
        &[
            "pipelines/demo.toml is there already",
            "--force",
            "nothing was written",
        ],
    );
    assert!(
        project.read("pipelines/demo.toml") == b"mine"
            && !project.path("pipelines/ravdess.toml").exists()
    );
    assert!(
        project
            .ser(&["init", "demo", "--force"])
            .ok()
            .stdout
            .contains("wrote pipelines/demo.toml")
    );
    assert!(project.read("pipelines/demo.toml") != b"mine");
    project.ser(&["init", "ravdes"]).fails(
        2,
        &[
            "no pipeline `ravdes` comes with ser",
            "did you mean `ravdess`?",
        ],
    );
    let elsewhere = project
        .ser(&["init", "emodb", "--pipelines-dir", "my files"])
        .ok()
        .stdout;
    assert!(
        elsewhere.ends_with("next: ser run emodb --pipelines-dir 'my files'\n")
            && project.path("my files/emodb.toml").is_file(),
        "{elsewhere}"
    );
}
