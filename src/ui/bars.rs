//! Progress bars on a terminal: one per running task, with rate and time left.

use std::collections::BTreeMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Verbosity, lines};
use crate::orchestrator::{Event, Observer};

/// Draws bars on standard error and prints lines above them.
#[derive(Debug)]
pub struct Bars {
    verbosity: Verbosity,
    all: MultiProgress,
    running: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    /// Says as much as `verbosity` asks for.
    pub fn new(verbosity: Verbosity) -> Self {
        Bars { verbosity, all: MultiProgress::new(), running: Mutex::new(BTreeMap::new()) }
    }

    fn style() -> ProgressStyle {
        ProgressStyle::with_template("{prefix:32!} {bar:24} {pos}/{len} {per_sec:>9} {eta:>5} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
    }
}

fn clear(all: &MultiProgress, running: &mut BTreeMap<String, ProgressBar>) {
    for bar in std::mem::take(running).into_values() {
        bar.finish_and_clear();
        all.remove(&bar);
    }
}

impl Drop for Bars {
    /// What was interrupted leaves no bar behind.
    fn drop(&mut self) {
        clear(&self.all, self.running.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

impl Observer for Bars {
    fn observe(&self, event: Event) {
        let mut running = self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &event {
            Event::TaskProgress { task, done, total, unit, note } => {
                let bar = running.entry(task.clone()).or_insert_with(|| {
                    let bar = self.all.add(ProgressBar::new(*total).with_style(Bars::style()));
                    bar.set_prefix(task.clone());
                    // What an earlier run did counts as done, but not as speed.
                    bar.set_position(*done);
                    bar.reset_eta();
                    bar
                });
                bar.set_length(*total);
                bar.set_position(*done);
                bar.set_message(if note.is_empty() { (*unit).to_owned() } else { note.clone() });
            }
            // Stages follow one another: a bar of an earlier one is of work that ends without saying so, such as generating a corpus.
            Event::PipelineStarted { .. } | Event::StageStarted { .. } => clear(&self.all, &mut running),
            Event::TaskFinished { task, .. } | Event::TaskFailed { task, .. } => {
                if let Some(bar) = running.remove(task) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
            }
            _ => {}
        }
        drop(running);
        if let Some(text) = lines::line(&event, self.verbosity) {
            // A terminal that went away must not end the work.
            let _ = self.all.println(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bar_outlives_its_stage() {
        let bars = Bars::new(Verbosity::Quiet);
        let progress =
            |task: &str| bars.observe(Event::TaskProgress { task: task.into(), done: 1, total: 2, unit: "files", note: String::new() });
        let shown = || bars.running.lock().unwrap().len();
        progress("generate");
        progress("ingest");
        assert_eq!(shown(), 2);
        bars.observe(Event::TaskFinished { task: "ingest".into(), stage: "ingest".into(), key: String::new(), seconds: 1.0 });
        assert_eq!(shown(), 1);
        bars.observe(Event::StageStarted { stage: "ingest".into(), tasks: 1 });
        assert_eq!(shown(), 0);
        progress("generate");
        bars.observe(Event::PipelineStarted { pipeline: "other".into() });
        assert_eq!(shown(), 0);
    }
}
