//! The generated corpus as files: made once, found right again, listed like any other corpus.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::corpus::{Listing, Reason, SetAside, Sex, Source};
use crate::error::{Error, Result};
use crate::files::{files_below, hash_file, is_link, place, remove_file, write_atomically};
use crate::rng;

use super::signal;
use super::voice::{self, Sound};
use super::voice::{EMOTIONS, Speaker, female};
use super::wave::wave;

/// Of the files and of `corpus.json`: raised whenever the same settings give other bytes.
const FORMAT: u32 = 2;
/// Of the sounds: raised whenever the same settings give other samples.
const SOUNDS: u32 = 1;

/// The file that makes a folder a generated corpus.
const DESCRIPTION: &str = "corpus.json";

/// What a generated corpus consists of: `speakers * sentences * takes` recordings in each of five
/// moods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyntheticSettings {
    /// Number of speakers, 1 to 99; every second one is a woman.
    pub speakers: usize,
    /// Number of sentences that each of them says, 1 to 99.
    pub sentences: usize,
    /// How often each sentence is said in each mood, 1 to 99.
    pub takes: usize,
    /// In Hz, 8000 to 48000.
    pub sample_rate: u32,
    /// Another seed gives other speakers and sentences.
    pub seed: u64,
}

impl Default for SyntheticSettings {
    /// 240 recordings of about a second and a half.
    fn default() -> Self {
        SyntheticSettings {
            speakers: 8,
            sentences: 3,
            takes: 2,
            sample_rate: 16_000,
            seed: 1,
        }
    }
}

impl SyntheticSettings {
    fn check(&self) -> Result<()> {
        for (name, value) in [
            ("speakers", self.speakers),
            ("sentences", self.sentences),
            ("takes", self.takes),
        ] {
            if !(1..=99).contains(&value) {
                return Err(Error::config(format!(
                    "{name} = {value} is not possible for a generated corpus"
                ))
                .hint("choose 1 to 99"));
            }
        }
        if !(8_000..=48_000).contains(&self.sample_rate) {
            return Err(Error::config(format!(
                "sample_rate = {} is not possible for a generated corpus",
                self.sample_rate
            ))
            .hint("choose 8000 to 48000 (Hz)"));
        }
        Ok(())
    }

    /// All recordings, in the order of their paths' parts.
    fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        for speaker in 0..self.speakers {
            for sentence in 0..self.sentences {
                for emotion in 0..EMOTIONS.len() {
                    items.extend((0..self.takes).map(|take| Item {
                        speaker,
                        sentence,
                        emotion,
                        take,
                    }));
                }
            }
        }
        items
    }

    /// A generator of its own for each purpose, so that no recording depends on which others are
    /// made.
    fn rng(&self, purpose: &str) -> ChaCha8Rng {
        let text = format!("ser synthetic corpus {SOUNDS}/{}/{purpose}", self.seed);
        rng::named(&text)
    }
}

/// One recording.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Item {
    speaker: usize,
    sentence: usize,
    emotion: usize,
    take: usize,
}

impl Item {
    fn speaker_name(&self) -> String {
        format!("spk{:02}", self.speaker + 1)
    }

    fn text_id(&self) -> String {
        format!("s{:02}", self.sentence + 1)
    }

    fn id(&self) -> String {
        format!(
            "{}_{}_{}_{}",
            self.speaker_name(),
            self.text_id(),
            EMOTIONS[self.emotion],
            self.take + 1
        )
    }

    fn path(&self) -> String {
        format!("{}/{}.wav", self.speaker_name(), self.id())
    }
}

/// `corpus.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Description {
    format: u32,
    generator: String,
    settings: SyntheticSettings,
    /// Hex BLAKE3 of each file by its path; empty while it is being made.
    files: BTreeMap<String, String>,
}

