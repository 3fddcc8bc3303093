//! What was read of the workers and is not played yet, and the thread that plays it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::source::{Item, Source};
use crate::pool::output::Patience;
use crate::sys::{Notify, spawn_quiet};
use crate::wire::log::LogFrame;

/// With so many bytes waiting no more is read, and workers wait in turn.
const FULL: usize = 1 << 20;
/// With so many bytes waiting while nothing goes on, what comes is dropped and counted.
const MOST: usize = 32 << 20;
/// How long to wait while nothing goes on.
const STALL: Duration = Duration::from_secs(2);

thread_local! {
    /// The hub whose frames this thread plays.
    static PLAYING: RefCell<Option<Arc<Hub>>> = const { RefCell::new(None) };
}

/// The hub whose frames this thread plays. At the end of the program there may be no telling, and none then.
fn playing() -> Option<Arc<Hub>> {
    let hub = PLAYING.try_with(|hub| hub.borrow().clone());
    hub.ok().flatten()
}

/// Takes note that this thread makes a call if it plays a frame; says whether it does.
pub(super) fn nest() -> bool {
    let hub = playing();
    if let Some(hub) = &hub {
        hub.nested.store(true, Ordering::Relaxed);
        hub.room.notify();
        // Who looks whether it does so has the lock until it waits.
        drop(hub.queue());
        hub.played.notify_all();
    }
    hub.is_some()
}

/// Something to play.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: Arc<Source>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The body of a frame.
    Frame(Item, Box<[u8]>),
    /// Chunks up to this one are over.
    Over(
        #[cfg_attr(
            not(any(feature = "tracing", feature = "mpi")),
            expect(dead_code, reason = "spans alone need it")
        )]
        u64,
    ),
    /// The worker has ended.
    End,
    /// What was before it was played, and its node is told.
    #[cfg(feature = "mpi")]
    Then(Then),
}

/// To be done when what is before it was played.
#[cfg(feature = "mpi")]
pub(super) struct Then(pub(super) Box<dyn FnOnce() + Send>);

#[cfg(feature = "mpi")]
impl std::fmt::Debug for Then {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Then")
    }
}

/// What is played by one thread, in the order in which it was read.
#[derive(Debug)]
pub(in crate::pool) struct Hub {
    queue: Mutex<Queue>,
    /// There is something to play, or nothing will come.
    work: Condvar,
    /// Something was played.
    played: Condvar,
    /// How much was ever put into the queue, and how much of that was played.
    put: AtomicU64,
    done: AtomicU64,
    /// What is played now makes a call itself: reading must go on without it, since that call's items may
    /// stand behind some that wait until their pipe was read.
    nested: AtomicBool,
    /// Wakes who reads: there is room again.
    room: Arc<Notify>,
    /// In a node's part of a pool: rank 0 plays it. What it has and has not played counts as waiting.
    away: bool,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Who reads waits for room.
    full: bool,
    thread: Option<JoinHandle<()>>,
    started: bool,
    closing: bool,
    /// So much was played when it was waited for in vain.
    stalled: Option<u64>,
    /// So much was played when it was found full, and when that was.
    full_at: Option<(u64, Instant)>,
    /// How much was dropped and not told of.
    dropped: u64,
}

impl Hub {
    /// One that plays here, or is [asked](Self::take) for what rank 0 plays, if it is `away`.
    pub(in crate::pool) fn new(room: &Arc<Notify>, away: bool) -> Arc<Self> {
        Arc::new(Self {
            away,
            queue: Mutex::default(),
            work: Condvar::new(),
            played: Condvar::new(),
            put: AtomicU64::new(0),
            done: AtomicU64::new(0),
            nested: AtomicBool::new(false),
            room: Arc::clone(room),
        })
    }

