//! Data directories of Kaldi: `wav.scp`, `utt2emo`, and where they are there `segments`, `utt2spk`,
//! `spk2gender` and `text`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Folder;
use super::place::Choices;
use super::proposal::{Proposal, Row};
use super::recording_index::RecordingIndex;
use super::sheet::part_of;
use super::words;
use crate::corpus::walk::{file_name, folder, walk_until};
use crate::corpus::{Reason, SetAside, is_unknown};
use crate::error::{Error, Result};
use crate::text::{excerpt, listed, plural};

/// What the file of emotions is called.
const EMOTIONS: [&str; 4] = ["utt2emo", "utt2emotion", "utt2label", "utt2class"];
/// Folders that are named in one line.
const SHOWN: usize = 6;

/// Lines by their first word.
type Lines = BTreeMap<String, (usize, String)>;

/// A recording, start and end; what is open is `None`.
type Span<'s> = (&'s str, Option<String>, Option<String>);

/// Whether utterances of several data directories have the same name.
#[derive(Default)]
struct Ids {
    seen: BTreeSet<String>,
    repeated: bool,
}

impl Ids {
    fn note(&mut self, utterance: &str) {
        self.repeated |= !self.seen.insert(utterance.to_owned());
    }
}

/// One data directory.
struct Directory {
    /// Below the root; empty for the root itself.
    name: String,
    /// The path of `wav.scp`.
    scp: String,
    recordings: Lines,
    emotions: Lines,
    segments: Lines,
    speakers: Lines,
    genders: Lines,
    texts: Lines,
}

