//! The thread that moves results while work is out and nobody waits for it.
//!
//! Without it, tasks that were spawned and not joined would stop as soon as the rings are full. It
//! holds back for a moment, since usually somebody does wait, and that thread is faster without it.

use std::sync::PoisonError;
use std::time::Duration;

use super::link::Link;
use super::shared::Shared;
use super::state::{Courier, Phase, State};

const HOLD_BACK: Duration = Duration::from_millis(2);

impl Shared {
    /// Work is out and the caller goes on without waiting for it.
    pub(super) fn arm_courier(&self, state: &mut State) {
        // As long as nothing waits behind something else, workers need nobody to go on.
        let waits = !state.queue.is_empty() || state.links.iter().any(Link::has_waiting);
        if state.courier == Courier::Idle && waits {
            state.courier = Courier::Armed;
            self.courier.notify_one();
        }
    }

    /// The courier's life.
    pub(super) fn carry(&self) {
        let mut state = self.lock();
        while state.phase != Phase::Closed {
            if state.outstanding == 0 {
                state.courier = Courier::Idle;
            } else if state.courier != Courier::Idle && (state.led || !state.followers.is_empty()) {
                // The thread that leads moves the results; it tells when it stops.
                state.courier = Courier::Relieved;
            } else if state.courier == Courier::Armed {
                let waited = self.courier.wait_timeout(state, HOLD_BACK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                if state.outstanding > 0 && !state.led && state.phase != Phase::Closed {
                    let relieved = |state: &State| {
                        state.outstanding == 0
                            || !state.followers.is_empty()
                            || state.phase == Phase::Closed
                    };
                    state = self.wait_until(state, None, None, relieved).0;
                }
                continue;
            }
            state = self
                .courier
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            if state.courier == Courier::Relieved {
                state.courier = Courier::Armed;
            }
        }
    }
}
