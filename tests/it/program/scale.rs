//! Corpora of many utterances: chunks, parts, orders, and what a run that was killed leaves.

use std::fmt::Write as _;

use super::project::{Project, Ran, extractions, tone, wav};

/// A manifest of segments of 25 ms, a millisecond apart, of recordings with `each` segments.
fn segments(project: &Project, recordings: usize, each: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for r in 0..recordings {
        let seconds = (each + 30) as f32 / 1000.0;
        project.write(
            &format!("corpus/r{r}.wav"),
            wav(&tone(150.0 + 37.0 * r as f32, seconds)),
        );
        for i in 0..each {
            let emotion = ["calm", "happy"][i % 2];
            rows.push(format!(
                "r{r}.wav,{emotion},s{r},{:.3},{:.3}",
                i as f64 / 1000.0,
                (i + 25) as f64 / 1000.0
            ));
        }
    }
    rows
}

fn manifest(project: &Project, rows: &[String]) {
    let mut text = "path,emotion,speaker,start,end\n".to_owned();
    rows.iter().for_each(|row| writeln!(text, "{row}").unwrap());
    project.write("corpus/manifest.csv", text);
    project.pipeline("small", &Project::small());
}

fn features(project: &Project, jobs: &str) -> Ran {
    project
        .ser(&["features", "small", "--json", "--jobs", jobs])
        .ok()
}

/// Rows in an order that is none.
fn shuffled(rows: &[String]) -> Vec<String> {
    // 7919 is prime and divides no number of rows that is used here.
    (0..rows.len())
        .map(|i| rows[i * 7919 % rows.len()].clone())
        .collect()
}

#[test]
fn the_order_of_rows_and_the_number_of_threads_change_no_byte() {
    let one = Project::new();
    let rows = segments(&one, 4, 700);
    manifest(&one, &rows);
    let ran = features(&one, "1");
    assert_eq!(extractions(&ran), 2_800);
    let two = Project::new();
    segments(&two, 4, 700);
    manifest(&two, &shuffled(&rows));
    features(&two, "2");
    assert!(one.tree("data/tables") == two.tree("data/tables"));
    let (table, _) = ser::table::features::read_parts(&one.path("data/tables/small")).unwrap();
    assert!(table.ids.len() == 2_800 && table.ids.is_sorted());
}

#[test]
fn ten_new_rows_cost_ten_extractions_and_none_cost_none() {
    let project = Project::new();
    let rows = segments(&project, 2, 400);
    manifest(&project, &rows[..790]);
    assert_eq!(extractions(&features(&project, "2")), 790);
    let again = features(&project, "2");
    assert!(!again.stderr.contains("task-started"), "{}", again.stderr);
    manifest(&project, &rows);
    assert_eq!(extractions(&features(&project, "2")), 10);
    manifest(&project, &shuffled(&rows));
    assert_eq!(extractions(&features(&project, "2")), 0);

    // The same bytes as in one go, whichever stage computed a row.
    let fresh = Project::new();
    segments(&fresh, 2, 400);
    manifest(&fresh, &rows);
    features(&fresh, "2");
    let tables = fresh.tree("data/tables");
    assert!(tables == project.tree("data/tables"));
    std::fs::remove_file(fresh.path("data/cache/small/sounds.rows")).unwrap();
    std::fs::remove_dir_all(fresh.path("data/cache/small/tasks/features")).unwrap();
    assert_eq!(extractions(&features(&fresh, "2")), 800);
    assert!(tables == fresh.tree("data/tables"));
}

#[test]
fn a_plan_opens_no_log() {
    let project = Project::new();
    let rows = segments(&project, 1, 30);
    manifest(&project, &rows);
    project.ser(&["plan", "small"]).ok();
    assert!(!project.path("data").exists());
}

