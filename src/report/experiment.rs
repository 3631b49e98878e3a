//! The page of one experiment.

use crate::corpus::Attribute;
use crate::evaluation::Scores;
use crate::split::{Independence, TestSpeakers};

use super::compare::Standing;
use super::data::{ExperimentSection, FoldSection, PipelineReport};
use super::html::{self, Html, Table, count, number, numbers, percent, row_head, words};
use super::{
    banners, bars, cards, compare, conditions, curves, explain, heat, leak, page, pools, runs,
    strip, summary, uncertainty, wrong,
};

/// Prefix of the identifiers of the page's parts.
const ID: &str = "x";

/// File name of the page of the experiment at `index`, beside the pipeline's own.
pub(super) fn file(report: &PipelineReport, index: usize) -> String {
    let name = report
        .experiments
        .get(index)
        .map_or("", |experiment| experiment.name.as_str());
    let safe = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if safe {
        format!("experiment-{name}.html")
    } else {
        format!("experiment-{}.html", index + 1)
    }
}

/// The page as text, a pure function of the report; empty where there is no such experiment.
pub(super) fn render(report: &PipelineReport, index: usize) -> String {
    let Some(experiment) = report.experiments.get(index) else {
        return String::new();
    };
    let mut body = Html::new();
    parts(&mut body, report, experiment);
    html::page(&format!("{} · {}", experiment.title, report.title), |h| {
        header(h, report, experiment, body.parts());
        h.raw("<main id=\"main\" class=\"one\" tabindex=\"-1\">");
        banners::write(h, report);
        h.append(body);
        neighbours(h, report, index);
        h.raw("</main>").raw(page::FOOTER);
    })
}

fn header(
    h: &mut Html,
    report: &PipelineReport,
    experiment: &ExperimentSection,
    parts: &[(String, String)],
) {
    h.raw("<header><div class=\"top\"><p class=\"crumb\"><a href=\"../index.html\">All pipelines</a> / <a href=\"index.html\">");
    h.text(&report.title)
        .raw("</a> / ")
        .text(&experiment.name)
        .raw("</p>")
        .raw(page::THEME)
        .raw("</div>");
    h.within("h1", &[], |h| {
        h.text(&experiment.title);
    });
    h.within("p", &[], |h| {
        summary::badges(h, experiment);
        h.raw(" <span class=\"quiet\">")
            .text(&experiment.protocol)
            .raw(" · ")
            .text(&experiment.model);
        if !experiment.inputs.is_empty() {
            h.raw(" · ").text(&experiment.inputs);
        }
        h.raw("</span>");
    });
    if !parts.is_empty() {
        h.raw("<nav aria-label=\"On this page\"><ul>");
        for (id, title) in parts {
            h.within("li", &[], |h| {
                h.el("a", &[("href", &format!("#{id}"))], title);
            });
        }
        h.raw("</ul></nav>");
    }
    h.raw("</header>\n");
}

