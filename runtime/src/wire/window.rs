//! Room for results in memory that another process reads: the short way of small values.

#![expect(unsafe_code, reason = "results are written to shared memory")]

use std::cell::Cell;
use std::ptr::copy_nonoverlapping;
use std::sync::atomic::{AtomicU64, Ordering};

use super::items::Host;
use super::record::{LONGEST_HEADER, Status, write_header};

/// A part of a ring that records are written to and published at once; most of the time there is some.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    ring: &'a [Cell<u8>],
    /// Where the position behind the last record is published.
    tail: &'a AtomicU64,
    /// What is between an offset in the ring and its position.
    behind: Cell<u64>,
    /// Values are written without headers.
    row: Cell<bool>,
    from: Cell<usize>,
    at: Cell<usize>,
    end: Cell<usize>,
}

impl<'a> Window<'a> {
    /// A window of a ring, closed.
    pub(crate) fn new(ring: &'a [Cell<u8>], tail: &'a AtomicU64) -> Self {
        Self {
            ring,
            tail,
            behind: Cell::default(),
            row: Cell::default(),
            from: Cell::default(),
            at: Cell::default(),
            end: Cell::default(),
        }
    }

    /// Opens `len` bytes from `offset` on, where `position` is; for values in a `row` or with headers.
    pub(crate) fn open(&self, position: u64, offset: usize, len: usize, row: bool) {
        self.row.set(row);
        self.behind.set(position.wrapping_sub(offset as u64));
        self.from.set(offset);
        self.at.set(offset);
        self.end.set((offset + len).min(self.ring.len()));
    }

    /// Closes it; says how many bytes were written.
    pub(crate) fn close(&self) -> usize {
        let at = self.at.get();
        self.end.set(at);
        at - self.from.replace(at)
    }

    /// Closes it, and has `host` know what was written.
    #[inline]
    pub(super) fn settle(&self, host: &mut dyn Host) {
        host.wrote(self.close());
    }

    /// Writes the record of a value and publishes it; false if there is no room for it.
    // Always inlined, since the length of a number is known where it is put.
    #[inline(always)]
    pub(super) fn put(&self, value: &[u8]) -> bool {
        if self.row.get() {
            return self.write(&[], value);
        }
        let mut header = [0; LONGEST_HEADER];
        let len = write_header(Status::Value, value.len(), &mut header);
        if len > 1 {
            return self.write(&header[..len], value);
        }
        self.write(&[header[0]], value)
    }

    #[inline(always)]
    fn write(&self, header: &[u8], value: &[u8]) -> bool {
        let at = self.at.get();
        let (start, end) = (at + header.len(), at + header.len() + value.len());
        if end > self.end.get() {
            return false;
        }
        let (Some(first), Some(rest)) = (self.ring.get(at..start), self.ring.get(start..end))
        else {
            return false;
        };
        fill(first, header);
        fill(rest, value);
        self.at.set(end);
        let position = self.behind.get().wrapping_add(end as u64);
        self.tail.store(position, Ordering::Release);
        true
    }
}

/// Writes as many bytes as there are cells, in one move where their number is known.
#[inline(always)]
fn fill(cells: &[Cell<u8>], bytes: &[u8]) {
    if cells.len() != bytes.len() {
        return;
    }
    // SAFETY: the cells are as many bytes that may be written through a shared reference, and no other
    // reference of this process is to what they hold; `bytes` is memory of its own.
    unsafe {
        copy_nonoverlapping(
            bytes.as_ptr(),
            cells.as_ptr().cast_mut().cast(),
            bytes.len(),
        )
    };
}
