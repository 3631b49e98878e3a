//! Experiments that are written once: `[defaults]` for all of them, `[setting.NAME]` for groups of
//! keys, and `matrix`, which makes one experiment of each combination of settings.
//!
//! The file is expanded before anything else is done with it, so that overrides, checks and keys of
//! tasks see the experiments as if each had been written out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::experiment::is_reached;
use super::overrides::kind_of_model;
use super::source::{SourceMap, shorten, suggestion};
use crate::error::{Error, Result};

/// Keys of a file that are gone once it is expanded.
pub(super) const OF_FILE: [&str; 2] = ["defaults", "setting"];
/// The key of an experiment that is gone once it is expanded.
pub(super) const MATRIX: &str = "matrix";
/// Tables of an experiment that are merged key by key; others are taken whole.
const MERGED: [&str; 3] = ["inputs", "train", "search"];
/// Most experiments of one matrix.
const MOST: usize = 256;

type Table<'a> = DeTable<'a>;
type Written<'a> = Spanned<DeValue<'a>>;

/// A `[setting.NAME]`.
struct Setting<'a> {
    name: String,
    /// What names of experiments get.
    suffix: String,
    /// What titles get.
    title: Option<String>,
    keys: Table<'a>,
}

/// Replaces the experiments of a file by those that `[defaults]`, settings and matrices make.
pub(super) fn expand<'a>(root: &mut Table<'a>, source: &SourceMap) -> Result<()> {
    let defaults = match root.remove("defaults") {
        Some(written) => Some(table(written, "defaults", source)?),
        None => None,
    };
    if let Some(defaults) = &defaults {
        for key in ["name", "title", MATRIX] {
            let why = format!("`{key}` belongs to one experiment, and not to all");
            refuse_key(defaults, key, &why, source)?;
        }
    }
    let settings = settings(root, source)?;
    let Some(DeValue::Array(written)) = root.get_mut("experiment").map(Spanned::get_mut) else {
        return Ok(());
    };
    let mut expanded = DeArray::new();
    let mut suffixes = Vec::new();
    for item in std::mem::replace(written, DeArray::new()) {
        let span = item.span();
        let mut experiment = match item.into_inner() {
            DeValue::Table(experiment) => experiment,
            other => {
                // The reader says what is wrong with it.
                expanded.push(Spanned::new(span, other));
                suffixes.push(String::new());
                continue;
            }
        };
        let combinations = match experiment.remove(MATRIX) {
            Some(matrix) => combinations(&matrix, &settings, source)?,
            None => vec![Vec::new()],
        };
        for combination in combinations {
            let mut one = experiment.clone();
            let suffix: String = combination.iter().map(|s| s.suffix.as_str()).collect();
            append(&mut one, "name", "", &suffix);
            for setting in &combination {
                if let Some(title) = &setting.title {
                    append(&mut one, "title", ", ", title);
                }
                add(&mut one, setting, source)?;
            }
            if let Some(defaults) = &defaults {
                let kind = kind_of_model(&one).or(kind_of_model(defaults));
                let kind = kind.map(str::to_owned);
                fill(&mut one, defaults, &|key| is_reached(kind.as_deref(), key));
            }
            expanded.push(Spanned::new(span.clone(), DeValue::Table(one)));
            suffixes.push(suffix);
        }
    }
    rename_members(&mut expanded, &suffixes);
    *written = expanded;
    Ok(())
}

fn table<'a>(written: Written<'a>, name: &str, source: &SourceMap) -> Result<Table<'a>> {
    let span = written.span();
    match written.into_inner() {
        DeValue::Table(table) => Ok(table),
        _ => Err(source.error(&span, format!("`{name}` is a table of keys of experiments"))),
    }
}

fn refuse_key(table: &Table<'_>, key: &str, why: &str, source: &SourceMap) -> Result<()> {
    match table.get(key) {
        Some(written) => Err(source.error(&written.span(), why)),
        None => Ok(()),
    }
}

fn settings<'a>(root: &mut Table<'a>, source: &SourceMap) -> Result<Vec<Setting<'a>>> {
    let Some(written) = root.remove("setting") else {
        return Ok(Vec::new());
    };
    let mut settings = Vec::new();
    for (name, written) in table(written, "setting", source)? {
        let name = name.into_inner().into_owned();
        let mut keys = table(written, &format!("setting.{name}"), source)?;
        for key in ["name", MATRIX] {
            let why = format!("a setting has no `{key}`: experiments have one each");
            refuse_key(&keys, key, &why, source)?;
        }
        let suffix = text(keys.remove("suffix"), source)?;
        settings.push(Setting {
            suffix: suffix.unwrap_or_else(|| format!("-{name}")),
            title: text(keys.remove("title"), source)?,
            name,
            keys,
        });
    }
    Ok(settings)
}

