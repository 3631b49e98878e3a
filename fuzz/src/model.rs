use std::cell::RefCell;
use std::fs;

use ser::model::artifact::load;
use tempfile::TempDir;

use crate::scratch;

const KEY: &str = "\"weights_blake3\": \"";

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(scratch::folder());
}

/// A saved model: `model.json`, a zero byte, `model.safetensors`. The hash of the weights that the
/// first gives is made to fit.
pub fn model(bytes: &[u8]) {
    let cut = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let (mut json, weights) = (
        bytes[..cut].to_vec(),
        bytes.get(cut + 1..).unwrap_or_default(),
    );
    if let Some(at) = json
        .windows(KEY.len())
        .position(|window| window == KEY.as_bytes())
        && let Some(digits) = json.get_mut(at + KEY.len()..at + KEY.len() + 64)
    {
        digits.copy_from_slice(blake3::hash(weights).to_hex().as_bytes());
    }
    FOLDER.with_borrow(|folder| {
        fs::write(folder.path().join("model.json"), json).expect("a file");
        fs::write(folder.path().join("model.safetensors"), weights).expect("a file");
        if let Ok(model) = load(folder.path()) {
            drop(model.classifier());
        }
    });
}
