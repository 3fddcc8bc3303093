//! What nodes tell, put into the state of a pool of rank 0.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::line::Room;
use super::message::{Breach, News, Number, Order, Told};
use super::node::Sent;
use crate::error::{Error, ErrorKind, Failure, Step, TaskError, TaskErrorKind};
use crate::event::EventKind;
use crate::object::Object;
use crate::pool::backend::nodes::Node;
use crate::pool::chunk::{Delivery, Ending, Origin};
use crate::pool::keep::{Failed, How};
use crate::pool::logs::{Batch, Site};
use crate::pool::output::Written;
use crate::pool::shared::Shared;
use crate::pool::state::{Phase, State};
use crate::pool::tasks::TaskKey;
use crate::sys::{now_nanos, spawn_quiet};
use crate::wire::{Landing, Place, Records, Status};

/// An item that may have been running on so many nodes when they were lost is not tried again.
const MOST_LOST: u32 = 2;
/// Items that may have been running on a lost node are tried again one by one, or, if they are more than this, in
/// so many chunks. A chunk that is lost again is taken apart.
const MOST_APART: usize = 256;

impl News {
    /// The pool that it is for.
    pub(super) fn pool(&self) -> Option<u64> {
        match self {
            News::Hello(_) => None,
            News::Records { pool, .. } | News::Large { pool, .. } => Some(*pool),
            News::Object(pool, ..)
            | News::Failed(pool, ..)
            | News::Ended(pool, ..)
            | News::Wrote(pool, ..)
            | News::Back(pool, _)
            | News::Rest(pool, ..)
            | News::Done(pool, ..)
            | News::Events(pool)
            | News::Logs(pool)
            | News::Crashed(pool, _)
            | News::Broken(pool, ..)
            | News::Refused(pool, _)
            | News::Closed(pool) => Some(*pool),
        }
    }
}

/// Runs what is not for the thread that speaks to nodes, for which others wait.
pub(super) fn run_apart<F: FnOnce() + Send + 'static>(body: F) {
    let body = Arc::new(Mutex::new(Some(body)));
    fn run<F: FnOnce()>(body: &Mutex<Option<F>>) {
        let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(body) = body {
            body();
        }
    }
    let there = Arc::clone(&body);
    // Where there is no thread to be had, the others have to wait.
    if spawn_quiet("parproc-apart", move || run(&there)).is_err() {
        run(&body);
    }
}

/// The node with this rank, out of the state.
fn with_node<T>(
    state: &mut State,
    rank: usize,
    body: impl FnOnce(&mut State, &mut Node) -> T,
) -> Option<T> {
    let mut nodes = std::mem::take(&mut state.nodes);
    let node = nodes.iter_mut().find(|node| node.rank == rank);
    let out = node.map(|node| body(state, node));
    state.nodes = nodes;
    out
}

impl Shared {
    /// Memory for a large result that comes from a node.
    pub(super) fn landing_of(
        &self,
        rank: usize,
        number: Number,
        len: usize,
    ) -> Option<Box<dyn Landing>> {
        let mut state = self.lock_and_leave();
        let call = with_node(&mut state, rank, |_, node| {
            Some(node.find(number)?.chunk.call)
        })??;
        let make = state.calls.get(call)?.landing;
        let mut landing = make(len, &mut state.recycled)?;
        drop(state);
        (landing.bytes_mut().len() == len).then_some(landing)
    }

    /// Takes in what a node says.
    pub(super) fn take_news(&self, rank: usize, news: News, body: Room) {
        let news = match news {
            News::Broken(_, number, breach) => {
                self.end_broken(rank, number, breach);
                return;
            }
            news => news,
        };
        let mut state = self.lock_and_leave();
        // The program ends: nobody waits for anything but that.
        let of_end = matches!(news, News::Closed(_) | News::Events(_) | News::Logs(_));
        if state.silent && !of_end {
            return;
        }
        match news {
            News::Crashed(_, error) => {
                if let Some(error) = TaskError::from_bytes(&error) {
                    self.count_crash(&mut state, &error);
                }
            }
            News::Refused(..) => self.part_from(&mut state, rank, false),
            news => {
                with_node(&mut state, rank, |state, node| {
                    if !node.lost {
                        self.hear(state, node, news, body);
                    }
                });
            }
        }
    }

