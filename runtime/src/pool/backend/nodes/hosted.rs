//! A node's part of a pool of rank 0: a pool of its own, and the chunks that it was given for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agent::Post;
use super::line::{Body, Outgoing, SMALL};
use super::message::{Breach, News, Number, PoolId, Run};
use super::stay::held_back;
use super::telling::Telling;
use crate::error::{Error, ErrorKind, Failure, Step, TaskError};
use crate::object::Object;
use crate::pool::Pool;
use crate::pool::chunk::{Chunk, Delivery, Ending};
use crate::pool::logs::Context;
use crate::pool::rules::History;
use crate::pool::state::{CallSpec, State};
use crate::pool::tasks::TaskKey;
use crate::registry::FunctionId;
use crate::wire::{Numbering, Payload, landing};

#[derive(Debug)]
pub(super) struct Hosted {
    id: PoolId,
    telling: Telling,
    pool: Arc<Pool>,
    /// What came and is not begun, with its arguments, in that order.
    waiting: VecDeque<Waiting>,
    running: Vec<Running>,
    /// What there is to tell besides.
    told: Vec<Post>,
}

#[derive(Debug)]
struct Waiting {
    run: Run,
    arguments: Vec<u8>,
    /// What these name.
    objects: Vec<Arc<Object>>,
    /// Items from this one on need not be run.
    end: usize,
}

/// A chunk, as a call of its own.
#[derive(Debug)]
struct Running {
    number: Number,
    call: usize,
    function: FunctionId,
    /// Its items, if each is a task, that nothing was told of yet.
    tasks: Vec<usize>,
    is_tasks: bool,
    /// What rank 0 has at least until the chunk is done.
    known: Vec<u64>,
    /// What became of its items before they came here.
    history: History,
}

