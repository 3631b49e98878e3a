//! Decoded samples on their way: averaged over the channels, cut to what is to be heard, checked
//! and counted.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::budget::{Budget, MAX_FRAMES, Permit};
use super::refusal::Refusal;
use super::simd::dispatch;
use super::sound::{Spill, is_long};

/// Frames that are mixed at a time.
pub(super) const BLOCK: usize = 2_048;

/// Magnitude of a sample from which on the scale is in doubt: full scale is 1.
const OUT_OF_SCALE: f32 = 16.0;
/// Share of the channels' power below which their mean is taken for cancelled.
const CANCELLED: f64 = 0.01;

/// Something about a recording that was read and should be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Remark {
    /// The channels cancel each other: their mean has less than a hundredth of their power.
    Cancelled,
    /// Samples are far beyond full scale.
    OutOfScale,
    /// Of HE-AAC the core alone is decoded, at half the rate and without the upper band.
    CoreOnly,
    /// A little less is there than the header says.
    Shortened,
    /// The number of frames in the header of an MP3 file is not that of its frames.
    Miscounted,
    /// It is not the published recording of its name.
    Altered,
}

impl Remark {
    /// All of them.
    pub const ALL: [Remark; 6] = [
        Remark::Cancelled,
        Remark::OutOfScale,
        Remark::CoreOnly,
        Remark::Shortened,
        Remark::Miscounted,
        Remark::Altered,
    ];

    /// The message about recordings that have it.
    pub fn text(self) -> &'static str {
        match self {
            Remark::Cancelled => {
                "the channels cancel each other (their mean has less than a hundredth of their power): one may be inverted; keep a single channel"
            }
            Remark::OutOfScale => {
                "samples far beyond full scale: float samples should lie within [-1, 1]; scale them"
            }
            Remark::CoreOnly => {
                "HE-AAC: only the core at half the sample rate is decoded, without the upper band; convert with ffmpeg to keep it"
            }
            Remark::Shortened => "up to 50 ms less sound than the header says",
            Remark::Miscounted => {
                "the MP3 header counts other frames than there are; all frames there are read"
            }
            Remark::Altered => {
                "size or SHA-256 differs from the published recording of the same name: results are not comparable with published ones"
            }
        }
    }

    /// Whether it casts doubt on the sound, or is only of note.
    pub fn is_warning(self) -> bool {
        !matches!(self, Remark::Shortened | Remark::Miscounted)
    }
}

/// The remarks on a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Remarks(u8);

impl Remarks {
    /// Adds one.
    pub fn add(&mut self, remark: Remark) {
        self.0 |= 1 << remark as u8;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Remark> {
        Remark::ALL
            .into_iter()
            .filter(move |remark| self.0 & (1 << *remark as u8) != 0)
    }
}

/// Takes blocks of samples as they come, their rate, and whether they are the last; what it leaves
/// in the buffer is there again the next time.
pub(super) type Taker<'a> = dyn FnMut(&mut Vec<f32>, u32, bool) -> Result<(), Refusal> + 'a;

/// Collects samples, or hands them on block after block.
pub(super) struct Mono<'a> {
    /// Samples at the sample rate of the file.
    pub(super) samples: Vec<f32>,
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) remarks: Remarks,
    /// Frames decoded so far, and those of them that are to be heard.
    pub(super) decoded: u64,
    pub(super) kept: u64,
    /// What is to be heard, in frames; everything where there is nothing here.
    spans: Vec<Range<u64>>,
    /// Whether the spans go back, so that they are put in order at the end.
    jumps: bool,
    span: usize,
    budget: &'a Budget,
    pub(super) permit: Permit<'a>,
    taker: Option<&'a mut Taker<'a>>,
    /// Where the samples go once there are too many; nothing where they are kept in memory however
    /// many there are.
    pub(super) spill: Option<Spill>,
    power: f64,
    mean_power: f64,
    peak: f32,
}

