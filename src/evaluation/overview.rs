//! What a table of features is like before any model: how each feature is distributed over the
//! classes, and how much of it is the speaker.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::{Deserialize, Deserializer, Serialize};

use super::projection::{Projection, project};
use crate::stats;

/// Rows that are looked at most; of larger tables, evenly spaced ones.
pub const MOST_ROWS: usize = 20_000;
/// Values of the rows that are projected, at most: 64 MiB.
const MOST_VALUES: usize = 8 << 20;
/// Features whose distribution is kept class by class: those that tell classes apart best.
pub const DETAILED: usize = 12;

/// One table of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Name of the feature set.
    pub set: String,
    /// Rows looked at.
    pub rows: usize,
    /// Rows of the table.
    pub of: usize,
    /// Class names, ascending.
    pub classes: Vec<String>,
    /// In the order of the table.
    pub features: Vec<FeatureSummary>,
    /// The features that tell classes apart best, the best first: five percentiles in each class.
    pub detailed: Vec<FeatureByClass>,
    /// The utterances in a plane, where there are enough of them.
    pub projection: Option<Projection>,
}

/// One feature over all utterances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureSummary {
    /// Column name.
    pub name: String,
    /// Group it belongs to (`mfcc`).
    pub group: String,
    /// Mean; not a number where no value is finite.
    #[serde(deserialize_with = "number_or_nan")]
    pub mean: f64,
    /// Population standard deviation.
    pub sd: f64,
    /// The 0th, 25th, 50th, 75th and 100th percentile.
    #[serde(deserialize_with = "five_or_nan")]
    pub percentiles: [f64; 5],
    /// Share of its variance that lies between the classes (eta squared), 0 to 1; 0 for a constant
    /// feature.
    pub by_class: f64,
    /// Share of its variance that lies between the speakers.
    pub by_speaker: f64,
}

/// One feature, class by class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureByClass {
    /// Column name.
    pub name: String,
    /// In the order of the class names: the 5th, 25th, 50th, 75th and 95th percentile.
    #[serde(deserialize_with = "fives_or_nan")]
    pub percentiles: Vec<[f64; 5]>,
}

/// JSON has no NaN: serde_json writes it as null.
fn number_or_nan<'de, D: Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(source)?.unwrap_or(f64::NAN))
}

fn five_or_nan<'de, D: Deserializer<'de>>(source: D) -> Result<[f64; 5], D::Error> {
    Ok(<[Option<f64>; 5]>::deserialize(source)?.map(|value| value.unwrap_or(f64::NAN)))
}

fn fives_or_nan<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<[f64; 5]>, D::Error> {
    Ok(Vec::<[Option<f64>; 5]>::deserialize(source)?
        .into_iter()
        .map(|five| five.map(|value| value.unwrap_or(f64::NAN)))
        .collect())
}

/// A row with what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'r> {
    /// Class.
    pub class: &'r str,
    /// Speaker.
    pub speaker: &'r str,
    /// One value a column.
    pub values: &'r [f32],
}

/// Looks at `[rows, columns]`; each column has its name and its group. Values that are not finite
/// are passed over.
pub fn overview(set: &str, columns: &[(String, String)], rows: &[Row]) -> Overview {
    let kept: Vec<Row> = evenly(rows.len(), MOST_ROWS)
        .filter_map(|i| rows.get(i).copied())
        .collect();
    let (classes, class_of) = numbered(kept.iter().map(|row| row.class));
    let (speakers, speaker_of) = numbered(kept.iter().map(|row| row.speaker));
    let column = |c: usize| -> Vec<f64> {
        kept.iter()
            .map(|row| row.values.get(c).map_or(f64::NAN, |&v| f64::from(v)))
            .collect()
    };
    let mut features = Vec::with_capacity(columns.len());
    let projected: Vec<usize> =
        evenly(kept.len(), (MOST_VALUES / columns.len().max(1)).max(1)).collect();
    let mut standardised = Array2::zeros((projected.len(), columns.len()));
    for (c, (name, group)) in columns.iter().enumerate() {
        let values = column(c);
        let (mean, sd) = moments(&values);
        for (place, &row) in standardised.column_mut(c).iter_mut().zip(&projected) {
            let value = values[row];
            *place = if sd > 0.0 && value.is_finite() {
                (value - mean) / sd
            } else {
                0.0
            };
        }
        features.push(FeatureSummary {
            name: name.clone(),
            group: group.clone(),
            mean,
            sd,
            percentiles: percentiles(values.clone(), [0.0, 0.25, 0.5, 0.75, 1.0]),
            by_class: between(&values, &class_of, classes.len()),
            by_speaker: between(&values, &speaker_of, speakers.len()),
        });
    }
    let mut best: Vec<usize> = (0..features.len())
        .filter(|&c| features[c].by_class > 0.0)
        .collect();
    best.sort_by(|&a, &b| {
        features[b]
            .by_class
            .total_cmp(&features[a].by_class)
            .then(a.cmp(&b))
    });
    let detail = |&c: &usize| FeatureByClass {
        name: features[c].name.clone(),
        percentiles: by_class(&column(c), &class_of, classes.len()),
    };
    let detailed = best.iter().take(DETAILED).map(detail).collect();
    let places = projected
        .iter()
        .map(|&row| u16::try_from(class_of[row]).unwrap_or(u16::MAX))
        .collect();
    let projection = project(&standardised, places);
    Overview {
        set: set.to_owned(),
        rows: kept.len(),
        of: rows.len(),
        classes,
        features,
        detailed,
        projection,
    }
}

