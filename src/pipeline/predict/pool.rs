//! The threads that decode recordings and classify them, in any order; the results stand in the
//! order of the clips.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::loader::Predictor;
use super::sources::Clip;
use super::sources::RejectReason;
use super::worker::{InferenceWorker, ModelOutput, Views};
use crate::audio::{self, Audio, Budget, Permit, Remark, Remarks, Sound, Stream, Windows};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::model::Outside;
use crate::orchestrator::{Event, Observer};
use crate::pipeline::workers::BYTES_PER_SECOND;
use crate::pipeline::workers::pool;

/// Bytes of a file from which on threads share its windows, and no other recording is held beside
/// it: of WAVE, and of what is packed.
const LARGE: u64 = 16 << 20;
const LARGE_PACKED: u64 = 2 << 20;

/// The result for a stretch of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Inference {
    /// Beginning in the file, in seconds.
    pub start_s: f64,
    /// End, in seconds.
    pub end_s: f64,
    /// Probabilities of the classes.
    pub probabilities: Vec<f32>,
    /// How it differs from what the models were trained on.
    pub outside: Outside,
    /// Whether all samples are the same.
    pub silent: bool,
    /// The inputs of the models, until they are classified.
    pub(super) views: Views,
}

impl Inference {
    /// Seconds.
    pub fn duration_s(&self) -> f64 {
        self.end_s - self.start_s
    }

    /// Takes the output of the models.
    pub(super) fn take(&mut self, output: ModelOutput) {
        (self.probabilities, self.outside) = (output.probabilities, output.outside);
    }
}

/// The result for a clip: a value for each of its windows.
pub(super) type Outcome = Result<Vec<Inference>, (RejectReason, Error)>;

/// The result that is wanted of every window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The output of the models.
    Probabilities,
    /// Their inputs before scaling.
    Rows,
}

/// How many recordings have a remark, and the first of them by name.
pub(super) type Remarked = BTreeMap<Remark, (u64, String)>;

/// Threads, each with a [`InferenceWorker`].
pub(super) struct WorkerPool<'a> {
    pool: rayon::ThreadPool,
    workers: Vec<Mutex<InferenceWorker<'a>>>,
    windows: Option<Windows>,
    budget: Budget,
    remarked: Mutex<Remarked>,
    cancel: &'a Cancel,
    observer: &'a dyn Observer,
    total: u64,
    done: AtomicU64,
}

impl<'a> WorkerPool<'a> {
    pub(super) fn new(
        predictor: &'a Predictor,
        jobs: usize,
        windows: Option<Windows>,
        memory: Option<u64>,
        total: usize,
        cancel: &'a Cancel,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let pool = pool(jobs)?;
        let workers = pool
            .broadcast(|_| predictor.worker().map(Mutex::new))
            .into_iter()
            .collect::<Result<_>>()?;
        let (budget, remarked) = (
            Budget::new(memory, jobs, BYTES_PER_SECOND).until(cancel),
            Mutex::default(),
        );
        Ok(WorkerPool {
            pool,
            workers,
            windows,
            budget,
            remarked,
            cancel,
            observer,
            total: total as u64,
            done: AtomicU64::new(0),
        })
    }

    /// The result for every clip; `None` for clips that were left out because a stop was asked for.
    pub(super) fn each(&self, clips: &[&Clip], wanted: Wanted) -> Vec<Option<Outcome>> {
        let groups: Vec<(bool, &[&Clip])> = clips
            .chunk_by(|a, b| a.shares_sound(b))
            .map(|group| (is_large(group[0]), group))
            .collect();
        let mut outcomes = Vec::with_capacity(clips.len());
        for alike in groups.chunk_by(|(a, _), (b, _)| a == b) {
            let one = |&(large, group): &(bool, &[&Clip])| self.group(group, large, wanted);
            if alike[0].0 {
                alike
                    .iter()
                    .for_each(|group| outcomes.extend(self.pool.install(|| one(group))));
            } else {
                let found: Vec<Vec<Option<Outcome>>> =
                    self.pool.install(|| alike.par_iter().map(one).collect());
                outcomes.extend(found.into_iter().flatten());
            }
        }
        outcomes
    }

