//! Recordings that lie inside Parquet files, as in datasets of Hugging Face, written to files beside
//! a manifest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use parquet::file::reader::FileReader;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::{Type, TypePtr};

use super::class_labels::{self, ClassLabels};
use super::columnar::{LONGEST_CELL, checked, is_sound, text};
use crate::cancel::Cancel;
use crate::corpus::archive::{Places, inside, unportable};
use crate::corpus::propose::part_of;
use crate::corpus::walk::{AUDIO, check_root, file_name, walk_until};
use crate::error::{Error, Result};
use crate::files::{create_folder, temporary_folder, write_atomically};
use crate::foreign::{LARGEST_PAGE, guarded};

/// What a page may be unpacked to, in times of the file that it is in: sound hardly compresses.
const UNPACKED: u64 = 8;
/// Rows that are decoded at once.
const BATCH: usize = 16;
/// The longest name of a recording, in bytes: what every file system takes.
const LONGEST_NAME: usize = 200;
/// The table beside the recordings.
const MANIFEST: &str = "manifest.csv";

/// What [`unpack`] wrote.
#[derive(Debug, Default, PartialEq)]
pub struct Unpacked {
    /// Recordings written.
    pub recordings: usize,
    /// Rows without sound, which are in the manifest with a reason in `excluded`.
    pub without_sound: usize,
    /// Columns of the manifest.
    pub columns: Vec<String>,
    /// Those of them whose numbers became names of classes.
    pub named: Vec<String>,
    /// Columns that a manifest cannot hold: lists, structures, further recordings.
    pub left_out: Vec<String>,
}

/// A Parquet file with recordings in it.
struct Table {
    /// Below the folder, `/`-separated.
    name: String,
    /// What one of its pages may be unpacked to, in bytes.
    largest: i64,
    /// What its schema is called.
    root: String,
    rows: u64,
    classes: ClassLabels,
    /// The columns that are read, and which of them has the recordings.
    columns: Vec<TypePtr>,
    sound: usize,
}

/// A row of the manifest.
struct Line {
    path: String,
    /// As many as there are columns of the dataset's own.
    cells: Vec<String>,
    /// The part of the dataset that its file belongs to.
    part: Option<&'static str>,
    has_sound: bool,
}

