//! The runner of `make bench`, as far as it is pure: statistics, comparisons, CSV files, page.

#[path = "../../benches/compare/chart.rs"]
mod chart;
#[path = "../../benches/compare/page.rs"]
mod page;
#[path = "../../benches/compare/results.rs"]
mod results;
#[path = "../../benches/compare/stats.rs"]
mod stats;
#[path = "../../benches/compare/tables.rs"]
mod tables;

use std::collections::BTreeMap;

use super::report::assert_well_formed;
use results::{Comparison, Contestant, Measured, Metric, Part, Results, Run, Scenario};
use stats::{Spread, number, spread};

fn contestant(id: &'static str, absent: Option<&str>) -> Contestant {
    Contestant {
        id,
        name: format!("{id} by name"),
        command: format!("run '{id}' <&>"),
        absent: absent.map(str::to_owned),
    }
}

fn run(round: usize, contestant: &'static str, outcome: Result<f64, &str>) -> Run {
    let measured = |cpu_s| Measured {
        items: 100.0,
        cpu_s,
        wall_s: cpu_s / 2.0,
        processes: 1,
        max_rss_bytes: 50 << 20,
        printed: format!("samples=100 {contestant}=1.2.3 python=3.11"),
        ..Measured::default()
    };
    Run {
        round,
        scenario: "work".to_owned(),
        contestant,
        outcome: outcome.map(measured).map_err(str::to_owned),
    }
}

