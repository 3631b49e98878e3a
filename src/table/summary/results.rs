//! What predictions and metrics amount to.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::frame::{collect, count, defect, frame, real, text, texts};
use crate::corpus::{Sex, Utterance};
use crate::error::{Error, Result};
use crate::table::metrics::MetricRow;
use crate::table::predictions::{PredictionRow, argmax};

/// Correct predictions among some utterances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Predictions: as many as utterances, times seeds.
    pub predictions: usize,
    /// Those that name the true class.
    pub correct: usize,
    /// `correct / predictions`.
    pub accuracy: f64,
}

/// Accuracy by what the corpus says of the utterances.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Breakdown {
    /// By speaker.
    pub by_speaker: BTreeMap<String, Tally>,
    /// By `female` and `male`; `unknown` where the corpus does not say.
    pub by_sex: BTreeMap<String, Tally>,
    /// By true class: the recalls.
    pub by_class: BTreeMap<String, Tally>,
}

/// The predictions of several seeds for one utterance, as one.
#[derive(Debug, Clone, PartialEq)]
pub struct EnsembleRow {
    /// Name within the pipeline.
    pub experiment: String,
    /// Short protocol name.
    pub protocol: String,
    /// From 0.
    pub fold: u32,
    /// Utterance id.
    pub utterance_id: String,
    /// True class.
    pub truth: String,
    /// Class of the highest mean probability, the first of equals.
    pub predicted: String,
    /// Means over seeds, in label order.
    pub probabilities: Vec<f32>,
    /// How many seeds were averaged.
    pub seeds: usize,
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

/// Accuracy by speaker, sex and class of the given predictions (of one experiment, say), joined
/// with the utterances by id.
///
/// # Errors
/// `Data` where a predicted utterance is not among `utterances`.
pub fn breakdown(predictions: &[PredictionRow], utterances: &[Utterance]) -> Result<Breakdown> {
    let known = frame(
        utterances.len(),
        vec![
            texts("id", utterances.iter().map(|u| u.source.id.as_str())),
            texts(
                "speaker",
                utterances.iter().map(|u| u.source.speaker.as_str()),
            ),
            texts(
                "sex",
                utterances
                    .iter()
                    .map(|u| u.source.sex.map_or("unknown", Sex::as_str)),
            ),
        ],
    )?;
    let outcomes = frame(
        predictions.len(),
        vec![
            texts("id", predictions.iter().map(|p| p.utterance_id.as_str())),
            texts("class", predictions.iter().map(|p| p.truth.as_str())),
            Column::new(
                "correct".into(),
                predictions
                    .iter()
                    .map(|p| u32::from(p.truth == p.predicted))
                    .collect::<Vec<_>>(),
            ),
        ],
    )?;
    let joined = collect(outcomes.lazy().join(
        known.lazy(),
        [col("id")],
        [col("id")],
        JoinArgs::new(JoinType::Left),
    ))?;
    let lost = collect(
        joined
            .clone()
            .lazy()
            .filter(col("speaker").is_null())
            .select([col("id").min()]),
    )?;
    if let Some(id) = lost
        .column("id")
        .and_then(|c| c.str().map(|ids| ids.get(0).map(str::to_owned)))
        .map_err(defect)?
    {
        return Err(Error::data(format!(
            "utterance `{id}` is predicted but not in the utterances table"
        ))
        .hint("the tables are of different corpora: run the pipeline again"));
    }
    let by = |key: &str| -> Result<BTreeMap<String, Tally>> {
        let groups = collect(
            joined
                .clone()
                .lazy()
                .group_by_stable([col(key)])
                .agg([len().alias("n"), col("correct").sum()]),
        )?;
        let tallies = count(&groups, "n")?
            .into_iter()
            .zip(count(&groups, "correct")?);
        let tallies = tallies.map(|(n, correct)| Tally {
            predictions: n,
            correct,
            accuracy: correct as f64 / n as f64,
        });
        Ok(text(&groups, key)?.into_iter().zip(tallies).collect())
    };
    Ok(Breakdown {
        by_speaker: by("speaker")?,
        by_sex: by("sex")?,
        by_class: by("class")?,
    })
}

/// Averages the probabilities over seeds: one row per experiment, protocol, fold and utterance,
/// sorted by these.
///
/// # Errors
/// `Internal` where a row has not one probability per label.
pub fn ensemble(labels: &[String], predictions: &[PredictionRow]) -> Result<Vec<EnsembleRow>> {
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
    let mut means = vec![col("truth").first(), len().alias("n")];
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
    let (mut experiments, mut protocols) = (
        text(&groups, "experiment")?.into_iter(),
        text(&groups, "protocol")?.into_iter(),
    );
    let (mut truths, folds, seeds) = (
        text(&groups, "truth")?.into_iter(),
        count(&groups, "fold")?,
        count(&groups, "n")?,
    );
    let columns: Vec<Vec<f64>> = (0..labels.len())
        .map(|class| real(&groups, &probability(class)))
        .collect::<Result<_>>()?;
    let rows = text(&groups, "id")?
        .into_iter()
        .enumerate()
        .map(|(row, utterance_id)| {
            let probabilities: Vec<f32> = columns.iter().map(|column| column[row] as f32).collect();
            EnsembleRow {
                experiment: experiments.next().unwrap_or_default(),
                protocol: protocols.next().unwrap_or_default(),
                fold: folds[row] as u32,
                utterance_id,
                truth: truths.next().unwrap_or_default(),
                predicted: labels
                    .get(argmax(&probabilities))
                    .cloned()
                    .unwrap_or_default(),
                probabilities,
                seeds: seeds[row],
            }
        });
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
    use crate::table::tests::speech;

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

    fn tally(correct: usize, predictions: usize) -> Tally {
        Tally {
            predictions,
            correct,
            accuracy: correct as f64 / predictions as f64,
        }
    }

    #[test]
    fn accuracy_is_broken_down_by_what_the_corpus_says() {
        let mut utterances = vec![
            speech("a", "calm", "01", None, 1.0, "h1"),
            speech("b", "calm", "02", None, 1.0, "h2"),
        ];
        utterances.push(speech("c", "sad", "02", None, 1.0, "h3"));
        utterances.push(speech("untested", "sad", "03", None, 1.0, "h4"));
        utterances[0].source.sex = Some(Sex::Male);
        let breakdown = breakdown(&some(), &utterances).unwrap();
        let map = |pairs: &[(&str, Tally)]| {
            pairs
                .iter()
                .map(|(key, tally)| (key.to_string(), *tally))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(
            breakdown.by_speaker,
            map(&[("01", tally(1, 2)), ("02", tally(1, 3))])
        );
        assert_eq!(
            breakdown.by_sex,
            map(&[("male", tally(1, 2)), ("unknown", tally(1, 3))])
        );
        assert_eq!(
            breakdown.by_class,
            map(&[("calm", tally(2, 4)), ("sad", tally(0, 1))])
        );
    }

    #[test]
    fn a_prediction_of_an_unknown_utterance_is_named() {
        let error = breakdown(&some(), &[speech("a", "calm", "01", None, 1.0, "h")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(
            error.to_string().contains("utterance `b` is predicted"),
            "{error}"
        );
        assert_eq!(breakdown(&[], &[]).unwrap(), Breakdown::default());
    }

    #[test]
    fn seeds_are_averaged_by_utterance() {
        let rows = ensemble(&labels(), &some()).unwrap();
        let short: Vec<_> = rows
            .iter()
            .map(|r| {
                (
                    r.fold,
                    r.utterance_id.as_str(),
                    r.predicted.as_str(),
                    r.seeds,
                )
            })
            .collect();
        // `b` and `c` are ties, which the first class wins.
        assert_eq!(
            short,
            [
                (0, "a", "calm", 2),
                (1, "b", "calm", 2),
                (1, "c", "calm", 1)
            ]
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
