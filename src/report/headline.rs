//! The first table of RESULTS.md and its picture: for each corpus, protocol and setting the
//! published figures beside the best systems here, without and with a pretrained encoder.

use crate::corpus::Published;
use crate::encoder::Heard;
use crate::escape::markdown as text;
use crate::evaluation::{Interval, Spread};
use crate::split::TestSpeakers;

use super::compare::{self, Standing};
use super::data::ExperimentSection;
use super::figure::{self, Sample};
use super::html::{Html, percent};
use super::leak::{self, Leak};
use super::marker;
use super::results::{ResultsExperiment, ResultsPipeline, finished, lower_first};
use super::svg::{self, Picture};
use super::uncertainty::doubt;

/// The systems of one corpus that share a protocol and the statement on their test speakers, all
/// inductive or all transductive.
pub(super) struct Line<'r> {
    /// Place of the corpus in the text, from 1 on.
    corpus: usize,
    title: &'r str,
    /// What the corpus lacks of the published one.
    differs: Option<String>,
    protocol: &'r str,
    speakers: TestSpeakers,
    transductive: bool,
    /// The best figure of the source that is named first: the paper that is reproduced.
    first: Option<&'r Published>,
    /// The best figure of all other sources.
    published: Option<&'r Published>,
    /// The best system without a pretrained encoder.
    plain: Option<Best<'r>>,
    /// The best system with one.
    encoder: Option<Best<'r>>,
    /// The number of systems that the best were taken from.
    systems: usize,
}

/// A system and its UAR.
struct Best<'r> {
    title: &'r str,
    section: &'r ExperimentSection,
    leak: Option<Leak>,
    uar: f64,
}

/// The lines of all pipelines, in their order; pipelines on generated speech and with overrides have
/// none.
pub(super) fn lines(pipelines: &[ResultsPipeline]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, pipeline) in pipelines.iter().enumerate() {
        let Some(report) = &pipeline.report else {
            continue;
        };
        if compare::generated(report) || !report.overrides.is_empty() {
            continue;
        }
        let published: &[Published] = match compare::other_classes(report) {
            Some(_) => &[],
            None => &pipeline.published,
        };
        let of_corpus = lines.len();
        for (experiment, section) in finished(pipeline) {
            let heard = Heard::worst(&section.encoders);
            let is_heard = heard.is_some_and(|worst| worst.verdict.is_leak());
            if section.shuffled_labels || is_heard {
                continue;
            }
            let own = lines[of_corpus..].iter().position(|line| {
                line.protocol == section.protocol
                    && line.speakers.place() == section.speakers.place()
                    && line.transductive == experiment.transductive
            });
            let line = own.unwrap_or_else(|| {
                lines.push(Line::new(at + 1, pipeline, experiment, section, published));
                lines.len() - 1 - of_corpus
            });
            lines[of_corpus + line].add(experiment, section);
        }
        lines[of_corpus..]
            .sort_by_key(|line| (line.speakers.place(), line.protocol, line.transductive));
    }
    lines
}

impl<'r> Line<'r> {
    fn new(
        corpus: usize,
        pipeline: &'r ResultsPipeline,
        experiment: &ResultsExperiment,
        section: &'r ExperimentSection,
        published: &'r [Published],
    ) -> Self {
        let first = published.first().map(|figure| figure.source.as_str());
        let best = |is_first: bool| {
            published
                .iter()
                .filter(|figure| (Some(figure.source.as_str()) == first) == is_first)
                .filter(|figure| {
                    matches!(
                        compare::standing(section, figure),
                        Standing::Comparable { .. }
                    )
                })
                .max_by(|a, b| {
                    // A UAR is what ours are held against.
                    let by_uar = a.uar.is_some().cmp(&b.uar.is_some());
                    by_uar.then(value(a).total_cmp(&value(b)))
                })
        };
        Line {
            corpus,
            title: &pipeline.title,
            differs: (pipeline.report.as_ref())
                .and_then(|report| compare::differs_from_published(report.corpus.as_ref()?)),
            protocol: &section.protocol,
            speakers: section.speakers,
            transductive: experiment.transductive,
            first: best(true),
            published: best(false),
            plain: None,
            encoder: None,
            systems: 0,
        }
    }

