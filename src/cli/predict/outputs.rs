//! Files that are written, none of which may take the place of what is read.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::args::Predict;
use crate::error::{Error, Result};
use crate::pipeline::predict::{Format, Sources};
use crate::table::inference;

/// The files that the command line names to write to, each with its option.
pub(super) struct Outputs<'a>(Vec<(&'static str, &'a Path)>);

impl<'a> Outputs<'a> {
    pub(super) fn of(predict: &'a Predict) -> Outputs<'a> {
        let named = [
            ("-o", predict.output.as_deref()),
            ("--errors", predict.errors.as_deref()),
        ];
        Outputs(
            named
                .into_iter()
                .filter_map(|(option, path)| Some((option, path?)))
                .collect(),
        )
    }

    /// Refuses what cannot be written, what is named twice, and what is read by its name.
    pub(super) fn check(&self, predict: &Predict, format: Format) -> Result<()> {
        if format == Format::Parquet && predict.output.is_none() {
            return Err(
                Error::usage("a Parquet table cannot be written to standard output")
                    .hint("say -o FILE.parquet"),
            );
        }
        if let [(_, output), (_, errors)] = self.0.as_slice()
            && same(output, errors)
        {
            return Err(Error::usage("-o and --errors name the same file").hint("name two"));
        }
        for (option, path) in &self.0 {
            if path.exists() && !path.is_file() {
                let error = Error::usage(format!(
                    "{} is no regular file, and cannot be replaced by one",
                    path.display()
                ));
                return Err(error.hint("name a file, or leave -o out to write to standard output"));
            }
            if predict
                .paths
                .iter()
                .any(|input| input != Path::new("-") && same(path, input))
            {
                return Err(taken(option, path, "is read here"));
            }
        }
        Ok(())
    }

    /// Refuses to write among the files of a model.
    pub(super) fn spare_model(&self, folder: &Path) -> Result<()> {
        let folder = folder.canonicalize().unwrap_or_else(|_| place(folder));
        match self
            .0
            .iter()
            .find(|(_, path)| place(path).starts_with(&folder))
        {
            Some((option, path)) => {
                let error = Error::usage(format!(
                    "{option} {} lies in the folder of the model, which is left as it is",
                    path.display()
                ));
                Err(error.hint("name a file elsewhere"))
            }
            None => Ok(()),
        }
    }

    /// Refuses to replace what another hand has written.
    pub(super) fn spare_others(&self) -> Result<()> {
        match self.0.iter().find(|(_, path)| !is_own(path)) {
            None => Ok(()),
            Some((option, path)) => {
                let error = Error::usage(format!(
                    "{option} {} exists and was not written by this command",
                    path.display()
                ));
                Err(error.hint("name another file, or remove that one first"))
            }
        }
    }

    /// Refuses to replace a recording of a folder, manifest or list.
    pub(super) fn spare_recordings(&self, sources: &Sources) -> Result<()> {
        for (option, path) in &self.0 {
            // What is not there yet is none of them.
            let Some(this) = identity(path) else { continue };
            let mut clips = sources
                .items
                .iter()
                .flatten()
                .filter(|clip| clip.bytes.is_none());
            if clips.any(|clip| identity(&clip.path).as_ref() == Some(&this)) {
                return Err(taken(option, path, "is a recording that is read here"));
            }
        }
        Ok(())
    }
}

/// Whether a file is not there, empty, or begins as predictions and lists of errors do: nothing
/// else is replaced.
fn is_own(path: &Path) -> bool {
    let mut head = [0u8; 4096];
    let Ok(mut file) = std::fs::File::open(path) else {
        return true;
    };
    let n = file.read(&mut head).unwrap_or(0);
    let head = &head[..n];
    if head.starts_with(b"PAR1") {
        return inference::is_table(path);
    }
    let text = String::from_utf8_lossy(head);
    let first = text.lines().next().unwrap_or_default();
    let is_json = || {
        serde_json::from_str::<serde_json::Value>(first)
            .is_ok_and(|line| line["file"].is_string() && line["emotion"].is_string())
    };
    // `a.wav: happy  (happy 0.812, calm 0.188; in_domain true)`
    let is_words = || first.ends_with(')') && first.contains(": ") && first.contains("  (");
    let is_csv = || {
        ["file,start_s,end_s,emotion,", "file,kind,reason"]
            .iter()
            .any(|start| first.starts_with(start))
    };
    n == 0 || is_csv() || is_json() || is_words()
}

fn taken(option: &str, path: &Path, why: &str) -> Error {
    Error::usage(format!(
        "{option} {} {why}, and would be written over",
        path.display()
    ))
    .hint("name another file")
}

fn same(a: &Path, b: &Path) -> bool {
    place(a) == place(b) || identity(a).is_some_and(|file| Some(file) == identity(b))
}

/// Where a file lies, whether or not it is there: links above it are followed, itself is not, since
/// that is what a rename replaces.
fn place(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut folder = PathBuf::new();
    let mut parts = whole.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::ParentDir => {
                folder.pop();
            }
            other => folder.push(other),
        }
        if parts.peek().is_some()
            && let Ok(real) = folder.canonicalize()
        {
            folder = real;
        }
    }
    folder
}

/// What tells a file that is there from all others.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path)
        .ok()
        .map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("a")).unwrap();
        std::fs::write(at("a/x.csv"), "").unwrap();
        for (one, other) in [
            ("out.csv", "./out.csv"),
            ("a/../out.csv", "out.csv"),
            ("new/../out.csv", "out.csv"),
            ("a/x.csv", "a/./x.csv"),
        ] {
            assert!(same(&at(one), &at(other)), "{one} {other}");
        }
        assert!(!same(&at("a/x.csv"), &at("x.csv")) && !same(&at("a/y.csv"), &at("a/x.csv")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("a"), at("b")).unwrap();
            std::os::unix::fs::symlink(at("a/x.csv"), at("link.csv")).unwrap();
            assert!(
                same(&at("b/new.csv"), &at("a/new.csv")) && same(&at("link.csv"), &at("b/x.csv"))
            );
        }
    }
}
