//! Counts of durations, from which percentiles are read.
//!
//! Values below 256 have a counter each; above, each power of two is shared out among 128, so a
//! percentile is at most 0.8 % too high. The size does not depend on how much is recorded.

use serde::Serialize;

use crate::clock::Nanos;

/// Counters of a power of two, as a power of two.
const FINE: u32 = 7;
const SIZE: usize = (64 - FINE as usize + 1) << FINE;

/// How often each duration occurred.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    max: Nanos,
}

/// What is told of a histogram, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half are not longer.
    pub p50: f64,
    /// Nine in ten are not longer.
    pub p90: f64,
    /// 99 in 100 are not longer.
    pub p99: f64,
    /// 999 in 1,000 are not longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; SIZE],
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: Nanos) {
        self.counts[place(value)] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    /// The value that so many of a thousand do not exceed. `None` when nothing was counted.
    pub fn per_mille(&self, share: u64) -> Option<Nanos> {
        if self.count == 0 {
            return None;
        }
        let wanted = (self.count * share).div_ceil(1000).max(1);
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        place.map(|place| highest(place).min(self.max))
    }

    /// Mean and percentiles. `None` when nothing was counted.
    pub fn summary(&self) -> Option<Summary> {
        let micros = |share| Some(self.per_mille(share)? as f64 / 1000.0);
        Some(Summary {
            count: self.count,
            mean: self.sum as f64 / self.count.max(1) as f64 / 1000.0,
            p50: micros(500)?,
            p90: micros(900)?,
            p99: micros(990)?,
            p999: micros(999)?,
            max: micros(1000)?,
        })
    }
}

/// The counter of a value.
fn place(value: Nanos) -> usize {
    let power = (64 - value.leading_zeros()).saturating_sub(FINE + 1);
    ((power as usize) << FINE) + (value >> power) as usize
}

/// The highest value of a counter.
fn highest(place: usize) -> Nanos {
    let power = (place >> FINE).saturating_sub(1);
    let fine = (place - (power << FINE)) as u128;
    let next = (fine + 1) << power;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_counter() {
        let near = |power: u32| (1u64 << power).saturating_sub(2)..=(1u64 << power) + 2;
        for value in (0..63).flat_map(near).chain([u64::MAX - 1, u64::MAX]) {
            let place = place(value);
            assert!(place < SIZE, "{value}");
            let highest = highest(place);
            assert!(highest >= value, "{value}");
            assert!(
                highest - value <= value / 128,
                "{value} is told as {highest}"
            );
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        for value in (1..=200).rev() {
            histogram.record(value);
        }
        let told = [1, 500, 990, 999, 1000].map(|share| histogram.per_mille(share));
        assert_eq!(told, [1, 100, 198, 200, 200].map(Some));
    }

    #[test]
    fn the_slowest_is_told_exactly() {
        let mut histogram = Histogram::default();
        histogram.record(1_000);
        histogram.record(1_234_567_891);
        let summary = histogram.summary().unwrap();
        assert_eq!(summary.max, 1_234_567.891);
        assert_eq!(summary.count, 2);
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Histogram::default().summary(), None);
    }
}
