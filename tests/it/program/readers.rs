//! Readers of corpora through the program: copies that change nothing, published folds, and labels
//! that are numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::project::{Project, tone, wav};

/// Names of all recordings of EMO-DB.
const EMODB: &str = include_str!("../../../src/corpus/emodb_sha256.tsv");

fn utterances(project: &Project, pipeline: &str) -> Vec<ser::corpus::Utterance> {
    let path = format!("data/tables/{pipeline}/utterances.parquet");
    ser::table::utterances::read(&project.path(&path)).unwrap()
}

#[test]
fn ravdess_with_every_file_twice_gives_the_bytes_of_the_plain_one() {
    let made = |folders: &[&str]| {
        let project = Project::new();
        for actor in 1..=4 {
            for emotion in 1..=4 {
                for take in 1..=2 {
                    let pitch = 120.0 + (40 * emotion + 9 * actor + take) as f32;
                    let sound = wav(&tone(pitch, 0.3));
                    for folder in folders {
                        let name = format!("03-01-{emotion:02}-01-01-{take:02}-{actor:02}.wav");
                        project.write(&format!("corpus/{folder}Actor_{actor:02}/{name}"), &sound);
                    }
                }
            }
        }
        project.pipeline(
            "r",
            "name = \"r\"\n[corpus]\nkind = \"ravdess\"\nroot = \"corpus\"\n[[experiment]]\nname = \"x\"\n\
             protocol = { kind = \"leave-one-speaker-out\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n",
        );
        project.ser(&["run", "r", "-q"]).ok();
        project
    };
    let plain = made(&[""]);
    let doubled = made(&["", "audio_speech_actors_01-24/"]);
    assert_eq!(plain.tree("data/tables/r"), doubled.tree("data/tables/r"));
    let excluded = String::from_utf8(doubled.read("reports/r/set-aside.csv")).unwrap();
    assert_eq!(
        excluded.matches("audio_speech_actors_01-24/Actor_").count(),
        32
    );
    assert_eq!(utterances(&plain, "r").len(), 32);
}

/// A tenth of a second that is a copy of no other.
fn noise(seed: u64) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 49) as i16 - 16_384
    };
    (0..1_600).map(|_| next()).collect()
}

