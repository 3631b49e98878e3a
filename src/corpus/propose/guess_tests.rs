use super::*;

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
fn recordings(speakers: &[&str], emotions: &[&str], name: impl Fn(&str, &str, usize) -> String) -> Vec<String> {
    let mut out = Vec::new();
    for speaker in speakers {
        for emotion in emotions {
            out.extend((0..4).map(|take| name(speaker, emotion, take)));
        }
    }
    out
}

#[track_caller]
fn looked_at(paths: &[String]) -> Proposal {
    propose(tree(paths).path(), Some("x")).unwrap()
}

#[test]
fn folders_of_emotions_and_speakers_are_told_apart() {
    let paths = recordings(&["anna", "bert", "carla"], &["wut", "freude", "trauer"], |s, e, t| format!("{e}/{s}/{t:03}.wav"));
    let found = looked_at(&paths);
    assert_eq!(found.speakers().into_iter().collect::<Vec<_>>(), ["anna", "bert", "carla"]);
    assert_eq!(found.counts().into_iter().collect::<Vec<_>>(), [("anger", 12), ("happiness", 12), ("sadness", 12)]);
    assert_eq!(found.classes["wut"], "anger");
    assert_eq!((found.evidence.len(), found.doubts.len()), (2, 0), "{:?}", found.doubts);
}

#[test]
fn pieces_of_names_are_emotions_and_speakers_with_their_sex() {
    let paths = recordings(&["f1", "f2", "m1", "m2"], &["rab", "gio", "tri", "neu"], |s, e, t| format!("{e}-{s}-b{t}.wav"));
    let found = looked_at(&paths);
    assert_eq!(found.speakers().len(), 4);
    assert_eq!((found.rows[0].emotion.as_str(), found.rows[0].more["sex"].as_str()), ("gio", "female"));
    assert_eq!(found.counts().keys().copied().collect::<Vec<_>>(), ["anger", "happiness", "neutral", "sadness"]);
}

#[test]
fn crema_d_names_are_understood_and_a_second_candidate_is_said() {
    let paths = recordings(&["1001", "1002", "1003"], &["ANG", "HAP", "SAD"], |s, e, t| {
        format!("{s}_{}_{e}_XX.wav", ["DFA", "IEO", "TIE", "ITS"][t])
    });
    let found = looked_at(&paths);
    assert_eq!(found.speakers().into_iter().collect::<Vec<_>>(), ["1001", "1002", "1003"]);
    assert!(found.doubts.iter().any(|doubt| doubt.contains("piece 2 of the file name")), "{:?}", found.doubts);
}

#[test]
fn names_of_known_corpora_are_read_by_their_readers() {
    let paths = recordings(&["01", "02"], &["01", "03", "05"], |s, e, t| format!("Actor_{s}/03-01-{e}-01-01-0{}-{s}.wav", t % 2 + 1));
    let mut paths: Vec<String> = paths.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    paths.sort();
    let found = looked_at(&paths);
    assert!(found.evidence[0].contains("RAVDESS") && found.speakers().len() == 2 && found.rows[0].more.contains_key("sex"));
}

#[test]
fn a_table_in_the_tree_is_believed_before_names() {
    let paths: Vec<String> = (0..20).map(|i| format!("audio/{i:02}.flac")).collect();
    let dir = tree(&paths);
    let rows: Vec<String> = (0..19).map(|i| format!("{i:02}.flac;{};Speaker {}", ["angry", "sad"][i % 2], i % 3)).collect();
    std::fs::write(dir.path().join("labels.csv"), format!("Filename;Emotion;Speaker_ID\n{}\n", rows.join("\n"))).unwrap();
    let found = propose(dir.path(), None).unwrap();
    assert_eq!((found.rows.len(), found.speakers().len()), (19, 3));
    assert!(found.doubts.iter().any(|doubt| doubt.starts_with("1 recordings are not in labels.csv")), "{:?}", found.doubts);
}

#[test]
fn columns_that_a_manifest_would_refuse_are_left_out_and_named() {
    let paths: Vec<String> = (0..20).map(|i| format!("{i:02}.wav")).collect();
    let dir = tree(&paths);
    let rows: Vec<String> =
        (0..20).map(|i| format!("{i:02},{},s{},{},{}", ["angry", "sad"][i % 2], i % 3, i % 5, ["Training", "Test"][i % 2])).collect();
    std::fs::write(dir.path().join("labels.csv"), format!("file,emotion,speaker,fold,gender\n{}\n", rows.join("\n"))).unwrap();
    let found = propose(dir.path(), None).unwrap();
    assert!(found.rows.iter().all(|row| row.more.is_empty()) && !found.is_parted());
    let told = |column: &str| found.doubts.iter().any(|doubt| doubt.starts_with(&format!("column {column} of labels.csv is not taken")));
    assert!(told("fold") && told("gender"), "{:?}", found.doubts);
    std::fs::write(dir.path().join("labels.csv"), format!("file,emotion,speaker,take,partition\n{}\n", rows.join("\n"))).unwrap();
    let found = propose(dir.path(), None).unwrap();
    assert!(found.is_parted() && found.rows[0].more["split"] == "train", "{:?}", found.rows[0]);
    let pipeline = crate::corpus::propose::pipeline(&found, "m.csv", "r");
    assert!(pipeline.contains("{ kind = \"declared\" }"), "{pipeline}");
}

#[test]
fn nothing_is_invented() {
    let found = looked_at(&(0..12).map(|i| format!("{}/{i}.wav", ["joy", "fear", "zeal"][i % 3])).collect::<Vec<_>>());
    assert!(!found.has_speakers() && found.speakers().is_empty());
    assert!(
        found.doubts.iter().any(|doubt| doubt.contains("zeal"))
            && found.doubts.iter().any(|doubt| doubt.contains("speakers are not known"))
    );
    let error = propose(tree(&["a/1.wav".to_owned(), "b/2.wav".to_owned()]).path(), None).err().unwrap();
    assert!(error.to_string().contains("nothing below") && error.hint_text().unwrap().contains("folder 1"));
    assert!(
        propose(tree(&["a/1.wav".to_owned()]).path().join("none").as_path(), None)
            .err()
            .unwrap()
            .to_string()
            .contains("a corpus is not at")
    );
    assert!(propose(tree(&["a/notes.doc".to_owned()]).path(), None).err().unwrap().to_string().contains("holds no recording"));
}

#[test]
fn names_are_safe_whatever_the_folder_is_called() {
    assert_eq!(["Mon Corpus (v2)", "2024", "émo", ""].map(safe), ["mon-corpus-v2", "corpus-2024", "mo", "corpus"]);
}