fn text(written: Option<Written<'_>>, source: &SourceMap) -> Result<Option<String>> {
    match written {
        Some(written) => match written.get_ref() {
            DeValue::String(text) => Ok(Some(text.clone().into_owned())),
            _ => Err(source.error(&written.span(), "expected a string")),
        },
        None => Ok(None),
    }
}

/// The combinations of one setting of each list, later lists varying faster; an empty name is no
/// setting. A list of names is one list of them.
fn combinations<'s, 'a>(
    matrix: &Written<'_>,
    settings: &'s [Setting<'a>],
    source: &SourceMap,
) -> Result<Vec<Vec<&'s Setting<'a>>>> {
    let wrong = |span: &Range<usize>| {
        let error = source.error(
            span,
            "a matrix is a list of settings, or a list of such lists",
        );
        error.hint("for example matrix = [\"shared\", \"unseen\"], with [setting.shared] and [setting.unseen]")
    };
    let DeValue::Array(items) = matrix.get_ref() else {
        return Err(wrong(&matrix.span()));
    };
    let is_flat = items.iter().all(|item| item.get_ref().is_str());
    let lists: Vec<&Written<'_>> = if is_flat {
        vec![matrix]
    } else {
        items.iter().collect()
    };
    let mut all: Vec<Vec<&Setting<'a>>> = vec![Vec::new()];
    for list in lists {
        let DeValue::Array(names) = list.get_ref() else {
            return Err(wrong(&list.span()));
        };
        if names.is_empty() {
            return Err(wrong(&list.span()));
        }
        let mut next = Vec::new();
        for before in &all {
            for name in names.iter() {
                let Some(word) = name.get_ref().as_str() else {
                    return Err(wrong(&name.span()));
                };
                if word.is_empty() {
                    next.push(before.clone());
                    continue;
                }
                let known: Vec<&str> = settings.iter().map(|s| s.name.as_str()).collect();
                let Some(setting) = settings.iter().find(|setting| setting.name == word) else {
                    let message = format!("there is no [setting.{}]", shorten(word));
                    let error = source.error(&name.span(), message);
                    return Err(error.hint(suggestion(word, "settings", &known)));
                };
                let mut combination = before.clone();
                combination.push(setting);
                next.push(combination);
            }
        }
        if next.len() > MOST {
            let message = format!("a matrix of more than {MOST} experiments");
            return Err(source.error(&matrix.span(), message));
        }
        all = next;
    }
    Ok(all)
}

/// Appends to a text, if there is one.
fn append(table: &mut Table<'_>, key: &str, between: &str, more: &str) {
    if let Some(DeValue::String(text)) = table.get_mut(key).map(Spanned::get_mut) {
        *text = Cow::Owned(format!("{text}{between}{more}"));
    }
}

/// Puts the keys of a setting into an experiment, as far as its model has a use for them; a key that is there already would be varied by
/// nothing.
fn add<'a>(experiment: &mut Table<'a>, setting: &Setting<'a>, source: &SourceMap) -> Result<()> {
    let kind = kind_of_model(experiment).or(kind_of_model(&setting.keys));
    let kind = kind.map(str::to_owned);
    for (key, value) in setting.keys.iter() {
        let name: &str = key.get_ref();
        if !is_reached(kind.as_deref(), name) {
            continue;
        }
        match (
            experiment.get_mut(name).map(Spanned::get_mut),
            value.get_ref(),
        ) {
            (None, _) => drop(experiment.insert(key.clone(), value.clone())),
            (Some(DeValue::Table(own)), DeValue::Table(more)) if MERGED.contains(&name) => {
                for (key, value) in more.iter() {
                    if let Some(own) = own.get(key.get_ref().as_ref()) {
                        return Err(twice(key.get_ref(), &own.span(), setting, source));
                    }
                    own.insert(key.clone(), value.clone());
                }
            }
            (Some(_), _) => {
                let span = experiment.get(name).map_or(key.span(), Spanned::span);
                return Err(twice(name, &span, setting, source));
            }
        }
    }
    Ok(())
}

fn twice(key: &str, own: &Range<usize>, setting: &Setting<'_>, source: &SourceMap) -> Error {
    let message = format!(
        "`{key}` is given here and by the setting `{}` of the matrix",
        setting.name
    );
    let error = source.error(own, message);
    error.hint(
        "leave it to one of them; what holds for all experiments otherwise stands in [defaults]",
    )
}

