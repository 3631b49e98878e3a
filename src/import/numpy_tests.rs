//! Arrays as NumPy writes them, put together byte by byte.

use std::fs;
use std::io::Write;

use zip::write::SimpleFileOptions;

use super::*;
use crate::error::Kind;

/// An array of version 1 of the format.
fn npy(kind: &str, order: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if order { "True" } else { "False" };
    let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn texts(words: &[&str]) -> Vec<u8> {
    let width = words.iter().map(|word| word.chars().count()).max().unwrap();
    let padded = |word: &&str| {
        let letters: Vec<u32> = word.chars().map(u32::from).collect();
        let zeros = vec![0; width - letters.len()];
        [letters, zeros].concat()
    };
    let data: Vec<u8> = words
        .iter()
        .flat_map(padded)
        .flat_map(u32::to_le_bytes)
        .collect();
    npy(
        &format!("<U{width}"),
        false,
        &format!("({},)", words.len()),
        &data,
    )
}

fn archive_of(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut archive = zip::ZipWriter::new(&mut bytes);
    for (name, array) in arrays {
        archive
            .start_file(format!("{name}.npy"), SimpleFileOptions::default())
            .unwrap();
        archive.write_all(array).unwrap();
    }
    archive.finish().unwrap();
    bytes.into_inner()
}

/// The table of an array beside a list of the names `a` and `b`.
fn table(name: &str, bytes: &[u8], settings: ImportSettings) -> Result<ImportTable> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let ids = folder.path().join("ids.txt");
    fs::write(&ids, "\u{feff}a\r\nb\r\n").unwrap();
    let ids = name.ends_with("npy").then_some(ids);
    read(
        &ImportSettings {
            path,
            ids,
            ..settings
        },
        &Cancel::default(),
    )
}

fn values(table: &ImportTable) -> Vec<f32> {
    (0..table.rows())
        .flat_map(|row| table.row(row).to_vec())
        .collect()
}

#[test]
fn arrays_of_all_kinds_of_numbers_have_their_values() {
    let numbers = [1.0f64, 2.0, -3.0, 4.0, 5.0, 6.0];
    let data = |to: fn(f64) -> Vec<u8>| numbers.iter().flat_map(|n| to(*n)).collect::<Vec<u8>>();
    for (kind, data) in [
        ("<f4", data(|n| (n as f32).to_le_bytes().into())),
        (">f4", data(|n| (n as f32).to_be_bytes().into())),
        ("<f8", data(|n| n.to_le_bytes().into())),
        ("<f2", data(|n| half::f16::from_f64(n).to_le_bytes().into())),
        ("<i8", data(|n| (n as i64).to_le_bytes().into())),
        ("<i4", data(|n| (n as i32).to_le_bytes().into())),
        ("<i2", data(|n| (n as i16).to_le_bytes().into())),
        ("|i1", data(|n| (n as i8).to_le_bytes().into())),
    ] {
        let rows = table(
            "t.npy",
            &npy(kind, false, "(2, 3)", &data),
            ImportSettings::default(),
        )
        .unwrap();
        assert_eq!(values(&rows), [1.0, 2.0, -3.0, 4.0, 5.0, 6.0], "{kind}");
        assert_eq!(rows.columns, ["dim_0", "dim_1", "dim_2"]);
        let columns = table(
            "t.npy",
            &npy(kind, true, "(2, 3)", &data),
            ImportSettings::default(),
        )
        .unwrap();
        assert_eq!(values(&columns), [1.0, -3.0, 5.0, 2.0, 4.0, 6.0], "{kind}");
    }
}

#[test]
fn an_archive_names_its_rows_and_columns() {
    let data: Vec<u8> = (1..=6u8).collect();
    let features = npy("|u1", false, "(2, 3)", &data);
    let ids = texts(&["x/a.wav", "\u{fc}.wav"]);
    let labels = npy("|u1", false, "(2,)", &[0, 1]);
    let mut arrays = vec![
        ("features", features.clone()),
        ("ids", ids),
        ("labels", labels),
    ];
    let read = table("t.npz", &archive_of(&arrays), ImportSettings::default()).unwrap();
    assert_eq!(read.keys[0].cells, ["x/a.wav", "\u{fc}.wav"]);
    assert_eq!(values(&read), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(read.left_out[0].0, "array labels");
    arrays.push(("names", texts(&["f0", "f1", "f2"])));
    let settings = ImportSettings {
        columns: vec!["f2".to_owned(), "f0".to_owned()],
        ..ImportSettings::default()
    };
    let read = table("t.npz", &archive_of(&arrays), settings).unwrap();
    assert_eq!(
        (values(&read), read.columns),
        (vec![1.0, 3.0, 4.0, 6.0], vec!["f0".into(), "f2".into()])
    );
    arrays.push(("other", features));
    let error = table("t.npz", &archive_of(&arrays), ImportSettings::default()).unwrap_err();
    assert!(
        error.to_string().contains("several arrays") && error.kind() == Kind::Config,
        "{error}"
    );
    let settings = ImportSettings {
        array: Some("other".to_owned()),
        ..ImportSettings::default()
    };
    assert!(table("t.npz", &archive_of(&arrays), settings).is_ok());
    let error = table(
        "t.npz",
        &archive_of(&arrays[..1]),
        ImportSettings::default(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("nothing says which recordings"),
        "{error}"
    );
}

#[test]
fn hostile_arrays_are_refused_before_they_take_memory() {
    let data: Vec<u8> = (1..=6u8).collect();
    let good = npy("|u1", false, "(2, 3)", &data);
    let refused = |bytes: &[u8], words: &str| {
        let error = table("t.npy", bytes, ImportSettings::default()).unwrap_err();
        assert!(
            error.to_string().contains(words),
            "`{words}` is not in: {error}"
        );
    };
    for end in 0..good.len() {
        assert!(
            table("t.npy", &good[..end], ImportSettings::default()).is_err(),
            "{end}"
        );
    }
    refused(&good[..good.len() - 1], "cut off");
    let mut long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    long.extend_from_slice(&good);
    refused(&long, "too long");
    refused(
        &npy("|u1", false, "(4000000000, 4000000000)", &data),
        "too large",
    );
    refused(
        &npy("|u1", false, "(4611686018427387904, 8)", &data),
        "too large",
    );
    refused(&npy("|u1", false, "(1000000, 100)", &data), "cut off");
    refused(&npy("|u1", false, &"(".repeat(5000), &data), "header");
    refused(&npy("|u1", false, "(6,)", &data), "two dimensions");
    refused(&npy("|u1", false, "(1, 2, 3)", &data), "two dimensions");
    refused(&npy("|u1", false, "(0, 3)", &[]), "empty");
    refused(&npy("|O", false, "(2, 3)", &data), "Python objects");
    refused(&npy("<c8", false, "(2, 3)", &[0; 48]), "'<c8'");
    refused(&npy("<U4000000000", false, "(2,)", &data), "cut off");
    refused(b"no array at all", "no array of NumPy");
    refused(&npy("|u1", false, "(3, 2)", &data), "3 rows for 2 names");
    let archive = archive_of(&[("features", good), ("ids", texts(&["a", "b"]))]);
    for end in (0..archive.len()).step_by(7) {
        let error = table("t.npz", &archive[..end], ImportSettings::default()).unwrap_err();
        assert!(
            matches!(error.kind(), Kind::Data | Kind::Config),
            "{end}: {error}"
        );
    }
}
