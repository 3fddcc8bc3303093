//! Callbacks of tasks, and the thread that calls them.
//!
//! It is started with the first callback. While some are expected it waits as every thread that
//! wants results does: it leads or follows. It calls one callback after the other, without the lock,
//! and ends when the pool is closed and all were called.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

use super::chunk::Delivery;
use super::guard::StateGuard;
use super::observer::Observer;
use super::output::Patience;
use super::shared::Shared;
use super::state::{Phase, State};
use super::tasks::TaskKey;
use super::wait::Interest;
use crate::error::Result;

/// Decodes a result and gives it to the user's function.
pub(super) struct Callback(Box<dyn FnOnce(Delivery) + Send>);

/// The callbacks of a pool.
#[derive(Debug, Default)]
pub(super) struct Callbacks {
    /// How many hang at calls that are not done.
    expected: usize,
    /// What is to be called, in the order in which the tasks ended, and what has to be heard before.
    due: VecDeque<(Callback, Delivery, u64)>,
    /// Wakes the thread while it neither leads nor calls.
    pub(super) waiter: Option<Arc<Condvar>>,
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Callback {
    pub(super) fn new(function: impl FnOnce(Delivery) + Send + 'static) -> Self {
        Self(Box::new(function))
    }

    /// Calls it; a panic ends here.
    pub(super) fn call(self, delivery: Delivery) {
        contain(|| (self.0)(delivery));
    }
}

/// Runs code of the user's; a panic ends here.
pub(super) fn contain(body: impl FnOnce()) {
    // What a panic carries is the user's as well, and may panic when it is dropped.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body))
        && let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(payload);
    }
}

impl State {
    /// The task is done: its result is for the callback, and the task is over.
    pub(super) fn call_back(&mut self, callback: Callback, key: TaskKey) {
        self.callbacks.expected -= 1;
        let (delivery, heard) = self.take_result(key);
        self.callback_due(callback, delivery, heard);
    }

    fn callback_due(&mut self, callback: Callback, delivery: Delivery, heard: u64) {
        self.callbacks.due.push_back((callback, delivery, heard));
        self.wake_callbacks();
    }

    /// There is news for the thread that calls.
    pub(super) fn wake_callbacks(&mut self) {
        match &self.callbacks.waiter {
            Some(waiter) => waiter.notify_one(),
            // It may lead, and sleep.
            None => self.ringer.ring(),
        }
    }

    /// True when the thread that calls has to do something else than to wait for results.
    fn concerns_callbacks(&self) -> bool {
        let callbacks = &self.callbacks;
        callbacks.expected == 0 || !callbacks.due.is_empty() || self.phase == Phase::Closed
    }
}

impl Shared {
    /// Has the callback called with the result of the task once that is there, or with the error.
    ///
    /// Gives it back when there is no thread to call it.
    pub(super) fn call_when_done(
        self: &Arc<Self>,
        task: Result<TaskKey>,
        callback: Callback,
    ) -> Result<(), Callback> {
        let mut state = self.lock();
        if self.start_callbacks(&mut state).is_err() {
            return Err(callback);
        }
        match task {
            Ok(key) if !state.is_done(key) => {
                state.observe(key, Observer::Callback(callback));
                state.callbacks.expected += 1;
                if state.callbacks.expected == 1 {
                    state.wake_callbacks();
                }
            }
            Ok(key) => {
                let (delivery, heard) = state.take_result(key);
                state.callback_due(callback, delivery, heard);
            }
            Err(error) => state.callback_due(callback, Delivery::Aborted(error), 0),
        }
        Ok(())
    }

    fn start_callbacks(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if state.callbacks.running {
            return Ok(());
        }
        let shared = Arc::clone(self);
        // The user's code runs there: signals are as in other threads of the program.
        let thread = std::thread::Builder::new()
            .name("parproc-callbacks".to_owned())
            .spawn(move || {
                // Only a fault of ours can end here early; nobody shall wait for ever then.
                if catch_unwind(AssertUnwindSafe(|| shared.call_all())).is_err() {
                    shared.abandon("the thread for callbacks ended by a panic");
                }
            })?;
        state.callbacks.thread = Some(thread);
        state.callbacks.running = true;
        Ok(())
    }

    /// The life of the thread that calls.
    fn call_all(&self) {
        let mut state = self.lock();
        loop {
            if state.silent {
                break;
            }
            if let Some((callback, delivery, heard)) = state.callbacks.due.pop_front() {
                drop(state);
                self.relay.wait_for_logs(heard, Patience::BESIDE_CALLS);
                state = self.lock();
                if state.silent {
                    // It is dropped with the others.
                    state.callbacks.due.push_front((callback, delivery, heard));
                    break;
                }
                drop(state);
                callback.call(delivery);
                state = self.lock();
            } else if state.phase == Phase::Closed {
                break;
            } else if state.callbacks.expected > 0 {
                let done = State::concerns_callbacks;
                state = self.wait_for(state, Interest::Callbacks, None, done).0;
            } else {
                state = rest(state);
            }
        }
        state.callbacks.running = false;
    }

    /// The pool is closed: waits until all callbacks were called, unless this is one of them.
    pub(super) fn end_callbacks(&self) {
        let mut state = self.lock();
        state.wake_callbacks();
        let thread = state.callbacks.thread.take_if(|thread| !is_own(thread));
        drop(state);
        join_others(thread);
    }
}

/// Waits for the ends of the threads, except for the calling one: a pool may be dropped by a
/// callback or a waker.
pub(super) fn join_others(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        if !is_own(&thread) {
            // A panic there is a fault of ours that was reported by its own message.
            let _ = thread.join();
        }
    }
}

pub(super) fn is_own(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == std::thread::current().id()
}

/// Waits until there is a callback again. This thread leads no one meanwhile.
fn rest(mut state: StateGuard<'_>) -> StateGuard<'_> {
    let condvar = Arc::new(Condvar::new());
    state.callbacks.waiter = Some(Arc::clone(&condvar));
    state = state.wait(&condvar);
    state.callbacks.waiter = None;
    state
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}
