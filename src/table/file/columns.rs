//! Columns of plain types, on their way into a file and out of one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Float32Type, Schema};

use super::read::{AGAIN, Meta};
use super::write::Table;
use crate::error::{Error, Result};

/// Columns on their way into a file, in order.
#[derive(Default)]
pub(in crate::table) struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn push(mut self, name: &str, array: impl Array + 'static, nullable: bool) -> Self {
        self.fields
            .push(Field::new(name, array.data_type().clone(), nullable));
        self.arrays.push(Arc::new(array));
        self
    }

    pub fn text<'a>(self, name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        self.push(name, StringArray::from_iter_values(values), false)
    }

    pub fn optional_text<'a>(
        self,
        name: &str,
        values: impl Iterator<Item = Option<&'a str>>,
    ) -> Self {
        self.push(name, values.collect::<StringArray>(), true)
    }

    pub fn flag(self, name: &str, values: impl Iterator<Item = bool>) -> Self {
        self.push(name, values.map(Some).collect::<BooleanArray>(), false)
    }

    pub fn number<T: ArrowPrimitiveType>(
        self,
        name: &str,
        values: impl Iterator<Item = T::Native>,
    ) -> Self {
        self.push(name, PrimitiveArray::<T>::from_iter_values(values), false)
    }

    /// As [`Columns::number`], without a copy.
    pub fn numbers<T: ArrowPrimitiveType>(self, name: &str, values: Vec<T::Native>) -> Self {
        self.push(name, PrimitiveArray::<T>::new(values.into(), None), false)
    }

    pub fn optional_number<T: ArrowPrimitiveType>(
        self,
        name: &str,
        values: impl Iterator<Item = Option<T::Native>>,
    ) -> Self {
        self.push(name, PrimitiveArray::<T>::from_iter(values), true)
    }

    /// Lists of numbers: one after the other in `values`, each as long as `lengths` says.
    pub fn lists(self, name: &str, lengths: impl Iterator<Item = usize>, values: Vec<f32>) -> Self {
        let item = Arc::new(Field::new("element", DataType::Float32, false));
        let values = Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), None));
        self.push(
            name,
            ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, None),
            false,
        )
    }

    /// A column as it was read, without a copy.
    pub fn taken(mut self, from: &Loaded, name: &str) -> Self {
        if let Some((index, field)) = from.batch.schema().column_with_name(name) {
            self.fields.push(field.clone());
            self.arrays.push(from.batch.column(index).clone());
        }
        self
    }

    /// These columns and then the others, without some of those.
    pub fn and(mut self, others: Columns, without: &[&str]) -> Self {
        for (field, array) in others.fields.into_iter().zip(others.arrays) {
            if !without.contains(&field.name().as_str()) {
                self.fields.push(field);
                self.arrays.push(array);
            }
        }
        self
    }

    /// The columns as a table in memory.
    pub fn batch(self) -> Result<RecordBatch> {
        RecordBatch::try_new(self.schema(), self.arrays)
            .map_err(|e| Error::internal("columns that make no table").because(e))
    }

    pub(super) fn schema(&self) -> Arc<Schema> {
        Arc::new(Schema::new(self.fields.clone()))
    }

    pub(super) fn into_arrays(self) -> Vec<ArrayRef> {
        self.arrays
    }

    /// Refuses two columns of one name.
    pub(in crate::table) fn check(&self, path: &Path, table: &Table) -> Result<()> {
        match repeated(self.fields.iter().map(|f| f.name().as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::data(format!(
                "the {} table {} would have two columns `{name}`",
                table.name,
                path.display()
            ))
            .hint("give the classes or features different names")),
        }
    }
}

/// Rows as read.
pub(in crate::table) struct Loaded {
    pub(super) path: PathBuf,
    pub(super) batch: RecordBatch,
    /// Rows of the file before these.
    pub(super) before: usize,
    /// With the `ser.` keys of the writer.
    pub meta: Meta,
}

impl Loaded {
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Column names in file order.
    pub fn names(&self) -> Vec<String> {
        self.batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect()
    }

    fn column<A: Array + 'static>(&self, name: &str, wanted: &DataType) -> Result<&A> {
        let column = self.batch.column_by_name(name);
        let array = column.ok_or_else(|| {
            Error::data(format!("{} has no column `{name}`", self.path.display())).hint(AGAIN)
        })?;
        array.as_any().downcast_ref().ok_or_else(|| {
            let found = array.data_type();
            Error::data(format!(
                "column `{name}` of {} holds {found}, not {wanted}",
                self.path.display()
            ))
            .hint(AGAIN)
        })
    }

    fn complete<A: Array + 'static>(&self, name: &str, wanted: &DataType) -> Result<&A> {
        let array: &A = self.column(name, wanted)?;
        match (0..array.len()).find(|&row| array.is_null(row)) {
            Some(row) => Err(self.wrong(format!(
                "column `{name}` has no value in row {}",
                self.before + row + 1
            ))),
            None => Ok(array),
        }
    }

    pub fn texts(&self, name: &str) -> Result<impl Iterator<Item = &str>> {
        Ok(self
            .complete::<StringArray>(name, &DataType::Utf8)?
            .iter()
            .flatten())
    }

    pub fn optional_texts(&self, name: &str) -> Result<impl Iterator<Item = Option<&str>>> {
        Ok(self.column::<StringArray>(name, &DataType::Utf8)?.iter())
    }

    pub fn flag(&self, name: &str) -> Result<Vec<bool>> {
        Ok(self
            .complete::<BooleanArray>(name, &DataType::Boolean)?
            .iter()
            .flatten()
            .collect())
    }

    pub fn numbers<T: ArrowPrimitiveType>(&self, name: &str) -> Result<&[T::Native]> {
        Ok(self
            .complete::<PrimitiveArray<T>>(name, &T::DATA_TYPE)?
            .values())
    }

    pub fn optional_numbers<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = Option<T::Native>>> {
        Ok(self
            .column::<PrimitiveArray<T>>(name, &T::DATA_TYPE)?
            .iter())
    }

    /// Lists of numbers, without a copy.
    pub fn lists(&self, name: &str) -> Result<Vec<&[f32]>> {
        let wanted = DataType::Float32;
        let array: &ListArray = self.complete(name, &wanted)?;
        let numbers = array
            .values()
            .as_any()
            .downcast_ref::<PrimitiveArray<Float32Type>>()
            .filter(|numbers| numbers.null_count() == 0);
        let numbers = numbers
            .ok_or_else(|| self.wrong(format!("column `{name}` holds no lists of {wanted}")))?
            .values();
        let bounds = array.value_offsets().windows(2);
        bounds
            .map(|pair| numbers.get(pair[0] as usize..pair[1] as usize))
            .collect::<Option<_>>()
            .ok_or_else(|| self.wrong(format!("the lists of column `{name}` are damaged")))
    }

    /// An error of this file's content.
    pub fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: {what}", self.path.display())).hint(AGAIN)
    }
}

/// The first value that occurs twice.
pub(in crate::table) fn repeated<'a>(ids: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

/// The error of a table whose key is not one.
pub(in crate::table) fn repeated_id(path: &Path, table: &Table, id: &str) -> Error {
    Error::data(format!(
        "utterance `{id}` is twice in the {} table {}",
        table.name,
        path.display()
    ))
    .hint("utterance ids must differ: rename one of the recordings or remove it from the manifest")
}
