//! Who learns of a call's end without sleeping in the pool: wakers, selections and callbacks.
//!
//! Observers hang at their task until it is done. Under the lock nothing of the user's is
//! run: selections and callbacks are told in data of ours, and wakers are collected, to be called
//! and dropped by the courier without the lock. For the same reason an observer that is taken from
//! a call is given out, to be dropped by the caller when it holds no lock.

use std::sync::{Arc, Condvar};
use std::task::Waker;

use super::callbacks::{Callback, contain};
use super::guard::StateGuard;
use super::select::Selection;
use super::shared::Shared;
use super::state::{Courier, State};
use super::tasks::TaskKey;

#[derive(Debug)]
pub(super) enum Observer {
    /// Of a task that was polled.
    Waker(Waker),
    /// The task has this place in the selection.
    Selection(Arc<Selection>, usize),
    /// It takes the result over.
    Callback(Callback),
    /// A thread that sleeps in the pool, while another one leads.
    Thread(Arc<Condvar>),
}

/// What the courier does for observers.
#[derive(Debug, Default)]
pub(super) struct Observers {
    /// Observers for which nobody moves results unless the courier does.
    waiting: usize,
    /// Wakers to be called.
    due: Vec<Waker>,
    /// Wakes the courier.
    pub(super) courier: Arc<Condvar>,
}

impl Observer {
    fn needs_courier(&self) -> bool {
        match self {
            Self::Waker(_) => true,
            Self::Selection(selection, _) => !selection.leads,
            // The thread that calls it leads, or follows.
            Self::Callback(_) | Self::Thread(_) => false,
        }
    }
}

impl Observers {
    /// True when the courier has wakers to call.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// True when the courier has to move results as soon as they come.
    pub(super) fn are_waiting(&self) -> bool {
        self.waiting > 0
    }
}

impl State {
    /// True when there is something for somebody to move, now or later.
    pub(super) fn has_work(&self) -> bool {
        self.outstanding > 0 || self.observers.are_waiting()
    }

    pub(super) fn count_observer(&mut self, observer: &Observer) {
        self.observers.waiting += usize::from(observer.needs_courier());
    }

    /// These wait no more.
    pub(super) fn forget_observers(&mut self, observers: &[Observer]) {
        let waited = observers.iter().filter(|one| one.needs_courier()).count();
        self.observers.waiting -= waited;
    }

    /// The task is done: tells its observers.
    pub(super) fn tell(&mut self, key: TaskKey, observers: Vec<Observer>) {
        self.forget_observers(&observers);
        for observer in observers {
            match observer {
                Observer::Waker(waker) => self.wake_soon(waker),
                Observer::Selection(selection, place) => selection.add(place),
                Observer::Callback(callback) => self.call_back(callback, key),
                Observer::Thread(condvar) => condvar.notify_one(),
            }
        }
    }

    fn wake_soon(&mut self, waker: Waker) {
        self.observers.due.push(waker);
        if self.observers.due.len() > 1 {
            // It was told already.
        } else if self.courier == Courier::Leading {
            // This may be another thread, and the courier asleep.
            self.ringer.ring();
        } else {
            self.wake_courier();
        }
    }
}

impl Shared {
    /// Calls the wakers that are due, without the lock.
    pub(super) fn wake_due<'a>(&'a self, mut state: StateGuard<'a>) -> StateGuard<'a> {
        while state.observers.is_due() {
            let due = std::mem::take(&mut state.observers.due);
            drop(state);
            for waker in due {
                // Wakers are not to panic. One that does is no reason not to call the next.
                contain(|| waker.wake());
            }
            state = self.lock();
        }
        state
    }
}
