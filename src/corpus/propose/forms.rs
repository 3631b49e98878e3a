//! File names of public corpora: who speaks, as the authors say that the names are to be read.

use super::fields::Field;
use super::place::Place;
use crate::corpus::labels;
use crate::corpus::walk::stem;

/// Share of the files whose names must be of one form.
const MOST: f64 = 0.9;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) speaker: String,
    pub(super) sex: Option<&'static str>,
    /// In an English word, where the name has a code for it that no other corpus shares.
    pub(super) emotion: Option<&'static str>,
}

/// How one corpus names its files.
pub(super) struct Form {
    pub(super) name: &'static str,
    read: fn(&str) -> Option<Said>,
}

/// Each by its authors' description; the lists of speakers are closed, so that other corpora of a
/// like form are not taken for these.
const FORMS: [Form; 16] = [
    Form {
        name: "CREMA-D",
        read: crema_d,
    },
    Form {
        name: "SAVEE",
        read: savee,
    },
    Form {
        name: "TESS",
        read: tess,
    },
    Form {
        name: "ESD",
        read: esd,
    },
    Form {
        name: "EMOVO",
        read: emovo,
    },
    Form {
        name: "SUBESCO",
        read: subesco,
    },
    Form {
        name: "nEMO",
        read: nemo,
    },
    Form {
        name: "URDU",
        read: urdu,
    },
    Form {
        name: "CaFE",
        read: cafe,
    },
    Form {
        name: "EmoV-DB",
        read: emov_db,
    },
    Form {
        name: "TurEV-DB",
        read: turev_db,
    },
    Form {
        name: "ASED",
        read: ased,
    },
    Form {
        name: "AESDD",
        read: aesdd,
    },
    Form {
        name: "ShEMO",
        read: shemo,
    },
    Form {
        name: "Emotions in Polish speech recordings",
        read: polish,
    },
    Form {
        name: "the song part of RAVDESS",
        read: ravdess_song,
    },
];

/// The form that most of the files have, with what each name says.
pub(super) fn form_of<'f>(
    files: impl Iterator<Item = &'f str> + Clone,
) -> Option<(&'static Form, Vec<Option<Said>>)> {
    let n = files.clone().count();
    FORMS.iter().find_map(|form| {
        let said: Vec<Option<Said>> = files.clone().map(form.read).collect();
        let known = said.iter().flatten().count();
        (known as f64 >= MOST * n as f64).then_some((form, said))
    })
}

/// What the names say as fields: speakers, and sexes and emotions where all names say them.
pub(super) fn field(said: &[Option<Said>], of: impl Fn(&Said) -> Option<String>) -> Option<Field> {
    let values: Vec<Option<String>> = said
        .iter()
        .map(|said| said.as_ref().and_then(&of))
        .collect();
    values.iter().any(Option::is_some).then_some(Field {
        place: Place::Nowhere,
        values,
    })
}

fn said(speaker: impl Into<String>) -> Option<Said> {
    Some(Said {
        speaker: speaker.into(),
        sex: None,
        emotion: None,
    })
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

/// Whether a number of two or more digits lies within what the corpus has.
fn within(text: &str, range: std::ops::RangeInclusive<u32>) -> bool {
    text.parse::<u32>()
        .is_ok_and(|number| range.contains(&number))
}

fn of_letter(letter: &str) -> Option<&'static str> {
    match letter {
        "F" => Some("female"),
        "M" => Some("male"),
        _ => None,
    }
}

/// `1001_DFA_ANG_XX`: actor, sentence, emotion, level (Cao et al. 2014, doi
/// 10.1109/TAFFC.2014.2336244).
fn crema_d(path: &str) -> Option<Said> {
    let [actor, sentence, emotion, level] = stem(path).split('_').collect::<Vec<_>>()[..] else {
        return None;
    };
    let fits = is_digits(actor, 4)
        && within(actor, 1001..=1091)
        && sentence.len() == 3
        && sentence
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        && ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"].contains(&emotion)
        && (is_capitals(level, 2) || is_capitals(level, 1));
    said(actor).filter(|_| fits)
}

