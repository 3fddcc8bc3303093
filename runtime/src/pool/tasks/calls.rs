//! The calls that tasks share, among all calls of a pool.

use std::ops::Range;

use super::parts::parts;
use super::{MOST, Slot, TaskKey, Tasks};
use crate::error::{Error, ErrorKind};
use crate::pool::chunk::{Chunk, Delivery, Ending};
use crate::pool::observer::Observer;
use crate::pool::state::{CallSpec, State};
use crate::registry::FunctionId;
use crate::wire::NoMemory;

impl State {
    /// A new task of `function`, in a call that it shares with others unless it is to be `alone`.
    pub(in crate::pool) fn open_task(
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
        Self::room_for_small_things()?;
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

    /// Tasks of a call that have these places there, in a call of their own.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn open_tasks(
        &mut self,
        function: FunctionId,
        spec: CallSpec,
        places: Range<usize>,
    ) -> usize {
        let key = self.open_call(spec);
        if let Some(call) = self.calls.get_mut(key) {
            call.tasks = Some(Box::new(Tasks::at(function, places)));
        }
        key
    }

    /// Nothing more is told of the tasks of such a call.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn close_tasks(&mut self, call: usize) {
        if let Some(tasks) = self.tasks_mut(TaskKey::alone_in(call)) {
            tasks.held -= 1;
        }
        self.tidy_tasks(call);
    }

    fn tasks(&self, key: TaskKey) -> Option<&Tasks> {
        self.calls.get(key.call())?.tasks.as_deref()
    }

    fn tasks_mut(&mut self, key: TaskKey) -> Option<&mut Tasks> {
        self.calls.get_mut(key.call())?.tasks.as_deref_mut()
    }

    /// The function that the task calls.
    pub(in crate::pool) fn function_of(&self, key: TaskKey) -> Option<FunctionId> {
        Some(self.tasks(key)?.function)
    }

    /// True when the task's result is there.
    pub(in crate::pool) fn is_done(&self, key: TaskKey) -> bool {
        self.tasks(key)
            .is_none_or(|tasks| matches!(tasks.slot(key.index()), Slot::Done { .. } | Slot::Over))
    }

    /// Takes the task's result, for which nobody will ask again, with the number of what has to be heard before it is
    /// the caller's.
    pub(in crate::pool) fn take_result(&mut self, key: TaskKey) -> (Delivery, u64) {
        let heard = self.calls.get(key.call()).map_or(0, |call| call.heard);
        let taken = self
            .tasks_mut(key)
            .and_then(|tasks| tasks.take(key.index()));
        self.tidy_tasks(key.call());
        let closed = || Delivery::Aborted(Error::new(ErrorKind::Closed));
        (taken.unwrap_or_else(closed), heard)
    }

    /// Nobody will ask for the task's result; it is run. Gives who waited for it.
    pub(in crate::pool) fn detach_task(&mut self, key: TaskKey) -> Vec<Observer> {
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
    pub(in crate::pool) fn observe(&mut self, key: TaskKey, observer: Observer) {
        self.count_observer(&observer);
        if let Some(tasks) = self.tasks_mut(key) {
            tasks.observe(key.index(), observer);
        }
    }

    /// Takes the observers that `concerned` is true for from the task.
    pub(in crate::pool) fn unobserve(
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
    pub(in crate::pool) fn deliver_to_tasks(
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
    pub(in crate::pool) fn mark_ended(&mut self, key: TaskKey, ending: Ending) -> bool {
        let tasks = self.tasks_mut(key);
        let Some(tasks) = tasks.filter(|tasks| tasks.ending(key.index()).is_none()) else {
            return false;
        };
        tasks.ended.push((key.index(), ending));
        true
    }

    /// True while a worker has the task, which is to end.
    pub(in crate::pool) fn is_ending(&self, key: TaskKey) -> bool {
        let tasks = self.tasks(key);
        tasks.is_some_and(|tasks| tasks.ending(key.index()).is_some())
    }

    /// Why the task is to end, if it is.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn ending_of(&self, key: TaskKey) -> Option<Ending> {
        self.tasks(key)?.ending(key.index())
    }

    /// Tells the tasks of a chunk that are not run why, if they were ended from outside.
    pub(in crate::pool) fn tell_ended(&mut self, chunk: &Chunk) {
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
    pub(in crate::pool) fn seal_tasks(&mut self) {
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
    pub(in crate::pool) fn tidy_tasks(&mut self, key: usize) {
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
