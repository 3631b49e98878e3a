//! The recordings that both sides read.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A corpus, and the part of it that the peers are given.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// Name of its pipeline and of its folder.
    pub name: &'static str,
    /// For readers.
    pub title: &'static str,
    /// Folder that holds the corpus' own folder: all of it.
    pub whole: PathBuf,
    /// Number of WAV files in it.
    pub files: usize,
    /// Folder that holds a folder of links to every K-th file.
    pub part: PathBuf,
    /// Number of these.
    pub taken: usize,
}

/// Where a corpus lies and which of its files the peers are given.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Folder of the corpora.
    pub corpora: &'a Path,
    /// Folder for the links, which is made anew.
    pub links: &'a Path,
    /// Every so many-th file of the sorted list.
    pub every: usize,
    /// At most so many of these.
    pub limit: usize,
}

impl Corpus {
    /// Lists the corpus, reads it once so that every run finds it in memory, and links the part.
    ///
    /// # Errors
    /// Why it cannot be used, and what to do.
    pub fn prepare(
        name: &'static str,
        title: &'static str,
        choice: Choice,
    ) -> Result<Corpus, String> {
        let root = choice.corpora.join(name);
        if !root.is_dir() {
            return Err(format!(
                "{title} is not at {}: make corpora DATASET={name}, or give CORPORA_DIR",
                root.display()
            ));
        }
        let refused = |path: &Path| {
            let path = path.display().to_string();
            move |e: io::Error| format!("{path}: {e}")
        };
        let root = fs::canonicalize(&root).map_err(refused(&root))?;
        let mut files = Vec::new();
        list(&root, &mut files).map_err(refused(&root))?;
        files.sort();
        if files.is_empty() {
            return Err(format!("{title}: no WAV file below {}", root.display()));
        }
        let part = choice.links.to_owned();
        let folder = part.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(refused(&folder))?;
        }
        let chosen: Vec<&PathBuf> = files
            .iter()
            .step_by(choice.every)
            .take(choice.limit)
            .collect();
        for file in &chosen {
            let link = folder.join(file.strip_prefix(&root).unwrap_or(file));
            let parent = link.parent().unwrap_or(&folder);
            fs::create_dir_all(parent).map_err(refused(parent))?;
            std::os::unix::fs::symlink(file, &link).map_err(refused(&link))?;
        }
        for file in &files {
            File::open(file)
                .and_then(|mut file| io::copy(&mut file, &mut io::sink()))
                .map_err(refused(file))?;
        }
        Ok(Corpus {
            name,
            title,
            whole: choice.corpora.to_owned(),
            files: files.len(),
            taken: chosen.len(),
            part,
        })
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "wav") {
            files.push(path);
        }
    }
    Ok(())
}
