//! `corpora`: a corpus from its official place.

use super::args::{Args, Corpora};
use super::print;
use crate::cancel::Cancel;
use crate::corpus::download::{self, Obtained};
use crate::error::Result;
use crate::orchestrator::{Event, Observer};

/// Downloads, checks and unpacks a corpus, or says how a person gets it.
pub fn corpora(corpora: &Corpora, args: &Args, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    let tick = |done: u64, total: Option<u64>| {
        observer.observe(Event::TaskProgress {
            task: format!("download {}", corpora.corpus),
            done,
            total: total.unwrap_or(done),
            unit: "bytes",
            note: String::new(),
        });
    };
    match download::corpora(&corpora.corpus, &corpora.corpora_dir, cancel, &tick)? {
        Obtained::Ready(root) if args.global.json => print(&serde_json::json!({ "corpus": corpora.corpus, "root": root }).to_string()),
        Obtained::Ready(root) => print(&format!("{} is ready in {}", corpora.corpus, root.display())),
        Obtained::ByHand(text) => print(text.trim_end()),
    }
}
