//! The worker processes of this machine.

use std::sync::atomic::Ordering;

use super::{Backend, Bid, Soon};
use crate::pool::chunk::{Chunk, Ending};
use crate::pool::death::Barren;
use crate::pool::hooks::{INIT, Progress};
use crate::pool::link::{Link, News};
use crate::pool::rules::Retry;
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::pool::tasks::TaskKey;
use crate::pool::watch::Doom;
use crate::shm::{Corrupt, RING_BYTES};
use crate::sys::now_nanos;

/// A worker has the next chunk before it ends the current one; more than that only if they are
/// short, so that no worker is left with a long queue.
const DEEP: usize = 32;
const DEEP_NANOS: f64 = 2_000_000.0;
/// A larger chunk does not wait behind another one: it could fill the ring, and then it could not be
/// taken back for a worker that is free.
const WAITING_BYTES: usize = RING_BYTES / 2;
/// Tasks that are given at once are meant to take this long: more than handing them over costs, and no
/// time that anybody would notice.
const TASKS_NANOS: f64 = 100_000.0;
/// How long to spin for the next message while a core is free for it: about the time that waking a
/// sleeping process takes.
pub(in crate::pool) const SPIN_NANOS: u32 = 50_000;

/// What was linked together with this program, executed again.
#[derive(Debug)]
pub(in crate::pool) struct Local;

impl Backend for Local {
    fn bid(&self, shared: &Shared, state: &State, chunk: &Chunk) -> Option<Bid> {
        if !shared.takes(state, chunk) {
            return None;
        }
        let links = &state.links;
        let (soon, place) = choose(state, chunk, shared.may_employ(state, links, chunk))?;
        Some(Bid {
            soon,
            place,
            tasks_nanos: TASKS_NANOS,
            room: links[place].quota,
        })
    }

    fn give(&self, shared: &Shared, state: &mut State, place: usize, chunk: Chunk) {
        let mut links = std::mem::take(&mut state.links);
        shared.give(state, &mut links[place], chunk);
        state.links = links;
    }

    fn take_in(&self, shared: &Shared, state: &mut State) -> bool {
        let mut came = false;
        let mut links = std::mem::take(&mut state.links);
        // An idle one has nothing to say.
        for link in links.iter_mut().filter(|link| !link.idle()) {
            came |= shared.read(state, link);
        }
        state.links = links;
        came
    }

    fn write_on(&self, shared: &Shared, state: &mut State) -> bool {
        let mut wrote = false;
        let mut links = std::mem::take(&mut state.links);
        for link in links.iter_mut().filter(|link| !link.corrupt) {
            match link.write_on() {
                Ok(true) => {
                    wrote = true;
                    link.ring();
                }
                Ok(false) => {}
                Err(Corrupt) => shared.condemn(state, link),
            }
        }
        state.links = links;
        wrote
    }

    fn has_waiting(&self, state: &State) -> bool {
        let could = |link: &Link| link.has_waiting() || link.could_give();
        state.links.iter().any(could)
    }

    fn rebalance(&self, shared: &Shared, state: &mut State) -> bool {
        let mut links = std::mem::take(&mut state.links);
        let queued = shared.take_back_for_idle(state, &mut links);
        state.links = links;
        queued
    }

    fn settle(&self, shared: &Shared, state: &mut State) {
        let mut links = std::mem::take(&mut state.links);
        shared.dismiss_leaving(state, &mut links);
        shared.allow_spinning(&links);
        state.links = links;
    }

    fn staff(&self, shared: &Shared, state: &mut State) {
        shared.want_workers(state);
    }

    fn revoke(&self, state: &mut State, call: Option<usize>, end: usize, dropped: &mut Vec<Chunk>) {
        let concerned = |chunk: &Chunk, done: usize| {
            call.is_none_or(|call| chunk.call == call) && chunk.first + done >= end
        };
        for link in &mut state.links {
            link.revoke_if(|chunk| concerned(chunk, 0), dropped);
            link.cut(concerned);
        }
    }

