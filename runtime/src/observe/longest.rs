//! The items that took longest.

use std::time::Duration;

use crate::event::FailureKind;

/// So many are kept.
const KEPT: usize = 5;

/// An attempt at an item that took long: see [`Stats::longest`](super::Stats::longest).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongItem {
    /// The registered name of its function.
    pub function: &'static str,
    /// Its index in its call.
    pub index: usize,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The number of its worker.
    pub worker: Option<usize>,
    /// From its beginning to its end, decoding and encoding included.
    pub took: Duration,
    /// In what way it ended its worker, if it did; that an item panicked is not said here.
    pub failure: Option<FailureKind>,
}

/// The longest of all, longest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Longest(Vec<LongItem>);

impl Longest {
    /// False if an item that took so many nanoseconds is none of them.
    #[inline]
    pub(super) fn takes(&self, nanos: u64) -> bool {
        let least = self.0.get(KEPT - 1);
        least.is_none_or(|least| u128::from(nanos) > least.took.as_nanos())
    }

    pub(super) fn add(&mut self, item: LongItem) {
        let place = self.0.partition_point(|one| one.took >= item.took);
        self.0.insert(place, item);
        self.0.truncate(KEPT);
    }

    pub(super) fn into_items(self) -> Vec<LongItem> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_five_are_kept_in_order() {
        let mut longest = Longest::default();
        for (index, nanos) in [3, 9, 1, 9, 4, 7, 2, 8].into_iter().enumerate() {
            if longest.takes(nanos) {
                longest.add(LongItem {
                    function: "f",
                    index,
                    attempt: 1,
                    worker: None,
                    took: Duration::from_nanos(nanos),
                    failure: None,
                });
            }
        }
        let kept = longest.into_items();
        let kept: Vec<_> = kept
            .iter()
            .map(|one| (one.took.as_nanos(), one.index))
            .collect();
        assert_eq!(kept, [(9, 1), (9, 3), (8, 7), (7, 5), (4, 4)]);
    }
}
