//! The way of events from the pool to those who observe it.
//!
//! Events are queued under a lock of their own, and a thread takes them to the observers in batches. So nothing of
//! an observer runs in the pool's own work, and an observer may use the pool. Whoever has to be sure that all
//! that happened was told, and callers that find too much queued, take the queue themselves.
//!
//! | lock | held | while holding it |
//! | --- | --- | --- |
//! | `turn` | by who tells, so that one does at a time | observers run, which may do anything |
//! | an observer's own | while it is told | the same |
//! | `queue`, `audience` | for a few instructions, also under the pool's lock | nothing else is locked |

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::event::{Event, EventKind, Interest, Observer};
use crate::pool::callbacks::join_others;
use crate::sys::spawn_quiet;

/// An observer that several pools may have.
pub(in crate::pool) type SharedObserver = Arc<Mutex<dyn Observer>>;

/// With so many events queued, callers help to take them on.
const FULL: usize = 1 << 14;
/// How long events are gathered before they are taken on.
const GATHER: Duration = Duration::from_millis(5);

thread_local! {
    /// This thread is in the middle of telling observers.
    static TELLS: Cell<bool> = const { Cell::new(false) };
}

#[derive(Debug, Default)]
pub(in crate::pool) struct Stream {
    queue: Mutex<Queue>,
    /// Wakes the thread.
    bell: Condvar,
    /// Callers are to help.
    full: AtomicBool,
    audience: Mutex<Vec<Listener>>,
    turn: Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Queue {
    events: Vec<Event>,
    /// Empty; the memory is used in turns.
    spare: Vec<Event>,
    /// Those who listen no more, once these events were told.
    leaving: Vec<u64>,
    /// The thread sleeps.
    asleep: bool,
    /// Nothing more comes.
    over: bool,
    next_id: u64,
}

/// One who is told.
#[derive(Clone)]
struct Listener {
    id: u64,
    /// The call that it wants to know of; all if it is none.
    call: Option<u64>,
    observer: SharedObserver,
    interest: Interest,
}

impl Stream {
    /// Has the observer told from now on; of one call only if it is named. Gives what it [leaves](Self::leave) with.
    pub(in crate::pool) fn listen(
        self: &Arc<Self>,
        call: Option<u64>,
        observer: &SharedObserver,
        interest: Interest,
    ) -> u64 {
        let id = {
            let mut queue = lock(&self.queue);
            queue.next_id += 1;
            queue.next_id
        };
        lock(&self.audience).push(Listener {
            id,
            call,
            observer: Arc::clone(observer),
            interest,
        });
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let stream = Arc::clone(self);
            // Without a thread it is told when calls end.
            *thread = spawn_quiet("parproc-events", move || stream.live()).ok();
        }
        id
    }

