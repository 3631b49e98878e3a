//! Arrays in NumPy's `.npy` and `.npz` files.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use npyz::{DType, Deserialize, NpyFile, Order};
use zip::ZipArchive;

use super::settings::{ImportSettings, name_of};
use super::table::{ImportTable, Key};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::features::numbered;
use crate::files::open_regular;
use crate::foreign::guarded;
use crate::text::{listed, plural};

/// Longest header, in bytes; NumPy itself reads no more than 10 000 characters.
const LONGEST_HEADER: usize = 16 << 10;
/// Brackets in a header: one of plain values has two, and its parser goes as deep as they are.
const MOST_BRACKETS: usize = 16;
/// Values of an array: what four gigabytes hold in single precision.
const MOST_VALUES: u64 = 1 << 30;
/// Arrays of an archive, and bytes of a list of ids.
const MOST_ARRAYS: usize = 1000;
const LONGEST_LIST: u64 = 1 << 30;
const AS_ARRAY: &str =
    "write it again with numpy.save or numpy.savez: rows are recordings, columns are features";

/// An array in memory.
enum Array {
    /// Row by row.
    Numbers {
        rows: usize,
        width: usize,
        values: Vec<f32>,
    },
    Texts(Vec<String>),
    /// What is neither rows of numbers nor a list of texts, and what it is.
    Other(String),
}

/// Reads the array of features, and the names of its rows from a list or from an array of texts
/// beside it.
pub(super) fn read(settings: &ImportSettings, cancel: &Cancel) -> Result<ImportTable> {
    let path = &settings.path;
    let mut file = open_regular(path).map_err(|e| Error::io("read", path, e))?;
    let mut magic = [0; 2];
    let is_archive = file.read_exact(&mut magic).is_ok() && &magic == b"PK";
    drop(file);
    let mut arrays = match is_archive {
        true => archive(path, cancel)?,
        false => {
            let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
            let size = file
                .metadata()
                .map_err(|e| Error::io("read", path, e))?
                .len();
            let file = io::BufReader::new(file);
            vec![(
                String::new(),
                array(file, size).map_err(|why| refused(path, &why))?,
            )]
        }
    };
    let is_features = |(name, array): &(String, Array)| {
        matches!(array, Array::Numbers { .. })
            && settings.array.as_ref().is_none_or(|wanted| wanted == name)
    };
    let found = arrays.iter().filter(|one| is_features(one)).count();
    let place = arrays.iter().position(is_features);
    let (Some(place), 1) = (place, found) else {
        return Err(not_one(settings, &arrays));
    };
    let (
        _,
        Array::Numbers {
            rows,
            width,
            values,
        },
    ) = arrays.swap_remove(place)
    else {
        return Err(not_one(settings, &arrays));
    };
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    let mut left_out = Vec::new();
    for (name, array) in &arrays {
        left_out.extend(match array {
            Array::Other(what) => Some((format!("array {name}"), what.clone())),
            Array::Numbers { .. } => Some((
                format!("array {name}"),
                "not the one that `array` names".to_owned(),
            )),
            Array::Texts(_) => None,
        });
    }
    let names = names(&arrays, rows, width);
    let ids = match &settings.ids {
        Some(list) => listed_ids(list)?,
        None => ids(settings, arrays, rows)?,
    };
    if ids.cells.len() != rows {
        let error = Error::data(format!(
            "{} for {} of {}: {}",
            plural(rows, "row"),
            plural(ids.cells.len(), "name"),
            ids.name,
            path.display()
        ));
        return Err(error.hint("write one name for each row, in the same order"));
    }
    let mut table = ImportTable::of_array(settings, names, values, ids)?;
    table.left_out.extend(left_out);
    Ok(table)
}

fn refused(path: &Path, why: &str) -> Error {
    Error::data(format!("{} cannot be read: {why}", path.display())).hint(AS_ARRAY)
}

fn not_one(settings: &ImportSettings, arrays: &[(String, Array)]) -> Error {
    let file = name_of(&settings.path);
    let (mut fit, mut others) = (vec![], others(arrays));
    for (name, array) in arrays {
        if let Array::Numbers { .. } = array {
            fit.push(name.clone());
        }
    }
    others.truncate(12);
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(" ({})", others.join("; ")),
    };
    let what = match &settings.array {
        Some(wanted) => format!("no array `{wanted}` of numbers in rows and columns"),
        None if fit.is_empty() => "no array of numbers in rows and columns".to_owned(),
        None => "several arrays of numbers in rows and columns".to_owned(),
    };
    let import = &settings.name;
    match fit.is_empty() {
        true => Error::data(format!("{file} has {what}{others}")).hint(AS_ARRAY),
        false => Error::config(format!("{file} has {what}{others}")).hint(format!(
            "name one with `array` of the import `{import}`: {}",
            listed(&fit, 12)
        )),
    }
}

