//! Folders as public corpora have them, and of kinds like theirs: what is proposed, and what is
//! asked.

use super::*;

/// `values` × `emotions` × 4 recordings, as `recordings`, with what the proposal says of speakers.
fn speakers(
    values: &[&str],
    name: impl Fn(&str, &str, usize) -> String,
) -> (Vec<String>, Proposal) {
    let found = looked_at(&recordings(values, &["wut", "freude", "trauer"], name));
    (
        found.speakers().into_iter().map(str::to_owned).collect(),
        found,
    )
}

#[test]
fn formats_treatments_and_conditions_are_no_speakers() {
    let conditions: [&[&str]; 15] = [
        &["normal", "strong"],
        &["Faible", "Fort"],
        &["slow", "fast"],
        &["iphone", "laptop", "studio"],
        &["young", "old"],
        &["age_20", "age_60"],
        &["20-29", "30-39"],
        &["english", "german"],
        &["DK", "EN"],
        &["take1", "take2"],
        &["rater1", "rater2", "rater3"],
        &["listener_a", "listener_b"],
        &["noisy", "reverb"],
        &["session1", "session2"],
        &["level_1", "level_2", "level_3"],
    ];
    for values in conditions {
        let (found, proposal) = speakers(values, |v, e, t| format!("{v}/{e}/{t}.wav"));
        assert!(
            found.is_empty() && !proposal.guessed.contains(&"speaker"),
            "{values:?}: {found:?}"
        );
        let (found, _) = speakers(values, |v, e, t| format!("{e}/{v}/{t}.wav"));
        assert!(found.is_empty(), "{values:?}: {found:?}");
        // Beside speakers they change nothing.
        let (found, _) = speakers(&["anna", "bert", "carla"], |s, e, t| {
            format!("{s}/{}/{e}_{t}.wav", values[t % values.len()])
        });
        assert_eq!(found, ["anna", "bert", "carla"], "{values:?}");
    }
}

#[test]
fn one_form_of_the_recordings_is_used() {
    for (forms, used) in [
        (["AudioMP3", "AudioWAV"], "AudioWAV"),
        (["flac", "mp3"], "flac"),
        (["16k", "48k"], "48k"),
        (["aug", "orig"], "orig"),
        (["clean", "noisy"], "clean"),
        (["speed0.9", "wav"], "wav"),
    ] {
        let extension = |form: &str| {
            if form.to_lowercase().contains("mp3") {
                "mp3"
            } else {
                "wav"
            }
        };
        let (found, proposal) = speakers(&forms, |v, e, t| {
            format!("{v}/anna_{e}_{t}.{}", extension(v))
        });
        assert!(found.is_empty(), "{forms:?}: {found:?}");
        assert!(
            proposal.rows.len() == 12 && proposal.rows.iter().all(|row| row.path.starts_with(used)),
            "{forms:?}"
        );
        assert_eq!(proposal.set_aside.len(), 12);
        assert!(
            proposal
                .warnings
                .iter()
                .any(|doubt| doubt.starts_with("12 files in ")),
            "{:?}",
            proposal.warnings
        );
    }
}

#[test]
fn of_two_fields_that_could_be_the_speaker_none_is_proposed() {
    let paths = recordings(
        &["AB", "CD", "EF"],
        &["wut", "freude", "trauer"],
        |s, e, t| format!("{s}_{}_{e}.wav", ["dog", "cat", "tree", "sun"][t]),
    );
    let found = looked_at(&paths);
    assert!(found.speakers().is_empty() && found.guessed == ["emotion"]);
    doubted(
        &found,
        "no speaker is proposed: it could be name:1 (piece 1 of the file name) (3 values) or name:2 (piece 2 of the file name) (4 values)",
    );
    doubted(&found, "say --speaker name:1 or --speaker name:2");
    // What the user says is no guess.
    let found = chosen(&paths, Some("name:3"), Some("name:1")).unwrap();
    assert!(found.speakers().len() == 3 && found.guessed.is_empty());
}

#[test]
fn speakers_of_one_emotion_each_and_counters_of_their_files_are_asked_about() {
    let emotions = ["Angry", "Happy", "Neutral", "Sad"];
    let named = |speaker: &str, file: &str| -> Vec<String> {
        let one = |k: usize| {
            let (s, f) = (k / 12 + 1, k % 12 + 1);
            format!(
                "{0}/{speaker}{s}_{file}{f}_{1}{k:03}.wav",
                emotions[s % 4],
                &emotions[s % 4][..1]
            )
        };
        (0..24 * 12).map(one).collect()
    };
    // As URDU has it: the description of the corpus says which is which. Its sexes are those of the
    // speakers.
    let found = looked_at(&named("SM", "F"));
    assert_eq!(
        (
            found.speakers().len(),
            found.rows[0].columns["sex"].as_str()
        ),
        (24, "male")
    );
    let found = looked_at(&named("PA", "F"));
    assert!(
        found.speakers().is_empty()
            && found
                .rows
                .iter()
                .all(|row| !row.columns.contains_key("sex"))
    );
    doubted(&found, "--speaker name:1 or --speaker name:2");
}

