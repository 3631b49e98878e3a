//! A Parquet table as rows of text.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::TypePtr;

use super::class_labels;
use super::sheet::{Row, Sheet};
use crate::error::{Error, Result};
use crate::files::shell_word;
use crate::foreign::{are_sane_pages, guarded, is_sane_footer};

/// What a page may be unpacked to, in bytes; writers aim at one million.
const LARGEST_PAGE: i64 = 64 << 20;
/// The longest cell, in bytes: a dictionary holds a long one once, however many rows repeat it.
pub(super) const LONGEST_CELL: usize = 1 << 20;
/// What to do with a table that holds more than that.
const PLAIN: &str =
    "such a table has a row for each recording: leave other columns out, or write it as CSV";
/// Rows that any table may have, and that one may have for each of its bytes: paths and times never
/// compress as far as repeated rows do.
const FEW_ROWS: u64 = 100_000;
const ROWS_PER_BYTE: u64 = 4;

/// Words in the names of columns that have paths.
const NAMES_OF_FILES: [&str; 14] = [
    "file",
    "files",
    "filename",
    "filenames",
    "filepath",
    "filepaths",
    "path",
    "paths",
    "pathname",
    "audiofile",
    "soundfile",
    "wavfile",
    "audiopath",
    "wavpath",
];

/// Opens a table; what unpacks to far more than a manifest can need is refused by its sizes, before
/// anything is decoded.
///
/// # Errors
/// `Io` where it cannot be read, `Data` where it is damaged or too large; both also from the rows.
pub(super) fn parquet_rows(path: &Path) -> Result<Sheet> {
    let columns = columns(path)?.unwrap_or_default();
    let names_files = |field: &TypePtr| field.is_primitive() && is_name_of_files(field.name());
    if let Some(sound) = columns.iter().find(|field| is_sound(field))
        && !columns.iter().any(names_files)
    {
        let folder = path.parent().unwrap_or(Path::new("."));
        return Err(sounds_inside(folder, path, sound.name()));
    }
    let reader = checked(path, LARGEST_PAGE)?;
    let about = reader.metadata().file_metadata();
    let fields = about.schema().get_fields().to_vec();
    let (units, classes) = (durations(about), class_labels::of_table(about));
    let shown = path.to_owned();
    let broken = move |e: Box<dyn std::error::Error + Send + Sync>| damaged(&shown, e);
    let mut rows =
        guarded(|| RowIter::from_file_into(Box::new(reader))).map_err(|e| broken(e.into()))?;
    let classes: Vec<Option<Vec<String>>> = fields
        .iter()
        .map(|field| classes.get(field.name()).cloned())
        .collect();
    let columns = fields.iter().map(|f| f.name().trim().to_owned()).collect();
    let mut next = move || match guarded(|| rows.next()) {
        Ok(Some(Ok(row))) => match row
            .get_column_iter()
            .find(|(_, field)| longest(field) > LONGEST_CELL)
        {
            Some((name, field)) => {
                let why = format!(
                    "the column {name} has a cell of {} MiB",
                    longest(field) >> 20
                );
                Some(Err(broken(why.into()).hint(PLAIN)))
            }
            None => Some(Ok(row
                .get_column_iter()
                .enumerate()
                .map(|(at, (_, field))| match (field, units.get(at)) {
                    (Field::Long(time), Some(Some(unit))) => (*time as f64 / unit).to_string(),
                    _ => match classes.get(at) {
                        Some(Some(names)) => class_labels::named(field, names),
                        _ => text(field),
                    },
                })
                .collect())),
        },
        Ok(Some(Err(error))) => Some(Err(broken(error.into()))),
        Ok(None) => None,
        Err(error) => Some(Err(broken(error.into()))),
    };
    let mut done = false;
    let rows = (1..).map_while(move |place| {
        let cells = if done { None } else { next() };
        done = !matches!(cells, Some(Ok(_)));
        Some(cells?.map(|cells| Row {
            place,
            cells: Ok(cells),
        }))
    });
    Ok(Sheet {
        columns,
        rows: Box::new(rows),
        unit: "row",
        notes: Vec::new(),
    })
}

