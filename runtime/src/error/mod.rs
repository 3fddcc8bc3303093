//! What can go wrong: [`Error`] for a call, [`TaskError`] for one item of it.

mod call;
mod task;
mod travel;
mod try_map;

pub use call::{Error, Result};
pub use task::TaskError;
pub use try_map::TryMapError;

pub(crate) use call::ErrorKind;
pub use task::Failure;
pub(crate) use task::{
    Bytes, Circumstances, Fault, MemoryExceeded, PanicReport, Step, TaskErrorKind, cut,
};
