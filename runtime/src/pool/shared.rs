//! What all handles of a pool and its two threads share.

#[cfg(feature = "mpi")]
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::cancel::CancelToken;
use super::chunk::Ending;
use super::events::Stream;
use super::guard::StateGuard;
use super::hooks::Hooks;
use super::output::Relay;
use super::rules::Rules;
use super::setup::Setup;
use super::state::{CallSpec, State};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{FunctionId, Limits, Table};
use crate::shm::PoolSide;
use crate::sys::{Notify, Segment, forks};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) table: &'static Table,
    pub(super) setup: Setup,
    pub(super) hooks: Hooks,
    /// The rules of calls that have none of their own; none if anything goes.
    pub(super) usual_rules: Option<Arc<Rules>>,
    /// How many workers of this machine work at once, at most; 0 when everything runs in this process.
    pub(super) size: AtomicUsize,
    /// The pool has, or had, nodes.
    #[cfg(feature = "mpi")]
    pub(super) launched: bool,
    /// The workers of this machine are for what cannot go to other machines.
    #[cfg(feature = "mpi")]
    pub(super) reserved: bool,
    /// How many workers this machine has of all that a launch has.
    #[cfg(feature = "mpi")]
    pub(super) share: usize,
    #[cfg(feature = "mpi")]
    pub(super) this: Weak<Self>,
    /// How often the process was forked when the pool was made.
    pub(super) generation: u32,
    /// How many CPUs there are for all of us.
    pub(super) cpus: usize,
    pub(super) pool: PoolSide,
    pub(super) pool_segment: Segment,
    /// Wakes the supervisor.
    pub(super) notify: Arc<Notify>,
    /// Wakes the courier.
    pub(super) courier: Arc<Condvar>,
    /// Wakes the gauge.
    pub(super) gauge: Condvar,
    /// Wakes the keeper.
    pub(super) keeper: Condvar,
    /// Wakes those who wait for the end of an actor.
    pub(super) over: Condvar,
    /// Takes what happens to those who observe.
    pub(super) stream: Arc<Stream>,
    /// Passes on what workers write.
    pub(super) relay: Relay,
}

impl Shared {
    pub(super) fn lock(&self) -> StateGuard<'_> {
        StateGuard::lock(&self.state)
    }

    /// As `lock`, for the thread that speaks to nodes: nothing of the user's is dropped in it.
    #[cfg(feature = "mpi")]
    pub(super) fn lock_and_leave(&self) -> StateGuard<'_> {
        StateGuard::lock_and_leave(&self.state)
    }

    /// Fails in a copy of the process that `fork` made: the workers belong to the original.
    pub(super) fn check_fork(&self) -> Result<()> {
        if self.is_inline() || forks() == self.generation {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forked))
    }

    pub(super) fn is_inline(&self) -> bool {
        self.workers() == 0
    }

    /// How many workers of this machine work at once, at most; 0 when everything runs in this process.
    pub(super) fn workers(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Has more workers work from now on, or fewer as soon as they are done with what they have.
    pub(super) fn resize(&self, workers: usize) {
        let mut state = self.lock();
        #[cfg(feature = "mpi")]
        let workers = self.divide_again(&mut state, workers).max(1);
        self.size.store(workers, Ordering::Relaxed);
        state.wanted = 0;
        self.dismiss_surplus(&mut state);
        self.feed(&mut state);
    }

    /// The rules of a call of `function` whose job says `job`.
    ///
    /// Fails when a setting is out of range.
    pub(super) fn rules(&self, function: FunctionId, job: Rules) -> Result<Option<Arc<Rules>>> {
        let limits = self.table.limits(function);
        if limits == Limits::default() && job == Rules::default() {
            return Ok(self.usual_rules.clone());
        }
        let own = job.or(Rules {
            timeout: limits.timeout_nanos.map(Duration::from_nanos),
            memory: limits.memory,
            memory_growth: limits.memory_growth,
            retries: limits.retries,
            ..Rules::default()
        });
        if own == Rules::default() {
            return Ok(self.usual_rules.clone());
        }
        own.check()?;
        Ok(Some(Arc::new(own.or(self.setup.rules))))
    }

    /// Opens a call; fails when the pool takes no more work, or an inline pool's init function fails.
    pub(super) fn open_call(
        self: &Arc<Self>,
        spec: CallSpec,
        token: Option<&CancelToken>,
    ) -> Result<usize> {
        self.check_fork()?;
        if self.is_inline() {
            self.lock().check_open()?;
            self.init_inline()?;
        }
        // Not under the lock, in case that it is the last of it.
        let _context = spec.context.clone();
        let mut state = self.lock();
        let key = self.open_call_under(&mut state, spec)?;
        let serial = state.calls[key].serial;
        // Not under our lock: cancelling takes the two locks the other way round.
        drop(state);
        if token.is_some_and(|token| !token.watch(self, key, serial)) {
            self.end_call_with_serial(key, serial, Ending::Cancelled);
        }
        Ok(key)
    }

    fn open_call_under(&self, state: &mut State, spec: CallSpec) -> Result<usize> {
        state.check_open()?;
        state.make_room()?;
        let deadline = spec.deadline;
        let key = state.open_call(spec);
        if let Some((at, _)) = deadline {
            self.alarm(state, at);
        }
        Ok(key)
    }

    /// What an item of the function took lately, in nanoseconds.
    pub(super) fn cost(&self, function: FunctionId) -> Option<f64> {
        self.lock().cost(function)
    }
}
