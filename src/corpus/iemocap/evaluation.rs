//! The label file of one dialog, and what turn names mean.

/// One labelled turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    /// `Ses01F_impro01_M003`.
    pub(super) name: String,
    /// Its line in the file, from 1.
    pub(super) line: usize,
    /// The majority label's code, in lower case.
    pub(super) code: String,
    /// The categories that each external rater named, in lower case.
    pub(super) raters: Vec<Vec<String>>,
}

impl Turn {
    /// Whether every external rater names the turn's label and nothing else, given the label's word
    /// (`anger`, …).
    pub(super) fn is_unanimous(&self, label: &str) -> bool {
        !self.raters.is_empty()
            && self
                .raters
                .iter()
                .all(|named| matches!(&named[..], [only] if category(only) == label))
    }
}

/// The raters' words are those of the labels but for these.
fn category(word: &str) -> &str {
    match word {
        "excited" => "excitement",
        "neutral state" => "neutral",
        other => other,
    }
}

/// What a label file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Evaluation {
    pub(super) turns: Vec<Turn>,
    /// Lines that begin like a turn and are none, with their number and what is wrong.
    pub(super) bad: Vec<(usize, String)>,
}

/// Reads a label file. Only lines that begin with `[` are turns; rater lines belong to the turn
/// above them.
///
/// Raters' comments may hold any byte, so what is not UTF-8 is replaced: names and codes are ASCII.
pub(super) fn parse(bytes: &[u8]) -> Evaluation {
    let text = String::from_utf8_lossy(bytes);
    let mut evaluation = Evaluation::default();
    // After a turn that cannot be read its rater lines must not fall to the turn before.
    let mut open = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = index + 1;
        if line.starts_with('[') {
            let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
            open = false;
            match fields[..] {
                [_, name, code, ..] if !name.is_empty() && !code.is_empty() => {
                    open = true;
                    let code = code.to_ascii_lowercase();
                    evaluation.turns.push(Turn {
                        name: name.to_owned(),
                        line: number,
                        code,
                        raters: Vec::new(),
                    });
                }
                _ => evaluation.bad.push((
                    number,
                    "fewer than three fields between tabs: restore the file from the release"
                        .into(),
                )),
            }
        } else if let (true, Some(turn), Some(named)) =
            (open, evaluation.turns.last_mut(), external_rating(line))
        {
            turn.raters.push(named);
        }
    }
    evaluation
}

/// The categories of a line such as `C-E2:\tNeutral; Anger;\t()`, `None` for any other line.
fn external_rating(line: &str) -> Option<Vec<String>> {
    let (rater, rest) = line.split_once(':')?;
    rater.trim().strip_prefix("C-E")?;
    let named = rest.trim_start().split('\t').next()?;
    Some(
        named
            .split(';')
            .map(|word| word.trim().to_lowercase())
            .filter(|word| !word.is_empty())
            .collect(),
    )
}

/// The name of a dialog, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialog<'a> {
    /// 1 to 5.
    pub(super) session: u32,
    /// The play without its take letter (`script01_1`), `None` for an improvised dialog.
    pub(super) script: Option<&'a str>,
}

impl<'a> Dialog<'a> {
    /// Takes apart `Ses0[1-5][FM]_(impro\d+[ab]?|script\d+_\d+[ab]?)`; `None` for any other name.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (prefix, scene) = name.split_once('_')?;
        let session = match prefix.as_bytes() {
            [b'S', b'e', b's', b'0', digit @ b'1'..=b'5', b'F' | b'M'] => u32::from(digit - b'0'),
            _ => return None,
        };
        let take = scene.strip_suffix(['a', 'b']).unwrap_or(scene);
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if take.strip_prefix("impro").is_some_and(digits) {
            return Some(Dialog {
                session,
                script: None,
            });
        }
        let (play, part) = take.strip_prefix("script")?.split_once('_')?;
        (digits(play) && digits(part)).then_some(Dialog {
            session,
            script: Some(take),
        })
    }
}

/// The last field of a turn's name, `M003`, whose letter says who speaks; `None` where the turn is
/// not of `dialog`.
pub(super) fn turn_field<'a>(name: &'a str, dialog: &str) -> Option<&'a str> {
    let field = name.strip_prefix(dialog)?.strip_prefix('_')?;
    let number = field.strip_prefix(['F', 'M'])?;
    // Besides numbers there are turns such as `FXX0`.
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\r\n\r\n\
        [6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\r\n\
        C-E2:\tNeutral;\t()\r\nC-E3:\tNeutral state;\t(caf\xe9)\r\nC-F1:\tAnger;\t()\r\nA-E3:\tval 3; act 2; dom  2;\t()\r\n\r\n\
        [8 - 9]\tSes01F_impro01_M000\texc\t[1, 1, 1]\r\nC-E2:\tExcited; Happiness;\t()\r\nC-E3:\tExcited;\t()\r\n\
        [9 - 10] Ses01F_impro01_M001 ang [1, 1, 1]\r\nC-E2:\tAnger;\t()\r\n";

    #[test]
    fn turns_raters_and_broken_lines_are_told_apart() {
        let found = parse(FILE);
        assert_eq!(found.turns.len(), 2);
        assert_eq!(
            (
                found.turns[0].name.as_str(),
                found.turns[0].code.as_str(),
                found.turns[0].line
            ),
            ("Ses01F_impro01_F000", "neu", 3)
        );
        assert_eq!(found.turns[0].raters, [["neutral"], ["neutral state"]]);
        assert_eq!(
            found.turns[1].raters,
            [vec!["excited", "happiness"], vec!["excited"]]
        );
        assert_eq!(found.bad.len(), 1);
        assert_eq!(found.bad[0].0, 12);
        assert_eq!(parse(b""), Evaluation::default());
    }

    #[test]
    fn full_agreement_is_of_external_raters_with_one_label_each() {
        let found = parse(FILE);
        // The actor's own rating differs and does not count.
        assert!(found.turns[0].is_unanimous("neutral"));
        assert!(!found.turns[0].is_unanimous("anger"));
        assert!(!found.turns[1].is_unanimous("excitement"));
        assert!(
            !Turn {
                raters: Vec::new(),
                ..found.turns[0].clone()
            }
            .is_unanimous("neutral")
        );
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(
            Dialog::parse("Ses05M_impro05a"),
            Some(Dialog {
                session: 5,
                script: None
            })
        );
        assert_eq!(
            Dialog::parse("Ses03F_script01_1b"),
            Some(Dialog {
                session: 3,
                script: Some("script01_1")
            })
        );
        for wrong in [
            "Ses06F_impro01",
            "Ses01X_impro01",
            "Ses01F_impro",
            "Ses01F_impro01c",
            "Ses01F_script01",
            "Ses01F_script01_",
            "readme",
            "",
        ] {
            assert_eq!(Dialog::parse(wrong), None, "{wrong}");
        }
        assert_eq!(
            turn_field("Ses01F_impro01_M003", "Ses01F_impro01"),
            Some("M003")
        );
        assert_eq!(
            turn_field("Ses01F_impro01_FXX0", "Ses01F_impro01"),
            Some("FXX0")
        );
        assert_eq!(turn_field("Ses01F_impro02_M003", "Ses01F_impro01"), None);
        assert_eq!(turn_field("Ses01F_impro01_X003", "Ses01F_impro01"), None);
    }
}