    /// The output of the models for inputs, which are taken as they are, each with the seconds of
    /// its sound.
    pub(super) fn classify(&self, views: &[(f64, Views)]) -> Result<Vec<ModelOutput>> {
        let one = |(duration_s, views): &(f64, Views)| {
            self.with_worker(|worker| worker.classify(views, *duration_s))
        };
        self.pool.install(|| views.par_iter().map(one).collect())
    }

    /// Clips of one recording, which is decoded once; the windows of a large one are shared by the
    /// threads.
    fn group(&self, group: &[&Clip], large: bool, wanted: Wanted) -> Vec<Option<Outcome>> {
        if self.cancel.requested() {
            return group.iter().map(|_| None).collect();
        }
        if let ([clip], Some(windows)) = (group, self.windows)
            && clip.start_s.is_none()
            && clip.end_s.is_none()
        {
            let outcome = self.pieces(clip, windows, large, wanted);
            self.count();
            return vec![outcome];
        }
        let (mut whole, _permit) = open(group[0], &self.budget);
        if matches!(&whole, Err((_, error)) if error.kind() == Kind::Interrupted) {
            return group.iter().map(|_| None).collect();
        }
        if let Ok(sound) = &whole {
            self.remark(group[0], sound.remarks());
        }
        let one = |(i, clip): (usize, &&Clip)| {
            let outcome = match &mut whole {
                Ok(sound @ Sound::Long(_))
                    if self.windows.is_none() && clip.start_s.is_none() && clip.end_s.is_none() =>
                {
                    self.long(clip, sound, wanted)
                }
                Ok(sound @ Sound::Long(_)) if clip.start_s.is_some() || clip.end_s.is_some() => {
                    self.stretch(clip, sound, large, wanted)
                }
                Ok(sound) => match sound.whole(&self.budget) {
                    Ok((audio, _permit)) => self.clip(clip, &audio, large, wanted),
                    Err(error) => Some(Err((RejectReason::of_opening(&error, &clip.path), error))),
                },
                Err((fault, error)) if i + 1 == group.len() => Some(Err((
                    *fault,
                    std::mem::replace(error, Error::interrupted()),
                ))),
                Err((fault, error)) => Some(Err((*fault, error.again()))),
            };
            self.count();
            outcome
        };
        group.iter().enumerate().map(one).collect()
    }

    /// A whole recording, window after window as it is decoded, so that no more of it is held than
    /// the windows that are classified together.
    fn pieces(
        &self,
        clip: &Clip,
        windows: Windows,
        large: bool,
        wanted: Wanted,
    ) -> Option<Outcome> {
        let (mut stream, mut held_from, mut inferences) = (None::<Stream>, 0, Vec::new());
        let mut stopped = false;
        let mut failed = None;
        let mut classify =
            |samples: &[f32], from: usize, rate: u32, ready: Vec<Range<usize>>| -> bool {
                let one = |window: &Range<usize>| {
                    (!self.cancel.requested()).then(|| {
                        self.window(
                            clip,
                            &samples[window.start - from..window.end - from],
                            window.clone(),
                            rate,
                            wanted,
                        )
                    })
                };
                let found: Vec<Option<Result<Inference, _>>> = if large {
                    ready.par_iter().map(one).collect()
                } else {
                    ready.iter().map(one).collect()
                };
                for one in found {
                    match one {
                        None => stopped = true,
                        Some(Ok(one)) => inferences.push(one),
                        Some(Err(fault)) => {
                            failed.get_or_insert(fault);
                        }
                    }
                }
                !stopped && failed.is_none()
            };
        let mut take = |block: &mut Vec<f32>, rate: u32, last: bool| {
            let stream = stream.get_or_insert_with(|| windows.stream(rate));
            let there = held_from + block.len();
            if last {
                return classify(block, held_from, rate, stream.rest(there));
            }
            if block.len() < stream.batch() {
                return true;
            }
            let more = classify(block, held_from, rate, stream.ready(there));
            let needed = stream.needed(there).max(held_from);
            block.drain(..needed - held_from);
            held_from = needed;
            more
        };
        let opened = match &clip.bytes {
            Some(bytes) => audio::decode_blocks_of_bytes(bytes, &self.budget, &mut take)
                .map_err(|e| (RejectReason::Undecodable, e)),
            None => audio::decode_blocks(&clip.path, &self.budget, &mut take)
                .map_err(|e| (RejectReason::of_opening(&e, &clip.path), e)),
        };
        match (stopped, failed, opened) {
            (true, ..) => None,
            (_, Some(fault), _) => Some(Err(fault)),
            (_, None, Ok(shape)) => {
                self.remark(clip, shape.remarks);
                Some(Ok(inferences))
            }
            (_, None, Err((_, error))) if error.kind() == Kind::Interrupted => None,
            (_, None, Err(fault)) => Some(Err(fault)),
        }
    }

