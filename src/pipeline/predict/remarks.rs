//! What has to be known of a model and of recordings beside the results.

use super::loader::Predictor;
use super::run::{LONG_S, Tally};
use crate::audio::Remark;
use crate::orchestrator::Observer;
use crate::text::plural;
use crate::transform::BALANCED_SPEAKERS;

/// Says what limits every prediction of the models.
pub fn caution(predictor: &Predictor, observer: &dyn Observer) {
    if let Some(warning) = predictor.tested().and_then(|tested| tested.warning()) {
        observer.warn(warning);
    }
    if predictor.needs_speaker() {
        observer.warn(format!(
            "the model scales every speaker by their own clips (transductive): predictions can be trusted only if {BALANCED_SPEAKERS}"
        ));
    }
    let folders = predictor.folders();
    if folders.len() > 1 {
        let names: Vec<_> = folders
            .iter()
            .filter_map(|f| f.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        observer.note(format!(
            "mean probability of {} models: {}",
            folders.len(),
            names.join(", ")
        ));
    }
}

/// Says of which recordings a prediction says little.
pub fn remark(tally: &Tally, predictor: &Predictor, has_windows: bool, observer: &dyn Observer) {
    let recordings = |n: u64| {
        if n == 1 {
            "1 recording is".to_owned()
        } else {
            format!("{n} recordings are")
        }
    };
    if let Some(first) = &tally.first_silent {
        let silent = recordings(tally.silent);
        observer.warn(format!("{silent} silent, all samples being the same: the prediction says nothing (the first: {first})"));
    }
    // Silence is told above, of windows as well; generated sounds are what the demo predicts.
    let others = tally.remarked.iter();
    remark_on_decoding(
        others.filter(|(remark, _)| !matches!(remark, Remark::Silent | Remark::Generated)),
        observer,
    );
    let trained = predictor.trained_durations();
    let usual = (trained.median * 10.0).round().max(1.0) / 10.0;
    if tally.long > 0 && !has_windows {
        let long = recordings(tally.long);
        observer
            .note(format!("{long} longer than {} s, and models are trained on single utterances: try --window {usual}", LONG_S));
    }
    if tally.outside > 0 {
        let (low, high) = trained.bounds();
        let by_duration = format!(
            "{} by duration (outside of {low:.2} to {high:.2} s; try --window {usual})",
            tally.outside_duration
        );
        let by_features = format!("{} by features", tally.outside_features);
        let why = [
            (tally.outside_duration, by_duration),
            (tally.outside_features, by_features),
        ];
        let why: Vec<String> = why
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(_, text)| text)
            .collect();
        let (outside, rows) = (tally.outside, tally.rows);
        observer.warn(format!(
            "{outside} of {rows} predictions are outside of what the model was trained on (in_domain false) and should not be relied on: {}",
            why.join(", ")
        ));
    }
}

/// Says what is peculiar of recordings: of how many, and which is the first.
pub fn remark_on_decoding<'r>(
    remarked: impl IntoIterator<Item = (&'r Remark, &'r (u64, String))>,
    observer: &dyn Observer,
) {
    for (remark, (count, first)) in remarked {
        let recordings = plural(*count as usize, "recording");
        let said = format!("{recordings}: {} (the first: {first})", remark.text());
        if remark.is_warning() {
            observer.warn(said)
        } else {
            observer.note(said)
        }
    }
}