    /// Tells an observer, which is not told anything else yet, what it has to know. In an observer it does nothing.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn greet(&self, observer: &SharedObserver, events: &[Event]) {
        let Some(_telling) = Telling::begin() else {
            return;
        };
        let _turn = lock(&self.turn);
        contained(|| lock(observer).observe(events));
    }

    /// Has observers told what happened, and then no more.
    pub(in crate::pool) fn leave(&self, listeners: &[u64]) {
        let mut queue = lock(&self.queue);
        queue.leaving.extend(listeners);
        if std::mem::take(&mut queue.asleep) {
            self.bell.notify_one();
        }
        drop(queue);
        self.deliver();
    }

    /// What those who listen want; none if nobody listens.
    pub(in crate::pool) fn interest(&self) -> Option<Interest> {
        let audience = lock(&self.audience);
        let interests = audience.iter().map(|listener| listener.interest);
        interests.reduce(Interest::or)
    }

    pub(in crate::pool) fn push(&self, event: Event) {
        let mut queue = lock(&self.queue);
        queue.events.push(event);
        if queue.events.len() >= FULL {
            self.full.store(true, Ordering::Relaxed);
        }
        if std::mem::take(&mut queue.asleep) {
            self.bell.notify_one();
        }
    }

    /// Takes the queue if it is long.
    pub(in crate::pool) fn relieve(&self) {
        if self.full.load(Ordering::Relaxed) {
            self.deliver();
        }
    }

    /// Tells what happened until now. In an observer it does nothing: that is told later.
    pub(in crate::pool) fn deliver(&self) {
        let Some(_telling) = Telling::begin() else {
            return;
        };
        let _turn = lock(&self.turn);
        let (mut events, leaving) = {
            let mut queue = lock(&self.queue);
            let spare = std::mem::take(&mut queue.spare);
            let events = std::mem::replace(&mut queue.events, spare);
            self.full.store(false, Ordering::Relaxed);
            (events, std::mem::take(&mut queue.leaving))
        };
        let listeners = lock(&self.audience).clone();
        let told = listeners.iter().filter(|one| !one.tell(&events));
        let failed: Vec<u64> = told.map(|one| one.id).collect();
        drop(listeners);
        for listener in self.remove(|one| leaving.contains(&one.id) && !failed.contains(&one.id)) {
            listener.finish();
        }
        for listener in self.remove(|one| failed.contains(&one.id)) {
            contained(|| drop(listener));
        }
        if events.capacity() <= 2 * FULL {
            events.clear();
            lock(&self.queue).spare = events;
        }
    }

    /// Takes such listeners out of the audience.
    fn remove(&self, concerned: impl Fn(&Listener) -> bool) -> Vec<Listener> {
        let mut audience = lock(&self.audience);
        audience.extract_if(.., |one| concerned(one)).collect()
    }

    /// Tells what is left, and that it was the last. To be called when the pool is over.
    pub(in crate::pool) fn finish(&self) {
        let mut queue = lock(&self.queue);
        queue.over = true;
        drop(queue);
        self.bell.notify_one();
        let thread = lock(&self.thread).take();
        if TELLS.get() {
            // In an observer, which that thread may be waiting for: it ends by itself.
            return;
        }
        join_others(thread);
        self.end();
    }

    fn end(&self) {
        self.deliver();
        let Some(_telling) = Telling::begin() else {
            return;
        };
        let _turn = lock(&self.turn);
        for listener in self.remove(|_| true) {
            listener.finish();
        }
    }

    /// The thread's life.
    fn live(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while queue.events.is_empty() && queue.leaving.is_empty() && !queue.over {
                queue.asleep = true;
                queue = self
                    .bell
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if queue.over {
                break;
            }
            // More of it comes at once, mostly.
            drop(self.bell.wait_timeout(queue, GATHER));
            self.deliver();
        }
        self.end();
    }
}

impl Listener {
    /// False if it shall not be told any more.
    fn tell(&self, events: &[Event]) -> bool {
        let concerns = |event: &Event| {
            let of_nodes = matches!(
                event.kind,
                EventKind::NodeJoined { .. } | EventKind::NodeLost { .. }
            );
            self.call.is_none() || of_nodes || event.kind.call() == self.call
        };
        let told = || {
            let mut observer = lock(&self.observer);
            if events.iter().all(concerns) {
                observer.observe(events);
            } else {
                let events: Vec<_> = events.iter().filter(|one| concerns(one)).cloned().collect();
                observer.observe(&events);
            }
        };
        events.is_empty() || contained(told)
    }

    fn finish(self) {
        contained(|| lock(&self.observer).finish());
        contained(|| drop(self.observer));
    }
}

/// Runs what is the user's; false if it panicked.
fn contained(body: impl FnOnce()) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let panicked = outcome.is_err();
    if let Err(panic) = outcome
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic)))
    {
        std::mem::forget(again);
    }
    !panicked
}

/// As long as it is there, this thread does not begin to tell again.
struct Telling;

impl Telling {
    fn begin() -> Option<Self> {
        (!TELLS.replace(true)).then(|| Self)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        TELLS.set(false);
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // An observer that panicked is not told again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("id", &self.id)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
