//! Stretches of a recording that count one by one.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A window that moves over a recording.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    length_s: f64,
    hop_s: f64,
}

impl Windows {
    /// Shortest window and hop, in seconds.
    pub const SHORTEST_S: f64 = 0.002;
    /// Longest, in seconds.
    pub const LONGEST_S: f64 = 1e6;

    /// A window of `length_s` seconds that moves by `hop_s`, or by half its length.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] where one of them is no positive number of seconds.
    pub fn new(length_s: f64, hop_s: Option<f64>) -> Result<Windows> {
        let hop_s = hop_s.unwrap_or(length_s / 2.0);
        for (name, value) in [("window", length_s), ("hop", hop_s)] {
            // Above the shortest that has features at all, below any recording.
            if !(value.is_finite() && (Self::SHORTEST_S..=Self::LONGEST_S).contains(&value)) {
                let hint = format!(
                    "give {} s to {} s, such as 3 or 0.5",
                    Self::SHORTEST_S,
                    Self::LONGEST_S
                );
                return Err(
                    Error::usage(format!("a {name} of {value} s is not possible")).hint(hint),
                );
            }
        }
        Ok(Windows { length_s, hop_s })
    }

    /// Seconds of a window.
    pub fn length_s(&self) -> f64 {
        self.length_s
    }

    /// Seconds from the beginning of a window to that of the next.
    pub fn hop_s(&self) -> f64 {
        self.hop_s
    }

    /// The windows of a recording whose length is not known yet.
    pub fn stream(&self, sample_rate: u32) -> Stream {
        Stream {
            windows: *self,
            sample_rate,
            next: 0,
            last: None,
        }
    }

    /// The windows over `samples` samples, in order: each begins a hop after the one before it and
    /// ends within the recording; one more ends with the recording where the last of these does
    /// not. A recording no longer than a window is one.
    pub fn over(&self, samples: usize, sample_rate: u32) -> Vec<Range<usize>> {
        let at = |seconds: f64| (seconds * f64::from(sample_rate)).round() as usize;
        let length = at(self.length_s).max(1);
        if samples <= length {
            return std::iter::once(0..samples).collect();
        }
        let last = samples - length;
        let mut starts: Vec<usize> = (0u32..)
            .map(|i| at(f64::from(i) * self.hop_s))
            .take_while(|start| *start <= last)
            .collect();
        // A hop of less than a sample comes to the same place twice.
        starts.dedup();
        if starts.last() != Some(&last) {
            starts.push(last);
        }
        starts
            .into_iter()
            .map(|start| start..start + length)
            .collect()
    }
}

/// Windows over a recording that comes piece after piece: the same as [`Windows::over`] has them.
#[derive(Debug, Clone)]
pub struct Stream {
    windows: Windows,
    sample_rate: u32,
    /// The number of the next window, and where the last one began.
    next: u32,
    last: Option<usize>,
}

impl Stream {
    fn at(&self, seconds: f64) -> usize {
        (seconds * f64::from(self.sample_rate)).round() as usize
    }

    fn length(&self) -> usize {
        self.at(self.windows.length_s).max(1)
    }

    fn start(&self) -> usize {
        self.at(f64::from(self.next) * self.windows.hop_s)
    }

    /// The windows that end before sample `there`, in order; of a recording no longer than a
    /// window, none.
    pub fn ready(&mut self, there: usize) -> Vec<Range<usize>> {
        let mut ready = Vec::new();
        let length = self.length();
        while self.start() + length < there {
            let start = self.start();
            // A hop of less than a sample comes to the same place twice.
            if self.last != Some(start) {
                ready.push(start..start + length);
            }
            self.last = Some(start);
            self.next += 1;
        }
        ready
    }

    /// Samples that are worth judging together: some windows.
    pub fn batch(&self) -> usize {
        const WINDOWS: usize = 64;
        self.length() + WINDOWS * self.at(self.windows.hop_s).clamp(1, 1 << 17)
    }

    /// The first sample that is still needed of `there`: of the next window, or of one that ends
    /// with the recording.
    pub fn needed(&self, there: usize) -> usize {
        self.start().min(there.saturating_sub(self.length()))
    }

    /// The windows that are left of a recording of `samples` samples.
    pub fn rest(&mut self, samples: usize) -> Vec<Range<usize>> {
        let mut rest = self.ready(samples);
        let end = samples.saturating_sub(self.length())..samples;
        if self.last != Some(end.start) {
            rest.push(end);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_recording_and_the_last_ends_with_it() {
        let windows = Windows::new(2.0, None).unwrap();
        assert_eq!(windows.over(45, 10), [0..20, 10..30, 20..40, 25..45]);
        assert_eq!(windows.over(40, 10), [0..20, 10..30, 20..40]);
        assert_eq!(windows.over(21, 10), [0..20, 1..21]);
    }

    #[test]
    fn a_recording_no_longer_than_a_window_is_one() {
        let windows = Windows::new(2.0, Some(0.5)).unwrap();
        assert!(
            windows.over(20, 10).iter().eq([&(0..20)]) && windows.over(7, 10).iter().eq([&(0..7)])
        );
    }

    #[test]
    fn hops_beyond_the_window_leave_gaps_but_not_at_the_end() {
        assert_eq!(
            Windows::new(1.0, Some(3.0)).unwrap().over(55, 10),
            [0..10, 30..40, 45..55]
        );
    }

    #[test]
    fn hops_that_are_no_whole_samples_do_not_drift() {
        let starts: Vec<usize> = Windows::new(1.0, Some(0.25))
            .unwrap()
            .over(30, 10)
            .iter()
            .map(|w| w.start)
            .collect();
        assert_eq!(starts, [0, 3, 5, 8, 10, 13, 15, 18, 20]);
    }

    #[test]
    fn pieces_give_the_same_windows_as_the_whole() {
        for (length, hop) in [
            (2.0, None),
            (1.0, Some(0.25)),
            (1.0, Some(3.0)),
            (0.35, Some(0.02)),
            (4.0, Some(4.0)),
        ] {
            let windows = Windows::new(length, hop).unwrap();
            for samples in (1..90).chain([1_000]) {
                for piece in [1, 7, 64] {
                    let (mut stream, mut found, mut there) = (windows.stream(10), vec![], 0);
                    while there < samples {
                        there = (there + piece).min(samples);
                        found.extend(stream.ready(there));
                        let after = stream.needed(there);
                        assert!(after <= there);
                        assert!(
                            stream
                                .clone()
                                .rest(there)
                                .iter()
                                .all(|window| window.start >= after)
                        );
                    }
                    found.extend(stream.rest(samples));
                    assert_eq!(
                        found,
                        windows.over(samples, 10),
                        "{length} {hop:?} {samples} {piece}"
                    );
                }
            }
        }
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for (length, hop) in [
            (0.0, None),
            (-1.0, None),
            (f64::NAN, None),
            (1.0, Some(0.0)),
            (1.0, Some(f64::INFINITY)),
        ] {
            assert_eq!(
                Windows::new(length, hop).unwrap_err().kind(),
                crate::error::Kind::Usage,
                "{length} {hop:?}"
            );
        }
    }
}
