//! Leaks planted on purpose: each is counted, named, and refused where the experiment requires
//! folds without it.

use std::collections::BTreeMap;

use super::project::{Project, wav};

/// An utterance of a planted corpus.
struct Row {
    path: String,
    emotion: String,
    speaker: String,
    text: String,
    session: String,
    part: &'static str,
}

/// Generated voices in declared parts: the last speaker of three is tested, on sentences of her
/// own, in a session of her own.
fn apart() -> (Project, Vec<Row>) {
    let project = Project::new();
    let utterances = project.voices("corpus", 3, 3);
    let mut rows = Vec::new();
    for u in utterances {
        let (speaker, text) = (u.source.speaker, u.source.text_id.unwrap());
        let tested = speaker == "spk03";
        // Her sentences are the third alone, theirs the others.
        if tested == (text == "s03") {
            let part = if tested { "test" } else { "train" };
            let session = format!("of {part}");
            rows.push(Row {
                path: u.source.path,
                emotion: u.source.emotion,
                speaker,
                text,
                session,
                part,
            });
        }
    }
    assert_eq!(rows.iter().filter(|row| row.part == "test").count(), 10);
    (project, rows)
}

const ALL: &str =
    "[\"speaker-disjoint\", \"text-disjoint\", \"session-disjoint\", \"duplicate-free\"]";

fn pipeline(require: &str) -> String {
    Project::small().replace(
        "{ kind = \"stratified-kfold\", folds = 2 }",
        "{ kind = \"declared\" }",
    ) + &format!("require = {require}\n")
}

