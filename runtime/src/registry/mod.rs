//! The table of functions that carry `#[parallel]`: who they are, and how a worker calls them.
//!
//! Every `#[parallel]` leaves a [`Registration`] in the program, which `inventory` collects before
//! `main`. The table sorts them by name, so that an index means the same in every process of one
//! build, and its fingerprint tells two builds apart.

mod actor;
mod function;
mod info;
mod limits;
mod registration;
mod table;

pub use actor::{Maker, Method, maker, method};
pub use function::{Encoder, Function};
pub use info::{FunctionInfo, functions};
pub(crate) use limits::Limits;
pub use registration::{Identity, Registration, identity};
pub(crate) use table::{FunctionId, NO_FUNCTION, Table, table};
