//! What a text may be, by the `format` of its schema: a name, a line of text, a path, and so on.

use super::source::shorten;

/// What is wrong with a text, and what would be right.
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: &'static str,
}

/// Options of sbatch that this program states itself.
const OWN_OPTIONS: [&str; 22] = [
    "account",
    "array",
    "chdir",
    "comment",
    "cpus-per-task",
    "dependency",
    "error",
    "export",
    "hold",
    "input",
    "job-name",
    "kill-on-invalid-dep",
    "mem",
    "no-requeue",
    "open-mode",
    "output",
    "parsable",
    "partition",
    "requeue",
    "signal",
    "time",
    "wrap",
];

/// Checks the text under `key`. A format of which nothing is known takes any text.
pub(super) fn check(format: &str, key: &str, text: &str) -> Result<(), Wrong> {
    match format {
        "name" => name(key, text),
        "text" => line(key, text),
        // A folder is called as it is on the disk, be it over two lines.
        "path" if text.chars().any(|c| c.is_control() && c != '\0') => Ok(()),
        "path" => line(key, text),
        "path below the root" => below(key, text),
        "citation" => citation(text),
        "word" => slurm_word(key, text),
        "time limit" => match seconds(text) {
            Some(_) => Ok(()),
            None => wrong(
                format!("`{key}` is no time limit: `{}`", shorten(text)),
                "write hours:minutes:seconds or days-hours:minutes:seconds, at least a minute: time = \"4:00:00\"",
            ),
        },
        "size" => size(key, text),
        "option" => option(key, text),
        _ => Ok(()),
    }
}

fn wrong(what: String, hint: &'static str) -> Result<(), Wrong> {
    Err(Wrong { what, hint })
}

/// Text that is not blank, in one line.
fn line(key: &str, text: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() {
        return wrong(format!("`{key}` is empty"), "");
    }
    if text.chars().any(char::is_control) {
        let what = format!("`{key}` holds a line break or another control character");
        return wrong(what, "");
    }
    Ok(())
}

/// A name that is a file name on every system and a part of a dotted key.
fn name(key: &str, text: &str) -> Result<(), Wrong> {
    const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];
    const LONGEST: usize = 64;
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let what = if text.is_empty() {
        "is empty"
    } else if text.len() > LONGEST {
        "is longer than 64 characters"
    } else if RESERVED.contains(&text.trim_end_matches(|c: char| c.is_ascii_digit())) {
        "is a reserved file name on some systems"
    } else if !text.starts_with(letter) || !text.chars().all(|c| letter(c) || c == '-' || c == '_')
    {
        "is no safe file name"
    } else {
        return Ok(());
    };
    wrong(
        format!("`{key}` {what}"),
        "a name has lower-case letters, digits, `-` and `_`, and begins with a letter or digit; a title may be anything",
    )
}

/// A path that stays below what it is relative to, `/`-separated.
fn below(key: &str, text: &str) -> Result<(), Wrong> {
    line(key, text)?;
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if text.split('/').all(plain) && !text.contains(['\\', ':']) {
        return Ok(());
    }
    wrong(
        format!("`{key}` does not lie below corpus.root"),
        "write a relative path of plain names, such as a/b",
    )
}

/// BibTeX entries, each whole; or words, which may run over several lines.
fn citation(text: &str) -> Result<(), Wrong> {
    const HINT: &str =
        "write BibTeX entries (@article{key, …}), or plain words that name the source";
    let text = text.trim();
    if text.is_empty() {
        return wrong("`citation` is empty".to_owned(), HINT);
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return wrong("`citation` holds a control character".to_owned(), HINT);
    }
    let mut rest = text;
    while text.starts_with('@') && !rest.is_empty() {
        let Some(end) = bibtex_entry(rest) else {
            let what = "`citation` begins like BibTeX, and is no list of whole entries";
            return wrong(what.to_owned(), HINT);
        };
        rest = rest[end..].trim_start();
    }
    Ok(())
}

/// Where the entry ends that `text` begins with. BibTeX counts braces whatever stands before them.
fn bibtex_entry(text: &str) -> Option<usize> {
    let (kind, body) = text.strip_prefix('@')?.split_once('{')?;
    let (key, _) = body.split_once(',')?;
    // Other commands are written for TeX itself.
    let commands = ["preamble", "string", "comment"];
    let is_kind = |kind: &str| !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphabetic());
    if !is_kind(kind) || commands.contains(&kind.to_lowercase().as_str()) {
        return None;
    }
    let key = key.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_:.+/".contains(c);
    if key.is_empty() || !key.chars().all(plain) {
        return None;
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at + 1),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn slurm_word(key: &str, text: &str) -> Result<(), Wrong> {
    line(key, text)?;
    if text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.,:@+".contains(c))
    {
        return Ok(());
    }
    wrong(
        format!("`{key}` is no name that Slurm knows: `{}`", shorten(text)),
        "",
    )
}

/// Seconds of `H:MM:SS` or `D-HH:MM:SS`, from a minute on.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let numbers: Vec<u64> = clock
        .split(':')
        .map(|n| n.parse().ok())
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = numbers[..] else {
        return None;
    };
    let days: u64 = days.parse().ok()?;
    let fits = minutes < 60 && seconds < 60 && days < 10_000 && hours < 100_000;
    let all = fits.then_some(((days * 24 + hours) * 60 + minutes) * 60 + seconds);
    all.filter(|all| *all >= 60)
}

fn size(key: &str, text: &str) -> Result<(), Wrong> {
    let digits = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or_default();
    if digits.parse::<u32>().is_ok_and(|n| n > 0) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    wrong(
        format!("`{key}` is no size: `{}`", shorten(text)),
        "write a number with K, M, G or T: memory = \"4G\"",
    )
}

fn option(key: &str, text: &str) -> Result<(), Wrong> {
    line(key, text)?;
    let name = text
        .strip_prefix("--")
        .map(|rest| rest.split('=').next().unwrap_or(rest));
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return wrong(
            "an option of sbatch begins with `--`".to_owned(),
            "for example options = [\"--gres=gpu:1\"]",
        );
    };
    // Sbatch also takes the beginning of a name.
    match OWN_OPTIONS.iter().find(|own| own.starts_with(name)) {
        Some(own) => wrong(
            format!("`--{own}` is stated by ser itself"),
            "partition, account, time, memory, cpus and max_concurrent are keys of their own",
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bibtex_entry_ends_with_its_brace() {
        let one = "@article{me2020, title = {A {B} C}, year = 2020}";
        assert_eq!(
            bibtex_entry(&format!("{one}\n@misc{{x,}}")),
            Some(one.len())
        );
        for bad in [
            "@article{me2020, title = {A}",
            "@{a,}",
            "@article{,}",
            "@article{a b,}",
            "article{a,}",
            "@article{a}",
            "@Preamble{a, \"b\"}",
        ] {
            assert_eq!(bibtex_entry(bad), None, "{bad}");
        }
    }
}
