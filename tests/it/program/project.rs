//! A throw-away project folder with a manifest corpus of short tones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub struct Project {
    folder: TempDir,
    rows: Vec<String>,
}

/// What a run of the program came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn from(output: Output) -> Ran {
        Ran {
            // A signal leaves no code: that is never what a test wants.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn ok(self) -> Ran {
        assert_eq!(
            self.code, 0,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails with `code`, says every one of `words`, and never panics.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Ran {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(
                self.stderr.contains(word),
                "`{word}` is not in:\n{}",
                self.stderr
            );
        }
        self
    }
}

pub const EMOTIONS: [&str; 3] = ["calm", "happy", "angry"];

/// Files of a report that have times of day in them.
const OF_ONE_RUN: [&str; 3] = ["run.html", "ro-crate-metadata.json", ".ser-files.json"];

impl Project {
    /// An empty project.
    pub fn new() -> Project {
        Project {
            folder: tempfile::tempdir().unwrap(),
            rows: vec![],
        }
    }

    /// The same files with the same times.
    pub fn copy_of(other: &Project) -> Project {
        let project = Project {
            folder: tempfile::tempdir().unwrap(),
            rows: other.rows.clone(),
        };
        let copied = Command::new("cp")
            .arg("-a")
            .arg(other.path("."))
            .arg(project.path("."))
            .status()
            .unwrap();
        assert!(copied.success());
        project
    }

    /// 2 takes of 3 emotions by each of `speakers` speakers, and a pipeline `small` with a quick
    /// baseline.
    pub fn with_tones(speakers: usize) -> Project {
        let mut project = Project::new();
        for speaker in 0..speakers {
            for (k, emotion) in EMOTIONS.iter().enumerate() {
                for take in 0..2 {
                    let name = format!("s{speaker}_{emotion}_{take}.wav");
                    let pitch =
                        150.0 + 170.0 * k as f32 + 13.0 * speaker as f32 + 3.0 * take as f32;
                    project.tone(&name, pitch, 0.4);
                    project.row(&name, emotion, &format!("s{speaker}"));
                }
            }
        }
        project.write_manifest();
        project.pipeline("small", &Project::small());
        project
    }

    /// The text of a pipeline over the manifest with a logistic baseline in 2 folds.
    pub fn small() -> String {
        "name = \"small\"\n\n[corpus]\nkind = \"manifest\"\nname = \"tones\"\npath = \"corpus/manifest.csv\"\nroot = \"corpus\"\n\n\
         [[experiment]]\nname = \"base\"\nprotocol = { kind = \"stratified-kfold\", folds = 2 }\n\
         inputs = { log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 1.0 }\n"
            .to_owned()
    }

