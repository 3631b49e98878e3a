//! Sums over the rows of tables, grouped in polars and handed on as plain values in a fixed order.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, GroupsIndicator, PolarsError, SortMultipleOptions};

use super::metrics::MetricRow;
use super::predictions::{PredictionRow, argmax};
use crate::corpus::Utterance;
use crate::error::{Error, Result};

/// How many utterances there are, and of what.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// In all.
    pub utterances: usize,
    /// Sum of durations.
    pub duration_s: f64,
    /// By emotion.
    pub by_class: BTreeMap<String, usize>,
    /// By speaker.
    pub by_speaker: BTreeMap<String, usize>,
    /// By session; utterances without one are not counted here.
    pub by_session: BTreeMap<String, usize>,
}

/// Counts utterances and sums their durations.
pub fn counts(utterances: &[Utterance]) -> Result<Counts> {
    let by = |values: Vec<&str>| -> Result<BTreeMap<String, usize>> {
        let key = "value";
        let frame = frame(values.len(), vec![texts(key, values.into_iter())])?;
        let groups = Groups::of(&frame, &[key])?;
        Ok(text(&groups.keys, key)?
            .into_iter()
            .zip(groups.sizes())
            .collect())
    };
    let sources = || utterances.iter().map(|u| &u.source);
    Ok(Counts {
        utterances: utterances.len(),
        duration_s: utterances.iter().map(|u| u.duration_s).sum(),
        by_class: by(sources().map(|source| &*source.emotion).collect())?,
        by_speaker: by(sources().map(|source| &*source.speaker).collect())?,
        by_session: by(sources()
            .filter_map(|source| source.session.as_deref())
            .collect())?,
    })
}

/// One metric of an experiment over its folds and seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSummary {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// Name of the metric.
    pub metric: String,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); 0 for a single value.
    pub sd: f64,
    /// Folds times seeds.
    pub n: usize,
}

/// Averages the probabilities over seeds: one row per experiment, protocol, fold and utterance,
/// sorted by these, with seed 0 and the class of the highest mean, the first of equals.
pub fn ensemble(labels: &[String], predictions: &[PredictionRow]) -> Result<Vec<PredictionRow>> {
    if let Some(row) = predictions
        .iter()
        .find(|row| row.probabilities.len() != labels.len())
    {
        return Err(Error::internal(format!(
            "utterance `{}` has not one probability per class",
            row.utterance_id
        )));
    }
    let mut columns = vec![
        texts(
            "experiment",
            predictions.iter().map(|p| p.experiment.as_str()),
        ),
        texts("protocol", predictions.iter().map(|p| p.protocol.as_str())),
        Column::new(
            "fold".into(),
            predictions.iter().map(|p| p.fold).collect::<Vec<_>>(),
        ),
        texts("id", predictions.iter().map(|p| p.utterance_id.as_str())),
        texts("truth", predictions.iter().map(|p| p.truth.as_str())),
    ];
    // Sorted by seed first, so that sums are taken in the same order whatever order the rows are
    // in.
    columns.push(Column::new(
        "seed".into(),
        predictions.iter().map(|p| p.seed).collect::<Vec<_>>(),
    ));
    let probability = |class: usize| format!("p{class}");
    for class in 0..labels.len() {
        let values: Vec<f64> = predictions
            .iter()
            .map(|p| f64::from(p.probabilities[class]))
            .collect();
        columns.push(Column::new(probability(class).into(), values));
    }
    let sorted = sorted(
        &frame(predictions.len(), columns)?,
        &["experiment", "protocol", "fold", "id", "seed"],
    )?;
    let Groups { keys: groups, rows } =
        Groups::of(&sorted, &["experiment", "protocol", "fold", "id", "truth"])?;
    let (experiments, protocols) = (text(&groups, "experiment")?, text(&groups, "protocol")?);
    let (truths, folds) = (text(&groups, "truth")?, count(&groups, "fold")?);
    let columns: Vec<Vec<f64>> = (0..labels.len())
        .map(|class| {
            let values = real(&sorted, &probability(class))?;
            Ok(rows.iter().map(|rows| mean(&values, rows)).collect())
        })
        .collect::<Result<_>>()?;
    let names = experiments
        .into_iter()
        .zip(protocols)
        .zip(text(&groups, "id")?)
        .zip(truths);
    let rows = names.zip(folds).enumerate().map(
        |(row, ((((experiment, protocol), utterance_id), truth), fold))| {
            let probabilities: Vec<f32> = columns.iter().map(|column| column[row] as f32).collect();
            let predicted = labels
                .get(argmax(&probabilities))
                .cloned()
                .unwrap_or_default();
            PredictionRow {
                experiment,
                protocol,
                fold: fold as u32,
                seed: 0,
                utterance_id,
                truth,
                predicted,
                probabilities,
            }
        },
    );
    Ok(rows.collect())
}

