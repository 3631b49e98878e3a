//! A checksum for each row: SQLite has none, so that a value that was changed on the disk would be
//! read as if it had been written so.

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, params, params_from_iter};

use super::schema::{STEPS, Trouble};
use crate::files::short_check;

/// Columns that a seal is taken of, table by table, and how many of them, the first, tell rows
/// apart.
const TABLES: [(&str, usize, &str); 4] = [
    (
        "runs",
        1,
        "id, started, finished, pipeline, title, command, folder, revision, dirty, version, host, pid, birth, jobs, outcome, error, parameters",
    ),
    ("tasks", 2, "run, task, stage, key, what, seconds, why"),
    ("metrics", 4, "run, experiment, protocol, metric, value, n"),
    ("predictions", 2, "run, experiment, key, path"),
];

/// The seal of a row: 16 hex digits of the blake3 of its values.
fn seal<'v>(values: impl IntoIterator<Item = ValueRef<'v>>) -> String {
    let mut bytes = Vec::new();
    for value in values {
        let (tag, content): (u8, &[u8]) = match value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => (1, &number.to_le_bytes()),
            ValueRef::Real(number) => (2, &number.to_le_bytes()),
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(blob) => (4, blob),
        };
        bytes.push(tag);
        bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(content);
    }
    format!("{:016x}", u64::from_be_bytes(short_check(&bytes)))
}

/// Inserts a row with its seal, which is the last parameter of `insert`.
pub(super) fn insert(insert: &mut Statement, values: &[&dyn ToSql]) -> rusqlite::Result<usize> {
    let outputs = values
        .iter()
        .map(|value| value.to_sql())
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let refs = outputs.iter().map(|output| match output {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(value) => ValueRef::from(value),
        _ => ValueRef::Null,
    });
    let seal = seal(refs);
    let all: Vec<&dyn ToSql> = values
        .iter()
        .copied()
        .chain([&seal as &dyn ToSql])
        .collect();
    insert.execute(all.as_slice())
}

/// Seals a run anew, after it was changed.
pub(super) fn seal_run(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    let [(_, _, columns), ..] = TABLES;
    let seal: String = connection.query_row(
        &format!("SELECT {columns} FROM runs WHERE id = ?1"),
        [run],
        seal_of,
    )?;
    connection
        .execute(
            "UPDATE runs SET seal = ?2 WHERE id = ?1",
            params![run, seal],
        )
        .map(drop)
}

fn seal_of(row: &rusqlite::Row) -> rusqlite::Result<String> {
    let count = row.as_ref().column_count();
    let values = (0..count)
        .map(|at| row.get_ref(at))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(seal(values))
}

/// Seals all rows of a file that had no seals.
pub(super) fn seal_all(connection: &Connection) -> rusqlite::Result<()> {
    for (table, keys, columns) in TABLES {
        let same: Vec<String> = columns
            .split(", ")
            .take(keys)
            .enumerate()
            .map(|(at, key)| format!("{key} = ?{}", at + 2))
            .collect();
        let mut update = connection.prepare(&format!(
            "UPDATE {table} SET seal = ?1 WHERE {}",
            same.join(" AND ")
        ))?;
        let mut select = connection.prepare(&format!("SELECT {columns} FROM {table}"))?;
        let mut sealed: Vec<Vec<Value>> = Vec::new();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let keys = (0..keys)
                .map(|at| row.get(at))
                .collect::<rusqlite::Result<Vec<Value>>>()?;
            sealed.push([seal_of(row)?.into()].into_iter().chain(keys).collect());
        }
        for values in sealed {
            update.execute(params_from_iter(values))?;
        }
    }
    Ok(())
}

/// Reads the whole file: its pages and indices, its tables as they were made, and every row.
pub(super) fn check(connection: &Connection) -> Result<(), Trouble> {
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(damaged(said));
    }
    let made = Connection::open_in_memory()?;
    STEPS.iter().try_for_each(|step| made.execute_batch(step))?;
    let expected = statements(&made)?;
    let found = statements(connection)?;
    if let Some((name, _)) = expected.iter().find(|statement| !found.contains(statement)) {
        return Err(damaged(format!("{name} is not as it was made")));
    }
    for (table, _, columns) in TABLES {
        let mut select = connection.prepare(&format!("SELECT {columns}, seal FROM {table}"))?;
        let count = columns.split(", ").count();
        let mut rows = select.query([])?;
        let mut wrong = 0;
        while let Some(row) = rows.next()? {
            let values = (0..count)
                .map(|at| row.get_ref(at))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            wrong += usize::from(row.get_ref(count)? != ValueRef::Text(seal(values).as_bytes()));
        }
        if wrong > 0 {
            return Err(damaged(format!(
                "{wrong} rows of {table} are not what was written"
            )));
        }
    }
    Ok(())
}

/// The statements by which tables and indices were made.
fn statements(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut select = connection
        .prepare("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")?;
    select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn damaged(what: String) -> Trouble {
    Trouble::Sql(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some(what),
    ))
}
