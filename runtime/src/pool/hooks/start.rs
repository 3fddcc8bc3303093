//! The init and the exit function in workers.

use super::{Failed, Init};
use crate::error::{TaskError, TaskErrorKind};
use crate::pool::chunk::{Chunk, Delivery};
use crate::pool::death::{Barren, End, circumstances};
use crate::pool::link::Link;
use crate::pool::logs::Context;
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::pool::watch::Doom;
use crate::sys::{Exit, now_nanos};

/// How often a large argument is written on, in nanoseconds: a ring full each time.
const WRITE_EVERY: u64 = 1_000_000;

/// How far a worker is with the init function.
#[derive(Debug)]
pub(in crate::pool) enum Progress {
    /// It has run well, or there is none.
    Done,
    Running,
    /// This is what it said.
    Answered(Box<Delivery>),
}

impl Progress {
    pub(in crate::pool) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    fn take_answer(&mut self) -> Option<Delivery> {
        match std::mem::replace(self, Self::Running) {
            Self::Answered(delivery) => Some(*delivery),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Shared {
    /// Gives a new worker its first chunk.
    pub(in crate::pool) fn give_init(&self, state: &mut State, link: &mut Link, init: Chunk) {
        link.init = Progress::Running;
        self.give(state, link, init);
    }

    /// Who wants to hear of what hooks log.
    pub(in crate::pool) fn context_of_hooks(&self) -> Context {
        match self.setup.levels {
            Some(levels) => Context::of_levels(levels),
            None => Context::ambient(),
        }
    }

    /// Gives an idle worker that is about to end its last chunk, if there is an exit function.
    pub(in crate::pool) fn give_exit(&self, link: &mut Link) {
        if let Some(chunk) = self.hooks.exit_chunk() {
            // A worker whose memory is broken ends without it.
            let context = self.context_of_hooks();
            link.listen(&chunk, self.table.name(chunk.function), &context);
            let _ = link.give(chunk, false, false, false, context.levels());
        }
    }

    /// In the supervisor: looks which workers are done with the init function, and how.
    pub(in crate::pool) fn look_at_inits(&self) {
        let Some(init) = &self.hooks.init else {
            return;
        };
        let mut state = self.lock();
        let mut links = std::mem::take(&mut state.links);
        let mut answers = Vec::new();
        for link in links.iter_mut().filter(|link| !link.init.is_done()) {
            self.read(&mut state, link);
            answers.extend(link.init.take_answer().map(|answer| (link.id, answer)));
        }
        state.links = links;
        drop(state);
        for (id, answer) in answers {
            let outcome = init.open(answer);
            let mut state = self.lock();
            match outcome {
                Ok(()) => self.take_in(&mut state, id),
                Err(failed) => {
                    self.doom(&mut state, id, Doom::Unwanted);
                    self.init_failed(&mut state, init, failed, Barren::LAST);
                }
            }
        }
    }

    /// When to look again whether there is room for more of a large argument: a new worker may be
    /// started though nobody waits, and then nobody else does.
    pub(in crate::pool) fn next_look_at_inits(&self, state: &State, now: u64) -> u64 {
        let mut links = state.links.iter();
        if links.any(|link| !link.init.is_done() && link.has_waiting()) {
            now.saturating_add(WRITE_EVERY)
        } else {
            u64::MAX
        }
    }

    /// A worker is done with the init function.
    fn take_in(&self, state: &mut State, id: u64) {
        if let Some(link) = state.links.iter_mut().find(|link| link.id == id) {
            link.init = Progress::Done;
            // Its time and its idleness count from here on.
            link.born = now_nanos();
            link.idle_since = link.born;
            // What it uses now is not what its tasks made it use.
            link.measured = link.items_done;
            state.init_failures = Barren::default();
            state.actor.started = true;
            self.feed(state);
            // The leader counts the workers before it spins or sleeps.
            state.ringer.ring();
        }
    }

    /// A worker ended in the init function, because of `kind`.
    pub(in crate::pool) fn init_died(
        &self,
        state: &mut State,
        link: &Link,
        kind: TaskErrorKind,
        end: &End,
    ) {
        let Some(init) = self.hooks.init.as_ref().filter(|_| !link.init.is_done()) else {
            return;
        };
        let weight = match kind {
            TaskErrorKind::TimedOut { .. }
            | TaskErrorKind::MemoryExceeded(_)
            | TaskErrorKind::Panicked { .. } => Barren::LAST,
            _ if end.exit == Exit::KILLED => Barren::BY_FORCE,
            _ => Barren::BY_ITSELF,
        };
        let error = TaskError::new(init.name, 0, Some(link.pid), kind);
        let failed = Failed::from(error.under(circumstances(link, end)));
        self.init_failed(state, init, failed, weight);
    }

    /// Ends all calls when that was enough, unless a worker is left that can go on.
    fn init_failed(&self, state: &mut State, init: &Init, mut failed: Failed, weight: u32) {
        if let Some(actor) = &self.setup.actor {
            // Decided when its process is gone.
            state.actor.unmade = Some(failed.into_actor_error(actor.name));
            return;
        }
        state.init_failures.add(weight);
        let mut links = state.links.iter();
        let working = links.any(|link| link.greeted && link.init.is_done() && link.stays());
        if !state.init_failures.is_enough() || working {
            return;
        }
        let tries = std::mem::take(&mut state.init_failures).tries();
        if tries > 1 {
            failed.reason = format!("{} (tried {tries} times)", failed.reason);
        }
        state.wanted = 0;
        #[cfg(feature = "mpi")]
        state.events.forward_said(failed.take_said());
        state.abort_calls(&failed.into_error(init.name));
        state.ringer.ring();
    }
}
