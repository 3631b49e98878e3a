//! The folds of an experiment and what they share, as the split stage leaves them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::label_warnings::Doubts;
use super::windows::Unit;
use crate::config::Experiment;
use crate::corpus::{Attribute, Utterance};
use crate::error::{Error, Result};
use crate::files::from_json;
use crate::split::{self, Fold, Protocol, Requirement, Role, Sharing, Stretch, TestSpeakers};
use crate::table::{self, leakage::LeakageRow};

/// Name of the table of folds within the task's folder.
pub(super) const SPLITS: &str = "splits.parquet";
/// What the folds share, in words, and warnings.
pub(super) const ABOUT: &str = "about.json";

/// What is known of the folds besides who is in them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct About {
    /// By fold.
    pub sharing: Vec<Sharing>,
    pub warnings: Vec<String>,
}

/// The folds of one experiment, read back.
#[derive(Debug, Clone)]
pub(super) struct Folds {
    pub folds: Vec<Fold>,
    pub about: About,
}

impl Folds {
    /// Counts copies on both sides, and speakers under two spellings of one name; `groups` is [`super::audit::groups`] of the utterances, where
    /// the audit is there. The same samples are known without it.
    pub(super) fn count_contradictions(
        &mut self,
        utterances: &[Utterance],
        unit: Unit,
        groups: Option<&[usize]>,
    ) {
        let (whole, places) = unit.whole(utterances);
        let hashes: Vec<&str> = places
            .iter()
            .map(|&place| whole[place].content_hash.as_str())
            .collect();
        let stretches: Vec<Stretch> = utterances.iter().map(stretch).collect();
        let stretches = split::are_cut(&stretches).then_some(stretches.as_slice());
        let repeated = groups.map_or_else(|| split::repeated(&hashes), split::repeated);
        let speakers: Vec<&str> = (utterances.iter().map(|u| u.source.speaker.as_str())).collect();
        for (fold, sharing) in self.folds.iter().zip(&mut self.about.sharing) {
            sharing.respelt_speakers = split::respelt_speakers(fold, &speakers);
            sharing.shared_near = groups.map(|groups| split::near_shared(fold, &hashes, groups));
            let found = match groups {
                Some(groups) => split::on_both_sides(fold, groups, &repeated, stretches),
                None => split::on_both_sides(fold, &hashes, &repeated, stretches),
            };
            sharing.both_sides = found
                .into_iter()
                .map(|i| unit.id(&utterances[i].source.id))
                .collect::<BTreeSet<_>>()
                .len();
        }
    }

