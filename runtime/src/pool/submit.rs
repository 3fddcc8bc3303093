//! Handing in work: chunks of a call, single tasks, and items that are tried once more.

use std::sync::Arc;
use std::time::Duration;

use super::cancel::CancelToken;
use super::chunk::{Chunk, Ending, Origin};
use super::room::no_room;
use super::rules::{History, Retry};
use super::shared::Shared;
use super::state::{CallSpec, State, Submitted};
use super::tasks::TaskKey;
use crate::error::Result;
use crate::event::FailureKind;
use crate::registry::FunctionId;
use crate::sys::{nanos_of, now_nanos};
use crate::wire::{Numbering, Payload};

/// While one thread hands in so many small tasks that they wait together, it looks for results after as
/// many.
const LOOK_EVERY: u32 = 64;

impl Shared {
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

    /// Hands in an item that was tried before, and `failed` then or gave a result; gives the number of chunks that are out.
    pub(super) fn submit_again(&self, item: Chunk, failed: Option<FailureKind>) -> Result<usize> {
        if self.is_inline() {
            let mut state = self.lock();
            state.tell_retry(&item, Duration::ZERO, true, failed);
            drop(state);
            return Ok(self.run_inline(item)?.outstanding);
        }
        let mut state = self.lock();
        state.check_alive()?;
        let (key, function) = (item.call, item.function);
        let rules = state.rules_of(&item).cloned();
        let before = History {
            attempt: item.history.attempt - 1,
            ..item.history
        };
        match rules.map(|rules| rules.retry(before)) {
            Some(Retry::After(pause)) if state.wants(key, item.first) => {
                state.tell_retry(&item, pause, true, failed);
                self.delay(&mut state, item, pause);
            }
            _ => {
                state.tell_retry(&item, Duration::ZERO, true, failed);
                self.enqueue(&mut state, item);
            }
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

    /// Hands in a task; gives its key, and a buffer for the arguments of the next one.
    ///
    /// Fails when the pool takes no more work.
    pub(super) fn submit_one(
        self: &Arc<Self>,
        function: FunctionId,
        spec: CallSpec,
        token: Option<&CancelToken>,
        seed: Option<u64>,
        payload: Payload,
    ) -> Result<(TaskKey, Vec<u8>)> {
        self.check_fork()?;
        if self.is_inline() {
            self.lock().check_open()?;
            self.init_inline()?;
        }
        // Not under the lock, in case that it is the last of it.
        let _context = spec.context.clone();
        // What is ended as a call shares it with nobody, and what follows from a seed is the first of its call.
        let alone = token.is_some() || spec.deadline.is_some() || seed.is_some();
        let deadline = spec.deadline;
        let mut state = self.lock();
        state.check_open()?;
        state.make_room()?;
        let key = state.open_task(function, spec, alone).map_err(no_room)?;
        if let Some((at, _)) = deadline {
            self.alarm(&mut state, at);
        }
        if let Some(token) = token {
            let serial = state.calls[key.call()].serial;
            // Not under our lock: cancelling takes the two locks the other way round.
            drop(state);
            if !token.watch(self, key.call(), serial) {
                self.end_call_with_serial(key.call(), serial, Ending::Cancelled);
            }
            state = self.lock();
            if let Err(error) = state.check_alive() {
                drop(state);
                self.give_up(key);
                return Err(error);
            }
        }
        let mut task = Chunk::task(key, function, payload);
        task.seed = seed.unwrap_or(task.seed);
        if self.setup.actor.is_some() {
            task.numbering = Numbering::Unnumbered;
        }
        if self.is_inline() {
            drop(state);
            let ran = self.run_inline(task);
            return match ran {
                Ok(submitted) => Ok((key, submitted.buffer)),
                Err(error) => {
                    self.give_up(key);
                    Err(error)
                }
            };
        }
        let buffer = self.enqueue_task(&mut state, task);
        self.arm_courier(&mut state);
        drop(state);
        self.stream.relieve();
        Ok((key, buffer))
    }

    /// Nobody will ask for the task, and it need not run.
    pub(super) fn give_up(&self, key: TaskKey) {
        let mut state = self.lock();
        self.end_task(&mut state, key, Ending::Cancelled);
        let observers = state.detach_task(key);
        drop(state);
        drop(observers);
    }

    /// Queues a task: together with the ones before it if these wait, and all workers have something to
    /// do.
    fn enqueue_task(&self, state: &mut State, task: Chunk) -> Vec<u8> {
        let useful = self.useful_workers(state, task.function);
        if state.queue.len() >= useful
            && let Some(last) = state.queue.back_mut()
            && last.absorb(&task)
        {
            // Whatever makes a worker take more has the queue looked at.
            let looks = last.count.is_multiple_of(LOOK_EVERY) && !state.led;
            if looks {
                self.pump(state);
            }
            return task.payload.into_buffer(&mut state.recycled);
        }
        self.enqueue(state, task);
        state.buffer()
    }

    pub(super) fn enqueue(&self, state: &mut State, chunk: Chunk) {
        state.count_out(chunk.call);
        #[cfg(feature = "mpi")]
        self.note_bound(state, &chunk);
        if state.wants(chunk.call, chunk.first) {
            state.queue.push_back(chunk);
            self.feed(state);
            if state.queue.len() > self.all_workers(state)
                && let Some(last) = state.queue.back_mut()
            {
                // It will wait.
                last.payload.shrink();
            }
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
        let ran = super::inline::run(self.table, &chunk, named);
        let origin = Origin { pid: None, attempt };
        let mut state = self.lock();
        self.tell_inline(&mut state, &chunk, &ran);
        drop(state);
        let news = self.news_of(&chunk, origin, ran.records);
        let mut state = self.lock();
        for one in news {
            state.deliver(key, one);
        }
        state.give_back(chunk);
        Ok(state.submitted(key, function))
    }
}
