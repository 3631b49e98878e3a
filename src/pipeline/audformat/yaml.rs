//! YAML whose texts every reader takes for texts: `12:30`, `yes` and `03` are other things to
//! YAML 1.1, which audformat's reader follows.

use serde_yaml_ng::{Mapping, Value};

/// Words that are no texts in YAML 1.1.
const WORDS: [&str; 10] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan",
];

/// A document of one mapping, in the order of its keys.
pub(super) fn document(mapping: &Mapping) -> String {
    let mut out = String::new();
    block(&mut out, mapping, 0);
    out
}

fn block(out: &mut String, mapping: &Mapping, depth: usize) {
    for (key, value) in mapping {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&inline(key));
        match value {
            Value::Mapping(inner) if !inner.is_empty() => {
                out.push_str(":\n");
                block(out, inner, depth + 1);
            }
            value => {
                out.push_str(": ");
                out.push_str(&inline(value));
                out.push('\n');
            }
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Sequence(all) => {
            let all: Vec<String> = all.iter().map(inline).collect();
            format!("[{}]", all.join(", "))
        }
        Value::Mapping(all) => {
            let one = |(key, value)| format!("{}: {}", inline(key), inline(value));
            let all: Vec<String> = all.iter().map(one).collect();
            format!("{{{}}}", all.join(", "))
        }
        Value::Null | Value::Tagged(_) => "null".to_owned(),
    }
}

/// A text, in quotes unless it is a plain word.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() || "\u{2028}\u{2029}\u{feff}".contains(c) => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "plain",
            "yes",
            "NULL",
            "03",
            "12:30",
            "1e3",
            "a: b",
            "- x",
            "",
            " ",
            "é",
            "\"\\",
            "a\nb\u{85}\u{2028}\u{7}",
            "#",
            "2020-01-01",
            "{x}",
            "ang/hap",
            "😀",
        ];
        let mut labels = Mapping::new();
        for text in texts {
            labels.insert(text.into(), Value::Mapping(Mapping::new()));
        }
        let mut mapping = Mapping::new();
        mapping.insert("texts".into(), texts.to_vec().into());
        mapping.insert("labels".into(), labels.into());
        mapping.insert("n".into(), 3.into());
        let text = document(&mapping);
        assert_eq!(serde_yaml_ng::from_str::<Mapping>(&text).unwrap(), mapping);
        for plain in ["\n  03:", "[plain, yes", " 12:30"] {
            assert!(!text.contains(plain), "{text}");
        }
    }
}