fn damaged(path: &Path, e: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::data(format!("failed to read {}", path.display()))
        .hint("write the table again, uncompressed or with snappy compression")
        .because(e)
}

/// Opens a Parquet file; what a few bytes would unpack to far more than anyone needs is refused by
/// its sizes, before anything is decoded.
///
/// # Errors
/// `Io` where it cannot be read, `Data` where it is damaged or one of its pages is larger than
/// `largest` bytes.
pub(super) fn checked(path: &Path, largest: i64) -> Result<SerializedFileReader<File>> {
    let failed = |e| Error::io("read", path, e);
    let broken = |e: Box<dyn std::error::Error + Send + Sync>| damaged(path, e);
    let mut file = File::open(path).map_err(failed)?;
    if !has_sane_footer(&mut file).map_err(failed)? {
        return Err(broken("its footer is damaged".into()));
    }
    let pages = file.try_clone().map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let opened = guarded(|| {
        let reader = SerializedFileReader::new(file)?;
        if let Some(why) = too_many_rows(reader.metadata(), length) {
            return Ok(Err(why));
        }
        if !are_sane_pages(&pages, reader.metadata(), largest)? {
            return Ok(Err(format!(
                "its pages are damaged, or one unpacks to more than {} MiB",
                largest >> 20
            )));
        }
        Ok(Ok(reader))
    });
    opened
        .map_err(|e| broken(e.into()))?
        .map_err(|e: ParquetError| broken(e.into()))?
        .map_err(|why| broken(why.into()).hint(PLAIN))
}

/// The error of a table that holds recordings, as datasets of Hugging Face do; `None` for any other
/// file. `root` is the folder that was named.
///
/// # Errors
/// `Io` where it cannot be read.
pub(crate) fn with_sounds(root: &Path, path: &Path) -> Result<Option<Error>> {
    let sound = columns(path)?.and_then(|fields| fields.into_iter().find(is_sound));
    Ok(sound.map(|sound| sounds_inside(root, path, sound.name())))
}

fn sounds_inside(root: &Path, path: &Path, column: &str) -> Error {
    let error = Error::data(format!(
        "{} holds the recordings themselves, as bytes in its column {column}",
        path.display()
    ));
    let root = match root.as_os_str().is_empty() {
        true => Path::new("."),
        false => root,
    };
    let from = root.display().to_string();
    let to = match root.file_name() {
        Some(_) => format!("{}-unpacked", from.trim_end_matches(['/', '\\'])),
        None => "unpacked".to_owned(),
    };
    error.hint(format!(
        "write them to files, with a manifest beside them: ser corpus unpack {} {}",
        shell_word(&from),
        shell_word(&to)
    ))
}

/// Whether a column of that name has paths, by its words: `file_path`, `audioFile`, `filename`; not
/// `profile` or `pathology`.
fn is_name_of_files(name: &str) -> bool {
    let mut spaced = String::new();
    for c in name.chars() {
        if c.is_uppercase() && spaced.ends_with(char::is_lowercase) {
            spaced.push(' ');
        }
        spaced.extend(c.to_lowercase());
    }
    spaced
        .split(|c: char| !c.is_alphabetic())
        .any(|word| NAMES_OF_FILES.contains(&word))
}

/// The columns of a Parquet file; `None` for anything else.
///
/// # Errors
/// `Io` where it cannot be read.
fn columns(path: &Path) -> Result<Option<Vec<TypePtr>>> {
    let failed = |e| Error::io("read", path, e);
    let mut file = File::open(path).map_err(failed)?;
    if !has_sane_footer(&mut file).map_err(failed)? {
        return Ok(None);
    }
    let opened = guarded(|| SerializedFileReader::new(file));
    let fields = |reader: SerializedFileReader<File>| {
        reader
            .metadata()
            .file_metadata()
            .schema()
            .get_fields()
            .to_vec()
    };
    Ok(opened.ok().and_then(|opened| opened.ok()).map(fields))
}