    /// A whole recording that is too long to be held.
    fn long(&self, clip: &Clip, sound: &Sound, wanted: Wanted) -> Option<Outcome> {
        let classify = || -> Result<Inference, (RejectReason, Error)> {
            let silent = sound
                .is_constant()
                .map_err(|e| (RejectReason::of_opening(&e, &clip.path), e))?;
            let end_s = sound.duration_s();
            let mut inference = Inference {
                start_s: 0.0,
                end_s,
                probabilities: vec![],
                outside: Outside::default(),
                silent,
                views: Views::default(),
            };
            self.with_worker(|worker| {
                let views = worker.views_of_long(sound, &self.budget, clip)?;
                self.take(worker, views, &mut inference, wanted)
            })?;
            Ok(inference)
        };
        match classify() {
            Err(_) if self.cancel.requested() => None,
            result => Some(result.map(|inference| vec![inference])),
        }
    }

    /// A stretch of a long recording, of which no more is read than that.
    fn stretch(&self, clip: &Clip, sound: &Sound, large: bool, wanted: Wanted) -> Option<Outcome> {
        let start_s = clip.start_s.unwrap_or(0.0);
        let cut = sound.segment(start_s, clip.end_s.unwrap_or_else(|| sound.duration_s()));
        let cut = match cut.map_err(|error| (RejectReason::BadSegment, error)) {
            Ok(cut) => cut,
            Err(failed) => return Some(Err(failed)),
        };
        let held = cut
            .whole(&self.budget)
            .map_err(|error| (RejectReason::of_opening(&error, &clip.path), error));
        let (audio, _permit) = match held {
            Ok(held) => held,
            Err(failed) => return Some(Err(failed)),
        };
        let alone = Clip {
            start_s: None,
            end_s: None,
            ..clip.clone()
        };
        let mut outcome = self.clip(&alone, &audio, large, wanted)?;
        let rate = f64::from(audio.sample_rate);
        let later = |seconds: f64| ((seconds * rate).round() + (start_s * rate).round()) / rate;
        for inference in outcome.iter_mut().flatten() {
            (inference.start_s, inference.end_s) =
                (later(inference.start_s), later(inference.end_s));
        }
        Some(outcome)
    }

    /// Keeps the inputs, or the output of the models for them.
    fn take(
        &self,
        worker: &mut InferenceWorker<'a>,
        views: Views,
        inference: &mut Inference,
        wanted: Wanted,
    ) -> Result<(), (RejectReason, Error)> {
        match wanted {
            Wanted::Rows => inference.views = views,
            Wanted::Probabilities => inference.take(
                worker
                    .classify(&views, inference.duration_s())
                    .map_err(|e| (RejectReason::NoPrediction, e))?,
            ),
        }
        Ok(())
    }

