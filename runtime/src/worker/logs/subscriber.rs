//! The subscriber of a worker: it numbers spans, knows which one each thread is in, and tells the parent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tracing_core::callsite::rebuild_interest_cache;
use tracing_core::dispatcher::{self, DefaultGuard};
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::{Dispatch, Event, Interest, Level, LevelFilter, Metadata, Subscriber};

use super::values::Gather;
use super::writer;
use crate::sys::is_copy;
use crate::wire::log::{LogFrame, LogSite, MOST_FIELDS};

/// Up to which level is told.
static LEVEL: AtomicU8 = AtomicU8::new(0);
/// One is there, or was.
static MADE: AtomicBool = AtomicBool::new(false);
static DISPATCH: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Teller::default()));

thread_local! {
    /// The spans that this thread is in.
    static ENTERED: RefCell<Vec<(u64, &'static Metadata<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Has what is less important than this cost next to nothing from now on.
pub(super) fn set_level(level: u8) {
    if LEVEL.swap(level, Ordering::Relaxed) != level && MADE.load(Ordering::Relaxed) {
        rebuild_interest_cache();
    }
}

/// Makes ours the subscriber of the process, unless there is one, or that of this thread as long as what is
/// returned lives.
pub(super) fn install(for_init: bool) -> Option<DefaultGuard> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    MADE.store(true, Ordering::Relaxed);
    if for_init {
        return Some(dispatcher::set_default(&DISPATCH));
    }
    if !INSTALLED.swap(true, Ordering::Relaxed) {
        // One of the program's own is where it wants to hear of its tasks.
        let _ = dispatcher::set_global_default(DISPATCH.clone());
    }
    None
}

/// The span that this thread is in.
#[cfg(feature = "log")]
pub(super) fn current() -> Option<u64> {
    last().map(|(id, _)| id)
}

fn last() -> Option<(u64, &'static Metadata<'static>)> {
    let last = ENTERED.try_with(|entered| entered.borrow().last().copied());
    last.ok().flatten()
}

#[derive(Debug)]
struct Teller {
    next: AtomicU64,
    /// Spans that are not closed, and how many handles each has.
    spans: Mutex<HashMap<u64, (usize, &'static Metadata<'static>)>>,
}

impl Default for Teller {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(1),
            spans: Mutex::default(),
        }
    }
}

impl Teller {
    fn spans(&self) -> MutexGuard<'_, HashMap<u64, (usize, &'static Metadata<'static>)>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Teller {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        number(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match LEVEL.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let metadata = attributes.metadata();
        if !is_copy() {
            self.spans().insert(id, (1, metadata));
            let parent = parent(attributes.parent(), attributes.is_contextual());
            let mut values = Gather::default();
            attributes.record(&mut values);
            let values = values.done();
            write_at(metadata, |site| LogFrame::Span(id, site, parent, values));
        }
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut gather = Gather::default();
        values.record(&mut gather);
        writer::write(&LogFrame::Record(span.into_u64(), gather.done()));
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        writer::write(&LogFrame::Follows(span.into_u64(), follows.into_u64()));
    }

    fn event(&self, event: &Event<'_>) {
        if is_copy() {
            return;
        }
        let parent = parent(event.parent(), event.is_contextual());
        let mut values = Gather::default();
        event.record(&mut values);
        let values = values.done();
        write_at(event.metadata(), |site| {
            LogFrame::Event(site, parent, values)
        });
    }

    fn enter(&self, span: &Id) {
        let id = span.into_u64();
        if is_copy() {
            return;
        }
        let metadata = self.spans().get(&id).map(|(_, metadata)| *metadata);
        if let Some(metadata) = metadata {
            // A thread that ends is in none.
            let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((id, metadata)));
            writer::write(&LogFrame::Enter(id));
        }
    }

    fn exit(&self, span: &Id) {
        let id = span.into_u64();
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let place = entered.iter().rposition(|(one, _)| *one == id);
            place.map(|place| entered.remove(place))
        });
        if let Ok(Some(_)) = left {
            writer::write(&LogFrame::Exit(id));
        }
    }

    fn clone_span(&self, span: &Id) -> Id {
        if !is_copy()
            && let Some((handles, _)) = self.spans().get_mut(&span.into_u64())
        {
            *handles += 1;
        }
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let id = span.into_u64();
        if is_copy() {
            return false;
        }
        let mut spans = self.spans();
        let Some((handles, _)) = spans.get_mut(&id) else {
            return false;
        };
        *handles -= 1;
        if *handles > 0 {
            return false;
        }
        spans.remove(&id);
        drop(spans);
        writer::write(&LogFrame::Close(id));
        true
    }

    fn current_span(&self) -> Current {
        match last() {
            Some((id, metadata)) => Current::new(Id::from_u64(id), metadata),
            None => Current::none(),
        }
    }
}

/// The span that something is in.
fn parent(explicit: Option<&Id>, contextual: bool) -> Option<u64> {
    let explicit = explicit.map(Id::into_u64);
    explicit.or_else(|| last().filter(|_| contextual).map(|(id, _)| id))
}

fn write_at<'a>(metadata: &'static Metadata<'static>, frame: impl FnOnce(u32) -> LogFrame<'a>) {
    let site = |number| {
        let names = metadata.fields().iter().take(MOST_FIELDS);
        LogFrame::Site(
            number,
            LogSite {
                span: metadata.is_span(),
                level: self::number(*metadata.level()),
                name: metadata.name().into(),
                target: metadata.target().into(),
                module: metadata.module_path().map(Into::into),
                file: metadata.file().map(Into::into),
                line: metadata.line(),
                fields: names.map(|field| field.name().into()).collect(),
            },
        )
    };
    writer::write_at(ptr::from_ref(metadata).addr(), site, frame);
}

/// From 1 for errors to 5.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        _ => 5,
    }
}
