//! From a file to mono samples at the rate that the features want.

pub mod resample;
pub(crate) mod simd;
