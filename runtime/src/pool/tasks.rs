//! Tasks that share a call: the place of each one's result, and who waits for it.
//!
//! Spawned tasks of one function are the items of a call that they share, so that a task that waits
//! costs a few bytes, and many of them can travel in one chunk. A task is named by its call and its
//! place there. So many tasks share a call at most that a result which nobody takes keeps little in
//! memory; the next ones get another call.

use std::num::NonZeroU32;
use std::ops::Range;

use slab::Slab;

use super::chunk::{Chunk, Delivery, Ending};
use super::observer::Observer;
use super::state::{CallSpec, State};
use crate::error::{Error, ErrorKind};
use crate::registry::FunctionId;
use crate::wire::{NoMemory, Records, made_room};

/// So many tasks share a call at most.
const MOST: usize = 4096;
/// Results of about so many bytes are kept together until the last of them is taken.
const KEPT_BYTES: usize = 4 << 10;

/// Names a task while somebody may ask for its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskKey {
    // There is no memory for more calls than this counts.
    call: u32,
    /// Counted from 1.
    place: NonZeroU32,
}

impl TaskKey {
    fn new(call: usize, index: usize) -> Self {
        Self {
            call: call as u32,
            place: NonZeroU32::MIN.saturating_add(index as u32),
        }
    }

    /// The only task of a call that it shares with nobody.
    pub(super) fn alone_in(call: usize) -> Self {
        Self::new(call, 0)
    }

    pub(super) fn call(self) -> usize {
        self.call as usize
    }

    pub(super) fn index(self) -> usize {
        self.place.get() as usize - 1
    }
}

/// The tasks of one call.
#[derive(Debug)]
pub(super) struct Tasks {
    function: FunctionId,
    slots: Vec<Slot>,
    /// Tasks whose results somebody may ask for.
    held: usize,
    /// It takes no more tasks.
    sealed: bool,
    batches: Slab<Batch>,
    watched: Slab<Vec<Observer>>,
    /// Tasks that were ended while a worker had them, and why.
    ended: Vec<(usize, Ending)>,
}

/// How it stands with a task. The numbers are small since [`MOST`] is.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Waiting,
    /// It has the observers with this key.
    Watched(u16),
    /// Its result is in this batch, at this byte.
    Done {
        batch: u16,
        offset: u32,
    },
    /// It runs, or will, and nobody asks for its result.
    Detached,
    Over,
}

/// News of one or more tasks.
#[derive(Debug)]
struct Batch {
    delivery: Delivery,
    /// Tasks that have not taken theirs.
    left: u32,
}

/// Observers of tasks that are done now, with the places of these.
type Observed = Vec<(usize, Vec<Observer>)>;

impl Tasks {
    fn new(function: FunctionId, sealed: bool) -> Self {
        Self {
            function,
            slots: Vec::new(),
            held: 0,
            sealed,
            batches: Slab::new(),
            watched: Slab::new(),
            ended: Vec::new(),
        }
    }

    /// True when nobody will ask for anything any more.
    fn is_over(&self) -> bool {
        self.held == 0
    }

    fn open(&mut self) -> Result<usize, NoMemory> {
        made_room(self.slots.try_reserve(1))?;
        self.slots.push(Slot::Waiting);
        self.held += 1;
        Ok(self.slots.len() - 1)
    }

    fn slot(&self, index: usize) -> Slot {
        self.slots.get(index).copied().unwrap_or(Slot::Over)
    }

    /// True when the task is to be run.
    pub(super) fn wants(&self, index: usize) -> bool {
        let open = !matches!(self.slot(index), Slot::Done { .. } | Slot::Over);
        open && self.ending(index).is_none()
    }

    fn ending(&self, index: usize) -> Option<Ending> {
        let ended = self.ended.iter().find(|(place, _)| *place == index);
        ended.map(|(_, ending)| *ending)
    }