/// Puts those defaults that reach an experiment where it says nothing.
fn fill<'a>(experiment: &mut Table<'a>, defaults: &Table<'a>, is_reached: &dyn Fn(&str) -> bool) {
    for (key, value) in defaults.iter() {
        let name: &str = key.get_ref();
        if !is_reached(name) {
            continue;
        }
        match (
            experiment.get_mut(name).map(Spanned::get_mut),
            value.get_ref(),
        ) {
            (None, _) => drop(experiment.insert(key.clone(), value.clone())),
            (Some(DeValue::Table(own)), DeValue::Table(more)) if MERGED.contains(&name) => {
                fill(own, more, &|_| true);
            }
            (Some(_), _) => {}
        }
    }
}

/// Members of an ensemble that a matrix made are the experiments that the same settings made, where
/// there are such.
fn rename_members(experiments: &mut DeArray<'_>, suffixes: &[String]) {
    let name = |item: &Written<'_>| {
        let table = item.get_ref().as_table()?;
        table.get("name")?.get_ref().as_str().map(str::to_owned)
    };
    let names: BTreeSet<String> = experiments.iter().filter_map(name).collect();
    for (item, suffix) in experiments.iter_mut().zip(suffixes) {
        let model = match item.get_mut() {
            DeValue::Table(table) => table.get_mut("model").map(Spanned::get_mut),
            _ => None,
        };
        let Some(DeValue::Table(model)) = model else {
            continue;
        };
        let Some(DeValue::Array(members)) = model.get_mut("members").map(Spanned::get_mut) else {
            continue;
        };
        for member in members.iter_mut() {
            if let DeValue::String(member) = member.get_mut() {
                let varied = format!("{member}{suffix}");
                if names.contains(&varied) {
                    *member = Cow::Owned(varied);
                }
            }
        }
    }
}

