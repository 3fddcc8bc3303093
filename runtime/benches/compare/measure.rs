//! Taking turns, and the figures that come of it.

use std::error::Error;
use std::time::{Duration, Instant};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) quick: bool,
}

impl Scale {
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    pub(crate) fn rounds(self) -> usize {
        self.pick(9, 2)
    }
}

/// What one contestant cost in each round: nanoseconds, or another unit of which less is better.
#[derive(Debug)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// A figure that was not taken in turns with others.
    pub(crate) fn of(cost: f64) -> Self {
        Self(vec![cost])
    }

    pub(crate) fn from(costs: Vec<f64>) -> Self {
        Self(costs)
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// How many times the cost of `other` this is.
    pub(crate) fn ratio_to(&self, other: &Series) -> Ratio {
        // The only figure of the other is compared with each of ours; of fewer rounds, each with its own.
        let repeats = if other.0.len() == 1 { self.0.len() } else { 1 };
        let theirs = other.0.iter().cycle().take(other.0.len() * repeats);
        let ratios: Vec<f64> = self.0.iter().zip(theirs).map(|(a, b)| a / b).collect();
        Ratio {
            lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            highest: ratios.iter().copied().fold(0.0, f64::max),
            median: median(ratios),
        }
    }
}

/// The ratios of all rounds.
#[derive(Debug)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

/// Lets every contestant run once a round. A first round, in which caches and pools get warm, does
/// not count.
pub(crate) fn take_turns<const N: usize>(
    rounds: usize,
    mut contestants: [&mut dyn FnMut() -> Outcome<f64>; N],
) -> Outcome<[Series; N]> {
    let mut series = [const { Series(Vec::new()) }; N];
    for round in 0..=rounds {
        for (contestant, series) in contestants.iter_mut().zip(&mut series) {
            let cost = contestant()?;
            if round > 0 {
                series.0.push(cost);
            }
        }
    }
    Ok(series)
}

/// What `work` returns, and the nanoseconds that it took.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let value = work();
    (value, nanos(start.elapsed()))
}

pub(crate) fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// The middle value, or the mean of the two in the middle.
///
/// # Panics
/// When there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

/// Fails if a result is not what it has to be.
pub(crate) fn check(right: bool, what: &str) -> Outcome<()> {
    if right {
        Ok(())
    } else {
        Err(format!("a wrong result: {what}").into())
    }
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A warm pool of processes.
pub(crate) fn pool(workers: usize) -> Outcome<parproc::Pool> {
    let pool = parproc::Pool::builder().workers(workers).build()?;
    if pool.is_inline() {
        return Err("PARPROC_INLINE is set: there is no process to compare with".into());
    }
    Ok(pool)
}

/// As many threads for rayon as a pool has workers.
pub(crate) fn threads(count: usize) -> Outcome<rayon::ThreadPool> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(count).build()?)
}
