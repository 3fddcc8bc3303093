//! The worker's side: the gate before `main`, the loop that serves, and what is kept of a panic.

mod attach;
mod clock;
mod gate;
mod guard;
mod link;
mod panic;
mod run;
mod serve;

pub(crate) use attach::Attach;
pub(crate) use clock::ItemClock;
pub use gate::init;
pub(crate) use gate::{can_start_workers, is_worker};
pub(crate) use guard::{GuardAttach, NAME as GUARD_NAME};
pub(crate) use panic::Recording;
pub(crate) use run::run_item;
