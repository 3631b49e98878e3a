//! What commands say: whose result it is, what reaches nothing, what to do where something is
//! missing.

use std::fs;
use std::io::{Read, Write};

use super::project::Project;

/// The small pipeline under another name.
fn second(project: &Project) {
    project.pipeline(
        "second",
        &Project::small().replace("name = \"small\"", "name = \"second\""),
    );
}

#[test]
fn plans_and_results_of_several_pipelines_say_whose_they_are() {
    let project = Project::with_tones(2);
    second(&project);
    let plan = project.ser(&["plan", "small", "second"]).ok().stdout;
    assert!(
        plan.starts_with("== small\n") && plan.contains("\n== second\n"),
        "{plan}"
    );
    assert!(!project.ser(&["plan", "small"]).ok().stdout.contains("=="));
    let ran = project.ser(&["run", "small", "second", "-q"]).ok().stdout;
    assert!(
        ran.starts_with("== small\nexperiment") && ran.contains("\n== second\nexperiment"),
        "{ran}"
    );
    assert!(
        project
            .ser(&["run", "small", "-q"])
            .ok()
            .stdout
            .starts_with("experiment  test speakers")
    );
    project.pipeline(
        "small",
        &Project::small().replace("[corpus]", "title = \"New\"\n[corpus]"),
    );
    let plan = project.ser(&["plan", "small"]).ok().stdout;
    let report = plan.lines().find(|line| line.contains(" report ")).unwrap();
    assert!(
        report.contains("(experiments, figures or settings changed: settings.title: \"small\" -> \"New\"; title: \"small\" -> \"New\"; input changed: pipeline file)"),
        "{plan}"
    );
    let all = project.ser(&["plan", "small", "-v"]).ok().stdout;
    assert!(
        all.contains("settings.title: \"small\" -> \"New\""),
        "{all}"
    );
}

#[test]
fn an_override_that_reaches_nothing_is_said() {
    let project = Project::with_tones(3);
    let net = "[[experiment]]\nname = \"net\"\ndefault = false\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
               model = { kind = \"cnn\", architecture = \"emodb-a\" }\n\
               train = { optimizer = \"adam\", learning_rate = 1e-3, batch_size = 8, epochs = 2 }\n";
    project.pipeline("small", &format!("{}\n{net}", Project::small()));
    let said = |args: &[&str]| {
        project
            .ser(&[&["plan", "small"], args].concat())
            .ok()
            .stderr
    };
    let warned = said(&["--set", "train.epochs=3"]);
    assert!(
        warned.contains(
            "warning: train.epochs=3 reaches nothing of small that runs: it changes net alone"
        ),
        "{warned}"
    );
    for reaching in [
        &["--set", "train.epochs=3", "-e", "net"][..],
        &["--set", "split_seed=3"],
        &["--set", "title=x"],
        &["--set", "train.epochs=2"],
    ] {
        assert!(!said(reaching).contains("reaches nothing"), "{reaching:?}");
    }
    let refused = project.ser(&["plan", "small", "--set", "model.c=2"]);
    refused.fails(
        3,
        &[
            "experiment `net` cannot take it",
            "--set experiment.base.model.c=2",
        ],
    );
}

#[test]
fn a_cluster_is_not_told_what_has_no_effect_there() {
    let project = Project::with_tones(2);
    for command in [&["slurm", "submit"][..], &["run", "--executor", "slurm"]] {
        project
            .ser(command)
            .fails(2, &["no pipeline is named", "small"]);
        for option in ["--fail-fast", "--no-wait", "--open"] {
            project
                .ser(&[command, &["small", option]].concat())
                .fails(2, &[option, "have no effect on a cluster"]);
        }
    }
}

#[test]
fn a_report_is_opened_by_the_name_of_its_pipeline() {
    let project = Project::with_tones(2);
    project.write("elsewhere/file.toml", Project::small());
    project.write("reports/small/index.html", "page");
    let open = |name: &str| {
        let mut command = project.command();
        command.args(["open", name]).env("BROWSER", "true");
        super::project::Ran::from(command.output().unwrap())
            .ok()
            .stdout
    };
    assert!(open("elsewhere/file.toml").contains("opened reports/small/index.html"));
    assert!(open("small").contains("opened reports/small/index.html"));
    fs::remove_file(project.path("pipelines/small.toml")).unwrap();
    assert!(
        open("small").contains("opened reports/small/index.html"),
        "a report may outlive its file"
    );
}

#[test]
fn over_ssh_a_report_is_served_and_not_opened() {
    let project = Project::with_tones(2);
    project.write("reports/small/index.html", "page");
    project.write("reports/.locks/secret", "secret");
    let mut open = project.command();
    open.args(["open", "small"])
        .env("SSH_CONNECTION", "here there");
    for name in ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"] {
        open.env_remove(name);
    }
    let words = [
        "reports/small/index.html",
        "session of ssh",
        "ser serve small",
    ];
    super::project::Ran::from(open.output().unwrap()).fails(5, &words);
    project
        .ser(&["serve", "none"])
        .fails(5, &["there is no report"]);

    let mut serve = project.command();
    serve.args(["serve", "small"]);
    serve
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut serving = serve.spawn().unwrap();
    let mut url = String::new();
    let mut said = std::io::BufReader::new(serving.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut url).unwrap();
    let (host, path) = url
        .trim()
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    assert!(host.starts_with("127.0.0.1:"), "{url}");
    let ask = |method: &str, path: &str| -> (String, String) {
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    };
    let (head, body) = ask("GET", &format!("/{path}"));
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("text/html"),
        "{head}"
    );
    assert_eq!(body, "page");
    let (head, body) = ask("HEAD", &format!("/{path}"));
    assert!(
        head.contains("Content-Length: 4") && body.is_empty(),
        "{head}"
    );
    let token = path.split('/').next().unwrap();
    for (method, path, status) in [
        ("GET", "/small/index.html".to_owned(), "404"),
        (
            "GET",
            format!("/{}/small/index.html", token.replace(&token[..1], "x")),
            "404",
        ),
        ("GET", format!("/{token}/../pipelines/small.toml"), "404"),
        ("GET", format!("/{token}/.locks/secret"), "404"),
        ("POST", format!("/{path}"), "405"),
    ] {
        let (head, body) = ask(method, &path);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {head}"
        );
        assert!(body.is_empty());
    }
    #[cfg(unix)]
    {
        let pid = serving.id().to_string();
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap();
        assert!(serving.wait().unwrap().success());
    }
    let _ = serving.kill();
}

