//! One node as a pool of rank 0 sees it: what it was given, and what came back.

use std::ops::Range;
use std::sync::{Arc, Weak};

use super::center::{Center, Source};
use super::line::{Body, Outgoing, SMALL};
use super::message::{Number, Order, PoolId, Run};
use crate::event::EventKind;
use crate::object::Object;
use crate::pool::chunk::Chunk;
use crate::pool::logs::Away;
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::sys::now_nanos;

/// A node is given so much work that it lasts this long, so that the way there and back costs no time.
const AHEAD_NANOS: f64 = 4_000_000.0;
/// But not more than so many chunks for each worker.
const MOST_AHEAD: f64 = 16.0;
/// What takes so long waits here until a worker is free, wherever that is.
const LONG_NANOS: f64 = 200_000_000.0;
/// Of what waits with a node, its pool is given one chunk more for each worker than it runs, so that no worker
/// waits for the next one. The others are not begun, whatever becomes of the node.
const BEGUN: usize = 2;
/// Chunks that take less time than this are all given to its pool.
const SHORT_NANOS: f64 = AHEAD_NANOS / MOST_AHEAD;
/// No more bytes of arguments are with a node, unless one chunk has more.
const MOST_BYTES: usize = 256 << 20;

/// No more workers are believed to be there beside those that are known.
const MOST_MORE: usize = 1 << 12;

#[derive(Debug)]
pub(in crate::pool) struct Node {
    pub(super) rank: usize,
    pub(super) host: Arc<str>,
    /// Workers that it has for this pool.
    pub(super) slots: usize,
    /// And how many it has of all that there are.
    pub(super) share: usize,
    /// The numbers of its workers among those of the pool, in its own order; those of surplus ones stay theirs.
    pub(super) numbers: Vec<usize>,
    pub(super) center: &'static Center,
    pub(super) pool: PoolId,
    /// It knows of the pool.
    pub(super) opened: bool,
    /// Nothing more is given to it.
    pub(super) lost: bool,
    /// Something came of what it was given: it has workers that are ready.
    pub(super) proved: bool,
    /// None of its workers could be made ready when that was tried last.
    pub(super) unready: bool,
    /// Nothing of the pool is left there.
    pub(super) closed: bool,
    /// In the order of their numbers; one that was divided is there in parts.
    pub(super) sent: Vec<Sent>,
    /// Workers there of which was heard what their tasks logged.
    pub(super) heard: Away,
    pub(super) next: Number,
    /// When something came of what it has, or it was given something after it had nothing.
    pub(super) moved: u64,
    /// Nanoseconds by which its clock is behind ours.
    pub(super) behind: i64,
}

/// A chunk that a node has.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: Number,
    pub(super) chunk: Chunk,
    /// The node begins it when fewer chunks than this stand before it.
    pub(super) ahead: usize,
    /// Items that nothing came of yet, in rising ranges.
    pub(super) left: Vec<Range<usize>>,
    /// What results of it name, and came before them.
    pub(super) named: Vec<Arc<Object>>,
    /// It is to be ended.
    pub(super) ended: bool,
    /// When it was given, and when it was given or asked back last.
    pub(super) given: u64,
    pub(super) asked: u64,
}

impl Sent {
    /// How many items nothing came of yet.
    pub(super) fn count_left(&self) -> usize {
        self.left.iter().map(Range::len).sum()
    }

    /// Something came of these items; false if they were not left.
    pub(super) fn take(&mut self, items: Range<usize>) -> bool {
        let holds = |left: &Range<usize>| left.start <= items.start && items.end <= left.end;
        let Some(index) = self.left.iter().position(holds) else {
            return false;
        };
        let left = self.left[index].clone();
        let rest = [left.start..items.start, items.end..left.end];
        let rest = rest.into_iter().filter(|part| !part.is_empty());
        self.left.splice(index..=index, rest);
        true
    }
}

impl Node {
    /// The number of one of its workers among those of the pool. A node can have more than its slots for a while:
    /// spare ones, and surplus ones that are at their last items.
    pub(super) fn number(&mut self, state: &mut State, worker: usize) -> Option<usize> {
        let before = self.numbers.len();
        if worker >= before && worker < before + MOST_MORE {
            self.number_up_to(state, worker + 1);
            state.tell_nodes(self.joined(before));
        }
        self.numbers.get(worker).copied()
    }

    /// Gives numbers to so many of its workers.
    pub(super) fn number_up_to(&mut self, state: &mut State, workers: usize) {
        let more = workers.saturating_sub(self.numbers.len());
        let first = state.next_number;
        state.next_number += more;
        self.numbers.extend(first..first + more);
    }

