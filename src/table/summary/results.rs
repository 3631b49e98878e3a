//! What predictions and metrics amount to.

use polars::prelude::*;

use super::frame::{collect, count, frame, real, text, texts};
use crate::error::{Error, Result};
use crate::table::metrics::MetricRow;
use crate::table::predictions::{PredictionRow, argmax};

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
///
/// # Errors
/// `Internal` where a row has not one probability per label.
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
    let keys = ["experiment", "protocol", "fold", "id"];
    let mut means = vec![col("truth").first()];
    means.extend((0..labels.len()).map(|class| col(probability(class)).mean()));
    let groups = collect(
        frame(predictions.len(), columns)?
            .lazy()
            .sort(
                ["experiment", "protocol", "fold", "id", "seed"],
                SortMultipleOptions::default(),
            )
            .group_by_stable(keys.map(col))
            .agg(means),
    )?;
    let (experiments, protocols) = (text(&groups, "experiment")?, text(&groups, "protocol")?);
    let (truths, folds) = (text(&groups, "truth")?, count(&groups, "fold")?);
    let columns: Vec<Vec<f64>> = (0..labels.len())
        .map(|class| real(&groups, &probability(class)))
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
///
/// # Errors
/// `Internal` only.
pub fn spreads(metrics: &[MetricRow]) -> Result<Vec<MetricSummary>> {
    let frame = frame(
        metrics.len(),
        vec![
            texts("experiment", metrics.iter().map(|m| m.experiment.as_str())),
            texts("protocol", metrics.iter().map(|m| m.protocol.as_str())),
            texts("metric", metrics.iter().map(|m| m.metric.as_str())),
            Column::new(
                "fold".into(),
                metrics.iter().map(|m| m.fold).collect::<Vec<_>>(),
            ),
            Column::new(
                "seed".into(),
                metrics.iter().map(|m| m.seed).collect::<Vec<_>>(),
            ),
            Column::new(
                "value".into(),
                metrics.iter().map(|m| m.value).collect::<Vec<_>>(),
            ),
        ],
    )?;
    let value = || col("value");
    let groups = collect(
        frame
            .lazy()
            .filter(col("fold").is_not_null().and(col("seed").is_not_null()))
            .sort(
                ["experiment", "protocol", "metric", "fold", "seed"],
                SortMultipleOptions::default(),
            )
            .group_by_stable(["experiment", "protocol", "metric"].map(col))
            .agg([
                value().mean().alias("mean"),
                value().std(1).fill_null(lit(0.0)).alias("sd"),
                len().alias("n"),
            ]),
    )?;
    let names = text(&groups, "experiment")?
        .into_iter()
        .zip(text(&groups, "protocol")?)
        .zip(text(&groups, "metric")?);
    let figures = real(&groups, "mean")?
        .into_iter()
        .zip(real(&groups, "sd")?)
        .zip(count(&groups, "n")?);
    Ok(names
        .zip(figures)
        .map(
            |(((experiment, protocol), metric), ((mean, sd), n))| MetricSummary {
                experiment,
                protocol,
                metric,
                mean,
                sd,
                n,
            },
        )
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

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

    fn some() -> Vec<PredictionRow> {
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
        let rows = ensemble(&labels(), &some()).unwrap();
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
        let mut backwards = some();
        backwards.reverse();
        assert_eq!(ensemble(&labels(), &backwards).unwrap(), rows);
        assert!(ensemble(&labels(), &[]).unwrap().is_empty());
        assert_eq!(ensemble(&[], &some()).unwrap_err().kind(), Kind::Internal);
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
