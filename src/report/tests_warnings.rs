//! What must be known of a result stands wherever it does, and where it can be seen.

use std::fs;

use super::fixture;
use super::tests::{page_of, rows, written};
use super::{write, write_index};
use crate::encoder::{Heard, Known, Recognised, TestedCorpus, Verdict};
use crate::split::TestSpeakers;

/// One table of a page, by its identifier.
fn table<'p>(page: &'p str, id: &str) -> &'p str {
    let from = page
        .find(&format!("id=\"{id}\""))
        .unwrap_or_else(|| panic!("no {id}"));
    &page[from..from + page[from..].find("</table>").unwrap()]
}

#[test]
fn a_transductive_result_has_no_distance_to_others_and_is_marked_beside_them() {
    let mut report = fixture::compared();
    assert!(!written(&report).1.contains("not comparable: transductive"));
    report.experiments[1].transductive = true;
    let (dir, page) = written(&report);
    let unseen = report
        .published
        .iter()
        .filter(|p| p.speaker_independent == Some(true))
        .count();
    let distances = table(&page, "distance-table");
    assert_eq!(
        distances
            .matches("title=\"not comparable: transductive\"")
            .count(),
        unseen
    );
    assert!(
        distances.contains("Speaker-independent <span class=\"badge unknown\">transductive: balanced speakers only</span></th>"),
        "{distances}"
    );
    assert!(
        table(&page, "paired-table")
            .contains("Speaker-independent <span class=\"badge unknown\">transductive: balanced speakers only</span></th>")
    );
    assert!(
        page_of(dir.path(), "speaker-independent")
            .contains("<strong>Not comparable: transductive.</strong>")
    );
    assert!(!page_of(dir.path(), "second").contains("Not comparable: transductive"));
}

#[test]
fn the_same_sound_in_training_and_test_is_a_warning_before_anything_is_praised() {
    let report = fixture::doubtful();
    let (dir, page) = written(&report);
    let own = page_of(dir.path(), "speaker-independent");
    let shared = &own[own
        .find("<div class=\"sharing leak box\">")
        .expect("an amber box")..];
    let statement = "<strong>Not speaker-independent: 21 recordings are on both sides.</strong>";
    let (said, leak) = (
        shared.find(statement).unwrap(),
        shared
            .find("21 tested utterances are the very same sound")
            .unwrap(),
    );
    assert!(
        said < leak
            && !own.contains("sharing unseen box")
            && !own.contains("card unseen")
            && !own.contains("speakers are unseen")
    );
    // The first lines of each page say so, too.
    assert!(
        [&page, &own]
            .iter()
            .all(|page| page.find(statement).unwrap() < page.find("class=\"cards\"").unwrap())
    );
    assert!(page.contains("It concerns: Speaker-independent."));
    let clean = page_of(dir.path(), "looks");
    assert!(
        clean.contains("sharing unseen box")
            && clean.contains("card unseen")
            && !clean.contains("same sound in training")
    );
    let gallery = &page[page.find("class=\"gallery\"").unwrap()..];
    assert!(
        gallery.contains(
            "<span class=\"badge leak\">same sound in training</span> <span class=\"badge shared\">not speaker-independent</span>"
        )
    );
    write(&report, &dir.path().join("r")).unwrap();
    write_index(dir.path()).unwrap();
    let index = fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert!(index.contains("badge leak") && index.contains("settings overridden"));
    assert!(!written(&fixture::recorded()).1.contains("badge leak"));
}

