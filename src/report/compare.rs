//! Which published figures stand beside which experiment, and how far away.

use crate::corpus::Attribute;
use crate::corpus::{Mark, Published};
use crate::split::{Independence, TestSpeakers};

use super::data::{CorpusSection, ExperimentSection, PipelineReport};

/// How a published figure stands to an experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// The same kind of protocol: ours minus theirs, as a share, for each figure that both have.
    Comparable {
        /// WA.
        accuracy: Option<f64>,
        /// UAR.
        uar: Option<f64>,
    },
    /// One tests unseen speakers, the other does not.
    OtherProtocol,
    /// One of them had test utterances, without their labels, at its disposal, the other had not.
    Transductive,
    /// It is not known whether the published test speakers were unseen.
    UnknownProtocol,
    /// It is not known, or not confirmed, who the speakers of the experiment are.
    UnknownSpeakers,
    /// The experiment has no result.
    NoResult,
}

/// Holds one experiment against one published figure.
pub(super) fn standing(experiment: &ExperimentSection, published: &Published) -> Standing {
    let (ours, theirs) = (experiment.speakers, speakers_of(published));
    let result = || match &experiment.pooled {
        None => Standing::NoResult,
        Some(ours) => Standing::Comparable {
            accuracy: published.accuracy.map(|theirs| ours.accuracy - theirs),
            uar: published.uar.map(|theirs| ours.uar - theirs),
        },
    };
    if let Some(folds) = &published.folds {
        let are_same = experiment.protocol == format!("published-{folds}");
        return match experiment.transductive == is_transductive(published) {
            _ if !are_same => Standing::OtherProtocol,
            true => result(),
            false => Standing::Transductive,
        };
    }
    match ours.independence() {
        _ if theirs.independence() == Independence::Unknown => Standing::UnknownProtocol,
        Independence::Unknown => Standing::UnknownSpeakers,
        _ if ours.place() != theirs.place() => Standing::OtherProtocol,
        _ if experiment.transductive != is_transductive(published) => Standing::Transductive,
        _ => result(),
    }
}

/// The statement that a published figure stands under.
pub(super) fn speakers_of(published: &Published) -> TestSpeakers {
    TestSpeakers::stated(Independence::of(published.speaker_independent))
}

/// The statements that results stand under, in the order of their tables: each with the experiments
/// and the published figures of its kind.
pub(super) fn by_speakers<'r, E>(
    experiments: &[E],
    of: impl Fn(&E) -> &'r ExperimentSection,
    published: &'r [Published],
) -> Vec<(TestSpeakers, Vec<usize>, Vec<usize>)> {
    let ours: Vec<TestSpeakers> = experiments.iter().map(|one| of(one).speakers).collect();
    let theirs: Vec<TestSpeakers> = published.iter().map(speakers_of).collect();
    let mut kinds: Vec<TestSpeakers> = ours.iter().chain(&theirs).copied().collect();
    kinds.sort_by_key(|kind| kind.place());
    kinds.dedup_by_key(|kind| kind.place());
    let places = |all: &[TestSpeakers], kind: TestSpeakers| {
        (0..all.len())
            .filter(|&i| all[i].place() == kind.place())
            .collect()
    };
    kinds
        .into_iter()
        .map(|kind| (kind, places(&ours, kind), places(&theirs, kind)))
        .collect()
}

/// Whether a published figure says of itself, in its system or protocol, that it is transductive.
pub(super) fn is_transductive(published: &Published) -> bool {
    [&published.system, &published.protocol].iter().any(|text| {
        let text = text.to_lowercase();
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let denied = |at: usize| at > 0 && ["not", "non", "no"].contains(&words[at - 1]);
        words
            .iter()
            .enumerate()
            .any(|(at, word)| *word == "transductive" && !denied(at))
    })
}

/// The published figures that this report may show: none beside generated speech, beside other
/// classes than the published ones, or where every experiment is a control.
pub(super) fn published(report: &PipelineReport) -> &[Published] {
    let only_controls = !report.experiments.is_empty() && results(report).next().is_none();
    if generated(report) || only_controls || other_classes(report).is_some() {
        &[]
    } else {
        &report.published
    }
}

/// The experiments that stand beside published figures, with their places: controls on shuffled
/// labels do not.
pub(super) fn results(
    report: &PipelineReport,
) -> impl Iterator<Item = (usize, &ExperimentSection)> {
    report
        .experiments
        .iter()
        .enumerate()
        .filter(|(_, experiment)| !experiment.shuffled_labels)
}

