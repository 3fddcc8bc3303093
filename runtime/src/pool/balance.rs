//! How many workers are of use at once, and what idle ones take from those that are busy.
//!
//! More workers than CPUs serve items that wait for something, and long ones, which the kernel shares the CPUs
//! out to. For many tiny items they do harm: each has to be woken and takes the CPU of another one, or
//! that of the caller, who hands over the items and takes the results. So of tiny items as many workers
//! are given some as there are CPUs for them beside the caller. Where a worker is held up by one item
//! all the same, it does not count.

use std::time::Duration;

use super::chunk::Chunk;
use super::chunker::Chunker;
use super::link::Link;
use super::shared::Shared;
use super::state::State;
use crate::registry::FunctionId;
use crate::sys::now_nanos;

/// An item of a chunk that can be divided takes 7 ns more: of one that takes so many nanoseconds it is
/// not worth it.
const WORTH_DIVIDING: f64 = 300.0;
/// What a worker will be done with in this time is left to it: another one would have to be woken.
const WORTH_TAKING: f64 = 100_000.0;
/// Unless it is not done with an item for so long.
const STANDS_STILL: u64 = 250_000;
/// An item that takes no longer does not wait for anything: to sleep alone takes longer.
const TINY: f64 = 20_000.0;
/// What an item costs its caller, about.
const CALLER: f64 = 100.0;

impl Shared {
    /// True when an idle worker may be given the chunk.
    pub(super) fn may_employ(&self, state: &State, links: &[Link], chunk: &Chunk) -> bool {
        self.may_begin(state, links) && engaged(state, links) < self.useful(state, chunk.function)
    }

    /// How many workers may be busy at once with items of a function so that one more still helps.
    pub(super) fn useful(&self, state: &State, function: FunctionId) -> usize {
        useful(self.cpus, state.cost(function))
    }

    /// With nothing queued and a worker idle, queues what another one has not begun: a chunk that waits,
    /// or parts of the one that it runs. Says whether there was such.
    pub(super) fn take_back_for_idle(&self, state: &mut State, links: &mut [Link]) -> bool {
        let idle = self.idle(state, links);
        if idle == 0 || !state.queue.is_empty() {
            return false;
        }
        if let Some(chunk) = self.steal(state, links) {
            state.queue.push_back(chunk);
            return true;
        }
        let Some(mut rest) = self.steal_rest(state, links) else {
            return false;
        };
        let room = self
            .useful(state, rest.function)
            .saturating_sub(engaged(state, links));
        // One part is for the worker itself, or whoever is done first.
        for parts in (1..=idle.min(room) as u32 + 1).rev() {
            let count = rest.count.div_ceil(parts);
            if count == rest.count {
                break;
            }
            let part = self.split(&mut rest, count);
            state.count_out(part.call);
            state.queue.push_back(part);
        }
        state.count_out(rest.call);
        state.queue.push_back(rest);
        true
    }

    /// True when an idle worker of this machine can be given something that others have.
    #[cfg(feature = "mpi")]
    pub(super) fn has_idle_workers(&self, state: &State) -> bool {
        !self.is_reserved(state) && self.workers() > engaged(state, &state.links)
    }

    /// How many chunks of items that take so long are out at once: one to do and one to wait for each worker that
    /// is of use.
    pub(super) fn window(&self, cost: Option<f64>) -> usize {
        #[cfg(feature = "mpi")]
        if self.launched {
            let state = self.lock();
            return 2 * self.all_workers(&state) + state.most_ahead(cost) + 1;
        }
        2 * self.workers().min(useful(self.cpus, cost)) + 1
    }

    /// What cuts a call into chunks.
    pub(super) fn chunker(&self, fixed: Option<usize>) -> Chunker {
        #[cfg(feature = "mpi")]
        if self.launched {
            let workers = self.all_workers(&self.lock());
            return Chunker::new(fixed, workers, workers.max(self.cpus));
        }
        Chunker::new(fixed, self.workers(), self.cpus)
    }

    /// How many idle workers can be given something.
    fn idle(&self, state: &State, links: &[Link]) -> usize {
        if !self.may_begin(state, links) {
            return 0;
        }
        let idle = links.iter().filter(|link| link.idle() && link.takes_more());
        idle.count()
    }

