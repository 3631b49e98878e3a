//! Tests through the public interface.

mod corpora;
