//! A table of process groups, which outlives the process that keeps it.

#![expect(unsafe_code, reason = "a value of atomics is placed in shared memory")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Placed;
use crate::sys::Segment;

/// How many groups there is room for.
pub(crate) const GROUPS: usize = 4096;
/// Bytes of the table's segment.
pub(crate) const GROUPS_BYTES: usize = size_of::<Words>();

/// Ids of processes are below 2^22.
const ID_BITS: u32 = 22;

/// One word a group, 0 where there is none: the id of its leader in the low bits, and when that was
/// started in the others. Written by the parent (release), read by its guardian (acquire).
type Words = [AtomicU64; GROUPS];

/// A process that leads a group, told from later ones with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) id: u32,
    /// In ticks of the kernel since its own start.
    pub(crate) started: u64,
}

/// The table, as its writer or its reader has it.
#[derive(Debug)]
pub(crate) struct Groups(Placed<Words>);

impl Groups {
    /// `writer` is false in the guardian, where writing to it would be a fault.
    pub(crate) fn map(segment: &Segment, writer: bool) -> io::Result<Self> {
        let mapping = Arc::new(segment.map(0, GROUPS_BYTES, writer)?);
        // SAFETY: made of atomics, at offset 0 of a page.
        Ok(Self(unsafe { Placed::new(&mapping, 0) }))
    }

    pub(crate) fn set(&self, slot: usize, leader: Option<Leader>) {
        let word = leader.map_or(0, |leader| leader.started << ID_BITS | u64::from(leader.id));
        self.0[slot].store(word, Ordering::Release);
    }

    pub(crate) fn leaders(&self) -> impl Iterator<Item = Leader> {
        let words = self.0.iter().map(|word| word.load(Ordering::Acquire));
        words.filter(|word| *word != 0).map(|word| Leader {
            id: (word & ((1 << ID_BITS) - 1)) as u32,
            started: word >> ID_BITS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_sets_the_other_reads() {
        let segment = Segment::new(GROUPS_BYTES).unwrap();
        let writer = Groups::map(&segment, true).unwrap();
        let reader = Groups::map(&segment, false).unwrap();
        assert_eq!(reader.leaders().count(), 0);
        let leader = |id, started| Leader { id, started };
        let last = leader((1 << ID_BITS) - 1, 1 << 40);
        writer.set(0, Some(leader(7, 123)));
        writer.set(5, Some(leader(8, 0)));
        writer.set(GROUPS - 1, Some(last));
        writer.set(5, None);
        let leaders: Vec<_> = reader.leaders().collect();
        assert_eq!(leaders, [leader(7, 123), last]);
    }
}
