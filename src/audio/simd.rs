//! One loop, compiled twice: for the baseline processor and for one with wide vectors and a fused
//! multiply-add, chosen at run time.
//!
//! The binary is built for baseline x86-64, so the hot loops would otherwise run at a quarter of
//! what the machine can do. A loop is written once, as an `#[inline(always)]` function generic over
//! whether a fused multiply-add is an instruction; [`dispatch`] wraps it. The choice depends on the
//! machine alone, so results do not depend on the number of threads.

/// `a * b + c`, fused where `FUSED` says that this is one instruction (without that, the fused form
/// would be a slow library call).
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// As [`multiply_add`], in double precision.
#[inline(always)]
pub(crate) fn multiply_add_f64<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Whether the processor has the AVX-512 subset of 2017's servers and everything since that has
/// AVX-512 at all.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx512f")
        && has!("avx512vl")
        && has!("avx512dq")
        && has!("avx512bw")
        && has!("avx2")
        && has!("fma")
}

/// Defines `fn name(arguments)` that runs `body::<FUSED>(arguments)` in the best version that this
/// processor can run.
macro_rules! dispatch {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $returned:ty)? = $body:ident) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $returned)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn widest($($argument: $type),*) $(-> $returned)? {
                    $body::<true>($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn wide($($argument: $type),*) $(-> $returned)? {
                    $body::<true>($($argument),*)
                }
                if crate::audio::simd::has_avx512() {
                    // SAFETY: the processor has the features that the function is compiled for.
                    return unsafe { widest($($argument),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the features that the function is compiled for.
                    return unsafe { wide($($argument),*) };
                }
            }
            $body::<{ cfg!(target_arch = "aarch64") }>($($argument),*)
        }
    };
}
pub(crate) use dispatch;