#[test]
fn a_damaged_record_is_computed_again_and_no_other() {
    let project = Project::new();
    let rows = segments(&project, 1, 300);
    manifest(&project, &rows);
    features(&project, "2");
    let tables = project.tree("data/tables");
    let log = project.path("data/cache/small/sounds.rows");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&log, &bytes[..bytes.len() - 3]).unwrap();
    std::fs::remove_dir_all(project.path("data/cache/small/tasks/features")).unwrap();
    assert_eq!(
        extractions(&features(&project, "2")),
        2,
        "the damaged one, and the last, which was cut"
    );
    assert!(tables == project.tree("data/tables"));
}

#[cfg(unix)]
#[test]
fn a_kill_in_the_middle_costs_one_chunk() {
    let project = Project::new();
    let rows = segments(&project, 3, 3_000);
    manifest(&project, &rows);
    // Killed once a few chunks are in the log.
    let script = "\"$SER\" features small -q --jobs 1 & pid=$!; for i in $(seq 2000); do \
                  [ $(cat data/cache/small/sounds.rows 2>/dev/null | wc -c) -gt 2000000 ] && break; sleep 0.005; done; \
                  kill -9 $pid; wait $pid; cat data/cache/small/sounds.rows | wc -c";
    let ran = project.bash(script);
    let records = ran.stdout.trim().parse::<u64>().unwrap() / (32 + 4 * 193 + 8);
    assert!((2_000..=9_000).contains(&records), "{records}");
    let rest = features(&project, "2");
    assert!(
        extractions(&rest) <= 9_000 - records,
        "{} after {records}",
        extractions(&rest)
    );
    assert!(
        project
            .tree("data")
            .iter()
            .all(|(name, _)| !name.contains(".tmp-"))
    );

    let straight = Project::new();
    segments(&straight, 3, 3_000);
    manifest(&straight, &rows);
    features(&straight, "2");
    assert!(straight.tree("data/tables") == project.tree("data/tables"));
}

#[test]
fn very_many_rows_lie_in_parts_and_go_when_they_are_fewer() {
    let project = Project::new();
    // Few sounds under many names, so that this takes seconds: the segments repeat from recording
    // to recording.
    let mut rows = Vec::new();
    for r in 0..220 {
        project.write(&format!("corpus/r{r:03}.wav"), wav(&tone(200.0, 0.36)));
        rows.extend((0..310).map(|i| {
            let emotion = ["calm", "happy"][i % 2];
            format!(
                "r{r:03}.wav,{emotion},s{},{:.3},{:.3}",
                r % 2,
                i as f64 / 1000.0,
                (i + 25) as f64 / 1000.0
            )
        }));
    }
    manifest(&project, &rows);
    assert_eq!(extractions(&features(&project, "2")), 310);
    let names = |project: &Project| {
        project
            .tree("data/tables/small")
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let parts = [
        "features-00000.parquet",
        "features-00001.parquet",
        "utterances-00000.parquet",
        "utterances-00001.parquet",
    ];
    assert_eq!(names(&project), parts);
    let (table, _) = ser::table::features::read_parts(&project.path("data/tables/small")).unwrap();
    assert_eq!(table.ids.len(), 68_200);
    assert!(
        ser::table::utterances::stream(&project.path("data/tables/small"))
            .map(|b| b.unwrap().len())
            .sum::<usize>()
            == 68_200
    );

    manifest(&project, &rows[..3_100]);
    assert_eq!(extractions(&features(&project, "2")), 0);
    assert_eq!(names(&project), ["features.parquet", "utterances.parquet"]);
    // Later stages read parts as they read a single file.
    manifest(&project, &rows);
    project.pipeline(
        "small",
        &Project::small().replace(
            "{ kind = \"logistic\", c = 1.0 }",
            "{ kind = \"majority\" }",
        ),
    );
    project.ser(&["train", "small"]).ok();
    assert!(
        project
            .path("data/models/small/base/fold-01-seed-0/model.json")
            .exists()
    );
}