#[test]
fn emodb_is_tested_on_the_folds_of_emobox_and_one_speaker_at_a_time() {
    let project = Project::new();
    let mut names = BTreeSet::new();
    for (n, line) in EMODB.lines().enumerate() {
        let Some(name) = line.split('\t').find(|cell| cell.ends_with(".wav")) else {
            continue;
        };
        let name = name.rsplit('/').next().unwrap();
        let sound = wav(&noise(n as u64));
        project.write(&format!("corpus/wav/{name}"), sound);
        names.insert(name.trim_end_matches(".wav").to_owned());
    }
    assert_eq!(names.len(), 535);
    project.pipeline(
        "e",
        "name = \"e\"\n[corpus]\nkind = \"emodb\"\nroot = \"corpus\"\n\
         [[experiment]]\nname = \"emobox\"\nprotocol = { kind = \"published\", name = \"emobox\" }\nmodel = { kind = \"majority\" }\n\
         [[experiment]]\nname = \"loso\"\nprotocol = { kind = \"leave-one-speaker-out\" }\nmodel = { kind = \"majority\" }\n",
    );
    project.ser(&["run", "e", "-q"]).ok();
    let splits = ser::table::splits::read(&project.path("data/tables/e/splits.parquet")).unwrap();
    let mut tested: BTreeMap<(&str, u32), BTreeSet<&str>> = BTreeMap::new();
    for row in splits.iter().filter(|row| row.role == "test") {
        let fold = tested.entry((&row.experiment, row.fold)).or_default();
        assert!(fold.insert(&row.utterance_id));
    }
    for (experiment, folds) in [("emobox", 5), ("loso", 10)] {
        let of: Vec<_> = tested
            .iter()
            .filter(|((one, _), _)| *one == experiment)
            .collect();
        assert_eq!(of.len(), folds, "{experiment}");
        let all: Vec<&str> = of.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        let once: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!((all.len(), once.len()), (535, 535), "{experiment}");
        for (_, ids) in of {
            let speakers: BTreeSet<&str> = ids.iter().map(|id| &id[..2]).collect();
            assert_eq!(speakers.len() == 1, experiment == "loso", "{speakers:?}");
        }
    }
    let report: serde_json::Value =
        serde_json::from_slice(&project.read("reports/e/report.json")).unwrap();
    let experiments = report["experiments"].as_array().unwrap();
    let said: Vec<_> = experiments
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["speaker_independent"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(said, [("emobox", "no"), ("loso", "yes")]);
    let sexes: BTreeSet<_> = utterances(&project, "e")
        .into_iter()
        .map(|one| {
            (
                one.source.speaker,
                one.source.sex.map(ser::corpus::Sex::as_str),
            )
        })
        .collect();
    let women = sexes.iter().filter(|(_, sex)| *sex == Some("female"));
    let women: Vec<&str> = women.map(|(speaker, _)| speaker.as_str()).collect();
    assert_eq!(
        (sexes.len(), women),
        (10, vec!["08", "09", "13", "14", "16"])
    );
}

/// A manifest of 48 recordings by four speakers, whose labels are these in turn.
fn labelled(labels: &[&str]) -> Project {
    let mut project = Project::new();
    for n in 0..48 {
        let name = format!("{n:02}.wav");
        project.tone(&name, 130.0 + 11.0 * n as f32, 0.2);
        project.row(&name, labels[n % labels.len()], &format!("s{}", n / 12));
    }
    project.write_manifest();
    project
}

#[test]
fn numbers_are_classes_by_a_label_map_and_never_unsaid() {
    let many: Vec<String> = (1..=12).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let halves = ["1.5", "2", "3.5"];
    let codes = ["0", "1", "2"];
    let floats = ["0.0", "1.0", "2.0"];
    let map = "label_map = { 0 = \"neutral\", 1 = \"anger\", 2 = \"joy\" }";
    let low: Vec<String> = many
        .iter()
        .map(|n| format!("{n} = \"{}\"", ["low", "high"][usize::from(n.len() > 1)]))
        .collect();
    let low = format!("label_map = {{ {} }}", low.join(", "));
    let run = |labels: &[&str], map: &str| {
        let project = labelled(labels);
        project.pipeline(
            "small",
            &Project::small().replace("\n[[exp", &format!("{map}\n[[exp")),
        );
        let ran = project.ser(&["features", "small"]);
        (project, ran)
    };
    let classes = |project: &Project| {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for one in utterances(project, "small") {
            *found.entry(one.source.emotion).or_default() += 1;
        }
        found
            .into_iter()
            .map(|(class, n)| format!("{class} {n}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    // Codes, with a map and without.
    let (project, ran) = run(&codes, map);
    ran.ok();
    assert_eq!(classes(&project), "anger 16, joy 16, neutral 16");
    let (project, ran) = run(&codes, "");
    ran.ok();
    assert_eq!(classes(&project), "0 16, 1 16, 2 16");
    // Ratings are refused with the cure, which works.
    let words = [
        "looks like a regression target, not like classes",
        "label_map = { \"1\" = \"low\"",
    ];
    let (_, ran) = run(&many, "");
    ran.fails(4, &words);
    let (_, ran) = run(&halves, "");
    ran.fails(4, &words);
    let (project, ran) = run(&many, &low);
    ran.ok();
    assert_eq!(classes(&project), "high 12, low 36");
    // As tables of numbers with gaps are written: the map names no label.
    let (_, ran) = run(&floats, map);
    ran.fails(4, &["0.0", "label_map"]);
    // A proposal says it, too.
    for labels in [&many[..], &halves] {
        let said = labelled(labels).ser(&["corpus", "init", "corpus", "--name", "own"]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(text.contains("looks like a regression target"), "{text}");
    }
}
