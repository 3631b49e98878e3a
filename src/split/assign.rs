//! Folds: a role for every utterance, from a protocol and a seed.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::UNKNOWN_SPEAKER;
use crate::error::{Error, Result};
use crate::rng;

use super::groups;
use super::part::Role;
use super::protocol::Protocol;

/// What a protocol needs to know of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Utterance id.
    pub id: &'a str,
    /// Class.
    pub label: &'a str,
    /// Speaker.
    pub speaker: &'a str,
    /// Recording session, where there is one.
    pub session: Option<&'a str>,
    /// What is spoken, where that is known.
    pub text: Option<&'a str>,
    /// `train`, `validation` or `test`, where a manifest declares it.
    pub declared: Option<&'a str>,
}

/// One fold of a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// From 0.
    pub index: u32,
    /// What is held out (`speaker 03`), or `fold 1`.
    pub name: String,
    /// One per item; `None` takes no part.
    pub roles: Vec<Option<Role>>,
}

impl Fold {
    /// Number of items with a role.
    pub fn count(&self, role: Role) -> usize {
        self.roles.iter().filter(|r| **r == Some(role)).count()
    }
}

/// The folds of a protocol, and what a reader of its results should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// In order of their index.
    pub folds: Vec<Fold>,
    /// Whole sentences ("class `fear` is tested in …").
    pub warnings: Vec<String>,
}

/// A fold's name and the indices of what it tests.
pub(super) type Tested = (String, Vec<usize>);

/// Gives each item a role in each fold of `protocol`. The result depends on ids, not on the order
/// of `items`; `roles` follow that order.
///
/// `validation` sets that share of each fold's training utterances aside: whole speakers where no
/// test speaker is trained on, a stratified random part where the protocol shares speakers. A part
/// that a manifest declares as validation goes before it.
///
/// # Errors
/// `Config` for a share or a number of folds that cannot be; `Data` where the corpus does not have
/// what the protocol needs.
pub fn assign(
    protocol: &Protocol,
    items: &[Item],
    validation: Option<f64>,
    seed: u64,
) -> Result<Assignment> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| items[i].id);
    let sorted: Vec<Item> = order.iter().map(|&i| items[i]).collect();
    check(protocol, &sorted, validation)?;

    let mut folds = match protocol {
        Protocol::Declared => vec![declared(&sorted)?],
        Protocol::Published { name, of } => groups::published(name, of, &sorted)?,
        Protocol::SpeakerTextKfold {
            speaker_folds,
            text_folds,
        } => groups::speakers_and_texts(&sorted, [*speaker_folds, *text_folds], seed)?,
        _ => around(tested(protocol, &sorted, seed)?, sorted.len()),
    };
    if let Some(share) = validation {
        let speakers_may_be_shared = matches!(
            protocol,
            Protocol::HoldOut { .. }
                | Protocol::StratifiedKfold { .. }
                | Protocol::TextKfold { .. }
        );
        for fold in folds
            .iter_mut()
            .filter(|fold| fold.count(Role::Validation) == 0)
        {
            let whole_speakers = !speakers_may_be_shared
                && keeps_speakers_apart(std::slice::from_ref(fold), &sorted);
            set_aside(fold, &sorted, share, whole_speakers, seed)?;
        }
    }
    let warnings = inspect(protocol, &folds, &sorted)?;
    for fold in &mut folds {
        let mut roles = vec![None; items.len()];
        order
            .iter()
            .zip(&fold.roles)
            .for_each(|(&i, &role)| roles[i] = role);
        fold.roles = roles;
    }
    Ok(Assignment { folds, warnings })
}

/// Whether by name no test speaker takes part in training or validation of the same fold. Speakers
/// that nobody knows may be any.
pub(super) fn keeps_speakers_apart(folds: &[Fold], items: &[Item]) -> bool {
    folds.iter().all(|fold| {
        let of = |tested: bool| -> BTreeSet<&str> {
            let rows = items
                .iter()
                .zip(&fold.roles)
                .filter(|(_, role)| role.is_some_and(|r| (r == Role::Test) == tested));
            rows.map(|(item, _)| item.speaker).collect()
        };
        let (tested, trained) = (of(true), of(false));
        tested.is_disjoint(&trained)
            && !tested.contains(UNKNOWN_SPEAKER)
            && !trained.contains(UNKNOWN_SPEAKER)
    })
}

