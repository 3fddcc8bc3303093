//! What the lock of a pool guards.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};

use slab::Slab;

use super::chunk::{Chunk, Delivery};
use super::death::Barren;
use super::link::{Link, News};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::FunctionId;
use crate::shm::{PoolPark, Ringer, Sleeper};
use crate::wire::Landing;

/// Buffers kept for the next chunk: enough for all chunks in flight of a few workers.
const BUFFERS: usize = 64;
/// A larger buffer is not worth keeping.
const BUFFER_BYTES: usize = 1 << 20;

/// Whether the pool takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// No more; what was submitted is finished.
    Closing,
    /// All is dropped, and the workers end.
    Closed,
}

/// What the courier is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Courier {
    /// No work was left to it.
    Idle,
    /// It looks after the work soon, or does already.
    Armed,
    /// Another thread leads, and tells it when it stops.
    Relieved,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// The program is ending: workers are ended, and nobody is told.
    pub(super) silent: bool,
    pub(super) calls: Slab<Call>,
    /// Chunks that no worker has.
    pub(super) queue: VecDeque<Chunk>,
    pub(super) links: Vec<Link>,
    /// Chunks that are queued or with a worker.
    pub(super) outstanding: usize,
    /// Calls that threads wait for as a whole.
    pub(super) maps: usize,
    /// Workers that the supervisor shall start.
    pub(super) wanted: usize,
    /// Workers that the supervisor is starting now.
    pub(super) starting: usize,
    /// Workers that the supervisor shall kill.
    pub(super) condemned: Vec<u64>,
    pub(super) barren: Barren,
    /// Nanoseconds that an item of each function took lately.
    pub(super) costs: Vec<Option<f64>>,
    /// True while a thread sleeps on the pool's bell for everybody.
    pub(super) led: bool,
    /// The bell's sleeping end; with the leader while it sleeps.
    pub(super) sleeper: Option<Sleeper<PoolPark>>,
    /// Wakes the leader from within this process.
    pub(super) ringer: Ringer<PoolPark>,
    /// Threads that wait while another one leads.
    pub(super) followers: Vec<Arc<Condvar>>,
    pub(super) courier: Courier,
    pub(super) buffers: Vec<Vec<u8>>,
    /// Empty; the memory is used at each look at a worker.
    pub(super) news: Vec<News>,
    /// Counts deeds, to tell which worker was busy last.
    pub(super) clock: u64,
}

/// What a caller learns when it hands in a chunk.
#[derive(Debug)]
pub(super) struct Submitted {
    /// For the next chunk.
    pub(super) buffer: Vec<u8>,
    /// Chunks of the call that are queued or with a worker.
    pub(super) outstanding: usize,
    /// What an item took lately, in nanoseconds.
    pub(super) cost: Option<f64>,
}

/// One call as its pool sees it.
#[derive(Debug)]
pub(super) struct Call {
    /// What came and was not fetched.
    pub(super) mail: Vec<Delivery>,
    /// Chunks that are queued or with a worker.
    pub(super) outstanding: u32,
    /// Nobody will fetch anything any more.
    detached: bool,
    /// Items from this one on are not wanted any more.
    end: usize,
    /// See `Shared::open_call`.
    pub(super) whole: bool,
    /// The thread that waits for the mail, while another one leads.
    pub(super) waiter: Option<Arc<Condvar>>,
    /// Makes room for a large result.
    pub(super) landing: fn(usize) -> Option<Box<dyn Landing>>,
}

impl State {
    pub(super) fn new(
        functions: usize,
        sleeper: Sleeper<PoolPark>,
        ringer: Ringer<PoolPark>,
    ) -> Self {
        Self {
            phase: Phase::Open,
            silent: false,
            calls: Slab::new(),
            queue: VecDeque::new(),
            links: Vec::new(),
            outstanding: 0,
            maps: 0,
            wanted: 0,
            starting: 0,
            condemned: Vec::new(),
            barren: Barren::default(),
            costs: vec![None; functions],
            led: false,
            sleeper: Some(sleeper),
            ringer,
            followers: Vec::new(),
            courier: Courier::Idle,
            buffers: Vec::new(),
            news: Vec::new(),
            clock: 0,
        }
    }

