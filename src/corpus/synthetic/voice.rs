//! Who speaks and in which mood: speakers that differ as people do, and what the moods do to a
//! voice.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The moods, by the names of their classes.
pub(super) const EMOTIONS: [&str; 5] = ["neutral", "happy", "sad", "angry", "fearful"];

/// Everything that varies between two readings of one sentence. All parts add up, so that moods,
/// habits and chance are sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prosody {
    /// Pitch, in semitones against the speaker's own.
    pub(super) pitch: f64,
    /// Size of the accents, in semitones.
    pub(super) range: f64,
    /// Course of the pitch from the first to the last sound, in semitones.
    pub(super) slope: f64,
    /// Natural logarithm of the speed.
    pub(super) speed: f64,
    /// Level in dB.
    pub(super) level: f64,
    /// Darkness of the voice: octaves by which its corner frequency sinks.
    pub(super) tilt: f64,
    /// Amplitude of the breath in the voice.
    pub(super) breath: f64,
    /// Irregularity from period to period, as a share of the period.
    pub(super) jitter: f64,
    /// Trembling of the pitch, in semitones.
    pub(super) tremor: f64,
    /// Relative shift of all resonances (a smile shortens the vocal tract).
    pub(super) formants: f64,
}

/// The part of [`Prosody`] that a mood adds at full strength; the directions are those that reviews
/// of vocal emotion report (Scherer 2003, "Vocal communication of emotion", table 2), the sizes are
/// chosen so that the classes overlap.
const MOODS: [Prosody; 5] = [
    mood([0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]),
    mood([4.0, 1.6, 1.5, 0.06, 3.0], [-0.5, -0.005, 0.0, 0.0, 0.06]),
    mood(
        [-2.0, -1.0, -0.5, -0.25, -5.0],
        [0.9, 0.03, 0.0, 0.0, -0.03],
    ),
    mood([2.0, 1.2, -2.0, 0.12, 6.0], [-1.3, -0.012, 0.012, 0.0, 0.0]),
    mood([6.0, -0.4, 2.5, 0.22, -1.0], [0.0, 0.06, 0.010, 0.6, 0.01]),
];

const fn mood(
    [pitch, range, slope, speed, level]: [f64; 5],
    [tilt, breath, jitter, tremor, formants]: [f64; 5],
) -> Prosody {
    Prosody {
        pitch,
        range,
        slope,
        speed,
        level,
        tilt,
        breath,
        jitter,
        tremor,
        formants,
    }
}

/// Speech without any mood.
const PLAIN: Prosody = mood([0.0, 2.0, -2.0, 0.0, 0.0], [0.0, 0.02, 0.006, 0.0, 0.0]);

/// Standard deviations of what chance adds from take to take.
const CHANCE: Prosody = mood(
    [0.6, 0.3, 0.8, 0.05, 0.9],
    [0.12, 0.005, 0.0015, 0.08, 0.007],
);

/// Standard deviations of a speaker's habits, in general and again in each mood.
const HABIT: Prosody = mood(
    [0.6, 0.3, 0.5, 0.05, 0.9],
    [0.14, 0.005, 0.0015, 0.08, 0.008],
);

impl Prosody {
    fn plus(self, weight: f64, other: Prosody) -> Prosody {
        self.combine(other, |a, b| a + weight * b)
    }

    /// A draw from the normal distribution with these standard deviations.
    fn draw(self, rng: &mut ChaCha8Rng) -> Prosody {
        self.combine(self, |deviation, _| deviation * normal(rng))
    }

    fn combine(self, o: Prosody, mut f: impl FnMut(f64, f64) -> f64) -> Prosody {
        Prosody {
            pitch: f(self.pitch, o.pitch),
            range: f(self.range, o.range),
            slope: f(self.slope, o.slope),
            speed: f(self.speed, o.speed),
            level: f(self.level, o.level),
            tilt: f(self.tilt, o.tilt),
            breath: f(self.breath, o.breath),
            jitter: f(self.jitter, o.jitter),
            tremor: f(self.tremor, o.tremor),
            formants: f(self.formants, o.formants),
        }
    }
}

/// Whether the `index`-th speaker is a woman: every second one is.
pub(super) fn female(index: usize) -> bool {
    index % 2 == 1
}

/// Somebody who speaks.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    /// Mean fundamental frequency of plain speech, in Hz.
    pub(super) pitch_hz: f64,
    /// Resonances against those of an average man.
    pub(super) tract: f64,
    /// How much of a mood gets into the voice.
    expressiveness: f64,
    /// Habits: in general, then by mood.
    habit: Prosody,
    habits: [Prosody; 5],
}

impl Speaker {
    /// The `index`-th speaker.
    pub(super) fn draw(index: usize, rng: &mut ChaCha8Rng) -> Speaker {
        let (pitch, tract) = if female(index) {
            (205.0, 1.17)
        } else {
            (115.0, 1.0)
        };
        Speaker {
            pitch_hz: pitch * semitones(1.5 * normal(rng)),
            tract: tract + 0.03 * normal(rng),
            expressiveness: rng.random_range(0.8..1.2),
            habit: HABIT.draw(rng),
            habits: [(); 5].map(|()| HABIT.draw(rng)),
        }
    }

    /// How this speaker sounds in a mood (an index into [`EMOTIONS`]) this time.
    pub(super) fn prosody(&self, emotion: usize, rng: &mut ChaCha8Rng) -> Prosody {
        let strength = self.expressiveness * rng.random_range(0.75..1.2);
        let p = PLAIN
            .plus(1.0, self.habit)
            .plus(0.6, self.habits[emotion])
            .plus(strength, MOODS[emotion])
            .plus(1.0, CHANCE.draw(rng));
        Prosody {
            range: p.range.max(0.3),
            speed: p.speed.clamp(-0.6, 0.6),
            breath: p.breath.max(0.002),
            jitter: p.jitter.max(0.001),
            tremor: p.tremor.max(0.0),
            formants: p.formants.clamp(-0.15, 0.15),
            ..p
        }
    }
}

/// The ratio of frequencies that an interval is.
pub(super) fn semitones(interval: f64) -> f64 {
    (interval / 12.0).exp2()
}

/// A draw from the standard normal distribution, kept within three standard deviations.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()).clamp(-3.0, 3.0)
}

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
