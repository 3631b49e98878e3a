//! Tables of values: in memory as they are, and as some of their rows in an order.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Row-major values `[rows, cols]`. Clones share them until one of the two is changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    values: Arc<Vec<f32>>,
}

impl Matrix {
    /// Takes `rows * cols` values, row by row.
    ///
    /// # Panics
    /// When the length does not fit: a defect of the caller, never of data.
    pub fn new(rows: usize, cols: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * cols, "matrix of {rows} x {cols}");
        Matrix {
            rows,
            cols,
            values: Arc::new(values),
        }
    }

    /// Number of rows (utterances).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns (features).
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.cols..(i + 1) * self.cols]
    }

    /// One row, to change.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        let cols = self.cols;
        &mut Arc::make_mut(&mut self.values)[i * cols..(i + 1) * cols]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The rows named by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> Matrix {
        let mut values = Vec::with_capacity(index.len() * self.cols);
        for &i in index {
            values.extend_from_slice(self.row(i));
        }
        Matrix::new(index.len(), self.cols, values)
    }
}

/// How the values of a row are laid out: `length` steps of `channels` values each, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Steps; of a vector of features as many as there are features.
    pub length: usize,
    /// Values of a step; of a vector of features one.
    pub channels: usize,
}

impl Shape {
    /// Of a vector of features.
    pub fn vector(features: usize) -> Shape {
        Shape {
            length: features,
            channels: 1,
        }
    }

    /// Values of a row.
    pub fn size(self) -> usize {
        self.length * self.channels
    }

    /// Columns that are scaled each on its own: the features of a vector, the channels of a
    /// sequence.
    pub fn columns(self) -> usize {
        if self.channels == 1 {
            self.length
        } else {
            self.channels
        }
    }
}

/// What is done to a row whenever it is read.
type Rewrite = Arc<dyn Fn(&mut [f32]) + Send + Sync>;

/// Rows of a [`Matrix`] in an order, perhaps rewritten (scaled, say) whenever they are read. It
/// shares the values of the matrix, so that many parts of one large table take no memory.
#[derive(Clone)]
pub struct RowView {
    source: Matrix,
    /// Rows of the source; `None` for all of them in their order.
    index: Option<Arc<Vec<usize>>>,
    rewrite: Option<Rewrite>,
}

impl From<Matrix> for RowView {
    fn from(source: Matrix) -> Self {
        RowView {
            source,
            index: None,
            rewrite: None,
        }
    }
}

impl fmt::Debug for RowView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gather().fmt(f)
    }
}

