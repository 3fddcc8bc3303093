//! What an attribute says about time, memory and attempts.

/// The limits of a function; `None` where its attribute says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    /// How long one call may take, from its start in the worker.
    pub(crate) timeout_nanos: Option<u64>,
    /// How many bytes the worker and its children may use.
    pub(crate) memory: Option<u64>,
    /// Further attempts after a crash, a timeout or too much memory.
    pub(crate) retries: Option<u32>,
    /// What the memory limit is multiplied by before another attempt.
    pub(crate) memory_growth: Option<f64>,
}