/// Whether the cells of a column are recordings: a struct with `bytes`.
pub(super) fn is_sound(field: &TypePtr) -> bool {
    let is_bytes = |field: &TypePtr| {
        field.name() == "bytes"
            && field.is_primitive()
            && field.get_physical_type() == Physical::BYTE_ARRAY
    };
    let is_picture = field.name().to_lowercase().contains("image");
    field.is_group() && !is_picture && field.get_fields().iter().any(is_bytes)
}

/// Whether a Parquet file ends in a footer that can be handed to its decoder.
fn has_sane_footer(file: &mut File) -> io::Result<bool> {
    let mut tail = [0; 8];
    let length = file.metadata()?.len();
    if length < tail.len() as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-8))
        .and_then(|_| file.read_exact(&mut tail))?;
    let [a, b, c, d, ..] = tail;
    let Some(start) = (length - 8).checked_sub(u32::from_le_bytes([a, b, c, d]).into()) else {
        return Ok(false);
    };
    let mut footer = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    Read::by_ref(file)
        .take(length - 8 - start)
        .read_to_end(&mut footer)?;
    file.rewind()?;
    Ok(is_sane_footer(&footer))
}

/// A cell as CSV would show it; what no manifest column can hold (lists, groups) is empty.
pub(super) fn text(field: &Field) -> String {
    match field {
        Field::Str(s) => s.clone(),
        Field::Bytes(b) => String::from_utf8(b.data().to_vec()).unwrap_or_default(),
        Field::Null | Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
            String::new()
        }
        Field::Double(x) => x.to_string(),
        Field::Float(x) => x.to_string(),
        other => other.to_string(),
    }
}

/// For each column the number of its units in a second, where it holds durations: pandas writes
/// them as whole numbers, and that they are durations into the metadata.
fn durations(metadata: &FileMetaData) -> Vec<Option<f64>> {
    let schema = parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata());
    let unit = |kind: &DataType| match kind {
        DataType::Duration(TimeUnit::Second) => Some(1.0),
        DataType::Duration(TimeUnit::Millisecond) => Some(1e3),
        DataType::Duration(TimeUnit::Microsecond) => Some(1e6),
        DataType::Duration(TimeUnit::Nanosecond) => Some(1e9),
        _ => None,
    };
    let fields = schema
        .map(|schema| schema.fields().clone())
        .unwrap_or_default();
    fields.iter().map(|field| unit(field.data_type())).collect()
}

