use super::*;

fn propose(root: &Path, name: Option<&str>, choices: &Choices) -> Result<Proposal> {
    super::propose(root, name, choices, &Cancel::default())
}

fn tree(paths: &[String]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in paths {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    dir
}

/// `speakers` × `emotions` × 4 takes, each named by `name(speaker, emotion, take)`.
fn recordings(
    speakers: &[&str],
    emotions: &[&str],
    name: impl Fn(&str, &str, usize) -> String,
) -> Vec<String> {
    let mut out = Vec::new();
    for speaker in speakers {
        for emotion in emotions {
            out.extend((0..4).map(|take| name(speaker, emotion, take)));
        }
    }
    out
}

/// All that RAVDESS has of some actors.
fn ravdess(actors: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for actor in actors {
        for (emotion, strengths) in
            (1..=8).map(|emotion| (emotion, if emotion == 1 { 1 } else { 2 }))
        {
            for (i, s, r) in
                (1..=strengths).flat_map(|i| [(i, 1, 1), (i, 1, 2), (i, 2, 1), (i, 2, 2)])
            {
                out.push(format!(
                    "Actor_{actor}/03-01-{emotion:02}-{i:02}-{s:02}-{r:02}-{actor}.wav"
                ));
            }
        }
    }
    out
}

#[track_caller]
fn looked_at(paths: &[String]) -> Proposal {
    propose(tree(paths).path(), Some("x"), &Choices::default()).unwrap()
}

#[test]
fn letters_of_a_known_form_are_those_of_its_language() {
    let paths = recordings(&["m1", "f2", "m3"], &["a", "n", "s"], |s, e, t| {
        format!("{s}.{e}_{}_{t}.wav", ["nie", "tak", "stop", "prosto"][t])
    });
    assert_eq!(
        looked_at(&paths)
            .counts()
            .keys()
            .copied()
            .collect::<Vec<_>>(),
        ["anger", "fear", "neutral"]
    );
}

#[test]
fn folders_of_emotions_and_speakers_are_told_apart() {
    let paths = recordings(
        &["anna", "bert", "carla"],
        &["wut", "freude", "trauer"],
        |s, e, t| format!("{e}/{s}/{t:03}.wav"),
    );
    let found = looked_at(&paths);
    assert_eq!(
        found.speakers().into_iter().collect::<Vec<_>>(),
        ["anna", "bert", "carla"]
    );
    assert_eq!(
        found.counts().into_iter().collect::<Vec<_>>(),
        [("anger", 12), ("happiness", 12), ("sadness", 12)]
    );
    assert_eq!(found.classes["wut"], "anger");
    assert_eq!(
        (found.evidence.len(), found.warnings.len()),
        (2, 0),
        "{:?}",
        found.warnings
    );
}

#[test]
fn pieces_of_names_are_emotions_and_speakers_with_their_sex() {
    let paths = recordings(
        &["f1", "f2", "m1", "m2"],
        &["rab", "gio", "tri", "neu"],
        |s, e, t| format!("{e}-{s}-b{t}.wav"),
    );
    let found = looked_at(&paths);
    assert_eq!(found.speakers().len(), 4);
    assert_eq!(
        (
            found.rows[0].emotion.as_str(),
            found.rows[0].columns["sex"].as_str()
        ),
        ("gio", "female")
    );
    assert_eq!(
        found.counts().keys().copied().collect::<Vec<_>>(),
        ["anger", "happiness", "neutral", "sadness"]
    );
}

#[test]
fn crema_d_names_are_understood() {
    let paths = recordings(
        &["1001", "1002", "1003"],
        &["ANG", "HAP", "SAD"],
        |s, e, t| format!("{s}_{}_{e}_XX.wav", ["DFA", "IEO", "TIE", "ITS"][t]),
    );
    let found = looked_at(&paths);
    assert_eq!(
        found.speakers().into_iter().collect::<Vec<_>>(),
        ["1001", "1002", "1003"]
    );
    assert!(
        found.kind == Some("crema-d")
            && found.evidence[0].starts_with("36 of 36 file names are those of CREMA-D")
            && found.warnings[0].starts_with("CREMA-D was published with 7442 recordings"),
        "{found:?}"
    );
}

#[test]
fn names_of_known_corpora_are_read_by_their_readers() {
    let paths = ravdess(&["01", "02"]);
    let found = looked_at(&paths);
    assert!(
        found.evidence[0].contains("RAVDESS")
            && found.speakers().len() == 2
            && found.rows[0].columns.contains_key("sex")
    );
}

#[test]
fn a_table_in_the_tree_is_believed_before_names() {
    let paths: Vec<String> = (0..20).map(|i| format!("audio/{i:02}.flac")).collect();
    let dir = tree(&paths);
    let rows: Vec<String> = (0..19)
        .map(|i| format!("{i:02}.flac;{};Speaker {}", ["angry", "sad"][i % 2], i % 3))
        .collect();
    std::fs::write(
        dir.path().join("labels.csv"),
        format!("Filename;Emotion;Speaker_ID\n{}\n", rows.join("\n")),
    )
    .unwrap();
    let found = propose(dir.path(), None, &Choices::default()).unwrap();
    assert_eq!((found.rows.len(), found.speakers().len()), (19, 3));
    assert!(
        found
            .warnings
            .iter()
            .any(|doubt| doubt.starts_with("not in labels.csv: 1 recording")),
        "{:?}",
        found.warnings
    );
}

#[test]
fn columns_that_a_manifest_would_refuse_are_left_out_and_named() {
    let paths: Vec<String> = (0..20).map(|i| format!("{i:02}.wav")).collect();
    let dir = tree(&paths);
    let rows: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "{i:02},{},s{},{},{}",
                ["angry", "sad"][i % 2],
                i % 3,
                i % 5,
                ["Training", "Test"][i % 2]
            )
        })
        .collect();
    std::fs::write(
        dir.path().join("labels.csv"),
        format!("file,emotion,speaker,fold,gender\n{}\n", rows.join("\n")),
    )
    .unwrap();
    let found = propose(dir.path(), None, &Choices::default()).unwrap();
    assert!(found.rows.iter().all(|row| row.columns.is_empty()) && !found.is_parted());
    let told = |column: &str| {
        found
            .warnings
            .iter()
            .any(|doubt| doubt.starts_with(&format!("column {column} of labels.csv is not taken")))
    };
    assert!(told("fold") && told("gender"), "{:?}", found.warnings);
    std::fs::write(
        dir.path().join("labels.csv"),
        format!("file,emotion,speaker,take,partition\n{}\n", rows.join("\n")),
    )
    .unwrap();
    let found = propose(dir.path(), None, &Choices::default()).unwrap();
    assert!(
        found.is_parted() && found.rows[0].columns["split"] == "train",
        "{:?}",
        found.rows[0]
    );
    let pipeline = crate::corpus::propose::pipeline(&found, "m.csv", "r");
    assert!(pipeline.contains("{ kind = \"declared\" }"), "{pipeline}");
}

