//! The pool: calls are cut into chunks, chunks are given to workers, results find their call.
//!
//! One lock guards the [state](state::State). Nothing of the user's runs under it: items are
//! encoded and results are decoded by the thread that called. Whoever waits for results moves them
//! for everybody (see [`wait`]); two threads of the pool's own start, greet and bury workers (the
//! [supervisor]) and move results when nobody waits (the [courier]). More are started when they are
//! needed: one looks at the memory of workers while that is limited (the [gauge]), one calls the
//! [callbacks] of tasks, one passes on what workers write (the [relay](output)), one has others hear of what tasks [log](logs), one writes the inputs of
//! failed items to files, in a pool that [keeps](keep) them.
//!
//! Who runs chunks is a [backend]: the workers of this machine, or those of others.

mod actor;
mod backend;
mod balance;
mod builder;
mod call;
mod callbacks;
mod cancel;
mod carriage;
mod chunk;
mod chunker;
mod courier;
mod death;
mod durable;
mod environment;
mod events;
mod gauge;
mod global;
mod guard;
mod guardian;
mod handle;
mod hooks;
mod imap;
mod inline;
mod items;
mod job;
mod keep;
mod lifespan;
mod link;
#[cfg(feature = "_logs")]
mod logs;
#[cfg(not(feature = "_logs"))]
#[path = "logs_off.rs"]
mod logs;
mod map;
mod naming;
mod observer;
mod oom;
mod order;
mod output;
mod parts;
mod process;
mod report;
mod results;
mod room;
mod rules;
mod schedule;
mod seen;
mod select;
mod selectable;
mod setup;
mod shared;
mod state;
mod submit;
mod supervisor;
mod task;
mod tasks;
mod wait;
mod watch;

pub(crate) use actor::{
    ActorCall, ActorPool, Desk, Outcome as ActorOutcome, Plan, Ticket, Value as ActorValue,
};
pub use builder::{PoolBuilder, Resource};
pub use cancel::CancelToken;
pub use global::par_map;
pub use handle::Pool;
pub use hooks::InitOutput;
pub use imap::{Imap, ImapUnordered};
pub use items::ParallelItems;
pub use job::{Decide, Decision, Final, Job, Retrying};
pub use output::Output;
pub use parts::par_chunks_mut;
pub use process::{Process, ProcessBuilder, ProcessInfo, active_processes};
pub use report::Report;
pub use rules::Backoff;
pub use select::{
    AsCompleted, as_completed, wait_all, wait_all_timeout, wait_any, wait_any_timeout,
};
pub use task::Task;

#[cfg(test)]
mod tests;
