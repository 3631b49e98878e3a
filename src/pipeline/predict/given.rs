//! Features that another tool computed of the recordings that are predicted.

use std::path::Path;

use super::sources::{Item, RejectReason, Rejected};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::import::{ImportSettings, Imported, Recording, Summary};

/// Gives every clip its row; those without one are excluded.
///
/// # Errors
/// As [`Imported::read`]; [`Kind::Data`] where the table lacks columns of the model.
pub(super) fn take(
    import: &ImportSettings,
    items: &mut [Item],
    cancel: &Cancel,
) -> Result<Summary> {
    let names: Vec<String> = items.iter().flatten().map(|clip| clip.name()).collect();
    let clips = items.iter().flatten().zip(&names);
    let recordings: Vec<Recording> = clips
        .map(|(clip, path)| Recording {
            id: "",
            path,
            start_s: clip.start_s,
            end_s: clip.end_s,
            duration_s: None,
        })
        .collect();
    let imported =
        Imported::read(import, &recordings, cancel).map_err(|e| lacking(e, &import.path))?;
    let places: Vec<Option<usize>> = (import.columns.iter())
        .map(|name| {
            imported
                .table
                .columns
                .iter()
                .position(|column| column == name)
        })
        .collect();
    let mut at = 0;
    for item in items {
        let Ok(clip) = item else { continue };
        match imported.row(at) {
            Ok(row) => {
                let values = places
                    .iter()
                    .map(|place| place.map_or(f32::NAN, |place| row[place]));
                clip.features = Some(values.collect());
            }
            Err(why) => {
                let error = Error::data(why);
                *item = Err(Rejected::new(
                    names[at].clone(),
                    RejectReason::NoFeatures,
                    error,
                ));
            }
        }
        at += 1;
    }
    Ok(imported.summary)
}

/// A table without the columns of the model is wrong data, and no setting.
fn lacking(error: Error, path: &Path) -> Error {
    if error.kind() != Kind::Config {
        return error;
    }
    let hint = error.hint_text().unwrap_or_default().to_owned();
    let message = format!(
        "{} does not have the features that the model was trained on",
        path.display()
    );
    Error::data(message).because(error).hint(hint)
}
