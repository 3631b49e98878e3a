//! From a file to mono samples at the rate that the features want.
