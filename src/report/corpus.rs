//! The section of the corpus: counts against the published ones, and everything that was set aside.

use std::collections::BTreeMap;

use crate::corpus::{Attribute, Reason, SetAside};
use crate::table::duplicates::DuplicateRow;

use super::compare;
use super::conditions;
use super::data::{CorpusSection, doubt};
use super::html::{self, Html, Table, cell, count, number, numbers, plural, row_head, words};
use super::svg;

/// Files listed by reason on the page; `report.json` holds all.
const LISTED: usize = 200;
const BAR_WIDTH: f64 = 220.0;

/// Writes the section.
pub(super) fn write(h: &mut Html, corpus: &CorpusSection) {
    h.line_break().raw("<section id=\"corpus\" aria-labelledby=\"corpus-title\"><h2 id=\"corpus-title\">Corpus</h2>");
    h.within("p", &[], |h| {
        h.el("strong", &[], &corpus.corpus)
            .raw(": ")
            .text(plural(corpus.utterances, "utterance"))
            .raw(", ");
        h.text(speakers(corpus))
            .raw(", ")
            .text(plural(corpus.by_class.len(), "class"))
            .raw(", ");
        h.text(html::duration(corpus.duration_s))
            .raw(" of ")
            .raw(if corpus.generated {
                "generated sound."
            } else {
                "recorded speech."
            });
    });
    against_published(h, corpus);
    if let Some(licence) = corpus.licence.as_ref().filter(|_| !corpus.generated) {
        h.within("p", &[], |h| {
            h.raw("Licence: ")
                .text(licence.trim_end_matches('.'))
                .raw(". What to cite is in <a href=\"references.bib\">references.bib</a>.");
        });
    }
    for note in &corpus.notes {
        h.el("p", &[("class", "note box")], note);
    }
    conditions::write(h, &corpus.conditions);
    classes(h, corpus);
    let by = |noun: &str, attribute| {
        format!("Utterances by {noun}{}", doubt(&corpus.guessed, attribute))
    };
    groups(
        h,
        "speaker",
        &by("speaker", Attribute::Speaker),
        &corpus.by_speaker,
    );
    groups(
        h,
        "session",
        &by("session", Attribute::Session),
        &corpus.by_session,
    );
    duplicates(h, &corpus.duplicates);
    near_duplicates(h, &corpus.near_duplicates);
    set_aside(h, &corpus.set_aside);
    h.raw("</section>");
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

fn against_published(h: &mut Html, corpus: &CorpusSection) {
    let Some(expected) = corpus.expected.as_ref().filter(|_| !corpus.generated) else {
        return;
    };
    match compare::differs_from_published(corpus) {
        None => h.within("p", &[("class", "good box")], |h| {
            h.raw("<strong>Complete:</strong> the counts of utterances, speakers and classes are the published ones (");
            h.text(&expected.source).raw(").");
        }),
        Some(lacking) => h.within("p", &[("class", "warn box")], |h| {
            h.raw("<strong>Differs from the published corpus:</strong> ").text(lacking).raw(" (").text(&expected.source).raw(").");
        }),
    };
}

fn classes(h: &mut Html, corpus: &CorpusSection) {
    let expected = corpus.expected.as_ref().filter(|_| !corpus.generated);
    let mut names: Vec<&str> = corpus.by_class.keys().map(String::as_str).collect();
    if let Some(expected) = expected {
        names.extend(
            expected
                .classes
                .keys()
                .map(String::as_str)
                .filter(|class| !corpus.by_class.contains_key(*class)),
        );
    }
    names.sort_unstable();
    let found = |class: &str| corpus.by_class.get(class).copied().unwrap_or(0);
    let published = |class: &str| expected.and_then(|e| e.classes.get(class)).copied();
    let most = names
        .iter()
        .map(|class| found(class).max(published(class).unwrap_or(0)))
        .max()
        .unwrap_or(0);
    h.raw("<h3 id=\"corpus-classes\">By class</h3>");
    // The bars come first: a narrow page shows the left of the table.
    let mut columns = vec![
        words("Class"),
        words(if expected.is_some() {
            "Found (bar) and published (line)"
        } else {
            "Share"
        }),
        numbers("Found"),
    ];
    if expected.is_some() {
        columns.extend([numbers("Published"), numbers("Difference")]);
    }
    let caption = format!(
        "Utterances by class{}",
        doubt(&corpus.guessed, Attribute::Emotion)
    );
    let table = Table {
        id: "class-counts",
        caption: &caption,
        class: "narrow",
        sortable: true,
    };
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for class in names {
            h.raw("<tr>");
            row_head(h, class);
            inline_bar(h, found(class), published(class), most);
            number(h, count(found(class)), found(class) as f64);
            if expected.is_some() {
                match published(class) {
                    Some(n) => {
                        let difference = found(class) as f64 - n as f64;
                        number(h, count(n), n as f64);
                        let sign = if difference > 0.0 { "+" } else { "" };
                        number(
                            h,
                            format!("{sign}{}", html::decimals(difference, 0)),
                            difference,
                        );
                    }
                    None => {
                        number(h, "–", -1.0);
                        number(h, "–", 0.0);
                    }
                }
            }
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
}

/// A bar in a cell; the numbers beside it say the same, so it is decoration to a screen reader.
fn inline_bar(h: &mut Html, n: usize, mark: Option<usize>, most: usize) {
    let x = |n: usize| {
        if most == 0 {
            0.0
        } else {
            (BAR_WIDTH - 4.0) * n as f64 / most as f64
        }
    };
    h.open("td", &[("class", "bar-cell"), ("data-v", &n.to_string())]);
    let view = format!("0 0 {} 16", svg::at(BAR_WIDTH));
    // A narrow page squeezes the bar rather than cutting it.
    h.open(
        "svg",
        &[
            ("aria-hidden", "true"),
            ("viewBox", &view),
            ("preserveAspectRatio", "none"),
            ("width", "100%"),
            ("height", "16"),
        ],
    );
    h.open(
        "rect",
        &[
            ("class", "wa"),
            ("x", "0"),
            ("y", "3"),
            ("width", &svg::at(x(n))),
            ("height", "10"),
            ("rx", "2"),
        ],
    )
    .raw("</rect>");
    if let Some(mark) = mark {
        svg::line(h, "expected", (x(mark), 0.0), (x(mark), 16.0));
    }
    h.raw("</svg></td>");
}

fn groups(h: &mut Html, noun: &'static str, caption: &str, counts: &BTreeMap<String, usize>) {
    let (Some(least), Some(most)) = (
        counts.values().min().copied(),
        counts.values().max().copied(),
    ) else {
        return;
    };
    h.el(
        "h3",
        &[("id", &format!("corpus-{noun}"))],
        format!("By {noun}"),
    );
    h.within("p", &[], |h| {
        h.text(plural(counts.len(), noun)).raw(", ");
        if least == most {
            h.text(plural(least, "utterance")).raw(" each.");
        } else {
            h.raw("from ")
                .text(count(least))
                .raw(" to ")
                .text(plural(most, "utterance"))
                .raw(" each.");
        }
    });
    h.raw("<details><summary>Counts by ")
        .text(noun)
        .raw("</summary>");
    let id = format!("{noun}-counts");
    let head = if noun == "speaker" {
        "Speaker"
    } else {
        "Session"
    };
    let table = Table {
        id: &id,
        caption,
        class: "narrow",
        sortable: true,
    };
    table.write(
        h,
        &[words(head), words("Share"), numbers("Utterances")],
        |h| {
            h.raw("<tbody>");
            for (name, &n) in counts {
                h.raw("<tr>");
                row_head(h, name);
                inline_bar(h, n, None, most);
                number(h, count(n), n as f64);
                h.raw("</tr>");
            }
            h.raw("</tbody>");
        },
    );
    h.raw("</details>");
}

fn duplicates(h: &mut Html, groups: &[Vec<String>]) {
    h.raw("<h3 id=\"corpus-duplicates\">The same sound more than once</h3>");
    if groups.is_empty() {
        h.raw("<p>No two utterances hold the same samples.</p>");
        return;
    }
    h.within("p", &[], |h| {
        h.text(plural(groups.len(), "group"))
            .raw(" of utterances whose samples are the same.");
    });
    h.raw("<details><summary>Which ones</summary><ul>");
    for group in groups.iter().take(LISTED) {
        h.el("li", &[], group.join(", "));
    }
    rest(h, groups.len());
    h.raw("</ul></details>");
}

fn near_duplicates(h: &mut Html, pairs: &[DuplicateRow]) {
    h.raw("<h3 id=\"corpus-near-duplicates\">Versions of one recording</h3>");
    if pairs.is_empty() {
        h.raw("<p>No two utterances are the same recording at another rate or level, in another format, padded or trimmed.</p>");
        return;
    }
    h.within("p", &[], |h| {
        h.text(plural(pairs.len(), "pair"))
            .raw(" of utterances are versions of one recording (<a href=\"duplicates.csv\">duplicates.csv</a>).");
    });
    h.raw("<details><summary>Which ones</summary><ul>");
    for pair in pairs.iter().take(LISTED) {
        h.el(
            "li",
            &[],
            format!(
                "{} and {}: similarity {:.2}",
                pair.utterance_a, pair.utterance_b, pair.similarity
            ),
        );
    }
    rest(h, pairs.len());
    h.raw("</ul></details>");
}

fn rest(h: &mut Html, n: usize) {
    if n > LISTED {
        h.within("li", &[], |h| {
            h.text(format!("and {} more, all of them in ", count(n - LISTED)))
                .raw("<a href=\"report.json\">report.json</a>");
        });
    }
}

fn set_aside(h: &mut Html, files: &[SetAside]) {
    h.raw("<h3 id=\"corpus-set-aside\">Set aside</h3>");
    if files.is_empty() {
        h.raw("<p>Nothing: every file is an utterance of the corpus.</p>");
        return;
    }
    let mut by_reason: BTreeMap<Reason, Vec<&SetAside>> = BTreeMap::new();
    for file in files {
        by_reason.entry(file.reason).or_default().push(file);
    }
    let table = Table {
        id: "set-aside",
        caption: "Files and labels that are not utterances of this pipeline",
        class: "narrow",
        sortable: true,
    };
    table.write(h, &[words("Reason"), numbers("Files")], |h| {
        h.raw("<tbody>");
        for (reason, files) in &by_reason {
            h.raw("<tr>");
            row_head(h, reason.describe());
            number(h, count(files.len()), files.len() as f64);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
    for (i, (reason, files)) in by_reason.iter().enumerate() {
        h.raw("<details><summary>")
            .text(plural(files.len(), "file"))
            .raw(": ")
            .text(reason.describe())
            .raw("</summary>");
        let id = format!("set-aside-{}", i + 1);
        let caption = format!("Set aside: {}", reason.describe());
        let table = Table {
            id: &id,
            caption: &caption,
            class: "tall",
            sortable: true,
        };
        table.write(h, &[words("File"), words("What is wrong")], |h| {
            h.raw("<tbody>");
            for file in files.iter().take(LISTED) {
                h.raw("<tr>");
                h.el("th", &[("scope", "row"), ("class", "path")], &file.path);
                cell(h, &file.detail);
                h.raw("</tr>");
            }
            h.raw("</tbody>");
        });
        if files.len() > LISTED {
            h.raw("<ul>");
            rest(h, files.len());
            h.raw("</ul>");
        }
        h.raw("</details>");
    }
}
