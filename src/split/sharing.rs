//! What train and test share, counted: the same voices, the same sentences, the very same sounds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::assign::{Fold, Item};
use super::part::Role;

/// What the test part of one fold has in common with what its model was trained or chosen on (training and validation parts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Tested utterances.
    pub test_utterances: usize,
    /// Speakers of the test part.
    pub test_speakers: usize,
    /// Of these, the ones that are trained on.
    pub shared_speakers: usize,
    /// Sentences of the test part, as far as the corpus names them.
    pub test_texts: usize,
    /// Of these, the ones that are trained on.
    pub shared_texts: usize,
    /// Tested utterances whose sentence is not known.
    pub test_without_text: usize,
    /// Tested utterances whose very sound is trained on, under whatever name.
    pub shared_duplicates: usize,
}

/// Counts what one fold shares. `text_ids` and `hashes` (of the content) belong to `items`, one each.
pub fn sharing(items: &[Item], fold: &Fold, text_ids: &[Option<&str>], hashes: &[&str]) -> Sharing {
    let tested: Vec<usize> = (0..items.len()).filter(|&i| fold.roles[i] == Some(Role::Test)).collect();
    let trained: Vec<usize> = (0..items.len()).filter(|&i| matches!(fold.roles[i], Some(Role::Train | Role::Validation))).collect();
    let speakers = |rows: &[usize]| -> BTreeSet<&str> { rows.iter().map(|&i| items[i].speaker).collect() };
    let texts = |rows: &[usize]| -> BTreeSet<&str> { rows.iter().filter_map(|&i| text_ids[i]).collect() };
    let (test_speakers, test_texts) = (speakers(&tested), texts(&tested));
    let sounds: BTreeSet<&str> = trained.iter().map(|&i| hashes[i]).collect();
    Sharing {
        test_utterances: tested.len(),
        shared_speakers: test_speakers.intersection(&speakers(&trained)).count(),
        test_speakers: test_speakers.len(),
        shared_texts: test_texts.intersection(&texts(&trained)).count(),
        test_texts: test_texts.len(),
        test_without_text: tested.iter().filter(|&&i| text_ids[i].is_none()).count(),
        shared_duplicates: tested.iter().filter(|&&i| sounds.contains(hashes[i])).count(),
    }
}

/// The counts of all folds of a protocol in plain words: one sentence on speakers, one on sentences, one on duplicates.
pub fn verdict(folds: &[Sharing]) -> Vec<String> {
    if folds.is_empty() {
        return Vec::new();
    }
    let pairs = |of: fn(&Sharing) -> (usize, usize)| -> Vec<(usize, usize)> { folds.iter().map(of).collect() };
    let speakers = shared("speaker", &pairs(|s| (s.shared_speakers, s.test_speakers)));
    let without: usize = folds.iter().map(|s| s.test_without_text).sum();
    let named = pairs(|s| (s.shared_texts, s.test_texts));
    let texts = match without {
        0 => shared("sentence", &named),
        _ if named.iter().all(|&(_, all)| all == 0) => {
            "the corpus does not name its sentences: whether they are shared is not known".to_owned()
        }
        n => format!("{} ({n} tested utterances have no named sentence)", shared("sentence", &named)),
    };
    let duplicates = match folds.iter().map(|s| s.shared_duplicates).sum::<usize>() {
        0 => "no tested sound is trained on under another name".to_owned(),
        1 => "duplicates: 1 tested utterance is the very same sound as one that is trained on".to_owned(),
        n => format!("duplicates: {n} tested utterances are the very same sound as one that is trained on"),
    };
    vec![speakers, texts, duplicates]
}

fn shared(what: &str, counts: &[(usize, usize)]) -> String {
    let folds = match counts.len() {
        1 => "in the only fold".to_owned(),
        n => format!("over {n} folds"),
    };
    if counts.iter().all(|&(shared, _)| shared == 0) {
        return format!("{what}-independent: no test {what} is trained on {folds}");
    }
    let mut words: Vec<(usize, usize)> = counts.to_vec();
    words.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)).then(a.cmp(b)));
    words.dedup();
    let word = |&(shared, all): &(usize, usize)| format!("{shared} of {all}");
    let range = match words.as_slice() {
        [only] => word(only),
        many => format!("{} to {}", word(&many[0]), word(&many[many.len() - 1])),
    };
    let head = if counts.iter().all(|&(shared, all)| shared == all) { "shared" } else { "partly shared" };
    format!("{what}s {head}: {range} test {what}s are also trained on {folds}")
}
