//! What this program itself wrote beside recordings: no evidence of what they are.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::corpus::walk::file_name;

/// The record of runs in a folder of data.
const HISTORY: &str = "runs.sqlite";
/// How a manifest begins that was proposed.
const MANIFEST: &str = "path,emotion,speaker";
/// How predictions and their lists of errors begin.
const PREDICTIONS: [&str; 2] = ["file,start_s,end_s,emotion,", "file,kind,reason"];

/// The paths below `root` that are not of this program's making.
pub(super) fn without_own_files(root: &Path, paths: Vec<String>) -> Vec<String> {
    let mut known = BTreeMap::new();
    let mut in_own_folder = |path: &str| {
        path.match_indices('/').any(|(end, _)| {
            *known
                .entry(path[..end].to_owned())
                .or_insert_with(|| is_own_folder(root, &path[..end]))
        })
    };
    paths
        .into_iter()
        .filter(|path| !in_own_folder(path) && !is_own_table(&root.join(path)))
        .collect()
}

fn is_own_folder(root: &Path, folder: &str) -> bool {
    let place = root.join(folder);
    let holds = |wanted: &dyn Fn(&Path) -> bool| {
        fs::read_dir(&place)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .any(|entry| wanted(&entry.path()))
    };
    match file_name(folder) {
        "data" => {
            place.join("cache").is_dir()
                || is_own_folder(root, &format!("{folder}/manifests"))
                || place.join(HISTORY).is_file()
        }
        "manifests" => holds(&|path| begins(path, &[MANIFEST])),
        "reports" => holds(&|path| path.join("report.json").is_file()),
        "pipelines" => holds(&|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        }),
        _ => place.join(HISTORY).is_file(),
    }
}

fn is_own_table(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        && begins(path, &PREDICTIONS)
}

fn begins(path: &Path, starts: &[&str]) -> bool {
    let mut line = String::new();
    let read = fs::File::open(path)
        .and_then(|file| BufReader::new(std::io::Read::take(file, 4096)).read_line(&mut line));
    read.is_ok() && starts.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_program_wrote_is_no_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "data/manifests/u.csv",
            "path,emotion,speaker\na.wav,joy,1\n",
        );
        write("data/tables/u/utterances.csv", "path,label\n");
        write("data/corpora/demo/x.wav", "");
        write("elsewhere/manifests/u.csv", "path,emotion,speaker,sex\n");
        write("reports/u/report.json", "{}");
        write("reports/u/predictions.csv", "path,label\n");
        write("guess.csv", "file,start_s,end_s,emotion,happy\n");
        write("labels.csv", "path,emotion,speaker\n");
        write("sub/data/a.wav", "");
        write("sub/data/metadata.csv", "path,emotion,speaker\n");
        write("manifests/of-the-corpus.csv", "file;emotion\n");
        let all = crate::corpus::walk::walk(dir.path(), "", &["csv", "wav", "json"])
            .unwrap()
            .files;
        let left = without_own_files(dir.path(), all);
        assert_eq!(
            left,
            [
                "labels.csv",
                "manifests/of-the-corpus.csv",
                "sub/data/a.wav",
                "sub/data/metadata.csv"
            ]
        );
    }
}
