//! The parent's end of one worker: chunks are written, records are read and told apart.

mod records;
mod written;

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::carriage::Carriage;
use super::chunk::{Chunk, Delivery};
use super::events::Said;
use super::hooks::Progress;
use super::keep::Failed;
use super::logs::Context;
use super::output::{Streams, Written};
use super::process::OwnCall;
use super::state::Litter;
use super::tasks::TaskKey;
use super::watch::Doom;
use crate::event::ItemSpan;
use crate::registry::Table;
use crate::shm::{
    CLAIMS, Claim, Consumer, Corrupt, Lane, Producer, READY, RING_BYTES, ResultRing, Ringer,
    TaskRing, WorkerPark, begun, claim_word, cut,
};
use crate::sys::now_nanos;
use crate::wire::{FrameHeader, Levels, Piece, Place};
use records::Receiving;

/// A side that may sleep is told after so many bytes, at the latest.
const TELL_AFTER: usize = RING_BYTES / 4;
/// Bytes that are moved before it is another worker's turn.
const TURN: usize = RING_BYTES;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) pid: u32,
    /// Its number among the living ones; a process has none.
    pub(super) slot: Option<usize>,
    pub(super) lane: Lane,
    carriage: Carriage,
    tasks: Producer<TaskRing>,
    results: Consumer<ResultRing>,
    worker: Ringer<WorkerPark>,
    /// Chunks that the worker has, oldest first; the first one may be running.
    pub(super) in_flight: VecDeque<InFlight>,
    /// How far the newest chunk is written, while it is not written whole.
    writing: Option<Writing>,
    /// Bytes that were read and are not a whole record yet.
    pending: Vec<u8>,
    receiving: Option<Receiving>,
    /// When items ran, not yet told.
    spans: Vec<ItemSpan>,
    /// How many bytes the result of the item is whose record came last; none if it failed.
    last_result: Option<usize>,
    next_number: u64,
    /// Records of items that were read: the worker began one more item than these, or as many.
    pub(super) items_done: u64,
    /// What it writes, if that comes through this process.
    pub(super) streams: Option<Arc<Streams>>,
    /// What the item wrote whose record comes next, and the number of items before it.
    written: Option<(u64, Written)>,
    /// True once the worker has greeted.
    pub(super) greeted: bool,
    /// True once its memory was found to hold impossible values.
    pub(super) corrupt: bool,
    /// When it was given something last, by the state's clock.
    pub(super) used: u64,
    /// What tells how many arguments items have, if inputs of failed ones are kept.
    pub(super) keeps: Option<&'static Table>,
    /// How many items it may still be given.
    pub(super) quota: u64,
    /// When its life began to count, and when it had nothing to do any more, in nanoseconds.
    pub(super) born: u64,
    /// When its process was started, in nanoseconds.
    started: u64,
    pub(super) idle_since: u64,
    /// When its process was started.
    pub(super) spawned: u64,
    /// It is given no more.
    pub(super) leaving: bool,
    /// When it was told to end, in nanoseconds.
    pub(super) dismissed: Option<u64>,
    /// Items that it had done when its memory was looked at last.
    pub(super) measured: u64,
    /// Why it is being killed, if it is.
    pub(super) doom: Option<Doom>,
    /// Its progress when it was last looked at for being overdue, and when that was first seen.
    pub(super) seen: (u64, u64),
    /// The chunk that it ran and how many items it had begun when it was last looked at for being held up,
    /// and when that was first seen.
    still: ((u64, u64), u64),
    /// That was long before.
    held_up: bool,
    pub(super) init: Progress,
    /// It is there for one call only, if it is that of a process.
    pub(super) process: Option<OwnCall>,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) chunk: Chunk,
    /// Counted from 1 for each worker.
    pub(super) number: u64,
    /// Items whose records came.
    pub(super) done: u32,
    /// The worker was told to end it early.
    cut: bool,
    /// It was given to a worker that had nothing to do, for good.
    granted: bool,
    /// What is not begun of it can be taken back, and was.
    divisible: bool,
    divided: bool,
    /// Its results come in a row, as far as they were read.
    in_row: bool,
    /// Somebody may wait for another process through what it names, or named before it began.
    waits: bool,
    /// The worker tells when each item ran, and has told it of so many.
    timed: bool,
    times: u32,
    /// Items whose arguments were passed to find those of failed ones, and where they end.
    passed: (u32, Place),
}

