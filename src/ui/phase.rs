//! The stretches of a task's work that are counted anew.

/// What the counts of a task mean at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    unit: &'static str,
    total: u64,
    done: u64,
}

impl Phase {
    pub(super) fn new(unit: &'static str, total: u64, done: u64) -> Phase {
        Phase { unit, total, done }
    }

    /// Takes the next count, and says whether it begins another phase: it is of something else, or
    /// of another number of them and lower. A total alone may grow, as that of a transfer of
    /// unknown length does.
    pub(super) fn goes_on_to(&mut self, unit: &'static str, total: u64, done: u64) -> bool {
        let other = self.unit != unit || (self.total != total && done < self.done);
        *self = Phase { unit, total, done };
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_begins_with_another_unit_or_another_lower_count() {
        let mut phase = Phase::new("recordings", 41, 1);
        assert!(
            !phase.goes_on_to("recordings", 41, 41) && !phase.goes_on_to("recordings", 41, 40),
            "threads overtake each other"
        );
        assert!(phase.goes_on_to("pairs", 41, 1) && !phase.goes_on_to("pairs", 41, 20));
        assert!(phase.goes_on_to("pairs", 10, 3));
        assert!(!phase.goes_on_to("pairs", 12, 4), "a total may grow");
    }
}