/// Indices by class, classes in alphabetical order.
pub(super) fn by_class(
    items: &[Item],
    among: impl Iterator<Item = usize>,
) -> BTreeMap<String, Vec<usize>> {
    let mut classes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    among.for_each(|i| {
        classes
            .entry(items[i].label.to_owned())
            .or_default()
            .push(i)
    });
    classes
}

fn check(protocol: &Protocol, items: &[Item], validation: Option<f64>) -> Result<()> {
    let share = |key: &str, value: f64| match value > 0.0 && value < 1.0 {
        true => Ok(()),
        false => Err(
            Error::config(format!("{key} is {value}, not between 0 and 1"))
                .hint("give a share such as 0.2"),
        ),
    };
    if let Some(value) = validation {
        share("the validation share", value)?;
    }
    match protocol {
        Protocol::HoldOut { test_fraction } => share("test_fraction", *test_fraction)?,
        Protocol::StratifiedKfold { folds }
        | Protocol::GroupKfold { folds }
        | Protocol::TextKfold { folds }
            if *folds < 2 =>
        {
            return Err(Error::config(format!(
                "{} has no part to train on: folds must be at least 2",
                protocol.name()
            ))
            .hint("set folds = 5"));
        }
        _ => {}
    }
    if let Some(pair) = items.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(
            Error::data(format!("utterance `{}` is there twice", pair[0].id))
                .hint("utterance ids must differ"),
        );
    }
    match by_class(items, 0..items.len()).len() {
        0 => Err(Error::data("there is no utterance to split")
            .hint("check corpus.root and corpus.labels in the pipeline file")),
        1 => Err(Error::data(format!(
            "all {} utterances are of the class `{}`: there is nothing to tell apart",
            items.len(),
            items[0].label
        ))
        .hint("check the label map and the classes of the pipeline")),
        _ => Ok(()),
    }
}

fn tested(protocol: &Protocol, items: &[Item], seed: u64) -> Result<Vec<Tested>> {
    match protocol {
        Protocol::HoldOut { test_fraction } => {
            let part = stratified_part(items, 0..items.len(), *test_fraction, seed, 0).ok_or_else(
                || {
                    Error::data("every class has a single utterance: none can be held out")
                        .hint("use a larger corpus")
                },
            )?;
            Ok(vec![("hold-out".into(), part)])
        }
        Protocol::StratifiedKfold { folds } => {
            if items.len() < *folds {
                return Err(Error::data(format!(
                    "{} utterances cannot fill {folds} folds",
                    items.len()
                ))
                .hint(format!("set folds to at most {}", items.len())));
            }
            Ok(numbered(stratified_folds(items, *folds, seed)))
        }
        Protocol::GroupKfold { folds } => Ok(numbered(groups::balanced(items, *folds, seed)?)),
        Protocol::LeaveOneSpeakerOut => groups::leave_one_speaker_out(items),
        Protocol::LeaveOneSessionOut => groups::leave_one_session_out(items),
        // A joined corpus has the corpus in the place of the session.
        Protocol::CrossCorpus => {
            let folds = groups::leave_one_session_out(items)?;
            Ok(folds
                .into_iter()
                .map(|(name, part)| (name.replacen("session", "corpus", 1), part))
                .collect())
        }
        Protocol::TextKfold { folds } => Ok(numbered(groups::balanced_texts(items, *folds, seed)?)),
        Protocol::Published { .. } | Protocol::SpeakerTextKfold { .. } | Protocol::Declared => {
            Ok(Vec::new())
        }
    }
}

fn numbered(folds: Vec<Vec<usize>>) -> Vec<Tested> {
    folds
        .into_iter()
        .enumerate()
        .map(|(i, part)| (format!("fold {i}"), part))
        .collect()
}

