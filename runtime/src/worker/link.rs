//! The worker's end of its segment: frames in, records out, and sleeping in between.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::carriage::{Carriage, Unneeded};
use crate::object::Object;
use crate::shm::{
    CLAIMS, Claim, Consumer, Corrupt, Lane, POOL_BYTES, Patience, PoolPark, PoolSide, Producer,
    ResultRing, Ringer, SEGMENT_BYTES, Sleeper, TaskRing, WorkerPark, begin, begun,
};
use crate::sys::{Segment, advise_huge, end_if_copy, now_nanos};
use crate::wire::{FrameHeader, LONGEST_HEADER, Sink, Status, Stream, Window, write_header};

/// The parent is told after so many bytes, at the latest.
const TELL_AFTER: usize = crate::shm::RING_BYTES / 4;

/// Results that are written without telling anybody.
const WINDOW: usize = 64 << 10;

/// How often to look for news between two looks at the clock.
const LOOKS: u32 = 96;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) lane: Lane,
    pool: PoolSide,
    tasks: Consumer<TaskRing>,
    results: Producer<ResultRing>,
    sleeper: Sleeper<WorkerPark>,
    patience: Patience,
    parent: Ringer<PoolPark>,
    /// Bytes moved since the parent was told.
    untold: usize,
    /// The next record is not published by itself.
    held_back: bool,
    pub(super) carriage: Carriage,
    /// The parent's count of what it sent besides chunks, at the last look.
    notes: u32,
}

impl Link {
    pub(super) fn new(segment: OwnedFd, pool: OwnedFd, carriage: Carriage) -> io::Result<Self> {
        let lane = Lane::map(&Segment::from_fd(segment, SEGMENT_BYTES)?, false)?;
        let pool = PoolSide::map(&Segment::from_fd(pool, POOL_BYTES)?, false)?;
        Ok(Self {
            tasks: Consumer::new(lane.tasks()),
            results: Producer::new(lane.results()),
            sleeper: Sleeper::new(lane.park()),
            patience: Patience::default(),
            parent: Ringer::new(pool.park()),
            lane,
            pool,
            untold: 0,
            held_back: false,
            carriage,
            notes: 0,
        })
    }

    /// Waits for the next chunk that is ours; none when the parent closes.
    pub(super) fn next_chunk(&mut self) -> Option<FrameHeader> {
        loop {
            self.wait(|link| {
                Ok(link.tasks.available()? >= FrameHeader::BYTES
                    || link.lane.parent.closing.0.load(Ordering::Acquire) != 0
                    || link.notes() != link.notes)
            });
            let notes = self.notes();
            if notes != self.notes {
                self.notes = notes;
                drop(self.take_in());
                self.lane.worker.noted.store(notes, Ordering::Release);
                continue;
            }
            if trusted(self.tasks.available()) < FrameHeader::BYTES {
                return None;
            }
            let mut bytes = [0; FrameHeader::BYTES];
            self.fill(&mut bytes);
            let header = FrameHeader::from_bytes(&bytes);
            let claims = &self.lane.worker.claims;
            let claim = &claims[header.number as usize % CLAIMS];
            if header.granted || trusted(Claim::take(claim, header.number)) {
                return Some(header);
            }
            self.skip(header.bytes);
            if header.carries {
                drop(self.take_in());
                drop(self.carriage.put_down(header.number));
            }
        }
    }

    /// Takes what has come through the socket.
    pub(super) fn take_in(&mut self) -> Unneeded {
        self.carriage.take_in(&self.lane.worker.lost)
    }

    fn notes(&self) -> u32 {
        self.lane.parent.notes.0.load(Ordering::Acquire)
    }

    /// Waits for `len` bytes and puts them into `buffer`.
    pub(super) fn read_whole(&mut self, len: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        while buffer.len() < len {
            let limit = len - buffer.len();
            if trusted(self.tasks.append(limit, buffer)) == 0 {
                self.wait_for_tasks();
            }
        }
    }

    /// Wakes the parent if it sleeps: there are results, or room for tasks.
    pub(super) fn tell_parent(&mut self) {
        self.untold = 0;
        self.parent.ring();
    }

    /// Whether the next record waits for the one behind it to be published.
    pub(super) fn hold_back(&mut self, held_back: bool) {
        self.held_back = held_back;
    }

    /// Opens a window for results, if there is room.
    pub(super) fn open(&mut self, window: &Window<'_>, row: bool) {
        let (offset, len) = trusted(self.results.part(WINDOW));
        window.open(self.results.position(), offset, len, row);
    }

    /// Bytes of results that were ever written.
    pub(super) fn position(&self) -> u64 {
        self.results.position()
    }

    /// Writes a result without a header.
    pub(super) fn number(&mut self, bytes: &[u8]) {
        end_if_copy();
        self.write_all(bytes);
        if !self.held_back {
            self.results.publish();
        }
        self.moved(bytes.len());
    }

    /// So many bytes were written through the window, and published.
    pub(super) fn wrote(&mut self, bytes: usize) {
        // With this a copy comes back from an item, however it ends there.
        end_if_copy();
        self.results.advance(bytes);
        self.moved(bytes);
    }

    /// Begins the item with this number, counted from 1, of the chunk; false if the parent has taken it
    /// back.
    pub(super) fn begin(&self, number: u64, divisible: bool) -> bool {
        let started = &self.lane.worker.started.0;
        if divisible {
            trusted(begin(started, number))
        } else {
            started.store(number, Ordering::Release);
            true
        }
    }

    fn moved(&mut self, len: usize) {
        self.untold += len;
        self.tell_in_time();
    }

    fn tell_in_time(&mut self) {
        if self.untold >= TELL_AFTER {
            self.tell_parent();
        }
    }

