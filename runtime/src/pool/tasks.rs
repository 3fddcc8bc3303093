//! Tasks that share a call: the place of each one's result, and who waits for it.
//!
//! Spawned tasks of one function are the items of a call that they share, so that a task that waits
//! costs a few bytes, and many of them can travel in one chunk. A task is named by its call and its
//! place there. So many tasks share a call at most that a result which nobody takes keeps little in
//! memory; the next ones get another call.

mod calls;
mod parts;

use std::num::NonZeroU32;
use std::ops::Range;

use slab::Slab;

use super::chunk::{Delivery, Ending};
use super::observer::Observer;
use crate::registry::FunctionId;
use crate::wire::{NoMemory, Records, made_room};
use parts::part;

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

    /// The task at this place of a call.
    #[cfg(feature = "mpi")]
    pub(super) fn of(call: usize, index: usize) -> Self {
        Self::new(call, index)
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

    /// Tasks of which these are open; they have the places that they have elsewhere.
    #[cfg(feature = "mpi")]
    fn at(function: FunctionId, places: Range<usize>) -> Self {
        let mut tasks = Self::new(function, true);
        tasks.slots.resize(places.start, Slot::Over);
        tasks.slots.resize(places.end, Slot::Waiting);
        // And by who tells of them, or the call would make room for another one before its end was told.
        tasks.held = places.len() + 1;
        tasks
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
