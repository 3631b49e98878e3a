//! Speech sounds by their resonances, and sentences without meaning made of them.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How a sound is made; amplitudes are relative to a vowel's voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Phone {
    /// F1 to F3 of a man's vocal tract in Hz (of the neighbouring transitions for sounds without
    /// resonance of their own).
    pub(super) formants: [f64; 3],
    /// Amplitude of the voice.
    pub(super) voice: f64,
    /// Amplitude of the noise at a constriction.
    pub(super) noise: f64,
    /// Middle of that noise in Hz.
    pub(super) noise_hz: f64,
    /// Share of the sound that is silent closure, at its beginning.
    pub(super) closure: f64,
    /// At the rate of neutral speech, in seconds.
    pub(super) duration_s: f64,
}

const fn vowel(f1: f64, f2: f64, f3: f64) -> Phone {
    Phone {
        formants: [f1, f2, f3],
        voice: 1.0,
        noise: 0.0,
        noise_hz: 1_000.0,
        closure: 0.0,
        duration_s: 0.115,
    }
}

/// Mean formants of men: Peterson and Barney 1952, "Control methods used in a study of the vowels",
/// table II.
const VOWELS: [Phone; 8] = [
    vowel(270.0, 2_290.0, 3_010.0),
    vowel(390.0, 1_990.0, 2_550.0),
    vowel(530.0, 1_840.0, 2_480.0),
    vowel(660.0, 1_720.0, 2_410.0),
    vowel(730.0, 1_090.0, 2_440.0),
    vowel(570.0, 840.0, 2_410.0),
    vowel(300.0, 870.0, 2_240.0),
    vowel(640.0, 1_190.0, 2_390.0),
];

const fn voiced(f1: f64, f2: f64, f3: f64, voice: f64) -> Phone {
    Phone {
        formants: [f1, f2, f3],
        voice,
        noise: 0.0,
        noise_hz: 1_000.0,
        closure: 0.0,
        duration_s: 0.065,
    }
}

const fn fricative(f2: f64, noise_hz: f64, noise: f64, voice: f64) -> Phone {
    Phone {
        formants: [320.0, f2, 2_600.0],
        voice,
        noise,
        noise_hz,
        closure: 0.0,
        duration_s: 0.085,
    }
}

const fn stop(f2: f64, noise_hz: f64) -> Phone {
    Phone {
        formants: [300.0, f2, 2_500.0],
        voice: 0.0,
        noise: 0.5,
        noise_hz,
        closure: 0.7,
        duration_s: 0.075,
    }
}

/// m, n, l, w, j; s, sh, f, z; p, t, k.
const CONSONANTS: [Phone; 12] = [
    voiced(250.0, 1_100.0, 2_200.0, 0.35),
    voiced(250.0, 1_500.0, 2_500.0, 0.35),
    voiced(360.0, 1_100.0, 2_600.0, 0.5),
    voiced(300.0, 700.0, 2_200.0, 0.5),
    voiced(280.0, 2_200.0, 2_900.0, 0.5),
    fricative(1_600.0, 5_500.0, 0.30, 0.0),
    fricative(1_800.0, 3_000.0, 0.35, 0.0),
    fricative(1_100.0, 4_500.0, 0.12, 0.0),
    fricative(1_600.0, 5_500.0, 0.15, 0.3),
    stop(900.0, 900.0),
    stop(1_700.0, 4_000.0),
    stop(1_900.0, 2_000.0),
];

/// Nothing at all, between words.
pub(super) const PAUSE: Phone = Phone {
    formants: [500.0, 1_500.0, 2_500.0],
    voice: 0.0,
    noise: 0.0,
    noise_hz: 1_000.0,
    closure: 1.0,
    duration_s: 0.06,
};

/// A sound of a sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sound {
    pub(super) phone: Phone,
    /// Prominence of the syllable that it belongs to, around 0.
    pub(super) accent: f64,
}

/// Five to seven syllables in two words: consonant, vowel, now and then another consonant.
pub(super) fn sentence(rng: &mut ChaCha8Rng) -> Vec<Sound> {
    let syllables = rng.random_range(5..=7);
    let word_ends = rng.random_range(2..syllables - 1);
    let mut sounds = Vec::new();
    for syllable in 0..syllables {
        let accent = rng.random_range(-1.0..1.0);
        let mut say = |phone| sounds.push(Sound { phone, accent });
        say(CONSONANTS[rng.random_range(0..CONSONANTS.len())]);
        say(VOWELS[rng.random_range(0..VOWELS.len())]);
        if rng.random_bool(0.25) {
            say(CONSONANTS[rng.random_range(0..5)]);
        }
        if syllable == word_ends {
            say(PAUSE);
        }
    }
    sounds
}
