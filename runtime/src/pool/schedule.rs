//! Which worker gets which chunk, and reading what workers wrote.

use std::sync::atomic::Ordering;

use super::chunk::Chunk;
use super::death::Barren;
use super::hooks::{INIT, Progress};
use super::link::{Link, News};
use super::rules::Retry;
use super::shared::Shared;
use super::state::{Phase, State};
use super::tasks::TaskKey;
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
pub(super) const SPIN_NANOS: u32 = 50_000;

impl Shared {
    /// Reads what the workers wrote and gives them what they can take; says whether anything came.
    pub(super) fn pump(&self, state: &mut State) -> bool {
        let mut came = false;
        let mut links = std::mem::take(&mut state.links);
        // An idle one has nothing to say.
        for link in links.iter_mut().filter(|link| !link.idle()) {
            came |= self.read(state, link);
        }
        let could = |link: &Link| link.has_waiting() || link.could_give();
        let waiting = !state.queue.is_empty() || links.iter().any(could);
        if came && !waiting {
            // Nobody can be given anything.
            self.dismiss_leaving(state, &mut links);
            self.allow_spinning(&links);
        }
        state.links = links;
        if waiting {
            came |= self.feed(state);
        }
        came
    }

    /// Reads what one worker wrote.
    pub(super) fn read(&self, state: &mut State, link: &mut Link) -> bool {
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

    /// Gives queued chunks to workers, and has more workers started if that pays. Says whether it wrote
    /// more of a chunk that was begun before.
    pub(super) fn feed(&self, state: &mut State) -> bool {
        if state.phase == Phase::Closed {
            return false;
        }
        let mut links = std::mem::take(&mut state.links);
        let mut wrote = false;
        for link in links.iter_mut().filter(|link| !link.corrupt) {
            match link.write_on() {
                Ok(true) => {
                    wrote = true;
                    link.ring();
                }
                Ok(false) => {}
                Err(Corrupt) => self.condemn(state, link),
            }
        }
        while let Some(next) = state.queue.front()
            && !state.wants(next.call, next.first)
            && let Some(chunk) = state.queue.pop_front()
        {
            // Of tasks others of the chunk may be wanted.
            let wanted = self.portion(state, chunk);
            debug_assert!(wanted.is_none());
        }
        loop {
            while let Some(next) = state.queue.front()
                && let Some(index) =
                    choose(state, &links, next, self.may_employ(state, &links, next))
                && let Some(chunk) = state.queue.pop_front()
            {
                let Some(chunk) = self.portion(state, chunk) else {
                    continue;
                };
                let chunk = self.fit(state, &links[index], chunk);
                self.give(state, &mut links[index], chunk);
            }
            if !self.take_back_for_idle(state, &mut links) {
                break;
            }
        }
        self.dismiss_leaving(state, &mut links);
        self.allow_spinning(&links);
        state.links = links;
        self.want_workers(state);
        wrote
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
    pub(super) fn take_back(&self, state: &mut State, concerned: impl Fn(&Link) -> bool) {
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
    pub(super) fn take_back_from(&self, state: &mut State, key: TaskKey) {
        let holder = state.links.iter().find(|link| link.has_task(key));
        if let Some(id) = holder.map(|link| link.id) {
            // All of it, so that the order stays: the worker may be killed.
            self.take_back(state, |link| link.id == id);
        }
    }

    /// Takes the first items of a chunk out.
    pub(super) fn split(&self, chunk: &mut Chunk, count: u32) -> Chunk {
        chunk.take_items(count, self.table.arguments(chunk.function))
    }

    /// True when an idle worker may be given something: spare ones are more than may work at once.
    pub(super) fn may_begin(&self, links: &[Link]) -> bool {
        let working = links.iter().filter(|link| link.works());
        working.count() < self.workers()
    }

    /// The part of the first chunk of the queue that is given at once, if somebody wants it; the rest is
    /// queued.
    fn portion(&self, state: &mut State, chunk: Chunk) -> Option<Chunk> {
        if !chunk.tasks {
            if state.wants(chunk.call, chunk.first) {
                return Some(chunk);
            }
            state.drop_chunk(chunk);
            return None;
        }
        // Some of the tasks may have been ended.
        let items = chunk.first..chunk.first + chunk.count as usize;
        let mut wanted = items.map(|item| state.wants(chunk.call, item));
        let first = wanted.next()?;
        let same = 1 + wanted.take_while(|wanted| *wanted == first).count() as u32;
        if !first {
            let dropped = self.first_items(state, chunk, same);
            state.drop_chunk(dropped);
            return None;
        }
        let share = match state.cost(chunk.function) {
            Some(cost) => (TASKS_NANOS / cost.max(1.0)) as u32,
            None => 1,
        };
        let count = same.min(share.max(1));
        Some(self.first_items(state, chunk, count))
    }

    /// The part of a chunk that a worker can still take; the rest is queued.
    fn fit(&self, state: &mut State, link: &Link, chunk: Chunk) -> Chunk {
        let room = link.quota.try_into().unwrap_or(u32::MAX);
        self.first_items(state, chunk, room)
    }

    /// The first `count` items of a chunk; the rest is queued before all others.
    fn first_items(&self, state: &mut State, mut chunk: Chunk, count: u32) -> Chunk {
        if count >= chunk.count {
            return chunk;
        }
        let part = self.split(&mut chunk, count);
        state.count_out(chunk.call);
        state.queue.push_front(chunk);
        part
    }

    pub(super) fn give(&self, state: &mut State, link: &mut Link, chunk: Chunk) {
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
        let context = state.context_of(&chunk);
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
        // What waits to be tried again needs nobody yet.
        let work = state.outstanding - state.delayed.len();
        if work == 0 || self.setup.one_each {
            return;
        }
        // What the end of one means that is killed in the init function is decided when it is gone.
        let staying = |link: &&Link| link.stays() || !link.init.is_done();
        let staying = state.links.iter().filter(staying).count();
        let have = staying + state.starting + state.wanted;
        if have >= self.workers() + self.setup.spares {
            return;
        }
        let behind: u64 = state.links.iter().map(Link::behind).sum();
        let useful = self.workers().min(work + behind as usize) + self.setup.spares;
        if useful > have {
            state.wanted += useful - have;
            self.notify.notify();
        }
    }

    /// True when a thread of ours may spin without taking the core of a worker.
    pub(super) fn may_spin(&self, state: &State) -> bool {
        busy(&state.links) < self.cpus
    }
}

/// The worker that the next chunk goes to: of the idle ones the one that was busy last, since its
/// core is awake; else the one with the least to do, if it has not enough already.
fn choose(state: &State, links: &[Link], next: &Chunk, may_employ: bool) -> Option<usize> {
    let able = || {
        links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.takes_more())
    };
    let idle = able()
        .filter(|(_, link)| may_employ && link.idle())
        .max_by_key(|(_, link)| link.used);
    if let Some((index, _)) = idle {
        return Some(index);
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
        .map(|(index, _)| index)
}

/// How many workers have something to do.
fn busy(links: &[Link]) -> usize {
    links.iter().filter(|link| !link.idle()).count()
}