    /// Its workers, from this one of them on, as events tell of them.
    pub(super) fn joined(&self, from: usize) -> Vec<EventKind> {
        let follow = |one: &usize, next: &usize| one + 1 == *next;
        let runs = self.numbers[from..].chunk_by(follow);
        runs.map(|run| EventKind::NodeJoined {
            rank: self.rank,
            host: self.host.to_string(),
            first: run[0],
            workers: run.len(),
        })
        .collect()
    }

    /// True while it can be given something.
    pub(super) fn is_there(&self) -> bool {
        !self.lost && !self.closed
    }

    pub(super) fn post(&self, order: &Order) {
        self.center
            .post(self.rank, Outgoing::new(order, Body::Inline(0)));
    }

    /// How many chunks as long as this one it may have.
    pub(super) fn credit(&self, nanos: Option<f64>) -> usize {
        let ahead = match nanos {
            None => 0.0,
            Some(nanos) if nanos >= LONG_NANOS => 0.0,
            Some(nanos) => (AHEAD_NANOS / nanos.max(1.0)).clamp(1.0, MOST_AHEAD),
        };
        self.slots + (self.slots as f64 * ahead) as usize
    }

    /// How many chunks may stand before one that takes so long when the node begins it.
    fn ahead(&self, nanos: Option<f64>) -> usize {
        match nanos {
            Some(nanos) if nanos < SHORT_NANOS => self.slots + self.slots * MOST_AHEAD as usize,
            _ => self.slots * BEGUN,
        }
    }

    /// True if it can take one more chunk as long as this one: an item that was on a node when that was lost is
    /// the only such one of its node, so that it is known what is to blame should that be lost too.
    pub(super) fn has_place(&self, chunk: &Chunk) -> bool {
        let suspect = |chunk: &Chunk| chunk.history.nodes > 0;
        !suspect(chunk) || !self.sent.iter().any(|sent| suspect(&sent.chunk))
    }

    /// True if it has room for the arguments of the chunk.
    pub(super) fn has_room(&self, chunk: &Chunk) -> bool {
        let have: usize = self.sent.iter().map(|sent| sent.chunk.payload.len()).sum();
        have == 0 || have + chunk.payload.len() <= MOST_BYTES
    }

    /// Gives it a chunk.
    pub(super) fn give(
        &mut self,
        shared: Weak<Shared>,
        state: &State,
        chunk: Chunk,
        nanos: Option<f64>,
    ) {
        let ahead = self.ahead(nanos);
        let now = now_nanos();
        if self.sent.is_empty() {
            self.moved = now;
        }
        let number = self.next;
        self.next += 1;
        let call = state.calls.get(chunk.call);
        let history = chunk.history;
        let head = Order::Run(
            self.pool,
            Run {
                number,
                serial: call.map_or(0, |call| call.serial),
                function: chunk.function.0,
                first: chunk.first,
                count: chunk.count,
                width: chunk.payload.width(),
                row: chunk.row,
                tasks: chunk.tasks,
                ahead,
                history: [history.attempt, history.kills, history.exceeded],
                numbering: chunk.numbering.to_bits(),
                seed: chunk.seed,
                rules: call.and_then(|call| call.rules.as_deref().copied()),
                eager: call.is_some_and(|call| call.is_eager()),
                reported: call.is_some_and(|call| call.is_reported()),
                objects: chunk.payload.objects().iter().map(|one| one.id()).collect(),
                levels: state.context_of(&chunk).levels(),
            },
        );
        let casts = self.center.cast(chunk.payload.objects());
        let bytes = chunk.payload.len();
        let message = if bytes <= SMALL {
            Outgoing::with_small_body(&head, chunk.payload.pieces().map(|piece| piece.to_vec()))
        } else {
            let source = Source {
                shared,
                rank: self.rank,
                number,
            };
            Outgoing::new(&head, Body::Later(source, bytes))
        };
        let items = chunk.first..chunk.first + chunk.count as usize;
        self.sent.push(Sent {
            number,
            chunk,
            ahead,
            left: vec![items],
            named: Vec::new(),
            ended: false,
            given: now,
            asked: now,
        });
        self.center.post(self.rank, message.after(casts));
    }

    /// Appends `count` bytes of a chunk's arguments from `offset` on; false if it is not there any more, or ended.
    pub(super) fn read(
        &self,
        number: Number,
        offset: usize,
        count: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let wanted = |sent: &&Sent| sent.number == number && !sent.ended;
        let Some(sent) = self.sent.iter().find(wanted) else {
            return false;
        };
        let end = out.len() + count;
        let mut skip = offset;
        for piece in sent.chunk.payload.pieces() {
            if piece.is_gone() {
                return false;
            }
            let part = &piece[skip.min(piece.len())..];
            skip -= skip.min(piece.len());
            out.extend_from_slice(&part[..part.len().min(end - out.len())]);
            if out.len() == end {
                return true;
            }
        }
        false
    }

