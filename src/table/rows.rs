//! The tables of folds and results: one row type each.

/// The `splits` table: who is in which fold of which protocol.
pub mod splits {
    use std::borrow::Cow;
    use std::path::Path;

    use crate::error::Result;
    use crate::table::file::{self, Meta};

    table! {
        "splits", version 2;
        /// One utterance in one fold.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct SplitRow<'a> {
            /// Name within the pipeline; two experiments may draw other folds under one protocol.
            pub experiment: Cow<'a, str>,
            /// Short protocol name (`stratified-5-fold`).
            pub protocol: Cow<'a, str>,
            /// From 0.
            pub fold: u32,
            /// What is held out (`speaker 03`), or `fold 1`.
            pub fold_name: Cow<'a, str>,
            /// Utterance id.
            pub utterance_id: Cow<'a, str>,
            /// `train`, `validation` or `test`.
            pub role: Cow<'a, str>,
        }
    }

    /// Writes the table in its row order.
    pub fn write(path: &Path, rows: &[SplitRow], meta: &Meta) -> Result<()> {
        file::write(path, &TABLE, SplitRow::columns(rows, &[]), meta)
    }

    /// Reads the table, in file order.
    ///
    /// # Errors
    /// `Missing` where there is no file; `Data` where it is damaged or another table.
    pub fn read(path: &Path) -> Result<Vec<SplitRow<'static>>> {
        let mut rows = Vec::new();
        let own = |text: Cow<str>| Cow::Owned(text.into_owned());
        each(path, |row| {
            rows.push(SplitRow {
                experiment: own(row.experiment),
                protocol: own(row.protocol),
                fold: row.fold,
                fold_name: own(row.fold_name),
                utterance_id: own(row.utterance_id),
                role: own(row.role),
            });
            Ok(())
        })?;
        Ok(rows)
    }

    /// Hands on the rows of the table one after the other, in file order.
    pub fn each(path: &Path, mut take: impl FnMut(SplitRow) -> Result<()>) -> Result<()> {
        let table = file::read(path, &TABLE)?;
        SplitRow::rows(&table)?.try_for_each(&mut take)
    }
}

/// The `predictions` table: one row per tested utterance, fold and seed.
pub mod predictions {
    use std::path::Path;

    use crate::error::{Error, Result};
    use crate::table::file::{self, Meta};
    use crate::table::row;

    table! {
        "predictions", version 1;
        /// One prediction on a test utterance.
        #[derive(Debug, Clone, PartialEq)]
        pub struct PredictionRow {
            /// Name within the pipeline.
            pub experiment: String,
            /// Short protocol name.
            pub protocol: String,
            /// From 0.
            pub fold: u32,
            /// Seed of the training run.
            pub seed: u64,
            /// Utterance id.
            pub utterance_id: String,
            /// True class.
            pub truth: String,
            /// Predicted class.
            pub predicted: String,
            /// Probability of the class, 0 to 1; of models that estimate none, a value that is
            /// highest for the predicted class.
            pub probabilities: Vec<f32>,
        }
    }

    impl PredictionRow {
        /// Whether the predicted class is the true one.
        pub fn is_correct(&self) -> bool {
            self.truth == self.predicted
        }
    }

    /// Writes the table in its row order, with one column `prob_<label>` per class in the order of
    /// `labels`.
    ///
    /// # Errors
    /// `Data` where a label occurs twice; `Io` where the file system refuses; `Internal` where a
    /// row has not one probability per label.
    pub fn write(
        path: &Path,
        labels: &[String],
        rows: &[PredictionRow],
        meta: &Meta,
    ) -> Result<()> {
        if let Some(row) = rows.iter().find(|r| r.probabilities.len() != labels.len()) {
            return Err(Error::internal(format!(
                "utterance `{}` has {} probabilities for {} classes",
                row.utterance_id,
                row.probabilities.len(),
                labels.len()
            )));
        }
        file::write(path, &TABLE, PredictionRow::columns(rows, labels), meta)
    }

    /// Reads labels (in column order), rows (in file order) and meta.
    ///
    /// # Errors
    /// `Missing` where there is no file; `Data` where it is damaged or another table.
    pub fn read(path: &Path) -> Result<(Vec<String>, Vec<PredictionRow>, Meta)> {
        let table = file::read(path, &TABLE)?;
        let rows = PredictionRow::rows(&table)?.collect();
        Ok((row::labels(&table), rows, table.meta))
    }

    /// The class of the highest probability: the first of equals, 0 for none. A NaN never wins over
    /// a number.
    pub fn argmax(probabilities: &[f32]) -> usize {
        let mut best = 0;
        for (class, p) in probabilities.iter().enumerate() {
            if *p > probabilities[best] || (probabilities[best].is_nan() && !p.is_nan()) {
                best = class;
            }
        }
        best
    }
}