#[test]
fn a_missing_corpus_has_the_same_advice_everywhere() {
    let project = Project::new();
    let of = |name: &str, corpus: &str| {
        let experiment = Project::small()
            .split("[[experiment]]")
            .nth(1)
            .unwrap()
            .to_owned();
        project.pipeline(
            name,
            &format!("name = \"{name}\"\n\n[corpus]\n{corpus}\n\n[[experiment]]{experiment}"),
        );
    };
    of("one", "kind = \"ravdess\"");
    of("two", "kind = \"ravdess\"");
    let joined = "kind = \"joined\"\nname = \"both\"\nroot = \"data/corpora\"\nparts = [\n\
                  { kind = \"ravdess\", label_map = { angry = \"angry\", sad = \"sad\" } },\n\
                  { kind = \"emodb\", label_map = { anger = \"angry\", sadness = \"sad\" } } ]";
    of("both", joined);
    fs::create_dir_all(project.path("data/corpora")).unwrap();
    let said = project.ser(&["doctor"]).ok().stdout;
    assert!(
        said.contains("warn  no corpus at data/corpora/ravdess: pipelines both, one, two cannot run\n      ser corpora ravdess fetches it"),
        "{said}"
    );
    assert!(said.contains("warn  no corpus at data/corpora/emodb: pipeline both cannot run\n      ser corpora emodb fetches it"), "{said}");
    assert_eq!(said.matches("ser corpora").count(), 2, "{said}");
    project.ser(&["run", "one"]).fails(
        5,
        &[
            "RAVDESS is not at",
            "hint: ser corpora ravdess fetches it",
            "--corpora-dir",
        ],
    );
    project.ser(&["run", "both"]).fails(
        5,
        &[
            "data/corpora/ravdess: ser corpora ravdess",
            "data/corpora/emodb: ser corpora emodb",
        ],
    );
    fs::create_dir_all(project.path("mine/ravdess/Actor_01")).unwrap();
    project
        .ser(&["run", "one", "--corpora-dir", "mine/ravdess"])
        .fails(5, &["did you mean --corpora-dir mine?"]);
}

#[test]
fn no_run_is_no_number_of_runs() {
    let project = Project::with_tones(2);
    project
        .ser(&["runs", "--limit", "0"])
        .fails(2, &["--limit"]);
}
