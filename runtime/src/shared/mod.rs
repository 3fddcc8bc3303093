//! What processes share: memory that all read, and memory that all write.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Shared<T>`](Shared) | a value that all read: made once, and then never changed |
//! | [`SharedCell<T>`](SharedCell) | a value that all read and write |
//! | [`SharedArray<T>`](SharedArray) | elements that all read and write, one at a time, under a lock, or in parts |
//! | [`SharedPart<T>`](SharedPart) | a part of an array, which belongs to one task at a time |
//!
//! All of them are handles, which are passed to `#[parallel]` functions like any other value: as arguments, as results,
//! through channels, and inside of other values. What they name is not copied. Outside of
//! calls and channels, for instance into a file, they cannot be serialised.
//!
//! What several processes write has a [`Plain`] type. Locks, barriers and the like are in [`sync`](crate::sync).
//!
//! On [several machines](crate::guide::cluster) a [`Shared`] value goes to all of them, once. What is written is shared
//! by the processes of one machine: items whose arguments name it run on that of the program, and a result that names
//! what another machine has is the error of its item.
//!
//! Nothing has a name in a file system. Memory goes with the last handle, in whatever way the processes
//! that have one end; [`stats`] tells what this process has.

mod array;
mod atomic;
mod atomics;
mod cell;
mod copies;
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
pub use error::ArrayError;
pub use form::{Form, Source};
pub use guard::ArrayGuard;
pub use number::{Integer, Number};
pub use part::SharedPart;
pub use plain::Plain;
pub(crate) use plain::{all_valid, repair};
pub use stats::{Stats, stats};
pub use value::Shared;

#[cfg(test)]
mod tests;
