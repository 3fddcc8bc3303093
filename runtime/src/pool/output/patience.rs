//! How long who has a result waits for what was logged before it.

use std::time::Instant;

#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(
    not(feature = "_logs"),
    expect(dead_code, reason = "without logs nobody waits for them")
)]
pub(in crate::pool) struct Patience {
    pub(in crate::pool) until: Option<Instant>,
    /// Not while what is played makes a call itself, which may wait for who waits here.
    pub(in crate::pool) beside_calls: bool,
}

impl Patience {
    pub(in crate::pool) const BESIDE_CALLS: Self = Self {
        until: None,
        beside_calls: true,
    };

    pub(in crate::pool) fn until(until: Option<Instant>) -> Self {
        Self {
            until,
            ..Self::default()
        }
    }
}
