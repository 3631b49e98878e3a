//! Which field is the speaker, as far as can be told: a wrong one would make a report call voices
//! unseen that were trained on.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Field, pieces, runs};
use super::place::{Place, Position};
use super::variant::{is_condition, is_count};
use super::words;
use crate::corpus::walk::{folder, stem};

/// Share of recordings whose value must come again beside the same emotion: a number that counts
/// recordings never does.
const AGAIN: f64 = 0.2;
/// Fields that could be the speaker and are named.
const SHOWN: usize = 4;

/// The fields that are something else than the emotion.
#[derive(Default)]
pub(super) struct Roles {
    pub(super) speaker: Option<Field>,
    pub(super) sex: Option<Field>,
    pub(super) split: Option<Field>,
    pub(super) warnings: Vec<String>,
    /// The fields of which one could be the speaker, where none is proposed.
    pub(super) open: Vec<Field>,
}

/// A field that may be the speaker.
struct Candidate {
    field: Field,
    named: Named,
    /// Whether its values count recordings as likely as they name speakers.
    may_be_counter: bool,
    /// Whether most values have several emotions, as those of speakers do.
    varied: bool,
}

/// How far the values of a field say that they are speakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// They may be codes of anything.
    No,
    /// Each has one sex, and both sexes have several.
    BySex,
    /// `Speaker_01`.
    Called,
}

/// `f1`, `m02`, `female3`: the way in which some corpora name speakers.
pub(super) fn sex(speaker: &str) -> Option<&'static str> {
    let word = speaker.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = word.strip_suffix(['_', '-', ' ']).unwrap_or(word);
    words::sex(word).filter(|_| word.len() < speaker.len())
}

/// Whether all `values` say their sex, and both sexes are there: `f1` beside `f2` alone may be
/// files.
pub(super) fn are_sexed<'v>(values: impl Iterator<Item = &'v str>) -> bool {
    let sexes: BTreeSet<Option<&str>> = values.map(sex).collect();
    sexes.len() == 2 && !sexes.contains(&None)
}

impl Roles {
    /// Looks for a speaker, a sex and a part of a split among the `fields` of `files`.
    pub(super) fn of(fields: &[Field], emotion: &Field, files: &[String]) -> Roles {
        let all = |field: &Field, is: fn(&str) -> bool| {
            field.is_whole() && field.distinct().into_iter().all(is)
        };
        let classes = emotion.partition();
        let is_free = |field: &&Field| field.partition() != classes;
        let split = fields
            .iter()
            .find(|field| all(field, |value| words::part(value).is_some()));
        let sexes = fields
            .iter()
            .filter(is_free)
            .find(|field| all(field, |value| words::sex(value).is_some()));
        let conditions: Vec<&Field> = fields
            .iter()
            .filter(|field| is_of_conditions(field))
            .collect();
        let known: BTreeSet<Vec<Option<usize>>> = [split, sexes]
            .into_iter()
            .flatten()
            .chain(conditions.iter().copied())
            .map(Field::partition)
            .collect();
        // What a recording has in common with others of one speaker, the file name apart.
        let shared: Vec<&Field> = [Some(emotion), split, sexes]
            .into_iter()
            .flatten()
            .chain(conditions.into_iter().filter(|field| field.is_folder()))
            .collect();
        let context: Vec<Vec<Option<&str>>> = (0..emotion.values.len())
            .map(|i| shared.iter().map(|field| field.value(i)).collect())
            .collect();
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut seen = BTreeSet::new();
        for field in fields.iter().filter(|field| {
            field.is_whole() && is_free(field) && !known.contains(&field.partition())
        }) {
            let (field, by_sex) = with_sex(field, sexes);
            let partition = field.partition();
            let Some(found) = Candidate::of(field, by_sex, emotion, &context, files) else {
                continue;
            };
            if !known.contains(&partition) && seen.insert((partition, found.is_combined())) {
                candidates.push(found);
            }
        }
        // Whole fields come before what they are combined of.
        let whole: BTreeSet<Vec<Option<usize>>> = candidates
            .iter()
            .filter(|one| !one.is_combined())
            .map(|one| one.field.partition())
            .collect();
        candidates.retain(|one| !one.is_combined() || !whole.contains(&one.field.partition()));
        let mut roles = Roles {
            sex: sexes.cloned(),
            split: split.cloned(),
            ..Roles::default()
        };
        roles.choose_speaker(&candidates);
        roles
    }

