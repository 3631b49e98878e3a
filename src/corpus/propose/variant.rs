//! Words for what recordings share that is no speaker: the variant of a file (its format, its
//! treatment), and the conditions of a recording.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::words::{self, plain};

/// How a word marks files that hold a recording again; the best to use comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::corpus) enum Variant {
    /// The recording as it was made: `clean`, `original`.
    Original,
    /// A lossless format.
    Lossless,
    /// At another sample rate; the highest comes first.
    Rate(Reverse<u32>),
    /// A lossy format.
    Lossy,
    /// Processed, augmented, or from another sensor.
    Treated,
}

const ORIGINAL: &str = "orig original originals clean raw unprocessed";
const LOSSLESS: &str = "wav wave wavs flac aiff aif pcm";
const LOSSY: &str = "mp3 ogg opus m4a aac mp4 webm vorbis";
const TREATED: &str = "\
    noisy noise noised babble snr musan aug augment augmented augmentation augmentations speed speedup tempo pitch pitched stretch \
    stretched timestretch shift shifted reverb reverberated rir echo gain volume perturbed specaug specaugment denoised enhanced \
    filtered lowpass highpass bandpass trimmed cut normalized normalised resampled downsampled upsampled converted codec gsm compressed \
    degraded processed laryngo laryngograph laryngogram egg video copy copies backup duplicate duplicates";
/// Words that may stand beside one for a variant and change nothing: `AudioWAV`, `wav_files`.
const FILLERS: &str = "audio audios sound sounds file files data speech version set db x";
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
    TAKES,
    // Who listens, not who speaks; all of the speakers.
    "\
        actors rater raters rating ratings listener listeners annotator annotators annotation judge judges coder coders labeler labeller evaluator \
        evaluators rated perceiver horer hoerer observer",
];

/// Texts, takes and parts.
const TAKES: &str = "\
        sent sentence sentences satz prompt phrase text word words utterance utt version ver v t r u session sessions ses sess sitzung day \
        tag date month week take takes rep repetition trial batch set part fold cd disc disk dvd vol corpus korpus corpora folder scene \
        scenario file files clip clips audio audios sound sounds rec recording recordings aufnahme aufnahmen track segment segments \
        seg chunk sample samples data dataset split splits block group list story episode season";

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

fn has(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|known| known == word)
}

/// A chunk without the digits around it: `aug1`, `2nd`.
fn without_digits(chunk: &str) -> &str {
    chunk.trim_matches(|c: char| c.is_ascii_digit())
}

/// The sample rate in Hz that a chunk names: `48k`, `44100`, `441khz` for 44.1 kHz.
fn rate(chunk: &str) -> Option<u32> {
    let number = chunk.trim_end_matches(|c: char| !c.is_ascii_digit());
    let n: u32 = number.parse().ok()?;
    match &chunk[number.len()..] {
        "k" | "khz" if (8..=96).contains(&n) => Some(n * 1000),
        "k" | "khz" => RATES
            .into_iter()
            .find(|rate| *rate == n * 100 || *rate == n * 10),
        "" | "hz" if RATES.contains(&n) => Some(n),
        _ => None,
    }
}

/// The variant that a chunk marks; `None` where it says nothing.
fn variant_of(chunk: &str) -> Option<Variant> {
    let is = |words: &str| has(words, chunk) || has(words, without_digits(chunk));
    if let Some(rate) = rate(chunk) {
        Some(Variant::Rate(Reverse(rate)))
    } else if is(TREATED) {
        Some(Variant::Treated)
    } else if has(LOSSY, chunk) {
        Some(Variant::Lossy)
    } else if is(LOSSLESS) {
        Some(Variant::Lossless)
    } else {
        is(ORIGINAL).then_some(Variant::Original)
    }
}

