//! The pool's end of the socket through which shared objects go to a worker and come from it.

use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::object::{Mourner, Object, is_of_message, receive, send, send_ids};
use crate::shm::{Lane, ParentWords, Placed, Ringer, WorkerPark, WorkerWords};
use crate::worker::Subject;

#[derive(Debug)]
pub(super) struct Carriage {
    line: Arc<Line>,
    /// What came for results that were not read yet, by the numbers of their items.
    arrived: VecDeque<(u64, Vec<Arc<Object>>)>,
    /// How many messages the worker had sent at the last look.
    carried: u64,
}

/// What objects still need that were sent, when this process has them no more.
#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    words: Placed<ParentWords>,
    worker: Placed<WorkerWords>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// Objects that the worker keeps.
    ids: HashSet<u64>,
    /// Those that it is to keep no longer, but was not told of yet.
    untold: Vec<u64>,
    /// What the worker counted as lost when `ids` was begun.
    lost: u32,
    worker: Ringer<WorkerPark>,
}

impl Carriage {
    pub(super) fn new(socket: OwnedFd, lane: &Lane) -> Self {
        let line = Line {
            socket,
            words: lane.parent.clone(),
            worker: lane.worker.clone(),
            kept: Mutex::new(Kept {
                ids: HashSet::new(),
                untold: Vec::new(),
                lost: 0,
                worker: Ringer::new(lane.park()),
            }),
        };
        Self {
            line: Arc::new(line),
            arrived: VecDeque::new(),
            carried: 0,
        }
    }

    /// Sends what a chunk names, but for what the worker keeps. What does not get through is missing
    /// when the worker decodes, and makes the errors of the items that name it.
    pub(super) fn send(&self, chunk: u64, objects: &[Arc<Object>]) {
        let mut kept = self.line.kept();
        let lost = self.line.worker.lost.load(Ordering::Relaxed);
        if std::mem::replace(&mut kept.lost, lost) != lost {
            // It may be what the worker was to keep. What it does keep it forgets, before it comes again.
            let Kept { ids, untold, .. } = &mut *kept;
            untold.extend(ids.drain());
        }
        self.line.send_untold(&mut kept);
        let mut missing = Vec::with_capacity(objects.len());
        for object in objects {
            if object.flags().keep {
                if !kept.ids.insert(object.id()) {
                    continue;
                }
                // Else the worker would forget it once more, later.
                kept.untold.retain(|id| *id != object.id());
                let line: Weak<Line> = Arc::downgrade(&self.line);
                object.on_drop(line);
            }
            missing.push(Arc::clone(object));
        }
        let socket = self.line.socket.as_fd();
        if send(socket, Subject::Chunk as u8, chunk, &missing, false).is_err() {
            // Some may have got through.
            for object in &missing {
                if kept.ids.remove(&object.id()) {
                    kept.untold.push(object.id());
                }
            }
        }
    }

    /// The worker has nothing to do for now.
    pub(super) fn tell(&self) {
        let mut kept = self.line.kept();
        if !kept.untold.is_empty() {
            self.line.tell(&mut kept);
        }
    }

    /// True if something came for the result of the item with the number `item`, or an earlier one.
    pub(super) fn has_for(&self, item: u64) -> bool {
        self.arrived
            .front()
            .is_some_and(|(first, _)| *first <= item)
    }

    /// What the results name up to that of the item with the number `done`.
    pub(super) fn take(&mut self, done: u64) -> Vec<Arc<Object>> {
        let mut taken = Vec::new();
        while let Some((item, _)) = self.arrived.front()
            && *item <= done
            && let Some((_, objects)) = self.arrived.pop_front()
        {
            taken.extend(objects);
        }
        taken
    }

    /// Takes what the worker has sent, if it says that it has sent something: it may wait for room. What is not
    /// for an item that it may run is of no use to anybody.
    pub(super) fn look(&mut self, items: RangeInclusive<u64>) {
        let carried = self.line.worker.results.0.carried.load(Ordering::Relaxed);
        if carried != self.carried {
            self.carried = carried;
            self.receive(&items);
        }
    }

    fn receive(&mut self, items: &RangeInclusive<u64>) {
        loop {
            match receive(self.line.socket.as_fd(), false) {
                Ok(Some(message)) if items.contains(&message.number) => {
                    self.arrived.push_back((message.number, message.objects));
                }
                Ok(Some(_)) => {}
                Ok(None) => return,
                // Decoding finds what is missing.
                Err(error) if is_of_message(&error) => {}
                Err(_) => return,
            }
        }
    }
}

impl Line {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_untold(&self, kept: &mut Kept) {
        send_ids(self.socket.as_fd(), Subject::Forget as u8, &mut kept.untold);
    }

    /// Tells the worker what it keeps for nobody.
    fn tell(&self, kept: &mut Kept) {
        self.send_untold(kept);
        self.words.notes.0.fetch_add(1, Ordering::Release);
        kept.worker.ring();
    }
}

impl Mourner for Line {
    /// This process has the object no more, so the worker need not keep it either.
    fn dropped(&self, id: u64) {
        let mut kept = self.kept();
        if kept.ids.remove(&id) {
            kept.untold.push(id);
            // A worker that is busy is told of all in one at the end of its chunk: the socket is small.
            let notes = self.words.notes.0.load(Ordering::Relaxed);
            if self.worker.noted.load(Ordering::Acquire) == notes {
                self.tell(&mut kept);
            }
        }
    }
}

#[cfg(test)]
mod tests;