impl<'a> Mono<'a> {
    /// Keeps what the budget allows; a `taker` gets the samples as they come, and says what it
    /// leaves.
    pub(super) fn new(budget: &'a Budget, taker: Option<&'a mut Taker<'a>>) -> Mono<'a> {
        Mono {
            samples: Vec::new(),
            sample_rate: 0,
            channels: 0,
            remarks: Remarks::default(),
            decoded: 0,
            kept: 0,
            spans: Vec::new(),
            jumps: false,
            span: 0,
            budget,
            permit: Permit::default(),
            taker,
            spill: None,
            power: 0.0,
            mean_power: 0.0,
            peak: 0.0,
        }
    }

    /// Says what comes, and how many frames where that is known: memory for them is asked for
    /// before any is decoded.
    pub(super) fn begin(
        &mut self,
        sample_rate: u32,
        channels: u16,
        frames: Option<u64>,
    ) -> Result<(), Refusal> {
        if !super::decode::RATES.contains(&sample_rate) {
            return Err(format!("its sample rate of {sample_rate} Hz is not possible").into());
        }
        if channels == 0 {
            return Err("its header says that it has no channels".into());
        }
        (self.sample_rate, self.channels) = (sample_rate, channels);
        let heard = self
            .spans
            .iter()
            .map(|span| span.end.saturating_sub(span.start))
            .reduce(u64::saturating_add);
        let frames = match (heard, frames) {
            (Some(heard), Some(frames)) if !self.jumps => Some(heard.min(frames)),
            (_, frames) => frames,
        };
        match frames {
            // What is written to a file takes no memory either.
            Some(frames) if self.taker.is_none() && !self.jumps && self.goes_to_file(frames) => {
                self.begin_spill()
            }
            Some(frames) if self.taker.is_none() || self.jumps => {
                self.check(frames)?;
                self.reserve(frames)
            }
            // Blocks take no memory, but a header that promises days is not believed.
            Some(frames) if frames > MAX_FRAMES => self.check(frames),
            _ => Ok(()),
        }
    }

    /// Says which frames are to be heard, in order.
    pub(super) fn hear(&mut self, spans: Vec<Range<u64>>) {
        self.jumps = spans.windows(2).any(|pair| pair[1].start < pair[0].end);
        self.spans = spans;
    }

    fn check(&mut self, frames: u64) -> Result<(), Refusal> {
        if frames > MAX_FRAMES {
            let hours = frames as f64 / 3_600.0 / f64::from(self.sample_rate);
            return Err(Refusal::Told(format!(
                "it lasts {hours:.0} hours or more by its header, longer than what is read: cut it into shorter recordings"
            )));
        }
        self.budget
            .claim(frames, self.sample_rate, &mut self.permit)
    }

    /// Whether a recording of so many samples is kept in a file.
    fn goes_to_file(&self, frames: u64) -> bool {
        let is_too_long =
            is_long(frames, self.sample_rate) || self.budget.refuses(frames, self.sample_rate);
        self.spill.is_some() && is_too_long && frames <= MAX_FRAMES
    }

    fn begin_spill(&mut self) -> Result<(), Refusal> {
        match &mut self.spill {
            Some(spill) => {
                spill.take(&std::mem::take(&mut self.samples), self.sample_rate)?;
                // What lies in a file takes no memory; whoever reads all of it asks anew.
                self.permit = Permit::default();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn reserve(&mut self, frames: u64) -> Result<(), Refusal> {
        let more = usize::try_from(frames)
            .ok()
            .and_then(|frames| self.samples.try_reserve_exact(frames).ok());
        more.ok_or_else(|| {
            let needs = (self.samples.len() as u64 + frames) >> 18;
            Refusal::Told(format!("its samples take {needs} MiB of memory, more than there is: cut it into shorter recordings"))
        })
    }

    /// Makes room for a block.
    fn make_room(&mut self, frames: usize) -> Result<(), Refusal> {
        let free = self.samples.capacity() - self.samples.len();
        if free >= frames {
            return Ok(());
        }
        // By half of what is there, so that growing costs little in all and never doubles what is
        // needed.
        self.reserve((self.samples.len() / 2).max(frames).max(BLOCK) as u64)
    }

    /// Takes interleaved samples of all channels.
    pub(super) fn interleaved(&mut self, values: &[f32]) -> Result<(), Refusal> {
        let channels = usize::from(self.channels);
        if channels == 1 {
            return self.mono(values.len(), |out| out.extend_from_slice(values));
        }
        for block in values.chunks(BLOCK * channels) {
            self.power += power(block) / channels as f64;
            let count = channels as f32;
            self.mono(block.len() / channels, |out| match channels {
                2 => out.extend(
                    block
                        .as_chunks::<2>()
                        .0
                        .iter()
                        .map(|[left, right]| (left + right) / count),
                ),
                _ => out.extend(
                    block
                        .chunks_exact(channels)
                        .map(|frame| frame.iter().sum::<f32>() / count),
                ),
            })?;
        }
        Ok(())
    }

    /// Takes `frames` samples of one channel, or of a mean, which `add` appends.
    pub(super) fn mono(
        &mut self,
        frames: usize,
        add: impl FnOnce(&mut Vec<f32>),
    ) -> Result<(), Refusal> {
        self.make_room(frames)?;
        let from = self.samples.len();
        add(&mut self.samples);
        self.look(from)?;
        let began = self.decoded;
        self.decoded += (self.samples.len() - from) as u64;
        if !self.spans.is_empty() && !self.jumps {
            self.cut(from, began);
        }
        self.kept += (self.samples.len() - from) as u64;
        self.budget.check()?;
        let has_begun = self.spill.as_ref().is_some_and(Spill::has_begun);
        if !self.jumps
            && (has_begun && Spill::wants(self.samples.len())
                || !has_begun && self.goes_to_file(self.kept))
        {
            self.begin_spill()?;
        }
        if self.kept > MAX_FRAMES || !self.spill.as_ref().is_some_and(Spill::has_begun) {
            // What a taker leaves is what is held.
            let held = if self.taker.is_some() && !self.jumps {
                self.samples.len() as u64
            } else {
                self.kept
            };
            self.check(if self.kept > MAX_FRAMES {
                self.kept
            } else {
                held
            })?;
        }
        match &mut self.taker {
            Some(taker) if !self.jumps => taker(&mut self.samples, self.sample_rate, false),
            _ => Ok(()),
        }
    }

    /// Looks at the new samples: they are finite, and how large are they?
    fn look(&mut self, from: usize) -> Result<(), Refusal> {
        let fresh = &self.samples[from..];
        let (largest, is_finite) = extent(fresh);
        if !is_finite {
            let at = self.decoded as usize
                + fresh
                    .iter()
                    .position(|s| !s.is_finite())
                    .unwrap_or_default();
            return Err(format!("sample {at} is not a finite number").into());
        }
        self.peak = self.peak.max(largest);
        if self.channels > 1 {
            self.mean_power += power(fresh);
        }
        Ok(())
    }

    /// Drops those of the new samples that are not to be heard.
    fn cut(&mut self, from: usize, began: u64) {
        let end = self.decoded;
        let mut to = from;
        while let Some(span) = self.spans.get(self.span) {
            let (start, stop) = (span.start.max(began), span.end.min(end));
            if start < stop {
                let (a, b) = (
                    from + (start - began) as usize,
                    from + (stop - began) as usize,
                );
                self.samples.copy_within(a..b, to);
                to += b - a;
            }
            if span.end > end {
                break;
            }
            self.span += 1;
        }
        self.samples.truncate(to);
    }

    /// Whether nothing that is still to come will be heard.
    pub(super) fn has_all(&self) -> bool {
        !self.jumps && !self.spans.is_empty() && self.span == self.spans.len()
    }

    /// Ends the recording.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        if self.jumps {
            let whole = std::mem::take(&mut self.samples);
            let within = |span: &Range<u64>| {
                let end = (span.end.min(whole.len() as u64)) as usize;
                (span.start as usize).min(end)..end
            };
            let spans: Vec<Range<usize>> = self.spans.iter().map(within).collect();
            self.kept = spans.iter().map(|span| span.len() as u64).sum();
            self.check(self.kept)?;
            self.reserve(self.kept)?;
            spans
                .into_iter()
                .for_each(|span| self.samples.extend_from_slice(&whole[span]));
        }
        if self.kept == 0 {
            return Err("it holds no samples".into());
        }
        if self.channels > 1 && self.mean_power < CANCELLED * self.power {
            self.remarks.add(Remark::Cancelled);
        }
        if self.peak >= OUT_OF_SCALE {
            self.remarks.add(Remark::OutOfScale);
        }
        match &mut self.taker {
            Some(taker) => taker(&mut self.samples, self.sample_rate, true),
            None => Ok(()),
        }
    }
}

dispatch! {
    /// The largest magnitude, and whether all values are finite; side by side as in [`power`].
    fn extent(values: &[f32]) -> (f32, bool) = extent_body
}

#[inline(always)]
fn extent_body<const FUSED: bool>(values: &[f32]) -> (f32, bool) {
    let (rows, rest) = values.as_chunks::<16>();
    // Nought times what is not finite is no number, and stays so in a sum.
    let (mut largest, mut noughts) = ([0.0f32; 16], [0.0f32; 16]);
    let look = |largest: &mut f32, nought: &mut f32, value: f32| {
        let magnitude = value.abs();
        *largest = if magnitude > *largest {
            magnitude
        } else {
            *largest
        };
        *nought += 0.0 * value;
    };
    for row in rows {
        for ((largest, nought), value) in largest.iter_mut().zip(&mut noughts).zip(row) {
            look(largest, nought, *value);
        }
    }
    rest.iter()
        .for_each(|value| look(&mut largest[0], &mut noughts[0], *value));
    (
        largest.into_iter().fold(0.0, f32::max),
        noughts.iter().all(|nought| *nought == 0.0),
    )
}

/// Sum of squares, in several sums so that the compiler can work on them side by side.
fn power(values: &[f32]) -> f64 {
    let (rows, rest) = values.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for row in rows {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += value * value);
    }
    sums.iter()
        .chain(&[rest.iter().map(|value| value * value).sum::<f32>()])
        .map(|sum| f64::from(*sum))
        .sum()
}