/// The variant that a word marks, and what is left of the word without it: `AudioWAV` is lossless,
/// `anna_noisy` is `anna` treated. A number behind a word for a variant belongs to it (`noisy_2`,
/// `speed0.9`).
pub(in crate::corpus) fn variant(word: &str) -> (Option<Variant>, String) {
    let (mut variant, mut rest, mut was_variant) = (None, Vec::new(), false);
    for chunk in chunks(word) {
        let is_number = chunk.chars().all(|c| c.is_ascii_digit());
        let marked = if is_number && was_variant {
            variant
        } else {
            variant_of(&chunk)
        };
        was_variant = marked.is_some();
        match marked {
            Some(_) => variant = variant.max(marked),
            None => rest.push(chunk),
        }
    }
    if variant.is_some() {
        rest.retain(|chunk| !has(FILLERS, chunk));
    }
    (variant, rest.join("_"))
}

/// Whether a folder is marked as one of treated recordings.
pub(in crate::corpus) fn is_treated(folder: &str) -> bool {
    folder
        .split('/')
        .any(|part| variant(part).0 == Some(Variant::Treated))
}

/// Whether a word, with or without a number behind it, counts texts, takes or parts: `take2`.
pub(super) fn is_count(word: &str) -> bool {
    let word = words::plain(word.trim_end_matches(|c: char| c.is_ascii_digit()));
    TAKES.split_ascii_whitespace().any(|take| take == word)
}

/// Whether a word, with or without a number, names something that recordings share and that is no
/// speaker: a format, a treatment, a strength, a device, an age, a language, a session, a take, a
/// listener.
pub(super) fn is_condition(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_numeric = word
        .chars()
        .all(|c| c.is_ascii_digit() || "-_.".contains(c));
    // A day: 2024-01-03, 20240103. A range of ages: 20-29.
    if is_numeric && (digits == 8 || digits == 4 && word.contains('-')) {
        return true;
    }
    let is_decade = |chunk: &str| chunk.len() == 3 && chunk.ends_with("0s");
    let is_known = |chunk: &str| {
        CONDITION.contains(chunk)
            || CONDITION.contains(without_digits(chunk))
            || has(FILLERS, chunk)
            || variant_of(chunk).is_some()
            || is_decade(chunk)
            || words::part(chunk).is_some()
    };
    // Beside one known word a number or a single letter belongs to it: `batch_a`, `level_2`.
    let belongs = |chunk: &str| {
        chunk.len() == 1 || words::sex(chunk).is_some() || chunk.chars().all(|c| c.is_ascii_digit())
    };
    let (known, others): (Vec<String>, Vec<String>) =
        chunks(word).into_iter().partition(|chunk| is_known(chunk));
    !known.is_empty() && others.iter().all(|chunk| belongs(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_told_from_speakers() {
        let conditions = "session1 Session_2 high batch_a Aufnahmen room_A stereo 2024-01-03 de \
            AudioWAV AudioMP3 mp3 16k 44.1kHz 48000 aug1 noisy speed0.9 Faible Fort iphone 20-29 \
            20s female_young English take3 rater_2 listener1 level_1 train_splits slow t1 Mandarin \
            DK laryngo age_30";
        for word in conditions.split_ascii_whitespace() {
            assert!(is_condition(word), "{word}");
        }
        let speakers = "anna s1 lola 1001 setareh marco OAF SM1 01 M003 F_01 bea p3 Frau-1";
        for word in speakers.split(' ') {
            assert!(!is_condition(word), "{word}");
        }
    }

    #[test]
    fn variants_are_told_and_what_they_are_variants_of() {
        for (word, found, rest) in [
            ("AudioWAV", Some(Variant::Lossless), ""),
            ("AudioMP3", Some(Variant::Lossy), ""),
            ("anna_noisy", Some(Variant::Treated), "anna"),
            ("wut_03_speed0.9", Some(Variant::Treated), "wut_03"),
            ("16k", Some(Variant::Rate(Reverse(16_000))), ""),
            ("anna", None, "anna"),
            ("1001", None, "1001"),
            ("f1", None, "f1"),
        ] {
            assert_eq!(variant(word), (found, rest.to_owned()), "{word}");
        }
        let rank = |word: &str| variant(word).0;
        assert!(Variant::Original < Variant::Lossless);
        assert!(rank("48k") < rank("16k") && rank("16k") < rank("mp3"));
        assert!(is_treated("data/noisy") && !is_treated("data/wav"));
    }
}
