//! `open`: a report in the browser of the desktop.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::args::Open;
use super::{print, run};
use crate::config;
use crate::error::{Error, Result};

/// Opens the report of a pipeline, or the index of all.
pub fn open(open: &Open) -> Result<()> {
    let page = match &open.pipeline {
        Some(name) => open.reports_dir.join(report_of(open, name)).join("index.html"),
        None => open.reports_dir.join("index.html"),
    };
    if !page.is_file() {
        let error = Error::missing(format!("there is no report at {}", page.display()));
        return Err(error.hint("run the pipeline first: ser run PIPELINE"));
    }
    show(&page)?;
    print(&format!("opened {}", page.display()))
}

/// The folder of a pipeline's report: what its file says it is called, or, where that cannot be read any more, what the file is called.
fn report_of(open: &Open, name: &str) -> PathBuf {
    let file = run::path(&open.pipelines_dir, name);
    match config::load(&file, &[], None) {
        Ok(pipeline) => pipeline.name.into(),
        Err(_) => file.file_stem().unwrap_or_default().into(),
    }
}

/// Hands a page to the browser and does not wait for it: what `BROWSER` names, or the desktop's own.
pub fn show(page: &Path) -> Result<()> {
    let page = std::path::absolute(page).map_err(|e| Error::io("find", page, e))?;
    let chosen = std::env::var("BROWSER").ok().filter(|browser| !browser.trim().is_empty());
    let mut command = match &chosen {
        Some(browser) => Command::new(browser.trim()),
        None if cfg!(target_os = "macos") => Command::new("open"),
        None if cfg!(windows) => {
            let mut command = Command::new("cmd");
            command.args(["/C", "start", ""]);
            command
        }
        None => Command::new("xdg-open"),
    };
    let begun = command.arg(&page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    begun.map(drop).map_err(|e| {
        let error = Error::missing(format!("no browser could be started for {}", page.display())).because(e);
        error.hint("open the file by hand, or name a browser in the environment variable BROWSER")
    })
}