fn manifest(project: &Project, rows: &[Row], require: &str) {
    let line = |r: &Row| {
        format!(
            "{},{},{},{},{},{}",
            r.path, r.emotion, r.speaker, r.text, r.session, r.part
        )
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    project.write(
        "corpus/manifest.csv",
        format!(
            "path,emotion,speaker,text_id,session,split\n{}\n",
            lines.join("\n")
        ),
    );
    project.pipeline("small", &pipeline(require));
}

/// Shared units by kind, of the only fold.
fn leakage(project: &Project) -> BTreeMap<String, (u64, u64)> {
    let rows =
        ser::table::leakage::read(&project.path("data/tables/small/leakage.parquet")).unwrap();
    assert!(
        rows.iter()
            .all(|row| row.experiment == "base" && row.protocol == "declared" && row.fold == 0)
    );
    let text = String::from_utf8(project.read("reports/small/leakage.csv")).unwrap();
    for row in &rows {
        let line = format!(
            "base,declared,0,{},{},{}\r\n",
            row.kind, row.test_units, row.shared_units
        );
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    rows.into_iter()
        .map(|row| (row.kind, (row.shared_units, row.test_units)))
        .collect()
}

fn pairs(project: &Project) -> Vec<(String, String, bool)> {
    let rows = ser::table::duplicates::read(&project.path("data/tables/small/duplicates.parquet"))
        .unwrap();
    rows.into_iter()
        .map(|row| {
            let exact = row.is_exact();
            (row.utterance_a, row.utterance_b, exact)
        })
        .collect()
}

/// Runs with nothing required, then refuses what `demand` forbids: by a plan, and by a run that
/// trains nothing.
#[track_caller]
fn counted_and_refused(project: &Project, rows: &[Row], demand: &str, words: &[&str]) {
    manifest(project, rows, "[]");
    project.ser(&["run", "small"]).ok();
    assert!(project.path("data/models/small/base").exists());
    manifest(project, rows, &format!("\"{demand}\""));
    let plan = project.ser(&["plan", "small"]).ok();
    assert!(
        plan.stderr.contains("base: will be refused") && plan.stderr.contains(words[0]),
        "{}",
        plan.stderr
    );
    assert!(!plan.stdout.contains("train/base"), "{}", plan.stdout);
    let ran = project
        .ser(&["run", "small"])
        .fails(4, &[&format!("requires `{demand}`"), "fold 0", "hint: "]);
    words
        .iter()
        .for_each(|word| assert!(ran.stderr.contains(word), "{word} is not in {}", ran.stderr));
    assert!(
        !project.path("data/models/small/base").exists(),
        "no model stays of what is refused"
    );
    let page = project.pages("small");
    assert!(
        page.contains("No result:") && page.contains(&format!("requires `{demand}`")),
        "{page}"
    );
    // The demands that the folds meet are no obstacle.
    let others: Vec<String> = [
        "speaker-disjoint",
        "text-disjoint",
        "session-disjoint",
        "duplicate-free",
    ]
    .into_iter()
    .filter(|other| *other != demand)
    .map(|other| format!("\"{other}\""))
    .collect();
    manifest(project, rows, &format!("[{}]", others.join(", ")));
    project.ser(&["run", "small"]).ok();
    assert!(project.path("data/models/small/base").exists());
}

#[test]
fn folds_without_a_leak_meet_every_demand() {
    let (project, rows) = apart();
    manifest(&project, &rows, ALL);
    project.ser(&["run", "small"]).ok();
    assert_eq!(
        pairs(&project),
        [],
        "different takes of a sentence are no copies"
    );
    let shared = leakage(&project);
    assert_eq!(shared.len(), 5);
    assert!(
        shared.values().all(|(shared, _)| *shared == 0),
        "{shared:?}"
    );
    let units = |kind: &str| shared[kind].1;
    assert_eq!(
        (
            units("speakers"),
            units("sentences"),
            units("sessions"),
            units("near-duplicates")
        ),
        (1, 1, 1, 10)
    );
    let page = project.pages("small");
    for words in [
        "speaker-independent: no test speaker is trained on in the only fold",
        "sentences: no test sentence is trained on in the only fold",
        "sessions: no test session is trained on in the only fold",
        "duplicates: none in the only fold",
        "near-duplicates: none in the only fold",
    ] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
}

#[test]
fn a_speaker_who_is_trained_on() {
    let (project, mut rows) = apart();
    rows.iter_mut()
        .filter(|row| row.part == "test")
        .take(1)
        .for_each(|row| row.speaker = "spk01".into());
    counted_and_refused(
        &project,
        &rows,
        "speaker-disjoint",
        &["1 of 2 test speakers are also trained on"],
    );
    assert_eq!(leakage(&project)["speakers"], (1, 2));
}

#[test]
fn a_sentence_that_is_trained_on() {
    let (project, mut rows) = apart();
    rows.iter_mut()
        .filter(|row| row.part == "test")
        .take(3)
        .for_each(|row| row.text = "s01".into());
    counted_and_refused(
        &project,
        &rows,
        "text-disjoint",
        &["1 of 2 test sentences are also trained on"],
    );
    assert_eq!(leakage(&project)["sentences"], (1, 2));
    // What is not named may be anything.
    rows.iter_mut().for_each(|row| row.text.clear());
    manifest(&project, &rows, "\"text-disjoint\"");
    project.ser(&["run", "small"]).fails(
        4,
        &["10 tested and 40 trained utterances have no named sentence"],
    );
}

#[test]
fn a_session_that_is_trained_on() {
    let (project, mut rows) = apart();
    rows.iter_mut()
        .filter(|row| row.part == "test")
        .take(2)
        .for_each(|row| row.session = "of train".into());
    counted_and_refused(
        &project,
        &rows,
        "session-disjoint",
        &["1 of 2 test sessions are also trained on"],
    );
    assert_eq!(leakage(&project)["sessions"], (1, 2));
}

/// Another utterance of the tested speaker whose recording is made of the first one trained on.
fn plant(
    project: &Project,
    rows: &mut Vec<Row>,
    path: &str,
    make: impl Fn(&[f32], u32) -> Vec<u8>,
) -> String {
    let original = rows
        .iter()
        .find(|row| row.part == "train")
        .unwrap()
        .path
        .clone();
    let audio = ser::audio::decode(&project.path("corpus").join(&original)).unwrap();
    project.write(
        &format!("corpus/{path}"),
        make(&audio.samples, audio.sample_rate),
    );
    let tested = rows.iter().find(|row| row.part == "test").unwrap();
    let planted = Row {
        path: path.into(),
        emotion: tested.emotion.clone(),
        speaker: "spk03".into(),
        text: "s03".into(),
        session: tested.session.clone(),
        part: "test",
    };
    rows.push(planted);
    original
}

#[test]
fn the_same_file_under_two_names() {
    let (project, mut rows) = apart();
    let bytes = |samples: &[f32], _| {
        wav(&samples
            .iter()
            .map(|x| (x * 32_768.0) as i16)
            .collect::<Vec<_>>())
    };
    let original = plant(&project, &mut rows, "zz.wav", bytes);
    counted_and_refused(
        &project,
        &rows,
        "duplicate-free",
        &["of 11 tested utterances, 1 have the same sound as one that is trained on and 0"],
    );
    let shared = leakage(&project);
    assert_eq!(
        (shared["duplicates"], shared["near-duplicates"]),
        ((1, 11), (0, 11))
    );
    let pairs = pairs(&project);
    assert!(
        pairs.len() == 1 && pairs[0].2 && pairs[0].1.contains("zz"),
        "{original}: {pairs:?}"
    );
    let listed = String::from_utf8(project.read("reports/small/duplicates.csv")).unwrap();
    assert!(
        listed.contains(&format!("{},{},exact,1,0", pairs[0].0, pairs[0].1)),
        "{listed}"
    );
}

/// 8-bit samples at `rate`.
fn coarse(samples: &[f32], rate: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 8,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    samples
        .iter()
        .for_each(|x| writer.write_sample((x * 127.0) as i8).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn the_same_recording_encoded_again() {
    type Make = fn(&[f32], u32) -> Vec<u8>;
    let makes: [(&str, Make); 3] = [
        ("another rate and level", |x, rate| {
            let quieter: Vec<f32> = x.iter().map(|x| 0.4 * x).collect();
            let lower = ser::audio::resample::Resampler::new(rate, 11_025).process(&quieter);
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 11_025,
                bits_per_sample: 32,
                sample_format: hound::SampleFormat::Float,
            };
            let mut bytes = std::io::Cursor::new(Vec::new());
            let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
            lower.iter().for_each(|x| writer.write_sample(*x).unwrap());
            writer.finalize().unwrap();
            bytes.into_inner()
        }),
        ("8 bits", |x, rate| coarse(x, rate)),
        ("padded and trimmed", |x, _| {
            let cut = &x[800..];
            wav(&std::iter::repeat_n(0, 3_000)
                .chain(cut[..cut.len() - 700].iter().map(|x| (x * 20_000.0) as i16))
                .collect::<Vec<_>>())
        }),
    ];
    for (what, make) in makes {
        let (project, mut rows) = apart();
        plant(&project, &mut rows, "zz.wav", make);
        counted_and_refused(
            &project,
            &rows,
            "duplicate-free",
            &["0 have the same sound as one that is trained on and 1 are another version"],
        );
        let shared = leakage(&project);
        assert_eq!(
            (shared["duplicates"], shared["near-duplicates"]),
            ((0, 11), (1, 11)),
            "{what}"
        );
        let pairs = pairs(&project);
        assert!(
            pairs.len() == 1 && !pairs[0].2 && pairs[0].1.contains("zz"),
            "{what}: {pairs:?}"
        );
    }
}

#[test]
fn what_is_learned_does_not_depend_on_what_is_tested() {
    let (project, rows) = apart();
    let net = pipeline("[]")
        .replace("name = \"base\"", "name = \"net\"")
        .replace(
            "{ kind = \"logistic\", c = 1.0 }",
            "{ kind = \"cnn\", architecture = \"emodb-a\" }",
        );
    let net = net.split_once("[[experiment]]").unwrap().1.to_owned();
    let train =
        "train = { optimizer = \"adam\", learning_rate = 1e-3, batch_size = 8, epochs = 2 }\n";
    manifest(&project, &rows, "[]");
    project.pipeline(
        "small",
        &format!("{}\n[[experiment]]{net}{train}", pipeline("[]")),
    );
    let learned = || -> Vec<(String, Vec<u8>)> {
        project.ser(&["run", "small"]).ok();
        project.tree("data/models/small")
    };
    let before = learned();
    let predicted = project.read("data/tables/small/predictions.parquet");
    assert!(
        before
            .iter()
            .any(|(name, _)| name.ends_with("model.safetensors"))
            && before.iter().any(|(name, _)| name.ends_with("model.json"))
    );
    // Loud noise in place of every tested recording.
    for (i, row) in rows.iter().filter(|row| row.part == "test").enumerate() {
        let mut state = i as u32 + 1;
        let noise: Vec<i16> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as u16 as i16
            })
            .collect();
        project.write(&format!("corpus/{}", row.path), wav(&noise));
    }
    let after = learned();
    assert!(
        predicted != project.read("data/tables/small/predictions.parquet"),
        "other recordings are predicted"
    );
    let names = |files: &[(String, Vec<u8>)]| {
        files
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after));
    for ((name, one), (_, other)) in before.iter().zip(&after) {
        assert!(one == other, "{name} depends on what is tested");
    }
}

