//! A proposal as files: a manifest, and a pipeline over it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::proposal::Proposal;
use crate::corpus::known::{Speakers, known};
use crate::corpus::{Reason, SetAside, UNKNOWN_SPEAKER};
use crate::error::{Error, Result};
use crate::text::plural;

/// With more speakers than this, testing them one by one takes long: they are tested in groups.
const MOST_LEFT_OUT: usize = 12;

/// The manifest: CSV with `path`, `emotion`, `speaker` and whatever else is known, in the order of
/// the paths. The recordings that are not to be used come last, each with the reason in the column
/// `excluded`.
///
/// # Errors
/// Internal, where the table cannot be written.
pub fn manifest(proposal: &Proposal) -> Result<Vec<u8>> {
    let more: BTreeSet<&str> = proposal
        .rows
        .iter()
        .flat_map(|row| row.columns.keys().copied())
        .collect();
    // A name that is no text cannot be written.
    let excluded: Vec<&SetAside> = proposal
        .set_aside
        .iter()
        .filter(|aside| aside.reason != Reason::BadName)
        .collect();
    let last = (!excluded.is_empty()).then_some("excluded");
    let failed = |e: csv::Error| Error::internal("failed to write a manifest").because(e);
    let mut sheet = csv::Writer::from_writer(Vec::new());
    sheet
        .write_record(
            ["path", "emotion", "speaker"]
                .into_iter()
                .chain(more.iter().copied())
                .chain(last),
        )
        .map_err(failed)?;
    for row in &proposal.rows {
        let fields = [
            row.path.as_str(),
            &row.emotion,
            row.speaker.as_deref().unwrap_or(UNKNOWN_SPEAKER),
        ];
        let rest = more
            .iter()
            .map(|name| row.columns.get(name).map_or("", String::as_str));
        sheet
            .write_record(fields.into_iter().chain(rest).chain(last.map(|_| "")))
            .map_err(failed)?;
    }
    for aside in excluded {
        let known = proposal.unlabelled.get(&aside.path);
        let speaker = known.and_then(|row| row.speaker.as_deref());
        let rest = more.iter().map(|name| {
            let value = known.and_then(|row| row.columns.get(name));
            value.map_or("", String::as_str)
        });
        sheet
            .write_record(
                [aside.path.as_str(), "", speaker.unwrap_or(UNKNOWN_SPEAKER)]
                    .into_iter()
                    .chain(rest)
                    .chain([aside.detail.as_str()]),
            )
            .map_err(failed)?;
    }
    sheet
        .into_inner()
        .map_err(|e| Error::internal("failed to write a manifest").because(e.into_error()))
}

