//! Reads a corpus by its description.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::description::Description;
use super::table::{Row, Rows};
use crate::corpus::is_nobody;
use crate::corpus::listing::{Listing, Reason, SetAside};
use crate::corpus::propose::words;
use crate::corpus::same_name::{Settled, settle};
use crate::corpus::utterance::{Sex, Source, UNKNOWN_SPEAKER};
use crate::corpus::walk::{AUDIO, check_root, extension, file_name, folder, stem, walk};
use crate::error::{Error, Result};

/// Size of the largest pointer of Git LFS, in bytes.
const POINTER: u64 = 200;

/// Lists a corpus: every recording whose name is one of the corpus, with what the name and the
/// official tables say of it. Where nothing says who speaks, the speaker is unknown.
///
/// Excluded with a reason are other names, files that macOS leaves behind, pointers of Git LFS,
/// copies of files that are used, and recordings without a label. No audio is opened.
///
/// # Errors
/// `Missing` where there is no such folder or an official table lacks, `Data` where it is a file or
/// a table cannot be read, `Io` where it cannot be read.
pub fn read(root: &Path, corpus: &'static Description) -> Result<Listing> {
    let hint = format!(
        "get it from {}, or set the corpus root to where it lies",
        corpus.source
    );
    check_root(root, &corpus.name, &hint)?;
    let extensions: &[String] = corpus.names.as_ref().map_or(&[], |names| &names.extensions);
    let wanted: Vec<&str> = AUDIO
        .iter()
        .copied()
        .chain(extensions.iter().map(String::as_str))
        .collect();
    let tree = walk(root, "", &wanted)?;
    let rows = tables(root, corpus)?;
    let mut set_aside = tree.set_aside;
    set_aside.extend(tree.forks.into_iter().map(|path| SetAside {
        path,
        reason: Reason::OtherMaterial,
        detail: "data of macOS about another file, and no recording: nothing to do".into(),
    }));
    let rows_without = without_recording(&rows, &tree.files);
    let mut found = Vec::new();
    for path in tree.files {
        match recording(root, corpus, &rows, &path) {
            Ok(source) => found.push(source),
            Err((reason, detail)) => set_aside.push(SetAside {
                path,
                reason,
                detail,
            }),
        }
    }
    set_aside.extend(rows_without.into_iter().map(|path| SetAside {
        path,
        reason: Reason::MissingAudio,
        detail: "in the table of labels, and not in the folder: restore the recording".into(),
    }));
    let (decoded, undecoded): (Vec<Source>, Vec<Source>) = found
        .into_iter()
        .partition(|source| AUDIO.contains(&extension(&source.path).as_str()));
    let has: BTreeMap<String, String> = decoded
        .iter()
        .map(|source| (source.id.clone(), source.path.clone()))
        .collect();
    let mut found = decoded;
    for source in undecoded {
        match has.get(&source.id) {
            None => found.push(source),
            Some(used) => set_aside.push(SetAside {
                path: source.path,
                reason: Reason::OtherMaterial,
                detail: format!("{used} is the same recording, and is used"),
            }),
        }
    }
    let Settled {
        sources,
        set_aside: others,
        warnings,
    } = settle(root, found, |_| true);
    set_aside.extend(others);
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Listing {
        corpus: corpus.kind.to_owned(),
        sources: sources.into_values().collect(),
        set_aside,
        expected: (corpus.expected.utterances > 0).then(|| corpus.expected.clone()),
        warnings,
        notes: corpus.remarks.clone(),
        generated: root.join(crate::corpus::GENERATED_MARK).is_file(),
    })
}

