//! `results`: the finished experiments of pipelines as RESULTS.md.

use super::args::{Args, Results};
use super::{print, run, shell_word};
use crate::config;
use crate::error::Result;
use crate::files::write_atomically;
use crate::{pipeline, report};

/// Writes the file.
pub fn results(results: &Results, args: &Args) -> Result<()> {
    let names = if results.pipelines.is_empty() { run::known(&results.pipelines_dir)? } else { results.pipelines.clone() };
    let mut found = Vec::new();
    for name in &names {
        let path = run::path(&results.pipelines_dir, name);
        let pipeline = config::load(&path, &[], None)?;
        found.push(pipeline::results(&pipeline, &shell_word(&path.display().to_string()), &results.reports_dir)?);
    }
    let text = report::results(&found, env!("CARGO_PKG_VERSION"));
    write_atomically(&results.output, text.as_bytes())?;
    let path = results.output.display().to_string();
    print(&if args.global.json { serde_json::json!({ "results": path }).to_string() } else { format!("results: {path}") })
}
