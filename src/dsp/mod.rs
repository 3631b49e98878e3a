//! Signal processing as pure functions on slices, after librosa 0.8.1.
