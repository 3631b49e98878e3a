//! Speakers that were guessed from names, and speakers that the audit contradicts: no output claims
//! that they are new to a model.

use super::project::{Project, Ran, json_lines, tone, wav};

/// Claims that speakers are new to a model, in whatever words the outputs have for it.
const CLAIMS: [&str; 7] = [
    "speakers unseen",
    "unseen speakers",
    "speakers are unseen",
    "speaker-independent",
    ">unseen<",
    "badge unseen\"",
    "test speaker was trained on",
];

/// Holds every file of reports and models, and all that was said, against the claims.
#[track_caller]
fn claims_nothing(project: &Project, said: &[&Ran]) {
    let mut files: Vec<(String, Vec<u8>)> = ["reports", "data/models"]
        .map(|folder| project.tree(folder))
        .concat();
    assert!(files.len() > 30, "{}", files.len());
    for ran in said {
        files.push(("standard output".into(), ran.stdout.clone().into_bytes()));
        files.push(("standard error".into(), ran.stderr.clone().into_bytes()));
    }
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(&bytes)
            .to_lowercase()
            .replace("not speaker-independent", "");
        for claim in CLAIMS {
            if let Some(at) = text.find(claim) {
                let around: String = text[..at]
                    .chars()
                    .rev()
                    .take(80)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                panic!("{name} claims {claim}: {around}{claim}");
            }
        }
    }
}

/// Everything that shows a result of the pipeline: run, plan, results and a prediction, in words
/// and as JSON.
fn shown(project: &Project, experiment: &str, recording: &str) -> Vec<Ran> {
    let models = format!("data/models/small/{experiment}/fold-00-seed-0");
    let commands: [&[&str]; 7] = [
        &["run", "small"],
        &["run", "small", "--json"],
        &["plan", "small"],
        &["results", "small"],
        &["runs", "show", "latest"],
        &["predict", &models, recording],
        &["predict", &models, recording, "--json"],
    ];
    commands
        .into_iter()
        .map(|command| project.ser(command).ok())
        .collect()
}

/// A pipeline that keeps speakers apart, and one that does not, over the manifest of the project;
/// `corpus` are lines of `[corpus]`.
fn pipeline(project: &Project, protocol: &str, corpus: &str) {
    let one = |name: &str, title: &str, protocol: &str, more: &str| {
        format!(
            "[[experiment]]\nname = \"{name}\"\ntitle = \"{title}\"\nprotocol = {protocol}\ninputs = {{ log_mel = true, scaler = \
             \"standard\" }}\nmodel = {{ kind = \"logistic\", c = 0.1 }}\n{more}\n"
        )
    };
    let text = format!(
        "name = \"small\"\n[corpus]\nkind = \"manifest\"\nname = \"names\"\npath = \"corpus/manifest.csv\"\nroot = \"corpus\"\n{corpus}\n{}{}",
        one(
            "apart",
            "Whole values held out",
            protocol,
            "require = \"speaker-disjoint\"\n"
        ),
        one(
            "random",
            "Random folds",
            "{ kind = \"stratified-kfold\", folds = 2 }",
            ""
        )
    );
    project.pipeline("small", &text);
}

fn manifest(project: &Project, rows: &[String]) {
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker,sex\n{}\n", rows.join("\n")),
    );
}

const WORDS: [&str; 4] = ["Angry", "Happy", "Neutral", "Sad"];

/// `<emotion>/SM<speaker>_F<file>_<letter><number>.wav`: each speaker has one emotion, so that the
/// number of the file looks like the speaker. Paths with emotion, speaker and number.
fn one_emotion_each(project: &Project) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for speaker in 0..8 {
        for file in 1..=6 {
            let emotion = WORDS[speaker % 4];
            let path = format!(
                "{emotion}/SM{speaker}_F{file}_{}{:03}.wav",
                &emotion[..1],
                speaker * 6 + file
            );
            project.tone(
                &path,
                120.0 + 31.0 * speaker as f32 + 1.5 * file as f32,
                0.3,
            );
            rows.push([
                path,
                emotion.to_owned(),
                format!("SM{speaker}"),
                format!("F{file}"),
            ]);
        }
    }
    rows
}

