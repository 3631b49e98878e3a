//! Reports made up for tests: one like RAVDESS, one of a generated corpus, one without a corpus,
//! one of hostile names. `tests/it/report.rs` includes this file too; `ser` is this crate in both
//! places.

use std::collections::BTreeMap;

use super::ser::corpus::{Attribute, Condition, Expected, Reason, SetAside, Sex, Source};
use super::ser::evaluation::{
    Answered, Explanation, Half, Importance, InductiveTwin, Interval, Mark, Overview,
    PairedIntervals, Published, Resampled, RestrictedPool, Robustness, Row, Scores, Spread,
    Uncertainty, halves, overview, pairs,
};
use super::ser::model::EpochRecord;
use super::ser::report::{
    CorpusSection, ExperimentSection, FoldSection, PipelineReport, StepSection, TestedUtterance,
};
use super::ser::split::TestSpeakers;
use super::ser::table::duplicates::{DuplicateRow, Likeness};
use super::ser::table::leakage::LeakageRow;
use super::ser::table::predictions::PredictionRow;

const CLASSES: [&str; 8] = [
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
];

/// A small generator (SplitMix64), so that the pages are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Plan {
    name: &'static str,
    title: &'static str,
    protocol: &'static str,
    independent: bool,
    folds: u32,
    seeds: u64,
    epochs: usize,
    accuracy: f64,
}

fn scores(predictions: &[TestedUtterance]) -> Scores {
    let at = |label: &str| CLASSES.iter().position(|c| *c == label).unwrap();
    let (truth, predicted): (Vec<usize>, Vec<usize>) = predictions
        .iter()
        .map(|line| (at(&line.prediction.truth), at(&line.prediction.predicted)))
        .unzip();
    Scores::of(&CLASSES.map(str::to_owned), &truth, &predicted)
}

fn prediction(random: &mut Random, plan: &Plan, n: usize, fold: u32, seed: u64) -> TestedUtterance {
    let (speaker, within) = (n / 60, n % 60);
    let class = if within < 4 { 0 } else { (within - 4) / 8 + 1 };
    let skill = plan.accuracy + ((speaker * 7) % 11) as f64 / 50.0
        - 0.1
        - if class == 2 { 0.15 } else { 0.0 };
    let named = if random.fraction() < skill {
        class
    } else {
        (class + [1, 1, 3, 5][(random.next() % 4) as usize]) % 8
    };
    let sure = 0.3 + 0.6 * random.fraction();
    let probabilities = (0..8)
        .map(|i| {
            if i == named {
                sure as f32
            } else {
                ((1.0 - sure) / 7.0) as f32
            }
        })
        .collect();
    TestedUtterance {
        path: format!(
            "Actor_{:02}/03-01-{:02}-{:02}-{:02}.wav",
            speaker + 1,
            class + 1,
            within,
            speaker + 1
        ),
        speaker: format!("{:02}", speaker + 1),
        prediction: PredictionRow {
            experiment: String::new(),
            protocol: String::new(),
            fold,
            seed,
            utterance_id: format!("03-01-{:02}-{:02}-{:02}", class + 1, within, speaker + 1),
            truth: CLASSES[class].into(),
            predicted: CLASSES[named].into(),
            probabilities,
        },
    }
}

fn history(random: &mut Random, plan: &Plan) -> Vec<EpochRecord> {
    let jitter = random.fraction() * 0.1;
    (1..=plan.epochs)
        .map(|epoch| {
            let learned = 1.0 - (-4.0 * epoch as f64 / plan.epochs as f64).exp();
            let noise = (random.fraction() - 0.5) * 0.05;
            EpochRecord {
                learning_rate: 0.001,
                epoch,
                train_loss: 2.1 - 1.9 * learned + jitter + noise,
                train_accuracy: 0.13 + 0.85 * learned - jitter,
                validation_loss: Some(
                    2.1 - 1.1 * learned + 0.3 * learned * learned + jitter + 2.0 * noise,
                ),
                validation_accuracy: Some(
                    (0.13 + (plan.accuracy - 0.1) * learned + noise - jitter).max(0.0),
                ),
            }
        })
        .collect()
}

