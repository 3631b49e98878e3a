//! Pipelines on a Slurm cluster of three nodes, which the tests bring up on this machine.
//!
//! `SER_SLURM=1` asks for them, `SER_SLURM=all` also for those that take minutes; they need the
//! right to start daemons.

mod cluster;
mod faults;
mod loss;
mod plans;
