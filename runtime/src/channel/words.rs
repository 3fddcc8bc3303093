//! The words of a channel in shared memory, and who writes them when.
//!
//! | word | written | says |
//! | --- | --- | --- |
//! | `capacity` | by who makes the channel | how many messages may wait; 0 for no limit |
//! | `tail` | under the send lock | [`Mark`] behind the last message that was published |
//! | `wants_news` | under the send lock | somebody wants a note when there is news |
//! | `attempts` | under the send lock | how often descriptors were put into the socket |
//! | `regions`, and entries of `table` | under the send lock | where the bytes are: see [`super::region`] |
//! | `head` | under the receive lock | [`Mark`] behind the last message that was taken |
//! | `wants_room` | under the receive lock | somebody wants a note when there is room |
//! | `settled` | under the receive lock | the attempt whose descriptors were taken out of the socket last |
//! | `region` | under the receive lock | number of the region in which the head is |
//! | `departures` | any time, incremented | how many handles of receivers were dropped |
//!
//! `tail` and `head` are stored last (release), so a holder of a lock that is killed leaves a message
//! that is there or a message that is not. Nothing else is derived from them: the words are always
//! right, and whoever gets a lock from the dead has nothing to repair.

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::lock::LockBytes;

/// A place in the stream of messages: how many there were before it, and where its bytes begin.
///
/// Both wrap. The bytes are counted in units of 8, which is also what messages are aligned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) count: u32,
    pub(super) unit: u64,
}

const UNIT_BITS: u32 = 34;

/// Units wrap here: 128 GiB.
pub(super) const UNITS: u64 = 1 << UNIT_BITS;

/// More messages than these never wait.
pub(super) const MOST_MESSAGES: u32 = (1 << (64 - UNIT_BITS)) - 1;

/// Bytes of a unit.
pub(super) const UNIT: usize = 8;

impl Mark {
    pub(super) fn from_word(word: u64) -> Self {
        Self {
            count: (word >> UNIT_BITS) as u32,
            unit: word & (UNITS - 1),
        }
    }

    pub(super) fn word(self) -> u64 {
        u64::from(self.count) << UNIT_BITS | self.unit
    }

    /// The mark behind `count` messages of `units` in all.
    pub(super) fn behind(self, count: u32, units: u64) -> Self {
        Self {
            count: self.count.wrapping_add(count) & MOST_MESSAGES,
            unit: self.unit.wrapping_add(units) & (UNITS - 1),
        }
    }

    /// Messages from `earlier` to here.
    pub(super) fn messages_since(self, earlier: Self) -> u32 {
        self.count.wrapping_sub(earlier.count) & MOST_MESSAGES
    }

    /// Units from `unit` to here.
    pub(super) fn units_since(self, unit: u64) -> u64 {
        self.unit.wrapping_sub(unit) & (UNITS - 1)
    }
}

/// On a cache line of its own.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Line<T>(pub(super) T);

/// What senders write.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Sent {
    pub(super) tail: AtomicU64,
    pub(super) attempts: AtomicU64,
    pub(super) regions: AtomicU32,
    pub(super) wants_news: AtomicU32,
}

/// What receivers write.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Taken {
    pub(super) head: AtomicU64,
    pub(super) settled: AtomicU64,
    pub(super) region: AtomicU32,
    pub(super) wants_room: AtomicU32,
}

/// What is read by all and hardly ever written.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Fixed {
    pub(super) capacity: AtomicU64,
    pub(super) departures: AtomicU64,
}

/// Where one region is.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// Of its first byte in the segment.
    pub(super) offset: AtomicU64,
    /// Bytes, a power of two.
    pub(super) size: AtomicU64,
    /// The unit that is at its beginning.
    pub(super) base: AtomicU64,
    /// Bytes for which memory was taken.
    pub(super) reserved: AtomicU64,
}

/// So many regions are there at once at most: each is twice as large as the one before, until all is
/// read.
pub(super) const REGIONS: usize = 32;

/// The beginning of a channel's memory. A channel that is new and without limit is all zeroes but for its first region.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Words {
    pub(super) fixed: Line<Fixed>,
    /// Held for a moment by who puts a message.
    pub(super) send: LockBytes,
    /// Held for a moment by who takes a message.
    pub(super) receive: LockBytes,
    /// Held by the one sender that waits for room; others queue behind it.
    pub(super) room: LockBytes,
    /// Held by the one receiver that waits for news; others queue behind it.
    pub(super) news: LockBytes,
    pub(super) sent: Line<Sent>,
    pub(super) taken: Line<Taken>,
    pub(super) table: [Entry; REGIONS],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_one_word_and_wraps() {
        let last = Mark {
            count: MOST_MESSAGES,
            unit: UNITS - 2,
        };
        assert_eq!(Mark::from_word(last.word()), last);
        let next = last.behind(2, 5);
        assert_eq!(next, Mark { count: 1, unit: 3 });
        assert_eq!(next.messages_since(last), 2);
        assert_eq!(next.units_since(last.unit), 5);
    }
}
