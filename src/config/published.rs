//! `[[published]]`: figures from the literature to stand beside the results.

use super::corpus::CorpusKind;
use super::section::Section;
use crate::error::Result;
use crate::evaluation::Published;

/// Checks what the schema cannot say.
pub(super) fn check(rows: &[Published], corpus: &CorpusKind, file: &Section<'_>) -> Result<()> {
    for (row, written) in rows.iter().zip(file.sections("published")) {
        if matches!(corpus, CorpusKind::Synthetic { .. }) {
            let message = "no published figure can stand beside results on a generated corpus";
            return Err(written
                .table_error(message)
                .hint("remove the [[published]] tables"));
        }
        if row.accuracy.is_none() && row.uar.is_none() {
            let message = "a published row needs a figure: `accuracy` (WA), `uar` or both";
            return Err(written.table_error(message));
        }
    }
    Ok(())
}