#[test]
fn a_guessed_speaker_is_unknown_until_it_is_confirmed_and_confirming_trains_nothing() {
    let project = Project::new();
    let rows = one_emotion_each(&project);
    let line = |[path, emotion, _, number]: &[String; 4]| {
        format!(
            "{path},{emotion},{number},{}",
            if number < &"F4".to_owned() {
                "female"
            } else {
                "male"
            }
        )
    };
    manifest(&project, &rows.iter().map(line).collect::<Vec<_>>());
    let protocol = "{ kind = \"group-kfold\", folds = 3 }";
    pipeline(&project, protocol, "guessed = [\"speaker\", \"sex\"]");
    let first = project.ser(&["run", "small"]).ok();
    assert!(
        first
            .stderr
            .contains("guessed from file and folder names, not confirmed: speaker, sex."),
        "{}",
        first.stderr
    );
    let line = "  apart: speakers guessed from file and folder names: not confirmed; disjoint in the guessed field";
    assert!(first.stdout.contains(line), "{}", first.stdout);
    assert!(first.stdout.contains(
        ": speakers guessed from file and folder names: not confirmed; shared in the guessed field"
    ));
    let recording = format!("corpus/{}", rows[0][0]);
    let said = shown(&project, "apart", &recording);
    claims_nothing(&project, &said.iter().chain([&first]).collect::<Vec<_>>());

    let result = json_lines(&said[1].stdout)
        .into_iter()
        .find(|line| line["result"]["experiment"] == "apart")
        .unwrap();
    assert_eq!(result["result"]["speaker_independent"], "unknown");
    assert_eq!(
        result["result"]["guessed"],
        serde_json::json!(["speaker", "sex"])
    );
    assert!(said[3].stdout.contains("### group-3-fold: speakers guessed from file and folder names: not confirmed; disjoint in the guessed field"));
    let model = json_lines(&said[6].stderr)
        .into_iter()
        .find(|event| event["event"] == "model")
        .unwrap();
    assert_eq!(
        (&model["speaker_independent"], &model["test_speakers"]),
        (&"unknown".into(), &"guessed-disjoint".into())
    );
    assert!(said[5].stderr.contains("not confirmed; disjoint in the guessed field; guessed from file and folder names, not confirmed: speaker, sex"));
    let card = || {
        String::from_utf8(project.read("data/models/small/apart/fold-00-seed-0/README.md")).unwrap()
    };
    assert!(
        card().contains(
            "**Speakers guessed from file and folder names: not confirmed.** Training and test are disjoint"
        ),
        "{}",
        card()
    );
    let metrics = String::from_utf8(project.read("reports/small/metrics.csv")).unwrap();
    assert!(
        metrics.contains("apart,group-3-fold,unknown,") && !metrics.contains(",yes,"),
        "{metrics}"
    );

    // Whoever says that the field is the speaker is believed.
    pipeline(&project, protocol, "guessed = [\"sex\"]");
    let again = project.ser(&["run", "small", "-v"]).ok();
    assert!(
        again.stdout.contains("\napart       speaker-independent "),
        "{}",
        again.stdout
    );
    assert!(
        !["split/", "train/", "evaluate/"]
            .iter()
            .any(|task| again.stderr.contains(&format!("run    {task}"))),
        "{}",
        again.stderr
    );
    assert!(
        card().contains("**Test speakers are unseen:** none of them was trained on.")
            && card().contains("not confirmed:** sex.")
    );
    let pages = project.pages("small");
    assert!(
        pages.contains("Test speakers are unseen")
            && pages.contains("by sex (guessed from file and folder names, not confirmed)")
    );
}