fn parts(h: &mut Html, report: &PipelineReport, experiment: &ExperimentSection) {
    if experiment.shuffled_labels {
        h.raw(
            "<p class=\"warn box\"><strong>Labels are shuffled:</strong> this is a control and no result. A model that learns nothing but ",
        );
        h.raw("chance comes out at the level of chance.</p>");
    }
    if let Some(why) = &experiment.failed {
        h.within("p", &[("class", "warn box")], |h| {
            h.raw("<strong>No result:</strong> ").text(why);
        });
    } else if experiment.pooled.is_none() {
        h.raw("<p class=\"warn box\"><strong>Not finished yet.</strong> Run the pipeline again to complete it.</p>");
    }
    for condition in report
        .corpus
        .iter()
        .flat_map(|corpus| &corpus.conditions)
        .filter(|condition| condition.leaks())
    {
        h.within("p", &[("class", "warn box")], |h| {
            h.el("strong", &[], conditions::heading(condition))
                .raw(" ")
                .text(condition.warning())
                .raw(".");
        });
    }
    cards::of_experiment(h, report, experiment);
    sharing(h, experiment);
    augmentation(h, experiment);
    pools::write(h, experiment, ID);
    let ours = experiment.speakers;
    let kin = ours.independence() != Independence::Unknown
        && compare::published(report)
            .iter()
            .any(|figure| compare::speakers_of(figure).place() == ours.place());
    if kin && experiment.pooled.is_some() && !experiment.shuffled_labels {
        h.part("x-published", "Beside published figures");
        bars::write(h, report, &[experiment]);
        if experiment.transductive
            && compare::published(report).iter().all(|p| {
                !matches!(
                    compare::standing(experiment, p),
                    Standing::Comparable { .. }
                )
            })
        {
            h.raw("<p class=\"warn box\"><strong>Not comparable: transductive.</strong> The published figures are of systems that see one test ");
            h.raw("recording at a time.</p>");
        }
        h.raw("<p class=\"quiet\">Every figure with its protocol: <a href=\"index.html#verdict\">the table of all experiments</a>.</p>");
    }
    if let Some(scores) = &experiment.pooled {
        h.part("x-confusion", "Confusion");
        let doubt = experiment
            .doubt(Attribute::Emotion)
            .replacen(" (", " (classes ", 1);
        heat::write(
            h,
            &scores.confusion,
            &format!("{}{doubt}", experiment.title),
            "x-heat",
        );
        confused(h, scores);
        if let Some(ensemble) = &experiment.ensemble {
            h.raw("<details><summary>Confusion of the ensemble over seeds</summary>");
            heat::write(
                h,
                &ensemble.confusion,
                &format!("{}, ensemble{doubt}", experiment.title),
                "x-ensemble-heat",
            );
            h.raw("</details>");
        }
        classes(h, experiment, scores, ID);
    }
    uncertainty::write(h, experiment, ID);
    strip::write(h, experiment, ID);
    curves::write(h, experiment, ID);
    explain::write(h, experiment, ID);
    runs::folds(h, experiment, ID);
    runs::searched(h, experiment, ID);
    wrong::write(h, experiment, report.recordings.as_deref(), ID);
}

/// The experiments before and after it.
fn neighbours(h: &mut Html, report: &PipelineReport, index: usize) {
    h.raw("<nav class=\"neighbours\" aria-label=\"Other experiments\"><ul>");
    for (at, arrow) in [(index.checked_sub(1), "← "), (Some(index + 1), "→ ")] {
        let Some((at, other)) = at.and_then(|at| Some((at, report.experiments.get(at)?))) else {
            continue;
        };
        h.raw("<li>")
            .open("a", &[("href", &file(report, at))])
            .raw(arrow)
            .text(&other.title)
            .raw("</a></li>");
    }
    h.raw("<li><a href=\"index.html\">All experiments of this pipeline</a></li></ul></nav>");
}

