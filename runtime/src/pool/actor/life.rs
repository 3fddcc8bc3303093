//! The starts and the deaths of an actor's worker.

use super::super::chunk::Delivery;
use super::super::death::{End, cause, circumstances};
use super::super::link::Link;
use super::super::shared::Shared;
use super::super::state::{Phase, State};
use crate::error::{Error, ErrorKind, TaskError};
use crate::sys::{nanos_of, now_nanos};

/// What the lock of an actor's pool guards besides.
#[derive(Debug, Default)]
pub(in crate::pool) struct ActorState {
    /// Its state was made once.
    pub(in crate::pool) started: bool,
    /// Why it could not be made in the worker that is ending.
    pub(in crate::pool) unmade: Option<Error>,
    /// When it is started again, in nanoseconds.
    start_at: Option<u64>,
    /// How often it was started again.
    pub(super) restarts: u64,
    /// When that was, in nanoseconds, if there is a window for it.
    pub(super) restarted: Vec<u64>,
    /// Deaths since a call was done.
    pub(super) failures: u32,
    /// Nobody has a handle any more: it ends with the last call.
    pub(in crate::pool) ends: bool,
    /// Its worker and the supervisor are gone.
    pub(super) over: bool,
}

impl Shared {
    /// True unless this is an actor that would not be started again if it died now.
    pub(in crate::pool) fn may_start_again(&self, state: &State) -> bool {
        let actor = self.setup.actor.as_ref();
        actor.is_none_or(|actor| actor.allows_restart(&state.actor, now_nanos()))
    }

    /// An actor's worker has ended, and its calls know what it did to the one that it ran, which is
    /// `ended_by` if that ended it.
    pub(in crate::pool) fn actor_ended(
        &self,
        state: &mut State,
        link: &Link,
        end: End,
        ended_by: Option<TaskError>,
    ) {
        let Some(actor) = &self.setup.actor else {
            return;
        };
        // The first item is the making of the state.
        if link.items_done > 1 {
            state.actor.failures = 0;
        }
        let error = if let Some(error) = state.actor.unmade.take() {
            error
        } else if let Some(error) = ended_by {
            let error = error.in_process("an actor");
            died(actor.name, error.to_string(), Some(error))
        } else if !link.init.is_done() {
            let exit = end.exit;
            let usual = || format!("its process {exit} before it was ready");
            return self.actor_not_started(state, end.reason.unwrap_or_else(usual), None);
        } else {
            let kind = cause(state, link, None, &end);
            let error = kind.map(|kind| {
                let error = TaskError::new(actor.name, 0, Some(link.pid), kind);
                error
                    .under(circumstances(link, &end))
                    .in_process("an actor")
            });
            let reason = match &error {
                Some(error) => format!("between two calls, {}", error.reason()),
                None => "its process was killed".to_owned(),
            };
            died(actor.name, reason, error)
        };
        self.actor_is_gone(state, &error);
    }

    /// An actor's worker could not be started, or ended before it was ready.
    pub(in crate::pool) fn actor_not_started(
        &self,
        state: &mut State,
        reason: String,
        source: Option<TaskError>,
    ) {
        let actor = self.setup.actor.as_ref().map_or("", |actor| actor.name);
        let error = Error::new(ErrorKind::ActorStart {
            actor: actor.to_owned(),
            reason,
            source,
        });
        self.actor_is_gone(state, &error);
    }

    /// Plans the next start, or ends all that waits with `error`, and all that comes.
    fn actor_is_gone(&self, state: &mut State, error: &Error) {
        let Some(actor) = &self.setup.actor else {
            return;
        };
        if state.phase == Phase::Closed || state.broken.is_some() {
            return;
        }
        let now = now_nanos();
        let again = actor.allows_restart(&state.actor, now);
        if !(again && actor.keeps_calls) {
            state.fail_waiting(error);
        }
        if again {
            let pause = actor.restart(&mut state.actor, now);
            let at = now.saturating_add(nanos_of(pause));
            state.actor.start_at = Some(at);
            self.alarm(state, at);
        } else {
            state.broken = Some(error.again());
            let delayed = std::mem::take(&mut state.delayed);
            state
                .queue
                .extend(delayed.into_iter().map(|(_, chunk)| chunk));
            state.fail_waiting(error);
        }
    }

    /// Starts the actor again when its pause is over. Gives the time of the next look, in nanoseconds.
    pub(in crate::pool) fn restart_actor(&self, state: &mut State, now: u64) -> u64 {
        match state.actor.start_at {
            None => u64::MAX,
            Some(at) if at > now => at,
            Some(_) => {
                state.actor.start_at = None;
                state.wanted = 1;
                u64::MAX
            }
        }
    }
}

fn died(actor: &str, reason: String, source: Option<TaskError>) -> Error {
    Error::new(ErrorKind::ActorDied {
        actor: actor.to_owned(),
        reason,
        source,
    })
}

impl State {
    /// What is queued is not run, because of `error`.
    fn fail_waiting(&mut self, error: &Error) {
        for chunk in std::mem::take(&mut self.queue) {
            // Calls of one method share theirs, and others may be tried again.
            let items = chunk.first..chunk.first + chunk.count as usize;
            self.deliver_to_tasks(chunk.call, Delivery::Aborted(error.again()), items);
            self.drop_chunk(chunk);
        }
    }
}