/// The `metrics` table: one figure per row.
pub mod metrics {
    table! {
        "metrics", version 2;
        /// One figure of an experiment.
        #[derive(Debug, Clone, PartialEq)]
        pub struct MetricRow {
            /// Name within the pipeline.
            pub experiment: String,
            /// Short protocol name.
            pub protocol: String,
            /// From 0; null over all folds.
            pub fold: Option<u32>,
            /// Seed of the training run; null over all seeds.
            pub seed: Option<u64>,
            /// `accuracy`, `uar`, `macro_f1` of a fold and seed; over all of them `pooled_uar` and
            /// so on: the column `name` of metrics.csv.
            pub metric: String,
            /// In the metric's own unit; accuracy, UAR and F1 are 0 to 1.
            pub value: f64,
            /// Where the figure was taken, as in metrics.csv: `fold`, `seed`, `pooled`, `ensemble`,
            /// `vote`, `folds-mean`, `folds-sd`, `seeds-mean`, `seeds-sd` or `utterances`.
            pub scope: String,
        }
    }

    /// The name of a figure (`accuracy`, `uar_ci_low`, …) of a scope in the column `metric`.
    pub fn name(scope: &str, metric: &str) -> String {
        let is_score = ["accuracy", "uar", "macro_f1"].contains(&metric);
        match scope {
            "utterances" => format!("utterance_{metric}"),
            "pooled" | "seed" if is_score => format!("pooled_{metric}"),
            "ensemble" | "vote" => format!("{scope}_{metric}"),
            "folds-mean" | "folds-sd" | "seeds-mean" | "seeds-sd" => {
                format!("{metric}_{}", scope.replace('-', "_"))
            }
            _ => metric.to_owned(),
        }
    }

    read_and_write!(MetricRow);
}

/// The `leakage` table: what the test part of each fold shares with what its model was trained or
/// chosen on.
pub mod leakage {
    use serde::{Deserialize, Serialize};

    table! {
        "leakage", version 1;
        /// One kind of sharing in one fold.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct LeakageRow {
            /// Name within the pipeline.
            pub experiment: String,
            /// Short protocol name.
            pub protocol: String,
            /// From 0.
            pub fold: u32,
            /// `speakers`, `unknown-speakers` (tested utterances without one), `sentences`, `sessions`,
            /// `duplicates`, `near-duplicates`, `recordings` or `overlaps`; where there is a pretrained
            /// encoder, `encoder-` and what is known of it and the corpus: `unseen`, `unknown`,
            /// `heard-sound` or `heard-labels`.
            pub kind: String,
            /// Speakers, named sentences or sessions of the test part; of the other kinds, its
            /// utterances.
            pub test_units: u64,
            /// Of these, the ones that the training or validation part has as well, or that the
            /// encoder was trained on, or may have been.
            pub shared_units: u64,
        }
    }

    read_and_write!(LeakageRow);
}

/// The `duplicates` table: pairs of utterances with the same sound, to the sample or nearly.
pub mod duplicates {
    use serde::{Deserialize, Serialize};

    use crate::error::Result;
    use crate::table::file::{Columns, Loaded};
    use crate::table::row::Cell;

    table! {
        "duplicates", version 1;
        /// Two utterances.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct DuplicateRow {
            /// The id that comes first.
            #[serde(alias = "a")]
            pub utterance_a: String,
            /// The other.
            #[serde(alias = "b")]
            pub utterance_b: String,
            /// `exact`: the same samples at the same rate; `near`: versions of one recording.
            #[serde(default)]
            pub kind: Likeness,
            /// Height of the peak of the normalised cross-correlation, from 0 to 1; 1 where the
            /// samples are the same.
            pub similarity: f64,
            /// Seconds by which the first is late against the second.
            pub lag_s: f64,
        }
    }

    /// How two sounds are alike.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Likeness {
        /// The same samples at the same rate.
        Exact,
        /// Versions of one recording.
        #[default]
        Near,
    }

    impl Likeness {
        /// The word of the column `kind`.
        pub fn as_str(self) -> &'static str {
            match self {
                Likeness::Exact => "exact",
                Likeness::Near => "near",
            }
        }
    }

    impl<'t> Cell<'t> for Likeness {
        const KIND: &'static str = "text";

        fn write<'r>(
            columns: Columns,
            name: &str,
            _: &[String],
            values: impl Iterator<Item = &'r Self>,
        ) -> Columns {
            columns.text(name, values.map(|kind| kind.as_str()))
        }

        fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
            let kind = |word| match word {
                "exact" => Likeness::Exact,
                _ => Likeness::Near,
            };
            Ok(table.texts(name)?.map(kind))
        }
    }

    impl DuplicateRow {
        /// Whether the samples are the same.
        pub fn is_exact(&self) -> bool {
            self.kind == Likeness::Exact
        }
    }

    read_and_write!(DuplicateRow);
}
