//! What happens in a pool, as plain data: calls, chunks, items, failures, retries, workers.
//!
//! A pool tells it in the order in which it happens; [observers](Observer) make of it what people look at.

mod kind;
mod observer;

pub use kind::{Event, EventKind, FailureKind, ItemSpan};
pub use observer::{Interest, Observer};
