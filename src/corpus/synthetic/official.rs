//! The layouts of the corpora that have readers of their own.

use super::foreign::{Recording, Text};
use crate::corpus::emodb;

/// Recordings, and text files beside them, that a reader of the corpus takes for a small one;
/// nothing for other corpora.
pub(super) fn files(kind: &str) -> Option<(Vec<Recording>, Vec<Text>)> {
    match kind {
        "ravdess" => Some((ravdess(), vec![])),
        "emodb" => Some((emodb(), vec![])),
        "iemocap" => Some(iemocap()),
        _ => None,
    }
}

/// Both sentences of 24 actors, each emotion once.
fn ravdess() -> Vec<Recording> {
    let mut all = Vec::new();
    for actor in 1..=24 {
        for emotion in 1..=8 {
            for sentence in 1..=2 {
                let name = format!(
                    "Actor_{actor:02}/03-01-{emotion:02}-01-{sentence:02}-01-{actor:02}.wav"
                );
                all.push((name, [actor - 1, sentence - 1, emotion - 1]));
            }
        }
    }
    all
}

/// The recordings of the first release that say one of these sentences.
fn emodb() -> Vec<Recording> {
    const SENTENCES: [&str; 4] = ["a01", "a02", "a04", "a05"];
    const EMOTIONS: &str = "WLEAFTN";
    let mut speakers: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for stem in emodb::first_release() {
        let (Some(speaker), Some(sentence)) = (stem.get(..2), stem.get(2..5)) else {
            continue;
        };
        let place = stem.get(5..6).and_then(|letter| EMOTIONS.find(letter));
        let sentence = SENTENCES.iter().position(|one| *one == sentence);
        let (Some(sentence), Some(emotion)) = (sentence, place) else {
            continue;
        };
        if !speakers.contains(&speaker) {
            speakers.push(speaker);
        }
        let number = speakers.iter().position(|one| *one == speaker);
        let speaker = number.unwrap_or_default();
        let key = [speaker, sentence, emotion];
        // Another version would be the same sound again.
        if all.iter().all(|(_, known): &Recording| *known != key) {
            all.push((format!("wav/{stem}.wav"), key));
        }
    }
    all
}

/// A dialog of each session and speaker, four turns of each emotion, and the label files.
fn iemocap() -> (Vec<Recording>, Vec<Text>) {
    const EMOTIONS: [&str; 4] = ["neu", "hap", "sad", "ang"];
    let (mut all, mut labels) = (Vec::new(), Vec::new());
    for session in 1..=5 {
        for (g, speaker) in ["F", "M"].iter().enumerate() {
            let dialog = format!("Ses{session:02}{speaker}_impro01");
            let mut text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n".to_owned();
            for turn in 0..16 {
                let (e, t) = (turn % EMOTIONS.len(), turn / EMOTIONS.len());
                let name = format!("{dialog}_{speaker}{turn:03}");
                text += &format!(
                    "[{}.0000 - {}.0000]\t{name}\t{}\t[2.5000, 2.5000, 2.5000]\n\n",
                    2 * turn,
                    2 * turn + 1,
                    EMOTIONS[e]
                );
                let path = format!("Session{session}/sentences/wav/{dialog}/{name}.wav");
                all.push((path, [2 * (session - 1) + g, t, e]));
            }
            let path = format!("Session{session}/dialog/EmoEvaluation/{dialog}.txt");
            labels.push((path, text));
        }
    }
    (all, labels)
}
