//! What an item may use, and how often it is tried: from the job, its function, or the pool.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys::nanos_of;

/// The pause before an item is tried again after a crash, a timeout or exceeded memory.
///
/// Pauses grow exponentially with the attempts and vary at random, so that items that failed
/// together do not come back together. Other items run meanwhile.
///
/// ```
/// use std::time::Duration;
/// use parproc::{Backoff, Pool};
///
/// let backoff = Backoff::new(Duration::from_millis(100)).factor(3.0).limit(Duration::from_secs(5));
/// let pool = Pool::builder().retries(4).backoff(backoff).build()?;
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[must_use = "a back-off does nothing before it is given to a pool or a job"]
pub struct Backoff {
    first: Duration,
    factor: f64,
    limit: Duration,
    jitter: f64,
}

impl Backoff {
    /// Pauses that begin with `first`, double each time up to 10 s, and vary by half.
    pub const fn new(first: Duration) -> Self {
        Self {
            first,
            factor: 2.0,
            limit: Duration::from_secs(10),
            jitter: 0.5,
        }
    }

    /// No pauses.
    pub const fn none() -> Self {
        Self::new(Duration::ZERO)
    }

    /// Each pause is `factor` times the one before; at least 1.
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// No pause is longer than this.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Up to this part of each pause, from 0 to 1, is left out at random.
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// The pause after `failures` failed attempts.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        if self.first.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * self.factor.powi(exponent);
        // More than a `Duration` can say is more than any limit.
        let pause =
            Duration::try_from_secs_f64(seconds).map_or(self.limit, |pause| pause.min(self.limit));
        pause
            .mul_f64(1.0 - self.jitter * fastrand::f64())
            .min(pause)
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(1.0..=f64::MAX).contains(&self.factor) {
            let factor = self.factor;
            return Err(Error::invalid(format!(
                "a back-off factor of {factor}: it has to be a number of at least 1"
            )));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            let jitter = self.jitter;
            return Err(Error::invalid(format!(
                "a jitter of {jitter}: it has to be a number from 0 to 1"
            )));
        }
        Ok(())
    }
}

impl Default for Backoff {
    /// Begins with 20 ms.
    fn default() -> Self {
        Self::new(Duration::from_millis(20))
    }
}

/// Settings as far as they were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rules {
    pub(super) timeout: Option<Duration>,
    /// Bytes.
    pub(super) memory: Option<u64>,
    pub(super) memory_growth: Option<f64>,
    pub(super) retries: Option<u32>,
    pub(super) quarantine: Option<u32>,
    pub(super) backoff: Option<Backoff>,
}

/// What became of an item so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct History {
    /// The attempt that is made, counted from 1.
    pub(super) attempt: u32,
    /// Workers that it ended.
    pub(super) kills: u32,
    /// How often it passed its memory limit.
    pub(super) exceeded: u32,
    /// Workers that ended before they had begun it, as they said.
    pub(super) spared: u32,
    /// Nodes that had it and were lost.
    pub(super) nodes: u32,
}

/// Whether an item that ended its worker is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    After(Duration),
    /// It has used up its attempts.
    No,
    /// It would be tried again, had it not ended too many workers.
    Quarantined,
}

impl History {
    pub(super) const FIRST: Self = Self {
        attempt: 1,
        kills: 0,
        exceeded: 0,
        spared: 0,
        nodes: 0,
    };
}

impl Rules {
    /// These settings, and the others where there is none here.
    pub(super) fn or(self, weaker: Self) -> Self {
        Self {
            timeout: self.timeout.or(weaker.timeout),
            memory: self.memory.or(weaker.memory),
            memory_growth: self.memory_growth.or(weaker.memory_growth),
            retries: self.retries.or(weaker.retries),
            quarantine: self.quarantine.or(weaker.quarantine),
            backoff: self.backoff.or(weaker.backoff),
        }
    }

