//! What makes two runs of a task the same: nothing else may influence its output.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::hash_bytes;

/// Hex blake3 of an [`Identity`]; the name of the folder that holds the output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// The full hex form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..12])
    }
}

/// Everything that a task's output depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Stage name.
    pub stage: String,
    /// Raised whenever the stage's code would give other bytes for the same inputs.
    pub code_version: u32,
    /// The stage's own parameters.
    pub params: Value,
    /// Content hash of each input by name.
    pub inputs: BTreeMap<String, String>,
}

impl Identity {
    /// The key: a hash over the canonical JSON of all fields (object keys sorted).
    pub fn key(&self) -> Key {
        let fields = (
            &self.stage,
            self.code_version,
            self.flat_params(),
            &self.inputs,
        );
        // Texts, numbers and maps of texts always make JSON.
        let text = serde_json::to_string(&fields).unwrap_or_default();
        Key(hash_bytes(text.as_bytes()))
    }

    /// The parameters by dotted name.
    pub fn flat_params(&self) -> BTreeMap<String, String> {
        flatten(&self.params)
    }
}

fn flatten(value: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
        let at = |key: &str| {
            if prefix.is_empty() {
                key.to_owned()
            } else {
                format!("{prefix}.{key}")
            }
        };
        match value {
            Value::Object(map) if !map.is_empty() => map
                .iter()
                .for_each(|(key, inner)| walk(&at(key), inner, out)),
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(i, inner)| walk(&at(&i.to_string()), inner, out));
            }
            other => {
                out.insert(prefix.to_owned(), other.to_string());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(params: Value) -> Identity {
        Identity {
            stage: "train".into(),
            code_version: 1,
            params,
            inputs: BTreeMap::from([("features".into(), "ab".into())]),
        }
    }

    #[test]
    fn the_key_ignores_the_order_of_object_keys_and_sees_every_field() {
        let a = identity(serde_json::from_str(r#"{"x":1,"y":{"b":2,"a":[1,2]}}"#).unwrap());
        let b = identity(serde_json::from_str(r#"{"y":{"a":[1,2],"b":2},"x":1}"#).unwrap());
        assert_eq!(a.key(), b.key());
        let mut other = a.clone();
        other.code_version = 2;
        assert_ne!(a.key(), other.key());
        let mut other = a.clone();
        other.inputs.insert("features".into(), "ac".into());
        assert_ne!(a.key(), other.key());
        assert_ne!(
            a.key(),
            identity(serde_json::json!({"x": 1, "y": {"a": [1, 3], "b": 2}})).key()
        );
    }

    #[test]
    fn parameters_flatten_to_dotted_names() {
        let flat =
            identity(serde_json::json!({"train": {"epochs": 15}, "seeds": [0, 1]})).flat_params();
        assert_eq!(flat["train.epochs"], "15");
        assert_eq!(flat["seeds"], "[0,1]");
    }
}
