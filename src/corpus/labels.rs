//! The codes of the known corpora: what each stands for and how many utterances of it were
//! published.

use super::propose::words;

/// One emotion code of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// As it stands in file names or label files.
    pub code: &'static str,
    /// The class name used in tables.
    pub label: &'static str,
    /// Utterances of it in the complete published corpus.
    pub count: usize,
}

const fn code(code: &'static str, label: &'static str, count: usize) -> Code {
    Code { code, label, count }
}

/// RAVDESS speech, third field of a file name (Livingstone & Russo 2018); 1440 files.
pub const RAVDESS: [Code; 8] = [
    code("01", "neutral", 96),
    code("02", "calm", 192),
    code("03", "happy", 192),
    code("04", "sad", 192),
    code("05", "angry", 192),
    code("06", "fearful", 192),
    code("07", "disgust", 192),
    code("08", "surprised", 192),
];

/// EMO-DB, sixth character of a file name (Burkhardt et al. 2005); 535 files of the first release.
pub const EMODB: [Code; 7] = [
    code("W", "anger", 127),
    code("L", "boredom", 81),
    code("E", "disgust", 46),
    code("A", "fear", 69),
    code("F", "happiness", 71),
    code("T", "sadness", 62),
    code("N", "neutral", 79),
];

/// IEMOCAP, the majority label of a turn (Busso et al. 2008); 10,039 turns.
pub const IEMOCAP: [Code; 11] = [
    code("ang", "anger", 1103),
    code("dis", "disgust", 2),
    code("exc", "excitement", 1041),
    code("fea", "fear", 40),
    code("fru", "frustration", 1849),
    code("hap", "happiness", 595),
    code("neu", "neutral", 1708),
    code("oth", "other", 3),
    code("sad", "sadness", 1084),
    code("sur", "surprise", 107),
    code("xxx", "no agreement", 2507),
];

/// The entry of a code, where the corpus defines it.
pub(crate) fn find(codes: &'static [Code], code: &str) -> Option<&'static Code> {
    codes.iter().find(|c| c.code == code)
}

/// The codes of a corpus in a line for people: "01 neutral, 02 calm, …".
pub(crate) fn list(codes: &[Code]) -> String {
    codes
        .iter()
        .map(|c| format!("{} {}", c.code, c.label))
        .collect::<Vec<_>>()
        .join(", ")
}

/// On which side of the middle of the arousal dimension an emotion lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arousal {
    /// Anger, disgust, excitement, fear, frustration, happiness, surprise.
    High,
    /// Boredom, calm, neutral, sadness.
    Low,
}

/// The arousal of a class, by any of the words known for it; `None` for a class that neither source
/// places.
///
/// The side is the sign of the mean arousal rating in Russell and Mehrabian 1977 (Evidence for a
/// three-factor theory of emotions, doi 10.1016/0092-6566(77)90037-X); calm is placed by Russell
/// 1980 (A circumplex model of affect, doi 10.1037/h0077714). Neutral, the middle of the dimension,
/// counts as low.
pub fn arousal(label: &str) -> Option<Arousal> {
    match words::emotion(label)? {
        "anger" | "disgust" | "excitement" | "fear" | "frustration" | "happiness" | "surprise" => {
            Some(Arousal::High)
        }
        "boredom" | "calm" | "neutral" | "sadness" => Some(Arousal::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_totals_add_up() {
        let total = |codes: &[Code]| codes.iter().map(|c| c.count).sum::<usize>();
        assert_eq!(
            (total(&RAVDESS), total(&EMODB), total(&IEMOCAP)),
            (1440, 535, 10_039)
        );
    }
}

#[cfg(test)]
mod arousal_tests {
    use super::*;

    #[test]
    fn the_classes_of_the_known_corpora_have_a_side() {
        let high = |codes: &[Code]| -> Vec<&str> {
            assert!(codes.iter().all(|code| arousal(code.label).is_some()));
            codes
                .iter()
                .map(|code| code.label)
                .filter(|label| arousal(label) == Some(Arousal::High))
                .collect()
        };
        assert_eq!(
            high(&RAVDESS),
            ["happy", "angry", "fearful", "disgust", "surprised"]
        );
        assert_eq!(high(&EMODB), ["anger", "disgust", "fear", "happiness"]);
        assert_eq!(
            (arousal("Freude"), arousal("NEU")),
            (Some(Arousal::High), Some(Arousal::Low))
        );
        assert_eq!((arousal("sarcasm"), arousal("class 7")), (None, None));
    }
}
