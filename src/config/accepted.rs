//! Which keys a table takes, given its kind: what a misspelt key may be taken for.

use std::ops::Range;

use serde::Deserialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use toml::de::{DeTable, DeValue};

use super::check::keys_of;
use super::experiment::{inputs_keys, model_keys, protocol_keys};
use super::raw::{RawCorpusKind, RawModelKind};
use crate::features::FeatureSet;

/// Tables around a key, the outermost first, each with the key that it stands under.
type Chain<'t, 'a> = Vec<(&'t str, &'t DeTable<'a>)>;

/// Whether the table with the key at `span` takes a key of this name, as far as its kind and its
/// neighbours decide that.
pub(super) fn takes(root: &DeTable, span: &Range<usize>, key: &str) -> bool {
    let mut chain = vec![("", root)];
    if !find(span, &mut chain) {
        return true;
    }
    let Some((name, table)) = chain.pop() else {
        return true;
    };
    let experiment = chain
        .iter()
        .rev()
        .find(|(name, _)| *name == "experiment")
        .map(|(_, table)| *table);
    let among = |keys: Option<&[&str]>| keys.is_none_or(|keys| keys.contains(&key));
    match name {
        "corpus" => {
            word::<RawCorpusKind>(table, "kind").is_none_or(|kind| keys_of(kind).contains(&key))
        }
        "parts" => key != "path" && key != "root" || text(table, "kind") == Some("manifest"),
        "protocol" => key == "kind" || among(word(table, "kind").map(protocol_keys)),
        "model" => key == "kind" || among(word(table, "kind").map(model_keys)),
        "inputs" => {
            let other = ["set", "scaler", "clip"].contains(&key);
            other || among(set(root, table).map(inputs_keys))
        }
        "train" => match key {
            "decay" => text(table, "schedule") != Some("cosine"),
            "warmup" => text(table, "schedule") == Some("cosine"),
            "weight_decay" => text(table, "optimizer").is_none_or(|optimizer| optimizer == "adamw"),
            "spec_augment" => experiment.and_then(model_kind) == Some(RawModelKind::Temporal),
            "patience" => experiment.is_none_or(|experiment| experiment.contains_key("validation")),
            _ => true,
        },
        "experiment" => of_experiment(model_kind(table), key),
        _ => true,
    }
}

/// Keys of an experiment that only some models have.
fn of_experiment(kind: Option<RawModelKind>, key: &str) -> bool {
    use RawModelKind::{Cnn, Ensemble, Knn, Logistic, Perceptron, RandomForest, Svm, Temporal};
    let Some(kind) = kind else { return true };
    match key {
        "train" => matches!(kind, Cnn | Perceptron | Temporal),
        "search" => matches!(kind, Svm | Logistic | RandomForest | Knn),
        "inputs" | "augment" | "validation" | "seeds" => kind != Ensemble,
        _ => true,
    }
}

/// Follows the tables down to the one with a key at `span`.
fn find<'t, 'a>(span: &Range<usize>, chain: &mut Chain<'t, 'a>) -> bool {
    let Some((_, table)) = chain.last().copied() else {
        return false;
    };
    if table.keys().any(|key| key.span() == *span) {
        return true;
    }
    for (key, value) in table.iter() {
        let below: Vec<&'t DeTable<'a>> = match value.get_ref() {
            DeValue::Table(table) => vec![table],
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| item.get_ref().as_table())
                .collect(),
            _ => vec![],
        };
        for table in below {
            chain.push((key.get_ref(), table));
            if find(span, chain) {
                return true;
            }
            chain.pop();
        }
    }
    false
}

fn text<'t>(table: &'t DeTable<'_>, key: &str) -> Option<&'t str> {
    table.get(key)?.get_ref().as_str()
}

fn word<'de, T: Deserialize<'de>>(table: &'de DeTable<'_>, key: &str) -> Option<T> {
    T::deserialize(StrDeserializer::<WordError>::new(text(table, key)?)).ok()
}

fn model_kind(experiment: &DeTable) -> Option<RawModelKind> {
    word(experiment.get("model")?.get_ref().as_table()?, "kind")
}

/// The set of features that `inputs` are of.
fn set(root: &DeTable, inputs: &DeTable) -> Option<FeatureSet> {
    let features = || root.get("features")?.get_ref().as_table();
    let first = || {
        features()?
            .get("sets")?
            .get_ref()
            .as_array()?
            .first()?
            .get_ref()
            .as_str()
    };
    let name = text(inputs, "set")
        .or_else(|| text(features()?, "set"))
        .or_else(first);
    name.map_or(Some(FeatureSet::default()), FeatureSet::parse)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MINIMAL, refused, says};

    #[test]
    fn a_misspelt_key_is_taken_for_one_that_its_kind_has() {
        let model = |keys: &str| {
            let file = format!(
                "name = \"x\"\n[corpus]\nkind = \"ravdess\"\n[features]\nset = \"functionals\"\n[[experiment]]\nname = \"a\"\n\
                 protocol = {{ kind = \"leave-one-speaker-out\" }}\n{keys}\n"
            );
            refused(&file, &[])
        };
        let perceptron = model("model = { kind = \"perceptron\", kernl = \"rbf\" }");
        assert!(!perceptron.contains("did you mean"), "{perceptron}");
        says(
            &perceptron,
            &[
                "unknown key `kernl`",
                "known keys: kind, hidden, input_dropout, dropout",
            ],
        );
        says(
            &model("model = { kind = \"svm\", kernl = \"rbf\" }"),
            &["did you mean `kernel`? known keys: kind, kernel, c, gamma"],
        );
        says(
            &model("model = { kind = \"perceptron\", hiden = 3 }"),
            &["did you mean `hidden`?"],
        );
        let warm = model("model = { kind = \"perceptron\" }\ntrain = { warmupp = 0.1 }");
        assert!(
            !warm.contains("did you mean") && !warm.contains("spec_augment"),
            "{warm}"
        );
        says(
            &model(
                "model = { kind = \"perceptron\" }\ntrain = { schedule = \"cosine\", warmupp = 0.1 }",
            ),
            &["did you mean `warmup`?"],
        );
        let trains = model("model = { kind = \"svm\" }\ntrian = { epochs = 3 }");
        assert!(!trains.contains("`train`"), "{trains}");
        let frames = model("model = { kind = \"svm\" }\ninputs = { log_mell = true }");
        assert!(!frames.contains("`log_mel`"), "{frames}");
        let clips = refused(
            &MINIMAL.replace("[corpus]", "[corpus]\nall_clip = true"),
            &[],
        );
        says(
            &clips,
            &["unknown key `all_clip`", "known keys: kind, name, root"],
        );
        assert!(!clips.contains("`all_clips`"), "{clips}");
        says(
            &refused(MINIMAL, &["corpus.speekers=3"]),
            &["unknown key `speekers`"],
        );
        // Without a kind, any key may be meant.
        says(
            &model("model = { kernl = \"rbf\" }"),
            &["did you mean `kernel`?"],
        );
    }
}