    fn add(&mut self, experiment: &'r ResultsExperiment, section: &'r ExperimentSection) {
        let Some(pooled) = &section.pooled else {
            return;
        };
        self.systems += 1;
        let uar = over_seeds(section, "uar").unwrap_or(pooled.uar);
        let place = match section.encoders.is_empty() {
            true => &mut self.plain,
            false => &mut self.encoder,
        };
        let best = Best {
            title: &experiment.title,
            section,
            leak: leak::of(section),
            uar,
        };
        // A figure with a leak stands only where there is none without one.
        let rank = |best: &Best| (best.leak.is_none(), best.uar);
        if (place.as_ref()).is_none_or(|other| rank(&best) > rank(other)) {
            *place = Some(best);
        }
    }

    fn setting(&self) -> &'static str {
        match self.transductive {
            true => "transductive",
            false => "inductive",
        }
    }
}

/// UAR, or accuracy where no UAR was published.
fn value(figure: &Published) -> f64 {
    figure.uar.or(figure.accuracy).unwrap_or(0.0)
}

/// The mean over seeds, where there are several.
fn over_seeds(section: &ExperimentSection, metric: &str) -> Option<f64> {
    let Spread { mean, .. } = section.uncertainty.over_seeds.get(metric)?;
    (compare::seeds(section).len() > 1).then_some(*mean)
}

fn interval(section: &ExperimentSection) -> Option<Interval> {
    section
        .uncertainty
        .intervals
        .as_ref()
        .map(|found| found.uar)
}

/// The table in Markdown, with what must be known to read it; empty without a result.
pub(super) fn table(lines: &[Line], picture: Option<&str>) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut out = "\n## At a glance\n\n".to_owned();
    out.push_str(
        "UAR in per cent with its 95 % interval over speakers; of published figures without a UAR the accuracy, marked WA. A best system here \
         is the best of all that were measured in its row, by the very figure that is shown, which is a little too high for that reason. A published \
         figure stands in a row whose test speakers and setting are of its kind, most in other folds than ours. Encoder: a pretrained speech encoder, trained \
         on much more speech than the corpus; systems whose encoder was trained on recordings that they are tested on are not \
         here. A system that was itself trained on copies of tested recordings is here only where its row has no other, with their number.\n\n",
    );
    out.push_str("| corpus | protocol | setting | reproduced | best published | best here, no encoder | best here, with an encoder |\n");
    out.push_str("|---|---|---|---|---|---|---|\n");
    for line in lines {
        out.push_str(&format!(
            "| [{}](#corpus-{}){} | {}: {} | {} | {} | {} | {} | {} |\n",
            text(line.title),
            line.corpus,
            (line.differs.as_ref())
                .map_or(String::new(), |differs| format!(" (**{}**)", text(differs))),
            text(line.protocol),
            lower_first(line.speakers.heading()),
            line.setting(),
            theirs(line.first),
            theirs(line.published),
            ours(line.plain.as_ref()),
            ours(line.encoder.as_ref()),
        ));
    }
    if let Some(picture) = picture {
        out.push_str(&format!(
            "\n![The table above as a picture: UAR of the published and of the best systems]({picture})\n"
        ));
    }
    out
}

fn theirs(figure: Option<&Published>) -> String {
    let Some(figure) = figure else {
        return "–".to_owned();
    };
    let unit = if figure.uar.is_some() { "" } else { " WA" };
    format!(
        "{}{unit} ({}, {})",
        percent(value(figure)),
        text(&figure.system),
        text(&figure.source)
    )
}

