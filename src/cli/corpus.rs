//! `corpus`: a folder of recordings becomes a corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::args::{Args, Init};
use super::{print as print_raw, schema};
use crate::audio::{self, Remark};
use crate::cancel::Cancel;
use crate::config::{SCHEMA_LINE, suggestion};
use crate::corpus::known::{all, known};
use crate::corpus::propose::{self, Choices, Place, Proposal};
use crate::corpus::synthetic::{SyntheticSettings, foreign, has_layout, in_layout};
use crate::corpus::{self, Condition, Reason, Recorded, SetAside};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::files::{create_folder, write_atomically};
use crate::orchestrator::{Event, Observer};
use crate::text::plural;
use crate::ui;

/// Files named on the screen of each kind; the rest are counted.
const SHOWN: usize = 5;

/// What opening every recording showed.
#[derive(Default)]
struct Heard {
    seconds: f64,
    /// Sample rate in Hz and number of channels, by path.
    recorded: BTreeMap<String, (u32, u16)>,
    sounds: BTreeMap<String, propose::Sound>,
    bad: Vec<(String, String)>,
    /// What decoding remarked, with the path.
    remarked: Vec<(&'static str, String)>,
    /// How many files say that they were generated.
    generated: usize,
}

impl Heard {
    fn rates(&self) -> BTreeMap<u32, usize> {
        counted(self.recorded.values().map(|(rate, _)| *rate))
    }

    fn channels(&self) -> BTreeMap<u16, usize> {
        counted(self.recorded.values().map(|(_, channels)| *channels))
    }

