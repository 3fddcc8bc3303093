//! The thread that moves results while work is out and nobody waits for it.
//!
//! Without it, tasks that were spawned and not joined would stop as soon as the rings are full. It
//! holds back for a moment, since usually somebody does wait, and that thread is faster without it.

use std::sync::PoisonError;
use std::time::Duration;

use super::shared::Shared;
use super::state::{Phase, State};

const HOLD_BACK: Duration = Duration::from_millis(2);

impl Shared {
    /// Work is out and the caller goes on without waiting for it.
    pub(super) fn arm_courier(&self, state: &mut State) {
        if !state.courier_armed && state.outstanding > 0 {
            state.courier_armed = true;
            self.courier.notify_one();
        }
    }

    /// The courier's life.
    pub(super) fn carry(&self) {
        let mut state = self.lock();
        loop {
            while !state.courier_armed && state.phase != Phase::Closed {
                state = self
                    .courier
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.phase == Phase::Closed {
                return;
            }
            let waited = self.courier.wait_timeout(state, HOLD_BACK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.outstanding == 0 {
                state.courier_armed = false;
            } else if !state.led {
                let idle = |state: &State| {
                    state.outstanding == 0
                        || !state.followers.is_empty()
                        || state.phase == Phase::Closed
                };
                state = self.wait_until(state, None, None, idle).0;
            }
        }
    }
}
