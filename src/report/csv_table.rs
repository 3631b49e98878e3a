//! A table as a file: CSV with every digit for programs, Markdown for people.

use crate::error::{Error, Result};
use crate::escape::markdown as escape;

/// Tables of more rows are written as CSV alone: nobody reads them in a text.
const MOST_ROWS: usize = 500;

/// A value of a field: text as it is, numbers with all their digits, nothing for `None`.
pub(super) trait Field {
    fn text(&self) -> String;
}

macro_rules! fields {
    ($($type:ty),*) => {
        $(impl Field for $type {
            fn text(&self) -> String {
                self.to_string()
            }
        })*
    };
}

fields!(&str, &String, String, bool, usize, u32, u64, f32, f64);

impl<T: Field> Field for Option<T> {
    fn text(&self) -> String {
        self.as_ref().map(T::text).unwrap_or_default()
    }
}

/// How the field of one column is made from a row.
type Getter<'t, R> = Box<dyn Fn(R) -> String + 't>;

/// A table of rows `R`, described column by column.
pub(super) struct CsvTable<'t, R> {
    rows: Vec<R>,
    columns: Vec<(String, Getter<'t, R>)>,
}

impl<'t, R: Copy> CsvTable<'t, R> {
    pub(super) fn new(rows: impl IntoIterator<Item = R>) -> Self {
        CsvTable {
            rows: rows.into_iter().collect(),
            columns: Vec::new(),
        }
    }

    pub(super) fn column<T: Field>(
        mut self,
        name: impl Into<String>,
        value: impl Fn(R) -> T + 't,
    ) -> Self {
        self.columns
            .push((name.into(), Box::new(move |row| value(row).text())));
        self
    }

    /// The table as CSV, and as Markdown where it is short enough to be read.
    pub(super) fn write(self) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let mut record = |fields: &[String]| {
            csv.write_record(fields.iter().map(|field| escape_formula(field)))
                .map_err(|e| Error::internal("failed to write a row of a CSV file").because(e))
        };
        let header: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        record(&header)?;
        let is_short = self.rows.len() <= MOST_ROWS;
        let mut shown = Vec::new();
        for row in self.rows {
            let fields: Vec<String> = self.columns.iter().map(|(_, value)| value(row)).collect();
            record(&fields)?;
            shown.extend(is_short.then_some(fields));
        }
        let csv = csv
            .into_inner()
            .map_err(|e| Error::internal("failed to finish a CSV file").because(e.into_error()))?;
        Ok((
            csv,
            is_short.then(|| markdown(&header, &shown).into_bytes()),
        ))
    }
}

/// A field that no spreadsheet takes for a formula: text that begins like one gets an apostrophe
/// before it. Numbers stay as they are.
pub fn escape_formula(field: &str) -> String {
    let risky =
        field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
    if risky {
        format!("'{field}")
    } else {
        field.to_owned()
    }
}

fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let numeric: Vec<bool> = (0..header.len())
        .map(|column| {
            let mut fields = rows
                .iter()
                .filter_map(|row| row.get(column))
                .filter(|field| !field.is_empty())
                .peekable();
            fields.peek().is_some() && fields.all(|field| field.parse::<f64>().is_ok())
        })
        .collect();
    let mut out = String::new();
    let mut line = |fields: &mut dyn Iterator<Item = String>| {
        out.push('|');
        for field in fields {
            out.push(' ');
            out.push_str(&field);
            out.push_str(" |");
        }
        out.push('\n');
    };
    line(&mut header.iter().map(|name| escape(name)));
    line(&mut numeric.iter().map(|&numeric| {
        if numeric {
            "---:".to_owned()
        } else {
            "---".to_owned()
        }
    }));
    for row in rows {
        line(&mut row.iter().zip(&numeric).map(|(field, &numeric)| {
            if numeric {
                rounded(field)
            } else {
                escape(field)
            }
        }));
    }
    out
}

/// A number short enough for a text; counts stay whole.
fn rounded(field: &str) -> String {
    match field.parse::<f64>() {
        Ok(value) if field.contains(['.', 'e']) && value != 0.0 && value.abs() < 1e-3 => {
            format!("{value:.2e}")
        }
        Ok(value) if field.contains(['.', 'e']) && value.is_finite() => format!("{value:.4}"),
        _ => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_formula_is_text_and_numbers_are_numbers() {
        for formula in ["=1+1", "+cmd()", "-2+3", "@SUM(A1)", "\tx", "\r=1"] {
            assert_eq!(escape_formula(formula), format!("'{formula}"));
        }
        for plain in ["-0.25", "+1", "1e-9", "-inf", "NaN", "a=b", "", "happy"] {
            assert_eq!(escape_formula(plain), plain);
        }
    }

    #[test]
    fn markdown_aligns_numbers_and_lets_no_text_be_markup() {
        let rows = [
            ("a|b <i>\nc", 12_u64, Some(0.123456)),
            ("[x](y) \u{202e}z", 3, Some(0.00001)),
        ];
        let table = CsvTable::new(rows)
            .column("name", |row| row.0)
            .column("n", |row| row.1)
            .column("uar", |row| row.2);
        let (csv, markdown) = table.write().unwrap();
        assert!(
            String::from_utf8(csv)
                .unwrap()
                .starts_with("name,n,uar\r\n\"a|b <i>\nc\",12,0.123456\r\n")
        );
        let text = String::from_utf8(markdown.unwrap()).unwrap();
        assert_eq!(
            text,
            "| name | n | uar |\n| --- | ---: | ---: |\n| a\\|b &lt;i&gt; c | 12 | 0.1235 |\n| \\[x\\](y) \u{fffd}z | 3 | 1.00e-5 |\n"
        );
    }

    #[test]
    fn long_tables_are_for_programs_alone() {
        let table = CsvTable::new(0..=MOST_ROWS).column("n", |i| i);
        let (csv, markdown) = table.write().unwrap();
        assert!(markdown.is_none());
        assert_eq!(csv.split(|&b| b == b'\n').count(), MOST_ROWS + 3);
    }
}