    fn end_calls(&self, shared: &Shared, state: &mut State, concerned: &dyn Fn(usize) -> bool) {
        let holders = state.links.iter().filter_map(|link| {
            let (number, begun) = link.holds(concerned)?;
            Some((link.id, number, begun))
        });
        for (id, number, begun) in holders.collect::<Vec<_>>() {
            if begun {
                shared.doom(state, id, Doom::Unwanted);
            } else {
                shared.grace(state, id, number);
            }
        }
    }

    fn end_soon(&self, shared: &Shared, state: &mut State, call: usize) {
        let holders = state.links.iter();
        let holders = holders.filter_map(|link| Some((link.id, link.holds(|key| key == call)?.0)));
        for (id, number) in holders.collect::<Vec<_>>() {
            shared.grace(state, id, number);
        }
    }

    fn end_task(&self, shared: &Shared, state: &mut State, key: TaskKey, ending: Ending) -> bool {
        if state.links.iter().any(|link| link.has_task(key)) {
            shared.take_back_from(state, key);
        }
        let holder = state.links.iter().find(|link| link.has_task(key));
        let Some(id) = holder.map(|link| link.id) else {
            return false;
        };
        // Others call an actor too: it goes on, and the result is dropped.
        if shared.setup.actor.is_some() {
            return false;
        }
        if state.mark_ended(key, ending) {
            shared.end_running_task(state, id, key);
        }
        true
    }

    fn own(&self, state: &mut State, call: usize) {
        for link in &mut state.links {
            link.own(call);
        }
    }
}

impl Shared {
    /// Reads what one worker wrote.
    pub(in crate::pool) fn read(&self, state: &mut State, link: &mut Link) -> bool {
        if link.corrupt {
            return false;
        }
        let mut news = std::mem::take(&mut state.news);
        let calls = &state.calls;
        let recycled = &mut state.recycled;
        let landing = |call: usize, len: usize| match calls.get(call) {
            Some(call) => (call.landing)(len, recycled),
            None => self.hooks.landing(call, len, recycled),
        };
        let more = link.read(landing, &mut state.buffers, &mut news);
        if more == Err(Corrupt) {
            self.condemn(state, link);
        }
        self.let_go(state, link);
        let came = !news.is_empty();
        let heard = if came {
            link.hear(&mut state.litter)
        } else {
            0
        };
        for one in news.drain(..) {
            match one {
                News::Mail {
                    call: INIT,
                    delivery,
                    ..
                } => {
                    link.init = Progress::Answered(Box::new(delivery));
                    self.notify.notify();
                }
                News::Mail {
                    call,
                    delivery,
                    results,
                    bytes,
                } => {
                    state.heard(call, heard);
                    if results > 0 {
                        state.tell_results(call, link.slot, results, bytes);
                    }
                    state.deliver(call, delivery);
                }
                News::Said(said) => self.tell_said(state, link.slot, &said),
                News::Timed(call, spans) => state.tell_spans(call, link.slot, spans),
                News::Done(chunk, _, nanos) if chunk.call == INIT => {
                    state.tell_worker_initialized(link, nanos);
                }
                News::Written(call, index, written) => state.keep_written(call, index, written),
                News::Done(chunk, _, nanos) if chunk.is_hook() => {
                    state.tell_worker_finalized(link, nanos);
                }
                News::Failed(failed) => {
                    let wanted = state.wants(failed.item.call, failed.item.first);
                    state.heard(failed.item.call, heard);
                    self.fail(state, failed, wanted);
                }
                News::Done(mut chunk, done, nanos) => {
                    state.tell_done(link.slot, &chunk, done, nanos);
                    state.barren = Barren::default();
                    if done > 0 {
                        state.learn_cost(chunk.function, nanos as f64 / f64::from(done));
                    }
                    self.limit_end(state, link, chunk.call);
                    if done < chunk.count {
                        // It was cut: nobody wants the rest.
                        let ran = self.split(&mut chunk, done);
                        state.give_back(ran);
                        state.drop_chunk(chunk);
                    } else {
                        state.finish(chunk);
                    }
                }
            }
        }
        if came && link.idle() {
            link.tell_kept();
            self.note_life(state, link);
        }
        state.news = news;
        came || more == Ok(true)
    }

