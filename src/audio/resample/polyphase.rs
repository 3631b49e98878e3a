//! The resampling filter for a rational ratio, where the positions between the input's samples
//! repeat: as exact as resampy. A rate that goes down has a faster form besides, see
//! [`super::decimate`].
//!
//! Output `t` sits at input time `t * advance / phases`, so outputs `phases` apart share their
//! weights, and those weights are computed once. Eight such outputs are worked on together, one in
//! each lane of a vector, and four phases at a time.

use super::Stretch;
use super::sinc::Clock;
use super::sinc::{STEPS_PER_CROSSING, SincTable};
use crate::audio::simd::{dispatch, multiply_add_f64};

/// Outputs of one phase that are computed together.
const LANES: usize = 8;
/// Phases that are computed together, so that the latency of one sum hides behind the others.
const TILE: usize = 4;

/// Precomputed weights of all phases of a rational resampling ratio.
#[derive(Debug)]
pub(super) struct Polyphase {
    phases: usize,
    advance: usize,
    /// Taps of the left wing (from the output's own time backwards), then of the right wing: the
    /// longest over the phases.
    left: usize,
    taps: usize,
    /// For each phase, and one more that stands in for a late phase 0, the input sample at or
    /// before the output.
    first: Vec<isize>,
    /// `[tile][tap]`; left wing first; short wings end in zeros.
    weights: Vec<Tap>,
    clock: Clock,
}

/// One tap of `TILE` phases: its weight, and how the weight changes with the output's time (per
/// input sample).
#[derive(Debug, Clone, Copy, Default)]
struct Tap {
    weight: [f64; TILE],
    slope: [f64; TILE],
}

impl Polyphase {
    /// `phases / advance` must be the ratio in lowest terms.
    pub(super) fn new(phases: usize, advance: usize, ratio: f64, table: &SincTable) -> Polyphase {
        let scale = ratio.min(1.0);
        let step = (scale * STEPS_PER_CROSSING as f64) as usize;
        let steps_per_sample = scale * STEPS_PER_CROSSING as f64;
        let wings = |fraction: f64| {
            let left: Vec<_> = table
                .wing_with_slope(fraction * steps_per_sample, step, scale)
                .collect();
            let right: Vec<_> = table
                .wing_with_slope((1.0 - fraction) * steps_per_sample, step, scale)
                .collect();
            (left, right)
        };
        let mut first: Vec<isize> = (0..phases)
            .map(|phase| (phase * advance / phases) as isize)
            .collect();
        let mut wings_of: Vec<_> = (0..phases)
            .map(|phase| wings((phase * advance % phases) as f64 / phases as f64))
            .collect();
        first.push(-1);
        wings_of.push(wings(1.0));
        first.resize(first.len().next_multiple_of(TILE), 0);

        let left = wings_of
            .iter()
            .map(|(left, _)| left.len())
            .max()
            .unwrap_or(0);
        let taps = left
            + wings_of
                .iter()
                .map(|(_, right)| right.len())
                .max()
                .unwrap_or(0);
        let mut weights = vec![Tap::default(); first.len() / TILE * taps];
        for (phase, (left_wing, right_wing)) in wings_of.iter().enumerate() {
            let tile = &mut weights[phase / TILE * taps..][..taps];
            for (wing, start, direction) in [
                (left_wing, 0, steps_per_sample),
                (right_wing, left, -steps_per_sample),
            ] {
                for (tap, (weight, slope)) in tile[start..].iter_mut().zip(wing) {
                    tap.weight[phase % TILE] = *weight;
                    tap.slope[phase % TILE] = *slope * direction;
                }
            }
        }
        Polyphase {
            phases,
            advance,
            left,
            taps,
            first,
            weights,
            clock: Clock::new(phases, advance, ratio),
        }
    }

    /// Follows the times of so many outputs in advance.
    pub(super) fn follow(&mut self, outputs: usize) {
        self.clock.follow(outputs.div_ceil(self.phases) + LANES + 1);
    }

