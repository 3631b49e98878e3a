//! The files of corpora as their makers gave them out: name, size and SHA-256 of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sha2::Sha256;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::files::digest_of;

/// EMO-DB as first released: 535 recordings, from a published list.
pub(super) const EMODB: &str = include_str!("emodb_sha256.tsv");
/// The speech part of RAVDESS: 1440 recordings, from the archive with the published MD5.
const RAVDESS: &str = include_str!("ravdess_sha256.tsv");

/// The recordings of one release by their file names, each with its size in bytes and its SHA-256
/// in hex.
#[derive(Debug)]
pub struct Originals {
    files: BTreeMap<&'static str, (u64, &'static str)>,
    /// Where a recording lies below the corpus's root.
    place: fn(&str) -> PathBuf,
}

static OF_EMODB: LazyLock<Originals> =
    LazyLock::new(|| Originals::of(EMODB, |name| Path::new("wav").join(name)));
static OF_RAVDESS: LazyLock<Originals> = LazyLock::new(|| {
    // The last two digits of `03-01-06-01-02-01-12.wav` are the actor.
    Originals::of(RAVDESS, |name| {
        Path::new(&format!("Actor_{}", name.get(18..20).unwrap_or_default())).join(name)
    })
});

/// The files of the release that a reader (`emodb`, `ravdess`) reads, where a list of them is
/// known.
pub fn originals(reader: &str) -> Option<&'static Originals> {
    match reader {
        "emodb" => Some(&OF_EMODB),
        "ravdess" => Some(&OF_RAVDESS),
        _ => None,
    }
}

impl Originals {
    fn of(list: &'static str, place: fn(&str) -> PathBuf) -> Originals {
        let file = |line: &'static str| {
            let (name, rest) = line.split_once('\t')?;
            let (bytes, sha256) = rest.split_once('\t')?;
            Some((name, (bytes.parse().ok()?, sha256)))
        };
        Originals {
            files: list.lines().skip(1).filter_map(file).collect(),
            place,
        }
    }

    /// Whether a file has the name of one of these recordings and another content. Its size tells
    /// most of them apart; only where that is right, the file is read.
    ///
    /// # Errors
    /// [`crate::error::Kind::Io`] where it cannot be read; [`crate::error::Kind::Interrupted`].
    pub fn is_altered(&self, path: &Path, cancel: &Cancel) -> Result<bool> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        match self.files.get(name) {
            Some((bytes, sha256)) => Ok(!is_same(path, *bytes, sha256, cancel)?),
            None => Ok(false),
        }
    }

    /// Checks that all recordings lie below `root`, unaltered; other files there are not looked at.
    ///
    /// # Errors
    /// [`crate::error::Kind::Data`] with the number of missing and altered files and the first of
    /// their names; [`crate::error::Kind::Io`] where one cannot be read;
    /// [`crate::error::Kind::Interrupted`].
    pub fn verify(&self, root: &Path, cancel: &Cancel) -> Result<()> {
        let mut wrong = Vec::new();
        for (name, (bytes, sha256)) in &self.files {
            let path = root.join((self.place)(name));
            if !path.is_file() || !is_same(&path, *bytes, sha256, cancel)? {
                wrong.push(*name);
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let first = wrong.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let (n, all) = (wrong.len(), self.files.len());
        Err(Error::data(format!("{n} of the {all} recordings in {} are missing or altered, such as {first}", root.display()))
            .hint("fetch the corpus again; an altered copy has no place in a comparison with published results"))
    }
}

fn is_same(path: &Path, bytes: u64, sha256: &str, cancel: &Cancel) -> Result<bool> {
    let found = fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    if found.len() != bytes {
        return Ok(false);
    }
    Ok(digest_of::<Sha256>(path, cancel)? == sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_lists_are_whole() {
        let [emodb, ravdess] = ["emodb", "ravdess"].map(|name| originals(name).unwrap());
        assert_eq!((emodb.files.len(), ravdess.files.len()), (535, 1440));
        assert!(originals("manifest").is_none());
        let is_hash = |(_, sha256): &(u64, &str)| {
            sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit())
        };
        assert!(
            emodb
                .files
                .values()
                .chain(ravdess.files.values())
                .all(is_hash)
        );
        assert_eq!(
            (ravdess.place)("03-01-06-01-02-01-12.wav"),
            Path::new("Actor_12/03-01-06-01-02-01-12.wav")
        );
        // 24 actors of 60 recordings each, and none of another name.
        for actor in 1..=24 {
            assert_eq!(
                ravdess
                    .files
                    .keys()
                    .filter(|name| name.ends_with(&format!("-{actor:02}.wav")))
                    .count(),
                60
            );
        }
    }

    #[test]
    fn files_of_the_right_names_are_not_enough() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        for actor in 1..=24 {
            let folder = dir.path().join(format!("Actor_{actor:02}"));
            fs::create_dir(&folder).unwrap();
        }
        let ravdess = originals("ravdess").unwrap();
        for name in ravdess.files.keys() {
            fs::write(dir.path().join((ravdess.place)(name)), "").unwrap();
        }
        let error = ravdess.verify(dir.path(), &cancel).unwrap_err();
        assert!(
            error.kind() == Kind::Data && error.to_string().starts_with("1440 of the 1440"),
            "{error}"
        );
        // The right size with another content, as well.
        let (name, (bytes, _)) = ravdess.files.first_key_value().unwrap();
        let path = dir.path().join((ravdess.place)(name));
        fs::File::create(&path).unwrap().set_len(*bytes).unwrap();
        assert!(ravdess.is_altered(&path, &cancel).unwrap());
        assert!(
            !ravdess
                .is_altered(&dir.path().join("other.wav"), &cancel)
                .unwrap(),
            "no name of the list, no judgement"
        );
        cancel.request();
        assert_eq!(
            ravdess.is_altered(&path, &cancel).unwrap_err().kind(),
            Kind::Interrupted
        );
    }

    #[test]
    fn what_was_published_is_unaltered() {
        let Some(corpora) = std::env::var_os("SER_CORPORA") else {
            crate::skipped::skipped("corpora", "SER_CORPORA names no recorded corpora");
            return;
        };
        let (corpora, cancel) = (Path::new(&corpora), Cancel::default());
        let check = |folder: &str, reader: &str| {
            originals(reader)
                .unwrap()
                .verify(&corpora.join(folder), &cancel)
        };
        for name in ["emodb", "ravdess"] {
            // The copy at hand may be a part of the corpus; what is there has to be right.
            let list = originals(name).unwrap();
            let lacking = list
                .files
                .keys()
                .filter(|file| !corpora.join(name).join((list.place)(file)).is_file())
                .count();
            match check(name, name) {
                Ok(()) => assert_eq!(lacking, 0),
                Err(error) => assert!(
                    error.to_string().starts_with(&format!("{lacking} of the")),
                    "{error}"
                ),
            }
        }
        assert!(
            check("emodb-2s", "emodb")
                .unwrap_err()
                .to_string()
                .starts_with("535 of the 535")
        );
    }
}
