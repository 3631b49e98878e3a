//! Tables for papers: `booktabs`, with the published figures as marked rows that cite their
//! sources.

use std::fmt::Write;

use crate::corpus::Attribute;
use crate::escape::reorders;
use crate::evaluation::{Interval, Intervals, Scores};

use super::bibtex;
use super::compare;
use super::data::{ExperimentSection, PipelineReport};
use super::pools;
use super::summary;
use super::uncertainty::{ENOUGH_SPEAKERS, doubt};

const HEAD: &str = "% Written by ser. Needs \\usepackage{booktabs}; the keys of \\cite are those of references.bib.\n";

/// The table of results: each system in its protocol, speakers shared and unseen apart.
pub(super) fn results(report: &PipelineReport) -> String {
    let mut out = String::from(HEAD);
    out += "\\begin{table}\n  \\centering\n";
    let _ = writeln!(
        out,
        "  \\caption{{{}: accuracy (WA) and mean recall (UAR) in per cent, pooled over folds and seeds, with 95\\,\\% bootstrap intervals.{}{}{}}}",
        escape(&report.title),
        remarks(report),
        if compare::results(report).any(|(_, one)| one.transductive) {
            format!(" {}", pools::condition())
        } else {
            String::new()
        },
        if few(report) {
            format!(" {DAGGER} Of fewer than {ENOUGH_SPEAKERS} speakers: too narrow to trust.")
        } else {
            String::new()
        }
    );
    let _ = writeln!(out, "  \\label{{tab:{}-results}}", report.name);
    out += "  \\begin{tabular}{llrr}\n    \\toprule\n    System & Protocol & WA & UAR \\\\\n";
    let published = compare::published(report);
    let done: Vec<&ExperimentSection> = compare::results(report)
        .map(|(_, e)| e)
        .filter(|e| e.pooled.is_some())
        .collect();
    for (speakers, ours, theirs) in compare::by_speakers(&done, |e| *e, published) {
        let _ = writeln!(
            out,
            "    \\midrule\n    \\multicolumn{{4}}{{l}}{{\\emph{{{}}}}} \\\\",
            speakers.heading()
        );
        for one in ours.into_iter().map(|i| done[i]) {
            let title = std::iter::once(escape(&one.title)).chain(
                summary::caveats(one)
                    .into_iter()
                    .map(|words| format!("({words})")),
            );
            let title = title.collect::<Vec<_>>().join(" ");
            let found = &one.uncertainty;
            row(
                &mut out,
                &title,
                &one.protocol,
                one.pooled.as_ref(),
                found.intervals.as_ref(),
            );
            let several = one
                .ensemble
                .as_ref()
                .filter(|_| compare::seeds(one).len() > 1);
            row(
                &mut out,
                "\\quad ensemble of its seeds",
                &one.protocol,
                several,
                found.ensemble_intervals.as_ref(),
            );
        }
        for figure in theirs.into_iter().map(|i| &published[i]) {
            let fraction = |value: Option<f64>| value.map_or_else(|| "--".to_owned(), percent);
            let _ = writeln!(
                out,
                "    {{}}{}~\\cite{{{}}} & {} & {} & {} \\\\",
                escape(&figure.system),
                bibtex::key(&figure.source),
                escape(&figure.protocol),
                fraction(figure.accuracy),
                fraction(figure.uar)
            );
        }
    }
    out += "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n";
    out
}

/// Stands after an interval that is not to be trusted.
const DAGGER: &str = "$^{\\dagger}$";

fn is_doubtful(intervals: Option<&Intervals>) -> bool {
    intervals.is_some_and(|found| doubt(found).is_some())
}

/// Whether any interval of the table is not to be trusted.
fn few(report: &PipelineReport) -> bool {
    compare::results(report).any(|(_, one)| is_doubtful(one.uncertainty.intervals.as_ref()))
}

/// What the page warns of, for a caption.
fn remarks(report: &PipelineReport) -> String {
    compare::remarks(report)
        .iter()
        .map(|remark| format!(" {}", escape(remark)))
        .collect()
}

/// Begins with an empty group: TeX takes a `[` or `*` that follows the end of a row for an argument
/// of it.
fn row(
    out: &mut String,
    title: &str,
    protocol: &str,
    scores: Option<&Scores>,
    intervals: Option<&Intervals>,
) {
    let Some(scores) = scores else { return };
    let mark = if is_doubtful(intervals) { DAGGER } else { "" };
    let (wa, uar) = intervals.map(|found| (found.accuracy, found.uar)).unzip();
    let figure = |value: f64, interval: Option<Interval>| match interval {
        Some(Interval { low, high }) => format!(
            "{} [{}, {}]{mark}",
            percent(value),
            percent(low),
            percent(high)
        ),
        None => percent(value),
    };
    let (wa, uar) = (figure(scores.accuracy, wa), figure(scores.uar, uar));
    let _ = writeln!(
        out,
        "    {{}}{title} & {} & {wa} & {uar} \\\\",
        escape(protocol)
    );
}

