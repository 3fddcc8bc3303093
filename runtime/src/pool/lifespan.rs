//! The end of workers that nothing is wrong with: too old, too large, idle, or too many.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::link::Link;
use super::shared::Shared;
use super::state::State;
use super::watch::Doom;
use crate::sys::{nanos_of, now_nanos};

/// Workers that were told to end run their exit handlers, for as long as this.
pub(super) const END_LIMIT: Duration = Duration::from_secs(2);

impl Shared {
    /// Tells an idle worker to end, once it is ready; others later. Before it ends it calls the exit
    /// function, if there is one.
    pub(super) fn dismiss(&self, state: &mut State, link: &mut Link) {
        if link.idle() && link.greeted && link.init.is_done() && link.dismissed.is_none() {
            let now = now_nanos();
            link.dismissed = Some(now);
            self.give_exit(link);
            link.lane.parent.closing.0.store(1, Ordering::Release);
            link.ring();
            self.alarm(state, now.saturating_add(nanos_of(END_LIMIT)));
        }
    }

    /// Has as many workers leave as there are too many: idle ones first.
    pub(super) fn dismiss_surplus(&self, state: &mut State) {
        let staying = state.links.iter().filter(|link| link.stays()).count();
        let room = self.limit(state) + self.setup.spares;
        let mut surplus = staying.saturating_sub(room);
        for idle in [true, false] {
            for link in state.links.iter_mut().filter(|link| link.stays()) {
                if surplus > 0 && link.idle() == idle {
                    link.leaving = true;
                    surplus -= 1;
                }
            }
        }
        self.take_back_from_leaving(state);
    }

    /// Has workers leave whose time has come. Gives the time of the next look, in nanoseconds.
    pub(super) fn end_lives(&self, state: &mut State, now: u64) -> u64 {
        let lifespan = self.setup.lifespan;
        let mut next = u64::MAX;
        let mut overdue = Vec::new();
        // Spare ones stay as long as there is work.
        let idle = state
            .links
            .iter()
            .filter(|link| link.stays() && link.idle());
        let needed = if state.outstanding > 0 {
            self.setup.spares
        } else {
            0
        };
        let mut dispensable = idle.count().saturating_sub(needed);
        for link in &mut state.links {
            if let Some(told) = link.dismissed {
                match told.saturating_add(nanos_of(END_LIMIT)) {
                    end if end > now => next = next.min(end),
                    _ => overdue.push(link.id),
                }
                continue;
            }
            if !link.stays() || !link.init.is_done() {
                continue;
            }
            let of_age = lifespan
                .age
                .map(|age| link.born.saturating_add(nanos_of(age)));
            let idle = lifespan.idle.filter(|_| link.idle() && dispensable > 0);
            let of_idleness = idle.map(|idle| link.idle_since.saturating_add(nanos_of(idle)));
            match of_age.into_iter().chain(of_idleness).min() {
                Some(end) if end <= now => {
                    link.leaving = true;
                    dispensable -= usize::from(link.idle() && dispensable > 0);
                }
                Some(end) => next = next.min(end),
                None => {}
            }
        }
        self.take_back_from_leaving(state);
        for id in overdue {
            self.doom(state, id, Doom::Unwanted);
        }
        next
    }

    /// A worker that has become idle changes when to look next.
    pub(super) fn note_life(&self, state: &mut State, link: &mut Link) {
        let lifespan = self.setup.lifespan;
        if let Some(idle) = lifespan.idle.filter(|_| link.idle()) {
            link.idle_since = now_nanos();
            self.alarm(state, link.idle_since.saturating_add(nanos_of(idle)));
        }
    }

    /// What a worker that leaves has not begun goes to others, and it ends if it is idle.
    pub(super) fn take_back_from_leaving(&self, state: &mut State) {
        // One that has used up its quota runs what it has.
        self.take_back(state, |link| link.leaving);
        self.feed(state);
    }
}
