//! How often a dead actor is started again.

use std::time::Duration;

use super::super::rules::Backoff;
use super::life::ActorState;
use crate::error::{Error, Result};
use crate::sys::nanos_of;

/// What makes a pool that of an actor.
#[derive(Debug, Clone)]
pub(in crate::pool) struct ActorSetup {
    /// The type of the state.
    pub(in crate::pool) name: &'static str,
    /// How often it is started again, within the window if there is one.
    pub(super) max_restarts: u32,
    pub(super) window: Option<Duration>,
    pub(super) backoff: Backoff,
    /// Calls that a dead one had not begun are run by the next.
    pub(super) keeps_calls: bool,
}

impl ActorSetup {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            max_restarts: 0,
            window: None,
            backoff: Backoff::default(),
            keeps_calls: false,
        }
    }

    /// Fails when a setting is out of range.
    pub(in crate::pool) fn check(&self) -> Result<()> {
        if self.window == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "a window of 0 for restarts: none would ever fall into it",
            ));
        }
        self.backoff.check()
    }

    /// Whether an actor that dies now is started again.
    pub(super) fn allows_restart(&self, state: &ActorState, now: u64) -> bool {
        let recent = match self.window.map(nanos_of) {
            Some(window) => {
                let since = |at: &&u64| now.saturating_sub(**at) < window;
                state.restarted.iter().filter(since).count() as u64
            }
            None => state.restarts,
        };
        state.started && recent < u64::from(self.max_restarts)
    }

    /// Takes note of a restart; gives the pause before it.
    pub(super) fn restart(&self, state: &mut ActorState, now: u64) -> Duration {
        state.restarts += 1;
        state.failures = state.failures.saturating_add(1);
        if let Some(window) = self.window.map(nanos_of) {
            state
                .restarted
                .retain(|at| now.saturating_sub(*at) < window);
            state.restarted.push(now);
        }
        self.backoff.pause(state.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_for_ever_or_within_a_window() {
        let mut setup = ActorSetup {
            max_restarts: 2,
            backoff: Backoff::none(),
            ..ActorSetup::new("actor")
        };
        let mut state = ActorState::default();
        assert!(!setup.allows_restart(&state, 0), "the first start failed");
        state.started = true;
        for now in [0, 10] {
            assert!(setup.allows_restart(&state, now));
            setup.restart(&mut state, now);
        }
        assert!(!setup.allows_restart(&state, u64::MAX));

        setup.window = Some(Duration::from_nanos(100));
        let mut state = ActorState::default();
        state.started = true;
        setup.restart(&mut state, 0);
        setup.restart(&mut state, 90);
        assert!(!setup.allows_restart(&state, 99));
        assert!(setup.allows_restart(&state, 100));
        setup.restart(&mut state, 100);
        assert!(!setup.allows_restart(&state, 189));
        assert!(setup.allows_restart(&state, 190));
    }
}
