//! Tests of the five tables together: what one of them promises, all do.

use std::path::Path;

use super::features::FeatureTable;
use super::metrics::MetricRow;
use super::predictions::PredictionRow;
use super::splits::SplitRow;
use super::{Meta, dictionary, features, meta, metrics, predictions, splits, utterances};
use crate::corpus::{Sex, Source, Utterance};
use crate::error::{Error, Kind};

pub(super) fn some_meta() -> Meta {
    [("extractor", "issa193"), ("profile", "librosa-0.8")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

pub(super) fn utterance(id: &str, full: bool) -> Utterance {
    let some = |text: &str| full.then(|| text.to_owned());
    Utterance {
        source: Source {
            id: id.into(),
            path: format!("Actor_01/{id}.wav"),
            emotion: "ärgerlich".into(),
            speaker: "01".into(),
            sex: full.then_some(Sex::Female),
            text_id: some("kids"),
            session: some("Ses01"),
            intensity: some("strong"),
            repetition: some("2"),
            language: some("de"),
            split: some("test"),
            start_s: full.then_some(0.25),
            end_s: full.then_some(1.5),
        },
        sample_rate: 48_000,
        channels: 2,
        n_samples: u64::from(u32::MAX) + 7,
        duration_s: 0.1 + 0.2,
        content_hash: "ab".repeat(32),
    }
}

/// An utterance by what summaries look at.
pub(super) fn speech(
    id: &str,
    emotion: &str,
    speaker: &str,
    session: Option<&str>,
    duration_s: f64,
    hash: &str,
) -> Utterance {
    let mut it = utterance(id, false);
    (it.source.emotion, it.source.speaker) = (emotion.into(), speaker.into());
    it.source.session = session.map(str::to_owned);
    (it.duration_s, it.content_hash) = (duration_s, hash.into());
    it
}

pub(super) fn feature_table(rows: usize, width: usize) -> FeatureTable {
    // Every f32 must survive, the odd ones too.
    let odd = [0.0, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, -1.5e-30, 0.1];
    FeatureTable {
        ids: (0..rows).map(|i| format!("u{i:04}")).collect(),
        content_hashes: (0..rows).map(|i| format!("{i:064x}")).collect(),
        columns: (0..width).map(|c| format!("mfcc_{c:02}")).collect(),
        values: (0..rows * width)
            .map(|i| odd.get(i).copied().unwrap_or((i as f32).sin()))
            .collect(),
    }
}

fn prediction(seed: u64, id: &str) -> PredictionRow {
    PredictionRow {
        experiment: "paper".into(),
        protocol: "stratified-5-fold".into(),
        fold: 4,
        seed,
        utterance_id: id.into(),
        truth: "calm".into(),
        predicted: "sad".into(),
        probabilities: vec![0.1, 0.9],
    }
}

fn metric(fold: Option<u32>, seed: Option<u64>) -> MetricRow {
    MetricRow {
        experiment: "paper".into(),
        protocol: "p".into(),
        fold,
        seed,
        metric: "uar".into(),
        value: 2.0 / 3.0,
        scope: "fold".into(),
    }
}

fn split(fold: u32, id: &str) -> SplitRow<'_> {
    SplitRow {
        experiment: "quick".into(),
        protocol: "group-2-fold".into(),
        fold,
        fold_name: format!("fold {}", fold + 1).into(),
        utterance_id: id.into(),
        role: "train".into(),
    }
}

#[test]
fn every_table_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(format!("{name}.parquet"));

    let rows = vec![utterance("a", true), utterance("b", false)];
    utterances::write(&path("utterances"), "ravdess", &rows, &some_meta()).unwrap();
    assert_eq!(utterances::read(&path("utterances")).unwrap(), rows);

    let table = feature_table(31, 193);
    features::write(&path("features"), &table, &some_meta()).unwrap();
    let (back, its_meta) = features::read(&path("features")).unwrap();
    assert_eq!(
        (&back.ids, &back.content_hashes, &back.columns),
        (&table.ids, &table.content_hashes, &table.columns)
    );
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back.values), bits(&table.values));
    assert_eq!(back.row(3), &table.values[3 * 193..4 * 193]);
    assert_eq!(its_meta["profile"], "librosa-0.8");
    assert_eq!(its_meta, meta(&path("features")).unwrap());
    assert_eq!(
        its_meta.keys().collect::<Vec<_>>(),
        [
            "extractor",
            "profile",
            "ser.schema_version",
            "ser.table",
            "ser.version"
        ]
    );

    let rows = vec![split(0, "a"), split(1, "a")];
    splits::write(&path("splits"), &rows, &Meta::new()).unwrap();
    assert_eq!(splits::read(&path("splits")).unwrap(), rows);

    let labels = vec!["sad".to_owned(), "calm".to_owned()];
    let rows = vec![prediction(u64::MAX, "a"), prediction(0, "b")];
    predictions::write(&path("predictions"), &labels, &rows, &some_meta()).unwrap();
    let (its_labels, back, its_meta) = predictions::read(&path("predictions")).unwrap();
    assert_eq!((its_labels, back), (labels, rows));
    assert_eq!(its_meta["ser.table"], "predictions");

    let rows = vec![metric(Some(1), Some(u64::MAX)), metric(None, None)];
    metrics::write(&path("metrics"), &rows, &Meta::new()).unwrap();
    assert_eq!(metrics::read(&path("metrics")).unwrap(), rows);
}

