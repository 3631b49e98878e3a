//! `open`: a report in the browser of the desktop.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::args::Open;
use super::variants::{self, Named};
use super::{print, shell_word};
use crate::config;
use crate::error::{Error, Result};

/// A browser that cannot show a page says so within this time; one that runs on shows it.
const WAITED: Duration = Duration::from_secs(2);

/// Opens the report of a pipeline, or the index of all.
pub fn open(open: &Open) -> Result<()> {
    let page = page_of(open)?;
    show(&page).map_err(|error| match is_elsewhere() {
        true => elsewhere(open, &page),
        false => error,
    })?;
    print(&format!("opened {}", page.display()))
}

/// The page of the report of a pipeline, or of the index of all.
///
/// # Errors
/// `Missing` where there is none.
pub fn page_of(open: &Open) -> Result<PathBuf> {
    let page = match &open.pipeline {
        Some(name) => open
            .reports_dir
            .join(report_of(open, name))
            .join("index.html"),
        None => open.reports_dir.join("index.html"),
    };
    if page.is_file() {
        return Ok(page);
    }
    let error = Error::missing(format!("there is no report at {}", page.display()));
    let name = open.pipeline.as_deref().unwrap_or("PIPELINE");
    Err(error.hint(format!(
        "run the pipeline first: ser run {}; ser runs lists what was run",
        shell_word(name)
    )))
}

/// Whether the user sits at another machine and no browser shows a page there.
pub fn is_elsewhere() -> bool {
    let says = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    says("SSH_CONNECTION") && !says("BROWSER") && !has_display()
}

/// How to see a page from the machine at which the user sits.
fn elsewhere(open: &Open, page: &Path) -> Error {
    let path = std::path::absolute(page).unwrap_or_else(|_| page.to_owned());
    let name = open.pipeline.as_deref().map(shell_word);
    let name = name.map(|name| format!(" {name}")).unwrap_or_default();
    Error::missing(format!(
        "{} was not opened: this is a session of ssh without a display",
        path.display()
    ))
    .hint(format!(
        "ser serve{name} shows it through a tunnel and says how; or copy its folder to the machine at which you sit"
    ))
}

/// The folder of a pipeline's report: what its file says it is called, or, where that cannot be
/// read any more, what the file is called.
fn report_of(open: &Open, name: &str) -> PathBuf {
    let Named { file, variant } = variants::named(&open.pipelines_dir, name);
    let pipeline = match config::load(&file, &[], None) {
        Ok(pipeline) => pipeline.name,
        Err(_) => file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    };
    variant
        .map_or_else(
            || pipeline.clone(),
            |variant| format!("{pipeline}@{variant}"),
        )
        .into()
}

/// Shows a page in the browser that `BROWSER` names, or in the desktop's own. A browser that goes
/// on running is not waited for.
///
/// # Errors
/// `Missing` where there is no display or no browser, or where the browser fails at once.
pub fn show(page: &Path) -> Result<()> {
    let page = std::path::absolute(page).map_err(|e| Error::io("find", page, e))?;
    let chosen = std::env::var("BROWSER")
        .ok()
        .filter(|browser| !browser.trim().is_empty());
    let mut command = match &chosen {
        Some(browser) => Command::new(browser.trim()),
        None if cfg!(target_os = "macos") => Command::new("open"),
        None if cfg!(windows) => {
            let mut command = Command::new("cmd");
            command.args(["/C", "start", ""]);
            command
        }
        None if !has_display() => {
            return Err(by_hand(
                &page,
                "there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)",
            ));
        }
        None => Command::new("xdg-open"),
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let begun = command
        .arg(&page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut begun =
        begun.map_err(|e| by_hand(&page, &format!("{program} could not be started: {e}")))?;
    let start = Instant::now();
    while start.elapsed() < WAITED {
        match begun.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(by_hand(&page, &format!("{program} failed ({status})")));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => break,
        }
    }
    Ok(())
}

/// Whether this process can reach a desktop; under WSL that of Windows.
pub fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn by_hand(page: &Path, why: &str) -> Error {
    let error = Error::missing(format!("{} was not opened: {why}", page.display()));
    error.hint("open this file in a browser, on this machine or copied to another with its folder, or name a browser in the environment variable BROWSER")
}