#[test]
fn an_encoder_that_knows_the_corpus_is_marked_wherever_the_result_stands() {
    let heard = |encoder: &str| {
        let known = Known::find(encoder).map(|known| (known, Recognised::Weights));
        Heard::of(encoder, known, &[TestedCorpus::Published("ravdess")])
    };
    for (encoder, verdict, class) in [
        ("emotion2vec-plus-seed", Verdict::HeardLabels, "leak"),
        ("whisper-base", Verdict::Unknown, "unknown"),
        ("hubert-base", Verdict::Unseen, "unseen"),
    ] {
        let mut report = fixture::compared();
        report.experiments[1].encoders = vec![heard("hubert-base"), heard(encoder)];
        let (dir, page) = written(&report);
        let own = page_of(dir.path(), "speaker-independent");
        let badge = format!("<span class=\"badge {class}\">{}</span>", verdict.badge());
        assert!(page.contains(&badge) && own.contains(&badge), "{encoder}");
        let warned = own.contains("<strong>The pretrained encoder knows the corpus:</strong>");
        assert_eq!(warned, verdict.is_leak(), "{encoder}");
        assert_eq!(
            own.contains("sharing leak box"),
            verdict.is_leak(),
            "{encoder}"
        );
        // Beside other figures, and in the list of words.
        let distances = table(&page, "distance-table");
        assert_eq!(
            distances.contains(verdict.badge()),
            !verdict.is_unseen(),
            "{encoder}"
        );
        assert_eq!(
            page.contains(&format!("<dt>{}</dt>", verdict.badge())),
            !verdict.is_unseen()
        );
        let cells = rows(dir.path(), "results.csv");
        assert!(cells.iter().flatten().any(|cell| cell == verdict.name()));
    }
}

#[test]
fn nothing_is_said_to_be_shared_where_nothing_was_trained() {
    let report = fixture::doubtful();
    let (dir, page) = written(&report);
    let own = page_of(dir.path(), "failed");
    assert!(
        own.contains("No result:")
            && !own.contains("class=\"sharing")
            && !own.contains("Speakers are shared")
    );
    let badges = |text: &str| {
        text.matches("class=\"badge shared\"").count()
            + text.matches("class=\"badge unseen\"").count()
    };
    assert_eq!(badges(&own), 0);
    let row = page
        .split("<tr>")
        .find(|row| row.contains("experiment-failed.html"))
        .unwrap();
    let tile = page
        .split("<li>")
        .find(|tile| tile.starts_with("<h3><a href=\"experiment-failed.html\""))
        .unwrap();
    assert_eq!(
        badges(row) + badges(&tile[..tile.find("</li>").unwrap()]),
        0
    );
    write(&report, &dir.path().join("r")).unwrap();
    write_index(dir.path()).unwrap();
    let index = fs::read_to_string(dir.path().join("index.html")).unwrap();
    let line = index
        .split("<tr ")
        .find(|row| row.contains("Never trained"))
        .unwrap();
    assert!(
        line.contains("data-kind=\"\"") && badges(line) == 0,
        "{line}"
    );
    let rows = rows(dir.path(), "results.csv");
    let failed = rows.iter().find(|row| row[1] == "failed").unwrap();
    assert_eq!(
        (rows[0][5].as_str(), failed[5].as_str()),
        ("speaker_independent", "")
    );
}

#[test]
fn an_interval_of_few_speakers_is_marked_wherever_it_stands() {
    let report = fixture::doubtful();
    let (dir, page) = written(&report);
    let mark = "from only 4 speakers: too narrow to trust";
    // WA and UAR, pooled and of the ensemble.
    assert_eq!(table(&page, "results").matches(mark).count(), 4);
    assert!(
        page.contains("<line class=\"whisker few\"")
            && page.contains("interval of fewer than 10 speakers")
    );
    let own = page_of(dir.path(), "speaker-independent");
    assert_eq!(
        own.matches(mark).count(),
        3,
        "two cards, and the list of how sure they are"
    );
    for (file, times) in [
        ("results.md", 2),
        ("results.csv", 2),
        ("card-speaker-independent.md", 2),
    ] {
        assert_eq!(
            fs::read_to_string(dir.path().join(file))
                .unwrap()
                .matches(mark)
                .count(),
            times,
            "{file}"
        );
    }
    assert!(
        fs::read_to_string(dir.path().join("results.tex"))
            .unwrap()
            .contains("]$^{\\dagger}$")
    );
    for enough in ["looks", "paper"] {
        assert!(!page_of(dir.path(), enough).contains("too narrow to trust"));
    }
}

#[test]
fn a_legend_shows_the_line_that_is_drawn() {
    let report = fixture::doubtful();
    let (dir, page) = written(&report);
    for page in [page, page_of(dir.path(), "paper")] {
        for class in [
            "diagonal",
            "expected",
            "whisker",
            "whisker few",
            "chance",
            "majority",
            "theirs",
        ] {
            let line = format!("<line class=\"{class}\"");
            let key = format!("viewBox=\"0 0 28 10\">{line}");
            let drawn = page.matches(&line).count() - page.matches(&key).count();
            assert!(
                !page.contains(&key) || drawn > 0,
                "{class} is in a legend and not drawn"
            );
        }
        assert!(page.contains("viewBox=\"0 0 28 10\"><line class=\"majority\""));
    }
    let own = page_of(dir.path(), "paper");
    assert!(
        own.contains("</svg>perfect calibration")
            && own.matches("<line class=\"diagonal\"").count() == 2
    );
}

