//! Decoders of other crates, on bytes that nobody vouches for.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use parquet::file::metadata::ParquetMetaData;

use crate::files::read_at_most;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Threads whose names begin so are those of `rten`, which hands their panics to the caller.
const FOREIGN_THREADS: &str = "rten-";

/// Calls a decoder that may panic on damaged or hostile bytes: a panic becomes an error with its
/// message, and is printed nowhere. What the decoder was working on is not to be used again after
/// that.
///
/// # Errors
/// The message of the panic.
pub fn guarded<T>(decoder: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            let thread = thread::current();
            let is_foreign = thread
                .name()
                .is_some_and(|name| name.starts_with(FOREIGN_THREADS));
            if !GUARDED.get() && !is_foreign {
                hook(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decoder));
    GUARDED.set(outer);
    result.map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("its decoder gives up").to_owned()
    })
}

/// Columns and groups of columns that a Parquet schema may have: more than the widest table has,
/// that of imported features. A schema is a tree that its decoder goes through by a call for each level, and one of
/// very many elements may be as deep.
const MOST_COLUMNS: u64 = 20_000;
/// Structures within structures; Parquet's own go half as deep.
const DEEPEST: u32 = 16;

/// Whether a Parquet footer can be handed to its decoder, which takes the lengths of lists that it
/// does not know on trust: a few bytes can promise thousands of millions of elements that take
/// none.
pub fn is_sane_footer(footer: &[u8]) -> bool {
    Thrift { rest: footer }.structure(0, true).is_some()
}

/// Longest header of a page: statistics hold values of the column, which writers cut.
const LONGEST_HEADER: usize = 1 << 20;
/// What a page of a table may be unpacked to, in bytes; writers aim at one million.
pub const LARGEST_PAGE: i64 = 256 << 20;

/// Whether the pages of a Parquet file can be handed to its decoder, which takes lengths in their
/// headers on trust as it does in the footer, and whether none is unpacked to more than `largest`
/// bytes.
pub fn are_sane_pages(file: &File, footer: &ParquetMetaData, largest: i64) -> io::Result<bool> {
    let mut buffer = Vec::new();
    for column in footer.row_groups().iter().flat_map(|group| group.columns()) {
        // The range asserts that it is none below zero.
        let Ok((start, length)) = guarded(|| column.byte_range()) else {
            return Ok(false);
        };
        let Some(end) = start.checked_add(length) else {
            return Ok(false);
        };
        let mut at = start;
        while at < end {
            let Some((header, content)) = page(file, at, end, largest, &mut buffer)? else {
                return Ok(false);
            };
            match at
                .checked_add(header)
                .and_then(|at| at.checked_add(content))
            {
                Some(next) if next <= end => at = next,
                _ => return Ok(false),
            }
        }
    }
    Ok(true)
}

/// Lengths of the header of a page and of what follows it; nothing where they cannot be.
fn page(
    file: &File,
    at: u64,
    end: u64,
    largest: i64,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(u64, u64)>> {
    // Nearly all headers are short.
    for most in [256, LONGEST_HEADER] {
        let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(most);
        read_at_most(file, buffer, room, at)?;
        let mut thrift = Thrift { rest: buffer };
        if let Some([unpacked, content]) = thrift.page_header() {
            let sane = (0..=largest).contains(&unpacked) && content >= 0;
            let header = (buffer.len() - thrift.rest.len()) as u64;
            return Ok(sane.then_some((header, content.unsigned_abs())));
        }
    }
    Ok(None)
}

/// Bytes in Thrift's compact protocol, gone through without regard to what they mean; `None` where
/// they cannot be a footer.
struct Thrift<'a> {
    rest: &'a [u8],
}

