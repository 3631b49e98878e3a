//! Matrix products of strided views, checked for bounds, with sums in one order on every processor:
//! the one door to `gemm`.
//!
//! An element of a product is defined as follows: its terms are cut into as few runs of at most
//! [`RUN`] as possible, of equal length but for the last; each run is summed term by term by fused
//! multiply-add, beginning with 0; the sums of the runs are added one after the other. `gemm`
//! (0.19) would cut them by the sizes of caches and of the kernel that it picks for the processor,
//! but never a run this short, and all its kernels keep one sum per element. Only its ways for a
//! single row or column, for one or two terms and for small products of rows with rows add across
//! lanes or round twice: those products are computed here.
//!
//! On a processor without fused multiply-add `gemm` rounds twice, and the bits are others.

use super::dispatch::vectorised;

/// Terms that are summed in one go: `gemm` cuts no product of this depth.
const RUN: usize = 512;

/// `f32` and `f64`.
pub trait Real: Copy + std::ops::Add<Output = Self> + 'static {
    const ZERO: Self;
    const ONE: Self;
    /// `self * factor + term`, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    #[inline(always)]
    fn mul_add(self, factor: f32, term: f32) -> f32 {
        f32::mul_add(self, factor, term)
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    #[inline(always)]
    fn mul_add(self, factor: f64, term: f64) -> f64 {
        f64::mul_add(self, factor, term)
    }
}

/// A read-only matrix inside a slice; rows may overlap.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// The matrix whose row `i` begins `i * row_stride` values after the beginning of `data`.
    ///
    /// # Panics
    ///
    /// If the last element lies outside `data`.
    pub fn new(data: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            rows > 0 && columns > 0 && (rows - 1) * row_stride + columns <= data.len(),
            "the matrix exceeds its buffer"
        );
        Matrix {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// Rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The columns from `first` on, at most `count`.
    fn columns_from(self, first: usize, count: usize) -> Self {
        Matrix {
            data: &self.data[first * self.column_stride..],
            columns: count.min(self.columns - first),
            ..self
        }
    }

    /// The rows from `first` on, at most `count`.
    pub fn rows_from(self, first: usize, count: usize) -> Self {
        self.transposed().columns_from(first, count).transposed()
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> T {
        self.data[row * self.row_stride + column * self.column_stride]
    }
}

/// Writes `a * b` into the rows of `destination`, which begin `stride` values apart; what lies
/// between the rows stays.
///
/// # Panics
///
/// If the inner dimensions differ, or the product does not fit or its rows would overlap.
pub fn multiply<T: Real>(destination: &mut [T], stride: usize, a: Matrix<T>, b: Matrix<T>) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    assert!(
        stride >= b.columns && (a.rows - 1) * stride + b.columns <= destination.len(),
        "the product exceeds its buffer"
    );
    let runs = a.columns.div_ceil(RUN);
    let run = a.columns.div_ceil(runs);
    // `gemm` takes the destination for its transpose where its rows are contiguous, hence rows with
    // rows are `b` transposed and `a` not.
    let across_lanes = a.column_stride == 1 && b.row_stride == 1 && a.rows * b.columns <= 256;
    let by_hand = a.rows == 1 || b.columns == 1 || a.columns <= 2 || across_lanes;
    for first in (0..a.columns).step_by(run) {
        let (a, b) = (a.columns_from(first, run), b.rows_from(first, run));
        if by_hand {
            add_small(destination, stride, a, b, first > 0);
        } else {
            add_product(destination, stride, a, b, first > 0);
        }
    }
}

