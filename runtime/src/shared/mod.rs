//! What processes share: memory that all read, and memory that all write.

mod array;
mod atomic;
mod atomics;
mod core;
mod elements;
mod error;
mod family;
mod guard;
mod lock;
mod number;
mod part;
mod parts;
mod plain;

pub use array::SharedArray;
pub use atomics::Atomics;
pub use error::{ArrayError, LockError};
pub use guard::{ArrayGuard, LockResult};
pub use number::{Integer, Number};
pub use part::SharedPart;
pub use plain::Plain;

#[cfg(test)]
mod tests;