/// Trains on whatever is not tested.
fn around(tested: Vec<Tested>, n: usize) -> Vec<Fold> {
    let fold = |(index, (name, part)): (usize, Tested)| {
        let mut roles = vec![Some(Role::Train); n];
        part.into_iter().for_each(|i| roles[i] = Some(Role::Test));
        Fold {
            index: index as u32,
            name,
            roles,
        }
    };
    tested.into_iter().enumerate().map(fold).collect()
}

fn declared(items: &[Item]) -> Result<Fold> {
    let role = |item: &Item| match item.declared {
        None => Ok(None),
        Some(word) => Role::parse(word).map(Some).ok_or_else(|| {
            Error::data(format!("utterance `{}` is declared as `{word}`", item.id))
                .hint("declare train, validation or test in the manifest")
        }),
    };
    let fold = Fold {
        index: 0,
        name: "declared".into(),
        roles: items.iter().map(role).collect::<Result<_>>()?,
    };
    for role in [Role::Test, Role::Train] {
        if fold.count(role) == 0 {
            return Err(Error::data(format!(
                "the manifest declares no {} utterance",
                role.as_str()
            ))
            .hint(
                "fill its split column with train, validation and test, or choose another protocol",
            ));
        }
    }
    Ok(fold)
}

/// What is wrong with the folds, and what is merely worth knowing.
fn inspect(protocol: &Protocol, folds: &[Fold], items: &[Item]) -> Result<Vec<String>> {
    let mut untrained: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut never_tested: BTreeSet<String> = by_class(items, 0..items.len()).into_keys().collect();
    for fold in folds {
        let of = |role| {
            by_class(
                items,
                (0..items.len()).filter(move |&i| fold.roles[i] == Some(role)),
            )
        };
        let (train, test) = (of(Role::Train), of(Role::Test));
        if train.len() < 2 || test.is_empty() {
            let what = if test.is_empty() {
                "tests nothing"
            } else {
                "trains on fewer than two classes"
            };
            return Err(
                Error::data(format!("{} of {} {what}", fold.name, protocol.name()))
                    .hint("choose another protocol or use more of the corpus"),
            );
        }
        for class in test.into_keys() {
            never_tested.remove(&class);
            if !train.contains_key(&class) {
                untrained.entry(class).or_default().push(&fold.name);
            }
        }
    }
    let mut warnings = Vec::new();
    if let Protocol::StratifiedKfold { folds } = protocol {
        let few = by_class(items, 0..items.len())
            .into_iter()
            .filter(|(_, members)| members.len() < *folds);
        warnings.extend(few.map(|(class, members)| {
            format!(
                "class `{class}` has {} utterances for {folds} folds: some folds do not test it",
                members.len()
            )
        }));
    }
    let list = |names: Vec<&str>| names.join(", ");
    warnings.extend(untrained.into_iter().map(|(class, names)| {
        format!(
            "class `{class}` is tested without being trained on: {}",
            list(names)
        )
    }));
    warnings.extend(
        never_tested
            .into_iter()
            .map(|class| format!("class `{class}` is tested in no fold")),
    );
    if let Protocol::Published { name, of } = protocol {
        warnings.extend(groups::absent(name, of, items));
    }
    let left_out = (0..items.len())
        .filter(|&i| folds.iter().all(|fold| fold.roles[i].is_none()))
        .count();
    if left_out > 0 {
        warnings.push(format!(
            "{left_out} of {} utterances are declared in no part and take none",
            items.len()
        ));
    }
    Ok(warnings)
}

/// Streams of a seed: 0 draws folds, 1 the order of speakers, the rest the validation part of each
/// fold.
const SPEAKERS: u64 = 1;
const FIRST_FOLD: u64 = 2;

/// Turns about `share` of the fold's training rows into validation rows: whole speakers or a
/// stratified random part.
pub(super) fn set_aside(
    fold: &mut Fold,
    items: &[Item],
    share: f64,
    whole_speakers: bool,
    seed: u64,
) -> Result<()> {
    let training = || (0..items.len()).filter(|&i| fold.roles[i] == Some(Role::Train));
    let part: Vec<usize> = if whole_speakers {
        let chosen = speakers(fold, items, share, seed)?;
        training()
            .filter(|&i| chosen.contains(items[i].speaker))
            .collect()
    } else {
        stratified_part(
            items,
            training(),
            share,
            seed,
            FIRST_FOLD + u64::from(fold.index),
        )
        .ok_or_else(|| {
            Error::data(format!(
                "{} trains on one utterance per class: none can be set aside for validation",
                fold.name
            ))
            .hint("train without validation or use a larger corpus")
        })?
    };
    part.into_iter()
        .for_each(|i| fold.roles[i] = Some(Role::Validation));
    Ok(())
}

