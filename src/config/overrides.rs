//! `--set key=value`: the same keys as in the file, put into the table that the file gives before
//! anything is checked.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::pipeline::SCHEMA;
use super::schema;
use super::source::{SourceMap, shorten, suggestion};
use super::{experiment, matrix};
use crate::error::{Error, Result};

/// Keys that decide which classes there are.
const OF_CLASSES: [&str; 4] = [
    "corpus.labels",
    "corpus.label_map",
    "corpus.excitement",
    "corpus.parts",
];

/// Experiments that are tried one by one at most, to say which of them an override fits.
const MOST_TRIED: usize = 64;

/// Parts that a key has at most: no pipeline goes half as deep, and a table is gone through by a
/// call for each.
const DEEPEST: usize = 16;

/// One part of a dotted key, with its place.
type Segment<'a> = (&'a str, Range<usize>);

/// Applies every override in the order given; later ones win.
pub(super) fn apply<'a>(root: &mut DeTable<'a>, source: &'a SourceMap) -> Result<()> {
    for (base, text) in source.overrides() {
        let Some((key, written)) = text.split_once('=') else {
            let error = source.error(&(base..base + text.len()), "an override is KEY=VALUE");
            return Err(error.hint("for example --set train.epochs=15"));
        };
        let path = segments(key, base);
        if let Some((_, span)) = path.iter().find(|(word, _)| word.is_empty()) {
            return Err(source
                .error(span, "a part of the key is empty")
                .hint("for example --set train.epochs=15"));
        }
        if path.len() > DEEPEST {
            let error = source.error(
                &(base..base + key.len()),
                format!("a key of {} parts", path.len()),
            );
            return Err(error.hint("for example --set train.epochs=15"));
        }
        let value = parse_value(written, base + key.len() + 1, source)?;
        put(root, &path, &value, source)?;
    }
    Ok(())
}

/// The key of an override.
pub(super) fn key(text: &str) -> &str {
    text.split('=').next().unwrap_or_default().trim()
}

/// In words, where overrides change which classes there are; `labels` are those that are left,
/// where the pipeline names them.
pub(super) fn classes(overrides: &[String], labels: &[String]) -> Option<String> {
    let of_classes = |text: &String| {
        OF_CLASSES.iter().any(|of| {
            key(text) == *of
                || key(text)
                    .strip_prefix(of)
                    .is_some_and(|rest| rest.starts_with('.'))
        })
    };
    overrides.iter().any(of_classes).then(|| {
        if labels.is_empty() {
            "other classes, chosen for this run".to_owned()
        } else {
            format!("these classes alone: {}", labels.join(", "))
        }
    })
}

/// Where one override for all experiments is what is wrong, and some of them would take it: says
/// which, and how to name one. `works` says whether the file `text` can be read with other overrides.
pub(super) fn by_name(
    error: Error,
    text: &str,
    overrides: &[String],
    works: &dyn Fn(&[String]) -> bool,
) -> Error {
    match narrower(text, overrides, works) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn narrower(text: &str, overrides: &[String], works: &dyn Fn(&[String]) -> bool) -> Option<String> {
    let for_all = |text: &str| {
        let first = text.split(['.', '=']).next().unwrap_or_default().trim();
        let (of_file, of_experiments) = first_keys();
        !of_file.contains(&first) && of_experiments.contains(&first)
    };
    let in_place = |i: usize, other: Option<String>| -> Vec<String> {
        let (before, after) = (overrides.iter().take(i), overrides.iter().skip(i + 1));
        before.cloned().chain(other).chain(after.cloned()).collect()
    };
    let candidates = overrides
        .iter()
        .enumerate()
        .filter(|(_, text)| for_all(text));
    let (i, wrong) = candidates
        .take(MOST_TRIED)
        .find(|(i, _)| works(&in_place(*i, None)))?;
    let mut root = DeTable::parse(text).ok()?.into_inner();
    matrix::expand(&mut root, &SourceMap::new("", text, &[])).ok()?;
    let names: Vec<String> = experiments(&mut root)
        .filter_map(|e| string(e, "name").map(str::to_owned))
        .take(MOST_TRIED)
        .collect();
    let named = |name: &str| format!("experiment.{name}.{}", wrong.trim());
    let (fit, unfit): (Vec<&String>, Vec<&String>) = names
        .iter()
        .partition(|name| works(&in_place(i, Some(named(name)))));
    let (first, refusing) = (fit.first()?, unfit.first()?);
    let others = if unfit.len() > 1 {
        format!(" and {} more", unfit.len() - 1)
    } else {
        String::new()
    };
    Some(format!(
        "experiment `{refusing}`{others} cannot take it; name one that can: --set {}",
        named(first)
    ))
}

/// First keys that mean the pipeline itself, and those that mean every experiment.
fn first_keys() -> (Vec<&'static str>, Vec<&'static str>) {
    let of_file = schema::fields(&SCHEMA, None);
    let of_experiment = of_file.get("experiment").map(|list| &list["items"]);
    let of_experiment = of_experiment
        .map(|one| schema::fields(one, None))
        .unwrap_or_default();
    let of_file: Vec<&str> = of_file
        .into_keys()
        .filter(|key| *key != "experiment" && !matrix::OF_FILE.contains(key))
        .collect();
    let of_experiment = of_experiment
        .into_keys()
        .filter(|key| !of_file.contains(key) && *key != matrix::MATRIX)
        .collect();
    (of_file, of_experiment)
}

fn segments(key: &str, base: usize) -> Vec<Segment<'_>> {
    let mut start = base;
    key.split('.')
        .map(|part| {
            let from = start + (part.len() - part.trim_start().len());
            start += part.len() + 1;
            (part.trim(), from..from + part.trim().len())
        })
        .collect()
}

