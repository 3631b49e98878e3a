//! Names of several forms in one folder, and numbers in names that count takes.

use super::*;

#[test]
fn a_piece_that_is_no_emotion_among_known_ones_is_no_class() {
    // Of one speaker the take stands before the emotion.
    let paths = recordings(
        &["S03", "S08", "S09"],
        &["anger", "joy"],
        |s, e, t| match s {
            "S09" => format!("{s}_take{t}_{e}.wav"),
            _ => format!("{s}_{e}_take{t}.wav"),
        },
    );
    let found = looked_at(&paths);
    assert_eq!(
        found.counts().into_iter().collect::<Vec<_>>(),
        [("anger", 8), ("happiness", 8)]
    );
    doubted(
        &found,
        "8 recordings excluded, since name:2 (piece 2 of the file name) is no emotion that ser knows: take0, take1, take2, take3. To include \
         them, write their emotions into the manifest and empty their cells in the column excluded, or say --emotion name:2",
    );
    let aside: Vec<&str> = found
        .set_aside
        .iter()
        .map(|aside| aside.path.as_str())
        .collect();
    assert!(
        aside.len() == 8 && aside.iter().all(|path| path.starts_with("S09_take")),
        "{aside:?}"
    );
    assert_eq!(
        found.set_aside[0].detail,
        "its name:2 (piece 2 of the file name) is take0, no emotion that ser knows"
    );
    // Where the user says so, all are classes.
    let found = chosen(&paths, Some("name:2"), None).unwrap();
    assert_eq!(found.counts().len(), 6);
}

#[test]
fn numbers_of_takes_are_no_speakers_and_stay_in_doubt_when_they_are_said_to_be() {
    // The numbers begin anew with every emotion and go on to different lengths; nobody is named.
    let counted: Vec<String> = [("anger", 9), ("joy", 6), ("sad", 7)]
        .into_iter()
        .flat_map(|(emotion, n)| (1..=n).map(move |i| format!("{emotion}_{i:02}.wav")))
        .collect();
    let behind_a_word = recordings(&["x", "y", "z"], &["anger", "joy", "sad"], |s, e, t| {
        format!("{s}{s}_{e}_take{t}.wav")
    });
    for (paths, place) in [(&counted, "name:2"), (&behind_a_word, "letters:4")] {
        let offered = |found: &Proposal| {
            let named = format!("--speaker {place}");
            found
                .warnings
                .iter()
                .any(|warning| warning.contains(&named))
        };
        let found = looked_at(paths);
        assert!(!offered(&found), "{:#?}", found.warnings);
        let found = chosen(paths, None, Some(place)).unwrap();
        doubted(&found, "looks like a number of takes or recordings");
        assert!(found.guessed.contains(&"speaker"), "{:?}", found.guessed);
    }
    // Nor is the speaker behind a word for speakers, or the one whom one name has behind another
    // word, and the largest numbers do not overflow.
    let actors = recordings(&["01", "02", "03"], &["anger", "joy", "sad"], |s, e, t| {
        format!("actors_{s}_{e}_{}.wav", t + 1)
    });
    let mut once = recordings(&["01", "02", "03"], &["anger", "joy", "sad"], |s, e, t| {
        format!("x_{s}_{e}_{}.wav", t + 1)
    });
    once.push("take_02_anger_9.wav".to_owned());
    let huge = recordings(
        &["0", "18446744073709551615"],
        &["anger", "joy", "sad"],
        |s, e, t| format!("x_{s}_{e}_{}.wav", t + 1),
    );
    for paths in [actors, once, huge] {
        let found = chosen(&paths, None, Some("name:2")).unwrap();
        assert!(!found.guessed.contains(&"speaker"), "{:?}", found.warnings);
    }
    // A speaker that the user names is none of these.
    let found = chosen(&behind_a_word, None, Some("name:1")).unwrap();
    assert!(!found.guessed.contains(&"speaker"));
}
