use std::cell::RefCell;
use std::fs;

use ser::encoder::{Encoder, Padding, Usage};
use tempfile::TempDir;

use crate::scratch;

/// Names of files of weights, by the first byte of an input.
pub const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(scratch::folder());
}

/// A pretrained encoder: which file of weights it has (1 byte), `config.json`, a zero byte, the
/// weights. One that can be loaded has to give whole frames, or an error.
pub fn encoder(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let cut = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let weights = bytes.get(cut + 1..).unwrap_or_default();
    FOLDER.with_borrow(|folder| {
        for name in WEIGHTS {
            let _ = fs::remove_file(folder.path().join(name));
        }
        let name = WEIGHTS[usize::from(*which) % WEIGHTS.len()];
        fs::write(folder.path().join("config.json"), &bytes[..cut]).expect("a file");
        fs::write(folder.path().join(name), weights).expect("a file");
        if let Ok(encoder) = Encoder::load(folder.path(), &Usage::default()) {
            let samples = [0.25; 1_200];
            let run = encoder.run(
                &samples,
                Padding::None,
                &mut encoder.buffers(),
                |_, frames| {
                    assert_eq!(frames.len() % encoder.width(), 0);
                },
            );
            drop(run);
        }
    });
}
