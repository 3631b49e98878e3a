//! From sounds and prosody to samples: a source-filter synthesiser after Klatt 1980 ("Software for
//! a cascade/parallel formant synthesizer").

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::voice::{PAUSE, Sound};
use super::voice::{Prosody, Speaker, normal, semitones};

/// Controls are set 200 times a second.
const FRAMES_PER_S: f64 = 200.0;

/// Root mean square of plain speech, in dB of full scale.
const LEVEL_DB: f64 = -27.0;

/// F4 and F5 hardly depend on the sound.
const UPPER_FORMANTS_HZ: [f64; 2] = [3_500.0, 4_500.0];
const BANDWIDTHS_HZ: [f64; 5] = [70.0, 100.0, 130.0, 200.0, 280.0];

/// The state of the vocal tract for one frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    formants: [f64; 3],
    voice: f64,
    noise: f64,
    noise_hz: f64,
    /// Semitones against the speaker's pitch.
    pitch: f64,
}

/// 16-bit samples of a sentence.
pub(super) fn speak(
    sentence: &[Sound],
    speaker: &Speaker,
    prosody: &Prosody,
    sample_rate: u32,
    rng: &mut ChaCha8Rng,
) -> Vec<i16> {
    let rate = f64::from(sample_rate);
    let frames = smooth(&plan(sentence, prosody, rng));
    let hop = (rate / FRAMES_PER_S) as usize;
    let tract = speaker.tract * (1.0 + prosody.formants);
    let mut voice = Voice::new(prosody, rate);
    let mut cascade = [Resonator::default(); 5];
    let mut hiss = Resonator::default();
    let mut samples = Vec::with_capacity(frames.len() * hop);
    for pair in frames.windows(2) {
        let (now, next) = (pair[0], pair[1]);
        let formants = [
            now.formants[0],
            now.formants[1],
            now.formants[2],
            UPPER_FORMANTS_HZ[0],
            UPPER_FORMANTS_HZ[1],
        ];
        for ((resonator, hz), width) in cascade.iter_mut().zip(formants).zip(BANDWIDTHS_HZ) {
            resonator.tune(hz * tract, width * (1.0 + 4.0 * prosody.breath), rate);
        }
        hiss.tune(
            (now.noise_hz * tract).min(0.42 * rate),
            0.25 * now.noise_hz,
            rate,
        );
        for step in 0..hop {
            let along = step as f64 / hop as f64;
            let mix = |a: f64, b: f64| a + along * (b - a);
            let hz = speaker.pitch_hz * semitones(mix(now.pitch, next.pitch));
            let voiced = mix(now.voice, next.voice) * voice.next(hz, rng);
            let sound = cascade
                .iter_mut()
                .fold(voiced, |x, resonator| resonator.next(x));
            let noise = mix(now.noise, next.noise) * hiss.next(white(rng));
            samples.push(sound + 0.6 * noise);
        }
    }
    finish(samples, prosody, rng)
}

/// The course of all controls before the mouth's inertia: sounds in their durations, silence around
/// them.
fn plan(sentence: &[Sound], prosody: &Prosody, rng: &mut ChaCha8Rng) -> Vec<Frame> {
    let silence = |seconds: f64| {
        (
            Sound {
                phone: PAUSE,
                accent: 0.0,
            },
            seconds,
        )
    };
    let mut sounds = vec![silence(rng.random_range(0.06..0.18))];
    for sound in sentence {
        let seconds = sound.phone.duration_s * (0.12 * normal(rng) - prosody.speed).exp();
        sounds.push((
            Sound {
                accent: sound.accent + 0.35 * normal(rng),
                ..*sound
            },
            seconds,
        ));
    }
    sounds.push(silence(rng.random_range(0.08..0.2)));

    let tremor_hz = rng.random_range(5.5..7.5);
    let total: f64 = sounds.iter().map(|(_, seconds)| seconds).sum();
    let mut frames: Vec<Frame> = Vec::new();
    for (Sound { phone, accent }, seconds) in sounds {
        let count = ((seconds * FRAMES_PER_S).round() as usize).max(2);
        for i in 0..count {
            let at = frames.len() as f64 / FRAMES_PER_S;
            let open = if (i as f64) < phone.closure * count as f64 {
                0.0
            } else {
                1.0
            };
            let tremor = prosody.tremor * (TAU * tremor_hz * at).sin();
            frames.push(Frame {
                formants: phone.formants,
                voice: open * phone.voice,
                noise: open * phone.noise,
                noise_hz: phone.noise_hz,
                pitch: prosody.pitch
                    + prosody.range * accent
                    + prosody.slope * (at / total - 0.5)
                    + tremor,
            });
        }
    }
    frames
}