/// A recording with its label, or why it has none.
fn recording(
    root: &Path,
    corpus: &Description,
    rows: &Rows,
    path: &str,
) -> Result<Source, (Reason, String)> {
    if is_pointer(&root.join(path)) {
        let detail = "a pointer of Git LFS in place of the recording: in the folder, git lfs install; git lfs pull";
        return Err((Reason::BadAudio, detail.to_owned()));
    }
    let mut source = corpus.parse(path, false).ok_or_else(|| {
        let detail = format!(
            "not a name of {} ({}): rename or remove the file",
            corpus.name,
            corpus.form()
        );
        (Reason::UnknownCode, detail)
    })?;
    if corpus.tables.is_empty() {
        return Ok(source);
    }
    let row = row_of(rows, path).ok_or_else(|| {
        (
            Reason::MissingLabel,
            "no table of labels has a row for it".to_owned(),
        )
    })?;
    let word = |field: &str, code: &str| match corpus.fields.get(field) {
        Some(codes) => codes.word(code).map(str::to_owned),
        None => Some(code.to_owned()),
    };
    source.emotion = word("emotion", &row.emotion).ok_or_else(|| {
        let detail = format!("emotion {} is not one of the corpus", row.emotion);
        (Reason::UnknownCode, detail)
    })?;
    if source.emotion.is_empty() {
        let detail = format!("{} is no emotion", row.emotion);
        return Err((Reason::MissingLabel, detail));
    }
    if let Some(speaker) = row
        .speaker
        .as_deref()
        .and_then(|code| word("speaker", code))
    {
        source.speaker = if is_nobody(&speaker) {
            UNKNOWN_SPEAKER.to_owned()
        } else {
            speaker
        };
    }
    source.sex = match row.sex.as_deref().and_then(words::sex) {
        Some("female") => Some(Sex::Female),
        Some("male") => Some(Sex::Male),
        _ => source.sex,
    };
    source.text_id = row.sentence.clone().or(source.text_id);
    if let Some(part) = row.part.as_deref().and_then(|code| word("part", code)) {
        source.split = (!part.is_empty()).then_some(part);
    }
    corpus.about_speaker(&mut source);
    Ok(source)
}

fn row_of<'r>(rows: &'r Rows, path: &str) -> Option<&'r Row> {
    let stem = stem(path).to_owned();
    let folder = file_name(folder(path)).to_owned();
    rows.get(&(folder, stem.clone()))
        .or_else(|| rows.get(&(String::new(), stem)))
}

/// The rows of tables of which no recording is there, by folder and name.
fn without_recording(rows: &Rows, files: &[String]) -> Vec<String> {
    let mut lacking: BTreeMap<(&str, &str), ()> = rows
        .keys()
        .map(|(folder, stem)| ((folder.as_str(), stem.as_str()), ()))
        .collect();
    for path in files {
        let name = stem(path);
        lacking.remove(&(file_name(folder(path)), name));
        lacking.remove(&("", name));
    }
    let named = |(folder, stem): (&str, &str)| match folder {
        "" => stem.to_owned(),
        folder => format!("{folder}/{stem}"),
    };
    lacking.into_keys().map(named).collect()
}

/// The rows of all official tables, wherever below the root these lie.
fn tables(root: &Path, corpus: &Description) -> Result<Rows> {
    let mut rows = Rows::new();
    if corpus.tables.is_empty() {
        return Ok(rows);
    }
    let extensions: Vec<String> = corpus
        .tables
        .iter()
        .map(|one| extension(&one.file))
        .collect();
    let wanted: Vec<&str> = extensions.iter().map(String::as_str).collect();
    let files = walk(root, "", &wanted)?.files;
    for table in &corpus.tables {
        let nearest = files
            .iter()
            .filter(|path| [&*table.file, &*table.other_name].contains(&file_name(path)))
            .min_by_key(|path| (path.matches('/').count(), path.as_str()));
        let path = nearest.ok_or_else(|| {
            Error::missing(format!(
                "{} below {} lacks its table of labels, {}",
                corpus.name,
                root.display(),
                table.file
            ))
            .hint(format!("it comes with the corpus: {}", corpus.source))
        })?;
        table.read(&root.join(path), &mut rows)?;
    }
    Ok(rows)
}

/// Whether the official tables of a corpus are there.
pub(super) fn has_tables(root: &Path, corpus: &Description) -> bool {
    tables(root, corpus).is_ok_and(|rows| !rows.is_empty())
}

/// Whether a file is what Git leaves in place of a large one.
fn is_pointer(path: &Path) -> bool {
    const BEGIN: &[u8] = b"version https://git-lfs";
    let is_small = fs::metadata(path).is_ok_and(|about| about.len() <= POINTER);
    let mut begin = [0; BEGIN.len()];
    is_small
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut begin))
            .is_ok_and(|()| begin == BEGIN)
}