#[test]
fn a_demand_is_a_word_or_a_list_and_checked_like_any_key() {
    let project = Project::with_tones(2);
    let with = |require: &str| {
        project.pipeline(
            "small",
            &(Project::small() + &format!("require = {require}\n")),
        )
    };
    with("\"speaker-disjoin\"");
    project.ser(&["run", "small"]).fails(
        3,
        &[
            "small.toml:14",
            "unknown value `speaker-disjoin`",
            "did you mean `speaker-disjoint`",
        ],
    );
    with("[\"speaker-disjoint\", \"speaker-disjoint\"]");
    project
        .ser(&["run", "small"])
        .fails(3, &["is listed twice in `require`"]);
    with("7");
    project
        .ser(&["run", "small"])
        .fails(3, &["a string or a list"]);
    assert!(!project.path("data").exists());

    with("\"speaker-disjoint\"");
    let ran = project.ser(&["run", "small", "-v"]).fails(
        4,
        &[
            "2 of 2 test speakers are also trained on",
            "(2 of 2 folds fall short)",
            "group-kfold",
        ],
    );
    assert!(!ran.stderr.contains("train/base/fold"), "{}", ran.stderr);
    project
        .ser(&["run", "small", "--protocol", "leave-one-speaker-out"])
        .ok();
    project.ser(&["run", "small", "--set", "require=[]"]).ok();
    project
        .ser(&["run", "small", "--set", "require=session-disjoint"])
        .fails(4, &["have no named session"]);
}

