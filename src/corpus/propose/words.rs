//! Words for emotions, speakers, sexes and parts in several languages, and the short codes that
//! corpora use.

use std::collections::{BTreeMap, BTreeSet};

use super::text::plain;

/// Class and the words for it, lower case and without accents. Codes of up to four letters are
/// those of CREMA-D, IEMOCAP, EMOVO and others.
const WORDS: [(&str, &[&str]); 13] = [
    (
        "anger",
        &[
            "anger",
            "angry",
            "ang",
            "wut",
            "aerger",
            "arger",
            "zorn",
            "wuetend",
            "wutend",
            "colere",
            "colère",
            "rabbia",
            "rab",
            "ira",
            "enojo",
            "enfado",
            "raiva",
            "zlosc",
            "gniew",
            "ofke",
            "kizgin",
            "kizginlik",
            "zlost",
            "gnev",
            "boos",
            "woede",
        ],
    ),
    (
        "boredom",
        &[
            "boredom",
            "bored",
            "bor",
            "langeweile",
            "ennui",
            "noia",
            "aburrimiento",
            "tedio",
            "nuda",
            "skuka",
        ],
    ),
    (
        "calm",
        &[
            "calm",
            "cal",
            "calmness",
            "ruhe",
            "ruhig",
            "calme",
            "calma",
            "spokoj",
            "sakin",
            "spokojstvie",
        ],
    ),
    (
        "contempt",
        &[
            "contempt",
            "con",
            "verachtung",
            "mepris",
            "disprezzo",
            "desprecio",
            "desprezo",
            "pogarda",
        ],
    ),
    (
        "disgust",
        &[
            "disgust",
            "disgusted",
            "dis",
            "ekel",
            "degout",
            "disgusto",
            "asco",
            "nojo",
            "wstret",
            "obrzydzenie",
            "tiksinti",
            "igrenme",
            "otvraschenie",
        ],
    ),
    (
        "excitement",
        &[
            "excitement",
            "excited",
            "exc",
            "aufregung",
            "excitation",
            "emozione",
            "emocion",
        ],
    ),
    (
        "fear",
        &[
            "fear", "fearful", "fea", "afraid", "scared", "anxiety", "anx", "angst", "furcht",
            "peur", "paura", "pau", "miedo", "medo", "strach", "korku", "strakh",
        ],
    ),
    ("frustration", &["frustration", "frustrated", "fru"]),
    (
        "happiness",
        &[
            "happiness",
            "happy",
            "hap",
            "joy",
            "joyful",
            "freude",
            "froehlich",
            "frohlich",
            "glueck",
            "joie",
            "heureux",
            "gioia",
            "gio",
            "felicita",
            "alegria",
            "felicidad",
            "felicidade",
            "feliz",
            "radosc",
            "szczescie",
            "mutlu",
            "mutluluk",
            "sevinc",
            "radost",
            "blij",
        ],
    ),
    (
        "neutral",
        &[
            "neutral",
            "neu",
            "neutrality",
            "neutre",
            "neutrale",
            "neutro",
            "neutralny",
            "notr",
            "neytralno",
            "normal",
        ],
    ),
    (
        "sadness",
        &[
            "sadness",
            "sad",
            "trauer",
            "traurig",
            "traurigkeit",
            "tristesse",
            "triste",
            "tristezza",
            "tri",
            "tristeza",
            "smutek",
            "uzgun",
            "uzuntu",
            "grust",
            "pechal",
            "verdriet",
        ],
    ),
    (
        "surprise",
        &[
            "surprise",
            "surprised",
            "sur",
            "sor",
            "ueberraschung",
            "uberraschung",
            "sorpresa",
            "surpresa",
            "zaskoczenie",
            "saskin",
            "saskinlik",
            "udivlenie",
            "ps",
            "pleasantsurprise",
            "pleasantsurprised",
        ],
    ),
    (
        "sarcasm",
        &["sarcasm", "sarcastic", "ironie", "irony", "ironia"],
    ),
];

/// The class that a word stands for, whatever its case, accents and separators.
pub(in crate::corpus) fn emotion(word: &str) -> Option<&'static str> {
    let plain: String = plain(word)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    WORDS
        .iter()
        .find(|(_, words)| words.contains(&plain.as_str()))
        .map(|(class, _)| *class)
}

