//! JSON files, and small ones that say by themselves whether they are what was written.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{hash_bytes, read};
use crate::error::{Error, Result};

/// JSON for an output file.
///
/// # Errors
/// Where the value has no JSON: a defect of the caller.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::internal("failed to write JSON").because(e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads an output file that [`to_json`] made.
///
/// # Errors
/// `Io` where it cannot be read; `Data` where it is damaged.
pub fn from_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::data(format!("failed to read {}", path.display()))
            .because(e)
            .hint("remove the file and run the command again: it is made anew")
    })
}

/// The key of the checksum.
const SUM: &str = "blake3";

/// A JSON object with the hex BLAKE3 of all else in it.
///
/// # Errors
/// Where `value` is no object: a defect of the caller.
pub fn to_sealed_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let failed = |e| Error::internal("failed to write JSON").because(e);
    let mut value = serde_json::to_value(value).map_err(failed)?;
    let sum = hash_bytes(&serde_json::to_vec(&value).map_err(failed)?);
    let object = value
        .as_object_mut()
        .ok_or_else(|| Error::internal("only an object can be sealed"))?;
    object.insert(SUM.to_owned(), sum.into());
    to_json(&value)
}

/// What [`to_sealed_json`] wrote, and whether it had a checksum: earlier versions wrote none.
///
/// # Errors
/// In words, what is wrong with it.
pub fn from_sealed_json<T: DeserializeOwned>(
    bytes: &[u8],
) -> std::result::Result<(T, bool), String> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let sum = value.as_object_mut().and_then(|object| object.remove(SUM));
    let found = serde_json::to_vec(&value)
        .map(|bytes| hash_bytes(&bytes))
        .map_err(|e| e.to_string())?;
    if sum
        .as_ref()
        .is_some_and(|sum| sum.as_str() != Some(found.as_str()))
    {
        return Err("its content does not match its checksum".to_owned());
    }
    serde_json::from_value(value)
        .map(|value| (value, sum.is_some()))
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn whatever_is_changed_is_seen() {
        let value = BTreeMap::from([("a", "one"), ("b", "zwei")]);
        let bytes = to_sealed_json(&value).unwrap();
        let read = |bytes: &[u8]| from_sealed_json::<BTreeMap<String, String>>(bytes);
        let (back, sealed) = read(&bytes).unwrap();
        assert!(sealed && back["b"] == "zwei" && back.len() == 2);
        assert!(!read(b"{\"a\": \"one\"}").unwrap().1);
        let whole = back;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                // Another kind of white space, or a checksum that is no longer called one, leaves
                // all else as it was.
                if let Ok((back, _)) = read(&flipped) {
                    assert!(
                        whole
                            .iter()
                            .all(|(key, value)| back.get(key) == Some(value)),
                        "byte {at}, bit {bit}"
                    );
                }
            }
        }
    }
}
