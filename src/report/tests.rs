//! What the written files hold, over the whole module.

use std::fs;
use std::path::Path;

use super::fixture;
use super::{PipelineReport, SearchSection, TriedSetting, write, write_index};
use crate::files::files_below;
use crate::split::TestSpeakers;

pub(super) fn written(report: &PipelineReport) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    write(report, dir.path()).unwrap();
    let page = fs::read_to_string(dir.path().join("index.html")).unwrap();
    (dir, page)
}

/// The page of one experiment.
pub(super) fn page_of(dir: &Path, experiment: &str) -> String {
    fs::read_to_string(dir.join(format!("experiment-{experiment}.html"))).unwrap()
}

pub(super) fn rows(dir: &Path, name: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(dir.join(name))
        .unwrap();
    reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let report = fixture::recorded();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths: Vec<_> = write(&report, one.path()).unwrap();
    write(&report, two.path()).unwrap();
    write(&report, two.path()).unwrap();
    assert!(paths.len() > 17 + report.experiments.len());
    let names = paths.len();
    for path in paths {
        let other = two.path().join(path.strip_prefix(one.path()).unwrap());
        assert!(
            fs::read(&path).unwrap() == fs::read(&other).unwrap(),
            "{} differs",
            path.display()
        );
    }
    assert_eq!(files_below(two.path()).len(), names);
}

#[test]
fn generated_speech_never_stands_beside_published_figures() {
    let report = fixture::generated();
    assert!(!report.published.is_empty());
    let (dir, page) = written(&report);
    assert!(page.contains("Generated, not recorded speech."));
    for file in files_below(dir.path()) {
        let text = fs::read_to_string(file).unwrap();
        assert!(
            !text.contains("Issa") && !text.contains("EmoBox") && !text.contains("Livingstone")
        );
    }
}

#[test]
fn shuffled_labels_never_stand_beside_published_figures() {
    let mut report = fixture::recorded();
    report.experiments[0].shuffled_labels = true;
    let (dir, page) = written(&report);
    let results =
        &page[page.find("id=\"results\"").unwrap()..page.find("id=\"controls\"").unwrap()];
    let distances = &page[page.find("id=\"distance-table\"").unwrap()..];
    let distances = &distances[..distances.find("</table>").unwrap()];
    let (control, other) = (
        report.experiments[0].title.clone(),
        report.experiments[1].title.clone(),
    );
    assert!(results.contains(&other) && distances.contains(&other));
    assert!(!results.contains(&control) && !distances.contains(&control));
    assert!(page_of(dir.path(), &report.experiments[0].name).contains("Labels are shuffled:"));
    report
        .experiments
        .iter_mut()
        .for_each(|experiment| experiment.shuffled_labels = true);
    let (dir, page) = written(&report);
    let json = fs::read_to_string(dir.path().join("report.json")).unwrap();
    assert!(!page.contains("Issa et al") && !json.contains("\"system\""));
    assert!(!written(&fixture::recorded()).1.contains("huffled"));
}

