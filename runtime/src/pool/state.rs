//! What the lock of a pool guards.

use std::collections::{BTreeSet, VecDeque};
use std::ptr::fn_addr_eq;
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;
use std::time::Duration;

use slab::Slab;

use super::actor::ActorState;
#[cfg(feature = "mpi")]
use super::backend::Node;
use super::callbacks::Callbacks;
use super::chunk::{Chunk, Delivery, Ending};
use super::death::Barren;
use super::events::Events;
use super::gauge::Gauge;
use super::hooks::INIT;
use super::keep::Failed;
use super::link::{Link, News};
use super::logs::Context;
use super::observer::Observers;
use super::output::Written;
use super::process::Start;
use super::rules::Rules;
use super::tasks::{TaskKey, Tasks};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventKind;
use crate::object::Object;
use crate::registry::{FunctionId, Table};
use crate::shm::{Patience, PoolPark, Ringer, Sleeper};
use crate::sys::Notify;
use crate::wire::{MakeLanding, Payload, Recycled};

/// Buffers kept for the next chunk: enough for all chunks in flight of a few workers.
const BUFFERS: usize = 64;
/// A larger buffer is not worth keeping.
const BUFFER_BYTES: usize = 1 << 20;

/// Whether the pool takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// No more; what was submitted is finished.
    Closing,
    /// All is dropped, and the workers end.
    Closed,
}

/// What the courier is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Courier {
    /// No work was left to it.
    Idle,
    /// It looks after the work soon.
    Armed,
    /// It moves the results.
    Leading,
    /// Another thread leads, and tells it when it stops.
    Relieved,
}

/// The courier's thread.
#[derive(Debug)]
pub(super) enum Thread {
    Absent,
    /// The supervisor shall start it.
    Wanted,
    Runs(JoinHandle<()>),
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// The program is ending: workers are ended, and nobody is told.
    pub(super) silent: bool,
    /// Workers are killed also if they are idle.
    pub(super) killed: bool,
    pub(super) calls: Slab<Call>,
    /// For each function the call that its next task shares.
    pub(super) sharing: Vec<Option<usize>>,
    /// Chunks that no worker has.
    pub(super) queue: VecDeque<Chunk>,
    /// Items that wait until they are tried again, with the time in nanoseconds.
    pub(super) delayed: Vec<(u64, Chunk)>,
    /// Items whose input the keeper shall save.
    pub(super) failed: VecDeque<Failed>,
    /// When calls have to be done, in nanoseconds, and their keys.
    pub(super) deadlines: BTreeSet<(u64, usize)>,
    /// When the supervisor looks at the clock next, in nanoseconds.
    pub(super) alarm: u64,
    pub(super) links: Vec<Link>,
    /// Other machines.
    #[cfg(feature = "mpi")]
    pub(super) nodes: Vec<Node>,
    /// The next number for one of their workers.
    #[cfg(feature = "mpi")]
    pub(super) next_number: usize,
    /// Chunks that these have.
    pub(super) away: usize,
    /// There were chunks that cannot go there.
    #[cfg(feature = "mpi")]
    pub(super) bound: bool,
    /// Chunks that are queued or with a worker.
    pub(super) outstanding: usize,
    /// Calls that threads wait for as a whole.
    pub(super) maps: usize,
    /// Workers that the supervisor shall start.
    pub(super) wanted: usize,
    /// Workers that the supervisor is starting now.
    pub(super) starting: usize,
    /// Processes that the supervisor shall start.
    pub(super) starts: VecDeque<Start>,
    /// Workers that the supervisor shall kill.
    pub(super) condemned: Vec<u64>,
    /// Workers that have something which nobody wants any more, and how long they have to end it.
    pub(super) graces: Vec<Grace>,
    /// Workers that items ended.
    pub(super) crashes: u32,
    /// Why the pool takes no more work though it was not closed.
    pub(super) broken: Option<Error>,
    pub(super) barren: Barren,
    /// Workers that ended one after the other in the init function.
    pub(super) init_failures: Barren,
    /// What the init function may do.
    pub(super) init_rules: Option<Arc<Rules>>,
    pub(super) actor: ActorState,
    /// Nanoseconds that an item of each function took lately.
    pub(super) costs: Vec<Option<f64>>,
    /// True while a thread sleeps on the pool's bell for everybody.
    pub(super) led: bool,
    /// The bell's sleeping end; with the leader while it sleeps.
    pub(super) sleeper: Option<Sleeper<PoolPark>>,
    /// Of those who lead.
    pub(super) patience: Patience,
    /// Wakes the leader from within this process.
    pub(super) ringer: Ringer<PoolPark>,
    /// Threads that wait while another one leads.
    pub(super) followers: Vec<Arc<Condvar>>,
    pub(super) courier: Courier,
    pub(super) courier_thread: Thread,
    pub(super) gauge: Gauge,
    pub(super) observers: Observers,
    pub(super) callbacks: Callbacks,
    pub(super) buffers: Vec<Vec<u8>>,
    /// For large results, while there is something to do.
    pub(super) recycled: Recycled,
    /// Empty; the memory is used at each look at a worker.
    pub(super) news: Vec<News>,
    /// What is dropped when the lock is let go of.
    pub(super) litter: Vec<Litter>,
    /// Wakes the supervisor.
    pub(super) supervisor: Arc<Notify>,
    pub(super) table: &'static Table,
    /// What happens, for those who look on.
    pub(super) events: Events,
    /// Counts deeds, to tell which worker was busy last.
    pub(super) clock: u64,
}

