//! What the sounds themselves say against a proposal that was made from names.

use std::collections::{BTreeMap, BTreeSet};

use super::proposal::{Proposal, Row};
use crate::corpus::SEGMENT_TOLERANCE_S;
use crate::corpus::walk::without_extension;
use crate::error::Result;
use crate::text::plural;

/// Share of recordings that lie under two speakers, from which on these are no speakers.
const COPIES: f64 = 0.1;
/// Share of recordings of which another speaker has one of the same name and length, from which on
/// these are no speakers.
const ALIKE: f64 = 0.8;
/// Times that are so many times as late as the recording's end are in another unit.
const OTHER_UNIT: f64 = 10.0;
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

/// Says which recordings are copies, and takes guessed speakers back where the sounds contradict
/// them: what was proposed then gives way to what `without_speakers` proposes, of the same
/// recordings. `sounds` by path.
///
/// # Errors
/// Those of `without_speakers`.
pub fn check_against_sounds(
    proposal: Proposal,
    sounds: &BTreeMap<String, Sound>,
    without_speakers: impl FnOnce() -> Result<Proposal>,
) -> Result<Proposal> {
    let mut paths: BTreeMap<[u8; 32], BTreeSet<&str>> = BTreeMap::new();
    for (path, sound) in sounds {
        paths.entry(sound.hash).or_default().insert(path);
    }
    // Where there are few sounds for many names, the files are stand-ins.
    let stand_ins = paths.len() * 4 < sounds.len();
    let copies: Vec<BTreeSet<&str>> = paths
        .into_values()
        .filter(|paths| paths.len() > 1)
        .collect();
    let why = contradiction(&proposal.rows, sounds, stand_ins);
    let mut checked = match &why {
        Some(why) if proposal.guessed.contains(&"speaker") => {
            let mut without = without_speakers()?;
            let paths: BTreeSet<&str> = proposal.rows.iter().map(|row| row.path.as_str()).collect();
            without.rows.retain(|row| paths.contains(row.path.as_str()));
            without.set_aside.clone_from(&proposal.set_aside);
            without.warnings.push(format!(
                "what was taken for speakers are none: {why}. No speaker is proposed; say where speakers stand with --speaker FIELD, and name \
                 the folder of one form of the recordings"
            ));
            without
        }
        Some(why) if !proposal.speakers().is_empty() => {
            let mut kept = proposal;
            kept.warnings
                .push(format!("look whether the speakers are speakers: {why}"));
            kept
        }
        _ => proposal,
    };
    if let Some(first) = copies.first() {
        let names: Vec<&str> = first.iter().take(2).copied().collect();
        let recordings: usize = copies.iter().map(BTreeSet::len).sum();
        let speakers = match under_two_speakers(&checked.rows, sounds) {
            0 => String::new(),
            n => format!(", {n} of them under another speaker"),
        };
        checked.warnings.push(format!(
            "{recordings} recordings have the sound of another one{speakers} (such as {}). All of them are used, and a run counts those that train and \
             test share; to use one of each, delete the rows of the others from the manifest",
            names.join(" and ")
        ));
    }
    checked
        .warnings
        .extend(segments_outside(&checked.rows, sounds));
    Ok(checked)
}

/// A warning where segments leave their recordings.
fn segments_outside(rows: &[Row], sounds: &BTreeMap<String, Sound>) -> Option<String> {
    let time = |row: &Row, name: &str| row.columns.get(name)?.parse::<f64>().ok();
    let segments: Vec<&Row> = rows.iter().filter(|row| row.is_segment()).collect();
    // The first of these, the time that is too late, and how long its recording lasts.
    let outside = segments.iter().filter_map(|row| {
        let seconds = sounds.get(&row.path)?.seconds;
        let start = time(row, "start").filter(|start| *start >= seconds);
        let late = start.or(time(row, "end").filter(|end| *end > seconds + SEGMENT_TOLERANCE_S))?;
        Some((*row, late, seconds))
    });
    let outside: Vec<(&Row, f64, f64)> = outside.collect();
    let (first, late, seconds) = outside.first()?;
    let why = match *late > OTHER_UNIT * seconds {
        true => "times are seconds from the beginning of the file, so divide milliseconds by 1000",
        false => "a run excludes such segments, so correct their times",
    };
    Some(format!(
        "{} of {} end behind their recording, such as one of {} at {late} s (it lasts {seconds:.2} s): {why}",
        outside.len(),
        plural(segments.len(), "segment"),
        first.path,
    ))
}

/// Why the speakers of the rows cannot be speakers.
fn contradiction(
    rows: &[Row],
    sounds: &BTreeMap<String, Sound>,
    stand_ins: bool,
) -> Option<String> {
    let shared = under_two_speakers(rows, sounds);
    if shared as f64 >= COPIES * rows.len().max(1) as f64 && !stand_ins {
        return Some(format!(
            "{shared} recordings lie under two of them with the same samples"
        ));
    }
    let alike = alike(rows, sounds)?;
    Some(format!(
        "{alike} recordings have the name and the length of another one's, as copies in another form have"
    ))
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
    rows.iter()
        .filter(|row| {
            of(row)
                .and_then(|hash| speakers.get(&hash))
                .is_some_and(|speakers| speakers.len() > 1)
        })
        .count()
}

/// Recordings that have, but for the speaker, the path of another one, and its length: two persons
/// never speak for equally long throughout. `None` where these are few, or lengths tell nothing
/// since they are all the same.
fn alike(rows: &[Row], sounds: &BTreeMap<String, Sound>) -> Option<usize> {
    let mut groups: BTreeMap<String, Vec<(&str, f64)>> = BTreeMap::new();
    let mut lengths: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for row in rows {
        let (Some(speaker), Some(sound)) = (row.speaker.as_deref(), sounds.get(&row.path)) else {
            continue;
        };
        groups
            .entry(without_extension(&row.path).replace(speaker, "*"))
            .or_default()
            .push((speaker, sound.seconds));
        lengths
            .entry(speaker)
            .or_default()
            .insert((sound.seconds * 100.0).round() as u64);
    }
    if lengths.values().any(|lengths| lengths.len() < LENGTHS) {
        return None;
    }
    let is_alike = |a: f64, b: f64| (a - b).abs() <= 0.01 * a.max(b) + 0.001;
    let groups: Vec<&Vec<(&str, f64)>> = groups
        .values()
        .filter(|group| group.iter().any(|one| one.0 != group[0].0))
        .collect();
    let paired: usize = groups.iter().map(|group| group.len()).sum();
    let alike = |group: &[(&str, f64)]| {
        group
            .iter()
            .filter(|a| group.iter().any(|b| a.0 != b.0 && is_alike(a.1, b.1)))
            .count()
    };
    let n: usize = groups.iter().map(|group| alike(group)).sum();
    (paired * 2 >= rows.len() && n as f64 >= ALIKE * paired as f64).then_some(n)
}
