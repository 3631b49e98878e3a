//! `corpus unpack`: the recordings inside Parquet files, written to files.

use std::path::PathBuf;
use std::time::Instant;

use super::args::Args;
use super::corpus::print;
use super::print as print_raw;
use crate::cancel::Cancel;
use crate::corpus::manifest;
use crate::error::Result;
use crate::files::shell_word;
use crate::orchestrator::{Event, Observer};
use crate::text::plural;

/// Which dataset, and where its recordings go.
#[derive(Debug, clap::Args)]
pub struct Unpack {
    /// Folder of the Parquet files
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Folder to write, which must not be there yet
    #[arg(value_name = "NEW_DIR")]
    pub out: PathBuf,
}

/// Writes the recordings of a dataset to files.
pub fn unpack(
    unpack: &Unpack,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    let task = "unpack".to_owned();
    let mut tick = |done, total| {
        observer.observe(Event::TaskProgress {
            task: task.clone(),
            done,
            total,
            unit: "recordings",
            note: String::new(),
        });
    };
    let began = Instant::now();
    let unpacked = manifest::unpack(&unpack.folder, &unpack.out, cancel, &mut tick)?;
    observer.observe(Event::TaskFinished {
        task,
        stage: "corpus".into(),
        key: String::new(),
        seconds: began.elapsed().as_secs_f64(),
    });
    let out = unpack.out.display().to_string();
    if args.global.json {
        let text = serde_json::json!({ "folder": out, "recordings": unpacked.recordings, "without_sound": unpacked.without_sound,
            "columns": unpacked.columns, "named": unpacked.named, "left_out": unpacked.left_out });
        return print_raw(&text.to_string());
    }
    print(&format!(
        "{out}: {}, and manifest.csv with the columns {}",
        plural(unpacked.recordings, "recording"),
        unpacked.columns.join(", ")
    ))?;
    let say = |what: &str, columns: &[String]| match columns {
        [] => Ok(()),
        columns => print(&format!("  {what}: {}", columns.join(", "))),
    };
    say("numbers are names of classes now", &unpacked.named)?;
    say(
        "left out, since no manifest can hold them",
        &unpacked.left_out,
    )?;
    if unpacked.without_sound > 0 {
        print(&format!(
            "  {} without sound, excluded in the manifest",
            plural(unpacked.without_sound, "row")
        ))?;
    }
    print(&format!("next: ser corpus init {}", shell_word(&out)))
}
