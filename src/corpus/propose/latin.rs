//! Tables of older programs, whose letters are one byte each.

use std::io::Write;
use std::path::Path;

use encoding_rs::WINDOWS_1252;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The longest table that is read into memory to be written anew.
const LONGEST: u64 = 256 << 20;

/// A copy in UTF-8 of the text at `path`, read as Windows-1252; `None` where it is UTF-8 already,
/// or no text in bytes.
///
/// # Errors
/// `Io` where it cannot be read or the copy cannot be written.
pub(super) fn as_utf8(path: &Path) -> Result<Option<NamedTempFile>> {
    let read = |e| Error::io("read", path, e);
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
        || std::fs::metadata(path).map_err(read)?.len() > LONGEST
    {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(read)?;
    if bytes.contains(&0) || std::str::from_utf8(&bytes).is_ok() {
        return Ok(None);
    }
    let (text, _) = WINDOWS_1252.decode_without_bom_handling(&bytes);
    // The separator of a table is told by its extension, too.
    let extension = path
        .extension()
        .map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
    let failed = |e| Error::io("write a copy of", path, e);
    let mut copy = tempfile::Builder::new()
        .suffix(&extension)
        .tempfile()
        .map_err(failed)?;
    copy.write_all(text.as_bytes())
        .and_then(|()| copy.flush())
        .map_err(failed)?;
    Ok(Some(copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn umlauts_of_older_tables_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.tsv");
        std::fs::write(&path, b"w\xfctend\t\x80 \x93x\x94").unwrap();
        let copy = as_utf8(&path).unwrap().unwrap();
        assert_eq!(
            std::fs::read_to_string(copy.path()).unwrap(),
            "wütend\t€ “x”"
        );
        assert_eq!(copy.path().extension().unwrap(), "tsv");
        std::fs::write(&path, "wütend").unwrap();
        assert!(as_utf8(&path).unwrap().is_none());
        std::fs::write(&path, b"\xff\xfeW\0\xfc\0").unwrap();
        assert!(as_utf8(&path).unwrap().is_none());
    }
}
