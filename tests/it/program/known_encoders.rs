//! Published encoders: their list, their download, and what they were trained on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use super::encoders::put_encoder;
use super::project::{Project, Ran, json_lines};

/// Where the test models lie.
fn model(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoders");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A model hub with the files of a repository, each behind a redirect; it serves until the test ends.
fn hub(repository: &str, files: &[(&str, Vec<u8>)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let path = |name: &str| format!("/{repository}/resolve/main/{name}");
    let files: BTreeMap<String, Vec<u8>> = (files
        .iter()
        .map(|(name, content)| (path(name), content.clone())))
    .collect();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let first = lines.next().unwrap();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let path = first.split(' ').nth(1).unwrap();
            let stored = path.strip_prefix("/stored");
            let (head, body) = match files.get(stored.unwrap_or(path)) {
                Some(content) if stored.is_some() => ("200 OK".to_owned(), content.as_slice()),
                Some(_) => (format!("302 Found\r\nLocation: /stored{path}"), &b""[..]),
                None => ("404 Not Found".to_owned(), &b""[..]),
            };
            let length = body.len();
            let head =
                format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body));
        }
    });
    endpoint
}

fn get(project: &Project, endpoint: &str, args: &[&str]) -> Ran {
    let mut command = project.command();
    command
        .args(["encoders", "get"])
        .args(args)
        .env("HF_ENDPOINT", endpoint);
    Ran::from(command.output().unwrap())
}

