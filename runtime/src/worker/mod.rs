//! What a task can ask of the worker that it runs in, and keep there for later tasks.

// What is not public here is the worker's side: the gate before `main`, the loop that serves, and what
// is kept of a panic.

mod attach;
mod clock;
pub(crate) mod gate;
mod guard;
mod link;
mod local;
mod orders;
mod panic;
mod run;
mod serve;

pub(crate) use attach::Attach;
pub(crate) use clock::ItemClock;
pub(crate) use gate::{can_start_workers, is_worker};
pub(crate) use guard::{GuardAttach, NAME as GUARD_NAME};
pub use local::{id, set_local, with_local};
pub(crate) use orders::Orders;
pub(crate) use panic::Recording;
pub(crate) use run::run_item;