/// `destination = a * b`, or with `add` the sum of both, for products that fit as [`multiply`]
/// asserts.
fn add_product<T: Real>(
    destination: &mut [T],
    stride: usize,
    a: Matrix<T>,
    b: Matrix<T>,
    add: bool,
) {
    // SAFETY: `Matrix::new`, `transposed` and `columns_from` keep the invariant that (rows - 1) *
    // row_stride + (columns - 1) * column_stride is an index of `data`, so gemm reads inside the
    // two slices, which live and are not written until it returns. `multiply` asserts the same of
    // the a.rows x b.columns elements that are written, distinct since `stride >= b.columns`, in a
    // slice borrowed for this call alone. Strides of slices fit `isize`. `T` is `f32` or `f64`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            destination.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Columns whose sums are kept in registers.
const LANES: usize = 16;

vectorised! {
    /// As [`add_product`].
    fn add_small<T: Real>(destination: &mut [T], stride: usize, a: Matrix<T>, b: Matrix<T>, add: bool) {
        for (row, out) in destination.chunks_mut(stride).take(a.rows).enumerate() {
            let mut groups = out[..b.columns].chunks_exact_mut(LANES);
            let mut first = 0;
            if b.column_stride == 1 {
                for group in &mut groups {
                    let mut sums = [T::ZERO; LANES];
                    for term in 0..a.columns {
                        let factor = a.at(row, term);
                        let begin = term * b.row_stride + first;
                        for (sum, &value) in sums.iter_mut().zip(&b.data[begin..begin + LANES]) {
                            *sum = factor.mul_add(value, *sum);
                        }
                    }
                    for (out, sum) in group.iter_mut().zip(sums) {
                        *out = if add { *out + sum } else { sum };
                    }
                    first += LANES;
                }
            }
            for (out, column) in out[first..b.columns].iter_mut().zip(first..) {
                let sum = (0..a.columns).fold(T::ZERO, |sum, term| a.at(row, term).mul_add(b.at(term, column), sum));
                *out = if add { *out + sum } else { sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::dispatch::has_fused_multiply_add;

    #[test]
    fn overlapping_rows_are_windows() {
        let signal = [1.0f32, 2.0, 3.0, 4.0, 5.0];
        let weights = [1.0, 10.0, 100.0];
        let mut result = [9.0; 6];
        multiply(
            &mut result,
            2,
            Matrix::new(&signal, 3, 3, 1),
            Matrix::new(&weights, 3, 1, 1),
        );
        assert_eq!(result, [321.0, 9.0, 432.0, 9.0, 543.0, 9.0]);
        let mut gradient = [0.0; 3];
        multiply(
            &mut gradient,
            1,
            Matrix::new(&signal, 3, 3, 1).transposed(),
            Matrix::new(&weights, 3, 1, 1),
        );
        assert_eq!(gradient, [321.0, 432.0, 543.0]);
    }

    #[test]
    #[should_panic(expected = "exceeds")]
    fn a_view_outside_its_slice_is_refused() {
        Matrix::new(&[0.0f32; 5], 3, 4, 1);
    }

    /// Values of both signs and many magnitudes, so that every other order of a sum shows.
    fn values(n: usize, seed: u32) -> Vec<f64> {
        let mut state = seed;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.5
        };
        (0..n).map(|_| draw() * 10f64.powf(6.0 * draw())).collect()
    }

    /// The module's definition, for any strides.
    fn defined<T: Real>(a: Matrix<T>, b: Matrix<T>) -> Vec<T> {
        let run = a.columns.div_ceil(a.columns.div_ceil(512));
        let element = |row: usize, column: usize| {
            let terms: Vec<usize> = (0..a.columns).collect();
            let sums = terms.chunks(run).map(|terms| {
                terms.iter().fold(T::ZERO, |sum, &k| {
                    a.at(row, k).mul_add(b.at(k, column), sum)
                })
            });
            sums.reduce(|total, sum| total + sum).unwrap()
        };
        (0..a.rows * b.columns)
            .map(|i| element(i / b.columns, i % b.columns))
            .collect()
    }

    /// `[m, n, k]` with both factors plain and transposed, each compared bit for bit.
    fn check<T: Real + PartialEq + std::fmt::Debug>([m, n, k]: [usize; 3], of: fn(f64) -> T) {
        let (left, right): (Vec<T>, Vec<T>) = (
            values(m * k, 1).into_iter().map(of).collect(),
            values(k * n, 2).into_iter().map(of).collect(),
        );
        let lefts = [
            Matrix::new(&left, m, k, k),
            Matrix::new(&left, k, m, m).transposed(),
        ];
        let rights = [
            Matrix::new(&right, k, n, n),
            Matrix::new(&right, n, k, k).transposed(),
        ];
        for (a, b) in lefts.into_iter().flat_map(|a| rights.map(|b| (a, b))) {
            let mut out = vec![T::ONE; m * n];
            multiply(&mut out, n, a, b);
            assert!(
                out == defined(a, b),
                "{m} x {k} times {k} x {n}, strides {} and {}",
                a.column_stride,
                b.column_stride
            );
        }
    }

    #[test]
    fn sums_have_the_order_that_is_defined_for_every_processor() {
        if !has_fused_multiply_add() {
            crate::skipped::skipped("fma", "this processor has no fused multiply-add");
            return;
        }
        let shapes = [
            [1, 1, 1],
            [1, 7, 40],
            [1, 40, 1300],
            [9, 1, 1300],
            [3, 5, 2],
            [2, 3, 1],
            [4, 4, 700],
            [16, 16, 513],
            [17, 16, 1025],
            [33, 8, 1536],
            [70, 65, 512],
            [70, 70, 513],
            [130, 129, 1281],
            [257, 24, 640],
        ];
        for shape in shapes {
            check(shape, |value| value as f32);
            check(shape, |value| value);
        }
        // Windows over a signal, and their transpose, as convolutions have them.
        let (signal, weights): (Vec<f32>, Vec<f32>) = (
            values(900 * 6, 3).into_iter().map(|v| v as f32).collect(),
            values(900 * 30, 4).into_iter().map(|v| v as f32).collect(),
        );
        let windows = Matrix::new(&signal, 880, 30, 6);
        for (a, b) in [
            (windows, Matrix::new(&weights, 30, 20, 20)),
            (windows.transposed(), Matrix::new(&weights, 880, 20, 20)),
        ] {
            let mut out = vec![0.0; a.rows * b.columns];
            multiply(&mut out, b.columns, a, b);
            assert!(out == defined(a, b));
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn instruction_sets_change_no_bit_of_a_small_product() {
        use crate::linalg::dispatch::{CEILING, Level};
        let (left, right): (Vec<f32>, Vec<f32>) = (
            values(3 * 600, 5).into_iter().map(|v| v as f32).collect(),
            values(600 * 37, 6).into_iter().map(|v| v as f32).collect(),
        );
        let of = |ceiling| {
            CEILING.set(ceiling);
            let mut out = vec![0.0; 3 * 37];
            for row in 0..3 {
                multiply(
                    &mut out[row * 37..],
                    37,
                    Matrix::new(&left[row * 600..], 1, 600, 600),
                    Matrix::new(&right, 600, 37, 37),
                );
            }
            out
        };
        let [plain, avx2, widest] = [Level::Plain, Level::Avx2, Level::Avx512].map(of);
        assert!(plain == avx2 && plain == widest);
    }
}
