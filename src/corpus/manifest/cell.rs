//! Cells of a manifest that are more than text.

use crate::corpus::listing::Reason;
use crate::corpus::utterance::Sex;

/// Why a row is left aside.
pub(in crate::corpus) type Refusal = (Reason, String);

/// Whether a manifest takes the text in that column, which is not empty.
pub(in crate::corpus) fn fits(column: &str, text: &str) -> bool {
    match column {
        "start" | "end" => seconds(column, Some(text)).is_ok(),
        "sex" => sex(text).is_ok(),
        "split" => part(text).is_ok(),
        _ => true,
    }
}

/// A time from 0 on, `None` for an empty cell.
pub(super) fn seconds(name: &str, cell: Option<&str>) -> Result<Option<f64>, Refusal> {
    let Some(text) = cell else { return Ok(None) };
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value + 0.0)),
        _ => Err((Reason::BadRow, format!("the {name} {text} is not a number of seconds from 0: correct it"))),
    }
}

/// A speaker's sex.
pub(super) fn sex(text: &str) -> Result<Sex, Refusal> {
    match text.to_lowercase().as_str() {
        "female" | "f" | "woman" => Ok(Sex::Female),
        "male" | "m" | "man" => Ok(Sex::Male),
        _ => Err((Reason::BadRow, format!("the sex {text} is neither female nor male: correct it or leave the cell empty"))),
    }
}

/// A declared part by its usual names.
pub(super) fn part(text: &str) -> Result<String, Refusal> {
    let part = match text.to_lowercase().as_str() {
        "train" | "training" => "train",
        "validation" | "valid" | "val" | "dev" => "validation",
        "test" | "testing" => "test",
        _ => {
            return Err((
                Reason::BadRow,
                format!("the split {text} is none of train, validation, test: correct it or leave the cell empty"),
            ));
        }
    };
    Ok(part.to_owned())
}
