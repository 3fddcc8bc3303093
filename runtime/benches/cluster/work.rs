//! What the workers do.

use std::hint::black_box;

use parproc::parallel;
use rustix::time::{ClockId, clock_gettime};

#[parallel]
pub(crate) fn step(x: u64) -> u64 {
    x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}

#[parallel]
pub(crate) fn length(bytes: &[u8]) -> usize {
    bytes.len()
}

#[parallel]
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    vec![1; length]
}

/// Computes until it has used so many milliseconds of processor time; gives the nanoseconds that it used.
#[parallel]
pub(crate) fn compute(millis: u64) -> u64 {
    let begin = processor_nanos();
    let mut x = 1;
    loop {
        for _ in 0..10_000 {
            x = black_box(step(x));
        }
        let used = processor_nanos() - begin;
        if used > millis * 1_000_000 {
            return used;
        }
    }
}

/// The process that the worker belongs to: the rank, or the program.
#[parallel]
pub(crate) fn owner(_: u64) -> u32 {
    std::os::unix::process::parent_id()
}

fn processor_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    u64::try_from(nanos).expect("a time since the start")
}