impl RowView {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.index
            .as_ref()
            .map_or(self.source.rows, |index| index.len())
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.source.cols
    }

    fn of_source(&self, row: usize) -> usize {
        self.index.as_ref().map_or(row, |index| index[row])
    }

    /// One row.
    pub fn row(&self, i: usize) -> Cow<'_, [f32]> {
        let row = self.source.row(self.of_source(i));
        match &self.rewrite {
            None => Cow::Borrowed(row),
            Some(rewrite) => {
                let mut row = row.to_vec();
                rewrite(&mut row);
                Cow::Owned(row)
            }
        }
    }

    /// Some rows, one after the other. They are copied to `buffer` where they do not lie so.
    pub fn block<'a>(&'a self, rows: Range<usize>, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        if rows.is_empty() {
            return &[];
        }
        let (first, cols) = (self.of_source(rows.start), self.cols());
        let follow = rows.clone().zip(first..);
        if self.rewrite.is_none()
            && follow
                .into_iter()
                .all(|(row, at)| self.of_source(row) == at)
        {
            return &self.source.values[first * cols..(first + rows.len()) * cols];
        }
        buffer.clear();
        for row in rows {
            let begin = buffer.len();
            buffer.extend_from_slice(self.source.row(self.of_source(row)));
            if let Some(rewrite) = &self.rewrite {
                rewrite(&mut buffer[begin..]);
            }
        }
        buffer
    }

    /// Visits all rows in order.
    pub fn each_row(&self, mut visit: impl FnMut(&[f32])) {
        let mut buffer = Vec::new();
        for row in 0..self.rows() {
            visit(self.block(row..row + 1, &mut buffer));
        }
    }

    /// The first value that is not a finite number, by row and column.
    pub fn not_finite(&self) -> Option<(usize, usize)> {
        let mut buffer = Vec::new();
        (0..self.rows()).find_map(|row| {
            let values = self.block(row..row + 1, &mut buffer);
            let column = values.iter().position(|value| !value.is_finite())?;
            Some((row, column))
        })
    }

    /// The rows named by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> RowView {
        let index = index.iter().map(|row| self.of_source(*row)).collect();
        RowView {
            index: Some(Arc::new(index)),
            ..self.clone()
        }
    }

    /// The same rows, rewritten whenever they are read, after what was asked for before.
    pub fn rewritten(self, next: impl Fn(&mut [f32]) + Send + Sync + 'static) -> RowView {
        let rewrite: Rewrite = match self.rewrite {
            None => Arc::new(next),
            Some(first) => Arc::new(move |row| {
                first(row);
                next(row);
            }),
        };
        RowView {
            rewrite: Some(rewrite),
            ..self
        }
    }

    /// The rows as values in memory: a copy, unless they are the whole matrix as it is.
    pub fn gather(&self) -> Matrix {
        match (&self.index, &self.rewrite) {
            (None, None) => self.source.clone(),
            _ => self.followed_by(&[]),
        }
    }

    /// A copy of the rows in memory with more of them, of the same width, behind.
    pub(super) fn followed_by(&self, more: &[&[f32]]) -> Matrix {
        let rows = self.rows() + more.len();
        let mut values = Vec::with_capacity(rows * self.cols());
        self.each_row(|row| values.extend_from_slice(row));
        more.iter().for_each(|row| values.extend_from_slice(row));
        Matrix::new(rows, self.cols(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        Matrix::new(4, 2, (0..8u8).map(f32::from).collect())
    }

    #[test]
    fn a_view_has_the_rows_that_a_copy_would_have() {
        let view = RowView::from(matrix()).select(&[3, 0, 1, 2]);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        assert_eq!(view.block(1..3, &mut one), [0.0, 1.0, 2.0, 3.0]);
        assert!(one.is_empty(), "rows that lie together are not copied");
        assert_eq!(view.block(0..2, &mut other), [6.0, 7.0, 0.0, 1.0]);
        let twice = view.select(&[2, 0]);
        assert_eq!((twice.rows(), twice.cols()), (2, 2));
        assert_eq!(twice.gather().values(), [2.0, 3.0, 6.0, 7.0]);
        assert_eq!(twice.gather(), matrix().select(&[1, 3]));
        let longer = twice.followed_by(&[&[9.0, 9.0]]);
        assert_eq!(longer.values(), [2.0, 3.0, 6.0, 7.0, 9.0, 9.0]);
        assert_eq!(RowView::from(matrix()).block(4..4, &mut one), [0.0; 0]);
    }

    #[test]
    fn rows_are_rewritten_in_turn_whenever_they_are_read() {
        let view = RowView::from(matrix())
            .select(&[1, 2])
            .rewritten(|row| row[0] += 1.0)
            .rewritten(|row| row[0] *= 10.0);
        let mut seen = Vec::new();
        view.each_row(|row| seen.extend_from_slice(row));
        assert_eq!(seen, [30.0, 3.0, 50.0, 5.0]);
        assert_eq!(view.gather().values(), seen);
        assert_eq!(view.row(1), [50.0, 5.0].as_slice());
        assert_eq!(view.not_finite(), None);
        let broken = view.select(&[1]).rewritten(|row| row[1] = f32::NAN);
        assert_eq!(broken.not_finite(), Some((0, 1)));
        // Neither the matrix nor other views of it are changed.
        assert_eq!(view.row(0), [30.0, 3.0].as_slice());
    }
}
