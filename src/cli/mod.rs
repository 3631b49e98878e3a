//! Arguments and commands of the `ser` program.
