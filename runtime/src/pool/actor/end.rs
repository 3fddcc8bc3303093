//! The end of an actor that nobody has a handle of, and of all actors with the program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::super::Pool;
use super::super::shared::Shared;
use super::super::state::{Phase, State};
use crate::sys::at_exit;

/// The actors of this process, as long as they live.
static ACTORS: Mutex<Actors> = Mutex::new(Actors {
    all: Vec::new(),
    is_at_exit: false,
});

struct Actors {
    all: Vec<Weak<Shared>>,
    /// They are ended when the program ends.
    is_at_exit: bool,
}

fn actors() -> MutexGuard<'static, Actors> {
    ACTORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the actor ended when the program ends.
pub(super) fn remember(shared: &Arc<Shared>) {
    let mut actors = actors();
    if actors.all.len() == actors.all.capacity() {
        actors.all.retain(|actor| actor.strong_count() > 0);
    }
    actors.all.push(Arc::downgrade(shared));
    if !actors.is_at_exit {
        actors.is_at_exit = true;
        at_exit(end_actors);
    }
}

/// The program ends by itself: idle actors end as well, which drops their state, busy ones are killed. Those
/// that nobody has a handle of do first what they were asked to.
extern "C" fn end_actors() {
    let all = std::mem::take(&mut actors().all);
    let all: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
    let ours = || all.iter().filter(|shared| shared.check_fork().is_ok());
    for shared in ours() {
        let mut state = shared.lock();
        if !state.actor.ends {
            state.silent = state.phase != Phase::Closed;
            state.phase = Phase::Closed;
        }
        state.ringer.ring();
        drop(state);
        shared.notify.notify();
        shared.courier.notify_all();
    }
    for shared in ours() {
        let mut state = shared.lock();
        while !state.actor.over {
            state = state.wait(&shared.over);
        }
    }
}

impl Pool {
    /// Nobody can call the actor any more: it ends when it is done with what it was asked to.
    pub(super) fn end_actor(&self) {
        let shared = self.shared();
        if shared.check_fork().is_err() {
            return;
        }
        // They end by themselves.
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let mut state = shared.lock();
        state.actor.ends = true;
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.close_if_over();
        }
        shared.summon_courier(&mut state);
        drop(state);
        drop(threads);
    }
}

impl State {
    /// Closes the pool of an actor that nobody has a handle of when there is nothing left to do.
    pub(in crate::pool) fn close_if_over(&mut self) {
        if self.actor.ends && self.outstanding == 0 && self.phase == Phase::Closing {
            self.phase = Phase::Closed;
            self.supervisor.notify();
            self.observers.courier.notify_one();
            self.wake_callbacks();
            self.ringer.ring();
        }
    }
}

impl Shared {
    /// In the supervisor, at its end.
    pub(in crate::pool) fn actor_is_over(&self) {
        if self.setup.actor.is_none() {
            return;
        }
        let mut state = self.lock();
        state.actor.over = true;
        let ends = state.actor.ends;
        drop(state);
        self.over.notify_all();
        self.courier.notify_all();
        self.keeper.notify_all();
        if ends {
            // Nobody joins the threads and does this.
            self.relay.close(true);
        }
    }
}
