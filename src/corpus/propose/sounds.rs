//! What the sounds themselves say against a proposal that was made from names.

use std::collections::{BTreeMap, BTreeSet};

use super::guess::{Proposal, Row};

/// Share of recordings that lie under two speakers, from which on these are no speakers.
const COPIES: f64 = 0.1;
/// Share of recordings of which another speaker has one of the same name and length, from which on these are no speakers.
const ALIKE: f64 = 0.8;
/// Lengths of one speaker that must differ for lengths to tell anything.
const LENGTHS: usize = 4;

/// What is known of a recording that was decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sound {
    /// Of its samples.
    pub hash: [u8; 32],
    /// Its length.
    pub seconds: f64,
}

/// Takes guessed speakers back where the sounds contradict them, and says which recordings are copies; `sounds` by path.
pub fn heed(proposal: &mut Proposal, sounds: &BTreeMap<String, Sound>) {
    let mut paths: BTreeMap<[u8; 32], BTreeSet<&str>> = BTreeMap::new();
    for (path, sound) in sounds {
        paths.entry(sound.hash).or_default().insert(path);
    }
    let copies: usize = paths.values().filter(|paths| paths.len() > 1).map(BTreeSet::len).sum();
    if copies > 0 {
        let n = paths.values().filter(|paths| paths.len() > 1).count();
        let first =
            paths.values().find(|paths| paths.len() > 1).map(|paths| paths.iter().take(2).copied().collect::<Vec<_>>().join(" and "));
        let doubt = format!("{copies} recordings are {n} sounds (such as {}): a run uses each sound once", first.unwrap_or_default());
        proposal.doubts.push(doubt);
    }
    let shared = under_two_speakers(&proposal.rows, sounds);
    let n = proposal.rows.len().max(1) as f64;
    // Where there are few sounds for many names, the files are stand-ins.
    let stand_ins = paths.len() * 4 < sounds.len();
    let why = if shared as f64 >= COPIES * n && !stand_ins {
        format!("{shared} recordings lie under two of them with the same samples")
    } else if let Some(alike) = alike(&proposal.rows, sounds) {
        format!("{alike} recordings have the name and the length of another one's, as copies in another form have")
    } else {
        return;
    };
    if let Some(at) = proposal.guessed.iter().position(|what| *what == "speaker") {
        proposal.guessed.remove(at);
        proposal.rows.iter_mut().for_each(|row| row.speaker = None);
        proposal.evidence.retain(|line| !line.starts_with("speaker: "));
        proposal.doubts.retain(|doubt| !doubt.contains("is taken for the speaker") && !doubt.contains("look whether these are speakers"));
        proposal.doubts.push(format!(
            "what was taken for speakers are none: {why}. No speaker is proposed; say where speakers stand with --speaker FIELD, and name the \
             folder of one form of the recordings"
        ));
    } else if !proposal.speakers().is_empty() {
        proposal.doubts.push(format!("look whether the speakers are speakers: {why}"));
    }
}

/// Recordings whose sound lies under another speaker, too.
fn under_two_speakers(rows: &[Row], sounds: &BTreeMap<String, Sound>) -> usize {
    let mut speakers: BTreeMap<[u8; 32], BTreeSet<&str>> = BTreeMap::new();
    let of = |row: &Row| sounds.get(&row.path).map(|sound| sound.hash);
    for row in rows {
        if let (Some(hash), Some(speaker)) = (of(row), row.speaker.as_deref()) {
            speakers.entry(hash).or_default().insert(speaker);
        }
    }
    rows.iter().filter(|row| of(row).and_then(|hash| speakers.get(&hash)).is_some_and(|speakers| speakers.len() > 1)).count()
}

/// Recordings that have, but for the speaker, the path of another one, and its length: two persons never speak for equally long throughout.
/// `None` where these are few, or lengths tell nothing since they are all the same.
fn alike(rows: &[Row], sounds: &BTreeMap<String, Sound>) -> Option<usize> {
    let mut groups: BTreeMap<String, Vec<(&str, f64)>> = BTreeMap::new();
    let mut lengths: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for row in rows {
        let (Some(speaker), Some(sound)) = (row.speaker.as_deref(), sounds.get(&row.path)) else { continue };
        let path = row.path.rsplit_once('.').map_or(row.path.as_str(), |(stem, _)| stem);
        groups.entry(path.replace(speaker, "*")).or_default().push((speaker, sound.seconds));
        lengths.entry(speaker).or_default().insert((sound.seconds * 100.0).round() as u64);
    }
    if lengths.values().any(|lengths| lengths.len() < LENGTHS) {
        return None;
    }
    let is_alike = |a: f64, b: f64| (a - b).abs() <= 0.01 * a.max(b) + 0.001;
    let groups: Vec<&Vec<(&str, f64)>> = groups.values().filter(|group| group.iter().any(|one| one.0 != group[0].0)).collect();
    let paired: usize = groups.iter().map(|group| group.len()).sum();
    let alike = |group: &[(&str, f64)]| group.iter().filter(|a| group.iter().any(|b| a.0 != b.0 && is_alike(a.1, b.1))).count();
    let n: usize = groups.iter().map(|group| alike(group)).sum();
    (paired * 2 >= rows.len() && n as f64 >= ALIKE * paired as f64).then_some(n)
}
