//! Telling what happens: where the pool's events come from.
//!
//! Whoever changes the state tells of it there. The [tally](Tally) takes note at once, which costs a few
//! additions; whatever else observes is told later, by the [stream](stream::Stream), and only if there is
//! somebody an event is put together in full.

mod failures;
#[cfg(feature = "mpi")]
mod forward;
mod inline;
mod stream;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::chunk::Chunk;
use super::death::End;
use super::link::Link;
use super::shared::Shared;
use super::state::{Phase, State};
use crate::event::{Event, EventKind, FailureKind, Interest, ItemSpan, Observer};
use crate::observe::{Stats, Tally};
use crate::sys::now_nanos;

pub(super) use failures::{Said, failure_kind};
#[cfg(feature = "mpi")]
pub(super) use forward::Forward;
use stream::SharedObserver;
pub(super) use stream::Stream;

/// What a pool tells, in its state.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) tally: Tally,
    /// Absent until somebody observes.
    pub(super) stream: Option<Arc<Stream>>,
    /// Workers tell when each item runs.
    pub(super) timed: bool,
    /// They do so for the tally too.
    insights: bool,
    /// The pool can be asked for its statistics when it is over.
    pub(super) lasting: bool,
    /// In a node's part of a pool, what is to be told to rank 0.
    #[cfg(feature = "mpi")]
    forward: Option<Box<forward::Forward>>,
}

/// An observer as its builder keeps it.
#[derive(Clone)]
pub(super) struct Observing {
    observer: SharedObserver,
    interest: Interest,
}

impl Observing {
    pub(super) fn new(observer: impl Observer + 'static) -> Self {
        Self {
            interest: observer.interest(),
            observer: Arc::new(Mutex::new(observer)),
        }
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observing")
    }
}

impl Shared {
    /// Has the observers of the pool told from now on.
    pub(super) fn observe(&self, observers: &[Observing]) {
        for observing in observers {
            self.listen(None, observing);
        }
        let timed = self.stream.interest().is_some_and(Interest::has_item_times);
        let insights = timed || self.setup.insights;
        let own = self.is_inline().then(std::process::id);
        let mut state = self.lock();
        state.events.insights = insights;
        state.events.tally = Tally::new(now_nanos(), own, insights);
        drop(state);
        self.note_observers();
    }

    /// The numbers as they are now.
    pub(super) fn stats(&self) -> Stats {
        if self.check_fork().is_err() {
            return Stats::default();
        }
        let state = self.lock();
        let since = |link: &Link| {
            let began = link.lane.worker.chunk_began.load(Ordering::Relaxed);
            let works = began != 0 && link.works() && link.init.is_done();
            Some((link.slot.filter(|_| works)?, began))
        };
        let running: Vec<_> = state.links.iter().filter_map(since).collect();
        let mut stats = state.events.tally.stats(now_nanos(), &running);
        drop(state);
        stats.look_at_memory();
        stats
    }

    /// Has observers told of a call that is to be opened, until what is returned is dropped.
    pub(super) fn observe_call(self: &Arc<Self>, observers: &[Observing]) -> Option<Observed> {
        if observers.is_empty() {
            return None;
        }
        let serial = self.lock().next_serial();
        #[cfg(feature = "mpi")]
        self.introduce_nodes(observers);
        let listen = |observing: &Observing| self.listen(Some(serial), observing);
        let observed = Observed {
            serial,
            listeners: observers.iter().map(listen).collect(),
            shared: Arc::clone(self),
        };
        self.note_observers();
        Some(observed)
    }

    fn listen(&self, call: Option<u64>, observing: &Observing) -> u64 {
        let Observing { observer, interest } = observing;
        self.stream.listen(call, observer, *interest)
    }

    /// Somebody came or went.
    fn note_observers(&self) {
        let mut state = self.lock();
        let interest = self.stream.interest();
        let timed = interest.is_some_and(Interest::has_item_times);
        state.events.timed = timed || state.events.insights;
        #[cfg(feature = "mpi")]
        self.time_on_nodes(&state, state.events.timed);
        state.events.stream = interest.map(|_| Arc::clone(&self.stream));
    }

    /// Tells the rest; the pool is over.
    pub(super) fn end_stream(&self) {
        self.lock().events.stream = None;
        self.stream.finish();
    }
}

/// A call that has observers. When it is dropped, they are told what happened, and that it is over.
#[derive(Debug)]
pub(super) struct Observed {
    /// Of the call.
    pub(super) serial: u64,
    listeners: Vec<u64>,
    shared: Arc<Shared>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        if self.shared.check_fork().is_ok() {
            self.shared.stream.leave(&self.listeners);
            self.shared.note_observers();
        }
    }
}

impl Events {
    /// True when somebody reads more than numbers.
    #[inline(always)]
    fn are_told(&self) -> bool {
        #[cfg(feature = "mpi")]
        if self.forward.is_some() {
            return true;
        }
        self.stream.is_some()
    }
}

impl State {
    /// Something happened.
    // See `Tally::count`.
    #[inline(always)]
    pub(super) fn emit(&mut self, kind: EventKind) {
        if !self.events.are_told() {
            self.events.tally.count(0, &kind);
            return;
        }
        self.emit_to_all(kind);
    }

    /// Something happened whose time counts for statistics, and that does not happen often.
    pub(super) fn emit_timed(&mut self, kind: EventKind) {
        self.emit_to_all(kind);
    }

    #[cold]
    fn emit_to_all(&mut self, kind: EventKind) {
        self.emit_at(now_nanos(), kind);
    }