#[test]
fn speakers_of_one_emotion_each_are_warned_of() {
    let project = Project::new();
    let rows = one_emotion_each(&project);
    let line = |[path, emotion, speaker, _]: &[String; 4]| format!("{path},{emotion},{speaker},");
    manifest(&project, &rows.iter().map(line).collect::<Vec<_>>());
    project.pipeline("small", &Project::small());
    let ran = project.ser(&["run", "small"]).ok();
    // By hand, with the correction of Bergsma: (3 - 7 * 3 / 47) / (min(8 - 49 / 47, 4 - 9 / 47) -
    // 1) = 0.9089, and its root.
    let words =
        "the speaker gives classes away (Cramér's V 0.95, 8 of 8 speakers have a single class)";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    let page = String::from_utf8(project.read("reports/small/index.html")).unwrap();
    assert!(
        page.contains("<strong>Speakers tell emotions:</strong>")
            && page.contains("id=\"conditions-speaker\"")
    );
}

/// Voices in two formats, as CREMA-D is often cloned:
/// `<format>/<speaker>_<sentence>_<emotion>_<take>X.wav`.
fn two_formats(project: &Project) -> Vec<[String; 3]> {
    let utterances = project.voices("made", 4, 2);
    let mut rows = Vec::new();
    for u in utterances {
        let code = match u.source.emotion.as_str() {
            "angry" => "ANG",
            "happy" => "HAP",
            "neutral" => "NEU",
            "sad" => "SAD",
            _ => continue,
        };
        let speaker = u.source.speaker.trim_start_matches("spk");
        let take = u
            .source
            .id
            .chars()
            .rev()
            .find(|c| c.is_ascii_digit())
            .unwrap();
        let name = format!(
            "10{speaker}_{}_{code}_{take}X.wav",
            u.source.text_id.unwrap().to_uppercase()
        );
        let audio = ser::audio::decode(&project.path("made").join(&u.source.path)).unwrap();
        let exact: Vec<i16> = audio
            .samples
            .iter()
            .map(|x| (x * 32_000.0) as i16)
            .collect();
        // Another version: quieter, with coarse steps.
        let coarse: Vec<i16> = audio
            .samples
            .iter()
            .map(|x| (x * 60.0) as i16 * 256)
            .collect();
        for (folder, samples) in [("AudioWAV", exact), ("AudioMP3", coarse)] {
            let path = format!("{folder}/{name}");
            project.write(&format!("corpus/{path}"), wav(&samples));
            rows.push([path, code.to_owned(), folder.to_owned()]);
        }
    }
    std::fs::remove_dir_all(project.path("data")).unwrap();
    std::fs::remove_dir_all(project.path("made")).unwrap();
    rows
}

#[test]
fn recordings_on_both_sides_win_over_names() {
    let project = Project::new();
    let rows = two_formats(&project);
    assert!(rows.len() >= 64, "{}", rows.len());
    manifest(
        &project,
        &rows
            .iter()
            .map(|[path, emotion, folder]| format!("{path},{emotion},{folder},"))
            .collect::<Vec<_>>(),
    );
    // Whether or not anybody calls it a guess.
    for corpus in ["", "guessed = [\"speaker\"]"] {
        pipeline(&project, "{ kind = \"leave-one-speaker-out\" }", corpus);
        let first = project.ser(&["run", "small"]).ok();
        let statement = format!(
            "not speaker-independent: {} recordings are on both sides",
            rows.len()
        );
        assert!(
            first.stdout.contains(&format!("  apart: {statement}")),
            "{}",
            first.stdout
        );
        let said = shown(&project, "apart", &format!("corpus/{}", rows[0][0]));
        claims_nothing(&project, &said.iter().chain([&first]).collect::<Vec<_>>());
        let result = json_lines(&said[1].stdout)
            .into_iter()
            .find(|line| line["result"]["experiment"] == "apart")
            .unwrap();
        assert_eq!(result["result"]["speaker_independent"], "no");
        assert_eq!(result["result"]["recordings_on_both_sides"], rows.len());
        assert!(
            said[3].stdout.contains(&format!("**{statement}**")),
            "{}",
            said[3].stdout
        );
        assert!(said[5].stderr.contains(&statement), "{}", said[5].stderr);
        // The first lines say why, and what to do.
        let page = String::from_utf8(project.read("reports/small/index.html")).unwrap();
        let head = &page[..page.find("class=\"cards\"").unwrap()];
        let capital = statement.replacen('n', "N", 1);
        assert!(
            head.contains(&format!(
                "<strong>{capital}.</strong> These recordings, other versions of them or overlapping parts were trained on"
            )),
            "{head}"
        );
        assert!(head.contains(
            "Remove the copies (one of two formats, say), or correct speakers and times"
        ));
        let results = String::from_utf8(project.read("reports/small/results.csv")).unwrap();
        let row = results
            .lines()
            .find(|line| line.starts_with("experiment,apart,"))
            .unwrap();
        assert!(
            row.contains(",leave-one-speaker-out,no,") && row.contains(&statement),
            "{row}"
        );
        for card in [
            "reports/small/card-apart.md",
            "data/models/small/apart/fold-00-seed-0/README.md",
        ] {
            assert!(
                String::from_utf8(project.read(card))
                    .unwrap()
                    .contains(&format!("**{capital}.**")),
                "{card}"
            );
        }
    }
}

