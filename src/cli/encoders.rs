//! `encoders`: published speech encoders, what they were trained on, and their files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::{Args, EncodersCommand, GetEncoder, ListEncoders};
use super::print;
use crate::cancel::Cancel;
use crate::encoder::{self, Checked, ENCODERS, ENDPOINT, Fetched, Known, Recognised, Sum};
use crate::error::{Error, Result};
use crate::escape::shown;
use crate::orchestrator::{Event, Observer};
use crate::text::nearest;

/// Does what was asked for.
pub fn encoders(
    command: &EncodersCommand,
    args: &Args,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<()> {
    match command {
        EncodersCommand::List(list) => self::list(list, args.global.json),
        EncodersCommand::Check { path } => check(path, args.global.json, cancel),
        EncodersCommand::Get(get) => self::get(get, args.global.json, cancel, observer),
    }
}

fn find(name: &str) -> Result<&'static Known> {
    Known::find(name).ok_or_else(|| {
        let names = encoder::known().iter().map(|one| one.name.as_str());
        let names: Vec<&str> = names.collect();
        let meant =
            nearest(name, names.iter().copied()).map(|meant| format!("did you mean `{meant}`? "));
        let error = Error::usage(format!("ser knows no published encoder `{name}`"));
        error.hint(format!(
            "{}known are: {}",
            meant.unwrap_or_default(),
            names.join(", ")
        ))
    })
}

/// Whether the folder of an encoder is there, with files of the published sizes; weights are not
/// read for that.
fn at_hand(known: &Known, folder: &Path) -> Option<&'static str> {
    let sizes = |name: &str| {
        std::fs::metadata(folder.join(name))
            .ok()
            .map(|about| about.len())
    };
    if !folder.is_dir() || known.files.is_empty() {
        return None;
    }
    let is_as_published = known
        .files
        .iter()
        .filter(|file| file.name != "README.md")
        .all(|file| {
            sizes(&file.name).is_some_and(|size| file.bytes.is_none_or(|bytes| bytes == size))
        });
    Some(match is_as_published {
        true => "files as published, by names and sizes",
        false => "other files than those published",
    })
}

fn list(list: &ListEncoders, json: bool) -> Result<()> {
    let all: Vec<&Known> = match list.names.as_slice() {
        [] => encoder::known().iter().collect(),
        names => names.iter().map(|name| find(name)).collect::<Result<_>>()?,
    };
    let place = |known: &Known| list.encoders_dir.join(&known.name);
    if json {
        let one = |known: &&Known| {
            let folder = place(known);
            let state = at_hand(known, &folder);
            let folder = state.map(|_| folder);
            serde_json::json!({ "encoder": known, "bytes": known.bytes(), "folder": folder, "state": state })
        };
        let all: Vec<serde_json::Value> = all.iter().map(one).collect();
        return print(&serde_json::json!({ "encoders": all }).to_string());
    }
    for known in &all {
        print(&format!("{}  {}", known.name, size(known)))?;
        print(&format!("  from: {}", known.place()))?;
        print(&format!("  licence: {}", known.licence))?;
        print(&format!("  trained on: {}", known.heard()))?;
        print(&format!("  source: {}", known.source))?;
        // The long lines, where few are asked for.
        for file in known.files.iter().filter(|_| !list.names.is_empty()) {
            let bytes = file
                .bytes
                .map_or("size not known".to_owned(), |n| format!("{n} bytes"));
            let sum = file.sha256.as_deref().unwrap_or("not known");
            print(&format!("  {}: {bytes}, SHA-256 {sum}", file.name))?;
        }
        let folder = place(known);
        if let Some(state) = at_hand(known, &folder) {
            print(&shown(&format!("  here: {}, {state}", folder.display())))?;
        }
    }
    if list.names.is_empty() {
        print(
            "sizes and SHA-256 of files: ser encoders list NAME; to fetch one: ser encoders get NAME",
        )?;
    }
    Ok(())
}

