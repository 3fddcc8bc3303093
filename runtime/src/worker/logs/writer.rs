//! The worker's end of the pipe: each frame is written whole, in the order in which it happened.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::io::Errno;

use crate::shm::{Placed, WorkerWords, begun};
use crate::sys::is_copy;
use crate::wire::log::LogFrame;

/// Frames are put together in memory that is kept, unless one needed more.
const KEPT: usize = 64 << 10;

static WRITER: OnceLock<Writer> = OnceLock::new();

struct Writer {
    words: Placed<WorkerWords>,
    /// The chunk that runs, 0 if there is none, and how many items had begun before it.
    chunk: AtomicU64,
    before: AtomicU64,
    out: Mutex<Out>,
}

/// What one thread at a time has.
struct Out {
    /// None once nobody reads it any more.
    pipe: Option<OwnedFd>,
    written: u64,
    buffer: Vec<u8>,
    /// The numbers of sites that the parent knows, by where they are in memory.
    sites: HashMap<usize, u32>,
}

/// Writes to this pipe from now on; false if that was said before.
pub(super) fn open(pipe: OwnedFd, words: Placed<WorkerWords>) -> bool {
    let writer = Writer {
        words,
        chunk: AtomicU64::new(0),
        before: AtomicU64::new(0),
        out: Mutex::new(Out {
            pipe: Some(pipe),
            written: 0,
            buffer: Vec::new(),
            sites: HashMap::new(),
        }),
    };
    WRITER.set(writer).is_ok()
}

pub(super) fn chunk_begins(number: u64, before: u64) {
    if let Some(writer) = WRITER.get() {
        writer.before.store(before, Ordering::Relaxed);
        writer.chunk.store(number, Ordering::Relaxed);
    }
}

pub(super) fn chunk_ends() {
    if let Some(writer) = WRITER.get() {
        writer.chunk.store(0, Ordering::Relaxed);
    }
}

/// Tells the parent: it finds what was written when this is over, whatever becomes of the worker. Waits
/// while the pipe is full.
pub(super) fn write(frame: &LogFrame<'_>) {
    write_with(|_, place, chunk, buffer| frame.write(place, chunk, buffer));
}

/// Tells the parent what happened at a site, which it is told of first if need be.
#[cfg(feature = "tracing")]
pub(super) fn write_at<'a>(
    site: usize,
    describe: impl FnOnce(u32) -> LogFrame<'a>,
    frame: impl FnOnce(u32) -> LogFrame<'a>,
) {
    write_with(|sites, place, chunk, buffer| {
        let next = u32::try_from(sites.len()).unwrap_or(u32::MAX);
        let number = *sites.entry(site).or_insert_with(|| {
            describe(next).write(place, chunk, buffer);
            next
        });
        frame(number).write(place, chunk, buffer);
    });
}

fn write_with(put: impl FnOnce(&mut HashMap<usize, u32>, u32, u64, &mut Vec<u8>)) {
    // The pipe and the words are the worker's, and another thread of that may have had the lock when the copy
    // was made.
    let Some(writer) = WRITER.get().filter(|_| !is_copy()) else {
        return;
    };
    let (chunk, place) = writer.running();
    let mut out = writer.out.lock().unwrap_or_else(PoisonError::into_inner);
    let out = &mut *out;
    if out.pipe.is_none() {
        return;
    }
    out.buffer.clear();
    put(&mut out.sites, place, chunk, &mut out.buffer);
    out.flush();
    writer.words.logged.store(out.written, Ordering::Release);
}

impl Writer {
    /// The chunk and which item of it.
    fn running(&self) -> (u64, u32) {
        let chunk = self.chunk.load(Ordering::Relaxed);
        let begun = begun(&self.words.started.0, Ordering::Relaxed);
        let place = begun.checked_sub(self.before.load(Ordering::Relaxed) + 1);
        let place = place.and_then(|place| u32::try_from(place).ok());
        (chunk, place.filter(|_| chunk > 0).unwrap_or(u32::MAX))
    }
}

impl Out {
    fn flush(&mut self) {
        let mut rest = &self.buffer[..];
        while let (Some(pipe), false) = (&self.pipe, rest.is_empty()) {
            match rustix::io::write(pipe, rest) {
                Ok(len) => {
                    self.written += len as u64;
                    rest = &rest[len..];
                }
                Err(Errno::INTR) => {}
                // The parent has gone, or a task has closed what it did not open.
                Err(_) => self.pipe = None,
            }
        }
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }
}
