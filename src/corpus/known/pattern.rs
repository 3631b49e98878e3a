//! Patterns of file names with named fields, and the codes that a field may hold.
//!
//! `{speaker}_{sentence}_{emotion}` is matched against as many parts of a path as it has, from the
//! end and without the extension; `{_}` is any text. The codes of a field are forms separated by blanks: `#` stands
//! for a digit, `#+` for one or more, `@` for a capital letter, `*` for any text, `[01..24]` for a number with the digits of
//! its lower end, and everything else for itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::corpus::walk::without_extension;

/// The fields of a name, each with what its code stands for.
pub(super) type Fields<'d> = BTreeMap<&'d str, &'d str>;

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Field(String),
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has a bracket without an end"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Field(field.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Pattern { text, pieces })
    }
}

impl Pattern {
    /// The fields of a path; `None` where it does not have this form.
    pub(super) fn read<'d>(
        &'d self,
        path: &'d str,
        codes: &'d BTreeMap<String, Codes>,
    ) -> Option<Fields<'d>> {
        let path = without_extension(path);
        let parts = self.text.matches('/').count();
        let start = match path.rmatch_indices('/').nth(parts) {
            Some((at, _)) => at + 1,
            None if path.matches('/').count() == parts => 0,
            None => return None,
        };
        let mut found = Fields::new();
        fill(&self.pieces, &path[start..], codes, &mut found).then_some(found)
    }

    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The path of given codes, for a generated corpus.
    pub(super) fn write(&self, code: impl Fn(&str) -> Option<String>) -> Option<String> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Field(field) => code(field),
        };
        self.pieces.iter().map(piece).collect()
    }
}

fn fill<'d>(
    pieces: &'d [Piece],
    rest: &'d str,
    codes: &'d BTreeMap<String, Codes>,
    found: &mut Fields<'d>,
) -> bool {
    let Some((first, pieces)) = pieces.split_first() else {
        return rest.is_empty();
    };
    match first {
        Piece::Text(text) => rest
            .strip_prefix(text.as_str())
            .is_some_and(|rest| fill(pieces, rest, codes, found)),
        Piece::Field(field) => {
            let longest = rest.find('/').unwrap_or(rest.len());
            let ends = (1..=longest)
                .rev()
                .filter(|&end| rest.is_char_boundary(end));
            let earlier = found.get(field.as_str()).copied();
            for end in ends {
                let code = &rest[..end];
                let word = match codes.get(field) {
                    Some(codes) => codes.word(code),
                    None => Some(code),
                };
                let Some(word) = word.filter(|word| earlier.is_none_or(|had| had == *word)) else {
                    continue;
                };
                if field != "_" {
                    found.insert(field, word);
                }
                if fill(pieces, &rest[end..], codes, found) {
                    return true;
                }
            }
            match earlier {
                Some(word) => drop(found.insert(field, word)),
                None => drop(found.remove(field.as_str())),
            }
            false
        }
    }
}

/// The codes of a field: forms alone, which stand for themselves, or each with its word; the word
/// `=` is the code itself, an empty one says nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Codes {
    Forms(Forms),
    Words(BTreeMap<Forms, String>),
}

impl Codes {
    /// What a code stands for; `None` for one that is not known.
    pub(super) fn word<'d>(&'d self, code: &'d str) -> Option<&'d str> {
        match self {
            Codes::Forms(forms) => forms.hold(code).then_some(code),
            Codes::Words(words) => {
                // `*` is what is left.
                let is_named = |forms: &Forms| forms.text != "*" && forms.hold(code);
                let (_, word) = words
                    .iter()
                    .find(|(forms, _)| is_named(forms))
                    .or_else(|| words.iter().find(|(forms, _)| forms.text == "*"))?;
                Some(if word == "=" { code } else { word })
            }
        }
    }

    /// Some of the codes, for a generated corpus.
    pub(super) fn examples(&self) -> Vec<String> {
        match self {
            Codes::Forms(forms) => forms.examples(),
            Codes::Words(words) => words.keys().flat_map(Forms::examples).collect(),
        }
    }
}

/// Forms of a code, of which it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Forms {
    text: String,
    forms: Vec<Vec<Form>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Letter(char),
    Digit,
    Digits,
    Capital,
    Any,
    /// From, to, and how many digits at least.
    Number(u32, u32, usize),
}

impl TryFrom<String> for Forms {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let forms: Result<Vec<_>, String> = text.split_whitespace().map(form).collect();
        let forms = forms?;
        Ok(Forms { text, forms })
    }
}

fn form(text: &str) -> Result<Vec<Form>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        out.push(match c {
            '#' if rest.starts_with('+') => {
                rest = &rest[1..];
                Form::Digits
            }
            '#' => Form::Digit,
            '@' => Form::Capital,
            '*' => Form::Any,
            '[' => {
                let range = rest.split_once(']').and_then(|(range, after)| {
                    let (from, to) = range.split_once("..")?;
                    Some((from.parse().ok()?, to.parse().ok()?, from.len(), after))
                });
                let (from, to, digits, after) =
                    range.ok_or_else(|| format!("`{text}` has a range that cannot be read"))?;
                rest = after;
                Form::Number(from, to, digits)
            }
            c => Form::Letter(c),
        });
    }
    Ok(out)
}