#[test]
fn nothing_is_invented() {
    let found = looked_at(
        &(0..12)
            .map(|i| format!("{}/{i}.wav", ["joy", "fear", "zeal"][i % 3]))
            .collect::<Vec<_>>(),
    );
    assert!(!found.has_speakers() && found.speakers().is_empty());
    assert!(
        found.warnings.iter().any(|doubt| doubt.contains("zeal"))
            && found
                .warnings
                .iter()
                .any(|doubt| doubt.contains("speakers are not known"))
    );
    let error = propose(
        tree(&["a/1.wav".to_owned(), "b/2.wav".to_owned()]).path(),
        None,
        &Choices::default(),
    )
    .err()
    .unwrap();
    assert!(
        error.to_string().contains("nothing below")
            && error.hint_text().unwrap().contains("folder:1: a 1, b 1")
    );
    assert!(
        propose(
            tree(&["a/1.wav".to_owned()]).path().join("none").as_path(),
            None,
            &Choices::default()
        )
        .err()
        .unwrap()
        .to_string()
        .contains("the folder of recordings is not at")
    );
    assert!(
        propose(
            tree(&["a/notes.doc".to_owned()]).path(),
            None,
            &Choices::default()
        )
        .err()
        .unwrap()
        .to_string()
        .contains("holds no recording")
    );
}

#[track_caller]
fn chosen(paths: &[String], emotion: Option<&str>, speaker: Option<&str>) -> Result<Proposal> {
    let choices = Choices {
        emotion: emotion.map(|f| f.parse().unwrap()),
        speaker: speaker.map(|f| f.parse().unwrap()),
    };
    propose(tree(paths).path(), Some("x"), &choices)
}

#[track_caller]
fn doubted(found: &Proposal, part: &str) {
    assert!(
        found.warnings.iter().any(|doubt| doubt.contains(part)),
        "{part} is not in {:#?}",
        found.warnings
    );
}

