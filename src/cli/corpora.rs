//! `corpora`: a corpus from its official place.

use std::cell::Cell;
use std::time::Instant;

use super::args::{Args, Corpora};
use super::print;
use crate::cancel::Cancel;
use crate::corpus::download::{self, Obtained};
use crate::error::Result;
use crate::orchestrator::{Event, Observer};

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