fn experiment(plan: &Plan) -> ExperimentSection {
    let mut random = Random(u64::from(plan.folds));
    let mut folds = Vec::new();
    let mut predictions = Vec::new();
    for seed in 0..plan.seeds {
        for fold in 0..plan.folds {
            let tested = |n: &usize| {
                if plan.independent {
                    (n / 60) as u32 % plan.folds == fold
                } else {
                    *n as u32 % plan.folds == fold
                }
            };
            let lines: Vec<TestedUtterance> = (0..1440)
                .filter(tested)
                .map(|n| prediction(&mut random, plan, n, fold, seed))
                .collect();
            folds.push(FoldSection {
                fold,
                name: if plan.independent {
                    format!("speakers of fold {}", fold + 1)
                } else {
                    format!("fold {}", fold + 1)
                },
                seed,
                n_train: 1440 - lines.len() - 120,
                n_augmented: 0,
                n_validation: 120,
                n_test: lines.len(),
                scores: scores(&lines),
                best_epoch: Some(plan.epochs),
                history: history(&mut random, plan),
                search: None,
            });
            predictions.extend(lines);
        }
    }
    let of = |metric: fn(&Scores) -> f64| {
        Spread::of(
            &folds
                .iter()
                .map(|fold| metric(&fold.scores))
                .collect::<Vec<_>>(),
        )
    };
    let shared = if plan.independent {
        vec![
            "no speaker".to_owned(),
            "2 of 2 sentences in every fold".to_owned(),
            "no sound".to_owned(),
        ]
    } else {
        vec![
            "24 of 24 speakers in every fold".to_owned(),
            "2 of 2 sentences in every fold".to_owned(),
            "no sound".to_owned(),
        ]
    };
    let pooled = scores(&predictions);
    ExperimentSection {
        explanation: Some(explained()),
        robustness: robustness(),
        name: plan.name.into(),
        direction_of: None,
        title: plan.title.into(),
        protocol: plan.protocol.into(),
        model: "cnn ravdess".into(),
        shuffled_labels: false,
        speakers: if plan.independent {
            TestSpeakers::Unseen
        } else {
            TestSpeakers::Shared
        },
        guessed: vec![],
        transductive: false,
        inputs: "issa193, scaler standard".into(),
        uncertainty: uncertainty(&predictions),
        restricted_pools: vec![],
        remarks: vec![],
        shared,
        windows: None,
        leakage: (0..plan.folds)
            .map(|fold| LeakageRow {
                fold,
                kind: "speakers".into(),
                test_units: 24,
                shared_units: if plan.independent { 0 } else { 24 },
                ..LeakageRow::default()
            })
            .collect(),
        left_out: false,
        encoders: vec![],
        failed: None,
        labels: CLASSES.map(str::to_owned).to_vec(),
        ensemble: (plan.seeds > 1).then(|| pooled.clone()),
        pooled: Some(pooled),
        spread: BTreeMap::from([
            ("accuracy".to_owned(), of(|s| s.accuracy)),
            ("macro_f1".to_owned(), of(|s| s.macro_f1)),
            ("uar".to_owned(), of(|s| s.uar)),
        ]),
        folds,
        predictions,
    }
}

fn uncertainty(predictions: &[TestedUtterance]) -> Uncertainty {
    let source = |line: &TestedUtterance| Source {
        speaker: line.speaker.clone(),
        sex: Some(if line.speaker.ends_with(['0', '2', '4', '6', '8']) {
            Sex::Female
        } else {
            Sex::Male
        }),
        intensity: Some(
            if line.prediction.utterance_id.as_bytes()[10].is_multiple_of(2) {
                "normal"
            } else {
                "strong"
            }
            .to_owned(),
        ),
        ..Source::named(line.prediction.utterance_id.clone(), line.path.clone())
    };
    let sources: Vec<Source> = predictions.iter().map(source).collect();
    let sources: BTreeMap<&str, &Source> = sources
        .iter()
        .map(|source| (source.id.as_str(), source))
        .collect();
    let rows: Vec<PredictionRow> = predictions
        .iter()
        .map(|line| line.prediction.clone())
        .collect();
    Uncertainty::of(&CLASSES.map(str::to_owned), &rows, &sources).unwrap()
}

