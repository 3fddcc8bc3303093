//! What people see of a pool: everything here is told [events](Event), and knows nothing else.

#[cfg(feature = "dashboard")]
mod dashboard;
mod json;
#[cfg(feature = "metrics")]
mod metrics;
mod page;
mod report;
mod tally;
mod timeline;
mod trace;

#[cfg(feature = "dashboard")]
pub use dashboard::Dashboard;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use report::Report;
pub use trace::Trace;

pub use crate::event::{Event, EventKind, FailureKind, Interest, ItemSpan, Observer};
pub(crate) use tally::Tally;