impl Hosted {
    pub(super) fn new(id: PoolId, pool: Arc<Pool>) -> Self {
        Self {
            id,
            telling: Telling::new(id, &pool),
            pool,
            waiting: VecDeque::new(),
            running: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Nothing of it is left.
    pub(super) fn closed(id: PoolId) -> Post {
        Outgoing::new(&News::Closed(id), Body::Inline(0))
    }

    /// Ends the pool; gives what there is to tell then.
    pub(super) fn close(self) -> Vec<Post> {
        let shared = Arc::clone(self.pool.shared());
        drop(self.pool);
        self.telling.tell_rest(&shared)
    }

    /// Rank 0 has heard so much of what tasks logged.
    pub(super) fn heard(&self, jobs: u64, bytes: usize) {
        self.telling.heard(jobs, bytes);
    }

    /// There could be no such pool.
    pub(super) fn refused(id: PoolId, error: &Error) -> Post {
        Outgoing::new(&News::Refused(id, error.to_string()), Body::Inline(0))
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.running.is_empty() || !self.waiting.is_empty()
    }

    /// Takes a chunk, which is begun when its turn comes.
    pub(super) fn run(&mut self, run: Run, arguments: Vec<u8>, objects: Vec<Arc<Object>>) {
        self.waiting.push_back(Waiting {
            run,
            arguments,
            objects,
            end: usize::MAX,
        });
    }

    /// There is no memory for the arguments of a chunk.
    pub(super) fn refuse(&self, run: &Run) -> Vec<Post> {
        let name = self.pool.shared().table.name(FunctionId(run.function));
        let failed = |index| {
            let reason = "there is no memory for them on the node".to_owned();
            let failure = Failure::new(Step::DecodeArgument, String::new(), reason);
            let known = if run.tasks { 0 } else { index };
            let error = TaskError::failed(name, known, None, failure).in_attempt(run.history[0]);
            let news = News::Failed(self.id, run.number, index, error.to_bytes());
            Outgoing::new(&news, Body::Inline(0))
        };
        let items = run.first..run.first + run.count as usize;
        let done = News::Done(self.id, run.number, None);
        let done = Outgoing::new(&done, Body::Inline(0));
        items.map(failed).chain([done]).collect()
    }

    /// The arguments of a chunk did not come whole: rank 0 has ended it, and knows what becomes of its items.
    pub(super) fn give_up(&mut self, run: &Run) {
        let done = News::Done(self.id, run.number, None);
        self.told.push(Outgoing::new(&done, Body::Inline(0)));
    }

    /// Begins those chunks whose turn it is, when rank 0 is told of all that were done: it knows then which ones
    /// may have been begun when this rank is lost.
    pub(super) fn begin(&mut self) -> bool {
        let mut begun = false;
        while let Some(first) = self.waiting.front()
            && self.running.len() < first.run.ahead
            && let Some(first) = self.waiting.pop_front()
        {
            self.submit(first);
            begun = true;
        }
        begun
    }

    /// Submits a chunk, as a call of its own.
    fn submit(&mut self, waiting: Waiting) {
        let Waiting {
            run,
            arguments,
            objects,
            end,
        } = waiting;
        let shared = self.pool.shared();
        let function = FunctionId(run.function);
        let [attempt, kills, exceeded] = run.history;
        let spec = CallSpec {
            serial: Some(run.serial),
            eager: run.eager,
            rules: run.rules.map(Arc::new),
            reported: run.reported,
            context: Context::of_chunk(run.levels, run.number),
            // What comes is passed on as it is.
            ..CallSpec::of(function, landing::<Vec<u8>>)
        };
        let items = run.first..run.first + run.count as usize;
        let mut state = shared.lock();
        let call = if run.tasks {
            state.open_tasks(function, spec, items.clone())
        } else {
            state.open_call(spec)
        };
        if end < usize::MAX {
            state.cancel_after(call, end.checked_sub(1));
        }
        let history = History {
            attempt,
            kills,
            exceeded,
            ..History::FIRST
        };
        let chunk = Chunk {
            call,
            function,
            first: run.first,
            count: run.count,
            payload: Payload::received(arguments, run.width, objects),
            row: run.row,
            tasks: run.tasks,
            history,
            numbering: Numbering::from_bits(run.numbering),
            seed: run.seed,
        };
        self.running.push(Running {
            number: run.number,
            call,
            function,
            tasks: if run.tasks {
                items.collect()
            } else {
                Vec::new()
            },
            is_tasks: run.tasks,
            known: run.objects,
            history,
        });
        if state.check_alive().is_ok() {
            shared.enqueue(&mut state, chunk);
        } else {
            // Rank 0 was told why, or is about to be.
            state.count_out(call);
            state.drop_chunk(chunk);
        }
    }

    fn place_of(&self, number: Number) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting.position(|waiting| waiting.run.number == number)
    }

    fn find(&self, number: Number) -> Option<&Running> {
        self.running.iter().find(|one| one.number == number)
    }

    pub(super) fn cut(&mut self, number: Number, end: usize) {
        if let Some(place) = self.place_of(number) {
            // Nothing comes of it if it is cut to nothing.
            let waiting = &mut self.waiting[place];
            waiting.end = waiting.end.min(end);
        }
        if let Some(running) = self.find(number) {
            let mut state = self.pool.shared().lock();
            state.cancel_after(running.call, end.checked_sub(1));
        }
    }

    pub(super) fn end(&mut self, number: Number, item: Option<usize>, soon: bool) {
        if let Some(place) = self.place_of(number)
            && let Some(waiting) = self.waiting.remove(place)
        {
            if item.is_some() {
                self.submit(waiting);
            } else {
                let (first, count) = (waiting.run.first, waiting.run.count as usize);
                let news = [
                    News::Ended(self.id, number, first, count),
                    News::Done(self.id, number, None),
                ];
                let news = news.iter().skip(usize::from(soon));
                let posts = news.map(|news| Outgoing::new(news, Body::Inline(0)));
                self.told.extend(posts);
            }
        }
        let Some(running) = self.find(number) else {
            return;
        };
        let shared = self.pool.shared();
        let mut state = shared.lock();
        if let Some(item) = item.filter(|_| running.is_tasks) {
            shared.end_task(
                &mut state,
                TaskKey::of(running.call, item),
                Ending::Cancelled,
            );
        } else if running.is_tasks {
            for item in running.tasks.clone() {
                shared.end_task(
                    &mut state,
                    TaskKey::of(running.call, item),
                    Ending::Cancelled,
                );
            }
        } else if soon {
            state.cancel_after(running.call, None);
            shared.end_soon(&mut state, running.call);
        } else {
            shared.end_call(&mut state, running.call, Ending::Cancelled);
        }
    }

    /// Gives up what no worker has begun of a chunk, or half of that.
    pub(super) fn take_back(&mut self, number: Number, all: bool) {
        if let Some(place) = self.place_of(number) {
            self.waiting.remove(place);
            let back = News::Back(self.id, number);
            self.told.push(Outgoing::new(&back, Body::Inline(0)));
            return;
        }
        let Some(index) = self.running.iter().position(|one| one.number == number) else {
            return;
        };
        let running = &mut self.running[index];
        let shared = self.pool.shared();
        let mut state = shared.lock();
        // What is done counts.
        shared.pump(&mut state);
        let call = running.call;
        shared.take_back(&mut state, |link| link.holds(|key| key == call).is_some());
        let (own, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut state.queue)
            .into_iter()
            // What was tried here is tried again here: rank 0 does not know of that.
            .partition(|chunk| chunk.call == call && chunk.history == running.history);
        state.queue = others;
        let waiting: usize = own.iter().map(|chunk| chunk.count as usize).sum();
        let mut kept = if all { 0 } else { waiting / 2 };
        for mut chunk in own {
            let stays = kept.min(chunk.count as usize);
            kept -= stays;
            if stays > 0 {
                let part = shared.split(&mut chunk, stays as u32);
                state.count_out(call);
                state.queue.push_back(part);
            }
            let items = chunk.first..chunk.first + chunk.count as usize;
            if !items.is_empty() {
                let rest = News::Rest(self.id, number, items.start, items.len());
                self.told.push(Outgoing::new(&rest, Body::Inline(0)));
            }
            if running.is_tasks {
                running.tasks.retain(|item| !items.contains(item));
                for item in items {
                    drop(state.detach_task(TaskKey::of(call, item)));
                }
            }
            state.finish(chunk);
        }
        shared.feed(&mut state);
    }

    /// Ends its workers without their exit function.
    pub(super) fn kill(&self) {
        self.pool.kill();
    }

    pub(super) fn resize(&mut self, workers: usize) {
        // A node that is to have none is given nothing.
        self.pool.shared().resize(workers.max(1));
    }

    pub(super) fn time(&mut self, timed: bool) {
        self.pool.shared().lock().events.timed = timed;
    }

    /// Waits until there is something to tell, for so long at most.
    pub(super) fn wait(&self, pause: Duration) {
        let shared = self.pool.shared();
        let state = shared.lock();
        let running = &self.running;
        let told = |state: &State| {
            state.events.has_forward() || running.iter().any(|one| one.has_news(state))
        };
        drop(shared.wait_until(state, None, Instant::now().checked_add(pause), told));
    }

    /// What there is to tell.
    pub(super) fn collect(&mut self) -> Vec<Post> {
        let shared = self.pool.shared();
        let mut state = shared.lock();
        if !self.running.is_empty() && !state.led {
            shared.pump(&mut state);
        }
        let mut out = std::mem::take(&mut self.told);
        // What results belong to was read with them, or before.
        self.telling.tell_logs(&mut out);
        let said = self.telling.tell_events(&mut state, &mut out);
        let mut index = 0;
        while index < self.running.len() {
            let running = &mut self.running[index];
            running.tell(self.id, &mut state, said.as_deref(), &mut out);
            if running.is_over(&state) {
                let running = self.running.remove(index);
                let cost = state.cost(running.function);
                forget(&mut state, &running);
                out.push(Outgoing::new(
                    &News::Done(self.id, running.number, cost),
                    Body::Inline(0),
                ));
            } else {
                index += 1;
            }
        }
        out
    }
}

/// Nothing more is told of the chunk.
fn forget(state: &mut State, running: &Running) {
    if running.is_tasks {
        for item in &running.tasks {
            drop(state.detach_task(TaskKey::of(running.call, *item)));
        }
        state.close_tasks(running.call);
    } else {
        state.detach_call(running.call, false);
    }
}

impl Running {
    fn has_news(&self, state: &State) -> bool {
        let call = state.calls.get(self.call);
        call.is_none_or(|call| !call.mail.is_empty() || call.outstanding == 0)
            || self
                .tasks
                .iter()
                .any(|item| state.is_done(TaskKey::of(self.call, *item)))
    }