#[test]
fn a_number_within_a_sex_is_a_person() {
    let mut paths = Vec::new();
    for sex in ["female", "male"] {
        paths.extend(recordings(&["01", "02"], &["wut", "freude"], |s, e, t| {
            format!("{sex}/{s}/{e}_{t}.wav")
        }));
    }
    let found = looked_at(&paths);
    assert_eq!(
        found.speakers().into_iter().collect::<Vec<_>>(),
        ["female_01", "female_02", "male_01", "male_02"]
    );
    assert_eq!(found.guessed, ["emotion", "speaker", "sex"]);
    let again = chosen(&paths, None, Some("folder:1+folder:2")).unwrap();
    assert_eq!(again.speakers(), found.speakers());
    // A name that tells the sex is a person's, beside sentences and takes that do not.
    let mut paths = Vec::new();
    for (sex, names) in [
        ("F", ["OISHI", "MONIKA", "TITHI"]),
        ("M", ["RAKIB", "SHUVO", "JOY"]),
    ] {
        for (k, name) in names.iter().enumerate() {
            let of = |s: &str, e: &str, t: usize| format!("{sex}_{k:02}_{name}_{s}_{e}_{t}.wav");
            paths.extend(recordings(&["5", "6", "7"], &["ANGRY", "HAPPY"], of));
        }
    }
    assert_eq!(looked_at(&paths).speakers().len(), 6);
}

#[test]
fn copies_of_ravdess_are_read_and_counted() {
    let first = ravdess(&["01", "02"]);
    let copies: Vec<String> = first
        .iter()
        .map(|path| format!("audio_speech_actors_01-24/{path}"))
        .collect();
    let songs: Vec<String> = first
        .iter()
        .map(|path| format!("Songs/{}", path.replacen("03-01", "03-02", 1)))
        .collect();
    let found = looked_at(&[first, copies, songs].concat());
    assert_eq!(
        (
            found.rows.len(),
            found.speakers().len(),
            found.set_aside.len()
        ),
        (120, 2, 240)
    );
    assert!(
        found.evidence[1].starts_with("240 other files are copies of these"),
        "{:?}",
        found.evidence
    );
    assert!(found.licence.is_some() && found.guessed.is_empty());
}

#[test]
fn names_of_the_form_of_ravdess_are_not_taken_for_it() {
    let other = recordings(
        &["01", "02", "03"],
        &["01", "02", "03", "04", "05"],
        |s, e, t| {
            format!(
                "Speaker_{s}/03-01-{e}-01-{:02}-{:02}-{s}.wav",
                t / 2 + 1,
                t % 2 + 1
            )
        },
    );
    let error = chosen(&other, None, None).unwrap_err();
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("have the form of RAVDESS's, but not its numbers"),
        "{error:?}"
    );
    let found = chosen(&other, Some("name:3"), Some("name:7")).unwrap();
    assert!(found.licence.is_none() && found.citation.is_none());
}

#[test]
fn equal_names_of_other_sounds_are_told() {
    let name =
        |s: &str, e: &str, t: usize| format!("wav/{s}{}{e}a.wav", ["a01", "a02", "b01", "b02"][t]);
    let paths = recordings(&["03", "08"], &["W", "F", "N"], name);
    let dir = tree(&paths);
    for path in &paths {
        for folder in ["laryngo", "a_copy_of_wav"] {
            let other = dir.path().join(path.replacen("wav", folder, 1));
            std::fs::create_dir_all(other.parent().unwrap()).unwrap();
            std::fs::write(other, if folder == "laryngo" { "other" } else { "" }).unwrap();
        }
    }
    let found = propose(dir.path(), None, &Choices::default()).unwrap();
    assert!(found.rows.len() == 24 && found.rows.iter().all(|row| row.path.starts_with("wav/")));
    let reasons = |reason| {
        found
            .set_aside
            .iter()
            .filter(|aside| aside.reason == reason)
            .count()
    };
    assert_eq!(
        (reasons(Reason::Duplicate), reasons(Reason::OtherMaterial)),
        (24, 24)
    );
    doubted(
        &found,
        "laryngo/ has other contents under the names of files in wav/",
    );
}