/// What is no class: the raters of a recording do not agree.
pub(super) const NO_AGREEMENT: &str = "no agreement";

/// Letters for emotions, as English and as German corpora use them.
const LETTERS: [&[(&str, &str)]; 4] = [
    &[
        ("a", "anger"),
        ("b", "boredom"),
        ("c", "calm"),
        ("d", "disgust"),
        ("f", "fear"),
        ("h", "happiness"),
        ("n", "neutral"),
        ("s", "sadness"),
        ("sa", "sadness"),
        ("su", "surprise"),
    ],
    &[
        ("w", "anger"),
        ("l", "boredom"),
        ("e", "disgust"),
        ("a", "fear"),
        ("f", "happiness"),
        ("n", "neutral"),
        ("t", "sadness"),
    ],
    // ShEMO.
    &[
        ("a", "anger"),
        ("f", "fear"),
        ("h", "happiness"),
        ("n", "neutral"),
        ("s", "sadness"),
        ("w", "surprise"),
    ],
    // MSP-Podcast.
    &[
        ("a", "anger"),
        ("c", "contempt"),
        ("d", "disgust"),
        ("f", "fear"),
        ("h", "happiness"),
        ("n", "neutral"),
        ("o", "other"),
        ("s", "sadness"),
        ("u", "surprise"),
        ("x", NO_AGREEMENT),
    ],
];

/// Labels that there have to be where one may stand for no agreement.
const FEWEST_WITH_X: usize = 5;

/// The classes of letter codes, where all labels are such codes and enough of them to be no mere
/// letters: neutral and two others.
pub(super) fn letters<'w>(labels: &BTreeSet<&'w str>) -> Option<BTreeMap<&'w str, &'static str>> {
    if labels.len() < 3 || !labels.iter().any(|label| label.eq_ignore_ascii_case("n")) {
        return None;
    }
    // An `x` among three letters may be anything.
    let fits = |codes: &&&[(&str, &str)]| {
        labels.len() >= FEWEST_WITH_X || codes.iter().all(|(code, _)| *code != "x")
    };
    LETTERS.iter().filter(fits).find_map(|codes| {
        let class = |label: &str| {
            codes
                .iter()
                .find(|(code, _)| label.eq_ignore_ascii_case(code))
                .map(|(_, class)| *class)
        };
        labels
            .iter()
            .map(|label| Some((*label, class(label)?)))
            .collect()
    })
}

/// Whether a word says that what follows is a speaker.
pub(super) fn is_speaker_word(word: &str) -> bool {
    is_speaker_column(word.trim_end_matches(|c: char| c.is_ascii_digit() || "-_ ".contains(c)))
}

/// Whether a column of that name names speakers: `Speaker_ID`, `VP Nr.`, `id_speaker`.
pub(super) fn is_speaker_column(name: &str) -> bool {
    const WORDS: [&str; 42] = [
        "speaker",
        "spk",
        "spkr",
        "actor",
        "actress",
        "subject",
        "sub",
        "subj",
        "participant",
        "talker",
        "person",
        "voice",
        "user",
        "client",
        "speakers",
        "sprecher",
        "sprecherin",
        "sprecherinnen",
        "vp",
        "vpn",
        "versuchsperson",
        "proband",
        "probandin",
        "schauspieler",
        "schauspielerin",
        "person",
        "locuteur",
        "locutrice",
        "acteur",
        "hablante",
        "locutor",
        "locutora",
        "actriz",
        "parlante",
        "attore",
        "falante",
        "ator",
        "spreker",
        "mowca",
        "aktor",
        "konusmaci",
        "diktor",
    ];
    const AFFIXES: [&str; 11] = [
        "id", "ids", "nr", "no", "num", "number", "nummer", "name", "code", "label", "kennung",
    ];
    let plain: String = plain(name)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let is = |word: &str| WORDS.contains(&word);
    is(&plain)
        || AFFIXES.iter().any(|affix| {
            plain.strip_suffix(affix).is_some_and(is) || plain.strip_prefix(affix).is_some_and(is)
        })
}