fn ours(best: Option<&Best>) -> String {
    let Some(best) = best else {
        return "–".to_owned();
    };
    let ends = interval(best.section)
        .map(|Interval { low, high }| format!(" [{}, {}]", percent(low), percent(high)));
    let doubt = best.section.uncertainty.intervals.as_ref().and_then(doubt);
    let heard = Heard::worst(&best.section.encoders)
        .filter(|worst| !worst.verdict.is_unseen())
        .map(Heard::badge);
    let leak = best.leak.map(Leak::describe);
    let said: String = [leak, doubt, heard]
        .into_iter()
        .flatten()
        .map(|one| format!("; {one}"))
        .collect();
    format!(
        "**{}**{} ({}{})",
        percent(best.uar),
        ends.unwrap_or_default(),
        text(best.title),
        said
    )
}

/// The title of the picture, by which it is known again.
pub const RESULTS_PICTURE: &str = "UAR of published systems and of the best systems here";

const ROW: f64 = 34.0;
const NAMES: f64 = 470.0;
const WIDTH: f64 = 1000.0;
/// Classes of marks: of the best systems without and with an encoder, and of published ones.
const PLAIN: usize = 0;
const ENCODER: usize = 1;
const PUBLISHED: usize = 3;

/// The table as a picture of its own: an SVG file. `None` without a result.
pub(super) fn picture(lines: &[Line]) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let keys = [
        (Sample::Mark(PUBLISHED), "published, WA where no UAR is"),
        (Sample::Mark(PLAIN), "best here, no encoder"),
        (Sample::Mark(ENCODER), "best here, with an encoder"),
        (Sample::Line("whisker"), "95 % interval"),
    ];
    let keys = keys.map(|(sample, words)| (sample, words.to_owned()));
    let bottom = ROW * lines.len() as f64;
    let picture = Picture::new(
        "headline",
        RESULTS_PICTURE,
        "One row for each corpus, protocol and setting, from 0 to 100 per cent. Every value is in the table beside it.",
        [WIDTH, bottom + 20.0],
    );
    let mut h = Html::new();
    for tick in 0..=5 {
        let at = x(f64::from(tick) / 5.0);
        svg::line(&mut h, "grid", (at, 0.0), (at, bottom));
        let words = format!("{} %", tick * 20);
        svg::label(&mut h, "tick", "middle", (at, bottom + 14.0), &words);
    }
    for (i, line) in lines.iter().enumerate() {
        draw(&mut h, line, ROW * i as f64);
    }
    Some(figure::file(&picture, &keys, &h.into_string()))
}

fn x(fraction: f64) -> f64 {
    NAMES + fraction * (WIDTH - NAMES - 30.0)
}