#[test]
fn a_slip_of_tess_is_read_and_its_nested_copy_is_not() {
    let names = recordings(&["OAF", "YAF"], &["angry", "neutral", "sad"], |s, e, t| {
        let slip = if (s, e, t) == ("OAF", "neutral", 2) {
            "OA"
        } else {
            s
        };
        format!(
            "TESS/{s}_{e}/{slip}_{}_{e}.wav",
            ["back", "bar", "bite", "boat"][t]
        )
    });
    let nested: Vec<String> = names.iter().map(|path| format!("TESS/{path}")).collect();
    let found = looked_at(&[names.clone(), nested].concat());
    assert_eq!((found.rows.len(), found.set_aside.len()), (24, 24));
    assert_eq!(
        found.speakers().into_iter().collect::<Vec<_>>(),
        ["OAF", "YAF"]
    );
    assert!(found.rows.iter().all(|row| row.columns["sex"] == "female"));
    doubted(
        &found,
        "24 files in TESS/TESS/ are copies of files that are used",
    );
}

#[test]
fn merged_labels_are_said_and_asked_about() {
    let paths = recordings(
        &["anna", "bert"],
        &[
            "happy", "joy", "fear", "anxiety", "normal", "neutral", "angry", "anger",
        ],
        |s, e, t| format!("{s}/{e}_{t}.wav"),
    );
    let found = looked_at(&paths);
    doubted(
        &found,
        "labels are merged: anxiety and fear as fear, happy and joy as happiness, neutral and normal as neutral. Are they one class?",
    );
}

#[test]
fn several_corpora_in_one_folder_are_named_with_the_commands() {
    let crema = recordings(&["1001", "1002"], &["ANG", "HAP"], |s, e, t| {
        format!("Crema/{s}_{}_{e}_XX.wav", ["DFA", "IEO", "TIE", "ITS"][t])
    });
    let ravdess: Vec<String> = ravdess(&["01", "02"])
        .iter()
        .map(|path| format!("Rav dess/{path}"))
        .collect();
    let own = recordings(&["anna", "bert"], &["wut", "freude"], |s, e, t| {
        format!("own/{s}/{e}_{t}.wav")
    });
    let error = chosen(&[crema, ravdess, own.clone()].concat(), None, None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("holds 3 corpora: Crema/ (CREMA-D), Rav dess/ (RAVDESS), own/"),
        "{error}"
    );
    let hint = error.hint_text().unwrap();
    assert!(
        hint.contains("Rav dess' --name rav-dess; ") && hint.contains("kind = \"joined\""),
        "{hint}"
    );
    // Speakers, sexes and parts are no corpora, be there one speaker in one of them.
    let part = |part: &str, speakers: &[&str]| {
        recordings(speakers, &["ANG", "HAP"], |s, e, t| {
            format!("{part}/{s}_{}_{e}_XX.wav", ["DFA", "IEO", "TIE", "ITS"][t])
        })
    };
    assert!(
        looked_at(&[part("train", &["1001", "1002"]), part("test", &["1003"])].concat())
            .is_parted()
    );
    let again: Vec<String> = own.iter().map(|path| path.replace("own", "more")).collect();
    assert_eq!(looked_at(&[own, again].concat()).rows.len(), 32);
}

#[test]
fn what_was_proposed_before_is_no_evidence() {
    let paths = recordings(&["anna", "bert"], &["wut", "freude"], |s, e, t| {
        format!("{s}/{e}_{t}.wav")
    });
    let dir = tree(&paths);
    let look = || propose(dir.path(), Some("x"), &Choices::default()).unwrap();
    let first = look();
    let write = |path: &str, bytes: &[u8]| {
        std::fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(path), bytes).unwrap();
    };
    write(
        "data/manifests/x.csv",
        &crate::corpus::propose::manifest(&first).unwrap(),
    );
    write("data/cache/x/a.csv", b"path,emotion\nanna/wut_0.wav,joy\n");
    write("data/corpora/demo/wut_1.wav", b"");
    write("reports/x/report.json", b"{}");
    write(
        "reports/x/predictions.csv",
        b"path,emotion,speaker\nanna/wut_0.wav,joy,anna\n",
    );
    write(
        "predictions.csv",
        b"file,start_s,end_s,emotion,happy\nanna/wut_0.wav,,,happy,1\n",
    );
    assert_eq!(look(), first);
}

#[test]
fn names_that_differ_in_the_form_of_accents_alone_clash() {
    let paths = recordings(
        &["anna", "bert"],
        &["wu\u{308}tend", "w\u{fc}tend", "freude"],
        |s, e, t| format!("{s}/{e}/{t}.wav"),
    );
    let found = looked_at(&paths);
    doubted(
        &found,
        "8 recordings with the name of another one in another form of its accents",
    );
}

