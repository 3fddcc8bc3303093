//! What the supervisor's clock is for: time limits of items and calls, the lives of workers, and items
//! that wait to be tried again.
//!
//! A worker says when it began the item that it runs. That is as trustworthy as the worker: who
//! writes a later time there lives longer, but not for ever, since the parent also knows by its own
//! clock when it saw the last item done. A worker that stands still between two items is found the
//! same way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::chunk::Ending;
use super::link::Link;
use super::shared::Shared;
use super::state::{Phase, State, Whose};
use crate::shm::begun;
use crate::sys::now_nanos;

/// So much longer than an item may run is a worker left alone that shows no progress but claims to
/// have begun an item late.
const STALL_NANOS: u64 = 1_000_000_000;

/// Why a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doom {
    /// The item behind the `done` ones that it has done ran too long.
    Late { done: u64, limit: Duration },
    /// It used too much memory.
    Large { done: u64, limit: u64, peak: u64 },
    /// What it runs is not wanted any more.
    Unwanted,
}

impl Shared {
    /// Has the supervisor look at `at`, or before.
    pub(super) fn alarm(&self, state: &mut State, at: u64) {
        if at < state.alarm {
            state.alarm = at;
            self.notify.notify();
        }
    }

    /// Has the supervisor kill a worker. What it has not begun goes elsewhere at once.
    pub(super) fn doom(&self, state: &mut State, id: u64, doom: Doom) {
        let Some(link) = state.links.iter_mut().find(|link| link.id == id) else {
            return;
        };
        if link.doom.is_some() {
            return;
        }
        link.doom = Some(doom);
        self.take_back(state, |link| link.id == id);
        state.condemned.push(id);
        self.notify.notify();
    }

    /// Dooms workers that are too late or too large, ends calls whose time is over, and sends items
    /// that have waited long enough. Gives the time of the next look, in nanoseconds.
    pub(super) fn watch(&self) -> u64 {
        let now = now_nanos();
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return u64::MAX;
        }
        // Nothing is planned yet; who gives work to a worker meanwhile says so here.
        state.alarm = u64::MAX;
        let mut next = self.end_late_calls(&mut state, now);
        next = next.min(self.end_graces(&mut state, now));
        next = next.min(self.send_delayed(&mut state, now));
        next = next.min(self.doom_late(&mut state, now));
        next = next.min(self.end_lives(&mut state, now));
        next = next.min(self.kill_due(&mut state, now));
        next = next.min(self.next_look_at_inits(&state, now));
        next = next.min(self.restart_actor(&mut state, now));
        self.feed(&mut state);
        state.alarm = state.alarm.min(next);
        state.alarm
    }

    fn end_late_calls(&self, state: &mut State, now: u64) -> u64 {
        while let Some((at, key)) = state.deadlines.first().copied() {
            if at > now {
                return at;
            }
            state.deadlines.pop_first();
            let limit = state.calls.get(key).and_then(|call| call.deadline);
            if let Some((_, limit)) = limit {
                self.end_call(state, key, Ending::TimedOut(limit));
            }
        }
        u64::MAX
    }

    fn end_graces(&self, state: &mut State, now: u64) -> u64 {
        let over: Vec<_> = state
            .graces
            .extract_if(.., |grace| grace.until <= now)
            .collect();
        if !over.is_empty() {
            self.pump(state);
        }
        for grace in over {
            let number = match grace.whose {
                Whose::Chunk(number) => number,
                Whose::Task(key) => {
                    self.end_running_task(state, grace.link, key);
                    continue;
                }
            };
            let link = state.links.iter().find(|link| link.id == grace.link);
            match link.and_then(|link| link.position(number)) {
                Some(0) => self.doom(state, grace.link, Doom::Unwanted),
                Some(_) => self.grace(state, grace.link, number),
                None => {}
            }
        }
        let rest = state.graces.iter().map(|grace| grace.until);
        rest.min().unwrap_or(u64::MAX)
    }

    fn send_delayed(&self, state: &mut State, now: u64) -> u64 {
        let due: Vec<_> = state.delayed.extract_if(.., |(at, _)| *at <= now).collect();
        state.queue.extend(due.into_iter().map(|(_, chunk)| chunk));
        let rest = state.delayed.iter().map(|(at, _)| *at);
        rest.min().unwrap_or(u64::MAX)
    }

    fn doom_late(&self, state: &mut State, now: u64) -> u64 {
        let mut next = u64::MAX;
        let mut late = Vec::new();
        let mut links = std::mem::take(&mut state.links);
        for link in &mut links {
            let Some((limit, mut end)) = time_of(state, link, now) else {
                continue;
            };
            if end <= now {
                // It may have ended the item just now.
                self.read(state, link);
                end = time_of(state, link, now).map_or(u64::MAX, |(_, end)| end);
            }
            if end <= now {
                let limit = Duration::from_nanos(limit);
                let done = link.items_done;
                late.push((link.id, Doom::Late { done, limit }));
            } else {
                next = next.min(end);
            }
        }
        state.links = links;
        for (id, doom) in late {
            self.doom(state, id, doom);
        }
        next
    }
}

/// How long the front item of a worker may take, and when that time is over or is to be looked at
/// again.
fn time_of(state: &State, link: &mut Link, now: u64) -> Option<(u64, u64)> {
    if link.doom.is_some() || !link.greeted {
        // How long a new worker may take is another matter; it is looked at when it has greeted.
        return None;
    }
    let chunk = &link.in_flight.front()?.chunk;
    let rules = state.rules_of(chunk)?;
    let limit = rules.timeout_nanos()?;
    let progress = link.progress();
    if link.seen.0 != progress {
        link.seen = (progress, now);
    }
    let stall = link
        .seen
        .1
        .saturating_add(limit)
        .saturating_add(STALL_NANOS);
    let words = &link.lane.worker;
    let running = begun(&words.started.0, Ordering::Acquire) > link.items_done;
    let began = words.began.load(Ordering::Relaxed);
    // 0 also while it waits for us, in the middle of a large argument or result.
    let end = if running && began != 0 {
        began.min(now).saturating_add(limit)
    } else {
        now.saturating_add(limit)
    };
    Some((limit, end.min(stall)))
}
