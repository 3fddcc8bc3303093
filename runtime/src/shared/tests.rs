//! Shared memory within one process; `tests/shared.rs` has it between several.

mod array;
mod cell;
mod part;
mod value;