/// `277 MiB`; of files whose size is not known, that.
fn size(known: &Known) -> String {
    let weights = known
        .files
        .iter()
        .any(|file| file.bytes.is_some_and(|bytes| bytes > 1 << 20));
    match &known.not_read {
        Some(why) => format!("cannot be fetched: {why}"),
        None if weights => mebibytes(known.bytes()),
        None => "size not known".to_owned(),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn check(path: &Path, json: bool, cancel: &Cancel) -> Result<()> {
    let found = Checked::of(path, cancel)?;
    let known = found.published_as.as_deref().and_then(Known::find);
    if json {
        let heard = known.map(Known::heard);
        let found = serde_json::json!({ "folder": path, "checked": found, "trained_on": heard });
        return print(&found.to_string());
    }
    let architecture = found
        .architecture
        .as_deref()
        .unwrap_or("of unknown architecture");
    let parameters = found.parameters as f64 / 1e6;
    let line = |text: String| print(&shown(&text));
    line(format!("{}: can be used", path.display()))?;
    line(format!(
        "  {architecture}: {} layers of {} values, {parameters:.1} million parameters without decoder and heads",
        found.layers, found.width
    ))?;
    for file in &found.files {
        let how = match (file.sum, known) {
            (Sum::AsPublished, _) => "as published",
            (Sum::Differs, _) => "not the published file",
            (Sum::NotVerified, Some(_)) => "not verified: the published SHA-256 is not known",
            (Sum::NotVerified, None) => "not verified",
        };
        line(format!(
            "  {}: {} bytes, SHA-256 {}, {how}",
            file.name, file.bytes, file.sha256
        ))?;
    }
    let licence = found.licence.as_deref().unwrap_or("its folder names none");
    line(format!("  licence: {licence}"))?;
    match (known, found.recognised) {
        (Some(known), Some(by)) => {
            let by = match by {
                Recognised::Weights => "by the SHA-256 of its weights",
                Recognised::Config => "by the name in config.json alone, which is a guess",
                Recognised::Folder => "by the name of its folder alone, which is a guess",
            };
            line(format!(
                "  recognised as {} ({}), {by}",
                known.name,
                known.place()
            ))?;
            line(format!(
                "  licence of the published weights: {}",
                known.licence
            ))?;
            line(format!(
                "  trained on: {} ({})",
                known.heard(),
                known.source
            ))
        }
        _ => line(
            "  no published encoder that ser knows: what it was trained on is not known".to_owned(),
        ),
    }
}

fn get(get: &GetEncoder, json: bool, cancel: &Cancel, observer: &dyn Observer) -> Result<()> {
    let known = find(&get.name)?;
    // An empty variable is none.
    let endpoint = match get.endpoint.as_str() {
        "" => ENDPOINT,
        named => named,
    };
    if !["http://", "https://"]
        .iter()
        .any(|begin| endpoint.starts_with(begin))
    {
        let error = Error::usage(format!("`{endpoint}` is no address of a model hub"));
        return Err(
            error.hint("HF_ENDPOINT and --endpoint name one, such as https://huggingface.co")
        );
    }
    let into = get.into.clone();
    let into = into.unwrap_or_else(|| PathBuf::from(ENCODERS).join(&known.name));
    if known.not_read.is_none() && !json {
        announce(known, endpoint, &into)?;
    }
    let began: RefCell<BTreeMap<String, Instant>> = RefCell::default();
    let tick = |name: &str, done: u64, total: Option<u64>| {
        began
            .borrow_mut()
            .entry(name.to_owned())
            .or_insert_with(Instant::now);
        observer.observe(Event::TaskProgress {
            task: format!("download {name}"),
            done,
            total: total.unwrap_or(done),
            unit: "bytes",
            note: String::new(),
        });
        if total == Some(done) {
            let seconds = began
                .borrow()
                .get(name)
                .map_or(0.0, |at| at.elapsed().as_secs_f64());
            observer.observe(Event::TaskFinished {
                task: format!("download {name}"),
                stage: "download".into(),
                key: String::new(),
                seconds,
            });
        }
    };
    let fetched = encoder::fetch(known, endpoint, &into, cancel, &tick)?;
    if json {
        let fetched =
            serde_json::json!({ "encoder": known.name, "folder": into, "files": fetched });
        return print(&fetched.to_string());
    }
    for file in &fetched {
        let Fetched {
            name,
            bytes,
            sha256,
            sum,
        } = file;
        let how = match sum {
            Sum::AsPublished => "as published",
            _ => "not verified: the published SHA-256 is not known",
        };
        print(&format!("{name}: {bytes} bytes, SHA-256 {sha256}, {how}"))?;
    }
    print(&shown(&format!(
        "{} is ready in {}",
        known.name,
        into.display()
    )))?;
    print(&format!("trained on: {} ({})", known.heard(), known.source))
}

/// Says what will be fetched, before anything is.
fn announce(known: &Known, endpoint: &str, into: &Path) -> Result<()> {
    let revision = known
        .revision
        .as_deref()
        .unwrap_or("main (no commit is known)");
    print(&shown(&format!(
        "{}: {} from {}, revision {revision}, into {}",
        known.name,
        size(known),
        endpoint.trim_end_matches('/'),
        into.display()
    )))?;
    print(&format!("licence: {}", known.licence))?;
    for file in &known.files {
        let bytes = file
            .bytes
            .map_or("size not known".to_owned(), |n| format!("{n} bytes"));
        print(&shown(&format!(
            "  {} ({bytes})",
            known.url(endpoint, file)
        )))?;
    }
    Ok(())
}
