//! How public corpora name their files: who speaks, as the authors say that the names are to be
//! read.

use super::field::Field;
use super::place::Place;
use crate::corpus::labels;
use crate::corpus::walk::{file_name, folder, stem};

/// Share of the files whose names must follow a scheme.
const MOST: f64 = 0.9;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) speaker: String,
    pub(super) sex: Option<&'static str>,
    /// In an English word, where the name has a code for it that no other corpus shares.
    pub(super) emotion: Option<&'static str>,
}

/// How one corpus names its files.
#[derive(Debug)]
pub(super) struct NamingScheme {
    pub(super) corpus: &'static str,
    read: fn(&str) -> Option<Named>,
}

const fn scheme(corpus: &'static str, read: fn(&str) -> Option<Named>) -> NamingScheme {
    NamingScheme { corpus, read }
}

/// Each by its authors' description; the lists of speakers are closed, so that other corpora of a
/// like form are not taken for these.
static SCHEMES: [NamingScheme; 16] = [
    scheme("CREMA-D", crema_d),
    scheme("SAVEE", savee),
    scheme("TESS", tess),
    scheme("ESD", esd),
    scheme("EMOVO", emovo),
    scheme("SUBESCO", subesco),
    scheme("nEMO", nemo),
    scheme("URDU", urdu),
    scheme("CaFE", cafe),
    scheme("EmoV-DB", emov_db),
    scheme("TurEV-DB", turev_db),
    scheme("ASED", ased),
    scheme("AESDD", aesdd),
    scheme("ShEMO", shemo),
    scheme("Emotions in Polish speech recordings", polish),
    scheme("the song part of RAVDESS", ravdess_song),
];

impl NamingScheme {
    /// The scheme that most of the files follow, with what each name says.
    pub(super) fn of<S: AsRef<str>>(files: &[S]) -> Option<(&'static Self, Vec<Option<Named>>)> {
        SCHEMES.iter().find_map(|scheme| {
            let names: Vec<Option<Named>> = files
                .iter()
                .map(|file| (scheme.read)(file.as_ref()))
                .collect();
            let known = names.iter().flatten().count();
            (known as f64 >= MOST * files.len() as f64).then_some((scheme, names))
        })
    }
}

/// What the names say as a field, where any of them says it.
pub(super) fn field(
    names: &[Option<Named>],
    of: impl Fn(&Named) -> Option<String>,
) -> Option<Field> {
    let values: Vec<Option<String>> = names
        .iter()
        .map(|named| named.as_ref().and_then(&of))
        .collect();
    values.iter().any(Option::is_some).then_some(Field {
        place: Place::Nowhere,
        values,
    })
}

fn speaker(speaker: &str) -> Named {
    Named {
        speaker: speaker.to_owned(),
        sex: None,
        emotion: None,
    }
}

fn sexed(speaker: &str, sex: &'static str) -> Named {
    Named {
        sex: Some(sex),
        ..self::speaker(speaker)
    }
}

/// The pieces of a name that has exactly so many.
fn pieces<const N: usize>(name: &str, separator: char) -> Option<[&str; N]> {
    name.split(separator).collect::<Vec<_>>().try_into().ok()
}

fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known == word)
}

