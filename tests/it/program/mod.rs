//! The program as a user runs it: arguments in, exit code, messages and files out.

mod augment;
mod bad_audio;
mod bad_corpus;
mod bad_settings;
mod cache;
mod changes;
mod controls;
mod docs;
mod ensembles;
mod explain;
mod faults;
mod history;
mod init;
mod joined;
mod leaks;
mod messages;
mod pools;
mod predict;
mod processors;
pub mod project;
mod proposals;
mod runs;
mod scale;
mod sets;
mod variants;
mod windows;