/// Writes the recordings in the Parquet files below `folder` to the new folder `out`, in the order
/// of the files' names and of their rows, and what else is in a row to `manifest.csv` there. A
/// recording has the name that its row gives, unless that is taken or unfit for a file. `tick` is
/// told how many rows are done, and of how many.
///
/// # Errors
/// `Usage` where `out` is there already, `Data` where no file has recordings inside or one is
/// damaged, `Io` where files cannot be read or written; `Interrupted` on request. `out` is then not
/// written.
pub fn unpack(
    folder: &Path,
    out: &Path,
    cancel: &Cancel,
    tick: &mut dyn FnMut(u64, u64),
) -> Result<Unpacked> {
    if fs::symlink_metadata(out).is_ok() {
        let what = format!("{} is there already", out.display());
        return Err(Error::usage(what).hint("name a folder that is not there yet"));
    }
    let (tables, left_out) = tables(folder, cancel)?;
    let total = tables
        .iter()
        .fold(0, |sum: u64, table| sum.saturating_add(table.rows));
    let columns = own_columns(&tables);
    let named = |column: &&String| {
        let mut tables = tables.iter();
        tables.any(|table| table.classes.contains_key(*column))
    };
    let mut unpacked = Unpacked {
        left_out,
        named: columns.iter().filter(named).cloned().collect(),
        ..Unpacked::default()
    };

    let parent = out.parent().filter(|parent| *parent != Path::new(""));
    let whole = temporary_folder(parent.unwrap_or(Path::new(".")), "unpack-")?;
    let mut places = Places::default();
    let _ = places.taken(MANIFEST);
    let mut lines: Vec<Line> = Vec::new();
    for table in tables {
        let failed = |why: String| {
            let path = folder.join(&table.name);
            Error::data(format!("failed to read {}: {why}", path.display()))
                .hint("fetch the file again, or move it away to unpack the others")
        };
        let part = part_of(&table.name);
        let reader = checked(&folder.join(&table.name), table.largest)?;
        let place = |name: &String| table.columns.iter().position(|one| one.name() == name);
        let at: Vec<Option<usize>> = columns.iter().map(place).collect();
        let mut rows = guarded(|| {
            let schema = Type::group_type_builder(&table.root).with_fields(table.columns.clone());
            let rows = RowIter::from_file_into(Box::new(reader)).project(Some(schema.build()?));
            rows.map(|rows| rows.with_batch_size(BATCH))
        })
        .map_err(&failed)?
        .map_err(|e| failed(e.to_string()))?;
        while let Some(row) = guarded(|| rows.next()).map_err(&failed)? {
            cancel.check()?;
            let row = row.map_err(|e| failed(e.to_string()))?;
            let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
            let (bytes, asked) = sound(fields[table.sound]);
            // What has no sound must not be looked for under the name of another recording.
            let asked = asked.filter(|_| bytes.is_some());
            let path = free_name(asked, bytes, lines.len(), &mut places);
            if let Some(bytes) = bytes {
                let target = whole.path().join(&path);
                target.parent().map_or(Ok(()), create_folder)?;
                fs::write(&target, bytes).map_err(|e| Error::io("write", &out.join(&path), e))?;
                unpacked.recordings += 1;
            }
            let cell = |(name, at): (&String, &Option<usize>)| {
                let field = at.map(|at| fields[at]).unwrap_or(&Field::Null);
                match table.classes.get(name) {
                    Some(names) => class_labels::named(field, names),
                    None => text(field),
                }
            };
            // The text of a date that no calendar has is a panic of the decoder.
            let cells: Vec<String> =
                guarded(|| columns.iter().zip(&at).map(cell).collect()).map_err(&failed)?;
            if let Some(at) = cells.iter().position(|cell| cell.len() > LONGEST_CELL) {
                return Err(failed(format!("a cell of {} is too long", columns[at])));
            }
            lines.push(Line {
                path,
                cells,
                part,
                has_sound: bytes.is_some(),
            });
            tick(lines.len() as u64, total);
        }
    }
    unpacked.without_sound = lines.len() - unpacked.recordings;
    if unpacked.recordings == 0 {
        let what = format!(
            "no row of the Parquet files in {} has sound",
            folder.display()
        );
        return Err(Error::data(what).hint(
            "the recordings are elsewhere: fetch the audio files of the dataset, or a copy with the audio inside",
        ));
    }
    let (header, text) = manifest(&columns, &lines)?;
    unpacked.columns = header;
    write_atomically(&whole.path().join(MANIFEST), &text)?;
    fs::rename(whole.path(), out).map_err(|e| Error::io("write", out, e))?;
    Ok(unpacked)
}

/// The files that have recordings inside, and the columns that no manifest can hold.
fn tables(folder: &Path, cancel: &Cancel) -> Result<(Vec<Table>, Vec<String>)> {
    check_root(
        folder,
        "the dataset",
        "name the folder of its Parquet files",
    )?;
    let readme = class_labels::of_folder(folder);
    let (mut tables, mut left_out) = (Vec::new(), BTreeSet::new());
    for name in walk_until(folder, "", &["parquet"], cancel)?.files {
        let path = folder.join(&name);
        let length = fs::metadata(&path)
            .map_err(|e| Error::io("read", &path, e))?
            .len();
        let largest = i64::try_from(length.saturating_mul(UNPACKED)).unwrap_or(i64::MAX);
        let largest = largest.max(LARGEST_PAGE);
        let reader = checked(&path, largest)?;
        let about = reader.metadata().file_metadata();
        let fields = about.schema().get_fields();
        let is_audio = |field: &&TypePtr| field.name().eq_ignore_ascii_case("audio");
        let mut sounds = fields.iter().filter(|field| is_sound(field));
        let Some(sound) = sounds.clone().find(is_audio).or_else(|| sounds.next()) else {
            continue;
        };
        let (columns, others): (Vec<TypePtr>, Vec<TypePtr>) = fields
            .iter()
            .cloned()
            .partition(|field| field.is_primitive() || field.name() == sound.name());
        left_out.extend(others.iter().map(|field| field.name().to_owned()));
        let mut classes = readme.clone();
        classes.extend(class_labels::of_table(about));
        tables.push(Table {
            name,
            rows: about.num_rows().unsigned_abs(),
            sound: (columns.iter().position(|one| one.name() == sound.name())).unwrap_or_default(),
            classes,
            columns,
            root: about.schema().name().to_owned(),
            largest,
        });
    }
    if tables.is_empty() {
        let what = format!(
            "{} has no Parquet file with recordings inside",
            folder.display()
        );
        return Err(Error::data(what).hint(
            "this command is for datasets whose recordings are a column of bytes; a folder of audio files needs none: ser corpus init FOLDER",
        ));
    }
    Ok((tables, left_out.into_iter().collect()))
}