/// A TOML value; what is none is a string, so that paths and words need no quotes.
fn parse_value<'a>(
    written: &'a str,
    base: usize,
    source: &SourceMap,
) -> Result<Spanned<DeValue<'a>>> {
    let trimmed = written.trim();
    let base = base + (written.len() - written.trim_start().len());
    match DeValue::parse(trimmed) {
        Ok(value) => Ok(shift(value, base)),
        Err(error) if trimmed.starts_with(['"', '\'', '[', '{']) => {
            let span = error.span().unwrap_or(0..trimmed.len());
            Err(source.error(&(span.start + base..span.end + base), error.message()))
        }
        Err(_) => Ok(Spanned::new(
            base..base + trimmed.len(),
            DeValue::String(Cow::Borrowed(trimmed)),
        )),
    }
}

/// The same value with every span moved into the offsets of [`SourceMap`]. Depth is bounded by the TOML
/// reader.
fn shift(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let moved = |span: Range<usize>| span.start + by..span.end + by;
    let span = moved(value.span());
    let inner = match value.into_inner() {
        DeValue::Array(items) => {
            let mut array = DeArray::new();
            items
                .into_iter()
                .for_each(|item| array.push(shift(item, by)));
            DeValue::Array(array)
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (Spanned<_>, _)| {
                (
                    Spanned::new(moved(key.span()), key.into_inner()),
                    shift(value, by),
                )
            };
            DeValue::Table(table.into_iter().map(entry).collect())
        }
        other => other,
    };
    Spanned::new(span, inner)
}

fn put<'a>(
    root: &mut DeTable<'a>,
    path: &[Segment<'a>],
    value: &Spanned<DeValue<'a>>,
    source: &SourceMap,
) -> Result<()> {
    let Some(((first, span), rest)) = path.split_first() else {
        return Ok(());
    };
    let (of_file, of_experiments) = first_keys();
    if of_file.contains(first) {
        return insert(root, path, value, source);
    }
    if *first == "experiment" {
        return put_by_name(root, span, rest, value, source);
    }
    if !of_experiments.contains(first) {
        let known = [&of_file[..], &["experiment.NAME"], &of_experiments].concat();
        return Err(source
            .error(span, format!("unknown key `{}`", shorten(first)))
            .hint(suggestion(first, "keys", &known)));
    }
    let mut is_used = false;
    for experiment in experiments(root) {
        if experiment::is_reached(kind_of_model(experiment), first) {
            insert(experiment, path, value, source)?;
            is_used = true;
        }
    }
    // A file without any experiment is wrong in itself and said to be so later.
    if !is_used && experiments(root).next().is_some() {
        let models = match *first {
            "train" => "a network",
            "seeds" => "a network or a random forest",
            _ => "a model",
        };
        return Err(source.error(
            span,
            format!("no experiment here trains {models}: `{first}` would change nothing"),
        ));
    }
    Ok(())
}

