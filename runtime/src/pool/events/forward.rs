//! What a node's part of a pool tells rank 0 besides results.

use super::Events;
use crate::error::TaskError;
use crate::event::{Event, EventKind};
use crate::pool::state::State;

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

impl State {
    /// The pool has workers on a node, with these numbers.
    pub(in crate::pool) fn tell_node(
        &mut self,
        _rank: usize,
        _host: &str,
        _first: usize,
        _workers: usize,
    ) {
    }

    /// The workers with these numbers are gone with their node.
    pub(in crate::pool) fn tell_node_lost(&mut self, _workers: std::ops::Range<usize>) {}
}
