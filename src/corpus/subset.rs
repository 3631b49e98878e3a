//! A smaller corpus by a rule that looks at no label and at no result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::utterance::Utterance;
use crate::error::{Error, Result};

/// Which utterances stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubsetRule {
    /// The longest recordings; of equally long ones those whose ids come first.
    #[default]
    Longest,
    /// A draw from a seed, in which each utterance is as likely as any other.
    Random,
}

/// A subset of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subset {
    /// Utterances that stay; an error where the corpus has fewer.
    #[schemars(range(min = 2, max = 1_000_000_000))]
    pub size: usize,
    /// `longest`: the longest recordings stay, so that the shortest, about which features say
    /// least, are left out; `random`: a draw, in which each is as likely to stay as any other.
    #[serde(default)]
    pub rule: SubsetRule,
    /// Seed of the draw; with `rule = "random"` only.
    #[schemars(range(min = 0), extend("x-default" = "`0`"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Subset {
    /// Whether each of the utterances stays. Depends on their ids and durations, not on their
    /// order.
    ///
    /// # Errors
    /// `Data` where there are fewer than should stay.
    pub fn choose(&self, utterances: &[Utterance]) -> Result<Vec<bool>> {
        if utterances.len() < self.size {
            let (size, there) = (self.size, utterances.len());
            return Err(Error::data(format!(
                "corpus.subset asks for {size} utterances of a corpus that has {there}"
            ))
            .hint("set a smaller corpus.subset.size, or look at what was excluded"));
        }
        let mut order: Vec<usize> = (0..utterances.len()).collect();
        let id = |i: usize| &utterances[i].source.id;
        match self.rule {
            SubsetRule::Longest => {
                order.sort_by(|&a, &b| {
                    utterances[b]
                        .duration_s
                        .total_cmp(&utterances[a].duration_s)
                        .then_with(|| id(a).cmp(id(b)))
                });
            }
            SubsetRule::Random => order.sort_by_cached_key(|&i| (self.draw(id(i)), id(i))),
        }
        let mut stays = vec![false; utterances.len()];
        order[..self.size].iter().for_each(|&i| stays[i] = true);
        Ok(stays)
    }

    fn draw(&self, id: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.unwrap_or_default().to_le_bytes());
        *hasher.update(id.as_bytes()).finalize().as_bytes()
    }

    /// Why an utterance does not stay.
    pub fn why(&self, left_out: &Utterance) -> String {
        let size = self.size;
        match self.rule {
            SubsetRule::Longest => format!(
                "{}: {:.3} s long, not among the {size} longest",
                left_out.source.id, left_out.duration_s
            ),
            SubsetRule::Random => {
                format!(
                    "{}: not among the {size} drawn with seed {}",
                    left_out.source.id,
                    self.seed.unwrap_or_default()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Source;
    use crate::error::Kind;

    fn utterances(durations: &[f64]) -> Vec<Utterance> {
        let one = |(i, duration): (usize, &f64)| Utterance {
            source: Source {
                emotion: format!("e{i}"),
                ..Source::named(format!("u{i:02}"), format!("{i}.wav"))
            },
            sample_rate: 1000,
            channels: 1,
            n_samples: (duration * 1000.0) as u64,
            duration_s: *duration,
            content_hash: String::new(),
        };
        durations.iter().enumerate().map(one).collect()
    }

    fn kept(subset: &Subset, all: &[Utterance]) -> Vec<String> {
        let stays = subset.choose(all).unwrap();
        let mut ids: Vec<String> = all
            .iter()
            .zip(stays)
            .filter(|(_, stays)| *stays)
            .map(|(u, _)| u.source.id.clone())
            .collect();
        ids.sort();
        ids
    }

    #[test]
    fn the_longest_stay_and_of_equals_the_first() {
        let all = utterances(&[1.0, 3.0, 2.0, 1.5, 1.5]);
        let subset = Subset {
            size: 3,
            rule: SubsetRule::Longest,
            seed: None,
        };
        assert_eq!(kept(&subset, &all), ["u01", "u02", "u03"]);
        assert_eq!(
            subset.why(&all[4]),
            "u04: 1.500 s long, not among the 3 longest"
        );
        let relabelled: Vec<Utterance> = all
            .iter()
            .rev()
            .cloned()
            .map(|u| Utterance {
                source: Source {
                    emotion: "x".into(),
                    ..u.source
                },
                ..u
            })
            .collect();
        assert_eq!(
            kept(&subset, &relabelled),
            kept(&subset, &all),
            "neither labels nor order matter"
        );
    }

    #[test]
    fn draws_differ_by_seed_and_leave_everyone_out_at_times() {
        let all = utterances(&[1.0; 20]);
        let draw = |seed| {
            kept(
                &Subset {
                    size: 15,
                    rule: SubsetRule::Random,
                    seed: Some(seed),
                },
                &all,
            )
        };
        assert_eq!(draw(3), draw(3));
        let mut times = vec![0; 20];
        for seed in 0..2_000 {
            draw(seed)
                .iter()
                .for_each(|id| times[id[1..].parse::<usize>().unwrap()] += 1);
        }
        // 1500 each, with a standard deviation of 19.
        assert!(
            times.iter().all(|n| (1_400..1_600).contains(n)),
            "{times:?}"
        );
    }

    #[test]
    fn a_subset_is_no_larger_than_its_corpus() {
        let subset = |size| Subset {
            size,
            rule: SubsetRule::Longest,
            seed: None,
        };
        let all = utterances(&[1.0, 2.0]);
        assert_eq!(subset(2).choose(&all).unwrap(), [true, true]);
        let error = subset(3).choose(&all).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert_eq!(
            error.to_string(),
            "corpus.subset asks for 3 utterances of a corpus that has 2"
        );
    }
}
