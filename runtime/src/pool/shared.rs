//! What all handles of a pool and its two threads share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::chunk::{Chunk, Delivery};
use super::state::{Phase, State, Submitted};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{FunctionId, Table};
use crate::shm::PoolSide;
use crate::sys::{Notify, Segment, forks};
use crate::wire::{Landing, Payload};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) table: &'static Table,
    /// How many workers at most; 0 when everything runs in this process.
    pub(super) workers: usize,
    /// How often the process was forked when the pool was made.
    pub(super) generation: u32,
    /// How many CPUs there are for all of us.
    pub(super) cpus: usize,
    pub(super) pool: PoolSide,
    pub(super) pool_segment: Segment,
    /// Wakes the supervisor.
    pub(super) notify: Notify,
    /// Wakes the courier.
    pub(super) courier: Condvar,
}

impl Shared {
    /// Nothing of the user's runs under the lock, so a panic there is ours and leaves no half-done
    /// work of the user's behind.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails in a copy of the process that `fork` made: the workers belong to the original.
    pub(super) fn check_fork(&self) -> Result<()> {
        if self.is_inline() || forks() == self.generation {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forked))
    }

    pub(super) fn is_inline(&self) -> bool {
        self.workers == 0
    }

    /// Opens a call; fails when the pool takes no more work.
    ///
    /// `whole` is true for a call that a thread waits for, from its first item to its last.
    pub(super) fn open_call(
        &self,
        landing: fn(usize) -> Option<Box<dyn Landing>>,
        whole: bool,
    ) -> Result<usize> {
        self.check_fork()?;
        let mut state = self.lock();
        state.check_open()?;
        Ok(state.open_call(landing, whole))
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
        if state.phase == Phase::Closed {
            return Err(Error::new(ErrorKind::Closed));
        }
        self.enqueue(&mut state, chunk);
        Ok(state.submitted(key, function))
    }

    /// Opens a call of a single item and hands that in; gives the call's key.
    ///
    /// Fails when the pool takes no more work.
    pub(super) fn submit_one(
        &self,
        function: FunctionId,
        landing: fn(usize) -> Option<Box<dyn Landing>>,
        payload: Payload,
    ) -> Result<usize> {
        self.check_fork()?;
        let mut state = self.lock();
        state.check_open()?;
        let call = state.open_call(landing, false);
        let chunk = Chunk {
            call,
            function,
            first: 0,
            count: 1,
            payload,
        };
        if self.is_inline() {
            drop(state);
            self.run_inline(chunk)?;
        } else {
            self.enqueue(&mut state, chunk);
            self.arm_courier(&mut state);
        }
        Ok(call)
    }

    fn enqueue(&self, state: &mut State, chunk: Chunk) {
        state.outstanding += 1;
        if let Some(call) = state.calls.get_mut(chunk.call) {
            call.outstanding += 1;
        }
        state.queue.push_back(chunk);
        self.feed(state);
    }

    fn run_inline(&self, chunk: Chunk) -> Result<Submitted> {
        self.lock().check_open()?;
        let (first, count) = (chunk.first, chunk.count as usize);
        let (key, function) = (chunk.call, chunk.function);
        // Not under the lock: the function is the user's, and may use this very pool.
        let (bytes, buffer) = super::inline::run(self.table, chunk);
        let mut state = self.lock();
        state.deliver(
            key,
            Delivery::Records {
                first,
                count,
                pid: None,
                bytes,
            },
        );
        state.keep_buffer(buffer);
        Ok(state.submitted(key, function))
    }

    /// What an item of the function took lately, in nanoseconds.
    pub(super) fn cost(&self, function: FunctionId) -> Option<f64> {
        self.lock().cost(function)
    }
}
