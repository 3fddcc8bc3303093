//! The thread that looks at the memory of workers, while some of them have a limit.
//!
//! Asking the kernel about a process with many children takes its time, in which the supervisor has
//! to be there for deadlines, deaths and starts.

use std::time::Duration;

use super::link::Link;
use super::shared::Shared;
use super::state::{Phase, State};
use super::watch::Doom;
use crate::sys::tree_memory;

/// How often to look while an item has a limit. Memory comes into use at a few GiB a second, so this
/// is a few MiB.
const LOOK_AT_ITEMS: Duration = Duration::from_millis(4);
/// How often to look while only workers have one, which may grow slowly.
const LOOK_AT_WORKERS: Duration = Duration::from_millis(50);

/// What the gauge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gauge {
    Absent,
    /// The supervisor shall start it.
    Wanted,
    Looks,
    /// There was nothing to look at.
    Sleeps,
}

/// A worker whose memory is to be looked at.
struct Suspect {
    id: u64,
    pid: u32,
    /// Items that it had done.
    done: u64,
    /// What the item that it runs may use, in bytes.
    for_item: Option<u64>,
    /// What the worker may use.
    for_worker: Option<u64>,
}

impl Shared {
    /// The gauge's life.
    pub(super) fn measure(&self) {
        let mut state = self.lock();
        state.gauge = Gauge::Looks;
        while state.phase != Phase::Closed {
            let links = state.links.iter();
            let suspects: Vec<_> = links
                .filter_map(|link| self.suspect(&state, link))
                .collect();
            if suspects.is_empty() {
                state.gauge = Gauge::Sleeps;
                state = state.wait(&self.gauge);
                state.gauge = Gauge::Looks;
                continue;
            }
            drop(state);
            let of_items = suspects.iter().any(|suspect| suspect.for_item.is_some());
            for suspect in suspects {
                self.look_at(&suspect);
            }
            let pause = if of_items {
                LOOK_AT_ITEMS
            } else {
                LOOK_AT_WORKERS
            };
            state = self.lock().wait_timeout(&self.gauge, pause);
        }
    }

    /// Something is given to a worker: its memory may have to be looked at from now on.
    pub(super) fn wake_gauge(&self, state: &mut State) {
        match state.gauge {
            Gauge::Absent => {
                state.gauge = Gauge::Wanted;
                // The supervisor starts it.
                self.notify.notify();
            }
            Gauge::Sleeps => self.gauge.notify_one(),
            Gauge::Wanted | Gauge::Looks => {}
        }
    }

    fn suspect(&self, state: &State, link: &Link) -> Option<Suspect> {
        if !link.stays() || link.idle() && link.measured == link.items_done {
            // One that has done nothing since has not grown.
            return None;
        }
        let chunk = link.in_flight.front().map(|front| &front.chunk);
        let for_item = chunk.and_then(|chunk| {
            let rules = state.rules_of(chunk)?;
            rules.memory_for(chunk.history)
        });
        let for_worker = self.setup.lifespan.memory;
        let for_worker = for_worker.filter(|_| link.init.is_done());
        (for_item.is_some() || for_worker.is_some()).then_some(Suspect {
            id: link.id,
            pid: link.pid,
            done: link.items_done,
            for_item,
            for_worker,
        })
    }

    fn look_at(&self, suspect: &Suspect) {
        let most = suspect.for_item.into_iter().chain(suspect.for_worker).min();
        let used = most.and_then(|most| tree_memory(suspect.pid, most));
        let mut state = self.lock();
        let mut links = std::mem::take(&mut state.links);
        let mut doom = None;
        if let Some(link) = links.iter_mut().find(|link| link.id == suspect.id) {
            self.read(&mut state, link);
            let used = used.unwrap_or(0);
            link.leaving |= suspect.for_worker.is_some_and(|limit| used > limit);
            if link.idle() {
                link.measured = link.items_done;
            }
            // It may be done with the item meanwhile.
            let same = link.items_done == suspect.done && !link.idle();
            let limit = suspect.for_item.filter(|limit| same && used > *limit);
            doom = limit.map(|limit| Doom::Large {
                done: suspect.done,
                limit,
                peak: used,
            });
        }
        state.links = links;
        if let Some(doom) = doom {
            self.doom(&mut state, suspect.id, doom);
        }
        self.take_back_from_leaving(&mut state);
    }
}