/// Reads the data directories below the folder that say emotions; `None` where there is none.
///
/// # Errors
/// `Data` where a line cannot be understood, no recording is there, or all of them are commands;
/// `Io` where a file cannot be read; `Interrupted` on request.
pub(super) fn read(folder: &Folder) -> Result<Option<Proposal>> {
    let mut found = Vec::new();
    for scp in walk_until(folder.root, "", &["scp"], folder.cancel)?.files {
        if file_name(&scp) == "wav.scp" {
            found.extend(directory(folder.root, &scp)?);
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    // Those of a part first, so that an utterance that is also in the whole has its part.
    found.sort_by_key(|one| (part_of(&one.scp).is_none(), one.name.clone()));
    let index = RecordingIndex::of(folder.files);
    let mut whole = Proposal::default();
    let mut seen: BTreeMap<Span, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    let mut again = 0;
    // Lines of wav.scp without a file, with what is said of them and their utterances.
    let mut gone: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut commands: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut ids = Ids::default();
    for one in &found {
        let resolver = index.resolver(&one.scp, one.recordings.values().map(|(_, to)| to.as_str()));
        let speaker = one.speakers(folder.choices, &mut whole.warnings);
        for (utterance, (line, emotion)) in &one.emotions {
            if is_unknown(emotion) {
                continue;
            }
            let span = one.span(utterance)?;
            let (recording, start, end) = span.unwrap_or((utterance, None, None));
            let Some((at, to)) = one.recordings.get(recording) else {
                return Err(Error::data(format!(
                    "line {line} of {} names {}, which is neither in wav.scp nor in segments",
                    one.emotions_file(folder.root),
                    excerpt(utterance)
                ))
                .hint("give it a line in wav.scp, or remove it from the other files"));
            };
            let without = |into: &mut BTreeMap<String, (String, usize)>, why: String| {
                let place = format!("{}#{recording}", one.scp);
                into.entry(place).or_insert((why, 0)).1 += 1;
            };
            if let Some(what) = no_file(to) {
                let why = format!("line {at} of {} is {what}: {}", one.scp, excerpt(to));
                without(&mut commands, why);
                continue;
            }
            let Some(path) = resolver.find(to) else {
                let why = format!("{} (line {at} of {})", excerpt(to), one.scp);
                without(&mut gone, why);
                continue;
            };
            let speaker = speaker.get(utterance.as_str()).copied();
            let mut columns = BTreeMap::from([("id", utterance.clone())]);
            columns.extend(start.clone().map(|start| ("start", start)));
            columns.extend(end.clone().map(|end| ("end", end)));
            // Rows that differ stay, and are told as contradictions of any table are.
            let labels = seen.entry((path, start, end)).or_default();
            let agrees = |(other, who): &(&str, Option<&str>)| {
                other == emotion && who.zip(speaker).is_none_or(|(a, b)| a == b)
            };
            if labels.iter().any(agrees) {
                again += 1;
                continue;
            }
            labels.push((emotion, speaker));
            ids.note(utterance);
            let part = part_of(&one.scp);
            columns.extend(part.map(|part| ("split", part.to_owned())));
            let gender = speaker.and_then(|speaker| one.genders.get(speaker));
            let sex = gender.and_then(|(_, word)| words::sex(word));
            columns.extend(sex.map(|sex| ("sex", sex.to_owned())));
            let text = one.texts.get(utterance).map(|(_, text)| text.clone());
            let text = text.filter(|text| !text.is_empty());
            columns.extend(text.map(|text| ("text_id", text)));
            whole.rows.push(Row {
                path: path.clone(),
                emotion: emotion.clone(),
                speaker: speaker.map(str::to_owned),
                columns,
            });
        }
    }
    let named: Vec<String> = found.iter().map(|one| one.scp.clone()).collect();
    whole.evidence.push(format!(
        "Kaldi's {} {}, with the emotions beside it",
        if named.len() == 1 { "table" } else { "tables" },
        listed(&named, SHOWN)
    ));
    if again > 0 {
        whole.warnings.push(format!(
            "{} left out with the sound and emotion of an earlier one, in {}",
            plural(again, "utterance"),
            listed(&named, SHOWN)
        ));
    }
    if ids.repeated {
        // Data directories that name other sounds alike: no id would say which is meant.
        for row in &mut whole.rows {
            row.columns.remove("id");
        }
    }
    let utterances = |of: &BTreeMap<String, (String, usize)>| {
        let n = plural(of.values().map(|(_, n)| n).sum(), "utterance");
        format!("{n} of {}", plural(of.len(), "recording"))
    };
    if let Some((first, _)) = commands.values().next() {
        let n = utterances(&commands);
        let hint =
            "ser runs no commands: convert these recordings to files and name the files in wav.scp";
        if whole.rows.is_empty() && gone.is_empty() {
            return Err(Error::data(format!("no recording is a file: of {n}, {first}")).hint(hint));
        }
        whole.warnings.push(format!(
            "{n} left out, since they are no files, such as {first}; {hint}"
        ));
    }
    if let Some((first, _)) = gone.values().next() {
        if whole.rows.is_empty() {
            let root = folder.root.display();
            return Err(Error::data(format!(
                "none of the recordings of {} lies below {root}, such as {first}",
                listed(&named, SHOWN)
            ))
            .hint("name a folder that holds both the recordings and the data directories"));
        }
        let n = utterances(&gone);
        whole.warnings.push(format!(
            "{n} left out, since they are not there, such as {first}"
        ));
    }
    let gone = gone
        .into_iter()
        .map(|(place, (what, n))| (place, (format!("not there: {what}"), n)));
    for (path, (why, n)) in commands.into_iter().chain(gone) {
        whole.set_aside.push(SetAside {
            path,
            reason: Reason::MissingAudio,
            detail: format!("{why} ({})", plural(n, "utterance")),
        });
    }
    Ok(Some(whole))
}

/// A directory by its `wav.scp`; `None` where nothing beside it says emotions.
fn directory(root: &Path, scp: &str) -> Result<Option<Directory>> {
    let name = folder(scp).to_owned();
    let beside = |file: &str| match name.as_str() {
        "" => file.to_owned(),
        name => format!("{name}/{file}"),
    };
    let optional = |file: &str| match root.join(beside(file)).is_file() {
        true => lines(root, &beside(file), file == "text"),
        false => Ok(Lines::new()),
    };
    let mut emotions = Lines::new();
    for file in EMOTIONS {
        if emotions.is_empty() {
            emotions = optional(file)?;
        }
    }
    if emotions.is_empty() {
        return Ok(None);
    }
    let (segments, speakers) = (optional("segments")?, optional("utt2spk")?);
    let (genders, texts) = (optional("spk2gender")?, optional("text")?);
    Ok(Some(Directory {
        recordings: lines(root, scp, false)?,
        scp: scp.to_owned(),
        name,
        emotions,
        segments,
        speakers,
        genders,
        texts,
    }))
}

/// The lines of a file, each a name and what belongs to it, which may be nothing where that is
/// `optional`, as in a transcript of silence.
fn lines(root: &Path, name: &str, optional: bool) -> Result<Lines> {
    let path = root.join(name);
    let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        Error::data(format!("{} is not UTF-8", path.display()))
            .because(e)
            .hint("save it in UTF-8")
    })?;
    let mut out = Lines::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let place = || format!("line {} of {}", n + 1, path.display());
        let words = line.split_once(char::is_whitespace);
        let Some((key, rest)) = words.or(optional.then_some((line, ""))) else {
            return Err(
                Error::data(format!("{} has one word: {}", place(), excerpt(line)))
                    .hint("a line is a name, a space, and what belongs to it"),
            );
        };
        let entry = (n + 1, rest.trim().to_owned());
        if let Some((first, _)) = out.insert(key.to_owned(), entry) {
            let what = format!(
                "{} names {} again, after line {first}",
                place(),
                excerpt(key)
            );
            return Err(Error::data(what).hint("remove one of the lines"));
        }
    }
    Ok(out)
}

