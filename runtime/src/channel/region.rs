//! Where the bytes of messages are: rings in one file, each larger than the one before.
//!
//! Senders write to the last region of the table. When it is full, however long messages wait, they
//! start another one at the end of the file, twice as large; so a channel has room for what memory
//! there is. Receivers read a region up to where the next one begins, give its pages back, and go on
//! there. A region that became large is left for a small one when little was in it for long.

use std::io;
use std::sync::atomic::Ordering;

use super::bytes::Bytes;
use super::words::{Entry, REGIONS, UNIT, UNITS, Words};
use crate::object::{GROWING, PAYLOAD};
use crate::sys::Segment;

/// Bytes of the first region, and the least there are.
pub(super) const LEAST: u64 = 64 << 10;

/// Bytes of the largest region.
pub(super) const LARGEST: u64 = UNITS / 2 * UNIT as u64;

/// Where the first region begins: behind the words.
const FIRST: u64 = (PAYLOAD + GROWING) as u64;

/// Memory is taken in pieces of so many bytes.
const PIECE: u64 = 256 << 10;

/// A region as a process has it mapped.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) number: u32,
    /// The unit at its beginning.
    base: u64,
    offset: usize,
    bytes: Bytes,
}

pub(super) fn entry(words: &Words, number: u32) -> &Entry {
    &words.table[number as usize % REGIONS]
}

pub(super) fn corrupt() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the memory of a channel holds impossible values",
    )
}

impl Region {
    pub(super) fn open(words: &Words, segment: &Segment, number: u32) -> io::Result<Self> {
        let entry = entry(words, number);
        let size = entry.size.load(Ordering::Relaxed);
        if !size.is_power_of_two() || !(LEAST..=LARGEST).contains(&size) {
            return Err(corrupt());
        }
        let offset = entry.offset.load(Ordering::Relaxed);
        let offset = usize::try_from(offset).ok();
        let offset = offset.filter(|offset| *offset >= FIRST as usize);
        let offset = offset.ok_or_else(corrupt)?;
        let mapping = segment.map(offset, size as usize, true)?;
        Ok(Self {
            number,
            base: entry.base.load(Ordering::Relaxed) & (UNITS - 1),
            offset,
            bytes: Bytes::new(mapping),
        })
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Units that fit.
    pub(super) fn units(&self) -> u64 {
        (self.bytes.len() / UNIT) as u64
    }

    /// The position of a unit in the [`bytes`](Self::bytes).
    pub(super) fn position(&self, unit: u64) -> u64 {
        (unit.wrapping_sub(self.base) & (UNITS - 1)) * UNIT as u64
    }

    /// Takes memory for `units` from `unit` on, if that was not done before.
    pub(super) fn reserve(
        &self,
        words: &Words,
        segment: &Segment,
        unit: u64,
        units: u64,
    ) -> io::Result<()> {
        let size = self.bytes.len() as u64;
        let reserved = &entry(words, self.number).reserved;
        let before = reserved.load(Ordering::Relaxed);
        if before >= size {
            return Ok(());
        }
        // Past its end it wraps: then all of it is in use.
        let start = self.position(unit) & (size - 1);
        let end = (start + units * UNIT as u64).min(size);
        if end > before {
            let more = (end - before).max(PIECE).min(size - before);
            segment.reserve(self.offset + before as usize, more as usize)?;
            reserved.store(before + more, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gives the memory back: all was read.
    pub(super) fn punch(&self, segment: &Segment) {
        // Where that fails it is kept for a while longer.
        let _ = segment.punch(self.offset, self.bytes.len());
    }
}

/// Starts a region of `size` bytes in which `unit` is the first one, and gives its number.
///
/// The caller holds the send lock.
pub(super) fn start(words: &Words, segment: &Segment, size: u64, unit: u64) -> io::Result<u32> {
    if size > LARGEST {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let sent = &words.sent.0;
    let number = sent.regions.load(Ordering::Relaxed);
    let read = words.taken.0.region.load(Ordering::Acquire);
    if number.wrapping_sub(read) as usize >= REGIONS {
        return Err(corrupt());
    }
    let last = entry(words, number.wrapping_sub(1));
    let offset = last.offset.load(Ordering::Relaxed);
    let offset = match number {
        0 => Some(FIRST),
        _ => offset.checked_add(last.size.load(Ordering::Relaxed)),
    };
    let end = offset.and_then(|offset| offset.checked_add(size));
    let (Some(offset), Some(end)) = (offset, end) else {
        return Err(corrupt());
    };
    segment.grow(usize::try_from(end).map_err(|_| corrupt())?)?;
    let entry = entry(words, number);
    entry.offset.store(offset, Ordering::Relaxed);
    entry.size.store(size, Ordering::Relaxed);
    entry.base.store(unit, Ordering::Relaxed);
    entry.reserved.store(0, Ordering::Relaxed);
    // What a receiver reads of the entry it reads after this.
    sent.regions
        .store(number.wrapping_add(1), Ordering::Release);
    Ok(number)
}