/// At most `limit` of `n` places, evenly spaced.
fn evenly(n: usize, limit: usize) -> impl Iterator<Item = usize> {
    let kept = n.min(limit);
    (0..kept).map(move |i| i * n / kept)
}

/// The distinct names in ascending order, and the place of each name in them.
fn numbered<'n>(names: impl Iterator<Item = &'n str>) -> (Vec<String>, Vec<usize>) {
    let names: Vec<&str> = names.collect();
    let places: BTreeMap<&str, usize> = names
        .iter()
        .copied()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .zip(0..)
        .collect();
    let of = names
        .iter()
        .filter_map(|name| places.get(name).copied())
        .collect();
    (places.into_keys().map(str::to_owned).collect(), of)
}

/// Mean and population standard deviation of the finite values.
fn moments(values: &[f64]) -> (f64, f64) {
    let finite: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    if finite.is_empty() {
        return (f64::NAN, 0.0);
    }
    let (mean, sd) = stats::mean_and_sd(&finite);
    // What rounding leaves of a constant is no deviation.
    (mean, if sd <= mean.abs() * 1e-7 { 0.0 } else { sd })
}

/// Share of the sum of squares that lies between groups.
fn between(values: &[f64], groups: &[usize], n_groups: usize) -> f64 {
    let (mean, sd) = moments(values);
    if sd <= 0.0 {
        return 0.0;
    }
    let mut sums = vec![(0.0, 0usize); n_groups];
    let mut total = 0.0;
    for (value, &group) in values
        .iter()
        .zip(groups)
        .filter(|(value, _)| value.is_finite())
    {
        total += (value - mean).powi(2);
        if let Some((sum, n)) = sums.get_mut(group) {
            *sum += value - mean;
            *n += 1;
        }
    }
    let explained: f64 = sums
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(sum, n)| sum * sum / *n as f64)
        .sum();
    (explained / total).clamp(0.0, 1.0)
}

fn by_class(values: &[f64], classes: &[usize], n_classes: usize) -> Vec<[f64; 5]> {
    let mut groups = vec![Vec::new(); n_classes];
    for (value, &class) in values.iter().zip(classes) {
        if let Some(group) = groups.get_mut(class) {
            group.push(*value);
        }
    }
    groups
        .into_iter()
        .map(|group| percentiles(group, [0.05, 0.25, 0.5, 0.75, 0.95]))
        .collect()
}

/// Percentiles with linear interpolation between neighbours (numpy's default); NaN where no value
/// is finite.
fn percentiles(mut values: Vec<f64>, wanted: [f64; 5]) -> [f64; 5] {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    wanted.map(|fraction| stats::quantile(&values, fraction).unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_is_the_class_or_the_speaker_is_found_out() {
        let mut values = Vec::new();
        let mut names = Vec::new();
        for i in 0..48 {
            let (class, speaker) = (i % 3, (i / 3) % 4);
            values.push([
                class as f32,
                speaker as f32 * 2.0,
                ((i * 7) % 5) as f32,
                4.0,
                f32::NAN,
                (class * speaker) as f32,
            ]);
            names.push((["c", "a", "b"][class], ["u", "v", "w", "x"][speaker]));
        }
        let rows: Vec<Row> = values
            .iter()
            .zip(&names)
            .map(|(v, (class, speaker))| Row {
                class,
                speaker,
                values: v,
            })
            .collect();
        let columns: Vec<(String, String)> = ["class", "voice", "noise", "constant", "nan", "both"]
            .map(|n| (n.to_owned(), "g".to_owned()))
            .to_vec();
        let seen = overview("some", &columns, &rows);
        assert_eq!(
            (seen.rows, seen.of, seen.classes.join("")),
            (48, 48, "abc".to_owned())
        );
        let fraction = |i: usize| (seen.features[i].by_class, seen.features[i].by_speaker);
        assert!((fraction(0).0 - 1.0).abs() < 1e-12 && fraction(0).1 < 1e-12);
        assert!(fraction(1).0 < 1e-12 && (fraction(1).1 - 1.0).abs() < 1e-12);
        assert!(fraction(2).0 < 0.2 && fraction(2).1 < 0.2);
        assert_eq!([fraction(3), fraction(4)], [(0.0, 0.0); 2]);
        assert_eq!(seen.detailed[0].name, "class");
        // `a` has the value 1 alone.
        assert_eq!(seen.detailed[0].percentiles[0], [1.0; 5]);
        assert!(seen.features[4].mean.is_nan() && seen.projection.is_some());
    }

    #[test]
    fn percentiles_interpolate_as_numpy_does() {
        assert_eq!(
            percentiles(vec![4.0, 1.0, 3.0, 2.0], [0.0, 0.25, 0.5, 0.75, 1.0]),
            [1.0, 1.75, 2.5, 3.25, 4.0]
        );
    }

    #[test]
    fn large_tables_are_thinned_evenly() {
        assert_eq!(evenly(5, 10).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(evenly(0, 4).count(), 0);
    }
}
