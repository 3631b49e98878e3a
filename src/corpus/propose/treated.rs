//! Words for what recordings share that is no speaker: the form of a file, its treatment, and the
//! conditions of a recording.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::text::plain;
use super::words;

/// How a word marks files that hold a recording again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::corpus) enum Form {
    /// The recording as it was made: `clean`, `original`.
    Original,
    /// A lossless format.
    Lossless,
    /// At another sample rate; the highest comes first.
    Rate(std::cmp::Reverse<u32>),
    /// A lossy format.
    Lossy,
    /// Processed, augmented, or from another sensor.
    Treated,
}

const ORIGINAL: [&str; 6] = [
    "orig",
    "original",
    "originals",
    "clean",
    "raw",
    "unprocessed",
];
const LOSSLESS: [&str; 7] = ["wav", "wave", "wavs", "flac", "aiff", "aif", "pcm"];
const LOSSY: [&str; 8] = ["mp3", "ogg", "opus", "m4a", "aac", "mp4", "webm", "vorbis"];
const TREATED: &str = "\
    noisy noise noised babble snr musan aug augment augmented augmentation augmentations speed speedup tempo pitch pitched stretch \
    stretched timestretch shift shifted reverb reverberated rir echo gain volume perturbed specaug specaugment denoised enhanced \
    filtered lowpass highpass bandpass trimmed cut normalized normalised resampled downsampled upsampled converted codec gsm compressed \
    degraded processed laryngo laryngograph laryngogram egg video copy copies backup duplicate duplicates";
/// Words that may stand beside one for a form and change nothing: `AudioWAV`, `wav_files`.
const FILLERS: [&str; 12] = [
    "audio", "audios", "sound", "sounds", "file", "files", "data", "speech", "version", "set",
    "db", "x",
];
const RATES: [u32; 10] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
];

/// Words, with or without a number, for conditions, in several languages.
const CONDITIONS: [&str; 6] = [
    // Rooms and devices.
    "\
        room raum mic mics mikro microphone mono stereo left right channel chan ch phone phones mobile cellphone smartphone telephone \
        telefon landline iphone ipad android samsung galaxy huawei xiaomi pixel nokia laptop tablet desktop pc headset headphone headphones \
        handset lapel lavalier boom farfield nearfield far near close distant zoom studio home office car outdoor outdoors indoor indoors \
        street lab quiet anechoic webcam camera cam device geraet gerat kinect usb array recorder site location environment env condition \
        cond",
    // Strength, rate and manner.
    "\
        intensity intensities level strength high low medium med mid hi lo md xx strong weak mild normal moderate intense extreme light \
        soft loud stark schwach mittel leicht leise laut faible fort forte fuerte debil fraco debole moyen rate slow fast langsam schnell \
        lent lento rapide rapido whisper whispered shout shouted acted spontaneous elicited induced natural posed read style mode modal \
        speech song sung spoken script scripted improvisation improvised impro monologue dialog dialogue dialogs dialogues",
    // Ages.
    "\
        age ages aged young younger old older adult adults child children kid kids teen teens teenager senior seniors elderly middle jung \
        alt kind kinder jeune vieux joven viejo year years yo yr",
    // Languages.
    "\
        language lang dialect accent de en fr es it nl pl pt ru tr zh ja ko hi ur ar fa el sv da fi cs hu deu ger eng fra fre spa ita rus \
        por tur cmn jpn kor german english french spanish italian dutch polish portuguese russian turkish chinese mandarin cantonese \
        japanese korean hindi urdu arabic persian farsi greek swedish danish norwegian finnish czech hungarian estonian bengali bangla \
        tamil telugu amharic hebrew thai vietnamese indonesian romanian ukrainian serbian croatian deutsch englisch francais espanol \
        italiano british american us uk gb dk cn jp kr gr br mx se no ch at native nonnative",
    // Texts, takes and parts.
    "\
        sent sentence sentences satz prompt phrase text word words utterance utt version ver v t r u session sessions ses sess sitzung day \
        tag date month week take takes rep repetition trial batch set part fold cd disc disk dvd vol corpus korpus corpora folder scene \
        scenario file files clip clips audio audios sound sounds actors rec recording recordings aufnahme aufnahmen track segment segments \
        seg chunk sample samples data dataset split splits block group list story episode season",
    // Who listens, not who speaks.
    "\
        rater raters rating ratings listener listeners annotator annotators annotation judge judges coder coders labeler labeller evaluator \
        evaluators rated perceiver horer hoerer observer",
];

static CONDITION: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    CONDITIONS
        .iter()
        .flat_map(|words| words.split_ascii_whitespace())
        .collect()
});

/// Pieces of a word: between separators and where capitals begin. Decimals stay together without
/// their point.
fn chunks(word: &str) -> Vec<String> {
    let mut out: Vec<String> = vec![String::new()];
    let mut was_lower = false;
    let word = word.replace("kHz", "khz");
    let letters: Vec<char> = word.chars().collect();
    let is_digit = |i: Option<usize>| {
        i.and_then(|i| letters.get(i))
            .is_some_and(char::is_ascii_digit)
    };
    for (i, c) in letters.iter().copied().enumerate() {
        if c == '.' && is_digit(i.checked_sub(1)) && is_digit(Some(i + 1)) {
            continue;
        }
        if !c.is_alphanumeric() && !unicode_normalization::char::is_combining_mark(c) {
            out.push(String::new());
        } else {
            if was_lower && c.is_uppercase() {
                out.push(String::new());
            }
            out.last_mut().into_iter().for_each(|last| last.push(c));
        }
        was_lower = c.is_lowercase();
    }
    out.retain(|chunk| !chunk.is_empty());
    out.iter().map(|chunk| plain(chunk)).collect()
}

