//! The figures as CSV: UTF-8, RFC 4180, every number with all its digits.

use super::csv_results as results;
use super::csv_table::CsvTable;
use super::data::{ExperimentSection, FoldSection, PipelineReport};
use super::uncertainty::is_guessed;
use crate::error::Result;
use crate::evaluation::Scores;
use crate::table::metrics;

/// Names of the tables, in the order in which they are written.
pub const TABLES: [&str; 17] = [
    "results",
    "corpus",
    "features",
    "explain",
    "set-aside",
    "metrics",
    "confusion",
    "predictions",
    "folds",
    "history",
    "leakage",
    "duplicates",
    "breakdown",
    "calibration",
    "comparisons",
    "restricted-pools",
    "stress",
];

/// A file of the report: its name and its bytes.
pub(super) type File = (String, Vec<u8>);

/// A table as CSV and, where it is short, as Markdown.
pub(super) type Table = Result<(Vec<u8>, Option<Vec<u8>>)>;

/// The tables beside the page, each as CSV, and as Markdown where it is short; in a fixed order.
pub(super) fn files(report: &PipelineReport) -> Result<Vec<File>> {
    let tables = [
        results::results(report)?,
        results::corpus(report)?,
        results::features(report)?,
        results::explain(report)?,
        results::set_aside(report)?,
        metrics(report)?,
        confusion(report)?,
        predictions(report)?,
        folds(report)?,
        history(report)?,
        leakage(report)?,
        duplicates(report)?,
        breakdown(report)?,
        calibration(report)?,
        comparisons(report)?,
        restricted_pools(report)?,
        results::stress(report)?,
    ];
    let mut files = Vec::new();
    for (name, (csv, markdown)) in TABLES.into_iter().zip(tables) {
        files.push((format!("{name}.csv"), csv));
        files.extend(markdown.map(|markdown| (format!("{name}.md"), markdown)));
    }
    Ok(files)
}

/// Each experiment with each of the things that `of` finds in it.
fn of_experiments<'r, T: 'r, I: IntoIterator<Item = T>>(
    report: &'r PipelineReport,
    of: impl Fn(&'r ExperimentSection) -> I + 'r,
) -> impl Iterator<Item = (&'r ExperimentSection, T)> {
    let experiments = report.experiments.iter();
    experiments.flat_map(move |e| of(e).into_iter().map(move |one| (e, one)))
}

/// A table that begins with the experiment and its protocol.
fn by_experiment<'r, T: Copy + 'r, I: IntoIterator<Item = T>>(
    report: &'r PipelineReport,
    of: impl Fn(&'r ExperimentSection) -> I + 'r,
) -> CsvTable<'r, (&'r ExperimentSection, T)> {
    CsvTable::new(of_experiments(report, of))
        .column("experiment", |(e, _)| &e.name)
        .column("protocol", |(e, _)| &e.protocol)
}

/// One figure and where it was taken.
#[derive(Clone, Copy)]
struct Figure<'a> {
    scope: &'static str,
    fold: Option<&'a FoldSection>,
    seed: Option<u64>,
    n: Option<u64>,
    class: Option<&'a str>,
    metric: &'a str,
    value: f64,
}

impl<'a> Figure<'a> {
    fn whole(scope: &'static str, metric: &'a str, value: f64) -> Figure<'a> {
        Figure {
            scope,
            fold: None,
            seed: None,
            n: None,
            class: None,
            metric,
            value,
        }
    }
}

/// Long form: one figure a row. `scope` is pooled, ensemble (mean probability of the seeds), vote
/// (their majority), mean, sd (over folds and seeds), folds-mean, folds-sd, seeds-mean, seeds-sd,
/// seed (all folds of one), fold or, of windows, utterances (mean probability of the windows of
/// each); `class` is empty for whole-set figures; `name` is the figure's `metric` in
/// metrics.parquet, where it is there.
fn metrics(report: &PipelineReport) -> Table {
    let name = |(_, f): (_, Figure)| {
        let published = f.class.is_none() && !["mean", "sd"].contains(&f.scope);
        published.then(|| metrics::name(f.scope, f.metric))
    };
    by_experiment(report, figures)
        .column("speaker_independent", |(e, _)| {
            e.speakers.independence().name()
        })
        .column("scope", |(_, f)| f.scope)
        .column("fold", |(_, f)| f.fold.map(|fold| fold.fold))
        .column("fold_name", |(_, f)| f.fold.map(|fold| &fold.name))
        .column("seed", |(_, f)| f.seed)
        .column("n", |(_, f)| f.n)
        .column("class", |(_, f)| f.class)
        .column("metric", |(_, f)| f.metric)
        .column("value", |(_, f)| f.value)
        .column("name", name)
        .write()
}

