//! Who wants to hear of what the items of a call log.

use std::sync::Arc;

#[cfg(feature = "tracing")]
use tracing_core::dispatcher::{Dispatch, get_default, with_default};
#[cfg(feature = "tracing")]
use tracing_core::span::Id;
#[cfg(feature = "tracing")]
use tracing_core::subscriber::NoSubscriber;

use super::hub;
use crate::wire::Levels;

/// What was current where a call was made; nothing if nobody wants to hear.
#[derive(Debug, Clone, Default)]
pub(in crate::pool) struct Context(Option<Arc<Wanted>>);

#[derive(Debug)]
struct Wanted {
    levels: Levels,
    /// None if it is the program's own subscriber, whichever that will be.
    #[cfg(feature = "tracing")]
    caller: Option<Caller>,
    /// In a node's part of a pool, the chunk of rank 0 that it is of.
    #[cfg(feature = "mpi")]
    away: Option<u64>,
}

/// A subscriber, and a span of it that stays open as long as this lives.
#[cfg(feature = "tracing")]
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) dispatch: Dispatch,
    pub(super) span: Option<Id>,
}

impl Context {
    /// That of this thread, which makes a call.
    pub(in crate::pool) fn capture() -> Self {
        if hub::nest() {
            // Who hears of what is logged would hear of what it does itself, without end.
            return Self::default();
        }
        #[cfg_attr(not(feature = "tracing"), expect(unused_mut))]
        let mut levels = levels();
        if levels == Levels::default() {
            return Self::default();
        }
        #[cfg(feature = "tracing")]
        let caller = (levels.tracing > 0).then(Caller::current).flatten();
        #[cfg(feature = "tracing")]
        if caller.is_none() {
            levels.tracing = 0;
        }
        Self::new(Wanted {
            levels,
            #[cfg(feature = "tracing")]
            caller,
            #[cfg(feature = "mpi")]
            away: None,
        })
    }

    /// That of what the pool itself calls in a worker.
    pub(in crate::pool) fn ambient() -> Self {
        Self::of_levels(levels())
    }

    /// That of nobody in particular, who wants to hear of so much.
    pub(in crate::pool) fn of_levels(levels: Levels) -> Self {
        Self::new(Wanted {
            levels,
            #[cfg(feature = "tracing")]
            caller: None,
            #[cfg(feature = "mpi")]
            away: None,
        })
    }

    /// On a node, that of a chunk with this number, of which rank 0 wants to hear so much.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn of_chunk(levels: Levels, number: u64) -> Self {
        Self::new(Wanted {
            levels,
            #[cfg(feature = "tracing")]
            caller: None,
            away: Some(number),
        })
    }

    /// The chunk of rank 0 that it is of.
    #[cfg(feature = "mpi")]
    pub(super) fn chunk(&self) -> Option<u64> {
        self.0.as_ref()?.away
    }

    fn new(wanted: Wanted) -> Self {
        let wanted = Some(wanted).filter(|wanted| wanted.levels != Levels::default());
        Self(wanted.map(Arc::new))
    }

    /// True when somebody wants to hear of something.
    pub(in crate::pool) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Of what they want to hear.
    pub(in crate::pool) fn levels(&self) -> Levels {
        self.0
            .as_ref()
            .map_or_else(Levels::default, |wanted| wanted.levels)
    }

    /// True when it makes no difference which of the two it is.
    pub(in crate::pool) fn agrees(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                #[cfg(feature = "tracing")]
                let same = one.caller.is_none() && other.caller.is_none();
                #[cfg(not(feature = "tracing"))]
                let same = true;
                same && one.levels == other.levels
            }
            _ => false,
        }
    }

    /// Who hears of `tracing`, and where it comes from: none if nobody does.
    #[cfg(feature = "tracing")]
    pub(super) fn listener(&self) -> (Dispatch, Option<Id>) {
        let caller = self.0.as_ref().and_then(|wanted| wanted.caller.as_ref());
        match caller {
            Some(caller) => (caller.dispatch.clone(), caller.span.clone()),
            None => (get_default(Dispatch::clone), None),
        }
    }
}

#[cfg(feature = "tracing")]
impl Caller {
    fn current() -> Option<Self> {
        get_default(|dispatch| {
            (!dispatch.is::<NoSubscriber>()).then(|| Self {
                dispatch: dispatch.clone(),
                span: dispatch
                    .current_span()
                    .id()
                    .map(|span| dispatch.clone_span(span)),
            })
        })
    }
}

#[cfg(feature = "tracing")]
impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            // With it may go spans that it is in, which subscribers look for in their thread.
            with_default(&self.dispatch, || self.dispatch.try_close(span));
        }
    }
}

/// What anybody in this process wants to hear of.
fn levels() -> Levels {
    let mut levels = Levels::default();
    #[cfg(feature = "tracing")]
    {
        use tracing_core::LevelFilter;
        let rising = [
            LevelFilter::OFF,
            LevelFilter::ERROR,
            LevelFilter::WARN,
            LevelFilter::INFO,
            LevelFilter::DEBUG,
        ];
        let most = LevelFilter::current();
        levels.tracing = rising.iter().position(|one| *one == most).unwrap_or(5) as u8;
    }
    #[cfg(feature = "log")]
    {
        levels.log = log::max_level() as u8;
    }
    levels
}
