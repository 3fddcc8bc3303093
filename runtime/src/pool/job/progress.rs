//! Calls that show how far they are.

use std::borrow::Cow;

use indicatif::MultiProgress;

use super::Job;
use crate::observe::Progress;

impl<F, P> Job<'_, F, P> {
    /// Has a progress bar drawn with this name while the call runs: see [`Progress`] for what it shows.
    ///
    /// It goes to standard error, and nowhere if that is no terminal. Bars of several calls stand below each other, and what
    /// workers write and the program [passes on](crate::Output) to the terminal comes above them. Like every
    /// [observer](Self::observe), it knows nothing of [`spawn`](Job::spawn)ed tasks.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn hash(name: &str) -> u32 {
    ///     name.bytes().fold(0, |hash, byte| 31 * hash + u32::from(byte))
    /// }
    ///
    /// let hashes = Pool::global()?.job(hash).progress("hashing").map(["a", "b"])?;
    /// assert_eq!(hashes, [97, 98]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn progress(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.observe(Progress::new(name))
    }

    /// As [`progress`](Self::progress), with the bar among those that the program draws itself.
    ///
    /// ```
    /// use parproc::observe::indicatif::MultiProgress;
    /// # use parproc::{Pool, parallel};
    /// # #[parallel]
    /// # fn half(x: u32) -> u32 {
    /// #     x / 2
    /// # }
    ///
    /// let bars = MultiProgress::new();
    /// let job = Pool::global()?.job(half).progress_in(&bars, "halving");
    /// assert_eq!(job.map([2, 4])?, [1, 2]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn progress_in(self, bars: &MultiProgress, name: impl Into<Cow<'static, str>>) -> Self {
        self.observe(Progress::new_in(bars, name))
    }
}
