//! Features of recordings outside of any pipeline: computed as a run computes them, and kept nowhere.

use rayon::prelude::*;

use super::pool::open;
use super::sources::{Clip, RejectReason, Rejected, Sources};
use crate::audio::{Remarks, Sound};
use crate::cancel::Cancel;
use crate::config::FeatureSettings;
use crate::error::{Error, Result};
use crate::pipeline::workers::Workers;

/// The features of a recording, or of a segment of one.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingFeatures {
    /// [`Clip::name`].
    pub file: String,
    /// Beginning in the file, in seconds.
    pub start_s: f64,
    /// End, in seconds.
    pub end_s: f64,
    /// The values in the order of [`crate::features::names`]; of a sequence, frame after frame; of
    /// an encoder, means and deviations of each state.
    pub row: Vec<f32>,
    /// Peculiarities of the recording.
    pub remarks: Remarks,
}

/// The features of the first set of `settings`, of every recording in its order, on `jobs` threads.
/// Recordings take no more than `memory` bytes, where there is a limit.
///
/// # Errors
/// Where an encoder cannot be loaded; [`crate::error::Kind::Interrupted`] where a stop was asked
/// for. A recording that cannot be used is an error of its own.
pub fn features(
    sources: Sources,
    settings: &FeatureSettings,
    jobs: usize,
    memory: Option<u64>,
    cancel: &Cancel,
) -> Result<Vec<Result<RecordingFeatures, Rejected>>> {
    let workers = Workers::new(jobs, settings)?.within(memory, cancel);
    workers.load_encoders(&[settings.first()])?;
    let clips: Vec<&Clip> = sources.items.iter().flatten().collect();
    let groups: Vec<&[&Clip]> = clips.chunk_by(|a, b| a.shares_sound(b)).collect();
    // Segments of one recording that stand together are cut from one decoding.
    let of_group = |group: &&[&Clip]| -> Vec<_> {
        if cancel.requested() {
            return vec![];
        }
        let (sound, _permit) = open(group[0], workers.budget());
        let one = |clip: &&Clip| match &sound {
            Ok(sound) => of_clip(clip, sound, &workers),
            Err((reason, error)) => Err(Rejected::new(clip.name(), *reason, error.again())),
        };
        let wanted = group.iter().take_while(|_| !cancel.requested());
        wanted.map(one).collect()
    };
    let found: Vec<Vec<_>> = workers
        .pool()
        .install(|| groups.par_iter().map(of_group).collect());
    cancel.check()?;
    let mut found = found.into_iter().flatten();
    let in_order = sources.items.into_iter().map(|item| match item {
        Err(rejected) => Ok(Err(rejected)),
        Ok(_) => found
            .next()
            .ok_or_else(|| Error::internal("a recording without a result")),
    });
    in_order.collect()
}

fn of_clip(clip: &Clip, whole: &Sound, workers: &Workers) -> Result<RecordingFeatures, Rejected> {
    let rejected = |reason, error| Rejected::new(clip.name(), reason, error);
    let rate = f64::from(whole.sample_rate());
    let segment = match (clip.start_s, clip.end_s) {
        (None, None) => None,
        (start, end) => {
            let (start, end) = (
                start.unwrap_or(0.0),
                end.unwrap_or_else(|| whole.duration_s()),
            );
            let cut = whole.segment(start, end).map_err(|e| {
                rejected(
                    RejectReason::BadSegment,
                    Error::data(clip.name()).because(e),
                )
            })?;
            Some(((start * rate).round(), cut))
        }
    };
    let (first, sound) = segment
        .as_ref()
        .map_or((0.0, whole), |(first, cut)| (*first, cut));
    let mut rows = workers.extract(&[workers.settings().first()], sound);
    let row = rows.swap_remove(0).1.map_err(|e| {
        let message = format!("failed to compute features of {}", clip.name());
        rejected(RejectReason::NoFeatures, Error::data(message).because(e))
    })?;
    Ok(RecordingFeatures {
        file: clip.name(),
        start_s: first / rate,
        end_s: (first + sound.n_samples() as f64) / rate,
        row,
        remarks: whole.remarks(),
    })
}
