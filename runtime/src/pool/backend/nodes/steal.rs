//! What a node has not begun is asked back when others have nothing to do.

use super::message::Order;
use super::node::{Node, Sent};
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::sys::now_nanos;

/// What takes less is left where it waits: the way there and back costs a part of that.
const WORTH_TAKING: f64 = 1_000_000.0;
/// Unless nothing came of what the node has for so long.
const STANDS_STILL: u64 = 5_000_000;
/// And for so much longer for each byte that it was sent.
const BYTE_NANOS: u64 = 10;
/// What was given just now, or could not be given back, is not asked for before: it has to get to a worker first.
const ASK_AGAIN: u64 = 5_000_000;

impl Shared {
    /// With nothing queued and somebody idle, asks nodes to give back what they have not begun: chunks that wait
    /// there, or half of one that runs; from one that stands still everything.
    pub(super) fn ask_back(&self, state: &mut State) {
        if state.away == 0 || !state.queue.is_empty() {
            return;
        }
        let idle = |node: &Node| node.is_there() && node.count() < node.slots;
        if !state.nodes.iter().any(idle) && !self.has_idle_workers(state) {
            return;
        }
        let now = now_nanos();
        let costs = &state.costs;
        let cost = |sent: &Sent| costs.get(sent.chunk.function.0 as usize).copied().flatten();
        let mut longest: Option<(f64, &mut Node, usize)> = None;
        for node in state.nodes.iter_mut().filter(|node| node.is_there()) {
            if node.stands_still(now) {
                node.ask_for_all(now);
                continue;
            }
            let waits = node.count() > node.slots;
            let places = if waits {
                node.sent.len().saturating_sub(1)..node.sent.len()
            } else {
                0..node.sent.len()
            };
            for place in places {
                let sent = &node.sent[place];
                let takes = sent.expected(cost(sent), now);
                let worth = takes >= WORTH_TAKING && (waits || sent.count_left() > 1);
                if !worth || !sent.may_be_asked(now) {
                    continue;
                }
                if longest.as_ref().is_none_or(|(most, ..)| takes > *most) {
                    longest = Some((takes, node, place));
                    break;
                }
            }
        }
        if let Some((_, node, place)) = longest {
            let waits = node.count() > node.slots;
            node.ask_back(place, waits, now);
        }
    }

    /// Looks after nodes that stand still; said again and again, since nothing comes from these.
    pub(super) fn look_at_nodes(&self) {
        let mut state = self.lock_and_leave();
        if state.away > 0 && state.queue.is_empty() {
            self.ask_back(&mut state);
        }
    }
}

impl Sent {
    /// How long what is left of it takes, as far as that is known.
    fn expected(&self, cost: Option<f64>, now: u64) -> f64 {
        let left = self.count_left();
        let done = self.chunk.count as usize - left;
        let seen = || (now.saturating_sub(self.given) as f64) / done as f64;
        let cost = cost.or_else(|| (done > 0).then(seen));
        cost.map_or(0.0, |cost| cost * left as f64)
    }

    fn may_be_asked(&self, now: u64) -> bool {
        !self.left.is_empty() && now.saturating_sub(self.asked) >= ASK_AGAIN
    }
}

impl Node {
    /// True if nothing came of what it has for so long that something there is held up.
    pub(super) fn stands_still(&self, now: u64) -> bool {
        let bytes: usize = self.sent.iter().map(|sent| sent.chunk.payload.len()).sum();
        let limit = STANDS_STILL.saturating_add(BYTE_NANOS * bytes as u64);
        !self.sent.is_empty() && now.saturating_sub(self.moved) >= limit
    }

    fn ask_for_all(&mut self, now: u64) {
        let waits = self.count() > self.slots;
        for place in (0..self.sent.len()).rev() {
            let sent = &self.sent[place];
            if (waits || sent.count_left() > 1) && sent.may_be_asked(now) {
                self.ask_back(place, true, now);
            }
        }
    }

    fn ask_back(&mut self, place: usize, all: bool, now: u64) {
        let sent = &mut self.sent[place];
        sent.asked = now;
        let number = sent.number;
        self.post(&Order::TakeBack {
            pool: self.pool,
            number,
            all,
        });
    }
}
