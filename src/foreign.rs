//! Decoders of other crates, on bytes that nobody vouches for.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls a decoder that may panic on damaged or hostile bytes: a panic becomes an error with its message, and is printed nowhere. What the
/// decoder was working on is not to be used again after that.
///
/// # Errors
/// The message of the panic.
pub fn guarded<T>(decoder: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                hook(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decoder));
    GUARDED.set(outer);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("its decoder gives up").to_owned()
    })
}

/// Columns and groups of columns that a Parquet schema may have: some ten times what the widest table has. A schema is a tree that its decoder
/// goes through by a call for each level, and one of very many elements may be as deep.
const MOST_COLUMNS: u64 = 10_000;
/// Structures within structures; Parquet's own go half as deep.
const DEEPEST: u32 = 16;

/// Whether a Parquet footer can be handed to its decoder, which takes the lengths of lists that it does not know on trust: a few bytes can
/// promise thousands of millions of elements that take none.
pub fn is_sane_footer(footer: &[u8]) -> bool {
    Thrift { rest: footer }.structure(0, true).is_some()
}

/// Bytes in Thrift's compact protocol, gone through without regard to what they mean; `None` where they cannot be a footer.
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

    /// The fields of a structure up to its end. Field 2 of the footer itself is the schema.
    fn structure(&mut self, depth: u32, is_footer: bool) -> Option<()> {
        let mut field = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            match head >> 4 {
                0 => {
                    let zigzag = self.number()?;
                    field = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                }
                step => field += i64::from(step),
            }
            let most = if is_footer && field == 2 { MOST_COLUMNS } else { u64::MAX };
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
                let length = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
                let of = head & 0x0F;
                // Readers do not agree on how many bytes a truth takes in a list, and no footer has any.
                if depth == DEEPEST || length > most.min(self.rest.len() as u64) || (length > 0 && matches!(of, 1 | 2)) {
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
        assert_eq!(guarded(|| [1, 2][std::hint::black_box(0)]).map(|x| x + 1), Ok(2));
        assert_eq!(guarded(|| -> u8 { panic!("row {}", 3) }), Err("row 3".to_owned()));
        assert_eq!(guarded(|| -> u8 { panic!("no row") }), Err("no row".to_owned()));
        assert_eq!(guarded(|| guarded(|| -> u8 { panic!("within") })), Ok(Err("within".to_owned())));
        assert_eq!(guarded(|| -> u8 { std::panic::panic_any(1_u8) }), Err("its decoder gives up".to_owned()));
        assert!(!GUARDED.get());
    }

    #[test]
    fn footers_that_promise_more_than_they_hold_are_refused() {
        let columns =
            |n: usize| [&[0x15, 4, 0x19, 0xFC, (n & 0x7F | 0x80) as u8, (n >> 7) as u8][..], &[0x18, 1, b'a', 0].repeat(n), &[0]].concat();
        assert!(is_sane_footer(&columns(10_000)) && !is_sane_footer(&columns(10_001)));
        let mut footer = columns(200);
        footer.pop();
        // Another list may be longer, and a field may give its number in full.
        footer.extend([0x19, 0xF5, 0x90, 0x4E]);
        footer.extend([7; 10_000]);
        assert!(is_sane_footer(&[&footer[..], &[0x11, 0x12, 0x05, 0x08, 9, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0][..]].concat()));
        for wrong in [
            &[][..],
            &[0x15],
            &[0x15, 2],
            &[0x15, 2, 0x19, 0xFC, 5, 0],
            // Thousands of millions of truths, of numbers and of bytes.
            &[0x19, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0],
            &[0x19, 0xF5, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0],
            &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0],
            &[0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0],
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
