//! Processes of their own: one fresh worker for one call, which ends with it.
//!
//! They are workers of a hidden pool that starts one for each call, at once and whatever their
//! number. A worker's [`Link`](super::link::Link) with a [`Life`] is never given anything else, and
//! is told from the start to end when it is done. All that happens to workers happens to them the
//! same way: limits, deaths, reports.

mod builder;
mod handle;
mod host;
mod life;
mod start;

pub use builder::ProcessBuilder;
pub use handle::Process;
pub use host::{ProcessInfo, active_processes};
pub(super) use life::Teller;
pub(super) use start::{OwnCall, Start};
