//! What a pool was built with.

use super::rules::Rules;

/// The settings of a pool that hold for its whole life.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// What items may do unless their job or function says otherwise.
    pub(super) rules: Rules,
    /// After so many crashes the pool gives up.
    pub(super) crash_budget: Option<u32>,
    /// Lines of standard error that are kept for an error.
    pub(super) stderr_lines: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            crash_budget: None,
            stderr_lines: 20,
        }
    }
}
