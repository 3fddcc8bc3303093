//! Where tasks of actors that other processes have wait for their results.

use std::sync::{Mutex, PoisonError};

use super::super::setup::Setup;
use super::super::state::CallSpec;
use super::super::{Pool, Task};
use super::forward::Outcome;
use super::setup::ActorSetup;
use crate::error::{Error, Result};
use crate::registry::FunctionId;
use crate::wire::{Output, landing};

/// A pool without workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk(&'static Pool);

/// A task that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    desk: Desk,
    key: usize,
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
    pub(crate) fn wait_for<R: Output>(self, function: FunctionId) -> (Task<R>, Ticket) {
        let shared = self.0.shared();
        let mut state = shared.lock();
        let key = state.open_call(CallSpec {
            single: true,
            ..CallSpec::of(landing::<R>)
        });
        state.count_out(key);
        let ticket = Ticket {
            desk: self,
            key,
            serial: state.calls[key].serial,
        };
        drop(state);
        (Task::new(shared, function, key), ticket)
    }

    /// A task that has failed already.
    pub(crate) fn failed<R: Output>(self, error: Error) -> Task<R> {
        Task::failed(self.0.shared(), FunctionId(u32::MAX), error)
    }
}

impl Ticket {
    /// Hands in what came of the call.
    pub(crate) fn hand_in(self, outcome: Outcome) {
        let Self { desk, key, serial } = self;
        let mut state = desk.0.shared().lock();
        if state.has_call(key, serial) {
            state.deliver(key, outcome.into_delivery());
            state.count_in(key);
            // Who leads sleeps until somebody rings.
            state.ringer.ring();
        }
    }
}
