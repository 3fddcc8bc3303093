//! The thread that moves results while work is out and nobody waits for it here.
//!
//! Without it, tasks that were spawned and not joined would stop as soon as the rings are full. It
//! holds back for a moment, since usually somebody does wait, and that thread is faster without it.
//!
//! For [observers](super::observer), who cannot lead, it leads at once, and it calls the wakers.

use std::sync::Arc;
use std::time::Duration;

use super::handle::spawn_life;
use super::shared::Shared;
use super::state::{Courier, Phase, State, Thread};

pub(super) const HOLD_BACK: Duration = Duration::from_millis(2);

impl Shared {
    /// Work is out and the caller goes on without waiting for it.
    pub(super) fn arm_courier(&self, state: &mut State) {
        // As long as nothing waits behind something else, workers need nobody to go on. Who watches
        // for the end of a process need not look at its result, which may be too large for the ring.
        let waits = !state.queue.is_empty()
            || state.links.iter().any(|link| {
                link.has_waiting() || link.has_waits() || link.process.is_some() && !link.idle()
            });
        if state.courier == Courier::Idle && waits {
            state.courier = Courier::Armed;
            state.wake_courier();
        }
    }

    /// An observer waits that needs the courier.
    pub(super) fn summon_courier(&self, state: &mut State) {
        match state.courier {
            Courier::Idle if state.is_led() => state.courier = Courier::Relieved,
            Courier::Idle | Courier::Armed => {
                state.courier = Courier::Armed;
                state.wake_courier();
            }
            // The thread that leads tells it when it stops.
            Courier::Relieved | Courier::Leading => {}
        }
    }

    /// In the supervisor: starts the thread, if that is wanted; false if there is none to be had now.
    pub(super) fn start_courier(self: &Arc<Self>, state: &mut State) -> bool {
        if matches!(state.courier_thread, Thread::Wanted) {
            match spawn_life(self, "parproc-courier", |shared| shared.carry()) {
                Ok(thread) => state.courier_thread = Thread::Runs(thread),
                Err(_) => return false,
            }
        }
        true
    }

    /// The courier's life.
    pub(super) fn carry(&self) {
        let mut state = self.lock();
        if state.courier == Courier::Relieved {
            // The thread that led may have told it before it was there.
            state.courier = Courier::Armed;
        }
        loop {
            state = self.wake_due(state);
            if state.phase == Phase::Closed {
                return;
            }
            if !state.has_work() {
                state.courier = Courier::Idle;
            } else if state.courier != Courier::Idle && state.is_led() {
                // The thread that leads moves the results; it tells when it stops.
                state.courier = Courier::Relieved;
            } else if state.courier == Courier::Armed {
                if !state.observers.are_waiting() {
                    state = state.wait_timeout(&self.courier, HOLD_BACK);
                }
                if !state.led && !relieved(&state) {
                    state.courier = Courier::Leading;
                    state = self.wait_until(state, None, None, relieved).0;
                    state.courier = Courier::Armed;
                }
                continue;
            }
            state = state.wait(&self.courier);
            if state.courier == Courier::Relieved {
                state.courier = Courier::Armed;
            }
        }
    }
}

impl State {
    /// Wakes the courier. Its thread is started when it is needed first: a call that somebody waits for
    /// needs none.
    pub(super) fn wake_courier(&mut self) {
        match self.courier_thread {
            Thread::Absent => {
                self.courier_thread = Thread::Wanted;
                self.supervisor.notify();
            }
            Thread::Wanted => {}
            Thread::Runs(_) => self.observers.courier.notify_one(),
        }
    }

    /// True when a thread moves the results, or is about to.
    fn is_led(&self) -> bool {
        self.led || !self.followers.is_empty()
    }
}

/// True when the courier has something else to do than to lead.
fn relieved(state: &State) -> bool {
    !state.has_work()
        || !state.followers.is_empty()
        || state.observers.is_due()
        || state.phase == Phase::Closed
}
