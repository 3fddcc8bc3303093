//! What processes share: memory that all read, and memory that all write.

mod array;
mod atomic;
mod atomics;
mod cell;
mod core;
mod double;
mod elements;
mod error;
mod file;
mod form;
mod guard;
mod number;
mod part;
mod parts;
mod plain;
mod stats;
mod value;

pub use array::SharedArray;
pub use atomics::Atomics;
pub use cell::SharedCell;
pub use error::{ArrayError, LockError};
pub use form::{Form, Source};
pub use guard::{ArrayGuard, LockResult};
pub use number::{Integer, Number};
pub use part::SharedPart;
pub use plain::Plain;
pub(crate) use plain::{all_valid, repair};
pub use stats::{Stats, stats};
pub use value::Shared;

#[cfg(test)]
mod tests;