#[test]
fn running_numbers_are_no_speakers() {
    let numbered: Vec<String> = (0..40)
        .flat_map(|i| ["wut", "freude"].map(|e| format!("{e}/{:03}.wav", i + 1)))
        .collect();
    let takes: Vec<String> = (0..20)
        .flat_map(|i| ["anger", "joy", "fear"].map(|e| format!("{e}_{}.wav", i + 1)))
        .collect();
    let parted: Vec<String> = (0..10)
        .flat_map(|i| ["train", "test"].map(|p| format!("{p}_anger_{i}.wav")))
        .collect();
    let parted: Vec<String> = parted
        .iter()
        .cloned()
        .chain(parted.iter().map(|path| path.replace("anger", "joy")))
        .collect();
    for paths in [&numbered, &takes, &parted] {
        let found = looked_at(paths);
        assert!(found.speakers().is_empty(), "{:?}", found.speakers());
        doubted(&found, "no speaker is proposed: ");
        doubted(&found, "--speaker name:");
    }
    assert!(looked_at(&parted).is_parted());
    // Who knows better says so.
    assert_eq!(
        chosen(&numbered, None, Some("name:1"))
            .unwrap()
            .speakers()
            .len(),
        40
    );
    // A word for speakers is believed.
    let named: Vec<String> = (0..9)
        .flat_map(|i| ["anger", "joy"].map(|e| format!("{e}_Speaker{i}.wav")))
        .collect();
    assert_eq!(looked_at(&named).speakers().len(), 9);
}

#[test]
fn parts_sexes_and_sessions_are_no_speakers() {
    let paths = recordings(&["train", "test"], &["anger", "joy"], |s, e, t| {
        format!("{s}/{e}/x{t}.wav")
    });
    let found = looked_at(&paths);
    assert!(
        found.speakers().is_empty()
            && found.is_parted()
            && found.rows[0].columns["split"] == "test"
    );
    let paths = recordings(
        &["weiblich", "ma\u{308}nnlich"],
        &["anger", "joy"],
        |s, e, t| format!("{s}/{e}/x{t}.wav"),
    );
    let found = looked_at(&paths);
    assert!(
        found.speakers().is_empty() && found.rows.iter().all(|row| row.columns.contains_key("sex"))
    );
    for pair in [["session1", "session2"], ["high", "low"]] {
        let found = looked_at(&recordings(&pair, &["anger", "joy"], |s, e, t| {
            format!("{s}/{e}/x{t}.wav")
        }));
        assert!(found.speakers().is_empty(), "{pair:?}");
    }
}

#[test]
fn pieces_of_folders_and_words_of_a_mac_are_understood() {
    let paths: Vec<String> = (0..6)
        .flat_map(|i| ["01_happy", "02_sad"].map(|e| format!("{e}/{i}.wav")))
        .collect();
    let found = looked_at(&paths);
    assert!(
        found.evidence[0].contains("folder:1.2 (piece 2 of folder 1)"),
        "{:?}",
        found.evidence
    );
    assert_eq!(
        found.counts().into_iter().collect::<Vec<_>>(),
        [("happiness", 6), ("sadness", 6)]
    );
    let paths: Vec<String> = (0..6)
        .flat_map(|i| ["klasse_zorn", "klasse_froh\u{308}lich"].map(|e| format!("{e}/{i}.wav")))
        .collect();
    assert_eq!(
        looked_at(&paths).counts().into_iter().collect::<Vec<_>>(),
        [("anger", 6), ("happiness", 6)]
    );
    let paths: Vec<String> = (0..6)
        .flat_map(|i| ["wu\u{308}tend", "fro\u{308}hlich"].map(|e| format!("{e}/{i}.wav")))
        .collect();
    let found = looked_at(&paths);
    assert_eq!(
        found.counts().keys().copied().collect::<Vec<_>>(),
        ["anger", "happiness"]
    );
    assert_eq!(
        found.rows[6].path, "wu\u{308}tend/0.wav",
        "as it stands on the disk"
    );
}

#[test]
fn letters_are_emotions_with_a_doubt() {
    let paths: Vec<String> = (0..6)
        .flat_map(|i| ["N", "H", "S", "A"].map(|e| format!("{e}/{i}.wav")))
        .collect();
    let found = looked_at(&paths);
    assert_eq!(
        found.counts().keys().copied().collect::<Vec<_>>(),
        ["anger", "happiness", "neutral", "sadness"]
    );
    doubted(&found, "letters are read as emotions: A as anger");
    assert!(
        crate::corpus::propose::pipeline(&found, "m.csv", "r").contains("\"H\" = \"happiness\"")
    );
}

#[test]
fn one_class_alone_is_no_corpus() {
    let one = |paths: &[&str]| {
        chosen(
            &paths
                .iter()
                .map(|path| (*path).to_owned())
                .collect::<Vec<_>>(),
            None,
            None,
        )
        .unwrap_err()
    };
    let error = one(&["wut/1.wav", "wut/2.wav"]);
    assert!(
        error
            .to_string()
            .contains("`anger`: folder:1 is wut everywhere"),
        "{error}"
    );
    assert!(error.hint_text().unwrap().contains("second class"));
    let error = one(&["wut/1.wav", "wut/2.wav", "freude/1.wav"]);
    assert!(
        error.to_string().contains("fewer than two classes")
            && error.to_string().contains("happiness 1"),
        "{error}"
    );
    let paths: Vec<String> = (0..12)
        .flat_map(|i| ["wut", "freude"].map(|e| format!("{e}/{i}.wav")))
        .chain(["angst/1.wav".into()])
        .collect();
    let found = looked_at(&paths);
    doubted(&found, "`labels` in the pipeline file is without fear (1)");
    assert!(
        !found
            .warnings
            .iter()
            .any(|doubt| doubt.contains("leave such classes out"))
    );
}

