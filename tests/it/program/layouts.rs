//! Corpora and tables as people have them: what `corpus init` makes of each, and the message about
//! each wrong one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use ser::corpus::Source;
use ser::corpus::manifest::{ManifestSettings, read};

use super::project::{Project, tone, wav};

const EMOTIONS: [&str; 4] = ["anger", "happiness", "neutral", "sadness"];
const SPEAKERS: [&str; 3] = ["anna", "bert", "cleo"];
/// The part of each speaker.
const PARTS: [&str; 3] = ["train", "validation", "test"];

/// A recording whose name tells nothing.
struct Recording {
    name: String,
    emotion: usize,
    speaker: usize,
}

impl Recording {
    fn emotion(&self) -> &'static str {
        EMOTIONS[self.emotion]
    }

    fn speaker(&self) -> &'static str {
        SPEAKERS[self.speaker]
    }

    fn part(&self) -> &'static str {
        PARTS[self.speaker]
    }
}

fn recordings() -> Vec<Recording> {
    let numbers = 0..SPEAKERS.len() * EMOTIONS.len() * 2;
    let one = |n: usize| Recording {
        name: format!("u{n:02}"),
        // Neither changes with the number in a way that a field of the name could tell.
        emotion: (n + n / 8) % EMOTIONS.len(),
        speaker: n / 8,
    };
    numbers.map(one).collect()
}

type Files = Vec<(String, Vec<u8>)>;

/// A corpus: where its recordings lie, and its tables.
struct Layout {
    name: &'static str,
    path: fn(&Recording) -> String,
    tables: fn(&[Recording]) -> Files,
    /// Whether it says who speaks, and which part a recording is of.
    speakers: bool,
    parts: bool,
    /// Start and end of the segments, where there are some.
    segment: Option<(f64, f64)>,
}

/// Recordings in `rec/`, one table beside the folder, with emotions and speakers.
const PLAIN: Layout = Layout {
    name: "",
    path: |one| format!("rec/{}.wav", one.name),
    tables: |_| vec![],
    speakers: true,
    parts: false,
    segment: None,
};

/// A header and a line for each recording.
fn table(all: &[Recording], header: &str, line: impl Fn(&Recording) -> String) -> String {
    let lines: Vec<String> = all.iter().map(line).collect();
    format!("{header}\n{}\n", lines.join("\n"))
}

fn only(name: &str, content: impl Into<Vec<u8>>) -> Files {
    vec![(name.to_owned(), content.into())]
}

fn plain(all: &[Recording]) -> String {
    table(all, "path,emotion,speaker", |one| {
        format!("rec/{}.wav,{},{}", one.name, one.emotion(), one.speaker())
    })
}

/// A table for each part, made of the recordings of that part.
fn by_part(all: &[Recording], name: &str, of: fn(&[&Recording]) -> Vec<u8>) -> Files {
    PARTS
        .iter()
        .map(|part| {
            let own: Vec<&Recording> = all.iter().filter(|one| one.part() == *part).collect();
            (format!("{part}/{name}"), of(&own))
        })
        .collect()
}

