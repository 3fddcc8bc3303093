//! The raw ring: bytes from one process to another through shared memory, with a futex to sleep on.
//!
//! Written as one would by hand who trusts the other process: nothing is checked.
//!
//! | field | written by | read by | ordering |
//! | --- | --- | --- | --- |
//! | `head` | writer | reader | release, acquire: the bytes before it are there |
//! | `tail` | reader | writer | release, acquire: the bytes before it were read |
//! | `hungry` | both | both | 1: the reader sleeps, or is about to look once more and sleep |
//! | `stuck` | both | both | the same of the writer |
//!
//! Whoever moves an index fences and then looks whether the other one sleeps; whoever wants to sleep says
//! so, fences and then looks at the index: one of the two sees the other.

#![expect(
    unsafe_code,
    reason = "what the library is compared with: shared memory"
)]

use std::cell::UnsafeCell;
use std::io::{self, BufRead, Read, Write};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

use rustix::thread::futex;

use super::raw::{Line, shared};

/// The largest.
const MOST: usize = 1 << 20;

#[repr(C)]
struct Ring {
    head: Line<AtomicUsize>,
    tail: Line<AtomicUsize>,
    hungry: Line<AtomicU32>,
    stuck: Line<AtomicU32>,
    bytes: UnsafeCell<[u8; MOST]>,
}

// SAFETY: the one writer touches bytes between head and tail + size only, the one reader the others.
unsafe impl Sync for Ring {}

impl Ring {
    fn start(&self) -> *mut u8 {
        self.bytes.get().cast()
    }
}

/// Both directions, seen from one of the two processes.
pub(crate) struct RingStream {
    out: &'static Ring,
    /// Bytes up to here are in place; those behind `shown` were not shown to the reader yet.
    written: usize,
    shown: usize,
    room_until: usize,
    into: &'static Ring,
    read: usize,
    there_until: usize,
    size: usize,
}

impl RingStream {
    /// The two ends of a pair of rings, of which the other process takes one over.
    ///
    /// One that is hardly larger than what is in it at a time stays in the cache.
    pub(crate) fn pair(size: usize) -> io::Result<(Self, Self)> {
        assert!(size.is_power_of_two() && size <= MOST, "no such ring");
        // SAFETY: a ring is atomics, and bytes that are reached through a raw pointer.
        let there: &'static Ring = unsafe { shared() }?;
        // SAFETY: the same.
        let back: &'static Ring = unsafe { shared() }?;
        let end = |out, into| Self {
            out,
            written: 0,
            shown: 0,
            room_until: size,
            into,
            read: 0,
            there_until: 0,
            size,
        };
        Ok((end(there, back), end(back, there)))
    }

    fn show(&mut self) {
        if self.shown != self.written {
            self.shown = self.written;
            self.out.head.0.store(self.written, Ordering::Release);
            wake(&self.out.hungry.0);
        }
    }

    /// Waits for at least one byte; what was written is shown before.
    fn await_bytes(&mut self) {
        self.show();
        let ring = self.into;
        let read = self.read;
        let come = || ring.head.0.load(Ordering::Acquire) != read;
        wait(come, &ring.hungry.0);
        self.there_until = ring.head.0.load(Ordering::Acquire);
    }

    fn await_room(&mut self) {
        self.show();
        let (ring, full) = (self.out, self.written - self.size);
        let come = || ring.tail.0.load(Ordering::Acquire) != full;
        wait(come, &ring.stuck.0);
        self.room_until = ring.tail.0.load(Ordering::Acquire) + self.size;
    }
}

fn wake(asleep: &AtomicU32) {
    fence(Ordering::SeqCst);
    if asleep.load(Ordering::Relaxed) == 1 {
        asleep.store(0, Ordering::Relaxed);
        let _ = futex::wake(asleep, futex::Flags::empty(), 1);
    }
}

fn wait(come: impl Fn() -> bool, asleep: &AtomicU32) {
    if come() {
        return;
    }
    loop {
        asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if come() {
            asleep.store(0, Ordering::Relaxed);
            return;
        }
        let _ = futex::wait(asleep, futex::Flags::empty(), 1, None);
    }
}

impl Write for RingStream {
    /// Others see it when this is flushed, or full, or when this end waits for something.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room_until == self.written {
            self.room_until = self.out.tail.0.load(Ordering::Acquire) + self.size;
            if self.room_until == self.written {
                self.await_room();
            }
        }
        let place = self.written % self.size;
        let count = bytes
            .len()
            .min(self.room_until - self.written)
            .min(self.size - place);
        // SAFETY: the place is in the ring.
        let to = unsafe { self.out.start().add(place) };
        // SAFETY: the reader has left these bytes, and will not look at them before they are shown.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count) };
        self.written += count;
        if count < bytes.len() || self.written - self.shown >= self.size / 4 {
            self.show();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.show();
        Ok(())
    }
}

impl BufRead for RingStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.there_until == self.read {
            self.there_until = self.into.head.0.load(Ordering::Acquire);
            if self.there_until == self.read {
                self.await_bytes();
            }
        }
        let place = self.read % self.size;
        let count = (self.there_until - self.read).min(self.size - place);
        // SAFETY: the place is in the ring.
        let from = unsafe { self.into.start().add(place) };
        // SAFETY: the writer has shown these bytes, and leaves them alone until they are consumed.
        Ok(unsafe { std::slice::from_raw_parts(from, count) })
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
        self.into.tail.0.store(self.read, Ordering::Release);
        wake(&self.into.stuck.0);
    }
}

impl Read for RingStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let count = there.len().min(bytes.len());
        bytes[..count].copy_from_slice(&there[..count]);
        self.consume(count);
        Ok(count)
    }
}