    fn clip(&self, clip: &Clip, audio: &Audio, large: bool, wanted: Wanted) -> Option<Outcome> {
        let bounds = match bounds(clip, audio) {
            Ok(bounds) => bounds,
            Err(error) => return Some(Err((RejectReason::BadSegment, error))),
        };
        let windows = match self.windows {
            Some(windows) => windows.over(bounds.len(), audio.sample_rate),
            None => std::iter::once(0..bounds.len()).collect(),
        };
        let one = |window: &Range<usize>| -> Option<Result<Inference, (RejectReason, Error)>> {
            let window = bounds.start + window.start..bounds.start + window.end;
            (!self.cancel.requested()).then(|| {
                let samples = &audio.samples[window.clone()];
                self.window(clip, samples, window, audio.sample_rate, wanted)
            })
        };
        // The result of the first window that fails, whichever thread is first; `None` says that a
        // stop was asked for.
        let inferences: Vec<Option<Result<Inference, _>>> = if large {
            windows.par_iter().map(one).collect()
        } else {
            windows.iter().map(one).collect()
        };
        inferences
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(|inferences| inferences.into_iter().collect())
    }

    /// A window of a recording: its samples, and where they stand in it.
    fn window(
        &self,
        clip: &Clip,
        samples: &[f32],
        window: Range<usize>,
        rate: u32,
        wanted: Wanted,
    ) -> Result<Inference, (RejectReason, Error)> {
        let at = |sample: usize| sample as f64 / f64::from(rate);
        let (start_s, end_s) = (at(window.start), at(window.end));
        let silent = samples.iter().all(|sample| Some(sample) == samples.first());
        let mut inference = Inference {
            start_s,
            end_s,
            probabilities: vec![],
            outside: Outside::default(),
            silent,
            views: Views::default(),
        };
        self.with_worker(|worker| {
            let views = worker.views(samples, rate, clip)?;
            self.take(worker, views, &mut inference, wanted)
        })?;
        Ok(inference)
    }

    /// The work waits for no other thread, so that no thread waits for its worker.
    fn with_worker<T>(&self, work: impl FnOnce(&mut InferenceWorker<'a>) -> T) -> T {
        let thread = self.pool.current_thread_index().unwrap_or_default();
        work(
            &mut self.workers[thread]
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        )
    }

    fn remark(&self, clip: &Clip, remarks: Remarks) {
        if remarks.is_empty() {
            return;
        }
        let mut remarked = self
            .remarked
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let name = clip.name();
        for remark in remarks.iter() {
            let (count, first) = remarked.entry(remark).or_insert_with(|| (0, name.clone()));
            *count += 1;
            if name < *first {
                first.clone_from(&name);
            }
        }
    }

    /// The remarks of decoding.
    pub(super) fn remarked(self) -> Remarked {
        self.remarked
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn count(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(8) || done == self.total {
            let (task, note) = ("predict".to_owned(), String::new());
            self.observer.observe(Event::TaskProgress {
                task,
                done,
                total: self.total,
                unit: "recordings",
                note,
            });
        }
    }
}

fn is_large(clip: &Clip) -> bool {
    let bytes = match &clip.bytes {
        Some(bytes) => bytes.len() as u64,
        None => std::fs::metadata(&clip.path).map_or(0, |meta| meta.len()),
    };
    let packed = !clip
        .path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    bytes > if packed { LARGE_PACKED } else { LARGE }
}

/// The sound of a clip, and the permit to hold it.
fn open<'a>(clip: &Clip, budget: &'a Budget) -> (Result<Sound, (RejectReason, Error)>, Permit<'a>) {
    let opened = match &clip.bytes {
        Some(bytes) => {
            audio::decode_sound_of_bytes(bytes, budget).map_err(|e| (RejectReason::Undecodable, e))
        }
        None => audio::decode_sound(&clip.path, budget)
            .map_err(|e| (RejectReason::of_opening(&e, &clip.path), e)),
    };
    opened.map_or_else(
        |e| (Err(e), Permit::default()),
        |(sound, permit)| (Ok(sound), permit),
    )
}

/// The samples of a clip within its recording.
fn bounds(clip: &Clip, audio: &Audio) -> Result<Range<usize>> {
    if clip.start_s.is_none() && clip.end_s.is_none() {
        return Ok(0..audio.samples.len());
    }
    let (start, end) = (
        clip.start_s.unwrap_or(0.0),
        clip.end_s.unwrap_or_else(|| audio.duration_s()),
    );
    audio
        .segment_bounds(start, end)
        .map_err(|e| Error::data(clip.name()).because(e))
}
