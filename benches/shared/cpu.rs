//! Time that a benchmark counts.

use std::sync::LazyLock;
use std::time::Instant;

/// CPU seconds of this thread; elsewhere than on Linux, seconds since the first call.
pub fn cpu_seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    let elapsed = || START.elapsed().as_secs_f64();
    nanoseconds.map_or_else(elapsed, |nanoseconds| nanoseconds * 1e-9)
}