#[test]
fn fields_are_shown_and_may_be_said() {
    let paths: Vec<String> = (0..8)
        .flat_map(|i| ["k1", "k2"].map(|e| format!("{e}/v{}_{i}.wav", i % 2)))
        .collect();
    let error = chosen(&paths, None, None).unwrap_err();
    let hint = error.hint_text().unwrap();
    assert!(
        hint.contains("folder:1: k1 8, k2 8")
            && hint.contains("name:1: v0 8, v1 8")
            && hint.contains("--emotion FIELD"),
        "{hint}"
    );
    let found = chosen(&paths, Some("folder:1"), Some("name:1")).unwrap();
    assert_eq!((found.counts()["k1"], found.speakers().len()), (8, 2));
    assert!(
        chosen(&paths, Some("folder:1"), Some("none"))
            .unwrap()
            .speakers()
            .is_empty()
    );
    assert!(
        chosen(&paths, Some("folder:2"), None)
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("folder:1")
    );
    assert!(
        chosen(&paths, Some("column:emo"), None)
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("no table")
    );
}

#[test]
fn files_set_aside_are_listed_once() {
    let paths = ravdess(&["01", "02"]);
    let dir = tree(&paths);
    std::fs::write(dir.path().join("extra.wav"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", dir.path().join("gone.wav")).unwrap();
    let found = propose(dir.path(), None, &Choices::default()).unwrap();
    let asides: Vec<&str> = found
        .set_aside
        .iter()
        .map(|aside| aside.path.as_str())
        .collect();
    assert_eq!(
        asides,
        if cfg!(unix) {
            vec!["extra.wav", "gone.wav"]
        } else {
            vec!["extra.wav"]
        }
    );
}

#[test]
fn speakers_of_paths_are_offered_where_the_table_has_none() {
    let dir = tree(
        &(0..20)
            .map(|i| format!("{}/{i:02}.wav", ["anna", "bert"][i / 10]))
            .collect::<Vec<_>>(),
    );
    let rows: Vec<String> = (0..20)
        .map(|i| format!("{i:02},{}", ["angry", "sad"][i % 2]))
        .collect();
    std::fs::write(
        dir.path().join("labels.csv"),
        format!("file,emotion\n{}\n", rows.join("\n")),
    )
    .unwrap();
    let found = propose(dir.path(), None, &Choices::default()).unwrap();
    assert!(!found.has_speakers());
    doubted(
        &found,
        "the speaker could be folder:1: anna 10, bert 10: say --speaker folder:1",
    );
    let choices = Choices {
        emotion: None,
        speaker: Some("folder:1".parse().unwrap()),
    };
    assert!(propose(dir.path(), None, &choices).unwrap().has_speakers());
}

#[test]
fn names_are_safe_whatever_the_folder_is_called() {
    for (name, safe) in [
        ("Mon Corpus (v2)", "mon-corpus-v2"),
        ("2024", "corpus-2024"),
        ("émo", "emo"),
        ("", "corpus"),
        ("Ärger & Co", "aerger-co"),
        ("A\u{308}rger & Co", "aerger-co"),
        ("Møller_ß", "moller-ss"),
    ] {
        assert_eq!(safe_name(name), safe, "{name}");
    }
}

#[path = "layout_tests.rs"]
mod layouts;
#[path = "mixed_names_tests.rs"]
mod mixed_names;

#[test]
fn a_field_of_words_is_the_emotion_though_most_are_unknown() {
    let words = [
        "angry", "sad", "neutral", "pensive", "elated", "smug", "weary",
    ];
    let found = looked_at(&recordings(&["f1", "f2", "m1"], &words, |s, e, t| {
        format!("{s}_{e}_{t}.wav")
    }));
    assert_eq!(found.classes.len(), 7);
    doubted(&found, "kept as classes: elated, pensive, smug, weary");
    // Codes are no words: three that look like emotions among others are none.
    let codes = ["angry", "sad", "neutral", "a01", "a02", "a03", "a04"];
    let paths = recordings(&["f1", "f2", "m1"], &codes, |s, e, t| {
        format!("{s}_{e}_{t}.wav")
    });
    assert!(chosen(&paths, None, None).is_err());
}
