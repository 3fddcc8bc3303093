//! Sum, mean and deviation of durations, taken in one by one.

use std::time::Duration;

/// How long something took, over a number of times: the sum, the mean and the deviation.
///
/// Mean and deviation are kept up to date by Welford's method (Technometrics 4, 1962, 419–420), which loses no
/// precision where a sum of squares would, and put together by that of Chan, Golub and LeVeque (Stanford
/// STAN-CS-79-773, 1979).
///
/// ```
/// use std::time::Duration;
/// use parproc::observe::Timing;
///
/// let timing: Timing = [1, 2, 3].map(Duration::from_secs).into_iter().collect();
/// assert_eq!(timing.count(), 3);
/// assert_eq!(timing.total(), Duration::from_secs(6));
/// assert_eq!(timing.mean(), Duration::from_secs(2));
/// assert_eq!(timing.deviation(), Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    count: u64,
    /// Nanoseconds.
    total: u64,
    mean: f64,
    /// The sum of the squares of the differences from the mean.
    squares: f64,
}

impl Timing {
    /// How many durations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total)
    }

    /// Their mean; zero if there was none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        nanos(self.mean)
    }

    /// Their sample standard deviation: the square root of the mean square of their differences from the mean, with one
    /// less than their number as the divisor. Zero if there were fewer than two.
    #[must_use]
    pub fn deviation(&self) -> Duration {
        match self.count {
            0 | 1 => Duration::ZERO,
            count => nanos((self.squares / (count - 1) as f64).sqrt()),
        }
    }

    /// Takes in one more duration, in nanoseconds.
    pub(super) fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.total = self.total.saturating_add(nanos);
        let before = nanos as f64 - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (nanos as f64 - self.mean);
    }

    /// Takes in what another one did.
    pub(super) fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        if other.count == 0 {
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.mean += apart * theirs / count as f64;
        self.squares += other.squares + apart * apart * ours * theirs / count as f64;
        self.total = self.total.saturating_add(other.total);
        self.count = count;
    }
}

impl FromIterator<Duration> for Timing {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut timing = Self::default();
        for duration in durations {
            timing.add(crate::sys::nanos_of(duration));
        }
        timing
    }
}

fn nanos(nanos: f64) -> Duration {
    Duration::from_nanos(nanos.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the definition says, in two passes.
    fn in_two_passes(samples: &[u64]) -> (f64, f64) {
        let count = samples.len() as f64;
        let mean = samples.iter().map(|one| *one as f64).sum::<f64>() / count;
        let squares = samples.iter().map(|one| (*one as f64 - mean).powi(2));
        (mean, (squares.sum::<f64>() / (count - 1.0)).sqrt())
    }

    fn timing(samples: &[u64]) -> Timing {
        let mut timing = Timing::default();
        samples.iter().for_each(|one| timing.add(*one));
        timing
    }

    #[test]
    fn it_is_what_the_definition_says() {
        // Far from zero and close together: a sum of squares would be wrong here.
        let samples: Vec<u64> = (0..1000)
            .map(|x| 5_000_000_000_000 + x * x % 1009)
            .collect();
        let (mean, deviation) = in_two_passes(&samples);
        for parts in [1, 2, 7] {
            let mut whole = Timing::default();
            for part in samples.chunks(samples.len() / parts) {
                whole.merge(&timing(part));
            }
            assert_eq!(whole.count(), 1000);
            assert_eq!(whole.total().as_nanos() as u64, samples.iter().sum::<u64>());
            assert!((whole.mean - mean).abs() < 1.0, "{whole:?}");
            let ours = whole.deviation().as_nanos() as f64;
            assert!((ours - deviation).abs() <= 1.0, "{ours} {deviation}");
        }
    }

    #[test]
    fn few_have_no_deviation() {
        assert_eq!(timing(&[]).mean(), Duration::ZERO);
        assert_eq!(timing(&[7]).mean(), Duration::from_nanos(7));
        assert_eq!(timing(&[7]).deviation(), Duration::ZERO);
        assert_eq!(timing(&[7, 7]).deviation(), Duration::ZERO);
    }
}