    /// News were taken in: gives out more, and wakes who waits for them.
    pub(super) fn after_news(&self) {
        let mut state = self.lock_and_leave();
        self.feed(&mut state);
        state.ringer.ring();
    }

    /// A node cannot go on with a call.
    fn end_broken(&self, rank: usize, number: Number, breach: Breach) {
        let mut state = self.lock_and_leave();
        if matches!(breach, Breach::Init { .. }) && self.goes_on_without(&mut state, rank, number) {
            self.feed(&mut state);
            state.ringer.ring();
            return;
        }
        let at = place(&state, rank);
        let chunk = with_node(&mut state, rank, |_, node| {
            let mut of_chunk = None;
            for sent in node.sent.iter_mut().filter(|sent| sent.number == number) {
                // Nothing more comes of it.
                sent.left.clear();
                let end = sent.chunk.first + sent.chunk.count as usize;
                let (_, _, items) = of_chunk.get_or_insert((
                    sent.chunk.call,
                    sent.chunk.tasks,
                    sent.chunk.first..end,
                ));
                items.end = end;
            }
            of_chunk
        });
        let Some(Some((call, tasks, items))) = chunk else {
            return;
        };
        // The call is not over before it was told.
        state.count_out(call);
        drop(state);
        let Some(shared) = self.this.upgrade() else {
            return;
        };
        let tell = move || {
            let error = shared.error_of(&at, breach);
            let mut state = shared.lock();
            if tasks {
                state.deliver_to_tasks(call, Delivery::Aborted(error), items);
            } else {
                state.deliver(call, Delivery::Aborted(error));
            }
            state.count_in(call);
            state.ringer.ring();
        };
        // What an init function said is read by the user's code, which may take its time, or use pools.
        run_apart(tell);
    }

    /// Why a node cannot go on.
    fn error_of(&self, at: &str, breach: Breach) -> Error {
        match breach {
            Breach::Init {
                reason,
                said,
                source,
            } => {
                let source = source.and_then(|bytes| TaskError::from_bytes(&bytes));
                self.hooks.error_of_node(at, reason, said, source)
            }
            Breach::Start { reason } | Breach::Other { reason } => {
                let reason = format!("{at}: {reason}");
                Error::new(ErrorKind::Start { reason })
            }
        }
    }

    /// Gives a node nothing more, none of whose workers can be made ready, if others have some; says whether so.
    fn goes_on_without(&self, state: &mut State, rank: usize, number: Number) -> bool {
        let proved = |node: &Node| node.rank != rank && node.proved && node.is_there();
        let own = state
            .links
            .iter()
            .any(|link| link.greeted && link.init.is_done());
        with_node(state, rank, |_, node| node.unready = true);
        if !own && !state.nodes.iter().any(proved) {
            return false;
        }
        with_node(state, rank, |state, node| {
            node.slots = 0;
            for sent in node.remove(number) {
                state.away -= 1;
                self.put_back_left(state, sent, None);
            }
        });
        true
    }