#[derive(Debug)]
struct Writing {
    header: [u8; FrameHeader::BYTES],
    /// 0 is the header, then the pieces of the payload.
    piece: usize,
    offset: usize,
}

/// What was found while reading.
#[derive(Debug)]
pub(super) enum News {
    /// For the call with this key: so many results, which are so many bytes, and perhaps failures.
    Mail {
        call: usize,
        delivery: Delivery,
        results: usize,
        bytes: usize,
    },
    /// An item failed, as its record says that came as mail.
    Said(Said),
    /// When items of the call with this key ran.
    Timed(usize, Vec<ItemSpan>),
    /// For the report of this item of the call with this key.
    Written(usize, usize, Written),
    /// An item whose input is kept.
    Failed(Failed),
    /// A chunk ended; so many of its items are done, and took so many nanoseconds.
    Done(Chunk, u32, u64),
}

impl Link {
    pub(super) fn new(id: u64, pid: u32, lane: Lane, socket: OwnedFd) -> Self {
        let now = now_nanos();
        Self {
            carriage: Carriage::new(socket, &lane),
            keeps: None,
            quota: u64::MAX,
            born: now,
            started: now,
            spawned: now,
            idle_since: now,
            leaving: false,
            dismissed: None,
            measured: 0,
            id,
            pid,
            slot: None,
            tasks: Producer::new(lane.tasks()),
            results: Consumer::new(lane.results()),
            worker: Ringer::new(lane.park()),
            lane,
            in_flight: VecDeque::new(),
            writing: None,
            pending: Vec::new(),
            receiving: None,
            spans: Vec::new(),
            last_result: None,
            next_number: 1,
            items_done: 0,
            streams: None,
            written: None,
            greeted: false,
            corrupt: false,
            used: 0,
            doom: None,
            seen: (0, 0),
            still: ((0, 0), now),
            held_up: false,
            process: None,
            init: Progress::Done,
        }
    }

    /// True when it has nothing to do.
    pub(super) fn idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Tells the worker what it keeps for nobody, now that it has nothing to do.
    pub(super) fn tell_kept(&self) {
        self.carriage.tell();
    }

    /// True when it has something to do for a call.
    pub(super) fn works(&self) -> bool {
        self.in_flight.iter().any(|one| !one.chunk.is_hook())
    }