    /// Proposes one of the candidates, or says which could be the speaker.
    fn choose_speaker(&mut self, candidates: &[Candidate]) {
        let best = candidates
            .iter()
            .filter(|one| !one.may_be_counter)
            .map(|one| one.named)
            .max();
        let best: Vec<&Candidate> = candidates
            .iter()
            .filter(|one| !one.may_be_counter && Some(one.named) == best)
            .collect();
        let options: Vec<String> = best
            .iter()
            .take(SHOWN)
            .map(|one| format!("--speaker {}", one.field.place))
            .collect();
        let options = options.join(" or ");
        let one = match best[..] {
            [one] => one,
            [] => {
                if let Some(one) = candidates.first() {
                    self.warnings.push(format!(
                        "no speaker is proposed: {} could be one, but also a number of the recording, since no value comes again beside the same \
                         emotion; if it is the speaker, say --speaker {}",
                        one.describe(),
                        one.field.place
                    ));
                    self.open = vec![one.field.clone()];
                }
                return;
            }
            _ => {
                let names: Vec<String> =
                    best.iter().take(SHOWN).map(|one| one.describe()).collect();
                let more = if best.len() > SHOWN {
                    ", or another field"
                } else {
                    ""
                };
                self.warnings.push(format!(
                    "no speaker is proposed: it could be {}{more}. If one of them is, say {options}",
                    names.join(" or ")
                ));
                self.open = best.iter().map(|one| one.field.clone()).collect();
                return;
            }
        };
        let is_code =
            |value: &str| value.chars().count() == 1 || value.chars().all(|c| c.is_ascii_digit());
        let is_numbered = one.field.distinct().into_iter().all(is_code);
        let is_unsure = one.named == Named::No && (is_numbered || !one.field.is_folder());
        if one.named == Named::No && (!one.varied || is_numbered && !one.field.is_folder()) {
            self.warnings.push(format!(
                "no speaker is proposed: {} could be one, but also a sentence, a take or a file; if it is the speaker, say {options}",
                one.describe()
            ));
            self.open = vec![one.field.clone()];
            return;
        }
        if is_unsure {
            self.warnings.push(format!(
                "{} is taken for the speaker, since each value has several recordings and emotions; if it is a sentence or a session, say \
                 --speaker FIELD, or --speaker none",
                one.field.place.describe()
            ));
        }
        self.speaker = Some(one.field.clone());
    }
}

/// Whether the values are strengths, formats and the like, perhaps with the emotion itself where a
/// recording has none of these; or a child beside women and men.
fn is_of_conditions(field: &Field) -> bool {
    let values = field.distinct();
    let is_known = |value: &str| {
        is_condition(value) || words::part(value).is_some() || words::sex(value).is_some()
    };
    let sexes = values.iter().filter(|value| words::sex(value).is_some());
    let with_emotions = field.is_whole()
        && values
            .iter()
            .all(|value| is_known(value) || words::emotion(value).is_some())
        && values.iter().any(|value| is_known(value));
    with_emotions || sexes.count() == 2 && values.len() == 3
}

/// The field, or that field together with the sex where one value has both: `01` of the women and
/// `01` of the men are two persons. Also whether the values of the field alone tell the sexes
/// apart, of which one has several values.
fn with_sex(field: &Field, sexes: Option<&Field>) -> (Field, bool) {
    let Some(sexes) = sexes else {
        return (field.clone(), false);
    };
    let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (value, sex) in field.values.iter().zip(&sexes.values) {
        if let (Some(value), Some(sex)) = (value, sex) {
            of.entry(value).or_default().extend(words::sex(sex));
        }
    }
    if of.values().any(|sexes| sexes.len() > 1) {
        return (Field::together(&[sexes, field]), false);
    }
    (field.clone(), of.len() > 2)
}

/// Whether a piece of the file names numbers takes or recordings: its numbers all stand behind such
/// a word, or they begin anew with every name that is otherwise the same, and go on to different
/// lengths.
pub(super) fn is_counter(field: &Field, files: &[String]) -> bool {
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let parts: Option<Vec<(&str, NameAround)>> = (files.iter().enumerate())
        .map(|(i, file)| Some((field.value(i)?, NameAround::of(&field.place, file)?)))
        .collect();
    let Some(parts) = parts else {
        return false;
    };
    if !parts
        .iter()
        .all(|(value, _)| is_digits(value) || is_count(value))
    {
        return false;
    }
    let behind = |(value, around): &(&str, NameAround)| {
        is_count(value) || around.before.as_deref().is_some_and(is_count)
    };
    if parts.iter().all(behind) {
        return true;
    }
    let mut groups: BTreeMap<&[String], BTreeSet<u64>> = BTreeMap::new();
    for (value, around) in &parts {
        let Ok(number) = value.parse() else {
            return false;
        };
        groups.entry(&around.others).or_default().insert(number);
    }
    let begin_anew = |numbers: &BTreeSet<u64>| {
        let (first, last) = (numbers.first().copied(), numbers.last().copied());
        first.is_some_and(|first| first <= 1)
            && first
                .zip(last)
                .and_then(|(first, last)| last.checked_sub(first))
                .is_some_and(|steps| steps == numbers.len() as u64 - 1)
    };
    let lengths: BTreeSet<usize> = groups.values().map(BTreeSet::len).collect();
    groups.len() < parts.len() && lengths.len() > 1 && groups.values().all(begin_anew)
}

