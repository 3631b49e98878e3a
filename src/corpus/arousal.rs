//! Emotions of high and of low arousal.

use super::propose::words;

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
    use super::super::labels::{EMODB, RAVDESS};
    use super::*;

    #[test]
    fn the_classes_of_the_known_corpora_have_a_side() {
        let high = |codes: &[super::super::labels::Code]| -> Vec<&str> {
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
