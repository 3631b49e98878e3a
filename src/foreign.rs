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

/// Columns and groups of columns that a Parquet schema may have: some ten times what the widest table has.
const MOST_COLUMNS: u64 = 10_000;

/// Whether a Parquet footer begins as all writers begin it, with a version and a schema of a sane size. A schema is a tree that its decoder
/// goes through by a call for each level, and one of very many elements may be as deep.
pub fn is_sane_footer(footer: &[u8]) -> bool {
    // In Thrift's compact protocol: field 1, an integer; field 2, a list of structures, whose length stands in the same byte if it is below 15.
    let Some((0x15, rest)) = footer.split_first().map(|(first, rest)| (*first, rest)) else { return false };
    let Some((_, [0x19, head, rest @ ..])) = number(rest) else { return false };
    match head {
        0xFC => number(rest).is_some_and(|(columns, _)| columns <= MOST_COLUMNS),
        head => head & 0x0F == 0x0C,
    }
}

/// A number of seven bits a byte, the lowest first, and what comes after it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(9).position(|byte| byte & 0x80 == 0)? + 1;
    let (digits, rest) = bytes.split_at(length);
    Some((digits.iter().rev().fold(0, |value, byte| (value << 7) | u64::from(byte & 0x7F)), rest))
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
    fn footers_are_told_by_their_first_bytes() {
        assert!(is_sane_footer(&[0x15, 2, 0x19, 0x2C, 0x48]));
        assert!(is_sane_footer(&[0x15, 4, 0x19, 0xFC, 0x90, 0x4E]), "ten thousand");
        for wrong in [
            &[][..],
            &[0x15],
            &[0x15, 2, 0x19],
            &[0x15, 2, 0x19, 0xFC, 0x91, 0x4E],
            &[0x15, 2, 0x19, 0x25],
            &[0x19, 0x2C],
            &[0x15, 2, 0x19, 0xFC],
        ] {
            assert!(!is_sane_footer(wrong), "{wrong:?}");
        }
    }
}