    /// Puts news to the tasks that it is about. Gives it back if nobody waits for it.
    /// What ends calls is for those `within`.
    fn deliver(
        &mut self,
        delivery: Delivery,
        within: Range<usize>,
    ) -> (Option<Delivery>, Observed) {
        let mut observed = Vec::new();
        let batch = self.batches.vacant_key();
        let mut left = 0;
        match &delivery {
            Delivery::Records {
                first,
                count,
                bytes,
                ..
            } => {
                let mut records = Records(bytes);
                for index in *first..first + count {
                    let offset = bytes.len() - records.0.len();
                    records.next();
                    left += self.put(index, batch, offset, &mut observed);
                }
            }
            Delivery::Large { index, .. } | Delivery::Failed { index, .. } => {
                left += self.put(*index, batch, 0, &mut observed);
            }
            Delivery::Ended { first, count, .. } => {
                for index in *first..first + count {
                    left += self.put(index, batch, 0, &mut observed);
                }
            }
            Delivery::Aborted(_) => {
                for index in within.start..within.end.min(self.slots.len()) {
                    left += self.put(index, batch, 0, &mut observed);
                }
            }
            // Nobody decides about tasks whether they are tried again.
            Delivery::Unsaved(_) | Delivery::Returned(_) => {}
        }
        if left == 0 {
            return (Some(delivery), observed);
        }
        self.batches.insert(Batch { delivery, left });
        (None, observed)
    }

    /// Says where a task's result is; gives how many wait for it: one or none.
    fn put(&mut self, index: usize, batch: usize, offset: usize, observed: &mut Observed) -> u32 {
        let Some(slot) = self.slots.get_mut(index) else {
            return 0;
        };
        let before = *slot;
        if !matches!(before, Slot::Waiting | Slot::Watched(_)) {
            if matches!(before, Slot::Detached) {
                *slot = Slot::Over;
            }
            return 0;
        }
        *slot = Slot::Done {
            batch: batch as u16,
            offset: offset as u32,
        };
        if let Slot::Watched(key) = before {
            observed.push((index, self.watched.remove(key.into())));
        }
        if !self.ended.is_empty() {
            self.ended.retain(|(place, _)| *place != index);
        }
        1
    }

    /// Takes the task's result, if that is there. Nobody will ask for it again.
    fn take(&mut self, index: usize) -> Option<Delivery> {
        let slot = self.slots.get_mut(index)?;
        let Slot::Done { batch, offset } = *slot else {
            return None;
        };
        *slot = Slot::Over;
        self.held -= 1;
        let whole = self.batches.get_mut(batch.into())?;
        whole.left -= 1;
        if whole.left > 0 {
            return Some(part(&whole.delivery, offset as usize));
        }
        let delivery = self.batches.remove(batch.into()).delivery;
        Some(match &delivery {
            Delivery::Records { .. } if offset > 0 => part(&delivery, offset as usize),
            _ => delivery,
        })
    }

    /// Nobody will ask for the task's result. Gives that, if it is there, and who waited for it.
    fn detach(&mut self, index: usize) -> (Option<Delivery>, Vec<Observer>) {
        let taken = self.take(index);
        let mut observers = Vec::new();
        if let Some(slot @ (Slot::Waiting | Slot::Watched(_))) = self.slots.get_mut(index) {
            if let Slot::Watched(key) = *slot {
                observers = self.watched.remove(key.into());
            }
            *slot = Slot::Detached;
            self.held -= 1;
        }
        (taken, observers)
    }

    fn observe(&mut self, index: usize, observer: Observer) {
        match self.slots.get_mut(index) {
            Some(slot @ Slot::Waiting) => {
                *slot = Slot::Watched(self.watched.insert(vec![observer]) as u16);
            }
            Some(Slot::Watched(key)) => self.watched[usize::from(*key)].push(observer),
            _ => {}
        }
    }

    fn unobserve(
        &mut self,
        index: usize,
        mut concerned: impl FnMut(&Observer) -> bool,
    ) -> Vec<Observer> {
        let Some(slot @ Slot::Watched(_)) = self.slots.get_mut(index) else {
            return Vec::new();
        };
        let Slot::Watched(key) = *slot else {
            return Vec::new();
        };
        let observers = &mut self.watched[usize::from(key)];
        let taken = observers.extract_if(.., |one| concerned(one)).collect();
        if observers.is_empty() {
            self.watched.remove(key.into());
            *slot = Slot::Waiting;
        }
        taken
    }
}