/// A confusion matrix for each experiment, in per cent of the row.
pub(super) fn confusions(report: &PipelineReport) -> String {
    let mut out = String::from(HEAD);
    for (i, one) in report.experiments.iter().enumerate() {
        let Some(confusion) = one.pooled.as_ref().map(|scores| &scores.confusion) else {
            continue;
        };
        let control = if one.shuffled_labels {
            " Control on shuffled labels, no result."
        } else {
            ""
        };
        let (remarks, classes) = (remarks(report), one.doubt(Attribute::Emotion));
        let _ = writeln!(
            out,
            "\\begin{{table}}\n  \\centering\n  \\caption{{{}: confusion in per cent of the true class (rows){classes}.{control}{remarks}}}\n  \\label{{tab:{}-confusion-{}}}",
            escape(&one.title),
            report.name,
            i + 1
        );
        let _ = writeln!(
            out,
            "  \\begin{{tabular}}{{l{}}}\n    \\toprule",
            "r".repeat(confusion.labels.len())
        );
        let heads: Vec<String> = confusion.labels.iter().map(|label| escape(label)).collect();
        let _ = writeln!(out, "    & {} \\\\\n    \\midrule", heads.join(" & "));
        for (label, row) in heads.iter().zip(&confusion.counts) {
            let total: u64 = row.iter().sum();
            let shares: Vec<String> = row
                .iter()
                .map(|&n| {
                    if total == 0 {
                        "--".to_owned()
                    } else {
                        percent(n as f64 / total as f64)
                    }
                })
                .collect();
            let _ = writeln!(out, "    {{}}{label} & {} \\\\", shares.join(" & "));
        }
        out += "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n\n";
    }
    out
}

fn percent(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{:.1}", fraction * 100.0)
    } else {
        "--".to_owned()
    }
}

/// Text that TeX prints and does not obey.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => {
                out.push('\\');
                out.push(c);
            }
            '^' => out.push_str("\\textasciicircum{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            // A straight quotation mark would need another font encoding than TeX's own.
            '"' => out.push_str("''"),
            '[' | ']' => {
                out.push('{');
                out.push(c);
                out.push('}');
            }
            '|' => out.push_str("\\textbar{}"),
            '`' => out.push_str("\\textasciigrave{}"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || reorders(c) => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn nothing_in_a_name_is_obeyed() {
        assert_eq!(
            escape("\\input{/etc/passwd}"),
            "\\textbackslash{}input\\{/etc/passwd\\}"
        );
        assert_eq!(
            escape("a_b & 50 %\n#1 ^~$x$ \u{202e}<s>"),
            "a\\_b \\& 50 \\% \\#1 \\textasciicircum{}\\textasciitilde{}\\$x\\$ ?\\textless{}s\\textgreater{}"
        );
    }

    #[test]
    fn no_name_is_an_argument_of_the_end_of_a_row() {
        assert_eq!(escape("[CNN-free] \"x\""), "{[}CNN-free{]} ''x''");
        let mut report = fixture::recorded();
        for (i, title) in ["[CNN-free] logistic", "*sigh"].into_iter().enumerate() {
            report.experiments[i].title = title.into();
            report.experiments[i]
                .pooled
                .as_mut()
                .unwrap()
                .confusion
                .labels[0] = title.into();
        }
        report.published[0].system = "[x]".into();
        let both = results(&report) + &confusions(&report);
        for row in [
            "    {}{[}CNN-free{]} logistic & ",
            "    {}*sigh & ",
            "    {}{[}x{]}~\\cite",
        ] {
            assert!(both.contains(row), "{row} is not in\n{both}");
        }
        let rows = both
            .lines()
            .filter(|line| line.starts_with("    ") && line.ends_with("\\\\"));
        assert!(
            rows.map(str::trim_start)
                .all(|row| row.starts_with(['{', '&', 'S']) || row.starts_with("\\multicolumn")),
            "{both}"
        );
    }

    #[test]
    fn captions_warn_of_what_the_page_warns_of() {
        let mut report = fixture::recorded();
        let caption = |report: &PipelineReport| {
            results(report)
                .lines()
                .find(|line| line.contains("caption"))
                .unwrap()
                .to_owned()
        };
        let before = caption(&report);
        assert!(
            !before.contains("Not ")
                && !before.contains("dagger")
                && results(&report).contains("\\cite{")
        );
        report.overrides = vec!["train.epochs=1".into()];
        report.experiments[0].transductive = true;
        report.experiments[1]
            .uncertainty
            .intervals
            .as_mut()
            .unwrap()
            .units = 4;
        report.corpus.as_mut().unwrap().by_class.pop_first();
        report.corpus.as_mut().unwrap().utterances = 1344;
        let (caption, tex) = (caption(&report), results(&report));
        for part in [
            "1344 of 1440 utterances",
            "Another task than the published one, so that no published figures stand here: ",
            "overridden for this run: train.epochs=1",
            "{\\dagger}$ Of fewer than 10",
            "Transductive figures hold only if each speaker's clips cover all classes",
        ] {
            assert!(caption.contains(part), "{caption}");
        }
        assert!(
            !tex.contains("\\cite{")
                && tex.contains("Paper's setting (transductive: balanced speakers only) & ")
                && tex.matches("]$^{\\dagger}$").count() == 2,
            "{tex}"
        );
        assert!(confusions(&report).contains("overridden for this run: train.epochs=1"));
        assert!(confusions(&fixture::generated()).contains("Generated sounds"));
    }

    #[test]
    fn published_rows_stand_with_their_kind_and_cite_what_the_bibliography_has() {
        let report = fixture::recorded();
        let (tex, bib) = (results(&report), bibtex::references(&report));
        let unseen = tex.find("Test speakers unseen").unwrap();
        let shared = tex.find("Test speakers shared").unwrap();
        assert!(unseen < shared);
        for figure in &report.published {
            let cited = tex
                .find(&format!(
                    "{}~\\cite{{{}}}",
                    escape(&figure.system),
                    bibtex::key(&figure.source)
                ))
                .unwrap();
            match figure.speaker_independent {
                Some(true) => assert!(unseen < cited && cited < shared),
                _ => assert!(shared < cited),
            }
            assert!(bib.contains(&format!("{{{},\n", bibtex::key(&figure.source))));
        }
        assert_eq!(
            tex.matches("\\begin{").count(),
            tex.matches("\\end{").count()
        );
    }
}