    fn hear(&self, state: &mut State, node: &mut Node, news: News, body: Room) {
        match news {
            News::Hello(_) | News::Crashed(..) | News::Broken(..) | News::Refused(..) => {}
            News::Records {
                number,
                first,
                count,
                pid,
                attempt,
                row,
                objects,
                ..
            } => {
                let origin = Origin { pid, attempt };
                let Room::Bytes(bytes, _) = body else {
                    self.refuse(state, node, number, first..first + count, origin);
                    return;
                };
                let delivery = Delivery::Records {
                    first,
                    count,
                    origin,
                    bytes,
                    row,
                    objects: named(node, number, &objects),
                };
                if self.keeps() && !row {
                    self.deliver_one_by_one(state, node, number, delivery);
                } else {
                    deliver(state, node, number, first..first + count, delivery);
                }
            }
            News::Large {
                number,
                index,
                pid,
                attempt,
                objects,
                ..
            } => {
                let origin = Origin { pid, attempt };
                let Room::Landing(landing, _) = body else {
                    self.refuse(state, node, number, index..index + 1, origin);
                    return;
                };
                let delivery = Delivery::Large {
                    index,
                    origin,
                    landing,
                    objects: named(node, number, &objects),
                };
                deliver(state, node, number, index..index + 1, delivery);
            }
            News::Object(_, number, twin) => {
                if let Some(sent) = node.find(number) {
                    sent.named.extend(body.into_object(twin));
                }
            }
            News::Failed(_, number, index, error) => {
                let error = self.error_from(node, number, index, &error);
                if self.keeps() {
                    let attempt = error.attempt();
                    let how = How::Died(error);
                    self.fail_here(state, node, number, index, attempt, how);
                } else {
                    let delivery = Delivery::Failed { index, error };
                    deliver(state, node, number, index..index + 1, delivery);
                }
            }
            News::Ended(_, number, first, count) => {
                for index in first..first + count {
                    let ending = node
                        .find_item(number, index)
                        .and_then(|sent| ending_of(state, sent, index));
                    let delivery = Delivery::Ended {
                        first: index,
                        count: 1,
                        ending: ending.unwrap_or(Ending::Cancelled),
                    };
                    deliver(state, node, number, index..index + 1, delivery);
                }
            }
            News::Wrote(_, number, index, all, cut) => {
                if let Some(sent) = node.find(number) {
                    state.keep_written(sent.chunk.call, index, Written::from_parts(all, cut));
                }
            }
            News::Back(_, number) => {
                for sent in node.remove(number) {
                    state.away -= 1;
                    self.put_back_left(state, sent, None);
                }
            }
            News::Rest(_, number, first, count) => {
                self.put_back_rest(state, node, number, first..first.saturating_add(count));
            }
            News::Done(_, number, cost) => {
                let parts = node.remove(number);
                if let (Some(cost), Some(part)) = (cost, parts.first()) {
                    state.learn_cost(part.chunk.function, cost);
                }
                for sent in parts {
                    state.away -= 1;
                    self.put_back_left(state, sent, None);
                }
            }
            News::Logs(_) => self.hear_logs(state, node, body),
            News::Events(_) => {
                let events: Vec<Told> = read(body).unwrap_or_default();
                if let Some(last) = events.last() {
                    node.hear_clock(last.at);
                }
                for told in events {
                    emit(state, node, told);
                }
            }
            News::Closed(_) => {
                node.closed = true;
                node.center.note_change();
            }
        }
    }

    /// Has played what tasks logged on a node, in front of the results that come behind it.
    fn hear_logs(&self, state: &mut State, node: &mut Node, body: Room) {
        let Some(batch) = read::<Batch>(body) else {
            return;
        };
        let (jobs, bytes) = batch.amount();
        let (center, rank, pool) = (node.center, node.rank, node.pool);
        let heard = move || center.tell(rank, &Order::Heard { pool, jobs, bytes });
        let Some(hub) = self.relay.hub(false) else {
            heard();
            return;
        };
        let mut calls: Vec<usize> = batch.chunks().filter_map(|one| node.call_of(one)).collect();
        calls.dedup();
        let site = Site {
            host: Arc::clone(&node.host),
            rank,
        };
        let Node {
            sent, heard: away, ..
        } = node;
        let find = |number: u64| {
            let sent = sent.iter().find(|sent| sent.number == number)?;
            let function = self.table.name(sent.chunk.function);
            Some((state.context_of(&sent.chunk), function))
        };
        let number = batch.put(&hub, away, &site, find, heard);
        for call in calls {
            state.heard(call, number);
        }
    }