/// All figures of an experiment.
fn figures(experiment: &ExperimentSection) -> Vec<Figure<'_>> {
    let found = &experiment.uncertainty;
    let mut figures = Vec::new();
    for (scope, scores) in [
        ("pooled", &experiment.pooled),
        ("ensemble", &experiment.ensemble),
        ("vote", &found.vote),
    ] {
        figures.extend(scores.iter().flat_map(|scores| of_scores(scope, scores)));
    }
    for (metric, spread) in &experiment.spread {
        let both = [("mean", spread.mean), ("sd", spread.sd)];
        let some = both.into_iter().take(experiment.folds.len().min(2));
        figures.extend(some.map(|(scope, value)| Figure::whole(scope, metric, value)));
    }
    for one in &found.by_seed {
        for (metric, value) in one.metrics() {
            figures.push(Figure {
                seed: Some(one.seed),
                ..Figure::whole("seed", metric, value)
            });
        }
    }
    // One value has no standard deviation.
    for (mean, sd, spreads, are_several) in [
        (
            "folds-mean",
            "folds-sd",
            &found.over_folds,
            experiment.has_several_folds(),
        ),
        (
            "seeds-mean",
            "seeds-sd",
            &found.over_seeds,
            found.by_seed.len() > 1,
        ),
    ] {
        for (metric, spread) in spreads {
            figures.push(Figure::whole(mean, metric, spread.mean));
            figures.extend(are_several.then(|| Figure::whole(sd, metric, spread.sd)));
        }
    }
    for (scope, intervals) in [
        ("pooled", found.intervals),
        ("ensemble", found.ensemble_intervals),
    ] {
        let ends = intervals.into_iter().flat_map(|found| found.metrics());
        figures.extend(ends.map(|(metric, value)| Figure::whole(scope, metric, value)));
    }
    for (scope, calibration) in [
        ("pooled", &found.calibration),
        ("ensemble", &found.ensemble_calibration),
    ] {
        figures.extend(calibration.iter().map(|found| Figure {
            n: Some(found.n),
            ..Figure::whole(scope, "ece", found.ece)
        }));
    }
    for (metric, value) in experiment.windows.iter().flat_map(|of| &of.figures) {
        figures.push(Figure::whole("utterances", metric, *value));
    }
    for fold in &experiment.folds {
        figures.extend(of_scores("fold", &fold.scores).map(|figure| Figure {
            fold: Some(fold),
            seed: Some(fold.seed),
            ..figure
        }));
    }
    figures
}

fn of_scores<'a>(
    scope: &'static str,
    scores: &'a Scores,
) -> impl Iterator<Item = Figure<'a>> + use<'a> {
    let whole = scores.metrics().map(|(metric, value)| Figure {
        n: Some(scores.n),
        ..Figure::whole(scope, metric, value)
    });
    let classes = scores.per_class.iter().flat_map(move |class| {
        let figures = [
            ("precision", class.precision),
            ("recall", class.recall),
            ("f1", class.f1),
        ];
        figures.map(|(metric, value)| Figure {
            n: Some(class.support),
            class: Some(&class.label),
            ..Figure::whole(scope, metric, value)
        })
    });
    whole.into_iter().chain(classes)
}