    /// The folds whose figures stand together: all of them, or each by itself where corpora test
    /// each other.
    pub(super) fn together(&self, experiment: &Experiment) -> Vec<Cow<'_, Folds>> {
        if experiment.protocol != Protocol::CrossCorpus {
            return vec![Cow::Borrowed(self)];
        }
        let alone = |(fold, sharing): (&Fold, &Sharing)| {
            let about = About {
                sharing: vec![*sharing],
                ..self.about.clone()
            };
            Cow::Owned(Folds {
                folds: vec![fold.clone()],
                about,
            })
        };
        self.folds
            .iter()
            .zip(&self.about.sharing)
            .map(alone)
            .collect()
    }

    pub(super) fn has(&self, fold: u32) -> bool {
        self.folds.iter().any(|one| one.index == fold)
    }

    /// What may be said of the speakers of all folds or, of one direction between corpora, of one.
    pub(super) fn speakers(&self, doubts: &Doubts, only: Option<u32>) -> TestSpeakers {
        TestSpeakers::of(
            &self.sharing(only),
            doubts.guessed.contains(&Attribute::Speaker),
            doubts.across_speakers,
        )
    }

    /// What has to be known to read a result on these folds.
    pub(super) fn remarks(&self, doubts: &Doubts, only: Option<u32>) -> Vec<String> {
        let lines = split::verdict(
            &self.sharing(only),
            self.speakers(doubts, only),
            doubts.guessed,
        );
        lines
            .into_iter()
            .chain(self.about.warnings.iter().cloned())
            .collect()
    }

    fn sharing(&self, only: Option<u32>) -> Vec<Sharing> {
        let counts = self.folds.iter().zip(&self.about.sharing);
        counts
            .filter(|(fold, _)| only.is_none_or(|only| only == fold.index))
            .map(|(_, sharing)| *sharing)
            .collect()
    }

    /// What each fold shares, kind by kind.
    pub(super) fn leakage(&self, experiment: &Experiment) -> Vec<LeakageRow> {
        let of_fold = |(fold, sharing): (&Fold, &Sharing)| {
            let index = fold.index;
            sharing
                .kinds()
                .into_iter()
                .map(move |(kind, test_units, shared_units)| LeakageRow {
                    experiment: experiment.name.clone(),
                    protocol: experiment.protocol.name(),
                    fold: index,
                    kind: kind.to_owned(),
                    test_units: test_units as u64,
                    shared_units: shared_units as u64,
                })
        };
        self.folds
            .iter()
            .zip(&self.about.sharing)
            .flat_map(of_fold)
            .collect()
    }

    /// Refuses folds that are not what their experiment requires, or needs.
    ///
    /// # Errors
    /// `Data`, with the first fold that falls short.
    pub(super) fn check(&self, experiment: &Experiment) -> Result<()> {
        let unknown = self
            .about
            .sharing
            .iter()
            .map(Sharing::without_speaker)
            .max()
            .unwrap_or(0);
        if experiment.is_transductive() && unknown > 0 {
            let message = format!(
                "the experiment {} scales by speaker, and of {unknown} utterances the speaker is not known",
                experiment.name
            );
            return Err(Error::data(message).hint("fill the manifest's column speaker, remove these rows, or write scaler = \"standard\""));
        }
        let unmet = |demand: &Requirement| {
            demand
                .unmet(&self.about.sharing)
                .map(|unmet| (demand.name(), unmet))
        };
        let Some((demand, unmet)) = experiment.require.iter().find_map(unmet) else {
            return Ok(());
        };
        let fold = self
            .folds
            .get(unmet.fold)
            .map(|fold| match format!("fold {}", fold.index) {
                plain if plain == fold.name => plain,
                plain => format!("{plain} ({})", fold.name),
            });
        let fold = fold.unwrap_or_default();
        let more = match (unmet.folds, self.folds.len()) {
            (n, all) if all > 1 => format!(" ({n} of {all} folds fall short)"),
            _ => String::new(),
        };
        let message = format!(
            "the experiment {} requires `{demand}`, but in {fold}, {}{more}",
            experiment.name, unmet.what
        );
        Err(Error::data(message).hint(unmet.hint))
    }
}

pub(super) fn stretch(u: &Utterance) -> Stretch<'_> {
    Stretch {
        path: &u.source.path,
        start: u.source.start_s.unwrap_or(0.0),
        end: u.source.end_s.unwrap_or(f64::INFINITY),
    }
}

/// Reads the folds back; roles stand in the order of `utterances`.
pub(super) fn read(folder: &Path, utterances: &[Utterance]) -> Result<Folds> {
    let position: HashMap<&str, usize> = utterances
        .iter()
        .enumerate()
        .map(|(i, u)| (u.source.id.as_str(), i))
        .collect();
    let mut folds: BTreeMap<u32, Fold> = BTreeMap::new();
    table::splits::each(&folder.join(SPLITS), |row| {
        let fold = folds.entry(row.fold).or_insert_with(|| Fold {
            index: row.fold,
            name: row.fold_name.into_owned(),
            roles: vec![None; utterances.len()],
        });
        let (Some(&i), Some(role)) = (
            position.get(row.utterance_id.as_ref()),
            Role::parse(&row.role),
        ) else {
            return Err(Error::data(format!(
                "the table of folds names {} as {}, which does not fit",
                row.utterance_id, row.role
            ))
            .hint("remove data/cache and run the command again"));
        };
        fold.roles[i] = Some(role);
        Ok(())
    })?;
    Ok(Folds {
        folds: folds.into_values().collect(),
        about: from_json(&folder.join(ABOUT))?,
    })
}
