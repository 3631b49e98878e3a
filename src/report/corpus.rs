//! The section of the corpus: counts against the published ones, how it was recorded and whether
//! that gives its classes away, and all excluded files.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use crate::corpus::{Attribute, Condition, Reason, SetAside};
use crate::table::duplicates::DuplicateRow;

use super::data::{CorpusSection, doubt};
use super::html::{Html, Table, count, markup, number_cell, numbers, plural, words};
use super::{compare, html, svg};

/// Files listed by reason on the page; `report.json` holds all.
const LISTED: usize = 200;
const BAR_WIDTH: f64 = 220.0;

/// Writes the section.
pub(super) fn write(h: &mut Html, corpus: &CorpusSection) {
    let licence = corpus.licence.as_ref().filter(|_| !corpus.generated);
    let by = |noun: &str, attribute| {
        format!("Utterances by {noun}{}", doubt(&corpus.guessed, attribute))
    };
    h.line_break().put(html! {
        section #corpus aria-labelledby="corpus-title" {
            h2 #corpus-title { "Corpus" }
            p {
                strong { (corpus.corpus) } ": " (plural(corpus.utterances, "utterance")) ", "
                (speakers(corpus)) ", " (plural(corpus.by_class.len(), "class")) ", "
                (html::duration(corpus.duration_s)) " of "
                @if corpus.generated { "generated sound." } @else { "recorded speech." }
            }
            (against_published(corpus))
            @if let Some(licence) = licence {
                p {
                    "Licence: " (licence.trim_end_matches('.')) ". What to cite is in "
                    a href="references.bib" { "references.bib" } "."
                }
            }
            @for note in &corpus.notes { p.note.box { (note) } }
            (markup(|h| conditions(h, &corpus.conditions)))
            (classes(corpus))
            (groups("speaker", &by("speaker", Attribute::Speaker), &corpus.by_speaker))
            (groups("session", &by("session", Attribute::Session), &corpus.by_session))
            (duplicates(&corpus.duplicates))
            (near_duplicates(&corpus.near_duplicates))
            (set_aside(&corpus.set_aside))
        }
    });
}

/// `24 speakers`, `speakers not known`.
pub(super) fn speakers(corpus: &CorpusSection) -> String {
    let known =
        plural(corpus.by_speaker.len(), "speaker") + &doubt(&corpus.guessed, Attribute::Speaker);
    match (corpus.by_speaker.len(), corpus.unknown_speakers) {
        (_, 0) => known,
        (0, _) => "speakers not known".to_owned(),
        (_, n) => format!("{known} and {} of unknown ones", plural(n, "utterance")),
    }
}

fn against_published(corpus: &CorpusSection) -> Markup {
    let expected = corpus.expected.as_ref().filter(|_| !corpus.generated);
    html! {
        @if let Some(expected) = expected {
            @if let Some(lacking) = compare::differs_from_published(corpus) {
                p.warn.box {
                    strong { "Differs from the published corpus:" }
                    " " (lacking) " (" (expected.source) ")."
                }
            } @else {
                p.good.box {
                    strong { "Complete:" }
                    " the counts of utterances, speakers and classes are the published ones ("
                    (expected.source) ")."
                }
            }
        }
    }
}

