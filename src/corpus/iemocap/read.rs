//! Joins label files and recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::evaluation::{Dialog, Turn, parse, turn_field};
use super::settings::{Agreement, Dialogs, IemocapSettings, session_name};
use crate::corpus::Counts;
use crate::corpus::counts::side_by_side;
use crate::corpus::labels;
use crate::corpus::listing::{Listing, Reason, SetAside};
use crate::corpus::utterance::{Sex, Source};
use crate::corpus::walk::{AUDIO, check_root, nearness, stem, walk};
use crate::error::{Error, Result};

const HINT: &str = "ask for the corpus at https://sail.usc.edu/iemocap and set the corpus root to the folder that holds Session1 to Session5";

/// Reads the official release.
///
/// The speaker of a turn is its session plus the letter of the *last* field of its name:
/// `Ses01F_impro01_M003` is spoken by `Ses01M`. The `F` of the prefix only says which of the two
/// actors wears the motion-capture markers in that recording.
///
/// `text_id` of a turn of a play is the play and the turn (`script01_1_M003`) without the session,
/// because every session acts the same plays, and without the take letter. Sessions cut turns a
/// little differently, so it finds most repeated sentences, not all. Improvised dialogs are free
/// speech: no two turns are meant to have the same words, so they have no `text_id`.
///
/// Recordings without a label, labels without a recording and whole label files or sessions that
/// are not there are set aside one by one and told once more in the notes.
///
/// # Errors
/// [`crate::error::Kind::Missing`] where there is no such folder or it holds no session, `Data`
/// where it is a file, `Io` where it cannot be read.
pub fn read(root: &Path, settings: &IemocapSettings) -> Result<Listing> {
    check_root(root, "IEMOCAP", HINT)?;
    let mut reader = Reader::new(root, *settings);
    let present: Vec<u32> = (1..=5)
        .filter(|&n| root.join(session_name(n)).is_dir())
        .collect();
    if present.is_empty() {
        let hint = deeper(root).map_or_else(
            || HINT.to_owned(),
            |place| format!("set the corpus root to {place}"),
        );
        return Err(Error::missing(format!(
            "{} holds none of the folders Session1 to Session5",
            root.display()
        ))
        .hint(hint));
    }
    for number in 1..=5 {
        if present.contains(&number) {
            reader.read_session(number)?;
        } else {
            reader.notes.push(format!(
                "{} is not there: restore the folder from the release",
                session_name(number)
            ));
        }
    }
    Ok(reader.finish())
}