/// What the arrays are that cannot be used.
fn others(arrays: &[(String, Array)]) -> Vec<String> {
    let what = |(name, array): &(String, Array)| match array {
        Array::Other(what) if name.is_empty() => Some(format!("it {what}")),
        Array::Other(what) => Some(format!("`{name}` {what}")),
        _ => None,
    };
    arrays.iter().filter_map(what).collect()
}

/// The arrays of an archive.
fn archive(path: &Path, cancel: &Cancel) -> Result<Vec<(String, Array)>> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let opened = guarded(|| ZipArchive::new(file)).map_err(|why| refused(path, &why))?;
    let mut archive =
        opened.map_err(|e| refused(path, &format!("it is no archive of arrays ({e})")))?;
    if archive.len() > MOST_ARRAYS {
        return Err(refused(
            path,
            &format!("{} arrays are too many", archive.len()),
        ));
    }
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        cancel.check()?;
        let entry = archive
            .by_index(index)
            .map_err(|e| refused(path, &e.to_string()))?;
        let name = entry
            .name()
            .map_err(|e| refused(path, &e.to_string()))?
            .into_owned();
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let size = entry.size();
        match array(io::BufReader::new(entry), size) {
            Ok(array) => arrays.push((name, array)),
            Err(why) => return Err(refused(path, &format!("array {name}: {why}"))),
        }
    }
    Ok(arrays)
}

/// Reads an array of `size` bytes with its header.
fn array(mut reader: impl Read, size: u64) -> Result<Array, String> {
    let mut head = vec![0; 10];
    let cut_off = |_| "it is cut off".to_owned();
    reader.read_exact(&mut head).map_err(cut_off)?;
    if &head[..6] != b"\x93NUMPY" {
        return Err("it is no array of NumPy".to_owned());
    }
    let mut length = usize::from(u16::from_le_bytes([head[8], head[9]]));
    if head[6] > 1 {
        head.resize(12, 0);
        reader.read_exact(&mut head[10..]).map_err(cut_off)?;
        length += usize::from(u16::from_le_bytes([head[10], head[11]])) << 16;
    }
    if length > LONGEST_HEADER {
        return Err(format!("its header of {length} bytes is too long"));
    }
    let begin = head.len();
    head.resize(begin + length, 0);
    reader.read_exact(&mut head[begin..]).map_err(cut_off)?;
    if head[begin..]
        .iter()
        .filter(|byte| b"([{".contains(byte))
        .count()
        > MOST_BRACKETS
    {
        return Err("its header is not that of an array of numbers or texts".to_owned());
    }
    let data = size.saturating_sub(head.len() as u64);
    let npy = guarded(|| NpyFile::new(Cursor::new(head).chain(reader)))?
        .map_err(|e| format!("its header is damaged ({e})"))?;
    if npy.header().uses_pickled_array() {
        return Ok(Array::Other("holds Python objects, which are not read: save texts with dtype=str, numbers with dtype=float32".to_owned()));
    }
    let item = match npy.dtype() {
        DType::Plain(kind) => kind.num_bytes().unwrap_or(usize::MAX) as u64,
        _ => return Ok(Array::Other("holds records, not numbers".to_owned())),
    };
    let shape = npy.shape().to_vec();
    let values = shape.iter().try_fold(1u64, |all, n| all.checked_mul(*n));
    let Some(values) = values.filter(|values| *values <= MOST_VALUES) else {
        return Err(format!("its shape {shape:?} is too large"));
    };
    if values.checked_mul(item).is_none_or(|bytes| bytes > data) {
        return Err(format!(
            "it is cut off: {data} bytes are there for the shape {shape:?}"
        ));
    }
    guarded(|| content(npy, &shape))?
}