impl Thrift<'_> {
    fn skip(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number with its sign in the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        self.number()
            .map(|zigzag| (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// The header of a page: its length unpacked and as it stands in the file, in bytes.
    fn page_header(&mut self) -> Option<[i64; 2]> {
        let (mut field, mut unpacked, mut content) = (0, None, None);
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some([unpacked?, content?]);
            }
            field = match head >> 4 {
                0 => self.signed()?,
                step => field + i64::from(step),
            };
            match (field, head & 0x0F) {
                (2, 5) => unpacked = Some(self.signed()?),
                (3, 5) => content = Some(self.signed()?),
                (2 | 3, _) => return None,
                (_, kind) => self.value(kind, 0, u64::MAX)?,
            }
        }
    }

    /// The fields of a structure up to its end. Field 2 of the footer itself is the schema.
    fn structure(&mut self, depth: u32, is_footer: bool) -> Option<()> {
        let mut field = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            match head >> 4 {
                0 => field = self.signed()?,
                step => field += i64::from(step),
            }
            let most = if is_footer && field == 2 {
                MOST_COLUMNS
            } else {
                u64::MAX
            };
            self.value(head & 0x0F, depth, most)?;
        }
    }

    fn value(&mut self, kind: u8, depth: u32, most: u64) -> Option<()> {
        match kind {
            // A truth stands in the head of its field.
            1 | 2 => Some(()),
            3 => self.skip(1),
            4..=6 => self.number().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.number()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 {
                    self.number()?
                } else {
                    u64::from(head >> 4)
                };
                let of = head & 0x0F;
                // Readers do not agree on how many bytes a truth takes in a list, and no footer has
                // any.
                if depth == DEEPEST
                    || length > most.min(self.rest.len() as u64)
                    || (length > 0 && matches!(of, 1 | 2))
                {
                    return None;
                }
                (0..length).try_for_each(|_| self.value(of, depth + 1, u64::MAX))
            }
            12 if depth < DEEPEST => self.structure(depth + 1, false),
            // No footer has a map.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(
            guarded(|| [1, 2][std::hint::black_box(0)]).map(|x| x + 1),
            Ok(2)
        );
        assert_eq!(
            guarded(|| -> u8 { panic!("row {}", 3) }),
            Err("row 3".to_owned())
        );
        assert_eq!(
            guarded(|| -> u8 { panic!("no row") }),
            Err("no row".to_owned())
        );
        assert_eq!(
            guarded(|| guarded(|| -> u8 { panic!("within") })),
            Ok(Err("within".to_owned()))
        );
        assert_eq!(
            guarded(|| -> u8 { std::panic::panic_any(1_u8) }),
            Err("its decoder gives up".to_owned())
        );
        assert!(!GUARDED.get());
    }

    #[test]
    fn page_headers_that_promise_more_than_they_hold_are_refused() {
        let lengths = |header: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), header).unwrap();
            page(
                &File::open(file.path()).unwrap(),
                0,
                header.len() as u64,
                LARGEST_PAGE,
                &mut Vec::new(),
            )
            .unwrap()
        };
        // Type, length unpacked, length, a structure within, the end.
        let header = [0x15, 0, 0x15, 40, 0x15, 20, 0x2C, 0x15, 2, 0, 0];
        assert_eq!(lengths(&header), Some((11, 10)));
        assert_eq!(lengths(&[&header[..], &[0; 2000]].concat()), Some((11, 10)));
        // A header with a long value among its statistics.
        let long = [&header[..10], &[0x18, 0xD0, 0x0F], &[7; 2000], &[0]].concat();
        assert_eq!(lengths(&long), Some((long.len() as u64, 10)));
        for wrong in [
            &[][..],
            &header[..10],
            // Lengths below zero or past all measure, of another kind, or absent.
            &[0x15, 0, 0x15, 41, 0x15, 20, 0],
            &[0x15, 0, 0x15, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0x15, 20, 0],
            &[0x15, 0, 0x18, 1, 7, 0x15, 20, 0],
            &[0x15, 0, 0x15, 40, 0],
            // Thousands of millions of elements.
            &[
                0x15, 0, 0x15, 40, 0x15, 20, 0x29, 0xF5, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0,
            ],
        ] {
            assert_eq!(lengths(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn footers_that_promise_more_than_they_hold_are_refused() {
        let columns = |n: usize| {
            [
                &[0x15, 4, 0x19, 0xFC][..],
                &[
                    (n & 0x7F | 0x80) as u8,
                    (n >> 7 | 0x80) as u8,
                    (n >> 14) as u8,
                ],
                &[0x18, 1, b'a', 0].repeat(n),
                &[0],
            ]
            .concat()
        };
        assert!(is_sane_footer(&columns(20_000)) && !is_sane_footer(&columns(20_001)));
        let mut footer = columns(200);
        footer.pop();
        // Another list may be longer, and a field may give its number in full.
        footer.extend([0x19, 0xF5, 0x90, 0x4E]);
        footer.extend([7; 10_000]);
        assert!(is_sane_footer(
            &[
                &footer[..],
                &[0x11, 0x12, 0x05, 0x08, 9, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0][..]
            ]
            .concat()
        ));
        for wrong in [
            &[][..],
            &[0x15],
            &[0x15, 2],
            &[0x15, 2, 0x19, 0xFC, 5, 0],
            // Thousands of millions of truths, of numbers and of bytes.
            &[0x19, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0],
            &[0x19, 0xF5, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0],
            &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0],
            &[
                0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0,
            ],
            &[0x1B, 0x05, 0x11, 0],
            &[0x1F, 0],
        ] {
            assert!(!is_sane_footer(wrong), "{wrong:?}");
        }
        for deep in [[0x1C; 100_000], [0x19; 100_000]] {
            assert!(!is_sane_footer(&deep));
        }
    }
}
