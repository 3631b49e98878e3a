//! The results as a page of the same look as the reports.

use ser::report::html::{
    self, Html, Table, cell, decimals, number, numbers, plural, row_head, words,
};

use super::chart::{self, times};
use super::results::{Part, Results, Row, Side};
use super::stats::{Spread, spread};

/// The page as text; a pure function of the results.
pub fn render(results: &Results) -> String {
    let rows = results.rows();
    let parts: Vec<Part> = Part::ALL
        .into_iter()
        .filter(|part| rows.iter().any(|row| row.part == *part))
        .collect();
    html::page("Benchmarks · speech emotion recognition", |h| {
        header(h, results, &parts);
        h.raw("<main id=\"main\" tabindex=\"-1\">");
        if results.quick {
            h.raw("<p class=\"banner\" role=\"note\"><strong>A quick run.</strong> It shows that everything works. ");
            h.raw("Its figures come from moments and are worth nothing.</p>");
        }
        if results.rounds_done < results.rounds {
            let text = format!(
                "Not finished: {} of {} so far.",
                results.rounds_done,
                plural(results.rounds, "round")
            );
            h.el("p", &[("class", "warn box"), ("role", "note")], text);
        }
        summary(h, results, &rows);
        for part in parts {
            section(
                h,
                part,
                results,
                &rows
                    .iter()
                    .filter(|row| row.part == part)
                    .collect::<Vec<_>>(),
            );
        }
        engine(h, results);
        memory(h, results);
        machine(h, results);
        files(h);
        h.raw("</main><footer><p>Written by <code>make bench</code>.</p></footer>");
    })
}

fn header(h: &mut Html, results: &Results, parts: &[Part]) {
    h.raw("<header><div class=\"top\"><p class=\"crumb\">ser / Benchmarks</p>");
    h.raw("<button type=\"button\" class=\"js-only\" id=\"theme\">Dark mode</button></div><h1>Benchmarks</h1>");
    h.raw("<nav aria-label=\"On this page\"><ul>");
    let mut links = vec![("summary", "Summary")];
    links.extend(parts.iter().map(|part| (part.word(), title(*part))));
    if !results.engine.is_empty() {
        links.push(("engine", title(Part::Engine)));
    }
    links.extend([
        ("memory", "Memory"),
        ("machine", "Machine"),
        ("files", "Files"),
    ]);
    for (id, text) in links {
        h.within("li", &[], |h| {
            h.el("a", &[("href", &format!("#{id}"))], text);
        });
    }
    h.raw("</ul></nav></header>\n");
}

fn title(part: Part) -> &'static str {
    match part {
        Part::Features => "Features",
        Part::Training => "Training",
        Part::Inference => "Inference",
        Part::Rerun => "Nothing to do",
        Part::Engine => "Training engine",
    }
}

/// How a part is measured, for readers who want to argue.
fn method(part: Part) -> &'static str {
    match part {
        Part::Features => {
            "From recordings to 193 features per file. For ser the whole process counts: its start, listing the corpus, decoding, and the \
             Parquet table, from an empty data folder. For librosa and openSMILE their own clocks count, which leave out Python's start, the \
             imports and a first file. openSMILE computes other features and stands here for scale. Where ser reads the whole corpus, the \
             peer's figure is still that of the files named in the first column."
        }
        Part::Training => {
            "The paper's RAVDESS network on 1152 random rows of 193 features in 8 classes, RMSprop; everything between two batches counts. \
             All warm up first. On two cores, ser trains two networks side by side, as it does with the folds of an experiment; PyTorch is \
             tried as one process of two threads and as two processes, eager and compiled, and its best layout stands here."
        }
        Part::Inference => {
            "The same network's predictions: for ser the class probabilities of a saved model's classifier, for PyTorch the logits in \
             inference mode."
        }
        Part::Rerun => {
            "The same command again: every output is there and is checked against its hash."
        }
        Part::Engine => {
            "CPU time of a training step beside the time of its matrix products alone, as plain dense products of the same sizes."
        }
    }
}

fn open(h: &mut Html, id: &str, title: &str) {
    let title_id = format!("{id}-title");
    h.line_break()
        .open("section", &[("id", id), ("aria-labelledby", &title_id)])
        .el("h2", &[("id", &title_id)], title);
}

