//! A dependency with functions that the programs beside it name.

use parproc::parallel;

/// Named only as a value by the programs that use it, never called.
#[parallel]
pub fn triple(x: u64) -> u64 {
    x * 3
}

/// Has no attribute.
pub fn plain(x: u64) -> u64 {
    x
}