    /// Delivers records, of which those of failed items may have their input saved first.
    fn deliver_one_by_one(
        &self,
        state: &mut State,
        node: &mut Node,
        number: Number,
        delivery: Delivery,
    ) {
        let Delivery::Records {
            first,
            count,
            origin,
            bytes,
            objects,
            ..
        } = delivery
        else {
            return;
        };
        let mut rest = Records(&bytes);
        for index in first..first + count {
            let before = rest.0;
            let Some((status, _)) = rest.next() else {
                return;
            };
            let record = before[..before.len() - rest.0.len()].to_vec();
            if status == Status::Failed {
                let how = How::Said { origin, record };
                self.fail_here(state, node, number, index, origin.attempt, how);
                continue;
            }
            let delivery = Delivery::Records {
                first: index,
                count: 1,
                origin,
                bytes: record,
                row: false,
                objects: objects.clone(),
            };
            deliver(state, node, number, index..index + 1, delivery);
        }
    }

    /// An item failed on a node: its input is saved here, where the program looks for it.
    fn fail_here(
        &self,
        state: &mut State,
        node: &mut Node,
        number: Number,
        index: usize,
        attempt: u32,
        how: How,
    ) {
        node.moved = now_nanos();
        node.proved = true;
        node.unready = false;
        let Some(sent) = node.find_item(number, index) else {
            return;
        };
        if !sent.take(index..index + 1) {
            return;
        }
        let chunk = &sent.chunk;
        let arguments = self.table.arguments(chunk.function);
        let mut place = Place::default();
        chunk
            .payload
            .pass(&mut place, index - chunk.first, arguments);
        let mut item = chunk.copy_item(index, &mut place, arguments);
        item.history.attempt = attempt;
        let wanted = state.wants(item.call, index);
        self.fail(state, Failed { item, how }, wanted);
    }

    /// There is no memory for the results of these items.
    fn refuse(
        &self,
        state: &mut State,
        node: &mut Node,
        number: Number,
        items: Range<usize>,
        origin: Origin,
    ) {
        for index in items {
            let Some(chunk) = node.find(number).map(|sent| &sent.chunk) else {
                return;
            };
            let known = if chunk.tasks { 0 } else { index };
            let name = self.table.name(chunk.function);
            let reason = "there is no memory for it".to_owned();
            let failure = Failure::new(Step::DecodeResult, String::new(), reason);
            let error = TaskError::failed(name, known, origin.pid, failure);
            let error = error.in_attempt(origin.attempt);
            let delivery = Delivery::Failed { index, error };
            deliver(state, node, number, index..index + 1, delivery);
        }
    }

    /// The error of an item, as its node wrote it.
    fn error_from(&self, node: &mut Node, number: Number, index: usize, bytes: &[u8]) -> TaskError {
        TaskError::from_bytes(bytes).unwrap_or_else(|| {
            let chunk = node.find(number).map(|sent| &sent.chunk);
            let name = chunk.map_or("?", |chunk| self.table.name(chunk.function));
            let reason = "what its node says of its failure could not be read".to_owned();
            TaskError::new(name, index, None, TaskErrorKind::Cancelled { reason })
        })
    }

    /// Queues what is left of a chunk that its node does not have any more; the rest is done. What may be what
    /// ended the node is queued in chunks of so many items.
    fn put_back_left(&self, state: &mut State, sent: Sent, suspects: Option<usize>) {
        let Sent {
            mut chunk,
            left,
            named,
            ..
        } = sent;
        state.put_out(named);
        let call = chunk.call;
        let mut back = Vec::new();
        for part in left {
            let before = (part.start - chunk.first) as u32;
            let before = self.split(&mut chunk, before);
            state.give_back(before);
            let mut part = self.split(&mut chunk, part.len() as u32);
            let most = suspects.map_or(part.count, |most| most as u32);
            part.history.nodes += u32::from(suspects.is_some());
            while part.count > 0 {
                let count = part.count.min(most);
                state.count_out(call);
                back.push(self.split(&mut part, count));
            }
        }
        for part in back.into_iter().rev() {
            let wanted = part.tasks || state.wants(call, part.first);
            if state.phase == Phase::Closed || !wanted {
                state.drop_chunk(part);
            } else {
                state.queue.push_front(part);
            }
        }
        state.finish(chunk);
    }

