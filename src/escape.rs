//! Names and messages as text: what a terminal, Markdown or a line of JSON would take for more than
//! text is written out or taken away.
//!
//! HTML, LaTeX and BibTeX have escapes of their own in `report`.

/// Whether a character does nothing but change the order in which its neighbours are shown: one in
/// a name would turn the text around it.
pub fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character would break the line, command a terminal or turn the text around.
fn commands(c: char) -> bool {
    c.is_control() || reorders(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Text on one line of a terminal: what would break the line, command the terminal or turn the text
/// around is written out.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if commands(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// [`shown`] for each line of a message that may have several.
pub fn shown_lines(text: &str) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// JSON on one line, with the characters that JSON allows and a terminal obeys written as `\u202e`:
/// the same value.
pub fn shown_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // They stand in strings alone, and none of them needs two units.
        if commands(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Text that stays text in Markdown: in a cell, a heading or a line.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if commands(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Text between backticks in Markdown, where no escape works.
pub fn markdown_code(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '`' || c == '|' || commands(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// A path with slashes as the path of an address (RFC 3986).
pub fn url_path(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(
            shown("a\u{1b}[31m\nb\u{202e}ü"),
            "a\\u{1b}[31m\\nb\\u{202e}ü"
        );
        assert_eq!(
            shown_lines(&shown("\u{9b}2J\n")),
            "\\u{9b}2J\\n",
            "escaping twice changes nothing more"
        );
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ "a\u{1b}": "\u{202e}x\u{9b}2J\u{7f}ü" });
        let line = shown_json(&value.to_string());
        assert!(!line.chars().any(commands), "{line}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            value
        );
    }

    #[test]
    fn markdown_has_no_markup_of_a_name() {
        let name = "<script>alert(1)</script>\n# x `y` [z](javascript:0) \u{1b}[2J\u{202e}|";
        assert_eq!(
            markdown(name),
            "&lt;script&gt;alert(1)&lt;/script&gt; \\# x \\`y\\` \\[z\\](javascript:0) \u{fffd}\\[2J\u{fffd}\\|"
        );
        assert_eq!(markdown_code("a`b|c\u{1b}\n"), "a b c  ");
    }
}