/// The columns of all tables but those of the recordings, in the order in which they come.
fn own_columns(tables: &[Table]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for table in tables {
        for (at, column) in table.columns.iter().enumerate() {
            if at != table.sound && !columns.iter().any(|known| known == column.name()) {
                columns.push(column.name().to_owned());
            }
        }
    }
    columns
}

/// The bytes of a recording and its name, where a row has them.
fn sound(field: &Field) -> (Option<&[u8]>, Option<&str>) {
    let Field::Group(group) = field else {
        return (None, None);
    };
    let (mut bytes, mut name) = (None, None);
    for (column, field) in group.get_column_iter() {
        match (&**column, field) {
            ("bytes", Field::Bytes(found)) if !found.is_empty() => bytes = Some(found.data()),
            ("path", Field::Str(found)) => name = Some(&**found),
            _ => {}
        }
    }
    (bytes, name)
}

/// A name for the `n`-th recording: the one that is asked for, its last part, or a number.
fn free_name(asked: Option<&str>, bytes: Option<&[u8]>, n: usize, places: &mut Places) -> String {
    let with_extension = |name: String| {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let is_audio = |one: &str| AUDIO.iter().any(|known| one.eq_ignore_ascii_case(known));
        match extension {
            Some(one) if is_audio(one) => name,
            _ => format!("{name}.{}", extension_of(bytes.unwrap_or_default())),
        }
    };
    let asked = asked.filter(|name| !name.is_empty());
    let last = asked.map(|name| file_name(name).rsplit('\\').next().unwrap_or(name));
    for name in [asked, last].into_iter().flatten() {
        let name = with_extension(name.to_owned());
        let is_hidden = name.split('/').any(|part| part.starts_with('.'));
        let is_fit = name.len() <= LONGEST_NAME
            && !is_hidden
            && inside(&name).is_some()
            && unportable(&name).is_none();
        if is_fit && places.taken(&name).is_none() {
            return name;
        }
    }
    let numbered = |again: usize| match again {
        0 => with_extension(format!("{n:06}")),
        again => with_extension(format!("{n:06}-{again}")),
    };
    let mut again = 0;
    while places.taken(&numbered(again)).is_some() {
        again += 1;
    }
    numbered(again)
}

/// The extension of a recording by its first bytes.
fn extension_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [b'I', b'D', b'3', ..] => "mp3",
        [0xFF, second, ..] if second & 0xE0 == 0xE0 => "mp3",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "m4a",
        _ => "wav",
    }
}

/// The manifest and its header.
fn manifest(columns: &[String], lines: &[Line]) -> Result<(Vec<String>, Vec<u8>)> {
    let parts: BTreeSet<&str> = lines.iter().filter_map(|line| line.part).collect();
    let has_parts = parts.len() > 1;
    let is_excluded = lines.iter().any(|line| !line.has_sound);
    let own = columns.iter().map(|name| match &*name.to_lowercase() {
        // Times within the recording that a clip was cut from are no segment of the clip.
        "path" | "excluded" | "start" | "end" | "begin" | "offset" => format!("dataset_{name}"),
        "split" if has_parts => format!("dataset_{name}"),
        _ => name.clone(),
    });
    let header: Vec<String> = std::iter::once("path".to_owned())
        .chain(own)
        .chain(has_parts.then(|| "split".to_owned()))
        .chain(is_excluded.then(|| "excluded".to_owned()))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: &dyn std::fmt::Display| Error::internal(format!("{MANIFEST}: {e}"));
    writer.write_record(&header).map_err(|e| failed(&e))?;
    for line in lines {
        let why = match line.has_sound {
            true => "",
            false => "no sound in the dataset",
        };
        let cells = std::iter::once(&*line.path)
            .chain(line.cells.iter().map(String::as_str))
            .chain(has_parts.then(|| line.part.unwrap_or_default()))
            .chain(is_excluded.then_some(why));
        writer.write_record(cells).map_err(|e| failed(&e))?;
    }
    let text = writer.into_inner().map_err(|e| failed(&e))?;
    Ok((header, text))
}
