//! The order of the stages; `plan` and `run` are the same walk, so that what runs is what was
//! planned.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::audit;
use super::augment;
use super::doubts::{across_speakers, doubts};
use super::evaluate;
use super::extract::{self, Extracted};
use super::ingest::{self, Ingested};
use super::jobs::Data;
use super::line::ExperimentLine;
use super::listing;
use super::options::{Options, Stage};
use super::origin;
use super::plan::{Decision, PlanLine};
use super::publish::Publication;
use super::report;
use super::running::Running;
use super::split;
use super::tables::LEAKAGE;
use super::train;
use super::walk::{Later, Mode, PUBLISH, Seen, Walk};
use super::windows::Unit;
use crate::audio::augment::Variant;
use crate::cancel::Cancel;
use crate::config::Pipeline;
use crate::corpus::{Attribute, NOT_CONFIRMED, SetAside, Utterance};
use crate::error::{Error, Kind, Result};
use crate::features::FeatureSet;
use crate::files::sweep;
use crate::model::artifact::Tested;
use crate::orchestrator::{Event, Lock, Observer, Why};
use crate::report::StepSection;
use crate::split::TestSpeakers;
use crate::table;

/// One set aside for so many that are usable is worth a warning.
const MANY_SET_ASIDE: usize = 20;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Errors of single experiments; the rest went on.
    pub failures: Vec<Error>,
    /// Where the report lies, where one was written.
    pub report: Option<std::path::PathBuf>,
    /// What came of each experiment.
    pub results: Vec<ExperimentLine>,
    /// The steps of the pipeline, where a report was written.
    pub steps: Vec<StepSection>,
}

