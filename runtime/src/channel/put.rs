//! Putting messages into the ring, by who holds the send lock.

use std::io;
use std::sync::atomic::Ordering;

use super::region::{LEAST, Region, start};
use super::send::Watch;
use super::words::{MOST_MESSAGES, Mark, UNIT, Words};
use crate::sys::Segment;

/// Set in the header of a message whose objects are in the socket.
pub(super) const HAS_OBJECTS: u64 = 1 << 63;

/// A region of more bytes is left when it is nearly empty for long.
const LARGE: u64 = 1 << 20;
/// So many messages in a row that find it nearly empty are long.
const LONG: u32 = 4096;

/// Units of a message with `len` bytes, its header included.
pub(super) fn units_of(len: usize) -> u64 {
    1 + len.div_ceil(UNIT) as u64
}

/// What one process knows as a sender; everything in it can be found out again.
#[derive(Debug, Default)]
pub(super) struct Putter {
    region: Option<Region>,
    /// The tail that was stored last here: while it stands, nobody else has sent anything.
    stored: Option<Mark>,
    /// The head as it was when it was last looked at.
    head: Mark,
    /// The first unit in the region that was in use then.
    floor: u64,
    /// Messages in a row that found a large region nearly empty.
    quiet: u32,
    /// When it looked last whether there are receivers.
    pub(super) watch: Watch,
}

impl Putter {
    /// How many of `wanted` messages there is room for by their number.
    pub(super) fn room(&mut self, words: &Words, capacity: u32, wanted: u32) -> u32 {
        let tail = Mark::from_word(words.sent.0.tail.load(Ordering::Relaxed));
        if self.stored == Some(tail) {
            let waiting = tail.messages_since(self.head);
            let free = capacity.saturating_sub(waiting);
            if free >= wanted {
                return wanted;
            }
        }
        self.look(words);
        self.stored = Some(tail);
        let waiting = tail.messages_since(self.head);
        wanted.min(capacity.saturating_sub(waiting))
    }

    /// Looks at the head.
    fn look(&mut self, words: &Words) {
        // In this order: a head that is looked at after its region is in that region or behind it.
        let region = words.taken.0.region.load(Ordering::Acquire);
        self.head = Mark::from_word(words.taken.0.head.load(Ordering::Acquire));
        let last = words.sent.0.regions.load(Ordering::Relaxed).wrapping_sub(1);
        self.floor = if region == last {
            self.head.unit
        } else {
            super::region::entry(words, last)
                .base
                .load(Ordering::Relaxed)
        };
    }

    /// Writes `pieces`, which have `units` together, behind the tail; [`publish`](Self::publish) comes
    /// next. [`room`](Self::room) was found before. On an error nothing has changed.
    pub(super) fn write(
        &mut self,
        words: &Words,
        segment: &Segment,
        pieces: [&[u8]; 2],
        units: u64,
    ) -> io::Result<()> {
        let tail = Mark::from_word(words.sent.0.tail.load(Ordering::Relaxed));
        self.open_last(words, segment)?;
        self.make_space(words, segment, tail, units)?;
        let Some(region) = &self.region else {
            return Err(super::region::corrupt());
        };
        region.reserve(words, segment, tail.unit, units)?;
        let position = region.position(tail.unit);
        region.bytes().write(position, pieces[0]);
        if !pieces[1].is_empty() {
            let behind = position + pieces[0].len() as u64;
            region.bytes().write(behind, pieces[1]);
        }
        Ok(())
    }

    /// Writes over a word of what was just written.
    pub(super) fn patch(&self, words: &Words, unit: u64, word: u64) {
        let tail = Mark::from_word(words.sent.0.tail.load(Ordering::Relaxed));
        if let Some(region) = &self.region {
            let position = region.position(tail.unit) + unit * UNIT as u64;
            region.bytes().write(position, &word.to_ne_bytes());
        }
    }

    /// Lets receivers see `count` messages of `units` that were written.
    pub(super) fn publish(&mut self, words: &Words, count: u32, units: u64) {
        let tail = Mark::from_word(words.sent.0.tail.load(Ordering::Relaxed));
        let behind = tail.behind(count, units);
        self.stored = Some(behind);
        words.sent.0.tail.store(behind.word(), Ordering::Release);
    }

    fn open_last(&mut self, words: &Words, segment: &Segment) -> io::Result<()> {
        let last = words.sent.0.regions.load(Ordering::Relaxed).wrapping_sub(1);
        if self.region.as_ref().map(|region| region.number) != Some(last) {
            self.region = None;
            self.region = Some(Region::open(words, segment, last)?);
            self.look(words);
        }
        Ok(())
    }

    /// Sees to it that `units` fit behind the tail.
    fn make_space(
        &mut self,
        words: &Words,
        segment: &Segment,
        tail: Mark,
        units: u64,
    ) -> io::Result<()> {
        let Some(region) = &self.region else {
            return Err(super::region::corrupt());
        };
        let size = region.units();
        let bytes = size * UNIT as u64;
        let mut used = tail.units_since(self.floor);
        if used.saturating_add(units) > size || bytes > LARGE {
            self.look(words);
            used = tail.units_since(self.floor);
        }
        let fits = used.saturating_add(units) <= size;
        if bytes > LARGE && fits {
            let quiet = (used + units) * 16 < size;
            self.quiet = if quiet {
                self.quiet.saturating_add(1)
            } else {
                0
            };
        }
        if fits && !(self.quiet >= LONG && self.is_empty(words, tail)) {
            return Ok(());
        }
        self.quiet = 0;
        let wanted = units.saturating_mul(UNIT as u64);
        let size = if fits { LEAST } else { 2 * bytes };
        let size = wanted
            .checked_next_power_of_two()
            .map_or(u64::MAX, |wanted| wanted.max(size));
        let number = start(words, segment, size, tail.unit)?;
        // A failure to map it leaves a region that is there for the next attempt.
        self.region = None;
        self.region = Some(Region::open(words, segment, number)?);
        self.look(words);
        Ok(())
    }

    fn is_empty(&mut self, words: &Words, tail: Mark) -> bool {
        self.look(words);
        self.head == tail
    }
}

/// Messages that a channel may hold, as its memory says.
pub(super) fn capacity(word: u64) -> Option<u32> {
    u32::try_from(word)
        .ok()
        .filter(|capacity| (1..MOST_MESSAGES).contains(capacity))
}
