//! Reading where the file system may refuse for a moment: a network server that is away, a file
//! that was replaced, an interrupted call.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result, may_pass};

/// Pauses between the attempts.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
];

/// Tries up to four times as long as the error is one that [`may_pass`].
pub fn patiently<T, E>(
    passes: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    for pause in PAUSES {
        match attempt() {
            Err(error) if passes(&error) => std::thread::sleep(pause),
            done => return done,
        }
    }
    attempt()
}

/// Reads a whole file; `None` where there is none.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match patiently(may_pass, || fs::read(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Reads a whole file.
///
/// # Errors
/// As [`read_if_there`], and where there is none.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    patiently(may_pass, || fs::read(path)).map_err(|e| Error::io("read", path, e))
}

/// Whether nothing lies at the path, or a folder where a file should, or a file where a folder
/// should.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_may_pass_are_tried_four_times_and_others_once() {
        for (kind, expected) in [
            (io::ErrorKind::StaleNetworkFileHandle, 4),
            (io::ErrorKind::PermissionDenied, 1),
        ] {
            let mut tries = 0;
            let failed: io::Result<()> = patiently(may_pass, || {
                tries += 1;
                Err(kind.into())
            });
            assert_eq!((failed.unwrap_err().kind(), tries), (kind, expected));
        }
        let mut left = 2;
        let passed: io::Result<u8> = patiently(may_pass, || {
            left -= 1;
            if left == 0 {
                Ok(7)
            } else {
                Err(io::Error::from_raw_os_error(5))
            }
        });
        assert_eq!(passed.unwrap(), 7);
    }
}
