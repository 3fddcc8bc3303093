//! Shared memory within one process; `tests/shared.rs` has it between several.

use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};

mod array;
mod cell;
mod part;
mod value;

#[test]
fn handles_can_be_used_by_all_threads() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
    check::<super::SharedArray<u64>>();
    check::<super::SharedPart<[f32; 3]>>();
    check::<super::SharedCell<bool>>();
    check::<super::SharedCell<[u64; 9]>>();
    check::<super::Shared<[u8]>>();
    check::<super::Shared<str>>();
    check::<super::Shared<Vec<String>>>();
}
