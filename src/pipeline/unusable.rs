//! Why a corpus has nothing to use: the commonest reason, an example, and what to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::CorpusKind;
use crate::corpus::{self, Listing, Reason, SetAside};
use crate::error::Error;

/// Folders that are looked into for the recordings of a manifest.
const LOOKED_INTO: usize = 64;

/// The error of a corpus of which everything is excluded, or that has nothing.
pub(super) fn error(kind: &CorpusKind, listing: &Listing) -> Error {
    let root = kind.root();
    let nothing = format!("no usable utterance found under {}", root.display());
    if let Some(official) = corpus::official(root).filter(|official| {
        official.kind != kind.name() && !matches!(kind, CorpusKind::Manifest { .. })
    }) {
        let folder = if official.root == root {
            String::new()
        } else {
            format!(" and corpus.root = \"{}\"", official.root.display())
        };
        return Error::data(format!(
            "{nothing} as corpus.kind = \"{}\": this is {}",
            kind.name(),
            official.name
        ))
        .hint(format!(
            "set corpus.kind = \"{}\"{folder}, or run the pipeline of that corpus: ser init {}",
            official.kind, official.kind
        ));
    }
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    listing
        .set_aside
        .iter()
        .for_each(|one| *counts.entry(one.reason).or_default() += 1);
    let commonest = counts
        .iter()
        .max_by_key(|(reason, count)| (**count, std::cmp::Reverse(**reason)));
    let first = |reason: Reason| listing.set_aside.iter().find(|one| one.reason == reason);
    let Some((reason, count, first)) =
        commonest.and_then(|(reason, count)| Some((*reason, *count, first(*reason)?)))
    else {
        return Error::data(nothing).hint("check corpus.root and corpus.kind in the pipeline file");
    };
    let all = listing.set_aside.len();
    let share = if count == all {
        format!("all {all}")
    } else {
        format!("{count} of {all}")
    };
    let message = format!(
        "{nothing}: {share} excluded ({}), such as {}: {}",
        reason.describe(),
        first.path,
        first.detail
    );
    Error::data(message).hint(hint(kind, reason, first, &listing.warnings))
}

fn hint(kind: &CorpusKind, reason: Reason, first: &SetAside, warnings: &[String]) -> String {
    match (kind, reason) {
        (CorpusKind::Manifest { path, root, .. }, Reason::MissingAudio) => {
            match folder_of(&first.path, path, root) {
                Some(folder) => format!(
                    "set corpus.root = \"{}\", where the recordings lie",
                    folder.display()
                ),
                None => {
                    "set corpus.root to the folder that the manifest's paths start from".to_owned()
                }
            }
        }
        (_, Reason::ClassNotUsed) if !warnings.is_empty() => warnings.join("; "),
        (_, Reason::ClassNotUsed) => {
            "name classes of the corpus in corpus.labels, or its labels in corpus.label_map"
                .to_owned()
        }
        (_, Reason::BadRow) => "mend the rows of the manifest as the example says".to_owned(),
        (_, Reason::MissingLabel) => "fill the column emotion of the manifest".to_owned(),
        _ => "check corpus.root and corpus.kind in the pipeline file".to_owned(),
    }
}

/// The folder from which the path of a row would be right: that of the manifest, one above the
/// root, or one right below it.
fn folder_of(named: &str, manifest: &Path, root: &Path) -> Option<PathBuf> {
    let named = named.trim().replace('\\', "/");
    let mut below: Vec<PathBuf> = std::fs::read_dir(root)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    below.sort();
    let above = root.ancestors().skip(1).take(3).map(Path::to_owned);
    let folders = manifest
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .chain(above)
        .chain(below.into_iter().take(LOOKED_INTO));
    folders
        .filter(|folder| !folder.as_os_str().is_empty())
        .find(|folder| folder.join(&named).is_file())
}
