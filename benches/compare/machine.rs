//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Name and value of everything that is known of the machine and of ser.
pub fn describe(root: &Path, ser: &Path) -> Vec<(String, String)> {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(root)
            .output()
            .ok()
            .filter(|output| output.status.success());
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpuinfo, "model name")
        .or_else(|| said("sysctl", &["-n", "machdep.cpu.brand_string"]));
    let flags = field(&cpuinfo, "flags").unwrap_or_default();
    let vectors: Vec<&str> = ["avx2", "fma", "avx512f"]
        .into_iter()
        .filter(|flag| flags.split(' ').any(|f| f == *flag))
        .collect();
    let memory = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| field(&text, "MemTotal"));
    let memory = memory.and_then(|text| text.trim_end_matches("kB").trim().parse::<f64>().ok());
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned());
    let revision = said("git", &["rev-parse", "HEAD"]).map(|revision| {
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
        format!("{revision}{}", if changed { ", with changes" } else { "" })
    });
    let unknown = || "not known".to_owned();
    [
        ("Processor", model),
        (
            "Vector instructions",
            (!flags.is_empty()).then(|| vectors.join(", ")),
        ),
        ("Cores", Some(cores().to_string())),
        (
            "Memory",
            memory.map(|kib| format!("{:.1} GiB", kib / 1024.0 / 1024.0)),
        ),
        ("Kernel", said("uname", &["-srm"])),
        (
            "System",
            system.or_else(|| said("sw_vers", &["-productVersion"])),
        ),
        ("rustc", said("rustc", &["-V"])),
        ("ser", said(&ser.to_string_lossy(), &["--version"])),
        ("git revision", revision),
        ("Measured", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.unwrap_or_else(unknown)))
    .collect()
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processes that wanted a core on average over the last minute, where the system tells.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

fn field(text: &str, name: &str) -> Option<String> {
    let (_, value) = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}
