//! Where tasks of actors that other processes have wait for their results.

use std::sync::{Mutex, PoisonError};

use super::super::room::no_room;
use super::super::setup::Setup;
use super::super::state::CallSpec;
use super::super::tasks::TaskKey;
use super::super::{Pool, Task};
use super::forward::Outcome;
use super::setup::ActorSetup;
use crate::error::{Error, Result};
use crate::registry::{FunctionId, NO_FUNCTION};
use crate::wire::{Output, landing};

/// A pool without workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk(&'static Pool);

/// A task that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    desk: Desk,
    task: TaskKey,
    /// Keys are used again; this is not.
    serial: u64,
}

/// Made when it is first asked for, and kept until the program ends.
static DESK: Mutex<Option<Desk>> = Mutex::new(None);

impl Desk {
    /// That of this process.
    pub(crate) fn get() -> Result<Self> {
        let mut desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
        // Not that of the process that this one was forked from.
        if let Some(desk) = desk.filter(|desk| desk.0.shared().check_fork().is_ok()) {
            return Ok(desk);
        }
        let setup = Setup {
            one_each: true,
            actor: Some(ActorSetup::new("")),
            ..Setup::default()
        };
        let pool = Pool::start(1, setup)?;
        pool.start_threads()?;
        Ok(*desk.insert(Self(Box::leak(Box::new(pool)))))
    }

    /// A task for a call of `function`, and what its result is handed in with.
    pub(crate) fn wait_for<R: Output>(self, function: FunctionId) -> Result<(Task<R>, Ticket)> {
        let shared = self.0.shared();
        let mut state = shared.lock();
        // What comes of one call is to be told to that one only.
        let task = state
            .open_task(function, CallSpec::of(function, landing::<R>), true)
            .map_err(no_room)?;
        state.count_out(task.call());
        let ticket = Ticket {
            desk: self,
            task,
            serial: state.calls[task.call()].serial,
        };
        drop(state);
        Ok((Task::new(shared, task), ticket))
    }

    /// A task that has failed already.
    pub(crate) fn failed<R: Output>(self, error: Error) -> Task<R> {
        Task::failed(self.0.shared(), NO_FUNCTION, error)
    }
}

impl Ticket {
    /// Hands in what came of the call.
    pub(crate) fn hand_in(self, outcome: Outcome) {
        let Self { desk, task, serial } = self;
        let mut state = desk.0.shared().lock();
        if state.has_call(task.call(), serial) {
            state.deliver(task.call(), outcome.into_delivery(task.index()));
            state.count_in(task.call());
            // Who leads sleeps until somebody rings.
            state.ringer.ring();
        }
    }
}
