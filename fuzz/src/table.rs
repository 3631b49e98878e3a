use std::cell::RefCell;
use std::fs;

use ser::table::rowlog::{RowLog, Width};
use ser::table::{features, meta, metrics, predictions, splits, utterances};
use tempfile::TempDir;

use crate::scratch;

/// The hashes in a table's footer, which nothing but a writer of tables would get right: the body's
/// and the footer's.
const SUMS: [&str; 2] = ["ser.body_blake3", "ser.footer_blake3"];
const DIGITS: usize = 64;
/// Values of a row in the log of rows.
pub const WIDTH: usize = 4;
/// What the rows of that log say they are.
pub const WHAT: &str = "fuzz";

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(scratch::folder());
}

/// A table or a log of feature rows; the first byte says which, and whether its checksums are made
/// to fit first.
pub fn table(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else {
        return;
    };
    let mut content = rest.to_vec();
    let log = how & 7 == 6;
    if how & 8 == 0 {
        if log {
            seal_rows(&mut content)
        } else {
            seal(&mut content)
        }
    }
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join("t.parquet");
        fs::write(&path, &content).expect("a file");
        match how & 7 {
            0 => drop(utterances::read(&path)),
            1 => {
                if let Ok((table, _)) = features::read(&path) {
                    assert_eq!(table.values.len(), table.ids.len() * table.columns.len());
                }
            }
            2 => drop(splits::read(&path)),
            3 => {
                if let Ok((labels, rows, _)) = predictions::read(&path) {
                    assert!(
                        rows.iter()
                            .all(|row| row.probabilities.len() == labels.len())
                    );
                }
            }
            4 => drop(metrics::read(&path)),
            6 => rows(&path, &content),
            _ => drop(meta(&path)),
        }
    });
}

fn rows(path: &std::path::Path, content: &[u8]) {
    let mut log = RowLog::open(path, Width::Fixed(WIDTH), WHAT).expect("a log");
    let mut row = Vec::new();
    for record in content
        .get(56..)
        .unwrap_or_default()
        .chunks_exact(40 + 4 * WIDTH)
    {
        let sound = blake3::Hash::from_bytes(record[..32].try_into().expect("a hash"));
        if log.get(&sound, &mut row).is_ok_and(|found| found) {
            assert_eq!(row.len(), WIDTH);
        }
    }
    let sound = blake3::hash(content);
    log.append([(&sound, &[0.5; WIDTH][..])])
        .expect("a row more");
    assert!(log.get(&sound, &mut row).expect("the row"));
    log.compact().expect("a smaller log");
}

/// Puts the checksums into a table that they would have if `ser` had written it.
fn seal(table: &mut [u8]) {
    let Some(end) = table.len().checked_sub(8) else {
        return;
    };
    let length = u32::from_le_bytes([table[end], table[end + 1], table[end + 2], table[end + 3]]);
    let Some(start) = end.checked_sub(length as usize) else {
        return;
    };
    let body = blake3::hash(&table[..start]).to_hex();
    let footer = &mut table[start..end];
    put(footer, SUMS[0], body.as_bytes());
    put(footer, SUMS[1], &[b'0'; DIGITS]);
    let sum = blake3::hash(footer).to_hex();
    put(footer, SUMS[1], sum.as_bytes());
}

/// A sum stands after its key and two bytes of a Thrift string's header.
fn put(footer: &mut [u8], key: &str, sum: &[u8]) {
    let found = footer
        .windows(key.len())
        .rposition(|window| window == key.as_bytes());
    if let Some(digits) =
        found.and_then(|at| footer.get_mut(at + key.len() + 2..at + key.len() + 2 + DIGITS))
    {
        digits.copy_from_slice(sum);
    }
}

/// The same for the log of rows, whose records each end with eight bytes of a hash.
fn seal_rows(log: &mut [u8]) {
    for record in log
        .get_mut(56..)
        .unwrap_or_default()
        .chunks_exact_mut(40 + 4 * WIDTH)
    {
        let (row, check) = record.split_at_mut(32 + 4 * WIDTH);
        check.copy_from_slice(&blake3::hash(row).as_bytes()[..8]);
    }
}