    /// Fails when a setting is out of range.
    pub(super) fn check(&self) -> Result<()> {
        if self.timeout == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "a time limit of 0: an item needs some time to run",
            ));
        }
        if self.memory == Some(0) {
            return Err(Error::invalid(
                "a memory limit of 0: a worker needs some memory to run",
            ));
        }
        if let Some(growth) = self.memory_growth
            && !(1.0..=f64::MAX).contains(&growth)
        {
            return Err(Error::invalid(format!(
                "a memory growth of {growth}: it has to be a number of at least 1"
            )));
        }
        if self.quarantine == Some(0) {
            return Err(Error::invalid(
                "a quarantine after 0 ended workers: items would never be run",
            ));
        }
        self.backoff.as_ref().map_or(Ok(()), Backoff::check)
    }

    /// True when the worker has to tell when it begins each item.
    pub(super) fn is_watched(&self) -> bool {
        self.timeout.is_some() || self.memory.is_some()
    }

    /// Nanoseconds that an item may take.
    pub(super) fn timeout_nanos(&self) -> Option<u64> {
        self.timeout.map(nanos_of)
    }

    /// Bytes that an item may use in its present attempt.
    pub(super) fn memory_for(&self, history: History) -> Option<u64> {
        let limit = self.memory?;
        let growth = self.memory_growth.unwrap_or(1.0);
        let exponent = i32::try_from(history.exceeded).unwrap_or(i32::MAX);
        Some((limit as f64 * growth.powi(exponent)) as u64)
    }

    /// Whether an item with this history, its last attempt included, is tried again.
    pub(super) fn retry(&self, history: History) -> Retry {
        if history.attempt > self.retries.unwrap_or(0) {
            Retry::No
        } else if self.quarantine.is_some_and(|most| history.kills >= most) {
            Retry::Quarantined
        } else {
            Retry::After(self.backoff.unwrap_or_default().pause(history.attempt))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(attempt: u32, kills: u32) -> History {
        History {
            attempt,
            kills,
            ..History::FIRST
        }
    }

    #[test]
    fn pauses_grow_up_to_their_limit_and_vary_below_it() {
        let steady = Backoff::new(Duration::from_millis(10))
            .factor(3.0)
            .limit(Duration::from_millis(100))
            .jitter(0.0);
        let pauses: Vec<_> = (1..=4).map(|n| steady.pause(n).as_millis()).collect();
        assert_eq!(pauses, [10, 30, 90, 100]);
        assert_eq!(steady.pause(u32::MAX), Duration::from_millis(100));
        let varied = steady.jitter(0.5);
        for _ in 0..100 {
            let pause = varied.pause(4).as_secs_f64();
            assert!((0.05..=0.1).contains(&pause), "{pause}");
        }
        for failures in [1, 7, 5000, u32::MAX] {
            assert_eq!(
                Backoff::none().factor(1e200).pause(failures),
                Duration::ZERO
            );
            let longest = Backoff::new(Duration::MAX / 2).limit(Duration::MAX / 2);
            assert!(longest.pause(failures) <= Duration::MAX / 2);
        }
    }

    #[test]
    fn retries_are_further_attempts_and_end_in_quarantine() {
        let rules = Rules {
            retries: Some(2),
            backoff: Some(Backoff::none()),
            ..Rules::default()
        };
        assert_eq!(rules.retry(after(1, 1)), Retry::After(Duration::ZERO));
        assert_eq!(rules.retry(after(2, 2)), Retry::After(Duration::ZERO));
        assert_eq!(rules.retry(after(3, 3)), Retry::No);
        let careful = Rules {
            quarantine: Some(2),
            ..rules
        };
        assert_eq!(careful.retry(after(1, 1)), Retry::After(Duration::ZERO));
        assert_eq!(careful.retry(after(2, 2)), Retry::Quarantined);
        assert_eq!(Rules::default().retry(after(1, 1)), Retry::No);
    }

    #[test]
    fn a_memory_limit_grows_with_each_time_that_it_was_passed() {
        let rules = Rules {
            memory: Some(100),
            memory_growth: Some(1.5),
            ..Rules::default()
        };
        let exceeded = |exceeded| History {
            exceeded,
            ..after(1, 0)
        };
        assert_eq!(rules.memory_for(exceeded(0)), Some(100));
        assert_eq!(rules.memory_for(exceeded(2)), Some(225));
    }

    #[test]
    fn what_a_job_says_goes_before_what_its_pool_says() {
        let job = Rules {
            timeout: Some(Duration::from_secs(1)),
            ..Rules::default()
        };
        let pool = Rules {
            timeout: Some(Duration::from_secs(2)),
            retries: Some(3),
            ..Rules::default()
        };
        let both = job.or(pool);
        assert_eq!(both.timeout, Some(Duration::from_secs(1)));
        assert_eq!(both.retries, Some(3));
    }
}