#[test]
fn copies_with_different_speakers_on_one_side_put_them_in_doubt() {
    let project = Project::new();
    let mut rows = Vec::new();
    for i in 0..24 {
        let name = format!("{i}.wav");
        project.tone(&name, 150.0 + 17.0 * i as f32, 0.4);
        let part = if i < 16 { "train" } else { "test" };
        rows.push(format!(
            "{name},{},s{}{},{part}",
            ["calm", "happy"][i % 2],
            &part[..2],
            i % 4
        ));
    }
    // The very same sound by two of those that are trained on.
    project.write("corpus/copy.wav", project.read("corpus/0.wav"));
    rows.push("copy.wav,calm,str3,train".into());
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker,split\n{}\n", rows.join("\n")),
    );
    pipeline(&project, "{ kind = \"declared\" }", "");
    let ran = project.ser(&["run", "small", "-e", "apart"]).ok();
    assert!(
        ran.stdout
            .contains("  apart: speakers in doubt: 1 pair of copies has different speakers"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("1 pair of copies of one recording has different speakers"),
        "{}",
        ran.stderr
    );
    claims_nothing(&project, &[&ran]);
}

/// `<emotion>/<strength>/<actor>-<letter>-<1|2>-<sentence>.wav`: the strength looks like the
/// speaker.
fn strengths(project: &Project) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    for (k, emotion) in WORDS.iter().enumerate() {
        for actor in 1..=4 {
            for (i, strength) in ["Faible", "Fort"].iter().enumerate() {
                for sentence in 1..=2 {
                    let path = format!(
                        "{emotion}/{strength}/{actor:02}-{}-{}-{sentence}.wav",
                        &emotion[..1],
                        i + 1
                    );
                    let pitch = 110.0
                        + 60.0 * k as f32
                        + 13.0 * actor as f32
                        + 5.0 * i as f32
                        + sentence as f32;
                    project.write(&format!("corpus/{path}"), wav(&tone(pitch, 0.3)));
                    rows.push([path, (*emotion).to_owned(), (*strength).to_owned()]);
                }
            }
        }
    }
    rows
}

#[test]
fn a_condition_that_is_taken_for_the_speaker_claims_nothing() {
    let project = Project::new();
    let rows = strengths(&project);
    manifest(
        &project,
        &rows
            .iter()
            .map(|[path, emotion, strength]| format!("{path},{emotion},{strength},"))
            .collect::<Vec<_>>(),
    );
    pipeline(
        &project,
        "{ kind = \"leave-one-speaker-out\" }",
        "guessed = [\"emotion\", \"speaker\"]",
    );
    let said = shown(&project, "apart", &format!("corpus/{}", rows[0][0]));
    claims_nothing(&project, &said.iter().collect::<Vec<_>>());
    assert!(
        project.pages("small").contains(
            "(classes guessed from file and folder names, not confirmed): confusion matrix"
        )
    );
}

