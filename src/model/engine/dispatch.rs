//! One body, several instruction sets, chosen when the program runs.

/// The instruction sets that kernels are compiled for on x86-64. Other targets have but one level, what they guarantee (aarch64: NEON).
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// What the target guarantees.
    Plain,
    /// AVX2.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

#[cfg(all(test, target_arch = "x86_64"))]
thread_local! {
    /// Lets a test compare the levels with each other.
    pub(super) static CEILING: std::cell::Cell<Level> = const { std::cell::Cell::new(Level::Avx512) };
}

/// The widest level of this processor; the standard library caches what it finds out.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn level() -> Level {
    #[cfg(test)]
    let ceiling = CEILING.get();
    #[cfg(not(test))]
    let ceiling = Level::Avx512;
    if ceiling == Level::Plain || !is_x86_feature_detected!("avx2") {
        return Level::Plain;
    }
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if avx512 && ceiling == Level::Avx512 { Level::Avx512 } else { Level::Avx2 }
}

/// Compiles a function's body once for each instruction set; the function itself calls the widest that this processor has.
///
/// The body is plain Rust that the compiler vectorises. It never fuses a multiplication with an addition, nor reorders a sum, so all levels
/// give the same bits.
macro_rules! vectorised {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn plain($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) {
                    plain($($argument),*);
                }
                #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $type),*) {
                    plain($($argument),*);
                }
                match $crate::model::engine::dispatch::level() {
                    // SAFETY: `level` answers Avx2 only on a processor that has AVX2, the one feature this function needs.
                    $crate::model::engine::dispatch::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    // SAFETY: `level` answers Avx512 only on a processor that has each of the five features this function needs.
                    $crate::model::engine::dispatch::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    $crate::model::engine::dispatch::Level::Plain => {}
                }
            }
            plain($($argument),*);
        }
    };
}
pub(super) use vectorised;