/// `DC_a01`, or `DC/a01`: speaker, emotion and sentence (Jackson and Haq 2014).
fn savee(path: &str) -> Option<Said> {
    let stem = stem(path);
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    let (speaker, rest) = stem.split_once('_').unwrap_or((folder, stem));
    let code = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let fits = ["DC", "JE", "JK", "KL"].contains(&speaker)
        && ["a", "d", "f", "h", "n", "sa", "su"].contains(&code)
        && is_digits(&rest[code.len()..], 2);
    said(speaker).filter(|_| fits)
}

/// `OAF_back_angry`: an older and a younger woman, word, emotion (Pichora-Fuller and Dupuis 2020,
/// doi 10.5683/SP2/E8H2MF). `OA_bite_neutral` is a slip of the corpus.
fn tess(path: &str) -> Option<Said> {
    let (speaker, rest) = stem(path).split_once('_')?;
    let (_, emotion) = rest.split_once('_')?;
    let fits = [
        "angry",
        "disgust",
        "fear",
        "happy",
        "neutral",
        "ps",
        "sad",
        "pleasant_surprise",
        "pleasant_surprised",
    ]
    .contains(&emotion);
    let speaker = match speaker {
        "OAF" | "OA" => "OAF",
        "YAF" => "YAF",
        _ => return None,
    };
    Some(Said {
        speaker: speaker.into(),
        sex: Some("female"),
        emotion: None,
    })
    .filter(|_| fits)
}

/// `0011_000351`: speaker, number (Zhou et al. 2022, doi 10.1016/j.specom.2021.11.006).
fn esd(path: &str) -> Option<Said> {
    let (speaker, number) = stem(path).split_once('_')?;
    said(speaker).filter(|_| {
        is_digits(speaker, 4)
            && within(speaker, 1..=20)
            && is_digits(number, 6)
            && within(number, 1..=1750)
    })
}

/// `dis-f1-b1`: emotion, speaker, sentence (Costantini et al. 2014).
fn emovo(path: &str) -> Option<Said> {
    let [emotion, speaker, _] = stem(path).split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let sex = if speaker.starts_with('f') {
        "female"
    } else {
        "male"
    };
    let fits = ["dis", "gio", "pau", "rab", "sor", "tri", "neu"].contains(&emotion)
        && ["f1", "f2", "f3", "m1", "m2", "m3"].contains(&speaker);
    Some(Said {
        speaker: speaker.into(),
        sex: Some(sex),
        emotion: None,
    })
    .filter(|_| fits)
}

/// `F_01_OISHI_S_10_ANGRY_1`: sex and number of the speaker, name, sentence, emotion, take (Sultana
/// et al. 2021, doi 10.1371/journal.pone.0250173).
fn subesco(path: &str) -> Option<Said> {
    let [sex, number, _, s, sentence, _, take] = stem(path).split('_').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let fits = is_digits(number, 2) && within(number, 1..=10) && s == "S" && is_number(sentence);
    // One name of the corpus ends in a bracket.
    let fits = fits && is_number(take.trim_end_matches(']'));
    let speaker = format!("{sex}_{number}");
    Some(Said {
        speaker,
        sex: Some(of_letter(sex)?),
        emotion: None,
    })
    .filter(|_| fits)
}

/// `EB0_anger_1`: speaker, emotion, sentence (Christop 2024, arXiv 2404.06292).
fn nemo(path: &str) -> Option<Said> {
    let [speaker, emotion, sentence] = stem(path).split('_').collect::<Vec<_>>()[..] else {
        return None;
    };
    let is_code = speaker.len() == 3
        && speaker.is_ascii()
        && is_capitals(&speaker[..2], 2)
        && is_digits(&speaker[2..], 1);
    let fits = [
        "anger",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
        "surprised",
    ]
    .contains(&emotion)
        && is_number(sentence);
    said(speaker).filter(|_| is_code && fits)
}

/// `SM1_F10_A010`: speaker with the sex, file of the speaker, emotion and number (Latif et al.
/// 2018, arXiv 1812.10411).
fn urdu(path: &str) -> Option<Said> {
    let [speaker, file, code] = stem(path).split('_').collect::<Vec<_>>()[..] else {
        return None;
    };
    let after = |text: &str, starts: &[&str]| {
        starts
            .iter()
            .any(|start| text.strip_prefix(start).is_some_and(is_number))
    };
    let sex = if speaker.starts_with("SF") {
        "female"
    } else {
        "male"
    };
    let fits =
        after(speaker, &["SM", "SF"]) && after(file, &["F"]) && after(code, &["A", "H", "N", "S"]);
    Some(Said {
        speaker: speaker.into(),
        sex: Some(sex),
        emotion: None,
    })
    .filter(|_| fits)
}