/// The same news in parts of about [`KEPT_BYTES`], which take no more memory than they need.
fn parts(delivery: Delivery) -> impl Iterator<Item = Delivery> {
    let Delivery::Records {
        mut first,
        count,
        origin,
        ref bytes,
        row,
        ref objects,
    } = delivery
    else {
        return Some(delivery).into_iter().chain(Vec::new());
    };
    let loose = bytes.capacity() > 2 * bytes.len() || count > 1;
    if bytes.capacity() <= KEPT_BYTES || !loose {
        return Some(delivery).into_iter().chain(Vec::new());
    }
    let mut parts = Vec::new();
    let mut records = Records(bytes);
    let end = first + count;
    while first < end {
        let rest = records.0;
        let from = first;
        let mut len = 0;
        while first < end && (first == from || len < KEPT_BYTES) {
            records.next();
            first += 1;
            len = rest.len() - records.0.len();
        }
        parts.push(Delivery::Records {
            first: from,
            count: first - from,
            origin,
            bytes: rest[..len].to_vec(),
            row,
            objects: objects.clone(),
        });
    }
    None.into_iter().chain(parts)
}

/// The news of one task, out of that of several.
fn part(delivery: &Delivery, offset: usize) -> Delivery {
    match delivery {
        Delivery::Records {
            first,
            origin,
            bytes,
            objects,
            ..
        } => {
            let rest = bytes.get(offset..).unwrap_or_default();
            let mut records = Records(rest);
            records.next();
            let len = rest.len() - records.0.len();
            Delivery::Records {
                first: *first,
                count: 1,
                origin: *origin,
                bytes: rest[..len].to_vec(),
                row: false,
                objects: objects.clone(),
            }
        }
        Delivery::Ended { first, ending, .. } => Delivery::Ended {
            first: *first,
            count: 1,
            ending: *ending,
        },
        Delivery::Aborted(error) => Delivery::Aborted(error.again()),
        Delivery::Large { .. }
        | Delivery::Failed { .. }
        | Delivery::Unsaved(_)
        | Delivery::Returned(_) => Delivery::Aborted(Error::new(ErrorKind::Closed)),
    }
}

impl State {
    /// A new task of `function`, in a call that it shares with others unless it is to be `alone`.
    pub(super) fn open_task(
        &mut self,
        function: FunctionId,
        spec: CallSpec,
        alone: bool,
    ) -> Result<TaskKey, NoMemory> {
        let sharing = self.sharing.get_mut(function.0 as usize);
        let mut sharing = sharing.filter(|_| !alone);
        if let Some(Some(key)) = sharing.as_deref().copied()
            && let Some(call) = self.calls.get_mut(key)
        {
            let agrees = call.agrees(&spec);
            if let Some(tasks) = &mut call.tasks {
                if agrees && tasks.slots.len() < MOST {
                    return Ok(TaskKey::new(key, tasks.open()?));
                }
                tasks.sealed = true;
            }
            if let Some(sharing) = &mut sharing {
                **sharing = None;
            }
            self.tidy_tasks(key);
        }
        let mut tasks = Tasks::new(function, alone);
        let index = tasks.open()?;
        let key = self.open_call(spec);
        if let Some(call) = self.calls.get_mut(key) {
            call.tasks = Some(Box::new(tasks));
        }
        if !alone && let Some(sharing) = self.sharing.get_mut(function.0 as usize) {
            *sharing = Some(key);
        }
        Ok(TaskKey::new(key, index))
    }

    fn tasks(&self, key: TaskKey) -> Option<&Tasks> {
        self.calls.get(key.call())?.tasks.as_deref()
    }

    fn tasks_mut(&mut self, key: TaskKey) -> Option<&mut Tasks> {
        self.calls.get_mut(key.call())?.tasks.as_deref_mut()
    }

    /// The function that the task calls.
    pub(super) fn function_of(&self, key: TaskKey) -> Option<FunctionId> {
        Some(self.tasks(key)?.function)
    }

    /// True when the task's result is there.
    pub(super) fn is_done(&self, key: TaskKey) -> bool {
        self.tasks(key)
            .is_none_or(|tasks| matches!(tasks.slot(key.index()), Slot::Done { .. } | Slot::Over))
    }