/// A worker may end what it does, for a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grace {
    pub(super) link: u64,
    pub(super) whose: Whose,
    /// In nanoseconds.
    pub(super) until: u64,
}

/// What a worker is to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    /// The chunk with this number.
    Chunk(u64),
    Task(TaskKey),
}

/// What a caller learns when it hands in a chunk.
#[derive(Debug)]
pub(super) struct Submitted {
    /// For the next chunk.
    pub(super) buffer: Vec<u8>,
    /// Chunks of the call that are queued or with a worker.
    pub(super) outstanding: usize,
    /// What an item took lately, in nanoseconds.
    pub(super) cost: Option<f64>,
    /// Whether the call was ended from outside.
    pub(super) ended: Option<Ending>,
}

/// What is dropped when the state is not locked any more: with it may go something of the user's.
#[derive(Debug)]
pub(super) enum Litter {
    Object(#[expect(dead_code, reason = "dropping it is all")] Arc<Object>),
    Context(
        #[cfg_attr(feature = "_logs", expect(dead_code, reason = "dropping it is all"))] Context,
    ),
}

/// What a call begins with.
#[derive(Debug)]
pub(super) struct CallSpec {
    pub(super) function: FunctionId,
    /// Its number, if that was asked for before.
    pub(super) serial: Option<u64>,
    /// How many items it has, if that is known.
    pub(super) items: Option<usize>,
    pub(super) landing: MakeLanding,
    /// True for a call that a thread waits for, from its first item to its last.
    pub(super) whole: bool,
    /// True when each result is wanted as soon as it is there.
    pub(super) eager: bool,
    pub(super) rules: Option<Arc<Rules>>,
    pub(super) deadline: Option<(u64, Duration)>,
    pub(super) retained: bool,
    /// What its items write goes into reports, if it is captured.
    pub(super) reported: bool,
    /// Who wants to hear of what its items log.
    pub(super) context: Context,
}

impl CallSpec {
    /// A call that may do anything, and is waited for item by item.
    pub(super) fn of(function: FunctionId, landing: MakeLanding) -> Self {
        Self {
            function,
            serial: None,
            items: None,
            landing,
            whole: false,
            eager: true,
            rules: None,
            deadline: None,
            retained: false,
            reported: false,
            context: Context::default(),
        }
    }
}

/// One call as its pool sees it.
#[derive(Debug)]
pub(super) struct Call {
    /// What came and was not fetched.
    pub(super) mail: Vec<Delivery>,
    /// Chunks that are queued or with a worker.
    pub(super) outstanding: u32,
    /// Nobody will fetch anything any more.
    detached: bool,
    /// Keys are used again; this is not.
    pub(super) serial: u64,
    /// Items from this one on are not wanted any more.
    end: usize,
    /// Its items, if they are tasks.
    pub(super) tasks: Option<Box<Tasks>>,
    /// Why, if the call was ended from outside.
    pub(super) ending: Option<Ending>,
    /// What its items may do; none if they may do anything.
    pub(super) rules: Option<Arc<Rules>>,
    /// When it has to be done, in nanoseconds, and how long that was.
    pub(super) deadline: Option<(u64, Duration)>,
    /// Its chunks are given back to the caller when they are done.
    pub(super) retained: bool,
    /// See [`CallSpec`].
    reported: bool,
    /// What items wrote whose results were fetched with the mail, or are yet to come.
    pub(super) written: Vec<(usize, Written)>,
    /// See [`CallSpec`].
    pub(super) whole: bool,
    /// See [`CallSpec`].
    eager: bool,
    /// The thread that waits for the mail, while another one leads.
    pub(super) waiter: Option<Arc<Condvar>>,
    /// Makes room for a large result.
    pub(super) landing: MakeLanding,
    /// See [`CallSpec`].
    context: Context,
    /// The number of what has to be heard of that before its results are the caller's.
    pub(super) heard: u64,
}

impl Call {
    /// See [`CallSpec`].
    #[cfg(feature = "mpi")]
    pub(super) fn is_eager(&self) -> bool {
        self.eager
    }