#[test]
fn segments_that_overlap_are_counted_and_refused() {
    let project = Project::new();
    let mut rows = Vec::new();
    for speaker in 0..4 {
        for (k, emotion) in ["calm", "happy"].iter().enumerate() {
            let name = format!("s{speaker}_{emotion}.wav");
            project.tone(&name, 200.0 + 150.0 * k as f32 + 11.0 * speaker as f32, 2.0);
            rows.extend(
                ["0,1.2", "0.9,1.9"].map(|times| format!("{name},{emotion},s{speaker},{times}")),
            );
        }
    }
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker,start,end\n{}\n", rows.join("\n")),
    );
    project.pipeline("small", &Project::small());
    project.ser(&["run", "small", "-q"]).ok();
    let leaks =
        ser::table::leakage::read(&project.path("data/tables/small/leakage.parquet")).unwrap();
    let shared = |kind: &str| {
        leaks
            .iter()
            .filter(|row| row.kind == kind)
            .map(|row| row.shared_units)
            .sum::<u64>()
    };
    assert!(
        shared("overlaps") > 0
            && shared("overlaps") == shared("recordings")
            && shared("duplicates") == 0,
        "{leaks:?}"
    );
    project.pipeline(
        "small",
        &(Project::small() + "require = \"duplicate-free\"\n"),
    );
    project
        .ser(&["run", "small", "-q"])
        .fails(4, &["overlap with one in the same recording"]);
    // Two segments of one recording are of one speaker: folds of whole speakers share neither.
    let apart = Project::small().replace("stratified-kfold", "group-kfold")
        + "require = [\"duplicate-free\", \"speaker-disjoint\"]\n";
    project.pipeline("small", &apart);
    project.ser(&["run", "small", "-q"]).ok();
}

#[test]
fn a_rate_that_tells_the_class_is_warned_of() {
    let project = Project::new();
    let mut rows = Vec::new();
    for i in 0..24 {
        let (name, emotion) = (format!("{i}.wav"), ["calm", "happy"][i % 2]);
        let tone = super::project::tone(200.0 + i as f32, 0.5);
        let bytes = wav(&tone);
        // The rate and the bytes a second of the header say which emotion it is.
        let rate: u32 = [16_000, 24_000][i % 2];
        let mut bytes = bytes;
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        bytes[28..32].copy_from_slice(&(rate * 2).to_le_bytes());
        project.write(&format!("corpus/{name}"), bytes);
        rows.push(format!("{name},{emotion},s{}", i % 3));
    }
    project.write(
        "corpus/manifest.csv",
        format!("path,emotion,speaker\n{}\n", rows.join("\n")),
    );
    project.pipeline("small", &Project::small());
    let ran = project.ser(&["run", "small"]).ok();
    assert!(
        ran.stderr.contains("the sample rate gives classes away"),
        "{}",
        ran.stderr
    );
    let page = String::from_utf8(project.read("reports/small/index.html")).unwrap();
    assert!(
        page.contains("the sample rate gives classes away (Cramér"),
        "no warning on the page"
    );
    assert!(!page.contains("the number of channels gives classes away"));
    let proposed = project
        .ser(&["corpus", "init", "corpus", "--name", "proposed"])
        .ok()
        .stdout;
    assert!(
        proposed.contains("not sure: the sample rate gives classes away"),
        "{proposed}"
    );
}
