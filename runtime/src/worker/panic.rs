//! What is kept of a panic: message, place and stack, also when the panic aborts the worker.

use std::cell::RefCell;
use std::panic::PanicHookInfo;

use crate::error::PanicReport;
use crate::shm::PanicText;
use crate::sys::Stack;

/// Longer messages are cut: they travel in the ring with the results.
const MESSAGE_BYTES: usize = 16 << 10;

thread_local! {
    /// Some on the thread that serves; what its last panic said.
    static REPORT: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

/// Has panics of this thread recorded instead of printed, in `text` too if there is one.
///
/// Other threads of a task panic as usual.
pub(super) fn record_panics(text: PanicText) {
    REPORT.set(Some(PanicReport::default()));
    let backtraces = std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value != "0");
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if REPORT.with_borrow(Option::is_none) {
            return usual(info);
        }
        let report = report(info, backtraces);
        if let Ok(bytes) = postcard::to_stdvec(&report) {
            text.put(&bytes);
        }
        REPORT.set(Some(report));
    }));
}

/// The report of the panic that was just caught, as far as there is one.
pub(super) fn take_report(payload: &(dyn std::any::Any + Send)) -> PanicReport {
    let recorded = REPORT.with_borrow_mut(|report| report.as_mut().map(std::mem::take));
    recorded
        .filter(|report| !report.location.is_empty())
        .unwrap_or_else(|| PanicReport {
            message: message(payload),
            location: "an unknown place".to_owned(),
            stack: Stack::default(),
        })
}

fn report(info: &PanicHookInfo<'_>, backtraces: bool) -> PanicReport {
    let location = info
        .location()
        .map_or_else(String::new, ToString::to_string);
    let stack = if backtraces {
        Stack::capture()
    } else {
        Stack::default()
    };
    PanicReport {
        message: message(info.payload()),
        location,
        stack,
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let mut message = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        (None, None) => "a value that is no text".to_owned(),
    };
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    message
}
