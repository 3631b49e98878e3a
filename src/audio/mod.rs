//! From a file to mono samples at the rate that the features want.

mod adts;
pub mod augment;
mod budget;
mod codec;
mod decode;
pub mod disturb;
mod format;
mod headers;
mod input;
mod mono;
mod mp3;
mod mp4;
mod pcm;
mod refusal;
pub mod resample;
pub(crate) mod simd;
mod sound;
mod stream;
mod wav;
mod windows;

pub use budget::{Budget, Permit, memory_needed};
pub use decode::{
    Audio, Shape, Take, decode, decode_blocks, decode_blocks_of_bytes, decode_bytes, decode_sound,
    decode_sound_of_bytes, measure,
};
pub use disturb::Condition;
pub use mono::{Remark, Remarks};
pub use sound::Samples;
pub use sound::{Long, Sound};
pub use windows::{Stream, Windows};