    /// What a running item names is the worker's alone from when it has begun, so that its end, or its drop
    /// there, is seen by who waits for it. One that may be tried again is kept whole.
    fn let_go(&self, state: &mut State, link: &mut Link) {
        let Some(chunk) = link.begun_waits() else {
            return;
        };
        let again = state
            .rules_of(chunk)
            .is_some_and(|rules| rules.retry(chunk.history) != Retry::No);
        let retained = state.is_retained(chunk.call);
        if !again && !retained && !self.keeps() {
            state.put_out(chunk.payload.take_objects());
        }
    }

    /// A worker whose memory holds impossible values is killed; the supervisor sees it end.
    fn condemn(&self, state: &mut State, link: &mut Link) {
        link.corrupt = true;
        state.condemned.push(link.id);
        self.notify.notify();
    }

    fn dismiss_leaving(&self, state: &mut State, links: &mut [Link]) {
        for link in links.iter_mut().filter(|link| link.is_leaving()) {
            self.dismiss(state, link);
        }
    }

    /// Tells the workers whether there are CPUs for those that wait.
    fn allow_spinning(&self, links: &[Link]) {
        let spin = if busy(links) < self.cpus {
            SPIN_NANOS
        } else {
            0
        };
        let word = &self.pool.words.spin.0;
        // A store would take the line from all the workers that look at it.
        if word.load(Ordering::Relaxed) != spin {
            word.store(spin, Ordering::Relaxed);
        }
    }

    /// What such workers have not begun is queued again, before all others.
    pub(in crate::pool) fn take_back(&self, state: &mut State, concerned: impl Fn(&Link) -> bool) {
        let (mut back, mut rests) = (Vec::new(), Vec::new());
        for link in state.links.iter_mut().filter(|link| concerned(link)) {
            let rest = link.take_rest(|chunk, count| self.split(chunk, count));
            rests.extend(rest.as_ref().map(|rest| rest.call));
            back.extend(rest);
            link.revoke_if(|_| true, &mut back);
        }
        for call in rests {
            state.count_out(call);
        }
        for chunk in back.into_iter().rev() {
            state.queue.push_front(chunk);
        }
    }

    /// What a worker has not begun of the chunk that has the task is queued, before all others.
    pub(in crate::pool) fn take_back_from(&self, state: &mut State, key: TaskKey) {
        let holder = state.links.iter().find(|link| link.has_task(key));
        if let Some(id) = holder.map(|link| link.id) {
            // All of it, so that the order stays: the worker may be killed.
            self.take_back(state, |link| link.id == id);
        }
    }

    /// True when an idle worker may be given something: spare ones are more than may work at once.
    pub(in crate::pool) fn may_begin(&self, state: &State, links: &[Link]) -> bool {
        let working = links.iter().filter(|link| link.works());
        working.count() < self.limit(state)
    }