#[test]
fn figures_stand_right_after_the_name() {
    let (dir, page) = written(&fixture::recorded());
    let heads = |page: &str, id: &str| -> Vec<String> {
        let text = table(page, id);
        text[..text.find("</thead>").unwrap()]
            .split("<th ")
            .skip(1)
            .map(|th| {
                th[th.find('>').unwrap() + 1..th.find("</th>").unwrap()].replace('\u{a0}', " ")
            })
            .collect()
    };
    assert_eq!(
        heads(&page, "results")[..3],
        ["Experiment", "WA %", "UAR %"]
    );
    assert_eq!(
        heads(&page_of(dir.path(), "paper"), "x-fold-table")[..3],
        ["Held out", "WA %", "UAR %"]
    );
    write(&fixture::recorded(), &dir.path().join("r")).unwrap();
    write_index(dir.path()).unwrap();
    let index = fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert_eq!(
        heads(&index, "pipelines")[..4],
        ["Pipeline", "Experiment", "WA %", "UAR %"]
    );
    // Each row has as many cells as there are heads.
    let body = table(&index, "pipelines");
    for row in body[body.find("<tbody>").unwrap()..].split("<tr ").skip(1) {
        let spanned: usize = row.matches("colspan=\"9\"").count() * 8;
        assert_eq!(
            row.matches("<td").count() + row.matches("<th").count() + spanned,
            11,
            "{row}"
        );
    }
}

#[test]
fn transductive_results_stand_beside_what_they_are_with_restricted_pools() {
    let mut report = fixture::recorded();
    let one = &mut report.experiments[1];
    (one.transductive, one.restricted_pools) = (true, fixture::pools());
    let (dir, page) = written(&report);
    let own = page_of(dir.path(), "speaker-independent");
    for found in [table(&page, "pool-table"), table(&own, "x-pool-table")] {
        let (high, low) = found.split_at(found.find("low-arousal (neutral, calm, sad)").unwrap());
        let (high_figures, low_figures) =
            ([">74.1<", ">55.3<", ">62.9<"], [">67.6<", ">36.1<", ">–<"]);
        assert!(
            high.contains("high-arousal (happy, angry, fearful, disgust, surprised)"),
            "{found}"
        );
        assert!(
            high_figures.iter().all(|figure| high.contains(figure))
                && low_figures.iter().all(|figure| low.contains(figure)),
            "{found}"
        );
    }
    let csv = std::fs::read_to_string(dir.path().join("restricted-pools.csv")).unwrap();
    assert!(csv.contains(",high-arousal,happy; angry; fearful; disgust; surprised,720,0.741,0.553,second,0.629\r\n"), "{csv}");
    assert!(csv.contains(",720,0.676,0.361,,\r\n"), "{csv}");
    let card = std::fs::read_to_string(dir.path().join("card-speaker-independent.md")).unwrap();
    assert!(
        card.contains("| 67.6 | 36.1 | – |")
            && card.contains("hold only if each speaker's clips cover all classes"),
        "{card}"
    );
    // An experiment without figures says so.
    report.experiments[1].restricted_pools.clear();
    let (dir, page) = written(&report);
    assert!(
        !page.contains("pool-table")
            && page_of(dir.path(), "speaker-independent")
                .contains("Not measured for this experiment.")
    );
}

/// Claims that speakers are new to a model, in whatever words the outputs have for it.
const CLAIMS: [&str; 7] = [
    "speakers unseen",
    "unseen speakers",
    "speakers are unseen",
    "speaker-independent",
    ">unseen<",
    "badge unseen\"",
    "test speaker was trained on",
];

