//! scaffold
#![allow(missing_docs)]
mod error;
mod pool;
mod registry;
mod shm;
mod sys;
mod wire;
mod worker;
pub use error::{Error, Result, TaskError, TryMapError};
pub use parproc_macros::parallel;
pub use pool::{Imap, ImapUnordered, Job, Pool, PoolBuilder, Task, par_map};
pub use registry::{Function, FunctionInfo, functions};
pub use worker::init;
#[doc(hidden)]
pub mod __private {
    pub use crate::error::Failure;
    pub use crate::registry::{Encoder, Identity, Registration, identity};
    pub use crate::wire::{Argument, Arguments, Output, Reply};
    pub use inventory;
}