/// Two runs of one protocol, so that there is a pair to test.
pub(crate) fn compared() -> PipelineReport {
    let mut report = recorded();
    report.name = "compared".into();
    let mut second = report.experiments[1].clone();
    second.name = "second".into();
    second.title = "A second system".into();
    second
        .predictions
        .iter_mut()
        .step_by(3)
        .for_each(|line| line.prediction.probabilities.rotate_left(1));
    report.experiments.push(second);
    let answered = report.experiments.iter().map(|e| {
        let rows = e
            .predictions
            .iter()
            .map(|line| line.prediction.clone())
            .collect();
        Answered::of(&e.name, &e.protocol, &e.labels, rows).unwrap()
    });
    report.comparisons = pairs(&answered.collect::<Vec<_>>());
    report
}

fn published() -> Vec<Published> {
    let figure = |source: &str,
                  system: &str,
                  protocol: &str,
                  speaker_independent,
                  accuracy,
                  uar,
                  mark,
                  note: Option<&str>| Published {
        source: source.into(),
        system: system.into(),
        protocol: protocol.into(),
        speaker_independent,
        accuracy,
        uar,
        mark,
        note: note.map(str::to_owned),
        folds: None,
    };
    let claim =
        Some("its abstract says speaker-independent; the evidence says speakers are shared");
    let (five, six) = ("random 5-fold", "6 folds of 4 held-out actors");
    vec![
        figure(
            "Issa et al. 2020",
            "CNN, 193 features",
            five,
            Some(false),
            Some(0.7161),
            None,
            Mark::P,
            claim,
        ),
        figure(
            "antipixel1/speech_em_rec",
            "the same CNN, re-implemented",
            five,
            Some(false),
            Some(0.7063),
            None,
            Mark::R,
            Some("± 2.43 over folds"),
        ),
        figure(
            "EmoBox 2024",
            "HuBERT-base, frozen",
            six,
            Some(true),
            Some(0.6621),
            Some(0.6543),
            Mark::P,
            None,
        ),
        figure(
            "EmoBox 2024",
            "WavLM-large, frozen",
            six,
            Some(true),
            Some(0.7222),
            Some(0.72),
            Mark::P,
            None,
        ),
        figure(
            "EmoBox 2024",
            "Whisper-large-v3, frozen",
            six,
            Some(true),
            Some(0.7587),
            Some(0.7532),
            Mark::P,
            None,
        ),
        figure(
            "Livingstone & Russo 2018",
            "human listeners, audio",
            "listening test",
            None,
            None,
            Some(0.67),
            Mark::I,
            Some("as quoted elsewhere"),
        ),
    ]
}

