//! What was run, what it took, and what stands beside what.

use std::collections::BTreeMap;

use super::stats::{self, Spread, spread};

/// A group of scenarios that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Part {
    /// From recordings to the feature table.
    Features,
    /// Training of the network.
    Training,
    /// Predictions of the network.
    Inference,
    /// A second run with nothing to do.
    Rerun,
    /// The training engine beside its own matrix products.
    Engine,
}

impl Part {
    /// All, in the order of the page.
    pub const ALL: [Part; 5] = [
        Part::Features,
        Part::Training,
        Part::Inference,
        Part::Rerun,
        Part::Engine,
    ];

    /// The word for it in options and files.
    pub fn word(self) -> &'static str {
        match self {
            Part::Features => "features",
            Part::Training => "training",
            Part::Inference => "inference",
            Part::Rerun => "rerun",
            Part::Engine => "engine",
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// User and system time per file.
    CpuPerFile,
    /// Files per second by the clock on the wall.
    FilesPerSecond,
    /// Samples per second of user and system time.
    SamplesPerCpuSecond,
    /// Samples per second by the clock on the wall.
    SamplesPerSecond,
    /// The clock on the wall.
    Wall,
}

impl Metric {
    /// As it stands beside the figures.
    pub fn unit(self) -> &'static str {
        match self {
            Metric::CpuPerFile => "CPU ms per file",
            Metric::FilesPerSecond => "files per second",
            Metric::SamplesPerCpuSecond => "samples per CPU second",
            Metric::SamplesPerSecond => "samples per second",
            Metric::Wall => "seconds",
        }
    }

    /// Its value in one run.
    pub fn of(self, run: &Measured) -> f64 {
        match self {
            Metric::CpuPerFile => run.cpu_s * 1e3 / run.items,
            Metric::FilesPerSecond | Metric::SamplesPerSecond => run.items / run.wall_s,
            Metric::SamplesPerCpuSecond => run.items / run.cpu_s,
            Metric::Wall => run.wall_s,
        }
    }

    /// How many times as fast the first is as the second.
    pub fn ratio(self, ours: f64, theirs: f64) -> f64 {
        if self.more_is_faster() {
            ours / theirs
        } else {
            theirs / ours
        }
    }

    fn more_is_faster(self) -> bool {
        !matches!(self, Metric::CpuPerFile | Metric::Wall)
    }
}

/// What one run took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Files or samples.
    pub items: f64,
    /// User and system time that counts: of the process, or what it printed.
    pub cpu_s: f64,
    /// Time by the clock that counts: of the process, or what it printed.
    pub wall_s: f64,
    /// How many processes ran side by side.
    pub processes: usize,
    /// From start to end of the processes.
    pub process_wall_s: f64,
    /// User time of the processes and what they waited for.
    pub user_s: f64,
    /// System time likewise.
    pub system_s: f64,
    /// Peak resident memory, summed over the processes.
    pub max_rss_bytes: u64,
    /// The line that the program printed, empty where nothing was read.
    pub printed: String,
}

/// One program in one layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Contestant {
    /// Unique in its scenario.
    pub id: &'static str,
    /// For readers.
    pub name: String,
    /// The command line that is run.
    pub command: String,
    /// Why it cannot be run.
    pub absent: Option<String>,
}

/// Contestants with the same work.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Unique in the run.
    pub id: String,
    /// Where it belongs.
    pub part: Part,
    /// The work.
    pub title: String,
    /// In the order in which they run.
    pub contestants: Vec<Contestant>,
}

/// One run of one contestant, or why it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// From 1.
    pub round: usize,
    /// Id of the scenario.
    pub scenario: String,
    /// Id of the contestant.
    pub contestant: &'static str,
    /// What it took, or why it came to nothing.
    pub outcome: Result<Measured, String>,
}

/// Two contestants of a scenario side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Id of the scenario.
    pub scenario: String,
    /// What is compared, with the layout.
    pub what: String,
    /// In which unit.
    pub metric: Metric,
    /// Id of ser's contestant.
    pub ours: &'static str,
    /// Ids of the peer's layouts, of which the one with the best median counts; empty where ser
    /// stands alone.
    pub theirs: Vec<&'static str>,
    /// Whether it is shown at the top of the page.
    pub headline: bool,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The contestant.
    pub name: String,
    /// Its command line.
    pub command: String,
    /// Its value over the rounds, or why there is none.
    pub value: Result<Spread, String>,
}

/// A comparison with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it belongs.
    pub part: Part,
    /// Title of the scenario.
    pub scenario: String,
    /// What is compared.
    pub what: String,
    /// The unit of both sides.
    pub unit: &'static str,
    /// ser.
    pub ours: Side,
    /// The peer, where there is one.
    pub peer: Option<Side>,
    /// How many times as fast ser is, from the rounds in which both ran.
    pub ratio: Option<Spread>,
    /// Whether it is shown at the top of the page.
    pub headline: bool,
}

/// Everything that the report shows.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Whether the runs were too short to be quoted.
    pub quick: bool,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// Rounds that are complete.
    pub rounds_done: usize,
    /// The machine and the versions: name, value.
    pub machine: Vec<(String, String)>,
    /// What a reader has to know: what was left out, what disturbed.
    pub notes: Vec<String>,
    /// In the order in which they run.
    pub scenarios: Vec<Scenario>,
    /// In the order of the page.
    pub comparisons: Vec<Comparison>,
    /// In the order in which they ran.
    pub runs: Vec<Run>,
    /// Lines of `benches/engine.rs`.
    pub engine: Vec<String>,
}

