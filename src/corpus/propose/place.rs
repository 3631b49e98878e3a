//! Where an emotion or a speaker stands, in the words in which it is shown and given: `folder:1`,
//! `name:2`, `column:emo`.

use std::fmt;
use std::str::FromStr;

/// Which of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// Counted from 1.
    Nth(usize),
    /// The last, however many there are.
    Last,
}

/// One part of a path, or a column of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A folder below the root: `folder:1`, `folder:last`.
    Folder(Position),
    /// A piece of a folder's name: `folder:1.2`.
    Piece(Position, Position),
    /// A piece of the file name: `name:2`, `name:last`.
    Name(Position),
    /// A run of letters or of digits in the file name: `letters:2`.
    AlnumRun(Position),
    /// A column of a table beside the recordings: `column:emo`.
    Column(String),
    /// Several parts of a path together: `folder:1+name:2`.
    Together(Vec<Place>),
    /// Nowhere: `none`.
    Nowhere,
}

impl Place {
    /// Whether a place that is counted may be the one that this calls the last.
    pub(super) fn matches_last(&self, counted: &Place) -> bool {
        match (self, counted) {
            (Place::Folder(Position::Last), Place::Folder(Position::Nth(_)))
            | (Place::Name(Position::Last), Place::Name(Position::Nth(_)))
            | (Place::AlnumRun(Position::Last), Place::AlnumRun(Position::Nth(_))) => true,
            (Place::Piece(folder, Position::Last), Place::Piece(of, Position::Nth(_))) => {
                folder == of
            }
            _ => false,
        }
    }

    /// Whether it lies in the folders alone.
    pub(super) fn is_folder(&self) -> bool {
        match self {
            Place::Folder(_) | Place::Piece(..) => true,
            Place::Together(places) => places.iter().all(Place::is_folder),
            Place::Name(_) | Place::AlnumRun(_) | Place::Column(_) | Place::Nowhere => false,
        }
    }

    /// With what it means, where that is not plain.
    pub(super) fn describe(&self) -> String {
        let what = match self {
            Place::Folder(Position::Last) => "the folder of the file".to_owned(),
            Place::Piece(folder, at) => format!("{} of {}", at.of("piece"), folder.of("folder")),
            Place::Name(at) => format!("{} of the file name", at.of("piece")),
            Place::AlnumRun(at) => format!("{} of the file name", at.of("letters or digits")),
            Place::Folder(_) | Place::Column(_) | Place::Together(_) | Place::Nowhere => {
                return self.to_string();
            }
        };
        format!("{self} ({what})")
    }
}

impl Position {
    fn of(self, what: &str) -> String {
        match self {
            Position::Nth(n) => format!("{what} {n}"),
            Position::Last => format!("last {what}"),
        }
    }

    pub(super) fn get<T>(self, parts: &[T]) -> Option<&T> {
        match self {
            Position::Nth(n) => parts.get(n.checked_sub(1)?),
            Position::Last => parts.last(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Nth(n) => write!(f, "{n}"),
            Position::Last => f.write_str("last"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(at) => write!(f, "folder:{at}"),
            Place::Piece(folder, at) => write!(f, "folder:{folder}.{at}"),
            Place::Name(at) => write!(f, "name:{at}"),
            Place::AlnumRun(at) => write!(f, "letters:{at}"),
            Place::Column(name) => write!(f, "column:{name}"),
            Place::Together(places) => f.write_str(
                &places
                    .iter()
                    .map(Place::to_string)
                    .collect::<Vec<_>>()
                    .join("+"),
            ),
            Place::Nowhere => f.write_str("none"),
        }
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            _ if text == "last" => Ok(Position::Last),
            Ok(n) if n > 0 => Ok(Position::Nth(n)),
            _ => Err(()),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |()| {
            "none of folder:1, folder:1.2, name:1, letters:1 (counted from 1, or `last`; several joined by +), column:NAME".to_owned()
        };
        if text == "none" {
            return Ok(Place::Nowhere);
        }
        if text.contains('+') && !text.starts_with("column:") {
            let places = text
                .split('+')
                .map(str::parse)
                .collect::<Result<Vec<Place>, _>>()?;
            let is_part = |place: &Place| !matches!(place, Place::Column(_) | Place::Nowhere);
            return places
                .iter()
                .all(is_part)
                .then_some(Place::Together(places))
                .ok_or(())
                .map_err(wrong);
        }
        let (kind, rest) = text.split_once(':').ok_or(()).map_err(wrong)?;
        let place = match (kind, rest.split_once('.')) {
            ("column", _) if !rest.trim().is_empty() => Ok(Place::Column(rest.trim().to_owned())),
            ("folder", Some((folder, at))) => folder
                .parse()
                .and_then(|folder| Ok(Place::Piece(folder, at.parse()?))),
            ("folder", None) => rest.parse().map(Place::Folder),
            ("name", _) => rest.parse().map(Place::Name),
            ("letters", _) => rest.parse().map(Place::AlnumRun),
            _ => Err(()),
        };
        place.map_err(wrong)
    }
}

/// What the user says of the folder; what is `None` is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// Where the emotion stands.
    pub emotion: Option<Place>,
    /// Where the speaker stands.
    pub speaker: Option<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_shown() {
        for text in [
            "folder:1",
            "folder:last",
            "folder:2.1",
            "folder:1.last",
            "name:3",
            "name:last",
            "letters:2",
            "folder:1+name:2",
            "column:VP Nr: x",
            "column:a+b",
            "none",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in [
            "folder",
            "folder:0",
            "folder:x",
            "name:1.2",
            "column:",
            "column: ",
            "piece:1",
            "name:1+none",
            "name:1+",
            "",
        ] {
            assert!(
                text.parse::<Place>().unwrap_err().contains("folder:1"),
                "{text}"
            );
        }
        assert_eq!(
            "name:2".parse::<Place>().unwrap().describe(),
            "name:2 (piece 2 of the file name)"
        );
        assert_eq!(
            "folder:1.2".parse::<Place>().unwrap().describe(),
            "folder:1.2 (piece 2 of folder 1)"
        );
        assert_eq!("folder:1".parse::<Place>().unwrap().describe(), "folder:1");
    }
}