#[test]
fn what_was_searched_is_shown() {
    let mut report = fixture::recorded();
    let tried = |c: &str, score| TriedSetting {
        settings: [("model.c".to_owned(), c.to_owned())].into(),
        score,
        by_fold: vec![score; 2],
    };
    let search = SearchSection {
        folds: 2,
        by: "speaker".into(),
        metric: "uar".into(),
        tried: vec![tried("0.1", 0.25), tried("10", 0.5)],
        chosen: 1,
    };
    report.experiments[0].folds[0].search = Some(search);
    let (dir, _) = written(&report);
    let page = page_of(dir.path(), &report.experiments[0].name);
    for part in [
        "2 settings were compared by uar",
        "2 inner folds by speaker",
        "model.c=10",
        "50.0",
        "25.0",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_transductive_result_never_leads() {
    let mut report = fixture::recorded();
    let best = |report: &PipelineReport, transductive: bool| {
        let unseen = report
            .experiments
            .iter()
            .filter(|e| e.speakers == TestSpeakers::Unseen && e.transductive == transductive);
        unseen
            .filter_map(|e| Some((e.pooled.as_ref()?.uar, e.title.clone())))
            .reduce(|a, b| if b.0 > a.0 { b } else { a })
    };
    let card = |report: &PipelineReport| {
        let (_dir, page) = written(report);
        let from = page.find("<div class=\"card unseen\">").unwrap();
        page[from..from + page[from..].find("</div>").unwrap()].to_owned()
    };
    let mut copy = report
        .experiments
        .iter()
        .find(|e| e.speakers == TestSpeakers::Unseen && e.pooled.is_some())
        .unwrap()
        .clone();
    (copy.name, copy.title, copy.transductive) =
        ("looks".into(), "Looks at test clips".into(), true);
    copy.pooled.as_mut().unwrap().uar = 0.999;
    let before = card(&report);
    assert!(before.contains(&best(&report, false).unwrap().1) && !before.contains("ransductive"));
    report.experiments.push(copy);
    let after = card(&report);
    let (leads, named) = (
        after.find(&best(&report, false).unwrap().1).unwrap(),
        after.find("Looks at test clips").unwrap(),
    );
    assert!(
        leads < named
            && after.contains("<em>Transductive:</em> 99.9 % UAR")
            && !after.contains("class=\"big\">99.9"),
        "{after}"
    );
    for experiment in &mut report.experiments {
        experiment.transductive = true;
    }
    assert!(card(&report).contains("Test speakers unseen, transductive"));
}

#[test]
fn many_experiments_are_folded_away_at_the_top() {
    let mut report = fixture::recorded();
    assert!(!written(&report).1.contains(" experiments</summary>"));
    let one = report.experiments[0].clone();
    report
        .experiments
        .extend((0..9).map(|n| crate::report::ExperimentSection {
            name: format!("more-{n}"),
            ..one.clone()
        }));
    let n = report.experiments.len();
    let (dir, page) = written(&report);
    let top = &page[..page.find("</header>").unwrap()];
    assert!(top.contains(&format!("<summary>{n} experiments</summary>")));
    for experiment in &report.experiments {
        let file = format!("experiment-{}.html", experiment.name);
        assert!(dir.path().join(&file).is_file());
        assert_eq!(
            top.matches(&format!("href=\"{file}\"")).count(),
            1,
            "{file}"
        );
    }
}

#[test]
fn overridden_settings_are_said_before_any_result() {
    let mut report = fixture::recorded();
    report.overrides = vec!["train.epochs=1".into()];
    let (_dir, page) = written(&report);
    let said = page
        .find("Overridden for this run: train.epochs=1")
        .unwrap();
    assert!(said < page.find("id=\"results\"").unwrap());
    assert!(
        !written(&fixture::recorded())
            .1
            .contains("Overridden for this run")
    );
}

#[test]
fn a_missing_corpus_still_has_a_page_that_says_what_to_do() {
    let (_dir, page) = written(&fixture::missing());
    assert!(page.contains("data/corpora/iemocap does not exist"));
    assert!(page.contains("ask its owners for access"));
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn nothing_from_the_data_becomes_markup() {
    let (dir, page) = written(&fixture::hostile());
    let others = fixture::hostile()
        .experiments
        .iter()
        .map(|e| page_of(dir.path(), &e.name))
        .collect::<Vec<_>>();
    for page in others.iter().chain([&page]) {
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</script").count(), 1);
        assert!(!page.contains("<b onload"));
        assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)"));
    }
    let ours = tempfile::tempdir().unwrap();
    write(&fixture::hostile(), &ours.path().join("a<b>")).unwrap();
    write_index(ours.path()).unwrap();
    let index = fs::read_to_string(ours.path().join("index.html")).unwrap();
    assert_eq!(index.matches("<script").count(), 1);
    assert!(!index.contains("a<b>"));
}

#[test]
fn csv_fields_with_quotes_commas_and_newlines_come_back_whole() {
    let report = fixture::hostile();
    let (dir, _) = written(&report);
    let rows = rows(dir.path(), "predictions.csv");
    let line = &report.experiments[0].predictions[0];
    assert_eq!(rows.len(), 1 + 1440);
    assert_eq!(
        rows[1][4..7],
        [
            line.prediction.utterance_id.clone(),
            format!("'{}", line.path),
            line.speaker.clone()
        ]
    );
    let text = fs::read_to_string(dir.path().join("predictions.csv")).unwrap();
    assert!(text.contains("\"'=cmd|' /C calc'!A0, \"\"quoted\"\"\nsecond line\""));
    assert!(text.ends_with("\r\n"));
}

#[test]
fn csv_numbers_have_all_their_digits() {
    let report = fixture::recorded();
    let (dir, _) = written(&report);
    let rows = rows(dir.path(), "metrics.csv");
    let pooled = report.experiments[0].pooled.as_ref().unwrap();
    let uar = rows
        .iter()
        .find(|r| r[0] == "paper" && r[3] == "pooled" && r[9] == "uar")
        .unwrap();
    assert_eq!(
        uar[10].parse::<f64>().unwrap().to_bits(),
        pooled.uar.to_bits()
    );
    let probability = &report.experiments[1].predictions[7]
        .prediction
        .probabilities[3];
    let predictions = self::rows(dir.path(), "predictions.csv");
    assert_eq!(
        predictions[1 + 1440 + 7][10 + 3]
            .parse::<f32>()
            .unwrap()
            .to_bits(),
        probability.to_bits()
    );
    assert_eq!(predictions[0][10], "prob_neutral");
}

#[test]
fn what_figures_are_to_be_read_with_stands_beside_them() {
    let report = fixture::compared();
    let (dir, page) = written(&report);
    let intervals = report.experiments[1].uncertainty.intervals.unwrap();
    let shown = format!(
        "{:.1} to {:.1}",
        intervals.uar.low * 100.0,
        intervals.uar.high * 100.0
    );
    assert_eq!(
        (intervals.units, page.contains(&shown)),
        (24, true),
        "{shown}"
    );
    let [first, second] = [0, 1].map(|i: usize| page_of(dir.path(), &report.experiments[i].name));
    assert!(
        second.contains("95 % interval, 20000 draws of 24 speakers") && second.contains(&shown)
    );
    assert!(
        page.contains("majority vote of the seeds")
            && second.contains("id=\"x-reliability-title\"")
    );
    assert!(
        first.contains("id=\"x-by-sex\"")
            && first.contains("id=\"x-by-intensity\"")
            && !first.contains("id=\"x-by-speaker\"")
    );
    assert_eq!(
        report.comparisons.len(),
        1,
        "only the two of one protocol are a pair"
    );
    assert!(
        page.contains("id=\"paired-table\"")
            && !written(&fixture::recorded())
                .1
                .contains("id=\"paired-table\"")
    );
    let find = |rows: Vec<Vec<String>>, wanted: &[&str], at: usize| -> f64 {
        let row = rows
            .iter()
            .find(|row| wanted.iter().all(|word| row.contains(&(*word).to_owned())))
            .unwrap();
        row[at].parse().unwrap()
    };
    assert_eq!(
        find(
            rows(dir.path(), "metrics.csv"),
            &["speaker-independent", "pooled", "uar_ci_low"],
            10
        ),
        intervals.uar.low
    );
    assert_eq!(
        find(rows(dir.path(), "comparisons.csv"), &["second"], 6),
        report.comparisons[0].p
    );
    let women = &report.experiments[1]
        .uncertainty
        .breakdowns
        .iter()
        .find(|b| b.attribute == "sex")
        .unwrap()
        .groups[0];
    assert_eq!(
        find(
            rows(dir.path(), "breakdown.csv"),
            &["speaker-independent", "sex", "female"],
            8
        ),
        women.uar
    );
    let counted: u64 = rows(dir.path(), "calibration.csv")
        .iter()
        .filter(|r| r[0] == "paper")
        .map(|r| r[5].parse::<u64>().unwrap())
        .sum();
    assert_eq!(counted, 1440);
}

#[test]
fn what_used_test_recordings_says_so_wherever_it_shows() {
    let (dir, before) = written(&fixture::recorded());
    assert!(!before.contains("transductive") && !before.contains("Transductive"));
    let mut report = fixture::recorded();
    report.experiments[1].transductive = true;
    let (other, page) = written(&report);
    let own = page_of(other.path(), &report.experiments[1].name);
    // The row of results, those of its ensembles, its tile; the heading of its page.
    // And the head of its column of distances.
    assert_eq!(
        page.matches("<span class=\"badge unknown\">transductive: balanced speakers only</span>")
            .count(),
        5
    );
    assert_eq!(
        own.matches("<span class=\"badge unknown\">transductive: balanced speakers only</span>")
            .count(),
        1
    );
    assert!(own.contains("<strong>Transductive:</strong>"));
    for page in [&page, &own] {
        assert!(
            page.contains(", transductive: balanced speakers only</text>"),
            "the chart says so, too"
        );
    }
    write(&report, &dir.path().join("r")).unwrap();
    write_index(dir.path()).unwrap();
    assert!(
        fs::read_to_string(dir.path().join("index.html"))
            .unwrap()
            .contains("transductive")
    );
}

#[test]
fn report_json_is_the_report_without_its_predictions() {
    for mut report in [fixture::recorded(), fixture::missing(), fixture::compared()] {
        let (dir, _) = written(&report);
        let text = fs::read_to_string(dir.path().join("report.json")).unwrap();
        assert!(
            text.contains("\"predictions\": \"predictions.csv\"") && !text.contains("utterance_id")
        );
        let read: PipelineReport = serde_json::from_str(&text).unwrap();
        report
            .experiments
            .iter_mut()
            .for_each(|one| one.predictions.clear());
        assert!(read == report);
    }
}

#[test]
fn a_diverged_run_is_read_back() {
    let (dir, _) = written(&fixture::hostile());
    let read: PipelineReport =
        serde_json::from_slice(&fs::read(dir.path().join("report.json")).unwrap()).unwrap();
    assert!(read.experiments[0].folds[0].history[3].train_loss.is_nan());
}

#[test]
fn the_largest_page_stays_below_a_megabyte() {
    let mut report = fixture::large();
    let one = report.experiments[0].clone();
    report
        .experiments
        .extend((0..40).map(|n| crate::report::ExperimentSection {
            name: format!("more-{n}"),
            ..one.clone()
        }));
    let (dir, _) = written(&report);
    let mut pages = 0;
    for file in fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "html"))
    {
        let size = fs::metadata(&file).unwrap().len();
        assert!(size < 1_000_000, "{}: {size} bytes", file.display());
        pages += 1;
    }
    assert_eq!(pages, 1 + report.experiments.len());
}