/// Says what [`run`] would do, without doing it.
///
/// # Errors
/// As [`run`], as far as they can be known beforehand.
pub fn plan(
    pipeline: &Pipeline,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Vec<PlanLine>> {
    origin::check(pipeline, options)?;
    let walk = Walk::new(pipeline, options, cancel, observer, Mode::Plan)?;
    walk.run()?;
    Ok(walk.into_lines())
}

/// Runs a pipeline up to the chosen stage.
///
/// # Errors
/// Whatever stops all experiments: a missing corpus ([`Kind::Missing`], after a report that says so
/// was written), unusable data, a file system that refuses, an interruption, and with
/// [`crate::orchestrator::Limits::keep_going`] off the first failure. What fails for one experiment
/// alone is in the outcome.
pub fn run(
    pipeline: &Pipeline,
    options: &Options,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Outcome> {
    observer.observe(Event::PipelineStarted {
        pipeline: pipeline.full_name(),
    });
    let walk = Walk::new(pipeline, options, cancel, observer, Mode::Run)?;
    let own = lock(options, walk.store.root(), cancel, observer)?;
    // Reports may be shared by runs with stores of their own.
    let _reports = (options.until == Stage::Report)
        .then(|| {
            lock(
                options,
                &options
                    .reports_dir
                    .join(report::LOCKS)
                    .join("pipelines")
                    .join(pipeline.full_name()),
                cancel,
                observer,
            )
        })
        .transpose()?;
    origin::check(pipeline, options)?;
    walk.store.sweep()?;
    for folder in origin::folders(pipeline, options) {
        sweep(&folder, true)?;
    }
    match told_of_loss(walk.run(), &own, walk.store.root()) {
        Err(error) if error.kind() == Kind::Missing && options.until == Stage::Report => {
            let hint = error
                .hint_text()
                .map(|h| format!(" ({h})"))
                .unwrap_or_default();
            report::write_missing(&walk, format!("{error}{hint}"))?;
            Err(error)
        }
        other => other,
    }
}

/// Runs one training by its id, without the store's lock and beside other processes that do the
/// same: what comes before it has to be there, and nothing is put under a stable name. Returns
/// whether there is such a training.
///
/// # Errors
/// [`Kind::Missing`] where what comes before it is not there; whatever the training returns.
pub fn work(
    pipeline: &Pipeline,
    options: &Options,
    task: &str,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<bool> {
    let options = Options {
        until: Stage::Train,
        ..options.clone()
    };
    let walk = Walk::new(
        pipeline,
        &options,
        cancel,
        observer,
        Mode::Only(task.to_owned()),
    )?;
    walk.run()?;
    Ok(walk.found())
}

/// Where the cache was removed under a run, what fails since then says little by itself.
fn told_of_loss(result: Result<Outcome>, lock: &Lock, root: &Path) -> Result<Outcome> {
    let told = |error: Error| match error.kind() {
        Kind::Interrupted | Kind::TimedOut | Kind::Busy => error,
        _ => {
            let told = Error::new(
                Kind::Io,
                format!(
                    "{} was removed while the run was working in it",
                    root.display()
                ),
            )
            .because(error);
            told.hint("run the same command again; the cache may be removed while nothing runs")
        }
    };
    if !lock.is_lost() {
        return result;
    }
    let outcome = result.map_err(told)?;
    Ok(Outcome {
        failures: outcome.failures.into_iter().map(told).collect(),
        ..outcome
    })
}

/// The lock of a folder, at once or as soon as it is free.
pub(super) fn lock(
    options: &Options,
    folder: &std::path::Path,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<Lock> {
    if options.wait {
        Lock::wait(folder, &options.owner, cancel, observer)
    } else {
        Lock::take(folder, &options.owner)
    }
}

impl<'a> Walk<'a> {
    fn run(&self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let guessed = &self.pipeline.corpus.guessed;
        if !guessed.is_empty() && !matches!(self.mode, Mode::Only(_)) {
            self.observer.warn(format!(
                "{NOT_CONFIRMED}: {}. Look at the manifest and correct what is wrong, then take what is right out of corpus.guessed",
                Attribute::list(guessed)
            ));
        }
        // Tables need no experiment.
        let chosen = if self.options.until > Stage::Features {
            self.pipeline.select(&self.options.experiments)?
        } else {
            vec![]
        };
        if self.planning() && listing::must_generate(self.pipeline) {
            self.line("generate", vec![], Decision::Run, vec![self.why_generate()]);
            let certain = !self.store.has_run("ingest");
            self.foretell_all(
                &chosen,
                &Later {
                    task: "generate".into(),
                    certain,
                },
                true,
                None,
                None,
            )?;
            return Ok(outcome);
        }
        if self.mode == Mode::Run {
            // Recordings may be shared by pipelines.
            let _lock = listing::must_generate(self.pipeline)
                .then(|| {
                    lock(
                        self.options,
                        &self.options.data_dir.join("cache"),
                        self.cancel,
                        self.observer,
                    )
                })
                .transpose()?;
            listing::generate(
                self.pipeline,
                self.workers.pool(),
                self.why_generate(),
                self.cancel,
                self.observer,
            )?;
        }
        let (whole, sources) = match self.ingest()? {
            (Seen::There(finished), sources) => match Ingested::of(finished) {
                Ok(ingested) => (ingested, sources),
                Err(_) if self.planning() => {
                    let later = Later {
                        task: "ingest".into(),
                        certain: false,
                    };
                    self.foretell_all(&chosen, &later, false, Some(&sources), None)?;
                    return Ok(outcome);
                }
                Err(error) => return Err(error),
            },
            (Seen::Later(later), sources) => {
                self.foretell_all(&chosen, &later, false, Some(&sources), None)?;
                return Ok(outcome);
            }
        };
        let windowed = match self.windows(&whole)? {
            Seen::There(windowed) => windowed,
            Seen::Later(later) => {
                self.foretell_all(&chosen, &later, false, Some(&sources), Some(&whole))?;
                return Ok(outcome);
            }
        };
        drop(sources);
        let ingested = windowed.as_ref().unwrap_or(&whole);
        let tables = self
            .options
            .data_dir
            .join("tables")
            .join(self.pipeline.full_name());
        let mut publication = self.publication();
        publication.table(&tables, &ingested.finished, ingest::UTTERANCES)?;
        if self.options.until == Stage::Ingest {
            self.publish(&publication, None)?;
            return Ok(outcome);
        }
        let distrusted = |error| self.distrust(error, &[&whole, ingested]);
        let extracted = self.extract(ingested).map_err(distrusted)?;
        let mut late: Vec<SetAside> = Vec::new();
        for (set, extracted) in extracted.there() {
            let aside = ingest::from_json::<Vec<SetAside>>(&extracted.path(extract::SET_ASIDE))
                .or_else(|e| self.excuse(e))?;
            let known = late.len();
            late.extend(aside);
            // What one set says of a recording is enough.
            let (before, after) = late.split_at(known);
            let new: Vec<SetAside> = after
                .iter()
                .filter(|one| !before.iter().any(|b| b.path == one.path))
                .cloned()
                .collect();
            late.truncate(known);
            late.extend(new);
            publication.table_as(
                &tables,
                extracted,
                extract::table_name(set),
                &extract::published_name(set),
            )?;
        }
        for set in FeatureSet::ALL
            .into_iter()
            .filter(|set| !self.pipeline.features.sets.contains(set))
        {
            publication.without_table(&tables, &extract::published_name(set));
        }
        let augmented = self.augment(ingested, &chosen).map_err(distrusted)?;
        for (set, done) in augmented.there() {
            for variant in Variant::ALL {
                publication.table_as(
                    &tables,
                    done,
                    &augment::output_name(set, variant),
                    &augment::variant_name(set, variant),
                )?;
            }
        }
        for set in FeatureSet::ALL
            .into_iter()
            .filter(|set| !augmented.knows(*set))
        {
            Variant::ALL.iter().for_each(|variant| {
                publication.without_table(&tables, &augment::variant_name(set, *variant))
            });
        }
        if self.mode == Mode::Run {
            // Tables are there for people even if no experiment comes to an end.
            self.put(&publication)?;
            self.tell(ingested, &late);
        }
        if self.options.until == Stage::Features {
            self.publish(&publication, extracted.later().or(augmented.later()))?;
            return Ok(outcome);
        }
        // Copies of recordings are copies of all of their windows.
        let audited = self.audit(&whole)?;
        if let Seen::There(audited) = &audited {
            publication.table(&tables, audited, audit::DUPLICATES)?;
        }
        if self.options.until == Stage::Audit {
            self.publish(&publication, audited.later())?;
            return Ok(outcome);
        }
        // From here on everything is in memory: a split looks at all utterances, and a training at
        // all features.
        let utterances = usable(ingested, &extracted, self.planning())?;
        let unit = Unit::of(self.pipeline);
        if self.mode == Mode::Run {
            for condition in report::conditions(&utterances)
                .iter()
                .filter(|condition| condition.leaks())
            {
                self.observer.warn(condition.warning());
            }
        }
        let pairs = match &audited {
            Seen::There(done) => Some(
                table::duplicates::read(&audit::path(&done.folder)).or_else(|e| self.excuse(e))?,
            ),
            Seen::Later(_) => None,
        };
        let whole = unit.whole(&utterances).0;
        let found = pairs.as_deref().unwrap_or_default();
        let across_speakers = across_speakers(&whole, found);
        if self.mode == Mode::Run {
            doubts(&whole, found)
                .into_iter()
                .for_each(|doubt| self.observer.warn(doubt));
        }
        drop(whole);
        let data = Data {
            utterances: &utterances,
            fingerprint: split::fingerprint(&utterances),
            described: evaluate::fingerprint(&utterances),
            speakers: train::speakers(&utterances),
            extracted: &extracted,
            augmented: &augmented,
            audited: &audited,
            copies: pairs
                .as_ref()
                .map(|pairs| audit::groups(&utterances, unit, pairs)),
            pairs: pairs.unwrap_or_default(),
            across_speakers,
        };
        let mut experiments = self.experiments(&chosen, &data, &mut outcome)?;
        if matches!(self.mode, Mode::Only(_)) {
            return Ok(outcome);
        }
        if self.options.until == Stage::Report {
            self.explain(&mut experiments, &data, &mut outcome)?;
        }
        super::inputs::release_tables();
        self.bring_together(
            ingested,
            &data,
            late,
            experiments,
            publication,
            &mut outcome,
        )?;
        Ok(outcome)
    }

    /// Tables, report, and what stands under stable names.
    fn bring_together(
        &self,
        ingested: &Ingested,
        data: &Data,
        late: Vec<SetAside>,
        experiments: Vec<Running>,
        mut publication: Publication<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let options = self.options;
        let open = data
            .extracted
            .later()
            .or(data.augmented.later())
            .or(data.audited.later());
        let mut open: Option<Later> = open
            .cloned()
            .or_else(|| experiments.iter().find_map(|one| one.later.clone()));
        let tables = options
            .data_dir
            .join("tables")
            .join(self.pipeline.full_name());
        match self.tables(&experiments, data, open.as_ref())? {
            Some(Seen::There(done)) => {
                publication.all(&tables, &done, &[])?;
                let others = [
                    split::SPLITS,
                    LEAKAGE,
                    train::PREDICTIONS,
                    evaluate::METRICS,
                ]
                .into_iter()
                .filter(|name| done.hash(name).is_err());
                publication.without(others.map(|name| tables.join(name)));
            }
            Some(Seen::Later(later)) => open = open.or(Some(later)),
            None => {}
        }
        let models = options
            .data_dir
            .join("models")
            .join(self.pipeline.full_name());
        for one in experiments.iter().filter(|one| one.complete()) {
            let doubts = data.doubts(self.pipeline);
            let speakers = one
                .folds
                .as_ref()
                .map_or(TestSpeakers::Unknown, |folds| folds.speakers(&doubts, None));
            let tested = Tested {
                speakers,
                guessed: doubts.guessed.to_vec(),
            };
            publication.models(&models.join(&one.experiment.name), &one.trained, &tested)?;
        }
        // No model stays of an experiment that is gone or has failed with its present settings.
        let failed = |name: &str| {
            experiments
                .iter()
                .any(|one| one.experiment.name == name && one.failed.is_some())
        };
        let known = |name: &str| self.pipeline.experiments.iter().any(|e| e.name == name);
        publication.without_below(&models, |name| failed(name) || !known(name));
        if options.until == Stage::Report {
            let folder = options.reports_dir.join(self.pipeline.full_name());
            match self.report(ingested, data, late, &experiments, open.as_ref())? {
                Seen::There(done) => publication.report(&folder, &done, report::LAST)?,
                Seen::Later(later) => open = open.or(Some(later)),
            }
            outcome.report = Some(folder.join("index.html"));
        }
        self.publish(&publication, open.as_ref())?;
        if self.mode == Mode::Run {
            outcome.results = report::sections(self.pipeline, &experiments, data)?
                .iter()
                .map(ExperimentLine::of)
                .collect();
            if options.until == Stage::Report {
                let names: Vec<&str> = self
                    .pipeline
                    .experiments
                    .iter()
                    .map(|e| e.name.as_str())
                    .collect();
                for stage in [Stage::Split, Stage::Train, Stage::Evaluate, Stage::Explain] {
                    self.store.forget_others(stage.name(), &names)?;
                }
                let augmented = FeatureSet::ALL.into_iter().filter(|set| {
                    self.pipeline
                        .experiments
                        .iter()
                        .any(|e| e.inputs.set == *set && !e.augment.is_empty())
                });
                let ids = self
                    .features()
                    .into_iter()
                    .chain(augmented.map(augment::id));
                let names: Vec<String> = ids
                    .filter_map(|id| Some(id.split_once('/')?.1.to_owned()))
                    .collect();
                self.store.forget_others(
                    Stage::Features.name(),
                    &names.iter().map(String::as_str).collect::<Vec<_>>(),
                )?;
                outcome.steps = report::steps(self.pipeline, &experiments);
                report::write_run(self.pipeline, &outcome.steps, options)?;
                report::write_index(options, self.cancel, self.observer)?;
            }
        }
        Ok(())
    }

    /// Puts outputs under stable names, or says what of them is not there.
    pub(super) fn publish(&self, publication: &Publication, open: Option<&Later>) -> Result<()> {
        match &self.mode {
            Mode::Run => {
                self.put(publication)?;
                self.end_publication();
                publication
                    .others()?
                    .into_iter()
                    .for_each(|line| self.observer.note(line));
            }
            Mode::Plan => {
                let problems = self
                    .workers
                    .pool()
                    .install(|| publication.problems(&self.store))?;
                let after = self.ends();
                match open {
                    _ if !problems.is_empty() => self.line(PUBLISH, after, Decision::Run, problems),
                    Some(open) => {
                        let decision = if open.certain {
                            Decision::Run
                        } else {
                            Decision::Maybe
                        };
                        self.line(
                            PUBLISH,
                            after,
                            decision,
                            vec![Why::Upstream {
                                task: open.task.clone(),
                            }],
                        );
                    }
                    None => self.line(PUBLISH, after, Decision::Keep, vec![]),
                }
            }
            Mode::Only(_) => {}
        }
        Ok(())
    }

    /// What comes before publication: tasks that no other waits for.
    fn ends(&self) -> Vec<String> {
        let last: &[&str] = match self.options.until {
            Stage::Ingest => return vec![self.utterances().to_owned()],
            Stage::Features => {
                return self
                    .features()
                    .into_iter()
                    .chain(self.augmenting(&[]).into_iter().map(augment::id))
                    .collect();
            }
            Stage::Audit => &["audit"],
            Stage::Report => &["tables", "report"],
            _ => &["tables"],
        };
        last.iter().map(|id| (*id).to_owned()).collect()
    }

    fn why_generate(&self) -> Why {
        match self.store.has_run("ingest") {
            true => Why::Output {
                path: "the generated recordings".into(),
                problem: "differs",
            },
            false => Why::NeverRan,
        }
    }

    /// A preview lacks what only a run leaves behind.
    fn excuse<T: Default>(&self, error: Error) -> Result<T> {
        if self.planning() {
            Ok(T::default())
        } else {
            Err(error)
        }
    }

    /// A few lines for people about what was found.
    fn tell(&self, ingested: &Ingested, late: &[SetAside]) {
        let (listing, summary) = (&ingested.listing, &ingested.summary);
        let minutes = summary.duration_s / 60.0;
        let usable = (summary.utterances as usize).saturating_sub(late.len());
        let what = Unit::of(self.pipeline)
            .describe()
            .unwrap_or_else(|| "utterances".to_owned());
        self.observer.note(format!(
            "{}: {usable} {what}, {minutes:.1} minutes",
            listing.corpus
        ));
        if let Some(expected) = listing.expected.as_ref().filter(|e| e.utterances != usable) {
            self.observer.note(format!(
                "       {usable} of {} utterances ({})",
                expected.utterances, expected.source
            ));
        }
        listing
            .warnings
            .iter()
            .for_each(|warning| self.observer.warn(warning.clone()));
        let mut reasons: BTreeMap<&str, (usize, &SetAside)> = BTreeMap::new();
        for one in listing.set_aside.iter().chain(late) {
            reasons.entry(one.reason.describe()).or_insert((0, one)).0 += 1;
        }
        for (reason, (count, first)) in reasons {
            let line = format!(
                "set aside: {count} ({reason}), such as {}: {}",
                first.path, first.detail
            );
            // So many that the corpus is hardly what was meant: told even where little is.
            if first.reason.is_mistake() && count * MANY_SET_ASIDE > usable {
                self.observer.warn(line);
            } else {
                self.observer.note(format!("       {line}"));
            }
        }
        for one in listing
            .set_aside
            .iter()
            .chain(late)
            .filter(|s| s.reason == crate::corpus::Reason::BadAudio)
            .take(5)
        {
            self.observer
                .warn(format!("{} is set aside: {}", one.path, one.detail));
        }
    }
}

/// The utterances that have features in all sets, as far as that is known.
fn usable(ingested: &Ingested, extracted: &Extracted, planning: bool) -> Result<Vec<Utterance>> {
    let mut utterances = table::utterances::read_parts(&ingested.finished.folder)?;
    for (set, extracted) in extracted.there() {
        match extract::ids(set, &extracted.folder) {
            // Where outputs are damaged, a plan takes them for whole: they will be again.
            Err(_) if planning => {
                let late: Vec<SetAside> =
                    ingest::from_json(&extracted.path(extract::SET_ASIDE)).unwrap_or_default();
                utterances.retain(|u| !late.iter().any(|one| one.path == u.source.path));
            }
            read => {
                let usable: BTreeSet<String> = read?.into_iter().collect();
                utterances.retain(|u| usable.contains(&u.source.id));
            }
        }
    }
    Ok(utterances)
}
