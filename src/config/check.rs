//! Checks a table against its schema: its keys, and the type, the words and the range of each
//! value. Every error names its place and what would be right.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeValue, ValueDeserializer};

use super::format;
use super::schema::{self, Fields};
use super::section::Section;
use super::source::{SourceMap, shorten, suggestion};
use crate::error::{Error, Result};
use crate::text::composed;

/// Why a table cannot have a key that it otherwise takes.
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) hint: String,
}

/// What other settings rule out: asked for every key that is written, and for those that a misspelt
/// one may be meant for.
pub(super) type Rules = fn(&Section<'_>, &str) -> Option<Refusal>;

/// Checks a table and all that is in it.
pub(super) fn table(section: &Section<'_>, schema: &Value, rules: Rules) -> Result<()> {
    let kinds: Vec<&str> = schema::kinds(schema)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    let kind = match section.entries.get("kind").filter(|_| !kinds.is_empty()) {
        Some(written) => Some(word(written, &kinds, section.source)?),
        None => None,
    };
    let fields = schema::fields(schema, kind);
    for (key, value) in section.entries.iter() {
        let Some(field) = fields.get(key.get_ref().as_ref()) else {
            return Err(unknown(section, schema, &fields, key, rules));
        };
        if let Some(refusal) = rules(section, key.get_ref()) {
            return Err(section
                .key_error(key.get_ref(), refusal.why)
                .hint(refusal.hint));
        }
        Check {
            section,
            key: key.get_ref(),
            rules,
        }
        .value(value, field)?;
    }
    let mut required = schema::required(schema, kind);
    if !kinds.is_empty() {
        required.push("kind");
    }
    match required.into_iter().find(|key| !section.has(key)) {
        Some(key) => Err(missing(section, key, fields.get(key).copied(), kind)),
        None => Ok(()),
    }
}

/// An unknown key: one of another kind, or one that is probably misspelt.
fn unknown(
    section: &Section<'_>,
    schema: &Value,
    fields: &Fields<'_>,
    key: &Spanned<toml::de::DeString<'_>>,
    rules: Rules,
) -> Error {
    let name: &str = key.get_ref();
    // The schema has its keys in the order of the alphabet.
    let first = |key: &&str| (*key != "kind", *key != "name");
    let mut known: Vec<&str> = fields.keys().copied().collect();
    known.retain(|key| rules(section, key).is_none());
    known.sort_by_key(first);
    if !schema::fields(schema, None).contains_key(name) {
        let error = section
            .source
            .error(&key.span(), format!("unknown key `{}`", shorten(name)));
        return error.hint(suggestion(name, "keys", &known));
    }
    let table = noun(section);
    let error = section.source.error(
        &key.span(),
        format!("`{name}` does not belong to this kind of {table}"),
    );
    known.retain(|key| *key != "kind");
    let own = if known.is_empty() {
        "nothing".to_owned()
    } else {
        known.join(", ")
    };
    let one = if section.source.is_override(&key.span()) && section.around("experiment").is_some() {
        "; experiment.NAME.… reaches one experiment alone"
    } else {
        ""
    };
    error.hint(format!("besides its kind, this {table} takes: {own}{one}"))
}

/// What one table of this name is called.
fn noun<'a>(section: &Section<'a>) -> &'a str {
    if section.name == "parts" {
        "part"
    } else {
        section.name
    }
}

fn missing(section: &Section<'_>, key: &str, field: Option<&Value>, kind: Option<&str>) -> Error {
    let error = match kind {
        Some(kind) => {
            let table = noun(section);
            section.error(
                key,
                format!("a {table} of kind `{kind}` needs the key `{key}`"),
            )
        }
        None => section.error(key, format!("the key `{key}` is missing here")),
    };
    let words = field.map(schema::words).unwrap_or_default();
    error.hint(if words.is_empty() {
        format!("add `{key} = …`; pipelines/README.md describes every key")
    } else {
        format!("add `{key} = …`, one of: {}", words.join(", "))
    })
}

/// A word out of a few.
fn word<'w>(
    written: &Spanned<DeValue<'_>>,
    words: &[&'w str],
    source: &SourceMap,
) -> Result<&'w str> {
    let Some(text) = written.get_ref().as_str() else {
        return Err(type_error(written, "a string", source));
    };
    words
        .iter()
        .find(|word| **word == text)
        .copied()
        .ok_or_else(|| {
            let error = source.error(
                &written.span(),
                format!("unknown value `{}`", shorten(text)),
            );
            error.hint(suggestion(text, "values", words))
        })
}

fn type_error(written: &Spanned<DeValue<'_>>, expected: &str, source: &SourceMap) -> Error {
    if matches!(written.get_ref(), DeValue::Datetime(_)) {
        let error = source.error(&written.span(), "no key takes a date or a time");
        return error.hint("put it in quotes to make it text");
    }
    let found = match written.get_ref() {
        DeValue::String(text) => format!("string \"{}\"", shorten(text)),
        DeValue::Integer(number) => format!("integer `{}`", shorten(&number.to_string())),
        DeValue::Float(number) => format!("floating point `{}`", shorten(&number.to_string())),
        DeValue::Boolean(yes) => format!("boolean `{yes}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    let error = source.error(
        &written.span(),
        format!("expected {expected}, found {found}"),
    );
    match written.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) => error,
        _ if expected == "a list" => error.hint(source.in_brackets(&written.span())),
        _ => error.hint(format!(
            "write {expected}; `ser schema` says what each key takes"
        )),
    }
}