    fn wait_for_tasks(&mut self) {
        self.tell_parent();
        self.wait_for_parent(|link| Ok(link.tasks.available()? > 0));
    }

    /// Waits in the middle of an item, whose time does not run meanwhile.
    fn wait_for_parent(&mut self, ready: impl Fn(&mut Self) -> Result<bool, Corrupt>) {
        let began = self.lane.worker.began.swap(0, Ordering::Relaxed);
        self.wait(ready);
        if began != 0 {
            self.lane.worker.began.store(now_nanos(), Ordering::Relaxed);
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let part = &bytes[..bytes.len().min(TELL_AFTER)];
            let written = trusted(if part.len() < bytes.len() {
                // The parent reads the beginning while the rest is written.
                self.results.write_through(part)
            } else {
                self.results.write(part)
            });
            self.untold += written;
            if written < part.len() {
                self.results.publish();
                self.wait_for_room();
            } else if part.len() < bytes.len() {
                self.tell_in_time();
            }
            bytes = &bytes[written..];
        }
    }

    fn wait_for_room(&mut self) {
        self.tell_parent();
        self.lane
            .worker
            .sleep
            .0
            .wants_room
            .store(1, Ordering::Relaxed);
        self.wait_for_parent(|link| Ok(link.results.room()? > 0));
        self.lane
            .worker
            .sleep
            .0
            .wants_room
            .store(0, Ordering::Relaxed);
    }

    /// Spins for a moment if the parent allows it, then sleeps until `ready`.
    fn wait(&mut self, ready: impl Fn(&mut Self) -> Result<bool, Corrupt>) {
        if trusted(ready(self)) {
            return;
        }
        let most = self.pool.words.spin.0.load(Ordering::Relaxed);
        let spin = self.patience.spin(most);
        if spin > 0 {
            // Most news come before the clock is worth a look.
            let mut begin = None;
            loop {
                for _ in 0..LOOKS {
                    std::hint::spin_loop();
                    if trusted(ready(self)) {
                        let took = begin.map(|begin| now_nanos() - begin);
                        self.patience.hit(spin, took);
                        return;
                    }
                }
                let now = now_nanos();
                let took = now - *begin.get_or_insert(now);
                if took >= spin.into() {
                    self.patience.miss(spin, took);
                    break;
                }
                // The kernel may have put the parent on this very core.
                std::thread::yield_now();
            }
        }
        loop {
            let announced = self.sleeper.announce();
            if trusted(ready(self)) {
                self.sleeper.stay(announced);
                return;
            }
            let begin = now_nanos();
            self.sleeper.sleep(announced, None::<Duration>);
            self.patience.slept(now_nanos() - begin, most);
        }
    }
}

/// The parent's words are trusted here, and the worker's own until a task overwrites them; were they
/// impossible, nothing could be done but to end.
fn trusted<T>(result: Result<T, Corrupt>) -> T {
    match result {
        Ok(value) => value,
        Err(Corrupt) => std::process::abort(),
    }
}

impl Stream for Link {
    fn fill(&mut self, bytes: &mut [u8]) {
        end_if_copy();
        // A fault on each fresh page would cost ten times the copying.
        advise_huge(bytes);
        let mut filled = 0;
        while filled < bytes.len() {
            // The parent writes on when it is told that there is room.
            let end = bytes.len().min(filled + TELL_AFTER);
            let read = trusted(self.tasks.read(&mut bytes[filled..end]));
            filled += read;
            self.moved(read);
            if read == 0 {
                self.wait_for_tasks();
            }
        }
    }

    fn skip(&mut self, mut len: u64) {
        end_if_copy();
        while len > 0 {
            let limit = usize::try_from(len).unwrap_or(usize::MAX);
            let skipped = trusted(self.tasks.skip(limit));
            len -= skipped as u64;
            self.moved(skipped);
            if skipped == 0 {
                self.wait_for_tasks();
            }
        }
    }
}

impl Sink for Link {
    fn record(&mut self, status: Status, bytes: &[u8]) {
        end_if_copy();
        let mut header = [0; LONGEST_HEADER];
        let len = write_header(status, bytes.len(), &mut header);
        if let Some(value) = bytes.first_chunk::<8>().filter(|_| bytes.len() == 8) {
            // A number: header and value are put together in a register and written in one.
            let record = u128::from(header[0]) | u128::from(u64::from_le_bytes(*value)) << 8;
            if self.results.write_padded(&record.to_le_bytes(), 9) {
                self.untold += 9;
            } else {
                self.write_all(&record.to_le_bytes()[..9]);
            }
        } else {
            self.write_all(&header[..len]);
            self.write_all(bytes);
        }
        if !self.held_back {
            self.results.publish();
        }
        self.tell_in_time();
    }

    fn carry(&mut self, objects: Vec<Arc<Object>>) -> io::Result<()> {
        end_if_copy();
        // The parent takes objects together with results, so those before must not wait for these.
        self.results.publish();
        self.tell_parent();
        let words = &self.lane.worker;
        let item = begun(&words.started.0, Ordering::Relaxed);
        let sent = || {
            words.results.0.carried.fetch_add(1, Ordering::Relaxed);
        };
        let parent = &mut self.parent;
        self.carriage.send(item, &objects, sent, || parent.ring())
    }
}

/// Arguments are read from the link while results are written to it.
#[derive(Debug)]
pub(super) struct Shared<'a>(pub(super) &'a RefCell<Link>);

impl Stream for Shared<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.borrow_mut().fill(bytes);
    }

    fn skip(&mut self, len: u64) {
        self.0.borrow_mut().skip(len);
    }
}
