//! The schema of a table: which keys it takes, of which types, in which ranges.
//!
//! A part of the pipeline file is one Rust type, whose derived JSON Schema says all of this. The
//! reader checks files against it, `ser schema` prints it, and the tables of keys in
//! pipelines/README.md are made from it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Keys of a table by name, each with its schema.
pub(super) type Fields<'s> = BTreeMap<&'s str, &'s Value>;

/// The schema of `T`, as a file has it: without references, and without null, which TOML lacks.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(|s| {
        s.inline_subschemas = true;
        s.transforms = vec![Box::new(WithoutNull)];
    });
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Takes null out of the schema of an option.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        let is_null = |value: &Value| *value == json!("null") || value["type"] == json!("null");
        if object.get("default") == Some(&Value::Null) {
            object.remove("default");
        }
        if let Some(Value::Array(words)) = object.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
        for key in ["type", "anyOf", "oneOf"] {
            let Some(Value::Array(items)) = object.get_mut(key) else {
                continue;
            };
            items.retain(|item| !is_null(item));
            let [only] = items.as_slice() else { continue };
            let only = only.clone();
            object.remove(key);
            match only {
                Value::Object(inner) => inner.into_iter().for_each(|(key, value)| {
                    object.entry(key).or_insert(value);
                }),
                name => drop(object.insert(key.to_owned(), name)),
            }
        }
    }
}

/// The schema for editors: every table is closed.
pub(super) fn closed(mut schema: Value) -> Value {
    fn close(schema: &mut Value, is_kind: bool) {
        let (has_kinds, has_keys) = (!kinds(schema).is_empty(), schema["properties"].is_object());
        match schema {
            Value::Object(object) => {
                for value in object.values_mut() {
                    close(value, has_kinds);
                }
                if (has_kinds || has_keys) && !is_kind {
                    object.insert("unevaluatedProperties".to_owned(), json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| close(item, is_kind)),
            _ => {}
        }
    }
    close(&mut schema, false);
    schema
}

/// The kinds of a table that has a key `kind`, each with the schema of its own keys.
pub(super) fn kinds(schema: &Value) -> Vec<(&str, &Value)> {
    let kind = |one: &'_ Value| one["properties"]["kind"]["const"].is_string();
    let all = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter()
        .filter(|one| kind(one))
        .filter_map(|one| Some((one["properties"]["kind"]["const"].as_str()?, one)))
        .collect()
}

/// The keys of a table of this kind, those of all kinds with `None`.
pub(super) fn fields<'s>(schema: &'s Value, kind: Option<&str>) -> Fields<'s> {
    let own = |schema: &'s Value| schema["properties"].as_object().into_iter().flatten();
    kinds(schema)
        .into_iter()
        .filter(|(name, _)| kind.is_none_or(|kind| kind == *name))
        .map(|(_, schema)| schema)
        .chain([schema])
        .flat_map(own)
        .map(|(key, field)| (key.as_str(), field))
        .collect()
}

/// The keys that a table of this kind cannot do without.
pub(super) fn required<'s>(schema: &'s Value, kind: Option<&str>) -> Vec<&'s str> {
    let own = |schema: &'s Value| schema["required"].as_array().into_iter().flatten();
    let kinds = kinds(schema).into_iter();
    let of_kind = kinds
        .filter(|(name, _)| Some(*name) == kind)
        .map(|(_, schema)| schema);
    of_kind
        .chain([schema])
        .flat_map(own)
        .filter_map(Value::as_str)
        .collect()
}

/// The JSON type of a value.
pub(super) fn type_of(schema: &Value) -> &str {
    match schema["type"].as_str() {
        Some(name) => name,
        None if kinds(schema).is_empty() => "string",
        None => "object",
    }
}

/// The words that a value may be; empty where it may be anything else.
pub(super) fn words(schema: &Value) -> Vec<&str> {
    if let Some(word) = schema["const"].as_str() {
        return vec![word];
    }
    let (listed, described) = (schema["enum"].as_array(), schema["oneOf"].as_array());
    match (listed, described) {
        (Some(words), _) => words.iter().filter_map(Value::as_str).collect(),
        (None, Some(all)) => {
            let words: Vec<&str> = all.iter().flat_map(words).collect();
            if words.len() < all.len() {
                vec![]
            } else {
                words
            }
        }
        (None, None) => vec![],
    }
}