fn content<R: Read>(npy: NpyFile<R>, shape: &[u64]) -> Result<Array, String> {
    let by_columns = npy.order() == Order::Fortran;
    let kind = npy.dtype().descr();
    let npy = match npy.try_data::<String>() {
        Ok(texts) if shape.len() == 1 => {
            let texts: io::Result<Vec<String>> = texts.collect();
            return texts
                .map(Array::Texts)
                .map_err(|e| format!("its texts cannot be read ({e})"));
        }
        Ok(_) => {
            return Ok(Array::Other(format!(
                "holds texts in the shape {shape:?}, not in one dimension"
            )));
        }
        Err(npy) => npy,
    };
    let (values, npy) = all(npy, |value: f32| value);
    let (values, npy) = or(values, npy, |npy| all(npy, |value: f64| value as f32));
    let (values, npy) = or(values, npy, |npy| {
        all(npy, |value: half::f16| value.to_f32())
    });
    let (values, npy) = or(values, npy, |npy| all(npy, |value: i64| value as f32));
    let (values, npy) = or(values, npy, |npy| all(npy, |value: i32| value as f32));
    let (values, npy) = or(values, npy, |npy| all(npy, |value: i16| value.into()));
    let (values, npy) = or(values, npy, |npy| all(npy, |value: i8| value.into()));
    let (values, npy) = or(values, npy, |npy| all(npy, |value: u64| value as f32));
    let (values, npy) = or(values, npy, |npy| all(npy, |value: u32| value as f32));
    let (values, npy) = or(values, npy, |npy| all(npy, |value: u16| value.into()));
    let (values, _) = or(values, npy, |npy| all(npy, |value: u8| value.into()));
    let Some(values) = values else {
        return Ok(Array::Other(format!("holds values of the type {kind}")));
    };
    let values = values.map_err(|e| format!("its values cannot be read ({e})"))?;
    let &[rows, width] = shape else {
        return Ok(Array::Other(format!(
            "has the shape {shape:?}, and features have two dimensions (rows and columns)"
        )));
    };
    let (rows, width) = (rows as usize, width as usize);
    if rows == 0 || width == 0 {
        return Ok(Array::Other(format!("is empty (shape {shape:?})")));
    }
    let values = match by_columns {
        true => (0..rows * width)
            .map(|i| values[i % width * rows + i / width])
            .collect(),
        false => values,
    };
    Ok(Array::Numbers {
        rows,
        width,
        values,
    })
}

/// The values of an array where they are of this type, or the array.
type Values<R> = (Option<io::Result<Vec<f32>>>, Option<NpyFile<R>>);

fn all<T: Deserialize, R: Read>(npy: NpyFile<R>, to: impl Fn(T) -> f32) -> Values<R> {
    match npy.try_data::<T>() {
        Ok(values) => (Some(values.map(|value| value.map(&to)).collect()), None),
        Err(npy) => (None, Some(npy)),
    }
}

fn or<R: Read>(
    values: Option<io::Result<Vec<f32>>>,
    npy: Option<NpyFile<R>>,
    next: impl FnOnce(NpyFile<R>) -> Values<R>,
) -> Values<R> {
    match npy {
        Some(npy) => next(npy),
        None => (values, None),
    }
}

/// The names of the columns: an array of texts of that length, or numbers.
fn names(arrays: &[(String, Array)], rows: usize, width: usize) -> Vec<String> {
    let named = arrays.iter().find_map(|(_, array)| match array {
        Array::Texts(texts) if texts.len() == width && width != rows => Some(texts.clone()),
        _ => None,
    });
    let mut distinct = named.clone().unwrap_or_default();
    distinct.sort();
    distinct.dedup();
    named
        .filter(|_| distinct.len() == width)
        .unwrap_or_else(|| numbered("dim", width).collect())
}

/// The names of the rows: the one array of texts of that length.
fn ids(settings: &ImportSettings, arrays: Vec<(String, Array)>, rows: usize) -> Result<Key> {
    let wanted = settings.id.as_ref();
    let mut others = others(&arrays);
    let mut found: Vec<Key> = Vec::new();
    for (name, array) in arrays {
        if let Array::Texts(cells) = array
            && wanted.map_or(cells.len() == rows, |wanted| *wanted == name)
        {
            found.push(Key {
                name: format!("array {name}"),
                cells,
            });
        }
    }
    if found.len() == 1 {
        return Ok(found.swap_remove(0));
    }
    let names: Vec<String> = found.into_iter().map(|one| one.name).collect();
    let (file, import) = (name_of(&settings.path), &settings.name);
    Err(match names.is_empty() {
        true => Error::config(format!("nothing says which recordings the rows of {file} are of{}", match others.drain(..).next() {
            Some(first) => format!(" ({first})"),
            None => String::new(),
        }))
            .hint(format!("name a text file with one name a line as `ids` of the import `{import}`, or save an array of texts beside the features (numpy.savez)")),
        false => Error::config(format!("several arrays of {file} may name its rows: {}", listed(&names, 12)))
            .hint(format!("name one with `id` of the import `{import}`")),
    })
}

/// The lines of a list of names.
fn listed_ids(path: &Path) -> Result<Key> {
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(|e| Error::io("read", path, e))?;
    file.take(LONGEST_LIST)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read", path, e))?;
    let refuse = |what: &str| {
        Error::data(format!("{} {what}", path.display())).hint("write one name a line, in UTF-8")
    };
    let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text"))?;
    let text = text
        .trim_start_matches('\u{feff}')
        .trim_end_matches(['\n', '\r']);
    let cells: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if let Some(empty) = cells.iter().position(String::is_empty) {
        return Err(refuse(&format!("names nothing in line {}", empty + 1)));
    }
    Ok(Key {
        name: name_of(path),
        cells,
    })
}

#[cfg(test)]
#[path = "numpy_tests.rs"]
mod tests;
