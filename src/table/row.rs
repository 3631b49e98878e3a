//! The struct of a row is the one description of its table: from it come the Parquet columns, the
//! reader and the dictionary of columns.

use std::borrow::Cow;

use arrow::datatypes::{Float32Type, Float64Type, UInt16Type, UInt32Type, UInt64Type};

use super::file::{Columns, Loaded};
use super::{inference, rows, utterances};
use crate::corpus::Sex;
use crate::error::Result;

/// What is known of a column besides its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnDoc {
    pub name: &'static str,
    pub kind: &'static str,
    pub doc: &'static str,
}

/// A type that a field of a row may have.
pub(super) trait Cell<'t>: Sized + 't {
    /// For the dictionary of columns.
    const KIND: &'static str;

    /// Appends the column, or of a [list of probabilities](Vec) one for each of `labels`.
    fn write<'r>(
        columns: Columns,
        name: &str,
        labels: &[String],
        values: impl Iterator<Item = &'r Self> + Clone,
    ) -> Columns
    where
        Self: 'r;

    /// The values of the column, row by row.
    fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>>;
}

impl<'t> Cell<'t> for String {
    const KIND: &'static str = "text";

    fn write<'r>(
        columns: Columns,
        name: &str,
        _: &[String],
        values: impl Iterator<Item = &'r Self>,
    ) -> Columns {
        columns.text(name, values.map(String::as_str))
    }

    fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
        Ok(table.texts(name)?.map(str::to_owned))
    }
}

impl<'t> Cell<'t> for Cow<'t, str> {
    const KIND: &'static str = "text";

    fn write<'r>(
        columns: Columns,
        name: &str,
        _: &[String],
        values: impl Iterator<Item = &'r Self>,
    ) -> Columns
    where
        Self: 'r,
    {
        columns.text(name, values.map(AsRef::as_ref))
    }

    fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
        Ok(table.texts(name)?.map(Cow::Borrowed))
    }
}

impl<'t> Cell<'t> for Option<String> {
    const KIND: &'static str = "text or null";

    fn write<'r>(
        columns: Columns,
        name: &str,
        _: &[String],
        values: impl Iterator<Item = &'r Self>,
    ) -> Columns {
        columns.optional_text(name, values.map(Option::as_deref))
    }

    fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
        Ok(table.optional_texts(name)?.map(|v| v.map(str::to_owned)))
    }
}

impl<'t> Cell<'t> for Option<Sex> {
    const KIND: &'static str = "`female`, `male` or null";

    fn write<'r>(
        columns: Columns,
        name: &str,
        _: &[String],
        values: impl Iterator<Item = &'r Self>,
    ) -> Columns {
        columns.optional_text(name, values.map(|sex| sex.map(Sex::as_str)))
    }

    fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
        let parse = |word: &str| {
            [Sex::Female, Sex::Male]
                .into_iter()
                .find(|sex| sex.as_str() == word)
                .ok_or_else(|| {
                    table.wrong(format!(
                        "`{word}` in column `{name}` is neither female nor male"
                    ))
                })
        };
        let sexes = table.optional_texts(name)?;
        let sexes: Vec<Option<Sex>> = sexes
            .map(|word| word.map(parse).transpose())
            .collect::<Result<_>>()?;
        Ok(sexes.into_iter())
    }
}

impl<'t> Cell<'t> for bool {
    const KIND: &'static str = "boolean";

    fn write<'r>(
        columns: Columns,
        name: &str,
        _: &[String],
        values: impl Iterator<Item = &'r Self>,
    ) -> Columns {
        columns.flag(name, values.copied())
    }

    fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
        Ok(table.flag(name)?.into_iter())
    }
}

/// Before the class in the name of a column of probabilities.
const PROBABILITY: &str = "prob_";

/// The classes of a table with probabilities, in column order.
pub(super) fn labels(table: &Loaded) -> Vec<String> {
    let names = table.names();
    let labels = names
        .iter()
        .filter_map(|name| name.strip_prefix(PROBABILITY));
    labels.map(str::to_owned).collect()
}

/// One probability for each class, in label order.
impl<'t> Cell<'t> for Vec<f32> {
    const KIND: &'static str = "32-bit number for each class, `prob_<class>`";

    fn write<'r>(
        columns: Columns,
        _: &str,
        labels: &[String],
        values: impl Iterator<Item = &'r Self> + Clone,
    ) -> Columns {
        let one = |columns: Columns, (class, label): (usize, &String)| {
            let values = values
                .clone()
                .map(|p| p.get(class).copied().unwrap_or(f32::NAN));
            columns.number::<Float32Type>(&format!("{PROBABILITY}{label}"), values)
        };
        labels.iter().enumerate().fold(columns, one)
    }

    fn read(table: &'t Loaded, _: &'static str) -> Result<impl Iterator<Item = Self>> {
        let columns = labels(table)
            .iter()
            .map(|label| table.numbers::<Float32Type>(&format!("{PROBABILITY}{label}")))
            .collect::<Result<Vec<_>>>()?;
        let row = move |row: usize| columns.iter().map(|column| column[row]).collect();
        Ok((0..table.rows()).map(row))
    }
}

