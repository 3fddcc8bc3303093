//! A dependency none of whose items is named by the programs that use it: they say `use extra as _`.

use parproc::parallel;

#[parallel]
pub fn unnamed(x: u64) -> u64 {
    x
}
