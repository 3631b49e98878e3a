//! Learning curves: every fold as a thin line, the mean over folds as a thick one.

use super::data::{ExperimentSection, FoldSection};
use super::figure::{Legend, Sample};
use super::html::Html;
use super::svg::{self, Picture};
use crate::model::EpochRecord;
use crate::stats;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 498.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 248.0;
/// Points of all thin lines of one chart together, which bounds the size of the page.
const POINTS: usize = 6000;

type Figure = fn(&EpochRecord) -> Option<f64>;

/// Writes both charts, or nothing where no fold has epochs.
pub(super) fn write(h: &mut Html, experiment: &ExperimentSection, id: &str) {
    let folds: Vec<&FoldSection> = experiment
        .folds
        .iter()
        .filter(|fold| !fold.history.is_empty())
        .collect();
    if folds.is_empty() {
        return;
    }
    h.part(&format!("{id}-curves"), "Learning curves");
    let watched = folds.iter().any(|fold| {
        fold.history
            .iter()
            .any(|e| e.validation_loss.is_some() || e.validation_accuracy.is_some())
    });
    let mut keys = vec![(Sample::Curve("train"), "training".to_owned())];
    keys.extend(watched.then(|| (Sample::Curve("validation"), "validation".to_owned())));
    svg::legend(h, &keys);
    if folds.len() > 1 {
        h.raw("<p class=\"quiet\">Thin: each fold and seed. Thick: their mean, as far as all of them run.</p>");
    }
    if !watched {
        h.raw("<p class=\"quiet\">There was no validation part, so there is no validation curve; the test part is never shown here.</p>");
    }
    h.raw("<div class=\"pair\">");
    let loss = Chart {
        title: "Loss by epoch",
        percent: false,
        train: |e| Some(e.train_loss),
        validation: |e| e.validation_loss,
    };
    let accuracy = Chart {
        title: "Accuracy by epoch",
        percent: true,
        train: |e| Some(e.train_accuracy),
        validation: |e| e.validation_accuracy,
    };
    loss.write(h, experiment, &folds, &keys, &format!("{id}-loss"));
    accuracy.write(h, experiment, &folds, &keys, &format!("{id}-accuracy"));
    h.raw("</div>");
}

struct Chart {
    title: &'static str,
    percent: bool,
    train: Figure,
    validation: Figure,
}

impl Chart {
    fn write(
        &self,
        h: &mut Html,
        experiment: &ExperimentSection,
        folds: &[&FoldSection],
        keys: Legend,
        id: &str,
    ) {
        let last = folds
            .iter()
            .filter_map(|fold| fold.history.last())
            .map(|e| e.epoch)
            .max()
            .unwrap_or(1);
        let most = folds
            .iter()
            .flat_map(|fold| &fold.history)
            .flat_map(|e| [(self.train)(e), (self.validation)(e)])
            .flatten()
            .filter(|v| v.is_finite())
            .fold(0.0, f64::max);
        let y_ticks = if self.percent {
            svg::ticks(1.0, 5)
        } else {
            svg::ticks(most, 5)
        };
        let y_most = y_ticks.last().copied().unwrap_or(1.0);
        let x = |epoch: usize| LEFT + (RIGHT - LEFT) * epoch as f64 / last as f64;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / y_most;
        let ends = |figure: Figure| {
            let values: Vec<f64> = folds
                .iter()
                .filter_map(|fold| fold.history.last().and_then(figure))
                .filter(|v| v.is_finite())
                .collect();
            (!values.is_empty()).then(|| stats::mean(&values))
        };
        let show = |value: f64| {
            if self.percent {
                format!("{:.1} %", value * 100.0)
            } else {
                format!("{value:.3}")
            }
        };
        let mut description = format!(
            "Curves of {} training runs over up to {last} epochs.",
            folds.len()
        );
        if let Some(value) = ends(self.train) {
            description.push_str(&format!(
                " Mean at the last epoch: training {}",
                show(value)
            ));
            if let Some(value) = ends(self.validation) {
                description.push_str(&format!(", validation {}", show(value)));
            }
            description.push('.');
        }
        let title = format!("{}: {}", experiment.title, self.title);
        h.within("figure", &[], |h| {
            let picture = Picture::new(id, title, description, [WIDTH, HEIGHT]);
            picture.write_with(h, keys, |h| {
                for &tick in &y_ticks {
                    svg::line(h, "grid", (LEFT, y(tick)), (RIGHT, y(tick)));
                    let text = if self.percent {
                        format!("{:.0} %", tick * 100.0)
                    } else {
                        svg::tick_text(tick)
                    };
                    svg::label(h, "tick", "end", (LEFT - 7.0, y(tick) + 4.0), &text);
                }
                for tick in svg::ticks(last as f64, 5)
                    .into_iter()
                    .filter(|&t| t <= last as f64)
                {
                    let at = LEFT + (RIGHT - LEFT) * tick / last as f64;
                    svg::label(
                        h,
                        "tick",
                        "middle",
                        (at, BOTTOM + 17.0),
                        &svg::tick_text(tick),
                    );
                }
                svg::label(
                    h,
                    "tick",
                    "middle",
                    ((LEFT + RIGHT) / 2.0, HEIGHT - 6.0),
                    "epoch",
                );
                let limit = (POINTS / (2 * folds.len())).clamp(16, 140);
                for (figure, thin, thick) in [
                    (self.train, "train thin", "train thick"),
                    (self.validation, "validation thin", "validation thick"),
                ] {
                    for fold in folds {
                        let kept = svg::thin(fold.history.len(), limit);
                        let class = if folds.len() == 1 { thick } else { thin };
                        let points = kept.into_iter().filter_map(|i| fold.history.get(i));
                        svg::polyline(
                            h,
                            class,
                            points.map(|e| (x(e.epoch), figure(e).map_or(f64::NAN, y))),
                        );
                    }
                    if folds.len() > 1 {
                        let mean = mean_curve(folds, figure);
                        let kept = svg::thin(mean.len(), 200);
                        svg::polyline(
                            h,
                            thick,
                            kept.into_iter()
                                .filter_map(|i| mean.get(i))
                                .map(|&(epoch, value)| (x(epoch), y(value))),
                        );
                    }
                }
            });
            h.el("figcaption", &[], self.title);
        });
    }
}

/// The mean over folds, epoch by epoch, up to the end of the shortest.
fn mean_curve(folds: &[&FoldSection], figure: Figure) -> Vec<(usize, f64)> {
    let shortest = folds
        .iter()
        .map(|fold| fold.history.len())
        .min()
        .unwrap_or(0);
    (0..shortest)
        .map(|i| {
            let values: Option<Vec<f64>> = folds
                .iter()
                .map(|fold| fold.history.get(i).and_then(figure))
                .collect();
            let mean = values.map_or(f64::NAN, |values| stats::mean(&values));
            (
                folds
                    .first()
                    .and_then(|fold| fold.history.get(i))
                    .map_or(i + 1, |e| e.epoch),
                mean,
            )
        })
        .collect()
}