    /// Fills `output` (its length decides how much) with the outputs from number `from` on of
    /// `input`.
    pub(super) fn process(
        &self,
        Stretch {
            samples: input,
            start: offset,
        }: Stretch,
        from: usize,
        output: &mut [f32],
    ) {
        let start = from / self.phases;
        let blocks = (from + output.len()).div_ceil(self.phases);
        let errors = self
            .clock
            .errors(start + (blocks - start).next_multiple_of(LANES) + 1);
        // Row r of the panel holds, for each lane, the input sample r - before after the start of
        // that lane's block.
        let before = self.left;
        let rows = before + self.first[self.phases - 1].unsigned_abs() + self.taps - self.left + 1;
        let mut panel = vec![[0.0f64; LANES]; rows];
        for block in (start..blocks).step_by(LANES) {
            for lane in 0..LANES {
                fill_lane(
                    &mut panel,
                    lane,
                    input,
                    ((block + lane) * self.advance) as isize - (before + offset) as isize,
                );
            }
            let errors = &errors[block..=block + LANES];
            for (tile, weights) in self.weights.chunks_exact(self.taps).enumerate() {
                let phase = tile * TILE;
                let mut sums = [[0.0; LANES]; TILE];
                for (q, late) in sums.iter_mut().enumerate() {
                    // Between the starts of two blocks the error grows evenly; the stand-in phase
                    // belongs to the start itself.
                    let along = if phase + q < self.phases {
                        (phase + q) as f64 / self.phases as f64
                    } else {
                        0.0
                    };
                    for (late, ends) in late.iter_mut().zip(errors.windows(2)) {
                        *late = ends[0] + along * (ends[1] - ends[0]);
                    }
                }
                let centre: [usize; TILE] =
                    std::array::from_fn(|q| (self.first[phase + q] + before as isize) as usize);
                convolve(&panel, centre, weights.split_at(self.left), &mut sums);
                for (q, sums) in sums.iter().enumerate() {
                    for (lane, sum) in sums.iter().enumerate() {
                        let at = match (phase + q).cmp(&self.phases) {
                            std::cmp::Ordering::Less => (block + lane) * self.phases + phase + q,
                            std::cmp::Ordering::Equal if errors[lane] < 0.0 => {
                                (block + lane) * self.phases
                            }
                            _ => continue,
                        };
                        if let Some(slot) = at.checked_sub(from).and_then(|at| output.get_mut(at)) {
                            *slot = *sum as f32;
                        }
                    }
                }
            }
        }
    }
}

fn fill_lane(panel: &mut [[f64; LANES]], lane: usize, input: &[f32], start: isize) {
    let skipped = start.min(0).unsigned_abs().min(panel.len());
    let (outside, inside) = panel.split_at_mut(skipped);
    let available = input.get(start.max(0) as usize..).unwrap_or(&[]);
    let (covered, beyond) = inside.split_at_mut(available.len().min(inside.len()));
    for row in outside.iter_mut().chain(beyond) {
        row[lane] = 0.0;
    }
    for (row, sample) in covered.iter_mut().zip(available) {
        row[lane] = f64::from(*sample);
    }
}

/// resampy adds tap after tap into a single-precision output. Above the band of an up-sampled
/// recording there is nothing but that rounding, and the spectral contrast of the top band measures
/// it, so every partial sum is rounded here too: the half is added to the 29 bits that single
/// precision lacks, and they are cleared. (Ties go away from zero, not to even; with these weights
/// none occur.)
#[inline(always)]
fn round_to_single(value: f64) -> f64 {
    f64::from_bits(value.to_bits().wrapping_add(1 << 28) & !((1 << 29) - 1))
}

dispatch! {
    /// The sums of `TILE` phases over `LANES` blocks; `centre` names each phase's row of the panel.
    /// `sums` brings in the errors of the outputs' times, in input samples.
    fn convolve(panel: &[[f64; LANES]], centre: [usize; TILE], taps: (&[Tap], &[Tap]), sums: &mut [[f64; LANES]; TILE]) = convolve_body
}

#[inline(always)]
fn convolve_body<const FUSED: bool>(
    panel: &[[f64; LANES]],
    centre: [usize; TILE],
    (left, right): (&[Tap], &[Tap]),
    sums: &mut [[f64; LANES]; TILE],
) {
    let errors = *sums;
    let mut totals = [[0.0; LANES]; TILE];
    let rows = centre.map(|centre| &panel[centre + 1 - left.len()..][..left.len()]);
    for (index, tap) in left.iter().enumerate() {
        for q in 0..TILE {
            accumulate::<FUSED>(
                &mut totals[q],
                tap.weight[q],
                tap.slope[q],
                &errors[q],
                &rows[q][left.len() - 1 - index],
            );
        }
    }
    let rows = centre.map(|centre| &panel[centre + 1..][..right.len()]);
    for (index, tap) in right.iter().enumerate() {
        for q in 0..TILE {
            accumulate::<FUSED>(
                &mut totals[q],
                tap.weight[q],
                tap.slope[q],
                &errors[q],
                &rows[q][index],
            );
        }
    }
    *sums = totals;
}

#[inline(always)]
fn accumulate<const FUSED: bool>(
    totals: &mut [f64; LANES],
    weight: f64,
    slope: f64,
    errors: &[f64; LANES],
    row: &[f64; LANES],
) {
    for lane in 0..LANES {
        let weight = multiply_add_f64::<FUSED>(slope, errors[lane], weight);
        totals[lane] = round_to_single(multiply_add_f64::<FUSED>(weight, row[lane], totals[lane]));
    }
}
