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
        .fails(2, &["exists and was not written by this command"]);
    assert_eq!(project.read("mine.csv"), b"a,b\n1,2\n");
    // A table of somebody else that begins as ours do.
    let other = "utterance_id,corpus,path,mine\n1,2,3,4\n";
    project.write("other.csv", other);
    export(&["features", "small", "-o", "other.csv"])
        .fails(2, &["exists and was not written by this command"]);
    assert_eq!(project.read("other.csv"), other.as_bytes());
    export(&["features", "small@other"]).fails(5, &["there is no variant `other`"]);
}

#[test]
fn tables_of_different_runs_are_not_joined() {
    let project = Project::with_tones(2);
    let second = "\n[[experiment]]\nname = \"second\"\nprotocol = { kind = \"leave-one-speaker-out\" }\n\
                  model = { kind = \"majority\" }\nshuffle_labels = true\n";
    project.pipeline("small", &(Project::small() + second));
    project.ser(&["run", "small", "-e", "base", "-q"]).ok();
    project
        .ser(&["export", "features", "small", "-e", "second"])
        .fails(5, &["no folds of second", "ser run small -e second"]);
    project.ser(&["run", "small", "-q"]).ok();
    // Labels of a control are not those of the recordings.
    for table in ["features", "predictions"] {
        let written = format!("{table}.csv");
        let export = ["export", table, "small", "-o", &written];
        project.ser(&export).ok();
        project.ser(&export).ok();
    }
    // The utterances of another run.
    let folder = project.path("data/tables/small");
    let mut utterances = ser::table::utterances::read_parts(&folder).unwrap();
    let swap = |class: &str| if class == "angry" { "sad" } else { "angry" }.to_owned();
    let first = &mut utterances[0];
    first.source.emotion = swap(&first.source.emotion);
    let write = |rows: &[ser::corpus::Utterance]| {
        let path = folder.join("utterances.parquet");
        ser::table::utterances::write(&path, "small", rows, &Default::default()).unwrap();
    };
    write(&utterances);
    project
        .ser(&["export", "predictions", "small", "-e", "base"])
        .fails(4, &["in the table of utterances", "run the pipeline again"]);
    project.ser(&["export", "features", "small"]).ok();
    utterances[0].content_hash = utterances[1].content_hash.clone();
    write(&utterances);
    project
        .ser(&["export", "features", "small"])
        .fails(4, &["another sound", "run the pipeline again"]);
}

#[test]
fn figures_of_a_report_become_pdf_and_png() {
    let project = Project::with_tones(2);
    project.ser(&["run", "small", "-q"]).ok();
    let figures = ser::files::files_below(&project.path("reports/small/figures"));
    assert!(figures.len() > 5, "{figures:?}");
    // What the next report lacks is removed; what somebody put there stays.
    project.write("reports/small/figures/mine.svg", "<svg/>");
    let small = Project::small().replace("name = \"base\"", "name = \"other\"");
    project.pipeline("small", &small);
    project.ser(&["run", "small", "-q"]).ok();
    let now = ser::files::files_below(&project.path("reports/small/figures"));
    let has = |word: &str| now.iter().any(|path| path.to_string_lossy().contains(word));
    assert!(
        has("mine.svg") && has("experiment-other/confusion.svg") && !has("experiment-base"),
        "{now:?}"
    );

    let text = project.read("reports/small/ro-crate-metadata.json");
    let graph: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let graph = graph["@graph"].as_array().unwrap();
    let of = |id: &str| graph.iter().find(|one| one["@id"] == id).unwrap();
    let manifest = of("#input-1")["contentSize"].as_str().unwrap();
    assert_eq!(
        manifest,
        project.read("corpus/manifest.csv").len().to_string()
    );
    assert_eq!(of("#run-2")["description"], "ser run small -q");
    assert_eq!(
        project.read("reports/small/pipeline.toml"),
        small.as_bytes()
    );

    let convert = |arguments: &[&str], path: &std::path::Path| {
        let mut command = std::process::Command::new("rsvg-convert");
        command.args(arguments).arg(path).output()
    };
    if convert(&["--version"], std::path::Path::new("")).is_err() {
        crate::skipped::skipped(
            "rsvg",
            "rsvg-convert is not there (Debian's package librsvg2-bin)",
        );
        return;
    }
    for path in now.iter().filter(|path| !path.ends_with("mine.svg")) {
        for (format, begins) in [("pdf", b"%PDF".as_slice()), ("png", b"\x89PNG")] {
            let made = convert(&["-f", format], path).unwrap();
            let said = String::from_utf8_lossy(&made.stderr);
            assert!(
                made.status.success() && made.stdout.starts_with(begins),
                "{}: {said}",
                path.display()
            );
        }
    }
}
