//! Sequences of one length.

use super::inputs::Inputs;

/// Marks what no frame stands in: neither a mean nor a deviation looks at it.
const PADDING: f32 = f32::NAN;

/// A sequence of steps of `channels` values with exactly `frames` steps: the middle of a longer
/// one; a shorter one in the middle of padding, which [`finish_row`] fills once the row is scaled.
pub fn fit_length(row: &[f32], channels: usize, frames: usize) -> Vec<f32> {
    let there = row.len() / channels.max(1);
    if there >= frames {
        let first = (there - frames) / 2;
        return row[first * channels..(first + frames) * channels].to_vec();
    }
    let before = (frames - there) / 2;
    let mut fitted = vec![PADDING; frames * channels];
    fitted[before * channels..(before + there) * channels]
        .copy_from_slice(&row[..there * channels]);
    fitted
}

/// What is left to do to a scaled row: clips it, and puts zeros, which after scaling are the mean,
/// where no frame of a sequence stands.
pub fn finish_row(row: &mut [f32], inputs: &Inputs) {
    if let Some(clip) = inputs.clip {
        let most = f32::from(clip);
        // A NaN stays one: it is padding, or a fault that the model names.
        row.iter_mut()
            .for_each(|value| *value = value.clamp(-most, most));
    }
    if inputs.frames.is_some() {
        row.iter_mut()
            .filter(|value| value.is_nan())
            .for_each(|value| *value = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_stays_and_short_ones_stand_in_it() {
        let row: Vec<f32> = (0..10).map(|v| v as f32).collect();
        assert_eq!(fit_length(&row, 2, 2), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(fit_length(&row, 2, 5), row);
        let mut padded = fit_length(&row[..4], 2, 5);
        assert!(padded[..2].iter().chain(&padded[6..]).all(|v| v.is_nan()));
        finish_row(
            &mut padded,
            &Inputs {
                frames: Some(5),
                ..Inputs::default()
            },
        );
        assert_eq!(padded, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        finish_row(
            &mut padded,
            &Inputs {
                clip: Some(2),
                ..Inputs::default()
            },
        );
        assert_eq!(padded, [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