/// What stands in `wav.scp` in place of a file.
fn no_file(to: &str) -> Option<&'static str> {
    let is_offset = |at: &str| !at.is_empty() && at.bytes().all(|b| b.is_ascii_digit());
    match to {
        _ if to.ends_with('|') => Some("a command"),
        "-" => Some("standard input"),
        _ if to.rsplit_once(".ark:").is_some_and(|(_, at)| is_offset(at)) => {
            Some("a place in an archive")
        }
        _ => None,
    }
}

impl Directory {
    fn emotions_file(&self, root: &Path) -> String {
        let folder = root.join(&self.name);
        let is_there = |file: &&&str| folder.join(file).is_file();
        let file = EMOTIONS.iter().find(is_there).unwrap_or(&"utt2emo");
        folder.join(file).display().to_string()
    }

    /// The recording, start and end of an utterance that is a segment, equal times in one spelling.
    fn span(&self, utterance: &str) -> Result<Option<Span<'_>>> {
        let Some((line, text)) = self.segments.get(utterance) else {
            return Ok(None);
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let time = |text: &str| text.parse::<f64>().ok().filter(|time| time.is_finite());
        if let [recording, start, end, ..] = words[..]
            && let (Some(from), Some(to)) = (time(start), time(end))
            && from >= 0.0
            && (to == -1.0 || to > from)
        {
            let start = (from > 0.0).then(|| from.to_string());
            let end = (to != -1.0).then(|| to.to_string());
            return Ok(Some((recording, start, end)));
        }
        Err(Error::data(format!(
            "line {line} of segments beside {} is no segment: {}",
            self.scp,
            excerpt(text)
        ))
        .hint("write the utterance, its recording, start and end in seconds"))
    }

    /// The speaker of each utterance. Where every utterance is a speaker of its own name, as Kaldi
    /// has it where nobody knows them, there are none.
    fn speakers(&self, choices: &Choices, warnings: &mut Vec<String>) -> BTreeMap<&str, &str> {
        if choices.speaker.is_some() {
            return BTreeMap::new();
        }
        if self.speakers.is_empty() {
            warnings.push(format!("no utt2spk beside {} names speakers", self.scp));
            return BTreeMap::new();
        }
        let distinct: BTreeSet<&str> = self
            .speakers
            .values()
            .map(|(_, one)| one.as_str())
            .collect();
        let same = self
            .speakers
            .iter()
            .filter(|(utterance, (_, one))| *utterance == one)
            .count();
        if same == self.speakers.len() && distinct.len() > 1 {
            warnings.push(format!(
                "utt2spk beside {} gives every utterance a speaker of its own name: the speakers are not known",
                self.scp
            ));
            return BTreeMap::new();
        }
        self.speakers
            .iter()
            .map(|(utterance, (_, speaker))| (utterance.as_str(), speaker.as_str()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;

    #[test]
    fn utterances_of_one_sound_are_one_unless_they_differ_in_emotion() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            (
                "wav.scp",
                "r r.wav\nq q.wav\np sox p.flac -t wav - |\ng gone.wav\n",
            ),
            (
                "segments",
                "a r 0 1.5\nb r 0.00 1.50\nc r 0 1.5\nd r 2 3\nq q 0 -1\ne p 0 1\nf p 1 2\nh g 0 1\n",
            ),
            (
                "utt2emo",
                "a joy\nb joy\nc sad\nd sad\nq joy\ne joy\nf sad\nh sad\n",
            ),
            ("text", "a hello you\nd\n"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let files = ["q.wav", "r.wav"].map(str::to_owned);
        let found = read(&Folder {
            root: dir.path(),
            files: &files,
            choices: &Choices::default(),
            cancel: &Cancel::default(),
        })
        .unwrap()
        .unwrap();
        let cell = |row: &Row, name: &str| row.columns.get(name).cloned().unwrap_or_default();
        let rows: Vec<String> = found
            .rows
            .iter()
            .map(|row| {
                let [id, start, end, text] =
                    ["id", "start", "end", "text_id"].map(|name| cell(row, name));
                format!("{id} {} {} {start}-{end} {text}", row.path, row.emotion)
            })
            .collect();
        assert_eq!(
            rows,
            [
                "a r.wav joy -1.5 hello you",
                "c r.wav sad -1.5 ",
                "d r.wav sad 2-3 ",
                "q q.wav joy - "
            ]
        );
        assert!(
            found
                .warnings
                .iter()
                .any(|warning| warning.starts_with("1 utterance left out")),
            "{:?}",
            found.warnings
        );
        assert_eq!(super::super::proposal::contradictions(&found.rows).len(), 1);
        let aside: Vec<String> = found
            .set_aside
            .iter()
            .map(|one| format!("{} {:?} {}", one.path, one.reason, one.detail))
            .collect();
        assert_eq!(
            aside,
            [
                "wav.scp#p MissingAudio line 3 of wav.scp is a command: sox p.flac -t wav - | (2 utterances)",
                "wav.scp#g MissingAudio not there: gone.wav (line 4 of wav.scp) (1 utterance)"
            ]
        );
    }
}
