//! One call over many items, from the caller's side: items are read and encoded as there is room
//! for them, and results are decoded as they come.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::chunk::{Chunk, Delivery};
use super::chunker::{Chunker, FULL_BYTES};
use super::job::Settings;
use super::shared::Shared;
use super::state::{State, Submitted};
use crate::error::{Failure, Result, Step, TaskError, TaskErrorKind};
use crate::registry::{Encoder, Function, FunctionId};
use crate::wire::{Landing, Payload, Records, Status, TaskFailure, decode, land, landing};

/// A running call. Dropping it ends it: what is queued is dropped, what runs is run in vain.
pub(super) struct Call<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    shared: Arc<Shared>,
    key: usize,
    function: FunctionId,
    items: I,
    /// No item is read any more.
    exhausted: bool,
    /// Index of the next item.
    next: usize,
    /// How many results the user has; for the bound on reading ahead.
    pub(super) yielded: usize,
    read_ahead: usize,
    /// Chunks that are out, as of the last look.
    out: usize,
    cost: Option<f64>,
    chunker: Chunker,
    buffer: Vec<u8>,
    /// Buffers that were decoded, to be given back.
    used: Vec<Vec<u8>>,
    inbox: VecDeque<Delivery>,
    /// The iterator of the items panicked; that goes on when all results before it were given.
    panic: Option<Box<dyn Any + Send>>,
    /// All results are wanted or none: a panic goes on at once.
    whole: bool,
    marker: PhantomData<fn(F, M)>,
}

/// Results in a row.
pub(super) type Results<R> = Vec<Result<R, TaskError>>;