fn parquet(columns: &[(&str, Vec<String>)]) -> Vec<u8> {
    let columns = columns.iter().map(|(name, cells)| {
        (
            *name,
            Arc::new(StringArray::from(cells.clone())) as ArrayRef,
        )
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn in_parts(one: &Recording) -> String {
    format!("{}/{}.wav", one.part(), one.name)
}

/// The files of a data directory of Kaldi; utterances begin with their speaker, as Kaldi has it.
fn kaldi(all: &[&Recording], folder: &str, to: impl Fn(&Recording) -> String) -> Files {
    let id = |one: &Recording| format!("{}-{}", one.speaker(), one.name);
    let file = |name: &str, line: &dyn Fn(&Recording) -> String| {
        let lines: Vec<String> = all.iter().map(|one| line(one)).collect();
        (
            format!("{folder}{name}"),
            format!("{}\n", lines.join("\n")).into_bytes(),
        )
    };
    vec![
        file("wav.scp", &|one| format!("{} {}", id(one), to(one))),
        file("utt2emo", &|one| format!("{}\t{}", id(one), one.emotion())),
        file("utt2spk", &|one| format!("{} {}", id(one), one.speaker())),
    ]
}

fn every(all: &[Recording]) -> Vec<&Recording> {
    all.iter().collect()
}

fn layouts() -> Vec<Layout> {
    vec![
        Layout {
            name: "audiofolder with metadata.csv in parts",
            path: in_parts,
            tables: |all| {
                by_part(all, "metadata.csv", |own| {
                    let line = |one: &&Recording| {
                        format!("{}.wav,{},{}", one.name, one.emotion(), one.speaker())
                    };
                    let lines: Vec<String> = own.iter().map(line).collect();
                    format!("file_name,emotion,speaker_id\n{}\n", lines.join("\n")).into_bytes()
                })
            },
            parts: true,
            ..PLAIN
        },
        Layout {
            name: "audiofolder with metadata.jsonl in parts",
            path: in_parts,
            tables: |all| {
                by_part(all, "metadata.jsonl", |own| {
                    let line = |one: &&Recording| {
                        serde_json::json!({ "file_name": format!("{}.wav", one.name), "label": one.emotion(), "speaker": one.speaker() }).to_string()
                    };
                    let lines: Vec<String> = own.iter().map(line).collect();
                    lines.join("\n").into_bytes()
                })
            },
            parts: true,
            ..PLAIN
        },
        Layout {
            name: "audiofolder with metadata.parquet in parts",
            path: in_parts,
            tables: |all| {
                by_part(all, "metadata.parquet", |own| {
                    let column =
                        |of: fn(&Recording) -> String| own.iter().map(|one| of(one)).collect();
                    parquet(&[
                        ("file_name", column(|one| format!("{}.wav", one.name))),
                        ("emotion", column(|one| one.emotion().to_owned())),
                        ("speaker_id", column(|one| one.speaker().to_owned())),
                    ])
                })
            },
            parts: true,
            ..PLAIN
        },
        Layout {
            name: "audiofolder with one table above its parts",
            path: in_parts,
            tables: |all| {
                let text = table(all, "file_name,emotion,speaker,split", |one| {
                    format!(
                        "{}/{}.wav,{},{},{}",
                        one.part(),
                        one.name,
                        one.emotion(),
                        one.speaker(),
                        one.part()
                    )
                });
                only("metadata.csv", text)
            },
            parts: true,
            ..PLAIN
        },
        Layout {
            name: "Kaldi",
            tables: |all| kaldi(&every(all), "data/", |one| format!("rec/{}.wav", one.name)),
            ..PLAIN
        },
        Layout {
            name: "Kaldi with absolute paths of another machine, in parts",
            tables: |all| {
                let of = |part: &str| {
                    let own: Vec<&Recording> =
                        all.iter().filter(|one| one.part() == part).collect();
                    kaldi(&own, &format!("data/{part}/"), |one| {
                        format!("/home/k/corpus/rec/{}.wav", one.name)
                    })
                };
                PARTS.into_iter().flat_map(of).collect()
            },
            parts: true,
            ..PLAIN
        },
        Layout {
            name: "Kaldi with segments",
            tables: |all| {
                let id = |one: &Recording| format!("{}-{}", one.speaker(), one.name);
                let segments = table(all, "", |one| format!("{} {} 0.05 0.25", id(one), one.name));
                let scp = table(all, "", |one| format!("{} rec/{}.wav", one.name, one.name));
                let mut files = kaldi(&every(all), "", |_| String::from("-"));
                files.retain(|(name, _)| name != "wav.scp");
                files.push(("wav.scp".into(), scp.into()));
                files.push(("segments".into(), segments.into()));
                files
            },
            segment: Some((0.05, 0.25)),
            ..PLAIN
        },
        Layout {
            name: "filename,label",
            tables: |all| {
                only(
                    "labels.csv",
                    table(all, "filename,label", |one| {
                        format!("{}.wav,{}", one.name, one.emotion())
                    }),
                )
            },
            speakers: false,
            ..PLAIN
        },
        Layout {
            name: "absolute paths of another machine",
            tables: |all| {
                only(
                    "labels.csv",
                    plain(all).replace("rec/", "/mnt/speech/corpus/rec/"),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "paths of Windows",
            tables: |all| {
                only(
                    "labels.csv",
                    plain(all).replace("rec/", "C:\\speech\\rec\\"),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "semicolons, a mark of UTF-8, CR LF",
            tables: |all| {
                let text = plain(all).replace(',', ";").replace('\n', "\r\n");
                only("labels.csv", format!("\u{feff}{text}"))
            },
            ..PLAIN
        },
        Layout {
            name: "decimal commas",
            tables: |all| {
                let line = |one: &Recording| {
                    format!(
                        "rec/{}.wav;{};{};0,05;0,25",
                        one.name,
                        one.emotion(),
                        one.speaker()
                    )
                };
                only(
                    "labels.csv",
                    table(all, "path;emotion;speaker;start;end", line),
                )
            },
            segment: Some((0.05, 0.25)),
            ..PLAIN
        },
        Layout {
            name: "UTF-16 and tabs",
            tables: |all| {
                let text = format!("\u{feff}{}", plain(all).replace(',', "\t"));
                only(
                    "labels.txt",
                    text.encode_utf16()
                        .flat_map(u16::to_le_bytes)
                        .collect::<Vec<u8>>(),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "UTF-16 of the other byte order",
            tables: |all| {
                let text = format!("\u{feff}{}", plain(all));
                only(
                    "labels.csv",
                    text.encode_utf16()
                        .flat_map(u16::to_be_bytes)
                        .collect::<Vec<u8>>(),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "newlines within quotes",
            tables: |all| {
                let line = |one: &Recording| {
                    format!(
                        "rec/{}.wav,\"well,\nyou \"\"know\"\"\",{},{}",
                        one.name,
                        one.emotion(),
                        one.speaker()
                    )
                };
                only(
                    "labels.csv",
                    table(all, "path,comment,emotion,speaker", line),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "one-hot columns",
            tables: |all| {
                let line = |one: &Recording| {
                    let hot =
                        EMOTIONS.map(|emotion| u8::from(emotion == one.emotion()).to_string());
                    format!("rec/{}.wav,{},{}", one.name, hot.join(","), one.speaker())
                };
                only(
                    "labels.csv",
                    table(all, "path,Anger,Happy,Neutral,Sad,speaker", line),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "columns of votes",
            tables: |all| {
                let line = |one: &Recording| {
                    let votes =
                        EMOTIONS.map(|emotion| if emotion == one.emotion() { "3" } else { "1.0" });
                    format!("rec/{}.wav,{},{}", one.name, votes.join(","), one.speaker())
                };
                only(
                    "labels.csv",
                    table(all, "path,anger,happiness,neutral,sadness,speaker", line),
                )
            },
            ..PLAIN
        },
        Layout {
            name: "a cell of votes",
            tables: |all| {
                let line = |one: &Recording| {
                    let (most, other) = (one.emotion(), EMOTIONS[(one.emotion + 1) % 4]);
                    format!(
                        "rec/{}.wav,{most};{other};{most},{}",
                        one.name,
                        one.speaker()
                    )
                };
                only("labels.csv", table(all, "path,emotion,speaker", line))
            },
            ..PLAIN
        },
    ]
}

/// A project with the recordings of a layout and its tables in the folder `corpus`.
fn laid_out(layout: &Layout) -> (Project, Vec<Recording>) {
    let (project, all) = (Project::new(), recordings());
    for (n, one) in all.iter().enumerate() {
        let sound = wav(&tone(150.0 + 9.0 * n as f32, 0.3));
        project.write(&format!("corpus/{}", (layout.path)(one)), sound);
    }
    for (name, content) in (layout.tables)(&all) {
        project.write(&format!("corpus/{name}"), content);
    }
    (project, all)
}

fn listed(project: &Project) -> Vec<Source> {
    let settings = ManifestSettings {
        path: project.path("data/manifests/own.csv"),
        root: project.path("corpus"),
        ..ManifestSettings::default()
    };
    let mut sources = read(&settings).unwrap().sources;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// The classes of the corpus's own words, by the pipeline file.
fn classes(project: &Project) -> BTreeMap<String, String> {
    let text = String::from_utf8(project.read("pipelines/own.toml")).unwrap();
    let file: toml::Table = toml::from_str(&text).unwrap();
    let map = file["corpus"].get("label_map").cloned();
    map.map_or_else(BTreeMap::new, |map| map.try_into().unwrap())
}

#[test]
fn every_layout_is_understood() {
    for layout in layouts() {
        let name = layout.name;
        let (project, mut all) = laid_out(&layout);
        let ran = project.ser(&["corpus", "init", "corpus", "--name", "own"]);
        assert_eq!(ran.code, 0, "{name}:\n{}{}", ran.stdout, ran.stderr);
        let (sources, classes) = (listed(&project), classes(&project));
        assert_eq!(sources.len(), all.len(), "{name}:\n{}", ran.stdout);
        all.sort_by_key(|one| (layout.path)(one));
        for (source, one) in sources.iter().zip(&all) {
            let class = classes.get(&source.emotion).unwrap_or(&source.emotion);
            let found = (source.path.as_str(), class.as_str());
            assert_eq!(found, (&*(layout.path)(one), one.emotion()), "{name}");
            let speaker = if layout.speakers {
                one.speaker()
            } else {
                "unknown"
            };
            assert_eq!(source.speaker, speaker, "{name}: {}", one.name);
            let part = layout.parts.then_some(one.part());
            assert_eq!(source.split.as_deref(), part, "{name}: {}", one.name);
            let segment = source.start_s.zip(source.end_s);
            assert_eq!(segment, layout.segment, "{name}: {}", one.name);
        }
    }
}

#[test]
fn every_wrong_table_is_named_with_its_row_and_the_cure() {
    let all = recordings();
    let labels = |text: String| only("labels.csv", text);
    let scp = |line: fn(&Recording) -> String| kaldi(&every(&all), "data/", line);
    let mut bad_segments = scp(|one| format!("rec/{}.wav", one.name));
    bad_segments.push(("data/segments".into(), "anna-u00 anna-u00 0.3 0.1\n".into()));
    let mut twice = scp(|one| format!("rec/{}.wav", one.name));
    twice[1].1.extend(b"anna-u00 anger\n");
    let mut nowhere = scp(|one| format!("rec/{}.wav", one.name));
    nowhere[1].1.extend(b"anna-u99 anger\n");
    let cases: [(&str, Files, &[&str]); 9] = [
        (
            "pipes in wav.scp",
            scp(|one| format!("sox rec/{}.wav -t wav - |", one.name)),
            &[
                "line 1 of data/wav.scp is a command",
                "sox rec/u00.wav",
                "ser runs no commands",
            ],
        ),
        (
            "archives in wav.scp",
            scp(|_| "data/raw.ark:17".to_owned()),
            &["line 1 of data/wav.scp is a place in an archive"],
        ),
        (
            "recordings that are elsewhere",
            scp(|one| format!("/data/other/{}-x.wav", one.name)),
            &["data/wav.scp", "line 1", "name a folder that holds both"],
        ),
        (
            "a segment that ends before it begins",
            bad_segments,
            &[
                "line 1 of segments beside data/wav.scp",
                "0.3 0.1",
                "in seconds",
            ],
        ),
        (
            "an utterance twice",
            twice,
            &["line 25 of corpus/data/utt2emo", "again, after line 1"],
        ),
        (
            "an utterance without a recording",
            nowhere,
            &["line 25 of corpus/data/utt2emo", "anna-u99"],
        ),
        (
            "ratings in place of classes",
            labels(table(&all, "path,label,speaker", |one| {
                format!(
                    "rec/{}.wav,{}.5,{}",
                    one.name,
                    one.name.len() * one.emotion,
                    one.speaker()
                )
            })),
            &[],
        ),
        (
            "a row for each of two raters' columns",
            labels(table(&all, "path,rater1,rater2", |one| {
                format!(
                    "rec/{}.wav,{},{}",
                    one.name,
                    one.emotion(),
                    EMOTIONS[(one.emotion + 1) % 4]
                )
            })),
            &[
                "labels.csv",
                "rater1 and rater2 both hold emotions",
                "--emotion \"column:rater1\"",
            ],
        ),
        (
            "damaged UTF-16",
            only("labels.csv", b"\xff\xfep\0a\0t\0h\0\n\0\x3d\xd8".to_vec()),
            &[
                "labels.csv",
                "UTF-16 is damaged",
                "save the table as CSV in UTF-8",
            ],
        ),
    ];
    for (name, files, words) in cases {
        let (project, _) = laid_out(&PLAIN);
        for (file, content) in files {
            project.write(&format!("corpus/{file}"), content);
        }
        let ran = project.ser(&["corpus", "init", "corpus", "--name", "own"]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        if words.is_empty() {
            assert_eq!(ran.code, 0, "{name}: {said}");
            for word in ["looks like a regression target", "label_map"] {
                assert!(said.contains(word), "{name}: `{word}` is not in {said}");
            }
            continue;
        }
        assert_eq!(ran.code, 4, "{name}: {said}");
        for word in words {
            assert!(said.contains(word), "{name}: `{word}` is not in {said}");
        }
    }
}
