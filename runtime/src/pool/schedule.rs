//! Giving out chunks: which of the [backends](super::backend) gets which, and how many items.

use super::chunk::Chunk;
use super::shared::Shared;
use super::state::{Phase, State};

impl Shared {
    /// Takes in what came back and gives out what can be taken; says whether anything came.
    pub(super) fn pump(&self, state: &mut State) -> bool {
        let mut came = false;
        let mut waiting = false;
        self.with_backends(|backend| {
            came |= backend.take_in(self, state);
            waiting |= backend.has_waiting(state);
        });
        if waiting || !state.queue.is_empty() {
            came |= self.feed(state);
        } else if came {
            // Nobody can be given anything.
            self.with_backends(|backend| backend.settle(self, state));
        }
        came
    }

    /// Gives out queued chunks, and has more workers started if that pays. Says whether it handed over more of a
    /// chunk that was begun before.
    pub(super) fn feed(&self, state: &mut State) -> bool {
        if state.phase == Phase::Closed {
            return false;
        }
        let mut wrote = false;
        self.with_backends(|backend| wrote |= backend.write_on(self, state));
        while let Some(next) = state.queue.front()
            && !state.wants(next.call, next.first)
            && let Some(chunk) = state.queue.pop_front()
        {
            // Of tasks others of the chunk may be wanted.
            let wanted = self.portion(state, chunk, 0.0);
            debug_assert!(wanted.is_none());
        }
        loop {
            while let Some((place, backend, bid)) = self.best_bid(state)
                && let Some(chunk) = state.queue.remove(place)
            {
                let Some(chunk) = self.portion(state, chunk, bid.tasks_nanos) else {
                    continue;
                };
                let room = bid.room.try_into().unwrap_or(u32::MAX);
                let chunk = self.first_items(state, chunk, room);
                backend.give(self, state, bid.place, chunk);
            }
            let mut queued = false;
            self.with_backends(|backend| queued = queued || backend.rebalance(self, state));
            if !queued {
                break;
            }
        }
        self.with_backends(|backend| {
            backend.settle(self, state);
            backend.staff(self, state);
        });
        wrote
    }

    /// Takes the first items of a chunk out.
    pub(super) fn split(&self, chunk: &mut Chunk, count: u32) -> Chunk {
        chunk.take_items(count, self.table.arguments(chunk.function))
    }

    /// The part of the first chunk of the queue that is given at once, if somebody wants it; the rest is
    /// queued. Of tasks it is meant to take so many nanoseconds.
    fn portion(&self, state: &mut State, chunk: Chunk, nanos: f64) -> Option<Chunk> {
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
            Some(cost) => (nanos / cost.max(1.0)) as u32,
            None => 1,
        };
        let count = same.min(share.max(1));
        Some(self.first_items(state, chunk, count))
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
}
