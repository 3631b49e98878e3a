use std::path::Path;

use ser::config::parse;

/// A pipeline file, and after each zero byte an override.
pub fn pipeline(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0').map(str::to_owned);
    let file = parts.next().unwrap_or_default();
    let overrides: Vec<String> = parts.collect();
    if let Err(error) = parse(&file, "fuzz.toml", &overrides, Some(Path::new("/corpora"))) {
        assert!(!error.to_string().is_empty());
    }
}