/// The letters of a chunk without the digits around them: `aug1`, `2nd`.
fn letters(chunk: &str) -> &str {
    chunk.trim_matches(|c: char| c.is_ascii_digit())
}

/// What a chunk says of the form of a file; `None` where it says nothing.
fn form_of(chunk: &str) -> Option<Form> {
    let is = |words: &[&str]| words.contains(&chunk) || words.contains(&letters(chunk));
    let is_treated = || {
        TREATED
            .split_ascii_whitespace()
            .any(|word| word == chunk || word == letters(chunk))
    };
    let number = chunk.trim_end_matches(|c: char| !c.is_ascii_digit());
    let rate = number
        .parse::<u32>()
        .ok()
        .and_then(|n| match &chunk[number.len()..] {
            "k" | "khz" if (8..=96).contains(&n) => Some(n * 1000),
            "k" | "khz" => RATES
                .into_iter()
                .find(|rate| *rate == n * 100 || *rate == n * 10),
            "" | "hz" if RATES.contains(&n) => Some(n),
            _ => None,
        });
    if let Some(rate) = rate {
        Some(Form::Rate(std::cmp::Reverse(rate)))
    } else if is_treated() {
        Some(Form::Treated)
    } else if LOSSY.contains(&chunk) {
        Some(Form::Lossy)
    } else if is(&LOSSLESS) {
        Some(Form::Lossless)
    } else {
        is(&ORIGINAL).then_some(Form::Original)
    }
}

/// The form that a word marks, and what is left of the word without it: `AudioWAV` is lossless,
/// `anna_noisy` is `anna` treated. A number behind a word for a form belongs to it (`noisy_2`,
/// `speed0.9`).
pub(in crate::corpus) fn form(word: &str) -> (Option<Form>, String) {
    let (mut form, mut rest, mut was_form) = (None, Vec::new(), false);
    for chunk in chunks(word) {
        let is_number = chunk.chars().all(|c| c.is_ascii_digit());
        let said = if is_number && was_form {
            form
        } else {
            form_of(&chunk)
        };
        was_form = said.is_some();
        match said {
            Some(_) => form = form.max(said),
            None => rest.push(chunk),
        }
    }
    if form.is_some() {
        rest.retain(|chunk| !FILLERS.contains(&chunk.as_str()));
    }
    (form, rest.join("_"))
}

/// Whether a word, with or without a number, names something that recordings share and that is no
/// speaker: a format, a treatment, a strength, a device, an age, a language, a session, a take, a
/// listener.
pub(super) fn is_no_speaker(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_numeric = word
        .chars()
        .all(|c| c.is_ascii_digit() || "-_.".contains(c));
    // A day: 2024-01-03, 20240103. A range of ages: 20-29.
    if is_numeric && (digits == 8 || digits == 4 && word.contains('-')) {
        return true;
    }
    let decade = |chunk: &str| chunk.len() == 3 && chunk.ends_with("0s");
    let known = |chunk: &str| {
        CONDITION.contains(chunk)
            || CONDITION.contains(letters(chunk))
            || FILLERS.contains(&chunk)
            || form_of(chunk).is_some()
            || decade(chunk)
            || words::part(chunk).is_some()
    };
    let chunks = chunks(word);
    // Beside one known word a number or a single letter is its own: `batch_a`, `level_2`.
    let (own, others): (Vec<&String>, Vec<&String>) = chunks.iter().partition(|chunk| known(chunk));
    let is_filler = |chunk: &str| {
        chunk.len() == 1 || words::sex(chunk).is_some() || chunk.chars().all(|c| c.is_ascii_digit())
    };
    !own.is_empty() && others.iter().all(|chunk| is_filler(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_no_speaker() {
        let others = [
            "session1",
            "Session_2",
            "high",
            "batch_a",
            "Aufnahmen",
            "room_A",
            "stereo",
            "2024-01-03",
            "de",
            "AudioWAV",
            "AudioMP3",
            "mp3",
            "16k",
            "44.1kHz",
            "48000",
            "aug1",
            "noisy",
            "speed0.9",
            "Faible",
            "Fort",
            "iphone",
            "20-29",
            "20s",
            "female_young",
            "English",
            "take3",
            "rater_2",
            "listener1",
            "level_1",
            "train_splits",
            "slow",
            "t1",
            "Mandarin",
            "DK",
            "laryngo",
            "age_30",
        ];
        for word in others {
            assert!(is_no_speaker(word), "{word}");
        }
        for word in [
            "anna", "s1", "lola", "1001", "setareh", "marco", "OAF", "SM1", "01", "M003", "F_01",
            "bea", "p3", "Frau-1",
        ] {
            assert!(!is_no_speaker(word), "{word}");
        }
    }

    #[test]
    fn forms_are_told_and_what_they_are_forms_of() {
        let of = |word: &str| form(word);
        assert_eq!(of("AudioWAV"), (Some(Form::Lossless), String::new()));
        assert_eq!(of("AudioMP3"), (Some(Form::Lossy), String::new()));
        assert_eq!(of("anna_noisy"), (Some(Form::Treated), "anna".into()));
        assert_eq!(
            of("wut_03_speed0.9"),
            (Some(Form::Treated), "wut_03".into())
        );
        assert_eq!(
            of("16k"),
            (Some(Form::Rate(std::cmp::Reverse(16_000))), String::new())
        );
        assert_eq!((of("anna").0, of("1001").0, of("f1").0), (None, None, None));
        assert!(
            Form::Original < Form::Lossless
                && form("48k").0 < form("16k").0
                && form("16k").0 < form("mp3").0
        );
    }
}
