//! Feature sets: versioned vectors of one utterance.