    /// Fails when the pool takes no more work.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.phase == Phase::Open {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Closed))
        }
    }

    pub(super) fn open_call(
        &mut self,
        landing: fn(usize) -> Option<Box<dyn Landing>>,
        whole: bool,
    ) -> usize {
        self.maps += usize::from(whole);
        self.calls.insert(Call {
            whole,
            mail: Vec::new(),
            outstanding: 0,
            detached: false,
            end: usize::MAX,
            waiter: None,
            landing,
        })
    }

    /// Nobody will ask for the call's results: what is queued is dropped, what runs is run in vain.
    pub(super) fn detach_call(&mut self, key: usize, finish: bool) {
        if !finish {
            self.cancel_after(key, None);
        }
        if let Some(call) = self.calls.get_mut(key) {
            call.detached = true;
            call.mail = Vec::new();
            self.maps -= usize::from(call.whole);
            if call.outstanding == 0 {
                self.calls.remove(key);
            }
        }
        self.notify_if_idle();
        if self.phase == Phase::Closing {
            self.ringer.ring();
        }
    }

    /// Drops the items of a call after item `last` (all of them without it) as far as nobody has begun
    /// them.
    pub(super) fn cancel_after(&mut self, key: usize, last: Option<usize>) {
        // One more than the last item that is wanted.
        let end = last.map_or(0, |last| last.saturating_add(1));
        if let Some(call) = self.calls.get_mut(key) {
            call.end = call.end.min(end);
        }
        let concerned = |chunk: &Chunk| chunk.call == key && chunk.first >= end;
        let mut dropped = Vec::new();
        for chunk in std::mem::take(&mut self.queue) {
            if concerned(&chunk) {
                dropped.push(chunk);
            } else {
                self.queue.push_back(chunk);
            }
        }
        for link in &mut self.links {
            link.revoke_if(concerned, &mut dropped);
            link.cut(|chunk, done| chunk.call == key && chunk.first + done >= end);
        }
        for chunk in dropped {
            self.finish(chunk);
        }
    }

    /// True when somebody still wants the item.
    pub(super) fn wants(&self, key: usize, item: usize) -> bool {
        self.calls.get(key).is_some_and(|call| item < call.end)
    }

    /// A chunk is done with, in whatever way.
    pub(super) fn finish(&mut self, chunk: Chunk) {
        self.outstanding -= 1;
        if let Some(call) = self.calls.get_mut(chunk.call) {
            call.outstanding -= 1;
            if call.outstanding == 0 {
                // Its caller may have fetched all results before the chunk's end came.
                if let Some(waiter) = &call.waiter {
                    waiter.notify_one();
                }
                if call.detached {
                    self.calls.remove(chunk.call);
                }
            }
        }
        self.keep_buffer(chunk.payload.into_buffer());
        self.notify_if_idle();
    }

    /// Somebody may wait for the end of all work.
    fn notify_if_idle(&self) {
        if self.outstanding == 0 {
            for follower in &self.followers {
                follower.notify_one();
            }
        }
    }

    /// True when somebody may wait for the first results of a chunk before its last one is there.
    pub(super) fn has_partial_news(&self, chunk: &Chunk) -> bool {
        chunk.count > 1 && self.calls.get(chunk.call).is_some_and(|call| !call.whole)
    }

    /// Puts news into the call's mail.
    pub(super) fn deliver(&mut self, key: usize, delivery: Delivery) {
        if let Some(call) = self.calls.get_mut(key).filter(|call| !call.detached) {
            call.mail.push(delivery);
            if let Some(waiter) = &call.waiter {
                waiter.notify_one();
            }
        }
    }

    /// Ends every call with `error`.
    pub(super) fn abort_calls(&mut self, error: &Error) {
        for chunk in std::mem::take(&mut self.queue) {
            self.finish(chunk);
        }
        let keys: Vec<usize> = self.calls.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.deliver(key, Delivery::Aborted(error.again()));
        }
        for follower in &self.followers {
            follower.notify_one();
        }
    }

    /// What the caller learns when it hands in a chunk.
    pub(super) fn submitted(&mut self, key: usize, function: FunctionId) -> Submitted {
        let outstanding = self
            .calls
            .get(key)
            .map_or(0, |call| call.outstanding as usize);
        Submitted {
            buffer: self.buffer(),
            outstanding,
            cost: self.cost(function),
        }
    }

    /// An item of `function` took `nanos` lately.
    pub(super) fn learn_cost(&mut self, function: FunctionId, nanos: f64) {
        if let Some(cost) = self.costs.get_mut(function.0 as usize) {
            *cost = Some(cost.map_or(nanos, |before| f64::midpoint(before, nanos)));
        }
    }

    pub(super) fn cost(&self, function: FunctionId) -> Option<f64> {
        self.costs.get(function.0 as usize).copied().flatten()
    }

    /// A buffer for a chunk, used before if there is one.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    pub(super) fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        let worthwhile = (1..=BUFFER_BYTES).contains(&buffer.capacity());
        if worthwhile && self.buffers.len() < BUFFERS {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}