#[test]
fn guesses_are_called_guesses_in_every_file_and_claim_nothing() {
    let report = fixture::guessed();
    let dir = tempfile::tempdir().unwrap();
    write(&report, &dir.path().join("guessed")).unwrap();
    write_index(dir.path()).unwrap();
    let mut files = crate::files::files_below(&dir.path().join("guessed"));
    files.push(dir.path().join("index.html"));
    assert!(files.len() > 30);
    for file in &files {
        let text = String::from_utf8_lossy(&fs::read(file).unwrap()).to_lowercase();
        for claim in CLAIMS {
            assert!(!text.contains(claim), "{} claims: {claim}", file.display());
        }
    }
    let read = |name: &str| fs::read_to_string(dir.path().join("guessed").join(name)).unwrap();
    let page = read("index.html");
    let banner = "<strong>Guessed from file names, not confirmed: emotion, speaker, sex.</strong>";
    assert!(
        [page.as_str(), &read("experiment-x1.html")]
            .iter()
            .all(|page| page.find(banner) < page.find("class=\"cards\""))
    );
    assert!(
        page.contains(
            "Speakers guessed from file and folder names: not confirmed; disjoint in the guessed field</p>"
        ),
        "a card"
    );
    for words in [
        "Speakers guessed from file and folder names: not confirmed",
        "disjoint in the guessed field",
        "shared in the guessed field",
    ] {
        assert!(
            page.contains(&format!(">{words}</text>")),
            "a panel: {words}"
        );
    }
    assert!(page.contains("24 speakers (guessed from file and folder names, not confirmed)"));
    let own = read("experiment-x1.html");
    for words in [
        "System 1 (classes guessed from file and folder names, not confirmed): confusion matrix",
        "by sex (guessed from file and folder names, not confirmed), all folds",
        "<strong>Speakers guessed from file and folder names: not confirmed.</strong> Training and test are disjoint in the guessed field",
    ] {
        assert!(own.contains(words), "{words}");
    }
    assert!(
        own.contains("by intensity, all folds"),
        "what nobody guessed is no guess"
    );
    let results = rows(&dir.path().join("guessed"), "results.csv");
    assert_eq!(
        [1, 3].map(|row| (results[row][1].as_str(), results[row][5].as_str())),
        [("x0", "unknown"), ("x1", "unknown")]
    );
    let breakdown = rows(&dir.path().join("guessed"), "breakdown.csv");
    let guessed =
        |attribute: &str| breakdown.iter().find(|row| row[2] == attribute).unwrap()[9].clone();
    assert_eq!(
        ["attribute", "sex", "speaker", "intensity"].map(guessed),
        ["guessed", "true", "true", "false"]
    );
    let json: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(json["experiments"][1]["speaker_independent"], "unknown");
    assert_eq!(
        json["experiments"][1]["guessed"],
        serde_json::json!(["emotion", "speaker", "sex"])
    );
    for (file, words) in [
        (
            "card-x1.md",
            "**Speakers guessed from file and folder names: not confirmed.**",
        ),
        (
            "card-x1.md",
            "By sex (guessed from file and folder names, not confirmed): UAR from",
        ),
        (
            "results.tex",
            "\\emph{Speakers guessed from file and folder names: not confirmed; disjoint in the guessed field}",
        ),
        (
            "confusion.tex",
            "Guessed from file names, not confirmed: emotion, speaker, sex.",
        ),
        ("results.md", "unknown"),
    ] {
        assert!(read(file).contains(words), "{words} is not in {file}");
    }
}

#[test]
fn an_older_report_of_copies_on_both_sides_claims_nothing_either() {
    let mut report = fixture::doubtful();
    report.experiments[1].speakers = TestSpeakers::Unseen;
    let dir = tempfile::tempdir().unwrap();
    write(&report, &dir.path().join("old")).unwrap();
    let path = dir.path().join("old/report.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["schema_version"] = 1.into();
    for one in json["experiments"].as_array_mut().unwrap() {
        let one = one.as_object_mut().unwrap();
        one.remove("test_speakers");
        one["speaker_independent"] = (one["speaker_independent"] == "yes").into();
    }
    fs::write(&path, json.to_string()).unwrap();
    let read = super::read_report(&dir.path().join("old"))
        .unwrap()
        .unwrap();
    let found: Vec<TestSpeakers> = read.experiments.iter().map(|one| one.speakers).collect();
    let expected = [
        TestSpeakers::Shared,
        TestSpeakers::OnBothSides { recordings: 21 },
        TestSpeakers::Unseen,
        TestSpeakers::Shared,
    ];
    assert_eq!(found, expected);
}