    /// See [`CallSpec`].
    #[cfg(feature = "mpi")]
    pub(super) fn is_reported(&self) -> bool {
        self.reported
    }

    /// True when tasks of such a call can share this one.
    pub(super) fn agrees(&self, spec: &CallSpec) -> bool {
        let same = match (&self.rules, &spec.rules) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs) || ours == theirs,
            _ => false,
        };
        same && fn_addr_eq(self.landing, spec.landing) && self.context.agrees(&spec.context)
    }
}

impl State {
    pub(super) fn new(
        table: &'static Table,
        sleeper: Sleeper<PoolPark>,
        ringer: Ringer<PoolPark>,
        supervisor: Arc<Notify>,
    ) -> Self {
        Self {
            phase: Phase::Open,
            silent: false,
            killed: false,
            calls: Slab::new(),
            sharing: vec![None; table.len()],
            queue: VecDeque::new(),
            delayed: Vec::new(),
            failed: VecDeque::new(),
            deadlines: BTreeSet::new(),
            alarm: u64::MAX,
            links: Vec::new(),
            #[cfg(feature = "mpi")]
            nodes: Vec::new(),
            #[cfg(feature = "mpi")]
            next_number: 0,
            away: 0,
            #[cfg(feature = "mpi")]
            bound: false,
            outstanding: 0,
            maps: 0,
            wanted: 0,
            starting: 0,
            starts: VecDeque::new(),
            condemned: Vec::new(),
            graces: Vec::new(),
            crashes: 0,
            broken: None,
            barren: Barren::default(),
            init_failures: Barren::default(),
            init_rules: None,
            actor: ActorState::default(),
            costs: vec![None; table.len()],
            led: false,
            sleeper: Some(sleeper),
            patience: Patience::default(),
            ringer,
            followers: Vec::new(),
            courier: Courier::Idle,
            courier_thread: Thread::Absent,
            gauge: Gauge::Absent,
            observers: Observers::default(),
            callbacks: Callbacks::default(),
            buffers: Vec::new(),
            recycled: Recycled::default(),
            news: Vec::new(),
            litter: Vec::new(),
            supervisor,
            table,
            events: Events::default(),
            clock: 0,
        }
    }

    /// Fails when the pool takes no more work.
    pub(super) fn check_open(&self) -> Result<()> {
        match &self.broken {
            Some(error) => Err(error.again()),
            None if self.phase == Phase::Open => Ok(()),
            None => Err(Error::new(ErrorKind::Closed)),
        }
    }

    /// Fails when work that was begun cannot go on.
    pub(super) fn check_alive(&self) -> Result<()> {
        match (&self.broken, self.phase) {
            (Some(error), _) => Err(error.again()),
            (None, Phase::Closed) => Err(Error::new(ErrorKind::Closed)),
            (None, Phase::Open | Phase::Closing) => Ok(()),
        }
    }

