//! One body, several instruction sets, chosen when the program runs.

/// The instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// What the target guarantees (on aarch64 that includes NEON).
    Plain,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

#[cfg(test)]
thread_local! {
    /// Lets a test compare the levels with each other.
    pub(super) static CEILING: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// The widest level of this processor; the standard library caches what it finds out.
#[inline]
pub(super) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        #[cfg(test)]
        let ceiling = CEILING.get().unwrap_or(Level::Avx512);
        #[cfg(not(test))]
        let ceiling = Level::Avx512;
        let avx2 = ceiling != Level::Plain && is_x86_feature_detected!("avx2");
        let avx512 = avx2
            && ceiling == Level::Avx512
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (_, true) => return Level::Avx512,
            (true, false) => return Level::Avx2,
            (false, false) => {}
        }
    }
    Level::Plain
}

/// Compiles a function's body once for each [`Level`]; the function itself calls the widest that this processor has.
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
