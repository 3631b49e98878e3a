use super::*;
use crate::error::Kind;

fn sound(i: u8) -> Hash {
    blake3::hash(&[i])
}

fn filled(path: &Path, n: u8) -> RowLog {
    let mut log = RowLog::open(path, Width::Fixed(2), "a").unwrap();
    let rows: Vec<_> = (0..n).map(|i| (sound(i), [f32::from(i), -0.5])).collect();
    log.append(rows.iter().map(|(sound, row)| (sound, row.as_slice())))
        .unwrap();
    log
}

fn held(log: &mut RowLog, n: u8) -> Vec<u8> {
    let mut row = Vec::new();
    (0..n)
        .filter(|i| {
            let there = log.get(&sound(*i), &mut row).unwrap();
            assert_eq!(there, log.contains(&sound(*i)));
            there && row == [f32::from(*i), -0.5]
        })
        .collect()
}

#[test]
fn rows_come_back_now_and_later_and_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/sounds.rows");
    let mut log = filled(&path, 3);
    log.append([
        (&sound(1), [9.0, 9.0].as_slice()),
        (&sound(3), &[3.0, -0.5]),
        (&sound(3), &[4.0, 4.0]),
    ])
    .unwrap();
    assert_eq!(held(&mut log, 5), [0, 1, 2, 3]);
    assert_eq!(
        held(&mut RowLog::open(&path, Width::Fixed(2), "a").unwrap(), 5),
        [0, 1, 2, 3]
    );
    let wide = log.append([(&sound(9), [1.0].as_slice())]);
    assert_eq!(wide.unwrap_err().kind(), Kind::Internal);
}

#[test]
fn rows_that_were_made_otherwise_are_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sounds.rows");
    drop(filled(&path, 3));
    assert!(held(&mut RowLog::open(&path, Width::Fixed(2), "b").unwrap(), 3).is_empty());
    drop(filled(&path, 3));
    assert!(
        !RowLog::open(&path, Width::Fixed(3), "a")
            .unwrap()
            .contains(&sound(0))
    );
    std::fs::write(&path, "no log").unwrap();
    assert_eq!(held(&mut filled(&path, 2), 3), [0, 1]);
}

#[test]
fn what_a_kill_or_damage_leaves_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sounds.rows");
    drop(filled(&path, 4));
    let whole = std::fs::read(&path).unwrap();
    let record = HASH + 8 + CHECK;
    for cut in 1..record {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let mut log = RowLog::open(&path, Width::Fixed(2), "a").unwrap();
        assert_eq!(held(&mut log, 4), [0, 1, 2]);
        log.append([(&sound(3), [3.0, -0.5].as_slice())]).unwrap();
        assert!(std::fs::read(&path).unwrap() == whole);
    }
    for at in 0..record {
        let mut bytes = whole.clone();
        bytes[HEADER + record + at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let mut log = RowLog::open(&path, Width::Fixed(2), "a").unwrap();
        assert_eq!(held(&mut log, 4), [0, 2, 3]);
        log.append([(&sound(1), [1.0, -0.5].as_slice())]).unwrap();
        assert_eq!(
            held(&mut RowLog::open(&path, Width::Fixed(2), "a").unwrap(), 4),
            [0, 1, 2, 3]
        );
    }
    std::fs::write(&path, &whole).unwrap();
    let mut log = RowLog::open(&path, Width::Fixed(2), "a").unwrap();
    std::fs::write(&path, vec![0; whole.len()]).unwrap();
    assert_eq!(
        log.get(&sound(0), &mut Vec::new()).unwrap_err().kind(),
        Kind::Io
    );
}

