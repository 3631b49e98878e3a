//! Cells of a manifest that are more than text.

use crate::corpus::is_missing;
use crate::corpus::listing::Reason;
use crate::corpus::propose::words;
use crate::corpus::utterance::Sex;
use crate::text::excerpt;

/// Why a row is left aside.
pub(in crate::corpus) type Refusal = (Reason, String);

/// Characters of a label, a name or a word.
const LONGEST_WORD: usize = 200;
/// Characters of a path, an id or a sentence: what file systems take.
const LONGEST_TEXT: usize = 4096;

/// Whether a manifest takes the text in that column, which is not empty.
pub(in crate::corpus) fn fits(column: &str, text: &str) -> bool {
    match column {
        "start" | "end" => seconds(column, Some(text)).is_ok(),
        "sex" => sex(text).is_some(),
        "split" => part(text).is_some(),
        _ => !is_too_long(column, text),
    }
}

/// Whether the text is longer than any such cell.
pub(super) fn is_too_long(column: &str, text: &str) -> bool {
    let most = if matches!(column, "path" | "id" | "text_id") {
        LONGEST_TEXT
    } else {
        LONGEST_WORD
    };
    text.len() > most && text.chars().nth(most).is_some()
}

/// A time from 0 on, `None` for an empty cell.
pub(super) fn seconds(name: &str, cell: Option<&str>) -> Result<Option<f64>, Refusal> {
    let Some(text) = cell.filter(|text| !is_missing(text)) else {
        return Ok(None);
    };
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value + 0.0)),
        _ => {
            let meant = meant(name, text).unwrap_or_else(|| "correct it".to_owned());
            Err((
                Reason::BadRow,
                format!(
                    "the {name} {} is not a number of seconds from 0: {meant}",
                    excerpt(text)
                ),
            ))
        }
    }
}

/// What to write in place of a time in another form.
fn meant(name: &str, text: &str) -> Option<String> {
    if name == "end" && text.parse::<f64>().is_ok_and(|end| end == -1.0) {
        return Some("leave the cell empty for the end of the recording".to_owned());
    }
    let point = text.replace(',', ".");
    if point.parse::<f64>().is_ok_and(|value| value >= 0.0) {
        return Some(format!("write a decimal point ({point})"));
    }
    let parts: Vec<f64> = point
        .split(':')
        .map(|part| part.trim().parse().ok().filter(|part| *part >= 0.0))
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else {
        return None;
    };
    Some(format!(
        "it is a time code; write seconds ({})",
        hours * 3600.0 + minutes * 60.0 + seconds
    ))
}

/// A speaker's sex, by its words in several languages.
pub(super) fn sex(text: &str) -> Option<Sex> {
    match words::sex(text)? {
        "female" => Some(Sex::Female),
        _ => Some(Sex::Male),
    }
}

/// A declared part by its usual names, and whether a number behind the name was passed over
/// (`Test2`).
pub(in crate::corpus) fn part(text: &str) -> Option<(&'static str, bool)> {
    if let Some(part) = words::part(text) {
        return Some((part, false));
    }
    let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = name.len() < text.len();
    words::part(name.trim_end_matches(['_', '-', ' ']))
        .filter(|_| numbered)
        .map(|part| (part, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_another_form_are_explained() {
        for (text, part) in [
            ("0,05", "write a decimal point (0.05)"),
            ("00:01:02,500", "write seconds (62.5)"),
            ("-1", "leave the cell empty for the end"),
            ("soon", "correct it"),
        ] {
            assert!(
                seconds("end", Some(text)).unwrap_err().1.contains(part),
                "{text}"
            );
        }
        assert_eq!(
            [seconds("end", Some("NaT")), seconds("end", Some("0.5"))],
            [Ok(None), Ok(Some(0.5))]
        );
        assert!(
            seconds("start", Some("-1"))
                .unwrap_err()
                .1
                .ends_with("correct it")
        );
    }

    #[test]
    fn parts_and_sexes_are_read_by_many_names() {
        let parts = [
            "Development",
            "Test1",
            "test_2",
            "TRAIN",
            "eval",
            "0",
            "Trainer",
            "1",
        ]
        .map(part);
        let test = |numbered| Some(("test", numbered));
        assert_eq!(
            parts,
            [
                Some(("validation", false)),
                test(true),
                test(true),
                Some(("train", false)),
                test(false),
                None,
                None,
                None
            ]
        );
        assert_eq!(
            [sex("W"), sex("hombre"), sex("unknown"), sex("1")],
            [Some(Sex::Female), Some(Sex::Male), None, None]
        );
    }
}
