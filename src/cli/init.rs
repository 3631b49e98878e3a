//! `init`: writes pipeline files that come with the program, and their schema.

use std::path::{Path, PathBuf};

use super::args::{Args, InitPipelines};
use super::{print, schema, shell_word};
use crate::config::{SHIPPED, suggestion};
use crate::error::{Error, Result};
use crate::files::{create_folder, write_atomically};

/// Writes the named files, or all of them. None is written where one would replace a file with
/// other content, unless forced.
pub fn init(init: &InitPipelines, args: &Args) -> Result<()> {
    let chosen = chosen(&init.names)?;
    let mut files: Vec<(PathBuf, &str, bool)> = Vec::new();
    for (name, text) in chosen {
        let path = init.pipelines_dir.join(format!("{name}.toml"));
        let same = std::fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes());
        if path.exists() && !same && !init.force {
            let error = Error::usage(format!(
                "{} is there already, with other content",
                path.display()
            ));
            return Err(error.hint(
                "keep yours under another name, or replace it with --force; nothing was written",
            ));
        }
        files.push((path, text, same));
    }
    create_folder(&init.pipelines_dir)?;
    for (path, text, _) in files.iter().filter(|(_, _, same)| !same) {
        write_atomically(path, text.as_bytes())?;
    }
    schema::write_beside(&init.pipelines_dir)?;
    if args.global.json {
        let list = |wanted: bool| -> Vec<&Path> {
            files
                .iter()
                .filter(|file| file.2 == wanted)
                .map(|file| file.0.as_path())
                .collect()
        };
        return print(
            &serde_json::json!({ "written": list(false), "unchanged": list(true) }).to_string(),
        );
    }
    for (path, _, same) in &files {
        print(&format!(
            "{} {}",
            if *same { "unchanged" } else { "wrote" },
            path.display()
        ))?;
    }
    print(&format!("next: {}", next(&init.pipelines_dir, &files)))
}

fn chosen(names: &[String]) -> Result<Vec<(&'static str, &'static str)>> {
    let known = SHIPPED.map(|(name, _)| name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let error = Error::usage(format!("no pipeline `{unknown}` comes with ser"));
        return Err(error.hint(suggestion(unknown, "names", &known)));
    }
    Ok(SHIPPED
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
        .collect())
}

/// The command that runs what was written: the demo where it is among it, since it needs no corpus.
fn next(folder: &Path, files: &[(PathBuf, &str, bool)]) -> String {
    let stem = |path: &Path| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let names: Vec<String> = files.iter().map(|(path, ..)| stem(path)).collect();
    let name = names
        .iter()
        .find(|name| *name == "demo")
        .or(names.first())
        .cloned()
        .unwrap_or_default();
    let elsewhere = if folder == Path::new("pipelines") {
        String::new()
    } else {
        format!(
            " --pipelines-dir {}",
            shell_word(&folder.display().to_string())
        )
    };
    format!("ser run {name}{elsewhere}")
}
