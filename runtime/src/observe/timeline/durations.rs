//! How long items took: a histogram of ten bins a decade, and the longest ones.

use serde::Serialize;

use super::LONGEST;
use super::spans::Span;

/// The largest number of nanoseconds is in bin 192.
const BINS: usize = 193;

/// How many items of which function took how long.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations {
    /// By function, then by bin.
    bins: Vec<[u64; BINS]>,
    /// The longest first.
    pub(super) longest: Vec<Long>,
}

/// A long item.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Long {
    pub(super) function: usize,
    pub(super) index: usize,
    pub(super) lane: Option<usize>,
    pub(super) began: u64,
    pub(super) length: u64,
}

impl Durations {
    /// `count` items of `function` took `length` nanoseconds each.
    pub(super) fn add(&mut self, function: usize, length: u64, count: u64) {
        if self.bins.len() <= function {
            self.bins.resize(function + 1, [0; BINS]);
        }
        self.bins[function][bin(length)] += count;
    }

    /// This item may be among the longest.
    pub(super) fn offer(&mut self, span: &Span, lane: Option<usize>) {
        let full = self.longest.len() == LONGEST;
        if full
            && self
                .longest
                .last()
                .is_some_and(|last| last.length >= span.busy)
        {
            return;
        }
        let place = self.longest.partition_point(|one| one.length >= span.busy);
        self.longest.truncate(LONGEST - 1);
        let long = Long {
            function: span.function,
            index: span.first,
            lane,
            began: span.begin,
            length: span.busy,
        };
        self.longest.insert(place, long);
    }

    /// Bin, function and count.
    pub(super) fn bins(&self) -> Vec<(usize, usize, u64)> {
        let mut list = Vec::new();
        for bin in 0..BINS {
            for (function, counts) in self.bins.iter().enumerate() {
                if counts[bin] > 0 {
                    list.push((bin, function, counts[bin]));
                }
            }
        }
        list
    }
}

/// Bin `n` goes from `10^(n/10)` to `10^((n+1)/10)` nanoseconds; the first one takes what is shorter.
fn bin(length: u64) -> usize {
    (10.0 * (length.max(1) as f64).log10() + 1e-9) as usize
}