#[test]
fn the_index_lists_what_is_there_and_names_what_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    for report in [
        fixture::recorded(),
        fixture::missing(),
        fixture::generated(),
        fixture::hostile(),
    ] {
        write(&report, &dir.path().join(&report.name)).unwrap();
    }
    for (folder, text) in [
        ("cut", "{\"name\":\"x\""),
        ("newer", "{\"schema_version\":99}"),
    ] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("report.json"), text).unwrap();
    }
    write_index(dir.path()).unwrap();
    let index = fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert_eq!(index.matches("<tr>").count(), 1);
    assert_eq!(
        index.matches("<tr class=\"ours\"").count(),
        2 + 1 + 1 + 2 + 2
    );
    // Both reports are of one corpus; one of the figures has another source in the second.
    assert_eq!(
        index.matches("<tr class=\"theirs\"").count(),
        fixture::recorded().published.len() + 1
    );
    assert!(index.contains("report.json cannot be read: EOF"));
    assert!(index.contains("written by a newer ser (schema 99"));
    assert!(index.contains("generated, not recorded"));
    assert!(index.contains("href=\"./ravdess/experiment-speaker-independent.html\""));
}

/// Relative luminance contrast (WCAG 2.2) of two `#rrggbb` colours.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |i: usize| {
            let value = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_step_of_the_heat_map_is_readable_in_both_modes() {
    let css = super::html::Style::CSS;
    for step in 0..10 {
        let rule = css
            .split(&format!(".h{step} {{"))
            .nth(1)
            .and_then(|rest| rest.split('}').next())
            .unwrap();
        let colours: Vec<&str> = rule
            .match_indices('#')
            .map(|(i, _)| &rule[i..i + 7])
            .collect();
        let [light, dark, on_light, on_dark] = colours[..] else {
            panic!("{rule}")
        };
        for (ground, ink) in [(light, on_light), (dark, on_dark)] {
            assert!(
                contrast(ground, ink) >= 4.5,
                "h{step}: {ink} on {ground} is {:.2}",
                contrast(ground, ink)
            );
        }
    }
}

/// Writes pages for the browser check (tests/browser) where `SER_REPORT_FIXTURE_DIR` names a
/// folder.
#[test]
fn pages_for_the_browser() {
    let Some(dir) = std::env::var_os("SER_REPORT_FIXTURE_DIR") else {
        crate::skipped::skipped("fixtures", "SER_REPORT_FIXTURE_DIR is not set");
        return;
    };
    let dir = Path::new(&dir);
    fs::create_dir_all(dir).unwrap();
    fs::write(
        dir.join("FIXTURES"),
        "made-up reports: they have no recordings\n",
    )
    .unwrap();
    for report in [
        fixture::recorded(),
        fixture::large(),
        fixture::generated(),
        fixture::missing(),
        fixture::hostile(),
        fixture::doubtful(),
    ] {
        write(&report, &dir.join(&report.name)).unwrap();
        let run = super::RunPage {
            title: report.title.clone(),
            steps: report.steps.clone(),
            ..Default::default()
        };
        super::write_run(&run, &dir.join(&report.name)).unwrap();
    }
    fs::create_dir_all(dir.join("broken")).unwrap();
    fs::write(dir.join("broken/report.json"), "{\"name\": ").unwrap();
    write_index(dir).unwrap();
}