struct Reader<'a> {
    root: &'a Path,
    settings: IemocapSettings,
    found: BTreeMap<String, Source>,
    set_aside: Vec<SetAside>,
    notes: Vec<String>,
    /// Labelled turns by code, used or not.
    codes: BTreeMap<String, usize>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Path, settings: IemocapSettings) -> Self {
        Reader {
            root,
            settings,
            found: BTreeMap::new(),
            set_aside: Vec::new(),
            notes: Vec::new(),
            codes: BTreeMap::new(),
        }
    }

    fn leave_aside(&mut self, path: impl Into<String>, reason: Reason, detail: impl Into<String>) {
        self.set_aside.push(SetAside {
            path: path.into(),
            reason,
            detail: detail.into(),
        });
    }

    fn read_session(&mut self, number: u32) -> Result<()> {
        let recordings = self.recordings(number)?;
        let with_recordings: BTreeSet<&str> =
            recordings.keys().map(|name| dialog_of(name)).collect();
        let mut labelled: BTreeSet<String> = BTreeSet::new();
        for dialog in self.label_files(number)? {
            let before = labelled.len();
            self.read_dialog(number, &dialog, &recordings, &mut labelled);
            let turns = labelled.len() - before;
            if turns > 0 && !with_recordings.contains(dialog.as_str()) {
                let folder = format!("{}/sentences/wav/{dialog}", session_name(number));
                self.notes.push(format!("{folder} holds no recording, but {turns} turns of it are labelled: restore it from the release"));
            }
        }
        self.report_unlabelled(number, &recordings, &labelled);
        Ok(())
    }

    /// The recordings of a session by turn name.
    fn recordings(&mut self, number: u32) -> Result<BTreeMap<String, String>> {
        let folder = format!("{}/sentences/wav", session_name(number));
        if !self.root.join(&folder).is_dir() {
            self.notes.push(format!(
                "{folder} is not there: restore the folder from the release"
            ));
            return Ok(BTreeMap::new());
        }
        let mut tree = walk(self.root, &folder, AUDIO)?;
        self.set_aside.append(&mut tree.set_aside);
        tree.files.sort_by(|a, b| nearness(a).cmp(&nearness(b)));
        let mut recordings: BTreeMap<String, String> = BTreeMap::new();
        for path in tree.files {
            match recordings.get(stem(&path)) {
                Some(first) => {
                    let detail = format!("{first} has the same name and is used: remove this copy");
                    self.leave_aside(path, Reason::Duplicate, detail);
                }
                None => drop(recordings.insert(stem(&path).to_owned(), path)),
            }
        }
        Ok(recordings)
    }

    /// The dialogs that have a label file, sorted. The subfolders beside the files hold single
    /// raters' labels and are not looked into.
    fn label_files(&mut self, number: u32) -> Result<Vec<String>> {
        let folder = label_folder(number);
        let place = self.root.join(&folder);
        if !place.is_dir() {
            self.notes.push(format!(
                "{folder} is not there, so nothing of {} is labelled: restore the folder from the release",
                session_name(number)
            ));
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&place).map_err(|e| Error::io("read", &place, e))? {
            let entry = entry.map_err(|e| Error::io("read", &place, e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(dialog) = name.strip_suffix(".txt") else {
                continue;
            };
            if name.starts_with('.') || entry.path().is_dir() {
                continue;
            }
            match Dialog::parse(dialog) {
                Some(parsed) if parsed.session == number => names.push(dialog.to_owned()),
                Some(_) => self.leave_aside(
                    format!("{folder}/{name}"),
                    Reason::UnknownCode,
                    "the label file of another session: move it there",
                ),
                None => self.leave_aside(
                    format!("{folder}/{name}"),
                    Reason::UnknownCode,
                    "not named like a dialog of IEMOCAP: rename or remove it",
                ),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read_dialog(
        &mut self,
        number: u32,
        dialog: &str,
        recordings: &BTreeMap<String, String>,
        labelled: &mut BTreeSet<String>,
    ) {
        let file = format!("{}/{dialog}.txt", label_folder(number));
        let bytes = match fs::read(self.root.join(&file)) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.leave_aside(
                    file,
                    Reason::BadRow,
                    format!("the label file cannot be read ({error}): check its permissions"),
                );
                return;
            }
        };
        let evaluation = parse(&bytes);
        for (line, why) in evaluation.bad {
            self.leave_aside(&file, Reason::BadRow, format!("line {line}: {why}"));
        }
        for turn in evaluation.turns {
            let Some(field) = turn_field(&turn.name, dialog) else {
                let detail = format!(
                    "line {}: {} is no turn of this dialog: restore the file from the release",
                    turn.line, turn.name
                );
                self.leave_aside(&file, Reason::BadRow, detail);
                continue;
            };
            if !labelled.insert(turn.name.clone()) {
                let detail = format!(
                    "line {}: {} is labelled a second time: the first label is used",
                    turn.line, turn.name
                );
                self.leave_aside(&file, Reason::Duplicate, detail);
                continue;
            }
            *self.codes.entry(turn.code.clone()).or_default() += 1;
            self.read_turn(number, dialog, field, &turn, recordings.get(&turn.name));
        }
    }

    fn read_turn(
        &mut self,
        number: u32,
        dialog: &str,
        field: &str,
        turn: &Turn,
        recording: Option<&String>,
    ) {
        let path = recording.cloned().unwrap_or_else(|| {
            format!(
                "{}/sentences/wav/{dialog}/{}.wav",
                session_name(number),
                turn.name
            )
        });
        let Some(label) = labels::find(&labels::IEMOCAP, &turn.code).map(|c| c.label) else {
            let detail = format!(
                "label {} is not one of {}: restore the label file",
                turn.code,
                labels::list(&labels::IEMOCAP)
            );
            return self.leave_aside(path, Reason::UnknownCode, detail);
        };
        let Some(emotion) = self.settings.class_of(label) else {
            return self.leave_aside(
                path,
                Reason::ClassNotUsed,
                format!("labelled {} ({label}): nothing to do", turn.code),
            );
        };
        let script = Dialog::parse(dialog).and_then(|d| d.script);
        match (self.settings.dialogs, script) {
            (Dialogs::Improvised, Some(_)) => {
                return self.leave_aside(
                    path,
                    Reason::NotInSubset,
                    "of a scripted dialog: set dialogs = \"all\" to use it",
                );
            }
            (Dialogs::Scripted, None) => {
                return self.leave_aside(
                    path,
                    Reason::NotInSubset,
                    "of an improvised dialog: set dialogs = \"all\" to use it",
                );
            }
            _ => {}
        }
        if self.settings.agreement == Agreement::Full && !turn.is_unanimous(label) {
            return self.leave_aside(
                path,
                Reason::NotInSubset,
                "not all raters agree: set agreement = \"majority\" to use it",
            );
        }
        if recording.is_none() {
            return self.leave_aside(
                path,
                Reason::MissingAudio,
                "labelled, but not there: restore the recording from the release",
            );
        }
        let (letter, sex) = if field.starts_with('F') {
            ('F', Sex::Female)
        } else {
            ('M', Sex::Male)
        };
        let source = Source {
            emotion: emotion.into(),
            speaker: format!("Ses{number:02}{letter}"),
            sex: Some(sex),
            text_id: script.map(|script| format!("{script}_{field}")),
            session: Some(session_name(number)),
            language: Some("en".into()),
            ..Source::named(&turn.name, path)
        };
        self.found.insert(turn.name.clone(), source);
    }

    /// Sets aside what has no label, and says it once for each dialog that has no labels at all:
    /// such a loss must not pass as a few files.
    fn report_unlabelled(
        &mut self,
        number: u32,
        recordings: &BTreeMap<String, String>,
        labelled: &BTreeSet<String>,
    ) {
        let labelled_dialogs: BTreeSet<&str> =
            labelled.iter().map(|name| dialog_of(name)).collect();
        let mut lost: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, path) in recordings
            .iter()
            .filter(|(name, _)| !labelled.contains(*name))
        {
            let dialog = dialog_of(name);
            let file = format!("{}/{dialog}.txt", label_folder(number));
            let detail = if labelled_dialogs.contains(dialog) {
                format!(
                    "{file} has no label for it: restore the label file from the release, or leave it"
                )
            } else {
                *lost.entry(dialog).or_default() += 1;
                format!("{file} is not there or labels nothing: restore it from the release")
            };
            self.leave_aside(path, Reason::MissingLabel, detail);
        }
        for (dialog, count) in lost {
            let file = format!("{}/{dialog}.txt", label_folder(number));
            self.notes.push(format!(
                "{file} is not there or labels nothing: {count} recordings of {dialog} are lost, restore it from the release"
            ));
        }
    }

    fn finish(mut self) -> Listing {
        let sources: Vec<Source> = self.found.into_values().collect();
        let published: BTreeMap<String, usize> = labels::IEMOCAP
            .iter()
            .map(|c| (c.code.to_owned(), c.count))
            .collect();
        let (turns, of) = (
            self.codes.values().sum::<usize>(),
            published.values().sum::<usize>(),
        );
        self.notes.push(format!(
            "the label files hold {turns} of {of} turns: {}",
            side_by_side(&self.codes, &published)
        ));
        if let Some(sessions) = self.settings.expected_sessions() {
            let found = Counts::of(&sources).by_session;
            self.notes.push(format!(
                "utterances by session: {}",
                side_by_side(&found, &sessions)
            ));
        }
        self.set_aside
            .sort_by(|a, b| (&a.path, a.reason, &a.detail).cmp(&(&b.path, b.reason, &b.detail)));
        let expected = self.settings.expected();
        Listing {
            corpus: "iemocap".into(),
            sources,
            set_aside: self.set_aside,
            expected,
            warnings: vec![],
            notes: self.notes,
            generated: false,
        }
    }
}

/// A folder in `root` that holds the sessions: the release comes as `IEMOCAP_full_release`.
fn deeper(root: &Path) -> Option<String> {
    let folders = fs::read_dir(root)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    folders
        .filter(|path| (1..=5).any(|n| path.join(session_name(n)).is_dir()))
        .min()
        .map(|path| path.display().to_string())
}

/// The dialog part of a turn's name.
fn dialog_of(turn: &str) -> &str {
    turn.rsplit_once('_').map_or(turn, |(dialog, _)| dialog)
}

fn label_folder(number: u32) -> String {
    format!("{}/dialog/EmoEvaluation", session_name(number))
}
