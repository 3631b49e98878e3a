//! One body, several instruction sets, chosen when the program runs.

/// The instruction sets that kernels are compiled for on x86-64. Other targets have but one level,
/// what they guarantee (aarch64: NEON).
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What the target guarantees.
    Plain,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL besides.
    Avx512,
}

#[cfg(all(test, target_arch = "x86_64"))]
thread_local! {
    /// Lets a test compare the levels with each other.
    pub static CEILING: std::cell::Cell<Level> = const { std::cell::Cell::new(Level::Avx512) };
}

/// The widest level of this processor; the standard library caches what it finds out.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn level() -> Level {
    #[cfg(test)]
    let ceiling = CEILING.get();
    #[cfg(not(test))]
    let ceiling = Level::Avx512;
    if ceiling == Level::Plain
        || !is_x86_feature_detected!("avx2")
        || !is_x86_feature_detected!("fma")
    {
        return Level::Plain;
    }
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if avx512 && ceiling == Level::Avx512 {
        Level::Avx512
    } else {
        Level::Avx2
    }
}

/// Whether this processor adds a product to a sum with a single rounding (FMA).
///
/// All processors that do, of one architecture, compute the same bits; the others agree with them
/// but for rounding.
pub fn has_fused_multiply_add() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = level() != Level::Plain;
    #[cfg(not(target_arch = "x86_64"))]
    let has = cfg!(target_arch = "aarch64");
    has
}

/// Compiles a function's body once for each instruction set; the function itself calls the widest
/// that this processor has.
///
/// The body is plain Rust that the compiler vectorises. It never reorders a sum, and fuses a
/// multiplication with an addition only where the body says `mul_add`, so all levels give the same
/// bits.
macro_rules! vectorised {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$generic:ident: $bound:path>)? ($($argument:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name $(<$generic: $bound>)? ($($argument: $type),*) {
            #[inline(always)]
            fn plain $(<$generic: $bound>)? ($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<$generic: $bound>)? ($($argument: $type),*) {
                    plain($($argument),*);
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512 $(<$generic: $bound>)? ($($argument: $type),*) {
                    plain($($argument),*);
                }
                match $crate::linalg::dispatch::level() {
                    // SAFETY: `level` answers Avx2 only on a processor that has both features that
                    // this function needs.
                    $crate::linalg::dispatch::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    // SAFETY: `level` answers Avx512 only on a processor that has each of the
                    // features that this function needs.
                    $crate::linalg::dispatch::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    $crate::linalg::dispatch::Level::Plain => {}
                }
            }
            plain($($argument),*);
        }
    };
}
pub(crate) use vectorised;