/// What training and test share, a leak first; nothing where nothing was trained.
fn sharing(h: &mut Html, experiment: &ExperimentSection) {
    if experiment.pooled.is_none() {
        return;
    }
    let leak = leak::of(experiment);
    let class = match experiment.speakers.independence() {
        _ if leak.is_some() => "sharing leak box",
        Independence::Yes => "sharing unseen box",
        Independence::No => "sharing shared box",
        Independence::Unknown => "sharing unknown box",
    };
    h.open("div", &[("class", class)]);
    let statement = |h: &mut Html| {
        let (bold, rest) = experiment.speakers.explain();
        h.raw("<p>")
            .el("strong", &[], bold)
            .raw(" ")
            .text(rest)
            .raw("</p>");
    };
    // What the audit found wins over names.
    let audited = matches!(experiment.speakers, TestSpeakers::OnBothSides { .. });
    if audited {
        statement(h);
    }
    if let Some(leak) = leak {
        h.within("p", &[], |h| {
            h.raw("<strong>The same sound is in training and test:</strong> ").text(leak.describe());
            h.raw(". The figures are too high; the key <code>require</code> of an experiment refuses such folds.");
        });
    }
    if !audited {
        statement(h);
    }
    if experiment.transductive {
        h.raw("<p><strong>Transductive:</strong> test utterances, without their labels, had a part in scaling what the model sees. ");
        h.raw("The figure holds where all recordings of a new speaker are there before the first is judged. ").text(pools::condition());
        if !experiment.restricted_pools.is_empty() {
            h.raw(" <a href=\"#x-pools\">Measured with other speakers</a>.");
        }
        h.raw("</p>");
    }
    if !experiment.shared.is_empty() {
        h.raw("<p>What training and test share:</p><ul>");
        for line in &experiment.shared {
            h.el("li", &[], line);
        }
        h.raw("</ul>");
        if !experiment.leakage.is_empty() {
            h.raw("<p class=\"quiet\">Fold by fold: <a href=\"leakage.csv\">leakage.csv</a></p>");
        }
    }
    h.raw("</div>");
}

/// What was trained on beside the recordings of the corpus.
fn augmentation(h: &mut Html, experiment: &ExperimentSection) {
    let range = |of: &dyn Fn(&FoldSection) -> usize| -> String {
        let (least, most) = experiment
            .folds
            .iter()
            .map(of)
            .fold((usize::MAX, 0), |(least, most), n| {
                (least.min(n), most.max(n))
            });
        if least == most {
            count(most)
        } else {
            format!("{} to {}", count(least), count(most))
        }
    };
    if experiment.folds.iter().all(|fold| fold.n_augmented == 0) {
        return;
    }
    h.within("p", &[("class", "note box")], |h| {
        h.raw("<strong>Augmented:</strong> changed copies of the training recordings were trained on as well, ");
        h.text(range(&|fold| fold.n_train)).raw(" → ").text(range(&|fold| fold.n_train + fold.n_augmented));
        h.raw(" rows in a fold. No copy of a validation or test recording is used for anything.");
    });
}

fn confused(h: &mut Html, scores: &Scores) {
    let pairs = heat::most_confused(&scores.confusion, 8);
    if pairs.is_empty() {
        return;
    }
    h.raw("<h3>Most confused</h3><ol class=\"pairs\">");
    for (truth, predicted, n, share) in pairs {
        h.within("li", &[], |h| {
            h.el("b", &[], truth)
                .raw(" taken for ")
                .el("b", &[], predicted)
                .raw(": ");
            h.text(n.to_string())
                .raw(" <span class=\"quiet\">(")
                .text(percent(share))
                .raw(" % of ")
                .text(truth)
                .raw(")</span>");
        });
    }
    h.raw("</ol>");
}

fn classes(h: &mut Html, experiment: &ExperimentSection, scores: &Scores, id: &str) {
    h.part(&format!("{id}-classes"), "By class");
    let table_id = format!("{id}-class-table");
    let caption = format!(
        "{}: precision, recall and F1 by class{}, pooled",
        experiment.title,
        experiment.doubt(Attribute::Emotion)
    );
    let table = Table {
        id: &table_id,
        caption: &caption,
        class: "narrow",
        sortable: true,
    };
    let unit = if experiment.windows.is_some() {
        "Windows"
    } else {
        "Utterances"
    };
    let columns = [
        words("Class"),
        numbers("Precision %"),
        numbers("Recall %"),
        numbers("F1 %"),
        numbers(unit),
    ];
    table.write(h, &columns, |h| {
        h.raw("<tbody>");
        for class in &scores.per_class {
            h.raw("<tr>");
            row_head(h, &class.label);
            for value in [class.precision, class.recall, class.f1] {
                number(h, percent(value), value);
            }
            number(h, class.support.to_string(), class.support as f64);
            h.raw("</tr>");
        }
        h.raw("</tbody>");
    });
}