    fn is_over(&self, state: &State) -> bool {
        let call = state.calls.get(self.call);
        if self.is_tasks {
            return self.tasks.is_empty() && call.is_none_or(|call| call.outstanding == 0);
        }
        call.is_none_or(|call| call.outstanding == 0 && call.mail.is_empty())
    }

    /// Tells what came.
    fn tell(&mut self, pool: PoolId, state: &mut State, said: Option<&[u8]>, out: &mut Vec<Post>) {
        let name = state.table.name(self.function);
        let mut mail = Vec::new();
        if let Some(call) = state.calls.get_mut(self.call) {
            for (index, written) in call.written.drain(..) {
                let (all, cut) = written.into_parts();
                let wrote = News::Wrote(pool, self.number, index, all, cut);
                out.push(Outgoing::new(&wrote, Body::Inline(0)));
            }
            mail.append(&mut call.mail);
        }
        if self.is_tasks {
            let call = self.call;
            let done = |item: &mut usize| state.is_done(TaskKey::of(call, *item));
            let done: Vec<usize> = self.tasks.extract_if(.., done).collect();
            for item in done {
                let result = of_task(item, state.take_result(TaskKey::of(call, item)).0);
                join(&mut mail, result);
            }
        }
        for delivery in mail {
            for delivery in held_back(delivery, name) {
                self.pass_on(pool, said, delivery, out);
            }
        }
    }