/// The pipeline file, with comments; `manifest` and `root` are the paths that it names.
pub fn pipeline(proposal: &Proposal, manifest: &str, root: &str) -> String {
    let counts = proposal.counts();
    let least = counts
        .values()
        .copied()
        .filter(|&n| n > 1)
        .min()
        .unwrap_or(2);
    let folds = least.clamp(2, 5);
    let speakers = proposal.speakers().len();
    let mut out = format!(
        "# Proposed by `ser corpus init` from the files in {}. Check it, correct it, and run it:\n# ser run {}\n",
        comment(root),
        proposal.name
    );
    for line in &proposal.evidence {
        let _ = writeln!(out, "# - {}", comment(line));
    }
    for line in &proposal.warnings {
        let _ = writeln!(out, "# ? {}", comment(line));
    }
    let _ = write!(
        out,
        "\nname = {}\ntitle = {}\n\n[corpus]\nkind = {}\nname = {}\n",
        text(&proposal.name),
        text(&proposal.name),
        text(proposal.kind.unwrap_or("manifest")),
        text(&proposal.name)
    );
    if proposal.kind.is_none() {
        let _ = writeln!(out, "path = {}", text(manifest));
    }
    let _ = writeln!(out, "root = {}", text(root));
    if let Some(language) = &proposal.language {
        let _ = writeln!(out, "language = {}", text(language));
    }
    for (key, value) in [
        ("licence", &proposal.licence),
        ("citation", &proposal.citation),
    ] {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {}", text(value));
        }
    }
    if !proposal.guessed.is_empty() {
        let guessed: Vec<String> = proposal.guessed.iter().map(|what| text(what)).collect();
        let _ = writeln!(
            out,
            "# Inferred from folders and file names, not read from a table: delete each entry once you have confirmed it.\nguessed = [{}]",
            guessed.join(", ")
        );
    }
    let single: Vec<&str> = counts
        .iter()
        .filter(|(_, n)| **n < 2)
        .map(|(class, _)| *class)
        .collect();
    if !single.is_empty() {
        let kept: Vec<String> = counts
            .iter()
            .filter(|(_, n)| **n > 1)
            .map(|(class, _)| text(class))
            .collect();
        let _ = writeln!(
            out,
            "# Without those of a single recording: {}.\nlabels = [{}]",
            comment(&single.join(", ")),
            kept.join(", ")
        );
    }
    let without = proposal
        .rows
        .iter()
        .filter(|row| row.speaker.is_none())
        .count();
    let generated = proposal.generated.then(|| {
        "Generated sounds, not recorded speech: the figures say that the pipeline works, and nothing about people.".to_owned()
    });
    let voices = match (speakers, without) {
        _ if proposal.has_speakers() => None,
        _ if proposal.kind.is_some() && speakers > 1 => None,
        (0, _) => Some("No speakers are known: test speakers may have been trained on.".to_owned()),
        (1, 0) => Some("There is one speaker: the test speaker was trained on.".to_owned()),
        _ => Some(format!(
            "The speakers of {} are not known: test speakers may have been trained on. Name these speakers in the manifest, or give \
             these rows a reason in its column excluded, and choose leave-one-speaker-out.",
            plural(without, "recording")
        )),
    };
    let notes: Vec<String> = [generated, voices]
        .into_iter()
        .flatten()
        .map(|note| text(&note))
        .collect();
    if !notes.is_empty() {
        let _ = writeln!(out, "notes = [{}]", notes.join(", "));
    }
    if proposal.classes.iter().any(|(own, class)| own != class) {
        out += "\n# The corpus's labels and their classes. Labels that are not listed are excluded and counted.\n[corpus.label_map]\n";
        for (own, class) in &proposal.classes {
            let _ = writeln!(out, "{} = {}", text(own), text(class));
        }
    }
    out += "\n[features]\nsets = [\"functionals\", \"issa193\"]\n";
    let unseen = match speakers {
        _ if !proposal.has_speakers() => None,
        n if n <= MOST_LEFT_OUT => Some("{ kind = \"leave-one-speaker-out\" }".to_owned()),
        _ => Some("{ kind = \"group-kfold\", folds = 5 }".to_owned()),
    };
    let shared = format!("{{ kind = \"stratified-kfold\", folds = {folds} }}");
    if let Some(unseen) = &unseen {
        out += "\n# Whole speakers are held out. If the speakers are right, the figures are those to expect for a new speaker.\n";
        experiment(
            &mut out,
            [
                "svm",
                "Support vector machine on functionals, whole speakers held out",
            ],
            unseen,
            true,
            SVM,
        );
        experiment(
            &mut out,
            [
                "paper-features",
                "Logistic regression on the 193 features, whole speakers held out",
            ],
            unseen,
            true,
            LOGISTIC,
        );
    }
    let emobox = proposal.kind.and_then(known);
    let emobox = emobox.and_then(|corpus| corpus.emobox.as_ref());
    if let Some(emobox) = emobox.filter(|emobox| emobox.has_list()) {
        let (comment, is_apart) = match emobox.speakers {
            Speakers::Apart => ("test speakers are unseen", true),
            Speakers::Shared => ("they share speakers between training and test", false),
            Speakers::Unknown => ("whether they share speakers is not known", false),
        };
        let _ = write!(
            out,
            "\n# EmoBox's folds, for its published figures; {comment}.\n"
        );
        experiment(
            &mut out,
            [
                "svm-emobox",
                "Support vector machine on functionals, EmoBox's folds",
            ],
            "{ kind = \"published\", name = \"emobox\" }",
            is_apart,
            SVM,
        );
    }
    if proposal.is_parted() {
        let parts = "{ kind = \"declared\" }";
        out += "\n# Training and test parts as the corpus declares them.\n";
        experiment(
            &mut out,
            [
                "svm-declared",
                "Support vector machine on functionals, the corpus's own parts",
            ],
            parts,
            false,
            SVM,
        );
    }
    out += "\n# Speakers are shared between training and test, as in many papers: known voices, higher figures.\n";
    experiment(
        &mut out,
        [
            "svm-shared",
            "Support vector machine on functionals, speakers shared",
        ],
        &shared,
        false,
        SVM,
    );
    if unseen.is_none() {
        experiment(
            &mut out,
            [
                "paper-features",
                "Logistic regression on the 193 features, speakers shared",
            ],
            &shared,
            false,
            LOGISTIC,
        );
    }
    out += WHISPER;
    // Inner folds hold whole speakers where test speakers are unseen.
    let inner = unseen.as_ref().map_or(3, |_| speakers - 1).min(3);
    experiment(
        &mut out,
        match unseen {
            Some(_) => [
                "whisper",
                "Logistic regression on Whisper base, whole speakers held out",
            ],
            None => [
                "whisper",
                "Logistic regression on Whisper base, speakers shared",
            ],
        },
        unseen.as_ref().unwrap_or(&shared),
        unseen.is_some(),
        &encoded(inner),
    );
    out += "\n# Slower; runs when it is named: ser run ";
    let _ = writeln!(out, "{} --experiment cnn", proposal.name);
    experiment(
        &mut out,
        ["cnn", "The paper's network, short recipe"],
        unseen.as_ref().unwrap_or(&shared),
        unseen.is_some(),
        &cnn(proposal.rows.len()),
    );
    out
}

