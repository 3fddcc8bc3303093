//! One call over many items, from the caller's side: items are read and encoded as there is room
//! for them, and results are decoded as they come.

#![expect(
    unsafe_code,
    reason = "slices are lent to other threads for the length of a call"
)]

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::chunk::{Chunk, Delivery, Ending, Origin};
use super::chunker::{Chunker, FULL_BYTES, FULL_OBJECTS};
use super::durable::{Coming, Durable, MOST_RECORDED, Unread};
use super::events::{Observed, failure_kind};
use super::job::Settings;
use super::logs::Context;
use super::order::Order;
use super::output::{Patience, Written};
use super::results::{open_large, open_record};
use super::rules::History;
use super::shared::Shared;
use super::state::{CallSpec, State, Submitted};
use crate::error::{Result, TaskError};
use crate::event::FailureKind;
use crate::object::Object;
use crate::registry::{Encoder, Function, FunctionId};
use crate::wire::{Lender, Numbering, Payload, Records, Recycled, landing, number_width, numbers};

/// A running call. Dropping it ends it: what is queued is dropped. What runs is run in vain, or killed
/// soon if the call was lazy.
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
    /// Numbers whose turn has not come, by the index of the first.
    parked: BTreeMap<usize, Delivery>,
    /// The iterator of the items panicked; that goes on when all results before it were given.
    panic: Option<Box<dyn Any + Send>>,
    /// All results are wanted or none: a panic goes on at once.
    whole: bool,
    /// The call was ended from outside: no item is read any more.
    ended: Option<Ending>,
    /// Each item gets a result, also if it was not read before the call ended.
    every: bool,
    retry_if: Option<RetryIf<F::Output>>,
    retries: u32,
    /// The seeds of its items follow from it.
    seed: u64,
    durable: Option<Durable>,
    /// Results that the journal had.
    recorded: Vec<(usize, F::Output, u32)>,
    /// Items that are to be tried again, with the way in which they failed.
    unsatisfied: BTreeMap<usize, Option<FailureKind>>,
    /// What items wrote, if the caller wants reports and it is captured.
    written: BTreeMap<usize, Written>,
    /// In whose name slices are sent from where they are, if the call is sure to be dropped before they can
    /// go, and nobody else may want them.
    lender: Option<Lender>,
    /// Dropped behind the call.
    _observed: Option<Observed>,
    /// Kept here too, so that it is not the pool that drops the last of it.
    _context: Context,
    marker: PhantomData<fn(F, M)>,
}

/// When a call ends early, an iterator that claims to have more items left is not believed.
const MOST_UNREAD: usize = 1 << 24;

