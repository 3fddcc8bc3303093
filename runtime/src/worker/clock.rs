//! When the current item began, by both clocks.

use std::time::Duration;

use crate::error::Circumstances;
use crate::sys::{cpu_nanos, now_nanos, peak_memory};

/// Processor time is not asked for more often: that takes a system call.
const CPU_EVERY: u64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct ItemClock {
    /// Nanoseconds of the monotonic clock.
    began: u64,
    /// Processor time of this process in nanoseconds, about then.
    pub(crate) cpu: u64,
    cpu_at: u64,
}

impl ItemClock {
    /// An item begins.
    pub(crate) fn begin(&mut self, now: u64) {
        self.began = now;
        if now.saturating_sub(self.cpu_at) >= CPU_EVERY {
            self.cpu = cpu_nanos();
            self.cpu_at = now;
        }
    }

    /// What is known of the item, which fails now.
    pub(crate) fn circumstances(&self) -> Circumstances {
        Circumstances {
            wall: Some(Duration::from_nanos(now_nanos().saturating_sub(self.began))),
            cpu: Some(Duration::from_nanos(cpu_nanos().saturating_sub(self.cpu))),
            peak: peak_memory(std::process::id()),
            stderr: String::new(),
        }
    }
}
