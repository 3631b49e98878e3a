//! A look at an ONNX file before it is loaded: which files beside it hold its weights, and whether its
//! graphs can be gone through.
//!
//! The format is `onnx.proto3` of the ONNX project, messages of Protocol Buffers; only the messages on
//! the way to external data and nested graphs are read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// Messages within messages: exporters nest a graph in a graph (three messages) once or twice. The
/// loader goes through them by a call for each level.
const DEEPEST: usize = 48;
/// Bytes of the longest path of external data.
const LONGEST_PATH: u64 = 4096;

/// A message on the way to external data or to a nested graph.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ExternalData,
    ValueInfo,
    Type,
    Sequence,
}

impl Message {
    /// The message under this field, where it is one that is looked at.
    fn child(self, field: u64) -> Option<Message> {
        Some(match (self, field) {
            (Message::Model, 7) | (Message::Attribute, 6) => Message::Graph,
            (Message::Graph, 1) => Message::Node,
            (Message::Graph, 5) | (Message::Attribute, 5) => Message::Tensor,
            (Message::Graph, 11..=13) => Message::ValueInfo,
            (Message::Node, 5) => Message::Attribute,
            (Message::Tensor, 13) => Message::ExternalData,
            (Message::ValueInfo, 2) | (Message::Sequence, 1) => Message::Type,
            (Message::Type, 4) => Message::Sequence,
            _ => return None,
        })
    }
}

/// The names of the files beside `path` in which the model has its weights, in their order; none where
/// it holds them itself.
///
/// # Errors
/// `Missing` where there is no such file; `Data` where it is no ONNX file, is cut short, has graphs
/// nested too deeply, or names external data that does not lie beside it.
pub(super) fn external_files(path: &Path) -> Result<BTreeSet<String>> {
    let file = File::open(path).map_err(|e| {
        let error = Error::missing(format!("there is no file {}", path.display())).because(e);
        error.hint("put the ONNX file of the model there; docs/encoders.md says how")
    })?;
    let size = file.metadata().map_err(|e| Error::io("read", path, e))?;
    let mut reader = Reader {
        file: BufReader::new(file),
        at: 0,
        names: BTreeSet::new(),
        has_operators: false,
    };
    let looked = reader.message(Message::Model, size.len(), 0);
    let whole = looked.and_then(|()| reader.has_operators.then_some(()).ok_or_else(cut));
    whole.map_err(|what| {
        let error = Error::data(format!("{} {what}", path.display()));
        error.hint("export or copy the model again")
    })?;
    Ok(reader.names)
}

struct Reader {
    file: BufReader<File>,
    at: u64,
    names: BTreeSet<String>,
    /// Whether the version of its operators is there, which exporters write after the graph.
    has_operators: bool,
}

impl Reader {
    /// Goes through a message that ends at `end`; the error follows the name of the file.
    fn message(
        &mut self,
        message: Message,
        end: u64,
        depth: usize,
    ) -> std::result::Result<(), String> {
        if depth > DEEPEST {
            return Err("has graphs nested too deeply".to_owned());
        }
        let (mut key, mut value) = (String::new(), String::new());
        while self.at < end {
            let tag = self.number(end)?;
            match tag & 7 {
                0 => {
                    self.number(end)?;
                }
                1 => self.skip(8, end)?,
                5 => self.skip(4, end)?,
                2 => {
                    let length = self.number(end)?;
                    let inner = self.at.checked_add(length).filter(|inner| *inner <= end);
                    let inner = inner.ok_or_else(cut)?;
                    match (message, tag >> 3) {
                        (Message::ExternalData, 1) => key = self.text(length)?,
                        (Message::ExternalData, 2) => value = self.text(length)?,
                        (Message::Model, 8) => {
                            self.has_operators = true;
                            self.skip(length, end)?;
                        }
                        (_, field) => match message.child(field) {
                            Some(child) => self.message(child, inner, depth + 1)?,
                            None => self.skip(length, end)?,
                        },
                    }
                }
                _ => return Err("is no ONNX file, or is damaged".to_owned()),
            }
        }
        if key == "location" {
            if value.is_empty() || value.contains(['/', '\\', '\0']) || value == ".." {
                return Err(format!(
                    "has weights in `{value}`, which is no file beside it"
                ));
            }
            self.names.insert(value);
        }
        Ok(())
    }

    /// A variable-length number.
    fn number(&mut self, end: u64) -> std::result::Result<u64, String> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if self.at >= end || self.file.read_exact(&mut byte).is_err() {
                return Err(cut());
            }
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err("is no ONNX file, or is damaged".to_owned())
    }

    fn skip(&mut self, bytes: u64, end: u64) -> std::result::Result<(), String> {
        let to = self.at.checked_add(bytes).filter(|to| *to <= end);
        let (to, bytes) = to.zip(i64::try_from(bytes).ok()).ok_or_else(cut)?;
        self.file.seek_relative(bytes).map_err(|e| e.to_string())?;
        self.at = to;
        Ok(())
    }

    fn text(&mut self, bytes: u64) -> std::result::Result<String, String> {
        if bytes > LONGEST_PATH {
            return Err("names external data by a path that is too long".to_owned());
        }
        let mut text = Vec::new();
        let read = self.file.by_ref().take(bytes).read_to_end(&mut text);
        self.at += read.map_err(|e| e.to_string())? as u64;
        String::from_utf8(text).map_err(|_| "names external data in no UTF-8".to_owned())
    }
}

fn cut() -> String {
    "is cut short, or is no ONNX file".to_owned()
}
