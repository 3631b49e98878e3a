//! From a file to mono samples at the rate that the features want.

pub mod augment;
mod decode;
pub mod resample;
pub(crate) mod simd;
mod stream;
mod wav;
mod windows;

pub use decode::{Audio, decode, decode_bytes};
pub use windows::Windows;
