//! The header and the tables of a database in audformat.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde_yaml_ng::{Mapping, Value};

use crate::config::CorpusSettings;
use crate::corpus::{Attribute, NOT_CONFIRMED, Sex, UNKNOWN_SPEAKER, Utterance, language};
use crate::error::{Error, Result};
use crate::pipeline::corpus_section::{licence, references};
use crate::table::export::check_truth;
use crate::table::predictions::PredictionRow;

/// A header and the tables that it names, as CSV.
pub(super) struct Database {
    pub(super) header: Mapping,
    pub(super) tables: Vec<(String, Vec<u8>)>,
}

/// A column of a table: its name, which is also that of its scheme unless this is another, and its
/// cells.
struct Column {
    name: String,
    scheme: &'static str,
    cells: Vec<String>,
}

impl Column {
    fn new<'c>(name: &'static str, cells: impl Iterator<Item = Option<&'c str>>) -> Column {
        Column {
            name: name.to_owned(),
            scheme: name,
            cells: cells.map(|cell| cell.unwrap_or("").to_owned()).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

impl Database {
    /// Of a corpus, and of the labels and rows of the table of predictions at `path`.
    ///
    /// # Errors
    /// `Data` where recordings lie outside the root, two utterances are in the same place, or tables
    /// do not fit each other.
    pub(super) fn of(
        corpus: &CorpusSettings,
        utterances: &[Utterance],
        path: &Path,
        (labels, rows): &(Vec<String>, Vec<PredictionRow>),
    ) -> Result<Database> {
        check_paths(corpus.kind.root(), utterances)?;
        let name = |attribute: Attribute, known, guessed| {
            let is_guessed = corpus.guessed.contains(&attribute);
            if is_guessed { guessed } else { known }
        };
        let names = Names {
            emotion: name(Attribute::Emotion, "emotion", "guessed_emotion"),
            gender: name(Attribute::Sex, "gender", "guessed_gender"),
            speaker: name(Attribute::Speaker, "speaker", "guessed_speaker"),
            session: name(Attribute::Session, "session", "guessed_session"),
            sentence: name(Attribute::Text, "sentence", "guessed_sentence"),
        };
        let mut out = Writer {
            schemes: Mapping::new(),
            media: BTreeMap::new(),
            splits: BTreeSet::new(),
            listed: Mapping::new(),
            tables: Vec::new(),
        };
        let all: Vec<&Utterance> = utterances.iter().collect();
        out.scheme(
            names.emotion,
            labelled(all.iter().map(|u| &*u.source.emotion)),
        );
        let speakers = speakers(utterances, names.gender);
        if !speakers.is_empty() {
            out.scheme(names.speaker, texts(Some(speakers.into())));
        }
        let parts: BTreeSet<Option<&str>> = all.iter().map(|u| u.source.split.as_deref()).collect();
        for part in parts {
            let of: Vec<&Utterance> = all
                .iter()
                .copied()
                .filter(|u| u.source.split.as_deref() == part)
                .collect();
            // The words of audformat.
            let part = part.map(|part| if part == "validation" { "dev" } else { part });
            let name = part.map_or("emotion".to_owned(), |part| format!("emotion.{part}"));
            out.table(&name, part, &of, about(&of, &names))?;
        }
        let by_id: BTreeMap<&str, &Utterance> =
            all.iter().map(|u| (u.source.id.as_str(), *u)).collect();
        if !rows.is_empty() {
            let classes = rows.iter().flat_map(|row| [&*row.truth, &*row.predicted]);
            out.scheme("class", labelled(classes));
        }
        for (name, rows) in tables_of_predictions(rows) {
            let of = rows.iter().map(|row| {
                let of = by_id.get(&*row.utterance_id).copied();
                check_truth(path, row, of.map(|of| &*of.source.emotion), false)?;
                Ok(of)
            });
            let of: Vec<Option<&Utterance>> = of.collect::<Result<_>>()?;
            let of: Vec<&Utterance> = of.into_iter().flatten().collect();
            out.table(&name, None, &of, predicted(labels, &rows))?;
        }
        Ok(out.finish(corpus, utterances))
    }
}

/// Recordings of a database lie below its folder.
fn check_paths(root: &Path, utterances: &[Utterance]) -> Result<()> {
    let is_below = |path: &str| {
        let mut parts = Path::new(path).components();
        parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    };
    let outside = utterances.iter().find(|u| !is_below(&u.source.path));
    outside.map_or(Ok(()), |one| {
        let what = format!(
            "`{}` lies outside the folder of the corpus, {}",
            one.source.path,
            root.display()
        );
        Err(Error::data(what).hint("export the pipeline of each part of the corpus by itself"))
    })
}

/// What columns are called that readers take by their names: another name where they were guessed.
struct Names {
    emotion: &'static str,
    gender: &'static str,
    speaker: &'static str,
    session: &'static str,
    sentence: &'static str,
}

/// What is known of utterances; columns without a value are left out.
fn about(of: &[&Utterance], names: &Names) -> Vec<Column> {
    let text = |name, get: fn(&Utterance) -> Option<&str>| {
        Column::new(name, of.iter().map(|utterance| get(utterance)))
    };
    let name = |u: &&Utterance| {
        let speaker = &u.source.speaker;
        (speaker != UNKNOWN_SPEAKER).then(|| speaker.clone())
    };
    let speakers: Vec<Option<String>> = of.iter().map(name).collect();
    let mut all = vec![
        text(names.emotion, |u| Some(&u.source.emotion)),
        Column::new(names.speaker, speakers.iter().map(Option::as_deref)),
        text(names.gender, |u| u.source.sex.map(Sex::as_str)),
        text(names.sentence, |u| u.source.text_id.as_deref()),
        text(names.session, |u| u.source.session.as_deref()),
        text("intensity", |u| u.source.intensity.as_deref()),
        text("repetition", |u| u.source.repetition.as_deref()),
        text("language", |u| u.source.language.as_deref()),
    ];
    all.retain(|column| !column.is_empty());
    all
}

/// The rows of each table of predictions: of an experiment and seed, and of a fold where several
/// test an utterance.
fn tables_of_predictions(rows: &[PredictionRow]) -> BTreeMap<String, Vec<&PredictionRow>> {
    let mut experiments: BTreeMap<&str, Vec<&PredictionRow>> = BTreeMap::new();
    for row in rows {
        experiments.entry(&row.experiment).or_default().push(row);
    }
    let mut out: BTreeMap<String, Vec<&PredictionRow>> = BTreeMap::new();
    for (experiment, rows) in experiments {
        let seeds: BTreeSet<u64> = rows.iter().map(|row| row.seed).collect();
        let mut seen = BTreeSet::new();
        let is_once = rows.iter().all(|r| seen.insert((r.seed, &r.utterance_id)));
        for row in rows {
            let mut name = format!("predictions.{experiment}");
            if !is_once {
                name += &format!(".fold-{:02}", row.fold);
            }
            if seeds.len() > 1 {
                name += &format!(".seed-{}", row.seed);
            }
            out.entry(name).or_default().push(row);
        }
    }
    out
}

fn predicted(labels: &[String], rows: &[&PredictionRow]) -> Vec<Column> {
    let column = |name: &str, scheme, cells: Vec<String>| Column {
        name: name.to_owned(),
        scheme,
        cells,
    };
    let each = |get: &dyn Fn(&PredictionRow) -> String| rows.iter().map(|row| get(row)).collect();
    let mut all = vec![
        column("predicted", "class", each(&|row| row.predicted.clone())),
        column("truth", "class", each(&|row| row.truth.clone())),
        column("fold", "fold", each(&|row| row.fold.to_string())),
    ];
    for (at, label) in labels.iter().enumerate() {
        let cell = |row: &PredictionRow| match row.probabilities.get(at) {
            Some(p) if p.is_finite() => p.to_string(),
            _ => String::new(),
        };
        let name = format!("prob_{label}");
        all.push(column(&name, "probability", each(&cell)));
    }
    all.retain(|column| !column.is_empty());
    all
}

/// The scheme of texts, with labels or without.
fn texts(labels: Option<Value>) -> Mapping {
    let labels = labels.map(|labels| ("labels", labels));
    mapping([("dtype", "str".into())].into_iter().chain(labels))
}

fn labelled<'l>(labels: impl Iterator<Item = &'l str>) -> Mapping {
    let labels: BTreeSet<&str> = labels.collect();
    texts(Some(labels.into_iter().collect::<Vec<_>>().into()))
}

fn mapping<'k>(pairs: impl IntoIterator<Item = (&'k str, Value)>) -> Mapping {
    let pairs = pairs.into_iter();
    pairs.map(|(key, value)| (key.into(), value)).collect()
}

