//! What the machine says of itself.

use std::fs;
use std::time::Duration;

/// Name of this machine; empty where it is not known.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// Nine tenths of the memory that is free for programs, in bytes, within the limit of a container,
/// a job or the process (`ulimit -v`); `None` where it is not known.
pub fn memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let free = available(&meminfo)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |path: &String| fs::read_to_string(path).ok()?.trim().parse().ok();
    let limit = limits(&groups)
        .iter()
        .filter_map(read)
        .min()
        .unwrap_or(u64::MAX);
    Some(free.min(limit).min(address_space().unwrap_or(u64::MAX)) / 10 * 9)
}

/// What this process may still map, where it is limited.
fn address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let used = status.lines().find_map(|line| {
        line.strip_prefix("VmSize:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()
    })?;
    soft_limit(&limits).map(|limit| limit.saturating_sub(used * 1024))
}

fn soft_limit(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| {
        line.strip_prefix("Max address space")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

/// Files that may limit the memory of this process: those of its control groups, versions 1 and 2,
/// and of all around them.
fn limits(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|c| c == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut folder = path.trim_end_matches('/');
        loop {
            files.push(format!("{root}{folder}/{file}"));
            match folder.rsplit_once('/') {
                Some((above, _)) => folder = above,
                None => break,
            }
        }
    }
    files
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// `4GiB`, `500M`, `1048576`: bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 4] = [("", 0), ("k", 10), ("m", 20), ("g", 30)];
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = lower.split_at(
        lower
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(lower.len()),
    );
    let unit = unit.trim_end_matches("ib").trim_end_matches('b');
    let shift = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, shift)| *shift);
    let bytes = number
        .trim()
        .parse::<f64>()
        .ok()
        .zip(shift)
        .map(|(number, shift)| number * f64::from(1u32 << shift));
    bytes
        .filter(|b| b.is_finite() && *b >= 1.0)
        .map(|b| b as u64)
        .ok_or_else(|| "give bytes, such as 4GiB or 500M".to_owned())
}

/// `90`, `90s`, `15min`, `2h`: a span of time; seconds where no unit stands.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 7] = [
        ("", 1.0),
        ("s", 1.0),
        ("m", 60.0),
        ("min", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
        ("ms", 1e-3),
    ];
    let text = text.trim();
    let (number, unit) = text.split_at(
        text.find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(text.len()),
    );
    let factor = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor);
    let seconds = number
        .trim()
        .parse::<f64>()
        .ok()
        .zip(factor)
        .map(|(number, factor)| number * factor);
    let valid = seconds.filter(|s| s.is_finite() && *s > 0.0 && *s < 1e9);
    valid
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "give a time, such as 90s, 15min or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(
            [parse_bytes("4GiB"), parse_bytes("1.5k"), parse_bytes("7")],
            [Ok(4 << 30), Ok(1536), Ok(7)]
        );
        assert!(
            ["", "GiB", "4 parsecs", "-1M", "nan"]
                .iter()
                .all(|t| parse_bytes(t).is_err())
        );
        assert_eq!(
            [
                parse_duration("90"),
                parse_duration("15min"),
                parse_duration("2h")
            ]
            .map(|d| d.unwrap().as_secs()),
            [90, 900, 7200]
        );
        assert!(
            ["", "0", "-3s", "1 fortnight", "inf"]
                .iter()
                .all(|t| parse_duration(t).is_err())
        );
    }

    #[test]
    fn the_address_space_is_read() {
        let line = |soft: &str| {
            format!(
                "Limit   Soft Limit   Hard Limit   Units\nMax address space         {soft}           unlimited            bytes\n"
            )
        };
        assert_eq!(
            (
                soft_limit(&line("2048000000")),
                soft_limit(&line("unlimited"))
            ),
            (Some(2_048_000_000), None)
        );
    }

    #[test]
    fn the_free_memory_is_read() {
        assert_eq!(
            available("MemTotal: 5 kB\nMemAvailable:    3 kB\n"),
            Some(3072)
        );
        assert_eq!(available("MemTotal: 5 kB\n"), None);
        let files = [
            "/sys/fs/cgroup/a/b/memory.max",
            "/sys/fs/cgroup/a/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(limits("0::/a/b\n"), files);
        assert_eq!(
            limits("4:cpu,memory:/\n3:pids:/x\n"),
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
        if cfg!(target_os = "linux") {
            assert!(memory().unwrap() > 1 << 20);
        }
    }
}