/// `01-C-1-2`: actor, emotion, intensity, sentence (Gournay et al. 2018, doi
/// 10.1145/3204949.3208121).
fn cafe(path: &str) -> Option<Said> {
    let [actor, emotion, intensity, sentence] = stem(path).split('-').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let fits = is_digits(actor, 2)
        && within(actor, 1..=12)
        && ["C", "D", "J", "N", "P", "S", "T"].contains(&emotion)
        && ["1", "2"].contains(&intensity)
        && within(sentence, 1..=6);
    said(actor).filter(|_| fits)
}

/// `bea_Amused/amused_1-15_0001`: speaker and emotion are the folder (Adigwe et al. 2018, arXiv
/// 1806.09514).
fn emov_db(path: &str) -> Option<Said> {
    let (speaker, _) = path.rsplit('/').nth(1)?.split_once('_')?;
    let is_sentence = stem(path)
        .rsplit('_')
        .next()
        .is_some_and(|number| is_digits(number, 4));
    said(speaker).filter(|_| ["bea", "jenie", "josh", "sam"].contains(&speaker) && is_sentence)
}

/// `1157_kz_acik`: speaker, emotion, word (Canpolat et al. 2020).
fn turev_db(path: &str) -> Option<Said> {
    let [speaker, emotion, _] = stem(path).split('_').collect::<Vec<_>>()[..] else {
        return None;
    };
    said(speaker).filter(|_| is_digits(speaker, 4) && ["hl", "kz", "mt", "sk"].contains(&emotion))
}

/// `n1-01-02-01-17`: emotion, two numbers of the text, take, speaker (Retta et al. 2023, arXiv
/// 2201.02710).
fn ased(path: &str) -> Option<Said> {
    let [emotion, a, b, take, speaker] = stem(path).split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let fits = ["n1", "f2", "h3", "s4", "a5"].contains(&emotion.to_lowercase().as_str())
        && [a, b, take, speaker]
            .iter()
            .all(|number| is_digits(number, 2));
    said(speaker).filter(|_| fits && within(speaker, 1..=65))
}

/// `a01 (1)`: emotion, sentence, speaker (Vryzas et al. 2018).
fn aesdd(path: &str) -> Option<Said> {
    let (name, rest) = stem(path).split_once('(')?;
    let speaker = rest.split(')').next()?;
    let name = name.trim_end();
    let fits = ["a", "d", "f", "h", "s"].iter().any(|code| {
        name.strip_prefix(code)
            .is_some_and(|n| is_number(n.trim_end_matches('b')))
    });
    // Some brackets have a zero before the number.
    said(speaker.trim_start_matches('0')).filter(|_| fits && within(speaker, 1..=9))
}

