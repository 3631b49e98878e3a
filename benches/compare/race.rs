//! Round after round, every contestant once, so that what disturbs the machine disturbs all alike.

use std::fs;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::child::{self, Finished};
use super::results::{Measured, Results, Run};
use super::scenarios::{Job, Plan, Reading};
use super::stats::number;

/// Runs all plans in `rounds` rounds; `written` sees the results after each of them.
///
/// A contestant that fails is not run again. What each run took is said on standard error.
///
/// # Errors
/// What `written` returns.
pub fn race(
    plans: &[Plan],
    rounds: usize,
    root: &Path,
    results: &mut Results,
    mut written: impl FnMut(&Results) -> Result<(), String>,
) -> Result<(), String> {
    let mut unprepared = Vec::new();
    for plan in plans {
        if let Some(call) = &plan.prepare {
            eprintln!("prepare  {}", call.text(root));
            if let Err(why) = child::run(call, root) {
                unprepared.push((plan.scenario.id.as_str(), why));
            }
        }
    }
    for round in 1..=rounds {
        for plan in plans {
            let unprepared = unprepared
                .iter()
                .find(|(id, _)| *id == plan.scenario.id)
                .map(|(_, why)| why);
            for job in &plan.jobs {
                let (scenario, contestant) = (plan.scenario.id.clone(), job.contestant.id);
                let gone = |run: &Run| {
                    run.scenario == scenario && run.contestant == contestant && run.outcome.is_err()
                };
                if job.contestant.absent.is_some() || results.runs.iter().any(gone) {
                    continue;
                }
                let outcome = unprepared.map_or_else(|| measure(job, root), |why| Err(why.clone()));
                match &outcome {
                    Ok(m) => eprintln!(
                        "{round}/{rounds}  {scenario}  {contestant}  {:.1} s",
                        m.process_wall_s
                    ),
                    Err(why) => {
                        eprintln!("{round}/{rounds}  {scenario}  {contestant}  not measured: {why}")
                    }
                }
                results.runs.push(Run {
                    round,
                    scenario,
                    contestant,
                    outcome,
                });
            }
        }
        results.rounds_done = round;
        written(results)?;
    }
    Ok(())
}

fn measure(job: &Job, root: &Path) -> Result<Measured, String> {
    let clear = || match &job.fresh {
        Some(folder) if folder.exists() => {
            fs::remove_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))
        }
        _ => Ok(()),
    };
    clear()?;
    let finished = match job.calls.as_slice() {
        [call] => vec![child::run(call, root)?],
        calls => child::run_together(calls, root)?,
    };
    let measured = read(job, &finished)?;
    clear()?;
    Ok(measured)
}

fn read(job: &Job, finished: &[Finished]) -> Result<Measured, String> {
    let sum = |of: fn(&Finished) -> f64| finished.iter().map(of).sum::<f64>();
    let process = Measured {
        processes: finished.len(),
        process_wall_s: finished
            .iter()
            .map(|process| process.wall_s)
            .fold(0.0, f64::max),
        user_s: sum(|process| process.user_s),
        system_s: sum(|process| process.system_s),
        max_rss_bytes: finished.iter().map(|process| process.max_rss_bytes).sum(),
        ..Measured::default()
    };
    let whole = |items| Measured {
        items,
        cpu_s: process.user_s + process.system_s,
        wall_s: process.process_wall_s,
        ..process.clone()
    };
    match &job.reading {
        Reading::Whole => Ok(whole(1.0)),
        Reading::Table(path) => {
            let file = fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let table =
                SerializedFileReader::new(file).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok(whole(table.metadata().file_metadata().num_rows() as f64))
        }
        Reading::Printed => {
            let lines: Vec<&str> = finished
                .iter()
                .map(|process| process.line.as_str())
                .collect();
            let (items, cpu_s, wall_s) =
                printed(&lines).ok_or_else(|| format!("no figures in `{}`", lines.join(" | ")))?;
            Ok(Measured {
                items,
                cpu_s,
                wall_s,
                printed: lines.join(" | "),
                ..process
            })
        }
    }
}

/// Items, CPU time and time by the clock of programs that ran side by side, from what they printed:
/// their rates add up.
fn printed(lines: &[&str]) -> Option<(f64, f64, f64)> {
    let (mut items, mut cpu_s, mut rate) = (0.0, 0.0, 0.0);
    for line in lines {
        let (n, cpu, per_second) = match number(line, "samples") {
            Some(samples) => (
                samples,
                number(line, "cpu_ms_per_sample")? * samples * 1e-3,
                number(line, "samples_per_s")?,
            ),
            None => {
                let files = number(line, "files")?;
                (
                    files,
                    number(line, "cpu_s")?,
                    files / number(line, "wall_s")?,
                )
            }
        };
        items += n;
        cpu_s += cpu;
        rate += per_second;
    }
    Some((items, cpu_s, items / rate))
}