    /// A chunk that waits behind another one, from the worker with the most of them that can give one.
    fn steal(&self, state: &State, links: &mut [Link]) -> Option<Chunk> {
        let engaged = engaged(state, links);
        let mut victims: Vec<&mut Link> = links
            .iter_mut()
            .filter(|link| {
                let newest = link.in_flight.back().filter(|_| link.in_flight.len() >= 2);
                newest.is_some_and(|newest| engaged < self.useful(state, newest.chunk.function))
            })
            .collect();
        victims.sort_by_key(|link| std::cmp::Reverse(link.in_flight.len()));
        victims.into_iter().find_map(Link::revoke_newest)
    }

    /// What the worker with the longest rest has not begun of the chunk that it runs, if an idle worker
    /// does better to begin it now.
    fn steal_rest(&self, state: &State, links: &mut [Link]) -> Option<Chunk> {
        let engaged = engaged(state, links);
        let mut longest: Option<(f64, &mut Link)> = None;
        for link in links {
            let rest = link.rest();
            let Some(front) = link.in_flight.front().filter(|_| rest > 0) else {
                continue;
            };
            let function = front.chunk.function;
            let nanos = state.cost(function).map_or(0.0, |cost| cost * rest as f64);
            let soon = nanos < WORTH_TAKING && link.is_ready() && !link.is_held_up();
            if soon || engaged >= self.useful(state, function) {
                continue;
            }
            if longest.as_ref().is_none_or(|(most, _)| nanos > *most) {
                longest = Some((nanos, link));
            }
        }
        let (_, link) = longest?;
        link.take_rest(|chunk, count| self.split(chunk, count))
    }

    /// When to look again whether something that waits for a busy worker is better given to an idle one.
    pub(super) fn next_look_at_rests(&self, state: &State) -> Option<Duration> {
        let waits = !state.queue.is_empty() || state.links.iter().any(Link::could_give);
        let waits = waits && self.idle(state, &state.links) > 0;
        waits.then_some(Duration::from_nanos(STANDS_STILL))
    }

    /// Finds out which workers are held up by one item.
    pub(super) fn look_at_rests(&self, state: &mut State) {
        if self.next_look_at_rests(state).is_some() {
            let now = now_nanos();
            for link in state.links.iter_mut().filter(|link| !link.idle()) {
                link.look_whether_held_up(now, STANDS_STILL);
            }
        }
    }

    /// True if the items of a chunk are worth what it takes to have them back one by one.
    pub(super) fn is_divisible(&self, state: &State, link: &Link, chunk: &Chunk) -> bool {
        let alone = link.process.is_some();
        if alone || !link.init.is_done() || chunk.payload.waits() {
            return false;
        }
        if chunk.count == 1 {
            // It waits for the worker's start only.
            return !link.is_ready();
        }
        // Tasks need not come one after the other, and cost more than that anyway.
        chunk.tasks
            || state
                .cost(chunk.function)
                .is_none_or(|cost| cost >= WORTH_DIVIDING)
    }
}

/// As [`Shared::useful`], for items that take `cost` nanoseconds.
pub(super) fn useful(cpus: usize, cost: Option<f64>) -> usize {
    match cost {
        Some(cost) if cost < TINY => {
            let cpus = cpus as f64 * cost / (cost + CALLER);
            cpus.round().max(1.0) as usize
        }
        _ => usize::MAX,
    }
}

/// How many workers are busy with tiny items and get on, so that what waits for them does not wait long.
/// Longer items may wait for something themselves.
fn engaged(state: &State, links: &[Link]) -> usize {
    let has_tiny = |link: &Link| {
        let front = link.in_flight.front();
        let cost = front.and_then(|front| state.cost(front.chunk.function));
        cost.is_some_and(|cost| cost < TINY)
    };
    let engaged = links
        .iter()
        .filter(|link| has_tiny(link) && link.takes_more() && !link.is_held_up());
    engaged.count()
}

#[cfg(test)]
mod tests {
    use super::useful;

    #[test]
    fn tiny_items_have_a_worker_for_each_cpu_that_the_caller_leaves() {
        assert_eq!(useful(2, Some(20.0)), 1);
        assert_eq!(useful(2, Some(1_000.0)), 2);
        assert_eq!(useful(16, Some(100.0)), 8);
        assert_eq!(useful(16, Some(10_000.0)), 16);
        assert_eq!(useful(1, Some(0.0)), 1);
    }

    #[test]
    fn items_that_may_sleep_have_all_workers() {
        for cost in [None, Some(20_000.0), Some(1e9)] {
            assert_eq!(useful(2, cost), usize::MAX);
        }
    }
}