/// Means over neighbouring frames: resonances and pitch move over about 50 ms, amplitudes over 15
/// ms.
fn smooth(frames: &[Frame]) -> Vec<Frame> {
    let mean = |at: usize, reach: usize, value: &dyn Fn(&Frame) -> f64| {
        let near = &frames[at.saturating_sub(reach)..(at + reach + 1).min(frames.len())];
        near.iter().map(value).sum::<f64>() / near.len() as f64
    };
    let at = |i: usize| Frame {
        formants: [0, 1, 2].map(|k| mean(i, 5, &|f| f.formants[k])),
        voice: mean(i, 1, &|f| f.voice),
        noise: mean(i, 1, &|f| f.noise),
        noise_hz: frames[i].noise_hz,
        pitch: mean(i, 8, &|f| f.pitch),
    };
    (0..frames.len()).map(at).collect()
}

/// Level of the whole, room noise, 16 bits.
fn finish(samples: Vec<f64>, prosody: &Prosody, rng: &mut ChaCha8Rng) -> Vec<i16> {
    let power = samples.iter().map(|x| x * x).sum::<f64>() / samples.len().max(1) as f64;
    let gain = decibels(LEVEL_DB + prosody.level) / power.sqrt().max(1e-9);
    let room = decibels(rng.random_range(-72.0..-60.0));
    samples
        .iter()
        .map(|x| ((gain * x + room * white(rng)).clamp(-1.0, 1.0) * 32_767.0).round() as i16)
        .collect()
}

fn decibels(db: f64) -> f64 {
    10.0_f64.powf(db / 20.0)
}

fn white(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.random::<i32>()) / 2_147_483_648.0
}

/// The glottis: pulses of the shape that Rosenberg 1971 found best, as their derivative (which is
/// what leaves the lips), with breath.
struct Voice {
    rate: f64,
    jitter: f64,
    breath: f64,
    /// Share of the period during which the glottis is open; longer in a breathy voice.
    open: f64,
    /// Coefficient and state of the low-pass that darkens the voice.
    damping: f64,
    damped: f64,
    phase: f64,
    /// Of the current period.
    stretch: f64,
    strength: f64,
}

impl Voice {
    fn new(prosody: &Prosody, rate: f64) -> Voice {
        let corner = (1_400.0 * (-prosody.tilt).exp2()).min(0.45 * rate);
        Voice {
            rate,
            jitter: prosody.jitter,
            breath: prosody.breath,
            open: (0.55 + 2.0 * prosody.breath).clamp(0.4, 0.8),
            damping: (-TAU * corner / rate).exp(),
            damped: 0.0,
            phase: 0.0,
            stretch: 1.0,
            strength: 1.0,
        }
    }

    fn next(&mut self, hz: f64, rng: &mut ChaCha8Rng) -> f64 {
        self.phase += hz * self.stretch / self.rate;
        if self.phase >= 1.0 {
            self.phase %= 1.0;
            self.stretch = 1.0 + self.jitter * normal(rng);
            self.strength = 1.0 + 4.0 * self.jitter * normal(rng);
        }
        let x = self.phase / self.open;
        let (pulse, airflow) = if x < 1.0 {
            (2.0 * x - 3.0 * x * x, 1.0)
        } else {
            (0.0, 0.3)
        };
        let source = self.strength * pulse;
        self.damped = source + self.damping * (self.damped - source);
        // Breath keeps its highs.
        self.damped + self.breath * airflow * white(rng)
    }
}

/// A digital resonator with unit gain at 0 Hz (Klatt 1980, equation 1).
#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    last: f64,
    before: f64,
}

impl Resonator {
    /// One that is too high for the sample rate lets everything pass.
    fn tune(&mut self, hz: f64, width: f64, rate: f64) {
        if hz > 0.46 * rate {
            (self.a, self.b, self.c) = (1.0, 0.0, 0.0);
            return;
        }
        let radius = (-PI * width / rate).exp();
        self.c = -radius * radius;
        self.b = 2.0 * radius * (TAU * hz / rate).cos();
        self.a = 1.0 - self.b - self.c;
    }

    fn next(&mut self, x: f64) -> f64 {
        let y = self.a * x + self.b * self.last + self.c * self.before;
        (self.before, self.last) = (self.last, y);
        y
    }
}
