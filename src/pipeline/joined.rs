//! Several corpora as one.

use std::path::Path;

use crate::config::{CorpusPart, PartKind};
use crate::corpus::{self, EmodbSettings, Listing, ManifestSettings, Reason, SetAside, Source, UNKNOWN_SPEAKER};
use crate::error::Result;

/// Reads every part and hands its sources on, under their shared classes and with the name of the part before whatever could collide.
///
/// # Errors
/// Those of the readers and of `take`.
pub(super) fn read(root: &Path, parts: &[CorpusPart], take: &mut dyn FnMut(Source) -> Result<()>) -> Result<Listing> {
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
        let folder = root.join(&part.folder);
        let mut other = Vec::new();
        let mut map = |source: Source| match part.label_map.get(&source.emotion) {
            Some(class) => take(named(source, part, class)),
            None => {
                let detail = format!("class {} of {} has no counterpart in its label_map", source.emotion, part.name);
                other.push(SetAside { path: source.path, reason: Reason::ClassNotUsed, detail });
                Ok(())
            }
        };
        let mut listing = match &part.kind {
            PartKind::Ravdess => corpus::ravdess::read(&folder)?,
            PartKind::Emodb => corpus::emodb::read(&folder, &EmodbSettings { all_clips: false })?,
            PartKind::Manifest { path } => {
                let settings =
                    ManifestSettings { path: folder.join(path), root: folder.clone(), label_map: Default::default(), allow_outside: false };
                corpus::manifest::scan(&settings, &mut map)?
            }
        };
        std::mem::take(&mut listing.sources).into_iter().try_for_each(map)?;
        // In an order that does not depend on that of a manifest's rows.
        other.sort_by(|a, b| (&a.path, &a.detail).cmp(&(&b.path, &b.detail)));
        let place = |aside: SetAside| SetAside { path: format!("{}/{}", part.folder, aside.path), ..aside };
        whole.set_aside.extend(listing.set_aside.into_iter().chain(other).map(place));
        whole.generated |= listing.generated;
        whole.warnings.extend(listing.warnings.into_iter().map(|warning| format!("{}: {warning}", part.name)));
        whole.notes.extend(listing.notes.into_iter().map(|note| format!("{}: {note}", part.name)));
    }
    Ok(whole)
}

fn named(source: Source, part: &CorpusPart, class: &str) -> Source {
    let own = |text: &str| format!("{}-{text}", part.name);
    Source {
        id: own(&source.id),
        path: format!("{}/{}", part.folder, source.path),
        emotion: class.to_owned(),
        speaker: if source.speaker == UNKNOWN_SPEAKER { source.speaker } else { own(&source.speaker) },
        text_id: source.text_id.as_deref().map(own),
        session: Some(part.name.clone()),
        ..source
    }
}