/// `experiment.NAME.key…`
fn put_by_name<'a>(
    root: &mut DeTable<'a>,
    span: &Range<usize>,
    rest: &[Segment<'a>],
    value: &Spanned<DeValue<'a>>,
    source: &SourceMap,
) -> Result<()> {
    let Some(((name, name_span), path @ [_, ..])) = rest.split_first() else {
        return Err(source
            .error(span, "an experiment's key is experiment.NAME.KEY")
            .hint("for example --set experiment.quick.train.epochs=15"));
    };
    let names: Vec<String> = experiments(root)
        .filter_map(|e| string(e, "name").map(str::to_owned))
        .collect();
    if !names.is_empty() && !names.iter().any(|n| n == name) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(source
            .error(name_span, format!("no experiment `{}` here", shorten(name)))
            .hint(suggestion(name, "experiments", &names)));
    }
    for experiment in experiments(root).filter(|e| string(e, "name") == Some(*name)) {
        insert(experiment, path, value, source)?;
    }
    Ok(())
}

fn insert<'a>(
    table: &mut DeTable<'a>,
    path: &[Segment<'a>],
    value: &Spanned<DeValue<'a>>,
    source: &SourceMap,
) -> Result<()> {
    let Some(((key, span), rest)) = path.split_first() else {
        return Ok(());
    };
    let spanned = Spanned::new(span.clone(), Cow::Borrowed(*key));
    if rest.is_empty() {
        // The old key would keep its old place.
        table.remove(*key);
        table.insert(spanned, value.clone());
        return Ok(());
    }
    if !table.contains_key(*key) {
        table.insert(
            spanned,
            Spanned::new(span.clone(), DeValue::Table(DeTable::new())),
        );
    }
    match table.get_mut(*key).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => insert(inner, rest, value, source),
        _ => Err(source.error(
            span,
            format!("`{}` is no table and has no keys of its own", shorten(key)),
        )),
    }
}

/// The tables under `experiment`; none where the file has something else there, which is reported
/// later.
fn experiments<'t, 'a>(root: &'t mut DeTable<'a>) -> impl Iterator<Item = &'t mut DeTable<'a>> {
    let items: &mut [Spanned<DeValue<'a>>] = match root.get_mut("experiment").map(Spanned::get_mut)
    {
        Some(DeValue::Array(items)) => items,
        _ => &mut [],
    };
    items.iter_mut().filter_map(|item| match item.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    })
}

fn string<'t>(table: &'t DeTable<'_>, key: &str) -> Option<&'t str> {
    match table.get(key)?.get_ref() {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn kind_of_model<'t>(experiment: &'t DeTable<'_>) -> Option<&'t str> {
    match experiment.get("model")?.get_ref() {
        DeValue::Table(model) => string(model, "kind"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{MINIMAL, read, refused, says};

    #[test]
    fn an_override_that_some_experiments_refuse_is_offered_to_the_others() {
        says(
            &refused(MINIMAL, &["model.c=2"]),
            "`c` … experiment `a` cannot take it … --set experiment.b.model.c=2",
        );
        assert!(read(MINIMAL, &["experiment.b.model.c=2"]).is_ok());
        let nobody = refused(MINIMAL, &["model.frobnicate=2"]);
        assert!(!nobody.contains("cannot take it"), "{nobody}");
        let several = refused(MINIMAL, &["split_seed=3", "model.c=2"]);
        says(&several, "--set experiment.b.model.c=2");
    }

    #[test]
    fn other_classes_are_another_task() {
        let file = format!(
            "{MINIMAL}\n[[published]]\nsource = \"S\"\nsystem = \"s\"\nprotocol = \"p\"\naccuracy = 0.5\nmark = \"P\"\n"
        );
        let plain = read(&file, &["split_seed=3"]).unwrap();
        assert_eq!(plain.published.len(), 1);
        let few = read(&file, &["corpus.labels=[\"angry\", \"sad\"]"]).unwrap();
        assert_eq!(
            few.title,
            format!("{} (these classes alone: angry, sad)", plain.title)
        );
        assert!(few.published.is_empty());
        let titled = read(&file, &["corpus.labels=[\"angry\", \"sad\"]", "title=Two"]).unwrap();
        assert_eq!((titled.title.as_str(), titled.published.len()), ("Two", 0));
    }

    #[test]
    fn a_single_value_is_offered_as_a_list() {
        says(
            &refused(MINIMAL, &["seeds=3"]),
            "expected a list … --set 'seeds=[3]'",
        );
        says(
            &refused(MINIMAL, &["features.sets=frames"]),
            "expected a list … --set 'features.sets=[\"frames\"]'",
        );
        let file = MINIMAL.replace(
            "kind = \"ravdess\"",
            "kind = \"ravdess\"\nlabels = \"angry\"",
        );
        says(&refused(&file, &[]), "stands in brackets: [\"angry\"]");
    }
}
