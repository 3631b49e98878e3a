//! The times that resampy gives its outputs.

use std::borrow::Cow;

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
