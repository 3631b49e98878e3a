//! What must run again after a change: the plan says so, the run does so, and nothing else runs.

mod table;

use std::collections::BTreeSet;
use std::fs;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ser::cancel::Cancel;
use ser::error::Kind;
use ser::orchestrator::{Event, Limits, Observer, Owner};
use ser::pipeline::{self, Options, Stage};

use super::project::{Project, json_lines};
use table::{CHANGES, PIPELINE, edit, manifest, output};

fn expand<'a>(patterns: &str, known: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    let fits = |id: &str, pattern: &str| {
        pattern
            .strip_suffix('*')
            .map_or(id == pattern, |start| id.starts_with(start))
    };
    known
        .filter(|id| patterns.split(' ').any(|pattern| fits(id, pattern)))
        .cloned()
        .collect()
}

/// What a plan says, and what the run after it starts.
struct Compared {
    run: BTreeSet<String>,
    keep: BTreeSet<String>,
    maybe: BTreeSet<String>,
    started: BTreeSet<String>,
    /// The plan in words.
    words: String,
}

/// Plans and runs `p`; the two have to agree, and a second run has nothing to do.
fn plan_and_run(project: &Project, name: &str, extra: &[&str]) -> Compared {
    let args = |command| [&[command, "p", "--json"], extra].concat();
    let before = project.tree("data");
    let plan = project.ser(&args("plan")).ok();
    assert!(
        before == project.tree("data"),
        "{name}: a plan changes nothing"
    );
    let lines = json_lines(&plan.stdout);
    let decided = |word: &str| -> BTreeSet<String> {
        let tasks = lines
            .iter()
            .map(|l| &l["plan"])
            .filter(|l| l["decision"] == word);
        tasks
            .map(|l| l["task"].as_str().unwrap().to_owned())
            .collect()
    };
    let (run, keep, maybe) = (decided("run"), decided("keep"), decided("maybe"));
    let words = project.ser(&[&["plan", "p"], extra].concat()).ok().stdout;
    let started = || -> BTreeSet<String> {
        let ran = project.ser(&args("run")).ok();
        json_lines(&ran.stderr)
            .iter()
            .filter(|event| event["event"] == "task-started")
            .map(|event| event["task"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = started();
    assert!(
        run.is_subset(&first),
        "{name}: planned but not run: {:?}",
        run.difference(&first)
    );
    assert!(
        keep.is_disjoint(&first),
        "{name}: run although kept: {:?}",
        keep.intersection(&first)
    );
    let named: BTreeSet<String> = run.union(&maybe).cloned().collect();
    assert!(
        first.is_subset(&named),
        "{name}: run but not named: {:?}",
        first.difference(&named)
    );
    assert_eq!(started(), BTreeSet::new(), "{name}: runs again");
    Compared {
        run,
        keep,
        maybe,
        started: first,
        words,
    }
}

#[test]
fn what_runs_is_what_was_planned_and_what_had_to() {
    let base = Project::with_tones(3);
    base.pipeline("p", PIPELINE);
    base.ser(&["run", "p"]).ok();
    assert!(CHANGES.len() >= 20);
    for change in CHANGES {
        let mut project = Project::copy_of(&base);
        // The copies are other files than those that were looked at.
        project.ser(&["run", "p"]).ok();
        let extra = (change.make)(&mut project);
        let found = plan_and_run(&project, change.name, &extra);
        let words = &found.words;
        assert!(
            words.contains(change.why),
            "{}: `{}` is not in\n{words}",
            change.name,
            change.why
        );
        let known = found.run.iter().chain(&found.keep).chain(&found.maybe);
        assert_eq!(
            found.started,
            expand(change.runs, known),
            "{}: what ran, what had to; the plan:\n{words}",
            change.name
        );
        // Only what depends on the bytes that a training gives can be left open.
        let late = |id: &String| {
            ["evaluate/", "tables", "report", "publish"]
                .iter()
                .any(|start| id.starts_with(start))
        };
        assert!(
            found.maybe.iter().all(late),
            "{}: left open: {:?}",
            change.name,
            found.maybe
        );
    }
}

#[test]
fn a_run_starts_what_the_plan_names_after_random_changes_in_a_row() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let project = Project::with_tones(3);
    // Two quick experiments, and an ensemble that reads them.
    let text = PIPELINE.replace(
        "{ kind = \"cnn\", architecture = \"emodb-a\" }",
        "{ kind = \"knn\", k = 3 }",
    );
    let (text, rest) = text.split_once("train = ").unwrap();
    let (_, rest) = rest.split_once("seeds = [0]\n").unwrap();
    let both = "\n[[experiment]]\nname = \"both\"\nprotocol = { kind = \"group-kfold\", folds = 2 }\n\
                model = { kind = \"ensemble\", members = [\"net\", \"also\"] }\n\n[[experiment]]\nname = \"also\"\n\
                protocol = { kind = \"group-kfold\", folds = 2 }\nmodel = { kind = \"majority\" }\n";
    project.pipeline("p", &format!("{text}{rest}{both}"));
    project.ser(&["run", "p"]).ok();
    for step in 0..12 {
        let mut names = Vec::new();
        for _ in 0..rng.random_range(1..3) {
            let n = rng.random_range(100..1000);
            let name = match rng.random_range(0..8) {
                0 => {
                    project.tone("s1_happy_1.wav", n as f32, 0.4);
                    "a recording edited"
                }
                1 => {
                    let bytes = project.read("corpus/s2_calm_0.wav");
                    project.write("corpus/s2_calm_0.wav", bytes);
                    "a recording touched"
                }
                2 => {
                    manifest(&project, |mut lines| {
                        let at = n % lines.len();
                        lines.rotate_left(at);
                        let line = lines[0].clone();
                        let emotion = line.split(',').nth(1).unwrap();
                        let other = if emotion == "calm" { "happy" } else { "calm" };
                        lines[0] = line.replacen(&format!(",{emotion},"), &format!(",{other},"), 1);
                        lines
                    });
                    "a label"
                }
                3 => {
                    let text = String::from_utf8(project.read("pipelines/p.toml")).unwrap();
                    let (start, end) = text.split_once("c = ").unwrap();
                    let (_, end) = end.split_once(' ').unwrap();
                    project.pipeline("p", &format!("{start}c = {n} {end}"));
                    "a key"
                }
                4 => {
                    let text = String::from_utf8(project.read("pipelines/p.toml")).unwrap();
                    let (start, end) = text.rsplit_once("name = \"also").unwrap();
                    let (old, end) = end.split_once('"').unwrap();
                    let start = start.replace(&format!("\"also{old}\""), &format!("\"also{n}\""));
                    project.pipeline("p", &format!("{start}name = \"also{n}\"{end}"));
                    "a member of the ensemble renamed"
                }
                5 => {
                    let text = String::from_utf8(project.read("pipelines/p.toml")).unwrap();
                    let (start, end) = text.split_once("\ntitle = ").unwrap();
                    let (_, end) = end.split_once('\n').unwrap();
                    project.pipeline("p", &format!("{start}\ntitle = \"{n}\"\n{end}"));
                    "a title"
                }
                6 => {
                    fs::write(
                        output(&project, "features").join("features.parquet"),
                        b"damaged",
                    )
                    .unwrap();
                    "a damaged table in the cache"
                }
                _ => {
                    fs::remove_dir_all(output(&project, "train/log/fold-01-seed-0"))
                        .unwrap_or_default();
                    "a training lost from the cache"
                }
            };
            names.push(name);
        }
        plan_and_run(&project, &format!("step {step}: {}", names.join(", ")), &[]);
    }
}

#[test]
fn nothing_of_older_settings_stays_under_stable_names() {
    let project = Project::with_tones(3);
    project.pipeline("p", PIPELINE);
    project.ser(&["run", "p"]).ok();
    assert!(
        project.path("data/models/p/floor").exists()
            && project.path("data/tables/p/predictions.parquet").exists()
    );
    edit(&project, "name = \"floor\"", "name = \"ground\"");
    project.ser(&["train", "p"]).ok();
    assert!(
        !project.path("data/models/p/floor").exists()
            && project.path("data/models/p/ground").exists()
    );
    // Predictions of the others are still those of these folds and models; of a new experiment
    // there are none yet.
    let (_, rows, _) =
        ser::table::predictions::read(&project.path("data/tables/p/predictions.parquet")).unwrap();
    let experiments: BTreeSet<&str> = rows.iter().map(|row| row.experiment.as_str()).collect();
    assert_eq!(experiments, BTreeSet::from(["log", "net"]));
    project.ser(&["run", "p"]).ok();
    assert!(project.path("data/tables/p/predictions.parquet").exists());
    assert!(
        !project
            .path("data/cache/p/latest/evaluate/floor.json")
            .exists()
    );
}

#[test]
fn a_failing_experiment_leaves_the_others_their_report() {
    let project = Project::with_tones(3);
    project.pipeline("p", PIPELINE);
    project.ser(&["features", "p"]).ok();
    // A file where the cache of one stage's output belongs.
    project.write("data/cache/p/tasks/evaluate", b"in the way");
    project.ser(&["run", "p"]).fails(6, &["evaluate"]);
    fs::remove_file(project.path("data/cache/p/tasks/evaluate")).unwrap();
    project.ser(&["run", "p"]).ok();
}

#[test]
fn a_single_training_needs_what_comes_before_it_and_publishes_nothing() {
    let project = Project::with_tones(3);
    project.pipeline("p", PIPELINE);
    let file = project.path("pipelines/p.toml");
    let root = format!("corpus.root={:?}", project.path("corpus"));
    let path = format!("corpus.path={:?}", project.path("corpus/manifest.csv"));
    let pipeline = ser::config::load(&file, &[root, path], None).unwrap();
    let options = Options {
        data_dir: project.path("data"),
        reports_dir: project.path("reports"),
        until: Stage::Split,
        experiments: vec![],
        explain: false,
        stress: vec![],
        limits: Limits::default(),
        owner: Owner::this("here", "a test"),
        wait: false,
    };
    let started = Started::default();
    let work = |task: &str| pipeline::work(&pipeline, &options, task, &Cancel::default(), &started);
    let id = "train/log/fold-01-seed-0";
    let error = work(id).unwrap_err();
    assert_eq!(error.kind(), Kind::Missing, "{error}");
    pipeline::run(&pipeline, &options, &Cancel::default(), &Started::default()).unwrap();
    let before = (
        project.tree("data/tables"),
        project.path("data/models").exists(),
    );
    assert!(work(id).unwrap() && !work("train/log/fold-07-seed-0").unwrap());
    assert!(work(id).unwrap(), "it is done already");
    assert_eq!(*started.0.lock().unwrap(), [id]);
    assert!(
        before
            == (
                project.tree("data/tables"),
                project.path("data/models").exists()
            )
    );
    assert!(output(&project, id).join("model").is_dir());
}

/// Ids of the tasks that were started.
#[derive(Default)]
struct Started(std::sync::Mutex<Vec<String>>);

impl Observer for Started {
    fn observe(&self, event: Event) {
        if let Event::TaskStarted { task, .. } = event {
            self.0.lock().unwrap().push(task);
        }
    }
}
