//! Matrix products of strided views, checked for bounds: the one door to `gemm`.

/// A read-only matrix inside a slice; rows may overlap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The matrix whose row `i` begins `i * row_stride` values after the beginning of `data`.
    ///
    /// # Panics
    ///
    /// If the last element lies outside `data`.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(rows > 0 && columns > 0 && (rows - 1) * row_stride + columns <= data.len(), "the matrix exceeds its buffer");
        Matrix { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// Rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Matrix { rows: self.columns, columns: self.rows, row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }
}

/// Writes `a * b` into the rows of `destination`, which begin `stride` values apart; what lies between the rows stays.
///
/// # Panics
///
/// If the inner dimensions differ, or the product does not fit or its rows would overlap.
pub(super) fn multiply(destination: &mut [f32], stride: usize, a: Matrix, b: Matrix) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    assert!(stride >= b.columns && (a.rows - 1) * stride + b.columns <= destination.len(), "the product exceeds its buffer");
    // SAFETY: `Matrix::new` and `transposed` keep the invariant that (rows - 1) * row_stride + (columns - 1) * column_stride is an index of
    // `data`, so gemm reads inside the two slices, which live and are not written until it returns. The assertion above says the same of
    // the a.rows x b.columns elements that it writes, distinct since `stride >= b.columns`, in a slice borrowed for this call alone.
    // `read_dst` is false, so the destination's old values do not matter. Strides of slices fit `isize`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            destination.as_mut_ptr(),
            1,
            stride as isize,
            false,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_are_windows() {
        let signal = [1.0, 2.0, 3.0, 4.0, 5.0];
        let weights = [1.0, 10.0, 100.0];
        let mut result = [9.0; 6];
        multiply(&mut result, 2, Matrix::new(&signal, 3, 3, 1), Matrix::new(&weights, 3, 1, 1));
        assert_eq!(result, [321.0, 9.0, 432.0, 9.0, 543.0, 9.0]);
        let mut gradient = [0.0; 3];
        multiply(&mut gradient, 1, Matrix::new(&signal, 3, 3, 1).transposed(), Matrix::new(&weights, 3, 1, 1));
        assert_eq!(gradient, [321.0, 432.0, 543.0]);
    }

    #[test]
    #[should_panic(expected = "exceeds")]
    fn a_view_outside_its_slice_is_refused() {
        Matrix::new(&[0.0; 5], 3, 4, 1);
    }
}
