//! A worker ended: which item it cost, and what becomes of the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::chunk::{Chunk, Delivery};
use super::events::failure_kind;
use super::keep::{Failed, How};
use super::link::{InFlight, Link};
use super::output::Written;
use super::rules::Retry;
use super::shared::Shared;
use super::state::{Phase, State};
use super::watch::Doom;
use crate::error::{
    Circumstances, Error, ErrorKind, Fault, MemoryExceeded, PanicReport, TaskError, TaskErrorKind,
};
use crate::shm::{READY, begun};
use crate::sys::{Exit, Usage, now_nanos};

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

    /// What it weighs to be killed, to end otherwise, and to fail in a way that will not change.
    pub(super) const BY_FORCE: u32 = 1;
    pub(super) const BY_ITSELF: u32 = Self::PATIENCE;
    pub(super) const LAST: u32 = Self::LIMIT * Self::PATIENCE;

    pub(super) fn add(&mut self, weight: u32) {
        self.tries += 1;
        self.points += weight;
    }

    pub(super) fn tries(self) -> u32 {
        self.tries
    }

    pub(super) fn is_enough(self) -> bool {
        self.points >= Self::LAST
    }

    /// How often the pause before the next start has doubled; none if no pause is due.
    pub(super) fn doublings(self) -> Option<u32> {
        (self.tries > 0).then_some((self.points / Self::PATIENCE).min(7))
    }
}

/// When so many workers end while an item is first in line, though they say that they have not begun
/// it, it is not believed any more that the item has nothing to do with it.
const SPARED: u32 = 10;

/// Pages at the end of a stack that a function may jump over before it touches one.
const STACK_REACH: u64 = 64 << 10;

/// How a worker ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) exit: Exit,
    pub(super) usage: Usage,
    /// The last lines that it wrote to standard error during the item that it ran.
    pub(super) stderr: String,
    /// The kernel killed a process for want of memory at about that time.
    pub(super) out_of_memory: bool,
    /// Why it never became ready, if that is known from the worker or from those who killed it.
    pub(super) reason: Option<String>,
}

impl Shared {
    /// Takes a dead worker out of the pool.
    pub(super) fn bury(&self, state: &mut State, id: u64, mut end: End) {
        let Some(index) = state.links.iter().position(|link| link.id == id) else {
            return;
        };
        let mut link = state.links.remove(index);
        // All that it published before its end counts.
        self.read(state, &mut link);
        // The rest of what it logged was taken in when it was found to have ended.
        let heard = link.hear(&mut state.litter);
        for one in &link.in_flight {
            state.heard(one.chunk.call, heard);
        }
        if let Some(process) = &link.process {
            // Its result may have been read before.
            state.heard(process.call, heard);
        }
        let written = link.written_at_last();
        end.stderr.clone_from(&written.tail);
        let words = &link.lane.worker;
        let begun = begun(&words.started.0, Ordering::Acquire);
        // Whatever ends a process ends its call.
        let own = link.process.is_some();
        // It cannot have begun fewer items than it has done.
        let blamed = link.corrupt && link.doom != Some(Doom::Unwanted);
        let running = begun != link.items_done || blamed || own;
        let was_ready = link.greeted || words.ready.load(Ordering::Acquire) == READY;
        let barren = !own && !was_ready && link.items_done == 0;

        let mut ended_by = None;
        let mut unfinished: Vec<InFlight> = link.in_flight.drain(..).collect();
        if let Some(reason) = end.reason.as_ref().filter(|_| own) {
            for one in unfinished.drain(..) {
                let reason = reason.clone();
                let error = Error::new(ErrorKind::Start { reason });
                state.deliver(one.chunk.call, Delivery::Aborted(error));
                state.finish(one.chunk);
            }
        }
        if let Some(front) = unfinished.first_mut()
            && front.done < front.chunk.count
            && (was_ready || own)
        {
            let unwanted = link.doom == Some(Doom::Unwanted) || state.phase == Phase::Closed;
            front.chunk.history.spared += u32::from(!running && !unwanted);
            if running || front.chunk.is_hook() || front.chunk.history.spared >= SPARED {
                ended_by = self.settle(state, &link, front, &end, written);
            }
        } else if was_ready && link.doom.is_none() && !link.init.is_done() {
            // It is not known yet what the init function said.
            let exit = end.exit;
            self.init_died(
                state,
                &link,
                TaskErrorKind::Crashed { exit, fault: None },
                &end,
            );
        }
        for one in unfinished.into_iter().rev() {
            self.put_back(state, one);
        }
        if self.setup.actor.is_some() {
            self.actor_ended(state, &link, end, ended_by);
            self.feed(state);
            state.ringer.ring();
            return;
        }

        if barren && link.doom.is_none() && state.phase != Phase::Closed {
            let by_force = end.exit == Exit::KILLED && end.reason.is_none();
            state.barren.add(if by_force {
                Barren::BY_FORCE
            } else {
                Barren::BY_ITSELF
            });
            let exit = end.exit;
            let when = if link.greeted {
                ""
            } else {
                " before it was ready"
            };
            let usual = || format!("a new worker {exit}{when}");
            let reason = end.reason.unwrap_or_else(usual);
            self.give_up_if_barren(state, &reason);
        } else if !barren {
            state.barren = Barren::default();
        }
        self.feed(state);
        state.ringer.ring();
    }