#[test]
fn a_pipeline_is_one_line_for_each_key_whatever_names_hold() {
    let paths = recordings(
        &["an\nna", "be\"rt"],
        &["wu\nt", "fr\"eude", "tr'auer"],
        |s, e, t| format!("{s}/{e}_{t}.wav"),
    );
    let found = chosen(&paths, Some("name:1"), Some("folder:1")).unwrap();
    let text = crate::corpus::propose::pipeline(&found, "data/m \"x\".csv", "a\nfolder\u{7}\\");
    let read: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(read["corpus"]["root"].as_str(), Some("a\nfolder\u{7}\\"));
    assert_eq!(read["corpus"]["path"].as_str(), Some("data/m \"x\".csv"));
    let guessed = looked_at(&recordings(
        &["anna", "bert"],
        &["wut", "freude"],
        |s, e, t| format!("{s}/{e}_{t}.wav"),
    ));
    let read: toml::Table = crate::corpus::propose::pipeline(&guessed, "m.csv", "r")
        .parse()
        .unwrap();
    assert_eq!(
        read["corpus"]["guessed"],
        toml::Value::from(vec!["emotion", "speaker"])
    );
}

#[test]
fn segments_behind_the_end_of_their_recordings_are_told() {
    use crate::corpus::propose::{Sound, check_against_sounds};
    let paths = recordings(
        &["alpha", "beta"],
        &["wut", "freude", "trauer"],
        |s, e, t| format!("{s}/{e}_{t}.wav"),
    );
    let mut found = looked_at(&paths);
    let n = found.rows.len();
    for (i, row) in found.rows.iter_mut().enumerate() {
        let times = if i == 0 { ["0", "1.04"] } else { ["50", "200"] };
        for (name, time) in ["start", "end"].into_iter().zip(times) {
            row.columns.insert(name, time.to_owned());
        }
    }
    let sound = |i: usize| Sound {
        hash: [i as u8; 32],
        seconds: 1.0,
    };
    let sounds = found.rows.iter().enumerate();
    let sounds = sounds
        .map(|(i, row)| (row.path.clone(), sound(i)))
        .collect();
    let without = || chosen(&paths, None, Some("none"));
    let checked = check_against_sounds(found, &sounds, without).unwrap();
    doubted(
        &checked,
        &format!(
            "{} of {n} segments end behind their recording, such as",
            n - 1
        ),
    );
    doubted(&checked, "at 50 s (it lasts 1.00 s): times are seconds");
}

#[test]
fn sounds_take_guessed_speakers_back() {
    use crate::corpus::propose::{Sound, check_against_sounds};
    let sounds =
        |found: &Proposal, of: &dyn Fn(usize, &str) -> (u8, f64)| -> BTreeMap<String, Sound> {
            let one = |(i, row): (usize, &Row)| {
                let (hash, seconds) = of(i, row.path.rsplit('/').next().unwrap());
                (
                    row.path.clone(),
                    Sound {
                        hash: [hash; 32],
                        seconds,
                    },
                )
            };
            found.rows.iter().enumerate().map(one).collect()
        };
    // Lengths by file name: the same under both speakers, or not.
    let length = |name: &str| {
        name.bytes()
            .fold(1.0, |sum, b| sum * 1.01 + f64::from(b) / 50.0)
    };
    let paths = recordings(
        &["alpha", "beta"],
        &["wut", "freude", "trauer"],
        |s, e, t| format!("{s}/{e}_{t}.wav"),
    );
    let fresh = || looked_at(&paths);
    let without = || chosen(&paths, None, Some("none"));
    let n = fresh().rows.len();
    let all = sounds(&fresh(), &|i, name| {
        (i as u8, length(name) + if i * 2 < n { 0.3 } else { 0.0 })
    });
    assert_eq!(
        check_against_sounds(fresh(), &all, without).unwrap(),
        fresh(),
        "two voices"
    );
    for (what, of) in [
        (
            "copies",
            &(|i: usize, name: &str| ((i * 2 % n) as u8, length(name) + i as f64))
                as &dyn Fn(usize, &str) -> (u8, f64),
        ),
        ("another form", &|i: usize, name: &str| {
            (i as u8, length(name))
        }),
    ] {
        let all = sounds(&fresh(), of);
        let found = check_against_sounds(fresh(), &all, without).unwrap();
        assert!(
            found.speakers().is_empty() && found.guessed == ["emotion"],
            "{what}"
        );
        doubted(&found, "what was taken for speakers are none");
        doubted(&found, "speakers are not known");
        assert!(
            !found
                .evidence
                .iter()
                .any(|line| line.starts_with("speaker: ")),
            "{:?}",
            found.evidence
        );
        // The user's word stands, with a remark.
        let said = check_against_sounds(
            chosen(&paths, None, Some("folder:1")).unwrap(),
            &all,
            without,
        )
        .unwrap();
        assert_eq!(said.speakers().len(), 2);
        doubted(&said, "look whether the speakers are speakers");
    }
}
