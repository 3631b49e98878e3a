//! Several corpora as one.

use std::fs;
use std::path::Path;

use crate::cancel::Cancel;
use crate::config::{CorpusPart, PartKind};
use crate::corpus::{
    self, EmodbSettings, Listing, ManifestSettings, Reason, SetAside, Source, UNKNOWN_SPEAKER,
};
use crate::error::{Error, Kind, Result};
use crate::files::relative;

/// Reads every part and hands its sources on, under their shared classes and with the name of the
/// part before whatever could collide.
///
/// # Errors
/// Those of the readers and of `take`.
pub(super) fn read(
    root: &Path,
    parts: &[CorpusPart],
    cancel: &Cancel,
    take: &mut dyn FnMut(Source) -> Result<()>,
) -> Result<Listing> {
    let mut whole = Listing {
        corpus: String::new(),
        sources: vec![],
        set_aside: vec![],
        expected: None,
        warnings: vec![],
        notes: vec![],
        generated: false,
    };
    for part in parts {
        let folder = part.root(root);
        let prefix = prefix(root, part)?;
        let mut other = Vec::new();
        let mut map = |source: Source| match part.label_map.get(&source.emotion) {
            Some(class) => take(named(source, part, &prefix, class)),
            None => {
                let detail = format!(
                    "class {} of {} has no counterpart in its label_map",
                    source.emotion, part.name
                );
                other.push(SetAside {
                    path: source.path,
                    reason: Reason::ClassNotUsed,
                    detail,
                });
                Ok(())
            }
        };
        let mut listing = match &part.kind {
            PartKind::Ravdess => corpus::ravdess::read(&folder)?,
            PartKind::Emodb => corpus::emodb::read(&folder, &EmodbSettings { all_clips: false })?,
            PartKind::Audformat => corpus::audformat::read(&folder, None, None)?,
            PartKind::Known(one) => corpus::known::read(&folder, one.kind.corpus())?,
            PartKind::Manifest { path } => {
                let path = part.manifest(root).unwrap_or_else(|| path.into());
                let settings = ManifestSettings {
                    path,
                    root: folder.clone(),
                    label_map: Default::default(),
                    allow_outside: false,
                };
                corpus::manifest::scan(&settings, cancel, &mut map)
                    .map_err(|error| elsewhere(error, part, &settings.path))?
            }
        };
        std::mem::take(&mut listing.sources)
            .into_iter()
            .try_for_each(map)?;
        // In an order that does not depend on that of a manifest's rows.
        other.sort_by(|a, b| (&a.path, &a.detail).cmp(&(&b.path, &b.detail)));
        let place = |aside: SetAside| SetAside {
            path: format!("{prefix}/{}", aside.path),
            ..aside
        };
        whole
            .set_aside
            .extend(listing.set_aside.into_iter().chain(other).map(place));
        whole.generated |= listing.generated;
        whole.warnings.extend(
            listing
                .warnings
                .into_iter()
                .map(|warning| format!("{}: {warning}", part.name)),
        );
        whole.notes.extend(
            listing
                .notes
                .into_iter()
                .map(|note| format!("{}: {note}", part.name)),
        );
    }
    Ok(whole)
}

/// What leads from the root of the whole to the recordings of a part.
fn prefix(root: &Path, part: &CorpusPart) -> Result<String> {
    let Some(own) = &part.root else {
        return Ok(part.folder.clone());
    };
    let to = std::path::absolute(own).map_err(|e| Error::io("find", own, e))?;
    // Through links where there are any, as the system goes up from a folder.
    let way = fs::canonicalize(root)
        .ok()
        .zip(fs::canonicalize(&to).ok())
        .and_then(|(from, to)| relative(&from, &to));
    Ok(way
        .filter(|way| !way.is_empty())
        .unwrap_or_else(|| to.display().to_string()))
}

/// The table of a part that is not in its folder may lie where `ser corpus init` has put it.
fn elsewhere(error: Error, part: &CorpusPart, path: &Path) -> Error {
    if error.kind() != Kind::Missing || part.root.is_some() || path.is_file() {
        return error;
    }
    error.hint(format!(
        "put it there, or take `path` and `root` from the pipeline file that `ser corpus init` wrote: \
         {{ kind = \"manifest\", name = \"{0}\", path = \"data/manifests/{0}.csv\", root = \"FOLDER\", label_map = {{ … }} }}",
        part.name
    ))
}

fn named(source: Source, part: &CorpusPart, prefix: &str, class: &str) -> Source {
    let own = |text: &str| format!("{}-{text}", part.name);
    Source {
        id: own(&source.id),
        path: format!("{prefix}/{}", source.path),
        emotion: class.to_owned(),
        speaker: if source.speaker == UNKNOWN_SPEAKER {
            source.speaker
        } else {
            own(&source.speaker)
        },
        text_id: source.text_id.as_deref().map(own),
        session: Some(part.name.clone()),
        ..source
    }
}
