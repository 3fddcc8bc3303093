//! Who runs chunks: the worker processes of this machine, and other machines.
//!
//! Everything above is the same for all of them: calls, their chunks, order, deadlines, outcomes, the journal.
//! What is in [the state](State) of a pool is guarded by its lock, and so is what belongs to a backend there; a
//! backend itself is only what is done with that. For each chunk the scheduler asks all of them for a
//! [bid](Bid), and gives it to the best.

mod local;
#[cfg(feature = "mpi")]
mod nodes;

use std::fmt;

use super::chunk::{Chunk, Ending};
use super::shared::Shared;
use super::state::State;
use super::tasks::TaskKey;
use crate::registry::FunctionId;

use local::Local;
pub(super) use local::SPIN_NANOS;
#[cfg(feature = "mpi")]
pub(super) use nodes::{Division, InitPlan, Node};

/// All there are.
const BACKENDS: &[&dyn Backend] = &[
    &Local,
    #[cfg(feature = "mpi")]
    &nodes::Nodes,
];

/// How soon a chunk would be run, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Soon {
    /// At once, by somebody who does nothing.
    Idle,
    /// Behind something else.
    Queued,
}

/// An offer to take the chunk that is next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bid {
    pub(super) soon: Soon,
    /// Who of the backend would take it.
    pub(super) place: usize,
    /// Tasks that are given at once are meant to take so many nanoseconds.
    pub(super) tasks_nanos: f64,
    /// How many items it takes at most.
    pub(super) room: u64,
}

/// Something that runs chunks.
///
/// It delivers the results itself, with [`State::deliver`], and [finishes](State::finish) each chunk that it was
/// given once; or it [queues](State::queue) what is not begun again, before all others.
pub(super) trait Backend: Sync + fmt::Debug {
    /// Its offer for the chunk, if it can take that now.
    fn bid(&self, shared: &Shared, state: &State, chunk: &Chunk) -> Option<Bid>;

    /// Takes the chunk that it bid for.
    fn give(&self, shared: &Shared, state: &mut State, place: usize, chunk: Chunk);

    /// Takes in what came back; says whether anything did.
    fn take_in(&self, shared: &Shared, state: &mut State) -> bool;

    /// Goes on handing over a large chunk; says whether it did.
    fn write_on(&self, shared: &Shared, state: &mut State) -> bool;

    /// True when it has something that it could hand over, or that another one might be given instead.
    fn has_waiting(&self, state: &State) -> bool;

    /// With nothing queued, queues something again that waits behind something else where it is, if another one
    /// is idle; says whether it did.
    fn rebalance(&self, shared: &Shared, state: &mut State) -> bool;

    /// Is told after each change of who has what.
    fn settle(&self, shared: &Shared, state: &mut State);

    /// Sees to it that there are enough workers for what waits.
    fn staff(&self, shared: &Shared, state: &mut State);

    /// Items from `end` on, of one call or of all, are not wanted any more: chunks of them that nobody has begun
    /// are taken back, into `dropped`, and one that runs ends with the item that does.
    fn revoke(&self, state: &mut State, call: Option<usize>, end: usize, dropped: &mut Vec<Chunk>);

    /// Ends what it has of such calls by force.
    fn end_calls(&self, shared: &Shared, state: &mut State, concerned: &dyn Fn(usize) -> bool);

    /// Ends what it has of a call that nobody waits for, unless that ends by itself in a moment.
    fn end_soon(&self, shared: &Shared, state: &mut State, call: usize);

    /// Ends a task by force; false if it does not have it.
    fn end_task(&self, shared: &Shared, state: &mut State, key: TaskKey, ending: Ending) -> bool;

    /// Makes copies of what chunks of the call are lent: the lender goes.
    fn own(&self, state: &mut State, call: usize);
}

impl Shared {
    /// The place of the next chunk in the queue, and the best offer for it.
    pub(super) fn best_bid(&self, state: &State) -> Option<(usize, &'static dyn Backend, Bid)> {
        // One that may have to wait for a node of its own does not keep others from theirs.
        let may_wait = |chunk: &Chunk| chunk.history.nodes > 0;
        let waiting = state.queue.iter().position(|chunk| !may_wait(chunk));
        let others = waiting.filter(|place| *place > 0);
        let mut places = [Some(0), others].into_iter().flatten();
        places.find_map(|place| {
            let next = state.queue.get(place)?;
            let bids = BACKENDS
                .iter()
                .filter_map(|backend| Some((*backend, backend.bid(self, state, next)?)));
            let (backend, bid) = bids.min_by_key(|(_, bid)| bid.soon)?;
            Some((place, backend, bid))
        })
    }

    /// True when the workers of this machine are there for the chunk.
    pub(super) fn takes(&self, state: &State, chunk: &Chunk) -> bool {
        #[cfg(feature = "mpi")]
        if self.is_reserved(state) || (chunk.history.nodes > 0 && state.has_nodes()) {
            return chunk.is_hook() || !self.travels(chunk);
        }
        #[cfg(feature = "mpi")]
        if state.bound && self.travels(chunk) {
            let working = state.links.iter().filter(|link| link.works());
            return working.count() < self.workers();
        }
        let _ = (state, chunk);
        true
    }

    /// How many workers of all backends are of use at once for items of a function.
    pub(super) fn useful_workers(&self, state: &State, function: FunctionId) -> usize {
        self.useful(state, function).min(self.all_workers(state))
    }

    /// Does something with all backends.
    pub(super) fn with_backends(&self, mut each: impl FnMut(&dyn Backend)) {
        for backend in BACKENDS {
            each(*backend);
        }
    }
}

#[cfg(not(feature = "mpi"))]
impl Shared {
    /// How many workers work at once, at most.
    pub(super) fn all_workers(&self, _: &State) -> usize {
        self.workers()
    }

    /// How many workers of this machine work at once, at most.
    pub(super) fn limit(&self, _: &State) -> usize {
        self.workers()
    }
}

impl State {
    /// As [`Backend::revoke`], of all backends.
    pub(super) fn revoke(&mut self, call: Option<usize>, end: usize, dropped: &mut Vec<Chunk>) {
        for backend in BACKENDS {
            backend.revoke(self, call, end, dropped);
        }
    }
}