const SVM: &str = "inputs = { set = \"functionals\", scaler = \"standard\", clip = 10 }\nmodel = { kind = \"svm\", c = 10 }\n";
const LOGISTIC: &str = "inputs = { set = \"issa193\", log_mel = true, scaler = \"standard\" }\nmodel = { kind = \"logistic\", c = 0.01 }\n";
const WHISPER: &str = "\n# A pretrained encoder, left out without its files: `ser encoders get whisper-base` fetches them (277 MiB).\n\
     [[encoder]]\nname = \"whisper-base\"\npath = \"encoders/whisper-base\"\noptional = true\n\n";
/// On the states of the encoder; layer, pooling and penalty are chosen within each training part,
/// where it has enough speakers for that.
fn encoded(inner_folds: usize) -> String {
    let search = format!(
        "search = {{ folds = {inner_folds}, grid = {{ inputs = {{ layer = [0, 1, 2, 3, 4, 5, \"last\"], pooling = [\"mean\", \"mean-std\"] }}, \
         model = {{ c = [0.001, 0.01, 0.1] }} }} }}\n"
    );
    format!(
        "inputs = {{ set = \"whisper-base\", scaler = \"standard\" }}\nmodel = {{ kind = \"logistic\", c = 0.01 }}\n{}",
        if inner_folds < 2 { "" } else { &search }
    )
}

/// Small batches where there is little to train on, so that an epoch has some steps.
fn cnn(rows: usize) -> String {
    let batch = match rows {
        ..400 => 8,
        400..1200 => 16,
        _ => 32,
    };
    format!(
        "default = false\ninputs = {{ set = \"issa193\", log_mel = true, scaler = \"standard\" }}\nmodel = {{ kind = \"cnn\", architecture = \
         \"emodb-a\" }}\ntrain = {{ optimizer = \"adamw\", learning_rate = 1e-3, schedule = \"cosine\", weight_decay = 0.01, batch_size = {batch}, \
         epochs = 40 }}\n"
    )
}

fn experiment(
    out: &mut String,
    [name, title]: [&str; 2],
    protocol: &str,
    unseen: bool,
    rest: &str,
) {
    let _ = write!(
        out,
        "[[experiment]]\nname = {}\ntitle = {}\nprotocol = {protocol}\n",
        text(name),
        text(title)
    );
    if unseen {
        out.push_str("require = \"speaker-disjoint\"\n");
    }
    out.push_str(rest);
    out.push('\n');
}

/// A TOML string on one line, which can be a key as well.
fn text(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text that stays within its line.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
