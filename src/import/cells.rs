//! What a cell of an imported table holds: a number, or none.

use crate::corpus::is_missing;

/// A finite number that single precision can hold, or one that is not finite; nothing where the
/// cell is no number.
pub(super) fn number(cell: &str) -> Option<f32> {
    let cell = cell.trim();
    // What is missing is no number, though it may read as one.
    match is_missing(cell) {
        true => None,
        false => cell.parse::<f64>().ok().map(|value| value as f32),
    }
}

/// Whether a cell would be a number with a point in the place of its comma.
pub(super) fn is_decimal_comma(cell: &str) -> bool {
    cell.matches(',').count() == 1 && number(&cell.replace(',', ".")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_finite_number_is_told_from_text() {
        assert_eq!([number("1e3"), number(" -2 ")], [Some(1000.0), Some(-2.0)]);
        assert_eq!(
            [number("nan"), number(""), number("abc"), number("0,5")],
            [None; 4]
        );
        assert_eq!([number("inf"), number("1e300")], [Some(f32::INFINITY); 2]);
        assert!(is_decimal_comma("0,5") && is_decimal_comma("-1,2e3"));
        assert!(!is_decimal_comma("1,2,3") && !is_decimal_comma("a,b") && !is_decimal_comma("a"));
    }
}
