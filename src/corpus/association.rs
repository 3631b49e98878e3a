//! How much two properties of recordings have to do with each other.

use std::collections::BTreeMap;

/// From here on [`cramers_v`] is called a leak: one property tells the other.
pub const TELLS: f64 = 0.4;

/// Cramér's V of a table of counts, a row for each value of the one property with the counts by value of the other: 0 where they have nothing to
/// do with each other, 1 where one tells the other. With the correction of Bergsma (2013), which takes off what chance alone would give.
pub fn cramers_v<'t>(rows: impl Iterator<Item = &'t BTreeMap<String, usize>>) -> f64 {
    let rows: Vec<&BTreeMap<String, usize>> = rows.collect();
    let mut columns: BTreeMap<&str, f64> = BTreeMap::new();
    for (value, n) in rows.iter().flat_map(|row| row.iter()) {
        *columns.entry(value).or_default() += *n as f64;
    }
    let n: f64 = columns.values().sum();
    if rows.len() < 2 || columns.len() < 2 || n < 2.0 {
        return 0.0;
    }
    let mut squared = 0.0;
    for row in &rows {
        let of_row: f64 = row.values().map(|n| *n as f64).sum();
        for (value, of_column) in &columns {
            let expected = of_row * of_column / n;
            squared += (row.get(*value).map_or(0.0, |n| *n as f64) - expected).powi(2) / expected;
        }
    }
    let by_chance = (rows.len() as f64 - 1.0) * (columns.len() as f64 - 1.0) / (n - 1.0);
    let fewer = |k: usize| k as f64 - (k as f64 - 1.0).powi(2) / (n - 1.0);
    let least = fewer(rows.len()).min(fewer(columns.len())) - 1.0;
    if least <= 0.0 { 0.0 } else { ((squared / n - by_chance).max(0.0) / least).sqrt().min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correction_is_that_of_bergsma() {
        let row = |a: usize, b: usize| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        // By hand: chi squared is 18.7262 of 65, less 1/64, over (2 less 1/64) less 1.
        assert!((cramers_v([row(10, 20), row(30, 5)].iter()) - 0.526_113).abs() < 1e-6);
        assert_eq!(cramers_v([row(20, 20), row(20, 20)].iter()), 0.0);
        assert_eq!(cramers_v([row(20, 20)].iter()), 0.0);
        assert!((cramers_v([row(40, 0), row(0, 40)].iter()) - 1.0).abs() < 1e-12);
    }
}