fn draw(h: &mut Html, line: &Line, top: f64) {
    let middle = top + 14.0;
    svg::label(h, "name", "start", (0.0, top + 12.0), line.title);
    let has_copies = [&line.plain, &line.encoder]
        .into_iter()
        .flatten()
        .any(|best| best.leak.is_some());
    let copies = if has_copies {
        ", copies of tested recordings trained on"
    } else {
        ""
    };
    let kind = format!("{}, {}{copies}", line.protocol, line.setting());
    svg::label(h, "tick", "start", (0.0, top + 27.0), &kind);
    let best = [(PLAIN, &line.plain), (ENCODER, &line.encoder)];
    for (class, best) in best
        .into_iter()
        .filter_map(|(c, best)| Some((c, best.as_ref()?)))
    {
        if let Some(Interval { low, high }) = interval(best.section) {
            svg::line(h, "whisker", (x(low), middle), (x(high), middle));
        }
        marker::write(h, class, std::iter::once((x(best.uar), middle)));
    }
    let published = [line.first, line.published].into_iter().flatten();
    marker::write(
        h,
        PUBLISHED,
        published.map(|figure| (x(value(figure)), middle)),
    );
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::table::leakage::LeakageRow;

    fn pipeline(report: super::super::data::PipelineReport) -> ResultsPipeline {
        let experiments = report.experiments.iter().map(|section| ResultsExperiment {
            name: section.name.clone(),
            title: section.title.clone(),
            protocol: section.protocol.clone(),
            inputs: section.inputs.clone(),
            transductive: false,
            command: String::new(),
            lacks: None,
        });
        ResultsPipeline {
            title: report.title.clone(),
            file: "pipelines/p.toml".into(),
            experiments: experiments.collect(),
            published: report.published.clone(),
            report: Some(report),
        }
    }

    #[test]
    fn a_row_has_the_best_system_of_its_kind_and_published_figures_of_its_kind() {
        let mut report = fixture::recorded();
        let unseen = |section: &&mut ExperimentSection| section.protocol == "published-emobox";
        let section = report.experiments.iter_mut().find(unseen).unwrap();
        let mut better = section.clone();
        better.name = "better".into();
        better.title = "Better".into();
        better.uncertainty.over_seeds.get_mut("uar").unwrap().mean = 0.987;
        let mut control = better.clone();
        control.name = "control".into();
        control.shuffled_labels = true;
        report.experiments.extend([better, control]);
        let given = [pipeline(report)];
        let lines = lines(&given);
        let table = table(&lines, Some("RESULTS.svg"));
        let row = table.lines().find(|line| line.contains("emobox")).unwrap();
        assert!(
            row.contains("**98.7**") && row.contains("(Better)"),
            "{row}"
        );
        assert!(
            row.contains("EmoBox 2024") && !row.contains("Issa"),
            "{row}"
        );
        let shared = table.lines().find(|line| line.contains("stratified"));
        assert!(shared.unwrap().contains("Issa et al. 2020"), "{table}");
        assert!(table.contains("](RESULTS.svg)"));
        let picture = picture(&lines).unwrap();
        let marks = |class: usize| picture.matches(&format!("data-class=\"{class}\"")).count();
        // One in each row, and two in the legend.
        assert_eq!(marks(PLAIN) + marks(ENCODER), lines.len() + 2, "{picture}");
    }

    #[test]
    fn a_system_with_a_leak_stands_only_where_its_row_has_no_other_and_says_so() {
        let mut report = fixture::recorded();
        let shared = |section: &&mut ExperimentSection| section.protocol.starts_with("stratified");
        let copies = LeakageRow {
            kind: "duplicates".into(),
            test_units: 40,
            shared_units: 3,
            ..LeakageRow::default()
        };
        report
            .experiments
            .retain(|one| one.protocol.starts_with("stratified"));
        report.experiments.truncate(1);
        let section = report.experiments.iter_mut().find(shared).unwrap();
        section.leakage.push(copies);
        section.title = "With copies".into();
        let alone = table(&lines(&[pipeline(report.clone())]), None);
        assert!(
            alone.contains("(With copies; 3 tested utterances are the very same sound"),
            "{alone}"
        );
        let mut clean = report.experiments[0].clone();
        clean.leakage.clear();
        clean.name = "clean".into();
        clean.title = "Without".into();
        for spread in clean.uncertainty.over_seeds.values_mut() {
            spread.mean = 0.01;
        }
        clean.pooled.as_mut().unwrap().uar = 0.01;
        report.experiments.push(clean);
        let both = table(&lines(&[pipeline(report)]), None);
        assert!(
            both.contains("(Without)") && !both.contains("With copies"),
            "{both}"
        );
    }

    #[test]
    fn generated_speech_has_no_row_and_nothing_from_the_data_becomes_markup() {
        assert!(lines(&[pipeline(fixture::generated())]).is_empty());
        assert_eq!(table(&[], None), "");
        assert_eq!(picture(&[]), None);
        let hostile = [pipeline(fixture::hostile())];
        let lines = lines(&hostile);
        let text = table(&lines, None) + &picture(&lines).unwrap_or_default();
        assert!(!text.contains("<script") && !text.contains("<b onload"));
    }
}
