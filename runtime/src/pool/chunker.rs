//! How many items go into the next chunk.

use super::balance::useful;

/// A chunk is meant to take this long: far more than handing it over costs, and short enough that
/// results, and a fair share of the rest, are never far away.
const SLICE_NANOS: f64 = 2_000_000.0;
/// At the end, when chunks shrink so that all workers end together, they get no smaller than this.
const LEAST_NANOS: f64 = 50_000.0;
/// One measurement is not trusted further than this: the first items of a function are slower.
const GROWTH: usize = 16;
/// More items than this are never given at once: their results are gathered, too.
const LARGEST: usize = 1 << 20;
/// A chunk with this many bytes takes no further item.
pub(super) const FULL_BYTES: usize = 128 << 10;
/// Nor does one that names so many shared objects: each takes a descriptor where it is decoded.
pub(super) const FULL_OBJECTS: usize = 64;

/// Sizes the chunks of one call.
#[derive(Debug)]
pub(super) struct Chunker {
    fixed: Option<usize>,
    workers: usize,
    cpus: usize,
    last: usize,
}

impl Chunker {
    pub(super) fn new(fixed: Option<usize>, workers: usize, cpus: usize) -> Self {
        // Without workers there is nothing to hand over, and each result is wanted at once.
        let fixed = if workers == 0 { Some(1) } else { fixed };
        Self {
            fixed,
            workers,
            cpus,
            last: 0,
        }
    }

    /// How many items the next chunk has, at least 1.
    ///
    /// `cost` is what an item took lately in nanoseconds, `remaining` how many are left if that is
    /// known. Guided self-scheduling (Polychronopoulos and Kuck, 1987), with a share of the rest of
    /// 1 in 2 for each worker that is of use, and the slice as its upper bound.
    pub(super) fn next(&mut self, cost: Option<f64>, remaining: Option<usize>) -> usize {
        if let Some(fixed) = self.fixed {
            return fixed.min(LARGEST);
        }
        let Some(cost) = cost else {
            return 1;
        };
        let items = |nanos: f64| (nanos / cost.max(0.1)) as usize;
        let mut size = items(SLICE_NANOS).min(self.last.saturating_mul(GROWTH).max(GROWTH));
        if let Some(remaining) = remaining {
            let share = remaining / (2 * self.workers.min(useful(self.cpus, Some(cost))));
            size = size.min(share.max(items(LEAST_NANOS)));
        }
        self.last = size.clamp(1, LARGEST);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_cost_is_learnt_from_single_items() {
        assert_eq!(Chunker::new(None, 4, 4).next(None, Some(1_000_000)), 1);
    }

    #[test]
    fn chunks_grow_to_the_slice_and_shrink_at_the_end() {
        let mut chunker = Chunker::new(None, 2, 4);
        let sizes: Vec<_> = (0..6)
            .map(|_| chunker.next(Some(100.0), Some(10_000_000)))
            .collect();
        assert_eq!(sizes, [16, 256, 4096, 20_000, 20_000, 20_000]);
        assert_eq!(chunker.next(Some(100.0), Some(40_000)), 10_000);
        assert_eq!(
            chunker.next(Some(100.0), Some(100)),
            500,
            "never below 50 µs of work"
        );
    }

    #[test]
    fn workers_that_are_of_no_use_get_no_share() {
        let share = |workers, cost| {
            let mut chunker = Chunker::new(None, workers, 2);
            (0..6).map(|_| chunker.next(Some(cost), Some(1_000))).max()
        };
        assert_eq!(share(64, 20.0), share(1, 20.0));
        assert_eq!(share(64, 10_000.0), share(2, 10_000.0));
        assert!(share(64, 30_000.0) < share(2, 30_000.0));
    }

    #[test]
    fn slow_items_go_one_by_one() {
        let mut chunker = Chunker::new(None, 2, 2);
        assert_eq!(chunker.next(Some(5e9), Some(100)), 1);
    }

    #[test]
    fn a_fixed_size_is_kept() {
        let mut chunker = Chunker::new(Some(7), 2, 2);
        assert_eq!(chunker.next(Some(5e9), Some(100)), 7);
        assert_eq!(chunker.next(None, None), 7);
    }
}