/// The schema of a file with the keys that are expanded.
pub(super) fn with_keys(mut schema: Value) -> Value {
    let mut experiment = schema["properties"]["experiment"]["items"].clone();
    experiment["properties"][MATRIX] = json!({
        "type": "array",
        "items": { "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] },
        "minItems": 1,
        "description": "One experiment for each of these settings (`[setting.NAME]`; `\"\"` is none); with several lists, for each combination of one of each.",
    });
    let mut keys = experiment.clone();
    keys["required"] = json!([]);
    for key in ["name", "title", MATRIX] {
        keys["properties"]
            .as_object_mut()
            .map(|all| all.remove(key));
    }
    let mut setting = keys.clone();
    setting["properties"]["suffix"] = json!({
        "type": "string",
        "x-default": "`-` and its name",
        "description": "What the names of experiments get.",
    });
    setting["properties"]["title"] = json!({
        "type": "string",
        "format": "text",
        "description": "What the titles of experiments get, after a comma.",
    });
    let properties = &mut schema["properties"];
    keys["x-default"] = json!("empty");
    keys["description"] = json!("Keys of experiments that do not have them.");
    properties["defaults"] = keys;
    properties["setting"] = json!({
        "type": "object",
        "additionalProperties": setting,
        "description": "`[setting.NAME]`: keys of the experiments whose `matrix` names it, see below.",
    });
    properties["experiment"]["items"] = experiment;
    schema
}

/// The schema for editors, which see files as they are written: what an experiment needs may stand
/// in defaults or settings.
pub(super) fn as_written(mut schema: Value) -> Value {
    schema["properties"]["experiment"]["items"]["required"] = json!(["name"]);
    schema
}

#[cfg(test)]
mod tests {
    use crate::config::Pipeline;
    use crate::config::tests::{read, refused, says};

    const SHORT: &str = r#"
name = "small"

[corpus]
kind = "ravdess"

[defaults]
inputs = { log_mel = true, scaler = "standard" }

[setting.shared]
suffix = ""
title = "speakers shared"
protocol = { kind = "stratified-kfold", folds = 5 }

[setting.unseen]
title = "speakers unseen"
protocol = { kind = "leave-one-speaker-out" }
require = "speaker-disjoint"

[setting.transductive]
title = "transductive"
inputs.scaler = "per-speaker"

[[experiment]]
name = "svm"
title = "SVM"
matrix = [["shared", "unseen"], ["", "transductive"]]
model = { kind = "svm" }

[[experiment]]
name = "tree"
matrix = ["shared", "unseen"]
inputs = { log_mel = false }
model = { kind = "random-forest" }

[[experiment]]
name = "both"
matrix = ["unseen"]
model = { kind = "ensemble", members = ["svm", "tree"] }

[[experiment]]
name = "chance"
protocol = { kind = "stratified-kfold", folds = 2 }
model = { kind = "majority" }
"#;

    const LONG: &str = r#"
name = "small"

[corpus]
kind = "ravdess"

[[experiment]]
name = "svm"
title = "SVM, speakers shared"
protocol = { kind = "stratified-kfold", folds = 5 }
inputs = { log_mel = true, scaler = "standard" }
model = { kind = "svm" }

[[experiment]]
name = "svm-transductive"
title = "SVM, speakers shared, transductive"
protocol = { kind = "stratified-kfold", folds = 5 }
inputs = { log_mel = true, scaler = "per-speaker" }
model = { kind = "svm" }

[[experiment]]
name = "svm-unseen"
title = "SVM, speakers unseen"
protocol = { kind = "leave-one-speaker-out" }
require = "speaker-disjoint"
inputs = { log_mel = true, scaler = "standard" }
model = { kind = "svm" }

[[experiment]]
name = "svm-unseen-transductive"
title = "SVM, speakers unseen, transductive"
protocol = { kind = "leave-one-speaker-out" }
require = "speaker-disjoint"
inputs = { log_mel = true, scaler = "per-speaker" }
model = { kind = "svm" }

[[experiment]]
name = "tree"
protocol = { kind = "stratified-kfold", folds = 5 }
inputs = { log_mel = false, scaler = "standard" }
model = { kind = "random-forest" }

[[experiment]]
name = "tree-unseen"
protocol = { kind = "leave-one-speaker-out" }
require = "speaker-disjoint"
inputs = { log_mel = false, scaler = "standard" }
model = { kind = "random-forest" }

[[experiment]]
name = "both-unseen"
protocol = { kind = "leave-one-speaker-out" }
require = "speaker-disjoint"
model = { kind = "ensemble", members = ["svm-unseen", "tree-unseen"] }

[[experiment]]
name = "chance"
protocol = { kind = "stratified-kfold", folds = 2 }
inputs = { log_mel = true, scaler = "standard" }
model = { kind = "majority" }
"#;

    #[test]
    fn a_matrix_is_what_would_have_been_written_out() {
        for overrides in [
            &[][..],
            &["experiment.svm-unseen.model.c=3"][..],
            &["seeds=[1]"],
        ] {
            let (short, long) = (read(SHORT, overrides), read(LONG, overrides));
            let (short, long) = (short.expect("short"), long.expect("long"));
            let without_text = |pipeline: Pipeline| Pipeline {
                text: String::new(),
                ..pipeline
            };
            assert_eq!(without_text(short), without_text(long));
        }
    }

    #[test]
    fn what_cannot_be_expanded_is_said_with_its_place() {
        for (from, to, message) in [
            (
                "\"shared\", \"unseen\"]\ninputs",
                "\"shraed\"]\ninputs",
                "there is no [setting.shraed] … did you mean `shared`?",
            ),
            (
                "matrix = [\"unseen\"]",
                "matrix = []",
                "a matrix is a list of settings",
            ),
            (
                "matrix = [\"unseen\"]",
                "matrix = [[\"unseen\"], 3]",
                "a matrix is a list of settings",
            ),
            (
                "matrix = [\"unseen\"]",
                "matrix = [\"unseen\", \"shared\"]\nprotocol = { kind = \"published\", name = \"emobox\" }",
                "`protocol` is given here and by the setting `unseen`",
            ),
            ("log_mel = false", "scaler = \"none\"", "no error"),
            (
                "[\"shared\", \"unseen\"]\ninputs = { log_mel = false }",
                "[\"transductive\"]\ninputs = { scaler = \"none\" }",
                "`scaler` is given here and by the setting `transductive`",
            ),
            (
                "[defaults]",
                "[defaults]\nname = \"x\"",
                "`name` belongs to one experiment",
            ),
            (
                "[setting.transductive]",
                "[setting.transductive]\nname = \"x\"",
                "a setting has no `name`",
            ),
            ("suffix = \"\"", "suffix = 3", "expected a string"),
            (
                "[defaults]\ninputs",
                "[defaults]\nmodle = 3\ninputs",
                "unknown key `modle`",
            ),
        ] {
            assert!(SHORT.contains(from), "{from}");
            let text = SHORT.replacen(from, to, 1);
            if message == "no error" {
                read(&text, &[]).expect("read");
            } else {
                says(&refused(&text, &[]), message);
            }
        }
        says(
            &refused(SHORT, &["defaults.seeds=[1]"]),
            "unknown key `defaults`",
        );
    }
}