    /// Takes the task's result; nobody will ask for it again.
    pub(super) fn take_result(&mut self, key: TaskKey) -> Delivery {
        let taken = self
            .tasks_mut(key)
            .and_then(|tasks| tasks.take(key.index()));
        self.tidy_tasks(key.call());
        taken.unwrap_or_else(|| Delivery::Aborted(Error::new(ErrorKind::Closed)))
    }

    /// Nobody will ask for the task's result; it is run. Gives who waited for it.
    pub(super) fn detach_task(&mut self, key: TaskKey) -> Vec<Observer> {
        let Some(tasks) = self.tasks_mut(key) else {
            return Vec::new();
        };
        let (delivery, observers) = tasks.detach(key.index());
        self.discard(delivery);
        self.forget_observers(&observers);
        self.tidy_tasks(key.call());
        observers
    }

    /// Has the observer told when the task is done, which it is not yet.
    pub(super) fn observe(&mut self, key: TaskKey, observer: Observer) {
        self.count_observer(&observer);
        if let Some(tasks) = self.tasks_mut(key) {
            tasks.observe(key.index(), observer);
        }
    }

    /// Takes the observers that `concerned` is true for from the task.
    pub(super) fn unobserve(
        &mut self,
        key: TaskKey,
        concerned: impl FnMut(&Observer) -> bool,
    ) -> Vec<Observer> {
        let Some(tasks) = self.tasks_mut(key) else {
            return Vec::new();
        };
        let taken = tasks.unobserve(key.index(), concerned);
        self.forget_observers(&taken);
        taken
    }

    /// Puts news to the tasks of a call, and tells who waits for them. What ends calls is for those `within`.
    pub(super) fn deliver_to_tasks(
        &mut self,
        call: usize,
        delivery: Delivery,
        within: Range<usize>,
    ) {
        let key = TaskKey::alone_in(call);
        for part in parts(delivery) {
            let Some(tasks) = self.tasks_mut(key) else {
                return;
            };
            let (unwanted, observed) = tasks.deliver(part, within.clone());
            self.discard(unwanted);
            for (index, observers) in observed {
                self.tell(TaskKey::new(call, index), observers);
            }
        }
    }

    /// A worker has the task, which is to end; false if that was known.
    pub(super) fn mark_ended(&mut self, key: TaskKey, ending: Ending) -> bool {
        let tasks = self.tasks_mut(key);
        let Some(tasks) = tasks.filter(|tasks| tasks.ending(key.index()).is_none()) else {
            return false;
        };
        tasks.ended.push((key.index(), ending));
        true
    }

    /// True while a worker has the task, which is to end.
    pub(super) fn is_ending(&self, key: TaskKey) -> bool {
        let tasks = self.tasks(key);
        tasks.is_some_and(|tasks| tasks.ending(key.index()).is_some())
    }

    /// Tells the tasks of a chunk that are not run why, if they were ended from outside.
    pub(super) fn tell_ended(&mut self, chunk: &Chunk) {
        for index in chunk.first..chunk.first + chunk.count as usize {
            let call = self.calls.get(chunk.call);
            let of_task = call
                .and_then(|call| call.tasks.as_ref())
                .and_then(|tasks| tasks.ending(index));
            if let Some(ending) = of_task.or_else(|| call.and_then(|call| call.ending)) {
                let delivery = Delivery::Ended {
                    first: index,
                    count: 1,
                    ending,
                };
                self.deliver(chunk.call, delivery);
            }
        }
    }

    /// No open call takes further tasks.
    pub(super) fn seal_tasks(&mut self) {
        for function in 0..self.sharing.len() {
            let Some(key) = self.sharing[function].take() else {
                continue;
            };
            if let Some(tasks) = self.tasks_mut(TaskKey::alone_in(key)) {
                tasks.sealed = true;
            }
            self.tidy_tasks(key);
        }
    }

    /// Removes a call of tasks that is over, or makes it as new if it takes more.
    pub(super) fn tidy_tasks(&mut self, key: usize) {
        let Some(call) = self.calls.get_mut(key).filter(|call| call.outstanding == 0) else {
            return;
        };
        match &mut call.tasks {
            Some(tasks) if tasks.is_over() && tasks.sealed => self.remove_call(key),
            Some(tasks) if tasks.is_over() => {
                tasks.slots.clear();
                tasks.ended.clear();
            }
            _ => {}
        }
    }
}