/// A piece of a file name left out: the one before it, and the folders and all other pieces.
struct NameAround {
    before: Option<String>,
    others: Vec<String>,
}

impl NameAround {
    /// `None` where the place is no single piece of the file name.
    fn of(place: &Place, file: &str) -> Option<NameAround> {
        let (mut others, position) = match place {
            Place::Name(position) => (pieces(stem(file)), *position),
            Place::AlnumRun(position) => (runs(stem(file)), *position),
            _ => return None,
        };
        let at = match position {
            Position::Nth(n) => n.checked_sub(1)?,
            Position::Last => others.len().checked_sub(1)?,
        };
        if at >= others.len() {
            return None;
        }
        others.remove(at);
        let before = at
            .checked_sub(1)
            .and_then(|before| others.get(before).cloned());
        others.push(folder(file).to_owned());
        Some(NameAround { before, others })
    }
}

impl Candidate {
    /// `None` where the values cannot be speakers.
    fn of(
        field: Field,
        by_sex: bool,
        emotion: &Field,
        context: &[Vec<Option<&str>>],
        files: &[String],
    ) -> Option<Candidate> {
        if is_counter(&field, files) {
            return None;
        }
        let n = emotion.values.len();
        let mut emotions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut times: BTreeMap<(&str, &[Option<&str>], &str), usize> = BTreeMap::new();
        for (i, (context, file)) in context.iter().zip(files).enumerate() {
            let value = field.value(i)?;
            emotions.entry(value).or_default().extend(emotion.value(i));
            let folder = if field.is_folder() { "" } else { folder(file) };
            *times.entry((value, context, folder)).or_default() += 1;
        }
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        // A speaker says more than one thing in more than one emotion; yet in some corpora most
        // speakers have one.
        let enough = emotion.count().min(3);
        let several = emotions
            .values()
            .filter(|own| own.len() * 2 > enough)
            .count();
        let varied = share(several, emotions.len()) >= 0.5;
        let words = emotions
            .keys()
            .filter(|value| words::emotion(value).is_some())
            .count();
        if emotions.len() < 2
            || share(words, emotions.len()) > 0.5
            || !varied && spells_emotion(&emotions)
        {
            return None;
        }
        let is_sexed = || are_sexed(emotions.keys().copied());
        let is_combined = matches!(field.place, Place::Together(_));
        let named = if emotions.keys().all(|value| words::is_speaker_word(value)) {
            Named::Called
        } else if !is_combined && (by_sex || is_sexed()) {
            Named::BySex
        } else {
            Named::No
        };
        let repeated: usize = times.values().filter(|&&times| times > 1).sum();
        let counts = emotions.len() * 3 > n || (repeated as f64) < AGAIN * n as f64;
        // Names that say that they are speakers are believed, however few recordings each has.
        let is_believed = named != Named::No && (!by_sex || is_sexed());
        Some(Candidate {
            named,
            may_be_counter: counts && !is_believed,
            varied,
            field,
        })
    }

    fn is_combined(&self) -> bool {
        matches!(self.field.place, Place::Together(_))
    }

    fn describe(&self) -> String {
        format!(
            "{} ({} values)",
            self.field.place.describe(),
            self.field.count()
        )
    }
}

/// Whether what the values begin with tells the emotion: `a01`, `a02`, `h01` are no speakers of one
/// emotion each.
fn spells_emotion(emotions: &BTreeMap<&str, BTreeSet<&str>>) -> bool {
    let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (value, own) in emotions {
        of.entry(value.trim_end_matches(|c: char| c.is_ascii_digit()))
            .or_default()
            .extend(own);
    }
    let single = of.values().filter(|own| own.len() == 1).count();
    of.len() > 1 && single * 10 >= of.len() * 9 && of.len() * 2 <= emotions.len()
}
