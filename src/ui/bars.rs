//! Progress bars on a terminal: one per running task, with rate and time left.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::phase::Phase;
use super::stages::Stages;
use super::{Verbosity, duration, lines};
use crate::escape::{shown, shown_lines};
use crate::orchestrator::{Event, Observer};

/// The unit of transfers.
const BYTES: &str = "bytes";

/// Draws bars on standard error and prints lines above them.
#[derive(Debug)]
pub struct Bars {
    verbosity: Verbosity,
    all: MultiProgress,
    running: Mutex<BTreeMap<String, (ProgressBar, Phase)>>,
    stages: Mutex<Stages>,
}

impl Bars {
    /// Says as much as `verbosity` asks for.
    pub fn new(verbosity: Verbosity) -> Self {
        Bars {
            verbosity,
            all: MultiProgress::new(),
            running: Mutex::new(BTreeMap::new()),
            stages: Mutex::default(),
        }
    }

    fn stages(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn style(unit: &'static str) -> ProgressStyle {
        let counts = if unit == BYTES {
            "{bytes}/{total_bytes}".to_owned()
        } else {
            format!("{{pos}}/{{len}} {unit}")
        };
        ProgressStyle::with_template(&format!(
            "{{prefix:32!}} {{bar:20}} {counts}{{pace}}  {{msg}}"
        ))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key(
            "pace",
            move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // What cannot be drawn is left out.
                let _ = out.write_str(&pace(unit, state.per_sec(), state.eta().as_secs_f64()));
            },
        )
    }
}

/// How fast it goes, and how long it will take; nothing before that is known.
fn pace(unit: &str, per_second: f64, left_s: f64) -> String {
    if !(per_second > 0.0 && per_second < 1e15) {
        return String::new();
    }
    let rate = if unit == BYTES {
        HumanBytes(per_second as u64).to_string()
    } else {
        rate(per_second)
    };
    format!(", {rate}/s, {} left", duration(left_s))
}

/// With the digits that matter: `0.25`, `3.1`, `12799`.
fn rate(per_second: f64) -> String {
    let digits = match per_second {
        r if r < 0.1 => 3,
        r if r < 1.0 => 2,
        r if r < 100.0 => 1,
        _ => 0,
    };
    format!("{per_second:.digits$}")
}

/// Both at once: what is drawn between them would be `41/10`.
fn set(bar: &ProgressBar, done: u64, total: u64) {
    bar.update(|state| {
        state.set_len(total);
        state.set_pos(done);
    });
}

fn clear(all: &MultiProgress, running: &mut BTreeMap<String, (ProgressBar, Phase)>) {
    for (bar, _) in std::mem::take(running).into_values() {
        bar.finish_and_clear();
        all.remove(&bar);
    }
}

impl Drop for Bars {
    /// What was interrupted leaves no bar behind.
    fn drop(&mut self) {
        let ended = self.stages().end();
        clear(
            &self.all,
            self.running
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some(text) = ended {
            let _ = self.all.println(shown_lines(&text));
        }
    }
}

impl Observer for Bars {
    fn observe(&self, event: Event) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match &event {
            Event::TaskProgress {
                task,
                done,
                total,
                unit,
                note,
            } => {
                let begin = |bar: &ProgressBar| {
                    bar.set_style(Bars::style(unit));
                    // What an earlier run did counts as done, but not as speed.
                    set(bar, *done, *total);
                    bar.reset_eta();
                };
                let (bar, phase) = running.entry(task.clone()).or_insert_with(|| {
                    let bar = self.all.add(
                        ProgressBar::new(*total)
                            .with_style(Bars::style(unit))
                            .with_prefix(shown(task)),
                    );
                    begin(&bar);
                    (bar, Phase::new(unit, *total, *done))
                });
                if phase.goes_on_to(unit, *total, *done) {
                    bar.reset();
                    begin(bar);
                }
                set(bar, *done, *total);
                bar.set_message(shown(note));
            }
            // Stages follow one another: a bar of an earlier one is of work that ends without
            // saying so, such as generating a corpus.
            Event::PipelineStarted { .. } | Event::StageStarted { .. } => {
                clear(&self.all, &mut running)
            }
            Event::TaskFinished { task, .. } | Event::TaskFailed { task, .. } => {
                if let Some((bar, _)) = running.remove(task) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
            }
            _ => {}
        }
        drop(running);
        let (ended, is_part) = match self.verbosity {
            Verbosity::Normal => self.stages().take(&event, Instant::now()),
            _ => (None, false),
        };
        let own = lines::line(&event, self.verbosity).filter(|_| !is_part);
        for text in ended.into_iter().chain(own) {
            // A terminal that went away must not end the work.
            let _ = self.all.println(shown_lines(&text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded() {
        assert_eq!(
            [0.254, 3.12, 99.94, 12_799.454].map(rate),
            ["0.25", "3.1", "99.9", "12799"]
        );
        assert_eq!(
            pace("pairs", 12_799.454_208_454, 61.2),
            ", 12799/s, 1 min 01 s left"
        );
        assert_eq!(pace(BYTES, 2_097_152.0, 3.0), ", 2.00 MiB/s, 3.0 s left");
        assert_eq!(
            [0.0, f64::NAN, f64::INFINITY].map(|speed| pace("pairs", speed, 0.0)),
            [""; 3]
        );
    }

    #[test]
    fn a_second_phase_counts_anew() {
        let bars = Bars::new(Verbosity::Quiet);
        let progress = |done: u64, total: u64, unit: &'static str| {
            bars.observe(Event::TaskProgress {
                task: "audit".into(),
                done,
                total,
                unit,
                note: String::new(),
            });
            let running = bars.running.lock().unwrap();
            let bar = &running["audit"].0;
            (bar.position(), bar.length())
        };
        assert_eq!(progress(41, 41, "recordings"), (41, Some(41)));
        assert_eq!(progress(1, 10, "pairs"), (1, Some(10)));
        assert_eq!(progress(10, 10, "pairs"), (10, Some(10)));
    }

    #[test]
    fn no_bar_outlives_its_stage() {
        let bars = Bars::new(Verbosity::Quiet);
        let progress = |task: &str| {
            bars.observe(Event::TaskProgress {
                task: task.into(),
                done: 1,
                total: 2,
                unit: "files",
                note: String::new(),
            })
        };
        let shown = || bars.running.lock().unwrap().len();
        progress("generate");
        progress("ingest");
        assert_eq!(shown(), 2);
        bars.observe(Event::TaskFinished {
            task: "ingest".into(),
            stage: "ingest".into(),
            key: String::new(),
            seconds: 1.0,
        });
        assert_eq!(shown(), 1);
        bars.observe(Event::StageStarted {
            stage: "ingest".into(),
            tasks: 1,
        });
        assert_eq!(shown(), 0);
        progress("generate");
        bars.observe(Event::PipelineStarted {
            pipeline: "other".into(),
        });
        assert_eq!(shown(), 0);
    }
}
