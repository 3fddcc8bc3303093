//! What people see of a pool: everything here is told [events](Event), and knows nothing else.

#[cfg(feature = "dashboard")]
mod dashboard;
mod json;
mod longest;
#[cfg(feature = "metrics")]
mod metrics;
mod page;
mod report;
mod stats;
mod table;
mod tally;
mod timeline;
mod timing;
mod trace;

pub use crate::event::{Event, EventKind, FailureKind, Interest, ItemSpan, Observer};
#[cfg(feature = "dashboard")]
pub use dashboard::Dashboard;
pub use longest::LongItem;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use report::Report;
pub use stats::{Stats, WorkerStats};
pub(crate) use tally::Tally;
pub use timing::Timing;
pub use trace::Trace;