fn compare(what: &str, metric: Metric, theirs: &[&'static str]) -> Comparison {
    let (scenario, theirs) = ("work".to_owned(), theirs.to_vec());
    Comparison {
        scenario,
        what: what.to_owned(),
        metric,
        ours: "ser",
        theirs,
        headline: true,
    }
}

/// ser takes 1, 2 and 4 s, the slow peer 10 s each time but the third, the fast one 1, 1 and 8 s;
/// one fails and one is not there.
fn measured() -> Results {
    let contestants = vec![
        contestant("ser", None),
        contestant("slow", None),
        contestant("fast", None),
        contestant("broken", None),
        contestant("away", Some("not installed: make bench-peers")),
    ];
    let scenario = Scenario {
        id: "work".to_owned(),
        part: Part::Training,
        title: "Work: of a kind <b>".to_owned(),
        contestants,
    };
    let mut runs = vec![run(1, "broken", Err("no C++ compiler & no luck"))];
    for (round, (ours, fast)) in [(1.0, 1.0), (2.0, 1.0), (4.0, 8.0)].into_iter().enumerate() {
        runs.push(run(round + 1, "ser", Ok(ours)));
        runs.push(run(round + 1, "fast", Ok(fast)));
        if round < 2 {
            runs.push(run(round + 1, "slow", Ok(10.0)));
        }
    }
    Results {
        rounds: 3,
        rounds_done: 3,
        machine: vec![("Processor".to_owned(), "one \"with\" quotes".to_owned())],
        notes: vec!["A note.".to_owned()],
        scenarios: vec![scenario],
        comparisons: vec![
            compare("time", Metric::CpuPerFile, &["slow"]),
            compare("rate", Metric::SamplesPerSecond, &["slow", "away", "fast"]),
            compare("failed", Metric::SamplesPerCpuSecond, &["broken"]),
            compare("absent", Metric::SamplesPerCpuSecond, &["away"]),
            compare("alone", Metric::Wall, &[]),
        ],
        runs,
        engine: vec!["batch 64: fine".to_owned()],
        ..Results::default()
    }
}

#[test]
fn a_spread_is_the_middle_and_the_ends() {
    assert_eq!(
        spread([3.0, 1.0, 2.0]),
        Some(Spread {
            median: 2.0,
            min: 1.0,
            max: 3.0,
            runs: 3
        })
    );
    assert_eq!(
        spread([4.0, 1.0, 2.0, 3.0]),
        Some(Spread {
            median: 2.5,
            min: 1.0,
            max: 4.0,
            runs: 4
        })
    );
    assert_eq!(
        spread([f64::NAN, 5.0, f64::INFINITY]),
        Some(Spread {
            median: 5.0,
            min: 5.0,
            max: 5.0,
            runs: 1
        })
    );
    assert_eq!(spread([]), None);
}

#[test]
fn figures_are_found_in_a_printed_line() {
    let line = "files=6 audio_s=16.9 wall_s=0.616 cpu_s=x librosa=0.8.1";
    assert_eq!(
        (number(line, "files"), number(line, "wall_s")),
        (Some(6.0), Some(0.616))
    );
    assert_eq!(
        (
            number(line, "cpu_s"),
            number(line, "s"),
            number("", "files")
        ),
        (None, None, None)
    );
}

#[test]
fn a_ratio_is_the_median_of_the_ratios_within_a_round() {
    let rows = measured().rows();
    let row = |what: &str| rows.iter().find(|row| row.what == what).expect("a row");
    // Ratios 10 and 5; the third round has no partner.
    assert_eq!(
        row("time").ratio,
        Some(Spread {
            median: 7.5,
            min: 5.0,
            max: 10.0,
            runs: 2
        })
    );
    assert_eq!(
        row("time").ours.value.as_ref().expect("measured").median,
        20.0
    );
    // The layout with the better median stands for the peer: ratios 1, 1/2 and 2, where the ratio
    // of the medians would be 1/2.
    let rate = row("rate");
    assert_eq!(rate.peer.as_ref().expect("a peer").name, "fast by name");
    assert_eq!(
        rate.ratio,
        Some(Spread {
            median: 1.0,
            min: 0.5,
            max: 2.0,
            runs: 3
        })
    );
    for (what, why) in [
        ("failed", "no C++ compiler & no luck"),
        ("absent", "not installed: make bench-peers"),
    ] {
        assert_eq!(row(what).ratio, None);
        assert_eq!(
            row(what).peer.as_ref().expect("a peer").value,
            Err(why.to_owned())
        );
    }
    assert_eq!(
        (row("alone").peer.is_none(), row("alone").ratio),
        (true, None)
    );
}

#[test]
fn above_one_is_faster_in_every_unit() {
    let quick = Measured {
        items: 10.0,
        cpu_s: 2.0,
        wall_s: 1.0,
        ..Measured::default()
    };
    let slow = Measured {
        items: 10.0,
        cpu_s: 4.0,
        wall_s: 2.0,
        ..Measured::default()
    };
    for (metric, unit, value) in [
        (Metric::CpuPerFile, "CPU ms per file", 200.0),
        (Metric::FilesPerSecond, "files per second", 10.0),
        (Metric::SamplesPerCpuSecond, "samples per CPU second", 5.0),
        (Metric::SamplesPerSecond, "samples per second", 10.0),
        (Metric::Wall, "seconds", 1.0),
    ] {
        assert_eq!((metric.unit(), metric.of(&quick)), (unit, value));
        assert_eq!(
            metric.ratio(metric.of(&quick), metric.of(&slow)),
            2.0,
            "{unit}"
        );
    }
}

#[test]
fn only_ser_s_own_failures_are_errors() {
    let mut results = measured();
    assert!(results.failures_of_ours().is_empty());
    results.runs.push(run(3, "ser", Err("it broke")));
    assert_eq!(results.failures_of_ours(), ["work, ser: it broke"]);
}

#[test]
fn versions_are_those_that_were_printed() {
    let versions = measured().versions();
    assert_eq!(
        versions.keys().collect::<Vec<_>>(),
        ["fast 1.2.3", "ser 1.2.3", "slow 1.2.3"]
    );
    assert_eq!(versions["slow 1.2.3"], "1.2.3 (python 3.11)");
}

#[test]
fn the_csv_files_hold_every_comparison_and_every_run() {
    let results = measured();
    let read = |bytes: Vec<u8>| -> Vec<BTreeMap<String, String>> {
        csv::Reader::from_reader(bytes.as_slice())
            .deserialize()
            .map(|row| row.expect("a record"))
            .collect()
    };
    let rows = read(tables::comparisons(&results).expect("written"));
    assert_eq!(rows.len(), 5);
    assert_eq!(
        (
            rows[0]["ratio_median"].as_str(),
            rows[0]["runs"].as_str(),
            rows[0]["not_measured"].as_str()
        ),
        ("7.5", "2", "")
    );
    assert_eq!(
        (
            rows[0]["ours_median"].as_str(),
            rows[0]["peer_command"].as_str()
        ),
        ("20", "run 'slow' <&>")
    );
    assert_eq!(
        rows[2]["not_measured"],
        "broken by name: no C++ compiler & no luck"
    );
    assert_eq!(
        (rows[4]["peer"].as_str(), rows[4]["ours_median"].as_str()),
        ("", "1")
    );
    let runs = read(tables::runs(&results).expect("written"));
    assert_eq!(runs.len(), results.runs.len());
    assert_eq!(
        (runs[0]["failure"].as_str(), runs[0]["wall_s"].as_str()),
        ("no C++ compiler & no luck", "")
    );
    assert_eq!(
        (runs[1]["max_rss_bytes"].as_str(), runs[1]["cpu_s"].as_str()),
        ("52428800", "1")
    );
}

#[test]
fn the_page_is_well_formed_and_tells_what_is_missing() {
    for quick in [false, true] {
        let page = page::render(&Results {
            quick,
            ..measured()
        });
        assert_well_formed(&page);
        for loads in [
            "src=", "@import", "url(", "<iframe", "<img", "http:", "https:",
        ] {
            assert!(!page.contains(loads), "{loads}");
        }
        assert_eq!(
            page.matches("<table").count(),
            page.matches("<caption").count()
        );
        assert_eq!(
            page.matches("role=\"img\"").count(),
            page.matches("<desc").count()
        );
        for text in [
            "7.50×",
            "5.00×–10.0×",
            "not measured: not installed",
            "no C++ compiler &amp; no luck",
            "run &#39;slow&#39;",
            "A note.",
        ] {
            assert!(page.contains(text), "{text}");
        }
        assert_eq!(page.contains("A quick run."), quick);
    }
    assert_well_formed(&page::render(&Results::default()));
    assert!(
        page::render(&Results {
            rounds: 5,
            rounds_done: 2,
            ..measured()
        })
        .contains("Not finished: 2 of 5 rounds so far.")
    );
}

#[test]
fn ratios_have_three_digits_and_charts_enclose_them() {
    for (ratio, text) in [
        (0.523, "0.52×"),
        (1.0, "1.00×"),
        (9.96, "10.0×"),
        (99.6, "100×"),
        (1234.0, "1234×"),
    ] {
        assert_eq!(chart::times(ratio), text);
    }
    let mut results = measured();
    results.comparisons.truncate(2);
    let page = page::render(&results);
    // From half as fast to ten times as fast.
    assert!(page.contains("on a logarithmic axis from 0.5 to 10 times as fast"));
}