/// Whether the corpus was generated rather than recorded.
pub(super) fn generated(report: &PipelineReport) -> bool {
    report
        .corpus
        .as_ref()
        .is_some_and(|corpus| corpus.generated)
}

/// What must be said wherever figures of this report stand without its banners, as sentences.
pub(super) fn remarks(report: &PipelineReport) -> Vec<String> {
    let mut remarks = Vec::new();
    if generated(report) {
        remarks.push("Generated sounds, not recorded speech.".to_owned());
    }
    if let Some(lacking) = report.corpus.as_ref().and_then(differs_from_published) {
        remarks.push(format!(
            "The corpus differs from the published one: {lacking}."
        ));
    }
    let guessed = report
        .corpus
        .iter()
        .flat_map(|corpus| &corpus.guessed)
        .copied()
        .collect::<Vec<_>>();
    if !guessed.is_empty() {
        remarks.push(format!(
            "Guessed from file names, not confirmed: {}.",
            Attribute::list(&guessed)
        ));
    }
    if let Some(other) = other_classes(report) {
        remarks.push(format!(
            "Another task than the published one, so that no published figures stand here: {other}."
        ));
    }
    let leaks = report
        .corpus
        .iter()
        .flat_map(|corpus| &corpus.conditions)
        .filter(|condition| condition.leaks());
    remarks.extend(leaks.map(|condition| {
        format!(
            "The {} gives classes away (Cramér's V {:.2}).",
            condition.name, condition.association
        )
    }));
    if !report.overrides.is_empty() {
        remarks.push(format!(
            "Not the settings of the pipeline file, overridden for this run: {}.",
            report.overrides.join("; ")
        ));
    }
    remarks
}