macro_rules! numbers {
    ($($native:ty, $arrow:ty, $kind:literal;)*) => { $(
        impl<'t> Cell<'t> for $native {
            const KIND: &'static str = $kind;

            fn write<'r>(
                columns: Columns,
                name: &str,
                _: &[String],
                values: impl Iterator<Item = &'r Self>,
            ) -> Columns {
                columns.number::<$arrow>(name, values.copied())
            }

            fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
                Ok(table.numbers::<$arrow>(name)?.iter().copied())
            }
        }

        impl<'t> Cell<'t> for Option<$native> {
            const KIND: &'static str = concat!($kind, " or null");

            fn write<'r>(
                columns: Columns,
                name: &str,
                _: &[String],
                values: impl Iterator<Item = &'r Self>,
            ) -> Columns {
                columns.optional_number::<$arrow>(name, values.copied())
            }

            fn read(table: &'t Loaded, name: &'static str) -> Result<impl Iterator<Item = Self>> {
                table.optional_numbers::<$arrow>(name)
            }
        }
    )* };
}

numbers! {
    u16, UInt16Type, "16-bit count";
    u32, UInt32Type, "32-bit count";
    u64, UInt64Type, "64-bit count";
    f64, Float64Type, "64-bit number";
}

/// Defines the row of a table with its name and version, and how it is written and read.
macro_rules! table {
    (
        $name:literal, version $version:literal;
        $(#[$attribute:meta])*
        pub struct $row:ident $(<$life:lifetime>)? {
            $( $(#[doc = $doc:literal])* $(#[serde($($serde:tt)*)])? pub $field:ident: $kind:ty, )*
        }
    ) => {
        pub(in crate::table) const TABLE: $crate::table::file::Table =
            $crate::table::file::Table { name: $name, version: $version };

        $(#[$attribute])*
        pub struct $row $(<$life>)? {
            $( $(#[doc = $doc])* $(#[serde($($serde)*)])? pub $field: $kind, )*
        }

        impl $(<$life>)? $row $(<$life>)? {
            /// What the columns hold.
            pub(in crate::table) const COLUMNS: &'static [$crate::table::row::ColumnDoc] = &[$(
                $crate::table::row::ColumnDoc {
                    name: stringify!($field),
                    kind: <$kind as $crate::table::row::Cell>::KIND,
                    doc: concat!($($doc),*),
                },
            )*];

            pub(in crate::table) fn columns(
                rows: &[Self],
                labels: &[String],
            ) -> $crate::table::file::Columns {
                let columns = $crate::table::file::Columns::default();
                $(
                    let columns = <$kind as $crate::table::row::Cell>::write(
                        columns,
                        stringify!($field),
                        labels,
                        rows.iter().map(|row| &row.$field),
                    );
                )*
                columns
            }

            /// The rows of a file, or of a part of it, in file order.
            pub(in crate::table) fn rows(
                table: & $($life)? $crate::table::file::Loaded,
            ) -> $crate::error::Result<impl Iterator<Item = Self>> {
                $(
                    let mut $field =
                        <$kind as $crate::table::row::Cell>::read(table, stringify!($field))?;
                )*
                Ok(std::iter::from_fn(move || Some($row { $($field: $field.next()?,)* })))
            }
        }
    };
}

/// Reading and writing of a table without probabilities, as a whole.
macro_rules! read_and_write {
    ($row:ident) => {
        /// Writes the table in its row order.
        pub fn write(
            path: &std::path::Path,
            rows: &[$row],
            meta: &$crate::table::Meta,
        ) -> $crate::error::Result<()> {
            $crate::table::file::write(path, &TABLE, $row::columns(rows, &[]), meta)
        }

        /// Reads the table, in file order.
        ///
        /// # Errors
        /// `Missing` where there is no file; `Data` where it is damaged or another table.
        pub fn read(path: &std::path::Path) -> $crate::error::Result<Vec<$row>> {
            Ok($row::rows(&$crate::table::file::read(path, &TABLE)?)?.collect())
        }
    };
}

/// The columns of all tables as a Markdown text: what `docs/tables.md` holds.
pub fn dictionary() -> String {
    let mut out = String::new();
    for (name, about, columns) in [
        (
            "utterances",
            "`data/tables/<pipeline>/utterances.parquet`: what is known of each recording.",
            utterances::UtteranceRow::COLUMNS,
        ),
        (
            "splits",
            "`splits.parquet`: which utterance is in which fold of which experiment.",
            rows::splits::SplitRow::COLUMNS,
        ),
        (
            "predictions",
            "`predictions.parquet`: a row for each tested utterance, fold and seed.",
            rows::predictions::PredictionRow::COLUMNS,
        ),
        (
            "metrics",
            "`metrics.parquet`: a row for each figure.",
            rows::metrics::MetricRow::COLUMNS,
        ),
        (
            "leakage",
            "`leakage.parquet`: what the test part of a fold shares with its training part.",
            rows::leakage::LeakageRow::COLUMNS,
        ),
        (
            "duplicates",
            "`duplicates.parquet`: pairs of utterances with the same sound.",
            rows::duplicates::DuplicateRow::COLUMNS,
        ),
        (
            "heard",
            "The Parquet output of `ser predict`: a row for each recording or window.",
            inference::InferenceRow::COLUMNS,
        ),
    ] {
        document(&mut out, name, about, columns);
    }
    out
}

/// Appends a table to the dictionary of columns.
fn document(out: &mut String, name: &str, about: &str, columns: &[ColumnDoc]) {
    out.push_str(&format!(
        "\n## {name}\n\n{about}\n\n| column | type | holds |\n| --- | --- | --- |\n"
    ));
    for column in columns {
        let name = if column.kind == <Vec<f32> as Cell>::KIND {
            "prob_<class>"
        } else {
            column.name
        };
        let kind = column.kind.trim_end_matches(", `prob_<class>`");
        out.push_str(&format!("| `{name}` | {kind} | {} |\n", column.doc.trim()));
    }
}