/// A key of a table whose value is checked.
struct Check<'a> {
    section: &'a Section<'a>,
    key: &'a str,
    rules: Rules,
}

impl<'a> Check<'a> {
    fn value(&self, value: &'a Spanned<DeValue<'a>>, schema: &Value) -> Result<()> {
        let source = self.section.source;
        let alternatives = schema::alternatives(schema);
        if !alternatives.is_empty() {
            return match alternatives
                .iter()
                .rfind(|one| has_type(value.get_ref(), one))
            {
                // Of words and any text, the text.
                Some(schema) => self.value(value, schema),
                None => {
                    let types: Vec<String> = alternatives.iter().map(type_name).collect();
                    Err(type_error(value, &schema::any_of(&types), source))
                }
            };
        }
        let words = schema::words(schema);
        if !words.is_empty() {
            return word(value, &words, source).map(|_| ());
        }
        let is_integer =
            schema::type_of(schema) == "integer" && matches!(value.get_ref(), DeValue::Integer(_));
        if !has_type(value.get_ref(), schema) || is_integer && i64_of(value).is_none() {
            return Err(type_error(value, &type_name(schema), source));
        }
        match value.get_ref() {
            DeValue::Table(entries) => match schema.get("additionalProperties") {
                Some(of_all) if of_all.is_object() => entries
                    .values()
                    .try_for_each(|value| self.value(value, of_all)),
                _ => match self.section.within(self.key, value) {
                    Some(section) => table(&section, schema, self.rules),
                    None => Ok(()),
                },
            },
            DeValue::Array(items) => self.list(items, value.span(), schema),
            DeValue::String(text) => {
                let format = schema["format"].as_str().unwrap_or_default();
                format::check(format, self.key, text).map_err(|wrong| {
                    let error = source.error(&value.span(), wrong.what);
                    if wrong.hint.is_empty() {
                        error
                    } else {
                        error.hint(wrong.hint)
                    }
                })
            }
            DeValue::Integer(_) | DeValue::Float(_) => self.number(value, schema),
            DeValue::Boolean(_) | DeValue::Datetime(_) => Ok(()),
        }
    }

    fn number(&self, value: &Spanned<DeValue<'_>>, schema: &Value) -> Result<()> {
        let number = f64::deserialize(ValueDeserializer::from(value.clone())).unwrap_or(f64::NAN);
        if schema::holds(schema, number) {
            return Ok(());
        }
        let allowed = schema::range(schema).unwrap_or_else(|| "a finite number".to_owned());
        let message = format!("`{}` is {number}, but must be {allowed}", self.key);
        let error = self.section.source.error(&value.span(), message);
        let is_share =
            schema["maximum"].as_f64() == Some(1.0) && schema["minimum"].as_f64() == Some(0.0);
        Err(if is_share && number > 1.0 && number <= 100.0 {
            error.hint(format!(
                "per cent are written as a share: {} = {:.4}",
                self.key,
                number / 100.0
            ))
        } else {
            error
        })
    }

    fn list(&self, items: &'a DeArray<'a>, place: Range<usize>, schema: &Value) -> Result<()> {
        let (source, key) = (self.section.source, self.key);
        let count = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let mut earlier: Vec<String> = Vec::new();
        for item in items.iter() {
            self.value(item, &schema["items"])?;
            if schema["uniqueItems"] == true {
                let text = plain(item);
                if earlier.contains(&text) {
                    let message = format!("`{}` is listed twice in `{key}`", shorten(&text));
                    return Err(source.error(&item.span(), message));
                }
                earlier.push(text);
            }
        }
        let (least, most) = (count("minItems").unwrap_or(0), count("maxItems"));
        if items.len() >= least && most.is_none_or(|most| items.len() <= most) {
            return Ok(());
        }
        let entries = match items.len() {
            0 => "is empty".to_owned(),
            1 => "has 1 entry".to_owned(),
            n => format!("has {n} entries"),
        };
        let hint = match most {
            Some(most) if items.len() > most => format!("list at most {most}"),
            _ => format!("list at least {least}"),
        };
        Err(source
            .error(&place, format!("`{key}` {entries}"))
            .hint(hint))
    }
}

/// Whether a value has the type of its schema; a whole number is a number, too.
fn has_type(value: &DeValue<'_>, schema: &Value) -> bool {
    let wanted = schema::type_of(schema);
    match value {
        DeValue::String(_) => wanted == "string",
        DeValue::Integer(_) => wanted == "integer" || wanted == "number",
        DeValue::Float(_) => wanted == "number",
        DeValue::Boolean(_) => wanted == "boolean",
        DeValue::Array(_) => wanted == "array",
        DeValue::Table(_) => wanted == "object",
        DeValue::Datetime(_) => false,
    }
}

fn type_name(schema: &Value) -> String {
    match schema::type_of(schema) {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => {
            return match schema["const"].as_str() {
                Some(word) => format!("\"{word}\""),
                None => "a string".to_owned(),
            };
        }
    }
    .to_owned()
}

fn i64_of(value: &Spanned<DeValue<'_>>) -> Option<i64> {
    i64::deserialize(ValueDeserializer::from(value.clone())).ok()
}

/// A value of a list as it is compared with the others: `1` and `1.0` are equal, and so are texts
/// in two Unicode forms.
fn plain(value: &Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(text) => composed(text),
        DeValue::Float(_) | DeValue::Integer(_) => {
            f64::deserialize(ValueDeserializer::from(value.clone()))
                .map_or_else(|_| "?".to_owned(), |number| number.to_string())
        }
        DeValue::Boolean(yes) => yes.to_string(),
        _ => String::new(),
    }
}