#[test]
fn a_proposed_pipeline_claims_nothing_while_its_speakers_are_guesses() {
    type Make = fn(&Project);
    let makes: [(&str, Make); 3] = [
        ("one emotion each", |project| {
            drop(one_emotion_each(project))
        }),
        ("strengths", |project| drop(strengths(project))),
        ("two formats", |project| drop(two_formats(project))),
    ];
    for (what, make) in makes {
        let project = Project::new();
        make(&project);
        project
            .ser(&["corpus", "init", "corpus", "--name", "small"])
            .ok();
        let text = String::from_utf8(project.read("pipelines/small.toml")).unwrap();
        if !text.contains("guessed = [") {
            project.pipeline(
                "small",
                &text.replace("[corpus]\n", "[corpus]\nguessed = [\"speaker\"]\n"),
            );
        }
        let ran = project.ser(&["run", "small"]).ok();
        assert!(ran.stdout.contains("svm"), "{what}: {}", ran.stdout);
        claims_nothing(
            &project,
            &[
                &ran,
                &project.ser(&["plan", "small"]).ok(),
                &project.ser(&["results", "small"]).ok(),
            ],
        );
    }
}

#[test]
fn guesses_are_a_list_of_known_words() {
    let project = Project::with_tones(2);
    let with = |guessed: &str| {
        project.pipeline(
            "small",
            &Project::small().replace("[corpus]", &format!("[corpus]\nguessed = {guessed}")),
        );
        project.ser(&["plan", "small"])
    };
    with("[\"speeker\"]").fails(
        3,
        &[
            "small.toml:4",
            "unknown value `speeker`",
            "did you mean `speaker`",
        ],
    );
    with("[\"sex\", \"sex\"]").fails(3, &["`sex` is listed twice in `guessed`"]);
    with("\"speaker\"").fails(3, &["guessed"]);
    assert!(
        with("[\"text\", \"emotion\"]")
            .ok()
            .stderr
            .contains("guessed from file and folder names, not confirmed: emotion, text.")
    );
    project.pipeline(
        "small",
        &Project::small().replace("[corpus]", "[corpus]\ngesst = [\"sex\"]"),
    );
    project
        .ser(&["plan", "small"])
        .fails(3, &["unknown key `gesst`", "guessed"]);
}

#[test]
fn speakers_under_two_spellings_are_in_doubt_and_meet_no_demand() {
    let project = Project::new();
    let mut rows = Vec::new();
    for i in 0..24 {
        let name = format!("{i}.wav");
        project.tone(&name, 150.0 + 17.0 * i as f32, 0.4);
        // Of the two that are tested one is trained on under another spelling.
        let (part, speaker) = match i {
            0..16 => ("train", ["VP01", "VP02"][i % 2]),
            _ => ("test", ["vp 1", "VP03"][i % 2]),
        };
        rows.push(format!(
            "{name},{},{speaker},{part}",
            ["calm", "happy"][i / 2 % 2]
        ));
    }
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker,split\n{}\n", rows.join("\n")),
    );
    pipeline(&project, "{ kind = \"declared\" }", "");
    let run = ["run", "small", "-e", "apart"];
    project.ser(&run).fails(
        4,
        &["the names of 1 of 2 test speakers differ from names that are trained on in their spelling alone"],
    );
    let text = String::from_utf8(project.read("pipelines/small.toml")).unwrap();
    let text = text.replace("require = \"speaker-disjoint\"\n", "");
    project.pipeline("small", &text);
    let ran = project.ser(&run).ok();
    for shown in [
        "\napart       speakers in doubt ",
        "\n  apart: speakers in doubt: 1 test speaker is trained on under another spelling",
    ] {
        assert!(ran.stdout.contains(shown), "{}", ran.stdout);
    }
    claims_nothing(&project, &[&ran]);
}