/// The sex that a word stands for.
pub(in crate::corpus) fn sex(word: &str) -> Option<&'static str> {
    match plain(word).as_str() {
        "female" | "f" | "w" | "fem" | "woman" | "women" | "girl" | "weiblich" | "frau"
        | "frauen" | "femme" | "femmes" | "femminile" | "donna" | "donne" | "femenino"
        | "mujer" | "mujeres" | "feminino" | "mulher" | "kobieta" | "kadin" | "vrouw" => {
            Some("female")
        }
        "male" | "m" | "man" | "men" | "boy" | "mannlich" | "maennlich" | "mann" | "maenner"
        | "manner" | "homme" | "hommes" | "maschile" | "uomo" | "uomini" | "masculino"
        | "hombre" | "hombres" | "homem" | "mezczyzna" | "erkek" => Some("male"),
        _ => None,
    }
}

/// The part of a split that a word stands for, as manifests write it.
pub(in crate::corpus) fn part(word: &str) -> Option<&'static str> {
    match plain(word).as_str() {
        "train" | "training" | "trn" | "trainset" => Some("train"),
        "validation" | "valid" | "val" | "dev" | "devel" | "development" | "validierung" => {
            Some("validation")
        }
        "test" | "testing" | "tst" | "testset" | "eval" | "evaluation" => Some("test"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_languages_name_one_class() {
        for (class, words) in [
            ("anger", ["ANG", "Wut", "colère", "kızgın"]),
            ("happiness", ["Freude", "GIOIA", "radość", "Sevinç"]),
            ("sadness", ["triste", "Traurigkeit", "smutek", "üzgün"]),
        ] {
            assert!(
                words.iter().all(|word| emotion(word) == Some(class)),
                "{class}"
            );
        }
        assert_eq!(emotion("table"), None);
    }

    #[test]
    fn no_word_stands_for_two_classes() {
        let mut seen = std::collections::BTreeSet::new();
        for word in WORDS.iter().flat_map(|(_, words)| *words) {
            assert!(seen.insert(plain(word)) || plain(word) != **word, "{word}");
        }
    }

    #[test]
    fn speakers_are_called_many_things() {
        assert!(
            ["Speaker_01", "spk3", "Actor", "sprecher-7", "VP12"]
                .iter()
                .all(|word| is_speaker_word(word))
        );
        assert!(
            !["sad", "s1", "session", "f1"]
                .iter()
                .any(|word| is_speaker_word(word))
        );
        let columns = [
            "Sprecher",
            "VP",
            "VP_Nr",
            "Proband",
            "talker",
            "locuteur",
            "hablante",
            "parlante",
            "person",
            "id_speaker",
            "Speaker ID",
        ];
        assert!(columns.iter().all(|name| is_speaker_column(name)));
        assert!(
            !["personality", "id", "name", "file", "subjective", "text_id"]
                .iter()
                .any(|name| is_speaker_column(name))
        );
    }

    #[test]
    fn letters_are_emotions_only_together() {
        let of = |labels: &[&'static str]| {
            letters(&labels.iter().copied().collect())
                .map(|found| found.into_values().collect::<Vec<_>>())
        };
        assert_eq!(
            of(&["N", "H", "S", "A"]),
            Some(vec!["anger", "happiness", "neutral", "sadness"])
        );
        assert_eq!(
            of(&["W", "F", "N"]),
            Some(vec!["happiness", "neutral", "anger"])
        );
        assert_eq!(
            [
                of(&["a", "b", "c", "d"]),
                of(&["N", "A"]),
                of(&["N", "A", "X"])
            ],
            [None, None, None]
        );
    }

    #[test]
    fn parts_and_sexes_are_words() {
        assert_eq!(
            [part("Training"), part("devel"), part("eval"), part("s1")],
            [Some("train"), Some("validation"), Some("test"), None]
        );
        assert_eq!(
            [
                sex("Weiblich"),
                sex("Ma\u{308}nnlich"),
                sex("hombre"),
                sex("anna")
            ],
            [Some("female"), Some("male"), Some("male"), None]
        );
    }
}