    /// What becomes of the item that the worker was running; gives the error of one that ended it.
    fn settle(
        &self,
        state: &mut State,
        link: &Link,
        front: &mut InFlight,
        end: &End,
        written: Written,
    ) -> Option<TaskError> {
        // If it ended for something else, the item is run by another worker.
        let kind = cause(state, link, Some(&front.chunk), end)?;
        if front.chunk.is_hook() {
            self.init_died(state, link, kind, end);
            return None;
        }
        let call = front.chunk.call;
        let arguments = self.table.arguments(front.chunk.function);
        let before = front.chunk.take_items(front.done, arguments);
        state.give_back(before);
        let mut item = front.chunk.take_item(arguments);
        front.done = 0;

        item.history.kills += 1;
        let exceeded = matches!(kind, TaskErrorKind::MemoryExceeded(_));
        item.history.exceeded += u32::from(exceeded);
        let panicked = matches!(kind, TaskErrorKind::Panicked { .. });
        let wanted = state.wants(call, item.first);
        let rules = state.rules_of(&item).map(|rules| &**rules);
        let retry = match rules {
            Some(rules) if !panicked && wanted && self.may_start_again(state) => {
                rules.retry(item.history)
            }
            _ => Retry::No,
        };
        let name = self.table.name(item.function);
        let mut error = TaskError::new(name, item.known_index(), Some(link.pid), kind)
            .in_attempt(item.history.attempt)
            .under(circumstances(link, end));
        let ended_by = error.clone();
        if retry == Retry::Quarantined {
            error = error.quarantined();
        }
        self.count_crash(state, &error);
        let again = state.broken.is_none() && state.phase != Phase::Closed;
        let again = again && matches!(retry, Retry::After(_));
        state.tell_failure(call, link.slot, item.first, &error, again);
        match retry {
            Retry::After(pause) if again => {
                item.history.attempt += 1;
                state.tell_retry(&item, pause, false, Some(failure_kind(&ended_by)));
                self.delay(state, item, pause);
            }
            _ => {
                state.keep_written(call, item.first, written);
                let how = How::Died(error);
                self.fail(state, Failed { item, how }, wanted);
            }
        }
        Some(ended_by)
    }

    /// Ends all calls when the budget of the pool is used up.
    pub(super) fn count_crash(&self, state: &mut State, error: &TaskError) {
        #[cfg(feature = "mpi")]
        state.events.forward_crash(error);
        state.crashes = state.crashes.saturating_add(1);
        if let Some(budget) = self.setup.crash_budget
            && state.crashes > budget
            && state.broken.is_none()
        {
            let error = Error::new(ErrorKind::CrashBudget {
                budget,
                last: error.clone(),
            });
            self.break_down(state, error);
        }
    }

    /// The pool takes no more work; what waits is dropped.
    pub(super) fn break_down(&self, state: &mut State, error: Error) {
        state.abort_calls(&error);
        state.cancel_all();
        state.broken = Some(error);
        state.wanted = 0;
    }

    /// What was not begun is run by another worker.
    fn put_back(&self, state: &mut State, one: InFlight) {
        let InFlight {
            mut chunk, done, ..
        } = one;
        if chunk.is_hook() {
            return;
        }
        if done > 0 {
            let arguments = self.table.arguments(chunk.function);
            let before = chunk.take_items(done, arguments);
            state.give_back(before);
        }
        if chunk.count == 0 {
            state.finish(chunk);
        } else if state.phase == Phase::Closed
            || !chunk.tasks && !state.wants(chunk.call, chunk.first)
        {
            state.drop_chunk(chunk);
        } else {
            state.queue.push_front(chunk);
        }
    }