    /// Nobody waits for anything while he has the lock, and nothing of the user's runs under it.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has this played; gives the number of the last one.
    pub(super) fn put(self: &Arc<Self>, jobs: impl IntoIterator<Item = Job>) -> u64 {
        let mut queue = self.queue();
        let before = queue.jobs.len();
        let stands = queue.stalled == Some(self.done.load(Ordering::Acquire));
        for job in jobs {
            if stands && job.can_be_dropped(queue.bytes) {
                queue.dropped += u64::from(matches!(job.what, What::Frame(..)));
                continue;
            }
            queue.bytes += job.size();
            queue.jobs.push_back(job);
        }
        let more = (queue.jobs.len() - before) as u64;
        let number = self.put.fetch_add(more, Ordering::Relaxed) + more;
        self.start(&mut queue);
        drop(queue);
        self.work.notify_one();
        number
    }

    /// Starts the thread if it is needed; without one to be had, the next frame tries again.
    fn start(self: &Arc<Self>, queue: &mut Queue) {
        if queue.started || self.away || queue.jobs.is_empty() {
            return;
        }
        let hub = Arc::clone(self);
        queue.thread = spawn_quiet("parproc-logs", move || hub.run()).ok();
        queue.started = queue.thread.is_some();
    }

    /// How much was ever to be played.
    pub(super) fn number(&self) -> u64 {
        self.put.load(Ordering::Relaxed)
    }

    /// Says how long at most no more is to be read; who reads is woken when there is room. Who plays may wait for
    /// somebody who waits for a worker that waits for room, so that is not for ever.
    pub(in crate::pool) fn is_full(&self) -> Option<Duration> {
        let mut queue = self.queue();
        queue.full = queue.bytes >= FULL && !self.nested.load(Ordering::Relaxed);
        if !queue.full {
            queue.full_at = None;
            return None;
        }
        let (done, now) = (self.done.load(Ordering::Acquire), Instant::now());
        match queue.full_at {
            Some((before, at)) if before == done && now - at >= STALL => queue.stalled = Some(done),
            Some((before, _)) if before == done => {}
            _ => queue.full_at = Some((done, now)),
        }
        queue.full = queue.stalled != Some(done);
        queue.full.then_some(STALL)
    }

    /// Waits until this was played, unless nothing goes on for a while, or this very thread plays. False if there was
    /// no more time for that.
    pub(in crate::pool) fn wait(&self, number: u64, patience: Patience) -> bool {
        if number <= self.done.load(Ordering::Acquire) || playing().is_some() {
            return true;
        }
        let mut queue = self.queue();
        let mut done = self.done.load(Ordering::Acquire);
        let mut end = Instant::now() + STALL;
        while done < number && queue.started && queue.stalled != Some(done) {
            if patience.beside_calls && self.nested.load(Ordering::Relaxed) {
                break;
            }
            let now = Instant::now();
            if patience.until.is_some_and(|until| until <= now) {
                return false;
            }
            if end <= now {
                // Nobody else need wait until it goes on.
                queue.stalled = Some(done);
                break;
            }
            let next = patience.until.map_or(end, |until| until.min(end));
            let waited = self.played.wait_timeout(queue, next - now);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            let before = std::mem::replace(&mut done, self.done.load(Ordering::Acquire));
            if before != done {
                end = Instant::now() + STALL;
            }
        }
        true
    }

    /// Waits until all was played that was read, as far as that goes on: nobody waits for it later, so what did
    /// not go on before may do so now.
    pub(in crate::pool) fn flush(&self) {
        if playing().is_none() {
            self.queue().stalled = None;
            self.wait(self.number(), Patience::default());
        }
    }

    /// Has the thread end when all was played, and waits for that as [`flush`](Self::flush) does if no worker
    /// is left.
    pub(in crate::pool) fn close(&self, gone: bool) {
        self.queue().closing = true;
        self.work.notify_one();
        if !gone {
            return;
        }
        self.flush();
        let mut queue = self.queue();
        let done = queue.jobs.is_empty() && self.done.load(Ordering::Acquire) == self.number();
        let thread = queue.thread.take().filter(|_| done);
        drop(queue);
        // Not of itself: what it plays may have dropped the pool.
        if playing().is_none() {
            // A panic there is a fault of ours that was reported by its own message.
            let _ = thread.map(JoinHandle::join);
        }
    }

