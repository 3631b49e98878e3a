//! Maximum pooling, together with the normalisation and the gate that may stand before it.

use super::gate::ReluDropout;
use super::norm::Affine;
use super::plan::SignalLayout;
use crate::linalg::dispatch::vectorised;

/// Non-overlapping windows over the length, and what the forward pass remembers of them.
#[derive(Debug)]
pub(super) struct Pool {
    pub size: usize,
    /// Where the output lies.
    pub grid: SignalLayout,
    /// Index of the maximum in its window, the first one of equals; lies in [`Pool::kept`].
    pub choice: Vec<u32>,
    /// The maximum's value before normalisation and gate; lies in [`Pool::kept`].
    pub chosen: Vec<f32>,
    /// A row of candidates.
    row: Vec<f32>,
}

impl Pool {
    pub fn new(size: usize, grid: SignalLayout) -> Self {
        Pool {
            size,
            grid,
            choice: Vec::new(),
            chosen: Vec::new(),
            row: vec![0.0; grid.channels],
        }
    }

    /// Makes room for `max_batch` samples.
    pub fn allocate(&mut self, max_batch: usize) {
        self.choice = vec![0; self.kept().buffer_len(max_batch)];
        self.chosen = vec![0.0; self.kept().buffer_len(max_batch)];
    }

    /// The place of what is remembered: the output's shape without gaps.
    pub fn kept(&self) -> SignalLayout {
        SignalLayout::padded(self.grid.length, self.grid.channels, 0)
    }
}

vectorised! {
    /// `out` = maxima of `gate(affine(raw))`, with the gaps of `out` zeroed.
    pub(super) fn pool(
        raw: &[f32],
        grid: SignalLayout,
        n: usize,
        affine: Option<Affine>,
        gate: ReluDropout,
        pool: &mut Pool,
        out: &mut [f32],
    ) {
        let (channels, kept) = (grid.channels, pool.kept());
        for index in 0..n {
            let raw = &raw[grid.sample(index)];
            let out = out[pool.grid.sample(index)].chunks_exact_mut(channels);
            let choices = pool.choice[kept.sample(index)].chunks_exact_mut(channels);
            let chosen = pool.chosen[kept.sample(index)].chunks_exact_mut(channels);
            for (window, ((out, choices), chosen)) in out.zip(choices).zip(chosen).enumerate() {
                for element in 0..pool.size {
                    let begin = (window * pool.size + element) * channels;
                    let raw = &raw[begin..begin + channels];
                    match &affine {
                        Some(affine) => affine.apply(raw, &mut pool.row),
                        None => pool.row.copy_from_slice(raw),
                    }
                    gate.forward(&mut pool.row, index * grid.volume() + begin);
                    let best = out.iter_mut().zip(choices.iter_mut()).zip(chosen.iter_mut());
                    for (((best, choice), chosen), (&candidate, &raw)) in best.zip(pool.row.iter().zip(raw)) {
                        let better = element == 0 || candidate > *best || candidate.is_nan();
                        *best = if better { candidate } else { *best };
                        *choice = if better { element as u32 } else { *choice };
                        *chosen = if better { raw } else { *chosen };
                    }
                }
            }
        }
        pool.grid.clear_gaps(out, n);
    }
}

vectorised! {
    /// Carries the gradient of the pool's output `out` through the gate before it, for the chosen
    /// elements, in place.
    pub(super) fn chosen_gate_gradient(
        gradient: &mut [f32],
        out: &[f32],
        grid: SignalLayout,
        n: usize,
        gate: ReluDropout,
        pool: &mut Pool,
    ) {
        let (channels, kept) = (grid.channels, pool.kept());
        for index in 0..n {
            let place = pool.grid.sample(index);
            let rows = gradient[place.clone()].chunks_exact_mut(channels).zip(out[place].chunks_exact(channels));
            let choices = pool.choice[kept.sample(index)].chunks_exact(channels);
            for (window, ((gradient, out), choices)) in rows.zip(choices).enumerate() {
                if gate.relu || gate.mask.is_none() {
                    gate.backward(gradient, out, 0);
                    continue;
                }
                for element in 0..pool.size {
                    pool.row.fill(1.0);
                    gate.forward(&mut pool.row, index * grid.volume() + (window * pool.size + element) * channels);
                    for ((gradient, &choice), &factor) in gradient.iter_mut().zip(choices).zip(&pool.row) {
                        *gradient *= if choice == element as u32 { factor } else { 1.0 };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_maxima_is_chosen() {
        let (grid, size) = (SignalLayout::padded(7, 2, 1), 3);
        let mut raw = vec![0.0; grid.buffer_len(1)];
        grid.spread(
            &[
                1.0, -5.0, 4.0, -5.0, 4.0, -6.0, 0.0, 2.0, 0.0, 3.0, 0.0, 3.0, 9.0, 9.0,
            ],
            &mut raw,
        );
        let mut buffers = Pool::new(size, SignalLayout::padded(2, 2, 1));
        buffers.allocate(1);
        let mut out = vec![7.0; buffers.grid.buffer_len(1)];
        pool(
            &raw,
            grid,
            1,
            None,
            ReluDropout::default(),
            &mut buffers,
            &mut out,
        );
        assert_eq!(
            out,
            [0.0, 0.0, 4.0, -5.0, 0.0, 3.0, 0.0, 0.0],
            "maxima between cleared gaps; the rest of one row is dropped"
        );
        assert_eq!(buffers.choice, [1, 0, 0, 1]);
        assert_eq!(buffers.chosen, [4.0, -5.0, 0.0, 3.0]);
    }
}