impl Description {
    /// `None` where there is none that this version understands.
    fn read(root: &Path) -> Option<Description> {
        let text = fs::read(root.join(DESCRIPTION)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn new(settings: &SyntheticSettings, files: BTreeMap<String, String>) -> Description {
        let generator = format!(
            "ser {}, not a recording of anybody",
            env!("CARGO_PKG_VERSION")
        );
        Description {
            format: FORMAT,
            generator,
            settings: settings.clone(),
            files,
        }
    }

    /// The hashes to hold files against, where they were made by this version with these settings.
    fn files_for(&self, settings: &SyntheticSettings) -> BTreeMap<String, String> {
        if self.format == FORMAT && self.settings == *settings {
            self.files.clone()
        } else {
            BTreeMap::new()
        }
    }

    fn write(&self, root: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::internal("the corpus description cannot be written").because(e))?;
        text.push('\n');
        put(&root.join(DESCRIPTION), text.as_bytes())
    }
}

/// Makes the corpus under `root`, in parallel, the same bytes for any number of threads; `tick` is
/// told files done and files in all.
///
/// Files that are right already are left alone: a second run with the same settings changes
/// nothing, and one with other settings replaces the corpus. Samples are 16 bits, computed in
/// `f64`; another platform's `sin` and `exp` may round a sample differently.
///
/// # Errors
/// [`crate::error::Kind::Config`] for settings out of range, [`crate::error::Kind::Data`] where
/// `root` holds something else, [`crate::error::Kind::Io`], [`crate::error::Kind::Interrupted`];
/// the next run goes on from there.
pub fn generate(
    settings: &SyntheticSettings,
    root: &Path,
    cancel: &Cancel,
    tick: &(dyn Fn(usize, usize) + Sync),
) -> Result<()> {
    settings.check()?;
    let old = Description::read(root);
    let foreign = !root.join(DESCRIPTION).exists()
        && fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
    if foreign {
        return Err(Error::data(format!(
            "{} holds files that were not generated",
            root.display()
        ))
        .hint("choose an empty or new folder as the root of the generated corpus"));
    }
    let known = old
        .as_ref()
        .map(|old| old.files_for(settings))
        .unwrap_or_default();
    let items = settings.items();

    // While files change, the description names all that may be there and vouches for none.
    let names: BTreeMap<String, String> = items
        .iter()
        .map(|item| (item.path(), String::new()))
        .collect();
    let stale: Vec<String> = old
        .iter()
        .flat_map(|old| old.files.keys())
        .filter(|path| !names.contains_key(*path))
        .cloned()
        .collect();
    if known.is_empty() || known.values().any(String::is_empty) {
        // What is to go is known by its hash until it has gone.
        let old_hash = |path: &String| {
            old.as_ref()
                .and_then(|old| old.files.get(path))
                .cloned()
                .unwrap_or_default()
        };
        let stale = stale.iter().map(|path| (path.clone(), old_hash(path)));
        let unsure = names
            .keys()
            .map(|path| (path.clone(), String::new()))
            .chain(stale)
            .collect();
        Description::new(settings, unsure).write(root)?;
    }

    let speakers: Vec<Speaker> = (0..settings.speakers)
        .map(|i| Speaker::draw(i, &mut settings.rng(&format!("speaker {i}"))))
        .collect();
    let sentences: Vec<Vec<Sound>> = (0..settings.sentences)
        .map(|i| voice::sentence(&mut settings.rng(&format!("sentence {i}"))))
        .collect();
    let done = AtomicUsize::new(0);
    let make = |item: &Item| -> Result<(String, String)> {
        cancel.check()?;
        let name = item.path();
        let path = root.join(&name);
        let present = fs::read(&path).ok().map(|bytes| hash(&bytes));
        let hash = match (known.get(&name), present) {
            (Some(right), Some(present)) if *right == present => present,
            (_, present) => {
                let bytes = recording(
                    settings,
                    item,
                    &speakers[item.speaker],
                    &sentences[item.sentence],
                )?;
                let right = hash(&bytes);
                if present.as_ref() != Some(&right) {
                    place(&path, |out| {
                        out.write_all(&bytes)
                            .map_err(|e| Error::io("write", &path, e))
                    })?;
                }
                right
            }
        };
        tick(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
        Ok((name, hash))
    };
    let files = items
        .par_iter()
        .map(make)
        .collect::<Result<BTreeMap<String, String>>>()?;
    for name in &stale {
        remove_recording(root, name, old.as_ref().and_then(|old| old.files.get(name)))?;
    }
    put(&root.join("README.md"), readme(settings).as_bytes())?;
    Description::new(settings, files).write(root)
}

/// Whether `root` holds the whole corpus of these settings: every recording is read.
pub fn is_complete(settings: &SyntheticSettings, root: &Path) -> bool {
    let Some(description) = Description::read(root) else {
        return false;
    };
    let known = description.files_for(settings);
    let is_right = |(path, right): (&String, &String)| {
        hash_file(&root.join(path)).is_ok_and(|(_, found)| found == *right)
    };
    !known.is_empty() && known.par_iter().all(is_right)
}

/// Removes a generated corpus: what its description lists and holds, and no other file. Returns
/// what is left.
///
/// # Errors
/// `Io` where something cannot be removed.
pub fn remove(root: &Path) -> Result<Vec<PathBuf>> {
    if is_link(root) {
        return Ok(vec![root.to_owned()]);
    }
    if let Some(description) = Description::read(root) {
        for (name, right) in &description.files {
            remove_recording(root, name, Some(right))?;
        }
        let page = root.join("README.md");
        if fs::read(&page).is_ok_and(|there| there == readme(&description.settings).as_bytes()) {
            remove_file(&page)?;
        }
        if files_below(root) == [root.join(DESCRIPTION)] {
            remove_file(&root.join(DESCRIPTION))?;
        }
    }
    // Only an empty folder can be removed like this.
    drop(fs::remove_dir(root));
    Ok(files_below(root))
}

fn recording(
    settings: &SyntheticSettings,
    item: &Item,
    speaker: &Speaker,
    sentence: &[Sound],
) -> Result<Vec<u8>> {
    let mut rng = settings.rng(&format!("recording {}", item.id()));
    let prosody = speaker.prosody(item.emotion, &mut rng);
    let samples = signal::speak(sentence, speaker, &prosody, settings.sample_rate, &mut rng);
    wave(&samples, settings.sample_rate, 1)
}

/// Samples of a recording by the places of its speaker, sentence, emotion and take.
pub(super) fn recording_samples(
    settings: &SyntheticSettings,
    [speaker, sentence, emotion, take]: [usize; 4],
) -> Vec<i16> {
    let item = Item {
        speaker,
        sentence,
        emotion,
        take,
    };
    let drawn = Speaker::draw(speaker, &mut settings.rng(&format!("speaker {speaker}")));
    let sounds = voice::sentence(&mut settings.rng(&format!("sentence {sentence}")));
    let mut rng = settings.rng(&format!("recording {}", item.id()));
    let prosody = drawn.prosody(emotion, &mut rng);
    signal::speak(&sounds, &drawn, &prosody, settings.sample_rate, &mut rng)
}

/// Writes a small file, unless it says just that already.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)
}

/// Removes a file of an earlier corpus, unless it is not what was generated. A name that this
/// program would not give is left alone, whoever wrote it into the description; a hash is lacking
/// where an earlier version was stopped halfway.
fn remove_recording(root: &Path, name: &str, right: Option<&String>) -> Result<()> {
    let plain = |part: &str| {
        part.starts_with("spk")
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    };
    let Some((folder, file)) = name.split_once('/') else {
        return Ok(());
    };
    if !(plain(folder) && plain(file) && file.ends_with(".wav")) {
        return Ok(());
    }
    let path = root.join(name);
    let differs = |right: &&String| {
        !right.is_empty() && hash_file(&path).is_ok_and(|(_, found)| found != **right)
    };
    if is_link(&root.join(folder)) || is_link(&path) || right.as_ref().is_some_and(differs) {
        return Ok(());
    }
    remove_file(&path)?;
    // Only an empty folder can be removed like this, and one that is not empty stays.
    drop(fs::remove_dir(root.join(folder)));
    Ok(())
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn readme(settings: &SyntheticSettings) -> String {
    let SyntheticSettings {
        speakers,
        sentences,
        takes,
        sample_rate,
        seed,
    } = settings;
    let mut text = format!(
        "# Generated, not recorded\n\n\
         These are speech-like sounds that `ser` computed (a source-filter synthesiser, format {FORMAT}). Nobody spoke, the words mean nothing,\n\
         and a result on them says that a pipeline works, not how well it recognises emotions.\n\n\
         {speakers} speakers, {sentences} sentences, {takes} takes in each of the moods {}; {sample_rate} Hz, seed {seed}.\n\
         The same settings give the same bytes. `{DESCRIPTION}` holds the settings and a hash of every file.\n\n\
         `spkNN/spkNN_sMM_MOOD_TAKE.wav`; every second speaker, from the second, is a woman:\n\n",
        EMOTIONS.join(", ")
    );
    for speaker in 0..*speakers {
        let sex = if female(speaker) { "female" } else { "male" };
        text.push_str(&format!("- spk{:02}: {sex}\n", speaker + 1));
    }
    text
}

/// Lists a corpus that [`generate`] made.
///
/// # Errors
/// [`crate::error::Kind::Missing`] where there is none, or where it was not finished.
pub fn read(root: &Path) -> Result<Listing> {
    let absent = |what: &str| {
        Error::missing(format!("{} {what}", root.display()))
            .hint("generate it: run the demo pipeline from its beginning")
    };
    let Some(description) = Description::read(root) else {
        return Err(absent("holds no generated corpus"));
    };
    if description.format != FORMAT || description.settings.check().is_err() {
        return Err(absent("holds a generated corpus of another version"));
    }
    if description.files.values().any(String::is_empty) {
        return Err(absent("holds a generated corpus that was not finished"));
    }
    let settings = &description.settings;
    let mut sources = Vec::new();
    let mut set_aside = Vec::new();
    for item in settings.items() {
        let path = item.path();
        if !root.join(&path).is_file() {
            set_aside.push(SetAside {
                path,
                reason: Reason::MissingAudio,
                detail: "the generated file was removed: generate the corpus again".to_owned(),
            });
            continue;
        }
        sources.push(Source {
            id: item.id(),
            path,
            emotion: EMOTIONS[item.emotion].to_owned(),
            speaker: item.speaker_name(),
            sex: Some(if female(item.speaker) {
                Sex::Female
            } else {
                Sex::Male
            }),
            text_id: Some(item.text_id()),
            session: None,
            intensity: None,
            repetition: Some((item.take + 1).to_string()),
            language: None,
            split: None,
            start_s: None,
            end_s: None,
        });
    }
    for path in foreign_recordings(root, &description.files) {
        set_aside.push(SetAside {
            path,
            reason: Reason::UnknownCode,
            detail: "not one of the generated files".to_owned(),
        });
    }
    sources.sort_by(|a, b| a.id.cmp(&b.id));
    set_aside.sort_by(|a, b| a.path.cmp(&b.path));
    let notes = vec![format!(
        "generated speech-like sounds (seed {}), not recordings: results say that the pipeline works, and compare with nothing",
        settings.seed
    )];
    Ok(Listing {
        corpus: "synthetic".to_owned(),
        sources,
        set_aside,
        expected: None,
        warnings: vec![],
        notes,
        generated: true,
    })
}

/// WAVE files in the speakers' folders that the description does not name.
fn foreign_recordings(root: &Path, files: &BTreeMap<String, String>) -> Vec<String> {
    let folders: Vec<PathBuf> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    let entries = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| {
        let path = entry.path();
        let name = path
            .strip_prefix(root)
            .ok()?
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/");
        (path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("wav"))
            && !files.contains_key(&name))
        .then_some(name)
    });
    names.collect()
}

#[cfg(test)]
#[path = "generated_tests.rs"]
mod tests;
