//! Generated sounds laid out like a corpus from elsewhere: words of another language, other rates,
//! one and two channels.

use std::fs;
use std::path::Path;

use super::generated::{SyntheticSettings, recording_samples};
use super::official;
use super::wave::wave;
use crate::cancel::Cancel;
use crate::corpus::GENERATED_MARK;
use crate::corpus::known::Description;
use crate::error::Result;
use crate::files::{create_folder, write_atomically};

/// What the folders and names say, in the order of the generator's moods.
const WORDS: [&str; 5] = ["neutral", "freude", "trauer", "wut", "angst"];
const NAMES: [&str; 8] = [
    "anna", "bernd", "clara", "dieter", "eva", "frank", "greta", "hans",
];
/// Sample rate and channels, speaker by speaker.
const FORMS: [(u32, u16); 4] = [(16_000, 1), (8_000, 1), (44_100, 2), (22_050, 2)];

/// Writes `<speaker>/<emotion>_<number>.wav` below `folder` and returns how many there are: at most
/// eight speakers, each with a sample rate and a number of channels of their own. The same settings
/// give the same bytes.
///
/// # Errors
/// As [`super::generate`]. Where it ends early, what was written is removed.
pub fn foreign(settings: &SyntheticSettings, folder: &Path, cancel: &Cancel) -> Result<usize> {
    let written = write(settings, folder, cancel);
    if written.is_err() {
        let _ = fs::remove_dir_all(folder);
    }
    written
}

/// A path, and the numbers of its speaker, sentence and class.
pub(super) type Recording = (String, [usize; 3]);

/// A path, and what stands in the file.
pub(super) type Text = (String, String);

/// Whether [`in_layout`] knows the layout: names tell the emotions, or it is written out here.
pub fn has_layout(corpus: &Description) -> bool {
    official::files(corpus.kind).is_some() || corpus.layout().is_some()
}

/// Writes generated recordings in the layout of a known corpus below `folder`, and returns how many
/// there are; nothing where the layout is not known.
///
/// # Errors
/// As [`foreign`].
pub fn in_layout(corpus: &Description, folder: &Path, cancel: &Cancel) -> Result<usize> {
    const RATE: u32 = 16_000;
    let (names, texts) = official::files(corpus.kind)
        .unwrap_or_else(|| (corpus.layout().unwrap_or_default(), vec![]));
    let settings = SyntheticSettings {
        speakers: 99,
        sentences: 9,
        takes: 9,
        sample_rate: RATE,
        seed: 7,
    };
    let write = |(name, [speaker, sentence, class]): &Recording| {
        cancel.check()?;
        // More classes than moods: those of one mood are takes of it, and no copies.
        let (mood, take) = (class % WORDS.len(), class / WORDS.len());
        let samples = recording_samples(&settings, [*speaker, *sentence, mood, take]);
        let path = folder.join(name);
        path.parent().map_or(Ok(()), create_folder)?;
        write_atomically(&path, &wave(&samples, RATE, 1)?)
    };
    let write_text = |(name, text): &Text| {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), create_folder)?;
        write_atomically(&path, text.as_bytes())
    };
    let written = names.iter().try_for_each(write);
    let written = written.and_then(|()| texts.iter().try_for_each(write_text));
    let written = written.and_then(|()| mark(folder));
    if written.is_err() {
        let _ = fs::remove_dir_all(folder);
    }
    written.map(|()| names.len())
}

fn write(settings: &SyntheticSettings, folder: &Path, cancel: &Cancel) -> Result<usize> {
    let mut n = 0;
    for (speaker, name) in NAMES.iter().enumerate().take(settings.speakers) {
        let (rate, channels) = FORMS[speaker % FORMS.len()];
        let own = SyntheticSettings {
            sample_rate: rate,
            ..settings.clone()
        };
        let place = folder.join(name);
        create_folder(&place)?;
        for (emotion, word) in WORDS.iter().enumerate() {
            for take in 0..settings.sentences * settings.takes {
                cancel.check()?;
                let samples = recording_samples(
                    &own,
                    [
                        speaker,
                        take / settings.takes,
                        emotion,
                        take % settings.takes,
                    ],
                );
                let path = place.join(format!("{word}_{:02}.wav", take + 1));
                write_atomically(&path, &wave(&samples, rate, channels)?)?;
                n += 1;
            }
        }
    }
    mark(folder)?;
    Ok(n)
}

fn mark(folder: &Path) -> Result<()> {
    let text = "Generated, not recorded: a program made these sounds. Nobody spoke, and a result on them says nothing about people.\n";
    write_atomically(&folder.join(GENERATED_MARK), text.as_bytes())
}