impl Forms {
    /// As they are written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a code has one of these forms.
    pub(super) fn hold(&self, code: &str) -> bool {
        self.forms.iter().any(|forms| holds(forms, code))
    }

    fn examples(&self) -> Vec<String> {
        const MOST: u32 = 40;
        let mut all = Vec::new();
        for forms in &self.forms {
            let mut some = vec![String::new()];
            for form in forms {
                let choices: Vec<String> = match form {
                    Form::Letter(c) => vec![c.to_string()],
                    Form::Digit | Form::Digits => ('1'..='4').map(String::from).collect(),
                    Form::Capital => vec!["A".to_owned()],
                    Form::Any => vec!["x".to_owned()],
                    Form::Number(from, to, digits) => (*from..=*to)
                        .take(MOST as usize)
                        .map(|number| format!("{number:0digits$}"))
                        .collect(),
                };
                some = some
                    .iter()
                    .flat_map(|start| choices.iter().map(move |end| format!("{start}{end}")))
                    .take(MOST as usize)
                    .collect();
            }
            all.extend(some);
        }
        all
    }
}

fn holds(forms: &[Form], text: &str) -> bool {
    let Some((first, forms)) = forms.split_first() else {
        return text.is_empty();
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match first {
        Form::Letter(c) => text.strip_prefix(*c).is_some_and(|rest| holds(forms, rest)),
        Form::Digit => digits > 0 && holds(forms, &text[1..]),
        Form::Digits => (1..=digits).any(|n| holds(forms, &text[n..])),
        Form::Capital => {
            text.starts_with(|c: char| c.is_ascii_uppercase()) && holds(forms, &text[1..])
        }
        Form::Any => (1..=text.len())
            .filter(|&n| text.is_char_boundary(n))
            .any(|n| holds(forms, &text[n..])),
        Form::Number(from, to, least) => (*least..=digits).any(|n| {
            let is_plain = n == *least || !text.starts_with('0');
            let number = text[..n].parse::<u32>();
            is_plain
                && number.is_ok_and(|number| (*from..=*to).contains(&number))
                && holds(forms, &text[n..])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_held_by_their_forms_alone() {
        let forms = |text: &str| Forms::try_from(text.to_owned()).unwrap();
        for (text, held, others) in [
            ("[01..24]", "01 09 24", "1 00 25 024"),
            ("[1..27]", "1 9 27", "0 01 28"),
            ("[1001..1091]", "1001 1091", "1092 01001"),
            ("F_[01..10] M_#", "F_10 M_3", "F_1 M_ M_33"),
            ("s#+ *.x", "s1 s123 y.x", "s .x"),
        ] {
            let forms = forms(text);
            assert!(
                held.split(' ').all(|code| forms.hold(code)),
                "{text}: {held}"
            );
            assert!(
                !others.split(' ').any(|code| forms.hold(code)),
                "{text}: {others}"
            );
        }
        assert!(form("[1..").is_err() && form("[a..b]").is_err());
    }

    #[test]
    fn fields_are_read_from_the_end_of_a_path() {
        let codes: BTreeMap<String, Codes> = toml::from_str(
            "speaker = \"DC JE\"\nemotion = { a = \"anger\", sa = \"sadness\", n = \"=\" }\nsentence = \"##\"",
        )
        .unwrap();
        let read = |pattern: &str, path: &str| {
            let pattern = Pattern::try_from(pattern.to_owned()).unwrap();
            let fields = pattern.read(path, &codes)?;
            let words: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
            Some(words.join(" "))
        };
        let name = "{speaker}_{emotion}{sentence}";
        assert_eq!(
            read(name, "any/where/DC_sa01.wav").unwrap(),
            "emotion=sadness sentence=01 speaker=DC"
        );
        assert_eq!(
            read(name, "JE_n30.wav").unwrap(),
            "emotion=n sentence=30 speaker=JE"
        );
        for other in [
            "JK_a01.wav",
            "DC_b01.wav",
            "DC_a1.wav",
            "xDC_a01.wav",
            "DC_a01x.wav",
        ] {
            assert_eq!(read(name, other), None, "{other}");
        }
        let folder = "{speaker}/{emotion}{sentence}";
        assert_eq!(
            read(folder, "x/DC/a01.wav").unwrap(),
            "emotion=anger sentence=01 speaker=DC"
        );
        assert_eq!(read(folder, "a01.wav"), None);
        let twice = "{speaker}/{speaker}_{emotion}{sentence}";
        assert!(read(twice, "DC/DC_a01.wav").is_some() && read(twice, "JE/DC_a01.wav").is_none());
        assert!(Pattern::try_from("{speaker".to_owned()).is_err());
    }
}
