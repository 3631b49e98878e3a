//! `ser export`: features and predictions with all that is known of the utterances.

use std::collections::BTreeMap;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::project::Project;

type Rows = Vec<BTreeMap<String, String>>;

fn rows(csv: &str) -> Rows {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// The cells of a Parquet file as CSV has them.
fn cells(path: &Path) -> Rows {
    use parquet::record::Field;
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let text = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Float(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        other => other.to_string(),
    };
    let of = |row: parquet::record::Row| {
        let cells = row.get_column_iter();
        cells
            .map(|(name, field)| (name.clone(), text(field)))
            .collect()
    };
    reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| of(row.unwrap()))
        .collect()
}

#[test]
fn features_and_predictions_become_tables() {
    let project = Project::with_tones(2);
    let before = project.ser(&["export", "features", "small"]);
    before.fails(
        5,
        &["features.parquet does not exist", "ser features small"],
    );
    project.ser(&["run", "small", "-q"]).ok();

    let printed = project
        .ser(&["export", "features", "small", "-e", "base"])
        .ok()
        .stdout;
    assert!(
        printed.starts_with("utterance_id,corpus,path,speaker,sex,emotion,"),
        "{printed}"
    );
    let table = rows(&printed);
    assert_eq!(table.len(), 12);
    let (features, _) =
        ser::table::features::read_parts(&project.path("data/tables/small")).unwrap();
    let mut tested: BTreeMap<String, u32> = BTreeMap::new();
    let splits = project.path("data/tables/small/splits.parquet");
    for row in ser::table::splits::read(&splits).unwrap() {
        if row.role == "test" {
            tested.insert(row.utterance_id.into_owned(), row.fold);
        }
    }
    for (i, row) in table.iter().enumerate() {
        // s0_angry_1.wav: the name says speaker and emotion.
        let mut words = row["path"].split('_');
        assert_eq!(Some(row["speaker"].as_str()), words.next());
        assert_eq!(Some(row["emotion"].as_str()), words.next());
        assert_eq!(row["fold"], tested[&row["utterance_id"]].to_string());
        assert_eq!(row["utterance_id"], features.ids[i]);
        for (name, value) in features.columns.iter().zip(features.row(i)) {
            assert_eq!(
                row[name].parse::<f32>().unwrap().to_bits(),
                value.to_bits(),
                "{name}"
            );
        }
    }
    let output = project.path("out/features.parquet");
    let written = [
        "export",
        "features",
        "small",
        "-e",
        "base",
        "-o",
        "out/features.parquet",
    ];
    project.ser(&written).ok();
    // Once more: what this command wrote may be replaced.
    project.ser(&written).ok();
    assert_eq!(cells(&output), table);

    project
        .ser(&["export", "predictions", "small", "-o", "p.csv"])
        .ok();
    let predictions = rows(&String::from_utf8(project.read("p.csv")).unwrap());
    let report = rows(&String::from_utf8(project.read("reports/small/predictions.csv")).unwrap());
    assert_eq!((predictions.len(), report.len()), (12, 12));
    for (ours, theirs) in predictions.iter().zip(&report) {
        for (name, value) in theirs {
            assert_eq!(&ours[name], value, "{name}");
        }
        assert!(ours["path"].starts_with(&format!("{}_{}_", ours["speaker"], ours["emotion"])));
    }
}

#[test]
fn a_wrong_name_is_refused_with_those_that_there_are() {
    let project = Project::with_tones(2);
    project.ser(&["features", "small", "-q"]).ok();
    let export = |more: &[&str]| project.ser(&[&["export"], more].concat());
    export(&["features", "small", "-e", "bse"]).fails(2, &["no experiment `bse`", "base"]);
    export(&["features", "small", "-e", "base"])
        .fails(5, &["splits.parquet does not exist", "ser run small"]);
    export(&["features", "small", "--feature-set", "functionals"])
        .fails(2, &["feature set `functionals`", "issa193"]);
    export(&["predictions", "small"])
        .fails(5, &["predictions.parquet does not exist", "ser run small"]);
    export(&["features", "small", "-o", "x.txt"]).fails(2, &["*.csv or *.parquet"]);
    project.write("mine.csv", "a,b\n1,2\n");
    export(&["features", "small", "-o", "mine.csv"])
        .fails(2, &["nothing that this command has written"]);
    assert_eq!(project.read("mine.csv"), b"a,b\n1,2\n");
    export(&["features", "small@other"]).fails(5, &["there is no variant `other`"]);
}