impl<F, A, M, I> Call<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    pub(super) fn new(
        shared: &Arc<Shared>,
        function: FunctionId,
        settings: &Settings,
        items: I,
    ) -> Result<Self> {
        let whole = settings.read_ahead.is_none();
        let key = shared.open_call(landing::<F::Output>, whole)?;
        Ok(Self {
            shared: Arc::clone(shared),
            key,
            function,
            items,
            exhausted: false,
            next: 0,
            yielded: 0,
            read_ahead: settings.read_ahead.unwrap_or(usize::MAX),
            out: 0,
            cost: shared.cost(function),
            chunker: Chunker::new(settings.chunk_size, shared.workers),
            buffer: Vec::new(),
            used: Vec::new(),
            inbox: VecDeque::new(),
            panic: None,
            whole,
            marker: PhantomData,
        })
    }

    /// The name of the function.
    pub(super) fn name(&self) -> &'static str {
        self.shared.table.name(self.function)
    }

    /// The next news, once there is some; none when all results were given.
    fn next_delivery(&mut self) -> Result<Option<Delivery>> {
        loop {
            self.read_items()?;
            if let Some(delivery) = self.inbox.pop_front() {
                return Ok(Some(delivery));
            }
            let mut state = self.shared.lock();
            for buffer in self.used.drain(..) {
                state.keep_buffer(buffer);
            }
            let call = |state: &State| {
                state
                    .calls
                    .get(self.key)
                    .map_or((0, 0), |call| (call.outstanding, call.mail.len()))
            };
            if call(&state) == (0, 0) {
                drop(state);
                self.panic_on();
                return Ok(None);
            }
            state = self
                .shared
                .wait_until(state, Some(self.key), None, |s| {
                    call(s).1 > 0 || call(s).0 == 0
                })
                .0;
            if let Some(call) = state.calls.get_mut(self.key) {
                self.inbox.extend(call.mail.drain(..));
                self.out = call.outstanding as usize;
            }
            self.cost = state.cost(self.function);
        }
    }

    /// Reads and hands in items as long as workers have use for them.
    fn read_items(&mut self) -> Result<()> {
        // News that wait count too: a failure among them may be the end of the call.
        let window = 2 * self.shared.workers + 1;
        while !self.exhausted
            && self.out + self.inbox.len() < window
            && self.next - self.yielded < self.read_ahead
        {
            self.read_chunk()?;
        }
        Ok(())
    }

    fn read_chunk(&mut self) -> Result<()> {
        let remaining = match self.items.size_hint() {
            (least, Some(most)) if least == most => Some(least),
            _ => None,
        };
        let ahead = self.read_ahead - (self.next - self.yielded);
        let size = self.chunker.next(self.cost, remaining).min(ahead);
        let first = self.next;
        let mut payload = Payload::with_buffer(std::mem::take(&mut self.buffer));
        // Whole items stand before the mark; what the user's code leaves behind it when it fails or
        // panics is dropped.
        let mut mark = payload.mark();
        let mut count = 0_u32;
        let read = catch_unwind(AssertUnwindSafe(|| {
            while (count as usize) < size && payload.len() < FULL_BYTES {
                let Some(item) = self.items.next() else {
                    self.exhausted = true;
                    break;
                };
                F::encode(item, Encoder(&mut payload))?;
                mark = payload.mark();
                count += 1;
            }
            Ok(())
        }));
        payload.rewind(mark);
        self.next += count as usize;
        if count > 0 {
            let chunk = Chunk {
                call: self.key,
                function: self.function,
                first,
                count,
                payload,
            };
            let submitted = self.shared.submit(chunk);
            if let (Err(_), Err(_)) = (&submitted, &read) {
                self.panic = read.err();
                self.panic_on();
                return Ok(());
            }
            let Submitted {
                buffer,
                outstanding,
                cost,
            } = submitted?;
            (self.buffer, self.out, self.cost) = (buffer, outstanding, cost);
            if self.shared.is_inline() {
                self.fetch();
            }
        } else {
            self.buffer = payload.into_buffer();
        }
        match read {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                let error = TaskError::failed(self.name(), self.next, None, failure);
                self.inbox.push_back(Delivery::Failed(error));
                self.next += 1;
            }
            Err(panic) => {
                self.exhausted = true;
                self.panic = Some(panic);
                if self.whole {
                    self.panic_on();
                }
            }
        }
        Ok(())
    }

    /// Lets a panic of the user's iterator go on.
    fn panic_on(&mut self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
    }

    fn fetch(&mut self) {
        if let Some(call) = self.shared.lock().calls.get_mut(self.key) {
            self.inbox.extend(call.mail.drain(..));
        }
    }

    /// Reads no further item, and drops those after `last` that nobody has begun.
    fn stop_after(&mut self, last: usize) {
        self.exhausted = true;
        self.shared.lock().cancel_after(self.key, Some(last));
    }

    /// Work is out, and the user does something else.
    pub(super) fn leave_to_courier(&self) {
        self.shared.arm_courier(&mut self.shared.lock());
    }

    /// Gives the next results as they come to `each`, with their indexes; false when there are no
    /// more.
    pub(super) fn next_results(
        &mut self,
        mut each: impl FnMut(usize, Result<F::Output, TaskError>),
    ) -> Result<bool> {
        let Some(delivery) = self.next_delivery()? else {
            return Ok(false);
        };
        self.open(delivery, &mut each)?;
        Ok(true)
    }

    /// Gives all results in order to `each` until that breaks. `stop` is asked about each result
    /// as it comes, in any order: when it says so, items after that one are not run any more.
    pub(super) fn run_in_order<B>(
        &mut self,
        stop: impl Fn(&Result<F::Output, TaskError>) -> bool,
        mut each: impl FnMut(usize, Result<F::Output, TaskError>) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let mut stash: BTreeMap<usize, Results<F::Output>> = BTreeMap::new();
        let mut next = 0;
        while let Some(delivery) = self.next_delivery()? {
            let mut broken = None;
            let mut stopped = None;
            let first = delivery.first();
            if first == Some(next) {
                self.open(delivery, |index, result| {
                    if stopped.is_none() && stop(&result) {
                        stopped = Some(index);
                    }
                    if broken.is_none() {
                        next = index + 1;
                        broken = each(index, result).break_value();
                    }
                })?;
            } else {
                let mut results = Vec::new();
                self.open(delivery, |index, result| {
                    if stopped.is_none() && stop(&result) {
                        stopped = Some(index);
                    }
                    results.push(result);
                })?;
                stash.extend(first.map(|first| (first, results)));
            }
            while broken.is_none()
                && let Some(results) = stash.remove(&next)
            {
                for result in results {
                    if broken.is_none() {
                        broken = each(next, result).break_value();
                        next += 1;
                    }
                }
            }
            if broken.is_some() {
                return Ok(broken);
            }
            if let Some(index) = stopped {
                self.stop_after(index);
            }
        }
        Ok(None)
    }

    /// Decodes news.
    fn open(
        &mut self,
        delivery: Delivery,
        mut each: impl FnMut(usize, Result<F::Output, TaskError>),
    ) -> Result<()> {
        match delivery {
            Delivery::Records {
                first,
                count,
                pid,
                bytes,
            } => {
                let name = self.name();
                for ((status, value), index) in Records(&bytes).zip(first..first + count) {
                    each(index, open_record(name, index, pid, status, value));
                }
                self.used.push(bytes);
            }
            Delivery::Large {
                index,
                pid,
                landing,
            } => {
                each(index, open_large(self.name(), index, pid, landing));
            }
            Delivery::Failed(error) => each(error.index(), Err(error)),
            Delivery::Aborted(error) => return Err(error),
        }
        Ok(())
    }
}

