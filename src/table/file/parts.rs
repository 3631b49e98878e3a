//! A table as one file, or as several where it has many rows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::columns::{Columns, Loaded, repeated_id};
use super::read::{BATCH, Batches, Meta};
use super::write::{ROW_GROUP, Table, Writer};
use crate::error::{Error, Result};

/// How many rows go together.
#[derive(Debug, Clone, Copy)]
pub(in crate::table) struct Shape {
    /// Rows of a row group.
    pub group: usize,
    /// Rows of a file: whole row groups.
    pub part: usize,
}

impl Shape {
    /// Rows that are handed over at a time: whatever holds them besides the writer need hold no
    /// more.
    pub fn batch(self) -> usize {
        self.group.min(BATCH)
    }

    /// Files of 50 MiB of the widest table.
    pub const STANDARD: Shape = Shape {
        group: ROW_GROUP,
        part: 8 * ROW_GROUP,
    };
}

/// A table on its way into `<name>.parquet` of a folder, or, where it has more rows than a part,
/// into `<name>-00000.parquet`, `<name>-00001.parquet`, … In both cases `<name>*.parquet` names all
/// of it and nothing else.
///
/// The folder is expected to be published as a whole: files appear in it as they are written.
pub(in crate::table) struct Parts {
    folder: PathBuf,
    table: Table,
    meta: Meta,
    shape: Shape,
    current: Option<(Writer<File>, usize)>,
    finished: usize,
}

impl Parts {
    pub fn new(folder: &Path, table: &Table, meta: &Meta, shape: Shape) -> Parts {
        Parts {
            folder: folder.to_owned(),
            table: *table,
            meta: meta.clone(),
            shape,
            current: None,
            finished: 0,
        }
    }

    /// The name of the table where it is one file, for messages.
    pub fn path(&self) -> PathBuf {
        single(&self.folder, self.table.name)
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Appends [`Shape::batch`] rows; only the last may be fewer.
    pub fn write(&mut self, columns: Columns, rows: usize) -> Result<()> {
        if self
            .current
            .as_ref()
            .is_some_and(|(_, before)| before + rows > self.shape.part)
        {
            self.close()?;
        }
        let (writer, before) = match &mut self.current {
            Some(current) => current,
            None => {
                let path = numbered(&self.folder, self.table.name, self.finished);
                columns.check(&self.path(), &self.table)?;
                let file = File::create(&path).map_err(|e| Error::io("write", &path, e))?;
                self.current.insert((
                    Writer::new(
                        file,
                        &path,
                        &self.table,
                        &columns,
                        &self.meta,
                        self.shape.group,
                    )?,
                    0,
                ))
            }
        };
        *before += rows;
        writer.write(columns)
    }

    fn close(&mut self) -> Result<()> {
        if let Some((writer, _)) = self.current.take() {
            writer.finish_and_sync()?;
            self.finished += 1;
        }
        Ok(())
    }

    /// Completes the table; at least one call of [`Parts::write`] (perhaps of no rows) has to come
    /// before.
    pub fn finish(mut self) -> Result<()> {
        self.close()?;
        if self.finished == 1 {
            let (from, to) = (numbered(&self.folder, self.table.name, 0), self.path());
            fs::rename(&from, &to).map_err(|e| Error::io("write", &to, e))?;
        }
        Ok(())
    }
}

fn single(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.parquet"))
}

fn numbered(folder: &Path, name: &str, part: usize) -> PathBuf {
    folder.join(format!("{name}-{part:05}.parquet"))
}

/// All rows of a table that [`Parts`] wrote into `folder`, batch after batch.
///
/// # Errors
/// As [`Batches::open`], from the iterator; `Data` where parts lie beside a single file.
pub(in crate::table) fn read_parts(
    folder: &Path,
    table: &Table,
) -> impl Iterator<Item = Result<Loaded>> + use<> {
    read_parts_as(folder, table.name, table)
}

/// As [`read_parts`], of files that have another name than the table.
pub(in crate::table) fn read_parts_as(
    folder: &Path,
    name: &str,
    table: &Table,
) -> impl Iterator<Item = Result<Loaded>> + use<> {
    let table = *table;
    part_paths(folder, name, &table)
        .into_iter()
        .flat_map(move |path| {
            let batches = path.and_then(|path| Batches::open(&path, &table));
            match batches {
                Ok(batches) => Box::new(batches) as Box<dyn Iterator<Item = Result<Loaded>>>,
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })
}

/// The files called `name` of a table that [`Parts`] wrote into `folder`, in their order; the first
/// is an error where parts lie beside a single file.
pub(in crate::table) fn part_paths(
    folder: &Path,
    name: &str,
    table: &Table,
) -> Vec<Result<PathBuf>> {
    let single = single(folder, name);
    let mut paths: Vec<Result<PathBuf>> = (0..)
        .map(|part| numbered(folder, name, part))
        .take_while(|path| path.exists())
        .map(Ok)
        .collect();
    if paths.is_empty() {
        paths.push(Ok(single));
    } else if single.exists() {
        let two_tables = Error::data(format!(
            "{} lies beside the parts of another {} table",
            single.display(),
            table.name
        ));
        let hint = "delete both and run the command that makes them again";
        paths.insert(0, Err(two_tables.hint(hint)));
    }
    paths
}

/// Ids that come in order, so that none can come twice unseen.
#[derive(Debug, Default)]
pub(in crate::table) struct Keys {
    last: Option<String>,
}

impl Keys {
    /// Takes the next id.
    ///
    /// # Errors
    /// `Data` where it is the last one again; `Internal` where it comes before the last one.
    pub fn next(&mut self, id: &str, path: &Path, table: &Table) -> Result<()> {
        match &mut self.last {
            Some(last) if last.as_str() == id => return Err(repeated_id(path, table, id)),
            Some(last) if last.as_str() > id => {
                return Err(Error::internal(format!(
                    "`{id}` comes after `{last}` in the {} table {}",
                    table.name,
                    path.display()
                )));
            }
            Some(last) => {
                last.clear();
                last.push_str(id);
            }
            None => self.last = Some(id.to_owned()),
        }
        Ok(())
    }
}
