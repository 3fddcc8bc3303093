//! What all handles of a pool and its two threads share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::cancel::CancelToken;
use super::chunk::{Chunk, Ending, Origin};
use super::guard::StateGuard;
use super::hooks::Hooks;
use super::output::Relay;
use super::rules::{History, Retry, Rules};
use super::setup::Setup;
use super::state::{CallSpec, State, Submitted};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{FunctionId, Table};
use crate::shm::PoolSide;
use crate::sys::{Notify, Segment, forks, nanos_of, now_nanos};
use crate::wire::Payload;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) table: &'static Table,
    pub(super) setup: Setup,
    pub(super) hooks: Hooks,
    /// The rules of calls that have none of their own; none if anything goes.
    pub(super) usual_rules: Option<Arc<Rules>>,
    /// How many workers work at once, at most; 0 when everything runs in this process.
    pub(super) size: AtomicUsize,
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
    /// Passes on what workers write.
    pub(super) relay: Relay,
}

impl Shared {
    pub(super) fn lock(&self) -> StateGuard<'_> {
        StateGuard::lock(&self.state)
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

    /// How many workers work at once, at most; 0 when everything runs in this process.
    pub(super) fn workers(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Has more workers work from now on, or fewer as soon as they are done with what they have.
    pub(super) fn resize(&self, workers: usize) {
        let mut state = self.lock();
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

    /// Hands in a chunk of an open call.
    ///
    /// Fails when the pool was closed meanwhile.
    pub(super) fn submit(&self, chunk: Chunk) -> Result<Submitted> {
        if self.is_inline() {
            return self.run_inline(chunk);
        }
        let (key, function) = (chunk.call, chunk.function);
        let mut state = self.lock();
        state.check_alive()?;
        state.make_room()?;
        self.enqueue(&mut state, chunk);
        Ok(state.submitted(key, function))
    }

    /// Hands in an item that was tried before; gives the number of chunks that are out.
    pub(super) fn submit_again(&self, item: Chunk) -> Result<usize> {
        if self.is_inline() {
            return Ok(self.run_inline(item)?.outstanding);
        }
        let mut state = self.lock();
        state.check_alive()?;
        let (key, function) = (item.call, item.function);
        let rules = state.rules_of(&item);
        let before = History {
            attempt: item.history.attempt - 1,
            ..item.history
        };
        match rules.map(|rules| rules.retry(before)) {
            Some(Retry::After(pause)) if state.wants(key, item.first) => {
                self.delay(&mut state, item, pause);
            }
            _ => self.enqueue(&mut state, item),
        }
        Ok(state.submitted(key, function).outstanding)
    }

    /// Has an item run after a pause.
    pub(super) fn delay(&self, state: &mut State, item: Chunk, pause: Duration) {
        let at = now_nanos().saturating_add(nanos_of(pause));
        state.count_out(item.call);
        state.delayed.push((at, item));
        self.alarm(state, at);
    }

    /// Opens a call of a single item and hands that in; gives the call's key.
    ///
    /// Fails when the pool takes no more work.
    pub(super) fn submit_one(
        self: &Arc<Self>,
        function: FunctionId,
        spec: CallSpec,
        token: Option<&CancelToken>,
        payload: Payload,
    ) -> Result<usize> {
        let chunk = |call| Chunk::single(call, function, payload);
        if token.is_some() || self.is_inline() {
            let call = self.open_call(spec, token)?;
            if let Err(error) = self.submit(chunk(call)) {
                self.lock().detach_call(call, false);
                return Err(error);
            }
            self.arm_courier(&mut self.lock());
            return Ok(call);
        }
        // Most tasks: everything under one lock.
        self.check_fork()?;
        let mut state = self.lock();
        let call = self.open_call_under(&mut state, spec)?;
        self.enqueue(&mut state, chunk(call));
        self.arm_courier(&mut state);
        Ok(call)
    }

    fn enqueue(&self, state: &mut State, chunk: Chunk) {
        state.count_out(chunk.call);
        if state.wants(chunk.call, chunk.first) {
            state.queue.push_back(chunk);
            self.feed(state);
        } else {
            state.drop_chunk(chunk);
        }
    }

    fn run_inline(&self, mut chunk: Chunk) -> Result<Submitted> {
        let mut state = self.lock();
        state.check_open()?;
        // There is no supervisor that looks at the clock.
        let deadline = state.calls.get(chunk.call).and_then(|call| call.deadline);
        if let Some((_, limit)) = deadline.filter(|(at, _)| *at <= now_nanos()) {
            self.end_call(&mut state, chunk.call, Ending::TimedOut(limit));
        }
        if !state.wants(chunk.call, chunk.first) {
            let (key, function) = (chunk.call, chunk.function);
            state.count_out(key);
            state.drop_chunk(chunk);
            return Ok(state.submitted(key, function));
        }
        let named = if state.is_retained(chunk.call) {
            Vec::new()
        } else {
            chunk.payload.take_objects()
        };
        drop(state);
        let attempt = chunk.history.attempt;
        let (key, function) = (chunk.call, chunk.function);
        // Not under the lock: the function is the user's, and may use this very pool.
        let records = super::inline::run(self.table, &chunk, named);
        let origin = Origin { pid: None, attempt };
        let news = self.news_of(&chunk, origin, records);
        let mut state = self.lock();
        for one in news {
            state.deliver(key, one);
        }
        state.give_back(chunk);
        Ok(state.submitted(key, function))
    }

    /// What an item of the function took lately, in nanoseconds.
    pub(super) fn cost(&self, function: FunctionId) -> Option<f64> {
        self.lock().cost(function)
    }
}
