//! The resampling filter for a rate that goes down, in single precision.
//!
//! Taps are added in resampy's order, each sum rounded to single precision as resampy rounds it;
//! but a weight is single precision too, so that now and then a sum is rounded the other way.
//! Vectors then hold twice as many values, and a step is one instruction instead of four. A
//! recording that is sampled down holds signal and its own noise in the whole band, far above that
//! bit. (One that is sampled up does not: see [`super::polyphase`].)
//!
//! The output is cut into as many stretches as a vector has lanes, and each lane works through one
//! of them, so that all lanes need the same weights at the same time. Within a block of outputs,
//! one pass over the input's rows serves several phases.

use pulp::{Arch, Simd, WithSimd};

use super::Stretch;
use super::sinc::Clock;
use super::sinc::{STEPS_PER_CROSSING, SincTable};

/// Phases that are summed in one pass, so that the latency of one sum hides behind the others.
const TILE: usize = 8;
/// Blocks whose input is laid out at a time: the more, the less of it twice, as long as it stays in
/// a near cache.
const BLOCKS: usize = 6;
/// Rows laid out at a time.
const PIECE: usize = 64;

/// Precomputed weights of all phases of a rational ratio below 1.
#[derive(Debug)]
pub(super) struct Decimator {
    /// Outputs of a block, and the input samples that it advances by.
    phases: usize,
    advance: usize,
    /// How far the taps reach before and after the first input sample of a block.
    before: usize,
    after: usize,
    tiles: Vec<Tile>,
    /// Followed in blocks of the ratio in lowest terms, `several` of which make one of the above.
    clock: Clock,
    several: usize,
    /// Rows of samples side by side, kept from call to call.
    panel: Vec<f32>,
}

/// The weights of [`TILE`] neighbouring phases over the rows that any of them needs; rows count
/// from [`Decimator::before`] samples before the block's first.
#[derive(Debug)]
struct Tile {
    /// The left wings, from the last row backwards.
    left_end: usize,
    left: Vec<[f32; TILE]>,
    /// The right wings, from the first row forwards.
    right_start: usize,
    right: Vec<[f32; TILE]>,
}

impl Decimator {
    /// `phases / advance` must be the ratio in lowest terms.
    pub(super) fn new(phases: usize, advance: usize, ratio: f64, table: &SincTable) -> Decimator {
        // A ratio such as 1/2 has too few phases to fill a tile.
        let several = (4 * TILE).div_ceil(phases);
        let (clock, whole) = (Clock::new(phases, advance, ratio), advance as isize);
        // Whole steps add up without an error, so that no output is ever late.
        let late = if phases == 1 { 0 } else { several as isize };
        let (phases, advance) = (phases * several, advance * several);
        let step = (ratio * STEPS_PER_CROSSING as f64) as usize;
        let steps_per_sample = ratio * STEPS_PER_CROSSING as f64;
        // For each phase the input sample at or before the output, and how far behind it the output
        // lies. The last ones stand in for phases on a sample, whose time may come out a hair
        // before it (see `Clock`).
        let positions = (0..phases).map(|phase| {
            (
                (phase * advance / phases) as isize,
                (phase * advance % phases) as f64 / phases as f64,
            )
        });
        let wing = |fraction: f64| {
            table
                .wing(fraction * steps_per_sample, step, ratio)
                .map(|weight| weight as f32)
                .collect()
        };
        let wings: Vec<Wings> = positions
            .chain((0..late).map(|block| (block * whole - 1, 1.0)))
            .map(|(at, fraction)| Wings {
                at,
                left: wing(fraction),
                right: wing(1.0 - fraction),
            })
            .collect();
        let before = wings
            .iter()
            .map(|w| w.left.len() as isize - 1 - w.at)
            .max()
            .unwrap_or(0);
        let after = wings
            .iter()
            .map(|w| w.at + 1 + w.right.len() as isize)
            .max()
            .unwrap_or(0) as usize;
        let tiles = wings
            .chunks(TILE)
            .map(|wings| Tile::new(wings, before))
            .collect();
        Decimator {
            phases,
            advance,
            before: before as usize,
            after,
            tiles,
            clock,
            several,
            panel: vec![],
        }
    }

    /// Outputs of a block.
    pub(super) fn unit(&self) -> usize {
        self.phases
    }

    /// Follows the times of so many outputs in advance.
    pub(super) fn follow(&mut self, outputs: usize) {
        self.clock
            .follow(outputs.div_ceil(self.phases) * self.several);
    }

    /// Fills `output` (its length decides how much) with the outputs from number `from` on, where a
    /// block begins, of `input`.
    pub(super) fn process(&mut self, input: Stretch, from: usize, output: &mut [f32]) {
        let mut panel = std::mem::take(&mut self.panel);
        Arch::new().dispatch(Process {
            decimator: self,
            input,
            from: from / self.phases,
            output,
            panel: &mut panel,
        });
        self.panel = panel;
    }
}