fn is_digits(text: &str, n: usize) -> bool {
    text.len() == n && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_capitals(text: &str, n: usize) -> bool {
    text.len() == n && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 7 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a number lies within what the corpus has.
fn within(text: &str, range: std::ops::RangeInclusive<u32>) -> bool {
    text.parse().is_ok_and(|number| range.contains(&number))
}

fn sex_of_letter(letter: &str) -> Option<&'static str> {
    match letter {
        "F" | "f" => Some("female"),
        "M" | "m" => Some("male"),
        _ => None,
    }
}

/// `1001_DFA_ANG_XX`: actor, sentence, emotion, level (Cao et al. 2014, doi
/// 10.1109/TAFFC.2014.2336244).
fn crema_d(path: &str) -> Option<Named> {
    let [actor, sentence, emotion, level] = pieces(stem(path), '_')?;
    let is_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let fits = is_digits(actor, 4)
        && within(actor, 1001..=1091)
        && sentence.len() == 3
        && sentence.chars().all(is_code)
        && has("ANG DIS FEA HAP NEU SAD", emotion)
        && (is_capitals(level, 2) || is_capitals(level, 1));
    fits.then(|| speaker(actor))
}

/// `DC_a01`, or `DC/a01`: speaker, emotion and sentence (Jackson and Haq 2014).
fn savee(path: &str) -> Option<Named> {
    let stem = stem(path);
    let (actor, rest) = stem
        .split_once('_')
        .unwrap_or((file_name(folder(path)), stem));
    let code = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let fits = has("DC JE JK KL", actor)
        && has("a d f h n sa su", code)
        && is_digits(&rest[code.len()..], 2);
    fits.then(|| speaker(actor))
}

/// `OAF_back_angry`: an older and a younger woman, word, emotion (Pichora-Fuller and Dupuis 2020,
/// doi 10.5683/SP2/E8H2MF). `OA_bite_neutral` is a slip of the corpus.
fn tess(path: &str) -> Option<Named> {
    let (actress, rest) = stem(path).split_once('_')?;
    let (_, emotion) = rest.split_once('_')?;
    let emotions = "angry disgust fear happy neutral ps sad pleasant_surprise pleasant_surprised";
    let actress = match actress {
        "OAF" | "OA" => "OAF",
        "YAF" => "YAF",
        _ => return None,
    };
    has(emotions, emotion).then(|| sexed(actress, "female"))
}

/// `0011_000351`: speaker, number (Zhou et al. 2022, doi 10.1016/j.specom.2021.11.006).
fn esd(path: &str) -> Option<Named> {
    let (voice, number) = stem(path).split_once('_')?;
    let fits = is_digits(voice, 4)
        && within(voice, 1..=20)
        && is_digits(number, 6)
        && within(number, 1..=1750);
    fits.then(|| speaker(voice))
}

/// `dis-f1-b1`: emotion, speaker, sentence (Costantini et al. 2014).
fn emovo(path: &str) -> Option<Named> {
    let [emotion, actor, _] = pieces(stem(path), '-')?;
    let fits = has("dis gio pau rab sor tri neu", emotion) && has("f1 f2 f3 m1 m2 m3", actor);
    fits.then(|| sexed(actor, sex_of_letter(&actor[..1]).unwrap_or("male")))
}

/// `F_01_OISHI_S_10_ANGRY_1`: sex and number of the speaker, name, sentence, emotion, take (Sultana
/// et al. 2021, doi 10.1371/journal.pone.0250173).
fn subesco(path: &str) -> Option<Named> {
    let [letter, number, _, s, sentence, _, take] = pieces(stem(path), '_')?;
    let sex = sex_of_letter(letter).filter(|_| letter.to_uppercase() == letter)?;
    let fits = is_digits(number, 2)
        && within(number, 1..=10)
        && s == "S"
        && is_number(sentence)
        // One name of the corpus ends in a bracket.
        && is_number(take.trim_end_matches(']'));
    fits.then(|| sexed(&format!("{letter}_{number}"), sex))
}

/// `EB0_anger_1`: speaker, emotion, sentence (Christop 2024, arXiv 2404.06292).
fn nemo(path: &str) -> Option<Named> {
    let [actor, emotion, sentence] = pieces(stem(path), '_')?;
    let (initials, digit) = actor.split_at_checked(2)?;
    let emotions = "anger fear happiness neutral sadness surprise surprised";
    let fits = is_capitals(initials, 2)
        && is_digits(digit, 1)
        && has(emotions, emotion)
        && is_number(sentence);
    fits.then(|| speaker(actor))
}

/// `SM1_F10_A010`: speaker with the sex, file of the speaker, emotion and number (Latif et al.
/// 2018, arXiv 1812.10411).
fn urdu(path: &str) -> Option<Named> {
    let [voice, file, code] = pieces(stem(path), '_')?;
    let is_code = |text: &str, starts: &str| {
        let number = |start| text.strip_prefix(start).is_some_and(is_number);
        starts.split(' ').any(number)
    };
    let sex = if voice.starts_with("SF") {
        "female"
    } else {
        "male"
    };
    let fits = is_code(voice, "SM SF") && is_code(file, "F") && is_code(code, "A H N S");
    fits.then(|| sexed(voice, sex))
}

/// `01-C-1-2`: actor, emotion, intensity, sentence (Gournay et al. 2018, doi
/// 10.1145/3204949.3208121).
fn cafe(path: &str) -> Option<Named> {
    let [actor, emotion, intensity, sentence] = pieces(stem(path), '-')?;
    let fits = is_digits(actor, 2)
        && within(actor, 1..=12)
        && has("C D J N P S T", emotion)
        && has("1 2", intensity)
        && within(sentence, 1..=6);
    fits.then(|| speaker(actor))
}

/// `bea_Amused/amused_1-15_0001`: speaker and emotion are the folder (Adigwe et al. 2018, arXiv
/// 1806.09514).
fn emov_db(path: &str) -> Option<Named> {
    let (voice, _) = file_name(folder(path)).split_once('_')?;
    let sentence = stem(path).rsplit('_').next()?;
    let fits = has("bea jenie josh sam", voice) && is_digits(sentence, 4);
    fits.then(|| speaker(voice))
}

/// `1157_kz_acik`: speaker, emotion, word (Canpolat et al. 2020).
fn turev_db(path: &str) -> Option<Named> {
    let [voice, emotion, _] = pieces(stem(path), '_')?;
    (is_digits(voice, 4) && has("hl kz mt sk", emotion)).then(|| speaker(voice))
}

/// `n1-01-02-01-17`: emotion, two numbers of the text, take, speaker (Retta et al. 2023, arXiv
/// 2201.02710).
fn ased(path: &str) -> Option<Named> {
    let [emotion, a, b, take, voice] = pieces(stem(path), '-')?;
    let fits = has("n1 f2 h3 s4 a5", &emotion.to_lowercase())
        && [a, b, take, voice]
            .iter()
            .all(|number| is_digits(number, 2))
        && within(voice, 1..=65);
    fits.then(|| speaker(voice))
}

/// `a01 (1)`: emotion, sentence, speaker (Vryzas et al. 2018).
fn aesdd(path: &str) -> Option<Named> {
    let (name, rest) = stem(path).split_once('(')?;
    // Some brackets have a zero before the number.
    let actor = rest.split(')').next()?.trim_start_matches('0');
    let name = name.trim_end();
    let is_sentence = |code: &str| {
        name.strip_prefix(code)
            .is_some_and(|n| is_number(n.trim_end_matches('b')))
    };
    let fits = "a d f h s".split(' ').any(is_sentence) && within(actor, 1..=9);
    fits.then(|| speaker(actor))
}

/// `F01A01`: speaker with the sex, emotion, number (Mohamad Nezami et al. 2019, doi
/// 10.1007/s10579-018-9427-x).
fn shemo(path: &str) -> Option<Named> {
    let stem = stem(path);
    let fits =
        stem.is_ascii() && stem.len() == 6 && is_digits(&stem[1..3], 2) && is_digits(&stem[4..], 2);
    if !fits {
        return None;
    }
    let emotion = match &stem[3..4] {
        "A" => "anger",
        "F" => "fear",
        "H" => "happiness",
        "N" => "neutral",
        "S" => "sadness",
        "W" => "surprise",
        _ => return None,
    };
    let sex = sex_of_letter(&stem[..1]).filter(|_| is_capitals(&stem[..1], 1))?;
    Some(Named {
        emotion: Some(emotion),
        ..sexed(&stem[..3], sex)
    })
}

/// `m1.a_nie_1`: speaker with the sex, emotion (anger, neutral, fear), word, take (Miesikowska and
/// Swisulski 2020).
fn polish(path: &str) -> Option<Named> {
    let (voice, rest) = stem(path).split_once('.')?;
    let [emotion, word, take] = pieces(rest, '_')?;
    let sex = sex_of_letter(voice.get(..1)?)?;
    let emotion = match emotion {
        "a" => "anger",
        "n" => "neutral",
        "s" => "fear",
        _ => return None,
    };
    let fits = is_number(&voice[1..]) && word.len() > 2 && is_number(take);
    fits.then(|| Named {
        emotion: Some(emotion),
        ..sexed(voice, sex)
    })
}

/// `03-02-05-01-02-01-24`, of which the reader of the speech part takes none.
fn ravdess_song(path: &str) -> Option<Named> {
    let [
        modality,
        channel,
        emotion,
        intensity,
        sentence,
        repetition,
        actor,
    ] = pieces(stem(path), '-')?;
    let codes = [intensity, sentence, repetition];
    let number: u8 = actor.parse().ok()?;
    let fits = has("01 03", modality)
        && channel == "02"
        && codes.iter().all(|code| has("01 02", code))
        && is_digits(actor, 2)
        && (1..=24).contains(&number);
    let label = labels::find(&labels::RAVDESS, emotion)
        .filter(|_| fits)?
        .label;
    Some(Named {
        emotion: Some(label),
        ..sexed(actor, if number % 2 == 1 { "male" } else { "female" })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speakers_of_public_corpora_are_read_from_names() {
        let polish = "Emotions in Polish speech recordings";
        let song = "the song part of RAVDESS";
        for (corpus, names, speakers) in [
            (
                "CREMA-D",
                ["AudioWAV/1001_DFA_ANG_XX.wav", "1091_ITS_SAD_HI.wav"],
                "1001 1091",
            ),
            ("SAVEE", ["AudioData/DC/sa01.wav", "KL_su15.wav"], "DC KL"),
            (
                "TESS",
                ["OA_bite_neutral.wav", "YAF_sad/YAF_back_ps.wav"],
                "OAF YAF",
            ),
            (
                "ESD",
                ["Angry/0001_000351.wav", "0020/Sad/0020_001750.wav"],
                "0001 0020",
            ),
            ("EMOVO", ["f1/dis-f1-b1.wav", "neu-m3-d1.wav"], "f1 m3"),
            (
                "SUBESCO",
                ["F_01_OISHI_S_10_ANGRY_1.wav", "M_01_RAKIB_S_1_SAD_5.wav"],
                "F_01 M_01",
            ),
            (
                "nEMO",
                ["samples/EB0_anger_1.wav", "WR0_surprised_90.wav"],
                "EB0 WR0",
            ),
            (
                "URDU",
                ["Angry/SM1_F10_A010.wav", "Sad/SF5_F1_S401.wav"],
                "SM1 SF5",
            ),
            (
                "CaFE",
                ["Colère/Faible/01-C-1-1.wav", "12-T-2-6.wav"],
                "01 12",
            ),
            (
                "EmoV-DB",
                [
                    "bea_Amused/amused_1-15_0001.wav",
                    "sam_Sad/s_336-364_0361.wav",
                ],
                "bea sam",
            ),
            (
                "TurEV-DB",
                ["Angry/1157_kz_acik.wav", "Calm/7895_sk_utanc.wav"],
                "1157 7895",
            ),
            (
                "ASED",
                ["01Neutral/n1-01-01-01-03.wav", "05Angry/a5-06-02-02-52.wav"],
                "03 52",
            ),
            ("AESDD", ["anger/a01 (1).wav", "fear/f11 (6).wav"], "1 6"),
            ("ShEMO", ["female/F01A01.wav", "male/M18N07.wav"], "F01 M18"),
            (polish, ["m1.a_nie_1.wav", "m5.s_trzymaj_2.wav"], "m1 m5"),
            (
                song,
                [
                    "Actor_01/03-02-05-01-02-01-01.wav",
                    "03-02-01-01-01-02-24.wav",
                ],
                "01 24",
            ),
        ] {
            let (scheme, found) = NamingScheme::of(&names).unwrap_or_else(|| panic!("{corpus}"));
            let found: Vec<String> = found.into_iter().flatten().map(|one| one.speaker).collect();
            assert_eq!(
                (scheme.corpus, found.join(" ").as_str()),
                (corpus, speakers)
            );
        }
        // Two actors or codes that are not the corpus's own.
        for other in [
            ["1101_DFA_ANG_XX.wav", "1102_DFA_ANG_XX.wav"],
            ["AB_a01.wav", "CD_a01.wav"],
            ["x_back_sad.wav", "y_back_sad.wav"],
        ] {
            assert!(NamingScheme::of(&other).is_none(), "{other:?}");
        }
    }
}
