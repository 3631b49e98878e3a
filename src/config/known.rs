//! The kinds of corpora that are known by name.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use super::corpus::lossy;
use crate::corpus::known::{Description, by_description, known};

/// A corpus that is read by its description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownCorpus {
    /// Which.
    pub kind: KnownKind,
    /// Folder of the recordings.
    #[serde(default, serialize_with = "lossy")]
    pub root: PathBuf,
}

/// The same as a part of several corpora.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownPart {
    /// Which.
    pub kind: KnownKind,
}

/// The word of a pipeline file for a known corpus.
#[derive(Clone, Copy)]
pub struct KnownKind(&'static Description);

impl KnownKind {
    /// What is known.
    pub fn corpus(self) -> &'static Description {
        self.0
    }
}

impl PartialEq for KnownKind {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind == other.0.kind
    }
}

impl fmt::Debug for KnownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind)
    }
}

impl Serialize for KnownKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.kind)
    }
}

impl<'de> Deserialize<'de> for KnownKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = String::deserialize(deserializer)?;
        known(&kind)
            .filter(|corpus| !corpus.form().is_empty())
            .map(KnownKind)
            .ok_or_else(|| de::Error::custom(format!("`{kind}` is no known corpus")))
    }
}

/// Adds the kinds of known corpora to the schema of a corpus, with its folder, or of a part.
pub(super) fn with_folder(schema: &mut schemars::Schema) {
    add(schema, |corpus| {
        json!({
            "kind": { "const": corpus.kind, "type": "string" },
            "root": {
                "type": "string",
                "format": "path",
                "description": "Folder of the recordings.",
                "x-default": "`data/corpora/` + the corpus's name",
            },
        })
    });
}

/// As [`with_folder`], for a part.
pub(super) fn as_part(schema: &mut schemars::Schema) {
    add(
        schema,
        |corpus| json!({ "kind": { "const": corpus.kind, "type": "string" } }),
    );
}

fn add(schema: &mut schemars::Schema, keys: impl Fn(&Description) -> Value) {
    // Not every kind is a variant with a tag, for which schemars says that several may fit.
    let Some(Value::Array(mut kinds)) = schema.remove("anyOf") else {
        return;
    };
    kinds.extend(by_description().map(|corpus| {
        json!({
            "description": format!("{}.", corpus.name),
            "type": "object",
            "properties": keys(corpus),
            "required": ["kind"],
        })
    }));
    schema.insert("oneOf".to_owned(), Value::Array(kinds));
}