/// The schemas of which a value fits one.
pub(super) fn alternatives(schema: &Value) -> &[Value] {
    schema["anyOf"].as_array().map_or(&[], Vec::as_slice)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn any_of(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

/// The range of a number in words (`from 1 to 9`, `above 0`); `None` where it may be any.
pub(super) fn range(schema: &Value) -> Option<String> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let (low, above) = (bound("minimum"), bound("exclusiveMinimum"));
    let (high, below) = (bound("maximum"), bound("exclusiveMaximum"));
    Some(match (low, above, high, below) {
        (Some(low), _, Some(high), _) => format!("from {low} to {high}"),
        (_, Some(low), _, Some(high)) => format!("between {low} and {high}"),
        (Some(low), _, _, Some(high)) => format!("at least {low} and below {high}"),
        (_, Some(low), Some(high), _) => format!("above {low} and at most {high}"),
        (Some(low), ..) => format!("at least {low}"),
        (_, Some(low), ..) => format!("above {low}"),
        _ => return None,
    })
}

/// Whether a number lies in the range of its schema; no range holds infinity.
pub(super) fn holds(schema: &Value, number: f64) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    number.is_finite()
        && bound("minimum").is_none_or(|low| number >= low)
        && bound("exclusiveMinimum").is_none_or(|low| number > low)
        && bound("maximum").is_none_or(|high| number <= high)
        && bound("exclusiveMaximum").is_none_or(|high| number < high)
}

/// A number above 0, or a list of them.
pub(crate) fn above_zero(schema: &mut schemars::Schema) {
    match schema.get_mut("items") {
        Some(items) => items["exclusiveMinimum"] = json!(0),
        None => drop(schema.insert("exclusiveMinimum".to_owned(), json!(0))),
    }
}

/// A list without equal entries.
pub(super) fn distinct(schema: &mut schemars::Schema) {
    schema.insert("uniqueItems".to_owned(), json!(true));
}

/// Lines of text in a list or a map.
pub(super) fn texts(schema: &mut schemars::Schema) {
    for key in ["items", "additionalProperties"] {
        if let Some(items) = schema.get_mut(key) {
            items["format"] = "text".into();
        }
    }
}

/// A page with the tables of keys between its markers, `<!-- keys PART -->` and `<!-- end -->`,
/// brought up to date. A part is a dotted path from the top, with `[]` left out, and may be followed
/// by a kind, or by `*` for the keys of all kinds; `<!-- kinds PART -->` lists the kinds.
pub(super) fn update_page(page: &str, schema: &Value) -> String {
    let mut updated = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        updated.push_str(line);
        updated.push('\n');
        let marker = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let words: Vec<&str> = marker.unwrap_or_default().split(' ').collect();
        let table = match words[..] {
            ["keys", part] => keys_table(&part_of(schema, part), None),
            ["keys", part, "*"] => keys_of_all_kinds(&part_of(schema, part)),
            ["keys", part, kind] => keys_table(&part_of(schema, part), Some(kind)),
            ["kinds", part] => kinds_table(&part_of(schema, part)),
            _ => continue,
        };
        updated.push_str(&table);
        if lines.by_ref().any(|line| line == "<!-- end -->") {
            updated.push_str("<!-- end -->\n");
        }
    }
    updated
}

/// The schema of a table by its path; of a list of tables, that of one of them.
fn part_of(schema: &Value, path: &str) -> Value {
    let mut part = schema.clone();
    for key in path.split('.').filter(|key| *key != "pipeline") {
        part = fields(&part, None)
            .get(key)
            .map_or(Value::Null, |field| (*field).clone());
        if part["items"].is_object() {
            part = part["items"].clone();
        }
    }
    part
}

fn keys_table(schema: &Value, kind: Option<&str>) -> String {
    let own = match kind {
        None => schema,
        Some(kind) => kinds(schema)
            .iter()
            .find(|(name, _)| *name == kind)
            .map_or(schema, |k| k.1),
    };
    let mut table = "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    let required = required(own, None);
    let mut rows: Vec<(&str, &Value)> = Vec::new();
    if kind.is_none() && !kinds(schema).is_empty() {
        table += &format!("| `kind` | {} |\n", kind_cells(schema));
    }
    for (key, field) in own["properties"].as_object().into_iter().flatten() {
        if key != "kind" {
            rows.push((key, field));
        }
    }
    rows.sort_by_key(|(key, _)| !required.contains(key));
    for (key, field) in rows {
        table += &format!("| `{key}` | {}\n", cells(field, required.contains(&key)));
    }
    table
}

