//! The windowed-sinc tables of resampy 0.2.2, computed instead of shipped, and the times that it
//! gives its outputs.

use std::borrow::Cow;
use std::f64::consts::PI;
use std::sync::OnceLock;

/// Table steps per zero crossing of the sinc (resampy's precision 9).
pub(crate) const STEPS_PER_CROSSING: usize = 512;

/// The right half of a Kaiser-windowed sinc: `crossings * STEPS_PER_CROSSING + 1` values from the
/// centre outwards.
#[derive(Debug)]
pub(crate) struct SincTable {
    values: Vec<f64>,
}

impl SincTable {
    /// `kaiser_best`: 64 zero crossings.
    pub(crate) fn kaiser_best() -> &'static SincTable {
        static TABLE: OnceLock<SincTable> = OnceLock::new();
        TABLE.get_or_init(|| SincTable::new(64, 14.769656459379492, 0.9475937167399596))
    }

    /// `kaiser_fast`: 16 zero crossings.
    pub(crate) fn kaiser_fast() -> &'static SincTable {
        static TABLE: OnceLock<SincTable> = OnceLock::new();
        TABLE.get_or_init(|| SincTable::new(16, 8.555504641634386, 0.85))
    }

    fn new(crossings: usize, beta: f64, roll_off: f64) -> SincTable {
        let length = crossings * STEPS_PER_CROSSING;
        let at_centre = bessel_i0(beta);
        let values = (0..=length)
            .map(|step| {
                let along = step as f64 / length as f64;
                let taper = bessel_i0(beta * (1.0 - along * along).max(0.0).sqrt()) / at_centre;
                taper * roll_off * sinc(roll_off * step as f64 / STEPS_PER_CROSSING as f64)
            })
            .collect();
        SincTable { values }
    }

    /// The most weights of a wing, at this step.
    pub(crate) fn taps(&self, step: usize) -> usize {
        self.values.len() / step
    }

    /// The weights of one wing of the filter: every `step`-th value from `start` (in table steps,
    /// linearly interpolated) outwards, times `gain`.
    pub(crate) fn wing(
        &self,
        start: f64,
        step: usize,
        gain: f64,
    ) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.wing_with_slope(start, step, gain)
            .map(|(weight, _)| weight)
    }

    /// As [`SincTable::wing`], each weight with its change per table step.
    pub(crate) fn wing_with_slope(
        &self,
        start: f64,
        step: usize,
        gain: f64,
    ) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        let offset = start as usize;
        let between = start - offset as f64;
        let count = (self.values.len() - offset) / step;
        (0..count).map(move |tap| {
            let index = offset + tap * step;
            let value = self.values[index] * gain;
            let slope = self
                .values
                .get(index + 1)
                .map_or(0.0, |next| next * gain - value);
            (value + between * slope, slope)
        })
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The modified Bessel function of the first kind, order 0, by its power series (all terms
/// positive, so nothing cancels).
fn bessel_i0(x: f64) -> f64 {
    let quarter_square = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-18 {
        term *= quarter_square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// Outputs for which the position of the time register is followed in advance.
const FOLLOWED: usize = 1 << 18;

/// How far resampy's idea of an output's time is from the truth.
///
/// It adds up its time register in double precision, so after a minute the outputs are about 1e-6
/// samples off, enough to change their last bit; and a time that should be a whole number may come
/// out a hair below it. Such an output is made from the sample before and a fraction of nearly one,
/// and because the step into the table is truncated when down-sampling, that gives another value
/// (1e-3 of the slope).
#[derive(Debug)]
pub(super) struct Clock {
    phases: usize,
    advance: usize,
    increment: f64,
    /// The error in input samples at the start of each block of `phases` outputs, and the register
    /// after the last.
    errors: Vec<f64>,
    register: f64,
}

impl Clock {
    pub(super) fn new(phases: usize, advance: usize, ratio: f64) -> Clock {
        let mut clock = Clock {
            phases,
            advance,
            increment: 1.0 / ratio,
            errors: Vec::new(),
            register: 0.0,
        };
        clock.follow(FOLLOWED.div_ceil(phases));
        clock
    }

    /// Follows the register over so many blocks in advance.
    pub(super) fn follow(&mut self, blocks: usize) {
        while self.errors.len() < blocks {
            self.errors
                .push(self.register - (self.errors.len() * self.advance) as f64);
            for _ in 0..self.phases {
                self.register += self.increment;
            }
        }
    }

    /// The errors of the first `blocks` blocks.
    pub(super) fn errors(&self, blocks: usize) -> Cow<'_, [f64]> {
        if blocks <= self.errors.len() {
            return Cow::Borrowed(&self.errors);
        }
        let mut longer = Clock {
            errors: self.errors.clone(),
            ..*self
        };
        longer.follow(blocks);
        Cow::Owned(longer.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_matches_tabulated_values() {
        for (x, expected) in [
            (0.0, 1.0),
            (1.0, 1.266_065_877_752_008_4),
            (5.0, 27.239_871_823_604_442),
        ] {
            assert!(
                (bessel_i0(x) / expected - 1.0).abs() < 1e-14,
                "I0({x}) = {}",
                bessel_i0(x)
            );
        }
    }

    #[test]
    fn the_tables_start_at_the_roll_off_and_fade_out() {
        for (table, roll_off, length) in [
            (SincTable::kaiser_best(), 0.9475937167399596, 32769),
            (SincTable::kaiser_fast(), 0.85, 8193),
        ] {
            assert_eq!(table.values.len(), length);
            assert_eq!(table.values[0], roll_off);
            assert!(table.values[length - 1].abs() < 1e-4);
        }
        // Two values as resampy 0.2.2 ships them.
        assert!((SincTable::kaiser_best().values[1] - 0.947_588_37).abs() < 1e-8);
        assert!((SincTable::kaiser_fast().values[2] - 0.849_984_38).abs() < 1e-8);
    }

    #[test]
    fn a_wing_interpolates_between_table_steps() {
        let table = SincTable::kaiser_fast();
        let on: Vec<f64> = table.wing(3.0, 256, 1.0).collect();
        let next: Vec<f64> = table.wing(4.0, 256, 1.0).collect();
        let between: Vec<f64> = table.wing(3.25, 256, 1.0).collect();
        assert_eq!(on.len(), (8193 - 3) / 256);
        for ((on, next), between) in on.iter().zip(&next).zip(&between) {
            assert!((0.75 * on + 0.25 * next - between).abs() < 1e-15);
        }
    }
}