    /// A worker could not be started at all.
    pub(super) fn start_failed(&self, state: &mut State, reason: &str) {
        if self.setup.actor.is_some() {
            self.actor_not_started(state, reason.to_owned(), None);
            state.ringer.ring();
            return;
        }
        state.barren.add(Barren::BY_ITSELF);
        self.give_up_if_barren(state, reason);
        self.feed(state);
        state.ringer.ring();
    }

    /// The pool can go on no more.
    pub(super) fn abandon(&self, reason: &str) {
        let mut state = self.lock();
        state.phase = Phase::Closed;
        state.starts.clear();
        state.abort_calls(&Error::new(ErrorKind::Start {
            reason: reason.to_owned(),
        }));
        state.ringer.ring();
        drop(state);
        self.courier.notify_all();
        self.keeper.notify_all();
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

/// What ended the worker, in the middle of an item of `chunk` if there is one; none if it was not that item.
pub(super) fn cause(
    state: &State,
    link: &Link,
    chunk: Option<&Chunk>,
    end: &End,
) -> Option<TaskErrorKind> {
    if link.corrupt && link.doom != Some(Doom::Unwanted) {
        return Some(TaskErrorKind::Corrupted);
    }
    let killed = end.exit == Exit::KILLED;
    // What it has done is what the parent has read, and nothing that the worker says.
    let same = |done: u64| done == link.items_done;
    match link.doom.filter(|_| killed) {
        Some(Doom::Late { done, limit }) => {
            return same(done).then_some(TaskErrorKind::TimedOut { limit });
        }
        Some(Doom::Large { done, limit, peak }) => {
            let exceeded = MemoryExceeded {
                limit: Some(limit),
                peak,
                by_kernel: false,
            };
            return same(done).then_some(TaskErrorKind::MemoryExceeded(exceeded));
        }
        Some(Doom::Unwanted) => return None,
        None => {}
    }
    let limit = chunk.and_then(|chunk| state.rules_of(chunk)?.memory_for(chunk.history));
    if killed && end.out_of_memory {
        return Some(TaskErrorKind::MemoryExceeded(MemoryExceeded {
            limit,
            peak: end.usage.peak,
            by_kernel: true,
        }));
    }
    // Other panics were caught by the task, or by another thread of it, before what ended it came.
    let report = link.lane.last_words().get();
    let report = report.and_then(|text| postcard::from_bytes::<PanicReport>(&text).ok());
    if let Some(report) = report.filter(|report| report.fatal && end.exit == Exit::ABORT) {
        return Some(TaskErrorKind::Panicked {
            report,
            aborted: true,
        });
    }
    if end.exit == Exit::ABORT
        && let Some(asked) = failed_allocation(&end.stderr)
    {
        return Some(TaskErrorKind::MemoryExceeded(MemoryExceeded {
            limit,
            peak: asked,
            by_kernel: false,
        }));
    }
    let record = &link.lane.worker.fault;
    let recorded = record.signal.load(Ordering::Acquire);
    let fault = (end.exit == Exit::Signal(recorded as i32)).then(|| {
        let address = record.address.load(Ordering::Relaxed);
        let stack = record.stack.load(Ordering::Relaxed);
        Fault {
            address,
            stack_overflow: address.abs_diff(stack) < STACK_REACH,
        }
    });
    Some(TaskErrorKind::Crashed {
        exit: end.exit,
        fault,
    })
}

/// What is known of an item that ended its worker.
pub(super) fn circumstances(link: &Link, end: &End) -> Circumstances {
    let words = &link.lane.worker;
    let began = words.began.load(Ordering::Relaxed);
    let wall = now_nanos().checked_sub(began).filter(|_| began != 0);
    let before = Duration::from_nanos(words.cpu.load(Ordering::Relaxed));
    Circumstances {
        wall: wall.map(Duration::from_nanos),
        cpu: end.usage.cpu.checked_sub(before),
        peak: Some(end.usage.peak).filter(|peak| *peak > 0),
        stderr: link.last_lines(&end.stderr),
    }
}

/// How many bytes an allocation asked for that there were not: what Rust's standard library says
/// before it aborts.
fn failed_allocation(stderr: &str) -> Option<u64> {
    let bytes = |line: &str| {
        let rest = line.strip_prefix("memory allocation of ")?;
        rest.strip_suffix(" bytes failed")?.parse().ok()
    };
    // A backtrace may stand behind it.
    stderr.lines().rev().find_map(bytes)
}
