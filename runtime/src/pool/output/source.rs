//! One stream of one worker: read from its pipe, kept for reports and errors, and passed on.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::Kept;
use super::lines::Lines;
use crate::shm::{Lane, ParentWords, Placed, WorkerWords};
use crate::sys::{Read, Standard, read_now};

/// How much is read at once: what a pipe holds.
const READ: usize = 64 << 10;
/// How much is read of what is there now: who has the other end may write without end. No pipe of an
/// ordinary user holds more.
const MOST_AT_ONCE: usize = 1 << 20;
/// With so much waiting to be passed on nothing more is read ahead of that.
const MOST_WAITING: usize = 256 << 10;

/// How a stream is passed on.
#[derive(Debug)]
pub(super) enum Passing {
    Not,
    Unchanged,
    Lines(Lines),
}

/// What is kept of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeping {
    /// The last bytes.
    pub(super) tail: bool,
    /// All that items wrote.
    pub(super) items: bool,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) standard: Standard,
    /// False if nothing of it is passed on.
    pub(super) passes_on: bool,
    held: Mutex<Held>,
}

/// Where the worker and its parent tell each other how far they are.
#[derive(Debug)]
struct Words {
    parent: Placed<ParentWords>,
    worker: Placed<WorkerWords>,
}

#[derive(Debug)]
struct Held {
    /// None once the worker was buried, as its segment and its pipe are not needed any more.
    words: Option<Words>,
    pipe: Option<Arc<OwnedFd>>,
    /// Where the item began that it ran then.
    begin: u64,
    /// Everybody has closed the other end.
    at_end: bool,
    /// Of the next byte.
    position: u64,
    tail: Option<Kept>,
    items: Option<Kept>,
    passing: Passing,
    /// What others have read than the thread that passes on.
    rest: Vec<u8>,
}

/// What the thread that passes on has to do with a source.
#[derive(Debug)]
pub(super) enum Turn {
    /// To read from the pipe with this number when there is something; it may be closed any time.
    Read(RawFd),
    Wait,
    /// Nothing any more.
    Over,
}

impl Source {
    /// A stream whose bytes count from 1 on, as the worker finds in its segment.
    pub(super) fn new(
        standard: Standard,
        lane: &Lane,
        pipe: OwnedFd,
        keeping: Keeping,
        passing: Passing,
    ) -> Self {
        Self {
            standard,
            passes_on: !matches!(passing, Passing::Not),
            held: Mutex::new(Held {
                words: Some(Words {
                    parent: lane.parent.clone(),
                    worker: lane.worker.clone(),
                }),
                pipe: Some(Arc::new(pipe)),
                begin: 0,
                at_end: false,
                position: 1,
                tail: keeping.tail.then(Kept::default),
                items: keeping.items.then(Kept::default),
                passing,
                rest: Vec::new(),
            }),
        }
    }

    /// Nobody waits for anything while he has the lock.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what others have read to `out`, and says what to do next.
    pub(super) fn turn(&self, out: &mut Vec<u8>) -> Turn {
        let mut held = self.lock();
        out.append(&mut held.rest);
        match &held.pipe {
            None => Turn::Over,
            Some(_) if held.at_end => Turn::Wait,
            Some(pipe) => Turn::Read(pipe.as_raw_fd()),
        }
    }

    /// Reads once what is there, and puts to `out` what is to be passed on.
    pub(super) fn read(&self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) {
        let mut held = self.lock();
        if held.pipe.is_some() {
            out.append(&mut held.rest);
            self.read_on(&mut held, buffer, out);
        }
    }

    /// Reads what is there now, for others to pass it on.
    pub(super) fn drain(&self) {
        self.drain_to(&mut self.lock(), u64::MAX);
    }

    /// Reads what is there now; true if there was something, or is something to be passed on.
    pub(super) fn look(&self) -> bool {
        let mut held = self.lock();
        let before = held.position;
        self.drain_to(&mut held, u64::MAX);
        held.position != before || !held.rest.is_empty()
    }

    /// True when something waits to be passed on that others have read.
    pub(super) fn has_rest(&self) -> bool {
        !self.lock().rest.is_empty()
    }