fn corpus() -> CorpusSection {
    let by_class: BTreeMap<String, usize> = CLASSES
        .iter()
        .map(|class| {
            (
                (*class).to_owned(),
                if *class == "neutral" { 96 } else { 192 },
            )
        })
        .collect();
    let aside = |path: &str, reason, detail: &str| SetAside {
        path: path.into(),
        reason,
        detail: detail.into(),
    };
    let mut set_aside: Vec<SetAside> = (1..=230)
        .map(|n| {
            aside(
                &format!("Actor_01/03-02-{n:03}.wav"),
                Reason::OtherMaterial,
                "song, not speech",
            )
        })
        .collect();
    set_aside.push(aside(
        "Actor_03/cover.jpg",
        Reason::UnknownCode,
        "not a file name of this corpus; move it elsewhere",
    ));
    CorpusSection {
        corpus: "ravdess".into(),
        generated: false,
        utterances: 1440,
        duration_s: 5328.7,
        expected: Some(Expected {
            source: "Livingstone & Russo 2018".into(),
            utterances: 1440,
            speakers: 24,
            classes: by_class.clone(),
        }),
        by_class,
        by_speaker: (1..=24).map(|n| (format!("{n:02}"), 60)).collect(),
        unknown_speakers: 0,
        by_session: BTreeMap::new(),
        set_aside,
        duplicates: vec![vec![
            "03-01-01-01-05".to_owned(),
            "03-01-01-02-05".to_owned(),
        ]],
        near_duplicates: vec![DuplicateRow {
            utterance_a: "03-01-01-03-05".into(),
            utterance_b: "03-01-01-04-05".into(),
            kind: Likeness::Near,
            similarity: 0.98,
            lag_s: -0.25,
        }],
        notes: vec!["four recordings have two channels; both are averaged".to_owned()],
        conditions: vec![
            Condition::of(
                "sample rate",
                CLASSES.iter().map(|class| (48_000, *class)),
                |rate| format!("{rate} Hz"),
            ),
            Condition::of(
                "number of channels",
                (0..80).map(|i| (1 + i / 8 % 2, CLASSES[i % 8])),
                usize::to_string,
            ),
        ],
        guessed: vec![],
        licence: Some("CC BY-NC-SA 4.0: no commercial use, share alike".into()),
        references: vec!["Livingstone and Russo 2018".into()],
    }
}

fn steps(experiments: &[&str]) -> Vec<StepSection> {
    let step = |name: String, tasks, after: Vec<String>| StepSection { name, tasks, after };
    let mut steps = vec![
        step("ingest".into(), 1, vec![]),
        step("features".into(), 1, vec!["ingest".into()]),
    ];
    for name in experiments {
        steps.push(step(format!("train/{name}"), 5, vec!["features".into()]));
    }
    steps.push(step(
        "report".into(),
        1,
        experiments
            .iter()
            .map(|name| format!("train/{name}"))
            .collect(),
    ));
    steps
}

