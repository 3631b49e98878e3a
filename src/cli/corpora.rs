//! `corpora`: a corpus from its official place; `corpus list`: those that are known by name.

use std::cell::Cell;
use std::time::Instant;

use super::args::{Args, Corpora};
use super::print;
use crate::cancel::Cancel;
use crate::corpus::download::{self, Obtained};
use crate::corpus::known::{Description, Speakers, all};
use crate::error::Result;
use crate::orchestrator::{Event, Observer};
use crate::text::plural;

/// Downloads, checks and unpacks a corpus, or says how a person gets it.
pub fn corpora(
    corpora: &Corpora,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let task = format!("download {}", corpora.corpus);
    let began = Cell::new(None);
    let tick = |done: u64, total: Option<u64>| {
        began.set(began.get().or_else(|| Some(Instant::now())));
        observer.observe(Event::TaskProgress {
            task: task.clone(),
            done,
            total: total.unwrap_or(done),
            unit: "bytes",
            note: String::new(),
        });
    };
    let obtained = download::corpora(&corpora.corpus, &corpora.corpora_dir, cancel, &tick)?;
    if let Some(began) = began.get() {
        observer.observe(Event::TaskFinished {
            task: task.clone(),
            stage: "download".into(),
            key: String::new(),
            seconds: began.elapsed().as_secs_f64(),
        });
    }
    let json = args.global.json;
    match obtained {
        Obtained::Ready(root) if json => {
            print(&serde_json::json!({ "corpus": corpora.corpus, "root": root }).to_string())
        }
        Obtained::Ready(root) => print(&format!(
            "{} is ready in {}",
            corpora.corpus,
            root.display()
        )),
        Obtained::ByHand(text) if json => print(
            &serde_json::json!({ "corpus": corpora.corpus, "by_hand": text.trim_end() })
                .to_string(),
        ),
        Obtained::ByHand(text) => print(text.trim_end()),
    }
}

/// Lists the corpora that are known by name.
pub fn list(args: &Args) -> Result<()> {
    if args.global.json {
        let all: Vec<_> = all().iter().map(as_json).collect();
        return print(&serde_json::json!(all).to_string());
    }
    let number = |n: usize| {
        if n == 0 {
            "?".to_owned()
        } else {
            n.to_string()
        }
    };
    for corpus in all() {
        let expected = &corpus.expected;
        print(&format!(
            "{:<15} {}: {} files, {} speakers, {} classes ({})",
            corpus.kind,
            corpus.title,
            number(expected.utterances),
            number(expected.speakers),
            number(expected.classes.len()),
            corpus.classes().join(", ")
        ))?;
        print(&format!(
            "{:<15} {}; licence: {}; EmoBox: {}",
            "",
            corpus.state.describe(),
            corpus
                .licence
                .as_deref()
                .unwrap_or("not known to this program"),
            folds(corpus)
        ))?;
        print(&format!("{:<15} {}", "", corpus.source))?;
    }
    Ok(())
}

/// What there is of EmoBox's folds.
fn folds(corpus: &Description) -> String {
    let Some(emobox) = &corpus.emobox else {
        return "nothing".to_owned();
    };
    if !emobox.has_list() {
        let why = emobox.note.as_deref().unwrap_or("no reason is given");
        return format!("no folds here, {why}");
    }
    let speakers = match emobox.speakers {
        Speakers::Apart => "speakers apart",
        Speakers::Shared => "speakers shared",
        Speakers::Unknown => "speakers not known",
    };
    format!("{}, {speakers}", plural(emobox.folds as usize, "fold"))
}

fn as_json(corpus: &Description) -> serde_json::Value {
    let emobox = corpus.emobox.as_ref();
    serde_json::json!({
        "kind": corpus.kind, "name": corpus.name, "title": corpus.title, "language": corpus.language,
        "files": corpus.expected.utterances, "speakers": corpus.expected.speakers,
        "classes": corpus.expected.classes, "counts_from": corpus.expected.source,
        "licence": corpus.licence, "citation": corpus.citation, "source": corpus.source,
        "state": corpus.state, "remarks": corpus.remarks,
        "emobox_folds": emobox.filter(|one| one.has_list()).map(|one| one.folds),
        "emobox_speakers": emobox.map(|one| one.speakers),
    })
}