    /// A number that no other call has.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn open_call(&mut self, spec: CallSpec) -> usize {
        let CallSpec {
            function,
            serial,
            items,
            landing,
            whole,
            eager,
            rules,
            deadline,
            retained,
            reported,
            context,
        } = spec;
        self.maps += usize::from(whole);
        let serial = serial.unwrap_or_else(|| self.next_serial());
        let key = self.calls.insert(Call {
            whole,
            eager,
            mail: Vec::new(),
            outstanding: 0,
            detached: false,
            serial,
            end: usize::MAX,
            ending: None,
            tasks: None,
            rules,
            deadline,
            retained,
            reported,
            written: Vec::new(),
            waiter: None,
            landing,
            context,
            heard: 0,
        });
        self.deadlines.extend(deadline.map(|(at, _)| (at, key)));
        self.emit(EventKind::CallStarted {
            call: serial,
            function: self.table.name(function),
            items,
        });
        key
    }

    pub(super) fn remove_call(&mut self, key: usize) {
        let call = self.calls.remove(key);
        if let Some((at, _)) = call.deadline {
            self.deadlines.remove(&(at, key));
        }
        self.emit(EventKind::CallEnded { call: call.serial });
        if call.context.is_on() {
            self.litter.push(Litter::Context(call.context));
        }
    }

    /// Who wants to hear of what the items of a chunk log.
    pub(super) fn context_of(&self, chunk: &Chunk) -> Context {
        match self.calls.get(chunk.call) {
            Some(call) => call.context.clone(),
            None => Context::default(),
        }
    }

    /// What was logged up to this number is from before results of the call.
    pub(super) fn heard(&mut self, key: usize, number: u64) {
        if let Some(call) = self.calls.get_mut(key) {
            call.heard = call.heard.max(number);
        }
    }

    /// Nobody will ask for the call's results: what is queued is dropped, what runs is run in vain.
    pub(super) fn detach_call(&mut self, key: usize, finish: bool) {
        if !finish {
            self.cancel_after(key, None);
        }
        if let Some(call) = self.calls.get_mut(key) {
            call.detached = true;
            let mail = std::mem::take(&mut call.mail);
            self.maps -= usize::from(call.whole);
            if call.outstanding == 0 {
                self.remove_call(key);
            }
            self.discard(mail);
        }
        self.notify_if_idle();
        if self.phase == Phase::Closing {
            self.ringer.ring();
        }
    }

    /// Drops the items of a call after item `last` (all of them without it) as far as nobody has begun
    /// them.
    pub(super) fn cancel_after(&mut self, key: usize, last: Option<usize>) {
        // One more than the last item that is wanted.
        let end = last.map_or(0, |last| last.saturating_add(1));
        if let Some(call) = self.calls.get_mut(key) {
            call.end = call.end.min(end);
        }
        self.drop_unwanted(Some(key), end);
    }

    /// Drops the items of all calls as far as nobody has begun them.
    pub(super) fn cancel_all(&mut self) {
        for (_, call) in &mut self.calls {
            call.end = 0;
        }
        self.drop_unwanted(None, 0);
    }

    /// Drops the chunks of items from `end` on, of one call or of all, as far as nobody has begun them.
    fn drop_unwanted(&mut self, call: Option<usize>, end: usize) {
        let unwanted =
            |chunk: &Chunk| call.is_none_or(|call| chunk.call == call) && chunk.first >= end;
        let queue = std::mem::take(&mut self.queue).into_iter();
        let (mut dropped, kept): (Vec<_>, Vec<_>) = queue.partition(unwanted);
        self.queue = kept.into();
        let delayed = self.delayed.extract_if(.., |(_, chunk)| unwanted(chunk));
        dropped.extend(delayed.map(|(_, chunk)| chunk));
        self.revoke(call, end, &mut dropped);
        for chunk in dropped {
            self.drop_chunk(chunk);
        }
    }

    /// A chunk more is queued or with a worker.
    pub(super) fn count_out(&mut self, key: usize) {
        self.outstanding += 1;
        if let Some(call) = self.calls.get_mut(key) {
            call.outstanding += 1;
        }
    }

    /// A chunk is not run; if its call was ended from outside, the caller is told so.
    pub(super) fn drop_chunk(&mut self, chunk: Chunk) {
        let call = self.calls.get(chunk.call);
        if chunk.tasks {
            self.tell_ended(&chunk);
        } else if let Some(ending) = call.and_then(|call| call.ending) {
            let delivery = Delivery::Ended {
                first: chunk.first,
                count: chunk.count as usize,
                ending,
            };
            self.deliver(chunk.call, delivery);
        } else {
            self.tell_dropped(chunk.call, chunk.count as usize);
        }
        self.finish(chunk);
    }

    /// True while the call with this key and serial is not over.
    pub(super) fn has_call(&self, key: usize, serial: u64) -> bool {
        self.calls
            .get(key)
            .is_some_and(|call| call.serial == serial)
    }

    /// What the items of a chunk may do.
    pub(super) fn rules_of(&self, chunk: &Chunk) -> Option<&Arc<Rules>> {
        match chunk.call {
            INIT => self.init_rules.as_ref(),
            call => self.calls.get(call)?.rules.as_ref(),
        }
    }

    /// True when somebody still wants the item.
    pub(super) fn wants(&self, key: usize, item: usize) -> bool {
        let call = self.calls.get(key).filter(|call| item < call.end);
        call.is_some_and(|call| call.tasks.as_ref().is_none_or(|tasks| tasks.wants(item)))
    }

    /// A chunk is done with, in whatever way.
    pub(super) fn finish(&mut self, chunk: Chunk) {
        self.count_in(chunk.call);
        self.give_back(chunk);
        self.notify_if_idle();
        self.close_if_over();
    }

    /// A chunk less is queued or with a worker.
    pub(super) fn count_in(&mut self, key: usize) {
        self.outstanding -= 1;
        if let Some(call) = self.calls.get_mut(key) {
            call.outstanding -= 1;
            if call.outstanding == 0 {
                // Its caller may have fetched all results before the chunk's end came.
                if let Some(waiter) = &call.waiter {
                    waiter.notify_one();
                }
                if call.detached {
                    self.remove_call(key);
                } else if call.tasks.is_some() {
                    self.tidy_tasks(key);
                }
            }
        }
    }

    /// True if the caller may try items again that are done.
    pub(super) fn is_retained(&self, call: usize) -> bool {
        self.calls.get(call).is_some_and(|call| call.retained)
    }

    /// What was in a chunk is not needed any more; its caller may try the items again.
    pub(super) fn give_back(&mut self, chunk: Chunk) {
        if self.is_retained(chunk.call) {
            self.deliver(chunk.call, Delivery::Returned(chunk));
        } else {
            let mut payload = chunk.payload;
            self.put_out(payload.take_objects());
            self.keep_payload(payload);
        }
    }

    /// Drops objects: those with which something of the user's may go, when the lock is let go of.
    pub(super) fn put_out(&mut self, objects: Vec<Arc<Object>>) {
        let own = objects.into_iter().filter(|object| object.has_local());
        self.litter.extend(own.map(Litter::Object));
    }

    /// Drops news that nobody wants.
    pub(super) fn discard(&mut self, news: impl IntoIterator<Item = Delivery>) {
        for mut delivery in news {
            self.put_out(delivery.take_objects());
        }
    }

    /// Somebody may wait for the end of all work.
    fn notify_if_idle(&mut self) {
        if self.outstanding == 0 {
            drop(self.recycled.take_all());
            for follower in &self.followers {
                follower.notify_one();
            }
        }
    }

    /// True when somebody may wait for the first results of a chunk before its last one is there.
    pub(super) fn has_partial_news(&self, chunk: &Chunk) -> bool {
        chunk.count > 1 && self.calls.get(chunk.call).is_some_and(|call| call.eager)
    }

    /// Puts news into the call's mail.
    pub(super) fn deliver(&mut self, key: usize, delivery: Delivery) {
        if let Delivery::Ended { count, .. } = delivery {
            self.tell_dropped(key, count);
        }
        let Some(call) = self.calls.get_mut(key).filter(|call| !call.detached) else {
            self.discard([delivery]);
            return;
        };
        if call.tasks.is_some() {
            self.deliver_to_tasks(key, delivery, 0..usize::MAX);
            return;
        }
        call.mail.push(delivery);
        if let Some(waiter) = &call.waiter {
            waiter.notify_one();
        }
    }

    /// Keeps what an item wrote for its report, if there will be one.
    pub(super) fn keep_written(&mut self, key: usize, index: usize, written: Written) {
        let call = self.calls.get_mut(key);
        if let Some(call) = call.filter(|call| call.reported && !call.detached) {
            call.written.push((index, written));
        }
    }

    /// Ends every call with `error`.
    pub(super) fn abort_calls(&mut self, error: &Error) {
        self.seal_tasks();
        for chunk in std::mem::take(&mut self.queue) {
            self.finish(chunk);
        }
        for (_, chunk) in std::mem::take(&mut self.delayed) {
            self.finish(chunk);
        }
        let keys: Vec<usize> = self.calls.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.deliver(key, Delivery::Aborted(error.again()));
        }
        for follower in &self.followers {
            follower.notify_one();
        }
    }

    /// What the caller learns when it hands in a chunk.
    pub(super) fn submitted(&mut self, key: usize, function: FunctionId) -> Submitted {
        let call = self.calls.get(key);
        let outstanding = call.map_or(0, |call| call.outstanding as usize);
        let ended = call.and_then(|call| call.ending);
        Submitted {
            ended,
            buffer: self.buffer(),
            outstanding,
            cost: self.cost(function),
        }
    }

    /// An item of `function` took `nanos` lately.
    pub(super) fn learn_cost(&mut self, function: FunctionId, nanos: f64) {
        if let Some(cost) = self.costs.get_mut(function.0 as usize) {
            *cost = Some(cost.map_or(nanos, |before| f64::midpoint(before, nanos)));
        }
    }

    pub(super) fn cost(&self, function: FunctionId) -> Option<f64> {
        self.costs.get(function.0 as usize).copied().flatten()
    }

    /// A buffer for a chunk, used before if there is one.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// What can be used again of a chunk that is done.
    fn keep_payload(&mut self, payload: Payload) {
        let buffer = payload.into_buffer(&mut self.recycled);
        self.keep_buffer(buffer);
    }

    pub(super) fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        let worthwhile = (1..=BUFFER_BYTES).contains(&buffer.capacity());
        if worthwhile && self.buffers.len() < BUFFERS {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}
