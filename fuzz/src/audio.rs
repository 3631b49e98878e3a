use std::cell::RefCell;

use ser::audio::{Audio, decode_bytes};
use ser::features::{Extractor, FeatureSet, Profile};

/// Longer recordings are decoded and not analysed, which takes a hundred times as long.
const ANALYSED: usize = 4_096;

thread_local! {
    static EXTRACTOR: RefCell<Option<Extractor>> = const { RefCell::new(None) };
}

/// A recording: decoded, cut and, where it is short, turned into features.
pub fn audio(bytes: &[u8]) {
    let plain = decode_bytes(bytes, "");
    let found = match &plain {
        Ok(audio) => audio,
        Err(_) => match &decode_bytes(bytes, "mp3") {
            Ok(audio) => return look_at(audio),
            Err(_) => return,
        },
    };
    look_at(found);
}

fn look_at(audio: &Audio) {
    assert!(!audio.samples.is_empty() && audio.channels > 0);
    assert!(audio.samples.iter().all(|s| s.is_finite()));
    let duration = audio.duration_s();
    if let Ok(part) = audio.segment(duration / 3.0, duration / 2.0) {
        assert!(!part.samples.is_empty() && part.samples.len() <= audio.samples.len());
    }
    if audio.samples.len() <= ANALYSED {
        EXTRACTOR.with_borrow_mut(|extractor| {
            let extractor = extractor.get_or_insert_with(|| Extractor::new(Profile::Librosa08));
            let (samples, rate) = (&audio.samples, audio.sample_rate);
            if let Ok(row) = extractor.extract(FeatureSet::Issa193, samples, rate) {
                assert!(row.iter().all(|value| value.is_finite()));
            }
        });
    }
}