/// Says which results are to be tried again.
pub(super) type RetryIf<R> = Box<Decide<R>>;
pub(super) type Decide<R> = dyn Fn(&Result<R, TaskError>) -> bool + Send + Sync;

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
        settings: Settings,
        retry_if: Option<RetryIf<F::Output>>,
        items: I,
    ) -> Result<Self> {
        let whole = settings.read_ahead.is_none();
        let rules = shared.rules(function, settings.rules)?;
        let retries = rules.as_ref().and_then(|rules| rules.retries);
        let context = Context::capture();
        let journal = settings.journal.as_deref();
        let durable = journal
            .map(|path| Durable::open::<F::Output>(path, shared.table, function, settings.seed))
            .transpose()?;
        let seed = durable.as_ref().map(Durable::seed).or(settings.seed);
        let observed = shared.observe_call(&settings.observers);
        let key = shared.open_call(
            CallSpec {
                function,
                serial: observed.as_ref().map(|observed| observed.serial),
                items: match items.size_hint() {
                    (least, Some(most)) if least == most => Some(least),
                    _ => None,
                },
                context: context.clone(),
                // What is written to a journal is the bytes.
                landing: match durable {
                    Some(_) => landing::<Vec<u8>>,
                    None => landing::<F::Output>,
                },
                whole,
                eager: !whole || durable.is_some(),
                rules,
                deadline: settings.deadline(),
                retained: retry_if.is_some(),
                reported: settings.reported,
            },
            settings.token.as_ref(),
        )?;
        // Inputs of failed items are kept when the call is over, too. Numbers are sent in rows.
        let lender = (whole && !shared.keeps() && F::width() == 0).then(|| {
            // SAFETY: a call that runs to its end is a local variable of a function that does nothing with it
            // but drop it; and what it lends is part of its type.
            unsafe { Lender::new() }
        });
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
            chunker: shared.chunker(settings.chunk_size),
            buffer: Vec::new(),
            used: Vec::new(),
            inbox: VecDeque::new(),
            parked: BTreeMap::new(),
            panic: None,
            whole,
            ended: None,
            every: settings.every,
            retry_if,
            retries: retries.unwrap_or(0),
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
            durable,
            recorded: Vec::new(),
            unsatisfied: BTreeMap::new(),
            written: BTreeMap::new(),
            lender,
            _observed: observed,
            _context: context,
            marker: PhantomData,
        })
    }

    /// The name of the function.
    pub(super) fn name(&self) -> &'static str {
        self.shared.table.name(self.function)
    }

    /// The next news, once there is some; none when all results were given. If results are wanted in order,
    /// it is the `turn` of that index.
    fn next_delivery(&mut self, turn: Option<usize>) -> Result<Option<Coming<F::Output>>> {
        loop {
            if let Some(delivery) = turn.and_then(|turn| self.parked.remove(&turn)) {
                return Ok(Some(Coming::News(delivery)));
            }
            self.read_items()?;
            if !self.recorded.is_empty() {
                return Ok(Some(Coming::Recorded(std::mem::take(&mut self.recorded))));
            }
            self.shared.stream.relieve();
            if let Some(delivery) = self.inbox.pop_front() {
                match (&delivery, turn) {
                    // Nothing is to be found out from numbers: they are decoded when their turn comes.
                    (
                        Delivery::Records {
                            first, row: true, ..
                        },
                        Some(turn),
                    ) if *first != turn && self.retry_if.is_none() => {
                        self.parked.insert(*first, delivery);
                        continue;
                    }
                    _ => return Ok(Some(Coming::News(delivery))),
                }
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
            let mut heard = 0;
            self.ended = state.calls.get(self.key).and_then(|call| call.ending);
            if call(&state) == (0, 0) {
                drop(state);
                let unread = self.end_unread();
                if unread.is_none() {
                    self.panic_on();
                }
                return Ok(unread.map(Coming::News));
            }
            state = self
                .shared
                .wait_until(state, Some(self.key), None, |s| {
                    call(s).1 > 0 || call(s).0 == 0
                })
                .0;
            if let Some(call) = state.calls.get_mut(self.key) {
                self.inbox.extend(call.mail.drain(..));
                self.written.extend(call.written.drain(..));
                self.out = call.outstanding as usize;
                heard = call.heard;
            }
            self.cost = state.cost(self.function);
            drop(state);
            if !self.whole {
                self.shared.relay.wait_for_logs(heard, Patience::default());
            }
        }
    }

    /// Reads and hands in items as long as workers have use for them.
    fn read_items(&mut self) -> Result<()> {
        // News that wait count too: a failure among them may be the end of the call.
        let window = self.shared.window(self.cost);
        while !self.exhausted
            && self.ended.is_none()
            && self.recorded.len() < MOST_RECORDED
            // What is there is written down before more is run.
            && (self.durable.is_none() || self.inbox.is_empty())
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
        let width = if self.durable.is_some() {
            0
        } else {
            F::width()
        };
        let mut payload = Payload::row(std::mem::take(&mut self.buffer), width);
        payload.borrow_from(self.lender.as_ref().map(Lender::borrower));
        // Whole items stand before the mark; what the user's code leaves behind it when it fails or
        // panics is dropped.
        let mut mark = payload.mark();
        let mut count = 0_u32;
        // An item that somebody waits for stands behind nothing, and nothing behind it.
        let mut alone = None;
        // The item behind those of the chunk has its result already.
        let mut behind = 0;
        let read = catch_unwind(AssertUnwindSafe(|| {
            if let Some(most) = FULL_BYTES.checked_div(width) {
                self.exhausted |= !payload.fill_row(size.min(most), &mut count, |slot| {
                    let item = self.items.next();
                    item.map(|item| F::put_number(item, slot)).is_some()
                });
                return Ok(());
            }
            while (count as usize) < size
                && payload.len() < FULL_BYTES
                && payload.objects().len() < FULL_OBJECTS
            {
                let Some(item) = self.items.next() else {
                    self.exhausted = true;
                    break;
                };
                F::encode(item, Encoder(&mut payload))?;
                if let Some(durable) = &mut self.durable {
                    let index = self.next + count as usize;
                    let decide = self.retry_if.as_deref();
                    let found = durable.find(index, &payload, mark, decide)?;
                    if let Some((value, attempt)) = found {
                        self.recorded.push((index, value, attempt));
                        payload.rewind(mark);
                        if count > 0 || self.recorded.len() >= MOST_RECORDED {
                            behind = 1;
                            break;
                        }
                        self.next += 1;
                        continue;
                    }
                }
                if payload.waits() {
                    alone = Some(payload.split_off(mark));
                    break;
                }
                mark = payload.mark();
                count += 1;
            }
            Ok::<_, Unread>(())
        }));
        if width > 0 {
            payload.end_row(count);
        } else {
            payload.rewind(mark);
        }
        if count > 0 {
            let submitted = self.submit(count, payload);
            if let (Err(_), Err(_)) = (&submitted, &read) {
                self.panic = read.err();
                self.panic_on();
                return Ok(());
            }
            submitted?;
        } else {
            self.buffer = payload.into_buffer(&mut Recycled::default());
        }
        if let Some(payload) = alone {
            self.submit(1, payload)?;
        }
        self.next += behind;
        match read {
            Ok(Ok(())) => {}
            Ok(Err(Unread::Call(error))) => return Err(error),
            Ok(Err(Unread::Item(failure))) => {
                let error = TaskError::failed(self.name(), self.next, None, failure);
                let index = self.next;
                self.shared
                    .lock()
                    .tell_failure(self.key, None, index, &error, false);
                self.inbox.push_back(Delivery::Failed { index, error });
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

    /// Hands in the next `count` items.
    fn submit(&mut self, count: u32, payload: Payload) -> Result<()> {
        let chunk = Chunk {
            call: self.key,
            function: self.function,
            first: self.next,
            count,
            payload,
            row: match self.durable {
                Some(_) => 0,
                None => number_width::<F::Output>(),
            },
            tasks: false,
            history: History::FIRST,
            numbering: Numbering::Items,
            seed: self.seed,
        };
        self.next += count as usize;
        let Submitted {
            buffer,
            outstanding,
            cost,
            ended,
        } = self.shared.submit(chunk)?;
        (self.buffer, self.out, self.cost) = (buffer, outstanding, cost);
        self.ended = ended;
        if self.shared.is_inline() {
            self.fetch();
        }
        Ok(())
    }

    /// What becomes of items that were not read when the call was ended.
    fn end_unread(&mut self) -> Option<Delivery> {
        let ending = self.ended.filter(|_| !self.exhausted)?;
        self.exhausted = true;
        // The iterator may block, or have no end: it is not read any more.
        let count = match self.items.size_hint() {
            (_, Some(0)) => 0,
            (least, Some(most)) if least == most && self.every => least.min(MOST_UNREAD),
            _ => 1,
        };
        let first = self.next;
        self.next += count;
        (count > 0).then_some(Delivery::Ended {
            first,
            count,
            ending,
        })
    }

    /// What the last attempt at an item wrote, as far as it was captured.
    pub(super) fn take_written(&mut self, index: usize) -> Written {
        self.written.remove(&index).unwrap_or_default()
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
    /// more. For `turn` see [`next_delivery`](Self::next_delivery).
    pub(super) fn next_results(
        &mut self,
        turn: Option<usize>,
        mut each: impl FnMut(usize, Result<F::Output, TaskError>, Origin),
    ) -> Result<bool> {
        let Some(coming) = self.next_delivery(turn)? else {
            return Ok(false);
        };
        self.open(coming, &mut each)?;
        Ok(true)
    }

    /// Gives all results in order, as `wrap` makes them, to `each` until that breaks. `stop` is asked
    /// about each result as it comes, in any order: when it says so, items after that one are not run
    /// any more.
    pub(super) fn run_in_order<T, B>(
        &mut self,
        wrap: impl Fn(Result<F::Output, TaskError>, usize, Origin) -> T,
        stop: impl Fn(&T) -> bool,
        mut each: impl FnMut(usize, T) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let mut order = Order::default();
        while let Some(coming) = self.next_delivery(Some(order.turn()))? {
            let mut broken = None;
            let mut stopped = None;
            self.open(coming, |index, result, origin| {
                let result = wrap(result, index, origin);
                if stopped.is_none() && stop(&result) {
                    stopped = Some(index);
                }
                if !order.is_next(index) {
                    order.keep(index, result);
                } else if broken.is_none() {
                    broken = each(index, result).break_value();
                }
            })?;
            while broken.is_none()
                && let Some((first, results)) = order.take()
            {
                for (index, result) in (first..).zip(results) {
                    if broken.is_none() {
                        broken = each(index, result).break_value();
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

    /// Makes results of what came, and keeps them in the journal, if there is one.
    fn open(
        &mut self,
        coming: Coming<F::Output>,
        mut each: impl FnMut(usize, Result<F::Output, TaskError>, Origin),
    ) -> Result<()> {
        match coming {
            Coming::News(delivery) => self.open_news(delivery, each)?,
            Coming::Recorded(results) => {
                let mut state = self.shared.lock();
                state.tell_results(self.key, None, results.len(), 0);
                drop(state);
                for (index, value, attempt) in results {
                    let origin = Origin { pid: None, attempt };
                    each(index, Ok(value), origin);
                }
            }
        }
        self.durable.as_mut().map_or(Ok(()), Durable::write)
    }

    /// Decodes news. Items that are to be tried again give no result yet.
    fn open_news(
        &mut self,
        delivery: Delivery,
        mut each: impl FnMut(usize, Result<F::Output, TaskError>, Origin),
    ) -> Result<()> {
        let name = self.name();
        match delivery {
            Delivery::Records {
                first,
                count,
                origin,
                bytes,
                row: true,
                objects: _,
            } => {
                for (value, index) in numbers(&bytes).zip(first..first + count) {
                    let result = Ok(value);
                    if self.is_final(index, &result, origin) {
                        each(index, result, origin);
                    }
                }
                self.used.push(bytes);
            }
            Delivery::Records {
                first,
                count,
                origin,
                bytes,
                row: false,
                objects: named,
            } => {
                self.check_kept(&named)?;
                for ((status, value), index) in Records(&bytes).zip(first..first + count) {
                    let result = open_record(name, index, origin, status, value);
                    if self.is_final(index, &result, origin) {
                        if let Some(durable) = &mut self.durable {
                            durable.settle(index, origin.attempt, value, result.is_ok());
                        }
                        each(index, result, origin);
                    }
                }
                self.used.push(bytes);
            }
            Delivery::Large {
                index,
                origin,
                mut landing,
                objects: named,
            } => {
                self.check_kept(&named)?;
                let durable = self.durable.is_some();
                let value = durable.then(|| landing.bytes_mut().to_vec());
                let result = open_large(name, index, origin, landing);
                if self.is_final(index, &result, origin) {
                    if let (Some(durable), Some(value)) = (&mut self.durable, &value) {
                        durable.settle(index, origin.attempt, value, result.is_ok());
                    }
                    each(index, result, origin);
                }
            }
            Delivery::Failed { index, error } => {
                let origin = Origin::of(&error);
                each(index, Err(error), origin);
            }
            Delivery::Unsaved(failed) => {
                let (item, error) = self.shared.opened(failed);
                let origin = Origin::of(&error);
                let result = Err(error);
                if self.is_final(item.first, &result, origin) {
                    let result = result.map_err(|error| self.shared.saved(error, &item));
                    each(item.first, result, origin);
                }
            }
            Delivery::Ended {
                first,
                count,
                ending,
            } => {
                // Those that were waiting for another attempt get none.
                for index in first..first + count {
                    each(index, Err(ending.error(name, index)), Origin::NOBODY);
                }
            }
            Delivery::Returned(chunk) => self.try_again(chunk)?,
            Delivery::Aborted(error) => return Err(error),
        }
        Ok(())
    }

    /// Fails when results name something and are to be kept.
    fn check_kept(&self, named: &[Arc<Object>]) -> Result<()> {
        match &self.durable {
            Some(durable) if !named.is_empty() => Err(durable.cannot_keep(self.name())),
            _ => Ok(()),
        }
    }

    /// False when the caller wants the item to be tried again, and it can be.
    #[inline]
    fn is_final(
        &mut self,
        index: usize,
        result: &Result<F::Output, TaskError>,
        origin: Origin,
    ) -> bool {
        let Some(decide) = &self.retry_if else {
            return true;
        };
        if origin.attempt > self.retries || !decide(result) {
            return true;
        }
        let failed = result.as_ref().err().map(failure_kind);
        self.unsatisfied.insert(index, failed);
        self.written.remove(&index);
        false
    }

    /// A chunk is done; those of its items that are to be tried again are handed in again.
    fn try_again(&mut self, mut chunk: Chunk) -> Result<()> {
        let arguments = self.shared.table.arguments(self.function);
        let items = chunk.first..chunk.first + chunk.count as usize;
        while let Some((index, failed)) = self.unsatisfied.range(items.clone()).next() {
            let (index, failed) = (*index, *failed);
            self.unsatisfied.remove(&index);
            let before = (index - chunk.first) as u32;
            drop(chunk.take_items(before, arguments));
            let mut item = chunk.take_item(arguments);
            item.history.attempt += 1;
            self.out = self.shared.submit_again(item, failed)?;
        }
        self.used
            .push(chunk.payload.into_buffer(&mut Recycled::default()));
        Ok(())
    }
}

/// The arguments of a call that has only one item.
///
/// They are put in `buffer`, whatever it holds.
pub(super) fn encode_single<F, A, M>(
    name: &'static str,
    arguments: A,
    buffer: Vec<u8>,
) -> Result<Payload>
where
    F: Function<A, M>,
{
    let mut payload = Payload::with_buffer(buffer);
    F::encode(arguments, Encoder(&mut payload))
        .map_err(|failure| TaskError::failed(name, 0, None, failure).of_only_item())?;
    Ok(payload)
}

impl<F, A, M, I> Drop for Call<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    fn drop(&mut self) {
        if self.shared.check_fork().is_ok() {
            let mut state = self.shared.lock();
            let heard = state.calls.get(self.key).map_or(0, |call| call.heard);
            state.detach_call(self.key, false);
            if self.lender.is_some() {
                // What workers have of it runs on, in vain.
                self.shared
                    .with_backends(|backend| backend.own(&mut state, self.key));
            }
            if !self.whole {
                self.shared.end_soon(&mut state, self.key);
            }
            drop(state);
            self.shared.relay.wait_for_logs(heard, Patience::default());
        }
    }
}
