//! A worker ended: which item it cost, and what becomes of the others.

use std::sync::atomic::Ordering;

use super::chunk::{Chunk, Delivery};
use super::link::{InFlight, Link};
use super::shared::Shared;
use super::state::{Phase, State};
use crate::error::{Error, ErrorKind, Fault, PanicReport, TaskError, TaskErrorKind};
use crate::sys::Exit;

/// Workers that ended one after the other before they had begun an item, and starts that failed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Barren {
    tries: u32,
    points: u32,
}

impl Barren {
    /// Of ends that are the worker's own, so many are enough for the pool to report the reason.
    const LIMIT: u32 = 3;
    /// Being killed says little about the program: it takes so many times as many.
    const PATIENCE: u32 = 8;

    fn add(&mut self, killed: bool) {
        self.tries += 1;
        self.points += if killed { 1 } else { Self::PATIENCE };
    }

    fn is_enough(self) -> bool {
        self.points >= Self::LIMIT * Self::PATIENCE
    }

    /// How often the pause before the next start has doubled; none if no pause is due.
    pub(super) fn doublings(self) -> Option<u32> {
        (self.tries > 0).then_some((self.points / Self::PATIENCE).min(7))
    }
}

/// Pages at the end of a stack that a function may jump over before it touches one.
const STACK_REACH: u64 = 64 << 10;

impl Shared {
    /// Takes a dead worker out of the pool. `reason` is why it never became ready, if it did not.
    pub(super) fn bury(&self, state: &mut State, id: u64, exit: Exit, reason: Option<String>) {
        let Some(index) = state.links.iter().position(|link| link.id == id) else {
            return;
        };
        let mut link = state.links.remove(index);
        // All that it published before its end counts.
        self.read(state, &mut link);
        let begun = link.lane.worker.started.0.load(Ordering::Acquire);
        let running = begun > link.items_done || link.corrupt;
        let barren = begun == 0 && link.items_done == 0 && (!link.greeted || !link.idle());

        let mut unfinished: Vec<InFlight> = link.in_flight.drain(..).collect();
        if let Some(front) = unfinished.first_mut()
            && running
            && front.done < front.chunk.count
        {
            let item = front.chunk.first + front.done as usize;
            let kind = cause(&link, exit);
            let name = self.table.name(front.chunk.function);
            let error = TaskError::new(name, item, Some(link.pid), kind);
            front.done += 1;
            state.deliver(front.chunk.call, Delivery::Failed(error));
        }
        for one in unfinished.into_iter().rev() {
            self.put_back(state, one);
        }

        if barren && state.phase != Phase::Closed {
            let by_force = exit == Exit::KILLED && reason.is_none();
            state.barren.add(by_force);
            let reason = reason.unwrap_or_else(|| format!("a new worker {exit}"));
            self.give_up_if_barren(state, &reason);
        } else if !barren {
            state.barren = Barren::default();
        }
        self.feed(state);
        state.ringer.ring();
    }

    /// What was not begun is run by another worker.
    fn put_back(&self, state: &mut State, one: InFlight) {
        let InFlight { chunk, done, .. } = one;
        let wanted = state.wants(chunk.call, chunk.first + done as usize);
        if done == chunk.count || !wanted || state.phase == Phase::Closed {
            return state.finish(chunk);
        }
        let Chunk {
            call,
            function,
            first,
            count,
            mut payload,
        } = chunk;
        payload.drop_arguments(done as usize * self.table.arguments(function));
        let (first, count) = (first + done as usize, count - done);
        state.queue.push_front(Chunk {
            call,
            function,
            first,
            count,
            payload,
        });
    }

    /// A worker could not be started at all.
    pub(super) fn start_failed(&self, state: &mut State, reason: &str) {
        state.barren.add(false);
        self.give_up_if_barren(state, reason);
        self.feed(state);
        state.ringer.ring();
    }

    /// The pool can go on no more.
    pub(super) fn abandon(&self, reason: &str) {
        let mut state = self.lock();
        state.phase = Phase::Closed;
        state.abort_calls(&Error::new(ErrorKind::Start {
            reason: reason.to_owned(),
        }));
        state.ringer.ring();
        drop(state);
        self.courier.notify_all();
        self.notify.notify();
    }

    fn give_up_if_barren(&self, state: &mut State, reason: &str) {
        // As long as another worker does its work the pool goes on with that.
        let working = state.links.iter().any(|link| link.greeted);
        if state.barren.is_enough() && !working {
            let tries = std::mem::take(&mut state.barren).tries;
            state.wanted = 0;
            let reason = format!("{reason} (tried {tries} times)");
            state.abort_calls(&Error::new(ErrorKind::Start { reason }));
        }
    }
}

/// What ended the worker in the middle of an item.
fn cause(link: &Link, exit: Exit) -> TaskErrorKind {
    if link.corrupt {
        return TaskErrorKind::Corrupted;
    }
    // Other panics were caught by the task, or by another thread of it, before what ended it came.
    let report = link.lane.panic_text().get();
    let report = report.and_then(|text| postcard::from_bytes::<PanicReport>(&text).ok());
    if let Some(report) = report.filter(|report| report.fatal && exit == Exit::ABORT) {
        return TaskErrorKind::Panicked {
            report,
            aborted: true,
        };
    }
    let record = &link.lane.worker.fault;
    let recorded = record.signal.load(Ordering::Acquire);
    let fault = (exit == Exit::Signal(recorded as i32)).then(|| {
        let address = record.address.load(Ordering::Relaxed);
        let stack = record.stack.load(Ordering::Relaxed);
        Fault {
            address,
            stack_overflow: address.abs_diff(stack) < STACK_REACH,
        }
    });
    TaskErrorKind::Crashed { exit, fault }
}
