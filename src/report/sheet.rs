//! A table as a file: CSV with every digit for programs, Markdown for people.

use crate::error::{Error, Result};
use crate::escape::markdown as escape;

/// Tables of more rows are written as CSV alone: nobody reads them in a text.
const MOST_ROWS: usize = 500;

/// A growing table.
pub(super) struct Sheet {
    csv: csv::Writer<Vec<u8>>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    n: usize,
}

impl Sheet {
    pub(super) fn new(header: &[&str]) -> Result<Self> {
        let csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let mut sheet = Sheet {
            csv,
            header: header.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
            n: 0,
        };
        sheet.record(header)?;
        Ok(sheet)
    }

    pub(super) fn row<T: AsRef<str>>(&mut self, fields: impl IntoIterator<Item = T>) -> Result<()> {
        let fields: Vec<T> = fields.into_iter().collect();
        self.record(&fields)?;
        self.n += 1;
        if self.n <= MOST_ROWS {
            self.rows.push(
                fields
                    .iter()
                    .map(|field| field.as_ref().to_owned())
                    .collect(),
            );
        } else {
            self.rows.clear();
        }
        Ok(())
    }

    fn record<T: AsRef<str>>(&mut self, fields: &[T]) -> Result<()> {
        let fields = fields.iter().map(|field| inert(field.as_ref()));
        self.csv
            .write_record(fields.map(String::into_bytes))
            .map_err(|e| Error::internal("failed to write a row of a CSV file").because(e))
    }

    /// The table as CSV, and as Markdown where it is short enough to be read.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let csv = self
            .csv
            .into_inner()
            .map_err(|e| Error::internal("failed to finish a CSV file").because(e.into_error()))?;
        let markdown =
            (self.n <= MOST_ROWS).then(|| markdown(&self.header, &self.rows).into_bytes());
        Ok((csv, markdown))
    }
}

/// A field that no spreadsheet takes for a formula: text that begins like one gets an apostrophe
/// before it. Numbers stay as they are.
pub fn inert(field: &str) -> String {
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
            assert_eq!(inert(formula), format!("'{formula}"));
        }
        for plain in ["-0.25", "+1", "1e-9", "-inf", "NaN", "a=b", "", "happy"] {
            assert_eq!(inert(plain), plain);
        }
    }

    #[test]
    fn markdown_aligns_numbers_and_lets_no_text_be_markup() {
        let mut sheet = Sheet::new(&["name", "n", "uar"]).unwrap();
        sheet.row(["a|b <i>\nc", "12", "0.123456"]).unwrap();
        sheet.row(["[x](y) \u{202e}z", "3", "0.00001"]).unwrap();
        let (csv, markdown) = sheet.finish().unwrap();
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
        let mut sheet = Sheet::new(&["n"]).unwrap();
        for i in 0..=MOST_ROWS {
            sheet.row([i.to_string()]).unwrap();
        }
        let (csv, markdown) = sheet.finish().unwrap();
        assert!(markdown.is_none());
        assert_eq!(csv.split(|&b| b == b'\n').count(), MOST_ROWS + 3);
    }
}
