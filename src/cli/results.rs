//! `results`: the finished experiments of pipelines, a table for each protocol.

use std::path::Path;

use super::args::{Args, Results};
use super::variants::{self, Named};
use super::{not_ours, print, run, say, shell_word};
use crate::config::{self, Pipeline};
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::report::ResultsPipeline;
use crate::{pipeline, report};

/// Prints the text, or writes it to a file.
pub fn results(results: &Results, args: &Args) -> Result<()> {
    let names = if results.pipelines.is_empty() {
        run::known(&results.pipelines_dir)?
    } else {
        results.pipelines.clone()
    };
    let mut found = Vec::new();
    for name in &names {
        let Named { file, variant } = variants::named(&results.pipelines_dir, name);
        let pipeline = config::load(&file, &[], None)?;
        let word = shell_word(&file.display().to_string());
        let one = variant.is_some();
        let mut others = pipeline::variants(&pipeline.name, &results.reports_dir)?;
        match variant {
            None => {
                found.push(pipeline::results(
                    &pipeline,
                    &word,
                    &command(&pipeline, &word),
                    &results.reports_dir,
                )?);
                others.retain(|_| !results.no_variants);
            }
            Some(variant) => {
                let full_name = format!("{}@{variant}", pipeline.name);
                others.retain(|(other, _)| *other == full_name);
                if others.is_empty() {
                    let error = Error::missing(format!(
                        "there is no report of {full_name} in {}",
                        results.reports_dir.display()
                    ));
                    let run = format!("ser run {word} --set KEY=VALUE --as {variant}");
                    return Err(error.hint(format!(
                        "a variant comes of overrides: {run}; --reports-dir names another folder"
                    )));
                }
            }
        }
        for (full_name, overrides) in others {
            let (_, variant) = config::split_variant(&full_name);
            // Where a corpus lies is not in a report, and changes none of what is compared here.
            let overrides: Vec<String> = overrides
                .into_iter()
                .filter(|text| text.contains('='))
                .collect();
            let read = config::parse_variant(
                &pipeline.text,
                &file.display().to_string(),
                &overrides,
                None,
                variant,
            );
            let forget = || {
                format!(
                    "ser gc {} --forget --yes removes it",
                    shell_word(&full_name)
                )
            };
            let variant = match read {
                Ok(variant) => variant,
                Err(error) if one => return Err(error.hint(forget())),
                Err(error) => {
                    say(&format!(
                        "warning: {full_name} is left out, since its overrides no longer fit the file: {error}; {}",
                        forget()
                    ));
                    continue;
                }
            };
            found.push(pipeline::results(
                &variant,
                &word,
                &command(&variant, &word),
                &results.reports_dir,
            )?);
        }
    }
    if found
        .iter()
        .flat_map(|pipeline| &pipeline.experiments)
        .all(|experiment| experiment.lacks.is_some())
    {
        return Err(nothing(results, &names, &found));
    }
    let picture = results.output.as_deref().and_then(|output| {
        Some((
            output.with_extension("svg"),
            report::results_picture(&found)?,
        ))
    });
    let link = picture
        .as_ref()
        .and_then(|(path, _)| Some(path.file_name()?.to_string_lossy().into_owned()));
    let text = report::results(&found, env!("CARGO_PKG_VERSION"), link.as_deref());
    let json = args.global.json;
    let Some(output) = &results.output else {
        return print(
            if json {
                serde_json::json!({ "text": text }).to_string()
            } else {
                text
            }
            .trim_end(),
        );
    };
    check(output, &found)?;
    if let Some((path, picture)) = &picture {
        check_picture(path)?;
        write_atomically(path, picture.as_bytes())?;
    }
    write_atomically(output, text.as_bytes())?;
    let path = output.display().to_string();
    print(&if json {
        serde_json::json!({ "results": path }).to_string()
    } else {
        format!("results: {path}")
    })
}

/// Refuses to replace a picture of somebody else.
fn check_picture(path: &Path) -> Result<()> {
    let is_own = |text: Vec<u8>| String::from_utf8_lossy(&text).contains(report::RESULTS_PICTURE);
    match std::fs::read(path).map(is_own) {
        Ok(false) => Err(not_ours(path, "`ser results`")),
        _ => Ok(()),
    }
}

/// What runs a pipeline or a variant of it.
fn command(pipeline: &Pipeline, file: &str) -> String {
    let set: String = pipeline
        .overrides
        .iter()
        .map(|text| format!(" --set {}", shell_word(text)))
        .collect();
    let derived = config::derived_name(&pipeline.overrides);
    let name = pipeline
        .variant
        .as_ref()
        .filter(|name| **name != derived)
        .map(|name| format!(" --as {name}"));
    format!("ser run {file}{set}{}", name.unwrap_or_default())
}

/// Refuses to replace what this command has not written, and tables of pipelines that have no
/// result now.
fn check(output: &Path, found: &[ResultsPipeline]) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(output) else {
        let other = output.exists();
        return if other {
            Err(Error::usage(format!("{} is no text", output.display())).hint("name another file"))
        } else {
            Ok(())
        };
    };
    let own = text.starts_with(report::RESULTS_HEAD)
        && (text.contains("`ser results`") || text.contains("`make results`"));
    if !text.is_empty() && !own {
        return Err(not_ours(output, "`ser results`"));
    }
    let held = |file: &str| {
        let command = format!("`ser run {file} ");
        text.lines().any(|line| {
            line.contains(&command) && !line.contains("| not run") && !line.contains("| failed:")
        })
    };
    let lacking = |pipeline: &&ResultsPipeline| {
        pipeline.experiments.iter().all(|one| one.lacks.is_some()) && held(&pipeline.file)
    };
    match found.iter().find(lacking) {
        None => Ok(()),
        Some(pipeline) => {
            let error = Error::missing(format!(
                "there is no result of {} now, and {} may have some",
                pipeline.file,
                output.display()
            ));
            Err(error.hint("run it, leave it out of the command, or name another file"))
        }
    }
}

/// Tables of nothing would take the place of those of an earlier day.
fn nothing(results: &Results, names: &[String], found: &[ResultsPipeline]) -> Error {
    let of = if names.len() == 1 {
        names.concat()
    } else {
        format!("any of {} pipelines", names.len())
    };
    // Why the first that is more than not run has none.
    let lacks = || {
        found
            .iter()
            .flat_map(|pipeline| &pipeline.experiments)
            .filter_map(|e| Some((&e.name, e.lacks.as_deref()?)))
    };
    let why = lacks()
        .find(|(_, why)| *why != "not run")
        .map(|(name, why)| format!("; {name}: {why}"))
        .unwrap_or_default();
    let error = Error::missing(format!(
        "there is no result of {of} in {}{why}",
        results.reports_dir.display()
    ));
    error.hint(format!(
        "run what is to stand there first: ser run {}; --reports-dir names another folder",
        names.join(" ")
    ))
}
