//! What a node's part of a pool tells rank 0 besides results, and what rank 0 tells of nodes.

use std::time::Duration;

use super::{Events, Observing};
use crate::error::TaskError;
use crate::event::{Event, EventKind};
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::sys::now_nanos;

/// Told with the next results.
#[derive(Debug, Default)]
pub(in crate::pool) struct Forward {
    /// With their times.
    pub(in crate::pool) events: Vec<(u64, EventKind)>,
    /// Errors of items that ended workers, whatever becomes of the items.
    pub(in crate::pool) crashes: Vec<TaskError>,
    /// What an init function returned that failed.
    pub(in crate::pool) said: Option<Vec<u8>>,
}

impl Events {
    /// Has what happens kept for rank 0 from now on.
    pub(in crate::pool) fn begin_forward(&mut self, timed: bool) {
        self.forward = Some(Box::default());
        self.timed = timed;
    }

    pub(super) fn forward(&mut self, event: &Event) {
        let Some(forward) = &mut self.forward else {
            return;
        };
        // Calls are rank 0's: it knows of their beginning and their end, and of what it does not want.
        let own = matches!(
            event.kind,
            EventKind::CallStarted { .. }
                | EventKind::CallEnded { .. }
                | EventKind::ItemsDropped { .. }
        );
        if !own {
            forward.events.push((event.at, event.kind.clone()));
        }
    }

    pub(in crate::pool) fn forward_crash(&mut self, error: &TaskError) {
        if let Some(forward) = &mut self.forward {
            forward.crashes.push(error.clone());
        }
    }

    pub(in crate::pool) fn forward_said(&mut self, said: Option<Vec<u8>>) {
        if let Some(forward) = &mut self.forward {
            forward.said = said;
        }
    }

    /// True when there is something.
    pub(in crate::pool) fn has_forward(&self) -> bool {
        let forward = self.forward.as_ref();
        forward.is_some_and(|forward| !forward.events.is_empty() || !forward.crashes.is_empty())
    }

    pub(in crate::pool) fn take_forward(&mut self) -> Forward {
        match &mut self.forward {
            Some(forward) => std::mem::take(forward),
            None => Forward::default(),
        }
    }
}

impl Shared {
    /// Those who observe a call are told of the nodes that are there.
    pub(super) fn introduce_nodes(&self, observers: &[Observing]) {
        let at = now_nanos();
        let events = self.lock().nodes_that_joined();
        let events: Vec<_> = events.into_iter().map(|one| Event::new(at, one)).collect();
        for observing in observers.iter().filter(|_| !events.is_empty()) {
            self.stream.greet(&observing.observer, &events);
        }
    }
}

impl State {
    /// The pool has workers on a node.
    pub(in crate::pool) fn tell_nodes(&mut self, joined: Vec<EventKind>) {
        for kind in joined {
            self.emit_timed(kind);
        }
    }

    /// A node is gone, and with it its workers, which had these numbers.
    pub(in crate::pool) fn tell_node_lost(&mut self, rank: usize, host: &str, workers: &[usize]) {
        self.emit_timed(EventKind::NodeLost {
            rank,
            host: host.to_owned(),
        });
        for worker in workers.iter().copied() {
            if let Some(pid) = self.events.tally.living(worker) {
                self.emit_timed(EventKind::WorkerEnded {
                    worker: Some(worker),
                    pid,
                    how: format!("was lost with its node {host} (rank {rank})"),
                    unexpected: true,
                    peak_memory: 0,
                    cpu: Duration::ZERO,
                });
            }
        }
    }
}
