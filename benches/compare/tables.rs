//! The results as CSV.

use super::results::{Results, Side};
use super::stats::Spread;

/// One line per comparison: `bench.csv`.
///
/// # Errors
/// When the writer refuses, which memory does not.
pub fn comparisons(results: &Results) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "part",
        "scenario",
        "what",
        "unit",
        "ours",
        "ours_median",
        "ours_min",
        "ours_max",
        "peer",
        "peer_median",
        "peer_min",
        "peer_max",
        "ratio_median",
        "ratio_min",
        "ratio_max",
        "runs",
        "not_measured",
        "ours_command",
        "peer_command",
    ])?;
    for row in results.rows() {
        let value = |side: Option<&Side>| numbers(side.and_then(|side| side.value.as_ref().ok()));
        let why = |side: &Side| {
            side.value
                .as_ref()
                .err()
                .map(|why| format!("{}: {why}", side.name))
        };
        let not_measured: Vec<String> = [Some(&row.ours), row.peer.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(why)
            .collect();
        let runs = row
            .ratio
            .or(row.ours.value.as_ref().ok().copied())
            .map_or(0, |spread| spread.runs);
        let mut record = vec![
            row.part.word().to_owned(),
            row.scenario,
            row.what,
            row.unit.to_owned(),
            row.ours.name.clone(),
        ];
        record.extend(value(Some(&row.ours)));
        record.push(
            row.peer
                .as_ref()
                .map_or_else(String::new, |side| side.name.clone()),
        );
        record.extend(value(row.peer.as_ref()));
        record.extend(numbers(row.ratio.as_ref()));
        record.extend([runs.to_string(), not_measured.join("; "), row.ours.command]);
        record.push(row.peer.map_or_else(String::new, |side| side.command));
        table.write_record(record)?;
    }
    table.into_inner().map_err(|e| e.into_error().into())
}

/// One line per run: `runs.csv`.
///
/// # Errors
/// When the writer refuses, which memory does not.
pub fn runs(results: &Results) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "round",
        "part",
        "scenario",
        "contestant",
        "processes",
        "items",
        "cpu_s",
        "wall_s",
        "process_wall_s",
        "user_s",
        "system_s",
        "max_rss_bytes",
        "printed",
        "failure",
        "command",
    ])?;
    for run in &results.runs {
        let scenario = results.scenario(&run.scenario);
        let contestant = scenario
            .and_then(|scenario| scenario.contestants.iter().find(|c| c.id == run.contestant));
        let mut record = vec![
            run.round.to_string(),
            scenario
                .map_or("", |scenario| scenario.part.word())
                .to_owned(),
            run.scenario.clone(),
            run.contestant.to_owned(),
        ];
        match &run.outcome {
            Ok(m) => {
                record.push(m.processes.to_string());
                record.extend(
                    [
                        m.items,
                        m.cpu_s,
                        m.wall_s,
                        m.process_wall_s,
                        m.user_s,
                        m.system_s,
                    ]
                    .map(|value| value.to_string()),
                );
                record.extend([
                    m.max_rss_bytes.to_string(),
                    m.printed.clone(),
                    String::new(),
                ]);
            }
            Err(why) => {
                record.extend(std::iter::repeat_n(String::new(), 9));
                record.push(why.clone());
            }
        }
        record.push(contestant.map_or_else(String::new, |contestant| contestant.command.clone()));
        table.write_record(record)?;
    }
    table.into_inner().map_err(|e| e.into_error().into())
}

/// Median, smallest, largest; empty where there is no value.
fn numbers(spread: Option<&Spread>) -> [String; 3] {
    spread.map_or_else(Default::default, |s| {
        [s.median, s.min, s.max].map(|value| value.to_string())
    })
}
