//! What several rounds come to.

/// Median and range of the values of several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many.
    pub runs: usize,
}

/// The spread of the finite values among `values`; `None` where there are none.
pub fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut sorted: Vec<f64> = values
        .into_iter()
        .filter(|value| value.is_finite())
        .collect();
    sorted.sort_by(f64::total_cmp);
    let (min, max, middle) = (*sorted.first()?, *sorted.last()?, sorted.len() / 2);
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    Some(Spread {
        median,
        min,
        max,
        runs: sorted.len(),
    })
}

/// The numbers in a line of `key=value` words, by their keys.
pub fn number(line: &str, key: &str) -> Option<f64> {
    words(line)
        .find(|(name, _)| *name == key)?
        .1
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}

/// The `key=value` words of a line, in order.
pub fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
}
