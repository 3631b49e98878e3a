//! Tests of tables that are written row by row, in one file or in several.

use std::path::Path;

use super::features::{self, FeatureTable};
use super::file::Shape;
use super::tests::{feature_table, some_meta, told, utterance};
use super::{Meta, utterances};
use crate::error::{Kind, Result};

const SMALL: Shape = Shape { group: 4, part: 8 };

fn write(folder: &Path, table: &FeatureTable, shape: Shape) -> Result<()> {
    let mut writer = features::Writer::shaped(folder, table.columns.clone(), &some_meta(), shape);
    for i in 0..table.ids.len() {
        writer.push(&table.ids[i], &table.content_hashes[i], table.row(i))?;
    }
    writer.finish()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_table_lies_in_one_file_or_in_parts_and_comes_back() {
    for (rows, files) in [
        (0, vec!["features.parquet"]),
        (3, vec!["features.parquet"]),
        (8, vec!["features.parquet"]),
        (9, vec!["features-00000.parquet", "features-00001.parquet"]),
        (16, vec!["features-00000.parquet", "features-00001.parquet"]),
        (
            21,
            vec![
                "features-00000.parquet",
                "features-00001.parquet",
                "features-00002.parquet",
            ],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let table = feature_table(rows, 3);
        write(dir.path(), &table, SMALL).unwrap();
        assert_eq!(names(dir.path()), files, "{rows} rows");
        let (back, meta) = features::read_parts(dir.path()).unwrap();
        assert_eq!(back, table, "{rows} rows");
        assert_eq!(meta["profile"], "librosa-0.8");
    }
}

#[test]
fn utterances_stream_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..21)
        .map(|i| utterance(&format!("u{i:02}"), i % 2 == 0))
        .collect();
    let mut writer = utterances::Writer::shaped(dir.path(), "ravdess", &Meta::new(), SMALL);
    rows.iter()
        .for_each(|row| writer.push(row.clone()).unwrap());
    writer.finish().unwrap();
    assert_eq!(
        names(dir.path()),
        [
            "utterances-00000.parquet",
            "utterances-00001.parquet",
            "utterances-00002.parquet"
        ]
    );
    assert_eq!(utterances::read_parts(dir.path()).unwrap(), rows);
    assert!(
        utterances::stream(dir.path())
            .map(|batch| batch.unwrap().len())
            .sum::<usize>()
            == 21
    );
}

#[test]
fn written_row_by_row_a_small_table_is_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, rows) = (
        dir.path().join("whole.parquet"),
        dir.path().join("features.parquet"),
    );
    let table = feature_table(3_000, 20);
    features::write(&whole, &table, &some_meta()).unwrap();
    write(dir.path(), &table, Shape::STANDARD).unwrap();
    assert!(std::fs::read(&whole).unwrap() == std::fs::read(&rows).unwrap());
    let (whole, rows) = (
        dir.path().join("whole.parquet"),
        dir.path().join("utterances.parquet"),
    );
    let all: Vec<_> = (0..3_000)
        .map(|i| utterance(&format!("u{i:04}"), i % 2 == 0))
        .collect();
    utterances::write(&whole, "x", &all, &Meta::new()).unwrap();
    let mut writer = utterances::Writer::new(dir.path(), "x", &Meta::new());
    all.into_iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap();
    assert!(std::fs::read(&whole).unwrap() == std::fs::read(&rows).unwrap());
}

#[test]
fn ids_come_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = feature_table(3, 2);
    table.ids[2] = table.ids[1].clone();
    assert!(
        told(write(dir.path(), &table, SMALL), Kind::Data)
            .contains("utterance `u0001` is twice in the features table")
    );
    table.ids[2] = "a".into();
    told(write(dir.path(), &table, SMALL), Kind::Internal);
    table.ids[2] = "z".into();
    table.columns[1] = table.columns[0].clone();
    assert!(told(write(dir.path(), &table, SMALL), Kind::Data).contains("two columns `mfcc_00`"));
    let mut writer = features::Writer::new(dir.path(), vec!["a".into()], &Meta::new());
    told(writer.push("a", "h", &[1.0, 2.0]), Kind::Internal);
}

#[test]
fn a_missing_or_damaged_part_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        told(features::read_parts(dir.path()), Kind::Missing)
            .contains("features.parquet does not exist")
    );
    let table = feature_table(20, 2);
    write(dir.path(), &table, SMALL).unwrap();
    let second = dir.path().join("features-00001.parquet");
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&second, bytes).unwrap();
    assert!(
        told(features::read_parts(dir.path()), Kind::Data)
            .contains("features-00001.parquet is damaged")
    );
    // What an earlier table left: neither is believed.
    features::write(&dir.path().join("features.parquet"), &table, &Meta::new()).unwrap();
    assert!(
        told(features::read_parts(dir.path()), Kind::Data)
            .contains("lies beside the parts of another features table")
    );
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_an_io_error() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("features-00000.parquet")).unwrap();
    assert!(
        told(write(dir.path(), &feature_table(3, 2), SMALL), Kind::Io).contains("failed to write")
    );
}