/// Counts of truth against prediction, pooled over folds and seeds, and of the ensemble over seeds.
fn confusion(report: &PipelineReport) -> Table {
    by_experiment(report, |e| {
        let mut rows = Vec::new();
        for (scope, scores) in [("pooled", &e.pooled), ("ensemble", &e.ensemble)] {
            let Some(matrix) = scores.as_ref().map(|s| &s.confusion) else {
                continue;
            };
            for (truth, row) in matrix.labels.iter().zip(&matrix.counts) {
                let total: u64 = row.iter().sum();
                let cells = matrix.labels.iter().zip(row);
                rows.extend(cells.map(|(predicted, &n)| (scope, truth, predicted, n, total)));
            }
        }
        rows
    })
    .column("scope", |(_, (scope, ..))| scope)
    .column("truth", |(_, (_, truth, ..))| truth)
    .column("predicted", |(_, (_, _, predicted, ..))| predicted)
    .column("count", |(_, (_, _, _, n, _))| n)
    .column("row_share", |(_, (.., n, total))| match total {
        0 => 0.0,
        total => n as f64 / total as f64,
    })
    .write()
}

/// Every prediction. The probability columns are the classes of all experiments, in order of first
/// appearance.
fn predictions(report: &PipelineReport) -> Table {
    let mut classes: Vec<&str> = Vec::new();
    for label in report.experiments.iter().flat_map(|e| &e.labels) {
        if !classes.contains(&label.as_str()) {
            classes.push(label);
        }
    }
    let mut table = by_experiment(report, |e| &e.predictions)
        .column("fold", |(_, p)| p.prediction.fold)
        .column("seed", |(_, p)| p.prediction.seed)
        .column("utterance_id", |(_, p)| &p.prediction.utterance_id)
        .column("path", |(_, p)| &p.path)
        .column("speaker", |(_, p)| &p.speaker)
        .column("truth", |(_, p)| &p.prediction.truth)
        .column("predicted", |(_, p)| &p.prediction.predicted)
        .column("correct", |(_, p)| p.prediction.is_correct());
    for class in classes {
        let place = move |e: &ExperimentSection| e.labels.iter().position(|label| label == class);
        table = table.column(format!("prob_{class}"), move |(e, p)| {
            place(e).and_then(|place| p.prediction.probabilities.get(place).copied())
        });
    }
    table.write()
}

/// One row a trained fold.
fn folds(report: &PipelineReport) -> Table {
    by_experiment(report, |e| &e.folds)
        .column("fold", |(_, f)| f.fold)
        .column("fold_name", |(_, f)| &f.name)
        .column("seed", |(_, f)| f.seed)
        .column("n_train", |(_, f)| f.n_train)
        .column("n_validation", |(_, f)| f.n_validation)
        .column("n_test", |(_, f)| f.n_test)
        .column("accuracy", |(_, f)| f.scores.accuracy)
        .column("uar", |(_, f)| f.scores.uar)
        .column("macro_f1", |(_, f)| f.scores.macro_f1)
        .column("best_epoch", |(_, f)| f.best_epoch)
        .column("epochs", |(_, f)| f.history.len())
        .write()
}

/// One row an epoch; empty fields where nothing watched the training.
fn history(report: &PipelineReport) -> Table {
    by_experiment(report, |e| {
        let folds = e.folds.iter();
        folds.flat_map(|fold| fold.history.iter().map(move |epoch| (fold, epoch)))
    })
    .column("fold", |(_, (f, _))| f.fold)
    .column("seed", |(_, (f, _))| f.seed)
    .column("epoch", |(_, (_, h))| h.epoch)
    .column("train_loss", |(_, (_, h))| h.train_loss)
    .column("train_accuracy", |(_, (_, h))| h.train_accuracy)
    .column("validation_loss", |(_, (_, h))| h.validation_loss)
    .column("validation_accuracy", |(_, (_, h))| h.validation_accuracy)
    .write()
}

/// One row a fold and kind: what its test part shares with what the model was trained or chosen on.
fn leakage(report: &PipelineReport) -> Table {
    by_experiment(report, |e| &e.leakage)
        .column("fold", |(_, l)| l.fold)
        .column("kind", |(_, l)| &l.kind)
        .column("test_units", |(_, l)| l.test_units)
        .column("shared_units", |(_, l)| l.shared_units)
        .write()
}