fn summary(h: &mut Html, results: &Results, rows: &[Row]) {
    open(h, "summary", "Summary");
    let told: Vec<(&Row, Spread)> = rows
        .iter()
        .filter(|row| row.headline)
        .filter_map(|row| row.ratio.map(|ratio| (row, ratio)))
        .collect();
    if told.is_empty() {
        h.raw("<p>Nothing stands beside a peer: see the notes below, and <code>make bench-peers</code>.</p>");
    } else {
        h.raw("<div class=\"cards\">");
        for (row, ratio) in told {
            h.raw("<div class=\"card\">");
            h.el(
                "p",
                &[("class", "card-title")],
                row.scenario.split(':').next().unwrap_or_default(),
            );
            h.el("p", &[("class", "big")], times(ratio.median));
            h.el(
                "p",
                &[],
                format!(
                    "as fast as {}",
                    row.peer.as_ref().map_or("", |peer| peer.name.as_str())
                ),
            );
            h.el("p", &[], format!("{}; {}", row.unit, row.what))
                .raw("</div>");
        }
        h.raw("</div>");
    }
    h.within("p", &[], |h| {
        h.text(format!("{}, in each of which every program ran once, one after the other. ", plural(results.rounds_done, "round")));
        h.raw("A figure is the median over the rounds, with the smallest and the largest; a ratio is the median of the ratios within a ");
        h.raw("round, and above 1 where ser is faster. Peers run single-threaded where one thread is compared, and without the variables ");
        h.raw("<code>OPENBLAS_CORETYPE</code> and <code>OPENBLAS_L2_SIZE</code>, which can slow numpy down.");
    });
    let absent = results
        .scenarios
        .iter()
        .flat_map(|scenario| &scenario.contestants);
    let mut notes = results.notes.clone();
    for contestant in absent {
        if let Some(why) = &contestant.absent {
            let note = format!("{} was not measured: {why}.", contestant.name);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    for run in &results.runs {
        if let Err(why) = &run.outcome {
            let scenario = results
                .scenario(&run.scenario)
                .map_or("", |scenario| scenario.title.as_str());
            notes.push(format!("{scenario}: {} failed: {why}.", run.contestant));
        }
    }
    if !notes.is_empty() {
        h.raw("<div class=\"box warn\" role=\"note\"><p><strong>To know</strong></p><ul>");
        notes.iter().for_each(|note| {
            h.el("li", &[], note);
        });
        h.raw("</ul></div>");
    }
    h.raw("</section>");
}

fn section(h: &mut Html, part: Part, results: &Results, rows: &[&Row]) {
    open(h, part.word(), title(part));
    h.el("p", &[], method(part));
    let alone = rows.iter().all(|row| row.peer.is_none());
    let mut columns = vec![
        words("Work"),
        numbers("ser"),
        words("Peer"),
        numbers("Peer's figure"),
        words("Unit"),
        numbers("Ratio"),
        numbers("Runs"),
    ];
    if alone {
        columns = vec![
            words("Work"),
            numbers("ser"),
            words("Unit"),
            numbers("Runs"),
        ];
    }
    let id = format!("{}-table", part.word());
    let caption = if alone {
        "ser alone"
    } else {
        "ser beside its peers; ratios above 1 are in favour of ser"
    };
    let caption = format!("{}: {caption}", title(part));
    let table = Table::new(id, caption, if alone { "narrow" } else { "results" });
    table.write(h, &columns, |h| {
        rows.iter().for_each(|row| line(h, row, alone));
    });
    let (id, caption) = (
        format!("{}-chart", part.word()),
        format!("{}: how many times as fast ser is", title(part)),
    );
    chart::write(h, &id, &caption, rows);
    commands(h, part, results);
    h.raw("</section>");
}

fn line(h: &mut Html, row: &Row, alone: bool) {
    h.raw("<tr><th scope=\"row\">")
        .text(&row.scenario)
        .raw("<br>")
        .el("span", &[("class", "quiet")], &row.what)
        .raw("</th>");
    figure(h, Some(&row.ours));
    if !alone {
        cell(h, row.peer.as_ref().map_or("–", |peer| peer.name.as_str()));
        figure(h, row.peer.as_ref());
    }
    cell(h, row.unit);
    if !alone {
        match row.ratio {
            Some(ratio) => {
                h.open(
                    "td",
                    &[("class", "n"), ("data-v", &ratio.median.to_string())],
                )
                .el("strong", &[], times(ratio.median));
                h.raw("<br>")
                    .el(
                        "span",
                        &[("class", "quiet")],
                        format!("{}–{}", times(ratio.min), times(ratio.max)),
                    )
                    .raw("</td>");
            }
            None => number(h, "–", f64::NAN),
        }
    }
    let runs = row
        .ratio
        .or(row.ours.value.as_ref().ok().copied())
        .map_or(0, |spread| spread.runs);
    number(h, runs.to_string(), runs as f64);
    h.raw("</tr>");
}

/// Every command line of a part, as it was run.
fn commands(h: &mut Html, part: Part, results: &Results) {
    h.raw("<details><summary>Command lines</summary>");
    let id = format!("{}-commands", part.word());
    let caption = format!(
        "{}: every program in the order of a round, run in the folder of the repository",
        title(part)
    );
    let table = Table::new(id, caption, "pairs").unsorted();
    table.write(
        h,
        &[words("Work"), words("Program"), words("Command line")],
        |h| {
            for scenario in results
                .scenarios
                .iter()
                .filter(|scenario| scenario.part == part)
            {
                for contestant in &scenario.contestants {
                    h.raw("<tr>");
                    row_head(h, &scenario.title);
                    cell(h, &contestant.name);
                    h.raw("<td class=\"w\">")
                        .el("code", &[("class", "path")], &contestant.command)
                        .raw("</td></tr>");
                }
            }
        },
    );
    h.raw("</details>");
}

/// The median with its range, or why there is none.
fn figure(h: &mut Html, side: Option<&Side>) {
    match side.map(|side| &side.value) {
        Some(Ok(value)) => {
            h.open(
                "td",
                &[("class", "n"), ("data-v", &value.median.to_string())],
            )
            .text(digits(value.median))
            .raw("<br>");
            h.el(
                "span",
                &[("class", "quiet")],
                format!("{}–{}", digits(value.min), digits(value.max)),
            )
            .raw("</td>");
        }
        Some(Err(why)) => {
            h.el("td", &[("class", "failed")], format!("not measured: {why}"));
        }
        None => number(h, "–", f64::NAN),
    }
}

/// Three digits, or all before the point.
fn digits(value: f64) -> String {
    let places = [(100.0, 0), (10.0, 1), (1.0, 2), (0.1, 3)]
        .iter()
        .find(|(least, _)| value.abs() >= *least)
        .map_or(4, |found| found.1);
    decimals(value, places)
}

fn engine(h: &mut Html, results: &Results) {
    if results.engine.is_empty() {
        return;
    }
    open(h, "engine", title(Part::Engine));
    h.el("p", &[], method(Part::Engine)).raw("<ul>");
    results.engine.iter().for_each(|line| {
        h.el("li", &[], line);
    });
    h.raw("</ul><p><code>cargo bench --bench engine</code></p></section>");
}

fn memory(h: &mut Html, results: &Results) {
    open(h, "memory", "Memory");
    h.raw("<p>Peak resident memory as the system accounts for it, summed where several processes run side by side. ");
    h.raw("A process is never charged less than the few megabytes of the program that started it.</p>");
    let table = Table::new("memory-table", "Peak resident memory", "narrow");
    table.write(
        h,
        &[
            words("Work"),
            words("Program"),
            numbers("Processes"),
            numbers("Peak MiB"),
            numbers("Largest MiB"),
        ],
        |h| {
            for scenario in &results.scenarios {
                for contestant in &scenario.contestants {
                    let of = || {
                        results
                            .measured(&scenario.id, contestant.id)
                            .map(|(_, run)| run)
                    };
                    let mib = spread(of().map(|run| run.max_rss_bytes as f64 / 1024.0 / 1024.0));
                    let (Some(mib), Some(run)) = (mib, of().next()) else {
                        continue;
                    };
                    h.raw("<tr>");
                    row_head(h, &scenario.title);
                    cell(h, &contestant.name);
                    number(h, run.processes.to_string(), run.processes as f64);
                    number(h, decimals(mib.median, 1), mib.median);
                    number(h, decimals(mib.max, 1), mib.max);
                    h.raw("</tr>");
                }
            }
        },
    );
    h.raw("</section>");
}

fn machine(h: &mut Html, results: &Results) {
    open(h, "machine", "Machine and versions");
    let table = Table::new(
        "machine-table",
        "What the figures were measured on",
        "narrow",
    )
    .unsorted();
    table.write(h, &[words("Part"), words("Value")], |h| {
        let versions = results.versions().into_iter();
        for (name, value) in results.machine.iter().cloned().chain(versions) {
            h.raw("<tr>");
            row_head(h, &name);
            cell(h, &value);
            h.raw("</tr>");
        }
    });
    h.raw("</section>");
}

fn files(h: &mut Html) {
    open(h, "files", "Files");
    h.raw(
        "<ul><li><a href=\"bench.csv\">bench.csv</a>: every comparison with its command lines</li>",
    );
    h.raw("<li><a href=\"runs.csv\">runs.csv</a>: every run with its user, system and wall time and its peak memory</li></ul></section>");
}
