//! The program as a user runs it: arguments in, exit code, messages and files out.

mod augment;
mod bad_audio;
mod bad_corpus;
mod bad_settings;
mod cache;
mod changes;
mod faults;
mod history;
pub mod project;
mod runs;
mod scale;