#[test]
fn an_encoder_is_fetched_from_a_hub_and_can_be_used() {
    let project = Project::new();
    let read = |name: &str| fs::read(Path::new(&model("wav2vec2-post")).join(name)).unwrap();
    let files = [
        ("README.md", b"---\nlicense: apache-2.0\n---\n".to_vec()),
        ("config.json", read("config.json")),
        ("preprocessor_config.json", read("preprocessor_config.json")),
        ("pytorch_model.bin", read("pytorch_model.bin")),
    ];
    let endpoint = hub("facebook/wav2vec2-large-lv60", &files);
    let said = get(&project, &endpoint, &["wav2vec2-large-lv60"])
        .ok()
        .stdout;
    for words in [
        "licence: Apache-2.0",
        "/facebook/wav2vec2-large-lv60/resolve/main/pytorch_model.bin",
        "not verified: the published SHA-256 is not known",
        "ready in encoders/wav2vec2-large-lv60",
        "Libri-Light",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    for (name, content) in &files {
        let path = format!("encoders/wav2vec2-large-lv60/{name}");
        assert_eq!(project.read(&path), *content);
    }
    assert_eq!(fs::read_dir(project.path("encoders")).unwrap().count(), 1);
    let checked = project
        .ser(&["encoders", "check", "encoders/wav2vec2-large-lv60"])
        .ok()
        .stdout;
    for words in ["wav2vec2:", "licence: apache-2.0", "a guess", "SHA-256 "] {
        assert!(checked.contains(words), "{words} is not in\n{checked}");
    }
    let listed = project
        .ser(&["encoders", "list", "wav2vec2-large-lv60"])
        .ok()
        .stdout;
    assert!(
        listed.contains("here: encoders/wav2vec2-large-lv60, files as published"),
        "{listed}"
    );
    // Again nothing is fetched, and programs get one object.
    let again = get(
        &project,
        "http://127.0.0.1:9",
        &["wav2vec2-large-lv60", "--json"],
    )
    .ok();
    let again = &json_lines(&again.stdout)[0];
    assert_eq!(again["files"].as_array().unwrap().len(), 4);
    assert_eq!(again["files"][3]["sum"], "not-verified");
}

#[test]
fn what_cannot_be_fetched_is_said_with_what_to_do_by_hand() {
    let project = Project::new();
    let endpoint = hub("nobody/nothing", &[]);
    let url =
        format!("{endpoint}/openai/whisper-tiny/resolve/169d4a4341b33bc18d8881c4b69c2e104e1cc0af");
    let words = [
        "404",
        &format!("{url}/model.safetensors (151061672 bytes)"),
        "SHA-256 7ebd0e69",
        "by hand",
        "my/whisper",
    ];
    get(
        &project,
        &endpoint,
        &["whisper-tiny", "--into", "my/whisper"],
    )
    .fails(7, &words);
    assert!(!project.path("my/whisper").exists());
    get(&project, "http://127.0.0.1:9", &["whisper-tiny"]).fails(7, &["no answer", "by hand"]);
    get(&project, "ftp://x", &["whisper-tiny"]).fails(2, &["HF_ENDPOINT"]);
    get(&project, &endpoint, &["whisper-bas"]).fails(2, &["did you mean `whisper-base`"]);
    get(&project, &endpoint, &["emotion2vec"]).fails(5, &["architecture of its own"]);
}

#[test]
fn the_list_names_source_licence_and_training_corpora() {
    let project = Project::new();
    let all = project.ser(&["encoders", "list"]).ok().stdout;
    for words in [
        "whisper-base  277 MiB",
        "from: openai/whisper-base at e37978b90ca9",
        "trained on: LibriSpeech 960 h",
        "labels of msp-podcast",
    ] {
        assert!(all.contains(words), "{words} is not in\n{all}");
    }
    let json = project
        .ser(&["encoders", "list", "--json", "hubert-base"])
        .ok()
        .stdout;
    let one = &json_lines(&json)[0]["encoders"][0];
    assert_eq!(one["encoder"]["hub"], "facebook/hubert-base-ls960");
    assert_eq!(one["encoder"]["files"][3]["bytes"], 377_569_754);
    assert!(one["folder"].is_null());
    project
        .ser(&["encoders", "list", "hubert"])
        .fails(2, &["hubert-base"]);
}

#[test]
fn a_check_reads_configuration_and_weights_as_a_run_does() {
    let project = Project::new();
    put_encoder(&project, "whisper", "tiny");
    let said = project.ser(&["encoders", "check", "tiny"]).ok().stdout;
    // 2 blocks of 16 values; the parameters are those of the tensors in the file.
    let bytes = project.read("tiny/model.safetensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut parameters = 0;
    for (name, tensor) in file.iter() {
        if name.contains("encoder.") {
            parameters += tensor.shape().iter().product::<usize>();
        }
    }
    let json = project
        .ser(&["encoders", "check", "tiny", "--json"])
        .ok()
        .stdout;
    let checked = &json_lines(&json)[0]["checked"];
    assert_eq!(checked["parameters"], parameters);
    assert_eq!(
        (&checked["layers"], &checked["width"]),
        (&2.into(), &16.into())
    );
    for words in [
        "whisper: 2 layers of 16 values",
        "not verified",
        "no published encoder",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    project.write("tiny/model.safetensors", &bytes[..bytes.len() - 1]);
    project
        .ser(&["encoders", "check", "tiny"])
        .fails(4, &["model.safetensors"]);
    project.ser(&["encoders", "check", "whisper-base"]).fails(
        5,
        &[
            "no folder whisper-base",
            "ser encoders get whisper-base --into whisper-base",
        ],
    );
}

fn pipeline(corpus: &str, encoder: &str, experiment: &str) -> String {
    let small = Project::small().replace("name = \"tones\"", corpus);
    format!(
        "{small}\n[[encoder]]\nname = \"enc\"\npath = \"encoders/{encoder}\"\noptional = true\n\n\
         [[experiment]]\nname = \"encoded\"\nprotocol = {{ kind = \"group-kfold\", folds = 2 }}\n\
         inputs = {{ set = \"enc\", layer = 1 }}\nmodel = {{ kind = \"logistic\", c = 1.0 }}\n{experiment}"
    )
}

#[test]
fn an_experiment_without_its_optional_encoder_is_left_out_and_said_to_be() {
    let project = Project::with_tones(4);
    let ensemble = "\n[[experiment]]\nname = \"both\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                    model = { kind = \"ensemble\", members = [\"encoded\", \"other\"] }\n\n\
                    [[experiment]]\nname = \"other\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                    model = { kind = \"majority\" }\n";
    let text = pipeline("name = \"tones\"", "whisper-base", ensemble);
    project.pipeline("small", &text);
    let get = "`ser encoders get whisper-base` fetches it";
    let plan = project.ser(&["plan", "small"]).ok().stdout;
    assert!(
        plan.contains("skip  encoded  (") && plan.contains(get),
        "{plan}"
    );
    assert!(
        plan.contains("2 experiments left out") && !plan.contains("train/encoded"),
        "{plan}"
    );
    let ran = project.ser(&["run", "small"]).ok().stdout;
    assert!(
        ran.contains("encoded: left out: ") && ran.contains(get),
        "{ran}"
    );
    assert!(
        ran.contains("both: left out: its member encoded is left out"),
        "{ran}"
    );
    assert!(
        ran.contains("\nbase  ") && ran.contains("\nother  "),
        "{ran}"
    );
    assert!(project.pages("small").contains("left out: "));
    let csv = String::from_utf8(project.read("reports/small/results.csv")).unwrap();
    let row = csv
        .lines()
        .find(|line| line.starts_with("experiment,encoded,"))
        .unwrap();
    assert!(row.contains("left out: "), "{row}");
    let results = project.ser(&["results", "small"]).ok().stdout;
    assert!(
        results.contains("| left out: ") && !results.contains("failed"),
        "{results}"
    );
    let json = project.ser(&["plan", "small", "--json"]).ok().stdout;
    let lines = json_lines(&json);
    let left = lines
        .iter()
        .find_map(|line| line["left_out"]["experiment"].as_str());
    assert_eq!(left, Some("encoded"));
    // Whoever names it wants it.
    for name in ["encoded", "both"] {
        project
            .ser(&["run", "small", "-e", name])
            .fails(5, &["encoders/whisper-base", get]);
    }
    project
        .ser(&["run", "small", "-e", "default", "-e", "other"])
        .ok();
    let doctor = project.ser(&["doctor"]).ok().stdout;
    assert!(
        doctor.contains("no pretrained encoder at encoders/whisper-base") && doctor.contains(get),
        "{doctor}"
    );
    // One that is no option is missing as ever, and so is everything where nothing else can run.
    project.pipeline("small", &text.replace("optional = true\n", ""));
    project
        .ser(&["run", "small"])
        .fails(5, &["encoders/whisper-base"]);
    let only = text.replace("model = {", "default = false\nmodel = {");
    let only = only.replace("layer = 1 }\ndefault = false\n", "layer = 1 }\n");
    project.pipeline("small", &only);
    project
        .ser(&["run", "small"])
        .fails(5, &["no experiment can run: encoded", get]);
    // With the encoder all of them run.
    put_encoder(&project, "whisper", "encoders/whisper-base");
    project.pipeline("small", &text);
    let ran = project.ser(&["run", "small"]).ok().stdout;
    assert!(
        ran.contains("\nencoded  ") && ran.contains("\nboth  "),
        "{ran}"
    );
    assert!(!ran.contains("left out"), "{ran}");
}

/// Rows of the table of what folds share that are about the encoder.
fn verdicts(project: &Project) -> Vec<(String, String, u64, u64)> {
    let path = project.path("data/tables/small/leakage.parquet");
    let rows = ser::table::leakage::read(&path).unwrap();
    let rows = rows
        .into_iter()
        .filter(|row| row.kind.starts_with("encoder-"));
    rows.map(|row| (row.experiment, row.kind, row.shared_units, row.test_units))
        .collect()
}

#[test]
fn an_encoder_that_was_trained_on_the_corpus_is_a_leak() {
    let project = Project::with_tones(4);
    put_encoder(&project, "whisper", "encoders/emotion2vec");
    let text = pipeline("name = \"iemocap-two\"", "emotion2vec", "");
    project.pipeline("small", &text);
    let ran = project.ser(&["run", "small"]).ok().stdout;
    assert!(
        ran.contains("  encoded: a leak: encoder trained on this corpus (a guess)"),
        "{ran}"
    );
    assert!(
        ran.contains("\nbase  ") && !ran.contains("  base: "),
        "{ran}"
    );
    let row = (
        "encoded".to_owned(),
        "encoder-heard-sound".to_owned(),
        12,
        12,
    );
    assert_eq!(verdicts(&project), [row.clone(), row]);
    let page = project.pages("small");
    for words in [
        "The pretrained encoder knows the corpus:",
        "iemocap, as it is called here, is among what it was trained on",
        "only the name of its folder says",
        "arXiv 2312.15185",
    ] {
        assert!(page.contains(words), "{words} is not on the pages");
    }
    let read = |name: &str| String::from_utf8(project.read(name)).unwrap();
    let csv = read("reports/small/results.csv");
    assert!(
        csv.lines()
            .any(|line| line.contains(",encoded,") && line.contains(",heard-sound,"))
    );
    assert!(read("reports/small/leakage.csv").contains(",encoder-heard-sound,12,12"));
    assert!(
        read("reports/small/card-encoded.md")
            .contains("**The pretrained encoder knows the corpus:**")
    );
    let card = read("data/models/small/encoded/fold-00-seed-0/README.md");
    assert!(
        card.contains("**Pretrained encoder:** as far as names tell, the encoder"),
        "{card}"
    );
    let tested = read("data/models/small/encoded/fold-00-seed-0/tested.json");
    assert!(tested.contains("heard-sound"), "{tested}");
    assert!(
        project
            .ser(&["results", "small"])
            .ok()
            .stdout
            .contains("**encoder trained on this corpus")
    );
    // The verdict follows the corpus, and nothing is trained again for it.
    project.pipeline(
        "small",
        &text.replace("iemocap-two\"", "iemocap-two\"\nunpublished = true"),
    );
    let again = project.ser(&["run", "small", "--json"]).ok();
    let events = json_lines(&again.stderr);
    let started = events
        .iter()
        .filter(|event| event["event"] == "task-started");
    let started: Vec<&str> = started
        .map(|event| event["stage"].as_str().unwrap())
        .collect();
    assert!(
        !started.contains(&"train") && !started.contains(&"ingest"),
        "{started:?}"
    );
    assert!(
        verdicts(&project)
            .iter()
            .all(|row| row.1 == "encoder-unseen" && row.2 == 0)
    );
}

#[test]
fn a_requirement_refuses_an_encoder_that_may_know_the_corpus() {
    let project = Project::with_tones(4);
    let refused = |encoder: &str, corpus: &str, words: &[&str]| {
        put_encoder(&project, "whisper", &format!("encoders/{encoder}"));
        let require = "require = [\"speaker-disjoint\", \"encoder-unseen\"]\n";
        project.pipeline("small", &pipeline(corpus, encoder, require));
        let plan = project.ser(&["plan", "small"]).ok();
        assert!(
            !plan.stdout.contains("run   features/enc"),
            "{}",
            plan.stdout
        );
        let ran = project
            .ser(&["run", "small"])
            .fails(4, &["requires `encoder-unseen`", "hint: "]);
        for word in words {
            assert!(
                ran.stderr.contains(word),
                "{word} is not in\n{}",
                ran.stderr
            );
        }
        assert!(ran.stdout.contains("\nbase  "), "{}", ran.stdout);
        assert!(!project.path("data/models/small/encoded").exists());
        assert!(
            !project
                .path("data/tables/small/features-enc.parquet")
                .exists()
        );
        let plan = project.ser(&["plan", "small"]).ok();
        assert!(
            plan.stderr.contains("encoded: will be refused"),
            "{}",
            plan.stderr
        );
    };
    refused(
        "emotion2vec",
        "name = \"meld\"",
        &["was trained on recordings of this corpus"],
    );
    refused(
        "whisper-tiny",
        "name = \"crema-d\"",
        &["680,000 h", "choose an encoder"],
    );
    refused(
        "hubert-base",
        "name = \"crema-d\"",
        &["as far as names tell", "ser encoders get hubert-base"],
    );
    refused(
        "mine",
        "name = \"stimmen\"\nunpublished = true",
        &["ser does not know this encoder"],
    );
    // No encoder that somebody published was trained on what is generated here.
    let text = "name = \"made\"\n[corpus]\nkind = \"synthetic\"\nroot = \"made\"\nspeakers = 2\nsentences = 2\ntakes = 1\n\
                [[encoder]]\nname = \"enc\"\npath = \"encoders/mine\"\n\
                [[experiment]]\nname = \"encoded\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\nrequire = \"encoder-unseen\"\n\
                inputs = { set = \"enc\" }\nmodel = { kind = \"logistic\" }\n";
    project.pipeline("made", text);
    let ran = project.ser(&["run", "made"]).ok().stdout;
    assert!(
        ran.contains("  encoded: corpus unseen by the encoder"),
        "{ran}"
    );
}