/// Each speaker with the sex, called `gender`, where all their utterances agree on it.
fn speakers(utterances: &[Utterance], gender: &'static str) -> Mapping {
    let mut sexes: BTreeMap<&str, BTreeSet<Option<Sex>>> = BTreeMap::new();
    for one in utterances.iter().map(|utterance| &utterance.source) {
        if one.speaker != UNKNOWN_SPEAKER {
            sexes.entry(&one.speaker).or_default().insert(one.sex);
        }
    }
    let about = |sexes: BTreeSet<Option<Sex>>| {
        let one = sexes.first().copied().flatten();
        let sex = one.filter(|_| sexes.len() == 1);
        mapping(sex.map(|sex| (gender, sex.as_str().into())))
    };
    let sexes = sexes.into_iter();
    mapping(sexes.map(|(speaker, sexes)| (speaker, about(sexes).into())))
}

/// A database that is being put together.
struct Writer {
    schemes: Mapping,
    media: BTreeMap<String, Mapping>,
    splits: BTreeSet<&'static str>,
    listed: Mapping,
    tables: Vec<(String, Vec<u8>)>,
}

impl Writer {
    fn scheme(&mut self, name: &str, scheme: Mapping) {
        self.schemes.insert(name.into(), scheme.into());
    }

    /// Adds a table with a row for each utterance.
    fn table(
        &mut self,
        name: &str,
        part: Option<&str>,
        of: &[&Utterance],
        columns: Vec<Column>,
    ) -> Result<()> {
        let is_segment = |u: &&Utterance| u.source.start_s.is_some() || u.source.end_s.is_some();
        let is_segmented = of.iter().any(is_segment);
        let mut csv = csv::Writer::from_writer(Vec::new());
        let index: &[&str] = match is_segmented {
            true => &["file", "start", "end"],
            false => &["file"],
        };
        let failed = |e: csv::Error| Error::internal(format!("a table of audformat: {e}"));
        let names = columns.iter().map(|column| column.name.as_str());
        csv.write_record(index.iter().copied().chain(names))
            .map_err(failed)?;
        let mut seen = BTreeSet::new();
        for (row, utterance) in of.iter().enumerate() {
            let source = &utterance.source;
            let mut cells = vec![source.path.clone()];
            if is_segmented {
                cells.push(time(source.start_s.unwrap_or(0.0)));
                cells.push(source.end_s.map_or_else(String::new, time));
            }
            if !seen.insert(cells.clone()) {
                let what = format!("{} has two utterances in the same place", source.path);
                return Err(Error::data(what).hint(
                    "a database in audformat has one there: leave the other out of the manifest",
                ));
            }
            cells.extend(columns.iter().map(|column| column.cells[row].clone()));
            csv.write_record(&cells).map_err(failed)?;
        }
        let text = csv
            .into_inner()
            .map_err(|e| Error::internal(format!("a table of audformat: {e}")))?;

        let kind = if is_segmented {
            "segmented"
        } else {
            "filewise"
        };
        let mut about = mapping([("type", kind.into())]);
        if let Some(part) = part.and_then(|part| PARTS.into_iter().find(|one| *one == part)) {
            self.splits.insert(part);
            about.insert("split_id".into(), part.into());
        }
        let media: BTreeSet<String> = of.iter().map(|one| self.medium(one)).collect();
        if let (1, Some(only)) = (media.len(), media.first()) {
            about.insert("media_id".into(), only.as_str().into());
        }
        let mut listed = Mapping::new();
        for column in &columns {
            if !self.schemes.contains_key(column.scheme) {
                let dtype = match column.scheme {
                    "fold" => "int",
                    "probability" => "float",
                    _ => "str",
                };
                self.scheme(column.scheme, mapping([("dtype", dtype.into())]));
            }
            let of = mapping([("scheme_id", column.scheme.into())]);
            listed.insert(column.name.as_str().into(), of.into());
        }
        about.insert("columns".into(), listed.into());
        self.listed.insert(name.into(), about.into());
        self.tables.push((name.to_owned(), text));
        Ok(())
    }

