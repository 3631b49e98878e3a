//! Several feature sets in one pipeline, and models of each.

use super::project::Project;

const EXPERIMENTS: [(&str, &str); 4] = [
    ("means", "set = \"issa193\", scaler = \"standard\""),
    ("statistics", "scaler = \"standard\""),
    (
        "speakers",
        "set = \"functionals\", scaler = \"per-speaker\"",
    ),
    (
        "sequences",
        "set = \"frames\", frames = 10, scaler = \"standard\"",
    ),
];

fn pipeline(project: &Project, sets: &str, experiments: &[(&str, &str)]) {
    let mut text = Project::small()
        .split("[[experiment]]")
        .next()
        .unwrap()
        .to_owned()
        + &format!("[features]\n{sets}\n");
    for (name, inputs) in experiments {
        text += &format!(
            "\n[[experiment]]\nname = \"{name}\"\nprotocol = {{ kind = \"group-kfold\", folds = 2 }}\ninputs = {{ {inputs} }}\n\
             model = {{ kind = \"logistic\", c = 1.0 }}\n"
        );
    }
    project.pipeline("small", &text);
}

#[test]
fn every_set_has_its_table_and_every_model_its_set() {
    let project = Project::with_tones(3);
    pipeline(
        &project,
        "sets = [\"functionals\", \"issa193\", \"frames\"]",
        &EXPERIMENTS,
    );
    project.ser(&["run", "small"]).ok();
    let tables = project.path("data/tables/small");
    for name in [
        "features.parquet",
        "features-functionals.parquet",
        "features-frames.parquet",
    ] {
        assert!(tables.join(name).is_file(), "{name}");
    }
    let (table, meta) =
        ser::table::features::read(&tables.join("features-functionals.parquet")).unwrap();
    assert_eq!(
        (
            table.ids.len(),
            table.columns.len(),
            meta["ser.feature_set"].as_str()
        ),
        (18, 2487, "functionals")
    );
    // The means are what they are in a pipeline that has no other set.
    let alone = Project::copy_of(&project);
    pipeline(&alone, "set = \"issa193\"", &EXPERIMENTS[..1]);
    std::fs::remove_dir_all(alone.path("data/cache")).unwrap();
    alone.ser(&["run", "small"]).ok();
    assert!(
        alone.read("data/tables/small/features.parquet")
            == project.read("data/tables/small/features.parquet")
    );
    let gone = ["features-functionals.parquet", "features-frames.parquet"]
        .map(|name| alone.path("data/tables/small").join(name));
    assert!(gone.iter().all(|path| !path.exists()));

    let page = project.pages("small");
    assert!(
        page.contains("logistic C=1 on functionals, transductive")
            && page.contains("transductive: every speaker")
    );
    assert!(page.contains("logistic C=1 on frames"));
    let card = |name: &str| {
        String::from_utf8(project.read(&format!(
            "data/models/small/{name}/fold-00-seed-0/README.md"
        )))
        .unwrap()
    };
    assert!(
        card("speakers").contains("transductive") && !card("statistics").contains("transductive")
    );

    for name in ["means", "statistics", "sequences"] {
        let model = format!("data/models/small/{name}/fold-00-seed-0");
        let said = project
            .ser(&[
                "predict",
                &model,
                "corpus/s0_calm_0.wav",
                "corpus/s0_angry_0.wav",
            ])
            .ok()
            .stdout;
        assert_eq!(said.lines().count(), 2, "{name}: {said}");
    }
    let model = "data/models/small/speakers/fold-00-seed-0";
    project
        .ser(&["predict", model, "corpus/s0_calm_0.wav"])
        .fails(2, &["transductive", "--one-speaker"]);
    let files: Vec<String> = ["calm", "happy", "angry"]
        .iter()
        .flat_map(|e| (0..2).map(move |t| format!("corpus/s0_{e}_{t}.wav")))
        .collect();
    let mut args = vec!["predict", model, "--one-speaker", "--format", "csv"];
    args.extend(files.iter().map(String::as_str));
    let said = project.ser(&args).ok().stdout;
    // The model says of a test speaker's clips what its evaluation said, where it is given all of
    // them.
    let table = ser::table::predictions::read(&tables.join("predictions.parquet")).unwrap();
    let tested: Vec<_> = table
        .1
        .iter()
        .filter(|row| row.experiment == "speakers" && row.utterance_id.contains("s0_"))
        .collect();
    assert_eq!((tested.len(), said.lines().count()), (6, 7));
    let folder = format!(
        "data/models/small/speakers/fold-{:02}-seed-0",
        tested[0].fold
    );
    args[1] = &folder;
    let said = project.ser(&args).ok().stdout;
    for row in tested {
        let name = row.utterance_id.rsplit('/').next().unwrap();
        let line = said
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{name} is not in\n{said}"));
        assert!(line.contains(&row.predicted), "{line}: {}", row.predicted);
    }
}

#[test]
fn another_number_of_threads_gives_the_same_tables() {
    let tables = |jobs: &str| {
        let project = Project::with_tones(2);
        pipeline(
            &project,
            "sets = [\"functionals\", \"frames\"]",
            &EXPERIMENTS[1..2],
        );
        project.ser(&["features", "small", "--jobs", jobs]).ok();
        project.tree("data/tables")
    };
    let one = tables("1");
    assert!(one.len() == 3 && one == tables("2"));
}