/// The weights of one phase around the input sample at or before its output.
struct Wings {
    at: isize,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Tile {
    fn new(wings: &[Wings], before: isize) -> Tile {
        let last = wings.iter().map(|w| w.at).max().unwrap_or(0);
        let first = wings.iter().map(|w| w.at).min().unwrap_or(0);
        let mut tile = Tile {
            left_end: (last + before) as usize,
            left: vec![],
            right_start: (first + 1 + before) as usize,
            right: vec![],
        };
        for (q, wing) in wings.iter().enumerate() {
            // Where another phase has no tap yet, or none any more, its weight is zero.
            for (side, skipped, weights) in [
                (&mut tile.left, last - wing.at, &wing.left),
                (&mut tile.right, wing.at - first, &wing.right),
            ] {
                let skipped = skipped as usize;
                side.resize(side.len().max(skipped + weights.len()), [0.0; TILE]);
                for (row, weight) in side[skipped..].iter_mut().zip(weights) {
                    row[q] = *weight;
                }
            }
        }
        tile
    }

    /// The sums of the tile's phases, for the rows of one block.
    #[inline(always)]
    fn convolve<S: Simd>(&self, simd: S, rows: &[S::f32s]) -> [S::f32s; TILE] {
        let mut sums = [simd.splat_f32s(0.0); TILE];
        let mut add = |row: &S::f32s, weights: &[f32; TILE]| {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(simd.splat_f32s(*weight), *row, *sum);
            }
        };
        for (row, weights) in rows[..=self.left_end].iter().rev().zip(&self.left) {
            add(row, weights);
        }
        for (row, weights) in rows[self.right_start..].iter().zip(&self.right) {
            add(row, weights);
        }
        sums
    }
}

struct Process<'a> {
    decimator: &'a Decimator,
    input: Stretch<'a>,
    /// The number of the first block.
    from: usize,
    output: &'a mut [f32],
    panel: &'a mut Vec<f32>,
}

impl WithSimd for Process<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Process {
            decimator,
            input:
                Stretch {
                    samples: input,
                    start: offset,
                },
            from,
            output,
            panel,
        } = self;
        let Decimator {
            phases,
            advance,
            before,
            after,
            ref tiles,
            ref clock,
            several,
            ..
        } = *decimator;
        let blocks = output.len().div_ceil(phases);
        let stretch = blocks.div_ceil(S::F32_LANES);
        let errors = clock.errors((from + blocks) * several);
        panel.resize((before + BLOCKS * advance + after) * S::F32_LANES, 0.0);
        for first in (0..stretch).step_by(BLOCKS) {
            interleave(
                S::F32_LANES,
                input,
                |lane| {
                    ((from + lane * stretch + first) * advance) as isize
                        - (before + offset) as isize
                },
                panel,
            );
            let panel = S::as_simd_f32s(panel).0;
            for block in first..(first + BLOCKS).min(stretch) {
                let rows = &panel[(block - first) * advance..];
                for (tile, phase) in tiles.iter().zip((0..).step_by(TILE)) {
                    let sums = tile.convolve(simd, rows);
                    let sums: &[f32] = pulp::bytemuck::cast_slice(&sums);
                    for lane in 0..S::F32_LANES {
                        let block = lane * stretch + block;
                        let sums: [f32; TILE] =
                            std::array::from_fn(|q| sums[q * S::F32_LANES + lane]);
                        if let Some(slots) = output
                            .get_mut(block * phases + phase..)
                            .and_then(|rest| rest.first_chunk_mut::<TILE>())
                            && phase + TILE <= phases
                        {
                            *slots = sums;
                        } else {
                            let late = errors.get((from + block) * several..).unwrap_or_default();
                            let late = &late[..several.min(late.len())];
                            place(
                                &sums,
                                phase,
                                phases,
                                late,
                                output.get_mut(block * phases..).unwrap_or_default(),
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Puts the sums of the phases from `phase` on where they belong in a block; those after the last
/// phase replace the phases on a sample that are late by `errors`.
fn place(sums: &[f32; TILE], phase: usize, phases: usize, errors: &[f64], block: &mut [f32]) {
    for (sum, phase) in sums.iter().zip(phase..) {
        let at = match phase.checked_sub(phases) {
            None => phase,
            Some(late) if errors.get(late).is_some_and(|error| *error < 0.0) => {
                late * (phases / errors.len())
            }
            Some(_) => continue,
        };
        if let Some(slot) = block.get_mut(at) {
            *slot = *sum;
        }
    }
}

/// Lays stretches of `input`, which begin at `start` of each lane, side by side; outside of the
/// input there are zeros.
#[inline(always)]
fn interleave(lanes: usize, input: &[f32], start: impl Fn(usize) -> isize, panel: &mut [f32]) {
    let rows = panel.len() / lanes;
    let inside = |lane: &usize| start(*lane) >= 0 && input.len() >= start(*lane) as usize + rows;
    // Only the first lane and the last ones reach beyond the input: those find zeros in a copy.
    let copies: Vec<Vec<f32>> = (0..lanes)
        .map(|lane| {
            let at = |row: usize| {
                usize::try_from(start(lane) + row as isize)
                    .ok()
                    .and_then(|at| input.get(at))
                    .copied()
            };
            if inside(&lane) {
                vec![]
            } else {
                (0..rows).map(|row| at(row).unwrap_or(0.0)).collect()
            }
        })
        .collect();
    let stretches: Vec<&[f32]> = copies
        .iter()
        .enumerate()
        .map(|(lane, copy)| {
            if copy.is_empty() {
                &input[start(lane) as usize..][..rows]
            } else {
                copy.as_slice()
            }
        })
        .collect();
    // A piece that stays in the nearest cache while every lane comes to it.
    for (piece, first) in panel
        .chunks_mut(PIECE * lanes)
        .zip((0..rows).step_by(PIECE))
    {
        for (lane, stretch) in stretches.iter().enumerate() {
            for (slots, sample) in piece.chunks_exact_mut(lanes).zip(&stretch[first..]) {
                slots[lane] = *sample;
            }
        }
    }
}