/// The speakers to validate on. Their order is drawn once, and each fold goes on in it where the
/// fold before stopped, so that over the folds everyone has a turn.
fn speakers<'a>(
    fold: &Fold,
    items: &[Item<'a>],
    share: f64,
    seed: u64,
) -> Result<BTreeSet<&'a str>> {
    let all: BTreeSet<&str> = items.iter().map(|item| item.speaker).collect();
    let trained: BTreeSet<&str> = items
        .iter()
        .zip(&fold.roles)
        .filter(|(_, role)| **role == Some(Role::Train))
        .map(|(item, _)| item.speaker)
        .collect();
    if trained.len() < 2 {
        return Err(Error::data(format!(
            "{} trains on one speaker: none can be set aside for validation",
            fold.name
        ))
        .hint("train without validation, or choose a protocol with more training speakers"));
    }
    let mut order: Vec<&str> = all.into_iter().collect();
    rng::shuffle(&mut order, &mut rng::numbered(seed, SPEAKERS));
    order.retain(|speaker| trained.contains(speaker));
    let n = ((order.len() as f64 * share).round() as usize).clamp(1, order.len() - 1);
    let start = fold.index as usize * n;
    Ok((0..n).map(|i| order[(start + i) % order.len()]).collect())
}

/// Deals the utterances out like cards, class after class: every class is spread as evenly as it
/// can be, and so is the whole.
pub(super) fn stratified_folds(items: &[Item], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut draw = rng::numbered(seed, 0);
    let mut parts = vec![Vec::new(); folds];
    let mut card = 0;
    for mut members in by_class(items, 0..items.len()).into_values() {
        rng::shuffle(&mut members, &mut draw);
        for i in members {
            parts[card % folds].push(i);
            card += 1;
        }
    }
    parts
}

/// A random part of about `share` of the indices `among`, by class in proportion (largest
/// remainders first), that leaves at least one utterance of every class behind. `None` where that
/// leaves nothing to take.
pub(super) fn stratified_part(
    items: &[Item],
    among: impl Iterator<Item = usize>,
    share: f64,
    seed: u64,
    purpose: u64,
) -> Option<Vec<usize>> {
    let mut draw = rng::numbered(seed, purpose);
    let mut classes: Vec<Vec<usize>> = by_class(items, among).into_values().collect();
    classes
        .iter_mut()
        .for_each(|members| rng::shuffle(members, &mut draw));

    let all: usize = classes.iter().map(Vec::len).sum();
    let most: usize = classes.iter().map(|members| members.len() - 1).sum();
    if most == 0 {
        return None;
    }
    let wanted = ((all as f64 * share).round() as usize).clamp(1, most);
    let exact = |members: &[usize]| members.len() as f64 * share;
    let mut quotas: Vec<usize> = classes
        .iter()
        .map(|members| (exact(members) as usize).min(members.len() - 1))
        .collect();
    let mut by_remainder: Vec<usize> = (0..classes.len()).collect();
    by_remainder.sort_by(|&a, &b| {
        exact(&classes[b])
            .fract()
            .total_cmp(&exact(&classes[a]).fract())
    });
    // The sum of the floors is at most the wanted number, but for a part that is all but
    // everything.
    while quotas.iter().sum::<usize>() < wanted {
        let missing = wanted - quotas.iter().sum::<usize>();
        let open: Vec<usize> = by_remainder
            .iter()
            .copied()
            .filter(|&c| quotas[c] < classes[c].len() - 1)
            .collect();
        open.into_iter().take(missing).for_each(|c| quotas[c] += 1);
    }
    Some(
        classes
            .into_iter()
            .zip(quotas)
            .flat_map(|(members, quota)| members.into_iter().take(quota))
            .collect(),
    )
}