    /// The call of one of its chunks.
    pub(super) fn call_of(&self, number: Number) -> Option<usize> {
        let sent = self.sent.iter().find(|sent| sent.number == number)?;
        Some(sent.chunk.call)
    }

    pub(super) fn find(&mut self, number: Number) -> Option<&mut Sent> {
        self.sent.iter_mut().find(|sent| sent.number == number)
    }

    /// The part of a chunk that has the item.
    pub(super) fn find_item(&mut self, number: Number, item: usize) -> Option<&mut Sent> {
        let has = |sent: &Sent| {
            let end = sent.chunk.first + sent.chunk.count as usize;
            sent.number == number && (sent.chunk.first..end).contains(&item)
        };
        self.sent.iter_mut().find(|sent| has(sent))
    }

    /// How many chunks it has.
    pub(super) fn count(&self) -> usize {
        let parts = self.sent.windows(2);
        let parts = parts.filter(|pair| pair[0].number == pair[1].number);
        self.sent.len() - parts.count()
    }

    /// Takes everything off its list; says of each chunk whether it may have been begun.
    pub(super) fn take_all(&mut self) -> Vec<(Sent, bool)> {
        judged(std::mem::take(&mut self.sent))
    }

    /// Takes the parts of a chunk off its list.
    pub(super) fn remove(&mut self, number: Number) -> Vec<Sent> {
        let parts = self
            .sent
            .extract_if(.., |sent| sent.number == number)
            .collect();
        self.moved = now_nanos();
        parts
    }
}

/// Of what a node has, which chunks it may have begun.
fn judged(sent: Vec<Sent>) -> Vec<(Sent, bool)> {
    let mut begun = true;
    let mut before = 0;
    let mut last = None;
    let judge = |sent: Sent| {
        // The node begins them in the order in which they came; parts of one chunk have its number.
        if last.replace(sent.number) != Some(sent.number) {
            begun &= before < sent.ahead;
            before += 1;
        }
        (sent, begun)
    };
    sent.into_iter().map(judge).collect()
}

impl State {
    /// True while there is a node that can be given something.
    pub(in crate::pool) fn has_nodes(&self) -> bool {
        let able = |node: &Node| node.is_there() && node.slots > 0;
        self.nodes.iter().any(able)
    }

    /// The nodes that know of the pool and are there, as events tell of them.
    pub(in crate::pool) fn nodes_that_joined(&self) -> Vec<EventKind> {
        let nodes = self.nodes.iter().filter(|node| node.opened && !node.lost);
        nodes.flat_map(|node| node.joined(0)).collect()
    }

    /// A worker of this machine has the number; no node is given it later.
    pub(in crate::pool) fn keep_number(&mut self, number: Option<usize>) {
        let next = number.map_or(0, |number| number + 1);
        self.next_number = self.next_number.max(next);
    }

    /// The numbers of workers that nodes have.
    pub(in crate::pool) fn numbers_of_nodes(&self) -> impl Iterator<Item = usize> {
        self.nodes
            .iter()
            .flat_map(|node| node.numbers.iter().copied())
    }

    /// How many chunks of items that take so long wait with nodes for their turn.
    pub(in crate::pool) fn most_ahead(&self, cost: Option<f64>) -> usize {
        let nodes = self.nodes.iter().filter(|node| node.is_there());
        nodes.map(|node| node.credit(cost) - node.slots).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::FunctionId;
    use crate::wire::Payload;

    fn sent(number: Number, ahead: usize) -> Sent {
        Sent {
            number,
            chunk: Chunk::single(0, FunctionId(0), Payload::default()),
            ahead,
            left: Vec::from_iter([10..15, 15..20]),
            named: Vec::new(),
            ended: false,
            given: 0,
            asked: 0,
        }
    }

    #[test]
    fn what_stands_behind_others_was_not_begun() {
        let begun = |aheads: &[usize]| -> Vec<bool> {
            let sent = (1..).zip(aheads);
            let sent = sent.map(|(number, ahead)| self::sent(number, *ahead));
            judged(sent.collect())
                .iter()
                .map(|(_, begun)| *begun)
                .collect()
        };
        assert_eq!(begun(&[2, 2, 2, 2]), [true, true, false, false]);
        assert_eq!(begun(&[9, 9, 2, 9]), [true, true, false, false]);
        assert_eq!(begun(&[1, 9, 9]), [true, true, true]);
    }

    #[test]
    fn what_is_left_of_a_chunk() {
        let mut sent = sent(1, 1);
        assert!(sent.take(12..14));
        assert_eq!(sent.left, [10..12, 14..15, 15..20]);
        assert!(!sent.take(13..15), "some of it was done");
        assert!(sent.take(14..15));
        assert!(sent.take(10..12) && sent.take(19..20));
        assert_eq!(sent.count_left(), 4);
        assert!(sent.take(15..19));
        assert!(sent.left.is_empty());
    }
}