    /// True when it ends as soon as it is done with what it has.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving || self.quota == 0
    }

    /// True when it is there for chunks to come.
    pub(super) fn stays(&self) -> bool {
        !self.corrupt && !self.is_leaving() && self.doom.is_none()
    }

    /// True when it has written something that was not read.
    pub(super) fn has_news(&self) -> bool {
        self.results.has_news()
    }

    /// True when it runs something that somebody may wait for through what it names, or is to.
    pub(super) fn has_waits(&self) -> bool {
        self.in_flight.iter().any(|one| one.waits)
    }

    /// The chunk that runs, if it has begun and names what others wait for: no other process needs what this
    /// one has for it, unless it is tried again.
    pub(super) fn begun_waits(&mut self) -> Option<&mut Chunk> {
        let front = self.in_flight.front_mut()?;
        if !front.chunk.payload.waits() {
            return None;
        }
        let started = begun(&self.lane.worker.started.0, Ordering::Acquire);
        (started > self.items_done).then_some(&mut front.chunk)
    }

    /// True when a chunk waits behind another one, or for room in the ring, or an item behind another
    /// one.
    pub(super) fn has_waiting(&self) -> bool {
        self.in_flight.len() > 1 || self.writing.is_some() || self.behind() > 0
    }

    /// True once it can serve.
    pub(super) fn is_ready(&self) -> bool {
        self.greeted || self.lane.worker.ready.load(Ordering::Acquire) == READY
    }

    /// True when another chunk can be given to it.
    pub(super) fn takes_more(&self) -> bool {
        // The words of claims are used in turn, and chunks that were taken back have used theirs:
        // so it is the numbers, and not how many chunks there are, that have to stay close.
        let oldest = self
            .in_flight
            .front()
            .map_or(self.next_number, |one| one.number);
        let room = self.writing.is_none() && self.next_number - oldest < CLAIMS as u64;
        room && self.stays() && self.init.is_done() && self.process.is_none()
    }

    /// The caller of the chunk that is given next wants to hear of what it logs.
    pub(super) fn listen(&self, chunk: &Chunk, function: &'static str, context: &Context) {
        let logs = self.streams.as_ref().and_then(|streams| streams.logs());
        if let Some(logs) = logs {
            logs.give(self.next_number, chunk, function, context);
        }
    }

    /// Takes in what was logged before the results that were read. Gives the number of what has to be heard
    /// before these are the caller's. What need not be kept for that any more becomes `litter`.
    pub(super) fn hear(&self, litter: &mut Vec<Litter>) -> u64 {
        let logs = self.streams.as_ref().and_then(|streams| streams.logs());
        let oldest = self.in_flight.front();
        let oldest = oldest.map_or(self.next_number, |one| one.number);
        logs.map_or(0, |logs| logs.hear(oldest, litter))
    }

    /// Gives the worker a chunk, of whose items it tells what they log up to `levels`; if `clocked`, it tells when it begins each item; if `divisible`, what it
    /// has not begun can be [taken back](Self::take_rest). [`ring`](Self::ring) tells it.
    pub(super) fn give(
        &mut self,
        chunk: Chunk,
        clocked: bool,
        divisible: bool,
        timed: bool,
        levels: Levels,
    ) -> Result<(), Corrupt> {
        let number = self.next_number;
        self.next_number += 1;
        if !chunk.is_hook() {
            self.quota = self.quota.saturating_sub(chunk.count.into());
        }
        // A chunk that a worker is waiting for is not taken back, which saves both sides the claim.
        let granted = self.in_flight.is_empty();
        if !granted {
            let claim = &self.lane.worker.claims[number as usize % CLAIMS];
            claim.store(claim_word(number, Claim::Queued), Ordering::Release);
        }
        let objects = chunk.payload.objects();
        if !objects.is_empty() {
            self.carriage.send(number, objects);
        }
        let header = FrameHeader {
            carries: !objects.is_empty(),
            told: chunk.payload.waits(),
            width: chunk.payload.width() as u8,
            row: chunk.row as u8,
            number,
            function: chunk.function.0,
            count: chunk.count,
            bytes: chunk.payload.len() as u64,
            granted,
            clocked,
            divisible,
            timed,
            numbering: chunk.numbering,
            first: chunk.first as u64,
            attempt: chunk.history.attempt,
            seed: chunk.seed,
            levels,
        };
        self.writing = Some(Writing {
            header: header.to_bytes(),
            piece: 0,
            offset: 0,
        });
        self.in_flight.push_back(InFlight {
            waits: chunk.payload.waits(),
            timed,
            times: 0,
            chunk,
            number,
            done: 0,
            cut: false,
            granted,
            divisible,
            divided: false,
            in_row: header.row > 0,
            passed: (0, Place::default()),
        });
        self.write_on().map(drop)
    }

    /// Writes as much of the newest chunk as there is room for, but not so much that others wait for long;
    /// says whether that was anything.
    pub(super) fn write_on(&mut self) -> Result<bool, Corrupt> {
        let (Some(writing), Some(newest)) = (&mut self.writing, self.in_flight.back()) else {
            return Ok(false);
        };
        let mut wrote = 0;
        let mut untold = 0;
        let whole = loop {
            let piece = match writing.piece.checked_sub(1) {
                None => Some(Piece::Own(&writing.header)),
                Some(index) => newest.chunk.payload.piece(index),
            };
            let Some(piece) = piece else {
                break true;
            };
            if piece.is_gone() {
                // The frame cannot be written to its end, which is no fault of the worker's.
                self.doom = Some(Doom::Unwanted);
                return Err(Corrupt);
            }
            let rest = &piece[writing.offset..];
            let part = &rest[..rest.len().min(TELL_AFTER)];
            let len = if part.len() < rest.len() {
                // The worker reads the beginning while the rest is written.
                self.tasks.write_through(part)?
            } else {
                self.tasks.write(part)?
            };
            wrote += len;
            untold += len;
            writing.offset += len;
            if len < part.len() || len < rest.len() && wrote >= TURN {
                break false;
            }
            if len < rest.len() && untold >= TELL_AFTER {
                untold = 0;
                self.worker.ring();
            }
            if len == rest.len() {
                writing.piece += 1;
                writing.offset = 0;
            }
        };
        if whole {
            self.writing = None;
        }
        if wrote > 0 {
            self.tasks.publish();
        }
        Ok(wrote > 0)
    }

    /// Grows with every byte that is given to the worker or taken from it, and is never 0 then.
    pub(super) fn progress(&self) -> u64 {
        self.tasks.position().wrapping_add(self.results.position())
    }

    /// Makes a copy of what the chunks of a call are lent: their lender goes.
    pub(super) fn own(&mut self, call: usize) {
        for one in self
            .in_flight
            .iter_mut()
            .filter(|one| one.chunk.call == call)
        {
            one.chunk.payload.own();
        }
    }

    /// Wakes the worker if it sleeps.
    pub(super) fn ring(&mut self) {
        self.worker.ring();
    }

    /// Takes back the chunks that the worker has not begun and that `concerned` is true for.
    pub(super) fn revoke_if(&mut self, concerned: impl Fn(&Chunk) -> bool, out: &mut Vec<Chunk>) {
        let mut index = 0;
        while index < self.in_flight.len() {
            if concerned(&self.in_flight[index].chunk) && self.revoke(index) {
                let taken = self.in_flight.remove(index).map(|taken| taken.chunk);
                self.took_back(taken.as_ref());
                out.extend(taken);
            } else {
                index += 1;
            }
        }
    }

    /// Takes back the newest chunk, unless the worker has begun it.
    pub(super) fn revoke_newest(&mut self) -> Option<Chunk> {
        let newest = self.in_flight.len().checked_sub(1)?;
        let revoked = self.revoke(newest);
        let taken = revoked.then(|| self.in_flight.pop_back()).flatten();
        let taken = taken.map(|taken| taken.chunk);
        self.took_back(taken.as_ref());
        taken
    }

    /// The numbers of begun items with which something of the chunk that the worker runs is not begun.
    fn within_front(&self) -> Option<Range<u64>> {
        let front = self.in_flight.front().filter(|_| !self.is_unwritten(0))?;
        let left = u64::from(front.chunk.count - front.done);
        // One whose result is coming in was begun, whatever the word says.
        let least = self.items_done + u64::from(self.receiving.is_some());
        let whole = !front.divided && !front.cut && !self.corrupt;
        (front.divisible && whole).then(|| least..self.items_done + left)
    }

    /// How many items it has not begun of the chunk that it runs, as far as they can be taken back.
    pub(super) fn rest(&self) -> u64 {
        let Some(within) = self.within_front() else {
            return 0;
        };
        let begun = begun(&self.lane.worker.started.0, Ordering::Acquire);
        if within.contains(&begun) {
            within.end - begun
        } else {
            0
        }
    }

    /// How many of these stand behind another one.
    pub(super) fn behind(&self) -> u64 {
        let rest = self.rest();
        let front = self.in_flight.front();
        let next = front.is_some_and(|front| rest == u64::from(front.chunk.count - front.done));
        rest - u64::from(next && rest > 0)
    }

    /// Finds out whether it has not begun another item for so many nanoseconds, from this and the last
    /// look.
    pub(super) fn look_whether_held_up(&mut self, now: u64, nanos: u64) {
        let begun = begun(&self.lane.worker.started.0, Ordering::Acquire);
        let number = self.in_flight.front().map_or(0, |front| front.number);
        if self.still.0 != (number, begun) {
            self.still = ((number, begun), now);
        }
        self.held_up = now.saturating_sub(self.still.1) >= nanos;
    }

    /// True when something that it has not begun might be taken back.
    pub(super) fn could_give(&self) -> bool {
        self.in_flight.len() > 1 && self.writing.is_none() || self.rest() > 0
    }

    /// True when it was so, and is still at the same chunk.
    pub(super) fn is_held_up(&self) -> bool {
        let front = self.in_flight.front();
        self.held_up && front.is_some_and(|front| front.number == self.still.0.0)
    }

    /// Takes back what the worker has not begun of the chunk that it runs. What it has begun remains
    /// there as a chunk, of no items if it has begun none. `split` takes so many first items out of one.
    pub(super) fn take_rest(&mut self, split: impl Fn(&mut Chunk, u32) -> Chunk) -> Option<Chunk> {
        let begun = cut(&self.lane.worker.started.0, self.within_front()?)?;
        let front = self.in_flight.front_mut()?;
        let kept = split(
            &mut front.chunk,
            front.done + (begun - self.items_done) as u32,
        );
        let rest = std::mem::replace(&mut front.chunk, kept);
        front.divided = true;
        self.took_back(Some(&rest));
        Some(rest)
    }

    fn took_back(&mut self, chunk: Option<&Chunk>) {
        let items = chunk.map_or(0, |chunk| chunk.count.into());
        self.quota = self.quota.saturating_add(items);
    }

    /// Has the worker end the chunk that it runs after the current item, if `concerned` says so of
    /// the chunk and the number of its items that are done.
    pub(super) fn cut(&mut self, concerned: impl Fn(&Chunk, usize) -> bool) {
        if let Some(front) = self.in_flight.front_mut()
            // One that was divided ends after the current item anyway.
            && !front.divided
            && concerned(&front.chunk, front.done as usize)
        {
            front.cut = true;
            self.lane
                .parent
                .cut
                .0
                .store(front.number, Ordering::Relaxed);
        }
    }

    /// True while the worker has the task, done or not.
    pub(super) fn has_task(&self, key: TaskKey) -> bool {
        self.in_flight.iter().any(|one| one.chunk.has(key))
    }

    /// True if the worker runs the task, as far as it says.
    pub(super) fn runs(&self, key: TaskKey) -> bool {
        let started = begun(&self.lane.worker.started.0, Ordering::Acquire);
        let Some(front) = self.in_flight.front().filter(|one| one.chunk.has(key)) else {
            return false;
        };
        let index = front.chunk.first as u64 + u64::from(front.done);
        let running = started.checked_sub(self.items_done + 1);
        running.is_some_and(|ahead| index.checked_add(ahead) == Some(key.index() as u64))
    }

    /// The number of a chunk of such calls that the worker still has, and whether it has begun it;
    /// right after such chunks were revoked.
    pub(super) fn holds(&self, concerned: impl Fn(usize) -> bool) -> Option<(u64, bool)> {
        let mut chunks = self.in_flight.iter().enumerate();
        // One whose items are done is as good as over.
        let left = |one: &InFlight| one.done < one.chunk.count;
        let (index, one) = chunks.find(|(_, one)| concerned(one.chunk.call) && left(one))?;
        Some((one.number, index == 0 || !self.is_unwritten(index)))
    }

    /// Where in the worker's queue a chunk is, from its number.
    pub(super) fn position(&self, number: u64) -> Option<usize> {
        self.in_flight.iter().position(|one| one.number == number)
    }

    /// A frame that is not written whole has to be written to its end.
    fn is_unwritten(&self, index: usize) -> bool {
        self.writing.is_some() && index + 1 == self.in_flight.len()
    }

    fn revoke(&mut self, index: usize) -> bool {
        let unwritten = self.is_unwritten(index);
        let number = self.in_flight[index].number;
        let claim = &self.lane.worker.claims[number as usize % CLAIMS];
        // A chunk with results was begun, whatever its word says.
        let one = &self.in_flight[index];
        let begun = one.granted || one.divided || one.done > 0;
        !unwritten && !begun && Claim::Revoked.swap(claim, number)
    }
}
