//! What people see of a pool: everything here is told [events](Event), and knows nothing else.

#[cfg(feature = "dashboard")]
mod dashboard;
mod json;
mod longest;
#[cfg(feature = "metrics")]
mod metrics;
mod node;
mod page;
mod place;
#[cfg(feature = "progress")]
mod progress;
mod report;
#[cfg(feature = "progress")]
mod screen;
mod stats;
mod table;
mod tally;
mod timeline;
mod timing;
mod trace;

pub use crate::event::{Event, EventKind, FailureKind, Interest, ItemSpan, Observer};
#[cfg(feature = "dashboard")]
pub use dashboard::Dashboard;
/// The crate that draws progress bars, in the version whose types [`Job::progress_in`](crate::Job::progress_in) takes.
#[cfg(feature = "progress")]
pub use indicatif;
pub use longest::LongItem;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use node::NodeStats;
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use report::HtmlReport;
#[cfg(feature = "progress")]
pub(crate) use screen::above_bars;
pub use stats::{Stats, WorkerStats};
pub(crate) use tally::Tally;
pub use timing::Timing;
pub use trace::Trace;
