//! The pool's state, locked.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::{Litter, State};

/// The state, for one thread at a time. What was put out in it is dropped when it is not locked any more:
/// with it may go values of the user's, and nothing of the user's runs under this lock.
#[derive(Debug)]
pub(super) struct StateGuard<'a> {
    /// None only while a condition is waited for.
    state: Option<MutexGuard<'a, State>>,
    mutex: &'a Mutex<State>,
    /// What was put out is left to the next one.
    #[cfg(feature = "mpi")]
    leaves: bool,
}

impl<'a> StateGuard<'a> {
    pub(super) fn lock(mutex: &'a Mutex<State>) -> Self {
        // A panic under the lock is ours, and leaves no half-done work of the user's behind.
        let state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            state: Some(state),
            mutex,
            #[cfg(feature = "mpi")]
            leaves: false,
        }
    }

    /// As `lock`, for a thread that others wait for: it leaves to the supervisor what is put out.
    #[cfg(feature = "mpi")]
    pub(super) fn lock_and_leave(mutex: &'a Mutex<State>) -> Self {
        let mut guard = Self::lock(mutex);
        guard.leaves = true;
        guard
    }

    /// Lets go of the lock until `condvar` is notified; may end early.
    pub(super) fn wait(mut self, condvar: &Condvar) -> Self {
        match self.state.take() {
            Some(state) if state.litter.is_empty() => {
                let state = condvar.wait(state).unwrap_or_else(PoisonError::into_inner);
                self.state = Some(state);
                self
            }
            state => self.swept(state),
        }
    }

    /// As [`wait`](Self::wait), for `limit` at most.
    pub(super) fn wait_timeout(mut self, condvar: &Condvar, limit: Duration) -> Self {
        match self.state.take() {
            Some(state) if state.litter.is_empty() => {
                let waited = condvar.wait_timeout(state, limit);
                self.state = Some(waited.unwrap_or_else(PoisonError::into_inner).0);
                self
            }
            state => self.swept(state),
        }
    }

    fn swept(mut self, state: Option<MutexGuard<'a, State>>) -> Self {
        self.state = state;
        let mutex = self.mutex;
        drop(self);
        Self::lock(mutex)
    }
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        match &self.state {
            Some(state) => state,
            None => unreachable!("the lock is held but in the middle of a wait"),
        }
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        match &mut self.state {
            Some(state) => state,
            None => unreachable!("the lock is held but in the middle of a wait"),
        }
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        #[cfg(feature = "mpi")]
        if self.leaves {
            if !state.litter.is_empty() {
                state.supervisor.notify();
            }
            return;
        }
        if !state.litter.is_empty() {
            let litter = std::mem::take(&mut state.litter);
            drop(state);
            sweep(litter);
        }
    }
}

#[cold]
fn sweep(litter: Vec<Litter>) {
    for one in litter {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(one)));
    }
}