/// Like RAVDESS: 8 classes, 24 speakers, one experiment with shared speakers and one without.
pub(crate) fn recorded() -> PipelineReport {
    PipelineReport {
        name: "ravdess".into(),
        title: "RAVDESS speech".into(),
        corpus: Some(corpus()),
        missing: None,
        overviews: vec![overviewed()],
        imports: vec![],
        recordings: None,
        comparisons: vec![],
        steps: steps(&["paper", "speaker-independent"]),
        overrides: vec![],
        experiments: vec![
            experiment(&Plan {
                name: "paper",
                title: "Paper's setting",
                protocol: "stratified-5-fold",
                independent: false,
                folds: 5,
                seeds: 1,
                epochs: 700,
                accuracy: 0.72,
            }),
            experiment(&Plan {
                name: "speaker-independent",
                title: "Speaker-independent",
                protocol: "published-emobox",
                independent: true,
                folds: 6,
                seeds: 2,
                epochs: 300,
                accuracy: 0.5,
            }),
        ],
        file: "name = \"ravdess\"\n\n[corpus]\nkind = \"ravdess\"\n".into(),
        published: published(),
        settings: [
            ("corpus.kind", "ravdess"),
            ("corpus.root", "data/corpora/ravdess"),
            ("experiment.paper.train.batch_size", "32"),
            ("experiment.paper.train.learning_rate", "0.00001"),
            ("features.profile", "librosa-0.8"),
            ("features.set", "issa193"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        versions: [("features", "1"), ("ser", "0.1.0"), ("tables", "1")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
    }
}

/// The largest page in practice: eleven runs of every utterance.
pub(crate) fn large() -> PipelineReport {
    let mut report = recorded();
    report.name = "large".into();
    report.title = "Eleven seeds".into();
    for (i, independent) in [true, false].into_iter().enumerate() {
        report.experiments[i] = experiment(&Plan {
            name: if independent { "loso" } else { "paper" },
            title: if independent {
                "Leave one speaker out, eleven seeds"
            } else {
                "Random folds, eleven seeds"
            },
            protocol: if independent {
                "leave-one-speaker-out"
            } else {
                "stratified-5-fold"
            },
            independent,
            folds: if independent { 24 } else { 5 },
            seeds: 11,
            epochs: 100,
            accuracy: 0.6,
        });
    }
    report
}

/// Results that must not be believed as they stand: four speakers, a sound that is tested and
/// trained on, a transductive run, overridden settings, and an experiment that never ran.
pub(crate) fn doubtful() -> PipelineReport {
    let mut report = recorded();
    report.name = "doubtful".into();
    report.title = "Four speakers".into();
    report.overrides = vec!["train.epochs=1".into()];
    let mut failed = failed(&report.experiments[0], "the folds could not be drawn");
    (failed.name, failed.title) = ("failed".into(), "Never trained".into());
    let mut looks = report.experiments[1].clone();
    (looks.name, looks.title, looks.transductive) =
        ("looks".into(), "Scaled by each speaker".into(), true);
    looks.restricted_pools = pools();
    let leaky = &mut report.experiments[1];
    leaky.speakers = TestSpeakers::OnBothSides { recordings: 21 };
    leaky.leakage.push(LeakageRow {
        fold: 2,
        kind: "duplicates".into(),
        test_units: 240,
        shared_units: 21,
        ..LeakageRow::default()
    });
    leaky.leakage.push(LeakageRow {
        fold: 2,
        kind: "near-duplicates".into(),
        test_units: 240,
        shared_units: 0,
        ..LeakageRow::default()
    });
    leaky.shared.push("duplicates: 21 tested utterances over 6 folds are the very same sound as one that is trained on".into());
    for intervals in [
        &mut leaky.uncertainty.intervals,
        &mut leaky.uncertainty.ensemble_intervals,
    ]
    .into_iter()
    .flatten()
    {
        intervals.units = 4;
    }
    report.experiments.extend([looks, failed]);
    report.overviews.push(grouped(20, 12));
    report
}

/// A corpus whose labels, speakers and sexes were inferred from names and that nobody has
/// confirmed.
pub(crate) fn guessed() -> PipelineReport {
    let mut report = compared();
    report.name = "guessed".into();
    report.title = "Names alone".into();
    let guesses = vec![Attribute::Emotion, Attribute::Speaker, Attribute::Sex];
    for (i, one) in report.experiments.iter_mut().enumerate() {
        (one.name, one.title) = (format!("x{i}"), format!("System {i}"));
        one.speakers = TestSpeakers::Guessed {
            disjoint: one.speakers == TestSpeakers::Unseen,
        };
        one.guessed.clone_from(&guesses);
    }
    report.comparisons.clear();
    report.steps.clear();
    // What others say of their results is theirs.
    report.published.clear();
    if let Some(corpus) = &mut report.corpus {
        (corpus.guessed, corpus.expected) = (guesses, None);
    }
    report
}

/// What becomes of a transductive result where speakers are not balanced; without an inductive
/// figure for the second half.
pub(crate) fn pools() -> Vec<RestrictedPool> {
    let labels: Vec<String> = CLASSES.map(str::to_owned).to_vec();
    let figures = [(0.741, 0.553, Some(0.629)), (0.676, 0.361, None)];
    let pool =
        |(half, (full, restricted, inductive)): (Half, (f64, f64, Option<f64>))| RestrictedPool {
            pool: half.name.into(),
            classes: half.classes,
            n: 720,
            full,
            restricted,
            inductive: inductive.map(|uar| InductiveTwin {
                experiment: "second".into(),
                uar,
            }),
        };
    halves(&labels).into_iter().zip(figures).map(pool).collect()
}

/// Some conditions: one that costs much, one that costs nothing, one that was left out.
pub(crate) fn robustness() -> Vec<Robustness> {
    let figures = [
        ("noise-0", "white noise, 0 dB SNR", 0.31, 0.404, 1e-9),
        ("quiet-20", "20 dB quieter", 0.716, -0.002, 0.75),
    ];
    let of = |(condition, title, uar, drop, p): (&str, &str, f64, f64, f64)| Robustness {
        left_out: None,
        n: 1440,
        lost: 2,
        accuracy_before: 0.72,
        accuracy: uar + 0.01,
        uar_before: uar + drop,
        uar,
        intervals: Some(PairedIntervals {
            resampled: Resampled::Speakers,
            units: 24,
            uar: Interval {
                low: uar - 0.03,
                high: uar + 0.04,
            },
            drop: Interval {
                low: drop - 0.02,
                high: drop + 0.02,
            },
        }),
        only_before: 600,
        only_after: 20,
        p,
        p_holm: p,
        ..Robustness::left_out(condition, title, String::new())
    };
    let why = "neither ffmpeg with libopus nor opusenc is on the path".to_owned();
    let left_out = Robustness::left_out("opus-16k", "Opus, 16 kbit/s", why);
    figures.map(of).into_iter().chain([left_out]).collect()
}

/// What is left of an experiment that failed.
fn failed(one: &ExperimentSection, why: &str) -> ExperimentSection {
    ExperimentSection {
        pooled: None,
        ensemble: None,
        failed: Some(why.to_owned()),
        explanation: None,
        robustness: vec![],
        uncertainty: Uncertainty::default(),
        spread: BTreeMap::new(),
        speakers: TestSpeakers::Unknown,
        shared: vec![],
        remarks: vec![],
        leakage: vec![],
        folds: vec![],
        predictions: vec![],
        ..one.clone()
    }
}

/// Generated speech; the published figures are given by mistake and must not be shown.
pub(crate) fn generated() -> PipelineReport {
    let mut report = recorded();
    report.name = "demo".into();
    report.title = "Demonstration on generated speech".into();
    report.experiments.truncate(1);
    report.experiments[0].title = "Random folds".into();
    if let Some(corpus) = &mut report.corpus {
        corpus.corpus = "synthetic".into();
        corpus.generated = true;
        (corpus.licence, corpus.references) = (None, vec![]);
    }
    report
}

/// A corpus that is not there.
pub(crate) fn missing() -> PipelineReport {
    PipelineReport {
        name: "iemocap".into(),
        title: "IEMOCAP".into(),
        corpus: None,
        overrides: vec![],
        missing: Some("the corpus folder data/corpora/iemocap does not exist: ask its owners for access, unpack it there".into()),
        experiments: Vec::new(),
        ..recorded()
    }
}

/// Names that try to leave their place, a failed experiment, curves that diverge, counts that
/// differ from the published ones.
pub(crate) fn hostile() -> PipelineReport {
    let evil = "</script><script>alert('x')</script>\"&\n<b onload=\"y\">";
    let mut report = recorded();
    report.name = "hostile".into();
    report.title = format!("Odd names {evil}");
    report.settings.insert(evil.into(), evil.into());
    report.published[0].source = evil.into();
    if let Some(corpus) = &mut report.corpus {
        corpus.notes.push(evil.into());
        let pairs = (0..80).map(|i| (16_000 * (1 + i % 2), if i % 2 == 0 { evil } else { "sad" }));
        corpus.conditions[0] = Condition::of("sample rate", pairs, |rate| format!("{rate} Hz"));
        corpus.licence = Some(evil.into());
        corpus.references.push(evil.into());
        corpus.utterances = 1439;
        corpus.by_speaker.insert(evil.into(), 1);
        corpus.by_session.insert(evil.into(), 3);
        corpus.duplicates.push(vec![evil.into(), evil.into()]);
        corpus.near_duplicates.push(DuplicateRow {
            utterance_a: evil.into(),
            utterance_b: evil.into(),
            kind: Likeness::Near,
            similarity: 1.0,
            lag_s: 0.0,
        });
        corpus.set_aside.push(SetAside {
            path: evil.into(),
            reason: Reason::BadName,
            detail: evil.into(),
        });
    }
    let odd = &mut report.experiments[0];
    odd.title = evil.into();
    odd.shared.push(evil.into());
    odd.remarks.push(evil.into());
    odd.labels[2] = evil.into();
    odd.inputs = evil.into();
    odd.transductive = true;
    odd.uncertainty
        .breakdowns
        .iter_mut()
        .for_each(|one| one.groups[0].value = evil.into());
    odd.folds[0].name = evil.into();
    odd.folds[0].history[3].train_loss = f64::NAN;
    odd.folds[0].history[4].train_loss = f64::INFINITY;
    odd.predictions[0].prediction.utterance_id = evil.into();
    odd.predictions[0].speaker = evil.into();
    odd.predictions[0].path = "=cmd|' /C calc'!A0, \"quoted\"\nsecond line".into();
    for line in &mut odd.predictions {
        let line = &mut line.prediction;
        for class in [&mut line.truth, &mut line.predicted] {
            if class == "happy" {
                *class = evil.into();
            }
        }
    }
    if let Some(pooled) = &mut odd.pooled {
        pooled.per_class[2].label = evil.into();
        pooled.confusion.labels[2] = evil.into();
    }
    let failed = &mut report.experiments[1];
    failed.pooled = None;
    failed.ensemble = None;
    failed.failed = Some(format!("fold 2 failed: {evil}"));
    failed.folds.clear();
    failed.predictions.clear();
    report
}

/// Importance of some made-up inputs.
fn explained() -> Explanation {
    let mut random = Random(13);
    let mut importance = |name: &str, group: &str| {
        let uar = random.fraction() * 0.3 - 0.02;
        Importance {
            name: name.into(),
            group: group.into(),
            uar,
            sd: 0.02,
            low: uar - 0.025,
            high: uar + 0.025,
            accuracy: uar * 0.9,
        }
    };
    let groups = ["mfcc", "chroma", "mel"];
    let names: Vec<(String, &str)> = groups
        .iter()
        .flat_map(|group| (0..20).map(move |n| (format!("{group}_{n}"), *group)))
        .collect();
    Explanation {
        models: 5,
        repeats: 5,
        noise: 0.02,
        uar: 0.6,
        groups: groups
            .iter()
            .map(|group| importance(group, group))
            .collect(),
        features: names
            .iter()
            .map(|(name, group)| importance(name, group))
            .collect(),
        classes: CLASSES.map(str::to_owned).to_vec(),
        occlusion: (0..8)
            .map(|_| (0..60).map(|_| random.fraction() * 0.2 - 0.05).collect())
            .collect(),
    }
}

/// A table of so many groups of features that none has a colour of its own.
fn grouped(groups: usize, each: usize) -> Overview {
    let mut one = overviewed();
    one.set = "functionals".into();
    let source = one.features.clone();
    let feature = |n: usize| {
        let mut feature = source[(n * 7) % source.len()].clone();
        (feature.group, feature.name) = (
            format!("descriptor {}", n / each + 1),
            format!("descriptor_{}_{}", n / each + 1, n % each),
        );
        feature
    };
    one.features = (0..groups * each).map(feature).collect();
    one.detailed.clear();
    one
}

/// A table of features in which some are the class, some the speaker, and some neither.
fn overviewed() -> Overview {
    let mut random = Random(11);
    let columns: Vec<(String, String)> = ["mfcc", "chroma", "mel"]
        .iter()
        .flat_map(|group| (0..8).map(move |n| (format!("{group}_{n}"), (*group).to_owned())))
        .collect();
    let names: Vec<(String, String)> = (0..480)
        .map(|i| {
            (
                CLASSES[i % 8].to_owned(),
                format!("actor-{:02}", (i / 8) % 24),
            )
        })
        .collect();
    let values: Vec<Vec<f32>> = (0..480)
        .map(|i| {
            (0..columns.len())
                .map(|c| {
                    ((i % 8 * c) as f64 / 40.0
                        + ((i / 8) % 24 * (24 - c)) as f64 / 200.0
                        + random.fraction()) as f32
                })
                .collect()
        })
        .collect();
    let rows: Vec<Row> = names
        .iter()
        .zip(&values)
        .map(|((class, speaker), values)| Row {
            class,
            speaker,
            values,
        })
        .collect();
    overview("issa193", &columns, &rows)
}
