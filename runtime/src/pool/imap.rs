//! Lazy calls: results are given one by one while later items are still being read.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;

use super::call::Call;
use super::order::Order;
use crate::error::{Error, TaskError};
use crate::registry::Function;

/// Items that are read ahead of the results that were taken, unless set otherwise.
pub(super) const READ_AHEAD: usize = 1024;

/// The results of [`Pool::imap`](crate::Pool::imap), in the order of the items.
///
/// Items are read and run while results are taken. Dropping it ends the call: items that wait are
/// dropped, and workers that run some of them are killed unless they end them in a moment.
#[must_use = "nothing is run before the first result is asked for"]
pub struct Imap<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    call: Call<F, A, M, I>,
    ready: VecDeque<Result<F::Output, TaskError>>,
    order: Order<Result<F::Output, TaskError>>,
    next: usize,
    over: bool,
}

/// The results of [`Pool::imap_unordered`](crate::Pool::imap_unordered), with their indexes, as
/// they come.
///
/// Items are read and run while results are taken. Dropping it ends the call: items that wait are
/// dropped, and workers that run some of them are killed unless they end them in a moment.
#[must_use = "nothing is run before the first result is asked for"]
pub struct ImapUnordered<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    call: Call<F, A, M, I>,
    ready: VecDeque<(usize, Result<F::Output, TaskError>)>,
    over: bool,
}

impl<F, A, M, I> Imap<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    pub(super) fn new(call: Call<F, A, M, I>) -> Self {
        Self {
            call,
            ready: VecDeque::new(),
            order: Order::default(),
            next: 0,
            over: false,
        }
    }

    /// Waits for some results; false when there are no more.
    fn refill(&mut self) -> Result<bool, Error> {
        let (order, ready) = (&mut self.order, &mut self.ready);
        let more = self
            .call
            .next_results(Some(order.turn()), |index, result, _| {
                if order.is_next(index) {
                    ready.push_back(result);
                } else {
                    order.keep(index, result);
                }
            })?;
        while let Some((_, results)) = order.take() {
            ready.extend(results);
        }
        Ok(more)
    }
}

impl<F, A, M, I> Iterator for Imap<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    type Item = Result<F::Output, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.over {
            match self.refill() {
                Ok(more) => self.over = !more,
                Err(error) => {
                    self.over = true;
                    let cancelled = TaskError::cancelled(self.call.name(), self.next, &error);
                    return Some(Err(cancelled));
                }
            }
        }
        let result = self.ready.pop_front()?;
        self.next += 1;
        self.call.yielded += 1;
        if self.ready.is_empty() {
            self.call.leave_to_courier();
        }
        Some(result)
    }
}

impl<F, A, M, I> ImapUnordered<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    pub(super) fn new(call: Call<F, A, M, I>) -> Self {
        Self {
            call,
            ready: VecDeque::new(),
            over: false,
        }
    }
}

impl<F, A, M, I> Iterator for ImapUnordered<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    type Item = (usize, Result<F::Output, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.over {
            let ready = &mut self.ready;
            match self
                .call
                .next_results(None, |index, result, _| ready.push_back((index, result)))
            {
                Ok(more) => self.over = !more,
                Err(error) => {
                    self.over = true;
                    let index = self.call.yielded;
                    let cancelled = TaskError::cancelled(self.call.name(), index, &error);
                    return Some((index, Err(cancelled)));
                }
            }
        }
        let result = self.ready.pop_front()?;
        self.call.yielded += 1;
        if self.ready.is_empty() {
            self.call.leave_to_courier();
        }
        Some(result)
    }
}

impl<F, A, M, I> FusedIterator for Imap<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
}

impl<F, A, M, I> FusedIterator for ImapUnordered<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
}

impl<F, A, M, I> fmt::Debug for Imap<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl<F, A, M, I> fmt::Debug for ImapUnordered<F, A, M, I>
where
    F: Function<A, M>,
    I: Iterator<Item = A>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapUnordered").finish_non_exhaustive()
    }
}
