//! The tables that a paper or a spreadsheet begins with: a row for each system, class, or file
//! that was excluded.

use super::compare;
use super::csv::Table;
use super::csv_table::CsvTable;
use super::data::{ExperimentSection, PipelineReport};
use super::uncertainty::doubt;
use crate::corpus::Published;
use crate::encoder::Heard;
use crate::evaluation::{Intervals, Scores};
use crate::split::TestSpeakers;
use crate::transform::BALANCED_SPEAKERS;

/// A row of the results: of an experiment or its ensemble, or a published figure.
#[derive(Clone, Copy)]
struct ResultRow<'a> {
    kind: &'static str,
    ours: Option<&'a ExperimentSection>,
    scores: Option<&'a Scores>,
    intervals: Option<&'a Intervals>,
    theirs: Option<&'a Published>,
}

impl ResultRow<'_> {
    /// Nothing is known to be shared by what was never trained.
    fn independence(self) -> Option<&'static str> {
        let speakers = match (self.ours, self.theirs) {
            (Some(one), _) => self.scores.map(|_| one.speakers),
            (None, theirs) => theirs.map(compare::speakers_of),
        };
        speakers.map(|speakers| speakers.independence().name())
    }

    fn folds(self) -> Option<usize> {
        let mut folds: Vec<u32> = self.ours?.folds.iter().map(|fold| fold.fold).collect();
        folds.sort_unstable();
        folds.dedup();
        Some(folds.len())
    }

    fn note(self) -> Option<String> {
        match (self.ours, self.theirs) {
            (Some(one), _) => Some(note(one, self.intervals)),
            (None, theirs) => theirs?.note.clone(),
        }
    }
}

/// A row for each experiment, ensemble over seeds and published figure; shares, not per cent.
pub(super) fn results(report: &PipelineReport) -> Table {
    let mut rows = Vec::new();
    for (_, one) in compare::results(report) {
        let found = &one.uncertainty;
        let row = ResultRow {
            kind: "experiment",
            ours: Some(one),
            scores: one.pooled.as_ref(),
            intervals: found.intervals.as_ref(),
            theirs: None,
        };
        rows.push(row);
        rows.extend(one.ensemble.as_ref().map(|scores| ResultRow {
            kind: "ensemble over seeds",
            scores: Some(scores),
            intervals: found.ensemble_intervals.as_ref(),
            ..row
        }));
    }
    rows.extend(compare::published(report).iter().map(|figure| ResultRow {
        kind: "published",
        ours: None,
        scores: None,
        intervals: None,
        theirs: Some(figure),
    }));
    CsvTable::new(rows)
        .column("kind", |r| r.kind)
        .column("experiment", |r| r.ours.map(|one| &one.name))
        .column("title", |r| {
            r.ours.map(|one| &one.title).or(r.theirs.map(|p| &p.source))
        })
        .column("model", |r| {
            r.ours.map(|one| &one.model).or(r.theirs.map(|p| &p.system))
        })
        .column("protocol", |r| {
            r.ours
                .map(|one| &one.protocol)
                .or(r.theirs.map(|p| &p.protocol))
        })
        .column("speaker_independent", ResultRow::independence)
        .column("transductive", |r| r.ours.map(|one| one.transductive))
        .column("encoder_verdict", |r| {
            let worst = Heard::worst(&r.ours?.encoders)?;
            Some(worst.verdict.name())
        })
        .column("classes", |r| r.ours.map(|one| one.labels.len()))
        .column("n", |r| r.scores.map(|s| s.n))
        .column("folds", ResultRow::folds)
        .column("seeds", |r| r.ours.map(|one| compare::seeds(one).len()))
        .column("wa", |r| {
            r.scores
                .map(|s| s.accuracy)
                .or(r.theirs.and_then(|p| p.accuracy))
        })
        .column("wa_ci_low", |r| r.intervals.map(|i| i.accuracy.low))
        .column("wa_ci_high", |r| r.intervals.map(|i| i.accuracy.high))
        .column("uar", |r| {
            r.scores.map(|s| s.uar).or(r.theirs.and_then(|p| p.uar))
        })
        .column("uar_ci_low", |r| r.intervals.map(|i| i.uar.low))
        .column("uar_ci_high", |r| r.intervals.map(|i| i.uar.high))
        .column("macro_f1", |r| r.scores.map(|s| s.macro_f1))
        .column("mark", |r| r.theirs.map(|p| compare::describe(p.mark).0))
        .column("note", ResultRow::note)
        .write()
}

/// Why there is no result, or what its figures presuppose.
fn note(one: &ExperimentSection, intervals: Option<&Intervals>) -> String {
    if let Some(failed) = &one.failed {
        return failed.clone();
    }
    let told = ![TestSpeakers::Unseen, TestSpeakers::Shared].contains(&one.speakers);
    let speakers = (one.pooled.is_some() && told).then(|| one.speakers.phrase());
    let doubt = intervals
        .and_then(doubt)
        .map(|doubt| format!("interval {doubt}"));
    let condition = one
        .transductive
        .then(|| format!("transductive: holds only if {BALANCED_SPEAKERS}"));
    let encoder = Heard::worst(&one.encoders).map(Heard::badge);
    let parts = speakers
        .into_iter()
        .chain(doubt)
        .chain(condition)
        .chain(encoder);
    parts.collect::<Vec<_>>().join("; ")
}