    pub(in crate::pool) fn give(&self, state: &mut State, link: &mut Link, chunk: Chunk) {
        state.clock += 1;
        link.used = state.clock;
        if state.led && state.has_partial_news(&chunk) {
            // The leader may have gone to sleep without a reason to look by itself.
            state.ringer.ring();
        }
        let rules = state.rules_of(&chunk);
        let watched = rules.is_some_and(|rules| rules.is_watched());
        let timeout = rules.and_then(|rules| rules.timeout_nanos());
        let limited = rules.is_some_and(|rules| rules.memory.is_some());
        if limited || self.setup.lifespan.memory.is_some() {
            self.wake_gauge(state);
        }
        if let Some(timeout) = timeout {
            self.alarm(state, now_nanos().saturating_add(timeout));
        }
        let divisible = self.is_divisible(state, link, &chunk);
        state.tell_given(link.slot, &chunk);
        let timed = state.events.timed && !chunk.is_hook();
        let context = if chunk.is_hook() {
            self.context_of_hooks()
        } else {
            state.context_of(&chunk)
        };
        let levels = context.levels();
        link.listen(&chunk, self.table.name(chunk.function), &context);
        match link.give(chunk, watched, divisible, timed, levels) {
            Ok(()) => link.ring(),
            Err(Corrupt) => self.condemn(state, link),
        }
    }

    /// As many workers as there are chunks and items behind others, up to the pool's size, and the spare
    /// ones.
    fn want_workers(&self, state: &mut State) {
        // What waits to be tried again needs nobody yet, and what others have needs nobody here.
        let work = state.outstanding - state.delayed.len() - state.away;
        #[cfg(feature = "mpi")]
        let work = if self.is_reserved(state) {
            if !state.bound {
                // Nothing is for them.
                return;
            }
            let own = state.queue.iter().filter(|chunk| self.takes(state, chunk));
            own.count()
                + state
                    .links
                    .iter()
                    .map(|link| link.in_flight.len())
                    .sum::<usize>()
        } else {
            work
        };
        if work == 0 || self.setup.one_each {
            return;
        }
        // What the end of one means that is killed in the init function is decided when it is gone.
        let staying = |link: &&Link| link.stays() || !link.init.is_done();
        let staying = state.links.iter().filter(staying).count();
        let have = staying + state.starting + state.wanted;
        let limit = self.limit(state);
        if have >= limit + self.setup.spares {
            return;
        }
        let behind: u64 = state.links.iter().map(Link::behind).sum();
        let useful = limit.min(work + behind as usize) + self.setup.spares;
        if useful > have {
            state.wanted += useful - have;
            self.notify.notify();
        }
    }

    /// True when a thread of ours may spin without taking the core of a worker.
    pub(in crate::pool) fn may_spin(&self, state: &State) -> bool {
        busy(&state.links) < self.cpus
    }
}

/// The worker that the next chunk goes to: of the idle ones the one that was busy last, since its
/// core is awake; else the one with the least to do, if it has not enough already.
fn choose(state: &State, next: &Chunk, may_employ: bool) -> Option<(Soon, usize)> {
    let able = || {
        let links = state.links.iter().enumerate();
        links.filter(|(_, link)| link.takes_more())
    };
    let idle = able()
        .filter(|(_, link)| may_employ && link.idle())
        .max_by_key(|(_, link)| link.used);
    if let Some((index, _)) = idle {
        return Some((Soon::Idle, index));
    }
    if next.payload.len() > WAITING_BYTES || next.payload.waits() {
        return None;
    }
    let nanos = |chunk: &Chunk| Some(state.cost(chunk.function)? * f64::from(chunk.count));
    let load = |link: &Link| {
        link.in_flight
            .iter()
            .map(|one| nanos(&one.chunk))
            .sum::<Option<f64>>()
    };
    able()
        .filter(|(_, link)| {
            let queued = if link.has_waits() {
                usize::MAX
            } else {
                link.in_flight.len()
            };
            // An idle one is for the case above.
            queued == 1
                || (1..DEEP).contains(&queued) && load(link).is_some_and(|nanos| nanos < DEEP_NANOS)
        })
        .min_by_key(|(_, link)| link.in_flight.len())
        .map(|(index, _)| (Soon::Queued, index))
}

/// How many workers have something to do.
fn busy(links: &[Link]) -> usize {
    links.iter().filter(|link| !link.idle()).count()
}
