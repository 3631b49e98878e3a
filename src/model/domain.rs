//! What a model was trained on, in ranges: how long its recordings were and where its features lay.
//! A prediction says where it leaves them.

use serde::{Deserialize, Serialize};

use crate::split::{Matrix, Part, RowView, Shape, Training};
use crate::stats;

/// A recording may be this much shorter or longer, as a factor, than those between the first and
/// the last percentile of the training part.
pub const DURATION_FACTOR: f64 = 1.25;
/// A feature is far outside where it lies further from the range between its first and 99th
/// percentile than this many widths of that range.
///
/// Of held-out speakers of RAVDESS and EMO-DB, 0.0 to 0.7 % of the utterances have more features
/// than [`MOST_FAR`] this far outside; of utterances of the respective other corpus 87 to 99.6 %
/// (the 193 features and functionals).
pub const FAR: f32 = 0.25;
/// Most features, as a share, that may be far outside.
pub const MOST_FAR: f64 = 0.03;

/// Columns that are looked at together: those of a cache line.
const COLUMNS: usize = 16;

/// Durations of the training recordings in seconds, without changed copies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Durations {
    /// Shortest.
    pub min: f64,
    /// First percentile.
    pub p01: f64,
    /// Fifth percentile.
    pub p05: f64,
    /// Median.
    pub median: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}

impl Durations {
    /// Of at least one recording.
    fn of(mut durations: Vec<f64>) -> Durations {
        durations.sort_by(f64::total_cmp);
        let at = |share: f64| stats::quantile(&durations, share).unwrap_or(0.0);
        Durations {
            min: at(0.0),
            p01: at(0.01),
            p05: at(0.05),
            median: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        }
    }

    /// Shortest and longest that count as trained on, in seconds: the range from the first to the
    /// 99th percentile, widened by [`DURATION_FACTOR`] at both ends.
    pub fn bounds(&self) -> (f64, f64) {
        (self.p01 / DURATION_FACTOR, self.p99 * DURATION_FACTOR)
    }
}

/// Values of each input over the training rows, changed copies included, before the model's scaler;
/// of a model that scales speakers, after that. Of a sequence, each channel's mean over the frames
/// of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureRanges {
    /// Least value of each input.
    pub min: Vec<f32>,
    /// First percentile.
    pub p01: Vec<f32>,
    /// 99th percentile.
    pub p99: Vec<f32>,
    /// Greatest value.
    pub max: Vec<f32>,
}

/// What the training part of a model covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// How long its recordings are.
    pub duration_s: Durations,
    /// Where its features lie.
    pub features: FeatureRanges,
}

/// In what a recording leaves the domain of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outside {
    /// It is shorter or longer than those trained on: see [`Durations::bounds`].
    pub duration: bool,
    /// More than [`MOST_FAR`] of its features are [`FAR`] outside of theirs, or are no numbers.
    pub features: bool,
}

impl Outside {
    /// Whether it leaves it in nothing.
    pub fn is_inside(self) -> bool {
        self == Outside::default()
    }

    /// The words of outputs: `duration`, `features`, both with a space between, or nothing.
    pub fn reason(self) -> &'static str {
        match (self.duration, self.features) {
            (false, false) => "",
            (true, false) => "duration",
            (false, true) => "features",
            (true, true) => "duration features",
        }
    }

    /// What several models say together: each of the two counts where more than half of them find
    /// it.
    pub fn majority(found: &[Outside]) -> Outside {
        let most =
            |is: fn(&Outside) -> bool| 2 * found.iter().filter(|one| is(one)).count() > found.len();
        Outside {
            duration: most(|one| one.duration),
            features: most(|one| one.features),
        }
    }
}