/// Mean and standard deviation of each metric over folds and seeds, sorted by experiment, protocol
/// and metric. Rows that already sum up (without a fold or a seed) are passed over.
pub fn spreads(metrics: &[MetricRow]) -> Result<Vec<MetricSummary>> {
    let metrics: Vec<(u32, u64, &MetricRow)> = metrics
        .iter()
        .filter_map(|row| Some((row.fold?, row.seed?, row)))
        .collect();
    let names = |name, of: fn(&MetricRow) -> &str| texts(name, metrics.iter().map(|m| of(m.2)));
    let columns = vec![
        names("experiment", |row| &row.experiment),
        names("protocol", |row| &row.protocol),
        names("metric", |row| &row.metric),
        Column::new(
            "fold".into(),
            metrics.iter().map(|m| m.0).collect::<Vec<_>>(),
        ),
        Column::new(
            "seed".into(),
            metrics.iter().map(|m| m.1).collect::<Vec<_>>(),
        ),
        Column::new(
            "value".into(),
            metrics.iter().map(|m| m.2.value).collect::<Vec<_>>(),
        ),
    ];
    let keys = ["experiment", "protocol", "metric"];
    let sorted = sorted(
        &frame(metrics.len(), columns)?,
        &["experiment", "protocol", "metric", "fold", "seed"],
    )?;
    let groups = Groups::of(&sorted, &keys)?;
    let values = real(&sorted, "value")?;
    let [experiments, protocols, metrics] = keys.map(|key| text(&groups.keys, key));
    let names = experiments?.into_iter().zip(protocols?).zip(metrics?);
    Ok(names
        .zip(&groups.rows)
        .map(|(((experiment, protocol), metric), rows)| {
            let mean = mean(&values, rows);
            let squares: f64 = rows.iter().map(|&row| (values[row] - mean).powi(2)).sum();
            MetricSummary {
                experiment,
                protocol,
                metric,
                mean,
                sd: (squares / (rows.len() - 1).max(1) as f64).sqrt(),
                n: rows.len(),
            }
        })
        .collect())
}

/// The mean of some rows of a column, summed in their order.
fn mean(values: &[f64], rows: &[usize]) -> f64 {
    rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
}

/// The rows of a frame by the values of some columns, in the order in which these first come.
pub(crate) struct Groups {
    /// The values, a row for each group.
    pub(crate) keys: DataFrame,
    /// The rows of each group, in ascending order.
    pub(crate) rows: Vec<Vec<usize>>,
}

impl Groups {
    pub(crate) fn of(frame: &DataFrame, by: &[&str]) -> Result<Groups> {
        let groups = frame.group_by_stable(by).map_err(defect)?;
        let rows: Vec<Vec<usize>> = groups
            .get_groups()
            .iter()
            .map(|group| match group {
                GroupsIndicator::Idx((_, rows)) => rows.iter().map(|&row| row as usize).collect(),
                GroupsIndicator::Slice([first, length]) => {
                    (first as usize..(first + length) as usize).collect()
                }
            })
            .collect();
        Ok(Groups {
            keys: DataFrame::new(rows.len(), groups.keys()).map_err(defect)?,
            rows,
        })
    }

    /// How many rows each has.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(Vec::len)
    }
}

fn sorted(frame: &DataFrame, by: &[&str]) -> Result<DataFrame> {
    frame
        .sort(by, SortMultipleOptions::default())
        .map_err(defect)
}

pub(crate) fn defect(error: PolarsError) -> Error {
    Error::internal(format!("failed to sum up a table: {error}"))
}

pub(crate) fn frame(height: usize, columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new(height, columns).map_err(defect)
}

pub(crate) fn texts<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Column {
    Column::new(name.into(), values.collect::<Vec<&str>>())
}

pub(crate) fn text(frame: &DataFrame, name: &str) -> Result<Vec<String>> {
    let column = frame.column(name).and_then(|c| c.str()).map_err(defect)?;
    Ok(column
        .iter()
        .map(|value| value.unwrap_or_default().to_owned())
        .collect())
}

pub(crate) fn count(frame: &DataFrame, name: &str) -> Result<Vec<usize>> {
    let column = frame.column(name).and_then(|c| c.u32()).map_err(defect)?;
    Ok(column
        .iter()
        .map(|value| value.unwrap_or_default() as usize)
        .collect())
}

pub(crate) fn seeds(frame: &DataFrame, name: &str) -> Result<Vec<u64>> {
    let column = frame.column(name).and_then(|c| c.u64()).map_err(defect)?;
    Ok(column.iter().map(Option::unwrap_or_default).collect())
}