    fn pass_on(
        &mut self,
        pool: PoolId,
        said: Option<&[u8]>,
        delivery: Delivery,
        out: &mut Vec<Post>,
    ) {
        let number = self.number;
        let message = match delivery {
            Delivery::Records {
                first,
                count,
                origin,
                bytes,
                row,
                objects,
            } => {
                let head = News::Records {
                    pool,
                    number,
                    first,
                    count,
                    pid: origin.pid,
                    attempt: origin.attempt,
                    row,
                    objects: self.send_objects(pool, &objects, out),
                };
                if bytes.len() <= SMALL {
                    Outgoing::with_small_body(&head, [bytes])
                } else {
                    Outgoing::new(&head, Body::Bytes(bytes))
                }
            }
            Delivery::Large {
                index,
                origin,
                mut landing,
                objects,
            } => {
                let head = News::Large {
                    pool,
                    number,
                    index,
                    pid: origin.pid,
                    attempt: origin.attempt,
                    objects: self.send_objects(pool, &objects, out),
                };
                let len = landing.bytes_mut().len();
                Outgoing::new(&head, Body::Landing(landing, len))
            }
            Delivery::Failed { index, error } => {
                let news = News::Failed(pool, number, index, error.to_bytes());
                Outgoing::new(&news, Body::Inline(0))
            }
            Delivery::Ended { first, count, .. } => {
                let news = News::Ended(pool, number, first, count);
                Outgoing::new(&news, Body::Inline(0))
            }
            Delivery::Aborted(error) => {
                let news = News::Broken(pool, number, Breach::of(&error, said));
                Outgoing::new(&news, Body::Inline(0))
            }
            // They are for callers that try items again, which rank 0 is.
            Delivery::Unsaved(_) | Delivery::Returned(_) => return,
        };
        out.push(message);
    }

    /// Sends what results name and rank 0 does not have; gives what they name.
    fn send_objects(
        &mut self,
        pool: PoolId,
        objects: &[Arc<Object>],
        out: &mut Vec<Post>,
    ) -> Vec<u64> {
        for object in objects {
            if let Some((twin, _)) = object.twin()
                && !self.known.contains(&object.id())
            {
                self.known.push(object.id());
                let news = News::Object(pool, self.number, twin);
                out.push(Outgoing::with_object(&news, object));
            }
        }
        objects.iter().map(|object| object.id()).collect()
    }
}

/// The result of a task, which does not say itself at which place that is.
fn of_task(item: usize, mut delivery: Delivery) -> Delivery {
    match &mut delivery {
        Delivery::Records { first, .. } | Delivery::Ended { first, .. } => *first = item,
        Delivery::Large { index, .. } | Delivery::Failed { index, .. } => *index = item,
        Delivery::Unsaved(_) | Delivery::Returned(_) | Delivery::Aborted(_) => {}
    }
    delivery
}

/// Adds the result of a task, to the one before it if they can go together.
fn join(mail: &mut Vec<Delivery>, delivery: Delivery) {
    if let Delivery::Records {
        first: next,
        count: more,
        origin: by,
        bytes: behind,
        objects: named,
        row: false,
    } = &delivery
        && let Some(Delivery::Records {
            first,
            count,
            origin,
            bytes,
            objects,
            row: false,
        }) = mail.last_mut()
        && *first + *count == *next
        && origin == by
        && objects.is_empty()
        && named.is_empty()
        && bytes.len() + behind.len() <= SMALL
    {
        *count += more;
        bytes.extend_from_slice(behind);
        return;
    }
    mail.push(delivery);
}

impl Breach {
    fn of(error: &Error, said: Option<&[u8]>) -> Self {
        match error.kind() {
            ErrorKind::Start { reason } => Breach::Start {
                reason: reason.clone(),
            },
            ErrorKind::Init { reason, source, .. } => Breach::Init {
                reason: reason.clone(),
                said: said.map(<[u8]>::to_vec),
                source: source.as_ref().map(TaskError::to_bytes),
            },
            _ => Breach::Other {
                reason: error.to_string(),
            },
        }
    }
}
