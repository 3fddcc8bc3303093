//! The attempts that failed, with what is said about them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::FailureKind;

/// How many failures are kept.
pub(super) const FAILURES: usize = 1_000;
/// How many bytes a report may have.
const REPORT: usize = 16 << 10;
/// How many bytes all reports may have; behind that only [`SHORT`] ones are kept.
const REPORTS: usize = 1_500_000;
const SHORT: usize = 200;

/// An attempt that failed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    pub(super) at: u64,
    pub(super) began: Option<u64>,
    pub(super) lane: Option<usize>,
    #[serde(skip)]
    pub(super) pool: usize,
    pub(super) call: u64,
    pub(super) function: usize,
    pub(super) index: usize,
    pub(super) attempt: u32,
    pub(super) kind: &'static str,
    pub(super) report: String,
    pub(super) retried: bool,
}

/// The first of them, and how many there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    pub(super) kept: Vec<Failure>,
    pub(super) left_out: u64,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    bytes: usize,
}

impl Failures {
    pub(super) fn count(&mut self, kind: FailureKind) {
        *self.kinds.entry(kind.name()).or_default() += 1;
    }

    /// Keeps it if there is room for it.
    pub(super) fn keep(&mut self, mut failure: Failure) {
        if self.kept.len() == FAILURES {
            self.left_out += 1;
            return;
        }
        let room = REPORTS.saturating_sub(self.bytes).clamp(SHORT, REPORT);
        cut(&mut failure.report, room);
        self.bytes += failure.report.len();
        self.kept.push(failure);
    }

    /// The item is tried again after all: true if its last failure was kept as final.
    pub(super) fn revoke(&mut self, pool: usize, call: u64, index: usize) -> bool {
        let mut kept = self.kept.iter_mut().rev();
        let last = kept.find(|one| one.pool == pool && one.call == call && one.index == index);
        match last {
            Some(failure) if !failure.retried => {
                failure.retried = true;
                true
            }
            _ => false,
        }
    }
}

/// Leaves the first `room` bytes of a text, and says so.
fn cut(text: &mut String, room: usize) {
    if text.len() <= room {
        return;
    }
    let end = text.floor_char_boundary(room);
    let left = text.len() - end;
    text.truncate(end);
    text.push_str(&format!("\n… and {left} bytes more"));
}
