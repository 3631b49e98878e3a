//! Where the science meets the orchestrator: the stages of a pipeline as tasks.
//!
//! Runs, plans, single trainings on a cluster, publications and the picture of the steps in a report
//! all follow `ORDER`. A new stage is a file with the functions of its group, its name in `stage`,
//! and its line here.

pub mod audformat;
mod audit;
mod augment;
mod calibrate;
mod combine;
mod corpus_section;
mod disturbed;
mod evaluate;
mod experiments;
mod explain;
pub mod export;
mod extract;
mod figures;
mod fit;
mod flow;
mod folds;
mod heard;
mod ingest;
mod inputs;
mod joined;
mod known;
mod label_warnings;
mod left_out;
mod line;
mod listing;
mod missing;
mod open;
mod overviews;
mod pipeline_run;
mod plan;
mod pools;
pub mod predict;
mod probes;
mod publish;
mod recordings;
mod report;
mod results;
mod rows;
mod search;
pub mod slurm;
mod split;
mod stage;
mod stress;
mod suspects;
mod tables;
mod train;
mod windows;
mod workers;

pub use flow::{Outcome, plan, run, work};
pub use left_out::{LeftOut, left_out};
pub use line::ExperimentLine;
pub use pipeline_run::Options;
pub use plan::{PlanLine, dag_dot, dag_text};
pub use results::{results, variants};
pub use stage::Stage;

pub use crate::orchestrator::Decision;
use flow::Group;

/// The order of all work. Trainings and evaluations of all experiments are one group, so that no
/// core waits for the end of an experiment.
const ORDER: [Group; 9] = [
    Group {
        after: recordings::after_ingest,
        publish: recordings::publish_utterances,
        ..Group::new(Stage::Ingest, recordings::ingest)
    },
    Group {
        after: recordings::after_features,
        publish: recordings::publish_features,
        // Tables are there for people even if no experiment comes to an end.
        published_at_once: true,
        ..Group::new(Stage::Features, recordings::features)
    },
    Group {
        publish: recordings::publish_audit,
        ..Group::new(Stage::Audit, recordings::audit)
    },
    Group {
        before: split::before,
        after: split::after,
        ..Group::new(Stage::Split, split::nodes)
    },
    Group {
        side_by_side: true,
        before: experiments::before,
        after: experiments::after,
        publish: experiments::publish,
        ..Group::new(Stage::Train, experiments::nodes)
    },
    Group {
        optional: true,
        before: explain::before,
        after: explain::after,
        ..Group::new(Stage::Explain, explain::nodes)
    },
    Group {
        optional: true,
        before: stress::before,
        after: stress::after,
        ..Group::new(Stage::Stress, stress::nodes)
    },
    Group {
        publish: tables::publish,
        ..Group::new(Stage::Tables, tables::nodes)
    },
    Group {
        before: report::before,
        publish: report::publish,
        ..Group::new(Stage::Report, report::report)
    },
];
