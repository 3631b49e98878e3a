//! A table of a pipeline file, with the places of what is written in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::source::SourceMap;
use crate::error::Error;

/// Folder of corpora unless `--corpora-dir` names another.
pub(super) const CORPORA: &str = "data/corpora";

/// A table, and the tables that it stands in.
pub(super) struct Section<'a> {
    pub(super) source: &'a SourceMap,
    /// The key that it stands under; empty for the file itself.
    pub(super) name: &'a str,
    pub(super) entries: &'a DeTable<'a>,
    span: Range<usize>,
    outer: Option<&'a Section<'a>>,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub(super) fn root(source: &'a SourceMap, root: &'a Spanned<DeTable<'a>>) -> Self {
        Section {
            source,
            name: "",
            entries: root.get_ref(),
            span: root.span(),
            outer: None,
        }
    }

    /// The table under a key of this one, where `value` is a table.
    pub(super) fn within(
        &'a self,
        name: &'a str,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<Section<'a>> {
        let entries = value.get_ref().as_table()?;
        Some(Section {
            source: self.source,
            name,
            entries,
            span: value.span(),
            outer: Some(self),
        })
    }

    /// The table under `key`.
    pub(super) fn section(&'a self, key: &'a str) -> Option<Section<'a>> {
        self.within(key, self.entries.get(key)?)
    }

    /// The tables in the list under `key`.
    pub(super) fn sections(&'a self, key: &'a str) -> impl Iterator<Item = Section<'a>> {
        let list = self
            .entries
            .get(key)
            .and_then(|value| value.get_ref().as_array());
        list.into_iter()
            .flat_map(|items| items.iter())
            .filter_map(move |item| self.within(key, item))
    }

    /// The nearest table of this name around this one.
    pub(super) fn around(&self, name: &str) -> Option<&Section<'a>> {
        let outer = self.outer?;
        if outer.name == name {
            Some(outer)
        } else {
            outer.around(name)
        }
    }

    /// The file that this is a part of.
    pub(super) fn file(&self) -> &Section<'a> {
        self.outer.map_or(self, |outer| outer.file())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The text under `key`.
    pub(super) fn word(&self, key: &str) -> Option<&'a str> {
        self.entries.get(key)?.get_ref().as_str()
    }

    /// The value under `key`.
    pub(super) fn read<T: Deserialize<'a>>(&self, key: &str) -> Option<T> {
        T::deserialize(ValueDeserializer::from(self.entries.get(key)?.clone())).ok()
    }

    /// Whether the value of a key, or a part of it, is given by an override.
    pub(super) fn is_overridden(&self, key: &str) -> bool {
        self.entries
            .get(key)
            .is_some_and(|value| self.has_override(value))
    }

    fn has_override(&self, value: &Spanned<DeValue<'_>>) -> bool {
        self.source.is_override(&value.span())
            || match value.get_ref() {
                DeValue::Table(table) => table.values().any(|value| self.has_override(value)),
                _ => false,
            }
    }

    /// The place of the value under `key`, or else of the kind of the table, or of the table.
    pub(super) fn place(&self, key: &str) -> Range<usize> {
        let value = self.entries.get(key).or_else(|| self.entries.get("kind"));
        value.map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// An error at [`Section::place`].
    pub(super) fn error(&self, key: &str, message: impl AsRef<str>) -> Error {
        self.source.error(&self.place(key), message)
    }

    /// An error at the table.
    pub(super) fn table_error(&self, message: impl AsRef<str>) -> Error {
        self.source.error(&self.span, message)
    }

    /// An error at the key itself.
    pub(super) fn key_error(&self, key: &str, message: impl AsRef<str>) -> Error {
        let span = self.entries.get_key_value(key).map(|(key, _)| key.span());
        self.source
            .error(&span.unwrap_or_else(|| self.place(key)), message)
    }

    /// An error at an entry of the list under `key`.
    pub(super) fn item_error(&self, key: &str, index: usize, message: impl AsRef<str>) -> Error {
        let list = self
            .entries
            .get(key)
            .and_then(|value| value.get_ref().as_array());
        let item = list.and_then(|list| list.get(index)).map(Spanned::span);
        self.source
            .error(&item.unwrap_or_else(|| self.place(key)), message)
    }

    /// The path under `key` with `data/corpora` at its front replaced by `corpora_dir`, unless an
    /// override gives the path.
    pub(super) fn moved(&self, key: &str, path: &Path, corpora_dir: Option<&Path>) -> PathBuf {
        moved(path, corpora_dir.filter(|_| !self.is_overridden(key)))
    }
}

/// The path with `data/corpora` at its front replaced by `corpora_dir`.
pub(super) fn moved(path: &Path, corpora_dir: Option<&Path>) -> PathBuf {
    match (corpora_dir, path.strip_prefix(CORPORA)) {
        (Some(dir), Ok(rest)) => dir.join(rest),
        _ => path.to_path_buf(),
    }
}
