//! Scaling that is fitted on the training part and nothing else.

use serde::{Deserialize, Serialize};

use super::inputs::ScalerKind;
use crate::linalg::dispatch::vectorised;
use crate::split::{Part, Training};

/// A fitted scaler, as models keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Scaler {
    /// Leaves rows as they are.
    None,
    /// `(x - mean) / sd` per column.
    Standard {
        /// Of each column over the training rows.
        mean: Vec<f32>,
        /// Population standard deviation (divided by n, as scikit-learn's `StandardScaler`) of each
        /// column; 1 for a constant column.
        sd: Vec<f32>,
    },
}

impl Scaler {
    /// Fits on the training rows: per feature, or per channel over all steps of a sequence. Sums
    /// are taken in f64 in row order, so that the result is the same everywhere; values that are
    /// not finite are passed over, so that neither mean nor standard deviation ever is NaN.
    pub fn fit(kind: ScalerKind, train: &Part<Training>) -> Scaler {
        match kind {
            ScalerKind::None => Scaler::None,
            // What is done to speakers was done to the whole table before: see
            // [`super::standardise_speakers`].
            ScalerKind::Standard | ScalerKind::PerSpeaker => {
                let (mean, sd) =
                    moments(|visit| train.x().each_row(visit), train.shape().columns());
                Scaler::Standard { mean, sd }
            }
        }
    }

    /// How many columns it was fitted on; `None` where it takes any.
    pub fn columns(&self) -> Option<usize> {
        match self {
            Scaler::None => None,
            Scaler::Standard { mean, .. } => Some(mean.len()),
        }
    }

    /// Whether it can be applied to rows of `columns` values: to be asked of a scaler that was read
    /// from a file.
    pub fn fits(&self, columns: usize) -> bool {
        match self {
            Scaler::None => true,
            Scaler::Standard { mean, sd } => {
                let usable = |sd: &f32| sd.is_finite() && *sd > 0.0;
                mean.len() == columns
                    && sd.len() == columns
                    && mean.iter().all(|m| m.is_finite())
                    && sd.iter().all(usable)
            }
        }
    }

    /// The first column whose mean is not finite, or whose standard deviation is not a positive
    /// number.
    pub fn unusable(&self) -> Option<usize> {
        match self {
            Scaler::None => None,
            Scaler::Standard { mean, sd } => mean
                .iter()
                .zip(sd)
                .position(|(mean, sd)| !(mean.is_finite() && sd.is_finite() && *sd > 0.0)),
        }
    }

    /// Scales one row in place; of a sequence, all of its steps.
    ///
    /// # Panics
    /// When the row is not made of steps as wide as those it was fitted on: a defect of the caller
    /// (see [`Scaler::fits`]).
    pub fn apply_row(&self, row: &mut [f32]) {
        if let Scaler::Standard { mean, sd } = self {
            scale(row, mean, sd);
        }
    }
}

/// `(x - mean) / sd`, step by step.
pub(super) fn scale(row: &mut [f32], mean: &[f32], sd: &[f32]) {
    assert!(
        row.len().is_multiple_of(mean.len()),
        "a row of steps as wide as the scaler"
    );
    scale_steps(row, mean, sd);
}

vectorised! {
    fn scale_steps(row: &mut [f32], mean: &[f32], sd: &[f32]) {
        for step in row.chunks_exact_mut(mean.len()) {
            for ((x, mean), sd) in step.iter_mut().zip(mean).zip(sd) {
                *x = (*x - mean) / sd;
            }
        }
    }
}

vectorised! {
    /// Adds the finite values of a row to the sums of their columns.
    fn add_values(row: &[f32], sums: &mut [f64], counts: &mut [u64]) {
        for step in row.chunks_exact(sums.len()) {
            for ((value, sum), count) in step.iter().zip(&mut *sums).zip(&mut *counts) {
                let is_finite = value.is_finite();
                // Adding 0 changes no sum: the first term is added to 0.0.
                *sum += if is_finite { f64::from(*value) } else { 0.0 };
                *count += u64::from(is_finite);
            }
        }
    }
}

vectorised! {
    /// Adds the squared distances of the finite values of a row from the means of their columns.
    fn add_squares(row: &[f32], means: &[f64], squares: &mut [f64]) {
        for step in row.chunks_exact(means.len()) {
            for ((value, mean), square) in step.iter().zip(means).zip(&mut *squares) {
                let distance = f64::from(*value) - mean;
                *square += if value.is_finite() { distance * distance } else { 0.0 };
            }
        }
    }
}

