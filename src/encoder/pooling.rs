//! From the frames of a state to one row: mean and standard deviation over time.

/// Means and squared deviations of columns over all frames that were added.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    frames: f64,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Adds frames of `width` values, after those that are there.
    pub fn add(&mut self, rows: &[f32], width: usize) {
        let frames = (rows.len() / width) as f64;
        if frames == 0.0 {
            return;
        }
        let mut means = vec![0.0f64; width];
        for row in rows.chunks_exact(width) {
            for (mean, value) in means.iter_mut().zip(row) {
                *mean += f64::from(*value);
            }
        }
        means.iter_mut().for_each(|mean| *mean /= frames);
        let mut squares = vec![0.0f64; width];
        for row in rows.chunks_exact(width) {
            for ((square, mean), value) in squares.iter_mut().zip(&means).zip(row) {
                *square += (f64::from(*value) - mean).powi(2);
            }
        }
        if self.frames == 0.0 {
            *self = Moments {
                frames,
                means,
                squares,
            };
            return;
        }
        let (before, all) = (self.frames, self.frames + frames);
        let columns = self.means.iter_mut().zip(&mut self.squares);
        for ((mean, square), (other, more)) in columns.zip(means.iter().zip(&squares)) {
            let apart = other - *mean;
            *mean += apart * frames / all;
            *square += more + apart * apart * before * frames / all;
        }
        self.frames = all;
    }

    /// Appends the means, then the population standard deviations.
    pub fn append_to(&self, row: &mut Vec<f32>) {
        row.extend(self.means.iter().map(|mean| *mean as f32));
        let deviations = self
            .squares
            .iter()
            .map(|square| (square / self.frames).sqrt());
        row.extend(deviations.map(|deviation| deviation as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_pooled_over_frames() {
        let mut row = vec![];
        let mut moments = Moments::default();
        moments.add(&[1.0, 10.0, 3.0, 10.0], 2);
        moments.append_to(&mut row);
        assert_eq!(row, [2.0, 10.0, 1.0, 0.0]);
    }

    #[test]
    fn frames_of_several_windows_count_alike() {
        let frames: Vec<f32> = (0..60).map(|i| ((i * 37) % 19) as f32).collect();
        let pooled = |cuts: &[usize]| {
            let (mut row, mut moments, mut from) = (vec![], Moments::default(), 0);
            for cut in cuts.iter().chain([&frames.len()]) {
                moments.add(&frames[from..*cut], 3);
                from = *cut;
            }
            moments.append_to(&mut row);
            row
        };
        for (a, b) in pooled(&[]).iter().zip(pooled(&[6, 39])) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