    /// Something happened then.
    pub(super) fn emit_at(&mut self, at: u64, kind: EventKind) {
        let event = Event::new(at, kind);
        self.events.tally.count(event.at, &event.kind);
        #[cfg(feature = "mpi")]
        self.events.forward(&event);
        if let Some(stream) = &self.events.stream {
            stream.push(event);
        }
    }

    /// True when somebody reads more than numbers.
    pub(super) fn is_observed(&self) -> bool {
        self.events.are_told()
    }

    /// True when somebody is to learn how much memory workers had that end with the pool.
    pub(super) fn tells_peaks(&self) -> bool {
        self.is_observed() || self.events.lasting
    }

    /// The number of a call in events; none if it is not one of a user's.
    pub(super) fn serial(&self, key: usize) -> Option<u64> {
        self.calls.get(key).map(|call| call.serial)
    }

    /// A worker is given a chunk.
    pub(super) fn tell_given(&mut self, worker: Option<usize>, chunk: &Chunk) {
        if let Some(call) = self.serial(chunk.call) {
            self.emit(EventKind::ChunkGiven {
                call,
                worker,
                first: chunk.first,
                count: chunk.count as usize,
                bytes: chunk.payload.len(),
            });
        }
    }

    /// A worker is done with a chunk, of which it did `done` items.
    pub(super) fn tell_done(
        &mut self,
        worker: Option<usize>,
        chunk: &Chunk,
        done: u32,
        nanos: u64,
    ) {
        if let Some(call) = self.serial(chunk.call) {
            self.emit(EventKind::ChunkDone {
                call,
                worker,
                first: chunk.first,
                count: done as usize,
                took: Duration::from_nanos(nanos),
            });
        }
    }

    /// There are results.
    pub(super) fn tell_results(
        &mut self,
        call: usize,
        worker: Option<usize>,
        count: usize,
        bytes: usize,
    ) {
        if let Some(call) = self.serial(call) {
            self.emit(EventKind::ItemsDone {
                call,
                worker,
                count,
                bytes,
            });
        }
    }

    /// It is known when items ran.
    pub(super) fn tell_spans(&mut self, call: usize, worker: Option<usize>, spans: Vec<ItemSpan>) {
        if let Some(call) = self.serial(call) {
            self.emit(EventKind::ItemsTimed {
                call,
                worker,
                spans,
            });
        }
    }

    /// Items are not run, since their call has ended.
    pub(super) fn tell_dropped(&mut self, call: usize, count: usize) {
        if let Some(call) = self.serial(call) {
            self.emit(EventKind::ItemsDropped { call, count });
        }
    }

    /// The item is tried again after a result or a failure; if `revoked`, that was told as its outcome.
    pub(super) fn tell_retry(
        &mut self,
        item: &Chunk,
        pause: Duration,
        revoked: bool,
        failed: Option<FailureKind>,
    ) {
        if let Some(call) = self.serial(item.call) {
            self.emit(EventKind::ItemRetried {
                call,
                index: item.first,
                attempt: item.history.attempt,
                pause,
                revoked,
                failed,
            });
        }
    }

    /// A worker was started, which took so many nanoseconds.
    pub(super) fn tell_worker_started(&mut self, link: &Link, nanos: u64) {
        self.emit_timed(EventKind::WorkerStarted {
            worker: link.slot,
            pid: link.pid,
            took: Duration::from_nanos(nanos),
        });
    }

    /// A worker can run items, so many nanoseconds after it was started.
    pub(super) fn tell_worker_ready(&mut self, worker: Option<usize>, pid: u32, nanos: u64) {
        self.emit_timed(EventKind::WorkerReady {
            worker,
            pid,
            took: Duration::from_nanos(nanos),
        });
    }

    /// A worker has ended in the middle of a chunk.
    pub(super) fn tell_cut_off(&mut self, link: &Link) {
        let began = link.lane.worker.chunk_began.load(Ordering::Relaxed);
        let front = link.in_flight.front().filter(|one| !one.chunk.is_hook());
        if let Some(front) = front.filter(|_| began != 0) {
            let nanos = now_nanos().saturating_sub(began.max(link.spawned));
            self.tell_done(link.slot, &front.chunk, front.done, nanos);
        }
    }

    /// A worker is gone.
    pub(super) fn tell_worker_ended(
        &mut self,
        id: u64,
        worker: Option<usize>,
        pid: u32,
        end: &End,
    ) {
        let link = self.links.iter().find(|link| link.id == id);
        let by_pool = |link: &Link| link.dismissed.is_some() || link.doom.is_some();
        let expected = link.is_none_or(by_pool) || self.phase == Phase::Closed;
        self.emit_timed(EventKind::WorkerEnded {
            worker,
            pid,
            how: end.exit.to_string(),
            unexpected: !expected && link.is_some_and(|link| link.process.is_none()),
            peak_memory: end.usage.peak,
            cpu: end.usage.cpu,
        });
    }

    /// A worker ran the exit function.
    pub(super) fn tell_worker_finalized(&mut self, link: &Link, nanos: u64) {
        self.emit_timed(EventKind::WorkerFinalized {
            worker: link.slot,
            pid: link.pid,
            took: Duration::from_nanos(nanos),
        });
    }

    /// A worker ran the init function.
    pub(super) fn tell_worker_initialized(&mut self, link: &Link, nanos: u64) {
        self.emit_timed(EventKind::WorkerInitialized {
            worker: link.slot,
            pid: link.pid,
            took: Duration::from_nanos(nanos),
        });
    }
}