/// One row a pair: of recordings with the same samples, the first with each other; of versions of
/// one recording, all that were found.
fn duplicates(report: &PipelineReport) -> Table {
    let mut pairs: Vec<(&str, &str, &str, f64, f64)> = Vec::new();
    if let Some(corpus) = &report.corpus {
        for (first, others) in corpus.duplicates.iter().filter_map(|ids| ids.split_first()) {
            pairs.extend(
                others
                    .iter()
                    .map(|id| (first.as_str(), id.as_str(), "exact", 1.0, 0.0)),
            );
        }
        pairs.extend(corpus.near_duplicates.iter().map(|pair| {
            let (a, b) = (pair.utterance_a.as_str(), pair.utterance_b.as_str());
            (a, b, pair.kind.as_str(), pair.similarity, pair.lag_s)
        }));
    }
    CsvTable::new(pairs)
        .column("utterance_a", |pair| pair.0)
        .column("utterance_b", |pair| pair.1)
        .column("kind", |pair| pair.2)
        .column("similarity", |pair| pair.3)
        .column("lag_s", |pair| pair.4)
        .write()
}

/// Accuracy and UAR by what the corpus says.
fn breakdown(report: &PipelineReport) -> Table {
    by_experiment(report, |e| {
        let all = e.uncertainty.breakdowns.iter();
        all.flat_map(|one| one.groups.iter().map(move |group| (one, group)))
    })
    .column("attribute", |(_, (one, _))| &one.attribute)
    .column("value", |(_, (_, group))| &group.value)
    .column("utterances", |(_, (_, group))| group.utterances)
    .column("predictions", |(_, (_, group))| group.predictions)
    .column("classes", |(_, (_, group))| group.classes)
    .column("accuracy", |(_, (_, group))| group.accuracy)
    .column("uar", |(_, (_, group))| group.uar)
    .column("guessed", |(e, (one, _))| is_guessed(e, one))
    .write()
}

/// The bins of the reliability diagrams. `scope` is pooled or ensemble.
fn calibration(report: &PipelineReport) -> Table {
    by_experiment(report, |e| {
        let found = &e.uncertainty;
        let both = [
            ("pooled", &found.calibration),
            ("ensemble", &found.ensemble_calibration),
        ];
        let both = both
            .into_iter()
            .filter_map(|(scope, found)| Some((scope, found.as_ref()?)));
        both.flat_map(|(scope, found)| {
            let n = found.bins.len() as f64;
            let bins = found.bins.iter().enumerate();
            bins.map(move |(i, bin)| (scope, i as f64 / n, (i + 1) as f64 / n, bin))
        })
    })
    .column("scope", |(_, (scope, ..))| scope)
    .column("from", |(_, (_, from, ..))| from)
    .column("to", |(_, (_, _, to, _))| to)
    .column("n", |(_, (.., bin))| bin.n)
    .column("confidence", |(_, (.., bin))| bin.confidence)
    .column("accuracy", |(_, (.., bin))| bin.accuracy)
    .write()
}

/// McNemar's test between experiments.
fn comparisons(report: &PipelineReport) -> Table {
    let tests = report.comparisons.len();
    CsvTable::new(&report.comparisons)
        .column("a", |pair| &pair.a)
        .column("b", |pair| &pair.b)
        .column("protocol", |pair| &pair.protocol)
        .column("n", |pair| pair.n)
        .column("right_a_only", |pair| pair.only_a)
        .column("right_b_only", |pair| pair.only_b)
        .column("p", |pair| pair.p)
        .column("p_holm", |pair| pair.p_holm)
        .column("least_detectable", |pair| pair.least_detectable())
        .column("tests", move |_| tests)
        .write()
}

/// A row for each transductive experiment and half of the classes; shares, not per cent.
fn restricted_pools(report: &PipelineReport) -> Table {
    by_experiment(report, |e| &e.restricted_pools)
        .column("pool", |(_, pool)| &pool.pool)
        .column("classes", |(_, pool)| pool.classes.join("; "))
        .column("n", |(_, pool)| pool.n)
        .column("uar_full", |(_, pool)| pool.full)
        .column("uar_restricted", |(_, pool)| pool.restricted)
        .column("inductive", |(_, pool)| {
            pool.inductive.as_ref().map(|twin| &twin.experiment)
        })
        .column("uar_inductive", |(_, pool)| {
            pool.inductive.as_ref().map(|twin| twin.uar)
        })
        .write()
}