/// Bytes of a text.
fn longest(field: &Field) -> usize {
    match field {
        Field::Str(text) => text.len(),
        Field::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Why a table of `length` bytes cannot be a manifest, where its footer promises more rows than
/// those could tell apart.
fn too_many_rows(footer: &ParquetMetaData, length: u64) -> Option<String> {
    let rows = footer
        .row_groups()
        .iter()
        .map(|group| group.num_rows().unsigned_abs())
        .fold(0, u64::saturating_add);
    let most = length.saturating_mul(ROWS_PER_BYTE).max(FEW_ROWS);
    (rows > most)
        .then(|| format!("its {length} bytes unpack to {rows} rows, which repeat each other"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
    use arrow::datatypes::Int32Type;
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::corpus::manifest::sheet::open;
    use crate::error::Kind;

    fn parquet_of(columns: [(&str, ArrayRef); 2]) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn columns_have_paths_by_whole_words_of_their_names() {
        for name in
            "file|path|Path|file_name|FileName|audioFile|audio_filepath|wav file|file1|audiopath"
                .split('|')
        {
            assert!(is_name_of_files(name), "{name}");
        }
        for name in "profile|pathology|Profile_ID|psychopath|filed|".split('|') {
            assert!(!is_name_of_files(name), "{name}");
        }
        // Whether anyone names files decides between two messages.
        let sounds: ArrayRef = Arc::new(arrow::array::StructArray::from(vec![(
            Arc::new(arrow::datatypes::Field::new(
                "bytes",
                DataType::Binary,
                true,
            )),
            Arc::new(arrow::array::BinaryArray::from(vec![&b"RIFF"[..]])) as ArrayRef,
        )]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let error = read(&parquet_of([
            ("profile", text.clone()),
            ("audio", sounds.clone()),
        ]));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("in its column audio"),
        );
        assert_eq!(
            read(&parquet_of([("path", text), ("audio", sounds)])).unwrap(),
            1
        );
    }

    /// The rows of a table, or its error.
    fn read(bytes: &[u8]) -> Result<usize> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.parquet");
        std::fs::write(&path, bytes).unwrap();
        let mut count = 0;
        for row in open(&path)?.rows {
            row?;
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn damage_in_any_byte_of_a_parquet_table_is_an_error_at_worst() {
        let cells = ["a.wav", "b.wav", "a.wav", "a.wav", "c.wav"];
        let column: ArrayRef = Arc::new(StringArray::from(cells.to_vec()));
        let whole = parquet_of([("path", column.clone()), ("emotion", column)]);
        assert_eq!(read(&whole).unwrap(), cells.len());
        let (mut errors, mut unsound) = (0, 0);
        for at in 4..whole.len() {
            for byte in [whole[at] ^ 1, whole[at] ^ 0x80, 0, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                if let Err(error) = read(&bytes) {
                    assert_eq!(error.kind(), Kind::Data, "{error}");
                    errors += 1;
                    unsound += usize::from(error.to_string().contains("its pages are damaged"));
                }
            }
        }
        assert!(
            errors > 500 && unsound > 100,
            "{errors} errors, {unsound} of them before anything was decoded"
        );
    }

    #[test]
    fn a_schema_as_deep_as_its_file_is_long_is_refused() {
        const LEVELS: usize = 300_000;
        // Thrift: version 2, then a list of groups with one child each, then a column.
        let mut footer = vec![0x15, 4, 0x19, 0xFC];
        let mut length = LEVELS + 1;
        while length > 0x7F {
            footer.push((length & 0x7F) as u8 | 0x80);
            length >>= 7;
        }
        footer.push(length as u8);
        footer.extend([0x48, 1, b'a', 0x15, 2, 0].repeat(LEVELS));
        footer.extend([0x15, 2, 0x25, 0, 0x18, 1, b'a', 0, 0x16, 0, 0x19, 0x0C, 0]);
        let file = [
            b"PAR1",
            &footer[..],
            &(footer.len() as u32).to_le_bytes(),
            b"PAR1",
        ]
        .concat();
        let error = read(&file).unwrap_err();
        assert!(
            error.kind() == Kind::Data && error.to_string().ends_with("its footer is damaged"),
            "{error}"
        );
    }

    /// A table whose rows all hold the same cells.
    fn repeated(rows: usize, cell: &str) -> Vec<u8> {
        let (keys, values) = (
            Int32Array::from(vec![0; rows]),
            StringArray::from(vec![cell]),
        );
        let column: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)));
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_compression(parquet::basic::Compression::SNAPPY)
            .set_dictionary_page_size_limit(1 << 30)
            .build();
        let batch =
            RecordBatch::try_from_iter([("path", column.clone()), ("emotion", column)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn tables_that_unpack_to_far_more_than_they_hold_are_refused_by_their_sizes() {
        let rows = repeated(1_000_000, "a");
        assert!(rows.len() < 10_000, "{}", rows.len());
        let error = read(&rows).unwrap_err();
        assert!(
            error.kind() == Kind::Data && error.to_string().contains("unpack to 1000000 rows"),
            "{error}"
        );
        assert_eq!(read(&repeated(90_000, "a")).unwrap(), 90_000);
        // One long value for all rows: by the size of its page, or by that of a cell.
        let error = read(&repeated(40, &"x".repeat((64 << 20) + 1))).unwrap_err();
        assert!(
            error.kind() == Kind::Data && error.to_string().contains("more than 64 MiB"),
            "{error}"
        );
        let error = read(&repeated(40, &"x".repeat(2 << 20))).unwrap_err();
        assert!(
            error.to_string().contains("a cell of 2 MiB")
                && error
                    .hint_text()
                    .unwrap()
                    .contains("leave other columns out"),
            "{error}"
        );
    }
}
