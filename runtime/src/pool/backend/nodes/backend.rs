//! Nodes as a [backend](super::super).

use super::message::Order;
use super::node::Node;
use crate::pool::backend::{Backend, Bid, Soon};
use crate::pool::chunk::{Chunk, Ending};
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::pool::tasks::TaskKey;
use crate::sys::now_nanos;

/// Tasks that are given at once are meant to take this long: so that the way there and back is a small part.
const TASKS_NANOS: f64 = 1_000_000.0;

/// The nodes of a launch; none in a program that was started by itself.
#[derive(Debug)]
pub(in crate::pool) struct Nodes;

impl Backend for Nodes {
    fn bid(&self, shared: &Shared, state: &State, chunk: &Chunk) -> Option<Bid> {
        if state.nodes.is_empty() || !shared.travels(chunk) {
            return None;
        }
        let nanos = nanos(state, chunk);
        let able = || {
            let nodes = state.nodes.iter().enumerate();
            nodes.filter(|(_, node)| {
                node.is_there() && node.has_room(chunk) && node.has_place(chunk)
            })
        };
        let bid = |soon, place| Bid {
            soon,
            place,
            tasks_nanos: TASKS_NANOS,
            room: u64::MAX,
        };
        let now = now_nanos();
        let idle = able()
            .filter(|(_, node)| node.count() < node.slots)
            .max_by_key(|(_, node)| {
                let able = !node.unready && !node.stands_still(now);
                (able, node.slots - node.count())
            });
        if let Some((place, _)) = idle {
            return Some(bid(Soon::Idle, place));
        }
        able()
            .filter(|(_, node)| node.count() < node.credit(nanos))
            .min_by_key(|(_, node)| node.count().div_ceil(node.slots.max(1)))
            .map(|(place, _)| bid(Soon::Queued, place))
    }

    fn give(&self, shared: &Shared, state: &mut State, place: usize, chunk: Chunk) {
        shared.open_on(state, place);
        state.away += 1;
        let nanos = nanos(state, &chunk);
        let mut nodes = std::mem::take(&mut state.nodes);
        nodes[place].give(shared.this.clone(), state, chunk, nanos);
        state.nodes = nodes;
    }

    fn take_in(&self, _: &Shared, _: &mut State) -> bool {
        // The center's thread puts in what comes.
        false
    }

    fn write_on(&self, _: &Shared, _: &mut State) -> bool {
        false
    }

    fn has_waiting(&self, state: &State) -> bool {
        let waits = |node: &Node| node.count() > node.slots;
        state.nodes.iter().any(waits)
    }

    fn rebalance(&self, shared: &Shared, state: &mut State) -> bool {
        shared.ask_back(state);
        // It is queued when it comes.
        false
    }

    fn settle(&self, _: &Shared, _: &mut State) {}

    fn staff(&self, _: &Shared, _: &mut State) {}

    fn revoke(&self, state: &mut State, call: Option<usize>, end: usize, _: &mut Vec<Chunk>) {
        for node in &mut state.nodes {
            let concerned = |chunk: &Chunk| {
                let last = chunk.first + chunk.count as usize;
                call.is_none_or(|call| chunk.call == call) && last > end
            };
            for sent in node.sent.iter().filter(|sent| concerned(&sent.chunk)) {
                node.post(&Order::Cut(node.pool, sent.number, end));
            }
        }
    }

    fn end_calls(&self, _: &Shared, state: &mut State, concerned: &dyn Fn(usize) -> bool) {
        end(state, concerned, false);
    }

    fn end_soon(&self, _: &Shared, state: &mut State, call: usize) {
        end(state, &|key| key == call, true);
    }

    fn end_task(&self, _: &Shared, state: &mut State, key: TaskKey, ending: Ending) -> bool {
        let nodes = state.nodes.iter_mut();
        let mut having = nodes.filter_map(|node| {
            let (pool, center, rank) = (node.pool, node.center, node.rank);
            let sent = node.sent.iter_mut().find(|sent| sent.chunk.has(key))?;
            Some((pool, center, rank, sent))
        });
        let Some((pool, center, rank, sent)) = having.next() else {
            return false;
        };
        let number = sent.number;
        // Its arguments need not go on.
        sent.ended |= sent.chunk.count == 1;
        let order = Order::End {
            pool,
            number,
            item: Some(key.index()),
            soon: false,
        };
        if state.mark_ended(key, ending) {
            center.tell(rank, &order);
        }
        true
    }

    fn own(&self, state: &mut State, call: usize) {
        for node in &mut state.nodes {
            let sent = node.sent.iter_mut();
            for sent in sent.filter(|sent| sent.chunk.call == call) {
                sent.chunk.payload.own();
            }
        }
    }
}

fn end(state: &mut State, concerned: &dyn Fn(usize) -> bool, soon: bool) {
    for node in &mut state.nodes {
        let mut orders = Vec::new();
        let sent = node.sent.iter_mut();
        for sent in sent.filter(|sent| concerned(sent.chunk.call) && !sent.ended) {
            sent.ended = true;
            orders.push(Order::End {
                pool: node.pool,
                number: sent.number,
                item: None,
                soon,
            });
        }
        for order in &orders {
            node.post(order);
        }
    }
}

impl Shared {
    /// False for what names things that are on this machine only: all but those that nobody can change.
    pub(in crate::pool) fn travels(&self, chunk: &Chunk) -> bool {
        let objects = chunk.payload.objects();
        objects.iter().all(|object| object.twin().is_some()) && !self.hooks.stays()
    }
}

/// How long the chunk is expected to take.
fn nanos(state: &State, chunk: &Chunk) -> Option<f64> {
    Some(state.cost(chunk.function)? * f64::from(chunk.count))
}
