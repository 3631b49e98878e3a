//! Times in cells of tables.

use super::is_missing;
use crate::text::excerpt;

/// Seconds, or what pandas writes for a timedelta; nothing where the cell is empty.
pub(crate) fn seconds(cell: &str) -> Result<Option<f64>, String> {
    let cell = cell.trim();
    if is_missing(cell) {
        return Ok(None);
    }
    let wrong = || format!("{} is no time", excerpt(cell));
    let (days, clock) = match cell.split_once("day") {
        Some((days, rest)) => (
            days.trim().parse().map_err(|_| wrong())?,
            rest.trim_start_matches('s').trim().trim_start_matches('+'),
        ),
        None => (0.0, cell),
    };
    let mut parts = Vec::new();
    for part in clock.split(':').filter(|_| !clock.is_empty()) {
        parts.push(part.parse::<f64>().map_err(|_| wrong())?);
    }
    let of_clock = match parts[..] {
        [] => 0.0,
        [seconds] => seconds,
        [hours, minutes, seconds] => hours * 3600.0 + minutes * 60.0 + seconds,
        _ => return Err(wrong()),
    };
    let all: f64 = days * 86_400.0 + of_clock;
    match all.is_finite() && all >= 0.0 {
        true => Ok(Some(all)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_pandas_writes_them() {
        for (cell, value) in [
            ("0 days", Some(0.0)),
            ("0 days 00:00:01.500000", Some(1.5)),
            ("1 days 01:00:00", Some(90_000.0)),
            ("0 days +00:00:02", Some(2.0)),
            ("00:01:02.25", Some(62.25)),
            ("1.25", Some(1.25)),
            ("NaT", None),
            ("", None),
        ] {
            assert_eq!(seconds(cell), Ok(value), "{cell}");
        }
        for cell in ["-1 days", "soon", "1:2", "0 days 00:00", "inf", "-0.5"] {
            assert!(seconds(cell).is_err(), "{cell}");
        }
    }
}