/// Why the corpus is not the one of the publications, where it is not: counts that differ from the
/// published ones.
pub(super) fn differs_from_published(corpus: &CorpusSection) -> Option<String> {
    let expected = corpus.expected.as_ref().filter(|_| !corpus.generated)?;
    let mut parts = Vec::new();
    if corpus.utterances != expected.utterances {
        parts.push(format!(
            "{} of {} utterances",
            corpus.utterances, expected.utterances
        ));
    }
    if expected.speakers > 0 && corpus.by_speaker.len() != expected.speakers {
        parts.push(format!(
            "{} of {} speakers",
            corpus.by_speaker.len(),
            expected.speakers
        ));
    }
    let other = expected
        .classes
        .iter()
        .filter(|(class, n)| corpus.by_class.get(*class) != Some(n))
        .count()
        + corpus
            .by_class
            .keys()
            .filter(|class| !expected.classes.contains_key(*class))
            .count();
    if other > 0 && corpus.utterances == expected.utterances {
        parts.push(format!("{other} classes with other counts"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// In words, where the corpus has other classes than the publications: published figures are of
/// another task then.
pub(super) fn other_classes(report: &PipelineReport) -> Option<String> {
    let corpus = report.corpus.as_ref().filter(|corpus| !corpus.generated)?;
    let expected = &corpus.expected.as_ref()?.classes;
    if expected.is_empty() || expected.keys().eq(corpus.by_class.keys()) {
        return None;
    }
    let lacking: Vec<&str> = expected
        .keys()
        .filter(|class| !corpus.by_class.contains_key(*class))
        .map(String::as_str)
        .collect();
    let mut words = format!(
        "this corpus has {} classes, the publications have {}",
        corpus.by_class.len(),
        expected.len()
    );
    if !lacking.is_empty() {
        words.push_str(&format!(" (not here: {})", lacking.join(", ")));
    }
    Some(words)
}

/// Letters that tie the marks in a chart to the rows of a table: A … Z, A2 …
pub(super) fn key(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 {
        letter.to_string()
    } else {
        format!("{letter}{}", index / 26 + 1)
    }
}

/// The mark as a letter and in words.
pub(super) fn describe(mark: Mark) -> (&'static str, &'static str) {
    match mark {
        Mark::P => ("P", "from the publication itself"),
        Mark::R => (
            "R",
            "from a public re-implementation or a later paper about it",
        ),
        Mark::I => ("I", "as this project infers it; no source states it"),
    }
}

/// Levels that need no model: the UAR of any constant guess, and the accuracy of always naming the
/// most frequent class.
pub(super) fn levels(experiment: &ExperimentSection) -> Option<(f64, f64)> {
    let scores = experiment.pooled.as_ref()?;
    let rows: Vec<u64> = scores
        .confusion
        .counts
        .iter()
        .map(|row| row.iter().sum())
        .collect();
    let total: u64 = rows.iter().sum();
    let present = rows.iter().filter(|&&n| n > 0).count();
    let most = rows.iter().max().copied()?;
    (total > 0).then(|| (1.0 / present as f64, most as f64 / total as f64))
}

/// The distinct seeds, ascending.
pub(super) fn seeds(experiment: &ExperimentSection) -> Vec<u64> {
    let mut seeds: Vec<u64> = experiment.folds.iter().map(|fold| fold.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn only_the_same_kind_of_protocol_has_a_distance() {
        let report = fixture::recorded();
        let [shared, unseen] = [&report.experiments[0], &report.experiments[1]];
        let paper = &report.published[0];
        assert_eq!(paper.speaker_independent, Some(false));
        let Standing::Comparable {
            accuracy: Some(distance),
            uar: None,
        } = standing(shared, paper)
        else {
            panic!("comparable")
        };
        assert!((distance - (shared.pooled.as_ref().unwrap().accuracy - 0.7161)).abs() < 1e-12);
        assert_eq!(standing(unseen, paper), Standing::OtherProtocol);
        let looks = ExperimentSection {
            transductive: true,
            ..shared.clone()
        };
        assert_eq!(standing(&looks, paper), Standing::Transductive);
        let theirs = Published {
            protocol: "random 5-fold, Transductive".into(),
            ..paper.clone()
        };
        assert!(matches!(
            standing(&looks, &theirs),
            Standing::Comparable { .. }
        ));
        assert_eq!(standing(shared, &theirs), Standing::Transductive);
        let of_folds = |name: &str| Published {
            folds: Some(name.into()),
            ..paper.clone()
        };
        assert!(matches!(
            standing(unseen, &of_folds("emobox")),
            Standing::Comparable { .. }
        ));
        for (experiment, name) in [(unseen, "others"), (shared, "emobox")] {
            assert_eq!(
                standing(experiment, &of_folds(name)),
                Standing::OtherProtocol
            );
        }
        let unknown = Published {
            speaker_independent: None,
            ..paper.clone()
        };
        assert_eq!(standing(shared, &unknown), Standing::UnknownProtocol);
        let guessed = ExperimentSection {
            speakers: TestSpeakers::Guessed { disjoint: true },
            ..unseen.clone()
        };
        let copied = ExperimentSection {
            speakers: TestSpeakers::OnBothSides { recordings: 2 },
            ..unseen.clone()
        };
        assert!(
            report.published[..5]
                .iter()
                .all(|figure| standing(&copied, figure) == Standing::OtherProtocol)
        );
        assert!(
            report.published[..5]
                .iter()
                .all(|figure| standing(&guessed, figure) == Standing::UnknownSpeakers)
        );
    }

    #[test]
    fn a_corpus_that_lacks_files_is_said_to_differ() {
        let mut corpus = fixture::recorded().corpus.unwrap();
        assert_eq!(differs_from_published(&corpus), None);
        corpus.utterances -= 1;
        assert_eq!(
            differs_from_published(&corpus).unwrap(),
            "1439 of 1440 utterances"
        );
    }

    #[test]
    fn other_classes_leave_nothing_to_compare() {
        let mut report = fixture::recorded();
        assert_eq!(other_classes(&report), None);
        assert!(!published(&report).is_empty());
        let corpus = report.corpus.as_mut().unwrap();
        let (class, _) = corpus.by_class.pop_first().unwrap();
        assert!(
            other_classes(&report)
                .is_some_and(|words| words.contains("7 classes") && words.contains(&class))
        );
        assert!(published(&report).is_empty());
    }

    #[test]
    fn what_a_page_warns_of_is_a_list_of_remarks() {
        let mut report = fixture::recorded();
        assert!(remarks(&report).is_empty());
        let leak = remarks(&fixture::hostile());
        assert!(
            leak.iter()
                .any(|one| one.starts_with("The sample rate gives classes away")),
            "{leak:?}"
        );
        report.overrides = vec!["train.epochs=1".into()];
        report.corpus.as_mut().unwrap().by_class.pop_first();
        report.corpus.as_mut().unwrap().utterances = 1344;
        let found = remarks(&report).join("\n");
        for part in [
            "differs from the published one: 1344 of 1440",
            "no published figures stand here",
            "overridden for this run: train.epochs=1",
        ] {
            assert!(found.contains(part), "{found}");
        }
        assert_eq!(
            remarks(&fixture::generated()),
            ["Generated sounds, not recorded speech."]
        );
    }

    #[test]
    fn keys_stay_distinct_beyond_the_alphabet() {
        let keys: std::collections::BTreeSet<String> = (0..80).map(key).collect();
        assert_eq!(keys.len(), 80);
    }
}