impl Results {
    /// The scenario of that id.
    pub fn scenario(&self, id: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.id == id)
    }

    /// The runs of one contestant that came to something, with their rounds.
    pub fn measured<'a>(
        &'a self,
        scenario: &'a str,
        contestant: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Measured)> {
        let of = move |run: &&Run| run.scenario == scenario && run.contestant == contestant;
        self.runs.iter().filter(of).filter_map(|run| {
            run.outcome
                .as_ref()
                .ok()
                .map(|measured| (run.round, measured))
        })
    }

    /// Every comparison with its figures.
    pub fn rows(&self) -> Vec<Row> {
        self.comparisons
            .iter()
            .filter_map(|comparison| self.row(comparison))
            .collect()
    }

    fn row(&self, comparison: &Comparison) -> Option<Row> {
        let scenario = self.scenario(&comparison.scenario)?;
        let ours = self.side(scenario, comparison.ours, comparison.metric)?;
        let sides = comparison.theirs.iter().filter_map(|id| {
            self.side(scenario, id, comparison.metric)
                .map(|side| (*id, side))
        });
        // A lower ratio is a faster peer, whatever the unit.
        let speed = |side: &Side| {
            side.value.as_ref().map_or(f64::INFINITY, |value| {
                comparison.metric.ratio(1.0, value.median)
            })
        };
        let best = sides.reduce(|best, next| {
            if speed(&next.1) < speed(&best.1) {
                next
            } else {
                best
            }
        });
        let ratio = best.as_ref().and_then(|(id, _)| {
            let theirs: BTreeMap<usize, f64> = self
                .measured(&scenario.id, id)
                .map(|(round, run)| (round, comparison.metric.of(run)))
                .collect();
            let ours = self.measured(&scenario.id, comparison.ours);
            spread(ours.filter_map(|(round, run)| {
                Some(
                    comparison
                        .metric
                        .ratio(comparison.metric.of(run), *theirs.get(&round)?),
                )
            }))
        });
        Some(Row {
            part: scenario.part,
            scenario: scenario.title.clone(),
            what: comparison.what.clone(),
            unit: comparison.metric.unit(),
            ours,
            peer: best.map(|(_, side)| side),
            ratio,
            headline: comparison.headline,
        })
    }

    fn side(&self, scenario: &Scenario, id: &str, metric: Metric) -> Option<Side> {
        let contestant = scenario
            .contestants
            .iter()
            .find(|contestant| contestant.id == id)?;
        let value = spread(
            self.measured(&scenario.id, id)
                .map(|(_, run)| metric.of(run)),
        );
        let value = value.ok_or_else(|| self.why_not(scenario, contestant));
        Some(Side {
            name: contestant.name.clone(),
            command: contestant.command.clone(),
            value,
        })
    }

    fn why_not(&self, scenario: &Scenario, contestant: &Contestant) -> String {
        let of = |run: &&Run| run.scenario == scenario.id && run.contestant == contestant.id;
        let failure = self
            .runs
            .iter()
            .filter(of)
            .find_map(|run| run.outcome.as_ref().err());
        contestant
            .absent
            .as_ref()
            .or(failure)
            .cloned()
            .unwrap_or_else(|| "its turn has not come yet".to_owned())
    }

    /// Contestants of ser that failed, with the reason: a defect, where a peer that fails is only
    /// not measured.
    pub fn failures_of_ours(&self) -> Vec<String> {
        let ours = |run: &&Run| {
            self.comparisons
                .iter()
                .any(|c| c.scenario == run.scenario && c.ours == run.contestant)
        };
        let failed = self.runs.iter().filter(ours);
        failed
            .filter_map(|run| {
                run.outcome
                    .as_ref()
                    .err()
                    .map(|why| format!("{}, {}: {why}", run.scenario, run.contestant))
            })
            .collect()
    }

    /// Versions as the programs printed them, by the first of them: the program's own.
    pub fn versions(&self) -> BTreeMap<String, String> {
        const FIGURES: [&str; 11] = [
            "files",
            "audio_s",
            "wall_s",
            "cpu_s",
            "mode",
            "batch",
            "threads",
            "workers",
            "samples_per_s",
            "cpu_ms_per_sample",
            "samples",
        ];
        let mut versions = BTreeMap::new();
        for run in &self.runs {
            let Ok(Measured { printed, .. }) = &run.outcome else {
                continue;
            };
            let found: Vec<(&str, &str)> = stats::words(printed)
                .filter(|(key, _)| !FIGURES.contains(key))
                .collect();
            if let [(name, version), rest @ ..] = found.as_slice() {
                let beside: Vec<String> = rest
                    .iter()
                    .map(|(key, value)| format!("{key} {value}"))
                    .collect();
                let value = if beside.is_empty() {
                    (*version).to_owned()
                } else {
                    format!("{version} ({})", beside.join(", "))
                };
                versions.insert(format!("{name} {version}"), value);
            }
        }
        versions
    }
}
