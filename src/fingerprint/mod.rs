//! Recordings of the same sound that are not the same samples: found by a short sketch of each,
//! confirmed by aligning the waveforms.
//!
//! A sketch describes what survives a copy in another format (the spectrum and the rhythm between
//! 200 and 3400 Hz) and not what changes with it: level, rate, padding. [`candidates`] are recordings
//! with nearly the same sketch; only for these are the sounds opened again, and
//! [`Aligner::likeness`] is the height of the peak of their cross-correlation. Takes of one
//! sentence by one speaker have like sketches but waveforms that fit at no shift.

mod align;
mod sketch;

#[cfg(test)]
mod tests;

pub use align::{Aligner, Likeness, SAME};
pub use sketch::{LONGEST_S, NEAR, NEIGHBOURS, RATE, Sketcher, WIDTH, candidates};

/// Changes whenever the same recordings would give other sketches, candidates or verdicts.
pub const CODE_VERSION: u32 = 2;
