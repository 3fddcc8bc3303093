//! Ending calls before they are done: by hand, by a token, by their time, or with their pool.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::chunk::{Delivery, Ending};
use super::shared::Shared;
use super::state::{Grace, State, Whose};
use super::tasks::TaskKey;
use super::watch::Doom;
use crate::sys::now_nanos;

/// What a worker may take to end an item that nobody waits for any more, before it is killed: it
/// costs more to start a worker than to wait for a short item.
const GRACE_NANOS: u64 = 5_000_000;

/// Cancels the calls that it was given to, from any thread.
///
/// Items that wait are dropped at once; workers that run items are killed. Items that were not done
/// give an error for which [`TaskError::is_cancelled`](crate::TaskError::is_cancelled) is true. A
/// call that begins with a cancelled token is over at once. Clones are the same token; dropping them all
/// cancels nothing.
///
/// ```
/// use parproc::{CancelToken, Pool, parallel};
///
/// #[parallel]
/// fn wait_for_ever(_item: u32) {
///     loop {
///         std::thread::park();
///     }
/// }
///
/// let token = CancelToken::new();
/// let pool = Pool::global()?;
/// let task = pool.job(wait_for_ever).cancel_token(&token).spawn(1)?;
/// token.cancel();
/// assert!(task.join().unwrap_err().is_cancelled());
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct CancelToken {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    calls: Mutex<Vec<Concerned>>,
}

/// A call that listens to a token.
struct Concerned {
    shared: Weak<Shared>,
    key: usize,
    /// Keys are used again; this is not.
    serial: u64,
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the calls that have the token, and those that will be given it.
    pub fn cancel(&self) {
        let concerned = {
            let mut calls = self.calls();
            self.inner.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut *calls)
        };
        for call in concerned {
            if let Some(shared) = call.shared.upgrade() {
                shared.end_call_with_serial(call.key, call.serial, Ending::Cancelled);
            }
        }
    }

    /// True once [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::Acquire)
    }

    /// Has the call cancelled with the token; false if that is cancelled already.
    pub(super) fn watch(&self, shared: &Arc<Shared>, key: usize, serial: u64) -> bool {
        let mut calls = self.calls();
        if self.is_cancelled() {
            return false;
        }
        // A token may be given to many calls, most of which are over.
        if calls.len() == calls.capacity() {
            calls.retain(|call| {
                let shared = call.shared.upgrade();
                shared.is_some_and(|shared| shared.lock().has_call(call.key, call.serial))
            });
        }
        calls.push(Concerned {
            shared: Arc::downgrade(shared),
            key,
            serial,
        });
        true
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Concerned>> {
        self.inner
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

impl Shared {
    /// Ends a call, unless its key belongs to another one by now.
    pub(super) fn end_call_with_serial(&self, key: usize, serial: u64, ending: Ending) {
        // In a copy of the process that `fork` made, the workers are not ours.
        if self.check_fork().is_err() {
            return;
        }
        let mut state = self.lock();
        if state.has_call(key, serial) {
            self.end_call(&mut state, key, ending);
        }
    }

    /// Ends a call: what waits is dropped, what runs is killed, and the caller is told.
    pub(super) fn end_call(&self, state: &mut State, key: usize, ending: Ending) {
        // What is done counts.
        self.pump(state);
        let Some(call) = state.calls.get_mut(key) else {
            return;
        };
        if call.tasks.is_some() {
            // What can be ended from outside shares its call with nobody.
            return self.end_task(state, TaskKey::alone_in(key), ending);
        }
        if call.ending.is_some() {
            return;
        }
        call.ending = Some(ending);
        if call.outstanding == 0 {
            // Its caller may be waiting for something else: the next item, or nothing at all.
            if let Some(waiter) = &call.waiter {
                waiter.notify_one();
            }
        }
        state.cancel_after(key, None);
        self.end_running(state, |call| call == key);
        self.feed(state);
        state.ringer.ring();
    }

    /// Ends a task: if it waits it is dropped, if it runs its worker is killed, and who waits for it is
    /// told.
    pub(super) fn end_task(&self, state: &mut State, key: TaskKey, ending: Ending) {
        // What is done counts.
        self.pump(state);
        if state.is_done(key) {
            return;
        }
        let mut held = false;
        self.with_backends(|backend| held = held || backend.end_task(self, state, key, ending));
        if !held {
            // It waits in a queue that may be long, and is dropped when its turn comes.
            let delivery = Delivery::Ended {
                first: key.index(),
                count: 1,
                ending,
            };
            state.deliver(key.call(), delivery);
        }
        self.feed(state);
        state.ringer.ring();
    }

    /// Kills the worker that runs the task, or looks again in a moment if that runs another one, or
    /// nothing yet: what shares a chunk with a task is no reason to die.
    pub(super) fn end_running_task(&self, state: &mut State, link: u64, key: TaskKey) {
        // Another one may have its place by now.
        if !state.is_ending(key) {
            return;
        }
        let holder = state.links.iter().find(|one| one.id == link);
        let Some(holder) = holder.filter(|link| link.has_task(key)) else {
            return;
        };
        if holder.runs(key) {
            self.doom(state, link, Doom::Unwanted);
        } else {
            let until = now_nanos().saturating_add(GRACE_NANOS);
            state.graces.push(Grace {
                link,
                whose: Whose::Task(key),
                until,
            });
            self.alarm(state, until);
        }
    }

    /// Ends all calls.
    pub(super) fn end_all_calls(&self, state: &mut State, ending: Ending) {
        self.pump(state);
        for (_, call) in &mut state.calls {
            call.ending.get_or_insert(ending);
        }
        state.cancel_all();
        self.end_running(state, |_| true);
        self.feed(state);
        state.ringer.ring();
    }

    /// Ends what runs of such calls by force.
    fn end_running(&self, state: &mut State, concerned: impl Fn(usize) -> bool) {
        self.with_backends(|backend| backend.end_calls(self, state, &concerned));
    }

    /// What runs of a call that nobody waits for is killed, unless it ends in a moment.
    pub(super) fn end_soon(&self, state: &mut State, key: usize) {
        self.with_backends(|backend| backend.end_soon(self, state, key));
    }

    pub(super) fn grace(&self, state: &mut State, link: u64, number: u64) {
        let until = now_nanos().saturating_add(GRACE_NANOS);
        state.graces.push(Grace {
            link,
            whose: Whose::Chunk(number),
            until,
        });
        self.alarm(state, until);
    }
}