    /// A pipeline over the manifest with a network that trains for `epochs`.
    pub fn network(epochs: usize) -> String {
        Project::small()
            .replace("name = \"small\"", "name = \"net\"")
            .replace(
                "{ kind = \"logistic\", c = 1.0 }",
                "{ kind = \"cnn\", architecture = \"emodb-a\" }",
            )
            + &format!(
                "train = {{ optimizer = \"adam\", learning_rate = 1e-3, batch_size = 8, epochs = {epochs}, checkpoint_every = 1 }}\n"
            )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn pipeline(&self, name: &str, text: &str) {
        self.write(&format!("pipelines/{name}.toml"), text);
    }

    /// Generated voices, two takes of each sentence, in the folder `root`; the pipeline that made
    /// them is called `made`.
    pub fn voices(
        &self,
        root: &str,
        speakers: usize,
        sentences: usize,
    ) -> Vec<ser::corpus::Utterance> {
        let made = format!(
            "name = \"made\"\n[corpus]\nkind = \"synthetic\"\nroot = \"{root}\"\nspeakers = {speakers}\nsentences = {sentences}\ntakes = 2\n\
             [[experiment]]\nname = \"base\"\nprotocol = {{ kind = \"stratified-kfold\", folds = 2 }}\nmodel = {{ kind = \"majority\" }}\n"
        );
        self.pipeline("made", &made);
        self.ser(&["features", "made"]).ok();
        ser::table::utterances::read(&self.path("data/tables/made/utterances.parquet")).unwrap()
    }

    /// A harmonic tone of `seconds` at 16 kHz with a little seeded noise, 16 bit.
    pub fn tone(&self, name: &str, pitch: f32, seconds: f32) {
        self.write(&format!("corpus/{name}"), wav(&tone(pitch, seconds)));
    }

    pub fn row(&mut self, path: &str, emotion: &str, speaker: &str) {
        self.rows.push(format!(
            "\"{}\",{emotion},{speaker}",
            path.replace('"', "\"\"")
        ));
    }

    pub fn write_manifest(&self) {
        self.write(
            "corpus/manifest.csv",
            format!("path,emotion,speaker\n{}\n", self.rows.join("\n")),
        );
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser"));
        command
            .current_dir(self.folder.path())
            .env_remove("RUST_BACKTRACE");
        command
    }

    pub fn ser(&self, args: &[&str]) -> Ran {
        Ran::from(self.command().args(args).output().unwrap())
    }

    /// Runs `script` under bash in the project, with the program as `$SER`.
    pub fn bash(&self, script: &str) -> Ran {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(script)
            .current_dir(self.folder.path())
            .env("SER", env!("CARGO_BIN_EXE_ser"));
        Ran::from(command.output().unwrap())
    }

    /// Contents of a published file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The rows of an experiment in the predictions of a report.
    pub fn predictions(&self, pipeline: &str, experiment: &str) -> Vec<csv::StringRecord> {
        let path = self.path(&format!("reports/{pipeline}/predictions.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        let rows = reader.records().map(Result::unwrap);
        rows.filter(|row| &row[0] == experiment).collect()
    }

    /// The pages of a pipeline's report, one after the other: its own, then those of its
    /// experiments.
    pub fn pages(&self, pipeline: &str) -> String {
        let mut pages =
            String::from_utf8(self.read(&format!("reports/{pipeline}/index.html"))).unwrap();
        for (name, page) in self.tree(&format!("reports/{pipeline}")) {
            if name.starts_with("experiment-") {
                pages.push_str(&String::from_utf8(page).unwrap());
            }
        }
        pages
    }

    /// All files below `folder` with their contents, sorted by name; but for pages of runs, which
    /// have times in them, and for the records of what ser wrote, which tell the way to the
    /// pipeline file.
    pub fn tree(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        fn walk(root: &Path, folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // A lock names the process that took it last.
                if path.file_name().is_some_and(|name| name == ".locks") {
                    continue;
                }
                if path.is_dir() {
                    walk(root, &path, into);
                } else if path
                    .file_name()
                    .is_none_or(|name| !OF_ONE_RUN.iter().any(|other| name == *other))
                {
                    into.push((
                        path.strip_prefix(root).unwrap().display().to_string(),
                        fs::read(&path).unwrap(),
                    ));
                }
            }
        }
        let root = self.path(folder);
        let mut files = Vec::new();
        walk(&root, &root, &mut files);
        files.sort();
        files
    }
}

/// Every line as JSON, or the test fails.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect()
}

/// How many feature vectors a run with `--json` computed, whichever stages did it.
pub fn extractions(ran: &Ran) -> u64 {
    let mut by_task = std::collections::BTreeMap::new();
    for line in ran.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let note = event["note"]
            .as_str()
            .and_then(|note| note.strip_suffix(" analysed"));
        if let (Some(task), Some(n)) = (event["task"].as_str(), note) {
            let most = by_task.entry(task.to_owned()).or_insert(0);
            *most = n.parse::<u64>().unwrap().max(*most);
        }
    }
    by_task.values().sum()
}

pub fn tone(pitch: f32, seconds: f32) -> Vec<i16> {
    let mut state = 0x1234_5678_u32;
    (0..(16_000.0 * seconds) as usize)
        .map(|i| {
            let t = i as f32 / 16_000.0 * std::f32::consts::TAU * pitch;
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 16) as f32 / 65_536.0 - 0.5;
            ((t.sin() + 0.5 * (2.0 * t).sin() + 0.25 * (3.0 * t).sin() + 0.05 * noise) * 8_000.0)
                as i16
        })
        .collect()
}

/// A 16-bit mono WAV file at 16 kHz.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for &sample in samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A 32-bit float mono WAV file at 16 kHz.
pub fn float_wav(samples: &[f32]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for &sample in samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}