fn real(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let column = frame.column(name).and_then(|c| c.f64()).map_err(defect)?;
    Ok(column
        .iter()
        .map(|value| value.unwrap_or_default())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::table::tests::speech;

    fn some() -> Vec<Utterance> {
        vec![
            speech("d", "sad", "02", Some("s2"), 0.5, "h1"),
            speech("a", "calm", "01", Some("s1"), 1.5, "h1"),
            speech("b", "calm", "01", None, 2.0, "h2"),
            speech("c", "sad", "01", Some("s1"), 0.25, "h3"),
            speech("e", "sad", "02", Some("s2"), 0.25, "h3"),
            speech("f", "fear", "02", Some("s2"), 1.0, "h1"),
        ]
    }

    fn map<V: Copy>(pairs: &[(&str, V)]) -> BTreeMap<String, V> {
        pairs
            .iter()
            .map(|(key, value)| (key.to_string(), *value))
            .collect()
    }

    #[test]
    fn utterances_are_counted_by_class_speaker_and_session() {
        let counts = counts(&some()).unwrap();
        assert_eq!((counts.utterances, counts.duration_s), (6, 5.5));
        assert_eq!(
            counts.by_class,
            map(&[("calm", 2), ("fear", 1), ("sad", 3)])
        );
        assert_eq!(counts.by_speaker, map(&[("01", 3), ("02", 3)]));
        assert_eq!(counts.by_session, map(&[("s1", 2), ("s2", 3)]));
    }

    #[test]
    fn no_utterances_have_no_counts() {
        assert_eq!(counts(&[]).unwrap(), Counts::default());
    }

    fn labels() -> Vec<String> {
        ["calm", "sad"].map(String::from).into()
    }

    fn prediction(
        fold: u32,
        seed: u64,
        id: &str,
        truth: &str,
        probabilities: [f32; 2],
    ) -> PredictionRow {
        PredictionRow {
            experiment: "e".into(),
            protocol: "p".into(),
            fold,
            seed,
            utterance_id: id.into(),
            truth: truth.into(),
            predicted: labels()[argmax(&probabilities)].clone(),
            probabilities: probabilities.into(),
        }
    }

    fn predictions() -> Vec<PredictionRow> {
        vec![
            prediction(1, 1, "b", "calm", [0.25, 0.75]),
            prediction(0, 0, "a", "calm", [0.875, 0.125]),
            prediction(0, 1, "a", "calm", [0.375, 0.625]),
            prediction(1, 0, "b", "calm", [0.75, 0.25]),
            prediction(1, 0, "c", "sad", [0.5, 0.5]),
        ]
    }

    #[test]
    fn seeds_are_averaged_by_utterance() {
        let rows = ensemble(&labels(), &predictions()).unwrap();
        let short: Vec<_> = rows
            .iter()
            .map(|r| (r.fold, r.utterance_id.as_str(), r.predicted.as_str()))
            .collect();
        // `b` and `c` are ties, which the first class wins.
        assert_eq!(
            short,
            [(0, "a", "calm"), (1, "b", "calm"), (1, "c", "calm")]
        );
        assert_eq!(rows[0].probabilities, [0.625, 0.375]);
        assert_eq!(
            (
                rows[2].truth.as_str(),
                rows[2].experiment.as_str(),
                rows[2].protocol.as_str()
            ),
            ("sad", "e", "p")
        );
        let mut backwards = predictions();
        backwards.reverse();
        assert_eq!(ensemble(&labels(), &backwards).unwrap(), rows);
        assert!(ensemble(&labels(), &[]).unwrap().is_empty());
        assert_eq!(
            ensemble(&[], &predictions()).unwrap_err().kind(),
            Kind::Internal
        );
    }

    #[test]
    fn metrics_spread_over_folds_and_seeds() {
        let row = |experiment: &str, metric: &str, fold, seed, value| MetricRow {
            experiment: experiment.into(),
            protocol: "p".into(),
            fold,
            seed,
            metric: metric.into(),
            value,
            scope: "fold".into(),
        };
        let rows = [
            row("b", "uar", Some(0), Some(0), 0.5),
            row("a", "uar", Some(1), Some(0), 0.75),
            row("a", "uar", Some(0), Some(0), 0.7),
            row("a", "uar", Some(0), Some(1), 0.65),
            row("a", "uar", Some(1), Some(1), 0.72),
            row("a", "uar", None, Some(1), 0.0),
            row("a", "accuracy", Some(0), Some(0), 1.0),
        ];
        let spreads = spreads(&rows).unwrap();
        let names: Vec<_> = spreads
            .iter()
            .map(|s| (s.experiment.as_str(), s.metric.as_str(), s.n))
            .collect();
        assert_eq!(
            names,
            [("a", "accuracy", 1), ("a", "uar", 4), ("b", "uar", 1)]
        );
        assert!(
            (spreads[1].mean - 0.705).abs() < 1e-15
                && (spreads[1].sd - 0.042031734043061625).abs() < 1e-15
        );
        assert_eq!((spreads[2].mean, spreads[2].sd), (0.5, 0.0));
    }
}