#[test]
fn the_rows_of_another_log_are_taken_in_once() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here.rows"), dir.path().join("there.rows"));
    let mut log = filled(&here, 3);
    let mut other = filled(&there, 6);
    log.take_in(&mut other).unwrap();
    log.take_in(&mut other).unwrap();
    assert_eq!(
        std::fs::read(&here).unwrap(),
        std::fs::read(&there).unwrap()
    );
    assert_eq!(held(&mut log, 7), [0, 1, 2, 3, 4, 5]);
    assert!(
        RowLog::fits(&here, Width::Fixed(2), "a")
            && !RowLog::fits(&here, Width::Fixed(2), "b")
            && !RowLog::fits(&dir.path().join("none"), Width::Fixed(2), "a")
    );
}

#[test]
fn dead_rows_go_once_they_are_the_greater_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sounds.rows");
    let mut log = filled(&path, 6);
    held(&mut log, 3);
    log.compact().unwrap();
    let mut log = RowLog::open(&path, Width::Fixed(2), "a").unwrap();
    assert!(log.contains(&sound(5)), "half of them are alive");
    held(&mut log, 2);
    log.compact().unwrap();
    assert_eq!(
        held(&mut RowLog::open(&path, Width::Fixed(2), "a").unwrap(), 6),
        [0, 1]
    );
}

#[test]
fn rows_of_different_lengths_come_back_and_damage_costs_no_more_than_it_must() {
    let dir = tempfile::tempdir().unwrap();
    let (path, there) = (
        dir.path().join("sounds.rows"),
        dir.path().join("there.rows"),
    );
    let row = |i: u8| vec![f32::from(i) + 0.5; usize::from(i) * 3];
    let fill = |path: &Path, n: u8| {
        let mut log = RowLog::open(path, Width::Any, "a").unwrap();
        let rows: Vec<(Hash, Vec<f32>)> = (0..n).map(|i| (sound(i), row(i))).collect();
        log.append(rows.iter().map(|(sound, row)| (sound, row.as_slice())))
            .unwrap();
        log
    };
    let there_are = |log: &mut RowLog| -> Vec<u8> {
        let mut got = Vec::new();
        (0..9)
            .filter(|i| log.get(&sound(*i), &mut got).unwrap() && got == row(*i))
            .collect()
    };
    drop(fill(&path, 3));
    let mut log = fill(&path, 5);
    assert_eq!(there_are(&mut log), [0, 1, 2, 3, 4]);
    assert_eq!(
        there_are(&mut RowLog::open(&path, Width::Any, "a").unwrap()),
        [0, 1, 2, 3, 4]
    );
    assert!(RowLog::fits(&path, Width::Any, "a") && !RowLog::fits(&path, Width::Fixed(3), "a"));

    let whole = std::fs::read(&path).unwrap();
    let starts: Vec<usize> = (0..5).map(|i| log.offset(i) as usize).collect();
    for at in starts[2]..starts[3] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let mut log = RowLog::open(&path, Width::Any, "a").unwrap();
        let expected: &[u8] = if at < starts[2] + COUNTED_HEAD {
            &[0, 1]
        } else {
            &[0, 1, 3, 4]
        };
        assert_eq!(there_are(&mut log), expected, "byte {at}");
        drop(log);
        assert_eq!(there_are(&mut fill(&path, 5)), [0, 1, 2, 3, 4]);
    }
    for length in starts[3]..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let expected: &[u8] = if length < starts[4] {
            &[0, 1, 2]
        } else {
            &[0, 1, 2, 3]
        };
        assert_eq!(
            there_are(&mut RowLog::open(&path, Width::Any, "a").unwrap()),
            expected,
            "cut at {length}"
        );
    }
    std::fs::write(&path, &whole).unwrap();
    let mut other = fill(&there, 8);
    let mut log = RowLog::open(&path, Width::Any, "a").unwrap();
    log.take_in(&mut other).unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&there).unwrap()
    );
    let mut log = RowLog::open(&path, Width::Any, "a").unwrap();
    let mut got = Vec::new();
    assert!(log.get(&sound(1), &mut got).unwrap() && log.get(&sound(7), &mut got).unwrap());
    log.compact().unwrap();
    assert_eq!(
        there_are(&mut RowLog::open(&path, Width::Any, "a").unwrap()),
        [1, 7]
    );
}
