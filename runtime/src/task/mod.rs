//! What a task can ask about itself: which item it is, and a seed of its own.
//!
//! Random numbers that follow from [`seed`] are the same in each run, with any number of workers, any size of
//! chunks, and when an item is tried again:
//!
//! ```
//! use parproc::{Pool, parallel, task};
//!
//! /// How many of `darts` random points in a square lie in the circle within.
//! #[parallel]
//! fn hits(darts: u32) -> u32 {
//!     let mut random = fastrand::Rng::with_seed(task::seed());
//!     let mut hit = || random.f64().powi(2) + random.f64().powi(2) < 1.0;
//!     (0..darts).map(|_| u32::from(hit())).sum()
//! }
//!
//! let pool = Pool::builder().workers(2).build()?;
//! let first = pool.job(hits).seed(42).map([1000; 20])?;
//! let again = pool.job(hits).seed(42).chunk_size(7).map([1000; 20])?;
//! assert_eq!(first, again);
//! let pi = f64::from(4 * first.iter().sum::<u32>()) / 20_000.0;
//! assert!((pi - std::f64::consts::PI).abs() < 0.1);
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! With the crate `rand`, `StdRng::seed_from_u64(task::seed())` does the same.
//!
//! All threads of a worker get the answers for the item that it runs: those that the item started, and those that
//! earlier ones left behind. Where items run in the program itself, in an inline [pool](crate::PoolBuilder::inline)
//! or in a call that a task makes, only the thread that runs them gets theirs.

mod ask;
mod batch;
mod here;
mod served;

pub use ask::{attempt, function, index, seed};
pub(crate) use batch::Batch;
pub(crate) use here::Here;
pub(crate) use served::{begin_chunk, end_chunk, serve};

#[cfg(test)]
mod tests;
