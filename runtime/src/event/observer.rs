//! Who is told of events.

use super::Event;

/// What an [`Observer`] wants to be told besides what costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    item_times: bool,
}

impl Interest {
    /// Nothing that costs workers time.
    pub const USUAL: Self = Self { item_times: false };
    /// When each single item ran ([`ItemsTimed`](super::EventKind::ItemsTimed)): workers read the clock some times
    /// for each item then, and say so.
    pub const ITEM_TIMES: Self = Self { item_times: true };

    /// True if it holds [`ITEM_TIMES`](Self::ITEM_TIMES).
    #[must_use]
    pub fn has_item_times(self) -> bool {
        self.item_times
    }

    /// What either of the two is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            item_times: self.item_times || other.item_times,
        }
    }
}

/// Is told what happens in a pool: see `PoolBuilder::observe`.
///
/// It is told in the order in which things happen, soon after they did and in batches, by one thread at a time. It may use
/// the pool, but must not wait for it: events wait meanwhile. A panic in an observer ends its being told, and nothing
/// else.
pub trait Observer: Send {
    /// What it wants to be told besides what costs nothing. Asked once.
    fn interest(&self) -> Interest {
        Interest::USUAL
    }

    /// These things happened, one after the other.
    fn observe(&mut self, events: &[Event]);

    /// The pool is over, or the call that was observed: nothing more comes.
    fn finish(&mut self) {}
}

impl<F: FnMut(&[Event]) + Send> Observer for F {
    fn observe(&mut self, events: &[Event]) {
        self(events);
    }
}
