//! What can be asked for.

use std::path::PathBuf;

use clap::Parser;

use super::results::Part;

/// Measures ser beside its peers and writes reports/bench/.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub struct Options {
    /// Folder with ravdess/ and emodb/
    #[arg(
        long,
        value_name = "DIR",
        env = "SER_CORPORA",
        default_value = "data/corpora"
    )]
    pub corpora: PathBuf,
    /// Rounds: in each, every program runs once [default: 5, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// The peers read every K-th recording; prime to the 60 of a RAVDESS speaker, so that it meets
    /// every emotion [default: 7]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    every: Option<u16>,
    /// How long a training or an inference is measured [default: 8, with --quick 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: Option<u16>,
    /// These alone
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Shows in minutes that everything works; the figures are worth nothing
    #[arg(long)]
    pub quick: bool,
    /// Folder of the peers' environments
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub peers: PathBuf,
    /// Folder of the report
    #[arg(long, value_name = "DIR", default_value = "reports/bench")]
    pub out: PathBuf,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Rounds.
    pub fn rounds(&self) -> usize {
        self.rounds
            .map_or(if self.quick { 1 } else { 5 }, usize::from)
    }

    /// The peers read every so many-th recording.
    pub fn every(&self) -> usize {
        self.every.map_or(7, usize::from)
    }

    /// The peers read at most so many recordings of a corpus.
    pub fn limit(&self) -> usize {
        if self.quick { 6 } else { usize::MAX }
    }

    /// Seconds of one measurement of training or inference.
    pub fn seconds(&self) -> u16 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 8 })
    }

    /// Whether a part is wanted; a quick run leaves the engine out, which has windows of its own.
    pub fn wants(&self, part: Part) -> bool {
        if self.only.is_empty() {
            !(self.quick && part == Part::Engine)
        } else {
            self.only.contains(&part)
        }
    }
}