    /// Queues items of a chunk that its node gave back, and leaves the others there.
    fn put_back_rest(
        &self,
        state: &mut State,
        node: &mut Node,
        number: Number,
        items: Range<usize>,
    ) {
        let has = |sent: &Sent| {
            let end = sent.chunk.first + sent.chunk.count as usize;
            sent.number == number && sent.chunk.first <= items.start && items.end <= end
        };
        let Some(place) = node.sent.iter().position(has) else {
            return;
        };
        let sent = &mut node.sent[place];
        if !sent.take(items.clone()) {
            return;
        }
        let call = sent.chunk.call;
        let before = (items.start - sent.chunk.first) as u32;
        let before = self.split(&mut sent.chunk, before);
        let mut part = std::mem::replace(&mut sent.chunk, before);
        let rest = self.split(&mut part, items.len() as u32);
        let after = std::mem::replace(&mut part, rest);
        if after.count > 0 {
            let behind = sent.left.extract_if(.., |left| left.start >= items.end);
            let after = Sent {
                left: behind.collect(),
                chunk: after,
                // What comes for it is kept with the part before it.
                named: Vec::new(),
                ..*sent
            };
            node.sent.insert(place + 1, after);
            state.count_out(call);
            state.away += 1;
        }
        state.count_out(call);
        if part.tasks || state.wants(call, part.first) {
            state.queue.push_back(part);
        } else {
            state.drop_chunk(part);
        }
    }

    /// A node is lost: what it had is run elsewhere, unless that may be what ends nodes.
    pub(super) fn lose_node(&self, rank: usize) {
        let mut state = self.lock_and_leave();
        self.part_from(&mut state, rank, true);
        self.feed(&mut state);
        state.ringer.ring();
    }

    /// Has what a node was given run elsewhere; if it `ran`, what it may have begun may be to blame.
    fn part_from(&self, state: &mut State, rank: usize, ran: bool) {
        let parted = with_node(state, rank, |_, node| {
            node.lost = true;
            node.heard.end();
            (
                node.take_all(),
                node.host.clone(),
                node.opened.then(|| node.numbers.clone()),
            )
        });
        let Some((sent, host, workers)) = parted else {
            return;
        };
        let begun = sent.iter().filter(|(_, begun)| *begun && ran);
        let suspects: usize = begun.map(|(sent, _)| sent.count_left()).sum();
        let most = suspects.div_ceil(MOST_APART);
        // The first one is to stand before the others.
        for (sent, begun) in sent.into_iter().rev() {
            state.away -= 1;
            if begun && ran {
                self.lose_chunk(state, sent, most, rank, &host);
            } else {
                self.put_back_left(state, sent, None);
            }
        }
        // Who was not told that it is there need not know.
        if let Some(workers) = workers {
            state.tell_node_lost(rank, &host, &workers);
        }
    }