/// `F01A01`: speaker with the sex, emotion, number (Mohamad Nezami et al. 2019, doi
/// 10.1007/s10579-018-9427-x).
fn shemo(path: &str) -> Option<Said> {
    let stem = stem(path);
    if stem.len() != 6
        || !stem.is_ascii()
        || !is_digits(&stem[1..3], 2)
        || !is_digits(&stem[4..], 2)
    {
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
    Some(Said {
        speaker: stem[..3].to_owned(),
        sex: Some(of_letter(&stem[..1])?),
        emotion: Some(emotion),
    })
}

/// `m1.a_nie_1`: speaker with the sex, emotion (anger, neutral, fear), word, take (Miesikowska and
/// Swisulski 2020).
fn polish(path: &str) -> Option<Said> {
    let (speaker, rest) = stem(path).split_once('.')?;
    let [emotion, word, take] = rest.split('_').collect::<Vec<_>>()[..] else {
        return None;
    };
    let sex = of_letter(&speaker.get(..1)?.to_ascii_uppercase())?;
    let emotion = match emotion {
        "a" => "anger",
        "n" => "neutral",
        "s" => "fear",
        _ => return None,
    };
    let fits = is_number(&speaker[1..]) && word.len() > 2 && is_number(take);
    Some(Said {
        speaker: speaker.into(),
        sex: Some(sex),
        emotion: Some(emotion),
    })
    .filter(|_| fits)
}

/// `03-02-05-01-02-01-24`, of which the reader of the speech part takes none.
fn ravdess_song(path: &str) -> Option<Said> {
    let fields: Vec<&str> = stem(path).split('-').collect();
    let [
        modality,
        "02",
        emotion,
        intensity,
        sentence,
        repetition,
        actor,
    ] = fields[..]
    else {
        return None;
    };
    let fits = ["01", "03"].contains(&modality)
        && [intensity, sentence, repetition]
            .iter()
            .all(|code| ["01", "02"].contains(code));
    let number = actor
        .parse::<u8>()
        .ok()
        .filter(|number| fits && is_digits(actor, 2) && (1..=24).contains(number))?;
    let label = labels::find(&labels::RAVDESS, emotion)?.label;
    Some(Said {
        speaker: actor.to_owned(),
        sex: Some(if number % 2 == 1 { "male" } else { "female" }),
        emotion: Some(label),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speakers_of_public_corpora_are_read_from_names() {
        let cases = [
            (
                "CREMA-D",
                "AudioWAV/1001_DFA_ANG_XX.wav",
                "1001",
                "1091_ITS_SAD_HI.wav",
                "1091",
            ),
            ("SAVEE", "AudioData/DC/sa01.wav", "DC", "KL_su15.wav", "KL"),
            (
                "TESS",
                "OA_bite_neutral.wav",
                "OAF",
                "YAF_pleasant_surprised/YAF_back_ps.wav",
                "YAF",
            ),
            (
                "ESD",
                "Angry/0001_000351.wav",
                "0001",
                "0020/Sad/0020_001750.wav",
                "0020",
            ),
            ("EMOVO", "f1/dis-f1-b1.wav", "f1", "neu-m3-d1.wav", "m3"),
            (
                "SUBESCO",
                "F_01_OISHI_S_10_ANGRY_1.wav",
                "F_01",
                "M_01_RAKIB_S_1_SAD_5.wav",
                "M_01",
            ),
            (
                "nEMO",
                "samples/EB0_anger_1.wav",
                "EB0",
                "WR0_surprised_90.wav",
                "WR0",
            ),
            (
                "URDU",
                "Angry/SM1_F10_A010.wav",
                "SM1",
                "Sad/SF5_F1_S401.wav",
                "SF5",
            ),
            (
                "CaFE",
                "Colère/Faible/01-C-1-1.wav",
                "01",
                "12-T-2-6.wav",
                "12",
            ),
            (
                "EmoV-DB",
                "bea_Amused/amused_1-15_0001.wav",
                "bea",
                "sam_Neutral/neutral_336-364_0361.wav",
                "sam",
            ),
            (
                "TurEV-DB",
                "Sound Source/Angry/1157_kz_acik.wav",
                "1157",
                "Calm/7895_sk_utanc.wav",
                "7895",
            ),
            (
                "ASED",
                "01Neutral/n1-01-01-01-03.wav",
                "03",
                "05Angry/a5-06-02-02-52.wav",
                "52",
            ),
            ("AESDD", "anger/a01 (1).wav", "1", "fear/f11 (6).wav", "6"),
            (
                "ShEMO",
                "female/F01A01.wav",
                "F01",
                "male/M18N07.wav",
                "M18",
            ),
            (
                "Emotions in Polish speech recordings",
                "m1.a_nie_1.wav",
                "m1",
                "m5.s_trzymaj_2.wav",
                "m5",
            ),
            (
                "the song part of RAVDESS",
                "Actor_01/03-02-05-01-02-01-01.wav",
                "01",
                "03-02-01-01-01-02-24.wav",
                "24",
            ),
        ];
        for (name, a, speaker_a, b, speaker_b) in cases {
            let (form, said) = form_of([a, b].into_iter()).unwrap_or_else(|| panic!("{name}"));
            let speakers: Vec<&str> = said
                .iter()
                .flatten()
                .map(|said| said.speaker.as_str())
                .collect();
            assert_eq!((form.name, speakers), (name, vec![speaker_a, speaker_b]));
        }
        // Two actors or codes that are not the corpus's own.
        for other in [
            ["1101_DFA_ANG_XX.wav", "1102_DFA_ANG_XX.wav"],
            ["AB_a01.wav", "CD_a01.wav"],
            ["x_back_sad.wav", "y_back_sad.wav"],
        ] {
            assert!(form_of(other.into_iter()).is_none(), "{other:?}");
        }
    }
}
