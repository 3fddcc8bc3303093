//! What is told of an item besides its result.

use super::chunk::Origin;
use super::output::Written;
use crate::error::TaskError;

/// The result of one item, and how it came about: from [`Job::reports`](crate::Job::reports).
///
/// ```
/// use parproc::{Pool, parallel};
///
/// #[parallel(retries = 2)]
/// fn checked(x: u32) -> u32 {
///     if x == 1 {
///         std::process::abort();
///     }
///     x
/// }
///
/// for report in Pool::global()?.job(checked).reports(0..3)? {
///     let attempts = if report.index == 1 { 3 } else { 1 };
///     assert_eq!(report.attempts, attempts);
///     assert_eq!(report.result.is_ok(), report.index != 1);
/// }
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report<R> {
    /// The position of the item in the input, from 0.
    pub index: usize,
    /// What the function returned, or why it did not.
    pub result: Result<R, TaskError>,
    /// How often the item was tried: 1, or more if it was tried again.
    pub attempts: u32,
    /// The process id of the worker that ran the last attempt; none if no worker did.
    pub pid: Option<u32>,
    /// What the last attempt wrote to standard output, if the pool captures that: see
    /// [`Output::Captured`](crate::Output::Captured).
    pub stdout: Vec<u8>,
    /// The same of standard error.
    pub stderr: Vec<u8>,
    /// True when it wrote more to one of them than is kept: 1 MiB.
    pub is_output_cut: bool,
}

impl<R> Report<R> {
    pub(super) fn new(result: Result<R, TaskError>, index: usize, origin: Origin) -> Self {
        Self {
            index,
            result,
            attempts: origin.attempt,
            pid: origin.pid,
            stdout: Vec::new(),
            stderr: Vec::new(),
            is_output_cut: false,
        }
    }

    pub(super) fn put_written(&mut self, written: Written) {
        let ([stdout, stderr], cut) = written.into_parts();
        (self.stdout, self.stderr, self.is_output_cut) = (stdout, stderr, cut);
    }
}