fn keys_of_all_kinds(schema: &Value) -> String {
    let mut rows: Vec<((&str, String), Vec<String>)> = Vec::new();
    let of_kinds = kinds(schema)
        .into_iter()
        .map(|(kind, own)| (format!("`{kind}`"), own));
    for (kind, own) in std::iter::once(("all".to_owned(), schema)).chain(of_kinds) {
        let required = required(own, None);
        for (key, field) in own["properties"].as_object().into_iter().flatten() {
            if key == "kind" {
                continue;
            }
            let row = (key.as_str(), cells(field, required.contains(&key.as_str())));
            match rows.iter_mut().find(|(other, _)| *other == row) {
                Some((_, kinds)) => kinds.push(kind.clone()),
                None => rows.push((row, vec![kind.clone()])),
            }
        }
    }
    let mut table = "| key | kind | type | default | meaning |\n|---|---|---|---|---|\n".to_owned();
    table += &format!("| `kind` | all | {} |\n", kind_cells(schema));
    for ((key, cells), kinds) in rows {
        table += &format!("| `{key}` | {} | {cells}\n", kinds.join(", "));
    }
    table
}

fn kinds_table(schema: &Value) -> String {
    let mut table = "| kind | takes | what it is |\n|---|---|---|\n".to_owned();
    for (kind, own) in kinds(schema) {
        let keys: Vec<String> = own["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != "kind")
            .map(|(key, _)| format!("`{key}`"))
            .collect();
        table += &format!("| `{kind}` | {} | {} |\n", keys.join(", "), meaning(own));
    }
    table
}

fn kind_cells(schema: &Value) -> String {
    let kinds: Vec<&str> = kinds(schema).into_iter().map(|(kind, _)| kind).collect();
    format!(
        "{} | required | decides which other keys there are",
        word_list(&kinds)
    )
}

fn word_list(words: &[&str]) -> String {
    any_of(
        &words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>(),
    )
}

/// The cells of a key behind its name.
fn cells(field: &Value, required: bool) -> String {
    let default = match (&field["x-default"], field.get("default")) {
        (Value::String(words), _) => words.clone(),
        _ if required => "required".to_owned(),
        (_, Some(Value::Object(_))) => "see below".to_owned(),
        (_, Some(Value::Array(items))) if items.is_empty() => "empty".to_owned(),
        (_, Some(Value::Number(number))) => {
            let number = number.as_f64().unwrap_or_default();
            format!("`{number}`")
        }
        (_, Some(value)) if *value != json!("") => format!("`{value}`"),
        _ => "none".to_owned(),
    };
    format!("{} | {default} | {} |", type_cell(field), meaning(field))
}

fn meaning(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The type of a value in words.
fn type_cell(schema: &Value) -> String {
    let words = words(schema);
    if !words.is_empty() {
        return word_list(&words);
    }
    let alternatives = alternatives(schema);
    if !alternatives.is_empty() {
        let list_of_them = |one: &Value| alternatives.contains(&one["items"]);
        let cell = |one: &Value| match list_of_them(one) {
            true => "a list of them".to_owned(),
            false => type_cell(one),
        };
        return alternatives
            .iter()
            .map(cell)
            .collect::<Vec<_>>()
            .join(", or ");
    }
    match type_of(schema) {
        "array" => format!("list of {}", plural(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("table of {}", plural(&schema["additionalProperties"]))
        }
        "object" => "table".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => range(schema).unwrap_or_else(|| "whole number".to_owned()),
        "number" => range(schema).unwrap_or_else(|| "number".to_owned()),
        _ => schema["format"].as_str().unwrap_or("text").to_owned(),
    }
}

fn plural(schema: &Value) -> String {
    match type_of(schema) {
        "integer" | "number" => format!("numbers {}", range(schema).unwrap_or_default()),
        "object" => "tables".to_owned(),
        "boolean" => "true and false".to_owned(),
        _ if !words(schema).is_empty() => word_list(&words(schema)),
        _ if !alternatives(schema).is_empty() => type_cell(schema),
        _ => format!("{}s", schema["format"].as_str().unwrap_or("text")),
    }
}

/// Every setting of a value by dotted key, in words: nothing is `none`, a list is JSON.
pub(super) fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&key, value, into);
            }
        }
        Value::String(text) => drop(into.insert(prefix.to_owned(), text.clone())),
        Value::Null => drop(into.insert(prefix.to_owned(), "none".to_owned())),
        other => drop(into.insert(prefix.to_owned(), other.to_string())),
    }
}

/// Settings are plain trees with string keys and finite numbers: they always have a JSON value.
pub(super) fn value(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).unwrap_or(Value::Null)
}

/// The word of a pipeline file for a value.
pub(super) fn word(name: &impl Serialize) -> String {
    value(name).as_str().unwrap_or_default().to_owned()
}

/// The settings without these, as an object.
pub(super) fn without(settings: &impl Serialize, keys: &[&str]) -> Map<String, Value> {
    let Value::Object(mut map) = value(settings) else {
        return Map::new();
    };
    map.retain(|key, _| !keys.contains(&key.as_str()));
    map
}