#[test]
fn the_documentation_has_every_column() {
    let page = include_str!("../../docs/tables.md");
    let text = dictionary();
    assert!(
        page.ends_with(&text),
        "docs/tables.md should end with:\n{text}"
    );
}

#[test]
fn empty_tables_are_tables() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    utterances::write(&path, "x", &[], &Meta::new()).unwrap();
    assert!(utterances::read(&path).unwrap().is_empty());
    features::write(
        &path,
        &FeatureTable {
            columns: vec!["a".into()],
            ..FeatureTable::default()
        },
        &Meta::new(),
    )
    .unwrap();
    assert_eq!(features::read(&path).unwrap().0.columns, ["a"]);
    features::write(&path, &FeatureTable::default(), &Meta::new()).unwrap();
    assert_eq!(features::read(&path).unwrap().0, FeatureTable::default());
}

#[test]
fn more_rows_than_a_row_group_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("features.parquet");
    let table = feature_table(70_000, 2);
    features::write(&path, &table, &Meta::new()).unwrap();
    assert_eq!(features::read(&path).unwrap().0, table);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let table = feature_table(100, 193);
    features::write(&one, &table, &some_meta()).unwrap();
    // A meta that was read may be written again: the writer's own keys are the writer's.
    let (_, read_meta) = features::read(&one).unwrap();
    features::write(&two, &table, &read_meta).unwrap();
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
}

#[test]
fn tables_hold_the_documented_plain_types() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let columns = |path: &Path| -> Vec<String> {
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
        assert_eq!(
            reader.metadata().file_metadata().created_by(),
            Some(concat!("ser version ", env!("CARGO_PKG_VERSION")))
        );
        let fields = reader.schema().fields().clone();
        fields
            .iter()
            .map(|f| {
                format!(
                    "{} {}{}",
                    f.name(),
                    f.data_type(),
                    if f.is_nullable() { "?" } else { "" }
                )
            })
            .collect()
    };
    utterances::write(&path, "x", &[utterance("a", true)], &Meta::new()).unwrap();
    assert_eq!(
        columns(&path),
        [
            "utterance_id Utf8",
            "corpus Utf8",
            "path Utf8",
            "speaker Utf8",
            "sex Utf8?",
            "emotion Utf8",
            "text_id Utf8?",
            "session Utf8?",
            "intensity Utf8?",
            "repetition Utf8?",
            "sample_rate UInt32",
            "channels UInt16",
            "n_samples UInt64",
            "duration_s Float64",
            "content_hash Utf8",
            "language Utf8?",
            "split Utf8?",
            "start_s Float64?",
            "end_s Float64?",
        ]
    );
    features::write(&path, &feature_table(3, 2), &Meta::new()).unwrap();
    assert_eq!(
        columns(&path),
        [
            "utterance_id Utf8",
            "content_hash Utf8",
            "mfcc_00 Float32",
            "mfcc_01 Float32"
        ]
    );
    splits::write(&path, &[], &Meta::new()).unwrap();
    assert_eq!(
        columns(&path),
        [
            "experiment Utf8",
            "protocol Utf8",
            "fold UInt32",
            "fold_name Utf8",
            "utterance_id Utf8",
            "role Utf8"
        ]
    );
    predictions::write(&path, &["sad".into()], &[], &Meta::new()).unwrap();
    assert_eq!(
        columns(&path)[4..],
        [
            "utterance_id Utf8",
            "truth Utf8",
            "predicted Utf8",
            "prob_sad Float32"
        ]
    );
    metrics::write(&path, &[], &Meta::new()).unwrap();
    assert_eq!(
        columns(&path)[2..],
        [
            "fold UInt32?",
            "seed UInt64?",
            "metric Utf8",
            "value Float64",
            "scope Utf8"
        ]
    );
}

/// Message and hint of an error of the given kind.
pub(super) fn told<T>(result: Result<T, Error>, kind: Kind) -> String {
    let Err(error) = result else {
        panic!("no error")
    };
    assert_eq!(error.kind(), kind, "{error}");
    format!("{error} | {}", error.hint_text().unwrap_or_default())
}