fn classes(corpus: &CorpusSection) -> Markup {
    let expected = corpus.expected.as_ref().filter(|_| !corpus.generated);
    let published = |class: &str| expected.and_then(|e| e.classes.get(class)).copied();
    let found = |class: &str| corpus.by_class.get(class).copied().unwrap_or(0);
    let names = corpus
        .by_class
        .keys()
        .chain(expected.into_iter().flat_map(|e| e.classes.keys()));
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let most = names
        .iter()
        .map(|class| found(class).max(published(class).unwrap_or(0)));
    let most = most.max().unwrap_or(0);
    // The bars come first: a narrow page shows the left of the table.
    let mut columns = vec![words("Class"), words("Share"), numbers("Found")];
    if expected.is_some() {
        columns[1] = words("Found (bar) and published (line)");
        columns.extend([numbers("Published"), numbers("Difference")]);
    }
    let difference = |class: &str, n: usize| {
        let difference = found(class) as f64 - n as f64;
        let sign = if difference > 0.0 { "+" } else { "" };
        number_cell(
            format!("{sign}{}", html::decimals(difference, 0)),
            difference,
        )
    };
    let table = Table::new(
        "class-counts",
        format!(
            "Utterances by class{}",
            doubt(&corpus.guessed, Attribute::Emotion)
        ),
        "narrow",
    );
    let rows = html! {
        @for class in names {
            tr {
                th scope="row" { (class) }
                (inline_bar(found(class), published(class), most))
                (number_cell(count(found(class)), found(class) as f64))
                @if let Some(n) = published(class) {
                    (number_cell(count(n), n as f64)) (difference(class, n))
                } @else if expected.is_some() {
                    (number_cell("–", -1.0)) (number_cell("–", 0.0))
                }
            }
        }
    };
    html! { h3 #corpus-classes { "By class" } (table.markup(&columns, rows)) }
}

/// A bar in a cell; the numbers beside it say the same, so it is decoration to a screen reader.
fn inline_bar(n: usize, mark: Option<usize>, most: usize) -> Markup {
    let x = |n: usize| match most {
        0 => 0.0,
        most => (BAR_WIDTH - 4.0) * n as f64 / most as f64,
    };
    let line = |at: usize| markup(|h| svg::line(h, "expected", (x(at), 0.0), (x(at), 16.0)));
    // A narrow page squeezes the bar rather than cutting it.
    html! {
        td.bar-cell data-v=(n) {
            svg aria-hidden="true" viewBox={ "0 0 " (svg::at(BAR_WIDTH)) " 16" }
                preserveAspectRatio="none" width="100%" height="16" {
                rect.wa x="0" y="3" width=(svg::at(x(n))) height="10" rx="2" {}
                @if let Some(at) = mark { (line(at)) }
            }
        }
    }
}

fn groups(noun: &'static str, caption: &str, counts: &BTreeMap<String, usize>) -> Markup {
    let (least, most) = (
        counts.values().min().copied(),
        counts.values().max().copied(),
    );
    let (Some(least), Some(most)) = (least, most) else {
        return Markup::default();
    };
    let each = if least == most {
        plural(least, "utterance")
    } else {
        format!("from {} to {}", count(least), plural(most, "utterance"))
    };
    let table = Table::new(format!("{noun}-counts"), caption, "narrow");
    let head = words(if noun == "speaker" {
        "Speaker"
    } else {
        "Session"
    });
    let rows = html! {
        @for (name, &n) in counts {
            tr {
                th scope="row" { (name) }
                (inline_bar(n, None, most)) (number_cell(count(n), n as f64))
            }
        }
    };
    html! {
        h3 id={ "corpus-" (noun) } { "By " (noun) }
        p { (plural(counts.len(), noun)) ", " (each) " each." }
        details {
            summary { "Counts by " (noun) }
            (table.markup(&[head, words("Share"), numbers("Utterances")], rows))
        }
    }
}

fn duplicates(groups: &[Vec<String>]) -> Markup {
    let lines = groups.iter().map(|group| group.join(", "));
    html! {
        h3 #corpus-duplicates { "The same sound more than once" }
        @if groups.is_empty() {
            p { "No two utterances hold the same samples." }
        } @else {
            p { (plural(groups.len(), "group")) " of utterances whose samples are the same." }
            (listed(lines))
        }
    }
}

fn near_duplicates(pairs: &[DuplicateRow]) -> Markup {
    let lines = pairs.iter().map(|pair| {
        let (a, b) = (&pair.utterance_a, &pair.utterance_b);
        format!("{a} and {b}: similarity {:.2}", pair.similarity)
    });
    html! {
        h3 #corpus-near-duplicates { "Versions of one recording" }
        @if pairs.is_empty() {
            p {
                "No two utterances are the same recording at another rate or level, in another "
                "format, padded or trimmed."
            }
        } @else {
            p {
                (plural(pairs.len(), "pair")) " of utterances are versions of one recording ("
                a href="duplicates.csv" { "duplicates.csv" } ")."
            }
            (listed(lines))
        }
    }
}

fn listed(lines: impl ExactSizeIterator<Item = String>) -> Markup {
    let n = lines.len();
    html! {
        details {
            summary { "Which ones" }
            ul { @for line in lines.take(LISTED) { li { (line) } } (rest(n)) }
        }
    }
}

fn rest(n: usize) -> Markup {
    html! {
        @if n > LISTED {
            li {
                "and " (count(n - LISTED)) " more, all of them in "
                a href="report.json" { "report.json" }
            }
        }
    }
}

fn set_aside(files: &[SetAside]) -> Markup {
    let mut by_reason: BTreeMap<Reason, Vec<&SetAside>> = BTreeMap::new();
    for file in files {
        by_reason.entry(file.reason).or_default().push(file);
    }
    let table = Table::new(
        "set-aside",
        "Files and labels that are not utterances of this pipeline",
        "narrow",
    );
    let rows = html! {
        @for (reason, files) in &by_reason {
            tr {
                th scope="row" { (reason.describe()) }
                (number_cell(count(files.len()), files.len() as f64))
            }
        }
    };
    html! {
        h3 #corpus-set-aside { "Excluded" }
        @if files.is_empty() {
            p { "No file was excluded." }
        } @else {
            (table.markup(&[words("Reason"), numbers("Files or rows")], rows))
            @for (i, (reason, files)) in by_reason.iter().enumerate() {
                (of_reason(i, reason.describe(), files))
            }
        }
    }
}

fn of_reason(i: usize, reason: &str, files: &[&SetAside]) -> Markup {
    let table = Table::new(
        format!("set-aside-{}", i + 1),
        format!("Excluded: {reason}"),
        "tall",
    );
    let rows = html! {
        @for file in files.iter().take(LISTED) {
            tr { th.path scope="row" { (file.path) } td.w { (file.detail) } }
        }
    };
    html! {
        details {
            summary { (plural(files.len(), "file")) ": " (reason) }
            (table.markup(&[words("File"), words("Detail")], rows))
            @if files.len() > LISTED { ul { (rest(files.len())) } }
        }
    }
}

/// Rows of a table on the page; `report.json` holds all.
const CONDITION_VALUES: usize = 40;

/// Writes a warning for each condition that leaks, and a table for each that has more than one
/// value.
pub(super) fn conditions(h: &mut Html, conditions: &[Condition]) {
    if conditions.is_empty() {
        return;
    }
    h.put(html! {
        h3 #corpus-conditions { "Recording conditions" }
        @for condition in conditions.iter().filter(|condition| condition.leaks()) {
            p.warn.box {
                strong { (condition_heading(condition)) } " " (condition.warning()) "."
                @if !condition.is_speaker() { " No protocol of this report keeps that apart." }
            }
        }
        @for condition in conditions {
            @match condition.counts.as_slice() {
                [] => {}
                [(value, _)] => {
                    p { (capital(&condition.name)) ": " (value) " throughout." }
                }
                many => (condition_table(condition, many.len()))
            }
        }
    });
}

/// What a condition that leaks is called.
pub(super) fn condition_heading(condition: &Condition) -> &'static str {
    if condition.is_speaker() {
        "Speakers tell emotions:"
    } else {
        "A leak:"
    }
}