impl Domain {
    /// Of a training part before scaling, and the durations of its recordings in seconds, of which
    /// there has to be one.
    pub fn of(train: &Part<Training>, durations_s: Vec<f64>) -> Domain {
        let (shape, columns) = (train.shape(), train.shape().columns());
        // A vector is read where it lies; of a sequence the means are kept, which are few.
        let means = (shape.channels > 1).then(|| {
            let mut means = Vec::with_capacity(train.len() * columns);
            train.x().each_row(|row| means.extend(summary(row, shape)));
            RowView::from(Matrix::new(train.len(), columns, means))
        });
        let rows = means.as_ref().unwrap_or(train.x());
        let mut ranges = FeatureRanges {
            min: vec![],
            p01: vec![],
            p99: vec![],
            max: vec![],
        };
        for first in (0..columns).step_by(COLUMNS) {
            let mut values = vec![Vec::with_capacity(rows.rows()); COLUMNS.min(columns - first)];
            rows.each_row(|row| {
                for (values, value) in values.iter_mut().zip(&row[first..]) {
                    values.extend(value.is_finite().then(|| f64::from(*value)));
                }
            });
            for mut values in values {
                let at = stats::quantiles(&mut values, [0.0, 0.01, 0.99, 1.0]);
                let [min, p01, p99, max] = at.unwrap_or_default().map(|value| value as f32);
                ranges.min.push(min);
                ranges.p01.push(p01);
                ranges.p99.push(p99);
                ranges.max.push(max);
            }
        }
        Domain {
            duration_s: Durations::of(durations_s),
            features: ranges,
        }
    }

    /// Whether it belongs to inputs of `columns` values.
    pub fn fits(&self, columns: usize) -> bool {
        let FeatureRanges { min, p01, p99, max } = &self.features;
        let whole = |values: &Vec<f32>| {
            values.len() == columns && values.iter().all(|value| value.is_finite())
        };
        let (low, high) = self.duration_s.bounds();
        [min, p01, p99, max].into_iter().all(whole) && low.is_finite() && high.is_finite()
    }

    /// Compares a recording of `duration_s` seconds and its row of inputs, laid out as `shape` says
    /// and not yet scaled.
    pub fn compare(&self, duration_s: f64, row: &[f32], shape: Shape) -> Outside {
        let (low, high) = self.duration_s.bounds();
        let FeatureRanges { min, p01, p99, max } = &self.features;
        let values = summary(row, shape);
        let is_far = |(column, value): (usize, &f32)| {
            let (low, high) = (p01[column], p99[column]);
            let width = FAR * (high - low);
            // What was trained on is never outside, however rare.
            let near = (low - width).min(min[column])..=(high + width).max(max[column]);
            !near.contains(value)
        };
        let far = values.iter().enumerate().filter(|one| is_far(*one)).count();
        Outside {
            duration: !(low..=high).contains(&duration_s),
            features: far as f64 > MOST_FAR * values.len() as f64,
        }
    }
}

