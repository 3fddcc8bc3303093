//! What people see of a pool: everything here is told [events](Event), and knows nothing else.

pub use crate::event::{Event, EventKind, FailureKind, Interest, ItemSpan, Observer};
