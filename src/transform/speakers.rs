//! Scaling of every speaker by all of that speaker's clips. It looks at clips that a model is
//! tested on, though at no label: transductive.

use std::collections::BTreeMap;

use super::scaler::{moments, scale};
use crate::split::Dataset;

/// Gives each column zero mean and unit variance within every speaker: per feature, or per channel
/// over all steps of a sequence. A column that is constant for a speaker is 0 there. What this does
/// to a clip depends on its speaker's other clips, whatever their role.
pub fn standardise_speakers(data: &mut Dataset) {
    let pools = vec![Some(0); data.speakers.len()];
    standardise_pools(data, &pools);
}

/// The same with the clips of every speaker divided into pools: each clip is scaled by its
/// speaker's clips of the same pool. `pools` has an entry for each row; a row without a pool stays
/// as it is.
pub fn standardise_pools(data: &mut Dataset, pools: &[Option<usize>]) {
    let mut clips: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (row, (speaker, pool)) in data.speakers.iter().zip(pools).enumerate() {
        if let Some(pool) = pool {
            clips.entry((speaker, *pool)).or_default().push(row);
        }
    }
    let mut x = data.x.gather();
    for rows in clips.values() {
        let each_row =
            |visit: &mut dyn FnMut(&[f32])| rows.iter().for_each(|row| visit(x.row(*row)));
        let (mean, sd) = moments(each_row, data.shape.columns());
        rows.iter()
            .for_each(|row| scale(x.row_mut(*row), &mean, &sd));
    }
    data.x = x.into();
}

/// The same for the clips of one speaker, of rows that are made of steps of `columns` values.
pub fn standardise_speaker(clips: &mut [Vec<f32>], columns: usize) {
    let (mean, sd) = moments(|visit| clips.iter().for_each(|row| visit(row)), columns);
    clips.iter_mut().for_each(|row| scale(row, &mean, &sd));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::{Matrix, Shape};

    fn dataset(shape: Shape, rows: &[&[f32]], speakers: &[&str]) -> Dataset {
        Dataset {
            ids: (0..rows.len()).map(|i| format!("u{i}")).collect(),
            labels: vec!["a".into()],
            x: Matrix::new(rows.len(), shape.size(), rows.concat()).into(),
            shape,
            y: vec![0; rows.len()],
            speakers: speakers.iter().map(|s| (*s).to_owned()).collect(),
        }
    }

    #[test]
    fn every_speaker_is_scaled_by_the_own_clips() {
        let rows: [&[f32]; 4] = [&[1.0, 7.0], &[100.0, 0.0], &[3.0, 7.0], &[300.0, 4.0]];
        let mut data = dataset(Shape::vector(2), &rows, &["a", "b", "a", "b"]);
        standardise_speakers(&mut data);
        assert_eq!(
            data.x.gather().values(),
            [-1.0, 0.0, -1.0, -1.0, 1.0, 0.0, 1.0, 1.0]
        );
    }

    #[test]
    fn a_clip_is_scaled_by_its_pool_alone() {
        let rows: [&[f32]; 5] = [&[1.0], &[3.0], &[100.0], &[300.0], &[7.0]];
        let mut data = dataset(Shape::vector(1), &rows, &["a"; 5]);
        standardise_pools(&mut data, &[Some(0), Some(0), Some(1), Some(1), None]);
        assert_eq!(data.x.gather().values(), [-1.0, 1.0, -1.0, 1.0, 7.0]);
    }

    #[test]
    fn labels_do_not_matter_and_a_single_clip_is_zero() {
        let rows: [&[f32]; 2] = [&[5.0, -2.0], &[6.0, 9.0]];
        let mut one = dataset(Shape::vector(2), &rows, &["a", "b"]);
        let mut other = Dataset {
            y: vec![1, 0],
            labels: vec!["x".into(), "y".into()],
            ..one.clone()
        };
        standardise_speakers(&mut one);
        standardise_speakers(&mut other);
        assert_eq!(
            (one.x.gather().values(), other.x.gather().values()),
            ([0.0; 4].as_slice(), [0.0; 4].as_slice())
        );
    }

    #[test]
    fn channels_of_sequences_are_scaled_over_the_frames_that_are_there() {
        let shape = Shape {
            length: 3,
            channels: 2,
        };
        let (a, b) = (
            [1.0, 10.0, 3.0, 10.0, f32::NAN, f32::NAN],
            [1.0, 10.0, 3.0, 10.0, 2.0, 10.0],
        );
        let mut data = dataset(shape, &[&a, &b], &["a", "a"]);
        standardise_speakers(&mut data);
        let row = data.x.row(1);
        assert!(
            (row[0] + row[2]).abs() < 1e-6 && row[0] < -1.0 && row[4].abs() < 1e-6 && row[1] == 0.0
        );
        assert!(data.x.row(0)[4].is_nan());
    }
}
