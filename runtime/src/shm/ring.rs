//! The ring: bytes from one producer to one consumer, in order, in two calls and no lock.
//!
//! Positions count bytes since the beginning and never wrap; a byte at position `p` is at
//! `p % capacity`. Access rules:
//!
//! 1. `tail` is stored by the producer only (release), after the bytes before it were written.
//! 2. `head` is stored by the consumer only (release), after the bytes before it were read.
//! 3. Each side keeps its own position in private memory and never reads its own word back.
//! 4. Each side loads the other's word (acquire) and checks that it did not go back, and that
//!    `head <= tail <= head + capacity` with its own position: a violation is [`Corrupt`].
//!
//! Messages may be longer than the ring: both calls move as much as there is room or data for. What is
//! long moves in pieces, each of which the other side sees at once: so both sides copy at the same time,
//! and what the one copies in is still in the caches when the other copies it out.

use std::fmt;
use std::sync::atomic::Ordering;

use super::{Memory, Word};

/// Bytes that are copied between two looks at the other side's position.
const PIECE: usize = 64 << 10;

/// The other side wrote a position that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared memory of the worker holds impossible values")
    }
}

impl std::error::Error for Corrupt {}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Producer<M> {
    memory: M,
    /// Bytes written, published or not.
    tail: u64,
    /// The consumer's position when it was last looked at.
    head: u64,
}

impl<M: Memory> Producer<M> {
    pub(crate) fn new(memory: M) -> Self {
        debug_assert!(memory.capacity().is_power_of_two());
        Self {
            memory,
            tail: 0,
            head: 0,
        }
    }

    /// How many bytes were ever written.
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// How many bytes [`write`](Self::write) would take now.
    pub(crate) fn room(&mut self) -> Result<usize, Corrupt> {
        let head = self.memory.head().load(Ordering::Acquire);
        if !(self.head..=self.tail).contains(&head) {
            return Err(Corrupt);
        }
        self.head = head;
        Ok(self.memory.capacity() - (self.tail - head) as usize)
    }

    /// Writes the beginning of `bytes`, as much as fits, and says how much; not yet published.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Corrupt> {
        let capacity = self.memory.capacity();
        let known = capacity - (self.tail - self.head) as usize;
        let room = if known >= bytes.len() {
            known
        } else {
            self.room()?
        };
        let len = bytes.len().min(room);
        let offset = (self.tail & (capacity as u64 - 1)) as usize;
        let first = len.min(capacity - offset);
        self.memory.write(offset, &bytes[..first]);
        if first < len {
            self.memory.write(0, &bytes[first..len]);
        }
        self.tail += len as u64;
        Ok(len)
    }

    /// Where at most `limit` bytes can be written in one piece, and how many.
    pub(crate) fn part(&mut self, limit: usize) -> Result<(usize, usize), Corrupt> {
        let capacity = self.memory.capacity();
        let known = capacity - (self.tail - self.head) as usize;
        let room = if known >= limit { known } else { self.room()? };
        let offset = (self.tail & (capacity as u64 - 1)) as usize;
        Ok((offset, room.min(limit).min(capacity - offset)))
    }

    /// So many bytes were written to that part, and published.
    pub(crate) fn advance(&mut self, len: usize) {
        self.tail += len as u64;
    }

    /// Writes the first `len` of `bytes` if all `N` fit in one piece, and says whether they did.
    ///
    /// Copying a fixed number of bytes is cheaper than counting them; those after `len` are written
    /// over by what comes next.
    #[inline]
    pub(crate) fn write_padded<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> bool {
        let capacity = self.memory.capacity();
        let room = capacity - (self.tail - self.head) as usize;
        let offset = (self.tail & (capacity as u64 - 1)) as usize;
        let fits = len <= N && N <= room && N <= capacity - offset;
        if fits {
            self.memory.write(offset, bytes);
            self.tail += len as u64;
        }
        fits
    }

    /// Writes the beginning of `bytes`, as much as fits, and lets the consumer see each piece of it.
    pub(crate) fn write_through(&mut self, bytes: &[u8]) -> Result<usize, Corrupt> {
        let len = bytes.len().min(self.room()?);
        for piece in bytes[..len].chunks(PIECE) {
            self.write(piece)?;
            self.publish();
        }
        Ok(len)
    }

    /// Lets the consumer see everything written so far.
    pub(crate) fn publish(&self) {
        self.memory.tail().store(self.tail, Ordering::Release);
    }
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Consumer<M> {
    memory: M,
    /// Bytes read.
    head: u64,
    /// The producer's position when it was last looked at.
    tail: u64,
}

impl<M: Memory> Consumer<M> {
    pub(crate) fn new(memory: M) -> Self {
        debug_assert!(memory.capacity().is_power_of_two());
        Self {
            memory,
            head: 0,
            tail: 0,
        }
    }

    /// How many bytes can be read now.
    pub(crate) fn available(&mut self) -> Result<usize, Corrupt> {
        let tail = self.memory.tail().load(Ordering::Acquire);
        let full = self.head + self.memory.capacity() as u64;
        if !(self.tail..=full).contains(&tail) {
            return Err(Corrupt);
        }
        self.tail = tail;
        Ok((tail - self.head) as usize)
    }

    /// How many bytes were ever read.
    pub(crate) fn position(&self) -> u64 {
        self.head
    }

    /// True when the producer has stored another position than ours.
    pub(crate) fn has_news(&self) -> bool {
        self.memory.tail().load(Ordering::Acquire) != self.head
    }

    /// Reads as much as there is into the beginning of `bytes`, and says how much.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Corrupt> {
        let (_, _, len) = self.take(bytes.len())?;
        for piece in bytes[..len].chunks_mut(PIECE) {
            self.peek(piece)?;
            self.release(piece.len());
        }
        Ok(len)
    }

    /// Copies what comes next into the beginning of `bytes`, as much as there is, and says how much; it
    /// comes again.
    pub(crate) fn peek(&mut self, bytes: &mut [u8]) -> Result<usize, Corrupt> {
        let (offset, first, len) = self.take(bytes.len())?;
        self.memory.read(offset, &mut bytes[..first]);
        if first < len {
            self.memory.read(0, &mut bytes[first..len]);
        }
        Ok(len)
    }

    /// Reads at most `limit` bytes to the end of `out`, and says how many.
    pub(crate) fn append(&mut self, limit: usize, out: &mut Vec<u8>) -> Result<usize, Corrupt> {
        let (offset, first, len) = self.take(limit)?;
        out.reserve(len);
        self.memory.append(offset, first, out);
        if first < len {
            self.memory.append(0, len - first, out);
        }
        self.release(len);
        Ok(len)
    }

    /// Drops at most `limit` bytes, and says how many.
    pub(crate) fn skip(&mut self, limit: usize) -> Result<usize, Corrupt> {
        let (_, _, len) = self.take(limit)?;
        self.release(len);
        Ok(len)
    }

    /// Where the next `limit` bytes stand: offset, length up to the ring's end, length in all.
    fn take(&mut self, limit: usize) -> Result<(usize, usize, usize), Corrupt> {
        let known = (self.tail - self.head) as usize;
        let available = if known >= limit {
            known
        } else {
            self.available()?
        };
        let len = limit.min(available);
        let capacity = self.memory.capacity();
        let offset = (self.head & (capacity as u64 - 1)) as usize;
        Ok((offset, len.min(capacity - offset), len))
    }

    /// Gives the room of `len` bytes that were read back to the producer.
    fn release(&mut self, len: usize) {
        if len > 0 {
            self.head += len as u64;
            self.memory.head().store(self.head, Ordering::Release);
        }
    }
}