    /// The thread's life.
    fn run(self: &Arc<Self>) {
        PLAYING.set(Some(Arc::clone(self)));
        let mut queue = self.queue();
        loop {
            let Some(job) = queue.jobs.pop_front() else {
                if queue.closing {
                    break;
                }
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.bytes -= job.size();
            let room = queue.full && queue.bytes < FULL / 2;
            queue.full &= !room;
            let dropped = match &job.what {
                What::Frame(..) => std::mem::take(&mut queue.dropped),
                _ => 0,
            };
            drop(queue);
            if room {
                self.room.notify();
            }
            // Subscribers and loggers are the user's: their panics cost what they were told.
            let _ = catch_unwind(AssertUnwindSafe(|| job.play(dropped)));
            self.nested.store(false, Ordering::Relaxed);
            queue = self.queue();
            self.done.fetch_add(1, Ordering::Release);
            self.played.notify_all();
        }
        // What comes later has another one.
        queue.started = false;
        drop(queue);
        PLAYING.set(None);
    }
}

/// For what nodes pass on.
#[cfg(feature = "mpi")]
impl Hub {
    /// What waits, in its order, with at most so many bytes if that is possible; how many bytes that is, and how
    /// many frames were dropped before.
    pub(super) fn take(&self, most: usize) -> (Vec<Job>, usize, u64) {
        let mut queue = self.queue();
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while let Some(next) = queue.jobs.front()
            && (jobs.is_empty() || bytes + next.size() <= most)
            && let Some(job) = queue.jobs.pop_front()
        {
            bytes += job.size();
            jobs.push(job);
        }
        let dropped = match jobs.is_empty() {
            true => 0,
            false => std::mem::take(&mut queue.dropped),
        };
        (jobs, bytes, dropped)
    }

    /// So much was dropped on a node.
    pub(super) fn add_dropped(&self, dropped: u64) {
        if dropped > 0 {
            self.queue().dropped += dropped;
        }
    }

    /// Rank 0 has played so much of what was taken.
    pub(in crate::pool) fn played(&self, jobs: u64, bytes: usize) {
        let mut queue = self.queue();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        let room = queue.full && queue.bytes < FULL / 2;
        queue.full &= !room;
        self.done.fetch_add(jobs, Ordering::Release);
        self.played.notify_all();
        drop(queue);
        if room {
            self.room.notify();
        }
    }
}

impl Job {
    fn size(&self) -> usize {
        match &self.what {
            What::Frame(_, body) => size_of::<Self>() + body.len(),
            What::Over(_) | What::End => size_of::<Self>(),
            #[cfg(feature = "mpi")]
            What::Then(_) => size_of::<Self>(),
        }
    }

    /// True when it is dropped with so many bytes waiting. Without sites and ends, what comes later could not be
    /// understood, and spans would stay open; but those of a worker that writes them without end are too many.
    fn can_be_dropped(&self, waiting: usize) -> bool {
        match &self.what {
            What::Frame(_, body) => {
                waiting > 2 * MOST || waiting > MOST && !LogFrame::is_needed_later(body)
            }
            What::Over(_) => waiting > MOST,
            What::End => false,
            #[cfg(feature = "mpi")]
            What::Then(_) => false,
        }
    }

    fn play(self, dropped: u64) {
        let Self { source, what } = self;
        #[cfg(feature = "mpi")]
        let what = match what {
            What::Then(then) => return then.0(),
            what => what,
        };
        if dropped > 0
            && let What::Frame(item, _) = &what
        {
            super::dropped::tell(&item.context, dropped);
        }
        source.play(what);
    }
}