    fn lose_chunk(&self, state: &mut State, mut sent: Sent, most: usize, rank: usize, host: &str) {
        let lost = sent.chunk.history.nodes + 1;
        if lost < MOST_LOST {
            self.put_back_left(state, sent, Some(most));
            return;
        }
        if sent.count_left() > 1 {
            // It is not known yet which one it is.
            sent.chunk.history.nodes -= 1;
            self.put_back_left(state, sent, Some(1));
            return;
        }
        let Sent {
            chunk, left, named, ..
        } = sent;
        state.put_out(named);
        let name = self.table.name(chunk.function);
        for index in left.into_iter().flatten() {
            let kind = TaskErrorKind::NodeLost {
                rank,
                host: host.to_owned(),
                times: lost,
            };
            let known = if chunk.tasks { 0 } else { index };
            let error = TaskError::new(name, known, None, kind).in_attempt(chunk.history.attempt);
            state.tell_failure(chunk.call, None, index, &error, false);
            state.deliver(chunk.call, Delivery::Failed { index, error });
        }
        state.finish(chunk);
    }
}

/// What a node wrote into a body; none if it is something else.
fn read<T: DeserializeOwned>(body: Room) -> Option<T> {
    match body {
        Room::Bytes(bytes, _) => postcard::from_bytes(&bytes).ok(),
        Room::Landing(..) | Room::Object(..) | Room::Nothing(_) | Room::Void(_) => None,
    }
}

/// A node, for people.
fn place(state: &State, rank: usize) -> String {
    let node = state.nodes.iter().find(|node| node.rank == rank);
    let host = node.map_or("?", |node| &node.host);
    format!("on {host} (rank {rank})")
}

/// What results of a chunk name: it came before them, or the chunk names it. Who misses one will say so.
fn named(node: &mut Node, number: Number, ids: &[u64]) -> Vec<Arc<Object>> {
    let Some(sent) = node.find(number) else {
        return Vec::new();
    };
    let all = || sent.named.iter().chain(sent.chunk.payload.objects());
    let find = |id: &u64| all().find(|object| object.id() == *id).cloned();
    ids.iter().filter_map(find).collect()
}

/// Something came of these items of a chunk.
fn deliver(
    state: &mut State,
    node: &mut Node,
    number: Number,
    items: Range<usize>,
    delivery: Delivery,
) {
    let now = now_nanos();
    if let Some(sent) = node.find_item(number, items.start)
        && sent.take(items)
    {
        let call = sent.chunk.call;
        node.moved = now;
        node.proved = true;
        node.unready = false;
        state.deliver(call, delivery);
    }
}

/// Why the item was ended.
fn ending_of(state: &State, sent: &Sent, index: usize) -> Option<Ending> {
    let call = state.calls.get(sent.chunk.call)?;
    if sent.chunk.tasks {
        let of_task = state.ending_of(TaskKey::of(sent.chunk.call, index));
        return of_task.or(call.ending);
    }
    call.ending
}

/// Tells of what happened on a node, with the workers' numbers among those of the pool.
fn emit(state: &mut State, node: &mut Node, told: Told) {
    let Told { at, mut kind } = told;
    let at = node.time(at);
    match &mut kind {
        EventKind::ChunkGiven { worker, .. }
        | EventKind::ChunkDone { worker, .. }
        | EventKind::ItemsDone { worker, .. }
        | EventKind::WorkerStarted { worker, .. }
        | EventKind::WorkerReady { worker, .. }
        | EventKind::WorkerInitialized { worker, .. }
        | EventKind::WorkerFinalized { worker, .. }
        | EventKind::WorkerEnded { worker, .. } => {
            *worker = worker.and_then(|worker| node.number(state, worker));
        }
        EventKind::ItemsTimed { worker, spans, .. } => {
            *worker = worker.and_then(|worker| node.number(state, worker));
            for span in spans {
                span.began = node.time(span.began);
            }
        }
        EventKind::ItemFailed { worker, began, .. } => {
            *worker = worker.and_then(|worker| node.number(state, worker));
            *began = began.map(|began| node.time(began));
        }
        EventKind::CallStarted { .. }
        | EventKind::CallEnded { .. }
        | EventKind::ItemsDropped { .. }
        | EventKind::ItemRetried { .. }
        | EventKind::NodeJoined { .. }
        | EventKind::NodeLost { .. } => {}
    }
    state.emit_at(at, kind);
}