    /// The name of the medium of a recording.
    fn medium(&mut self, utterance: &Utterance) -> String {
        let (rate, channels) = (utterance.sample_rate, utterance.channels);
        let extension = Path::new(&utterance.source.path).extension();
        let format = extension.map_or(String::new(), |it| it.to_string_lossy().to_lowercase());
        let name = format!("{format}-{rate}-{channels}");
        self.media.entry(name.clone()).or_insert_with(|| {
            mapping([
                ("type", "audio".into()),
                ("format", format.into()),
                ("channels", (0..channels).collect::<Vec<_>>().into()),
                ("sampling_rate", rate.into()),
            ])
        });
        name
    }

    fn finish(self, corpus: &CorpusSettings, utterances: &[Utterance]) -> Database {
        let licence = licence(corpus);
        let mut header = mapping([
            ("name", corpus.name.as_str().into()),
            ("source", references(corpus).join("; ").into()),
            ("usage", usage(licence.as_deref()).into()),
        ]);
        let tags = utterances
            .iter()
            .filter_map(|u| u.source.language.as_deref());
        let codes: BTreeSet<String> = tags.filter_map(language::iso_639_3).collect();
        let codes: Vec<String> = codes.into_iter().collect();
        header.insert("languages".into(), codes.into());
        if let Some(licence) = licence {
            header.insert("license".into(), licence.into());
        }
        if !corpus.guessed.is_empty() {
            let guessed = Attribute::list(&corpus.guessed);
            let text = format!("{guessed}: {NOT_CONFIRMED}");
            header.insert("description".into(), text.into());
        }
        let media = self.media.into_iter();
        let media: Mapping = media.map(|(k, v)| (k.into(), v.into())).collect();
        header.insert("media".into(), media.into());
        header.insert("schemes".into(), self.schemes.into());
        let splits = self.splits.into_iter();
        let splits = mapping(splits.map(|part| (part, mapping([("type", part.into())]).into())));
        header.insert("splits".into(), splits.into());
        header.insert("tables".into(), self.listed.into());
        Database {
            header,
            tables: self.tables,
        }
    }
}

/// Types of splits.
const PARTS: [&str; 3] = ["dev", "test", "train"];

/// What a licence allows, in the words of audformat.
fn usage(licence: Option<&str>) -> &'static str {
    let licence = licence.unwrap_or_default().to_lowercase();
    let has = |word: &str| licence.contains(word);
    if has("signed") {
        "restricted"
    } else if has("no commercial use") || has("non-commercial") || has("-nc") || has("research") {
        "research"
    } else {
        "other"
    }
}

/// A time as pandas writes it, to the nanosecond.
fn time(seconds: f64) -> String {
    let nanoseconds = (seconds * 1e9).round() as u64;
    let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    format!("{days} days {hours:02}:{minutes:02}:{seconds:02}.{rest:09}")
}
