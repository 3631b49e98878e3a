//! What a history answers.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, params};

use super::process::Process;
use super::rows::{Metric, Outcome, Predictions, Run, TaskRow, Tasks, What};
use super::schema::Trouble;
use super::store::History;
use crate::error::{Error, Result};

const RUN: &str = "SELECT id, started, strftime('%Y-%m-%d %H:%M', started, 'localtime'), finished,
  (julianday(finished) - julianday(started)) * 86400.0, pipeline, title, command, folder, revision, dirty, version, host, pid, birth, jobs,
  outcome, error, parameters,
  (SELECT count(*) FROM tasks WHERE run = id AND what = 'ran'), (SELECT count(*) FROM tasks WHERE run = id AND what = 'reused'),
  (SELECT count(*) FROM tasks WHERE run = id AND what = 'failed') FROM runs";

impl History {
    fn ask<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let rows = || {
            self.connection
                .prepare(sql)?
                .query_map(values, read)?
                .collect::<rusqlite::Result<Vec<T>>>()
        };
        rows().map_err(|error| Trouble::Sql(error).of(&self.path))
    }

    /// The last `limit` runs, of `pipeline` and its variants where one is named, the latest first,
    /// as seen from the machine `host`.
    ///
    /// # Errors
    /// `Io`, or `Data` where the file is damaged.
    pub fn runs(&self, pipeline: Option<&str>, limit: usize, host: &str) -> Result<Vec<Run>> {
        let sql = format!(
            "{RUN} WHERE ?1 IS NULL OR pipeline = ?1 OR substr(pipeline, 1, length(?1) + 1) = ?1 || '@' ORDER BY id DESC LIMIT ?2"
        );
        self.ask(
            &sql,
            params![pipeline, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| run(row, host),
        )
    }

    /// The last run of exactly this pipeline or variant; one of `ser explain`, which has no figures
    /// of its own, only where there is no other.
    pub fn latest_of(&self, name: &str, host: &str) -> Result<Option<Run>> {
        let found = self.ask(
            &format!(
                "{RUN} WHERE pipeline = ?1 ORDER BY command LIKE 'ser explain %', id DESC LIMIT 1"
            ),
            [name],
            |row| run(row, host),
        )?;
        Ok(found.into_iter().next())
    }

    /// The run that `name` stands for: its number, `latest`, `latest~1` for the one before, a
    /// pipeline or variant for its last one, or the beginning of its start in local time or UTC
    /// (`2026-11-24 23:4`) where only one run began then.
    ///
    /// # Errors
    /// `Missing` where there is no such run; `Usage` where there are several, or `name` is none of
    /// these.
    pub fn find(&self, name: &str, host: &str) -> Result<Run> {
        let none = || {
            let error = Error::missing(format!(
                "there is no run `{name}` in {}",
                self.path.display()
            ));
            error.hint("`ser runs` lists them")
        };
        let back = name
            .strip_prefix("latest")
            .map(|rest| rest.strip_prefix('~').ok_or(rest));
        let found = match back {
            Some(Err("")) => self.ask(&format!("{RUN} ORDER BY id DESC LIMIT 1"), [], |row| {
                run(row, host)
            })?,
            Some(Ok(steps)) if steps.parse::<u32>().is_ok() => self.ask(
                &format!("{RUN} ORDER BY id DESC LIMIT 1 OFFSET ?1"),
                [steps.parse::<u32>().unwrap_or(0)],
                |row| run(row, host),
            )?,
            _ if name.parse::<i64>().is_ok() => self.ask(
                &format!("{RUN} WHERE id = ?1"),
                [name.parse::<i64>().unwrap_or(0)],
                |row| run(row, host),
            )?,
            _ if name.len() >= 4
                && name
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"-: TZ.".contains(&b)) =>
            {
                let sql = format!(
                    "{RUN} WHERE substr(started, 1, length(?1)) = ?1
                     OR substr(strftime('%Y-%m-%d %H:%M:%f', started, 'localtime'), 1, length(?1)) = ?1 ORDER BY id"
                );
                self.ask(&sql, [name], |row| run(row, host))?
            }
            _ => match self.latest_of(name, host)? {
                Some(run) => vec![run],
                None => {
                    return Err(Error::usage(format!("`{name}` names no run")).hint(
                        "use the number of a run, latest, latest~1, when it started, such as 2026-11-24, or the name of a pipeline that has run",
                    ));
                }
            },
        };
        let ids: Vec<String> = found.iter().map(|run| run.id.to_string()).collect();
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Err(none()),
            (Some(run), None) => Ok(run),
            _ => Err(Error::usage(format!(
                "`{name}` may be any of the runs {}",
                ids.join(", ")
            ))
            .hint("name one by its number")),
        }
    }

    /// Tasks of a run, by stage as they stand in the pipeline, then by name.
    pub fn tasks(&self, run: i64) -> Result<Vec<TaskRow>> {
        let sql = "SELECT task, stage, key, what, seconds, why FROM tasks WHERE run = ?1
                   ORDER BY CASE stage WHEN 'ingest' THEN 0 WHEN 'features' THEN 1 WHEN 'audit' THEN 2 WHEN 'split' THEN 3 WHEN 'train' THEN 4 ELSE 5 END, stage, task";
        self.ask(sql, [run], |row| {
            Ok(TaskRow {
                task: row.get(0)?,
                stage: row.get(1)?,
                key: row.get(2)?,
                what: What::of(&row.get::<_, String>(3)?),
                seconds: row.get(4)?,
                why: row.get(5)?,
            })
        })
    }

    /// Wall time of the run that made the output of a stage under a key, in seconds; the latest
    /// where several did.
    pub fn made_in(&self, stage: &str, key: &str) -> Result<Option<f64>> {
        let sql = "SELECT seconds FROM tasks WHERE stage = ?1 AND key = ?2 AND what = 'ran' ORDER BY run DESC LIMIT 1";
        Ok(self
            .ask(sql, params![stage, key], |row| row.get::<_, Option<f64>>(0))?
            .into_iter()
            .flatten()
            .next())
    }

    /// Figures of a run, by experiment, protocol and metric.
    pub fn metrics(&self, run: i64) -> Result<Vec<Metric>> {
        let sql = "SELECT experiment, protocol, metric, value, n FROM metrics WHERE run = ?1 ORDER BY experiment, protocol, metric";
        self.ask(sql, [run], |row| {
            Ok(Metric {
                experiment: row.get(0)?,
                protocol: row.get(1)?,
                metric: row.get(2)?,
                value: row.get(3)?,
                n: row.get::<_, i64>(4)?.unsigned_abs(),
            })
        })
    }

    /// Where the predictions of a run lie, by experiment.
    pub fn predictions(&self, run: i64) -> Result<Vec<Predictions>> {
        let sql =
            "SELECT experiment, key, path FROM predictions WHERE run = ?1 ORDER BY experiment";
        self.ask(sql, [run], |row| {
            Ok(Predictions {
                experiment: row.get(0)?,
                key: row.get(1)?,
                path: row.get(2)?,
            })
        })
    }

    /// Stages and keys of all outputs that the last `last_n` runs of `pipeline`, or of the variant
    /// of this name, made or used, whatever these runs came to.
    pub fn referenced(&self, pipeline: &str, last_n: usize) -> Result<BTreeSet<(String, String)>> {
        let sql = "SELECT DISTINCT stage, key FROM tasks WHERE key <> '' AND run IN
                   (SELECT id FROM runs WHERE pipeline = ?1 ORDER BY id DESC LIMIT ?2)";
        let keys = self.ask(
            sql,
            params![pipeline, i64::try_from(last_n).unwrap_or(i64::MAX)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(keys.into_iter().collect())
    }

    /// Version of the file.
    pub fn version(&self) -> Result<i64> {
        let version = self
            .connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .optional();
        version
            .map(Option::unwrap_or_default)
            .map_err(|error| Trouble::Sql(error).of(&self.path))
    }
}

fn run(row: &Row, host: &str) -> rusqlite::Result<Run> {
    let process = Process {
        host: row.get(12)?,
        pid: row.get(13)?,
        birth: row.get(14)?,
    };
    let count = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
    let outcome = match Outcome::of(&row.get::<_, String>(16)?) {
        Outcome::Running if process.is_gone(host) => Outcome::Killed,
        outcome => outcome,
    };
    Ok(Run {
        id: row.get(0)?,
        started: row.get(1)?,
        started_here: row.get(2)?,
        finished: row.get(3)?,
        seconds: row.get(4)?,
        pipeline: row.get(5)?,
        title: row.get(6)?,
        command: row.get(7)?,
        folder: row.get(8)?,
        revision: row.get(9)?,
        dirty: row.get(10)?,
        version: row.get(11)?,
        process,
        jobs: usize::try_from(row.get::<_, i64>(15)?).unwrap_or(0),
        outcome,
        error: row.get(17)?,
        // What is no JSON was not written by this program.
        parameters: serde_json::from_str(&row.get::<_, String>(18)?).unwrap_or_default(),
        tasks: Tasks {
            ran: count(19)?,
            reused: count(20)?,
            failed: count(21)?,
        },
    })
}
