//! What a node tells rank 0 besides what becomes of items: what happened, and what tasks logged.

use std::sync::Arc;

use super::agent::Post;
use super::line::{Body, Outgoing};
use super::message::{News, PoolId, Told};
use crate::pool::Pool;
use crate::pool::events::Forward;
use crate::pool::logs::{Batch, Hub};
use crate::pool::shared::Shared;
use crate::pool::state::State;

/// The way of it, for one pool.
#[derive(Debug)]
pub(super) struct Telling {
    id: PoolId,
    /// None if nothing that is logged can be passed on.
    hub: Option<Arc<Hub>>,
}

impl Telling {
    pub(super) fn new(id: PoolId, pool: &Pool) -> Self {
        Self {
            id,
            hub: pool.shared().relay.hub(true),
        }
    }

    /// What was read of what tasks logged. Behind it come the results that were read then, or later.
    pub(super) fn tell_logs(&self, out: &mut Vec<Post>) {
        let next = || Batch::take(self.hub.as_ref()?);
        for batch in std::iter::from_fn(next) {
            // What is written is ours, and has a form.
            let bytes = postcard::to_stdvec(&batch).unwrap_or_default();
            out.push(Outgoing::with_body(&News::Logs(self.id), bytes));
        }
    }

    /// What happened. Gives what an init function returned that failed.
    pub(super) fn tell_events(&self, state: &mut State, out: &mut Vec<Post>) -> Option<Vec<u8>> {
        let Forward {
            events,
            crashes,
            said,
        } = state.events.take_forward();
        if !events.is_empty() {
            let events = events.into_iter();
            let events: Vec<_> = events.map(|(at, kind)| Told { at, kind }).collect();
            let bytes = postcard::to_stdvec(&events).unwrap_or_default();
            out.push(Outgoing::with_body(&News::Events(self.id), bytes));
        }
        for error in crashes {
            let crashed = News::Crashed(self.id, error.to_bytes());
            out.push(Outgoing::new(&crashed, Body::Inline(0)));
        }
        said
    }

    /// The rest: the pool is over.
    pub(super) fn tell_rest(&self, shared: &Shared) -> Vec<Post> {
        let mut out = Vec::new();
        self.tell_logs(&mut out);
        self.tell_events(&mut shared.lock(), &mut out);
        out.push(Outgoing::new(&News::Closed(self.id), Body::Inline(0)));
        out
    }

    /// Rank 0 has heard so much of what was logged.
    pub(super) fn heard(&self, jobs: u64, bytes: usize) {
        if let Some(hub) = &self.hub {
            hub.played(jobs, bytes);
        }
    }
}