/// Counts of utterances by class, speaker and session.
pub(super) fn corpus(report: &PipelineReport) -> Table {
    let corpus = report.corpus.as_ref();
    let counts = corpus.into_iter().flat_map(|corpus| {
        let by_class = corpus.by_class.iter().map(|count| ("class", count));
        let by_speaker = corpus.by_speaker.iter().map(|count| ("speaker", count));
        let by_session = corpus.by_session.iter().map(|count| ("session", count));
        by_class.chain(by_speaker).chain(by_session)
    });
    CsvTable::new(counts)
        .column("by", |(by, _)| by)
        .column("name", |(_, (name, _))| name)
        .column("utterances", |(_, (_, &n))| n)
        .column("published", move |(by, (name, _))| {
            let expected = corpus?.expected.as_ref().filter(|_| by == "class")?;
            expected.classes.get(name).copied()
        })
        .write()
}

/// Every feature of every set that has one row an utterance.
pub(super) fn features(report: &PipelineReport) -> Table {
    let all = report.overviews.iter();
    let rows = all.flat_map(|one| one.features.iter().map(move |feature| (&one.set, feature)));
    let mut table = CsvTable::new(rows)
        .column("set", |(set, _)| set)
        .column("feature", |(_, f)| &f.name)
        .column("group", |(_, f)| &f.group)
        .column("mean", |(_, f)| f.mean)
        .column("sd", |(_, f)| f.sd);
    for (i, name) in ["min", "p25", "median", "p75", "max"]
        .into_iter()
        .enumerate()
    {
        table = table.column(name, move |(_, f)| f.percentiles[i]);
    }
    table
        .column("variance_between_classes", |(_, f)| f.by_class)
        .column("variance_between_speakers", |(_, f)| f.by_speaker)
        .write()
}

/// Feature importance: a row for each group, each feature, and each class and feature that was
/// occluded.
pub(super) fn explain(report: &PipelineReport) -> Table {
    let mut rows = Vec::new();
    for one in &report.experiments {
        let Some(found) = &one.explanation else {
            continue;
        };
        for (kind, inputs) in [("group", &found.groups), ("feature", &found.features)] {
            rows.extend(inputs.iter().map(|input| (one, kind, input, None)));
        }
        for (class, drops) in found.classes.iter().zip(&found.occlusion) {
            let drops = found.features.iter().zip(drops);
            rows.extend(drops.map(|(input, &drop)| (one, "occlusion", input, Some((class, drop)))));
        }
    }
    macro_rules! importance {
        ($field:ident) => {
            |(_, _, input, drop)| drop.is_none().then_some(input.$field)
        };
    }
    CsvTable::new(rows)
        .column("experiment", |(one, ..)| &one.name)
        .column("kind", |(_, kind, ..)| kind)
        .column("name", |(_, _, input, _)| &input.name)
        .column("group", |(_, _, input, _)| &input.group)
        .column("class", |(.., drop)| drop.map(|(class, _)| class))
        .column("uar_lost", importance!(uar))
        .column("sd", importance!(sd))
        .column("uar_low", importance!(low))
        .column("uar_high", importance!(high))
        .column("accuracy_lost", importance!(accuracy))
        .column("probability_lost", |(.., drop)| drop.map(|(_, drop)| drop))
        .write()
}

/// A row for each experiment and condition that it was tested under; shares, not per cent.
pub(super) fn stress(report: &PipelineReport) -> Table {
    let rows = report.experiments.iter();
    let rows = rows.flat_map(|one| one.robustness.iter().map(move |found| (one, found)));
    macro_rules! figure {
        ($field:ident) => {
            |(_, found)| found.left_out.is_none().then_some(found.$field)
        };
    }
    CsvTable::new(rows)
        .column("experiment", |(one, _)| &one.name)
        .column("protocol", |(one, _)| &one.protocol)
        .column("condition", |(_, found)| &found.condition)
        .column("title", |(_, found)| &found.title)
        .column("n", figure!(n))
        .column("lost", figure!(lost))
        .column("wa_before", figure!(accuracy_before))
        .column("wa", figure!(accuracy))
        .column("uar_before", figure!(uar_before))
        .column("uar", figure!(uar))
        .column("uar_ci_low", |(_, found)| Some(found.intervals?.uar.low))
        .column("uar_ci_high", |(_, found)| Some(found.intervals?.uar.high))
        .column("uar_drop", |(_, found)| {
            found.left_out.is_none().then(|| found.drop())
        })
        .column("uar_drop_ci_low", |(_, found)| {
            Some(found.intervals?.drop.low)
        })
        .column("uar_drop_ci_high", |(_, found)| {
            Some(found.intervals?.drop.high)
        })
        .column("only_before", figure!(only_before))
        .column("only_after", figure!(only_after))
        .column("p", figure!(p))
        .column("p_holm", figure!(p_holm))
        .column("left_out", |(_, found)| found.left_out.as_ref())
        .write()
}

/// Every file that is no utterance, with the reason.
pub(super) fn set_aside(report: &PipelineReport) -> Table {
    CsvTable::new(report.corpus.iter().flat_map(|corpus| &corpus.set_aside))
        .column("path", |file| &file.path)
        .column("reason", |file| file.reason.describe())
        .column("detail", |file| &file.detail)
        .write()
}