    /// Why recordings cannot be read, the commonest reason first: how many there are, and the first
    /// of them.
    fn reasons(&self) -> Vec<(&str, (usize, &str))> {
        let mut reasons: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for (path, why) in &self.bad {
            reasons.entry(why).or_insert((0, path)).0 += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        reasons
    }

    fn conditions(&self, proposal: &Proposal) -> Vec<Condition> {
        corpus::conditions(proposal.rows.iter().filter_map(|row| {
            let &(sample_rate, channels) = self.recorded.get(&row.path)?;
            Some(Recorded {
                path: &row.path,
                class: proposal.class(row),
                sample_rate,
                channels,
                speaker: row.speaker.as_deref(),
            })
        }))
    }
}

/// Why a recording cannot be read, without its name: so that it is told once of many.
fn reason(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    let name = shown(&path.to_string_lossy());
    text.split_once(&format!("{name}: "))
        .map_or_else(|| text.replace(&name, "it"), |(_, why)| why.to_owned())
}

/// The error of a folder in which nothing can be read.
fn unreadable(folder: &Path, heard: &Heard) -> Error {
    let reasons = heard.reasons();
    let all = heard.bad.len();
    let Some((why, (count, first))) = reasons.first() else {
        return Error::data(format!(
            "no recording below {} can be read",
            folder.display()
        ))
        .hint("look whether the folder holds audio");
    };
    let share = if *count == all {
        format!("all {all}")
    } else {
        format!("{count} of {all}")
    };
    let error = Error::data(format!(
        "no recording below {} can be read: {share} for one reason, such as {first}: {why}",
        folder.display()
    ));
    if why.contains("Git LFS") {
        error.hint("the folder was cloned without Git LFS: install it, then in the folder: git lfs install; git lfs pull")
    } else {
        error.hint("fetch or convert the recordings, then run the same command again")
    }
}

fn counted<K: Ord>(values: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}

/// Looks at a folder and writes a manifest and a pipeline file for it.
pub fn init(init: &Init, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    if init.emotion == Some(Place::Nowhere) {
        return Err(Error::usage("--emotion none leaves nothing to learn")
            .hint("name a field, or leave --emotion out"));
    }
    let choices = Choices {
        emotion: init.emotion.clone(),
        speaker: init.speaker.clone(),
    };
    let proposal = propose::propose(&init.folder, init.name.as_deref(), &choices, cancel)?;
    let manifest = init
        .data_dir
        .join("manifests")
        .join(format!("{}.csv", proposal.name));
    let pipeline = init.pipelines_dir.join(format!("{}.toml", proposal.name));
    let has_manifest = proposal.kind.is_none();
    let manifest = has_manifest.then_some(manifest);
    for path in manifest.iter().chain([&pipeline]) {
        if path.exists() && !init.force {
            return Err(
                Error::usage(format!("{} is there already", path.display())).hint(
                    "give the corpus another name with --name, or write over the file with --force",
                ),
            );
        }
    }
    let heard = listen(&init.folder, &proposal, cancel, observer)?;
    if heard.recorded.is_empty() {
        return Err(unreadable(&init.folder, &heard));
    }
    let without_speakers = || {
        let choices = Choices {
            speaker: Some(Place::Nowhere),
            ..choices
        };
        propose::propose(&init.folder, init.name.as_deref(), &choices, cancel)
    };
    let mut proposal = if has_manifest {
        propose::check_against_sounds(proposal, &heard.sounds, without_speakers)?
    } else {
        proposal
    };
    let leaks: Vec<String> = heard
        .conditions(&proposal)
        .iter()
        .filter(|one| one.leaks())
        .map(Condition::warning)
        .collect();
    proposal.warnings.extend(leaks);
    for (remark, count) in counted(heard.remarked.iter().map(|(remark, _)| *remark)) {
        let first = heard
            .remarked
            .iter()
            .find(|(said, _)| *said == remark)
            .map_or("", |(_, path)| path);
        let recordings = if count == 1 {
            "1 recording".to_owned()
        } else {
            format!("{count} recordings")
        };
        proposal
            .warnings
            .push(format!("{recordings}: {remark} (the first: {first})"));
    }
    if heard.generated > 0 {
        proposal.generated = true;
        proposal.warnings.push(format!(
            "{} generated by a program, as is noted in the files: no recorded speech",
            plural(heard.generated, "recording")
        ));
    }
    let root = plain(&init.folder);
    let written = manifest.iter().chain([&pipeline]);
    for folder in written.filter_map(|path| path.parent()) {
        create_folder(folder)?;
    }
    if let Some(manifest) = &manifest {
        write_atomically(manifest, &propose::manifest(&proposal)?)?;
    }
    let named = manifest.as_deref().map_or(String::new(), plain);
    let text = SCHEMA_LINE.to_owned() + &propose::pipeline(&proposal, &named, &root);
    write_atomically(&pipeline, text.as_bytes())?;
    schema::write_beside(&init.pipelines_dir)?;
    if args.global.json {
        print_raw(&as_json(&proposal, &heard, manifest.as_deref(), &pipeline).to_string())
    } else {
        tell(&proposal, &heard, manifest.as_deref(), &pipeline)
    }
}

/// With `/` between folders, as pipeline files have it on every system.
fn plain(path: &Path) -> String {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
        .replace("//", "/")
}

fn listen(
    root: &Path,
    proposal: &Proposal,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Heard> {
    let mut paths: Vec<&str> = proposal.rows.iter().map(|row| row.path.as_str()).collect();
    paths.dedup();
    let (task, began) = ("look at recordings".to_owned(), std::time::Instant::now());
    let mut heard = Heard::default();
    let mut done = 0;
    for some in paths.chunks(256) {
        cancel.check()?;
        let found: Vec<_> = some
            .par_iter()
            .map(|path| (*path, audio::measure(&root.join(path))))
            .collect();
        for (path, audio) in found {
            match audio {
                Ok((audio, hash)) => {
                    heard.sounds.insert(
                        path.to_owned(),
                        propose::Sound {
                            hash,
                            seconds: audio.duration_s(),
                        },
                    );
                    heard.seconds += audio.duration_s();
                    heard
                        .recorded
                        .insert(path.to_owned(), (audio.sample_rate, audio.channels));
                    heard.generated +=
                        usize::from(audio.remarks.iter().any(|one| one == Remark::Generated));
                    audio
                        .remarks
                        .iter()
                        .filter(|remark| remark.is_warning())
                        .for_each(|remark| heard.remarked.push((remark.text(), path.to_owned())));
                }
                Err(error) => heard
                    .bad
                    .push((path.to_owned(), reason(&error, &root.join(path)))),
            }
        }
        done += some.len() as u64;
        let total = paths.len() as u64;
        observer.observe(Event::TaskProgress {
            task: task.clone(),
            done,
            total,
            unit: "recordings",
            note: String::new(),
        });
    }
    let seconds = began.elapsed().as_secs_f64();
    observer.observe(Event::TaskFinished {
        task,
        stage: "corpus".into(),
        key: String::new(),
        seconds,
    });
    Ok(heard)
}

/// Whatever stands in a name stays on its line.
pub(super) fn print(line: &str) -> Result<()> {
    print_raw(&shown(line))
}

fn list<K: std::fmt::Display>(counts: impl IntoIterator<Item = (K, usize)>) -> String {
    counts
        .into_iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn tell(
    proposal: &Proposal,
    heard: &Heard,
    manifest: Option<&Path>,
    pipeline: &Path,
) -> Result<()> {
    print(&format!(
        "{}: {}, {}",
        proposal.name,
        proposal.size(),
        ui::duration(heard.seconds)
    ))?;
    for line in &proposal.evidence {
        print(&format!("  {line}"))?;
    }
    print(&format!("  emotions: {}", list(proposal.counts())))?;
    let mut speakers: BTreeMap<&str, usize> = BTreeMap::new();
    for speaker in proposal
        .rows
        .iter()
        .filter_map(|row| row.speaker.as_deref())
    {
        *speakers.entry(speaker).or_default() += 1;
    }
    match speakers.len() {
        0 => print("  speakers: not known")?,
        n if n <= 24 => print(&format!("  speakers: {}", list(speakers)))?,
        n => print(&format!("  speakers: {n}"))?,
    }
    let rates = heard
        .rates()
        .into_iter()
        .map(|(rate, n)| (format!("{rate} Hz:"), n));
    let channels = heard.channels().into_iter().map(|(n, files)| {
        (
            if n == 1 {
                "mono:".to_owned()
            } else {
                format!("{n} channels:")
            },
            files,
        )
    });
    print(&format!("  {}; {}", list(rates), list(channels)))?;
    if heard.bad.len() <= SHOWN {
        for (path, why) in &heard.bad {
            print(&format!("  cannot be read: {path}: {why}"))?;
        }
    } else {
        for (why, (count, first)) in heard.reasons().iter().take(SHOWN) {
            print(&format!(
                "  cannot be read: {count} of {}, such as {first}: {why}",
                heard.bad.len()
            ))?;
        }
        print("  a run excludes these recordings and counts them")?;
    }
    for line in excluded(&proposal.set_aside) {
        print(&format!("  excluded: {line}"))?;
    }
    for warning in &proposal.warnings {
        print(&format!("  not sure: {warning}"))?;
    }
    for path in manifest.into_iter().chain([pipeline]) {
        print(&format!("wrote {}", path.display()))?;
    }
    let files = if manifest.is_some() {
        "both files"
    } else {
        "the file"
    };
    print(&format!(
        "next: look at {files}, then: ser run {}",
        proposal.name
    ))
}

/// What is not used, and why: one by one where that is little, or else by reason.
fn excluded(files: &[SetAside]) -> Vec<String> {
    let one = |file: &SetAside| format!("{}: {}", file.path, file.detail);
    if files.len() <= SHOWN {
        return files.iter().map(one).collect();
    }
    let mut groups: BTreeMap<(Reason, &str), Vec<&SetAside>> = BTreeMap::new();
    for file in files {
        // What is said of a copy names its original.
        let what = match file.reason {
            Reason::MissingLabel => file.detail.as_str(),
            _ => "",
        };
        groups.entry((file.reason, what)).or_default().push(file);
    }
    groups
        .into_values()
        .filter_map(|group| match group[..] {
            [] => None,
            [file] => Some(one(file)),
            [first, ..] => Some(format!(
                "{} recordings, such as {}",
                group.len(),
                one(first)
            )),
        })
        .collect()
}

fn as_json(
    proposal: &Proposal,
    heard: &Heard,
    manifest: Option<&Path>,
    pipeline: &Path,
) -> serde_json::Value {
    serde_json::json!({
        "name": proposal.name, "kind": proposal.kind.unwrap_or("manifest"), "recordings": proposal.recordings(), "rows": proposal.rows.len(), "seconds": heard.seconds, "emotions": proposal.counts(),
        "speakers": proposal.speakers(), "sample_rates": heard.rates(), "channels": heard.channels(),
        "evidence": proposal.evidence, "not_sure": proposal.warnings,
        "unreadable": heard.bad.iter().map(|(path, why)| serde_json::json!({ "path": path, "why": why })).collect::<Vec<_>>(),
        "left_aside": proposal.set_aside.len(), "manifest": manifest, "pipeline": pipeline,
    })
}

/// Where a generated corpus goes.
#[derive(Debug, clap::Args)]
pub struct Generate {
    /// In the layout of a corpus that is known by name, as `ser corpus list` has it
    #[arg(long, value_name = "NAME")]
    pub layout: Option<String>,
    /// Folder to write, which must not be there yet
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Writes generated recordings as a plain folder, in the manner of a corpus from elsewhere.
pub fn generate(generate: &Generate, args: &Args, cancel: &Cancel) -> Result<()> {
    let folder: &PathBuf = &generate.folder;
    if folder.exists() {
        return Err(
            Error::usage(format!("{} is there already", folder.display()))
                .hint("name a folder that is not there yet"),
        );
    }
    if let Some(kind) = &generate.layout {
        return in_layout_of(kind, folder, args, cancel);
    }
    let n = foreign(
        &SyntheticSettings {
            speakers: 5,
            sentences: 4,
            takes: 2,
            sample_rate: 16_000,
            seed: 7,
        },
        folder,
        cancel,
    )?;
    if args.global.json {
        return print_raw(&serde_json::json!({ "folder": folder, "recordings": n }).to_string());
    }
    print(&format!(
        "{}: {n} generated recordings of 5 invented speakers; they are no speech of people",
        folder.display()
    ))
}

fn in_layout_of(kind: &str, folder: &Path, args: &Args, cancel: &Cancel) -> Result<()> {
    let kinds: Vec<&str> = all()
        .iter()
        .filter(|corpus| has_layout(corpus))
        .map(|corpus| corpus.kind)
        .collect();
    let corpus = known(kind).filter(|corpus| kinds.contains(&corpus.kind));
    let corpus = corpus.ok_or_else(|| {
        Error::usage(format!("`{kind}` is no corpus whose layout can be written"))
            .hint(suggestion(kind, "layouts", &kinds))
    })?;
    let n = in_layout(corpus, folder, cancel)?;
    if args.global.json {
        return print_raw(&serde_json::json!({ "folder": folder, "recordings": n }).to_string());
    }
    print(&format!(
        "{}: {n} generated recordings in the layout of {}; they are no speech of people",
        folder.display(),
        corpus.name
    ))
}