/// A value for each column: the row itself, or of a sequence the means over the frames that are
/// there.
fn summary(row: &[f32], shape: Shape) -> Vec<f32> {
    if shape.channels == 1 {
        return row.to_vec();
    }
    let mean = |channel: usize| {
        let values = row
            .iter()
            .skip(channel)
            .step_by(shape.channels)
            .filter(|value| value.is_finite());
        let (sum, n) = values.fold((0.0f64, 0u32), |(sum, n), value| {
            (sum + f64::from(*value), n + 1)
        });
        (sum / f64::from(n)) as f32
    };
    (0..shape.channels).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::{Dataset, Parts, Role};

    /// The domain of rows of the last part, of `channels` channels, with a test row that must not
    /// count.
    fn domain(rows: &[Vec<f32>], channels: usize, durations: &[f64]) -> Domain {
        let width = rows[0].len();
        let shape = Shape {
            length: width / channels,
            channels,
        };
        let far = vec![1e9f32; width];
        let values: Vec<f32> = rows.iter().chain([&far]).flatten().copied().collect();
        let n = rows.len() + 1;
        let data = Dataset {
            ids: (0..n).map(|i| format!("u{i:03}")).collect(),
            labels: vec!["a".into()],
            x: Matrix::new(n, width, values).into(),
            shape,
            y: vec![0; n],
            speakers: vec!["s".into(); n],
        };
        let roles: Vec<Option<Role>> = (0..n)
            .map(|i| Some(if i + 1 == n { Role::Test } else { Role::Train }))
            .collect();
        Domain::of(&Parts::of(&data, &roles).train, durations.to_vec())
    }

    #[test]
    fn percentiles_are_those_of_numpy_and_of_the_training_part_alone() {
        let rows: Vec<Vec<f32>> = (0..101)
            .map(|i| vec![(i * 37 % 101) as f32, -5.0, f32::NAN])
            .collect();
        let durations: Vec<f64> = (0..11)
            .map(|i| 3.0 + f64::from(i * 7 % 11) / 10.0)
            .collect();
        let domain = domain(&rows, 1, &durations);
        let FeatureRanges { min, p01, p99, max } = &domain.features;
        assert_eq!((min[0], p01[0], p99[0], max[0]), (0.0, 1.0, 99.0, 100.0));
        assert_eq!((min[1], max[1], min[2], max[2]), (-5.0, -5.0, 0.0, 0.0));
        // numpy.percentile([3.0, 3.1, ..., 4.0], [1, 5, 50, 95, 99])
        let Durations {
            min,
            p01,
            p05,
            median,
            p95,
            p99,
            max,
        } = domain.duration_s;
        for (found, wanted) in [min, p01, p05, median, p95, p99, max]
            .into_iter()
            .zip([3.0, 3.01, 3.05, 3.5, 3.95, 3.99, 4.0])
        {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert!(domain.fits(3) && !domain.fits(4));
        let text = serde_json::to_string(&domain).unwrap();
        assert_eq!(serde_json::from_str::<Domain>(&text).unwrap(), domain);
    }

    #[test]
    fn what_is_shorter_longer_or_far_away_is_outside() {
        let rows: Vec<Vec<f32>> = (0..101).map(|i| vec![i as f32 / 100.0; 40]).collect();
        let domain = domain(&rows, 1, &[4.0; 5]);
        let shape = Shape::vector(40);
        let outside = |duration, row: &[f32]| domain.compare(duration, row, shape);
        for (duration, is) in [
            (4.0, false),
            (3.21, false),
            (3.19, true),
            (4.99, false),
            (5.01, true),
            (f64::NAN, true),
        ] {
            assert_eq!(
                outside(duration, &rows[50]),
                Outside {
                    duration: is,
                    features: false
                },
                "{duration}"
            );
        }
        assert!(
            rows.iter().all(|row| outside(4.0, row).is_inside()),
            "what was trained on is inside"
        );
        let mut row = vec![0.5; 40];
        // The range is 0.98 wide.
        row[..3].fill(1.22);
        assert!(outside(4.0, &row).is_inside(), "not far");
        row[0] = 1.25;
        assert!(outside(4.0, &row).is_inside(), "2.5 % of the features");
        row[2] = -0.25;
        assert_eq!(
            outside(9.0, &row),
            Outside {
                duration: true,
                features: true
            }
        );
        assert!(outside(4.0, &[f32::NAN; 40]).features);
    }

    #[test]
    fn of_sequences_the_means_of_the_channels_count() {
        let frames = |mean: f32| vec![mean - 10.0, 7.0, mean + 10.0, 7.0, f32::NAN, f32::NAN];
        let rows: Vec<Vec<f32>> = (0..21).map(|i| frames(i as f32 / 20.0)).collect();
        let domain = domain(&rows, 2, &[1.0]);
        let shape = Shape {
            length: 3,
            channels: 2,
        };
        assert_eq!(
            (domain.features.min.clone(), domain.features.max.clone()),
            (vec![0.0, 7.0], vec![1.0, 7.0])
        );
        assert!(
            domain.compare(1.0, &frames(0.3), shape).is_inside()
                && domain.compare(1.0, &frames(9.0), shape).features
        );
        assert!(
            domain.compare(1.0, &[f32::NAN; 6], shape).features,
            "no frame at all"
        );
    }

    #[test]
    fn more_than_half_of_the_models_decide() {
        let one = |duration, features| Outside { duration, features };
        assert_eq!(
            Outside::majority(&[one(true, false), one(false, false)]),
            one(false, false)
        );
        assert_eq!(
            Outside::majority(&[one(true, false), one(true, true), one(false, true)]),
            one(true, true)
        );
        assert_eq!(
            [one(true, true), one(false, true), one(false, false)].map(Outside::reason),
            ["duration features", "features", ""]
        );
    }
}