impl Delivery {
    /// Index of the first item; none if it is about none.
    fn first(&self) -> Option<usize> {
        match self {
            Delivery::Records { first, .. } => Some(*first),
            Delivery::Large { index, .. } => Some(*index),
            Delivery::Failed(error) => Some(error.index()),
            Delivery::Aborted(_) => None,
        }
    }
}

/// Makes the result of one item from its record.
#[inline]
pub(super) fn open_record<R: crate::wire::Output>(
    name: &'static str,
    index: usize,
    pid: Option<u32>,
    status: Status,
    bytes: &[u8],
) -> Result<R, TaskError> {
    let failure = match status {
        Status::Value => match decode(bytes) {
            Ok(value) => return Ok(value),
            Err(reason) => TaskFailure::Failed(undecodable::<R>(reason)),
        },
        Status::Failed | Status::End => postcard::from_bytes(bytes)
            .unwrap_or_else(|error| TaskFailure::Failed(undecodable::<R>(error.to_string()))),
    };
    Err(task_error(name, index, pid, failure))
}

#[cold]
fn task_error(
    name: &'static str,
    index: usize,
    pid: Option<u32>,
    failure: TaskFailure,
) -> TaskError {
    match failure {
        TaskFailure::Failed(failure) => TaskError::failed(name, index, pid, failure),
        TaskFailure::Panicked(report) => {
            let kind = TaskErrorKind::Panicked {
                report,
                aborted: false,
            };
            TaskError::new(name, index, pid, kind)
        }
    }
}

/// Makes the result of one item from the memory that it was received into.
pub(super) fn open_large<R: crate::wire::Output>(
    name: &'static str,
    index: usize,
    pid: u32,
    landing: Box<dyn Landing>,
) -> Result<R, TaskError> {
    land(landing)
        .map_err(|reason| TaskError::failed(name, index, Some(pid), undecodable::<R>(reason)))
}

fn undecodable<R>(reason: String) -> Failure {
    Failure::of::<R>(Step::DecodeResult, reason)
}

impl<F, A, M, I> Drop for Call<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    fn drop(&mut self) {
        if self.shared.check_fork().is_ok() {
            self.shared.lock().detach_call(self.key, false);
        }
    }
}