#[test]
fn what_is_no_table_is_named_for_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    assert!(told(features::read(&path), Kind::Missing).contains("t.parquet does not exist"));
    assert!(told(meta(&path), Kind::Missing).contains("does not exist"));
    told(features::read(dir.path()), Kind::Io);

    for junk in [
        "",
        "PAR",
        "utterance_id,emotion\n",
        "PAR1 and then something else entirely",
    ] {
        std::fs::write(&path, junk).unwrap();
        let said = told(features::read(&path), Kind::Data);
        assert!(
            said.contains("not a Parquet file") || said.contains("cut short"),
            "{junk}: {said}"
        );
    }
    metrics::write(&path, &[], &Meta::new()).unwrap();
    let said = told(features::read(&path), Kind::Data);
    assert!(
        said.contains("is a table of metrics, not of features"),
        "{said}"
    );
}

#[test]
fn another_schema_version_names_both_and_the_remedy() {
    use super::file::{self, Columns, Table};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    for (version, remedy) in [(9, "use ser"), (0, "delete it and run")] {
        let columns = Columns::default().text("utterance_id", ["a"].into_iter());
        file::write(
            &path,
            &Table {
                name: "features",
                version,
            },
            columns,
            &Meta::new(),
        )
        .unwrap();
        let said = told(features::read(&path), Kind::Data);
        assert!(
            said.contains(&format!("schema version {version}"))
                && said.contains("reads version 1")
                && said.contains(remedy),
            "{said}"
        );
    }
}

#[test]
fn missing_mistyped_and_incomplete_columns_are_named() {
    use super::file::{self, Columns, Table};
    use arrow::datatypes::UInt32Type;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let table = Table {
        name: "features",
        version: 1,
    };
    let ids = || Columns::default().text("utterance_id", ["a"].into_iter());

    file::write(&path, &table, ids(), &Meta::new()).unwrap();
    assert!(told(features::read(&path), Kind::Data).contains("has no column `content_hash`"));

    let columns = ids()
        .text("content_hash", ["h"].into_iter())
        .number::<UInt32Type>("mfcc_00", [1].into_iter());
    file::write(&path, &table, columns, &Meta::new()).unwrap();
    let said = told(features::read(&path), Kind::Data);
    assert!(
        said.contains("column `mfcc_00`") && said.contains("holds UInt32, not Float32"),
        "{said}"
    );

    file::write(
        &path,
        &table,
        ids().optional_text("content_hash", [None].into_iter()),
        &Meta::new(),
    )
    .unwrap();
    assert!(
        told(features::read(&path), Kind::Data)
            .contains("column `content_hash` has no value in row 1")
    );
}

#[test]
fn rows_that_make_no_table_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let twice = utterances::write(
        &path,
        "x",
        &[utterance("a", true), utterance("a", false)],
        &Meta::new(),
    );
    assert!(told(twice, Kind::Data).contains("utterance `a` is twice"));
    let mut table = feature_table(2, 2);
    table.columns[1] = "mfcc_00".into();
    assert!(
        told(features::write(&path, &table, &Meta::new()), Kind::Data)
            .contains("two columns `mfcc_00`")
    );
    table.values.pop();
    told(features::write(&path, &table, &Meta::new()), Kind::Internal);
    told(
        predictions::write(&path, &[], &[prediction(0, "a")], &Meta::new()),
        Kind::Internal,
    );
    assert!(!path.exists());
}

/// A small generator, so that a failure can be repeated.
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn no_damage_goes_unnoticed_or_panics() {
    let dir = tempfile::tempdir().unwrap();
    let (sound, hurt) = (dir.path().join("sound"), dir.path().join("hurt"));
    features::write(&sound, &feature_table(6, 2), &some_meta()).unwrap();
    let bytes = std::fs::read(&sound).unwrap();
    let check = |bytes: &[u8], what: &str| {
        std::fs::write(&hurt, bytes).unwrap();
        match features::read(&hurt) {
            Ok(_) => panic!("{what} went unnoticed"),
            Err(e) => assert_eq!(e.kind(), Kind::Data, "{what}: {e}"),
        }
        // The footer alone may still be sound; it must not panic.
        let _ = meta(&hurt);
    };
    for length in (0..bytes.len()).step_by(3) {
        check(&bytes[..length], "a cut");
    }
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        check(&bytes, "a flipped bit");
    }
    let mut state = 7;
    for _ in 0..500 {
        let mut bytes = bytes.clone();
        for _ in 0..1 + next(&mut state) % 6 {
            let at = next(&mut state) % bytes.len();
            bytes[at] = bytes[at].wrapping_add(1 + (next(&mut state) % 255) as u8);
        }
        check(&bytes, "damage");
    }
}
