//! What people see of a pool: everything here is told [events](Event), and knows nothing else.

mod tally;

pub use crate::event::{Event, EventKind, FailureKind, Interest, ItemSpan, Observer};
pub(crate) use tally::Tally;