/// Mean and population standard deviation of the finite values of each column; 1 for the deviation
/// of a constant one. `each_row` visits rows of one or more steps of `columns` values.
pub(super) fn moments(
    each_row: impl Fn(&mut dyn FnMut(&[f32])),
    columns: usize,
) -> (Vec<f32>, Vec<f32>) {
    let (mut count, mut mean, mut square) = (
        vec![0u64; columns],
        vec![0.0f64; columns],
        vec![0.0f64; columns],
    );
    each_row(&mut |row| add_values(row, &mut mean, &mut count));
    mean.iter_mut()
        .zip(&count)
        .for_each(|(sum, n)| *sum /= (*n).max(1) as f64);
    each_row(&mut |row| add_squares(row, &mean, &mut square));
    let sd = |(square, n): (&f64, &u64)| {
        let sd = (square / (*n).max(1) as f64).sqrt() as f32;
        // Below this a division would overflow: such a column is constant for all that a model can
        // see.
        if sd < f32::MIN_POSITIVE { 1.0 } else { sd }
    };
    (
        mean.iter().map(|mean| *mean as f32).collect(),
        square.iter().zip(&count).map(sd).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::{Dataset, Matrix, Parts, Role, Shape};

    fn parts(rows: &[&[f32]], roles: &[Role]) -> Parts {
        let n = rows.len();
        let data = Dataset {
            ids: (0..n).map(|i| format!("u{i}")).collect(),
            labels: vec!["a".into()],
            x: Matrix::new(n, rows[0].len(), rows.concat()).into(),
            shape: Shape::vector(rows[0].len()),
            y: vec![0; n],
            speakers: vec!["s".into(); n],
        };
        Parts::of(&data, &roles.iter().copied().map(Some).collect::<Vec<_>>())
    }

    #[test]
    fn training_rows_alone_decide() {
        let roles = [Role::Train, Role::Train, Role::Test];
        let one = Scaler::fit(
            ScalerKind::Standard,
            &parts(&[&[1.0, 5.0], &[3.0, 5.0], &[1e6, -1e6]], &roles).train,
        );
        assert_eq!(
            one,
            Scaler::Standard {
                mean: vec![2.0, 5.0],
                sd: vec![1.0, 1.0]
            }
        );
        let other = Scaler::fit(
            ScalerKind::Standard,
            &parts(&[&[1.0, 5.0], &[3.0, 5.0], &[0.0, f32::NAN]], &roles).train,
        );
        assert_eq!(one, other);
    }

    #[test]
    fn scaled_training_rows_have_mean_0_and_variance_1() {
        let rows: Vec<[f32; 3]> = (0..50)
            .map(|i| {
                [
                    (i as f32).sin() * 40.0 - 300.0,
                    i as f32 * 1e-4,
                    (i % 7) as f32 * 1e8,
                ]
            })
            .collect();
        let rows: Vec<&[f32]> = rows.iter().map(|r| r.as_slice()).collect();
        let train = parts(&rows, &[Role::Train; 50]).train;
        let scaler = Scaler::fit(ScalerKind::Standard, &train);
        let scaled = train.map_rows(|row| scaler.apply_row(row));
        for c in 0..3 {
            let column: Vec<f64> = (0..50).map(|i| f64::from(scaled.x().row(i)[c])).collect();
            let mean = column.iter().sum::<f64>() / 50.0;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 50.0;
            assert!(
                mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5,
                "column {c}: {mean} {variance}"
            );
        }
    }

    #[test]
    fn constant_and_broken_columns_stay_finite() {
        let train = parts(
            &[
                &[0.1, f32::NAN, 1e-42, f32::MAX],
                &[0.1, 2.0, 2e-42, -f32::MAX],
                &[0.1, 4.0, 0.0, 0.0],
            ],
            &[Role::Train; 3],
        )
        .train;
        let scaler = Scaler::fit(ScalerKind::Standard, &train);
        assert!(scaler.fits(4) && !scaler.fits(3));
        let Scaler::Standard { mean, sd } = &scaler else {
            panic!("{scaler:?}")
        };
        assert_eq!(
            (mean[0], sd[0], mean[1], sd[1], sd[2]),
            (0.1, 1.0, 3.0, 1.0, 1.0)
        );
        let mut row = [0.1, 3.0, 0.0, 0.0];
        scaler.apply_row(&mut row);
        assert!(row.iter().all(|v| v.is_finite()) && row[0] == 0.0 && row[1] == 0.0);
    }

    #[test]
    fn a_stored_scaler_is_the_same_scaler() {
        let train = parts(&[&[0.1, 7.3e-12], &[1.0 / 3.0, 1.1e-12]], &[Role::Train; 2]).train;
        for kind in [ScalerKind::None, ScalerKind::Standard] {
            let scaler = Scaler::fit(kind, &train);
            let back: Scaler =
                serde_json::from_str(&serde_json::to_string(&scaler).unwrap()).unwrap();
            assert_eq!(back, scaler);
        }
        assert_eq!((Scaler::None.columns(), Scaler::None.fits(5)), (None, true));
        assert!(
            !Scaler::Standard {
                mean: vec![0.0],
                sd: vec![0.0]
            }
            .fits(1)
        );
    }
}