fn condition_table(condition: &Condition, values: usize) -> Markup {
    let classes = condition
        .counts
        .iter()
        .flat_map(|(_, by_class)| by_class.keys());
    let classes: BTreeSet<&str> = classes.map(String::as_str).collect();
    let table = Table::new(
        format!("conditions-{}", condition.name.replace(' ', "-")),
        format!(
            "Utterances by {} and class (Cramér's V {:.2})",
            condition.name, condition.association
        ),
        "narrow",
    );
    let name = capital(&condition.name);
    let mut columns = vec![words(&name)];
    columns.extend(classes.iter().map(|class| numbers(class)));
    let n = |by_class: &BTreeMap<String, usize>, class: &str| {
        let n = by_class.get(class).copied().unwrap_or(0);
        number_cell(count(n), n as f64)
    };
    let rows = html! {
        @for (value, by_class) in condition.counts.iter().take(CONDITION_VALUES) {
            tr {
                th scope="row" { (value) }
                @for class in &classes { (n(by_class, class)) }
            }
        }
    };
    html! {
        (table.markup(&columns, rows))
        @if values > CONDITION_VALUES { p { (values - CONDITION_VALUES) " more values stand in report.json." } }
    }
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(condition: Condition) -> String {
        let mut h = Html::default();
        conditions(&mut h, &[condition]);
        h.into_string()
    }

    #[test]
    fn what_gives_classes_away_is_a_warning_and_what_is_the_same_throughout_a_line() {
        let rates = |of: fn(usize) -> u64| {
            Condition::of(
                "sample rate",
                (0..40).map(move |i| (of(i), ["<b>", "joy"][i % 2])),
                |rate| format!("{rate} Hz"),
            )
        };
        let leak = page(rates(|i| 16_000 * (1 + i as u64 % 2)));
        assert!(
            leak.contains("A leak:") && leak.contains("32000 Hz") && !leak.contains("<b>"),
            "{leak}"
        );
        let even = page(rates(|i| 16_000 * (1 + i as u64 / 20)));
        assert!(
            !even.contains("A leak:") && even.contains("<table"),
            "{even}"
        );
        assert!(page(rates(|_| 8_000)).contains("Sample rate: 8000 Hz throughout."));
    }
}
