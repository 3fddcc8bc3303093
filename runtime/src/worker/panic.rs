//! What is kept of a panic: message, place and stack, also when the panic aborts the worker.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

use crate::error::{PanicReport, cut};
use crate::shm::LastWords;
use crate::sys::{Stack, is_copy};

thread_local! {
    /// Some while this thread runs an item; what the last panic said.
    static REPORT: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

thread_local! {
    /// True once there is something to forget.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// True once a panic was recorded.
static PANICS: AtomicBool = AtomicBool::new(false);

/// In a worker: where the parent finds the report of a panic that the worker did not survive.
static TEXT: OnceLock<LastWords> = OnceLock::new();

/// While it lives, panics of this thread are recorded and not printed.
///
/// Other threads panic as usual.
#[derive(Debug)]
pub(crate) struct Recording {
    outer: Option<PanicReport>,
}

impl Recording {
    pub(crate) fn start() -> Self {
        static HOOK: Once = Once::new();
        // Hooks cannot be changed by a thread that is panicking; a later item installs ours.
        if !std::thread::panicking() {
            HOOK.call_once(install_hook);
        }
        Self {
            outer: REPORT.replace(Some(PanicReport::default())),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        REPORT.set(self.outer.take());
    }
}

/// Has reports left in `text` too, from now on.
pub(super) fn leave_reports_in(text: LastWords) {
    // Set once: a process becomes a worker once.
    let _ = TEXT.set(text);
}

/// Holds true once there can be something to [`forget`].
pub(crate) fn panics() -> &'static AtomicBool {
    &PANICS
}

/// The item is over, and the process lives: its panics did not end it.
pub(crate) fn forget() {
    if PANICKED.replace(false) {
        REPORT.with_borrow_mut(|report| report.as_mut().map(std::mem::take));
        if let Some(text) = TEXT.get() {
            text.clear();
        }
    }
}

/// The report of the panic that was just caught, as far as there is one.
pub(super) fn take_report(payload: &(dyn Any + Send)) -> PanicReport {
    let recorded = REPORT.with_borrow_mut(|report| report.as_mut().map(std::mem::take));
    // None if the program has set a hook of its own since.
    recorded
        .filter(|report| !report.location.is_empty())
        .unwrap_or_else(|| PanicReport {
            message: message(payload),
            location: "an unknown place".to_owned(),
            stack: Stack::default(),
            fatal: false,
        })
}

fn install_hook() {
    let stacks = std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value != "0");
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let Some(before) = REPORT.with_borrow_mut(|report| report.as_mut().map(std::mem::take))
        else {
            return usual(info);
        };
        let report = report(info, before, stacks);
        if let Some(text) = TEXT.get()
            && !is_copy()
            && let Ok(bytes) = postcard::to_stdvec(&report)
        {
            text.put(&bytes);
        }
        REPORT.set(Some(report));
        PANICKED.set(true);
        PANICS.store(true, Ordering::Relaxed);
    }));
}

fn report(info: &PanicHookInfo<'_>, before: PanicReport, stacks: bool) -> PanicReport {
    let message = message(info.payload());
    // The standard library raises these when a panic must not go on, and aborts; the cause is the
    // panic before.
    let stuck = message == "panic in a function that cannot unwind"
        || message == "panic in a destructor during cleanup";
    if stuck && !before.location.is_empty() {
        let message = cut(format!("{}; then: {message}", before.message));
        return PanicReport {
            message,
            fatal: true,
            ..before
        };
    }
    let location = info
        .location()
        .map_or_else(String::new, ToString::to_string);
    let stack = if stacks {
        Stack::capture()
    } else {
        Stack::default()
    };
    PanicReport {
        message,
        location,
        stack,
        fatal: stuck || cfg!(panic = "abort"),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    cut(
        match (
            payload.downcast_ref::<&str>(),
            payload.downcast_ref::<String>(),
        ) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            (None, None) => "a value that is no text".to_owned(),
        },
    )
}