    /// The pipe, if there may be something to come.
    pub(super) fn pipe(&self) -> Option<Arc<OwnedFd>> {
        let held = self.lock();
        held.pipe.clone().filter(|_| !held.at_end)
    }

    /// The worker has ended: reads what is there and closes the pipe. Says how many bytes wait to be
    /// passed on, and whether the end of the pipe was reached; none if that was said before.
    pub(super) fn end(&self) -> Option<(usize, bool)> {
        let mut held = self.lock();
        held.pipe.as_ref()?;
        self.drain_to(&mut held, u64::MAX);
        held.begin = self.begin(&held);
        (held.pipe, held.words) = (None, None);
        let Held { passing, rest, .. } = &mut *held;
        if let Passing::Lines(lines) = passing {
            lines.finish(rest);
        }
        Some((held.rest.len(), held.at_end))
    }

    /// Drops what waits to be passed on.
    pub(super) fn forget_rest(&self) {
        self.lock().rest = Vec::new();
    }

    /// What an item wrote, as the worker says: the last bytes of it, and all if that is kept. Each with
    /// whether it is whole.
    pub(super) fn item(&self, (from, to): (u64, u64)) -> [(Vec<u8>, bool); 2] {
        let mut held = self.lock();
        if held.rest.len() < MOST_WAITING {
            self.drain_to(&mut held, to);
        }
        held.copy(from, to)
    }

    /// The same of the item that runs, of a worker that has ended.
    pub(super) fn running(&self) -> [(Vec<u8>, bool); 2] {
        let mut held = self.lock();
        let (from, to) = (self.begin(&held), held.position);
        held.copy(from, to)
    }

    /// Where the item begins that runs.
    fn begin(&self, held: &Held) -> u64 {
        let said =
            |words: &Words| words.worker.said[self.standard as usize].load(Ordering::Relaxed);
        held.words.as_ref().map_or(held.begin, said)
    }

    /// Reads what is there up to a position, and not much more.
    fn drain_to(&self, held: &mut Held, to: u64) {
        let mut buffer = Vec::new();
        let mut rest = std::mem::take(&mut held.rest);
        let begin = held.position;
        while held.position < to && held.position - begin < MOST_AT_ONCE as u64 {
            if self.read_on(held, &mut buffer, &mut rest) != Read::Bytes {
                break;
            }
        }
        held.rest = rest;
    }

    fn read_on(&self, held: &mut Held, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Read {
        let (Some(pipe), Some(words)) = (&held.pipe, &held.words) else {
            return Read::End;
        };
        let at = held.position;
        self.say(words, 2 * at + 1);
        let read = read_now(pipe, READ, buffer);
        if read == Read::Bytes {
            held.position += buffer.len() as u64;
        }
        self.say(words, 2 * held.position);
        match read {
            Read::Bytes => {
                let begin = self.begin(held);
                held.take(at, buffer, begin, out);
            }
            Read::Nothing => {}
            Read::End => held.at_end = true,
        }
        read
    }

    /// See [`WorkerWords::said`].
    fn say(&self, words: &Words, heard: u64) {
        let word = &words.parent.heard.0[self.standard as usize];
        // A stream whose positions are of no interest has none there.
        if word.load(Ordering::Relaxed) != 0 {
            fence(Ordering::SeqCst);
            word.store(heard, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
    }
}

impl Held {
    /// Takes in what was read.
    fn take(&mut self, at: u64, bytes: &[u8], begin: u64, out: &mut Vec<u8>) {
        if let Some(tail) = &mut self.tail {
            tail.push_to_tail(at, bytes);
        }
        if let Some(items) = &mut self.items {
            items.push_to_items(at, bytes, begin);
        }
        match &mut self.passing {
            Passing::Not => {}
            Passing::Unchanged => out.extend_from_slice(bytes),
            Passing::Lines(lines) => lines.push(bytes, out),
        }
    }

    fn copy(&mut self, from: u64, to: u64) -> [(Vec<u8>, bool); 2] {
        let copy = |kept: &Option<Kept>| match kept {
            Some(kept) => kept.copy(from, to),
            None => (Vec::new(), true),
        };
        let copies = [copy(&self.tail), copy(&self.items)];
        if let Some(items) = &mut self.items {
            items.drop_before(to);
        }
        copies
    }
}
